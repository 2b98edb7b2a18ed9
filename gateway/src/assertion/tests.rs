use super::*;
use crate::config::tests::{mistakes, with};
use crate::fixture::{NOON, provider};
use crate::next::Forward;
use crate::own_keys::tests::KEYS;
use pollster::block_on;
use serde_json::{Map, json};
use shared::fetch::{Request, Response, Unreachable};
use shared::jose::Verifier;
use shared::jose::jwk::Jwk;
use shared::jose::jws::Unverified;
use shared::jose::native::Native;
use shared::jose::private::PrivateKey;
use std::cell::Cell;
use std::rc::Rc;

const ROUTES: &str = r#"[
    {"prefix": "/a", "origin": "https://a.test", "access": "api",
     "assertion": {"audience": "https://a.internal", "claims": ["email", "groups"]}},
    {"prefix": "/b", "origin": "https://b.test", "access": "signed-in",
     "assertion": {"audience": "https://b.internal"}},
    {"prefix": "/", "origin": "https://c.test", "access": "signed-in"}]"#;

/// Counts what it signs.
#[derive(Clone, Default)]
struct Counting(Rc<Cell<usize>>);

impl Verifier for Counting {
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
        Native.verify(key, message, signature).await
    }
}

impl Signer for Counting {
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
        self.0.set(self.0.get() + 1);
        Native.sign(key, message).await
    }

    fn fresh(&self) -> Option<String> {
        Native.fresh()
    }
}

struct World<F> {
    config: Config,
    party: Party<F, Counting>,
    signed: Counting,
}

fn world(keys: &str) -> World<impl Fetch + use<>> {
    let config = with(&[("ROUTES", ROUTES), ("SIGNING_KEYS", keys)]).unwrap();
    let signed = Counting::default();
    let fetch = async |_: Request| -> Result<Response, Unreachable> { panic!("nobody is asked") };
    let party = Party::new(&config, config.providers.first(), provider(), fetch, signed.clone());
    World { config, party, signed }
}

impl<F: Fetch> World<F> {
    /// What becomes of a request for the route with this place.
    fn next(&self, route: usize, whose: Whose<'_>, now: UnixTime) -> Next {
        let forward = Forward {
            url: "https://a.test/".to_owned(),
            edits: crate::hop::Edits::default(),
            answer: crate::hop::Edits::default(),
            authenticated: true,
            navigation: false,
            rule: route,
        };
        let asks = self.config.routes.iter().nth(route).unwrap().assertion.as_ref();
        let Self { config, party, .. } = self;
        block_on(attach(Next::Forward(forward), asks, whose, config, Some(party), now))
    }

    /// What the origin of a route is told of alice in a session.
    fn told(&self, route: usize, session: &str, person: &Person, now: UnixTime) -> Value {
        let ends_at = Some(NOON.plus(3600));
        let next = self.next(route, Whose { person, session, ends_at }, now);
        self.read(&next)
    }

    fn read(&self, next: &Next) -> Value {
        let Next::Forward(Forward { edits, .. }) = next else { panic!("{next:?}") };
        let [(name, value)] = edits.set.as_slice() else { panic!("{edits:?}") };
        assert_eq!((name, value.is_sensitive()), (&HEADER, true));
        let token = Unverified::parse(value.to_str().unwrap()).unwrap();
        assert_eq!(token.typ().as_deref(), Some(TYPE));
        let published = self.config.own_keys.published();
        block_on(token.verify(token.key(&published).unwrap(), &Native)).unwrap()
    }

    fn alice(&self) -> Person {
        let told = json!({ "email": "alice@example.com", "groups": ["a", "b"], "other": 1 });
        Person {
            subject: "alice".to_owned(),
            auth_time: Some(NOON.minus(10)),
            acr: Some("mfa".to_owned()),
            told: self.config.routes.tell(told.as_object().unwrap()),
            ..Person::default()
        }
    }
}

fn without(claims: &Value, names: &[&str]) -> Map<String, Value> {
    let mut claims = claims.as_object().unwrap().clone();
    claims.retain(|name, _| !names.contains(&name.as_str()));
    claims
}

#[test]
fn an_assertion_says_who_it_is_for_one_origin_and_for_a_minute() {
    let world = world(KEYS);
    let alice = world.alice();
    let said = world.told(0, "s", &alice, NOON);
    let wanted = json!({
        "iss": "https://app.test", "aud": "https://a.internal", "sub": "alice",
        "idp": "https://issuer.test/", "auth_time": NOON.0 - 10, "acr": "mfa",
        "email": "alice@example.com", "groups": ["a", "b"], "iat": NOON.0, "exp": NOON.0 + 60,
    });
    assert_eq!(without(&said, &["jti"]), *wanted.as_object().unwrap());
    assert!(said["jti"].as_str().is_some_and(|id| !id.is_empty()));

    // Another origin is told what it asks for, and what is not known is not said.
    let nobody = Person { subject: "bob".to_owned(), ..Person::default() };
    let said = world.told(1, "t", &nobody, NOON);
    let wanted = json!({
        "iss": "https://app.test", "aud": "https://b.internal", "sub": "bob",
        "idp": "https://issuer.test/", "iat": NOON.0, "exp": NOON.0 + 60,
    });
    assert_eq!(without(&said, &["jti"]), *wanted.as_object().unwrap());
}

#[test]
fn a_claim_that_was_too_large_to_keep_is_not_said() {
    let world = world(KEYS);
    let large = json!({ "email": "x".repeat(600), "groups": null });
    let told = world.config.routes.tell(large.as_object().unwrap());
    let said = world.told(0, "s", &Person { told, ..world.alice() }, NOON);
    assert!(said.get("email").is_none() && said.get("groups").is_none(), "{said}");
}

