//! Signing in: from a page to the issuer and back to the very page.

use http::header::{LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use std::collections::BTreeSet;
use tests::believe;
use tests::expect::header;
use tests::guest::{FLOW, Flow, Guest, NAVIGATION, SESSION, location};
use tests::origin::Echo;
use tests::pair::{AUDIENCE, Pair};
use tests::raw::Raw;

in_every_mode! {
    gc_15_a_person_arrives_at_the_very_path_that_was_asked_for
    gp_20_an_origin_sees_our_token_and_never_our_cookie
    gl_08_five_tabs_finish_in_any_order
    gl_11_signing_in_again_changes_the_session_cookie_and_ends_the_old_session
    gs_18_two_browsers_of_one_person_have_two_sessions
    pa_13_the_cookies_of_both_on_one_host_do_not_collide
}
in_one_mode! {
    gl_03_no_parameter_of_the_authorization_request_comes_from_outside
    gl_07_a_flow_cookie_has_every_attribute_and_lasts_ten_minutes
    gl_09_five_hundred_sign_ins_that_nobody_finishes_leave_few_cookies
    gl_10_a_forced_sign_in_leaves_the_session_alone
    gl_12_other_methods_start_nothing
    gl_13_values_of_five_hundred_flows_are_all_different
    gl_14_a_script_is_told_and_a_person_is_sent_to_sign_in
    gl_15_the_redirect_uri_does_not_come_from_the_host_header
    gl_10_a_flow_older_than_ten_minutes_is_over
}

fn gc_15_a_person_arrives_at_the_very_path_that_was_asked_for(pair: &Pair) {
    let guest = Guest::alice(pair);
    let path = "/echo?a=b%20c&d=%2F&e=%C3%A9&f";
    let sent = guest.navigate(path);
    assert_eq!(sent.status(), StatusCode::FOUND);
    let login = location(&sent);
    assert!(login.starts_with("/auth/login?return_to="), "{login}");
    let flow = Flow::of(&guest.browser.get(&pair.at(&login)));
    assert!(flow.url.starts_with(&pair.issuer.at("/authorize?")), "{}", flow.url);
    let back = guest.browser.get(&guest.answer(&flow));
    assert_eq!((back.status(), location(&back)), (StatusCode::SEE_OTHER, path.to_owned()));
    assert_eq!(header(&back, "referrer-policy"), "no-referrer");
    assert_eq!(header(&back, "cache-control"), "no-store");
    let echo = Echo::of(&guest.navigate(path));
    assert_eq!((echo.url.as_str(), echo.method.as_str()), (path, "GET"));
    assert!(guest.cookies_like(FLOW).is_empty(), "the flow is used up");
}

fn gp_20_an_origin_sees_our_token_and_never_our_cookie(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let ours = guest.session();
    let cookies = format!("a=1;b=\"2 3\"; {ours}; __HOST-Gatelatch-x=y;c=%zz==; d");
    let echo = Echo::of(&pair.send(&Raw::get("/echo").header("cookie", &cookies)));
    assert_eq!(echo.header("cookie"), Some("a=1;b=\"2 3\";c=%zz==; d"));
    let alone = Echo::of(&pair.send(&guest.raw("GET", "/echo")));
    assert_eq!(alone.header("cookie"), None);
    let token = alone.token().expect("a token");
    let claims = believe::access_token(&pair.issuer, token, AUDIENCE).expect("a token to believe");
    assert_eq!(claims["client_id"], "gateway");
    // Of somebody else's cookies, untouched when there are none of ours.
    let public = Raw::get("/public/echo").header("cookie", "x=y;;z");
    assert_eq!(Echo::of(&pair.send(&public)).header("cookie"), Some("x=y;;z"));
    let public = Raw::get("/public/echo").header("cookie", &format!("x=y; {ours}"));
    assert_eq!(Echo::of(&pair.send(&public)).header("cookie"), Some("x=y"));
}

fn gl_08_five_tabs_finish_in_any_order(pair: &Pair) {
    let guest = Guest::alice(pair);
    let flows: Vec<_> = (0..5).map(|n| guest.start(&format!("/tab/{n}"))).collect();
    assert_eq!(guest.cookies_like(FLOW).len(), 5);
    for n in [3, 0, 4, 2, 1] {
        let back = guest.browser.get(&guest.answer(&flows[n]));
        assert_eq!((back.status(), location(&back)), (StatusCode::SEE_OTHER, format!("/tab/{n}")));
        assert!(guest.token().is_some());
    }
    assert!(guest.cookies_like(FLOW).is_empty());
}

fn gl_11_signing_in_again_changes_the_session_cookie_and_ends_the_old_session(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let before = guest.copy();
    guest.sign_in();
    assert_ne!(before.session(), guest.session());
    assert!(guest.token().is_some());
    pair.outlive_freshness();
    pair.outlive_access_tokens();
    assert!(before.token().is_none(), "the old session ended with the new one's beginning");
    assert!(guest.token().is_some());
}

fn gs_18_two_browsers_of_one_person_have_two_sessions(pair: &Pair) {
    let (one, other) = (Guest::signed_in(pair), Guest::signed_in(pair));
    assert_ne!(one.session(), other.session());
    one.sign_out();
    pair.outlive_freshness();
    assert!(other.token().is_some());
    let bob = Guest::bob(pair);
    bob.sign_in();
    assert_ne!(bob.whoami()["subject"], other.whoami()["subject"]);
}

fn pa_13_the_cookies_of_both_on_one_host_do_not_collide(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let ours = guest.cookies_like("__Host-gatelatch");
    let sessions = guest.cookies_like(SESSION).len();
    assert!(ours.len() > sessions, "the issuer has cookies here too: {}", ours.len());
    // Ports share their cookies: each of the two gets the other's, and neither minds.
    assert!(guest.token().is_some());
    assert_eq!(guest.browser.get(&guest.start("/").url).status(), StatusCode::SEE_OTHER);
}

fn gl_03_no_parameter_of_the_authorization_request_comes_from_outside(pair: &Pair) {
    let plain = Guest::alice(pair).start("/");
    for query in [
        "scope=admin&prompt=consent&redirect_uri=https://evil.test&client_id=evil&state=x&nonce=y",
        "return_to=/x%3Fclient_id%3Devil%26redirect_uri%3Dhttps://evil.test%26prompt%3Dnone",
        "return_to=/%26client_id%3Devil&return_to=/%26scope%3Dadmin",
        "return_to=/%0d%0aSet-Cookie:a%3Db&code_challenge=x&login_hint=root&max_age=0&acr_values=1",
    ] {
        let answer = pair.send(&Raw::get(&format!("/auth/login?{query}")));
        let flow = Flow::of(&answer);
        assert_eq!(flow.asked.keys().collect::<Vec<_>>(), plain.asked.keys().collect::<Vec<_>>());
        for name in ["client_id", "redirect_uri", "scope", "response_type"] {
            assert_eq!(flow.asked[name], plain.asked[name], "{query}");
        }
        for name in ["state", "nonce", "code_challenge"] {
            assert_ne!(flow.asked[name], plain.asked[name], "{query}");
            assert_eq!(flow.asked[name].len(), 43, "{query}");
        }
        assert!(!flow.url.contains("evil"), "{query}");
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
        assert!(lines.len() == 1 && lines[0].to_str().unwrap().starts_with(FLOW), "{query}");
    }
    assert_eq!(plain.asked["redirect_uri"], pair.at("/auth/callback"));
    assert_eq!(plain.asked["code_challenge_method"], "S256");
}

fn gl_07_a_flow_cookie_has_every_attribute_and_lasts_ten_minutes(pair: &Pair) {
    let answer = pair.send(&Raw::get("/auth/login"));
    let line = header(&answer, "set-cookie");
    assert!(line.starts_with(FLOW), "{line}");
    assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"), "{line}");
    let flow = Flow::of(&answer);
    for secret in ["state", "nonce", "code_challenge"] {
        assert!(!line.contains(&flow.asked[secret]), "{secret} can be read");
    }
}

fn gl_09_five_hundred_sign_ins_that_nobody_finishes_leave_few_cookies(pair: &Pair) {
    let guest = Guest::alice(pair);
    let mut last = None;
    for n in 0..500 {
        last = Some(guest.start(&format!("/{n}{}", "x".repeat(1500))));
        assert!(guest.cookies_like(FLOW).len() <= 5);
        assert!(guest.cookies().len() < 8192, "{}", guest.cookies().len());
    }
    let back = guest.browser.get(&guest.answer(&last.expect("a flow")));
    assert!(location(&back).starts_with("/499x"));
}

fn gl_10_a_forced_sign_in_leaves_the_session_alone(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let before = guest.session();
    let lines = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    guest.send(&Method::GET, "/auth/login?return_to=/", &lines);
    assert_eq!(guest.session(), before);
    assert!(guest.token().is_some());
}

fn gl_12_other_methods_start_nothing(pair: &Pair) {
    for path in ["/auth/login", "/auth/callback", "/auth/session"] {
        for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = pair.send(&Raw::new(method, path));
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(header(&answer, "allow"), "GET");
            assert!(!answer.headers().contains_key(SET_COOKIE) && answer.body().is_empty());
        }
    }
}

