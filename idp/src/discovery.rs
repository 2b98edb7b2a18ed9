//! Discovery: one document for OpenID Connect Discovery §4 and RFC 8414 §3, written from the tables
//! that the handlers match on; and the JWK Set.

use crate::config::{Config, MANAGE_CLIENTS};
use crate::prompt;
use crate::ring::JWKS_MAX_AGE;
use crate::words::{Acr, AuthMethod, Endpoint, GrantType, ResponseMode, ResponseType, ScopeWord};
use http::header::{CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use shared::fetch::Response;
use shared::jose::Alg;
use shared::metadata::ProviderMetadata;
use shared::respond;
use shared::secret::Digest;
use std::iter;

/// How long a copy of the metadata may be kept, in seconds.
const METADATA_MAX_AGE: u64 = 300;

/// Claims that ID tokens and userinfo answers carry besides those a scope word opens.
const PROTOCOL_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "amr", "acr"];

/// The metadata of this deployment.
#[must_use]
pub fn metadata(config: &Config) -> ProviderMetadata {
    let at = |endpoint: Endpoint| config.issuer.at(endpoint.path());
    let opened = ScopeWord::ALL.iter().flat_map(|word| word.claims()).copied();
    let claims = PROTOCOL_CLAIMS.into_iter().chain(opened.filter(|claim| *claim != "sub"));
    let claims = claims.chain(config.own_claims.names());
    let acr = Acr::ALL.iter().filter(|acr| acr.is_offered(config));
    let manage = (!config.admins.is_empty()).then(|| MANAGE_CLIENTS.to_owned());
    let scopes = ScopeWord::list().into_iter().chain(config.scopes.keys().cloned()).chain(manage);
    let prompts = prompt::offered(config).map(|word| word.as_str().to_owned());
    ProviderMetadata {
        issuer: config.issuer.to_string(),
        authorization_endpoint: at(Endpoint::Authorize),
        token_endpoint: at(Endpoint::Token),
        userinfo_endpoint: Some(at(Endpoint::UserInfo)),
        jwks_uri: at(Endpoint::Jwks),
        revocation_endpoint: Some(at(Endpoint::Revoke)),
        introspection_endpoint: Some(at(Endpoint::Introspect)),
        pushed_authorization_request_endpoint: None,
        require_pushed_authorization_requests: false,
        registration_endpoint: config.registers().then(|| at(Endpoint::Register)),
        end_session_endpoint: Some(at(Endpoint::EndSession)),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        scopes_supported: scopes.collect(),
        response_types_supported: ResponseType::list(),
        response_modes_supported: ResponseMode::list(),
        grant_types_supported: GrantType::list(),
        subject_types_supported: subject_types(config),
        id_token_signing_alg_values_supported: algs(),
        userinfo_signing_alg_values_supported: algs(),
        introspection_signing_alg_values_supported: algs(),
        token_endpoint_auth_methods_supported: AuthMethod::list(),
        token_endpoint_auth_signing_alg_values_supported: algs(),
        revocation_endpoint_auth_methods_supported: AuthMethod::list(),
        revocation_endpoint_auth_signing_alg_values_supported: algs(),
        introspection_endpoint_auth_methods_supported: proving(),
        introspection_endpoint_auth_signing_alg_values_supported: algs(),
        dpop_signing_alg_values_supported: algs(),
        code_challenge_methods_supported: vec!["S256".to_owned()],
        prompt_values_supported: prompts.collect(),
        acr_values_supported: acr.map(|acr| acr.as_str().to_owned()).collect(),
        claims_supported: claims.map(str::to_owned).collect(),
        authorization_response_iss_parameter_supported: true,
        claims_parameter_supported: true,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
    }
}

fn algs() -> Vec<String> {
    Alg::ALL.map(|alg| alg.as_str().to_owned()).into()
}

/// The methods that prove who a client is.
fn proving() -> Vec<String> {
    let mut methods = AuthMethod::list();
    methods.retain(|method| method != AuthMethod::None.as_str());
    methods
}

/// Pairwise subjects take a secret.
fn subject_types(config: &Config) -> Vec<String> {
    let pairwise = config.pairwise.map(|_| "pairwise");
    iter::once("public").chain(pairwise).map(str::to_owned).collect()
}

/// Answers with the metadata.
#[must_use]
pub fn respond(config: &Config, headers: &HeaderMap) -> Response {
    cacheable(headers, &metadata(config), METADATA_MAX_AGE)
}

/// Answers with the keys.
#[must_use]
pub fn jwks(keys: &shared::jose::jwk::JwkSet, headers: &HeaderMap) -> Response {
    cacheable(headers, keys, JWKS_MAX_AGE)
}

/// Public JSON with a lifetime and an entity tag; `304` when the asker has it already.
fn cacheable(headers: &HeaderMap, body: &impl Serialize, max_age: u64) -> Response {
    let mut response = respond::json(StatusCode::OK, body);
    response.headers_mut().remove(http::header::PRAGMA);
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={max_age}")) {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    let tag = format!("\"{}\"", Digest::of(response.body()).to_text());
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let is_known = known
        .flat_map(|line| line.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*");
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, value);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.body_mut().clear();
        response.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    response
}
