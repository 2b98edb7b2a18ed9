//! Sign-ins whose request is pushed, RFC 9126.

use super::world::*;
use crate::fixture::{NOON, config_with};
use http::header::SET_COOKIE;
use serde_json::{Value, json};
use shared::fetch::Fetch;
use shared::form::Form;

const METADATA: &str = "/.well-known/openid-configuration";
const NAME: &str = "urn:ietf:params:oauth:request_uri:abc";

/// A gateway that is told to push, and a provider that says these things about itself besides.
fn gateway(par: &'static str, more: &Value) -> World<impl Fetch + use<>> {
    let routes = r#"[{"prefix": "/vault", "origin": "https://v.test", "access": "signed-in",
        "require": {"acr": ["mfa"], "max_age": 60}},
        {"prefix": "/", "origin": "https://s.test", "access": "signed-in"}]"#;
    let world = world_of(config_with("hybrid", &[("PAR", par), ("ROUTES", routes)]));
    let mut metadata = json!({
        "issuer": "https://idp.test", "jwks_uri": "https://idp.test/jwks",
        "authorization_endpoint": "https://idp.test/authorize",
        "token_endpoint": "https://idp.test/token",
        "authorization_response_iss_parameter_supported": true,
    });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.peer.put(METADATA, 200, &metadata.to_string());
    world.peer.put("/par", 201, &json!({ "request_uri": NAME, "expires_in": 60 }).to_string());
    world
}

fn offered() -> Value {
    json!({ "pushed_authorization_request_endpoint": "https://idp.test/par" })
}

fn required() -> Value {
    let mut required = offered();
    required["require_pushed_authorization_requests"] = true.into();
    required
}

#[test]
fn rfc9126_a_pushed_request_is_answered_as_any_other() {
    for (par, more) in [("true", offered()), ("false", required()), ("", required())] {
        let mut world = gateway(par, &more);
        let asked = world.login("/app", NOON);
        let names: Vec<_> = asked.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(names, [("client_id", "app"), ("request_uri", NAME)]);
        let pushed = world.peer.bodies("/par");
        let [pushed] = pushed.as_slice() else { panic!("{pushed:?}") };
        let pushed = Form::parse(pushed.as_bytes()).unwrap();
        world.tokens("alice", pushed.get("nonce").unwrap(), NOON);
        let response = world.get(&callback(pushed.get("state").unwrap()), NOON);
        assert_eq!((response.status().as_u16(), location(&response).as_str()), (303, "/app"));
        assert_eq!(world.token(NOON).as_deref(), Some("a0"));
    }
}

#[test]
fn what_a_route_asks_of_a_sign_in_is_pushed_with_it() {
    let mut world = gateway("true", &offered());
    world.login("/vault/x", NOON);
    let pushed = world.peer.bodies("/par").remove(0);
    let pushed = Form::parse(pushed.as_bytes()).unwrap();
    assert_eq!((pushed.get("acr_values"), pushed.get("max_age")), (Some("mfa"), Some("60")));
}

#[test]
fn an_offer_alone_changes_nothing() {
    let mut world = gateway("false", &offered());
    assert!(world.login("/app", NOON).contains_key("state"));
    assert_eq!(world.peer.hits("/par"), 0);
}

#[test]
fn rfc9126_what_cannot_be_pushed_is_not_asked_in_the_browser() {
    let refused = r#"{"error":"invalid_request"}"#;
    for (status, body, title) in [
        (503, "", "The sign-in service does not answer"),
        (201, "{}", "The sign-in service does not answer"),
        (400, refused, "You were not signed in"),
    ] {
        for more in [offered(), required()] {
            let mut world = gateway("true", &more);
            world.peer.put("/par", status, body);
            let response = world.get("/auth/login?return_to=/app", NOON);
            assert_eq!(response.status(), 502, "{status} {body}");
            assert!(text(&response).contains(title));
            let headers = response.headers();
            assert!(!headers.contains_key("location") && !headers.contains_key(SET_COOKIE));
        }
    }
    // Neither is it where it was meant to be and there is no place for it.
    for (par, more) in
        [("true", json!({})), ("false", json!({ "require_pushed_authorization_requests": true }))]
    {
        let mut world = gateway(par, &more);
        let response = world.get("/auth/login?return_to=/app", NOON);
        assert_eq!(response.status(), 502);
        assert!(!response.headers().contains_key("location"));
    }
}
