//! Provider metadata, OpenID Connect Discovery §3 and RFC 8414 §2: written by the issuer, read by
//! relying parties.

use serde::{Deserialize, Serialize};
use std::ops::Not;

/// The members this project writes or reads. What is absent is not advertised.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the specifications chose them")]
pub struct ProviderMetadata {
    /// The issuer identifier.
    pub issuer: String,
    /// RFC 6749 §3.1.
    pub authorization_endpoint: String,
    /// RFC 6749 §3.2.
    pub token_endpoint: String,
    /// OpenID Connect Core §5.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// RFC 7517.
    pub jwks_uri: String,
    /// RFC 7009.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// RFC 7662.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// RFC 9126.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// RFC 9126 §5: whether no other authorization requests are taken.
    #[serde(skip_serializing_if = "Not::not")]
    pub require_pushed_authorization_requests: bool,
    /// RFC 7591 and OpenID Connect Registration 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// RP-Initiated Logout 1.0 §2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// Back-Channel Logout 1.0 §2.1: whether clients are told when a session ends.
    pub backchannel_logout_supported: bool,
    /// Whether they are told which, by `sid`.
    pub backchannel_logout_session_supported: bool,
    /// Scope words a client may ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Only `code`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    /// How an authorization response may travel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Grants of the token endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// `public`: one subject for all clients; `pairwise`: one a sector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_types_supported: Vec<String>,
    /// Algorithms an ID token may be signed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Algorithms a userinfo answer may be signed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userinfo_signing_alg_values_supported: Vec<String>,
    /// The same for an introspection answer, RFC 9701 §7.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Algorithms of the assertions of those that sign one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The same at the revocation endpoint, RFC 8414 §2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// And the algorithms there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The same at the introspection endpoint, where a public client may not ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// And the algorithms there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 9449 §5.1: algorithms of the proofs that tokens are bound by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// RFC 7636: only `S256`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// OpenID Connect Core §3.1.2.1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompt_values_supported: Vec<String>,
    /// Ways to prove who one is, OpenID Connect Core §2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// Claims that may appear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_supported: Vec<String>,
    /// RFC 9207: whether every authorization response carries `iss`.
    pub authorization_response_iss_parameter_supported: bool,
    /// OpenID Connect Core §5.5: whether the `claims` parameter is understood.
    pub claims_parameter_supported: bool,
    /// OpenID Connect Core §6.1: whether request objects are understood.
    pub request_parameter_supported: bool,
    /// OpenID Connect Core §6.2: whether request objects by reference are understood. Discovery
    /// takes it for true when absent, so it is always written.
    pub request_uri_parameter_supported: bool,
}
