//! What becomes of requests, by the word of the dry run: it is the decision itself.

use super::world::*;
use crate::fixture::{NOON, claims, config_with, sign};
use crate::session::admission::Authentication;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use shared::fetch::Fetch;
use shared::secret::Digest;
use shared::time::UnixTime;

const ROUTES: &str = r#"[
    {"prefix": "/open", "origin": "https://o.test", "access": "public"},
    {"prefix": "/reports", "origin": "https://r.test", "access": "signed-in",
     "require": {"claims": {"groups": {"any": ["staff"]}}}},
    {"prefix": "/keys", "methods": ["DELETE"], "origin": "https://k.test", "access": "api",
     "require": {"acr": ["hw", "mfa"], "max_age": 60}},
    {"prefix": "/vault", "origin": "https://v.test", "access": "signed-in",
     "require": {"acr": ["mfa"], "max_age": 60}},
    {"prefix": "/wide", "origin": "https://w.test", "access": "signed-in",
     "require": {"scope": "everything"}},
    {"prefix": "/", "methods": ["GET", "POST"], "origin": "https://s.test", "access": "signed-in"}
]"#;

fn gateway(mode: &'static str) -> World<impl Fetch> {
    let digest = Digest::of("explain-it").to_text().leak();
    world_of(config_with(mode, &[("ROUTES", ROUTES), ("EXPLAIN_TOKEN_SHA256", digest)]))
}

