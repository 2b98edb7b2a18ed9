//! What pages of other origins may read, and what they may frame; a trusted one is
//! `https://admin.test`.

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tests::expect::header;
use tests::guest::{Guest, NAVIGATION};
use tests::origin::{Echo, is_echo};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    cs_11_a_trusted_origin_is_answered_before_anybody_is_looked_for
    cs_07_cs_09_no_get_and_no_head_at_the_gateway_changes_anything
}
in_one_mode! {
    cs_02_cs_04_cs_10_no_look_alike_is_granted_anything
    cs_16_frames_around_an_application_are_its_own_business_and_around_our_pages_nobodys
    cs_15_a_token_in_the_address_of_a_websocket_opens_nothing
    cc_04_headers_that_no_cache_looks_at_change_nothing_in_an_answer
    cc_08_a_304_is_the_origins_word_to_who_asks_with_their_own_token
    gp_16_no_parameter_and_no_header_makes_one_method_of_another
}

const ADMIN: &str = "https://admin.test";

fn grants(headers: &HeaderMap) -> Vec<&str> {
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    headers.get_all("vary").iter().any(|line| line.to_str().unwrap().contains("Origin"))
}

/// What a browser asks before it sends a PUT.
fn preflight(path: &str, origin: &str) -> Raw {
    Raw::new("OPTIONS", path).headers(&[
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type,x-csrf"),
    ])
}

fn cs_11_a_trusted_origin_is_answered_before_anybody_is_looked_for(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for path in ["/echo", "/api/echo"] {
        let answer = pair.send(&preflight(path, ADMIN));
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        for (name, value) in [
            ("access-control-allow-origin", ADMIN),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "content-type, x-csrf"),
        ] {
            assert_eq!(header(&answer, name), value, "{path}");
        }
        assert!(varies_by_origin(answer.headers()));

        // What it asked about, somebody signed in and nobody.
        let put = |raw: Raw| pair.send(&raw.header("origin", ADMIN).body("x=1"));
        for (answer, status) in [
            (put(guest.raw("PUT", path)), StatusCode::OK),
            (put(Raw::new("PUT", path)), StatusCode::UNAUTHORIZED),
        ] {
            assert_eq!(answer.status(), status);
            assert_eq!(header(&answer, "access-control-allow-origin"), ADMIN);
            assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
            assert!(varies_by_origin(answer.headers()));
        }
        // Nobody reuses for them what somebody else was sent.
        let other = pair.send(&guest.raw("GET", path));
        assert!(varies_by_origin(other.headers()) && grants(other.headers()).is_empty());
    }
    // A route that is public is the origin's own business, and our own pages are for our own.
    for path in ["/public/echo", "/auth/session", "/auth/sessions"] {
        let answer = pair.send(&guest.raw("GET", path).header("origin", ADMIN));
        assert_eq!(grants(answer.headers()), [""; 0], "{path}");
    }
    let answer = pair.send(&preflight("/public/echo", ADMIN));
    assert!(is_echo(&answer), "the origin is asked");
}

fn cs_02_cs_04_cs_10_no_look_alike_is_granted_anything(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for origin in [
        "null",
        "https://admin.test.evil",
        "https://evil.admin.test",
        "http://admin.test",
        "https://admin.test:444",
        "https://ADMIN.TEST",
        "https://admin.test/",
        "*",
    ] {
        for raw in [
            preflight("/api/echo", origin),
            guest.raw("GET", "/api/echo").header("origin", origin),
            guest.raw("POST", "/api/echo").header("origin", origin),
            Raw::get("/api/echo").header("origin", origin),
        ] {
            let answer = pair.send(&raw);
            assert_eq!(grants(answer.headers()), [""; 0], "{raw:?}");
            let unsafe_one = raw.method == "POST";
            assert_eq!(answer.status() == StatusCode::FORBIDDEN, unsafe_one, "{raw:?}");
        }
    }
}

fn cs_07_cs_09_no_get_and_no_head_at_the_gateway_changes_anything(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let evil = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    for (path, get, head) in [
        ("/auth/logout", 200, 405),
        ("/auth/logout?token=x", 200, 405),
        ("/auth/sessions/x", 405, 405),
        ("/auth/backchannel-logout", 405, 405),
        ("/auth/resume", 410, 405),
        ("/auth/session", 200, 405),
        ("/auth/login", 303, 405),
    ] {
        let gone = pair.mode == "sealed"
            && (path.starts_with("/auth/sessions") || path.starts_with("/auth/back"));
        for (method, status) in [("GET", get), ("HEAD", head)] {
            let answer = pair.send(&guest.raw(method, path).headers(&evil));
            let status = if gone { 404 } else { status };
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        }
    }
    assert!(guest.token().is_some(), "somebody is still signed in");
}

