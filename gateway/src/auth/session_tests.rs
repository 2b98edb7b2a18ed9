use super::world::*;
use crate::fixture::{NOON, id_token};
use crate::session::admission::Authentication;
use crate::session::opened::Opened;
use http::Method;
use serde_json::{Value, json};
use shared::seal::SealingKeys;

#[test]
fn gs_02_gs_15_a_changed_or_invented_cookie_reaches_no_object() {
    for mode in MODES {
        let mut world = world(mode);
        world.sign_in(NOON);
        let name = world.jar.keys().find(|name| name.starts_with(SESSION)).unwrap().clone();
        let (good, asked) = (world.jar[&name].clone(), world.objects.asked.get());
        for position in 0..good.len().min(512) {
            let mut bytes = good.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            // Refusing it deletes it, with its other chunks.
            let jar = world.jar.clone();
            world.jar.insert(name.clone(), String::from_utf8(bytes).unwrap());
            assert!(world.token(NOON).is_none(), "{mode} {position}");
            world.jar = jar;
        }
        assert_eq!(world.objects.asked.get(), asked);
    }
}

#[test]
fn gs_05_a_flow_cookie_is_no_session_and_the_reverse() {
    let mut world = world("hybrid");
    world.sign_in(NOON);
    let state = world.login("/", NOON)["state"].clone();
    let flow = world.jar.keys().find(|name| name.contains("-flow-")).unwrap().clone();
    let (session, pending) = (world.jar[SESSION].clone(), world.jar[&flow].clone());
    world.jar.insert(SESSION.to_owned(), pending);
    world.jar.insert(flow, session);
    assert!(world.token(NOON).is_none());
    assert_eq!(world.get(&callback(&state), NOON).status(), 400);
}

#[test]
fn gs_08_a_session_that_outgrows_the_cookie_is_asked_for_or_refused_and_never_loops() {
    for (mode, status) in [("hybrid", 303), ("durable", 303), ("sealed", 500)] {
        let mut world = world(mode);
        let asked = world.login("/", NOON);
        let token = "a".repeat(20_000);
        world.peer.put(
            "/token",
            200,
            &json!({
                "access_token": token, "token_type": "Bearer", "refresh_token": "r",
                "id_token": id_token("alice", Some(&asked["nonce"]), NOON),
            })
            .to_string(),
        );
        let response = world.get(&callback(&asked["state"]), NOON);
        assert_eq!(response.status(), status, "{mode}");
        assert_eq!(world.token(NOON).is_some(), status == 303, "{mode}");
    }
}

#[test]
fn t5_a_fresh_hybrid_session_asks_nobody_and_a_durable_one_asks_every_time() {
    for (mode, asked) in [("hybrid", 0), ("durable", 10), ("sealed", 0)] {
        let mut world = world(mode);
        world.sign_in(NOON);
        let before = world.objects.asked.get();
        for second in 0..10 {
            assert!(world.token(NOON.plus(second)).is_some());
        }
        assert_eq!(world.objects.asked.get() - before, asked, "{mode}");
    }
}

#[test]
fn a_hybrid_session_asks_when_its_token_nears_its_end_however_fresh_it_is() {
    let mut world = world("hybrid");
    let asked = world.login("/", NOON);
    let id_token = id_token("alice", Some(&asked["nonce"]), NOON);
    let body = json!({
        "access_token": "a0", "token_type": "Bearer", "expires_in": 20, "refresh_token": "r0",
        "id_token": id_token,
    });
    world.peer.put("/token", 200, &body.to_string());
    world.get(&callback(&asked["state"]), NOON);
    let before = world.objects.asked.get();
    assert!(world.token(NOON.plus(17)).is_some());
    assert_eq!(world.objects.asked.get(), before);
    world.authenticate(NOON.plus(19));
    assert_eq!(world.objects.asked.get(), before + 1);
}

