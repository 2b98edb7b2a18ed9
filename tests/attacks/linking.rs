//! FD: adding a way to sign in to one's account. Both ends are proved, in one session.

use crate::events::{happened, only};
use crate::ways::{
    HOST, SESSION, account, account_by, at_home, away, link, linked, local_account, local_entry,
    page, pass, press, unlink_upstream, ways, with_password, with_upstream,
};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tests::browser::{Browser, Reply, gist, is_sign_in, posted, text};
use tests::client::{Ask, C1, Client, Tokens};
use tests::expect::local;
use tests::memory::Fault;
use tests::people::{ALICE, BOB};
use tests::upstream::{Net, net_of_three, onward};

pub(crate) fn refused(answer: &shared::fetch::Response, status: StatusCode, what: &str) {
    assert_eq!(answer.status(), status, "{what}: {}", gist(answer));
    local(answer, what);
}

pub(crate) fn tokens(net: &Net, browser: &Browser<'_, Net>, client: Client, scope: &str) -> Tokens {
    let ask = Ask::of(client).set("scope", scope);
    let code = Reply::of(&browser.get(&ask.url(&net.issuer))).code();
    Tokens::of(&client.redeem(&code, &ask).send(&net.issuer))
}

#[test]
fn a_person_adds_upstreams_to_a_local_account_and_signs_in_by_any_of_them() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    assert_eq!(ways(&net, &browser), ["Password"]);
    happened(&net.issuer);
    linked(&net, &browser, "acme", ALICE);
    let wanted = json!({ "event": "identity_linked", "account": alice, "upstream": "acme" });
    assert_eq!(only(&net.issuer), wanted);
    linked(&net, &browser, "other", BOB);
    assert_eq!(ways(&net, &browser), ["Acme", "Other", "Password"]);
    assert!(text(&page(&net, &browser)).contains("alice@people.test \u{b7} Last used just now"));
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    assert_eq!(account_by(&net, "other", BOB), alice);
    assert_eq!(local_account(&net, ALICE), alice);
    // Who they are not at the other is somebody else.
    assert_ne!(account_by(&net, "other", ALICE), alice);
    // Once more is no more.
    happened(&net.issuer);
    linked(&net, &browser, "acme", ALICE);
    assert!(happened(&net.issuer).is_empty());
    assert_eq!(ways(&net, &browser).len(), 3);
}

#[test]
fn a_person_adds_an_upstream_to_an_account_of_another_upstream() {
    let net = net_of_three();
    let browser = Browser::new(&net);
    with_upstream(&net, &browser, "acme", ALICE);
    let alice = account(&net, &browser).unwrap();
    linked(&net, &browser, "other", ALICE);
    assert_eq!(ways(&net, &browser), ["Acme", "Other"]);
    assert_eq!(account_by(&net, "other", ALICE), alice);
}

#[test]
fn fd_21_the_same_subject_of_two_upstreams_is_two_people() {
    let net = net_of_three();
    assert_ne!(account_by(&net, "acme", ALICE), account_by(&net, "other", ALICE));
}

#[test]
fn fd_17_nobody_elses_page_can_begin_to_add_anything() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let url = net.issuer.at("/account");
    for (name, value) in [("link", "acme"), ("unlink", &local_entry(ALICE))] {
        let cross = browser.post_from("https://evil.test", &url, &[(name, value)]);
        assert_eq!(cross.status(), StatusCode::FORBIDDEN, "{name}");
        // With the cookie, from another page or from nobody who says so.
        for origin in [None, Some("https://evil.test"), Some("null")] {
            let mut post = posted(&url, &[(name, value)]);
            if let Some(origin) = origin {
                post.headers_mut().insert("origin", HeaderValue::from_static(origin));
            }
            assert_eq!(browser.send(post).status(), StatusCode::FORBIDDEN, "{name} {origin:?}");
        }
        let get = browser.get(&format!("{url}?{name}={value}"));
        assert!(text(&get).contains("<h1>Your account</h1>"), "{name}: {}", gist(&get));
    }
    assert_eq!(ways(&net, &browser), ["Password"]);
}

