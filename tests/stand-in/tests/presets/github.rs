//! GitHub.

use crate::support::{Net, brought, json};
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use serde_json::{Value, json as object};
use stand_in::{Endpoint, Fault, Response};

const AUTHORIZE: &str = "/login/oauth/authorize";
const TOKEN: &str = "/login/oauth/access_token";
const SCOPE: (&str, &str) = ("scope", "user:email read:user");

fn net() -> Net {
    Net::new("github/x1")
}

fn tokens(net: &Net, person: &str, more: &[(&str, &str)]) -> Value {
    let brought = net.sign_in(AUTHORIZE, person, more);
    json(&net.redeem(TOKEN, &brought["code"], &[]))
}

fn api(net: &Net, path: &str, token: &Value, headers: &[(HeaderName, &str)]) -> Response {
    let token = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
    let mut all = vec![(AUTHORIZATION, token.as_str())];
    all.extend(headers.iter().cloned());
    net.send(Method::GET, &format!("/api/v3{path}"), &all, "")
}

fn read(net: &Net, path: &str, person: &str) -> Value {
    let token = tokens(net, person, &[SCOPE]);
    json(&api(net, path, &token, &[(USER_AGENT, "gatelatch")]))
}

#[test]
fn a_flow_ends_with_a_user_and_their_emails() {
    let net = net();
    let token = tokens(&net, "alice", &[SCOPE]);
    assert_eq!(token["token_type"], "bearer");
    assert_eq!(token["scope"], "read:user,user:email", "with commas");
    assert!(token["access_token"].as_str().unwrap().starts_with("gho_"));
    let user = api(&net, "/user", &token, &[(USER_AGENT, "gatelatch")]);
    assert_eq!(user.headers()["x-oauth-scopes"], "read:user, user:email");
    assert_eq!(json(&user)["id"], 1001);
    assert_eq!(json(&user)["email"], Value::Null, "it is not public");
    let emails = read(&net, "/user/emails", "alice");
    assert_eq!(emails[0]["email"], "alice@alpha.test");
    assert_eq!(emails[0]["primary"], true);
}

#[test]
fn rfc9207_2_the_answer_says_who_it_is_from() {
    let brought = net().sign_in(AUTHORIZE, "alice", &[SCOPE]);
    assert!(brought["iss"].ends_with("/login/oauth"), "{brought:?}");
}

#[test]
fn errors_say_200() {
    let net = net();
    let code = net.sign_in(AUTHORIZE, "alice", &[SCOPE]).remove("code").unwrap();
    for (changed, word) in [
        (("client_secret", "wrong"), "incorrect_client_credentials"),
        (("client_id", "nobody"), "incorrect_client_credentials"),
        (("redirect_uri", "https://app.test/other"), "redirect_uri_mismatch"),
        (("code", "made-up"), "bad_verification_code"),
        (("code_verifier", ""), "bad_verification_code"),
        (
            ("code_verifier", "another-verifier-of-43-characters-or-a-few-more"),
            "bad_verification_code",
        ),
    ] {
        let refused = net.redeem(TOKEN, &code, &[changed]);
        assert_eq!(refused.status(), 200);
        assert_eq!(json(&refused)["error"], word, "{changed:?}");
        assert!(json(&refused)["error_uri"].is_string());
    }
    let other = [("client_id", "somebody-else"), ("client_secret", "another-stand-in-secret")];
    assert_eq!(json(&net.redeem(TOKEN, &code, &other))["error"], "bad_verification_code");
    assert!(json(&net.redeem(TOKEN, &code, &[]))["access_token"].is_string());
    assert_eq!(json(&net.redeem(TOKEN, &code, &[]))["error"], "bad_verification_code");
}

