//! The list of one's own sessions, and ends to them.

use http::{Method, StatusCode};
use serde_json::Value;
use tests::client::{Auth, Client};
use tests::expect::{header, invalid_grant};
use tests::guest::Guest;
use tests::pair::Pair;

where_sessions_are_objects! {
    s15_a_session_is_ended_from_another_browser
    s15_all_others_are_ended_and_the_own_goes_on
    gs_17_cs_01_nobody_else_ends_it
    s15_what_was_ended_has_no_refresh_token_any_more
}

const SESSIONS: &str = "/auth/sessions";

/// Over HTTP other tests are signed in as the same person: what is told apart are one's own.
fn listed(guest: &Guest<'_>) -> Vec<Value> {
    let answer = guest.script(SESSIONS);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    body["sessions"].as_array().unwrap().clone()
}

fn path(guest: &Guest<'_>) -> String {
    let all = listed(guest);
    let current: Vec<_> = all.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1, "{all:?}");
    format!("{SESSIONS}/{}", current[0]["id"].as_str().unwrap())
}

fn delete(guest: &Guest<'_>, path: &str) -> StatusCode {
    guest.send(&Method::DELETE, path, &[("origin", guest.pair.url())]).status()
}

fn s15_a_session_is_ended_from_another_browser(pair: &Pair) {
    let (one, two) = (Guest::signed_in(pair), Guest::signed_in(pair));
    let other = path(&two);
    assert_ne!(other, path(&one));
    assert!(listed(&one).iter().any(|session| other.ends_with(session["id"].as_str().unwrap())));
    assert_eq!(delete(&one, &other), StatusCode::NO_CONTENT);
    pair.outlive_freshness();
    assert!(two.token().is_none() && two.session().is_empty());
    assert!(one.token().is_some());
    assert!(!listed(&one).iter().any(|session| other.ends_with(session["id"].as_str().unwrap())));
    // Its own, last.
    assert_eq!(delete(&one, &path(&one)), StatusCode::NO_CONTENT);
    assert!(one.session().is_empty() && one.token().is_none());
    assert_eq!(one.script(SESSIONS).status(), StatusCode::UNAUTHORIZED);
}

/// Not over HTTP: there the others are other tests'.
fn s15_all_others_are_ended_and_the_own_goes_on(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    let guests = [Guest::signed_in(pair), Guest::signed_in(pair), Guest::signed_in(pair)];
    let bob = Guest::bob(pair);
    bob.sign_in();
    assert_eq!(delete(&guests[1], SESSIONS), StatusCode::NO_CONTENT);
    pair.outlive_freshness();
    assert_eq!(guests.each_ref().map(|guest| guest.token().is_some()), [false, true, false]);
    assert!(bob.token().is_some());
}

fn gs_17_cs_01_nobody_else_ends_it(pair: &Pair) {
    let (guest, bob) = (Guest::signed_in(pair), Guest::bob(pair));
    bob.sign_in();
    let path = path(&guest);
    assert_eq!(delete(&bob, &path), StatusCode::NOT_FOUND);
    let nobody = Guest::alice(pair);
    assert_eq!(delete(&nobody, &path), StatusCode::UNAUTHORIZED);
    for lines in [&[("origin", "https://evil.test")][..], &[("sec-fetch-site", "same-site")], &[]] {
        let answer = guest.send(&Method::DELETE, &path, lines);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{lines:?}");
        let answer = guest.send(&Method::DELETE, SESSIONS, lines);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{lines:?}");
    }
    pair.outlive_freshness();
    assert!(guest.token().is_some() && bob.token().is_some());
}

/// The gateway as the issuer knows it.
const GATEWAY: Client =
    Client { id: "gateway", auth: Auth::Basic("gateway-secret"), redirect_uri: "" };

fn s15_what_was_ended_has_no_refresh_token_any_more(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let (one, two) = (Guest::signed_in(pair), Guest::signed_in(pair));
    let token = gate.line.calls("/token")[1].given.clone().expect("a refresh token");
    assert_eq!(delete(&one, &path(&two)), StatusCode::NO_CONTENT);
    let revoked: Vec<_> = gate.line.calls("/revoke").into_iter().map(|call| call.token).collect();
    assert_eq!(revoked, [Some(token.clone())]);
    invalid_grant(&GATEWAY.refresh(&token).send(&pair.issuer), "revoked");
}
