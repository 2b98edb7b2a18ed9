//! What an origin may believe: no header that says who somebody is comes from the browser.

use http::StatusCode;
use tests::guest::Guest;
use tests::origin::{Echo, is_echo};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    gp_15_a_get_or_head_with_a_body_is_a_400_and_reaches_nobody
    gp_01_gp_02_gp_03_identity_headers_of_the_browser_reach_no_origin
    gp_07_an_authorization_header_of_the_browser_opens_nothing
    gp_05_nothing_that_we_inject_can_be_named_away
}
in_one_mode! {
    gp_04_a_header_sent_twice_is_stripped_twice
    gp_06_headers_for_one_hop_go_no_further
    gp_14_options_without_a_session_reaches_no_protected_route
    gp_20_an_odd_cookie_header_never_hides_our_cookie
    gp_31_the_origin_is_told_scheme_and_host_by_us_alone
    other_headers_arrive_as_they_were_sent
}

/// Each is what somebody believes.
const SPOOFED: [&str; 47] = [
    "X-Identity-Assertion",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-For",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-Forwarded",
    "Forwarded",
    "X-Auth-Request-User",
    "X-Auth-User",
    "X-Auth-Token",
    "X-Authenticated-User",
    "X-User",
    "X-User-Id",
    "X-Userinfo",
    "X-Remote-User",
    "Remote-User",
    "Remote-Groups",
    "Cf-Access-Jwt-Assertion",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Ipcountry",
    "OIDC_CLAIM_sub",
    "X-WebAuth-User",
    "X-Gatelatch-User",
    "X-Original-URL",
    "X-Original-Uri",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Real-Ip",
    "X-Client-Ip",
    "True-Client-Ip",
    "X-Originating-Ip",
    "X-Cluster-Client-Ip",
    "X-Ssl-Client-Verify",
    "Ssl-Client-Cert",
    "Client-Cert",
    "X-Bot-Score",
    "X-Geo-Country",
    "X-Host",
    "Proxy-Authorization",
    "Authorization",
];

/// How one header may be spelled to look like another on its way through CGI and its heirs.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for other in ["_", "."] {
        all.push(name.replace('-', other));
        all.push(name.to_uppercase().replacen('-', other, 1));
    }
    all
}

/// What the origin may have got of these names; the rest came from the browser.
fn assert_clean(echo: &Echo, what: &str) {
    for (name, value) in &echo.headers {
        assert!(!value.contains("spoofed"), "{what}: {name}: {value}");
    }
    for name in ["x-forwarded-for", "forwarded", "x-forwarded-user", "remote-user"] {
        assert_eq!(echo.header(name), None, "{what}");
    }
}

fn gp_01_gp_02_gp_03_identity_headers_of_the_browser_reach_no_origin(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    // Over HTTP it may be renewed meanwhile; the sign-in session it is from stays.
    let session = |token: &str| tests::pair::claims(token)["sid"].clone();
    let ours = session(&guest.token().expect("a token"));
    for name in SPOOFED {
        for spelling in spellings(name) {
            // Bearer, so that the one of them that is a credential looks like one.
            let spoof = |raw: Raw| raw.header(&spelling, "Bearer spoofed").header("x-csrf", "1");
            let what = format!("{} {spelling}", pair.mode);
            for path in ["/echo", "/api/echo"] {
                let echo = Echo::of(&pair.send(&spoof(guest.raw("GET", path))));
                assert_clean(&echo, &what);
                assert_eq!(echo.token().map(session), Some(ours.clone()), "{what}: once, and ours");
                let nobody = pair.send(&spoof(Raw::get(path)));
                assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "{what}");
            }
            for raw in [Raw::get("/public/echo"), guest.raw("GET", "/public/echo")] {
                let echo = Echo::of(&pair.send(&spoof(raw)));
                assert_clean(&echo, &what);
                assert_eq!(echo.header("authorization"), None, "{what}");
            }
        }
    }
    for method in ["OPTIONS", "POST", "PUT", "DELETE", "PROPFIND"] {
        for path in ["/echo", "/api/echo", "/public/echo"] {
            let raw = guest.raw(method, path).header("x-csrf", "1");
            let raw = SPOOFED.iter().fold(raw, |raw, name| raw.header(name, "Bearer spoofed"));
            assert_clean(&Echo::of(&pair.send(&raw)), method);
        }
    }
}

fn gp_07_an_authorization_header_of_the_browser_opens_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let token = guest.token().expect("a token");
    // Not even our own access token, which no browser ever had.
    for value in [format!("Bearer {token}"), "Basic cm9vdDpyb290".to_owned(), "Bearer x".to_owned()]
    {
        for path in ["/echo", "/api/echo"] {
            let answer = pair.send(&Raw::get(path).header("authorization", &value));
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{value}");
        }
        let echo = Echo::of(&pair.send(&Raw::get("/public/echo").header("authorization", &value)));
        assert_eq!(echo.header("authorization"), None);
        let echo = Echo::of(&pair.send(&guest.raw("GET", "/echo").header("authorization", &value)));
        assert_eq!(echo.token(), Some(token.as_str()));
    }
}

fn gp_05_nothing_that_we_inject_can_be_named_away(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for named in [
        "close, authorization",
        "Authorization, X-Forwarded-Proto, X-Forwarded-Host",
        "authorization,authorization, ,",
    ] {
        let raw = guest.raw("GET", "/echo").header("connection", named);
        let echo = Echo::of(&pair.send(&raw));
        assert!(echo.token().is_some(), "{named}");
        assert_eq!(echo.header("x-forwarded-proto"), Some("http"), "{named}");
    }
    // A cookie that was named away stays away, and so does ours.
    let both = format!("a=1; {}", guest.session());
    let raw = Raw::get("/echo").header("cookie", &both).header("connection", "close, cookie");
    assert_eq!(Echo::of(&pair.send(&raw)).header("cookie"), None);
}

