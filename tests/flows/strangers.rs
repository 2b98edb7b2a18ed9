//! Whoever cannot prove to be the client, the person or the page that a request claims to be from.

use crate::issuer;
use http::StatusCode;
use tests::browser::{Browser, Reply, is_consent, sign_in_form, text};
use tests::client::{Ask, C1, C2, C3, C4, SignedIn, Tokens};
use tests::people::{ALICE, BOB, Person};
use tests::world::Issuer;

#[test]
fn rfc8252_8_6_a_native_application_has_no_code_without_the_person() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let page = browser.get(&Ask::of(C3).url(&issuer));
    assert!(text(&page).contains("Continue as"));
    Reply::of(&browser.decide(issuer.url(), &page, "allow")).code();
    assert!(is_consent(&browser.get(&Ask::of(C3).url(&issuer))), "each time");
    let silent = Reply::of(&browser.get(&Ask::of(C3).set("prompt", "none").url(&issuer)));
    assert_eq!(silent.get("error"), Some("interaction_required"));
    // A public client with a domain of its own to answer at is known by it.
    Reply::of(&browser.get(&Ask::of(C4).url(&issuer))).code();
}

#[test]
fn lo_02_a_page_of_somebody_else_signs_nobody_out() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let url = issuer.at("/end_session");
    let answer = browser.post_from("https://evil.test", &url, &[("client_id", "c1")]);
    assert!(!answer.headers().contains_key("set-cookie"));
    let again = browser.get(&issuer.at(&Reply::of(&answer).location));
    assert_eq!(again.status(), StatusCode::OK, "the person is asked");
    Reply::of(&browser.get(&Ask::of(C1).url(&issuer))).code();
}

#[test]
fn lo_03_a_hint_of_another_client_leads_nowhere() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C2));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    for hint in [tokens.id(), "garbage"] {
        let query = shared::form::encode([
            ("client_id", "c1"),
            ("post_logout_redirect_uri", "https://app.test/out"),
            ("id_token_hint", hint),
        ]);
        let url = issuer.at(&format!("/end_session?{query}"));
        let answer = Browser::new(&issuer).get(&url);
        assert_eq!(answer.status(), StatusCode::OK, "{hint}");
    }
}

fn guess(browser: &Browser<'_, Issuer>, issuer: &Issuer, person: Person) -> StatusCode {
    let page = browser.get(&Ask::of(C1).set("prompt", "login").url(issuer));
    let filled = [("username", person.username), ("password", person.password)];
    browser.submit(issuer.url(), &sign_in_form(&page), &filled).status()
}

#[test]
fn fd_37_guesses_from_elsewhere_do_not_lock_out_a_browser_that_is_known() {
    let issuer = issuer();
    let (known, stranger) = (Browser::new(&issuer), Browser::new(&issuer));
    assert_eq!(guess(&known, &issuer, ALICE), StatusCode::SEE_OTHER);
    let wrong = Person { password: "wrong", ..ALICE };
    for _ in 0..12 {
        guess(&stranger, &issuer, wrong);
    }
    assert_eq!(guess(&stranger, &issuer, ALICE), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(guess(&known, &issuer, ALICE), StatusCode::SEE_OTHER);
    // It is a brake of its own, and no way around: nor is it one for another name.
    for _ in 0..12 {
        guess(&known, &issuer, wrong);
    }
    assert_eq!(guess(&known, &issuer, ALICE), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(guess(&known, &issuer, BOB), StatusCode::SEE_OTHER);
}

#[test]
fn fd_39_ds_08_a_flood_of_names_is_answered_and_not_hashed() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let form = sign_in_form(&browser.get(&Ask::of(C1).url(&issuer)));
    let flood = (0..3_000).map(|n| {
        let name = format!("nobody-{n}");
        browser.submit(issuer.url(), &form, &[("username", &name), ("password", "x")]).status()
    });
    let busy = flood.filter(|status| *status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(busy > 1_000, "{busy} were turned away");
    issuer.inside().pass(5);
    assert_eq!(guess(&browser, &issuer, ALICE), StatusCode::SEE_OTHER);
}
