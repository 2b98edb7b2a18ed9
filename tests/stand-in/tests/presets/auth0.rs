//! Auth0.

use crate::support::{CALLBACK, Net, brought, claims, error, header, json};
use serde_json::Value;
use stand_in::{Endpoint, Fault};

const TOKEN: &str = "/oauth/token";

fn net() -> Net {
    Net::new("auth0/x1")
}

fn code(net: &Net, person: &str) -> String {
    let scope = [("scope", "openid profile email offline_access")];
    net.sign_in("/authorize", person, &scope).remove("code").expect("a code")
}

fn tokens(net: &Net, person: &str) -> Value {
    let answer = net.redeem(TOKEN, &code(net, person), &[]);
    assert_eq!(answer.status(), 200, "{}", json(&answer));
    json(&answer)
}

#[test]
fn a_flow_ends_with_tokens_and_userinfo() {
    let net = net();
    let discovery = json(&net.get("/.well-known/openid-configuration"));
    assert_eq!(discovery["issuer"], "https://up.test/auth0/x1/", "with the slash");
    let brought = net.sign_in("/authorize", "alice", &[("scope", "openid email")]);
    assert_eq!(brought["state"], "a state");
    assert!(!brought.contains_key("iss"), "Auth0 does not say it");
    let tokens = json(&net.redeem(TOKEN, &brought["code"], &[]));
    assert_eq!(tokens["token_type"], "Bearer");
    assert!(tokens["refresh_token"].is_null(), "it was not asked for");
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["iss"], "https://up.test/auth0/x1/");
    assert_eq!(claims["sub"], "auth0|alice");
    assert_eq!(claims["nonce"], "a-nonce");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(header(&tokens["id_token"])["alg"], "RS256");
    let userinfo = json(&net.get_with("/userinfo", &tokens["access_token"]));
    assert_eq!(userinfo["sub"], "auth0|alice");
    let seen = net.stand_in.seen_at("auth0/x1", Endpoint::Authorize);
    assert_eq!(seen[0].get("code_challenge_method"), Some("S256"));
}

#[test]
fn whoever_redeems_a_code_has_to_be_right_in_everything() {
    let net = net();
    let code = code(&net, "alice");
    for (changed, status, word) in [
        (("client_secret", "wrong"), 401, "access_denied"),
        (("client_secret", ""), 401, "access_denied"),
        (("client_id", "nobody"), 401, "access_denied"),
        (("redirect_uri", "https://app.test/other"), 403, "unauthorized_client"),
        (("redirect_uri", ""), 400, "invalid_request"),
        (("code", "made-up"), 403, "invalid_grant"),
        (("code_verifier", ""), 403, "invalid_grant"),
        (
            ("code_verifier", "another-verifier-of-43-characters-or-a-few-more"),
            403,
            "invalid_grant",
        ),
        (("grant_type", "password"), 403, "unsupported_grant_type"),
    ] {
        let refused = net.redeem(TOKEN, &code, &[changed]);
        assert_eq!(error(&refused), (status, word.to_owned()), "{changed:?}");
    }
    let other = [("client_id", "somebody-else"), ("client_secret", "another-stand-in-secret")];
    assert_eq!(error(&net.redeem(TOKEN, &code, &other)), (403, "invalid_grant".to_owned()));
    assert_eq!(net.redeem(TOKEN, &code, &[]).status(), 200);
    let again = net.redeem(TOKEN, &code, &[]);
    assert_eq!(error(&again), (403, "invalid_grant".to_owned()));
}

#[test]
fn a_code_is_too_old_after_ten_minutes() {
    let net = net();
    let code = code(&net, "alice");
    net.wait(600);
    assert_eq!(error(&net.redeem(TOKEN, &code, &[])), (403, "invalid_grant".to_owned()));
}

#[test]
fn a_redirect_uri_far_away_is_no_place_to_go() {
    let net = net();
    for uri in ["https://app.example/callback", "http://10.0.0.1/", "ftp://app.test/", ""] {
        let page = net.browse(&Net::ask("/authorize", &[("redirect_uri", uri)]), None);
        assert_eq!(page.status(), 403, "{uri}");
    }
}

#[test]
fn a_reused_refresh_token_is_answered_403_and_ends_the_family() {
    let net = net();
    let first = tokens(&net, "alice");
    let second = json(&net.refresh(TOKEN, &first["refresh_token"]));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let reused = net.refresh(TOKEN, &first["refresh_token"]);
    assert_eq!(reused.status(), 403);
    let body = json(&reused);
    assert_eq!(body["error"], "invalid_grant");
    assert_eq!(body["error_description"], "Unknown or invalid refresh token.");
    let newest = net.refresh(TOKEN, &second["refresh_token"]);
    assert_eq!(error(&newest), (403, "invalid_grant".to_owned()));
}

#[test]
fn another_sign_in_is_another_family() {
    let net = net();
    let (one, other) = (tokens(&net, "alice"), tokens(&net, "alice"));
    net.refresh(TOKEN, &one["refresh_token"]);
    net.refresh(TOKEN, &one["refresh_token"]);
    assert_eq!(net.refresh(TOKEN, &other["refresh_token"]).status(), 200);
}