fn cs_16_frames_around_an_application_are_its_own_business_and_around_our_pages_nobodys(
    pair: &Pair,
) {
    let guest = Guest::signed_in(pair);
    let theirs = guest.navigate("/echo");
    for name in ["x-frame-options", "content-security-policy"] {
        assert!(!theirs.headers().contains_key(name), "{name}");
    }
    for path in ["/auth/logout", "/auth/sessions", "/auth/resume", "/auth/callback"] {
        let ours = guest.navigate(path);
        assert_eq!(header(&ours, "x-frame-options"), "DENY", "{path}");
        assert!(header(&ours, "content-security-policy").contains("frame-ancestors 'none'"));
    }
}

fn cs_15_a_token_in_the_address_of_a_websocket_opens_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let Some(token) = guest.token() else { panic!("nobody is signed in") };
    let protocol = format!("bearer, {token}");
    for (path, lines) in [
        (format!("/ws?access_token={token}"), &[][..]),
        ("/ws".to_owned(), &[("sec-websocket-protocol", protocol.as_str())]),
    ] {
        let opening = [("connection", "Upgrade"), ("upgrade", "websocket"), ("origin", pair.url())];
        let answer = pair.send(&Raw::get(&path).headers(&opening).headers(lines));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let told = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(!told.contains(&token) && !format!("{:?}", answer.headers()).contains(&token));
    }
}

fn cc_04_headers_that_no_cache_looks_at_change_nothing_in_an_answer(pair: &Pair) {
    let guest = Guest::alice(pair);
    let poison = [
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-scheme", "nothttps"),
        ("x-forwarded-port", "444"),
        ("x-original-url", "/evil"),
        ("x-host", "evil.test"),
        ("forwarded", "host=evil.test"),
    ];
    for path in ["/public/cacheable", "/public", "/auth/logout", "/echo", "/api/echo"] {
        let ask = |lines: &[(&str, &str)]| {
            let answer = guest.send(&Method::GET, path, &[&NAVIGATION, lines].concat());
            let location = answer.headers().get("location").cloned();
            (answer.status(), location, answer.into_body())
        };
        assert_eq!(ask(&poison), ask(&[]), "{path}");
    }
    let login = guest.send(&Method::GET, "/auth/login", &poison);
    assert!(!header(&login, "location").contains("evil"));
    let echo = Echo::of(&guest.send(&Method::GET, "/public/echo", &poison));
    assert!(!format!("{echo:?}").contains("evil"), "{echo:?}");
}

fn cc_08_a_304_is_the_origins_word_to_who_asks_with_their_own_token(pair: &Pair) {
    let (alice, bob) = (Guest::signed_in(pair), Guest::bob(pair));
    bob.sign_in();
    let tag =
        [("if-none-match", "\"of-alice\""), ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")];
    let asked: Vec<_> = [&alice, &bob]
        .into_iter()
        .map(|guest| Echo::of(&guest.send(&Method::GET, "/echo", &tag)))
        .collect();
    for echo in &asked {
        assert_eq!(echo.header("if-none-match"), Some("\"of-alice\""), "the origin decides");
    }
    assert_ne!(asked[0].token(), asked[1].token());
    let nobody = pair.send(&Raw::get("/echo").headers(&tag));
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    // And what it says is said to nobody else.
    let said = bob.send(&Method::GET, "/status/304", &tag);
    assert_eq!((said.status(), said.body().len()), (StatusCode::NOT_MODIFIED, 0));
    assert!(header(&said, "cache-control").contains("no-store"));
}

fn gp_16_no_parameter_and_no_header_makes_one_method_of_another(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    let pair = Pair::in_process("hybrid", |_, gateway| {
        let origin = "http://localhost:8789";
        let routes = json!([
            {"prefix": "/", "methods": ["GET"], "origin": origin, "access": "public"},
            {"prefix": "/", "origin": origin, "access": "signed-in"},
        ]);
        gateway.insert("ROUTES".into(), routes);
    });
    let overridden = ["x-http-method-override", "x-method-override", "x-http-method"];
    for name in overridden {
        let raw = Raw::new("POST", "/echo?_method=GET").headers(&[
            (name, "GET"),
            ("origin", pair.url()),
            ("content-type", "application/x-www-form-urlencoded"),
        ]);
        let answer = pair.send(&raw.body("_method=GET"));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "it is a POST: {name}");
        let echo = Echo::of(&pair.send(&Raw::get("/echo?_method=DELETE").header(name, "DELETE")));
        assert_eq!((echo.method.as_str(), echo.url.as_str()), ("GET", "/echo?_method=DELETE"));
        assert_eq!(echo.header(name), None, "nor is an origin told so");
    }
}
