use super::world::*;
use crate::fixture::{NOON, id_token};
use http::Method;
use http::header::{COOKIE, SET_COOKIE};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn gc_15_signing_in_ends_on_a_clean_page_with_a_session() {
    for mode in MODES {
        let mut world = world(mode);
        let (_, response) = world.sign_in(NOON);
        assert_eq!((response.status().as_u16(), location(&response).as_str()), (303, "/app"));
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(world.token(NOON).as_deref(), Some("a0"), "{mode}");
        assert_eq!(world.flows(), 0);
        let shown = format!("{:?}", world.jar);
        assert!(!shown.contains("a0\"") && !shown.contains("alice"));
    }
}

#[test]
fn gl_03_gl_07_no_parameter_of_ours_is_taken_from_the_request() {
    let mut world = world("hybrid");
    let response = world.get(
        "/auth/login?scope=admin&prompt=login&redirect_uri=https://evil&client_id=evil&state=x&return_to=/x?client_id=evil",
        NOON,
    );
    let url = location(&response);
    assert!(!url.contains("evil") && !url.contains("admin") && !url.contains("prompt"), "{url}");
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-gatelatch-flow-") && cookie.ends_with("Max-Age=600"));
}

#[test]
fn gl_08_five_tabs_finish_in_any_order() {
    let mut world = world("hybrid");
    let flows: Vec<_> = (0..5).map(|n| world.login(&format!("/{n}"), NOON.plus(n))).collect();
    for n in [3, 0, 4, 2, 1] {
        world.tokens("alice", &flows[n]["nonce"], NOON);
        let response = world.get(&callback(&flows[n]["state"]), NOON.plus(9));
        assert_eq!((response.status().as_u16(), location(&response)), (303, format!("/{n}")));
    }
    // Each sign-in replaced the session of the one before.
    assert_eq!(world.objects.live(), 1);
}

#[test]
fn gl_09_five_hundred_logins_leave_a_small_jar_with_the_newest() {
    let mut world = world("hybrid");
    let mut newest = BTreeMap::new();
    for n in 0..500 {
        newest = world.login(&format!("/{}", "a".repeat(2000)), NOON.plus(n));
        assert!(world.flows() <= 5);
    }
    assert!(world.headers()[COOKIE].len() < 8192);
    world.tokens("alice", &newest["nonce"], NOON.plus(500));
    assert_eq!(world.get(&callback(&newest["state"]), NOON.plus(500)).status(), 303);
}

#[test]
fn gl_10_gl_11_a_session_is_replaced_only_by_a_sign_in_that_succeeds() {
    let mut world = world("hybrid");
    world.sign_in(NOON);
    let before = world.jar[SESSION].clone();
    let asked = world.login("/", NOON.plus(1));
    assert_eq!(world.jar[SESSION], before);
    world.tokens("alice", "wrong", NOON);
    assert_eq!(world.get(&callback(&asked["state"]), NOON.plus(2)).status(), 502);
    assert_eq!((world.jar[SESSION].clone(), world.objects.live()), (before.clone(), 1));
    world.sign_in(NOON.plus(3));
    assert_eq!(world.objects.live(), 1);
    world.jar.insert(SESSION.to_owned(), before);
    assert!(world.token(NOON.plus(100)).is_none());
}

#[test]
fn gl_12_gc_19_other_methods_are_not_allowed_and_leave_nothing() {
    let mut world = world("hybrid");
    for target in ["/auth/login", "/auth/callback?code=c&state=s"] {
        for method in [Method::HEAD, Method::POST, Method::PUT] {
            let response = world.ask(&method, target, &[], NOON);
            assert_eq!(response.status(), 405);
            assert!(!response.headers().contains_key(SET_COOKIE));
        }
    }
}

#[test]
fn gc_01_gc_02_a_callback_without_its_flow_is_refused_and_costs_no_token_call() {
    let mut alice = world("hybrid");
    let mut mallory = world("hybrid");
    mallory.rng = ChaCha20Rng::seed_from_u64(2);
    let foreign = mallory.login("/", NOON)["state"].clone();
    alice.sign_in(NOON);
    let calls = alice.peer.hits("/token");
    let targets = [
        "/auth/callback".to_owned(),
        "/auth/callback?code=c".to_owned(),
        "/auth/callback?code=c&state=".to_owned(),
        "/auth/callback?%ff&&&=".to_owned(),
        callback("x"),
        callback(&foreign),
    ];
    for target in targets {
        let response = alice.get(&target, NOON);
        assert_eq!(response.status(), 400, "{target}");
        assert!(text(&response).contains("/auth/login"));
    }
    assert_eq!(alice.peer.hits("/token"), calls);
    assert!(alice.token(NOON).is_some());
}

