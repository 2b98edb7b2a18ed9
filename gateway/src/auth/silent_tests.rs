//! Signing in without a page of the provider.

use super::world::*;
use crate::fixture::NOON;
use crate::next::Next;
use crate::signals::Edge;
use http::Method;
use http::header::LOCATION;
use std::collections::BTreeMap;
use url::Url;

/// What the provider is asked by a request.
fn asked(location: &str) -> BTreeMap<String, String> {
    let url = Url::parse(location).unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "each parameter once");
    map
}

#[test]
fn gl_03_of_every_prompt_that_somebody_may_ask_for_there_is_none() {
    let mut world = world("hybrid");
    let usual = world.login("/app", NOON);
    for query in ["prompt=none", "prompt=none&scope=admin&max_age=0&login_hint=root&state=x"] {
        let response = world.get(&format!("/auth/login?{query}&return_to=/app"), NOON);
        let mut silent = asked(&location(&response));
        assert_eq!(silent.remove("prompt").as_deref(), Some("none"), "{query}");
        assert!(silent.keys().eq(usual.keys()), "and nothing else: {silent:?}");
        assert_eq!(silent["scope"], usual["scope"]);
    }
    for query in
        ["prompt=login", "prompt=", "prompt=none%20login", "prompt=None", "prompt=none&prompt=none"]
    {
        let response = world.get(&format!("/auth/login?{query}&return_to=/app"), NOON);
        assert!(!location(&response).contains("prompt"), "{query}");
    }
}

#[test]
fn oidc_core_3_1_2_1_who_would_need_a_page_goes_back_as_they_came() {
    let words = [
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
    ];
    for mode in MODES {
        for word in words {
            for signed_in in [false, true] {
                let mut world = world(mode);
                if signed_in {
                    world.sign_in(NOON);
                }
                let before = world.jar.clone();
                let begun = world.get("/auth/login?prompt=none&return_to=/app?x%3D1", NOON);
                let state = asked(&location(&begun))["state"].clone();
                let calls = world.peer.hits("/token");
                let target =
                    format!("/auth/callback?state={state}&iss=https://idp.test&error={word}");
                let response = world.get(&target, NOON);
                assert_eq!(
                    (response.status().as_u16(), location(&response)),
                    (303, "/app?x=1".into())
                );
                assert!(response.body().is_empty());
                assert_eq!(world.jar, before, "{mode} {word}: the session, and no flow");
                assert_eq!(world.token(NOON).is_some(), signed_in);
                assert_eq!(world.peer.hits("/token"), calls);
            }
        }
    }
}

#[test]
fn a_silent_sign_in_that_fails_otherwise_says_so_and_one_with_pages_says_everything() {
    for (query, error, status) in [
        ("prompt=none&", "access_denied", 403),
        ("prompt=none&", "server_error", 400),
        ("prompt=none&", "login_requiredx", 400),
        ("", "login_required", 400),
        ("", "account_selection_required", 400),
    ] {
        let mut world = world("hybrid");
        world.sign_in(NOON);
        let begun = world.get(&format!("/auth/login?{query}return_to=/app"), NOON);
        let state = asked(&location(&begun))["state"].clone();
        let target = format!("/auth/callback?state={state}&iss=https://idp.test&error={error}");
        let response = world.get(&target, NOON);
        assert_eq!(response.status(), status, "{query}{error}");
        assert!(!response.headers().contains_key(LOCATION));
        assert!(world.token(NOON).is_some());
    }
}

#[test]
fn fd_01_a_refusal_that_nobody_asked_for_or_of_another_issuer_leads_nowhere() {
    let mut world = world("hybrid");
    let begun = world.get("/auth/login?prompt=none&return_to=/app", NOON);
    let state = asked(&location(&begun))["state"].clone();
    for target in [
        "/auth/callback?state=x&iss=https://idp.test&error=login_required".to_owned(),
        format!("/auth/callback?state={state}&iss=https://evil.test&error=login_required"),
    ] {
        let response = world.get(&target, NOON);
        assert_eq!(response.status(), 400, "{target}");
        assert!(!response.headers().contains_key(LOCATION));
    }
}

#[test]
fn gl_11_a_silent_sign_in_opens_a_session_as_any_other_and_replaces_the_old_one() {
    for mode in MODES {
        let mut world = world(mode);
        world.sign_in(NOON);
        let before = world.jar.clone();
        let begun = world.get("/auth/login?prompt=none&return_to=/app", NOON.plus(1));
        let asked = asked(&location(&begun));
        world.tokens("bob", &asked["nonce"], NOON.plus(1));
        let response = world.get(&callback(&asked["state"]), NOON.plus(1));
        assert_eq!(location(&response), "/app", "{mode}");
        assert!(world.token(NOON.plus(1)).is_some() && world.jar != before);
        assert_eq!(world.objects.live(), usize::from(mode != "sealed"));
    }
}

#[test]
fn gl_05_a_page_that_needs_a_session_asks_for_an_ordinary_sign_in_after_a_silent_one_failed() {
    let mut world = world("hybrid");
    let begun = world.get("/auth/login?prompt=none&return_to=/app", NOON);
    let state = asked(&location(&begun))["state"].clone();
    let target = format!("/auth/callback?state={state}&iss=https://idp.test&error=login_required");
    let back = location(&world.get(&target, NOON));
    let navigates = [("sec-fetch-mode", "navigate")];
    let decided = world.visit((&Method::GET, &back), &navigates, &Edge::default(), NOON);
    let Next::Respond(response) = decided.next else { panic!("nobody is signed in") };
    assert_eq!(location(&response), "/auth/login?return_to=%2Fapp");
    assert!(!location(&world.get(&location(&response), NOON)).contains("prompt"));
}
