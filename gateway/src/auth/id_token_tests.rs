//! Every way in which the ID token of a sign-in can be wrong, at the callback.

use super::world::*;
use crate::fixture::{NOON, claims, config_with, sign};
use http::header::LOCATION;
use serde_json::{Value, json};
use shared::jose::jws::{Header, compact, signing_input};
use shared::jose::native::SigningKey;

/// The token with some claims changed; null is absent.
fn claiming(nonce: &str, changes: &Value) -> String {
    let mut claims = claims("alice", Some(nonce), NOON);
    claims["auth_time"] = json!(NOON.0 - 10);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    sign("JWT", &claims)
}

/// The token with another header, in the form it is sent in, and the rest as it was.
fn heading(nonce: &str, header: &str) -> String {
    let token = claiming(nonce, &json!({}));
    let (_, rest) = token.split_once('.').unwrap();
    format!("{header}.{rest}")
}

/// What the provider's key is called.
fn kid() -> String {
    SigningKey::es256([7; 32]).unwrap().public().kid.unwrap()
}

/// Makes a token with a nonce.
type Forged = fn(&str) -> String;

/// The token as somebody else signs it, who knows the name of the provider's key.
fn signed_by(nonce: &str, seed: u8) -> String {
    let forger = SigningKey::es256([seed; 32]).unwrap();
    let header = Header::new(forger.alg(), &kid(), "JWT");
    let input = signing_input(&header, &claims("alice", Some(nonce), NOON));
    compact(&input, &forger.sign(input.as_bytes()).unwrap())
}

/// What comes back of a sign-in whose ID token is made so: whether somebody is signed in. If nobody is,
/// nothing is left of it.
fn signs_in(mode: &'static str, path: &str, token: impl Fn(&str) -> String) -> bool {
    const ROUTES: &str = r#"[
        {"prefix":"/fresh","origin":"http://localhost:8789","access":"signed-in","require":{"max_age":60}},
        {"prefix":"/","origin":"http://localhost:8789","access":"signed-in"}]"#;
    let mut world = world_of(config_with(mode, &[("ROUTES", ROUTES)]));
    let asked = world.login(path, NOON);
    let body = json!({
        "access_token": "a0", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r0",
        "id_token": token(&asked["nonce"]),
    });
    world.peer.put("/token", 200, &body.to_string());
    let response = world.get(&callback(&asked["state"]), NOON);
    let signed_in = world.token(NOON).is_some();
    let shown = if signed_in { 303 } else { 502 };
    assert_eq!(response.status(), shown);
    if !signed_in {
        assert!(!response.headers().contains_key(LOCATION));
        assert!(
            world.jar.is_empty(),
            "no session, and the flow is used up: {:?}",
            world.jar.keys()
        );
        assert_eq!((world.objects.live(), world.objects.people()), (0, 0));
    }
    signed_in
}

#[test]
fn gc_14_an_id_token_with_a_claim_that_is_wrong_signs_nobody_in() {
    let now = NOON.0;
    for changes in [
        json!({"iss": null}),
        json!({"iss": "https://idp.test/"}),
        json!({"iss": "https://evil.test"}),
        json!({"iss": ["https://idp.test"]}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(256)}),
        json!({"aud": null}),
        json!({"aud": "another"}),
        json!({"aud": []}),
        json!({"aud": ["app", "another"]}),
        json!({"azp": "another"}),
        json!({"aud": ["app", "another"], "azp": "another"}),
        json!({"exp": null}),
        json!({"exp": now - 5}),
        json!({"exp": (now + 300).to_string()}),
        json!({"iat": null}),
        json!({"iat": now + 61}),
        json!({"iat": now - 86_400}),
        json!({"nbf": now + 61}),
        json!({"nonce": null}),
        json!({"nonce": ""}),
        json!({"nonce": "another"}),
        json!({"nonce": ["another"]}),
        json!({"at_hash": "AAAA"}),
        json!({"at_hash": 7}),
        json!({"auth_time": "yesterday"}),
    ] {
        for mode in MODES {
            let token = |nonce: &str| claiming(nonce, &changes);
            assert!(!signs_in(mode, "/app", token), "{mode} {changes}");
        }
    }
}

#[test]
fn gc_14_an_id_token_that_is_not_the_providers_signs_nobody_in() {
    for mode in MODES {
        let tokens: [(&str, Forged); 9] = [
            ("a forger's", |nonce| signed_by(nonce, 8)),
            // {"alg":"none"}
            ("unsigned", |nonce| heading(nonce, "eyJhbGciOiJub25lIn0")),
            // {"alg":"HS256"}
            ("with an algorithm of secrets", |nonce| heading(nonce, "eyJhbGciOiJIUzI1NiJ9")),
            // {"alg":"ES256","kid":"x"}
            ("of an unknown key", |nonce| heading(nonce, "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ")),
            // {"alg":"ES256","jwk":{"kty":"EC"}}
            ("with a key in it", |nonce| {
                heading(nonce, "eyJhbGciOiJFUzI1NiIsImp3ayI6eyJrdHkiOiJFQyJ9fQ")
            }),
            ("of another type", |nonce| sign("at+jwt", &claims("alice", Some(nonce), NOON))),
            ("a logout token", |nonce| sign("logout+jwt", &claims("alice", Some(nonce), NOON))),
            ("cut off", |nonce| claiming(nonce, &json!({})).rsplit_once('.').unwrap().0.to_owned()),
            ("no token", |_| "x".to_owned()),
        ];
        for (what, token) in tokens {
            assert!(!signs_in(mode, "/app", token), "{mode}: {what}");
        }
    }
}

#[test]
fn gc_14_a_sign_in_that_is_older_than_was_asked_for_signs_nobody_in() {
    for mode in MODES {
        for auth_time in [json!(null), json!(NOON.0 - 121), json!("now")] {
            let token = |nonce: &str| claiming(nonce, &json!({"auth_time": auth_time}));
            assert!(!signs_in(mode, "/fresh", token), "{mode} {auth_time}");
        }
        assert!(signs_in(mode, "/fresh", |nonce| claiming(nonce, &json!({}))), "{mode}");
    }
}

#[test]
fn gc_14_an_id_token_with_everything_right_signs_somebody_in() {
    for mode in MODES {
        for changes in [
            json!({}),
            json!({"aud": ["app"]}),
            json!({"aud": ["app", "another"], "azp": "app"}),
            json!({"auth_time": null}),
            json!({"nbf": NOON.0}),
        ] {
            assert!(signs_in(mode, "/app", |nonce| claiming(nonce, &changes)), "{mode} {changes}");
        }
    }
}
