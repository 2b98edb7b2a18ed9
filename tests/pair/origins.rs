//! A token for each origin: at our own issuer, by a refresh that names a resource and by exchange.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::fetch::Response;
use std::collections::BTreeSet;
use tests::guest::{Guest, location};
use tests::line::Fault;
use tests::origin::Echo;
use tests::pair::{AUDIENCE, Pair, claims};
use url::Url;

in_one_mode! {
    gp_24_every_origin_gets_a_token_for_itself_wherever_sessions_are
    gr_01_requests_for_three_tokens_at_once_cost_three_calls
    gp_23_an_origin_that_is_sent_no_token_is_sent_none_and_still_only_to_who_is_signed_in
    gp_33_nobody_gets_what_was_remembered_of_somebody_else
    gr_06_a_lost_answer_costs_neither_an_origin_nor_the_session
    gp_24_an_origin_that_the_issuer_gives_no_token_for_gets_502_and_others_theirs
    gs_13_what_was_remembered_is_forgotten_within_the_freshness_of_a_cookie
}

const ORDERS: &str = "https://orders.example";
const BILLING: &str = "https://billing.example";
const MODES: [&str; 5] = ["hybrid", "durable", "kv", "postgres", "sealed"];

/// A pair whose gateway has two origins with tokens of their own: `/api` by refresh, `/public` by
/// exchange; one that gets none, and one that is sent the session's.
fn pair(mode: &'static str) -> Pair {
    Pair::in_process(mode, |idp, gateway| {
        let client = &mut idp["CLIENTS"][0];
        client["resources"] = json!([ORDERS, BILLING]);
        client["grant_types"] = json!([
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange"
        ]);
        let origin = "http://localhost:8789";
        gateway.insert("RESOURCE".into(), AUDIENCE.into());
        gateway.insert(
            "ROUTES".into(),
            json!([
                { "prefix": "/api", "origin": origin, "access": "api",
                  "token": { "resource": ORDERS, "scope": "profile" } },
                { "prefix": "/public", "origin": origin, "access": "signed-in",
                  "token": { "resource": BILLING, "by": "exchange", "scope": "email" } },
                { "prefix": "/big", "origin": origin, "access": "signed-in", "token": "none" },
                { "prefix": "/status", "origin": origin, "access": "api",
                  "token": { "resource": ORDERS, "audience": "nobody", "by": "exchange" } },
                { "prefix": "/", "origin": origin, "access": "signed-in" },
            ]),
        );
    })
}

/// The token that reached the origin.
fn token(answer: &Response) -> String {
    Echo::of(answer).token().expect("a token").to_owned()
}

fn aud(token: &str) -> Value {
    claims(token)["aud"].clone()
}

fn asked(guest: &Guest<'_>, path: &str) -> String {
    token(&guest.script(path))
}

fn gp_24_every_origin_gets_a_token_for_itself_wherever_sessions_are(_: &Pair) {
    for mode in MODES {
        let pair = pair(mode);
        let gate = pair.needs_clock().expect("in process");
        let guest = Guest::alice(&pair);
        // What is not named at the sign-in no refresh gives later, RFC 8707 §2.2.
        let begun = location(&guest.browser.get(&pair.at("/auth/login")));
        let begun = Url::parse(&begun).expect("a URL");
        let named: BTreeSet<_> =
            begun.query_pairs().filter(|(name, _)| name == "resource").collect();
        assert_eq!(named.len(), 3, "{mode}");
        guest.sign_in();
        let issuer = pair.issuer.url().to_owned();
        let mut last = BTreeSet::new();
        for round in 0..3 {
            let own = asked(&guest, "/echo");
            assert_eq!(aud(&own), json!([AUDIENCE, issuer]), "{mode}: the session's own");
            let orders = asked(&guest, "/api/echo");
            assert_eq!(aud(&orders), json!([ORDERS]), "{mode}");
            let billing = asked(&guest, "/public/echo");
            assert_eq!(aud(&billing), json!([BILLING]), "{mode}");
            for (token, scope) in [(&orders, "profile"), (&billing, "email")] {
                let said = claims(token);
                assert_eq!(
                    (&said["scope"], &said["client_id"]),
                    (&json!(scope), &json!("gateway"))
                );
                assert_eq!(said["sub"], claims(&own)["sub"]);
            }
            // Each of them again is the same, and costs nothing.
            let calls = gate.line.token_calls();
            let again = BTreeSet::from(
                ["/echo", "/api/echo", "/public/echo"].map(|path| asked(&guest, path)),
            );
            assert_eq!(again, BTreeSet::from([own, orders, billing]), "{mode}");
            assert_eq!(gate.line.token_calls(), calls, "{mode}");
            assert!(last.is_disjoint(&again), "{mode}, {round}: renewed");
            last = again;
            gate.pass(300);
        }
        if mode == "hybrid" || mode == "kv" {
            asked(&guest, "/api/echo");
            let questions = gate.objects.asked();
            for _ in 0..20 {
                asked(&guest, "/api/echo");
            }
            assert_eq!(gate.objects.asked(), questions, "{mode}: a warm hop asks nobody");
        }
    }
}

