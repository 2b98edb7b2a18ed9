//! The ID token that a refresh may bring, OpenID Connect Core §12.2.

use super::driver::{Driver, Visited};
use super::driver_tests::{LATE, Memory, secret};
use super::parties::Parties;
use super::state::{Limits, Live, Person, Renewal, Tokens};
use crate::fixture::{NOON, Peer, Tasks, claims, config, poll_all, provider, sign};
use serde_json::{Map, Value, json};
use shared::fetch::{Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::secret::{AccessToken, Digest, RefreshToken};
use std::future::pending;
use std::rc::Rc;

/// What a session comes to whose refresh brings an ID token with these claims changed; null is absent.
fn refreshed(changes: &Value, nonce: Option<Digest>) -> Visited {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let mut claims = claims("alice", Some("n"), LATE);
    claims["auth_time"] = json!(NOON.0);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let body = json!({
        "access_token": "a1", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r1",
        "id_token": sign("JWT", &claims),
    });
    peer.put("/token", 200, &body.to_string());
    let fetch =
        async move |request: Request| -> Result<Response, Unreachable> { peer.answer(request) };
    let parties = Parties::new(&config("hybrid"), |_| (provider(), fetch.clone(), Native));
    let driver = Driver::new(memory, tasks.clone(), Rc::new(parties));
    driver.open(live(nonce)).unwrap();
    let visits = vec![driver.visit(secret(), 0, LATE, pending())];
    poll_all(visits, &tasks).remove(0).unwrap()
}

fn live(nonce: Option<Digest>) -> Live {
    let renewal = Renewal {
        access_token: AccessToken::new("a0"),
        expires_in: Some(300),
        refresh_token: Some(RefreshToken::new("r0")),
        id_token: None,
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter: 0,
    };
    let (subject, auth_time) = ("alice".into(), Some(NOON));
    let person = Person { subject, auth_time, nonce, ..Person::default() };
    let limits = Limits { idle: 3600, absolute: 36_000 };
    Live::open(secret(), person, Tokens::received(renewal, 36_000, NOON), limits, NOON)
}

#[test]
fn jv_29_oidc_core_12_2_an_id_token_of_another_sign_in_ends_the_session() {
    let ours = Some(Digest::of("n"));
    for wrong in [
        json!({"iss": "https://evil.test"}),
        json!({"iss": null}),
        json!({"sub": "mallory"}),
        json!({"sub": null}),
        json!({"aud": "another"}),
        json!({"aud": ["app", "another"]}),
        json!({"azp": "another"}),
        json!({"aud": ["app", "another"], "azp": "another"}),
        json!({"auth_time": NOON.0 - 1}),
        json!({"auth_time": LATE.0}),
        json!({"auth_time": "yesterday"}),
        json!({"nonce": "another"}),
        json!({"nonce": ""}),
        json!({"nonce": 7}),
        json!({"at_hash": "AAAA"}),
    ] {
        assert_eq!(refreshed(&wrong, ours), Visited::Refused, "{wrong}");
    }
}

#[test]
fn oidc_core_12_2_an_id_token_of_the_same_sign_in_or_one_that_says_less_keeps_it() {
    let ours = Some(Digest::of("n"));
    for good in [
        json!({}),
        json!({"nonce": null}),
        json!({"auth_time": null}),
        json!({"azp": "app"}),
        json!({"aud": ["app", "another"], "azp": "app"}),
    ] {
        assert!(matches!(refreshed(&good, ours), Visited::Present(..)), "{good}");
    }
}

#[test]
fn oidc_core_12_2_a_session_that_is_older_than_the_memory_of_its_nonce_compares_none() {
    let told = refreshed(&json!({"nonce": "another"}), None);
    let Visited::Present(snapshot, _) = told else { panic!("{told:?}") };
    assert_eq!(snapshot.access_token.expose(), "a1");
}

#[test]
fn what_a_cookie_carries_has_no_nonce() {
    let live = live(Some(Digest::of("n")));
    assert!(live.person().nonce.is_some());
    assert_eq!(live.snapshot().person.nonce, None);
    assert!(!serde_json::to_string(&live.snapshot()).unwrap().contains("nonce"));
}
