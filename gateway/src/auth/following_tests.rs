//! Following a person to another continent.

use super::world::*;
use crate::fixture::{NOON, config_with, id_token};
use crate::gateway::Decided;
use crate::next::Next;
use crate::session::admission::Authentication;
use crate::signals::Edge;
use http::Method;
use http::header::LOCATION;
use serde_json::json;
use shared::fetch::{Fetch, Request, Response};
use shared::time::UnixTime;
use std::collections::BTreeMap;
use url::Url;

const MODES: [&str; 2] = ["hybrid", "durable"];
const PAGE: (&str, &str) = ("sec-fetch-mode", "navigate");
const ROUTES: &str = r#"[
    {"prefix":"/public","origin":"http://localhost:8789","access":"public"},
    {"prefix":"/api","origin":"http://localhost:8789","access":"api"},
    {"prefix":"/strong","origin":"http://localhost:8789","access":"signed-in","require":{"acr":["mfa"]}},
    {"prefix":"/","origin":"http://localhost:8789","access":"signed-in"}]"#;

/// Headers of a request.
type Lines = &'static [(&'static str, &'static str)];

fn on(continent: &str) -> Edge {
    Edge::read(&json!({ "continent": continent }).to_string())
}

/// A gateway that follows people, and somebody who signed in on a continent.
fn signed_in(mode: &'static str, continent: &str) -> World<impl Fetch> {
    signed_in_with(mode, "true", continent)
}

fn signed_in_with(mode: &'static str, follows: &'static str, continent: &str) -> World<impl Fetch> {
    let idle = ("SESSION_IDLE_SECONDS", "36000");
    let changes = [("FOLLOW_REGION", follows), ("ROUTES", ROUTES), idle];
    let mut world = world_of(config_with(mode, &changes));
    let asked = world.login("/app", NOON);
    tokens(&world, "alice", &asked["nonce"], NOON);
    assert_eq!(back(&mut world, &callback(&asked["state"]), continent, NOON).status(), 303);
    world
}

/// The provider answers for somebody, with an access token that outlives the test.
fn tokens<F: Fetch>(world: &World<F>, subject: &str, nonce: &str, now: UnixTime) {
    let body = json!({
        "access_token": "a0", "token_type": "Bearer", "expires_in": 100_000,
        "refresh_token": "r0", "id_token": id_token(subject, Some(nonce), now),
    });
    world.peer.put("/token", 200, &body.to_string());
}

/// The browser comes back from the provider, on a continent.
fn back<F: Fetch>(world: &mut World<F>, target: &str, continent: &str, now: UnixTime) -> Response {
    let mut request = Request::default();
    request.extensions_mut().insert(on(continent));
    world.send(request, (&Method::GET, target), &[], now)
}

/// Where a page leads: to the provider, with these parameters; none when it is served.
fn led(decided: &Decided) -> Option<BTreeMap<String, String>> {
    match &decided.next {
        Next::Forward(_) => None,
        Next::Respond(response) => {
            let to = Url::parse(&location(response)).unwrap();
            assert!(to.as_str().starts_with("https://idp.test/authorize?"), "{to}");
            Some(to.query_pairs().into_owned().collect())
        }
    }
}

fn page<F: Fetch>(
    world: &mut World<F>,
    path: &str,
    continent: &str,
    now: UnixTime,
) -> Option<BTreeMap<String, String>> {
    led(&world.visit((&Method::GET, path), &[PAGE], &on(continent), now))
}

fn subject<F: Fetch>(world: &mut World<F>, now: UnixTime) -> Option<String> {
    match world.authenticate(now) {
        Authentication::Authenticated(visitor) => Some(visitor.snapshot.person.subject.clone()),
        _ => None,
    }
}

#[test]
fn gs_24_who_has_travelled_gets_a_session_in_another_object_by_two_redirects_of_ours() {
    for mode in MODES {
        let mut world = signed_in(mode, "EU");
        let (names, later) = (world.objects.names(), NOON.plus(60));
        assert!(page(&mut world, "/a?b=c%20d", "EU", later).is_none(), "{mode}: at home");
        let old = world.jar.clone();
        let asked = page(&mut world, "/a?b=c%20d", "NA", later).unwrap();
        assert_eq!(asked["prompt"], "none");
        tokens(&world, "alice", &asked["nonce"], later);
        let response = back(&mut world, &callback(&asked["state"]), "NA", later);
        assert_eq!((response.status().as_u16(), location(&response)), (303, "/a?b=c%20d".into()));
        assert!(page(&mut world, "/a?b=c%20d", "NA", later).is_none(), "{mode}: it is served");
        let fresh = world.objects.names();
        assert!(fresh.len() == 2 && fresh.iter().any(|name| !names.contains(name)), "{fresh:?}");
        assert_eq!((world.objects.live(), world.flows()), (1, 0), "{mode}");
        world.jar = old;
        assert!(world.token(later.plus(31)).is_none(), "{mode}: the old one is over");
    }
}

