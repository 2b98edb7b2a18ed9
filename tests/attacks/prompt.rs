//! AZ: `prompt` and `max_age`: who has to prove again who they are does.

use crate::authorize::{go, sent_back};
use shared::fetch::Response;
use tests::believe;
use tests::browser::{Browser, Reply, is_sign_in, sign_in_form};
use tests::client::{Ask, C1, SignedIn, Tokens, tokens};
use tests::expect::back;
use tests::people::{ALICE, BOB};
use tests::world::{issuer, needs_clock};

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";

#[test]
fn az_16_az_17_none_stands_alone_and_shows_nothing() {
    let issuer = issuer();
    let words = ["none login", "login none", "none consent", "none none", "bogus", "login bogus"];
    for prompt in words {
        sent_back(&issuer, &Ask::of(C1).set("prompt", prompt), "invalid_request");
    }
    // There is no upstream, so nobody could make an account.
    sent_back(&issuer, &Ask::of(C1).set("prompt", "create"), "invalid_request");
    let ask = Ask::of(C1).set("prompt", "none");
    back(&go(&issuer, &ask), &issuer, &ask, "login_required");
    // A cookie that means nothing is nobody.
    let browser = Browser::new(&issuer);
    browser.plant(HOST, SESSION, "x");
    back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "login_required");
}

#[test]
fn az_18_who_has_to_sign_in_again_gets_no_code_before() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for prompt in ["login", "select_account", "login consent", "consent select_account login"] {
        let ask = Ask::of(C1).set("prompt", prompt);
        let page = browser.get(&ask.url(&issuer));
        assert!(is_sign_in(&page), "{prompt}");
        // Posting the form without a password, or asking for where it goes, is no way around.
        let form = sign_in_form(&page);
        assert!(is_refused(&browser.submit(issuer.url(), &form, &[("username", "alice")])));
        assert!(is_refused(&browser.get(&issuer.at("/sign-in"))));
        let mut answer = browser.sign_in(&page, ALICE);
        if prompt.contains("consent") {
            answer = browser.decide(issuer.url(), &answer, "allow");
        }
        Reply::of(&answer).code();
    }
}

#[test]
fn az_18_another_person_may_be_chosen_and_then_the_code_is_theirs() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let ask = Ask::of(C1).set("prompt", "select_account");
    let reply = Reply::of(&browser.sign_in(&browser.get(&ask.url(&issuer)), BOB));
    let bobs = Tokens::of(&C1.redeem(&reply.code(), &ask).send(&issuer));
    let alices = tokens(&issuer, C1);
    let sub = |tokens: &Tokens| believe::access_token(&issuer, &tokens.access, issuer.url());
    assert_ne!(sub(&bobs).unwrap()["sub"], sub(&alices).unwrap()["sub"]);
}

fn is_refused(answer: &Response) -> bool {
    answer.status().is_client_error()
}

#[test]
fn az_19_max_age_is_a_number_and_zero_is_now() {
    let issuer = issuer();
    for bad in ["-1", "x", "1.5", " 1", "+1", "1e9", "99999999999999999999999"] {
        sent_back(&issuer, &Ask::of(C1).set("max_age", bad), "invalid_request");
    }
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    assert!(is_sign_in(&browser.get(&Ask::of(C1).set("max_age", "0").url(&issuer))));
    let ask = Ask::of(C1).set("max_age", "0").set("prompt", "none");
    back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "login_required");
    let ask = Ask::of(C1).set("max_age", "1000000000");
    Reply::of(&browser.get(&ask.url(&issuer))).code();
}

#[test]
fn az_19_a_session_that_is_too_old_for_max_age_signs_in_again() {
    let Some(issuer) = needs_clock() else { return };
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    issuer.inside().pass(61);
    assert!(is_sign_in(&browser.get(&Ask::of(C1).set("max_age", "60").url(&issuer))));
    Reply::of(&browser.get(&Ask::of(C1).set("max_age", "61").url(&issuer))).code();
}
