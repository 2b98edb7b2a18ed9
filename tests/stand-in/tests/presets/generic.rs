//! A provider by the book.

use crate::support::{
    CALLBACK, Net, VERIFIER, brought, challenge, claims, error, form, header, json,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

const SCOPE: (&str, &str) = ("scope", "openid profile email offline_access");

fn net() -> Net {
    Net::new("generic/x1")
}

fn code(net: &Net, person: &str) -> String {
    net.sign_in("/authorize", person, &[SCOPE]).remove("code").expect("a code")
}

fn tokens(net: &Net, person: &str) -> Value {
    json(&net.redeem("/token", &code(net, person), &[]))
}

#[test]
fn a_flow_ends_with_everything() {
    let net = net();
    let discovery = json(&net.get("/.well-known/openid-configuration"));
    assert_eq!(discovery["issuer"], "https://up.test/generic/x1");
    let brought = net.sign_in("/authorize", "alice", &[SCOPE]);
    assert_eq!(brought["iss"], "https://up.test/generic/x1");
    let tokens = json(&net.redeem("/token", &brought["code"], &[]));
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["aud"], serde_json::json!(["gatelatch"]));
    assert_eq!(claims["amr"][0], "user");
    assert!(claims["auth_time"].is_u64() && claims["acr"].is_string());
    assert_eq!(json(&net.get_with("/userinfo", &tokens["access_token"]))["sub"], "person-alice");
    let keys = json(&net.get("/jwks"));
    let uses: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["use"]).collect();
    assert_eq!(uses, [&Value::from("enc"), &Value::from("sig"), &Value::Null]);
}

#[test]
fn whoever_redeems_a_code_has_to_be_right_in_everything() {
    let net = net();
    let code = code(&net, "alice");
    for (changed, status, word) in [
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_id", "nobody"), 401, "invalid_client"),
        (("client_id", ""), 400, "invalid_request"),
        (("redirect_uri", "https://app.test/other"), 400, "invalid_grant"),
        (("redirect_uri", ""), 400, "invalid_request"),
        (("code", "made-up"), 400, "invalid_grant"),
        (("code_verifier", ""), 400, "invalid_grant"),
        (
            ("code_verifier", "another-verifier-of-43-characters-or-a-few-more"),
            400,
            "invalid_grant",
        ),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
    ] {
        let refused = net.redeem("/token", &code, &[changed]);
        assert_eq!(error(&refused), (status, word.to_owned()), "{changed:?}");
    }
    let twice = [("code", "made-up"), ("code", code.as_str())];
    assert_eq!(error(&net.redeem("/token", &code, &twice)), (400, "invalid_request".to_owned()));
    assert_eq!(net.redeem("/token", &code, &[]).status(), 200);
}

#[test]
fn a_verifier_without_a_challenge_is_refused() {
    let net = net();
    let plain = [SCOPE, ("code_challenge", ""), ("code_challenge_method", "")];
    let code = net.sign_in("/authorize", "alice", &plain).remove("code").unwrap();
    assert_eq!(net.redeem("/token", &code, &[]).status(), 400);
    assert_eq!(net.redeem("/token", &code, &[("code_verifier", "")]).status(), 200);
}

#[test]
fn a_challenge_is_s256_or_nothing() {
    let net = net();
    let ask = |more: &[(&str, &str)]| {
        let more: Vec<_> = [SCOPE].into_iter().chain(more.iter().copied()).collect();
        brought(&net.browse(&Net::ask("/authorize", &more), None))["error"].clone()
    };
    assert_eq!(ask(&[("code_challenge_method", "plain")]), "invalid_request");
    assert_eq!(ask(&[("code_challenge_method", "")]), "invalid_request");
    assert_eq!(ask(&[("code_challenge", "short")]), "invalid_request");
    assert_eq!(challenge().len(), 43);
}