#[test]
fn gs_24_who_comes_from_two_continents_in_turn_is_sent_once_an_hour() {
    for mode in MODES {
        let mut world = signed_in(mode, "EU");
        let mut sent = 0;
        for second in 0..7200 {
            let now = NOON.plus(second);
            let continent = if second % 2 == 0 { "NA" } else { "EU" };
            if second % 100 > 1 {
                continue;
            }
            if let Some(asked) = page(&mut world, "/", continent, now) {
                sent += 1;
                tokens(&world, "alice", &asked["nonce"], now);
                // It comes back by the other way.
                let from = if continent == "NA" { "EU" } else { "NA" };
                back(&mut world, &callback(&asked["state"]), from, now);
            }
        }
        assert_eq!(sent, 2, "{mode}");
    }
}

#[test]
fn gs_24_a_provider_that_says_no_or_is_in_trouble_is_left_alone_for_an_hour_and_nobody_notices() {
    let fails: [(&str, &str, u16); 6] = [
        ("error=login_required", "alice", 200),
        ("error=consent_required", "alice", 200),
        ("error=access_denied", "alice", 200),
        ("error=temporarily_unavailable", "alice", 200),
        ("code=c", "alice", 500),
        ("code=c", "mallory", 200),
    ];
    for mode in MODES {
        for (answer, who, status) in fails {
            let mut world = signed_in(mode, "EU");
            let asked = page(&mut world, "/app", "NA", NOON).unwrap();
            tokens(&world, who, &asked["nonce"], NOON);
            if status != 200 {
                world.peer.put("/token", status, "");
            }
            let state = &asked["state"];
            let target = format!("/auth/callback?state={state}&iss=https://idp.test&{answer}");
            let response = back(&mut world, &target, "NA", NOON);
            assert_eq!((response.status().as_u16(), location(&response)), (303, "/app".into()));
            let words = format!("{mode} {answer} {who}");
            assert_eq!(subject(&mut world, NOON).as_deref(), Some("alice"), "{words}");
            assert_eq!((world.objects.live(), world.flows()), (1, 0), "{words}");
            for later in [0, 1, 3000] {
                assert!(page(&mut world, "/app", "NA", NOON.plus(later)).is_none(), "{words}");
            }
            let revoked = world.peer.bodies("/revoke");
            assert_eq!(revoked.len(), usize::from(who == "mallory"), "{words}");
        }
    }
}

#[test]
fn gs_24_who_never_comes_back_from_the_provider_is_served_when_they_come_again() {
    for mode in MODES {
        let mut world = signed_in(mode, "EU");
        assert!(page(&mut world, "/app", "NA", NOON).is_some());
        assert!(page(&mut world, "/app", "NA", NOON.plus(1)).is_none(), "{mode}");
        assert!(page(&mut world, "/app", "NA", NOON.plus(3500)).is_none(), "{mode}");
        assert!(page(&mut world, "/app", "NA", NOON.plus(3600)).is_some(), "{mode}");
    }
}

#[test]
fn gs_24_a_mark_that_was_lost_on_the_way_is_written_again_by_a_failure() {
    let mut world = signed_in("hybrid", "EU");
    let unmarked = world.jar[SESSION].clone();
    let asked = page(&mut world, "/app", "NA", NOON).unwrap();
    world.jar.insert(SESSION.to_owned(), unmarked);
    let state = &asked["state"];
    let target = format!("/auth/callback?state={state}&iss=https://idp.test&error=login_required");
    back(&mut world, &target, "NA", NOON);
    assert!(page(&mut world, "/app", "NA", NOON).is_none());
}

#[test]
fn nobody_is_sent_who_does_not_go_to_a_page() {
    let cases: [(Method, &str, Lines); 9] = [
        (Method::GET, "/app", &[("sec-fetch-mode", "cors")]),
        (Method::GET, "/app", &[("accept", "application/json")]),
        (Method::HEAD, "/app", &[PAGE]),
        (Method::POST, "/app", &[PAGE, ("origin", "https://app.test")]),
        (Method::GET, "/app", &[PAGE, ("sec-fetch-dest", "iframe")]),
        (Method::GET, "/app", &[PAGE, ("sec-purpose", "prefetch")]),
        (Method::GET, "/app", &[PAGE, ("upgrade", "websocket"), ("origin", "https://app.test")]),
        (Method::GET, "/api/app", &[PAGE]),
        (Method::GET, "/public/app", &[PAGE]),
    ];
    for mode in MODES {
        for (method, path, lines) in &cases {
            let mut world = signed_in(mode, "EU");
            let decided = world.visit((method, path), lines, &on("NA"), NOON);
            assert!(led(&decided).is_none(), "{mode} {method} {path} {lines:?}");
        }
        let mut world = signed_in(mode, "EU");
        assert!(page(&mut world, "/app", "NA", NOON).is_some(), "{mode}: and a page is");
    }
}

