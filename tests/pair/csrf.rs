//! What another site can cause: nothing that changes anything, and no WebSocket.

use http::StatusCode;
use tests::expect::header;
use tests::guest::Guest;
use tests::origin::{Echo, is_echo};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    cs_01_cs_02_cs_03_cs_04_an_unsafe_request_needs_a_page_of_ours
}
in_one_mode! {
    cs_05_cs_06_cs_08_cs_09_nothing_else_makes_a_request_ours
    cs_10_cs_11_other_origins_are_granted_nothing
    cs_12_a_websocket_from_another_site_is_refused
    cs_14_a_websocket_without_a_session_is_refused
    a_websocket_goes_through_to_the_origin_and_back
    an_origin_that_the_operator_trusts_may_post
}

fn cs_01_cs_02_cs_03_cs_04_an_unsafe_request_needs_a_page_of_ours(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let ours = pair.url().to_owned();
    let other_port = format!("{}1", ours.trim_end_matches(|c: char| c.is_ascii_digit()));
    let [look_alike, slash, upper, secure] = [
        format!("{ours}.evil.test"),
        format!("{ours}/"),
        ours.to_uppercase(),
        ours.replace("http:", "https:"),
    ];
    let allowed: [&[(&str, &str)]; 7] = [
        &[("origin", &ours)],
        &[("origin", &ours), ("sec-fetch-site", "same-origin")],
        &[("origin", &ours), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-origin")],
        // A page of ours that hides where it is; a sandboxed frame is never of the same origin.
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        &[("x-csrf", "1")],
        &[("x-requested-with", "XMLHttpRequest")],
    ];
    let refused: [&[(&str, &str)]; 17] = [
        &[],
        &[("origin", "https://evil.test")],
        &[("origin", "https://evil.test"), ("sec-fetch-site", "same-origin"), ("x-csrf", "1")],
        &[("origin", "null")],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("origin", &look_alike)],
        &[("origin", &slash)],
        &[("origin", &upper)],
        &[("origin", &secure)],
        &[("origin", &other_port)],
        &[("origin", "http://localhost")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-site"), ("x-csrf", "1")],
        &[("x-csrf", "0")],
        &[("origin", &ours), ("origin", "https://evil.test")],
    ];
    for path in ["/echo", "/api/echo"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            for lines in allowed {
                let raw = guest.raw(method, path).headers(lines).body("x=1");
                assert_eq!(Echo::of(&pair.send(&raw)).body.length, 3, "{method} {lines:?}");
            }
            for lines in refused {
                let raw = guest.raw(method, path).headers(lines).body("x=1");
                let answer = pair.send(&raw);
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {lines:?}");
                assert!(!is_echo(&answer));
                // Nor is anybody told whether there is a session.
                let nobody = pair.send(&Raw::new(method, path).headers(lines).body("x=1"));
                assert_eq!(nobody.status(), StatusCode::FORBIDDEN);
            }
        }
    }
    for lines in refused {
        let raw = guest.raw("POST", "/public/echo").headers(lines);
        assert_eq!(Echo::of(&pair.send(&raw)).header("authorization"), None, "no authority");
    }
}

fn cs_05_cs_06_cs_08_cs_09_nothing_else_makes_a_request_ours(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let referer = pair.at("/form");
    for lines in [
        &[("referer", referer.as_str())][..],
        &[("content-type", "text/plain"), ("origin", "https://evil.test")],
        &[("content-type", "application/json"), ("origin", "https://evil.test")],
        &[
            ("origin", "https://evil.test"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-user", "?1"),
        ],
        &[("origin", "https://evil.test"), ("x-http-method-override", "GET")],
    ] {
        let raw = guest.raw("POST", "/api/echo").headers(lines).body("{}");
        assert_eq!(pair.send(&raw).status(), StatusCode::FORBIDDEN, "{lines:?}");
    }
    // What is safe goes by from everywhere: links lead here.
    for method in ["GET", "HEAD"] {
        let lines = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
        let answer = pair.send(&guest.raw(method, "/echo").headers(&lines));
        assert_eq!(answer.status(), StatusCode::OK, "{method}");
    }
}

fn cs_10_cs_11_other_origins_are_granted_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let evil = ("origin", "https://evil.test");
    let preflight = [evil, ("access-control-request-method", "POST")];
    for (raw, varies) in [
        (Raw::new("OPTIONS", "/api/echo").headers(&preflight), true),
        (Raw::get("/api/echo").headers(&[evil]), true),
        (guest.raw("GET", "/api/echo").headers(&[evil]), false),
        (guest.raw("POST", "/api/echo").headers(&[evil]), false),
        (guest.raw("GET", "/auth/session").headers(&[evil]), false),
    ] {
        let answer = pair.send(&raw);
        let granted = |name: &str| name.starts_with("access-control-");
        assert!(!answer.headers().keys().any(|name| granted(name.as_str())), "{raw:?}");
        assert!(!varies || header(&answer, "vary").contains("Origin"), "{raw:?}");
    }
}

/// A WebSocket's opening, RFC 6455 §4.1.
fn opening(raw: Raw) -> Raw {
    raw.headers(&[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ])
}

fn cs_12_a_websocket_from_another_site_is_refused(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for lines in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[],
        &[("x-csrf", "1")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.test"), ("x-csrf", "1")],
    ] {
        for raw in [guest.raw("GET", "/ws"), Raw::get("/ws")] {
            let answer = pair.send(&opening(raw).headers(lines));
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{lines:?}");
        }
    }
    if let Some(gate) = pair.needs_clock() {
        assert!(gate.reached().is_empty(), "before the origin sees it");
    }
}

fn cs_14_a_websocket_without_a_session_is_refused(pair: &Pair) {
    let own = [("origin", pair.url())];
    let answer = pair.send(&opening(Raw::get("/ws")).headers(&own));
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(String::from_utf8_lossy(answer.body()).contains("login_required"));
}

fn a_websocket_goes_through_to_the_origin_and_back(pair: &Pair) {
    use std::io::{Read, Write};
    let guest = Guest::signed_in(pair);
    let raw = opening(guest.raw("GET", "/ws")).header("origin", pair.url());
    let Some((answer, mut reader)) = pair.open(&raw) else { return };
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    // RFC 6455 §1.3: the key of its example and the accept value that belongs to it.
    assert_eq!(header(&answer, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    // §5.7: "Hello", masked as a client must, and what comes back unmasked.
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    reader.get_mut().write_all(&masked).expect("it goes out");
    let mut frame = [0; 7];
    reader.read_exact(&mut frame).expect("a frame");
    assert_eq!(&frame, b"\x81\x05Hello");
}

fn an_origin_that_the_operator_trusts_may_post(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    let pair = Pair::in_process("hybrid", |_, gateway| {
        gateway.insert("TRUSTED_ORIGINS".into(), serde_json::json!(["https://admin.test"]));
    });
    let guest = Guest::signed_in(&pair);
    let post = |origin| guest.raw("POST", "/echo").header("origin", origin);
    assert!(is_echo(&pair.send(&post("https://admin.test"))));
    assert_eq!(pair.send(&post("https://admin.test.evil")).status(), StatusCode::FORBIDDEN);
    assert!(is_echo(&pair.send(&post(pair.url()))));
}
