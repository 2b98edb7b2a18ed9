//! Every refusal of a caller, on both kinds of route that may take a token.

use crate::caller::{judge, read};
use crate::config::Config;
use crate::fixture::{NOON, Peer, config_with, provider, sign};
use crate::next::{Arrival, Incoming, Next, arrive};
use crate::own_keys::tests::KEYS;
use crate::session::parties::Parties;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use pollster::block_on;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Request, Response as Answer, Unreachable};
use shared::jose::Alg;
use shared::jose::jws::{Header, signing_input};
use shared::jose::native::Native;
use shared::time::UnixTime;

/// Pairs that differ in their access alone.
const ROUTES: &str = r#"[
    {"prefix": "/plain", "origin": "https://p.test", "access": "ACCESS"},
    {"prefix": "/scope", "origin": "https://a.test", "access": "ACCESS",
     "bearer": {"audience": "https://api.test"}, "require": {"scope": "read write"}},
    {"prefix": "/claim", "origin": "https://a.test", "access": "ACCESS",
     "bearer": {"audience": "https://api.test"}, "require": {"claims": {"groups": {"any": ["staff"]}}}},
    {"prefix": "/strong", "origin": "https://a.test", "access": "ACCESS",
     "bearer": {"audience": "https://api.test"}, "require": {"acr": ["mfa", "h\"w"], "max_age": 60}},
    {"prefix": "/opaque", "origin": "https://a.test", "access": "ACCESS",
     "bearer": {"audience": "https://api.test", "opaque": true}, "require": {"scope": "read"},
     "assertion": {"audience": "https://a.internal"}},
    {"prefix": "/", "origin": "https://a.test", "access": "ACCESS",
     "bearer": {"audience": "https://api.test"}}
]"#;

/// What a browser says that navigates: whoever says it is still answered in JSON.
const NAVIGATION: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];

struct World {
    config: Config,
    peer: Peer,
    parties: Parties<Line, Native>,
}

/// The way to the provider.
struct Line(Peer);

impl Fetch for Line {
    async fn fetch(&self, request: Request) -> Result<Answer, Unreachable> {
        self.0.answer(request)
    }
}

fn worlds() -> [World; 2] {
    ["signed-in", "api"].map(|access| {
        let routes = ROUTES.replace("ACCESS", access).leak();
        let settings = [
            ("ROUTES", &*routes),
            ("CLIENT_AUTH", "client_secret_basic"),
            ("CLIENT_SECRET", "s3cret"),
            ("SIGNING_KEYS", KEYS),
        ];
        let (config, peer) = (config_with("hybrid", &settings), Peer::new());
        let parties = Parties::new(&config, |_| (provider(), Line(peer.clone()), Native));
        World { config, peer, parties }
    })
}

/// Whether a token decided.
#[derive(Debug, Eq, PartialEq)]
enum By {
    Token,
    Session,
    Nothing,
}

impl World {
    fn send(
        &self,
        method: &Method,
        url: &str,
        lines: &[(&str, &str)],
        now: UnixTime,
    ) -> (By, Result<HeaderMap, Box<Answer>>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let edge = &crate::signals::Edge::default();
        let incoming = Incoming { method, url, headers: &headers, client_ip: None, edge };
        let (by, next) = match arrive(&self.config, incoming) {
            Arrival::Ours(_) => panic!("{url} is an origin's"),
            Arrival::Next(next) => (By::Nothing, next),
            Arrival::Browser(_) => panic!("{url} requires no challenge"),
            Arrival::Gate(gate) => (By::Session, gate.turn_away()),
            Arrival::Caller(caller) => {
                (By::Token, block_on(judge(&self.config, &self.parties, &caller, now)).0)
            }
        };
        match next {
            Next::Respond(response) => (by, Err(response.into())),
            Next::Forward(forward) => {
                assert!(forward.authenticated && !forward.navigation);
                forward.edits.apply(&mut headers);
                (by, Ok(headers))
            }
        }
    }

    fn bring(&self, url: &str, token: &str) -> Result<HeaderMap, Box<Answer>> {
        let line = format!("Bearer {token}");
        let mut lines = vec![("authorization", line.as_str())];
        lines.extend(NAVIGATION);
        let (by, outcome) = self.send(&Method::GET, url, &lines, NOON);
        assert_eq!(by, By::Token, "{url}");
        outcome
    }

    /// Status, error and challenge of a refusal, which has to be what every refusal is.
    fn refusal(&self, url: &str, token: &str) -> (u16, String, String) {
        told(&self.bring(url, token).unwrap_err())
    }
}