#[test]
fn gc_17_a_flow_and_a_session_survive_a_rotation_of_the_sealing_key() {
    let mut world = world("hybrid");
    let asked = world.login("/", NOON);
    let (old, new) = (
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI",
    );
    world.config.keys = SealingKeys::parse(&format!("{new},{old}")).unwrap();
    world.tokens("alice", &asked["nonce"], NOON);
    assert_eq!(world.get(&callback(&asked["state"]), NOON).status(), 303);
    assert!(world.token(NOON).is_some());
    world.config.keys = SealingKeys::parse(old).unwrap();
    // Another deployment is another isolate.
    world.opened = Opened::default();
    assert!(world.token(NOON).is_none());
}

#[test]
fn gs_11_a_saved_cookie_is_dead_after_logout_within_the_freshness() {
    for (mode, bound) in [("hybrid", 30), ("durable", 0)] {
        let mut world = world(mode);
        world.sign_in(NOON);
        let saved = world.jar.clone();
        let from = [("origin", "https://app.test")];
        let response = world.ask(&Method::POST, "/auth/logout", &from, NOON);
        assert_eq!(response.status(), 303);
        assert!(!world.jar.contains_key(SESSION));
        world.jar = saved;
        assert!(world.token(NOON.plus(bound)).is_none(), "{mode}");
    }
}

#[test]
fn gs_12_idle_and_absolute_limits_hold_in_every_mode() {
    for mode in MODES {
        let mut world = world(mode);
        world.sign_in(NOON);
        let saved = world.jar.clone();
        assert!(world.token(NOON.plus(3600)).is_none(), "{mode}");
        world.jar = saved;
        assert!(world.token(NOON.plus(36_000)).is_none(), "{mode}");
    }
}

#[test]
fn gs_19_the_session_page_tells_who_and_until_when_and_no_token() {
    for mode in MODES {
        let mut world = world(mode);
        let nobody: Value =
            serde_json::from_slice(world.get("/auth/session", NOON).body()).unwrap();
        assert_eq!(nobody, json!({"signed_in": false, "login_url": "/auth/login"}));
        world.sign_in(NOON);
        let response = world.get("/auth/session", NOON);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["subject"], "alice");
        assert_eq!(body["claims"], json!({"name": "Alice"}));
        assert_eq!(body["ends_at"], NOON.0 + 36_000);
        assert_eq!(body["idle_ends_at"], NOON.0 + 3600);
        assert_eq!(body["access_token_ends_at"], NOON.0 + 300);
        assert!(!text(&response).contains("\"a0\"") && !text(&response).contains("\"r0\""));
        assert!(!text(&response).contains("eyJ"));
    }
}

#[test]
fn gs_30_logout_needs_our_own_page_or_our_own_token() {
    let mut world = world("hybrid");
    world.sign_in(NOON);
    for from in
        [("origin", "https://evil.test"), ("origin", "null"), ("sec-fetch-site", "same-site")]
    {
        assert_eq!(world.ask(&Method::POST, "/auth/logout", &[from], NOON).status(), 403);
    }
    assert_eq!(world.ask(&Method::POST, "/auth/logout", &[], NOON).status(), 403);
    for target in ["/auth/logout", "/auth/logout?token=x", "/auth/logout?token="] {
        let response = world.get(target, NOON);
        assert_eq!(response.status(), 200);
        assert!(text(&response).contains("<form method=\"post\""));
    }
    assert_eq!(world.objects.live(), 1);
    let body: Value = serde_json::from_slice(world.get("/auth/session", NOON).body()).unwrap();
    let response = world.get(body["logout_url"].as_str().unwrap(), NOON);
    let next = location(&response);
    assert!(next.starts_with("https://idp.test/logout?id_token_hint="), "{next}");
    assert!(next.ends_with("&client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.test%2F"));
    assert_eq!((world.objects.live(), world.jar.len()), (0, 0));
}

#[test]
fn a_logout_that_cannot_be_told_keeps_the_cookie_to_try_again() {
    let mut world = world("hybrid");
    world.sign_in(NOON);
    world.objects.lost.set(true);
    let from = [("sec-fetch-site", "same-origin")];
    assert_eq!(world.ask(&Method::POST, "/auth/logout", &from, NOON).status(), 503);
    world.objects.lost.set(false);
    assert_eq!(world.ask(&Method::POST, "/auth/logout", &from, NOON).status(), 303);
    assert_eq!(world.objects.live(), 0);
    // Nobody is signed in here any more; who may still be there, the provider asks.
    let next = location(&world.ask(&Method::POST, "/auth/logout", &from, NOON));
    assert!(next.starts_with("https://idp.test/logout?client_id=app&"), "{next}");
}

