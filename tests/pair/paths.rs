//! One path for policy and origin: no spelling of a path opens another one.

use http::StatusCode;
use tests::guest::Guest;
use tests::origin::{Echo, is_echo};
use tests::pair::Pair;
use tests::raw::Raw;

in_one_mode! {
    gp_09_gp_10_gp_35_no_spelling_reaches_a_protected_path_without_a_session
    gp_10_the_origin_gets_the_path_that_policy_saw
    gp_11_no_path_chooses_the_host
    gp_08_gp_16_no_header_and_no_query_says_what_the_path_and_method_are
    gp_12_the_host_header_chooses_nothing
    gp_13_no_user_agent_opens_a_route
    gp_15_methods_for_proxies_are_refused_and_odd_ones_need_a_session
    gp_36_the_gateways_own_paths_are_nobody_elses
    cc_03_an_extension_makes_no_page_public_or_cacheable
}

/// What becomes of a path without a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// 400: two servers might read two paths.
    Refused,
    /// As a protected path: 401.
    Protected,
    /// As a public path, which the origin sees so.
    Public(&'static str),
    /// As one of the gateway's own.
    Ours,
}
use Fate::{Ours, Protected, Public, Refused};

const PATHS: [(&str, Fate); 63] = [
    ("/echo", Protected),
    ("/public/echo", Public("/public/echo")),
    ("/echo?x=/public", Protected),
    ("/echo?x=/public/../", Protected),
    ("/echo#/public", Protected),
    ("/echo%23/public", Protected),
    ("/echo%3f/public", Protected),
    ("/public/../echo", Protected),
    ("/public/./../echo", Protected),
    ("/public/%2e%2e/echo", Protected),
    ("/public/.%2e/echo", Protected),
    ("/public/%2E%2e/echo", Protected),
    ("/public/..%2fecho", Refused),
    ("/public/..%2Fecho", Refused),
    ("/public%2f..%2fecho", Refused),
    ("/public%2fecho", Refused),
    ("/public/%2e%2e%2fecho", Refused),
    ("/public/%252e%252e/echo", Refused),
    ("/public/%252e%252e%252fecho", Refused),
    ("/public/..%252fecho", Refused),
    ("/public/..;/echo", Refused),
    ("/public/..;x=y/echo", Refused),
    ("/public;/../echo", Protected),
    ("/public/;/../echo", Public("/public/echo")),
    ("/public/x;/../../echo", Protected),
    ("/public%5c..%5cecho", Refused),
    ("/public/..%5cecho", Refused),
    ("/public\\..\\echo", Refused),
    ("/public/\\../echo", Refused),
    ("/public//../echo", Public("/public/echo")),
    ("/public//../../echo", Protected),
    ("//public/../echo", Protected),
    ("/./echo", Protected),
    ("//echo", Protected),
    ("/echo/", Protected),
    ("/echo/.", Protected),
    ("/echo;x", Protected),
    ("/echo%3bx", Protected),
    ("/%65cho", Protected),
    ("/ECHO", Protected),
    ("/publicity/echo", Protected),
    ("/public.echo", Protected),
    ("/public%20/echo", Protected),
    ("/PUBLIC/echo", Refused),
    ("/Public/echo", Refused),
    ("/%70ublic/%65cho", Public("/public/echo")),
    ("/publi%63/./echo", Public("/public/echo")),
    ("/public/echo/../echo", Public("/public/echo")),
    ("/public/%00/../echo", Refused),
    ("/echo%00", Refused),
    ("/%00", Refused),
    ("/echo%0d%0ax:y", Refused),
    ("/%c0%ae%c0%ae/echo", Refused),
    ("/public/%c0%ae%c0%ae/echo", Refused),
    ("/public/%e0%80%ae/echo", Refused),
    ("/public/%u002e%u002e/echo", Refused),
    ("/public/%", Refused),
    ("/public/%2", Refused),
    ("/public/..%2fauth/logout", Refused),
    ("/public/../auth/session", Ours),
    ("/%61uth/session", Ours),
    ("/AUTH/session", Refused),
    ("/auth%2fsession", Refused),
];

fn gp_09_gp_10_gp_35_no_spelling_reaches_a_protected_path_without_a_session(pair: &Pair) {
    for (path, fate) in PATHS {
        let answer = pair.send(&Raw::get(path));
        match fate {
            Public(seen) => {
                let echo = Echo::of(&answer);
                assert_eq!(echo.url, seen, "{path}");
                assert_eq!(echo.header("authorization"), None, "{path}");
                continue;
            }
            Refused => assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}"),
            Protected => assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}"),
            Ours => {
                let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
                assert_eq!(body["signed_in"], false, "{path}");
            }
        }
        assert!(!is_echo(&answer), "{path}");
    }
    if let Some(gate) = pair.needs_clock() {
        let public = PATHS.iter().filter(|(_, fate)| matches!(fate, Public(_))).count();
        assert_eq!(gate.reached().len(), public, "nothing else reached the origin");
    }
}

fn gp_10_the_origin_gets_the_path_that_policy_saw(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for (path, seen) in [
        ("/%65cho", "/echo"),
        ("/./echo", "/echo"),
        ("/x/../echo", "/echo"),
        ("/public/../echo?x=%2e%2e/", "/echo?x=%2e%2e/"),
        ("/api/../public/../echo", "/echo"),
        ("/echo?a=%61&b=/../&c", "/echo?a=%61&b=/../&c"),
        ("/echo#fragment", "/echo"),
        ("/echo?", "/echo"),
    ] {
        let echo = Echo::of(&pair.send(&guest.raw("GET", path)));
        assert_eq!(echo.url.trim_end_matches('?'), seen, "{path}");
        assert!(echo.token().is_some(), "{path}");
    }
    // With a session as without one.
    for (path, fate) in PATHS {
        let answer = pair.send(&guest.raw("GET", path));
        assert_eq!(answer.status() == StatusCode::BAD_REQUEST, fate == Refused, "{path}");
        if let Public(_) = fate {
            assert_eq!(Echo::of(&answer).header("authorization"), None, "{path}");
        }
    }
}