fn told(response: &Answer) -> (u16, String, String) {
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(!headers.contains_key("location") && !headers.contains_key("set-cookie"));
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(body.get("login_url").is_none());
    let challenges: Vec<_> = headers.get_all("www-authenticate").iter().collect();
    let challenge = challenges.first().map(|value| value.to_str().unwrap().to_owned());
    assert!(challenges.len() <= 1);
    let error = body["error"].as_str().unwrap().to_owned();
    (response.status().as_u16(), error, challenge.unwrap_or_default())
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.test", "sub": "alice", "aud": "https://api.test", "client_id": "cli",
        "iat": NOON.0, "exp": NOON.0 + 300, "scope": "read write", "groups": ["staff", "x"],
        "acr": "mfa", "auth_time": NOON.0 - 60,
    })
}

/// A token with one claim another; without it when it is null.
fn token_with(name: &str, value: &Value) -> String {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value.clone()),
    };
    sign("at+jwt", &claims)
}

fn good() -> String {
    sign("at+jwt", &claims())
}

#[test]
fn an_origin_is_sent_the_very_token_that_came_and_none_of_our_cookies() {
    for world in worlds() {
        for url in ["/", "/scope", "/claim", "/strong", "/opaque"] {
            let line = format!("bearer {}", good());
            let lines = [
                ("authorization", line.as_str()),
                ("cookie", "__Host-gatelatch-session=x; a=1"),
                ("x-forwarded-user", "root"),
            ];
            let (by, sent) = world.send(&Method::GET, url, &lines, NOON);
            let sent = sent.unwrap();
            assert_eq!(by, By::Token, "{url}");
            assert_eq!(sent["authorization"], format!("Bearer {}", good()));
            assert_eq!(
                (&sent["cookie"], sent.contains_key("x-forwarded-user")),
                (&"a=1".parse().unwrap(), false)
            );
        }
    }
}

#[test]
fn a_route_that_takes_no_token_looks_at_none() {
    for world in worlds() {
        let line = format!("Bearer {}", good());
        let (by, _) = world.send(&Method::GET, "/plain", &[("authorization", &line)], NOON);
        assert_eq!(by, By::Session);
        // Another scheme is nobody's token, and no way past the rule about other sites.
        let basic = [("authorization", "Basic YTpi"), ("origin", "https://evil.test")];
        assert_eq!(world.send(&Method::GET, "/", &basic, NOON).0, By::Session);
        let (by, refused) = world.send(&Method::POST, "/", &basic, NOON);
        assert_eq!((by, refused.unwrap_err().status().as_u16()), (By::Nothing, 403));
    }
}

#[test]
fn an_unsafe_request_with_a_token_needs_no_origin_and_one_without_does() {
    for world in worlds() {
        let line = format!("Bearer {}", good());
        let origin = ("origin", "https://elsewhere.test");
        for method in [Method::POST, Method::DELETE, Method::PATCH] {
            let (_, sent) = world.send(&method, "/", &[("authorization", &line), origin], NOON);
            assert!(sent.is_ok(), "{method}");
            let (by, refused) = world.send(&method, "/", &[origin], NOON);
            assert_eq!((by, refused.unwrap_err().status().as_u16()), (By::Nothing, 403));
        }
        let preflight =
            [("authorization", line.as_str()), origin, ("access-control-request-method", "PUT")];
        let (by, answer) = world.send(&Method::OPTIONS, "/", &preflight, NOON);
        assert_eq!((by, answer.unwrap_err().status().as_u16()), (By::Nothing, 204));
    }
}

#[test]
fn rfc6750_3_who_brings_nothing_is_told_that_a_token_would_do() {
    let [_, api] = worlds();
    let answer = |url| api.send(&Method::GET, url, &[], NOON).1.unwrap_err();
    let schemes = |url| answer(url).headers().get_all("www-authenticate").iter().count();
    assert_eq!((answer("/").status().as_u16(), schemes("/"), schemes("/plain")), (401, 2, 1));
}

