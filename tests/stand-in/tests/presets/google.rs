//! Google.

use crate::support::{Net, brought, claims, error, json};
use serde_json::Value;
use stand_in::{Endpoint, Fault, IdTokenFault};

const AUTHORIZE: &str = "/o/oauth2/v2/auth";
const TOKEN: &str = "/token";
const SCOPE: (&str, &str) = ("scope", "openid email profile");
const OFFLINE: (&str, &str) = ("access_type", "offline");

fn net() -> Net {
    Net::new("google/x1")
}

fn tokens(net: &Net, person: &str, more: &[(&str, &str)]) -> Value {
    let brought = net.sign_in(AUTHORIZE, person, more);
    json(&net.redeem(TOKEN, &brought["code"], &[]))
}

#[test]
fn a_flow_ends_with_an_id_token() {
    let net = net();
    let discovery = json(&net.get("/.well-known/openid-configuration"));
    assert_eq!(discovery["issuer"], "https://up.test/google/x1");
    assert!(discovery.get("end_session_endpoint").is_none());
    let tokens = tokens(&net, "alice", &[SCOPE]);
    assert!(tokens.get("refresh_token").is_none());
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["sub"].as_str().unwrap().len(), 21);
    assert_eq!(claims["azp"], "gatelatch");
    assert_eq!(claims["email_verified"], true);
    assert!(claims.get("auth_time").is_none());
    let userinfo = json(&net.get_with("/v1/userinfo", &tokens["access_token"]));
    assert_eq!(userinfo["sub"], claims["sub"]);
}

#[test]
fn whoever_redeems_a_code_has_to_be_right_in_everything() {
    let net = net();
    let code = net.sign_in(AUTHORIZE, "alice", &[SCOPE]).remove("code").unwrap();
    for (changed, status, word) in [
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_id", "nobody"), 401, "invalid_client"),
        (("redirect_uri", "https://app.test/other"), 400, "redirect_uri_mismatch"),
        (("code", "made-up"), 400, "invalid_grant"),
        (("code_verifier", ""), 400, "invalid_grant"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
    ] {
        let refused = net.redeem(TOKEN, &code, &[changed]);
        assert_eq!(error(&refused), (status, word.to_owned()), "{changed:?}");
    }
    assert_eq!(net.redeem(TOKEN, &code, &[]).status(), 200);
    assert_eq!(error(&net.redeem(TOKEN, &code, &[])), (400, "invalid_grant".to_owned()));
}

#[test]
fn offline_access_is_no_scope() {
    let net = net();
    let asked = [("scope", "openid offline_access")];
    let refused = brought(&net.browse(&Net::ask(AUTHORIZE, &asked), None));
    assert_eq!(refused["error"], "invalid_scope");
    let none = brought(&net.browse(&Net::ask(AUTHORIZE, &[]), None));
    assert_eq!(none["error"], "invalid_request");
}

#[test]
fn a_refresh_token_comes_with_the_first_consent_and_not_with_a_refresh() {
    let net = net();
    let first = tokens(&net, "alice", &[SCOPE, OFFLINE]);
    assert!(first["refresh_token"].is_string());
    assert!(tokens(&net, "alice", &[SCOPE, OFFLINE])["refresh_token"].is_null());
    let consent = [SCOPE, OFFLINE, ("prompt", "consent")];
    assert!(tokens(&net, "alice", &consent)["refresh_token"].is_string());
    for _ in 0..2 {
        let refreshed = json(&net.refresh(TOKEN, &first["refresh_token"]));
        assert!(refreshed["access_token"].is_string() && refreshed["refresh_token"].is_null());
    }
}

#[test]
fn revoking_ends_everything_and_the_next_consent_is_the_first() {
    let net = net();
    let first = tokens(&net, "alice", &[SCOPE, OFFLINE]);
    let token = first["refresh_token"].as_str().unwrap();
    assert_eq!(net.post("/revoke", &[("token", token)]).status(), 200);
    let again = net.post("/revoke", &[("token", token)]);
    assert_eq!(error(&again), (400, "invalid_token".to_owned()));
    let dead = net.refresh(TOKEN, &first["refresh_token"]);
    assert_eq!(error(&dead), (400, "invalid_grant".to_owned()));
    assert!(tokens(&net, "alice", &[SCOPE, OFFLINE])["refresh_token"].is_string());
}

#[test]
fn fd_24_hd_is_in_the_token_of_whoever_has_one_whatever_was_asked() {
    let net = net();
    let hd = |person: &str| {
        claims(&tokens(&net, person, &[SCOPE, ("hd", "alpha.test")])["id_token"])["hd"].clone()
    };
    assert_eq!(hd("alice"), "alpha.test");
    assert_eq!(hd("dave"), "beta.test");
    assert_eq!(hd("carol"), Value::Null);
}

#[test]
fn the_issuer_may_lose_its_scheme() {
    let net = net();
    net.fault(Endpoint::Token, Fault::IdToken(IdTokenFault::IssuerWithoutScheme));
    let claims = claims(&tokens(&net, "alice", &[SCOPE])["id_token"]);
    assert_eq!(claims["iss"], "up.test/google/x1");
}
