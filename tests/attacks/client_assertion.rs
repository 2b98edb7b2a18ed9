//! CA: `private_key_jwt`, wherever clients authenticate.

use super::siblings::Siblings;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use shared::jose::jws::compact;
use shared::jose::native::SigningKey;
use tests::assertion::{Assertion, Key, TYPE, jwks};
use tests::client::{Ask, C1, C2, C5, C5_ED, C5_RSA, C6, Draft, SignedIn, Tokens, fresh, userinfo};
use tests::expect::invalid_client;
use tests::world::{Issuer, issuer, needs_clock};

const KEY: Key = Key::Ec(0xc5);

fn good() -> Assertion {
    Assertion::of(C5.id, KEY)
}

/// With a token that is no good assertion's.
fn raw(draft: Draft, token: &str) -> Draft {
    draft.set("client_assertion_type", TYPE).set("client_assertion", token)
}

/// Every one of these claims is refused; null is a claim that is not there.
fn refused(issuer: &Issuer, claims: &[(&str, Value)]) {
    let siblings = Siblings::of(issuer, C5);
    for (name, value) in claims {
        siblings.unauthenticated(&format!("{name} {value}"), false, |draft| {
            draft.assertion(good().set(name, value.clone()))
        });
    }
    siblings.still_work();
}

#[test]
fn rfc7523_3_an_assertion_of_any_of_its_keys_authenticates() {
    let issuer = issuer();
    Siblings::of(&issuer, C5).still_work();
    Siblings::of(&issuer, C5).authenticated("RSA", |draft| draft.auth("c5", C5_RSA));
    Siblings::of(&issuer, C5).authenticated("Ed25519", |draft| draft.auth("c5", C5_ED));
    Siblings::of(&issuer, C5)
        .authenticated("client_id only in it", |draft| draft.without("client_id"));
    for typ in [Value::Null, json!("jwt"), json!("client-authentication+jwt")] {
        Siblings::of(&issuer, C5).authenticated(&format!("typ {typ}"), |draft| {
            draft.assertion(good().header("typ", typ.clone()))
        });
    }
    let now = issuer.now().0;
    for (name, value) in [
        ("aud", json!(issuer.at("/token"))),
        ("aud", json!([issuer.url()])),
        ("iat", Value::Null),
        ("nbf", json!(now + 8)),
        ("exp", json!(now + 290)),
        ("exp", json!(now + 30)),
    ] {
        Siblings::of(&issuer, C5).authenticated(&format!("{name} {value}"), |draft| {
            draft.assertion(good().set(name, value.clone()))
        });
    }
}

#[test]
fn ca_13_an_assertion_for_somebody_else_is_not_for_us() {
    let issuer = issuer();
    let us = issuer.url();
    refused(
        &issuer,
        &[
            ("aud", Value::Null),
            ("aud", json!("")),
            ("aud", json!("https://evil.test")),
            ("aud", json!("https://evil.test/token")),
            ("aud", json!([us, "https://evil.test/token"])),
            ("aud", json!([us, issuer.at("/token")])),
            ("aud", json!([])),
            ("aud", json!(format!("{us}/"))),
            ("aud", json!(issuer.at("/revoke"))),
            ("aud", json!("c5")),
        ],
    );
}

#[test]
fn ca_14_an_assertion_works_once() {
    let issuer = issuer();
    for draft in Siblings::of(&issuer, C5).drafts {
        let request = draft.request(&issuer);
        assert_eq!(issuer.ask(request.clone()).status(), StatusCode::OK);
        invalid_client(&issuer.ask(request), false, "again");
    }
}

#[test]
fn ca_14_of_twenty_at_the_same_time_one_works_and_the_others_touch_nothing() {
    let issuer = issuer();
    let draft = SignedIn::new(&issuer, Ask::of(C5)).redeem();
    let answers = issuer.ask_all(vec![draft.request(&issuer); 20]);
    let (right, wrong): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status() == StatusCode::OK);
    assert_eq!(right.len(), 1);
    for answer in wrong {
        invalid_client(answer, false, "another of twenty");
    }
    // A code that came twice would have taken the tokens along.
    let tokens = Tokens::of(right.first().unwrap());
    assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::OK);
}

#[test]
fn ca_14_the_name_of_an_assertion_is_its_clients_own() {
    let issuer = issuer();
    let id = fresh("jti");
    for client in [C5, tests::client::AFAR] {
        let assertion = Assertion::of(client.id, KEY).set("jti", &*id);
        let draft = client.revoke("nothing").assertion(assertion);
        assert_eq!(draft.send(&issuer).status(), StatusCode::OK, "{}", client.id);
        invalid_client(&draft.send(&issuer), false, "another assertion of the same name");
    }
}

#[test]
fn ca_15_an_assertion_ends_soon_and_has_begun() {
    let issuer = issuer();
    let now = issuer.now().0;
    refused(
        &issuer,
        &[
            ("exp", Value::Null),
            ("exp", json!(now - 300)),
            ("exp", json!(now - 30)),
            ("exp", json!(now + 600)),
            ("exp", json!(now + 86_400)),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("exp", json!((now + 60).to_string())),
            ("iat", json!(now + 90)),
            ("iat", json!("now")),
            ("nbf", json!(now + 90)),
            ("nbf", json!(false)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(1000))),
        ],
    );
}

