//! The modules of the dynamic plan that are about what a client registers, and what OpenID Connect
//! Registration 1.0 and RFC 7591 say of the answer.

use http::{Method, StatusCode};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tests::assertion::{Key, jwks};
use tests::believe;
use tests::browser::{Browser, is_consent, text};
use tests::client::{Ask, Draft, SignedIn, Tokens, json as object};
use tests::expect::{error, no_store};
use tests::people::ALICE;
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::site::Site;
use tests::world::{Issuer, issuer};

/// The initial access token of these tests.
pub(crate) const TOKEN: &str = INITIAL[1];

/// Registers, and finds the members in the answer and at the client's own endpoint.
pub(crate) fn registers(issuer: &Issuer, more: &Value) -> Registered {
    let registered = Registered::new(issuer, TOKEN, &with(more));
    let read = object(&registered.manage(Method::GET).send(issuer));
    for (member, value) in more.as_object().unwrap() {
        assert_eq!(registered.said[member], *value, "{member}");
        assert_eq!(read[member], *value, "{member}");
    }
    registered
}

/// The same, and signs in with an ID token as registered.
pub(crate) fn works(issuer: &Issuer, more: &Value) -> Registered {
    let registered = registers(issuer, more);
    let signed_in = SignedIn::new(issuer, Ask::of(registered.client()));
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    assert_eq!(registered.said["id_token_signed_response_alg"], "RS256");
    believe::claims(issuer, tokens.id(), Algorithm::RS256, "JWT", registered.id()).unwrap();
    registered
}

/// The address that the client registers stands on the page on which the person decides.
fn is_shown(member: &str, address: &str, html: &str) {
    let issuer = issuer();
    let registered = works(&issuer, &json!({ member: address }));
    let browser = Browser::new(&issuer);
    let page = browser.get(&Ask::of(registered.client()).set("prompt", "consent").url(&issuer));
    let page = browser.sign_in(&page, ALICE);
    assert!(is_consent(&page));
    assert!(text(&page).contains(html), "{member}: {}", text(&page));
}

#[test]
fn oidcc_registration_logo_uri() {
    let logo = "https://dyn.test/logo.png";
    is_shown("logo_uri", logo, "<img class=\"logo\" src=\"https://dyn.test/logo.png\"");
}

#[test]
fn oidcc_registration_policy_uri() {
    is_shown("policy_uri", "https://dyn.test/policy", "href=\"https://dyn.test/policy\"");
}

#[test]
fn oidcc_registration_tos_uri() {
    is_shown("tos_uri", "https://dyn.test/terms", "href=\"https://dyn.test/terms\"");
}

/// What a client registers that signs assertions with keys at an address.
pub(crate) fn signs(keys: &str) -> Value {
    json!({ "jwks_uri": keys, "token_endpoint_auth_method": "private_key_jwt" })
}

#[test]
fn oidcc_registration_jwks_uri() {
    let issuer = issuer();
    let site = Site::default();
    let keys = site.publish("/jwks", &jwks(&[Key::Ec(0xc5)]));
    let registered = works(&issuer, &signs(&keys));
    assert!(!registered.said.contains_key("client_secret"));
    assert_eq!(site.hits(), 1, "they were asked for when the code was redeemed");
}

#[test]
fn registration_2_keys_that_nobody_needs_are_not_asked_for() {
    let issuer = issuer();
    let site = Site::default();
    works(&issuer, &json!({ "jwks_uri": site.publish("/jwks", "{\"keys\":[]}") }));
    assert_eq!(site.hits(), 0);
}