/// What would become of a request.
fn explained<F: Fetch>(world: &mut World<F>, method: &str, url: &str, now: UnixTime) -> Value {
    let target = format!("/auth/explain?method={method}&url={url}");
    let more = [
        (AUTHORIZATION.as_str(), "Bearer explain-it"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let response = world.ask(&Method::GET, &target, &more, now);
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).unwrap()
}

/// Signs somebody in by the way to which a request leads that is turned away, with these claims.
fn sign_in<F: Fetch>(
    world: &mut World<F>,
    login: &str,
    more: &Value,
    now: UnixTime,
) -> (u16, Value) {
    let url = url::Url::parse(&location(&world.get(login, now))).unwrap();
    let asked: Value = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let mut told = claims("alice", asked["nonce"].as_str(), now);
    told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = json!({
        "access_token": "a0", "token_type": "Bearer", "expires_in": 300, "id_token": sign("JWT", &told),
    });
    world.peer.put("/token", 200, &answer.to_string());
    let response = world.get(&callback(asked["state"].as_str().unwrap()), now);
    (response.status().as_u16(), asked)
}

#[test]
fn the_dry_run_is_for_who_holds_its_token() {
    let mut world = gateway("hybrid");
    let target = "/auth/explain?url=/open";
    for line in ["", "Bearer wrong", "Bearer", "Basic ZXhwbGFpbi1pdA=="] {
        let response = world.ask(&Method::GET, target, &[(AUTHORIZATION.as_str(), line)], NOON);
        assert_eq!(response.status(), 404, "{line}");
    }
    let untold = config_with("hybrid", &[("ROUTES", ROUTES)]);
    assert_eq!(world_of(untold).get(target, NOON).status(), 404);
    let known = [(AUTHORIZATION.as_str(), "Bearer explain-it")];
    assert_eq!(world.ask(&Method::GET, "/auth/explain", &known, NOON).status(), 400);
    assert_eq!(world.ask(&Method::POST, target, &known, NOON).status(), 405);
}

#[test]
fn the_dry_run_names_the_rule_and_why_it_decides_so() {
    let mut world = gateway("hybrid");
    let public = explained(&mut world, "GET", "/x/../open/%2561?q=1", NOON);
    assert_eq!(public["path"], "/open/a?q=1");
    assert_eq!(public["rule"]["position"], 0);
    let forward = json!({"to": "https://o.test/open/a?q=1", "authenticated": false});
    assert_eq!(public["decision"]["forward"], forward);
    for (method, url, rule, why) in [
        ("GET", "/reports", json!(1), "LoginRequired"),
        ("DELETE", "/keys/1", json!(2), "LoginRequired"),
        ("GET", "/keys/1", json!(5), "LoginRequired"),
        ("DELETE", "/other", Value::Null, "Refused(NoRoute)"),
        ("GET", "/REPORTS", Value::Null, "Refused(Ambiguous)"),
        ("GET", "/a%2500", Value::Null, "Refused(Path(Control))"),
        ("TRACE", "/a", Value::Null, "Refused(Method)"),
    ] {
        let told = explained(&mut world, method, url, NOON);
        assert_eq!(told["rule"]["position"], rule, "{method} {url}");
        assert_eq!(told["decision"]["respond"]["why"], why, "{method} {url}");
    }
    assert_eq!(explained(&mut world, "GET", "/auth/login", NOON)["decision"], "ours");
}

#[test]
fn who_is_not_one_of_those_a_route_is_for_gets_403_and_no_way_around() {
    for mode in MODES {
        let mut world = gateway(mode);
        assert_eq!(sign_in(&mut world, "/auth/login", &json!({"groups": ["guests"]}), NOON).0, 303);
        for (url, why) in [("/reports", "Refused(Claim)"), ("/wide", "Refused(Scope)")] {
            let told = explained(&mut world, "GET", url, NOON);
            assert_eq!(told["decision"]["respond"]["why"], why, "{mode}");
            assert_eq!(told["decision"]["respond"]["status"], 403);
        }
        let own = explained(&mut world, "GET", "/", NOON);
        assert_eq!(own["decision"]["forward"]["authenticated"], true);

        assert_eq!(sign_in(&mut world, "/auth/login", &json!({"groups": ["staff"]}), NOON).0, 303);
        let told = explained(&mut world, "GET", "/reports", NOON);
        assert_eq!(told["decision"]["forward"]["to"], "https://r.test/reports", "{mode}");
    }
}

#[test]
fn rfc9470_a_route_that_wants_more_asks_the_provider_for_it_once() {
    for mode in MODES {
        let mut world = gateway(mode);
        let weak = json!({"acr": "pwd", "auth_time": NOON.0});
        assert_eq!(sign_in(&mut world, "/auth/login", &weak, NOON).0, 303);
        let told = explained(&mut world, "GET", "/vault?a=b", NOON);
        let turned = &told["decision"]["respond"];
        assert_eq!((turned["status"].as_u64(), &turned["why"]), (Some(302), &json!("StepUp")));
        let login = turned["location"].as_str().unwrap().to_owned();

        // The provider did not do as it was asked: a page says so, and the session is as it was.
        let (status, asked) = sign_in(&mut world, &login, &weak, NOON);
        assert_eq!((&asked["acr_values"], &asked["max_age"]), (&json!("mfa"), &json!("60")));
        assert_eq!(status, 403, "{mode}");
        assert_eq!(world.token(NOON).as_deref(), Some("a0"));

        let strong = json!({"acr": "mfa", "auth_time": NOON.0});
        assert_eq!(sign_in(&mut world, &login, &strong, NOON).0, 303);
        assert!(explained(&mut world, "GET", "/vault", NOON)["decision"]["forward"].is_object());
        // And again when it was too long ago.
        let later = NOON.plus(61);
        let told = explained(&mut world, "GET", "/vault", later);
        assert_eq!(told["decision"]["respond"]["why"], "StepUp");
        assert!(explained(&mut world, "GET", "/", later)["decision"]["forward"].is_object());
    }
}

#[test]
fn rfc9470_a_script_is_told_what_it_lacks_and_the_way_that_gets_it() {
    let mut world = gateway("hybrid");
    let weak = json!({"acr": "pwd", "auth_time": NOON.0});
    assert_eq!(sign_in(&mut world, "/auth/login", &weak, NOON).0, 303);
    let told = explained(&mut world, "DELETE", "/keys/7", NOON);
    let turned = &told["decision"]["respond"];
    assert_eq!((turned["status"].as_u64(), &turned["why"]), (Some(401), &json!("StepUp")));
    let login = turned["location"].as_str().unwrap().to_owned();
    assert_eq!(login, "/auth/login?return_to=%2F&for=DELETE+%2Fkeys%2F7");
    let strong = json!({"acr": "hw", "auth_time": NOON.0});
    let (status, asked) = sign_in(&mut world, &login, &strong, NOON);
    assert_eq!((status, &asked["acr_values"]), (303, &json!("hw mfa")));
    assert!(explained(&mut world, "DELETE", "/keys/7", NOON)["decision"]["forward"].is_object());
}

#[test]
fn gl_03_what_a_sign_in_is_asked_for_is_never_of_the_request() {
    let mut world = gateway("hybrid");
    for login in [
        "/auth/login?acr_values=x&max_age=1",
        "/auth/login?for=GET&return_to=/x",
        "/auth/login?for=GET+https://evil.test/&return_to=/x",
        "/auth/login?for=%00+%00",
    ] {
        let url = location(&world.get(login, NOON));
        assert!(!url.contains("acr_values") && !url.contains("max_age"), "{url}");
    }
}

#[test]
fn what_origins_are_told_is_kept_and_renewed_with_the_session() {
    const TOLD: &str = r#"[{"prefix": "/", "origin": "https://s.test", "access": "signed-in",
        "headers": {"X-User": "sub", "X-Teams": {"claim": "teams", "join": ","}, "X-Hd": "hd"}}]"#;
    for mode in MODES {
        let mut world = world_of(config_with(mode, &[("ROUTES", TOLD)]));
        let mut kept = |teams: Value, now: UnixTime| {
            // Userinfo has what the ID token lacks.
            let metadata = json!({
                "issuer": "https://idp.test", "jwks_uri": "https://idp.test/jwks",
                "authorization_endpoint": "https://idp.test/authorize",
                "token_endpoint": "https://idp.test/token",
                "userinfo_endpoint": "https://idp.test/userinfo",
                "authorization_response_iss_parameter_supported": true,
            });
            let path = "/.well-known/openid-configuration";
            world.peer.put(path, 200, &metadata.to_string());
            world.peer.put("/userinfo", 200, r#"{"sub": "alice", "hd": "a.test"}"#);
            assert_eq!(sign_in(&mut world, "/auth/login", &json!({"teams": teams}), now).0, 303);
            match world.authenticate(now) {
                Authentication::Authenticated(visitor) => {
                    Value::from(visitor.snapshot.person.told.clone())
                }
                other => panic!("{other:?}"),
            }
        };
        let told = kept(json!(["a", "b"]), NOON);
        assert_eq!(told, json!({"teams": ["a", "b"], "hd": "a.test"}), "{mode}");
        assert_eq!(kept(json!(["x".repeat(600)]), NOON)["teams"], Value::Null, "{mode}");
    }
}

