//! The errors a client may see. What an operator sees stays in each endpoint's own enum.

use serde::{Deserialize, Serialize};

/// A registered `error` value: RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1,
/// RFC 7591 §3.2.2, RFC 8707 §2, RFC 9449 §5 and OpenID Connect Core §3.1.2.6.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code or refresh token is unusable.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The person or the operator said no.
    AccessDenied,
    /// Not a grant this server knows.
    UnsupportedGrantType,
    /// A token that cannot be revoked by itself, RFC 7009 §2.2.1.
    UnsupportedTokenType,
    /// Not a response type this server knows.
    UnsupportedResponseType,
    /// More scope than the client may have.
    InvalidScope,
    /// A resource the client may not have a token for.
    InvalidTarget,
    /// The proof of a key is missing, or proves nothing.
    InvalidDpopProof,
    /// The access token is missing, expired or revoked.
    InvalidToken,
    /// The access token carries too little scope.
    InsufficientScope,
    /// `prompt=none` and nobody is signed in.
    LoginRequired,
    /// `prompt=none` and the person has not agreed to what is asked for.
    ConsentRequired,
    /// `prompt=none` and a page would have to be shown.
    InteractionRequired,
    /// `prompt=none` and the person would have to say as whom.
    AccountSelectionRequired,
    /// Nobody can prove who they are here in the way that the client insists on, OpenID Connect Core
    /// Unmet Authentication Requirements 1.0.
    UnmetAuthenticationRequirements,
    /// Request objects are not taken.
    RequestNotSupported,
    /// Request objects by reference are not taken.
    RequestUriNotSupported,
    /// A redirect URI that may not be registered, RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// Something else that a client may not say about itself, RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// A software statement, none of which is believed, RFC 7591 §3.2.2.
    InvalidSoftwareStatement,
    /// Registration in the authorization request is not taken.
    RegistrationNotSupported,
    /// Something here broke; nothing the client did.
    ServerError,
    /// Too busy for now.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// The public half of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct OAuthError {
    /// Machine-readable.
    pub error: ErrorCode,
    /// For the developer who reads a log; static, so that it cannot echo input.
    pub error_description: &'static str,
}

impl OAuthError {
    /// Pairs a code with its words.
    #[must_use]
    pub const fn new(error: ErrorCode, error_description: &'static str) -> Self {
        Self { error, error_description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_written_the_same_in_json_and_in_a_query() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::RequestUriNotSupported] {
            assert_eq!(serde_json::json!(code), code.as_str());
        }
    }
}