fn gr_01_requests_for_three_tokens_at_once_cost_three_calls(_: &Pair) {
    for mode in ["hybrid", "durable", "kv", "postgres"] {
        let pair = pair(mode);
        let gate = pair.needs_clock().expect("in process");
        let guest = Guest::signed_in(&pair);
        gate.pass(300);
        let calls = gate.line.token_calls();
        let paths = ["/echo", "/api/echo", "/public/echo"];
        let raws: Vec<_> = (0..90).map(|n| guest.raw("GET", paths[n % 3])).collect();
        let answers = pair.send_all(&raws);
        let tokens: BTreeSet<_> = answers.iter().map(token).collect();
        assert_eq!((tokens.len(), gate.line.token_calls() - calls), (3, 3), "{mode}");
        for (number, answer) in answers.iter().enumerate() {
            let wanted = [AUDIENCE, ORDERS, BILLING][number % 3];
            assert_eq!(aud(&token(answer))[0], wanted, "{mode}");
        }
    }
}

fn gp_23_an_origin_that_is_sent_no_token_is_sent_none_and_still_only_to_who_is_signed_in(_: &Pair) {
    for mode in MODES {
        let pair = pair(mode);
        let gate = pair.needs_clock().expect("in process");
        let guest = Guest::signed_in(&pair);
        gate.reached();
        let answer = guest.script("/big?bytes=3");
        assert_eq!(answer.status(), StatusCode::OK, "{mode}");
        // It is somebody's all the same.
        let control = answer.headers()["cache-control"].to_str().unwrap();
        assert!(control.contains("private"), "{mode}: {control}");
        let reached = gate.reached();
        assert!(reached.iter().all(|sent| !sent.headers().contains_key("authorization")));
        assert_eq!(reached.len(), 1);
        assert_eq!(Guest::alice(&pair).script("/big").status(), StatusCode::UNAUTHORIZED);
    }
}

fn gp_33_nobody_gets_what_was_remembered_of_somebody_else(_: &Pair) {
    for mode in ["hybrid", "kv"] {
        let pair = pair(mode);
        let (alice, bob) = (Guest::signed_in(&pair), Guest::bob(&pair));
        bob.sign_in();
        let mut seen = BTreeSet::new();
        for guest in [&alice, &bob, &alice, &bob] {
            let subject = guest.whoami()["subject"].clone();
            for path in ["/api/echo", "/public/echo"] {
                let token = asked(guest, path);
                assert_eq!(claims(&token)["sub"], subject, "{mode}");
                seen.insert(token);
            }
        }
        assert_eq!(seen.len(), 4, "{mode}");
        // Nobody at all gets nothing.
        assert_eq!(Guest::alice(&pair).script("/api/echo").status(), StatusCode::UNAUTHORIZED);
    }
}

fn gr_06_a_lost_answer_costs_neither_an_origin_nor_the_session(_: &Pair) {
    for mode in ["hybrid", "durable", "kv", "postgres", "sealed"] {
        for (lost, next) in [("/api/echo", "/echo"), ("/echo", "/api/echo")] {
            let pair = pair(mode);
            let gate = pair.needs_clock().expect("in process");
            let guest = Guest::signed_in(&pair);
            asked(&guest, "/api/echo");
            gate.pass(300);
            gate.line.set(Fault::Lost(1));
            assert_eq!(
                guest.script(lost).status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{mode} {lost}"
            );
            // The issuer has rotated, for that and for nothing else.
            gate.pass(2);
            asked(&guest, next);
            asked(&guest, lost);
            gate.pass(300);
            asked(&guest, next);
            asked(&guest, lost);
        }
    }
}

fn gp_24_an_origin_that_the_issuer_gives_no_token_for_gets_502_and_others_theirs(_: &Pair) {
    for mode in MODES {
        let pair = pair(mode);
        let gate = pair.needs_clock().expect("in process");
        let guest = Guest::signed_in(&pair);
        gate.reached();
        let calls = gate.line.token_calls();
        for _ in 0..5 {
            let answer = guest.script("/status/200");
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{mode}");
            assert!(answer.headers().contains_key("retry-after"));
        }
        assert_eq!(gate.line.token_calls() - calls, 1, "{mode}: it rests");
        assert!(gate.reached().is_empty(), "{mode}: nothing was forwarded");
        asked(&guest, "/api/echo");
        asked(&guest, "/echo");
    }
}

fn gs_13_what_was_remembered_is_forgotten_within_the_freshness_of_a_cookie(_: &Pair) {
    for mode in ["hybrid", "durable", "kv", "postgres"] {
        let pair = pair(mode);
        let gate = pair.needs_clock().expect("in process");
        let guest = Guest::signed_in(&pair);
        asked(&guest, "/api/echo");
        let kept = guest.copy();
        guest.sign_out();
        // In the isolate that was told of it, at once.
        assert_eq!(kept.script("/api/echo").status(), StatusCode::UNAUTHORIZED, "{mode}");
        // When somebody else has ended it, as soon as the cookie would not be believed either.
        let (one, two) = (Guest::signed_in(&pair), Guest::signed_in(&pair));
        asked(&two, "/api/echo");
        let others = one.send(&Method::DELETE, "/auth/sessions", &[("origin", pair.url())]);
        assert_eq!(others.status(), StatusCode::NO_CONTENT);
        gate.pass(30);
        assert_eq!(two.script("/api/echo").status(), StatusCode::UNAUTHORIZED, "{mode}");
    }
}