#[test]
fn jv_34_rfc6750_3_1_two_tokens_and_malformed_headers_are_a_400_and_dpop_a_401() {
    let token = good();
    for world in worlds() {
        let (good, dpop) = (format!("Bearer {token}"), format!("DPoP {token}"));
        let joined = format!("{good}, {good}");
        let mixed = format!("{good}, DPoP x");
        let rows: [(&str, &[&str], u16); 13] = [
            ("/", &["Bearer"], 400),
            ("/", &["Bearer "], 400),
            ("/", &["Bearer a b"], 400),
            ("/", &["Bearer caf\u{e9}"], 400),
            ("/", &["Bearer\ta"], 400),
            ("/", &["BEARER a,b"], 400),
            ("/", &[&good, &good], 400),
            ("/", &["Basic YTpi", &good], 400),
            ("/", &[&joined], 400),
            ("/", &[&mixed], 400),
            ("/?access_token=x", &[&good], 400),
            ("/?a=1&access%5Ftoken=", &[&good], 400),
            ("/", &[&dpop], 401),
        ];
        for (url, values, status) in rows {
            let mut lines: Vec<_> = values.iter().map(|line| ("authorization", *line)).collect();
            lines.push(("cookie", "__Host-gatelatch-session=x"));
            lines.extend(NAVIGATION);
            let (by, refused) = world.send(&Method::GET, url, &lines, NOON);
            assert_eq!(by, By::Nothing, "{url} {values:?}");
            let (found, error, challenge) = told(&refused.unwrap_err());
            assert_eq!((found, error.as_str()), (status, "invalid_request"), "{url} {values:?}");
            // Who tried what is not served is told of no error.
            assert_eq!(challenge.contains("error=\"invalid_request\""), status == 400);
        }
        assert_eq!(world.peer.hits("/jwks"), 0);
    }
    assert!(
        read(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(""))]), None)
            .unwrap()
            .is_none()
    );
}

