//! What is answered can be wrong, in one point at a time.

use crate::support::{Net, brought, claims, header, json};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json as object};
use stand_in::{Claim, Endpoint, Fault, IdTokenFault};

const SCOPE: (&str, &str) = ("scope", "openid profile email offline_access");

fn net() -> Net {
    Net::new("generic/x1")
}

fn tokens(net: &Net) -> Value {
    let brought = net.sign_in("/authorize", "alice", &[SCOPE]);
    json(&net.redeem("/token", &brought["code"], &[]))
}

fn spoilt(fault: IdTokenFault) -> Value {
    let net = net();
    net.fault(Endpoint::Token, Fault::IdToken(fault));
    tokens(&net)["id_token"].clone()
}

/// Whether a token verifies with the published keys.
fn verifies(net: &Net, token: &Value) -> bool {
    let mut keys = json(&net.get("/jwks"));
    keys["keys"].as_array_mut().unwrap().retain(|key| key["use"] == "sig");
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let kid = header(token)["kid"].as_str().unwrap().to_owned();
    let Some(key) = keys.find(&kid) else { return false };
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(key).unwrap();
    decode::<Value>(token.as_str().unwrap(), &key, &validation).is_ok()
}

#[test]
fn fd_09_a_nonce_is_missing_or_wrong() {
    assert_eq!(claims(&spoilt(IdTokenFault::NoNonce)).get("nonce"), None);
    assert_eq!(claims(&spoilt(IdTokenFault::WrongNonce))["nonce"], "another-nonce");
}

#[test]
fn fd_10_claims_are_missing_or_wrong() {
    let good = claims(&tokens(&net())["id_token"]);
    assert_eq!(claims(&spoilt(IdTokenFault::WrongIssuer))["iss"], "https://another.test");
    assert_eq!(claims(&spoilt(IdTokenFault::WrongAudience))["aud"], "somebody-else");
    assert_eq!(claims(&spoilt(IdTokenFault::NoSubject)).get("sub"), None);
    assert_eq!(claims(&spoilt(IdTokenFault::EmptySubject))["sub"], "");
    assert_eq!(claims(&spoilt(IdTokenFault::OtherSubject))["sub"], "somebody-else");
    assert!(spoilt(IdTokenFault::Absent).is_null());
    let time = |claims: &Value, name: &str| claims[name].as_u64().unwrap();
    let (now, expired) = (time(&good, "iat"), claims(&spoilt(IdTokenFault::Expired)));
    assert_eq!(time(&expired, "exp"), now - 3600);
    assert!(time(&expired, "iat") < time(&expired, "exp"));
    assert_eq!(time(&claims(&spoilt(IdTokenFault::FutureIat)), "iat"), now + 3600);
}

#[test]
fn fd_11_an_audience_or_a_party_is_somebody_else() {
    let extra = claims(&spoilt(IdTokenFault::ExtraAudience));
    assert_eq!(extra["aud"], object!(["gatelatch", "somebody-else"]));
    assert!(extra.get("azp").is_none());
    assert_eq!(claims(&spoilt(IdTokenFault::WrongAzp))["azp"], "somebody-else");
}

#[test]
fn fd_10_signatures_are_missing_or_somebody_elses() {
    let net = net();
    assert!(verifies(&net, &tokens(&net)["id_token"]));
    let none = spoilt(IdTokenFault::AlgNone);
    assert_eq!(header(&none)["alg"], "none");
    assert!(none.as_str().unwrap().ends_with('.'));
    assert_eq!(header(&spoilt(IdTokenFault::UnknownKid))["kid"], "unpublished");
    let other = spoilt(IdTokenFault::OtherKey);
    assert_eq!(header(&other)["kid"], "stand-in-1");
    assert!(!verifies(&net, &other));
    let secret = spoilt(IdTokenFault::Hs256);
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_secret(b"stand-in-secret");
    assert!(decode::<Value>(secret.as_str().unwrap(), &key, &validation).is_ok());
}

#[test]
fn keys_are_rotated_with_and_without_warning() {
    let net = net();
    let before = tokens(&net)["id_token"].clone();
    net.stand_in.rotate("generic/x1");
    let after = tokens(&net)["id_token"].clone();
    assert_ne!(header(&before)["kid"], header(&after)["kid"]);
    assert!(verifies(&net, &before) && verifies(&net, &after));
    net.fault(Endpoint::Token, Fault::KeysRotatedJustNow);
    let now = tokens(&net)["id_token"].clone();
    assert!(verifies(&net, &now) && !verifies(&net, &after));
}

#[test]
fn fd_12_userinfo_is_somebody_elses() {
    let net = net();
    let token = tokens(&net)["access_token"].clone();
    net.fault(Endpoint::Userinfo, Fault::UserinfoOtherSubject);
    assert_eq!(json(&net.get_with("/userinfo", &token))["sub"], "somebody-else");
    assert_eq!(json(&net.get_with("/userinfo", &token))["sub"], "person-alice");
}

#[test]
fn fd_30_discovery_is_another_issuers_or_its_keys_are() {
    let net = net();
    let discovery = || json(&net.get("/.well-known/openid-configuration"));
    net.fault(Endpoint::Discovery, Fault::OtherDiscoveryIssuer);
    assert_eq!(discovery()["issuer"], "https://another.test");
    net.fault(Endpoint::Discovery, Fault::HttpJwksUri);
    assert_eq!(discovery()["jwks_uri"], "http://keys.another.test/jwks");
    assert_eq!(discovery()["jwks_uri"], "https://up.test/generic/x1/jwks");
}

