//! What the provider says of sessions: believed, refused, and carried out.

use super::world::*;
use crate::fixture::{NOON, sign};
use http::Method;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Request, Response};
use shared::jose::jws::{Header, compact, signing_input};
use shared::jose::native::SigningKey;
use shared::time::UnixTime;
use std::collections::BTreeMap;

const TOLD: &str = "/auth/backchannel-logout";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims(jti: &str, now: UnixTime) -> Value {
    json!({
        "iss": "https://idp.test", "sub": "alice", "sid": "s1", "aud": "app", "jti": jti,
        "iat": now.0, "exp": now.0 + 120, "events": { LOGOUT: {} },
    })
}

fn tell<F: Fetch>(world: &mut World<F>, token: &str, now: UnixTime) -> Response {
    world.post(TOLD, &[("logout_token", token)], now)
}

fn said(response: &Response) -> (u16, Value) {
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("set-cookie"));
    let body = response.body();
    (response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null))
}

/// Whether a browser that keeps these cookies is signed in, once nothing is believed unasked.
fn is_in<F: Fetch>(world: &mut World<F>, jar: &BTreeMap<String, String>) -> bool {
    world.jar.clone_from(jar);
    world.token(NOON.plus(31)).is_some()
}

#[test]
fn gs_26_the_session_of_the_sid_ends_and_the_others_do_not() {
    for mode in ["hybrid", "durable"] {
        for typ in ["logout+jwt", "JWT"] {
            let mut world = world(mode);
            let one = world.sign_in_as("alice", Some("s1"), NOON);
            let two = world.sign_in_as("alice", Some("s2"), NOON);
            let bob = world.sign_in_as("bob", Some("s1"), NOON);
            let answer = tell(&mut world, &sign(typ, &claims("j1", NOON)), NOON);
            assert_eq!(said(&answer), (200, Value::Null));
            let still = [&one, &two, &bob].map(|jar| is_in(&mut world, jar));
            assert_eq!(still, [false, true, true], "{mode} {typ}");
        }
    }
}

#[test]
fn gs_26_a_sub_alone_ends_every_session_of_that_person_and_a_sid_alone_finds_whose_it_is() {
    for (without, left) in [("sid", [false, false, true]), ("sub", [false, true, true])] {
        let mut world = world("durable");
        let one = world.sign_in_as("alice", Some("s1"), NOON);
        let two = world.sign_in_as("alice", Some("s2"), NOON);
        let bob = world.sign_in_as("bob", Some("s3"), NOON);
        let mut claims = claims("j1", NOON);
        claims.as_object_mut().unwrap().remove(without);
        let token = sign("logout+jwt", &claims);
        assert_eq!(said(&tell(&mut world, &token, NOON)).0, 200);
        let still = [&one, &two, &bob].map(|jar| is_in(&mut world, jar));
        assert_eq!(still, left, "without {without}");
        assert_eq!(said(&tell(&mut world, &token, NOON)).0, 400, "it works once");
    }
}

#[test]
fn gs_27_what_is_not_to_be_believed_ends_nothing() {
    let mut world = world("durable");
    let alice = world.sign_in_as("alice", Some("s1"), NOON);
    let with = |name: &str, value: Value| {
        let mut claims = claims("j1", NOON);
        claims[name] = value;
        sign("logout+jwt", &claims)
    };
    let without = |name: &str| {
        let mut claims = claims("j1", NOON);
        claims.as_object_mut().unwrap().remove(name);
        sign("logout+jwt", &claims)
    };
    let stranger = SigningKey::es256([9; 32]).unwrap();
    let header = Header::new(stranger.alg(), &stranger.public().kid.unwrap(), "logout+jwt");
    let input = signing_input(&header, &claims("j1", NOON));
    let forged = compact(&input, &stranger.sign(input.as_bytes()).unwrap());
    let good = sign("logout+jwt", &claims("j1", NOON));
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    // {"alg":"none"}, {"alg":"HS256"}
    let none = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let symmetric = format!("eyJhbGciOiJIUzI1NiJ9.{payload}.AAAA");
    let mut id_token = claims("j1", NOON);
    id_token.as_object_mut().unwrap().remove("events");
    id_token["nonce"] = "n".into();
    let nobody = json!({
        "iss": "https://idp.test", "aud": "app", "jti": "j1", "iat": NOON.0, "exp": NOON.0 + 120,
        "events": { LOGOUT: {} },
    });
    for (what, token) in [
        ("nothing", String::new()),
        ("garbage", "x.y.z".into()),
        ("alg none", none),
        ("alg HS256", symmetric),
        ("a stranger's key", forged),
        ("an access token", sign("at+jwt", &claims("j1", NOON))),
        ("an ID token", sign("JWT", &id_token)),
        ("iss", with("iss", "https://evil.test".into())),
        ("aud", with("aud", "other".into())),
        ("no aud", without("aud")),
        ("no exp", without("exp")),
        ("exp", with("exp", (NOON.0 - 121).into())),
        ("no iat", without("iat")),
        ("an old iat", with("iat", (NOON.0 - 301).into())),
        ("an iat to come", with("iat", (NOON.0 + 121).into())),
        ("no jti", without("jti")),
        ("nonce", with("nonce", "n".into())),
        ("no events", without("events")),
        ("another event", with("events", json!({ "http://other.test": {} }))),
        ("neither sub nor sid", sign("logout+jwt", &nobody)),
    ] {
        let (status, body) = said(&tell(&mut world, &token, NOON));
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{what}");
        assert!(is_in(&mut world, &alice), "{what}");
    }
    assert_eq!(said(&tell(&mut world, &good, NOON)).0, 200, "and the good one still works");
    assert!(!is_in(&mut world, &alice));
}

