//! `oidcc-config-certification-test-plan`.

use http::{Method, StatusCode};
use serde_json::Value;
use shared::metadata::ProviderMetadata;
use std::collections::BTreeSet;
use tests::client::{Draft, json};
use tests::world::{Issuer, issuer};
use url::Url;

#[test]
fn oidcc_discovery_endpoint_verification() {
    let issuer = issuer();
    keys(&issuer);
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let answer = Draft::new(Method::GET, path).send(&issuer);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let said = json(&answer);
        assert_eq!(said["issuer"], issuer.url());
        let list = |name: &str| {
            let list = said[name].as_array().unwrap_or_else(|| panic!("{name} is no list"));
            list.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(list("response_types_supported"), ["code"]);
        assert_eq!(list("subject_types_supported"), ["public", "pairwise"]);
        assert_eq!(
            list("grant_types_supported"),
            [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ]
        );
        // RS256 is required.
        let algs = list("id_token_signing_alg_values_supported");
        assert_eq!(algs, ["ES256", "RS256", "EdDSA"]);
        // RFC 8414 §2: where assertions are taken, their algorithms are listed.
        for endpoint in ["token", "revocation", "introspection"] {
            let methods = list(&format!("{endpoint}_endpoint_auth_methods_supported"));
            assert!(methods.contains(&"private_key_jwt"), "{methods:?}");
            let algs = list(&format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
            assert!(algs.contains(&"ES256") && !algs.contains(&"none"), "{algs:?}");
        }
        for what in ["id_token", "userinfo", "introspection"] {
            let algs = list(&format!("{what}_signing_alg_values_supported"));
            assert_eq!(algs, ["ES256", "RS256", "EdDSA"], "{what}");
        }
        let methods = list("introspection_endpoint_auth_methods_supported");
        assert!(methods.contains(&"client_secret_basic") && !methods.contains(&"none"));
        assert!(list("scopes_supported").contains(&"openid"), "required");
        assert!(list("claims_supported").contains(&"sub"));
        assert_eq!(said["claims_parameter_supported"], Value::Bool(true));
        assert_eq!(said["request_parameter_supported"], Value::Bool(false));
        assert_eq!(list("response_modes_supported"), ["query", "form_post"]);
        assert_eq!(list("prompt_values_supported"), ["none", "login", "consent", "select_account"]);
        assert_eq!(list("acr_values_supported"), ["urn:gatelatch:pwd"]);
        // Absent it would mean true.
        assert_eq!(said["request_uri_parameter_supported"], Value::Bool(false));
        let lists = said.iter().filter(|(_, value)| value.is_array());
        for (name, _) in lists {
            let words = list(name);
            let distinct: BTreeSet<_> = words.iter().collect();
            assert!(!words.is_empty() && distinct.len() == words.len(), "{name}: {words:?}");
        }
        let claims = list("claims_supported");
        for required in ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "name"] {
            assert!(claims.contains(&required), "{required}");
        }
        // Their defaults where they are absent.
        assert!(!said.contains_key("claim_types_supported"));
        assert!(!said.contains_key("require_request_uri_registration"));
        let is_address = |name: &str| name.ends_with("_endpoint") || name.ends_with("_uri");
        for (name, value) in said.iter().filter(|(name, _)| is_address(name)) {
            let url = Url::parse(value.as_str().unwrap()).unwrap();
            assert!(url.fragment().is_none() && url.query().is_none(), "{name}");
            assert!(url.as_str().starts_with(issuer.url()), "{name}");
        }
    }
}

/// What the module looks at in the key set.
fn keys(issuer: &Issuer) {
    let metadata = Draft::new(Method::GET, "/.well-known/openid-configuration").send(issuer);
    let metadata: ProviderMetadata = serde_json::from_slice(metadata.body()).unwrap();
    assert_eq!(metadata.jwks_uri, issuer.at("/jwks"));
    let keys = json(&Draft::new(Method::GET, "/jwks").send(issuer));
    let keys = keys["keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| key["kty"].as_str().unwrap()).collect();
    assert!(["EC", "RSA", "OKP"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let names: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(names.len(), keys.len(), "no name twice");
    for key in keys {
        assert_eq!(key["use"], "sig");
        let alg = key["alg"].as_str().unwrap().to_owned();
        assert!(metadata.id_token_signing_alg_values_supported.contains(&alg), "{alg}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(private).is_none(), "{private} of {}", key["kid"]);
        }
    }
}
