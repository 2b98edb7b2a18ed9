//! The closed sets of words this issuer understands. The handlers match on them and discovery
//! lists them, so what is advertised and what is enforced cannot part.

use crate::config::Config;
use http::Method;
use serde::{Deserialize, Serialize};
pub use shared::words::{AuthMethod, Prompt};

/// An endpoint: what discovery calls it, where it is, and how it may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// OpenID Connect Discovery §4.
    Discovery,
    /// RFC 8414 §3: the same document.
    Rfc8414,
    /// RFC 7517 §5.
    Jwks,
    /// RFC 6749 §3.1.
    Authorize,
    /// RFC 6749 §3.2.
    Token,
    /// OpenID Connect Core §5.3.
    UserInfo,
    /// RFC 7009.
    Revoke,
    /// RFC 7662.
    Introspect,
    /// RP-Initiated Logout 1.0 §2.
    EndSession,
    /// RFC 7591 and OpenID Connect Registration 1.0.
    Register,
    /// RFC 7592: one registration. Its path goes on, with a `client_id`.
    Registration,
    /// Where the sign-in page posts a name and a password.
    SignIn,
    /// Where the consent page posts what the person decided.
    Consent,
    /// Where the sign-in page starts a sign-in with an upstream.
    Upstream,
    /// Where an upstream sends the browser back. Its path goes on, with what we call the upstream.
    UpstreamCallback,
    /// Where an upstream says that somebody has signed out there, Back-Channel Logout 1.0 §2.5. Its path
    /// goes on as well.
    UpstreamLogout,
    /// Where an upstream sends the browser back that has signed out there. Its path goes on as well.
    UpstreamSignedOut,
    /// The person's own page.
    OwnPage,
    /// For people who follow the issuer URL.
    Home,
}

impl Endpoint {
    const ALL: [Self; 19] = [
        Self::Discovery,
        Self::Rfc8414,
        Self::Jwks,
        Self::Authorize,
        Self::Token,
        Self::UserInfo,
        Self::Revoke,
        Self::Introspect,
        Self::EndSession,
        Self::Register,
        Self::Registration,
        Self::SignIn,
        Self::Consent,
        Self::Upstream,
        Self::UpstreamCallback,
        Self::UpstreamLogout,
        Self::UpstreamSignedOut,
        Self::OwnPage,
        Self::Home,
    ];

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::Rfc8414 => "/.well-known/oauth-authorization-server",
            Self::Jwks => "/jwks",
            Self::Authorize => "/authorize",
            Self::Token => "/token",
            Self::UserInfo => "/userinfo",
            Self::Revoke => "/revoke",
            Self::Introspect => "/introspect",
            Self::EndSession => "/end_session",
            Self::Register => "/register",
            Self::Registration => "/register/",
            Self::SignIn => "/sign-in",
            Self::Consent => "/consent",
            Self::Upstream => "/sign-in/upstream",
            Self::UpstreamCallback => "/sign-in/callback/",
            Self::UpstreamLogout => "/sign-in/logout/",
            Self::UpstreamSignedOut => "/sign-in/signed-out/",
            Self::OwnPage => "/account",
            Self::Home => "/",
        }
    }

    /// The value of `Allow`.
    #[must_use]
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Token
            | Self::Revoke
            | Self::Introspect
            | Self::Register
            | Self::SignIn
            | Self::Consent
            | Self::Upstream
            | Self::UpstreamLogout => "POST",
            Self::Registration => "GET, PUT, DELETE",
            Self::Authorize | Self::UserInfo | Self::EndSession | Self::OwnPage => "GET, POST",
            Self::UpstreamCallback | Self::UpstreamSignedOut => "GET",
            Self::Discovery | Self::Rfc8414 | Self::Jwks | Self::Home => "GET, HEAD",
        }
    }

    /// Whether it answers `method`.
    #[must_use]
    pub fn takes(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| method.as_str() == allowed)
    }

    /// Whether this deployment has it. What it does not have is not there for anybody (RG-01).
    #[must_use]
    pub const fn is_on(self, config: &Config) -> bool {
        match self {
            Self::Register | Self::Registration => config.registers(),
            _ => true,
        }
    }

    /// Whether scripts of other origins have business here.
    #[must_use]
    pub const fn has_cors(self) -> bool {
        matches!(
            self,
            Self::Discovery
                | Self::Rfc8414
                | Self::Jwks
                | Self::Token
                | Self::UserInfo
                | Self::Revoke
        )
    }

    /// The endpoint at `path`.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let going_on = [
            Self::Registration,
            Self::UpstreamCallback,
            Self::UpstreamLogout,
            Self::UpstreamSignedOut,
        ];
        let mut going_on = going_on.into_iter();
        if let Some(endpoint) = going_on.find(|endpoint| path.starts_with(endpoint.path())) {
            return Some(endpoint);
        }
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

