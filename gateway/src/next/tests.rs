use super::*;
use crate::config::tests::with;
use http::header::{HeaderName, HeaderValue};

/// What happens to a request, without a session and with one.
fn both(
    method: &str,
    path: &str,
    lines: &[(&str, &str)],
) -> [Result<(Forward, HeaderMap), u16>; 2] {
    let config = with(&[]).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let url = format!("http://evil.test{path}");
    [None, Some(AccessToken::new("at-1"))].map(|token| {
        let request = Incoming {
            method: &method,
            url: &url,
            headers: &headers,
            client_ip: None,
            edge: &Edge::default(),
        };
        let next = match (arrive(&config, request), token) {
            (Arrival::Ours(_), _) => return Err(0),
            (Arrival::Next(next), _) => next,
            (Arrival::Caller(_), _) => panic!("no route takes a token"),
            (Arrival::Browser(_), _) => panic!("no route requires a challenge"),
            (Arrival::Gate(gate), Some(token)) => {
                let bearer = Bearer::new(&token);
                gate.admit(&Person::default(), bearer.as_ref(), UnixTime(1_800_000_000))
            }
            (Arrival::Gate(gate), None) => gate.turn_away(),
        };
        match next {
            Next::Respond(response) => Err(response.status().as_u16()),
            Next::Forward(forward) => {
                let mut headers = headers.clone();
                forward.edits.apply(&mut headers);
                Ok((forward, headers))
            }
        }
    })
}

fn nobody(method: &str, path: &str, lines: &[(&str, &str)]) -> Result<Forward, u16> {
    let [nobody, _] = both(method, path, lines);
    nobody.map(|(forward, _)| forward)
}

fn somebody(method: &str, path: &str, lines: &[(&str, &str)]) -> Result<HeaderMap, u16> {
    let [_, somebody] = both(method, path, lines);
    somebody.map(|(_, headers)| headers)
}

#[test]
fn gp_01_gp_23_a_public_route_gets_no_token_from_anybody() {
    let lines = [("authorization", "Bearer forged"), ("x-forwarded-user", "root")];
    for method in ["GET", "OPTIONS", "POST"] {
        let headers = somebody(method, "/open/x", &lines).unwrap();
        assert!(!headers.contains_key("authorization"), "{method}");
        assert!(!headers.contains_key("x-forwarded-user"), "{method}");
    }
    assert!(!nobody("GET", "/open/x", &[]).unwrap().authenticated);
}

#[test]
fn an_origin_sees_the_token_and_never_our_cookie() {
    let headers = somebody("GET", "/x?y=1", &[("cookie", "__Host-gatelatch=s; a=1")]).unwrap();
    assert_eq!(headers["authorization"], "Bearer at-1");
    assert_eq!(headers["cookie"], "a=1");
}

#[test]
fn gp_11_gp_12_the_url_is_built_from_the_configured_origin_and_the_canonical_path() {
    for (path, url) in [
        ("/open/%2e/x?a=%2e", "https://site.test/open/x?a=%2e"),
        ("/open//evil.test", "https://site.test/open//evil.test"),
    ] {
        assert_eq!(nobody("GET", path, &[]).unwrap().url, url);
    }
}

#[test]
fn gp_10_gp_35_a_path_with_two_readings_is_a_400_for_everybody() {
    for path in ["/open/..%2fx", "/OPEN/x", "/%00", "/open/\\x"] {
        assert_eq!(both("GET", path, &[]).map(Result::err), [Some(400); 2], "{path}");
    }
}

#[test]
fn gp_15_trace_and_connect_are_405_and_odd_methods_need_a_session() {
    for method in ["TRACE", "CONNECT", "trace", "TRACK"] {
        assert_eq!(both(method, "/open", &[]).map(Result::err), [Some(405); 2], "{method}");
    }
    for method in ["PROPFIND", "get"] {
        assert_eq!(nobody(method, "/x", &[("x-csrf", "1")]), Err(401), "{method}");
        assert_eq!(somebody(method, "/x", &[]), Err(403), "{method}");
    }
}

