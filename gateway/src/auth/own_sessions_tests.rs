//! The list of one's own sessions, and ends to them.

use super::world::*;
use crate::fixture::NOON;
use http::Method;
use serde_json::Value;
use shared::fetch::{Fetch, Response};
use shared::time::UnixTime;
use std::collections::BTreeMap;

const SESSIONS: &str = "/auth/sessions";
const FROM: [(&str, &str); 1] = [("origin", "https://app.test")];
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

type Jar = BTreeMap<String, String>;

fn listed<F: Fetch>(world: &mut World<F>, jar: &Jar, now: UnixTime) -> Vec<Value> {
    world.jar.clone_from(jar);
    let answer = world.get(SESSIONS, now);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers()["vary"].to_str().unwrap().starts_with("Cookie, "));
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    body["sessions"].as_array().unwrap().clone()
}

fn end<F: Fetch>(world: &mut World<F>, jar: &Jar, below: &str, now: UnixTime) -> Response {
    world.jar.clone_from(jar);
    world.ask(&Method::DELETE, &format!("{SESSIONS}{below}"), &FROM, now)
}

fn is_in<F: Fetch>(world: &mut World<F>, jar: &Jar, now: UnixTime) -> bool {
    world.jar.clone_from(jar);
    world.token(now).is_some()
}

fn id(listed: &Value) -> String {
    format!("/{}", listed["id"].as_str().unwrap())
}

#[test]
fn s15_one_sees_ones_own_sessions_and_which_of_them_asks() {
    for mode in ["hybrid", "durable"] {
        let mut world = world(mode);
        let one = world.sign_in_as("alice", Some("s1"), NOON);
        let two = world.sign_in_as("alice", None, NOON.plus(60));
        world.sign_in_as("bob", None, NOON);
        let seen = listed(&mut world, &one, NOON.plus(100));
        let about: Vec<_> =
            seen.iter().map(|one| (one["opened_at"].clone(), one["current"].clone())).collect();
        let wanted = [(NOON.plus(60), false), (NOON, true)];
        assert_eq!(about, wanted.map(|(at, current)| (at.0.into(), current.into())), "{mode}");
        assert_eq!(seen[1]["seen_at"], NOON.0 + 100);
        assert_eq!(seen[1]["ends_at"], NOON.0 + 36_000);
        assert_eq!(seen[0]["agent"], "A browser");
        let again = listed(&mut world, &two, NOON.plus(100));
        assert_eq!((id(&again[0]), id(&again[1])), (id(&seen[0]), id(&seen[1])));
        assert_eq!(again[0]["current"], true);
    }
}

#[test]
fn ui_07_a_browser_is_named_in_fixed_words() {
    for (agent, words) in [(FIREFOX, "Firefox on Linux"), ("<b>Me</b>", "A browser")] {
        let mut world = world("durable");
        let asked = world.login("/app", NOON);
        world.tokens("alice", &asked["nonce"], NOON);
        let lines = [("user-agent", agent)];
        world.ask(&Method::GET, &callback(&asked["state"]), &lines, NOON);
        let jar = world.jar.clone();
        assert_eq!(listed(&mut world, &jar, NOON)[0]["agent"], words);
    }
}

#[test]
fn gs_19_no_id_of_an_object_and_no_token_is_in_the_list() {
    let mut world = world("durable");
    let jar = world.sign_in_as("alice", Some("s1"), NOON);
    world.jar = jar;
    let body = text(&world.get(SESSIONS, NOON));
    let objects = world.objects.names();
    assert_eq!(objects.len(), 1);
    for secret in objects.iter().map(String::as_str).chain(["a0", "r0", "\"s1\"", "alice"]) {
        assert!(!body.contains(secret), "{secret} in {body}");
    }
}

#[test]
fn s15_one_of_ones_own_sessions_ends_and_no_other() {
    for (mode, bound) in [("hybrid", 30), ("durable", 0)] {
        let mut world = world(mode);
        let one = world.sign_in_as("alice", Some("s1"), NOON);
        let two = world.sign_in_as("alice", Some("s2"), NOON);
        let seen = listed(&mut world, &one, NOON);
        assert_eq!(seen[0]["current"], false);
        assert_eq!(end(&mut world, &one, &id(&seen[0]), NOON).status(), 204);
        assert!(!is_in(&mut world, &two, NOON.plus(bound)), "{mode}");
        assert!(is_in(&mut world, &one, NOON.plus(bound)), "{mode}");
        assert_eq!(listed(&mut world, &one, NOON).len(), 1);
        // One's own ends too, and the cookie goes with it.
        let answer = end(&mut world, &one, &id(&seen[1]), NOON);
        assert_eq!((answer.status().as_u16(), world.jar.len()), (204, 0));
        assert!(!is_in(&mut world, &one, NOON.plus(bound)), "{mode}");
    }
}

