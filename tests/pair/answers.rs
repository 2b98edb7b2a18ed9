//! What comes back from the origin: whole, as it was, and kept by nobody else.

use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use tests::expect::header;
use tests::guest::{Guest, NAVIGATION, SESSION};
use tests::origin::{Echo, pattern, sha256};
use tests::pair::Pair;
use tests::raw::{Raw, chunk};

in_every_mode! {
    cc_01_what_somebody_signed_in_was_sent_is_kept_by_nobody_else
    cc_02_an_answer_that_sets_our_cookie_is_kept_by_nobody
    cc_05_nothing_of_the_gateways_own_is_kept
}
in_one_mode! {
    gp_21_an_origin_cannot_set_or_clear_our_cookies
    gp_22_a_redirect_of_the_origin_is_the_browsers_to_follow
    gp_27_bodies_go_through_whole_in_both_directions
    gp_27_answers_without_a_body_stay_without_one
    gp_26_gp_27_statuses_come_through_and_end_no_session
    gp_27_events_arrive_while_they_are_made
    gp_29_an_origin_that_is_away_is_a_502_and_ends_no_session
    several_cookies_of_the_origin_arrive_as_several
    cc_01_what_is_public_stays_cacheable
}

/// Whether a shared cache may keep it.
fn is_cacheable(headers: &HeaderMap) -> bool {
    let control = headers.get("cache-control").map_or("", |value| value.to_str().unwrap());
    let cdn = headers.keys().any(|name| name.as_str().ends_with("cdn-cache-control"));
    control.contains("public") || control.is_empty() || cdn
}

fn cc_01_what_somebody_signed_in_was_sent_is_kept_by_nobody_else(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for path in [
        "/cacheable",
        "/api/cacheable",
        "/echo",
        "/status/404",
        "/status/500",
        "/big?bytes=10",
        "/redirect",
    ] {
        let answer = pair.send(&guest.raw("GET", path));
        assert!(!is_cacheable(answer.headers()), "{path}: {:?}", answer.headers());
        assert!(header(&answer, "cache-control").contains("no-store"), "{path}");
        let varies = answer.headers().get_all("vary").iter();
        let varies: Vec<_> = varies.map(|value| value.to_str().unwrap()).collect();
        assert!(varies.join(",").contains("Cookie"), "{path}: {varies:?}");
    }
    let nobody = pair.send(&Raw::get("/cacheable"));
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&nobody, "cache-control"), "no-store");
}

fn cc_01_what_is_public_stays_cacheable(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for raw in [Raw::get("/public/cacheable"), guest.raw("GET", "/public/cacheable")] {
        let answer = pair.send(&raw);
        assert_eq!(header(&answer, "cache-control"), "public, max-age=3600");
        assert!(!answer.headers().contains_key(SET_COOKIE));
        assert!(!answer.headers().contains_key("vary"), "nothing depends on the cookie");
    }
}

fn cc_02_an_answer_that_sets_our_cookie_is_kept_by_nobody(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    pair.outlive_freshness();
    pair.outlive_access_tokens();
    for path in ["/cacheable", "/cookies"] {
        let answer = pair.send(&guest.raw("GET", path));
        let lines = answer.headers().get_all(SET_COOKIE).iter();
        let ours = lines.filter(|line| line.to_str().unwrap().starts_with(SESSION)).count();
        assert_eq!(ours > 0, !pair.has_handles(), "{path}");
        assert!(
            header(&answer, "cache-control").contains("no-store")
                && !is_cacheable(answer.headers())
        );
        let others = answer.headers().get_all(SET_COOKIE).iter().count() - ours;
        assert_eq!(others, if path == "/cookies" { 2 } else { 0 });
    }
}

fn cc_05_nothing_of_the_gateways_own_is_kept(pair: &Pair) {
    let guest = Guest::alice(pair);
    let flow = guest.start("/");
    let callback = guest.answer(&flow);
    let mut answers = vec![
        guest.browser.get(&callback),
        guest.browser.get(&callback),
        guest.navigate("/auth/login"),
        guest.navigate("/auth/session"),
        guest.navigate("/auth/callback"),
        guest.navigate("/auth/logout"),
        guest.navigate("/auth/nothing"),
        guest.send(&http::Method::POST, "/auth/logout", &[]),
        guest.send(&http::Method::POST, "/auth/login", &[]),
        guest.send(&http::Method::POST, "/echo", &[]),
        pair.send(&Raw::get("/public/%")),
        pair.send(&Raw::get("/echo")),
        pair.send(&Raw::get("/echo").headers(&NAVIGATION)),
        guest.sign_out(),
    ];
    answers.push(guest.navigate("/auth/session"));
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(header(answer, "cache-control"), "no-store", "{n}: {}", answer.status());
        assert_eq!(header(answer, "x-content-type-options"), "nosniff", "{n}");
    }
}

