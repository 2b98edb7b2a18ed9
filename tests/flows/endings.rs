//! What is over stays over, and what should be over is.

use crate::issuer;
use http::StatusCode;
use serde_json::Value;
use tests::browser::is_sign_in;
use tests::client::{Ask, C1, SignedIn, Tokens, offline_tokens, tokens, userinfo};
use tests::people::{ALICE, BOB, Person};
use tests::world::Issuer;

fn refresh(issuer: &Issuer, tokens: &Tokens) -> StatusCode {
    C1.refresh(tokens.refresh()).send(issuer).status()
}

fn told(issuer: &Issuer, tokens: &Tokens) -> StatusCode {
    userinfo(&tokens.access).send(issuer).status()
}

#[test]
fn rt_14_a_session_that_idled_out_does_not_come_back_with_a_new_sign_in() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    issuer.inside().pass(8 * 3600);
    assert_eq!(refresh(&issuer, &tokens), StatusCode::BAD_REQUEST);
    let page = signed_in.browser.get(&Ask::of(C1).url(&issuer));
    assert!(is_sign_in(&page));
    signed_in.browser.sign_in(&page, ALICE);
    assert_eq!(refresh(&issuer, &tokens), StatusCode::BAD_REQUEST);
}

#[test]
fn rt_13_another_password_ends_what_the_old_one_began() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let (session, offline) =
        (Tokens::of(&signed_in.redeem().send(&issuer)), offline_tokens(&issuer, C1));
    let change = |settings: &mut serde_json::Map<String, Value>| {
        let bobs = settings["ACCOUNTS"][1]["password"].clone();
        settings["ACCOUNTS"][0]["password"] = bobs;
    };
    issuer.inside().deploy_again(change);
    let ended = || {
        for tokens in [&session, &offline] {
            assert_eq!(refresh(&issuer, tokens), StatusCode::BAD_REQUEST);
            assert_eq!(told(&issuer, tokens), StatusCode::UNAUTHORIZED);
        }
        let code = Ask::of(C1);
        assert!(is_sign_in(&signed_in.browser.get(&code.url(&issuer))));
    };
    ended();
    // Signing in with the new one, elsewhere or here, does not bring it back.
    let changed = Person { password: BOB.password, ..ALICE };
    let fresh = SignedIn::by(&issuer, Ask::of(C1), changed);
    let fresh = Tokens::of(&fresh.redeem().send(&issuer));
    ended();
    let page = signed_in.browser.get(&Ask::of(C1).url(&issuer));
    assert_eq!(signed_in.browser.sign_in(&page, changed).status(), StatusCode::SEE_OTHER);
    assert_eq!(refresh(&issuer, &session), StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&issuer, &offline), StatusCode::BAD_REQUEST);
    assert_eq!(told(&issuer, &fresh), StatusCode::OK);
    assert_eq!(refresh(&issuer, &fresh), StatusCode::OK);
}

#[test]
fn rt_13_an_account_that_is_gone_refreshes_nothing() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    issuer.inside().deploy_again(|settings| {
        settings["ACCOUNTS"].as_array_mut().unwrap().remove(0);
    });
    assert_eq!(refresh(&issuer, &tokens), StatusCode::BAD_REQUEST);
    assert_eq!(told(&issuer, &tokens), StatusCode::UNAUTHORIZED);
}

#[test]
fn rt_23_a_client_that_is_gone_has_no_tokens() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"].as_array_mut().unwrap().retain(|client| client["client_id"] != "c1");
    });
    assert_eq!(refresh(&issuer, &tokens), StatusCode::UNAUTHORIZED);
    assert_eq!(told(&issuer, &tokens), StatusCode::UNAUTHORIZED);
}

#[test]
fn rt_09_scope_that_is_taken_from_a_client_is_not_given_again() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["scope"] = "openid offline_access".into();
    });
    let again = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
    assert_eq!(again.scope(), ["offline_access", "openid"]);
}

/// Two keys that are no example.
const OLD: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";
const NEW: &str = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI";

#[test]
fn gs_21_a_sealing_key_can_be_added_and_dropped_and_nobody_who_came_in_between_notices() {
    let issuer = issuer();
    let seal = |keys: &str| {
        let keys = Value::from(keys);
        issuer.inside().deploy_again(|settings| settings["SEALING_KEYS"] = keys);
    };
    seal(OLD);
    let (kept, left) = (offline_tokens(&issuer, C1), offline_tokens(&issuer, C1));
    seal(&format!("{NEW},{OLD}"));
    let kept = Tokens::of(&C1.refresh(kept.refresh()).send(&issuer));
    seal(NEW);
    let again = Tokens::of(&C1.refresh(kept.refresh()).send(&issuer));
    assert_ne!(again.refresh(), kept.refresh());
    // Whoever did not come in between signs in again, and nothing breaks.
    assert_eq!(refresh(&issuer, &left), StatusCode::BAD_REQUEST);
    tokens(&issuer, C1);
}