fn gp_04_a_header_sent_twice_is_stripped_twice(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let twice = [
        ("X-Forwarded-User", "spoofed"),
        ("x-forwarded-user", "spoofed, root"),
        ("X_Forwarded_User", "spoofed"),
        ("Authorization", "Bearer spoofed"),
        ("authorization", "Bearer spoofed"),
        ("X-Forwarded-Proto", "spoofed"),
        ("X-Forwarded-Proto", "spoofed"),
    ];
    for path in ["/echo", "/api/echo", "/public/echo"] {
        let echo = Echo::of(&pair.send(&guest.raw("GET", path).headers(&twice)));
        assert_clean(&echo, path);
        assert_eq!(echo.header("x-forwarded-proto"), Some("http"));
    }
}

fn gp_06_headers_for_one_hop_go_no_further(pair: &Pair) {
    let hops = [
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-checksum"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authenticate", "x"),
        ("x-hop", "1"),
        ("connection", "close, x-hop"),
    ];
    let echo = Echo::of(&pair.send(&Raw::get("/public/echo").headers(&hops)));
    for (name, value) in hops {
        // The runtime may have a `Connection` of its own for its own hop.
        let gone = echo.header(name).is_none_or(|got| name == "connection" && got != value);
        assert!(gone, "{name}: {:?}", echo.header(name));
    }
}

fn gp_14_options_without_a_session_reaches_no_protected_route(pair: &Pair) {
    let asks = [("origin", "https://evil.test"), ("access-control-request-method", "PUT")];
    for path in ["/echo", "/api/echo"] {
        assert_eq!(pair.send(&Raw::new("OPTIONS", path)).status(), StatusCode::UNAUTHORIZED);
        let preflight = pair.send(&Raw::new("OPTIONS", path).headers(&asks));
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
        assert!(
            !preflight.headers().keys().any(|name| name.as_str().starts_with("access-control"))
        );
        // With a session it is no more: no browser sends cookies with a preflight.
        let guest = Guest::alice(pair);
        assert!(!is_echo(&pair.send(&guest.raw("OPTIONS", path).headers(&asks))));
    }
    let public = pair.send(&Raw::new("OPTIONS", "/public/echo").headers(&asks));
    assert!(is_echo(&public), "a public route is the origin's business");
}

fn gp_20_an_odd_cookie_header_never_hides_our_cookie(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let session = guest.session();
    for cookies in [
        format!(";;{session};;"),
        format!("a=1;\t{session}"),
        format!("a=1,{session}"),
        format!("$Version=1; {session}"),
        session.to_uppercase(),
        session.replace("__Host-gatelatch", "__hOST-GATELATCH"),
        format!("a=\"b; {session}; c=\"d\""),
        format!("{session}; {session}"),
        format!("{session}=x"),
    ] {
        let echo = Echo::of(&pair.send(&Raw::get("/public/echo").header("cookie", &cookies)));
        let got = echo.header("cookie").unwrap_or_default().to_lowercase();
        assert!(!got.contains("gatelatch"), "{cookies}: {got}");
    }
    let two = Raw::get("/public/echo").header("cookie", "a=1").header("Cookie", &session);
    let echo = Echo::of(&pair.send(&two));
    // Some servers make one header of two, with a comma between them; then both cookies go.
    assert!(echo.header("cookie").is_none_or(|rest| rest.trim() == "a=1"));
}

fn gp_31_the_origin_is_told_scheme_and_host_by_us_alone(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let spoofed = [
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-port", "443"),
        ("cf-connecting-ip", "127.0.0.1"),
    ];
    for raw in [guest.raw("GET", "/echo"), Raw::get("/public/echo")] {
        let echo = Echo::of(&pair.send(&raw.headers(&spoofed)));
        assert_eq!(echo.header("x-forwarded-host"), Some(pair.authority()));
        assert_eq!(echo.header("x-forwarded-proto"), Some("http"));
        for name in ["x-forwarded-for", "x-forwarded-port", "cf-connecting-ip"] {
            assert_eq!(echo.header(name), None, "nobody said where it came from");
        }
    }
}

fn other_headers_arrive_as_they_were_sent(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let kept = [
        ("accept", "text/html;q=0.9, */*"),
        ("accept-language", "de-DE,de;q=0.9"),
        ("if-none-match", "W/\"x\""),
        ("range", "bytes=0-1"),
        ("referer", "https://elsewhere.test/?x"),
        ("user-agent", "GoogleHC/1.0"),
        ("x-request-id", "a-1"),
        ("x-csrf", "1"),
        ("origin", "https://elsewhere.test"),
    ];
    for raw in [guest.raw("GET", "/echo"), Raw::get("/public/echo")] {
        let echo = Echo::of(&pair.send(&raw.headers(&kept)));
        for (name, value) in kept {
            assert_eq!(echo.header(name), Some(value));
        }
    }
}

fn gp_15_a_get_or_head_with_a_body_is_a_400_and_reaches_nobody(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for method in ["GET", "HEAD"] {
        for path in ["/echo", "/api/echo", "/public/echo", "/auth/session"] {
            let answer = pair.send(&guest.raw(method, path).body("hello"));
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{method} {path}");
        }
    }
    if let Some(gate) = pair.needs_clock() {
        assert!(gate.reached().is_empty());
    }
    assert!(guest.token().is_some());
}
