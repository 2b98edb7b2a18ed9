//! AZ-25 and its kin: the `claims` parameter, OpenID Connect Core §5.5. It widens nothing that the
//! operator narrowed, and nobody but whom it means gets an answer.

use crate::authorize::{go, sent_back};
use serde_json::{Map, Value, json};
use tests::believe;
use tests::browser::{Browser, Reply, is_sign_in};
use tests::client::{
    Ask, C1, C2, C4, SignedIn, THIRD, THIRD_NATIVE, Tokens, json as body, userinfo,
};
use tests::expect::back;
use tests::people::{ALICE, BOB};
use tests::world::{Issuer, issuer, needs_clock};

fn asked(client: tests::client::Client, claims: &Value) -> Ask {
    Ask::of(client).set("claims", &claims.to_string())
}

/// The claims of the ID token and of userinfo, but for those that every answer has.
fn told(issuer: &Issuer, ask: Ask) -> (Map<String, Value>, Map<String, Value>) {
    let signed_in = SignedIn::new(issuer, ask);
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    let mut id_token = believe::id_token(issuer, &signed_in.ask, &tokens);
    let mut told = body(&userinfo(&tokens.access).send(issuer));
    told.remove("sub");
    for name in
        ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "amr", "acr"]
    {
        assert!(id_token.remove(name).is_some(), "{name} is in every ID token");
    }
    (id_token, told)
}

fn subject(issuer: &Issuer, ask: &Ask, reply: &Reply) -> Value {
    let tokens = Tokens::of(&ask.client.redeem(&reply.code(), ask).send(issuer));
    believe::id_token(issuer, ask, &tokens)["sub"].clone()
}

#[test]
fn az_25_what_is_no_claims_request_is_refused_at_once() {
    let issuer = issuer();
    let deep = format!("{{\"id_token\":{}{}}}", "[".repeat(2500), "]".repeat(2500));
    let braces = format!("{}1{}", "{\"a\":".repeat(1500), "}".repeat(1500));
    let long = json!({ "userinfo": { "x".repeat(10_000): null } }).to_string();
    for bad in [
        &*deep,
        &braces,
        &long,
        "x",
        "[]",
        "null",
        "{",
        r#"{"id_token":[]}"#,
        r#"{"id_token":{"name":1}}"#,
        r#"{"userinfo":{"name":{"essential":1}}}"#,
    ] {
        sent_back(&issuer, &Ask::of(C1).set("claims", bad), "invalid_request");
    }
    // As many members as fit, none of them known.
    let many: Map<_, _> = (0..500).map(|number| (format!("c{number}"), Value::Null)).collect();
    let (id_token, told) = told(&issuer, asked(C1, &json!({ "id_token": many })));
    assert!(id_token.is_empty() && told.is_empty());
}

#[test]
fn core_5_5_each_claim_is_told_where_it_was_asked_for() {
    let issuer = issuer();
    let claims = json!({
        "userinfo": { "name": { "essential": true }, "phone_number": null, "unheard_of": null },
        "id_token": { "email": null, "auth_time": { "essential": true }, "address": {} },
    });
    let (id_token, told) = told(&issuer, asked(C1, &claims));
    assert!(id_token.keys().eq(["address", "email"]), "{id_token:?}");
    assert!(told.keys().eq(["name", "phone_number"]), "{told:?}");
    assert_eq!(id_token["email"], "alice@people.test");
}

#[test]
fn az_14_a_claim_that_the_clients_scope_would_never_open_is_not_told() {
    let issuer = issuer();
    // It may have openid, profile, email and offline_access.
    let all = json!({ "name": null, "phone_number": { "essential": true }, "address": null });
    let (id_token, told) = told(&issuer, asked(C2, &json!({ "userinfo": all, "id_token": all })));
    assert!(id_token.keys().eq(["name"]) && told.keys().eq(["name"]), "{id_token:?} {told:?}");
}

#[test]
fn tc_24_no_asked_claim_takes_the_place_of_one_of_ours() {
    let issuer = issuer();
    let evil = json!({ "value": "evil" });
    let names = ["iss", "aud", "exp", "iat", "nonce", "at_hash", "sid", "amr", "azp", "scope"];
    let wanted: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), evil.clone())).collect();
    let ask = asked(C1, &json!({ "id_token": wanted, "userinfo": wanted }));
    let (id_token, told) = told(&issuer, ask);
    assert!(id_token.is_empty() && told.is_empty(), "{id_token:?} {told:?}");
}

