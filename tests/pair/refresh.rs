//! When access tokens run out: one token call, whoever waits, and no session lost by trouble.

use http::StatusCode;
use http::header::RETRY_AFTER;
use shared::fetch::Response;
use std::collections::BTreeSet;
use tests::guest::{Guest, NAVIGATION};
use tests::line::Fault;
use tests::origin::Echo;
use tests::pair::{Pair, claims};
use tests::raw::Raw;

in_every_mode! {
    gr_01_gr_16_a_hundred_requests_at_once_get_one_new_token
    gr_04_trouble_at_the_issuer_keeps_the_session_and_says_when_to_come_back
    gr_05_invalid_grant_ends_the_session_once
    gr_06_a_lost_answer_costs_nobody_the_session
    gr_12_clocks_five_minutes_apart_neither_loop_nor_sign_out
    gp_25_no_expired_token_is_ever_forwarded
    gp_28_a_body_arrives_once_and_whole_while_the_token_is_renewed
    pa_02_while_the_issuer_is_away_a_live_token_is_served
    pa_03_keys_that_rotate_during_sign_ins_fail_nobody
    pa_08_a_family_ended_at_the_issuer_ends_the_session_at_the_next_refresh
}
in_one_mode! {
    gr_02_sessions_refresh_independently
    gr_03_who_waits_too_long_is_told_and_keeps_the_session
    gr_08_a_write_that_fails_after_the_answer_loses_nothing
    gr_09_an_eviction_during_a_refresh_loses_nothing
    gr_13_a_token_of_five_seconds_costs_one_call_in_five_seconds
    pa_11_signing_in_works_within_the_skew_and_never_loops
}

fn tokens(answers: &[Response]) -> BTreeSet<String> {
    let token = |answer| Echo::of(answer).token().expect("a token").to_owned();
    answers.iter().map(token).collect()
}

fn jti(token: &str) -> String {
    claims(token)["jti"].to_string()
}

fn gr_01_gr_16_a_hundred_requests_at_once_get_one_new_token(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let before = guest.token().expect("a token");
    pair.outlive_access_tokens();
    let answers = pair.send_all(&vec![guest.raw("GET", "/echo"); 100]);
    let after = tokens(&answers);
    let ids: BTreeSet<_> = after.iter().map(|token| jti(token)).collect();
    assert_eq!(ids.len(), 1, "one successor");
    assert!(!ids.contains(&jti(&before)));
    if pair.mode != "sealed" {
        assert_eq!(after.len(), 1, "one answer");
    }
    assert!(!answers.iter().any(deletes_a_cookie), "nobody is signed out");
    // In one process it can be counted: the first is the sign-in's.
    if let Some(gate) = pair.needs_clock() {
        let calls = gate.line.token_calls() - 1;
        assert_eq!(calls, if pair.mode == "sealed" { 100 } else { 1 });
        assert!(guest.token().is_some(), "and the cookie of before is still good");
        let again = pair.send_all(&vec![guest.raw("GET", "/echo"); 100]);
        assert_eq!(again.iter().filter(|answer| answer.status() == 200).count(), 100);
    }
}

fn gr_02_sessions_refresh_independently(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guests: Vec<_> = (0..20).map(|_| Guest::signed_in(pair)).collect();
    gate.pass(300);
    let raws: Vec<_> =
        (0..10).flat_map(|_| guests.iter().map(|guest| guest.raw("GET", "/echo"))).collect();
    assert_eq!(tokens(&pair.send_all(&raws)).len(), 20);
    assert_eq!(gate.line.token_calls(), 40);
}