#[test]
fn a_refreshed_id_token_takes_away_what_its_person_has_no_more() {
    let mut world = gateway("sealed");
    let url = location(&world.get("/auth/login", NOON));
    let url = url::Url::parse(&url).unwrap();
    let asked: Value = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let answer = |groups: &[&str], nonce: Option<&str>, now: UnixTime| {
        let mut told = claims("alice", nonce, now);
        told["groups"] = json!(groups);
        let body = json!({
            "access_token": "a1", "token_type": "Bearer", "expires_in": 300,
            "refresh_token": "r1", "id_token": sign("JWT", &told),
        });
        body.to_string()
    };
    world.peer.put("/token", 200, &answer(&["staff"], asked["nonce"].as_str(), NOON));
    world.get(&callback(asked["state"].as_str().unwrap()), NOON);
    assert!(explained(&mut world, "GET", "/reports", NOON)["decision"]["forward"].is_object());
    let later = NOON.plus(290);
    world.peer.put("/token", 200, &answer(&["guests"], None, later));
    let told = explained(&mut world, "GET", "/reports", later);
    assert_eq!(told["decision"]["respond"]["why"], "Refused(Claim)");
}

#[test]
fn gp_24_the_dry_run_says_which_token_a_route_uses_and_shows_none() {
    let routes = r#"[
        {"prefix": "/orders", "origin": "https://o.test", "access": "api",
         "token": {"audience": "orders", "scope": "read", "by": "exchange"}},
        {"prefix": "/quiet", "origin": "https://q.test", "access": "signed-in", "token": "none"},
        {"prefix": "/", "origin": "https://s.test", "access": "signed-in"}
    ]"#;
    let digest = Digest::of("explain-it").to_text().leak();
    let settings = [("ROUTES", routes), ("EXPLAIN_TOKEN_SHA256", digest)];
    let mut world = world_of(config_with("hybrid", &settings));
    world.sign_in(NOON);
    for (url, token) in [
        (
            "/orders/1",
            json!({"by": "exchange", "audience": "orders", "scope": "read", "opaque": false}),
        ),
        ("/quiet", json!("none")),
        ("/", Value::Null),
    ] {
        let told = explained(&mut world, "GET", url, NOON);
        assert_eq!(told["rule"]["token"], token, "{url}");
        assert_eq!(told["decision"]["forward"]["authenticated"], true, "{url}");
        assert!(!told.to_string().contains("x0") && !told.to_string().contains("a0"), "{told}");
    }
}
