//! The SSO API of `WorkOS`.

use crate::support::{Net, error, json};
use serde_json::Value;
use stand_in::{Endpoint, Fault};

const AUTHORIZE: &str = "/sso/authorize";
const TOKEN: &str = "/sso/token";
const KEY: (&str, &str) = ("client_secret", "sk_stand_in");

fn net() -> Net {
    Net::new("workos/x1")
}

fn code(net: &Net, person: &str) -> String {
    let asked = [("organization", "org_alpha")];
    net.sign_in(AUTHORIZE, person, &asked).remove("code").expect("a code")
}

#[test]
fn a_flow_ends_with_a_profile() {
    let net = net();
    let tokens = json(&net.redeem(TOKEN, &code(&net, "alice"), &[KEY]));
    assert_eq!(tokens["profile"]["id"], "prof_alice");
    assert_eq!(tokens["profile"]["connection_id"], "conn_alpha");
    assert!(tokens["profile"].get("email_verified").is_none());
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let profile = json(&net.get_with("/sso/profile", &tokens["access_token"]));
    assert_eq!(profile, tokens["profile"]);
    let other = net.get_with("/sso/profile", &Value::from("made-up"));
    assert_eq!((other.status().as_u16(), &json(&other)["message"]), (401, &"Unauthorized".into()));
}

#[test]
fn a_code_is_redeemed_with_a_form_and_the_key() {
    let net = net();
    let code = code(&net, "alice");
    let wrong = [("client_secret", "sk_wrong")];
    assert_eq!(error(&net.redeem(TOKEN, &code, &wrong)), (400, "invalid_client".to_owned()));
    assert_eq!(net.redeem(TOKEN, &code, &[("client_secret", "")]).status(), 400);
    let unproven = [KEY, ("code_verifier", "")];
    assert_eq!(error(&net.redeem(TOKEN, &code, &unproven)), (400, "invalid_grant".to_owned()));
    let body = serde_json::json!({
        "client_id": "gatelatch", "client_secret": "sk_stand_in", "code": code,
        "grant_type": "authorization_code", "code_verifier": crate::support::VERIFIER,
    });
    assert_eq!(error(&net.post_json(TOKEN, &body)), (400, "invalid_request".to_owned()));
    let other = [("client_id", "somebody-else"), ("client_secret", "sk_somebody_else")];
    assert_eq!(error(&net.redeem(TOKEN, &code, &other)), (400, "invalid_grant".to_owned()));
    assert_eq!(net.redeem(TOKEN, &code, &[KEY]).status(), 200);
    assert_eq!(error(&net.redeem(TOKEN, &code, &[KEY])), (400, "invalid_grant".to_owned()));
}

#[test]
fn a_code_lives_ten_minutes() {
    let net = net();
    let (one, other) = (code(&net, "alice"), code(&net, "alice"));
    net.wait(599);
    assert_eq!(net.redeem(TOKEN, &one, &[KEY]).status(), 200);
    net.wait(1);
    assert_eq!(net.redeem(TOKEN, &other, &[KEY]).status(), 400);
}

#[test]
fn a_connection_lets_in_its_people_alone() {
    let net = net();
    let asked = [("connection", "conn_alpha")];
    assert_eq!(net.sign_in(AUTHORIZE, "dave", &asked)["error"], "access_denied");
    assert_eq!(net.sign_in(AUTHORIZE, "carol", &asked)["error"], "access_denied");
    assert!(net.sign_in(AUTHORIZE, "bob", &asked).contains_key("code"));
}

#[test]
fn fd_12_the_profile_may_be_somebody_elses() {
    let net = net();
    let tokens = json(&net.redeem(TOKEN, &code(&net, "alice"), &[KEY]));
    net.fault(Endpoint::Userinfo, Fault::UserinfoOtherSubject);
    let profile = json(&net.get_with("/sso/profile", &tokens["access_token"]));
    assert_ne!(profile["id"], tokens["profile"]["id"]);
}
