//! What an isolate remembers of tokens for single origins, and what sealed sessions hold of them.

use super::world::{World, world_of};
use crate::fixture::{NOON, config_with, sign};
use crate::next::Next;
use crate::own_keys::tests::KEYS;
use crate::session::admission::{Authentication, Visitor};
use crate::session::state::further::Aim;
use crate::signals::Edge;
use crate::trail::Look;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use shared::fetch::Fetch;
use shared::rp::dpop::ath;
use shared::rp::wanted::{By, Wanted};
use shared::time::UnixTime;

fn aim(resource: &str) -> Aim {
    let resource = Some(resource.to_owned());
    Wanted { by: By::Exchange, resource, audience: None, scope: None, opaque: false, bound: None }
        .into()
}

fn orders() -> Aim {
    aim("https://orders.test")
}

fn signed_in(mode: &'static str, freshness: &'static str) -> World<impl Fetch> {
    let settings = [
        ("FRESHNESS_SECONDS", freshness),
        ("SESSIONS", "a namespace"),
        ("DATABASE_URL", "postgres://u:p@localhost/sessions"),
    ];
    let mut world = world_of(config_with(mode, &settings));
    world.sign_in(NOON);
    world
}

fn found<F: Fetch>(world: &mut World<F>, aim: &Aim, now: UnixTime) -> Option<Box<Visitor>> {
    match world.authenticate_for(aim, now) {
        Authentication::Authenticated(visitor) => Some(visitor),
        _ => None,
    }
}

#[test]
fn gp_24_what_an_object_said_is_remembered_as_long_as_a_cookie_is_believed() {
    for mode in ["hybrid", "kv"] {
        let mut world = signed_in(mode, "30");
        let asked = world.objects.asked.get();
        for second in 0..30 {
            let visitor = found(&mut world, &orders(), NOON.plus(second)).unwrap();
            let look = if second == 0 { Look::Store } else { Look::Isolate };
            assert_eq!(visitor.found, look, "{mode}, {second}");
        }
        assert_eq!(world.objects.asked.get() - asked, 1, "{mode}");
        assert_eq!(found(&mut world, &orders(), NOON.plus(30)).unwrap().found, Look::Store);
        // Not past the time when the token is to be renewed.
        found(&mut world, &orders(), NOON.plus(80)).unwrap();
        assert_eq!(found(&mut world, &orders(), NOON.plus(89)).unwrap().found, Look::Isolate);
        assert_eq!(found(&mut world, &orders(), NOON.plus(93)).unwrap().found, Look::Store);
        assert_eq!(world.objects.granted.get(), 2, "{mode}");
    }
}

#[test]
fn where_the_store_is_asked_on_every_request_nothing_is_remembered() {
    for (mode, freshness) in [("durable", "30"), ("hybrid", "0"), ("kv", "0")] {
        let mut world = signed_in(mode, freshness);
        let asked = world.objects.asked.get();
        for second in 0..5 {
            let visitor = found(&mut world, &orders(), NOON.plus(second)).unwrap();
            assert_eq!(visitor.found, Look::Store, "{mode}");
        }
        assert_eq!(world.objects.asked.get() - asked, 5, "{mode}");
    }
}

#[test]
fn gp_33_what_is_remembered_is_for_one_session_and_one_token() {
    let mut world = signed_in("hybrid", "30");
    let first = world.jar.clone();
    found(&mut world, &orders(), NOON).unwrap();
    // Another token of the same session, and another session.
    let other = found(&mut world, &aim("https://billing.test"), NOON).unwrap();
    assert_eq!(other.found, Look::Store);
    world.sign_in_as("bob", None, NOON);
    let bob = found(&mut world, &orders(), NOON).unwrap();
    assert_eq!((bob.found, bob.snapshot.person.subject.as_str()), (Look::Store, "bob"));
    world.jar = first;
    let alice = found(&mut world, &orders(), NOON).unwrap();
    assert_eq!((alice.found, alice.snapshot.person.subject.as_str()), (Look::Isolate, "alice"));
}

#[test]
fn gs_13_whoever_signs_out_is_forgotten_at_once() {
    let mut world = signed_in("hybrid", "30");
    found(&mut world, &orders(), NOON).unwrap();
    let kept = world.jar.clone();
    let origin = [("origin", "https://app.test")];
    assert_eq!(world.ask(&http::Method::POST, "/auth/logout", &origin, NOON).status(), 303);
    world.jar = kept;
    assert!(found(&mut world, &orders(), NOON).is_none());
}

#[test]
fn no_cookie_of_a_session_with_an_object_has_an_origins_token_in_it() {
    for mode in ["hybrid", "durable", "kv", "postgres"] {
        let mut world = signed_in(mode, "30");
        let size = |world: &World<_>| world.jar.values().map(String::len).sum::<usize>();
        let before = size(&world);
        for number in 0..10 {
            found(&mut world, &aim(&format!("urn:{number}")), NOON).unwrap();
        }
        assert!(size(&world) <= before, "{mode}");
    }
}