shared::words! {
    /// What the token endpoint takes in exchange.
    GrantType {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 8693 §2.1.
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
    }
    /// What the authorization endpoint answers with.
    ResponseType {
        /// RFC 6749 §4.1.1.
        Code = "code",
    }
    /// How the answer travels.
    ResponseMode {
        /// In the query of the redirect URI.
        Query = "query",
        /// In a form that the browser posts to the redirect URI, OAuth 2.0 Form Post Response Mode.
        FormPost = "form_post",
    }
    /// Authentication context classes, OpenID Connect Core §2: how the person proved who they are, as
    /// far as we saw it ourselves.
    Acr {
        /// By a password, here.
        Password = "urn:gatelatch:pwd",
        /// At an upstream, whose word we take.
        Upstream = "urn:gatelatch:fed",
    }
    /// Scope words, OpenID Connect Core §5.4 and §11.
    ScopeWord {
        /// This is an authentication request.
        OpenId = "openid",
        /// The profile claims.
        Profile = "profile",
        /// The e-mail claims.
        Email = "email",
        /// The postal address.
        Address = "address",
        /// The telephone claims.
        Phone = "phone",
        /// A refresh token that outlives the sign-in session.
        OfflineAccess = "offline_access",
    }
}

impl Acr {
    /// Where a class could come from: what is not ours, an upstream may say.
    #[must_use]
    pub fn may_be(class: &str) -> Self {
        Self::parse(class).unwrap_or(Self::Upstream)
    }

    /// Whether anybody can sign in this way.
    #[must_use]
    pub fn is_offered(self, config: &Config) -> bool {
        match self {
            Self::Password => !config.accounts.is_empty(),
            Self::Upstream => !config.upstreams.is_empty(),
        }
    }
}

impl ScopeWord {
    /// The claims that the word opens, OpenID Connect Core §5.4.
    #[must_use]
    pub const fn claims(self) -> &'static [&'static str] {
        match self {
            Self::OpenId => &["sub"],
            Self::Profile => &[
                "name",
                "family_name",
                "given_name",
                "middle_name",
                "nickname",
                "preferred_username",
                "profile",
                "picture",
                "website",
                "gender",
                "birthdate",
                "zoneinfo",
                "locale",
                "updated_at",
            ],
            Self::Email => &["email", "email_verified"],
            Self::Address => &["address"],
            Self::Phone => &["phone_number", "phone_number_verified"],
            Self::OfflineAccess => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_path_and_by_no_other() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::at(endpoint.path()), Some(endpoint));
        }
        assert_eq!(Endpoint::at("/token/"), None);
        assert_eq!(Endpoint::at("/TOKEN"), None);
    }

    #[test]
    fn tc_14_the_token_endpoint_takes_post_alone() {
        assert!(Endpoint::Token.takes(&Method::POST));
        assert!(!Endpoint::Token.takes(&Method::GET));
        assert!(!Endpoint::Token.takes(&Method::PUT));
    }
}