#[test]
fn jv_11_to_jv_17_jv_32_a_token_that_is_none_for_here_is_a_401_invalid_token() {
    let now = NOON.0;
    let mut tokens: Vec<(String, String)> = [
        ("iss", json!("https://evil.test")),
        ("iss", json!("https://idp.test/")),
        ("iss", Value::Null),
        ("aud", json!("https://other.test")),
        ("aud", json!("app")),
        ("aud", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("nbf", json!(now + 86_400)),
        ("iat", json!(now + 86_400)),
        ("iat", Value::Null),
        ("sub", Value::Null),
        ("client_id", Value::Null),
        ("cnf", json!({ "jkt": "x" })),
    ]
    .map(|(name, value)| (format!("{name} {value}"), token_with(name, &value)))
    .to_vec();
    for typ in ["JWT", "id+jwt", "logout+jwt", "dpop+jwt", ""] {
        tokens.push((typ.to_owned(), sign(typ, &claims())));
    }
    tokens.push(("nothing".to_owned(), "x".to_owned()));
    let good = good();
    let (signed, _) = good.rsplit_once('.').unwrap();
    tokens.push(("no signature".to_owned(), format!("{signed}.")));
    tokens.push(("large".to_owned(), format!("{good}{}", "A".repeat(20_000))));
    // alg none, with typ at+jwt
    tokens.push((
        "none".to_owned(),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", signed.split('.').nth(1).unwrap()),
    ));
    for world in worlds() {
        for (what, token) in &tokens {
            let (status, error, challenge) = world.refusal("/", token);
            assert_eq!((status, error.as_str()), (401, "invalid_token"), "{what}");
            assert!(challenge.starts_with("Bearer realm=\"gatelatch\", error=\"invalid_token\""));
            // Also where opaque tokens are asked about: of a signed one nobody is asked.
            if what != "nothing" {
                assert_eq!(world.refusal("/opaque", token).0, 401, "{what}");
            }
        }
        assert_eq!(world.peer.hits("/introspect"), 0);
    }
}

#[test]
fn jv_08_a_thousand_keys_that_nobody_knows_cost_one_request() {
    for world in worlds() {
        assert!(world.bring("/", &good()).is_ok());
        let good = good();
        let (_, rest) = good.split_once('.').unwrap();
        for n in 0..1000 {
            let header = Header::new(Alg::Es256, &format!("k{n}"), "at+jwt");
            let input = signing_input(&header, &json!({}));
            let token = format!("{}.{rest}", input.split('.').next().unwrap());
            assert_eq!(world.refusal("/", &token).0, 401);
        }
        assert_eq!(world.peer.hits("/jwks"), 2);
        assert!(world.bring("/", &good).is_ok());
    }
}

#[test]
fn rfc6750_3_1_what_the_token_lacks_is_a_403_with_the_scope_that_is_needed() {
    for world in worlds() {
        for (url, name, value, scope) in [
            ("/scope", "scope", json!("read"), true),
            ("/scope", "scope", Value::Null, true),
            ("/scope", "scope", json!(["read", "write"]), true),
            ("/claim", "groups", json!(["guests"]), false),
            ("/claim", "groups", Value::Null, false),
        ] {
            let (status, error, challenge) = world.refusal(url, &token_with(name, &value));
            assert_eq!((status, error.as_str()), (403, "insufficient_scope"), "{url} {value}");
            assert_eq!(challenge.contains("scope=\"read write\""), scope, "{challenge}");
        }
    }
}

#[test]
fn rfc9470_3_a_weak_or_old_authentication_is_a_401_that_says_what_is_needed() {
    for world in worlds() {
        for (name, value) in [
            ("acr", json!("pwd")),
            ("acr", Value::Null),
            ("auth_time", json!(NOON.0 - 61)),
            ("auth_time", Value::Null),
        ] {
            let (status, error, challenge) = world.refusal("/strong", &token_with(name, &value));
            assert_eq!((status, error.as_str()), (401, "insufficient_user_authentication"));
            let wanted = r#", acr_values="mfa h\"w", max_age="60""#;
            assert!(challenge.ends_with(wanted), "{challenge}");
        }
    }
}

#[test]
fn rfc7662_4_an_opaque_token_is_what_the_provider_says_for_half_a_minute() {
    for world in worlds() {
        let say = |answer: Value| world.peer.put("/introspect", 200, &answer.to_string());
        say(json!({ "active": true, "scope": "read", "aud": "https://api.test" }));
        assert_eq!(world.bring("/opaque", "opaque").unwrap()["authorization"], "Bearer opaque");
        assert!(world.bring("/opaque", "opaque").is_ok());
        assert_eq!(world.peer.bodies("/introspect"), ["token=opaque&token_type_hint=access_token"]);
        // Where the route does not say so nobody is asked.
        assert_eq!(world.refusal("/", "opaque").0, 401);
        for (token, answer, status) in [
            ("a", json!({ "active": false }), 401),
            ("b", json!({ "active": true, "aud": "https://other.test" }), 401),
            ("c", json!({ "active": true, "token_type": "DPoP" }), 401),
            ("d", json!({ "active": true, "scope": "write" }), 403),
        ] {
            say(answer);
            assert_eq!(world.refusal("/opaque", token).0, status, "{token}");
        }
    }
}

#[test]
fn a_token_that_speaks_for_nobody_is_no_identity() {
    for world in worlds() {
        for (token, subject, told) in [("a", Some("alice"), true), ("b", None, false)] {
            let answer = json!({ "active": true, "scope": "read", "sub": subject });
            world.peer.put("/introspect", 200, &answer.to_string());
            let sent = world.bring("/opaque", token).unwrap();
            assert_eq!(sent.contains_key("x-identity-assertion"), told, "{subject:?}");
        }
    }
}

#[test]
fn jv_27_who_cannot_be_asked_is_a_503_with_retry_after_and_nobody_is_let_in() {
    for world in worlds() {
        let unavailable = |url, token: &str| {
            let response = world.bring(url, token).unwrap_err();
            assert!(response.headers().contains_key("retry-after"));
            told(&response)
        };
        let wanted = (503, "temporarily_unavailable".to_owned(), String::new());
        world.peer.put("/introspect", 500, "");
        assert_eq!(unavailable("/opaque", "opaque"), wanted);
        world.peer.put("/jwks", 500, "");
        assert_eq!(unavailable("/", &good()), wanted);
    }
    for world in worlds() {
        world.peer.put("/.well-known/openid-configuration", 500, "");
        assert_eq!(world.refusal("/", &good()).0, 503);
    }
}

#[test]
fn what_routes_take_is_refused_by_its_member() {
    use crate::config::tests::mistakes;
    let route = |access: &str, bearer: &str| {
        format!(
            r#"[{{"prefix": "/", "origin": "https://a.test", "access": "{access}", "bearer": {bearer}}}]"#
        )
    };
    for (access, bearer, named) in [
        ("public", r#"{"audience": "a"}"#, "ROUTES[0].bearer"),
        ("api", r#"{"audience": ""}"#, "ROUTES[0].bearer.audience"),
        ("api", r#"{"audience": "a b"}"#, "ROUTES[0].bearer.audience"),
        ("api", "{}", "ROUTES"),
        ("api", r#"{"audience": "a", "scope": "b"}"#, "ROUTES"),
        ("api", "true", "ROUTES"),
    ] {
        assert_eq!(mistakes(&[("ROUTES", &route(access, bearer))]), [named], "{bearer}");
    }
    let opaque = route("api", r#"{"audience": "a", "opaque": true}"#);
    assert!(mistakes(&[("ROUTES", &opaque)]).is_empty());
    let public = [("ROUTES", opaque.as_str()), ("CLIENT_SECRET", "")];
    assert_eq!(mistakes(&public), ["ROUTES[0].bearer.opaque"]);
}