fn gp_11_no_path_chooses_the_host(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for target in [
        "//evil.test/echo",
        "///evil.test/echo",
        "/http://evil.test/echo",
        "/@evil.test/echo",
        "/:80@evil.test/echo",
        "/.evil.test/echo",
        "http://evil.test/echo",
        "http://evil.test:8789/echo",
        "http://user@evil.test/echo",
        "/public//evil.test/echo",
        "/public/@evil.test",
    ] {
        // In this process a request to any other host than the origin fails by itself.
        let answer = pair.send(&guest.raw("GET", target));
        let status = answer.status();
        assert!(status == 200 || status == 404 || status == 400, "{target}: {status}");
        if is_echo(&answer) {
            let echo = Echo::of(&answer);
            assert!(echo.url.starts_with('/') && target.ends_with(&echo.url), "{target}");
            assert_ne!(echo.header("host"), Some("evil.test"), "{target}");
        }
        // What is below `/public` is for everybody.
        if !target.starts_with("/public") {
            assert_ne!(pair.send(&Raw::get(target)).status(), StatusCode::OK, "{target}");
        }
    }
}

fn gp_08_gp_16_no_header_and_no_query_says_what_the_path_and_method_are(pair: &Pair) {
    let lies = [
        ("x-forwarded-uri", "/public/echo"),
        ("x-original-url", "/public/echo"),
        ("x-original-uri", "/public/echo"),
        ("x-rewrite-url", "/public/echo"),
        ("x-forwarded-prefix", "/public"),
        ("x-forwarded-method", "GET"),
        ("x-http-method-override", "GET"),
        ("x-http-method", "GET"),
        ("x-method-override", "GET"),
    ];
    let guest = Guest::signed_in(pair);
    assert_eq!(pair.send(&Raw::get("/echo").headers(&lies)).status(), StatusCode::UNAUTHORIZED);
    let posted = guest.raw("POST", "/echo?_method=GET").headers(&lies);
    assert_eq!(pair.send(&posted).status(), StatusCode::FORBIDDEN, "it is a POST still");
    let echo = Echo::of(&pair.send(&guest.raw("GET", "/echo?_method=DELETE").headers(&lies)));
    assert_eq!((echo.method.as_str(), echo.url.as_str()), ("GET", "/echo?_method=DELETE"));
    for (name, _) in lies {
        assert_eq!(echo.header(name), None);
    }
}

fn gp_12_the_host_header_chooses_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let nobody = pair.send(&Raw::get("http://public.test/echo"));
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let echo = Echo::of(&pair.send(&guest.raw("GET", "http://other.test/echo")));
    assert_eq!(echo.header("x-forwarded-host"), Some(pair.authority()));
}

fn gp_13_no_user_agent_opens_a_route(pair: &Pair) {
    for agent in ["GoogleHC/1.0", "kube-probe/1.27", "ELB-HealthChecker/2.0"] {
        for path in ["/echo", "/healthz/../echo", "/public/../echo", "/ping", "/ready"] {
            let answer = pair.send(&Raw::get(path).header("user-agent", agent));
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{agent} {path}");
        }
    }
}

fn gp_15_methods_for_proxies_are_refused_and_odd_ones_need_a_session(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    // The server in front of a Worker answers some of these itself.
    for method in ["TRACE", "trace", "TRACK", "Track"] {
        for raw in [Raw::new(method, "/public/echo"), guest.raw(method, "/echo")] {
            let answer = pair.send(&raw);
            let refused = [400, 405, 501].contains(&answer.status().as_u16());
            assert!(refused && !is_echo(&answer), "{method}: {}", answer.status());
        }
    }
    for method in ["PROPFIND", "REPORT", "SEARCH", "PATCH", "DELETE"] {
        let raw = |raw: Raw| raw.header("x-csrf", "1");
        let answer = pair.send(&raw(Raw::new(method, "/echo")));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method}");
        let answer = pair.send(&guest.raw(method, "/echo"));
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} changes things");
        let echo = Echo::of(&pair.send(&raw(guest.raw(method, "/echo"))));
        assert_eq!(echo.method, method);
    }
}

fn gp_36_the_gateways_own_paths_are_nobody_elses(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for path in ["/auth", "/auth/", "/auth/x", "/auth/echo", "/auth/callback/x", "/auth/../auth/x"]
    {
        for raw in [Raw::get(path), guest.raw("GET", path)] {
            let answer = pair.send(&raw);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert!(!is_echo(&answer) && !answer.body().starts_with(b"The origin"), "{path}");
        }
    }
    for path in ["/.well-known/openid-configuration", "/session", "/callback?code=x", "/logout"] {
        assert_eq!(pair.send(&Raw::get(path)).status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

fn cc_03_an_extension_makes_no_page_public_or_cacheable(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for path in ["/echo/x.css", "/echo;.png", "/echo%2fx.js", "/echo.js", "/static/app.js"] {
        let nobody = pair.send(&Raw::get(path));
        assert!([400, 401].contains(&nobody.status().as_u16()), "{path}: {}", nobody.status());
        let answer = pair.send(&guest.raw("GET", path));
        let control = answer.headers()["cache-control"].to_str().unwrap();
        assert!(control.contains("no-store"), "{path}: {control}");
    }
}
