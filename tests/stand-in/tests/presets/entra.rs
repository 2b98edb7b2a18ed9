//! Entra.

use crate::support::{Net, claims, error, json};
use serde_json::Value;
use stand_in::Home;

const SCOPE: (&str, &str) = ("scope", "openid email profile offline_access");

fn net() -> Net {
    Net::new("entra/x1")
}

fn token_path(tenant: &str) -> String {
    format!("/{tenant}/oauth2/v2.0/token")
}

fn tokens(net: &Net, tenant: &str, person: &str) -> Value {
    let brought = net.sign_in(&format!("/{tenant}/oauth2/v2.0/authorize"), person, &[SCOPE]);
    json(&net.redeem(&token_path(tenant), &brought["code"], &[]))
}

fn discovery(net: &Net, tenant: &str) -> Value {
    json(&net.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")))
}

#[test]
fn a_flow_ends_with_an_id_token_of_the_persons_tenant() {
    let net = net();
    for (person, home) in [("alice", Home::Alpha), ("dave", Home::Beta), ("carol", Home::Nowhere)] {
        let tokens = tokens(&net, "common", person);
        let claims = claims(&tokens["id_token"]);
        assert_eq!(claims["tid"], home.tenant());
        assert_eq!(claims["iss"], format!("https://up.test/entra/x1/{}/v2.0", home.tenant()));
        assert!(claims["oid"].is_string() && claims["ver"] == "2.0");
        let userinfo = json(&net.get_with("/oidc/userinfo", &tokens["access_token"]));
        assert_eq!(userinfo["sub"], claims["sub"]);
    }
}

#[test]
fn several_tenants_have_a_template_for_an_issuer_and_one_is_exact() {
    let net = net();
    assert_eq!(discovery(&net, "common")["issuer"], "https://up.test/entra/x1/{tenantid}/v2.0");
    assert_eq!(
        discovery(&net, "organizations")["issuer"],
        "https://up.test/entra/x1/{tenantid}/v2.0"
    );
    let alpha = Home::Alpha.tenant();
    let exact = format!("https://up.test/entra/x1/{alpha}/v2.0");
    assert_eq!(discovery(&net, alpha)["issuer"], exact);
    assert_eq!(discovery(&net, "nobody")["error"], "invalid_tenant");
}

#[test]
fn a_tenant_lets_in_its_own_people_alone() {
    let net = net();
    let ask = |tenant: &str, person: &str| {
        net.sign_in(&format!("/{tenant}/oauth2/v2.0/authorize"), person, &[SCOPE])
    };
    assert!(ask(Home::Alpha.tenant(), "alice").contains_key("code"));
    assert_eq!(ask(Home::Alpha.tenant(), "dave")["error"], "access_denied");
    assert_eq!(ask("organizations", "carol")["error"], "access_denied");
    assert!(ask("organizations", "dave").contains_key("code"));
}

#[test]
fn nobody_says_email_verified() {
    let net = net();
    let of = |person: &str| claims(&tokens(&net, "common", person)["id_token"]);
    let (alice, bob) = (of("alice"), of("bob"));
    assert_eq!(alice["email"], "alice@alpha.test");
    assert_eq!(bob["email"], "bob@alpha.test");
    assert!(alice.get("email_verified").is_none() && bob.get("email_verified").is_none());
    assert_eq!(alice["xms_edov"], true);
    assert!(bob.get("xms_edov").is_none());
}

#[test]
fn keys_have_no_alg() {
    let net = net();
    let keys = json(&net.get("/common/discovery/v2.0/keys"));
    assert!(keys["keys"][0].get("alg").is_none());
    assert_eq!(keys["keys"][0]["issuer"], "https://up.test/entra/x1/{tenantid}/v2.0");
}

#[test]
fn errors_have_a_number() {
    let net = net();
    let brought = net.sign_in("/common/oauth2/v2.0/authorize", "alice", &[SCOPE]);
    let code = &brought["code"];
    let path = token_path("common");
    let wrong = net.redeem(&path, code, &[("client_secret", "wrong")]);
    assert_eq!(error(&wrong), (401, "invalid_client".to_owned()));
    assert_eq!(json(&wrong)["error_codes"][0], 7_000_215);
    let elsewhere = net.redeem(&token_path(Home::Alpha.tenant()), code, &[]);
    assert_eq!(error(&elsewhere), (400, "invalid_grant".to_owned()));
    let unproven = net.redeem(&path, code, &[("code_verifier", "")]);
    assert_eq!(json(&unproven)["error_codes"][0], 501_481);
    let other = net.redeem(&path, code, &[("redirect_uri", "https://app.test/other")]);
    assert_eq!(json(&other)["error_codes"][0], 500_112);
    assert_eq!(net.redeem(&path, code, &[]).status(), 200);
    assert_eq!(json(&net.redeem(&path, code, &[]))["error_codes"][0], 54_005);
}

#[test]
fn a_refresh_brings_a_new_token_and_the_old_one_stays_good() {
    let net = net();
    let first = tokens(&net, "common", "alice");
    let second = json(&net.refresh(&token_path("common"), &first["refresh_token"]));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(net.refresh(&token_path("common"), &first["refresh_token"]).status(), 200);
    net.stand_in.revoke("entra/x1", "alice");
    let dead = net.refresh(&token_path("common"), &second["refresh_token"]);
    assert_eq!(error(&dead), (400, "invalid_grant".to_owned()));
}

#[test]
fn more_groups_than_fit_are_said_to_be_elsewhere() {
    let net = net();
    let claims = claims(&tokens(&net, "common", "frank")["id_token"]);
    assert_eq!(claims["_claim_names"]["groups"], "src1");
    assert!(claims.get("groups").is_none());
}