#[test]
fn ca_15_what_is_remembered_is_forgotten_when_it_has_ended_and_nobody_else_writes_it() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let revoke = || C5.revoke("nothing");
    let before = inside.memory.len();
    for bad in [good().by(Key::Ec(7)), good().set("aud", "x"), good().set("exp", 7)] {
        invalid_client(&revoke().assertion(bad).send(&issuer), false, "bad");
    }
    assert_eq!(inside.memory.len(), before, "nothing is stored for who proves nothing");
    let request = revoke().assertion(good().set("exp", issuer.now().0 + 300)).request(&issuer);
    assert_eq!(issuer.ask(request.clone()).status(), StatusCode::OK);
    assert_eq!(inside.memory.len(), before + 1);
    for _ in 0..4 {
        inside.pass(100);
        invalid_client(&issuer.ask(request.clone()), false, "it was used, or has ended");
    }
    assert_eq!(revoke().send(&issuer).status(), StatusCode::OK);
    // As many are kept as were used within five minutes and a bit.
    for _ in 0..50 {
        inside.pass(60);
        assert_eq!(revoke().send(&issuer).status(), StatusCode::OK);
    }
    let kept = inside.memory.dump().matches("\"spent\"").count();
    assert!(kept <= 50, "{kept}");
}

#[test]
fn ca_16_issuer_subject_and_client_are_one() {
    let issuer = issuer();
    refused(
        &issuer,
        &[
            ("iss", Value::Null),
            ("iss", json!("c1")),
            ("iss", json!("nobody")),
            ("iss", json!(["c5"])),
            ("sub", Value::Null),
            ("sub", json!("c1")),
            ("sub", json!("")),
            ("sub", json!(5)),
        ],
    );
    let siblings = Siblings::of(&issuer, C5);
    siblings.unauthenticated("another client_id", false, |draft| draft.set("client_id", "c6"));
    siblings.unauthenticated("nobody's client_id", false, |draft| draft.set("client_id", "x"));
    siblings.still_work();
}

#[test]
fn ca_17_jv_01_to_jv_10_nothing_but_the_clients_own_key_counts() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C5);
    let public = KEY.private().public();
    let kid = public.kid.clone().unwrap();
    let stranger = Key::Ec(0x66);
    let own = serde_json::to_value(stranger.private().public()).unwrap();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("alg", Value::Null),
        ("typ", json!("at+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("secevent+jwt")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("kid", json!("another")),
        ("kid", json!("../../../etc/passwd")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("https://evil.test/jwks")),
        ("kid", json!(["a"])),
        ("kid", json!("x".repeat(10_000))),
        ("kid", json!("\u{0}")),
    ] {
        siblings.unauthenticated(&format!("{name} {value}"), false, |draft| {
            draft.assertion(good().header(name, value.clone()))
        });
    }
    let by_stranger = good().by(stranger).header("kid", &*kid);
    for (name, value) in [
        ("jwk", own.clone()),
        ("jku", json!("https://evil.test/jwks")),
        ("x5u", json!("https://evil.test/cert")),
        ("x5c", json!(["MIIB"])),
        ("cty", json!("JWT")),
    ] {
        siblings.unauthenticated(name, false, |draft| {
            draft.assertion(by_stranger.clone().header(name, value.clone()))
        });
    }
    siblings
        .unauthenticated("a key of nobody's", false, |draft| draft.assertion(good().by(stranger)));

    // The public key is no secret, in any of its forms.
    let input = good().header("alg", "HS256").input(&issuer);
    let jwk = serde_json::to_vec(&public).unwrap();
    for secret in [jwk.as_slice(), jwks(&[KEY]).as_bytes(), kid.as_bytes(), b""] {
        let key = EncodingKey::from_secret(secret);
        let mac = jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::HS256).unwrap();
        siblings.unauthenticated("HS256", false, |draft| raw(draft, &format!("{input}.{mac}")));
    }
    siblings.still_work();
}

#[test]
fn ca_17_rfc8037_3_1_of_ed25519_too_only_the_registered_key_signs() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C5);
    let (right, wrong) = (Key::Ed(0xc5), Key::Ed(7));
    let kid = right.private().public().kid.unwrap();
    let by_wrong = good().by(wrong);
    for (what, assertion) in [
        ("a key of nobody's", by_wrong.clone()),
        ("under the registered one's name", by_wrong.clone().header("kid", &*kid)),
        ("under no name", by_wrong.header("kid", Value::Null)),
        // Whose key it is, and of what kind: neither is for the header to say.
        ("P-256 as Ed25519", good().header("alg", "EdDSA").header("kid", &*kid)),
        ("Ed25519 as P-256", good().by(right).header("alg", "ES256")),
        ("Ed25519 as RSA", good().by(right).header("alg", "RS256")),
        ("by another name of it", good().by(right).header("alg", "Ed448")),
    ] {
        siblings.unauthenticated(what, false, |draft| draft.assertion(assertion.clone()));
    }
    let input = good().by(right).input(&issuer);
    let signature = right.private().sign(input.as_bytes()).unwrap();
    for changed in [&[0; 64][..], &signature[..32], &[&*signature, &[0]].concat()] {
        let token = compact(&input, changed);
        siblings.unauthenticated("another signature", false, |draft| raw(draft, &token));
    }
    siblings.still_work();
    // And this is what those were made of.
    let token = compact(&input, &signature);
    assert_eq!(raw(C5.revoke("x"), &token).send(&issuer).status(), StatusCode::OK);
}