#[test]
fn gs_27_a_token_works_once_and_ends_nothing_that_began_after_it() {
    let mut world = world("durable");
    world.sign_in_as("alice", Some("s1"), NOON);
    let mut claims = claims("j1", NOON);
    claims.as_object_mut().unwrap().remove("sid");
    let token = sign("logout+jwt", &claims);
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 200);
    let again = world.sign_in_as("alice", Some("s2"), NOON);
    assert_eq!(said(&tell(&mut world, &token, NOON.plus(1))).0, 400);
    assert!(is_in(&mut world, &again));
}

#[test]
fn bcl_2_5_the_request_is_a_posted_form_with_one_token_and_nothing_else_is_looked_at() {
    let mut world = world("durable");
    let alice = world.sign_in_as("alice", Some("s1"), NOON);
    let token = sign("logout+jwt", &claims("j1", NOON));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = world.ask(&method, TOLD, &[], NOON);
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
    let post = |kind: &'static str, target: &'static str, body: String| {
        (Request::new(body.into_bytes()), target, kind)
    };
    let form = "application/x-www-form-urlencoded";
    let body = format!("logout_token={token}");
    let in_the_query: &'static str = Box::leak(format!("{TOLD}?{body}").into_boxed_str());
    for (request, target, kind) in [
        post("application/json", TOLD, format!("{{\"logout_token\":\"{token}\"}}")),
        post("text/plain", TOLD, body.clone()),
        post(form, in_the_query, String::new()),
        post(form, TOLD, format!("{body}&{body}")),
        post(form, TOLD, "token=x".into()),
        post(form, TOLD, String::new()),
    ] {
        let answer = world.send(request, (&Method::POST, target), &[("content-type", kind)], NOON);
        assert_eq!(said(&answer).0, 400, "{kind} {target}");
    }
    assert!(is_in(&mut world, &alice));
    // Another site's page may be what posts it: it is the token that counts, and no cookie.
    world.jar.clone_from(&alice);
    let request = Request::new(body.into_bytes());
    let lines = [("content-type", form), ("origin", "https://evil.test")];
    assert_eq!(said(&world.send(request, (&Method::POST, TOLD), &lines, NOON)).0, 200);
    assert!(!is_in(&mut world, &alice));
}

#[test]
fn gs_28_tokens_of_whom_nobody_knows_are_obeyed_and_leave_little() {
    let mut world = world("durable");
    let mut nobody = claims("j0", NOON);
    nobody.as_object_mut().unwrap().remove("sub");
    for n in 0..100 {
        nobody["jti"] = n.to_string().into();
        nobody["sid"] = format!("unknown {n}").into();
        let token = sign("logout+jwt", &nobody);
        assert_eq!(said(&tell(&mut world, &token, NOON)), (200, Value::Null));
    }
    assert_eq!((world.objects.people(), world.objects.live()), (0, 0));
}

#[test]
fn bcl_2_8_trouble_of_ours_is_a_503_and_the_same_token_works_afterwards() {
    let mut world = world("durable");
    let alice = world.sign_in_as("alice", Some("s1"), NOON);
    let token = sign("logout+jwt", &claims("j1", NOON));
    world.objects.lost.set(true);
    let answer = tell(&mut world, &token, NOON);
    assert_eq!((said(&answer).0, &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    world.objects.lost.set(false);
    world.objects.deaf.set(true);
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 503);
    world.objects.deaf.set(false);
    assert!(is_in(&mut world, &alice), "it could not be told");
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 200);
    assert!(!is_in(&mut world, &alice));
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 400, "and now it is used");
}

#[test]
fn jv_27_without_the_providers_keys_nothing_is_refused_for_good() {
    let mut world = world("durable");
    world.peer.put("/jwks", 500, "");
    let token = sign("logout+jwt", &claims("j1", NOON));
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 503);
}

#[test]
fn gs_13_a_sign_in_that_is_under_way_when_its_session_ends_there_comes_to_nothing() {
    for mode in ["hybrid", "durable"] {
        let mut world = world(mode);
        let token = sign("logout+jwt", &claims("j1", NOON));
        assert_eq!(said(&tell(&mut world, &token, NOON)).0, 200);
        // The code was redeemed before, and its answer comes only now.
        let jar = world.sign_in_as("alice", Some("s1"), NOON.plus(2));
        assert!(!is_in(&mut world, &jar), "{mode}");
        assert_eq!(world.objects.live(), 0);
    }
}

#[test]
fn where_sessions_live_in_the_cookie_nobody_can_be_told() {
    let mut world = world("sealed");
    world.sign_in_as("alice", Some("s1"), NOON);
    assert!(world.unserved(&Method::POST, TOLD, NOON));
    assert!(world.unserved(&Method::GET, TOLD, NOON));
    assert!(world.unserved(&Method::GET, "/auth/sessions", NOON));
    assert_eq!(world.objects.asked.get(), 0);
}

#[test]
fn signing_out_strikes_the_session_off() {
    let mut world = world("durable");
    world.sign_in_as("alice", Some("s1"), NOON);
    let from = [("origin", "https://app.test")];
    assert_eq!(world.ask(&Method::POST, "/auth/logout", &from, NOON).status(), 303);
    let asked = world.objects.asked.get();
    let token = sign("logout+jwt", &claims("j1", NOON));
    assert_eq!(said(&tell(&mut world, &token, NOON)).0, 200);
    assert_eq!(world.objects.asked.get() - asked, 1, "no session is asked");
    assert_eq!(world.objects.live(), 0);
}