/// A sealed session with room in its cookie, whose provider gives tokens for this.
fn sealed(freshness: &'static str) -> (World<impl Fetch>, UnixTime) {
    let mut world = signed_in("sealed", freshness);
    let late = NOON.plus(300);
    let small = json!({
        "iss": "https://idp.test", "sub": "alice", "aud": "app", "exp": late.0 + 300, "iat": late.0,
    });
    let body = json!({
        "access_token": "a1", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r1",
        "id_token": sign("JWT", &small),
    });
    world.peer.put("/token", 200, &body.to_string());
    assert_eq!(world.token(late).as_deref(), Some("a1"));
    (world, late)
}

fn gives<F: Fetch>(world: &World<F>, resource: &str, fill: usize) {
    let fill = "x".repeat(fill);
    let claims = json!({"aud": resource, "exp": NOON.0 + 600, "fill": fill});
    let token = sign("at+jwt", &claims);
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 300});
    world.peer.put("/token", 200, &body.to_string());
}

#[test]
fn a_sealed_session_holds_origins_tokens_in_its_cookie() {
    let (mut world, late) = sealed("0");
    let calls = world.peer.hits("/token");
    for number in 0..3 {
        let resource = format!("urn:{number}");
        gives(&world, &resource, 10);
        found(&mut world, &aim(&resource), late.plus(number)).unwrap();
    }
    for number in 0..3 {
        found(&mut world, &aim(&format!("urn:{number}")), late.plus(10)).unwrap();
    }
    assert_eq!(world.peer.hits("/token") - calls, 3);
}

#[test]
fn gs_08_a_sealed_session_that_outgrows_its_cookie_drops_origins_tokens_first() {
    let (mut world, late) = sealed("0");
    for number in 0..10 {
        let resource = format!("urn:{number}");
        gives(&world, &resource, 1500);
        let visitor = found(&mut world, &aim(&resource), late.plus(number)).unwrap();
        assert!(visitor.bearer.is_some());
        assert_eq!(visitor.snapshot.person.claims["name"], "Alice", "nothing else is dropped");
    }
    // Those that end last are there, and the session goes on.
    let calls = world.peer.hits("/token");
    found(&mut world, &aim("urn:9"), late.plus(10)).unwrap();
    assert_eq!(world.peer.hits("/token"), calls);
    assert!(world.token(late.plus(10)).is_some());
    gives(&world, "urn:0", 10);
    found(&mut world, &aim("urn:0"), late.plus(10)).unwrap();
    assert_eq!(world.peer.hits("/token"), calls + 1);
}

#[test]
fn what_a_sealed_cookie_has_no_room_for_is_remembered_by_the_isolate() {
    let mut world = signed_in("sealed", "30");
    gives(&world, "https://orders.test", 4000);
    let calls = world.peer.hits("/token");
    for second in 0..30 {
        assert!(found(&mut world, &orders(), NOON.plus(second)).unwrap().bearer.is_some());
    }
    assert_eq!(world.peer.hits("/token") - calls, 1);
    found(&mut world, &orders(), NOON.plus(30)).unwrap();
    assert_eq!(world.peer.hits("/token") - calls, 2);
}

#[test]
fn rfc9449_7_1_each_request_with_a_bound_token_proves_our_key_anew() {
    let routes = r#"[
        {"prefix":"/free","origin":"http://localhost:8789","access":"signed-in","token":{"audience":"f","by":"exchange"}},
        {"prefix":"/","origin":"http://localhost:8789","access":"signed-in","token":{"audience":"o","by":"exchange","dpop":true}}
    ]"#;
    let settings = [("SIGNING_KEYS", KEYS), ("ROUTES", routes)];
    let mut world = world_of(config_with("hybrid", &settings));
    world.sign_in(NOON);
    let mut sent = |path: &str| {
        let url = format!("https://app.test{path}");
        let theirs = [("dpop", "theirs"), ("authorization", "DPoP theirs")];
        let Next::Forward(forward) =
            world.visit((&http::Method::GET, &url), &theirs, &Edge::default(), NOON).next
        else {
            panic!("{path}")
        };
        let mut headers = HeaderMap::new();
        headers.extend(
            theirs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())),
        );
        forward.edits.apply(&mut headers);
        headers
    };
    let (one, two) = (sent("/a?b=c"), sent("/a?b=c"));
    let token = one["authorization"].to_str().unwrap().strip_prefix("DPoP ").unwrap().to_owned();
    assert_eq!(one["authorization"], two["authorization"]);
    assert_ne!(one["dpop"], two["dpop"]);
    assert!(one["dpop"].is_sensitive());
    let claims = one["dpop"].to_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(
        (&claims["htm"], &claims["htu"]),
        (&json!("GET"), &json!("http://localhost:8789/a"))
    );
    assert_eq!(claims["ath"], ath(token.as_bytes()));
    // Where nobody asked for that, nothing of the kind is sent, nor what a browser says.
    let free = sent("/free");
    assert!(free["authorization"].to_str().unwrap().starts_with("Bearer x"));
    assert!(!free.contains_key("dpop"));
}