#[test]
fn gc_03_a_callback_works_once_and_its_reload_is_friendly() {
    let mut world = world("hybrid");
    let asked = world.login("/app", NOON);
    world.tokens("alice", &asked["nonce"], NOON);
    let (target, jar) = (callback(&asked["state"]), world.jar.clone());
    world.get(&target, NOON);
    for _ in 0..49 {
        let after = std::mem::replace(&mut world.jar, jar.clone());
        assert_eq!(location(&world.get(&target, NOON)), "/app");
        world.jar = after;
    }
    assert_eq!((world.peer.hits("/token"), world.objects.live()), (1, 1));
    let reload = world.get(&target, NOON);
    assert_eq!((reload.status().as_u16(), location(&reload).as_str()), (303, "/"));
}

#[test]
fn gc_04_gc_06_gc_08_a_bad_response_costs_no_token_call() {
    for (rest, status) in [
        ("code=c", 400),
        ("code=c&iss=https://evil.test", 400),
        ("code=c&code=d&iss=https://idp.test", 400),
        ("iss=https://idp.test", 400),
        ("iss=https://idp.test&code=c&error=access_denied", 403),
        ("iss=https://idp.test&error=server_error", 400),
    ] {
        let mut world = world("hybrid");
        let state = world.login("/", NOON)["state"].clone();
        let response = world.get(&format!("/auth/callback?state={state}&{rest}"), NOON);
        assert_eq!(response.status(), status, "{rest}");
        assert_eq!((world.peer.hits("/token"), world.objects.live()), (0, 0));
    }
}

#[test]
fn gl_05_a_sign_in_that_failed_can_be_begun_again_and_leads_to_the_same_place() {
    let mut world = world("hybrid");
    let state = world.login("/a?b=%22%3E%26c", NOON)["state"].clone();
    let refused =
        world.get(&format!("/auth/callback?state={state}&iss=https://idp.test&error=x"), NOON);
    let link = "href=\"/auth/login?return_to=%2Fa%3Fb%3D%2522%253E%26c\"";
    assert!(text(&refused).contains(link), "{}", text(&refused));
}

#[test]
fn gc_07_an_error_of_the_provider_is_never_repeated_on_a_page() {
    let mut world = world("hybrid");
    let state = world.login("/", NOON)["state"].clone();
    let response = world.get(
        &format!("/auth/callback?state={state}&iss=https://idp.test&error=%3Cscript%3E&error_description=%22%3E%3Cimg%3E"),
        NOON,
    );
    assert!(!text(&response).contains("<script") && !text(&response).contains("<img"));
    assert!(response.headers().contains_key("content-security-policy"));
}

#[test]
fn gc_09_gc_10_gc_12_gc_13_gc_14_a_bad_token_answer_opens_no_session() {
    let good = |nonce: &str| id_token("alice", Some(nonce), NOON);
    let answers: Vec<(u16, Value, u16)> = vec![
        (400, json!({"error": "invalid_grant"}), 400),
        (500, json!({}), 502),
        (302, json!({}), 502),
        (200, json!("<html>"), 502),
        (401, json!({"error": "invalid_client"}), 502),
        (200, json!({"access_token": "a", "token_type": "mac", "id_token": "{}"}), 502),
        (200, json!({"access_token": "a", "token_type": "bearer"}), 502),
        (200, json!({"access_token": "a", "token_type": "bearer", "id_token": good("other")}), 502),
        (200, json!({"access_token": "a", "token_type": "bearer", "id_token": "a.b.c"}), 502),
    ];
    for (status, body, shown) in answers {
        for mode in MODES {
            let mut world = world(mode);
            let state = world.login("/", NOON)["state"].clone();
            world.peer.put("/token", status, &body.to_string());
            let response = world.get(&callback(&state), NOON);
            assert_eq!(response.status(), shown, "{body}");
            assert!(text(&response).contains("/auth/login"));
            assert_eq!((world.objects.live(), world.flows()), (0, 0));
            assert!(!world.jar.keys().any(|name| name.starts_with(SESSION)));
        }
    }
}

#[test]
fn gc_11_a_planted_session_cookie_is_not_adopted() {
    let mut world = world("hybrid");
    world.jar.insert(SESSION.to_owned(), "planted".to_owned());
    world.sign_in(NOON);
    assert_ne!(world.jar[SESSION], "planted");
    let first = world.jar[SESSION].clone();
    world.sign_in(NOON);
    assert_ne!(world.jar[SESSION], first);
}