#[test]
fn az_20_core_5_5_1_nobody_but_the_subject_that_is_meant_gets_a_code() {
    let issuer = issuer();
    let of = |person| {
        let signed_in = SignedIn::by(&issuer, Ask::of(C1), person);
        let sub = subject(&issuer, &signed_in.ask, &signed_in.reply);
        (signed_in.browser, sub)
    };
    let (_, bob) = of(BOB);
    for place in ["id_token", "userinfo"] {
        let (browser, alice) = of(ALICE);
        let meaning = |sub: &Value| asked(C1, &json!({ place: { "sub": { "value": sub } } }));
        let ask = meaning(&alice);
        assert_eq!(subject(&issuer, &ask, &Reply::of(&browser.get(&ask.url(&issuer)))), alice);

        // Somebody else is signed in: the one who is meant may sign in instead, and nobody else.
        let ask = meaning(&bob);
        let silent = ask.clone().set("prompt", "none");
        back(&browser.get(&silent.url(&issuer)), &issuer, &silent, "login_required");
        let page = browser.copy().get(&ask.url(&issuer));
        assert!(is_sign_in(&page));
        let (one, other) = (browser.copy(), browser.copy());
        let page = one.get(&ask.url(&issuer));
        assert_eq!(subject(&issuer, &ask, &Reply::of(&one.sign_in(&page, BOB))), bob);
        let page = other.get(&ask.url(&issuer));
        back(&other.sign_in(&page, ALICE), &issuer, &ask, "login_required");
    }
    let (browser, alice) = of(ALICE);
    let either = asked(C1, &json!({ "id_token": { "sub": { "values": [bob, alice] } } }));
    assert_eq!(subject(&issuer, &either, &Reply::of(&browser.get(&either.url(&issuer)))), alice);
    for nobody in [json!("x"), json!(1), json!(""), json!([alice])] {
        let ask = asked(C1, &json!({ "id_token": { "sub": { "value": nobody } } }));
        let silent = ask.clone().set("prompt", "none");
        back(&browser.get(&silent.url(&issuer)), &issuer, &silent, "login_required");
        // At once, or when whoever signs in turns out not to be the one.
        let answer = browser.get(&ask.url(&issuer));
        let answer = if is_sign_in(&answer) { browser.sign_in(&answer, ALICE) } else { answer };
        back(&answer, &issuer, &ask, "login_required");
    }
}

#[test]
fn az_25_core_5_5_1_1_an_acr_that_nobody_can_reach_is_refused_where_it_is_essential() {
    let issuer = issuer();
    let acr = |acr: Value| asked(C1, &json!({ "id_token": { "acr": acr } }));
    for unmet in [
        json!({ "essential": true, "value": "urn:mace:incommon:iap:silver" }),
        json!({ "essential": true, "values": ["1", "2"] }),
        // There is no upstream.
        json!({ "essential": true, "values": ["urn:gatelatch:fed"] }),
    ] {
        sent_back(&issuer, &acr(unmet), "unmet_authentication_requirements");
    }
    for met in [
        json!(null),
        json!({ "essential": true }),
        json!({ "values": ["1", "2"] }),
        json!({ "essential": true, "values": ["1", "urn:gatelatch:pwd"] }),
    ] {
        let signed_in = SignedIn::new(&issuer, acr(met));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let claims = believe::id_token(&issuer, &signed_in.ask, &tokens);
        assert_eq!(claims["acr"], "urn:gatelatch:pwd");
    }
}

#[test]
fn what_was_asked_for_singly_outlives_a_refresh_and_ends_with_the_operators_leave() {
    let Some(issuer) = needs_clock() else { return };
    let claims = json!({ "userinfo": { "phone_number": null }, "id_token": { "email": null } });
    let signed_in = SignedIn::new(&issuer, asked(C1, &claims));
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let before = believe::id_token(&issuer, &signed_in.ask, &first);
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    let after = believe::refreshed_id_token(&issuer, C1, &second, &before);
    assert_eq!(after["acr"], before["acr"]);
    let told = body(&userinfo(&second.access).send(&issuer));
    assert!(told.contains_key("phone_number"));
    issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["scope"] = "openid profile email offline_access".into();
    });
    let told = body(&userinfo(&second.access).send(&issuer));
    assert!(told.keys().eq(["sub"]), "{told:?}");
}

#[test]
fn claims_are_asked_for_in_any_client_and_the_page_is_the_same() {
    let issuer = issuer();
    let ask = asked(C4, &json!({ "userinfo": { "name": null } }));
    assert!(is_sign_in(&go(&issuer, &ask)));
    let browser = Browser::new(&issuer);
    let reply = Reply::of(&browser.sign_in(&browser.get(&ask.url(&issuer)), ALICE));
    let tokens = Tokens::of(&C4.redeem(&reply.code(), &ask).send(&issuer));
    assert_eq!(body(&userinfo(&tokens.access).send(&issuer))["name"], "Alice Liddell");
}

#[test]
fn az_25_what_the_operator_has_taken_since_is_not_told_in_the_id_token_either() {
    let Some(issuer) = needs_clock() else { return };
    let claims =
        json!({ "id_token": { "email": null, "name": null }, "userinfo": { "email": null } });
    let waiting = SignedIn::new(&issuer, asked(C1, &claims).set("scope", "openid profile"));
    issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["scope"] = "openid profile".into();
    });
    let tokens = Tokens::of(&waiting.redeem().send(&issuer));
    let id_token = believe::id_token(&issuer, &waiting.ask, &tokens);
    assert!(id_token.contains_key("name"), "{id_token:?}");
    assert!(!body(&userinfo(&tokens.access).send(&issuer)).contains_key("email"));
    assert!(!id_token.contains_key("email"), "{id_token:?}");
}

#[test]
fn core_5_5_1_whom_nobody_has_agreed_to_tell_learns_not_even_whether_it_has_guessed_who_it_is() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let subject = subject(&issuer, &signed_in.ask, &signed_in.reply);
    for client in [THIRD, THIRD_NATIVE] {
        for guess in [subject.clone(), json!("5e1f8d1e-0000-4000-8000-000000000000")] {
            let claims = json!({ "id_token": { "sub": { "value": guess } } });
            let ask = asked(client, &claims).set("prompt", "none");
            let answer = signed_in.browser.get(&ask.url(&issuer));
            back(&answer, &issuer, &ask, "login_required");
        }
    }
}