#[test]
fn gp_14_options_on_a_protected_route_reaches_no_origin_without_a_session() {
    let preflight = [("origin", "https://evil.test"), ("access-control-request-method", "PUT")];
    assert_eq!(both("OPTIONS", "/api", &preflight).map(Result::err), [Some(204); 2]);
    assert_eq!(nobody("OPTIONS", "/api", &[]), Err(401));
    assert!(somebody("OPTIONS", "/api", &[]).is_ok());
}

#[test]
fn gp_08_gp_16_only_the_real_path_and_method_decide() {
    let lines = [
        ("x-forwarded-uri", "/open"),
        ("x-original-url", "/open"),
        ("x-http-method-override", "GET"),
    ];
    assert_eq!(nobody("GET", "/x", &lines), Err(401));
    assert_eq!(somebody("POST", "/x?_method=GET", &lines), Err(403));
}

#[test]
fn gp_13_no_user_agent_opens_a_route() {
    assert_eq!(nobody("GET", "/x", &[("user-agent", "GoogleHC/1.0")]), Err(401));
    assert_eq!(nobody("GET", "/open/../x", &[("user-agent", "GoogleHC/1.0")]), Err(401));
}

#[test]
fn cs_01_cs_12_another_site_is_refused_before_anybody_looks_for_a_session() {
    let evil = ("origin", "https://evil.test");
    assert_eq!(both("POST", "/api", &[evil]).map(Result::err), [Some(403); 2]);
    for path in ["/x", "/api"] {
        let upgrade = ("upgrade", "websocket");
        assert_eq!(both("GET", path, &[upgrade, evil]).map(Result::err), [Some(403); 2]);
        assert_eq!(both("GET", path, &[upgrade]).map(Result::err), [Some(403); 2]);
    }
    assert!(nobody("POST", "/open", &[evil]).is_ok());
}

#[test]
fn cs_14_a_websocket_of_ours_needs_a_session_and_then_keeps_its_upgrade() {
    let lines = [("upgrade", "websocket"), ("origin", "https://app.test")];
    assert_eq!(nobody("GET", "/x", &lines), Err(401));
    assert_eq!(somebody("GET", "/x", &lines).unwrap()["upgrade"], "websocket");
}

#[test]
fn gp_36_our_endpoints_are_nobody_elses() {
    assert_eq!(nobody("GET", "/auth/login", &[]), Err(0));
    assert_eq!(nobody("GET", "/open/../auth/callback?code=x", &[]), Err(0));
    assert_eq!(nobody("GET", "/.well-known/x", &[]), Err(401));
}

#[test]
fn a_path_without_a_route_is_a_404() {
    let routes = r#"[{"prefix": "/a", "origin": "https://a.test", "access": "public"}]"#;
    let config = with(&[("ROUTES", routes)]).unwrap();
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = Incoming {
        method: &method,
        url: "/b",
        headers: &headers,
        client_ip: None,
        edge: &Edge::default(),
    };
    let arrival = arrive(&config, request);
    assert!(matches!(arrival, Arrival::Next(Next::Respond(r)) if r.status() == 404));
}

#[test]
fn gp_18_a_token_that_no_header_can_hold_is_a_502_and_never_a_request_without_one() {
    let config = with(&[]).unwrap();
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = Incoming {
        method: &method,
        url: "/x",
        headers: &headers,
        client_ip: None,
        edge: &Edge::default(),
    };
    let Arrival::Gate(gate) = arrive(&config, request) else { panic!("needs a session") };
    let bearer = Bearer::new(&AccessToken::new("a\r\nX-Admin: 1"));
    let next = gate.admit(&Person::default(), bearer.as_ref(), UnixTime(1_800_000_000));
    assert!(matches!(next, Next::Respond(response) if response.status() == 502));
}