#[test]
fn fd_17_who_is_signed_in_at_the_upstream_is_shown_there_before_they_are_added() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    // Somebody else signed in there, in this very browser.
    with_upstream(&net, &Browser::new(&net), "acme", BOB);
    let url = onward(&press(&net, &browser, "link", "acme"));
    assert!(url.contains("prompt=select_account"), "{url}");
    assert!(is_sign_in(&browser.get(&url)));
}

#[test]
fn fd_17_fd_03_what_somebody_else_began_is_not_finished_here() {
    let net = net_of_three();
    let (mallory, browser) = (at_home(&net, BOB), at_home(&net, ALICE));
    let callback = away(&net, &mallory, "acme", BOB);
    refused(&browser.get(&callback), StatusCode::BAD_REQUEST, "without the flow");
    // And were the flow planted in her browser: it is bound to the session that began it.
    for pair in mallory.header(HOST).split("; ").filter(|pair| pair.contains("-upstream-")) {
        let (name, value) = pair.split_once('=').unwrap();
        browser.plant(HOST, name, value);
    }
    let answer = browser.get(&callback);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(text(&answer).contains("Nothing was added"), "{}", gist(&answer));
    assert_eq!(ways(&net, &browser), ["Password"]);
    assert_eq!(ways(&net, &mallory), ["Password"]);
    assert_ne!(account_by(&net, "acme", BOB), account(&net, &browser).unwrap());
}

#[test]
fn fd_18_fd_33_the_session_that_began_is_the_one_that_finishes() {
    type Meanwhile = fn(&Net, &Browser<'_, Net>);
    let meanwhile: [(&str, Meanwhile); 5] = [
        ("she signed out", |net, browser| {
            press(net, browser, "end", "everything");
        }),
        ("her session was ended from afar", |net, browser| {
            let afar = at_home(net, ALICE);
            press(net, &afar, "end", "others");
            assert!(browser.cookie(HOST, SESSION).is_some());
        }),
        ("she signed in again", |net, browser| {
            let ask = Ask::of(C1).set("prompt", "login");
            let form = tests::browser::sign_in_form(&browser.get(&ask.url(&net.issuer)));
            let filled = [("username", ALICE.username), ("password", ALICE.password)];
            Reply::of(&browser.submit(net.issuer.url(), &form, &filled)).code();
        }),
        ("somebody else signed in", |net, browser| {
            press(net, browser, "end", "everything");
            with_password(net, browser, BOB);
        }),
        ("another of her sessions took its place", |net, browser| {
            let afar = at_home(net, ALICE);
            browser.plant(HOST, SESSION, &afar.cookie(HOST, SESSION).unwrap());
        }),
    ];
    for (what, meanwhile) in meanwhile {
        let net = net_of_three();
        let browser = at_home(&net, ALICE);
        let alice = account(&net, &browser).unwrap();
        let callback = away(&net, &browser, "acme", BOB);
        meanwhile(&net, &browser);
        let answer = browser.get(&callback);
        refused(&answer, StatusCode::BAD_REQUEST, what);
        assert!(text(&answer).contains("Nothing was added"), "{what}");
        assert_eq!(ways(&net, &at_home(&net, ALICE)), ["Password"], "{what}");
        assert_ne!(account_by(&net, "acme", BOB), alice, "{what}");
    }
}

#[test]
fn fd_18_who_adds_anything_has_proved_lately_who_they_are() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    pass(&net, 901);
    let answer = press(&net, &browser, "link", "acme");
    assert!(is_sign_in(&answer), "{}", gist(&answer));
    assert!(text(&answer).contains("please sign in again"));
    // By an upstream, which is told that it has to ask, or by the password.
    let form = tests::upstream::to_upstream(&answer);
    let url = onward(&browser.submit(net.issuer.url(), &form, &[("upstream", "acme")]));
    assert!(url.contains("prompt=login"), "{url}");
    let form = tests::browser::sign_in_form(&answer);
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    let back = Reply::of(&browser.submit(net.issuer.url(), &form, &filled));
    assert_eq!(back.location, net.issuer.at("/account"));
    linked(&net, &browser, "acme", ALICE);
    assert_eq!(account_by(&net, "acme", ALICE), alice);

    // It has to be lately when they are back, too.
    pass(&net, 860);
    let callback = away(&net, &browser, "other", ALICE);
    pass(&net, 50);
    let answer = browser.get(&callback);
    refused(&answer, StatusCode::BAD_REQUEST, "too long ago");
    assert!(text(&answer).contains("It took too long"), "{}", gist(&answer));
    assert_ne!(account_by(&net, "other", ALICE), alice);
}