#[test]
fn an_unreachable_object_serves_nothing_and_ends_nothing() {
    let mut world = world("hybrid");
    world.sign_in(NOON);
    world.objects.lost.set(true);
    let found = world.authenticate(NOON.plus(31));
    assert!(matches!(found, Authentication::Unavailable { retry_after: 1, .. }));
    world.objects.lost.set(false);
    assert!(world.token(NOON.plus(32)).is_some());
}

#[test]
fn gr_04_gr_05_gr_10_a_sealed_session_is_renewed_by_the_request_itself() {
    let mut world = world("sealed");
    world.sign_in(NOON);
    world.peer.put("/token", 500, "");
    assert_eq!(world.token(NOON.plus(275)).as_deref(), Some("a0"));
    let found = world.authenticate(NOON.plus(300));
    assert!(matches!(found, Authentication::Unavailable { .. }));
    let calls = world.peer.hits("/token");
    // The pause is in the cookie.
    assert!(matches!(world.authenticate(NOON.plus(301)), Authentication::Unavailable { .. }));
    assert_eq!(world.peer.hits("/token"), calls);
    world.peer.put(
        "/token",
        200,
        r#"{"access_token":"a1","token_type":"bearer","expires_in":300}"#,
    );
    assert_eq!(world.token(NOON.plus(310)).as_deref(), Some("a1"));
    world.peer.put("/token", 400, r#"{"error":"invalid_grant"}"#);
    assert!(world.token(NOON.plus(610)).is_none());
    assert!(world.peer.bodies("/token").last().unwrap().contains("refresh_token=r0"));
    assert!(!world.jar.keys().any(|name| name.starts_with(SESSION)));
}

#[test]
fn health_is_ready_when_metadata_and_keys_are_at_hand_and_says_what_is_missing() {
    let health = |world: &mut World<_>, now| {
        let response = world.get("/auth/health", now);
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), text(&response))
    };
    let mut world = world("hybrid");
    assert_eq!(health(&mut world, NOON), (200, r#"{"ready":true}"#.to_owned()));

    let mut world = super::world::world("hybrid");
    world.peer.put("/jwks", 500, "");
    assert_eq!(health(&mut world, NOON), (503, r#"{"ready":false,"missing":"keys"}"#.to_owned()));
    world.peer.put("/.well-known/openid-configuration", 500, "");
    // What was good a moment ago is good enough; a provider of which nothing is known is not.
    assert!(health(&mut world, NOON).1.contains("keys"));
    let mut world = super::world::world("hybrid");
    world.peer.put("/.well-known/openid-configuration", 500, "");
    assert!(health(&mut world, NOON).1.contains("metadata"));
}

#[test]
fn gr_16_a_token_call_that_brought_nothing_puts_no_token_from_before_back_into_a_browser() {
    let mut world = world("sealed");
    world.sign_in(NOON);
    let (late, before) = (NOON.plus(400), world.jar.clone());
    let hits = world.peer.hits("/token");
    let works = |world: &World<_>| {
        let body = json!({
            "access_token": "a1", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r1",
        });
        world.peer.put("/token", 200, &body.to_string());
    };
    // It fails, and the cookie stays; for as long as the provider is left alone nobody asks again.
    world.peer.put("/token", 503, "");
    for second in 0..2 {
        let asked = world.authenticate(late.plus(second));
        let Authentication::Unavailable { cookies, .. } = asked else { panic!("{asked:?}") };
        assert!(cookies.is_empty());
        assert_eq!(world.peer.hits("/token") - hits, 1);
    }
    assert_eq!(world.jar, before);
    // Another request of the same moment, elsewhere, brings the next one; what is known of the cookie
    // from before says nothing about that.
    works(&world);
    assert_eq!(world.token(late.plus(2)).as_deref(), Some("a1"));
    assert_ne!(world.jar, before);
    assert_eq!(world.token(late.plus(2)).as_deref(), Some("a1"));
    assert_eq!(world.peer.hits("/token") - hits, 2);
}