#[test]
fn the_answer_is_a_form_unless_json_is_asked_for() {
    let net = net();
    let code = net.sign_in(AUTHORIZE, "alice", &[SCOPE]).remove("code").unwrap();
    let fields = crate::support::form(&[
        ("client_id", "gatelatch"),
        ("client_secret", "stand-in-secret"),
        ("code", &code),
        ("code_verifier", crate::support::VERIFIER),
    ]);
    let kind = (CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = net.send(Method::POST, TOKEN, &[kind.clone(), (ACCEPT, "*/*")], &fields);
    let body = String::from_utf8_lossy(answer.body());
    assert!(answer.headers()[CONTENT_TYPE].to_str().unwrap().contains("form-urlencoded"));
    assert!(body.contains("scope=read%3Auser%2Cuser%3Aemail"), "{body}");
    let again = net.send(Method::POST, TOKEN, &[kind], &fields);
    assert!(again.body().starts_with(b"error=bad_verification_code"));
}

#[test]
fn the_api_wants_a_user_agent() {
    let net = net();
    let token = tokens(&net, "alice", &[SCOPE]);
    assert_eq!(api(&net, "/user", &token, &[]).status(), 403);
    let named = (USER_AGENT, "gatelatch");
    assert_eq!(api(&net, "/user", &token, std::slice::from_ref(&named)).status(), 200);
    let version = HeaderName::from_static("x-github-api-version");
    let right = [named.clone(), (version.clone(), "2022-11-28")];
    assert_eq!(api(&net, "/user", &token, &right).status(), 200);
    assert_eq!(api(&net, "/user", &token, &[named, (version, "1999-01-01")]).status(), 400);
}

#[test]
fn fd_22_emails_are_404_without_the_scope() {
    let net = net();
    let token = tokens(&net, "alice", &[("scope", "read:user")]);
    let named = [(USER_AGENT, "gatelatch")];
    let answer = api(&net, "/user/emails", &token, &named);
    assert_eq!(answer.status(), 404);
    assert_eq!(json(&answer)["message"], "Not Found");
    assert_eq!(api(&net, "/user", &token, &named).status(), 200);
}

#[test]
fn fd_22_a_primary_email_may_be_unverified_and_a_list_empty() {
    let net = net();
    let emails = read(&net, "/user/emails", "heidi");
    let of = |wanted: &str| {
        emails.as_array().unwrap().iter().find(|entry| entry["email"] == wanted).unwrap().clone()
    };
    let (primary, other) = (of("heidi@alpha.test"), of("heidi@other.test"));
    assert_eq!((&primary["primary"], &primary["verified"]), (&true.into(), &false.into()));
    assert_eq!((&other["primary"], &other["verified"]), (&false.into(), &true.into()));
    assert_eq!(read(&net, "/user/emails", "carol"), object!([]));
}

#[test]
fn fd_19_an_id_may_be_null_missing_zero_or_a_string() {
    let net = net();
    assert_eq!(read(&net, "/user", "ivan")["id"], Value::Null);
    assert!(read(&net, "/user", "ivan").get("id").is_some());
    assert!(read(&net, "/user", "leo").get("id").is_none());
    assert_eq!(read(&net, "/user", "kim")["id"], 0);
    assert_eq!(read(&net, "/user", "judy")["id"], "1001");
}

#[test]
fn denial_comes_back_with_a_uri_and_the_state() {
    let net = net();
    let denied = net.browse(&Net::ask(AUTHORIZE, &[]), Some(&[("deny", "deny")]));
    let brought = brought(&denied);
    assert_eq!(brought["error"], "access_denied");
    assert!(brought.contains_key("error_uri"));
    assert_eq!(brought["state"], "a state");
}

#[test]
fn the_eleventh_token_ends_the_first() {
    let net = net();
    let all: Vec<_> = (0..11).map(|_| tokens(&net, "alice", &[SCOPE])).collect();
    let status = |at: usize| api(&net, "/user", &all[at], &[(USER_AGENT, "gatelatch")]).status();
    assert_eq!(status(0), 401);
    assert_eq!(status(1), 200);
    assert_eq!(status(10), 200);
}

#[test]
fn a_refresh_of_a_github_app_ends_both_old_tokens_at_once() {
    let net = net();
    let app = [("client_id", "Iv1.gatelatch")];
    let brought = net.sign_in(AUTHORIZE, "alice", &app);
    let first = json(&net.redeem(TOKEN, &brought["code"], &app));
    assert_eq!(first["expires_in"], 28_800);
    assert_eq!(first["scope"], "");
    let refresh = |token: &Value| {
        let token = token["refresh_token"].as_str().unwrap();
        let kind = ("grant_type", "refresh_token");
        json(&net.post(
            TOKEN,
            &[app[0], ("client_secret", "stand-in-secret"), kind, ("refresh_token", token)],
        ))
    };
    let second = refresh(&first);
    let named = [(USER_AGENT, "gatelatch")];
    assert_eq!(api(&net, "/user", &first, &named).status(), 401);
    assert_eq!(api(&net, "/user", &second, &named).status(), 200);
    assert_eq!(refresh(&first)["error"], "bad_refresh_token");
}

#[test]
fn a_token_is_revoked_by_its_client_alone() {
    let net = net();
    let token = tokens(&net, "alice", &[SCOPE]);
    let revoke = |secret: &str| {
        use base64::Engine;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("gatelatch:{secret}"));
        let basic = format!("Basic {pair}");
        let headers = [
            (AUTHORIZATION, basic.as_str()),
            (USER_AGENT, "gatelatch"),
            (CONTENT_TYPE, "application/json"),
        ];
        let body = object!({ "access_token": token["access_token"] }).to_string();
        net.send(Method::DELETE, "/api/v3/applications/gatelatch/token", &headers, &body)
    };
    assert_eq!(revoke("wrong").status(), 404);
    assert_eq!(revoke("stand-in-secret").status(), 204);
    assert_eq!(api(&net, "/user", &token, &[(USER_AGENT, "gatelatch")]).status(), 401);
}

#[test]
fn fd_14_verified_may_be_anything_when_told_so() {
    let net = net();
    let fault = Fault::EmailVerified(stand_in::Claim::Is("true".into()));
    net.fault(Endpoint::Emails, fault);
    assert_eq!(read(&net, "/user/emails", "alice")[0]["verified"], "true");
    assert_eq!(read(&net, "/user/emails", "alice")[0]["verified"], true);
}

#[test]
fn fd_12_the_user_may_be_somebody_else_and_the_emails_may_fail() {
    let net = net();
    net.fault(Endpoint::Userinfo, Fault::UserinfoOtherSubject);
    assert_ne!(read(&net, "/user", "alice")["id"], 1001);
    net.fault(Endpoint::Emails, Fault::Status(404));
    assert_eq!(read(&net, "/user/emails", "alice")["message"], "Arranged.");
}

#[test]
fn a_person_who_was_revoked_has_no_good_token() {
    let net = net();
    let (alice, bob) = (tokens(&net, "alice", &[SCOPE]), tokens(&net, "bob", &[SCOPE]));
    net.stand_in.revoke("github/x1", "alice");
    let named = [(USER_AGENT, "gatelatch")];
    assert_eq!(api(&net, "/user", &alice, &named).status(), 401);
    assert_eq!(api(&net, "/user", &bob, &named).status(), 200);
}