#[test]
fn the_secret_comes_in_the_header_or_in_the_form_and_not_in_both() {
    let net = net();
    let send = |secret: &str, more: &[(&str, &str)]| {
        let pair = format!("Basic {}", STANDARD.encode(format!("gatelatch:{secret}")));
        let code = code(&net, "alice");
        let kind = (CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        fields.extend(more);
        net.send(Method::POST, "/token", &[(AUTHORIZATION, &pair), kind], &form(&fields))
    };
    assert_eq!(send("stand-in-secret", &[]).status(), 200);
    assert_eq!(send("stand%2Din%2Dsecret", &[]).status(), 200, "RFC 6749 §2.3.1");
    assert_eq!(send("wrong", &[]).status(), 401);
    let twice = [("client_secret", "stand-in-secret")];
    assert_eq!(error(&send("stand-in-secret", &twice)), (400, "invalid_request".to_owned()));
}

#[test]
fn rfc6749_4_1_2_a_code_used_twice_ends_what_came_from_it() {
    let net = net();
    let code = code(&net, "alice");
    let tokens = json(&net.redeem("/token", &code, &[]));
    assert_eq!(net.get_with("/userinfo", &tokens["access_token"]).status(), 200);
    assert_eq!(error(&net.redeem("/token", &code, &[])), (400, "invalid_grant".to_owned()));
    assert_eq!(net.get_with("/userinfo", &tokens["access_token"]).status(), 401);
    assert_eq!(net.refresh("/token", &tokens["refresh_token"]).status(), 400);
}

#[test]
fn a_refresh_token_is_its_clients_alone_and_a_reused_one_ends_the_family() {
    let net = net();
    let first = tokens(&net, "alice");
    let stolen = [
        ("grant_type", "refresh_token"),
        ("client_id", "somebody-else"),
        ("client_secret", "another-stand-in-secret"),
        ("refresh_token", first["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(net.post("/token", &stolen).status(), 400);
    let second = json(&net.refresh("/token", &first["refresh_token"]));
    assert!(claims(&second["id_token"]).get("nonce").is_none());
    assert_eq!(net.refresh("/token", &first["refresh_token"]).status(), 400);
    assert_eq!(net.refresh("/token", &second["refresh_token"]).status(), 400);
}

#[test]
fn a_session_is_remembered_and_auth_time_tells_the_truth() {
    let net = net();
    code(&net, "alice");
    net.wait(50);
    let silent = Net::ask("/authorize", &[SCOPE, ("prompt", "none")]);
    let brought = brought(&net.browse(&silent, None));
    let tokens = json(&net.redeem("/token", &brought["code"], &[]));
    assert_eq!(claims(&tokens["id_token"])["auth_time"].as_u64(), Some(net.now.get() - 50));
    let old = Net::ask("/authorize", &[SCOPE, ("prompt", "none"), ("max_age", "10")]);
    assert_eq!(crate::support::brought(&net.browse(&old, None))["error"], "login_required");
}

#[test]
fn instances_know_nothing_of_each_other() {
    let (one, mut other) = (net(), Net::new("generic/x2"));
    other.stand_in = one.stand_in.clone();
    let code = code(&one, "alice");
    assert_eq!(other.redeem("/token", &code, &[]).status(), 400);
    other.stand_in.rotate("generic/x2");
    let kids = |net: &Net| json(&net.get("/jwks"))["keys"].as_array().unwrap().len();
    assert_eq!((kids(&one), kids(&other)), (3, 4));
    assert_eq!(one.redeem("/token", &code, &[]).status(), 200);
    assert_eq!(other.stand_in.seen("generic/x2").len(), 2);
}

#[test]
fn a_logout_token_is_typed_logout_jwt() {
    let net = net();
    assert!(net.stand_in.logout_token("generic/x1", "alice", net.now.get()).is_none());
    let tokens = tokens(&net, "alice");
    let sid = claims(&tokens["id_token"])["sid"].as_str().unwrap().to_owned();
    let token = net.stand_in.logout_token("generic/x1", &sid, net.now.get()).unwrap();
    assert_eq!(header(&token.clone().into())["typ"], "logout+jwt");
    assert_eq!(claims(&token.into())["sub"], "person-alice");
}