fn gr_03_who_waits_too_long_is_told_and_keeps_the_session(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.line.set(Fault::Slow(3 * tests::objects::PATIENCE));
    // Almost over: the old token serves those who lose patience.
    gate.pass(299);
    let answers = pair.send_all(&vec![guest.raw("GET", "/echo"); 10]);
    assert_eq!(tokens(&answers).len(), 1);
    // Over: nothing serves them, and nothing is lost.
    gate.pass(300);
    for answer in pair.send_all(&vec![guest.raw("GET", "/echo"); 10]) {
        unavailable(&answer, "too slow");
    }
    gate.line.set(Fault::Nothing);
    assert!(guest.token().is_some());
    assert_eq!(gate.line.token_calls(), 3, "the slow answers were good ones");
}

/// 503, with the time to wait, which is the answer of this; nobody is signed out by it.
fn unavailable(answer: &Response, what: &str) -> u64 {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}");
    assert!(!deletes_a_cookie(answer), "{what}");
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("no-store"), "{what}");
    answer.headers()[RETRY_AFTER].to_str().unwrap().parse().expect("seconds")
}

fn deletes_a_cookie(answer: &Response) -> bool {
    let mut lines = answer.headers().get_all("set-cookie").iter();
    lines.any(|line| line.to_str().unwrap().ends_with("Max-Age=0"))
}

fn gr_04_trouble_at_the_issuer_keeps_the_session_and_says_when_to_come_back(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    for fault in [Fault::Down, Fault::Status(500), Fault::Status(502), Fault::Status(429)] {
        let guest = Guest::signed_in(pair);
        let subject = guest.whoami()["subject"].clone();
        // Soon over, but not yet: nobody notices.
        gate.pass(290);
        gate.line.set(fault);
        let calls = gate.line.token_calls();
        for _ in 0..10 {
            assert!(guest.token().is_some(), "{fault:?}");
        }
        assert!(gate.line.token_calls() - calls <= 1, "{fault:?}: it is left alone");
        gate.pass(10);
        let mut wait = 0;
        for _ in 0..10 {
            wait = unavailable(&guest.script("/echo"), &format!("{fault:?}"));
            unavailable(&guest.script("/api/echo"), "also there");
            unavailable(&guest.script("/auth/session"), "also there");
        }
        let page = guest.navigate("/echo");
        unavailable(&page, "a page");
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!((1..=60).contains(&wait), "{fault:?}: {wait}");
        if let Fault::Status(_) = fault {
            assert!(gate.line.token_calls() - calls <= 3, "{fault:?}");
        }
        gate.line.set(Fault::Nothing);
        gate.pass(wait);
        assert_eq!(guest.whoami()["subject"], subject, "{fault:?}: the session is there");
        assert!(guest.token().is_some());
    }
}

fn gr_05_invalid_grant_ends_the_session_once(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    // Everything of the grant is revoked, as by an administrator.
    let token = gate.line.calls("/token")[0].given.clone().unwrap();
    let auth = tests::client::Auth::Basic("gateway-secret");
    let revoke = tests::client::Draft::post("/revoke", &[("token", &token)]).auth("gateway", auth);
    assert!(revoke.send(&pair.issuer).status().is_success());
    gate.pass(300);
    let calls = gate.line.token_calls();
    let kept = guest.raw("GET", "/echo");
    let answers = pair.send_all(&vec![kept.clone(); 100]);
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::UNAUTHORIZED));
    assert!(answers.iter().all(deletes_a_cookie), "the cookie goes");
    let sent =
        pair.send(&Raw::get("/echo").headers(&NAVIGATION).header("cookie", &guest.session()));
    assert_eq!(sent.status(), StatusCode::FOUND, "a person may sign in again");
    if pair.mode != "sealed" {
        pair.send_all(&vec![kept; 100]);
        assert_eq!(gate.line.token_calls() - calls, 1, "and the issuer is left alone");
    }
}

fn gr_06_a_lost_answer_costs_nobody_the_session(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    for round in 0..3 {
        gate.pass(300);
        gate.line.set(Fault::Lost(1));
        let wait = unavailable(&guest.script("/echo"), "lost");
        let lost = gate.line.calls("/token").last().unwrap().clone();
        assert!(lost.given.is_some(), "the issuer had rotated");
        gate.pass(wait);
        let token = guest.token().unwrap_or_else(|| panic!("round {round}: signed out"));
        let again = gate.line.calls("/token").last().unwrap().clone();
        assert_eq!((again.token, again.given), (lost.token, lost.given), "the same answer");
        assert!(!jti(&token).is_empty());
    }
}