#[test]
fn a_route_that_asks_for_none_gets_none() {
    let world = world(KEYS);
    let whose = Whose { person: &world.alice(), session: "s", ends_at: None };
    let Next::Forward(forward) = world.next(2, whose, NOON) else { panic!("forwarded") };
    assert!(forward.edits.set.is_empty());
    assert_eq!(world.signed.0.get(), 0);
}

#[test]
fn one_session_is_signed_for_once_in_twenty_seconds_and_each_origin_apart() {
    let world = world(KEYS);
    let alice = world.alice();
    let first = world.told(0, "s", &alice, NOON);
    for seconds in 0..20 {
        assert_eq!(world.told(0, "s", &alice, NOON.plus(seconds)), first);
    }
    assert_eq!(world.signed.0.get(), 1);
    assert_ne!(world.told(1, "s", &alice, NOON)["aud"], first["aud"]);
    assert_eq!(world.signed.0.get(), 2);
    let later = world.told(0, "s", &alice, NOON.plus(20));
    assert_eq!(later["exp"], NOON.0 + 80);
    // A clock that goes back far finds nothing that it could believe.
    assert_eq!(world.told(0, "s", &alice, NOON.minus(100))["iat"], NOON.0 - 100);
    assert_eq!(world.signed.0.get(), 4);
}

#[test]
fn gp_33_no_two_sessions_and_no_two_states_of_one_share_an_assertion() {
    let world = world(KEYS);
    let alice = world.alice();
    let states = [
        alice.clone(),
        Person { subject: "bob".to_owned(), ..alice.clone() },
        Person { acr: None, ..alice.clone() },
        Person { auth_time: Some(NOON), ..alice.clone() },
        Person { told: Map::new(), ..alice.clone() },
    ];
    let mut seen = Vec::new();
    for session in ["s", "t"] {
        for person in &states {
            let said = world.told(0, session, person, NOON);
            assert_eq!(said["sub"], *person.subject);
            assert_eq!(said.get("acr").and_then(Value::as_str), person.acr.as_deref());
            assert!(!seen.contains(&said["jti"]));
            seen.push(said["jti"].clone());
        }
    }
    assert_eq!(world.signed.0.get(), 10);
}

#[test]
fn no_assertion_outlives_its_session() {
    let world = world(KEYS);
    let alice = world.alice();
    let ends_at = Some(NOON.plus(5));
    let whose = Whose { person: &alice, session: "s", ends_at };
    assert_eq!(world.read(&world.next(0, whose, NOON))["exp"], NOON.0 + 5);
    assert_eq!(world.read(&world.next(0, whose, NOON.plus(4)))["exp"], NOON.0 + 5);
    assert_eq!(world.signed.0.get(), 1);
    // One that was prolonged meanwhile gets one that lives.
    let prolonged = Whose { ends_at: Some(NOON.plus(600)), ..whose };
    assert_eq!(world.read(&world.next(0, prolonged, NOON.plus(5)))["exp"], NOON.0 + 65);
}

#[test]
fn ti_12_many_sessions_fill_no_memory() {
    let world = world(KEYS);
    let alice = world.alice();
    for n in 0..2 * MOST {
        world.told(1, &n.to_string(), &alice, NOON);
        assert!(world.party.asserted.0.borrow().len() <= MOST);
    }
}

#[test]
fn where_nothing_can_be_signed_nothing_goes() {
    let mut jwk: Value = serde_json::from_str(KEYS).unwrap();
    jwk[0]["d"] = "bGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGw".into();
    let world = world(&jwk.to_string());
    let whose = Whose { person: &world.alice(), session: "s", ends_at: None };
    let Next::Respond(response) = world.next(0, whose, NOON) else { panic!("forwarded") };
    assert_eq!(response.status(), 502);
}

#[test]
fn every_mistake_in_the_setting_is_named_by_its_member() {
    let wrong = |access: &str, assertion: &Value| {
        let routes = json!([{
            "prefix": "/", "origin": "https://a.test", "access": access, "assertion": assertion,
        }]);
        mistakes(&[("ROUTES", &routes.to_string()), ("SIGNING_KEYS", KEYS)])
    };
    let good = json!({ "audience": "https://a.internal", "claims": ["email"] });
    assert_eq!(wrong("api", &good), [""; 0]);
    assert_eq!(wrong("public", &good), ["ROUTES[0].assertion"]);
    for audience in ["", "two words", "caf\u{e9}", &"x".repeat(257)] {
        let assertion = json!({ "audience": audience });
        assert_eq!(wrong("api", &assertion), ["ROUTES[0].assertion.audience"], "{audience}");
    }
    for claim in OURS.into_iter().chain(["", "email"]) {
        let assertion = json!({ "audience": "a", "claims": ["email", claim] });
        assert_eq!(wrong("api", &assertion), ["ROUTES[0].assertion.claims[1]"], "{claim}");
    }
    let many: Vec<_> = (0..33).map(|n| n.to_string()).collect();
    let assertion = json!({ "audience": "a", "claims": many });
    assert_eq!(wrong("api", &assertion), ["ROUTES[0].assertion.claims[32]"]);
    assert_eq!(wrong("api", &json!({ "claims": [] })), ["ROUTES"]);
    let keyless = mistakes(&[("ROUTES", ROUTES)]);
    assert_eq!(keyless, ["ROUTES[0].assertion", "ROUTES[1].assertion"]);
    // Nor can anybody be told something else by that header.
    let told = ROUTES.replace(
        "\"access\": \"api\"",
        r#""access": "api", "headers": {"X-Identity-Assertion": "sub"}"#,
    );
    let told = mistakes(&[("ROUTES", &told), ("SIGNING_KEYS", KEYS)]);
    assert_eq!(told, ["ROUTES[0].headers.X-Identity-Assertion"]);
}
