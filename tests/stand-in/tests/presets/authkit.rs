//! `AuthKit`.

use crate::support::{CALLBACK, Net, VERIFIER, brought, claims, error, json};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json as object};
use stand_in::{Claim, Endpoint, Fault, IdTokenFault};

const AUTHORIZE: &str = "/user_management/authorize";
const TOKEN: &str = "/user_management/authenticate";
const AUTHKIT: (&str, &str) = ("provider", "authkit");

fn net() -> Net {
    Net::new("workos/x1")
}

fn code(net: &Net, person: &str) -> String {
    net.sign_in(AUTHORIZE, person, &[AUTHKIT]).remove("code").expect("a code")
}

fn redeeming(code: &str) -> Value {
    object!({
        "client_id": "gatelatch", "client_secret": "sk_stand_in", "code": code,
        "grant_type": "authorization_code", "code_verifier": VERIFIER,
    })
}

fn tokens(net: &Net, person: &str) -> Value {
    let answer = net.post_json(TOKEN, &redeeming(&code(net, person)));
    assert_eq!(answer.status(), 200, "{}", json(&answer));
    json(&answer)
}

fn refresh(net: &Net, tokens: &Value, organization: Option<&str>) -> http::Response<Vec<u8>> {
    let mut body = object!({
        "client_id": "gatelatch", "client_secret": "sk_stand_in",
        "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"],
    });
    if let Some(organization) = organization {
        body["organization_id"] = organization.into();
    }
    net.post_json(TOKEN, &body)
}

#[test]
fn a_flow_ends_with_a_user_and_no_id_token() {
    let net = net();
    let tokens = tokens(&net, "alice");
    assert_eq!(tokens["user"]["id"], "user_alice");
    assert_eq!(tokens["user"]["email_verified"], true);
    assert_eq!(tokens["authentication_method"], "Password");
    assert_eq!(tokens["organization_id"], "org_alpha");
    assert!(tokens.get("id_token").is_none() && tokens.get("expires_in").is_none());
    let claims = claims(&tokens["access_token"]);
    assert_eq!(claims["iss"], "https://up.test/workos/x1/user_management/gatelatch");
    assert_eq!(claims["sub"], "user_alice");
    assert!(claims.get("aud").is_none() && claims.get("email").is_none());
    let keys = json(&net.get("/sso/jwks/gatelatch"));
    assert_eq!(keys["keys"][0]["kid"], "stand-in-1");
    assert_eq!(net.get("/sso/jwks/nobody").status(), 404);
}

#[test]
fn exactly_one_selector_is_given() {
    let net = net();
    let ask = |more: &[(&str, &str)]| {
        brought(&net.browse(&Net::ask(AUTHORIZE, more), None))["error"].clone()
    };
    assert_eq!(ask(&[]), "invalid_connection_selector");
    assert_eq!(ask(&[AUTHKIT, ("organization_id", "org_alpha")]), "ambiguous_connection_selector");
    assert_eq!(ask(&[("provider", "Unheard")]), "invalid_connection_selector");
    let hinted = [("organization_id", "org_alpha"), ("screen_hint", "sign-up")];
    assert_eq!(ask(&hinted), "invalid_request");
}

#[test]
fn only_json_is_read() {
    let net = net();
    let code = code(&net, "alice");
    let secret = [("client_secret", "sk_stand_in")];
    let refused = net.redeem(TOKEN, &code, &secret);
    assert_eq!(refused.status(), 422);
    assert_eq!(json(&refused)["code"], "invalid_request_parameters");
    let kind = [(CONTENT_TYPE, "text/plain")];
    let body = redeeming(&code).to_string();
    assert_eq!(net.send(Method::POST, TOKEN, &kind, &body).status(), 422);
    assert_eq!(net.post_json(TOKEN, &redeeming(&code)).status(), 200);
}

#[test]
fn whoever_redeems_a_code_has_to_be_right_in_everything() {
    let net = net();
    let code = code(&net, "alice");
    for (name, value, word) in [
        ("client_secret", "stand-in-secret", "invalid_client"),
        ("client_id", "nobody", "invalid_client"),
        ("code", "made-up", "invalid_grant"),
        ("code_verifier", "another-verifier-of-43-characters-or-a-few-more", "invalid_grant"),
        ("grant_type", "password", "unsupported_grant_type"),
    ] {
        let mut body = redeeming(&code);
        body[name] = value.into();
        assert_eq!(error(&net.post_json(TOKEN, &body)), (400, word.to_owned()), "{name}");
    }
    let mut other = redeeming(&code);
    other["client_id"] = "somebody-else".into();
    other["client_secret"] = "sk_somebody_else".into();
    assert_eq!(error(&net.post_json(TOKEN, &other)), (400, "invalid_grant".to_owned()));
    assert_eq!(net.post_json(TOKEN, &redeeming(&code)).status(), 200);
    let again = net.post_json(TOKEN, &redeeming(&code));
    assert_eq!(error(&again), (400, "invalid_grant".to_owned()));
}