fn gr_08_a_write_that_fails_after_the_answer_loses_nothing(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    for mode in ["hybrid", "durable", "kv", "postgres"] {
        for failures in [1, 2, 3] {
            let pair = Pair::in_process(mode, |_, _| {});
            let gate = pair.needs_clock().unwrap_or(gate);
            let guest = Guest::signed_in(&pair);
            gate.pass(300);
            gate.objects.fail_writes(failures);
            for _ in 0..3 {
                let status = guest.script("/echo").status();
                assert!(status == 200 || status == 503, "{mode} {failures}: {status}");
                gate.pass(15);
            }
            assert!(guest.token().is_some(), "{mode}, {failures} failed writes");
        }
    }
}

fn gr_09_an_eviction_during_a_refresh_loses_nothing(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    for mode in ["hybrid", "durable"] {
        for turns in 0..12 {
            let pair = Pair::in_process(mode, |_, _| {});
            let Some(gate) = pair.needs_clock() else { return };
            let guest = Guest::signed_in(&pair);
            gate.pass(300);
            gate.line.set(Fault::Slow(5));
            gate.begin(&guest.raw("GET", "/echo"), turns);
            gate.objects.evict();
            gate.line.set(Fault::Nothing);
            let status = guest.script("/echo").status();
            assert!(status == 200 || status == 503, "{mode}, {turns} turns: {status}");
            gate.pass(12);
            assert!(guest.token().is_some(), "{mode}, {turns} turns: the lease runs out");
        }
    }
}

fn gr_12_clocks_five_minutes_apart_neither_loop_nor_sign_out(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    for ahead in [300, -300] {
        gate.set_ahead(0);
        let guest = Guest::signed_in(pair);
        gate.set_ahead(ahead);
        let calls = gate.line.token_calls();
        for _ in 0..60 {
            assert!(guest.token().is_some(), "{ahead}");
            gate.pass(20);
        }
        // 1200 seconds and a token of 300.
        let spent = gate.line.token_calls() - calls;
        assert!((3..=7).contains(&spent), "{ahead}: {spent} calls");
        gate.set_ahead(0);
    }
}

fn gr_13_a_token_of_five_seconds_costs_one_call_in_five_seconds(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    let pair = Pair::in_process("hybrid", |idp, _| {
        idp.insert("ACCESS_TOKEN_SECONDS".into(), 5.into());
    });
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(&pair);
    for _ in 0..50 {
        for answer in pair.send_all(&vec![guest.raw("GET", "/echo"); 5]) {
            assert_eq!(answer.status(), StatusCode::OK);
        }
        gate.pass(1);
    }
    let calls = gate.line.token_calls();
    assert!((9..=12).contains(&calls), "{calls}");
}

fn gp_25_no_expired_token_is_ever_forwarded(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    for _ in 0..90 {
        let token = guest.token().expect("a token");
        let ends = claims(&token)["exp"].as_u64().unwrap();
        assert!(ends > pair.issuer.now().0, "{} s late", pair.issuer.now().0 - ends);
        gate.pass(7);
    }
}

fn gp_28_a_body_arrives_once_and_whole_while_the_token_is_renewed(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let before = guest.token().expect("a token");
    pair.outlive_access_tokens();
    let body = tests::origin::pattern(2_000_000);
    let raw = guest.raw("POST", "/echo").header("x-csrf", "1").body(body.clone());
    let echo = Echo::of(&pair.send(&raw));
    assert_eq!(echo.body.length, body.len());
    assert_eq!(echo.body.sha256, tests::origin::sha256(&body));
    assert_ne!(echo.token(), Some(before.as_str()));
    if let Some(gate) = pair.needs_clock() {
        let posts = gate.reached().into_iter().filter(|sent| sent.method() == "POST").count();
        assert_eq!(posts, 1);
    }
}

