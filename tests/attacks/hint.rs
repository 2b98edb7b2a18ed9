//! AZ-20, AZ-21: an ID token as a hint says whom a client means; it proves nothing to us.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tests::browser::{Browser, Reply, is_sign_in};
use tests::client::{Ask, C1, C2, RS256, SignedIn, Tokens, offline_tokens};
use tests::expect::back;
use tests::people::{ALICE, BOB, Person};
use tests::world::{Issuer, issuer, needs_clock};

/// Somebody's ID token, and the browser they got it in.
fn id_token(issuer: &Issuer, person: Person) -> (String, Browser<'_, Issuer>) {
    let signed_in = SignedIn::by(issuer, Ask::of(C1), person);
    (Tokens::of(&signed_in.redeem().send(issuer)).id().to_owned(), signed_in.browser)
}

fn hinted(hint: &str) -> Ask {
    Ask::of(C1).set("id_token_hint", hint)
}

#[test]
fn az_20_nobody_but_the_one_who_is_meant_gets_a_code() {
    let issuer = issuer();
    let ((alices, browser), (bobs, _)) = (id_token(&issuer, ALICE), id_token(&issuer, BOB));
    let silent = |hint: &str| hinted(hint).set("prompt", "none");
    Reply::of(&browser.get(&silent(&alices).url(&issuer))).code();
    let ask = silent(&bobs);
    back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "login_required");
    // The same when somebody signs in who is not the one.
    let ask = hinted(&bobs);
    let page = browser.get(&ask.url(&issuer));
    assert!(is_sign_in(&page));
    back(&browser.sign_in(&page, ALICE), &issuer, &ask, "login_required");
    Reply::of(&browser.sign_in(&page, BOB)).code();
}

#[test]
fn az_21_what_we_did_not_sign_as_an_id_token_is_no_hint() {
    let issuer = issuer();
    let (alices, browser) = id_token(&issuer, ALICE);
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut parts = alices.split('.');
    let (head, claims, signature) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let none = part(json!({ "alg": "none", "typ": "JWT" }));
    let elsewhere = part(json!({ "iss": "https://evil.test", "sub": "x", "aud": "c1" }));
    let tokens = offline_tokens(&issuer, C1);
    for wrong in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{head}.{elsewhere}.{signature}"),
        format!("{head}.{claims}.{}", &signature[2..]),
        format!("{head}.{claims}"),
        tokens.access.clone(),
        tokens.refresh().to_owned(),
        "x".to_owned(),
    ] {
        let ask = hinted(&wrong);
        back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "invalid_request");
    }
}

#[test]
fn az_21_an_id_token_of_another_client_means_the_same_person_and_proves_nothing() {
    let issuer = issuer();
    let others = |client| {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        Tokens::of(&signed_in.redeem().send(&issuer)).id().to_owned()
    };
    let (_, bobs) = id_token(&issuer, BOB);
    for hint in [others(C2), others(RS256)] {
        let (_, alices) = id_token(&issuer, ALICE);
        Reply::of(&alices.get(&hinted(&hint).url(&issuer))).code();
        assert!(is_sign_in(&bobs.get(&hinted(&hint).url(&issuer))));
        assert!(is_sign_in(&Browser::new(&issuer).get(&hinted(&hint).url(&issuer))));
    }
}

#[test]
fn az_21_an_expired_id_token_still_says_whom_a_client_means() {
    let Some(issuer) = needs_clock() else { return };
    let ((alices, browser), (bobs, _)) = (id_token(&issuer, ALICE), id_token(&issuer, BOB));
    issuer.inside().pass(3600);
    Reply::of(&browser.get(&hinted(&alices).url(&issuer))).code();
    assert!(is_sign_in(&browser.get(&hinted(&bobs).url(&issuer))));
}