#[test]
fn a_public_client_needs_its_verifier() {
    let net = net();
    let without = |name: &str, code: &str| {
        let mut body = redeeming(code);
        let members = body.as_object_mut().unwrap();
        members.remove("client_secret");
        members.remove(name);
        net.post_json(TOKEN, &body)
    };
    let code = code(&net, "alice");
    assert_eq!(without("code_verifier", &code).status(), 400);
    assert_eq!(without("nothing", &code).status(), 200);
}

#[test]
fn a_code_of_the_sso_api_is_no_code_here() {
    let net = net();
    let other = net.sign_in("/sso/authorize", "alice", &[("connection", "conn_alpha")]);
    let refused = net.post_json(TOKEN, &redeeming(&other["code"]));
    assert_eq!(error(&refused), (400, "invalid_grant".to_owned()));
}

#[test]
fn a_refresh_token_is_good_once_and_the_next_one_stays_good() {
    let net = net();
    let first = tokens(&net, "alice");
    let second = json(&refresh(&net, &first, None));
    let again = refresh(&net, &first, None);
    assert_eq!(again.status(), 400);
    assert_eq!(json(&again)["error"], "invalid_grant");
    assert_eq!(json(&again)["error_description"], "Refresh token already exchanged.");
    assert_eq!(refresh(&net, &second, None).status(), 200);
}

#[test]
fn a_refresh_to_an_organization_of_others_is_refused_and_uses_nothing_up() {
    let net = net();
    let tokens = tokens(&net, "alice");
    assert_eq!(refresh(&net, &tokens, Some("org_beta")).status(), 404);
    let switched = refresh(&net, &tokens, Some("org_alpha"));
    assert_eq!(claims(&json(&switched)["access_token"])["org_id"], "org_alpha");
}

#[test]
fn an_organization_lets_in_its_members_alone() {
    let net = net();
    let asked = [("organization_id", "org_alpha")];
    assert_eq!(net.sign_in(AUTHORIZE, "dave", &asked)["error"], "access_denied");
    assert!(net.sign_in(AUTHORIZE, "alice", &asked).contains_key("code"));
}

#[test]
fn signing_out_ends_the_session_and_its_refresh_tokens() {
    let net = net();
    let tokens = tokens(&net, "alice");
    let sid = claims(&tokens["access_token"])["sid"].as_str().unwrap().to_owned();
    let path =
        |to: &str| format!("/user_management/sessions/logout?session_id={sid}&return_to={to}");
    assert_eq!(net.browse(&path("https://evil.example/"), None).status(), 400);
    assert_eq!(net.browse(&path(CALLBACK), None).status(), 302);
    assert_eq!(error(&refresh(&net, &tokens, None)), (400, "invalid_grant".to_owned()));
}

#[test]
fn a_session_is_revoked_with_the_api_key_alone() {
    let net = net();
    let tokens = tokens(&net, "alice");
    let body = object!({ "session_id": claims(&tokens["access_token"])["sid"] }).to_string();
    let revoke = |key: &str| {
        let headers = [(AUTHORIZATION, key), (CONTENT_TYPE, "application/json")];
        let path = "/user_management/sessions/revoke";
        net.send(Method::POST, path, &headers, &body).status().as_u16()
    };
    assert_eq!(revoke("Bearer sk_wrong"), 401);
    assert_eq!(revoke("Bearer sk_somebody_else"), 404);
    assert_eq!(revoke("Bearer sk_stand_in"), 200);
    assert_eq!(error(&refresh(&net, &tokens, None)), (400, "invalid_grant".to_owned()));
}

#[test]
fn one_more_step_is_a_403_with_its_code() {
    let net = net();
    let tokens = tokens(&net, "alice");
    for code in ["organization_selection_required", "mfa_enrollment", "email_verification_required"]
    {
        net.fault(Endpoint::Refresh, Fault::NextStep(code.to_owned()));
        let answer = refresh(&net, &tokens, None);
        assert_eq!(answer.status(), 403);
        assert_eq!(json(&answer)["code"], code);
        assert!(json(&answer)["pending_authentication_token"].is_string());
    }
    net.fault(Endpoint::Refresh, Fault::NextStep("sso_required".to_owned()));
    assert_eq!(json(&refresh(&net, &tokens, None))["connection_ids"][0], "conn_alpha");
    assert_eq!(refresh(&net, &tokens, None).status(), 200, "nothing was used up");
}

#[test]
fn what_can_be_wrong_with_an_id_token_can_be_wrong_with_the_access_token() {
    let net = net();
    net.fault(Endpoint::Token, Fault::IdToken(IdTokenFault::WrongIssuer));
    assert_eq!(claims(&tokens(&net, "alice")["access_token"])["iss"], "https://another.test");
    net.fault(Endpoint::Token, Fault::IdToken(IdTokenFault::Absent));
    assert!(tokens(&net, "alice").get("access_token").is_none());
}

#[test]
fn fd_14_email_verified_of_the_user_is_anything() {
    let net = net();
    net.fault(Endpoint::Token, Fault::EmailVerified(Claim::Is("true".into())));
    assert_eq!(tokens(&net, "bob")["user"]["email_verified"], "true");
    assert_eq!(tokens(&net, "bob")["user"]["email_verified"], false);
    net.fault(Endpoint::Token, Fault::EmailVerified(Claim::Absent));
    assert!(tokens(&net, "alice")["user"].get("email_verified").is_none());
}
