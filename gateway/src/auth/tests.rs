use super::handle;
use crate::auth::flow::UsedFlows;
use crate::config::Config;
use crate::fixture::{NOON, Peer, config, id_token, provider};
use crate::session::admission::{Authentication, Seams};
use crate::session::driver::Visited;
use crate::session::exchange::Party;
use crate::session::state::{Farewell, Live, Session, Visit};
use crate::session::{Lost, Sessions};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use pollster::block_on;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Request, Response};

use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use url::Url;
use uuid::Uuid;

const SESSION: &str = "__Host-gatelatch-session";

/// Session objects that never make a token call.
#[derive(Debug, Default)]
struct Objects {
    rows: RefCell<BTreeMap<Uuid, Session>>,
    asked: Cell<usize>,
    lost: Cell<bool>,
}

impl Objects {
    fn ask(&self) -> Result<(), Lost> {
        self.asked.set(self.asked.get() + 1);
        if self.lost.get() { Err(Lost) } else { Ok(()) }
    }

    fn live(&self) -> usize {
        self.rows.borrow().values().filter(|row| matches!(row, Session::Live(_))).count()
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost> {
        self.ask()?;
        Ok(self.rows.borrow_mut().insert(object, Session::Live(Box::new(live))).is_none())
    }

    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        _: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        self.ask()?;
        let Some(session) = self.rows.borrow_mut().remove(&object) else {
            return Ok(Visited::Gone);
        };
        let (session, visit) = session.visit(secret, now);
        self.rows.borrow_mut().insert(object, session);
        Ok(match visit {
            Visit::Serve(snapshot) => Visited::Present(snapshot),
            Visit::Gone => Visited::Gone,
            _ => Visited::Unavailable { retry_after: 3 },
        })
    }

    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        _: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        self.ask()?;
        let Some(session) = self.rows.borrow_mut().remove(&object) else { return Ok(None) };
        let (session, farewell) = session.close(secret);
        self.rows.borrow_mut().insert(object, session);
        Ok(farewell)
    }
}

/// A gateway, its provider, and one browser.
struct World<F> {
    config: Config,
    peer: Peer,
    party: Party<F, Native>,
    objects: Objects,
    used: UsedFlows,
    rng: ChaCha20Rng,
    jar: BTreeMap<String, String>,
}

fn world(mode: &'static str) -> World<impl Fetch> {
    let (config, peer) = (config(mode), Peer::new());
    let line = peer.clone();
    let fetch = async move |request: Request| line.answer(request);
    let party = Party::new(&config, provider(), fetch, Native);
    let (objects, used) = (Objects::default(), UsedFlows::default());
    let (rng, jar) = (ChaCha20Rng::seed_from_u64(1), BTreeMap::new());
    World { config, peer, party, objects, used, rng, jar }
}

impl<F: Fetch> World<F> {
    fn headers(&self) -> HeaderMap {
        let pairs: Vec<_> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        if !pairs.is_empty() {
            headers.insert(COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        }
        headers
    }

    fn ask(
        &mut self,
        method: &Method,
        target: &str,
        more: &[(&'static str, &str)],
        now: UnixTime,
    ) -> Response {
        let mut request = Request::default();
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse().unwrap();
        *request.headers_mut() = self.headers();
        for (name, value) in more {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let Self { config, party, objects, used, rng, .. } = self;
        let seams = Seams { config, party, sessions: objects, used };
        let response = block_on(handle(&seams, &request, now, rng)).unwrap();
        self.keep(response.headers());
        response
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
            let (pair, rest) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-") && !rest.contains("Domain"));
            if line.ends_with("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn get(&mut self, target: &str, now: UnixTime) -> Response {
        self.ask(&Method::GET, target, &[], now)
    }

    /// Starts a flow and gives the query of the provider's authorization request.
    fn login(&mut self, return_to: &str, now: UnixTime) -> BTreeMap<String, String> {
        let response = self.get(&format!("/auth/login?return_to={return_to}"), now);
        assert_eq!(response.status(), 303);
        let url = Url::parse(&location(&response)).unwrap();
        let count = url.query_pairs().count();
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs.len(), count, "each parameter once");
        pairs
    }

    fn tokens(&self, subject: &str, nonce: &str, now: UnixTime) {
        self.peer.put(
            "/token",
            200,
            &json!({
                "access_token": "a0", "token_type": "Bearer", "expires_in": 300,
                "refresh_token": "r0", "id_token": id_token(subject, Some(nonce), now),
            })
            .to_string(),
        );
    }

    fn sign_in(&mut self, now: UnixTime) -> (String, Response) {
        let asked = self.login("/app", now);
        self.tokens("alice", &asked["nonce"], now);
        let target = callback(&asked["state"]);
        let response = self.get(&target, now);
        (target, response)
    }

    fn authenticate(&mut self, now: UnixTime) -> Authentication {
        let headers = self.headers();
        let Self { config, party, objects, used, rng, .. } = self;
        let seams = Seams { config, party, sessions: objects, used };
        let found = block_on(seams.authenticate(&headers, now, rng));
        let cookies = match &found {
            Authentication::Authenticated(visitor) => visitor.cookies.clone(),
            Authentication::Anonymous(cookies) | Authentication::Unavailable { cookies, .. } => {
                cookies.clone()
            }
        };
        self.keep(&cookies);
        found
    }

    fn token(&mut self, now: UnixTime) -> Option<String> {
        match self.authenticate(now) {
            Authentication::Authenticated(visitor) => {
                Some(visitor.snapshot.access_token.expose().to_owned())
            }
            _ => None,
        }
    }

    fn flows(&self) -> usize {
        self.jar.keys().filter(|name| name.starts_with("__Host-gatelatch-flow-")).count()
    }
}

fn callback(state: &str) -> String {
    format!("/auth/callback?code=c&state={state}&iss=https://idp.test")
}

fn location(response: &Response) -> String {
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body().clone()).unwrap()
}

const MODES: [&str; 3] = ["hybrid", "durable", "sealed"];

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
        "/auth/login?scope=admin&prompt=none&redirect_uri=https://evil&client_id=evil&state=x&return_to=/x?client_id=evil",
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
    assert_eq!(location(&world.ask(&Method::POST, "/auth/logout", &from, NOON)), "/");
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