fn gl_13_values_of_five_hundred_flows_are_all_different(pair: &Pair) {
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        let flow = Flow::of(&pair.send(&Raw::get("/auth/login")));
        for name in ["state", "nonce", "code_challenge"] {
            assert!(seen.insert(flow.asked[name].clone()), "{name} came twice");
        }
    }
}

fn gl_14_a_script_is_told_and_a_person_is_sent_to_sign_in(pair: &Pair) {
    let guest = Guest::alice(pair);
    for (path, page) in [("/echo", true), ("/api/echo", false)] {
        let told = guest.script(path);
        let body: serde_json::Value = serde_json::from_slice(told.body()).expect("JSON");
        assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(body["error"], "login_required");
        assert_eq!(body["login_url"], "/auth/login?return_to=%2F");
        assert_eq!(header(&told, "content-type"), "application/json");
        assert!(header(&told, "www-authenticate").starts_with("Cookie "));
        let sent = guest.navigate(path);
        let wanted = if page { StatusCode::FOUND } else { StatusCode::UNAUTHORIZED };
        assert_eq!(sent.status(), wanted, "{path}");
        for answer in [told, sent] {
            assert_eq!(header(&answer, "cache-control"), "no-store");
            assert!(header(&answer, "vary").contains("Cookie"));
            assert!(!answer.headers().contains_key(SET_COOKIE));
        }
    }
    let referer = pair.at("/page?x=1");
    let told = guest.send(&Method::GET, "/api/echo", &[("referer", &referer)]);
    assert!(location(&told).ends_with("return_to=%2Fpage%3Fx%3D1"));
    for (method, lines, status) in [
        ("GET", &[("accept", "application/json")][..], 401),
        ("GET", &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], 401),
        ("GET", &[("accept", "text/html")], 302),
        ("HEAD", &NAVIGATION, 302),
        ("GET", &[], 401),
        ("OPTIONS", &[], 401),
        ("POST", &[("x-csrf", "1")], 401),
        ("PROPFIND", &[("x-csrf", "1")], 401),
    ] {
        let answer = pair.send(&Raw::new(method, "/echo").headers(lines));
        assert_eq!(answer.status(), status, "{method} {lines:?}");
    }
}

fn gl_15_the_redirect_uri_does_not_come_from_the_host_header(pair: &Pair) {
    let raw = Raw::get("http://evil.test/auth/login").header("x-forwarded-host", "evil.test");
    let flow = Flow::of(&pair.send(&raw));
    assert_eq!(flow.asked["redirect_uri"], pair.at("/auth/callback"));
    let sent = pair.send(&Raw::get("http://evil.test/echo").headers(&NAVIGATION));
    assert!(sent.headers()[LOCATION].to_str().unwrap().starts_with("/auth/login?"));
}

fn gl_10_a_flow_older_than_ten_minutes_is_over(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::alice(pair);
    let flow = guest.start("/");
    gate.pass(570);
    let (callback, late) = (guest.answer(&flow), guest.copy());
    gate.pass(30);
    assert_eq!(late.browser.get(&callback).status(), StatusCode::BAD_REQUEST);
    assert_eq!(gate.line.token_calls(), 0);
}
