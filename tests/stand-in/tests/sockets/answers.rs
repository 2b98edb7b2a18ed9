//! What happens to answers.

use crate::socket::{Answer, Net};
use serde_json::Value;
use stand_in::{Endpoint, Fault};

const PLACE: &str = "generic/x1";
const DISCOVERY: &str = "/generic/x1/.well-known/openid-configuration";

fn answer(fault: Fault) -> Answer {
    let net = Net::new();
    net.stand_in.fault(PLACE, Endpoint::Discovery, fault, 1);
    let answer = net.get(DISCOVERY);
    assert!(net.get(DISCOVERY).json()["issuer"].is_string(), "once");
    answer
}

#[test]
fn empty_and_html_and_bad_json_say_200() {
    let empty = answer(Fault::Empty200);
    assert_eq!((empty.status(), empty.promised(), empty.body.len()), (200, 0, 0));
    let html = answer(Fault::Html200);
    assert_eq!(html.status(), 200);
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    let bad = answer(Fault::BadJson);
    assert_eq!((bad.status(), bad.promised()), (200, bad.body.len()));
    assert!(serde_json::from_slice::<Value>(&bad.body).is_err());
}

#[test]
fn error_with_200_is_an_error() {
    let answer = answer(Fault::ErrorWith200);
    assert_eq!((answer.status(), &answer.json()["error"]), (200, &"server_error".into()));
}

#[test]
fn duplicate_keys_say_something_else_first() {
    let answer = answer(Fault::DuplicateKeys);
    assert!(answer.text().contains("\"issuer\":\"another\",\"issuer\":\"http://"));
    let net = Net::new();
    net.stand_in.fault(PLACE, Endpoint::Jwks, Fault::DuplicateKeys, 1);
    let keys = net.get("/generic/x1/jwks");
    assert!(keys.text().contains("\"kid\":\"another\",\"kid\":\"stand-in-1\""));
}

#[test]
fn wrong_content_type_is_otherwise_right() {
    let answer = answer(Fault::WrongContentType);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.json()["issuer"].is_string());
}

#[test]
fn megabytes_are_valid_json_and_as_large_as_they_say() {
    for (fault, least) in [(Fault::OneMegabyte, 1_000_000), (Fault::TenMegabytes, 10_000_000)] {
        let answer = answer(fault);
        assert!(answer.body.len() > least);
        assert!(answer.json()["issuer"].is_string());
    }
}

#[test]
fn deep_json_is_100_000_arrays_deep() {
    let answer = answer(Fault::DeepJson);
    assert!(answer.text().contains(&"[".repeat(100_000)));
    assert!(answer.text().ends_with(&format!("{}}}", "]".repeat(100_000))));
    assert!(answer.text().starts_with("{\""), "the rest is there");
}

#[test]
fn what_is_no_object_is_padded_too() {
    let net = Net::new();
    net.stand_in.fault("github/x1", Endpoint::Token, Fault::OneMegabyte, 1);
    let answer = net.send("POST", "/github/x1/login/oauth/access_token", "client_id=gatelatch");
    assert!(answer.json()["padding"].is_string());
}

#[test]
fn the_gzip_bomb_is_small_until_it_is_unpacked() {
    let answer = answer(Fault::GzipBomb);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body.len() < 100_000 && answer.body.starts_with(&[0x1f, 0x8b, 8]));
    let unpacked = answer.body.last_chunk().copied().map(u32::from_le_bytes);
    assert!(unpacked.is_some_and(|length| length >= 10_000_000));
}

#[test]
fn redirects_go_where_they_are_told() {
    for status in [301, 302, 303, 307, 308] {
        let to = "http://127.0.0.1:9/elsewhere".to_owned();
        let answer = answer(Fault::Redirect { status, to });
        assert_eq!(answer.status(), status);
        assert_eq!(answer.header("location"), Some("http://127.0.0.1:9/elsewhere"));
    }
}

#[test]
fn a_status_is_that_status_and_some_say_when_to_come_again() {
    for status in [400, 401, 403, 404, 408, 429, 500, 502, 503] {
        let answer = answer(Fault::Status(status));
        assert_eq!(answer.status(), status);
        assert!(answer.json()["error"].is_string());
        let again = [429, 503].contains(&status).then_some("30");
        assert_eq!(answer.header("retry-after"), again);
    }
}

#[test]
fn an_error_has_its_word_and_its_status() {
    let answer = answer(Fault::Error { status: 400, error: "invalid_grant".to_owned() });
    assert_eq!((answer.status(), &answer.json()["error"]), (400, &"invalid_grant".into()));
}

/// What a lost answer is for: the code is used up, and a second attempt fails.
#[test]
fn what_suffers_on_its_way_was_done_and_what_is_refused_was_not() {
    let redeem = |fault: Fault| {
        let net = Net::new();
        let ask = "client_id=gatelatch&redirect_uri=http://localhost/cb";
        let path = format!("/generic/x1/authorize?response_type=code&scope=openid&{ask}");
        let back = net.send("POST", &path, "person=alice");
        let code = back.header("location").unwrap().split_once("code=").unwrap().1;
        let code = code.split('&').next().unwrap();
        let form = format!(
            "grant_type=authorization_code&client_secret=stand-in-secret&{ask}&code={code}"
        );
        net.stand_in.fault(PLACE, Endpoint::Token, fault, 1);
        net.send("POST", "/generic/x1/token", &form);
        net.send("POST", "/generic/x1/token", &form).status()
    };
    assert_eq!(redeem(Fault::ResetMidBody), 400);
    assert_eq!(redeem(Fault::Truncated), 400);
    assert_eq!(redeem(Fault::RefuseConnection), 200);
    assert_eq!(redeem(Fault::Status(503)), 200);
}
