//! CA-20 and RG-04: keys that a client publishes, and where this issuer looks for them.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};
use tests::assertion::{self, Assertion, Key, jwks};
use tests::client::{AFAR, Ask, SignedIn, Tokens, offline_tokens};
use tests::expect::{error, invalid_client};
use tests::world::{Issuer, issuer, needs_clock, settings};

const URI: &str = assertion::AFAR;
const OLD: Key = Key::Ec(0xc5);
const NEW: Key = Key::Ec(0xc6);

fn status(issuer: &Issuer, key: Key) -> StatusCode {
    let assertion = Assertion::of(AFAR.id, key);
    AFAR.revoke("nothing").assertion(assertion).send(issuer).status()
}

#[test]
fn keys_at_a_uri_are_as_good_as_keys_in_the_registration() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, AFAR);
    let tokens = Tokens::of(&AFAR.refresh(tokens.refresh()).send(&issuer));
    assert_eq!(AFAR.revoke(tokens.refresh()).send(&issuer).status(), StatusCode::OK);
}

#[test]
fn ca_20_a_key_that_was_taken_out_is_refused_within_five_minutes() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    assert_eq!(status(&issuer, OLD), StatusCode::OK);
    inside.elsewhere.put(URI, StatusCode::OK, &jwks(&[NEW]));
    inside.pass(299);
    assert_eq!(status(&issuer, OLD), StatusCode::OK, "it is known, and nobody has asked");
    assert_eq!(inside.elsewhere.hits(URI), 1);
    inside.pass(1);
    assert_eq!(status(&issuer, OLD), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&issuer, NEW), StatusCode::OK);
    assert_eq!(inside.elsewhere.hits(URI), 2);
}

#[test]
fn ca_20_a_new_key_works_at_once_beside_the_old_one() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    assert_eq!(status(&issuer, OLD), StatusCode::OK);
    inside.elsewhere.put(URI, StatusCode::OK, &jwks(&[OLD, NEW]));
    for key in [NEW, OLD, NEW] {
        assert_eq!(status(&issuer, key), StatusCode::OK);
    }
    assert_eq!(inside.elsewhere.hits(URI), 2);
}

#[test]
fn ca_20_jv_28_a_key_in_the_place_of_another_works_at_once_and_forgeries_cost_one_request_a_minute()
{
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let publish = |key: Key| {
        let mut set: Value = serde_json::from_str(&jwks(&[key])).unwrap();
        set["keys"][0]["kid"] = "k".into();
        inside.elsewhere.put(URI, StatusCode::OK, &set.to_string());
    };
    let status = |key: Key| {
        let assertion = Assertion::of(AFAR.id, key).header("kid", "k");
        AFAR.revoke("nothing").assertion(assertion).send(&issuer).status()
    };
    publish(OLD);
    assert_eq!(status(OLD), StatusCode::OK);
    publish(NEW);
    inside.pass(1);
    assert_eq!(status(NEW), StatusCode::OK);
    for _ in 0..29 {
        inside.pass(2);
        assert_eq!(status(OLD), StatusCode::UNAUTHORIZED);
        assert_eq!(status(NEW), StatusCode::OK);
    }
    assert_eq!(inside.elsewhere.hits(URI), 2);
}

#[test]
fn ca_20_jv_08_a_storm_of_unknown_keys_costs_one_request_a_minute() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    assert_eq!(status(&issuer, OLD), StatusCode::OK);
    for number in 0..1000 {
        let named = Assertion::of(AFAR.id, Key::Ec(7)).header("kid", format!("k{number}"));
        let answer = AFAR.revoke("nothing").assertion(named).send(&issuer);
        invalid_client(&answer, false, "an unknown key");
        if number % 20 == 0 {
            inside.pass(1);
            assert_eq!(status(&issuer, OLD), StatusCode::OK, "good ones keep working");
        }
    }
    assert_eq!(inside.elsewhere.hits(URI), 2);
}

#[test]
fn while_the_keys_cannot_be_had_the_client_is_to_come_back_and_loses_nothing() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let draft = SignedIn::new(&issuer, Ask::of(AFAR)).redeem();
    for (number, (code, body)) in
        [(500, ""), (200, "<html>"), (200, r#"{"keys":[]}"#), (302, ""), (404, "{}")]
            .into_iter()
            .enumerate()
    {
        inside.elsewhere.put(URI, StatusCode::from_u16(code).unwrap(), body);
        for _ in 0..3 {
            let answer = draft.send(&issuer);
            error(&answer, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", body);
            assert!(answer.headers().contains_key(RETRY_AFTER));
        }
        assert_eq!(inside.elsewhere.hits(URI), number + 1, "a server in trouble is left alone");
        inside.pass(5);
    }
    inside.elsewhere.put(URI, StatusCode::OK, &jwks(&[OLD]));
    Tokens::of(&draft.send(&issuer));
}

#[test]
fn the_last_good_keys_serve_for_an_hour_while_nobody_answers() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    assert_eq!(status(&issuer, OLD), StatusCode::OK);
    inside.elsewhere.cut(URI);
    for _ in 0..59 {
        inside.pass(60);
        assert_eq!(status(&issuer, OLD), StatusCode::OK);
        assert_eq!(status(&issuer, NEW), StatusCode::SERVICE_UNAVAILABLE, "it may be there");
    }
    inside.pass(60);
    assert_eq!(status(&issuer, OLD), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn rg_04_ca_17_an_issuer_that_is_deployed_asks_nobody_inside() {
    let client = |uri: &str| {
        json!({
            "client_id": "afar", "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": uri, "redirect_uris": ["https://afar.test/cb"],
        })
    };
    for (uri, status, hits) in [
        ("https://afar.test/jwks", StatusCode::OK, 1),
        ("https://afar.test:22/jwks", StatusCode::UNAUTHORIZED, 0),
        ("https://169.254.169.254/jwks", StatusCode::UNAUTHORIZED, 0),
        ("https://metadata.google.internal/jwks", StatusCode::UNAUTHORIZED, 0),
        ("https://[::1]/jwks", StatusCode::UNAUTHORIZED, 0),
        (URI, StatusCode::UNAUTHORIZED, 0),
    ] {
        let mut settings = settings();
        settings.insert("ISSUER".to_owned(), "https://idp.test".into());
        settings.insert(
            "SEALING_KEYS".to_owned(),
            "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into(),
        );
        // The one of the documentation.
        settings.remove("PAIRWISE_SECRET");
        settings.insert("CLIENTS".to_owned(), json!([client(uri)]));
        let issuer = Issuer::in_process(&settings);
        let elsewhere = &issuer.inside().elsewhere;
        elsewhere.put(uri, StatusCode::OK, &jwks(&[OLD]));
        let answer = AFAR.revoke("nothing").send(&issuer);
        assert_eq!(answer.status(), status, "{uri}");
        assert_eq!(elsewhere.hits(uri), hits, "{uri}");
    }
}