#[test]
fn an_organization_lets_in_its_members_and_says_so() {
    let net = net();
    let asked = [("scope", "openid"), ("organization", "org_alpha")];
    let brought = net.sign_in("/authorize", "alice", &asked);
    let tokens = json(&net.redeem(TOKEN, &brought["code"], &[]));
    assert_eq!(claims(&tokens["id_token"])["org_id"], "org_alpha");
    let brought = net.sign_in("/authorize", "dave", &asked);
    assert_eq!(brought["error"], "access_denied");
}

#[test]
fn an_audience_makes_the_access_token_a_jwt() {
    let net = net();
    let asked = [("scope", "openid"), ("audience", "https://api.test")];
    let brought = net.sign_in("/authorize", "alice", &asked);
    let tokens = json(&net.redeem(TOKEN, &brought["code"], &[]));
    assert_eq!(claims(&tokens["access_token"])["aud"][0], "https://api.test");
}

#[test]
fn prompts_and_max_age_behave() {
    let net = net();
    let ask = |more: &[(&str, &str)]| Net::ask("/authorize", more);
    let silent = [("scope", "openid"), ("prompt", "none")];
    assert_eq!(brought(&net.browse(&ask(&silent), None))["error"], "login_required");
    code(&net, "alice");
    assert!(brought(&net.browse(&ask(&silent), None)).contains_key("code"));
    assert!(brought(&net.browse(&ask(&[("scope", "openid")]), None)).contains_key("code"));
    assert_eq!(net.browse(&ask(&[("prompt", "login")]), None).status(), 200, "a page");
    net.wait(100);
    assert_eq!(net.browse(&ask(&[("max_age", "60")]), None).status(), 200, "a page");
    let young = [("max_age", "200"), ("scope", "openid")];
    let brought = brought(&net.browse(&ask(&young), None));
    let tokens = json(&net.redeem(TOKEN, &brought["code"], &[]));
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["auth_time"].as_u64(), Some(net.now.get() - 100));
}

#[test]
fn whoever_says_no_comes_back_with_access_denied() {
    let net = net();
    let denied = net.browse(&Net::ask("/authorize", &[]), Some(&[("deny", "deny")]));
    let brought = brought(&denied);
    assert_eq!((&*brought["error"], &*brought["state"]), ("access_denied", "a state"));
}

#[test]
fn revoking_says_200_whatever_it_was() {
    let net = net();
    let tokens = tokens(&net, "alice");
    let revoke = |token: &str| {
        let client = [("client_id", "gatelatch"), ("client_secret", "stand-in-secret")];
        net.post("/oauth/revoke", &[client[0], client[1], ("token", token)])
    };
    assert_eq!(revoke("made-up").status(), 200);
    assert_eq!(revoke(tokens["refresh_token"].as_str().unwrap()).status(), 200);
    let dead = net.refresh(TOKEN, &tokens["refresh_token"]);
    assert_eq!(error(&dead), (403, "invalid_grant".to_owned()));
}

#[test]
fn a_logout_token_is_typed_jwt_and_names_the_session() {
    let net = net();
    let tokens = tokens(&net, "alice");
    let sid = claims(&tokens["id_token"])["sid"].clone();
    let token = net.stand_in.logout_token("auth0/x1", "alice", net.now.get()).expect("a token");
    let token = Value::from(token);
    assert_eq!(header(&token)["typ"], "JWT");
    let claims = claims(&token);
    assert_eq!(claims["sid"], sid);
    assert_eq!(claims["exp"].as_u64(), Some(net.now.get() + 120));
    assert!(claims["trace_id"].is_string() && claims["nonce"].is_null());
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
}

#[test]
fn signing_out_goes_on_where_it_may_and_ends_the_session() {
    let net = net();
    let tokens = tokens(&net, "alice");
    let hint = tokens["id_token"].as_str().unwrap();
    let ask = |pairs: &[(&str, &str)]| {
        net.browse(&format!("/oidc/logout?{}", crate::support::form(pairs)), None)
    };
    let far = [("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")];
    assert_eq!(ask(&far).status(), 400);
    assert_eq!(ask(&[("post_logout_redirect_uri", CALLBACK)]).status(), 400);
    assert_eq!(ask(&[]).status(), 200, "it asks");
    let silent = Net::ask("/authorize", &[("prompt", "none")]);
    assert!(brought(&net.browse(&silent, None)).contains_key("code"), "nothing ended yet");
    let near = [("id_token_hint", hint), ("post_logout_redirect_uri", CALLBACK), ("state", "s")];
    assert_eq!(brought(&ask(&near))["state"], "s");
    assert_eq!(brought(&net.browse(&silent, None))["error"], "login_required");
}

#[test]
fn a_tenant_may_publish_no_place_to_sign_out_at() {
    let net = net();
    let published =
        || json(&net.get("/.well-known/openid-configuration"))["end_session_endpoint"].clone();
    net.fault(Endpoint::Discovery, Fault::NoEndSession);
    assert!(published().is_null());
    assert_eq!(published(), "https://up.test/auth0/x1/oidc/logout");
}