#[test]
fn nobody_is_sent_where_the_platform_says_nothing_or_the_setting_is_off() {
    for mode in MODES {
        let mut nowhere = signed_in(mode, "EU");
        let decided = nowhere.visit((&Method::GET, "/app"), &[PAGE], &Edge::default(), NOON);
        assert!(led(&decided).is_none(), "{mode}");
        let mut unknown = signed_in(mode, "");
        assert!(
            page(&mut unknown, "/app", "NA", NOON).is_none(),
            "{mode}: opened nobody knows where"
        );
        let mut off = signed_in_with(mode, "false", "EU");
        assert!(page(&mut off, "/app", "NA", NOON).is_none(), "{mode}");
        let cookie = off.jar[SESSION].clone();
        off.config.follow_region = true;
        assert_eq!(off.jar[SESSION], cookie);
        assert!(page(&mut off, "/app", "NA", NOON).is_none(), "{mode}: its cookie knows no place");
    }
}

#[test]
fn a_page_that_one_cannot_come_back_to_is_served_from_afar() {
    let mut world = signed_in("hybrid", "EU");
    assert!(page(&mut world, &format!("/{}", "x".repeat(2100)), "NA", NOON).is_none());
    assert!(page(&mut world, &format!("/{}", "x".repeat(2000)), "NA", NOON).is_some());
}

#[test]
fn who_is_sent_to_prove_more_is_not_followed_besides() {
    let mut world = signed_in("hybrid", "EU");
    let decided = world.visit((&Method::GET, "/strong"), &[PAGE], &on("NA"), NOON);
    let Next::Respond(response) = decided.next else { panic!("not strong enough") };
    assert!(location(&response).starts_with("/auth/login?"));
}

#[test]
fn gs_11_who_signs_out_meanwhile_stays_signed_out() {
    for mode in MODES {
        let mut world = signed_in(mode, "EU");
        let asked = page(&mut world, "/app", "NA", NOON).unwrap();
        let origin = [("origin", "https://app.test")];
        world.ask(&Method::POST, "/auth/logout", &origin, NOON);
        assert_eq!(world.objects.live(), 0);
        tokens(&world, "alice", &asked["nonce"], NOON);
        let calls = world.peer.hits("/token");
        let response = back(&mut world, &callback(&asked["state"]), "NA", NOON);
        assert_eq!(location(&response), "/app", "{mode}");
        assert!(world.token(NOON).is_none(), "{mode}");
        assert_eq!((world.objects.live(), world.peer.hits("/token")), (0, calls), "{mode}");
    }
}

#[test]
fn a_session_that_was_followed_says_what_the_new_id_token_says() {
    let mut world = signed_in("hybrid", "EU");
    let asked = page(&mut world, "/app", "NA", NOON.plus(60)).unwrap();
    tokens(&world, "alice", &asked["nonce"], NOON.plus(60));
    back(&mut world, &callback(&asked["state"]), "NA", NOON.plus(60));
    let Authentication::Authenticated(visitor) = world.authenticate(NOON.plus(60)) else {
        panic!()
    };
    assert_eq!(visitor.snapshot.person.auth_time, None, "this provider does not tell");
    assert_eq!(visitor.snapshot.ends_at, NOON.plus(60 + 36_000));
}

#[test]
fn the_note_outlives_a_look_at_the_object() {
    let mut world = signed_in("hybrid", "EU");
    assert!(page(&mut world, "/app", "NA", NOON).is_some());
    let before = world.jar[SESSION].clone();
    // The cookie is older than it is believed, so it is written anew.
    let decided = world.visit((&Method::GET, "/api/x"), &[], &on("NA"), NOON.plus(31));
    assert!(matches!(decided.next, Next::Forward(_)) && world.jar[SESSION] != before);
    assert!(page(&mut world, "/app", "NA", NOON.plus(32)).is_none());
    assert!(page(&mut world, "/app", "NA", NOON.plus(3600)).is_some(), "nor is the place lost");
}

#[test]
fn an_answer_that_leads_away_is_stored_by_nobody() {
    let mut world = signed_in("hybrid", "EU");
    let decided = world.visit((&Method::GET, "/app"), &[PAGE], &on("NA"), NOON);
    let Next::Respond(response) = decided.next else { panic!("sent") };
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers().contains_key(LOCATION));
}

#[test]
fn gs_24_a_session_that_outgrows_the_cookie_is_followed_once_as_well() {
    let mut world = signed_in("hybrid", "EU");
    let asked = world.login("/app", NOON);
    let body = json!({
        "access_token": "a".repeat(20_000), "token_type": "Bearer", "expires_in": 100_000,
        "refresh_token": "r0", "id_token": id_token("alice", Some(&asked["nonce"]), NOON),
    });
    world.peer.put("/token", 200, &body.to_string());
    back(&mut world, &callback(&asked["state"]), "EU", NOON);
    assert!(world.jar[SESSION].len() < 1000, "a handle");
    let mut answers = (0..3).map(|second| page(&mut world, "/app", "NA", NOON.plus(second)));
    assert!(answers.next().unwrap().is_some() && answers.all(|led| led.is_none()));
}