#[test]
fn fd_18_an_identity_that_another_account_has_stays_there() {
    let net = net_of_three();
    let bob = account_by(&net, "acme", BOB);
    let browser = at_home(&net, ALICE);
    let answer = link(&net, &browser, "acme", BOB);
    refused(&answer, StatusCode::CONFLICT, "taken");
    assert_eq!(ways(&net, &browser), ["Password"]);
    assert_eq!(account_by(&net, "acme", BOB), bob);
    // The proof that was refused is used up.
    let callback = away(&net, &browser, "acme", BOB);
    refused(&browser.get(&callback), StatusCode::CONFLICT, "taken still");
    refused(&browser.get(&callback), StatusCode::BAD_REQUEST, "again");
}

#[test]
fn fd_04_fd_18_a_proof_adds_one_identity_once() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let callback = away(&net, &browser, "acme", BOB);
    let copies: Vec<_> = (0..10).map(|_| browser.copy()).collect();
    let answers: Vec<_> = copies.iter().map(|copy| copy.get(&callback).status()).collect();
    let worked = answers.iter().filter(|status| **status == StatusCode::SEE_OTHER);
    assert_eq!(worked.count(), 1, "{answers:?}");
    unlink_upstream(&net, &browser, ALICE);
    refused(&copies[0].get(&callback), StatusCode::BAD_REQUEST, "after it was taken off");
    assert_eq!(ways(&net, &browser), ["Password"]);
}

#[test]
fn fd_26_an_upstream_that_is_gone_when_they_are_back_adds_nobody() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let callback = away(&net, &browser, "other", ALICE);
    let mut before = serde_json::Map::new();
    net.issuer.inside().deploy_again(|settings| {
        before = settings.clone();
        settings["UPSTREAMS"].as_array_mut().unwrap().remove(1);
    });
    refused(&browser.get(&callback), StatusCode::NOT_FOUND, "it is gone");
    let answer = press(&net, &browser, "link", "other");
    refused(&answer, StatusCode::NOT_FOUND, "there is no way there");
    assert_eq!(ways(&net, &browser), ["Password"]);
    net.issuer.inside().deploy_again(|settings| *settings = before);
    assert_ne!(account_by(&net, "other", ALICE), account(&net, &browser).unwrap());
}

#[test]
fn an_identity_that_was_filed_and_not_listed_is_listed_when_somebody_signs_in_by_it() {
    let (mut failed, mut hers) = (0, 0);
    for fault in (0..40).map(Fault::Storage).chain((0..6).map(Fault::Answer)) {
        let net = net_of_three();
        let browser = at_home(&net, ALICE);
        let alice = account(&net, &browser).unwrap();
        let callback = away(&net, &browser, "acme", ALICE);
        let memory = &net.issuer.inside().memory;
        memory.fail(fault);
        let answer = browser.get(&callback);
        if memory.is_failing() {
            continue;
        }
        failed += 1;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        let is_hers = account_by(&net, "acme", ALICE) == alice;
        let listed = ways(&net, &browser);
        assert_eq!(listed.contains(&"Acme".to_owned()), is_hers, "{fault:?}: {listed:?}");
        hers += u32::from(is_hers);
    }
    assert!(failed > 5 && hers > 0, "{failed} {hers}");
}
