//! LK: what stands in the log: what happened, under the reference that the person was shown, and
//! nothing that would let a reader of it be somebody else.

use http::StatusCode;
use idp::event::Event;
use serde_json::json;
use tests::browser::{Browser, sign_in_form, text};
use tests::client::{Ask, Auth, C1, SignedIn, Tokens, userinfo};
use tests::people::ALICE;
use tests::world::{Issuer, needs_clock};

const SESSION: &str = "__Host-gatelatch-sign-in";

/// Every line since the last time.
fn lines(issuer: &Issuer) -> String {
    let events = issuer.inside().events();
    let events = events.iter().map(|event| json!(event).to_string());
    events.chain(issuer.inside().causes()).collect::<Vec<_>>().join("\n")
}

/// The words of what happened since the last time.
fn happened(issuer: &Issuer) -> Vec<String> {
    let events = issuer.inside().events();
    let word = |event: &Event| json!(event)["event"].as_str().unwrap().to_owned();
    events.iter().map(word).collect()
}

#[test]
fn every_security_event_is_told_once_and_by_its_name() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    assert_eq!(happened(&issuer), ["signed_in"]);
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    assert!(happened(&issuer).is_empty(), "what goes well is no event");
    signed_in.redeem().send(&issuer);
    assert_eq!(happened(&issuer), ["code_reused"]);

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
    Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
    happened(&issuer);
    C1.refresh(tokens.refresh()).send(&issuer);
    assert_eq!(happened(&issuer), ["family_reused"]);

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    happened(&issuer);
    C1.revoke(tokens.refresh()).send(&issuer);
    assert_eq!(happened(&issuer), ["family_revoked"]);
    C1.revoke(first.refresh()).send(&issuer);
    assert!(happened(&issuer).is_empty(), "it was gone already");
    let end = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
    signed_in.browser.get(&end);
    assert_eq!(happened(&issuer), ["signed_out"]);
}

#[test]
fn fd_36_a_refused_sign_in_is_an_event_with_a_reason() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let page = browser.get(&Ask::of(C1).url(&issuer));
    let form = sign_in_form(&page);
    for _ in 0..30 {
        let filled = [("username", ALICE.username), ("password", "wrong-password")];
        browser.submit(issuer.url(), &form, &filled);
    }
    let lines = lines(&issuer);
    for reason in ["wrong credentials", "too many tries"] {
        assert!(lines.contains(reason), "{reason}: {lines}");
    }
    assert!(!lines.contains("wrong-password") && !lines.contains(ALICE.username), "{lines}");
}

#[test]
fn lk_01_no_line_has_a_token_a_code_a_secret_a_cookie_or_an_address_in_it() {
    let Some(issuer) = needs_clock() else { return };
    let ask = Ask::of(C1).set("scope", "openid email offline_access");
    let signed_in = SignedIn::new(&issuer, ask);
    let code = signed_in.reply.code();
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    let third = Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
    let cookie = signed_in.browser.cookie("localhost", SESSION).unwrap();
    // Everything once more, and wrong.
    signed_in.redeem().auth("c1", Auth::Basic("not-the-secret")).send(&issuer);
    signed_in.redeem().set("code_verifier", "not-the-verifier").send(&issuer);
    C1.refresh(first.refresh()).send(&issuer);
    signed_in.redeem().send(&issuer);
    userinfo(&third.access).send(&issuer);
    C1.introspect(&second.access).send(&issuer);
    C1.revoke(third.refresh()).send(&issuer);
    signed_in.browser.post(&issuer.at("/account"), &[("end", "everything")]);
    signed_in.browser.get(&format!("{}?id_token_hint={}x", issuer.at("/end_session"), third.id()));
    let lines = lines(&issuer);
    assert!(lines.contains("family_reused"), "{lines}");
    let tokens =
        [&first, &second, &third].map(|tokens| [&tokens.access, tokens.id.as_ref().unwrap()]);
    let tokens = tokens.iter().flatten().map(|token| token.as_str());
    let refresh = [first.refresh(), second.refresh(), third.refresh()];
    let others = [
        code.as_str(),
        cookie.as_str(),
        signed_in.ask.verifier.as_str(),
        "not-the-secret",
        "not-the-verifier",
        "c1-secret",
        ALICE.password,
        ALICE.username,
        "@people.test",
        ".eyJ",
    ];
    for secret in tokens.chain(refresh).chain(others) {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

#[test]
fn lk_02_the_reference_on_a_problem_page_is_that_of_the_line() {
    let Some(issuer) = needs_clock() else { return };
    let page =
        Browser::new(&issuer).get(&Ask::of(C1).set("redirect_uri", "https://x.test").url(&issuer));
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    // In this process a request is called by its number.
    assert!(text(&page).contains("<code>request-0</code>"), "{}", text(&page));
}