fn pa_02_while_the_issuer_is_away_a_live_token_is_served(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.line.set(Fault::Down);
    for _ in 0..29 {
        assert!(guest.token().is_some());
        gate.pass(10);
    }
    gate.pass(10);
    unavailable(&guest.script("/echo"), "it is over");
    // Nobody can sign in, and is told so.
    let stranger = Guest::alice(pair);
    assert_eq!(stranger.navigate("/echo").status(), StatusCode::FOUND);
    let status = stranger.navigate("/auth/login").status();
    // What is known of the issuer sends them there still.
    assert!(status == 303 || status == 502, "{status}");
    gate.line.set(Fault::Nothing);
    gate.pass(60);
    assert!(guest.token().is_some(), "and the session is there when it comes back");
}

fn pa_03_keys_that_rotate_during_sign_ins_fail_nobody(pair: &Pair) {
    let Some(_) = pair.needs_clock() else { return };
    let pair = Pair::in_process(pair.mode, |idp, gateway| {
        idp.insert("KEY_ROTATION_SECONDS".into(), 3600.into());
        gateway.insert("SESSION_IDLE_SECONDS".into(), 36_000.into());
    });
    let Some(gate) = pair.needs_clock() else { return };
    let standing = Guest::signed_in(&pair);
    let mut kids = BTreeSet::new();
    for _ in 0..40 {
        let guest = Guest::alice(&pair);
        let flow = guest.start("/");
        let callback = guest.answer(&flow);
        gate.pass(17);
        assert_eq!(guest.browser.get(&callback).status(), StatusCode::SEE_OTHER);
        let token = guest.token().expect("signed in");
        let header = token.split('.').next().unwrap().to_owned();
        tests::believe::access_token(&pair.issuer, &token, tests::pair::AUDIENCE).expect("good");
        kids.insert(header);
        assert!(standing.token().is_some());
        gate.pass(283);
    }
    assert!(kids.len() >= 3, "keys rotated: {}", kids.len());
}

fn pa_08_a_family_ended_at_the_issuer_ends_the_session_at_the_next_refresh(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let (thief, other) = (Guest::signed_in(pair), Guest::signed_in(pair));
    let first = gate.line.calls("/token")[0].given.clone().unwrap();
    gate.pass(300);
    assert!(thief.token().is_some() && other.token().is_some());
    gate.pass(300);
    assert!(thief.token().is_some() && other.token().is_some());
    // The first refresh token comes back, two generations late.
    let client = tests::client::Client {
        id: "gateway",
        auth: tests::client::Auth::Basic("gateway-secret"),
        redirect_uri: "",
    };
    tests::expect::invalid_grant(&client.refresh(&first).send(&pair.issuer), "reused");
    gate.pass(300);
    assert!(thief.token().is_none(), "its family is gone");
    assert!(other.token().is_some(), "and no other");
}

fn pa_11_signing_in_works_within_the_skew_and_never_loops(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    for ahead in [-600, -300, -60, -5, 5, 60, 300, 600] {
        for mode in ["hybrid", "durable", "kv", "postgres", "sealed"] {
            let pair = Pair::in_process(mode, |_, _| {});
            let Some(gate) = pair.needs_clock() else { return };
            gate.set_ahead(ahead);
            let guest = Guest::alice(&pair);
            let back = guest.browser.get(&guest.answer(&guest.start("/echo")));
            let signed_in = back.status() == StatusCode::SEE_OTHER;
            assert!(signed_in || back.status() == StatusCode::BAD_GATEWAY, "{}", back.status());
            assert!(signed_in || ahead.abs() > 60, "{ahead} s is within the budget");
            assert_eq!(guest.token().is_some(), signed_in, "{ahead} {mode}: no loop");
        }
    }
}