fn gp_21_an_origin_cannot_set_or_clear_our_cookies(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for raw in [guest.raw("GET", "/rude"), Raw::get("/public/rude"), guest.raw("GET", "/api/rude")]
    {
        let answer = pair.send(&raw);
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(lines, ["kept=1; Path=/"]);
        assert_eq!(header(&answer, "clear-site-data"), "\"cache\"");
        // The server's own for its own hop, perhaps; the origin's never.
        assert_ne!(header(&answer, "keep-alive"), "timeout=5");
    }
    assert!(guest.token().is_some());
}

fn gp_22_a_redirect_of_the_origin_is_the_browsers_to_follow(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for raw in [guest.raw("GET", "/redirect"), Raw::get("/public/redirect")] {
        let answer = pair.send(&raw);
        assert_eq!(
            (answer.status(), header(&answer, "location")),
            (StatusCode::FOUND, "/elsewhere")
        );
    }
}

fn gp_27_bodies_go_through_whole_in_both_directions(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for length in [0, 1, 65_536, 1_500_000] {
        let answer = pair.send(&guest.raw("GET", &format!("/big?bytes={length}")));
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(sha256(answer.body()), sha256(&pattern(length)), "{length} bytes down");
        for method in ["POST", "PUT", "PATCH"] {
            let raw = guest.raw(method, "/echo").header("x-csrf", "1").body(pattern(length));
            let echo = Echo::of(&pair.send(&raw));
            assert_eq!((echo.body.length, echo.method.as_str()), (length, method));
            assert_eq!(echo.body.sha256, sha256(&pattern(length)), "{length} bytes up");
        }
    }
}

fn gp_27_answers_without_a_body_stay_without_one(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for (method, path, status) in [
        ("GET", "/status/204", 204),
        ("GET", "/status/304", 304),
        ("HEAD", "/echo", 200),
        ("HEAD", "/big?bytes=1000", 200),
        ("HEAD", "/status/204", 204),
        ("HEAD", "/public/echo", 200),
    ] {
        let answer = pair.send(&guest.raw(method, path));
        assert_eq!((answer.status().as_u16(), answer.body().len()), (status, 0), "{method} {path}");
    }
    // Also when our cookie goes with it.
    pair.outlive_freshness();
    let answer = pair.send(&guest.raw("GET", "/status/204"));
    assert_eq!((answer.status(), answer.body().len()), (StatusCode::NO_CONTENT, 0));
    assert!(answer.headers().contains_key(SET_COOKIE));
}

fn gp_26_gp_27_statuses_come_through_and_end_no_session(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    // An origin that says 401 is passed on; nothing is asked again.
    for status in [200, 201, 206, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 599] {
        let answer = pair.send(&guest.raw("GET", &format!("/status/{status}")));
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    assert!(guest.token().is_some());
    if let Some(gate) = pair.needs_clock() {
        assert_eq!((gate.line.token_calls(), gate.reached().len()), (1, 15));
    }
}

fn gp_27_events_arrive_while_they_are_made(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let raw = guest.raw("GET", "/sse?n=3").header("accept", "text/event-stream");
    let Some((answer, mut reader)) = pair.open(&raw) else { return };
    assert_eq!(header(&answer, "content-type"), "text/event-stream");
    let mut events = Vec::new();
    // One every 200 ms; an answer that was collected first would come as one piece.
    while let Some(piece) = chunk(&mut reader) {
        events.push(String::from_utf8(piece).unwrap());
    }
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2], "id: 3\ndata: event 3 of 3\n\n");
}

fn gp_29_an_origin_that_is_away_is_a_502_and_ends_no_session(pair: &Pair) {
    if pair.needs_clock().is_some() {
        return;
    }
    let guest = Guest::signed_in(pair);
    for (lines, kind) in [(&NAVIGATION[..], "text/html; charset=utf-8"), (&[], "application/json")]
    {
        let answer = pair.send(&guest.raw("GET", "/away").headers(lines));
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(
            (header(&answer, "content-type"), header(&answer, "cache-control")),
            (kind, "no-store")
        );
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    assert!(guest.token().is_some());
}

fn several_cookies_of_the_origin_arrive_as_several(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for raw in [guest.raw("GET", "/cookies"), Raw::get("/public/cookies")] {
        let answer = pair.send(&raw);
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(
            lines,
            [
                "first=1; Path=/; HttpOnly; SameSite=Lax",
                "second=2; Path=/; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
            ]
        );
    }
}
