//! Callers that bring an access token of their own, at routes that take one, with browsers beside
//! them that are signed in.

use http::StatusCode;
use serde_json::{Value, json};
use shared::fetch::Response;
use tests::guest::Guest;
use tests::origin::{Echo, is_echo};
use tests::pair::{AUDIENCE, Pair, claims};
use tests::raw::Raw;

in_every_mode! {
    gp_07_a_token_that_comes_along_decides_and_the_session_beside_it_does_not
    cs_01_a_token_needs_no_origin_and_a_session_beside_it_lends_it_nothing
    jv_12_a_token_for_somebody_else_opens_nothing
    jv_33_a_token_is_over_when_it_says_so_whatever_the_session_does
}

const PATHS: [&str; 2] = ["/api/echo", "/echo"];

/// A pair whose routes take tokens for `audience`.
fn taking(mode: &'static str, audience: &str) -> Pair {
    Pair::in_process(mode, |_, gateway| {
        for route in gateway["ROUTES"].as_array_mut().unwrap() {
            if route["access"] != "public" {
                route["bearer"] = json!({ "audience": audience });
            }
        }
    })
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn assert_invalid(answer: &Response, what: &str) {
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["error"], "invalid_token", "{what}");
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    assert!(!answer.headers().contains_key("location"), "{what}");
    assert!(!answer.headers().contains_key("set-cookie"), "{what}");
}

fn gp_07_a_token_that_comes_along_decides_and_the_session_beside_it_does_not(pair: &Pair) {
    let pair = taking(pair.mode, AUDIENCE);
    let (alice, bob) = (Guest::alice(&pair), Guest::bob(&pair));
    alice.sign_in();
    bob.sign_in();
    let token = alice.token().unwrap();
    let subject = |token: &str| claims(token)["sub"].clone();
    for path in PATHS {
        let alone = pair.send(&Raw::get(path).header("authorization", &bearer(&token)));
        assert_eq!(Echo::of(&alone).token(), Some(token.as_str()));
        assert_eq!(alone.headers()["cache-control"], "private, no-store");
        let both = bob.raw("GET", path).header("authorization", &bearer(&token));
        let both = pair.send(&both);
        let echo = Echo::of(&both);
        assert_eq!(echo.token(), Some(token.as_str()));
        assert_eq!(echo.header("cookie"), None);
        assert!(!both.headers().contains_key("set-cookie"));
        for wrong in ["garbage", "a.b.c", &token[..token.len() - 4]] {
            let raw = bob.raw("GET", path).header("authorization", &bearer(wrong));
            assert_invalid(&pair.send(&raw.header("sec-fetch-mode", "navigate")), wrong);
        }
    }
    // And who brings none is whoever is signed in, as before.
    assert_ne!(subject(&bob.token().unwrap()), subject(&token));
    assert_eq!(pair.send(&Raw::get("/api/echo")).status(), StatusCode::UNAUTHORIZED);
    let public = Raw::get("/public/echo").header("authorization", &bearer(&token));
    assert_eq!(Echo::of(&pair.send(&public)).token(), None);
}

fn cs_01_a_token_needs_no_origin_and_a_session_beside_it_lends_it_nothing(pair: &Pair) {
    let pair = taking(pair.mode, AUDIENCE);
    let guest = Guest::signed_in(&pair);
    let token = guest.token().unwrap();
    let post = |raw: Raw| pair.send(&raw.header("origin", "https://evil.test"));
    let good = Raw::new("POST", "/api/echo").header("authorization", &bearer(&token));
    assert!(is_echo(&post(good)));
    assert_eq!(post(guest.raw("POST", "/api/echo")).status(), StatusCode::FORBIDDEN);
    // A page of another site may send any text there, but then it is that text which decides.
    let forged = guest.raw("POST", "/api/echo").header("authorization", "Bearer forged");
    assert_invalid(&post(forged), "forged");
    let other = guest.raw("POST", "/api/echo").header("authorization", "Basic Zm9yZ2Vk");
    assert_eq!(post(other).status(), StatusCode::FORBIDDEN);
}

fn jv_12_a_token_for_somebody_else_opens_nothing(pair: &Pair) {
    let pair = taking(pair.mode, "https://other.test");
    let guest = Guest::signed_in(&pair);
    let token = guest.token().unwrap();
    for path in PATHS {
        let raw = Raw::get(path).header("authorization", &bearer(&token));
        assert_invalid(&pair.send(&raw), "another audience");
    }
    // Its own session goes on as ever: that token was given to it.
    assert!(is_echo(&guest.script("/api/echo")));
}

fn jv_33_a_token_is_over_when_it_says_so_whatever_the_session_does(pair: &Pair) {
    let pair = taking(pair.mode, AUDIENCE);
    let guest = Guest::signed_in(&pair);
    let token = guest.token().unwrap();
    pair.outlive_access_tokens();
    pair.needs_clock().unwrap().pass(5);
    for raw in [Raw::get("/api/echo"), guest.raw("GET", "/api/echo")] {
        assert_invalid(&pair.send(&raw.header("authorization", &bearer(&token))), "too old");
    }
    assert_ne!(guest.token().unwrap(), token);
}