#[test]
fn s15_all_the_others_end_at_once() {
    let mut world = world("durable");
    let jars = [1, 2, 3].map(|_| world.sign_in_as("alice", None, NOON));
    let bob = world.sign_in_as("bob", None, NOON);
    assert_eq!(end(&mut world, &jars[1], "", NOON).status(), 204);
    let left = jars.each_ref().map(|jar| is_in(&mut world, jar, NOON));
    assert_eq!(left, [false, true, false]);
    assert!(is_in(&mut world, &bob, NOON));
    assert_eq!(listed(&mut world, &jars[1], NOON).len(), 1);
}

#[test]
fn gs_17_somebody_elses_session_is_not_there() {
    let mut world = world("durable");
    let alice = world.sign_in_as("alice", None, NOON);
    let bob = world.sign_in_as("bob", None, NOON);
    let theirs = id(&listed(&mut world, &alice, NOON)[0]);
    let name = world.objects.names()[0].clone();
    for below in [&theirs, "/x", &format!("/{name}"), "/"] {
        if below == "/" {
            world.jar.clone_from(&bob);
            assert!(world.unserved(&Method::DELETE, "/auth/sessions/", NOON));
            continue;
        }
        let answer = end(&mut world, &bob, below, NOON);
        assert_eq!(answer.status(), 404, "{below}");
    }
    assert!(is_in(&mut world, &alice, NOON));
}

#[test]
fn cs_01_nothing_ends_because_another_site_wants_it() {
    let mut world = world("durable");
    let one = world.sign_in_as("alice", None, NOON);
    let two = world.sign_in_as("alice", None, NOON);
    let below = id(&listed(&mut world, &one, NOON)[0]);
    for lines in [&[("origin", "https://evil.test")][..], &[("sec-fetch-site", "cross-site")], &[]]
    {
        for (method, target) in [
            (Method::DELETE, SESSIONS.to_owned()),
            (Method::DELETE, format!("{SESSIONS}{below}")),
            (Method::POST, SESSIONS.to_owned()),
            (Method::POST, format!("{SESSIONS}{below}")),
        ] {
            world.jar.clone_from(&one);
            let answer = world.ask(&method, &target, lines, NOON);
            assert_eq!(answer.status(), 403, "{target} {lines:?}");
        }
    }
    assert!(is_in(&mut world, &one, NOON) && is_in(&mut world, &two, NOON));
    for target in [SESSIONS.to_owned(), format!("{SESSIONS}{below}")] {
        assert_eq!(world.ask(&Method::PUT, &target, &FROM, NOON).status(), 405);
    }
    assert_eq!(world.get(&format!("{SESSIONS}{below}"), NOON).status(), 405);
}

#[test]
fn a_session_that_was_ended_has_nothing_to_say_however_fresh_its_cookie_is() {
    let mut world = world("hybrid");
    let one = world.sign_in_as("alice", None, NOON);
    let two = world.sign_in_as("alice", None, NOON);
    assert_eq!(end(&mut world, &one, "", NOON).status(), 204);
    assert!(is_in(&mut world, &two, NOON.plus(1)), "it is still believed for requests");
    assert_eq!(end(&mut world, &two, "", NOON.plus(1)).status(), 401);
    world.jar.clone_from(&two);
    assert_eq!(world.get(SESSIONS, NOON.plus(1)).status(), 401);
    assert!(is_in(&mut world, &one, NOON.plus(40)));
}

#[test]
fn nobody_is_told_to_sign_in() {
    let mut world = world("hybrid");
    let answer = world.get(SESSIONS, NOON);
    assert_eq!(answer.status(), 401);
    assert!(text(&answer).contains("\"login_url\":\"/auth/login\""));
    assert_eq!(world.ask(&Method::DELETE, SESSIONS, &FROM, NOON).status(), 401);
    assert_eq!(world.objects.asked.get(), 0);
}