#[test]
fn oidcc_registration_sector_uri() {
    let issuer = issuer();
    let site = Site::default();
    let sector = site.publish("/sector", r#"["https://other.test/cb","https://dyn.test/cb"]"#);
    for kind in ["public", "pairwise"] {
        works(&issuer, &json!({ "sector_identifier_uri": sector, "subject_type": kind }));
    }
    assert_eq!(site.hits(), 2);
}

#[test]
fn oidcc_registration_sector_bad() {
    let issuer = issuer();
    let site = Site::default();
    let two = json!(["https://dyn.test/cb", "https://dyn.test/other"]);
    let bad = [
        site.publish("/other", r#"["https://other.test/cb"]"#),
        site.publish("/one", r#"["https://dyn.test/cb"]"#),
        site.publish("/prefix", r#"["https://dyn.test/"]"#),
        site.publish("/object", r#"{"https://dyn.test/cb":true}"#),
        site.publish("/text", r#""https://dyn.test/cb https://dyn.test/other""#),
        site.publish("/mixed", r#"["https://dyn.test/cb","https://dyn.test/other",7]"#),
        site.put("/html", "200 OK", "Content-Type: text/html", "<html>"),
        site.put("/error", "500 No", "X: y", r#"["https://dyn.test/cb","https://dyn.test/other"]"#),
        site.at("/nothing"),
    ];
    for sector in bad {
        let metadata = with(&json!({ "redirect_uris": two, "sector_identifier_uri": sector }));
        let answer = register(TOKEN, &metadata).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", &sector);
    }
    let nobody = Site::default().at("/gone");
    let answer = register(TOKEN, &with(&json!({ "sector_identifier_uri": nobody }))).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", "nobody is there");
}

#[test]
fn registration_5_a_sector_is_asked_again_when_a_client_registers_anew() {
    let issuer = issuer();
    let site = Site::default();
    let sector = site.publish("/sector", r#"["https://dyn.test/cb"]"#);
    let registered = works(&issuer, &json!({ "sector_identifier_uri": sector }));
    let moved = with(&json!({ "sector_identifier_uri": sector,
        "redirect_uris": ["https://evil.test/cb"] }));
    let answer = registered.put(&moved).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", "another's");
}

#[test]
fn oidcc_redirect_uri_regfrag() {
    let issuer = issuer();
    let metadata = with(&json!({ "redirect_uris": ["https://dyn.test/cb#foo"] }));
    let answer = register(TOKEN, &metadata).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_redirect_uri", "a fragment");
}

#[test]
fn registration_2_an_id_token_is_signed_with_rs256_by_default() {
    works(&issuer(), &json!({}));
}

#[test]
fn registration_2_what_is_not_said_has_the_default() {
    let issuer = issuer();
    let least = json!({ "redirect_uris": ["https://dyn.test/cb"] });
    let registered = Registered::new(&issuer, TOKEN, &least);
    for (member, value) in [
        ("application_type", json!("web")),
        ("grant_types", json!(["authorization_code"])),
        ("id_token_signed_response_alg", json!("RS256")),
        ("response_types", json!(["code"])),
        ("subject_type", json!("public")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("redirect_uris", json!(["https://dyn.test/cb"])),
    ] {
        assert_eq!(registered.said[member], value, "{member}");
    }
    assert_eq!(registered.said["scope"], "email offline_access openid profile");
}

#[test]
fn rfc7591_3_2_1_the_answer_is_created_and_says_everything() {
    let issuer = issuer();
    let answer = register(TOKEN, &metadata()).send(&issuer);
    no_store(&answer);
    let said = Registered::of(&answer).said;
    for (member, value) in metadata().as_object().unwrap() {
        assert_eq!(said[member], *value, "{member}");
    }
    assert_eq!(said["client_secret_expires_at"], 0);
    let issued_at = said["client_id_issued_at"].as_u64().unwrap();
    assert!(issuer.now().0.abs_diff(issued_at) < 60);
    let url = said["registration_client_uri"].as_str().unwrap();
    assert_eq!(url, issuer.at(&format!("/register/{}", said["client_id"].as_str().unwrap())));
    let public = with(&json!({ "token_endpoint_auth_method": "none" }));
    let public = Registered::new(&issuer, TOKEN, &public).said;
    assert!(!public.contains_key("client_secret"));
    assert!(!public.contains_key("client_secret_expires_at"));
}

#[test]
fn discovery_3_the_endpoint_is_advertised() {
    let issuer = issuer();
    let said = Draft::new(Method::GET, "/.well-known/openid-configuration").send(&issuer);
    assert_eq!(object(&said)["registration_endpoint"], issuer.at("/register"));
}