#[test]
fn ca_17_jv_18_to_jv_25_what_is_no_jwt_is_no_assertion() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C5);
    let input = good().input(&issuer);
    let signature = KEY.private().sign(input.as_bytes()).unwrap();
    let token = compact(&input, &signature);
    let half = signature.len() / 2;
    let zero = compact(&input, &[0; 64]);
    let swapped = compact(&input, &[&signature[half..], &signature[..half]].concat());
    let longer = compact(&input, &[signature.as_slice(), &[0]].concat());
    let claims = format!(r#"{{"iss":"c5","iss":"c5","sub":"c5","jti":"{}"}}"#, fresh("jti"));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let repeated = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let SigningKey::Es256(_) = KEY.private() else { panic!("a key on a curve") };
    let repeated = compact(&repeated, &KEY.private().sign(repeated.as_bytes()).unwrap());
    for text in [
        "x",
        "..",
        "a.b.c",
        &input,
        &format!("{input}."),
        &format!("{token}="),
        &format!(" {token}"),
        &format!("{token}.AA.AA"),
        &zero,
        &swapped,
        &longer,
        &repeated,
        &".".repeat(30_000),
        &"A".repeat(30_000),
        r#"{"payload":"","signatures":[]}"#,
    ] {
        let what = text.get(..20).unwrap_or(text);
        siblings.unauthenticated(what, false, |draft| raw(draft, text));
    }
    siblings.still_work();
    // And this is what all of them were made of.
    assert_eq!(raw(C5.revoke("x"), &token).send(&issuer).status(), StatusCode::OK);
}

#[test]
fn rfc7521_4_2_both_parameters_are_there_and_the_type_is_exact() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C5);
    let (upper, saml) = (TYPE.to_uppercase(), TYPE.replace("jwt", "saml2"));
    for kind in ["", "jwt-bearer", &upper, &saml, &format!("{TYPE} "), &format!("{TYPE}/")] {
        siblings.unauthenticated(kind, false, |draft| draft.set("client_assertion_type", kind));
    }
    siblings.unauthenticated("no assertion", false, |draft| draft.set("client_assertion", ""));
    siblings.still_work();
}

#[test]
fn ca_18_ca_19_nobody_signs_for_another() {
    let issuer = issuer();
    // One that has a secret, or none, and one whose key is another's.
    for client in [C1, C2, C6, tests::client::C3] {
        let siblings = Siblings::of(&issuer, client);
        let assertion = Assertion::of(client.id, KEY);
        siblings.unauthenticated("an assertion", false, |draft| {
            draft
                .without_header("authorization")
                .without("client_secret")
                .assertion(assertion.clone())
        });
        siblings.still_work();
    }
    let siblings = Siblings::of(&issuer, C5);
    siblings.unauthenticated("in the name of c6", false, |draft| {
        draft.without("client_id").assertion(Assertion::of("c6", KEY))
    });
    siblings.unauthenticated("for c6", false, |draft| draft.assertion(good().set("sub", "c6")));
    siblings.unauthenticated("nobody's", false, |draft| {
        draft.without("client_id").assertion(Assertion::of("nobody", KEY))
    });
    siblings.still_work();
}

#[test]
fn jv_17_what_the_issuer_signs_is_no_assertion() {
    let issuer = issuer();
    let tokens = Tokens::of(&SignedIn::new(&issuer, Ask::of(C5)).redeem().send(&issuer));
    let siblings = Siblings::of(&issuer, C5);
    for token in [&tokens.access, tokens.id()] {
        siblings.unauthenticated("a token", false, |draft| raw(draft, token));
    }
    let assertion = good().text(&issuer);
    assert_eq!(userinfo(&assertion).send(&issuer).status(), StatusCode::UNAUTHORIZED);
    siblings.still_work();
}

#[test]
fn every_cause_reads_the_same() {
    let issuer = issuer();
    let draft = C5.revoke("nothing");
    let answers = [
        draft.clone().assertion(good().set("aud", "x")),
        draft.clone().assertion(good().set("exp", 7)),
        draft.clone().assertion(good().by(Key::Ec(7))),
        draft.clone().assertion(Assertion::of("nobody", KEY)).without("client_id"),
        draft.clone().assertion(Assertion::of("c1", KEY)).without("client_id"),
        draft.set("client_assertion", "x"),
    ]
    .map(|draft| draft.send(&issuer));
    for answer in &answers {
        assert_eq!(answer.status(), answers[0].status());
        assert_eq!(answer.body(), answers[0].body());
    }
}