#[test]
fn the_browser_comes_back_wrong() {
    let net = net();
    let back = |fault: Fault| {
        net.fault(Endpoint::Authorize, fault);
        let page = net.browse(&Net::ask("/authorize", &[SCOPE]), Some(&[("person", "alice")]));
        (crate::support::location(&page), brought(&page))
    };
    assert!(!back(Fault::CallbackWithoutState).1.contains_key("state"));
    assert_eq!(back(Fault::CallbackOtherIss).1["iss"], "https://another.test");
    assert!(!back(Fault::CallbackNoIss).1.contains_key("iss"));
    assert_eq!(back(Fault::CallbackDuplicateCode).0.matches("code=").count(), 2);
}

#[test]
fn a_page_does_not_use_up_what_is_wrong_with_the_way_back() {
    let net = net();
    net.fault(Endpoint::Authorize, Fault::CallbackNoIss);
    net.browse(&Net::ask("/authorize", &[SCOPE]), None);
    assert!(!net.sign_in("/authorize", "alice", &[SCOPE]).contains_key("iss"));
}

#[test]
fn fd_14_email_verified_is_anything() {
    let values =
        [object!("false"), object!("true"), object!(1), object!(0), object!(null), object!([])];
    for value in values {
        let net = net();
        net.fault(Endpoint::Token, Fault::EmailVerified(Claim::Is(value.clone())));
        let tokens = tokens(&net);
        assert_eq!(claims(&tokens["id_token"])["email_verified"], value);
        net.fault(Endpoint::Userinfo, Fault::EmailVerified(Claim::Is(value.clone())));
        let userinfo = json(&net.get_with("/userinfo", &tokens["access_token"]));
        assert_eq!(userinfo["email_verified"], value);
    }
    let net = net();
    net.fault(Endpoint::Token, Fault::EmailVerified(Claim::Absent));
    assert!(claims(&tokens(&net)["id_token"]).get("email_verified").is_none());
}

#[test]
fn faults_happen_in_order_and_so_often() {
    let net = net();
    net.stand_in.fault("generic/x1", Endpoint::Jwks, Fault::Status(503), 2);
    net.stand_in.fault("generic/x1", Endpoint::Jwks, Fault::Status(404), stand_in::ALWAYS);
    let statuses: Vec<_> = (0..4).map(|_| net.get("/jwks").status().as_u16()).collect();
    assert_eq!(statuses, [503, 503, 404, 404]);
    assert_eq!(net.get("/.well-known/openid-configuration").status(), 200);
    net.stand_in.clear_faults("generic/x1");
    assert_eq!(net.get("/jwks").status(), 200);
}

#[test]
fn a_refresh_and_a_code_fail_apart() {
    let net = net();
    net.fault(Endpoint::Refresh, Fault::Status(500));
    let tokens = tokens(&net);
    assert!(tokens["access_token"].is_string());
    assert_eq!(net.refresh("/token", &tokens["refresh_token"]).status(), 500);
    assert_eq!(net.refresh("/token", &tokens["refresh_token"]).status(), 200, "not used up");
}

#[test]
fn a_fault_that_cannot_happen_there_does_not_fit() {
    use stand_in::Preset::{Auth0, Generic, GitHub, WorkOs};
    assert!(!Fault::CallbackNoIss.fits(Generic, Endpoint::Jwks));
    assert!(!Fault::CallbackNoIss.fits(Auth0, Endpoint::Authorize), "it never says it");
    assert!(!Fault::Empty200.fits(GitHub, Endpoint::Discovery));
    assert!(!Fault::Empty200.fits(Auth0, Endpoint::Emails));
    assert!(!Fault::IdToken(IdTokenFault::AlgNone).fits(GitHub, Endpoint::Token));
    assert!(Fault::IdToken(IdTokenFault::AlgNone).fits(WorkOs, Endpoint::Token));
}

#[test]
#[should_panic(expected = "does not happen at")]
fn a_fault_that_cannot_happen_is_refused() {
    net().fault(Endpoint::Jwks, Fault::CallbackNoIss);
}

#[test]
fn tokens_may_be_unusual_and_right() {
    let net = net();
    net.fault(Endpoint::Token, Fault::UnusualTokens);
    let first = tokens(&net);
    assert_eq!((&first["token_type"], &first["expires_in"]), (&"BEARER".into(), &"300".into()));
    assert!(first.get("scope").is_none());
    assert!(claims(&first["id_token"])["exp"].is_f64());
    assert!(verifies(&net, &first["id_token"]));
    net.fault(Endpoint::Refresh, Fault::UnusualTokens);
    let second = json(&net.refresh("/token", &first["refresh_token"]));
    assert!(second.get("id_token").is_none() && second.get("refresh_token").is_none());
    assert_eq!(net.get_with("/userinfo", &second["access_token"]).status(), 200);
    let third = json(&net.refresh("/token", &first["refresh_token"]));
    assert!(third["refresh_token"].is_string(), "the old one was still good");
}

#[test]
fn userinfo_may_be_a_jwt() {
    let net = net();
    let token = tokens(&net)["access_token"].clone();
    net.fault(Endpoint::Userinfo, Fault::UserinfoJwt);
    let answer = net.get_with("/userinfo", &token);
    assert_eq!(answer.headers()["content-type"], "application/jwt");
    let jwt = Value::from(String::from_utf8(answer.into_body()).unwrap());
    assert!(verifies(&net, &jwt));
    assert_eq!(claims(&jwt)["sub"], "person-alice");
}