#[test]
fn a_session_that_idled_out_is_not_listed() {
    let mut world = world("durable");
    world.config.idle_seconds = 100;
    world.sign_in_as("alice", None, NOON);
    let two = world.sign_in_as("alice", None, NOON);
    assert!(is_in(&mut world, &two, NOON.plus(99)));
    let seen = listed(&mut world, &two, NOON.plus(150));
    assert_eq!((seen.len(), &seen[0]["current"]), (1, &true.into()));
}

#[test]
fn gs_18_beyond_sixty_four_sessions_the_oldest_is_dead() {
    let mut world = world("durable");
    let jars: Vec<_> = (0..65).map(|_| world.sign_in_as("alice", None, NOON)).collect();
    assert_eq!(world.objects.live(), 64);
    assert!(!is_in(&mut world, &jars[0], NOON) && is_in(&mut world, &jars[1], NOON));
}

#[test]
fn a_list_that_cannot_be_had_is_a_503() {
    let mut world = world("durable");
    let jar = world.sign_in_as("alice", None, NOON);
    world.objects.lost.set(true);
    world.jar = jar;
    assert_eq!(world.get(SESSIONS, NOON).status(), 503);
    assert_eq!(world.ask(&Method::DELETE, SESSIONS, &FROM, NOON).status(), 503);
}

const PERSON: [(&str, &str); 2] = [("origin", "https://app.test"), ("sec-fetch-mode", "navigate")];

#[test]
fn a_person_reads_a_page_and_ends_each_session_by_a_button_of_it() {
    let mut world = world("durable");
    let one = world.sign_in_as("alice", None, NOON);
    world.sign_in_as("alice", None, NOON.plus(100));
    let two = world.jar.clone();
    world.sign_in_as("alice", None, NOON.plus(200));
    let page = world.ask(&Method::GET, SESSIONS, &PERSON, NOON.plus(250));
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "no-store");
    let html = text(&page);
    assert!(html.contains("Signed in as <b><bdi>Alice</bdi></b>") && !html.contains("<script"));
    assert_eq!(html.matches("this browser").count(), 1);
    assert!(html.contains("Signed in 4 minutes ago"), "{html}");
    let actions: Vec<_> = html.split("action=\"").skip(1).collect();
    let actions: Vec<_> = actions.iter().map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!((actions.len(), actions[0], actions[3]), (4, "/auth/logout", SESSIONS));

    let answer = world.ask(&Method::POST, actions[1], &PERSON, NOON.plus(250));
    assert_eq!((answer.status().as_u16(), location(&answer).as_str()), (303, SESSIONS));
    let three = world.jar.clone();
    assert!(is_in(&mut world, &one, NOON.plus(250)) && !is_in(&mut world, &two, NOON.plus(250)));
    world.jar.clone_from(&three);
    // Again, as a double click does.
    assert_eq!(world.ask(&Method::POST, actions[1], &PERSON, NOON.plus(250)).status(), 303);
    assert_eq!(world.ask(&Method::POST, SESSIONS, &PERSON, NOON.plus(250)).status(), 303);
    assert!(!is_in(&mut world, &one, NOON.plus(250)) && is_in(&mut world, &three, NOON.plus(250)));
    world.jar = three;
    let html = text(&world.ask(&Method::GET, SESSIONS, &PERSON, NOON.plus(250)));
    assert!(!html.contains("everywhere else"), "there is nothing else");
}

#[test]
fn a_person_who_is_not_signed_in_is_sent_to_do_so_and_comes_back_to_the_page() {
    let mut world = world("hybrid");
    let answer = world.ask(&Method::GET, SESSIONS, &PERSON, NOON);
    let login = "/auth/login?return_to=%2Fauth%2Fsessions";
    assert_eq!((answer.status().as_u16(), location(&answer).as_str()), (303, login));
    let asked = world.login("%2Fauth%2Fsessions", NOON);
    world.tokens("alice", &asked["nonce"], NOON);
    assert_eq!(location(&world.get(&callback(&asked["state"]), NOON)), SESSIONS);
    world.objects.lost.set(true);
    let busy = world.ask(&Method::GET, SESSIONS, &PERSON, NOON);
    assert_eq!(busy.status(), 503);
    assert!(text(&busy).contains("<h1>"));
}
