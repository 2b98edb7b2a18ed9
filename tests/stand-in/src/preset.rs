//! Which provider an instance stands in for.

use crate::ask::Ask;
use crate::fault::Endpoint;
use crate::instance::Instance;
use crate::reply::{self, Response};
use crate::{auth0, entra, generic, github, google, workos};

/// A provider.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Preset {
    /// A tenant of Auth0.
    Auth0,
    /// `WorkOS`: `AuthKit` and the older SSO API.
    WorkOs,
    /// GitHub.
    GitHub,
    /// Google.
    Google,
    /// Entra.
    Entra,
    /// Any `OpenID` provider.
    Generic,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Auth0, Self::WorkOs, Self::GitHub, Self::Google, Self::Entra, Self::Generic];

    /// Its part of the path.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::WorkOs => "workos",
            Self::GitHub => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::Generic => "generic",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth0 => "Auth0",
            Self::WorkOs => "WorkOS",
            Self::GitHub => "GitHub",
            Self::Google => "Google",
            Self::Entra => "Entra",
            Self::Generic => "an OpenID provider",
        }
    }

    /// The endpoints that it has.
    #[must_use]
    pub fn endpoints(self) -> &'static [Endpoint] {
        use Endpoint::{
            Authorize, Discovery, Emails, Jwks, Logout, Refresh, Revoke, Token, Userinfo,
        };
        match self {
            Self::Auth0 | Self::Generic => {
                &[Discovery, Jwks, Authorize, Token, Refresh, Userinfo, Revoke, Logout]
            }
            Self::WorkOs => &[Jwks, Authorize, Token, Refresh, Userinfo, Revoke, Logout],
            Self::GitHub => &[Authorize, Token, Refresh, Userinfo, Emails, Revoke],
            Self::Google => &[Discovery, Jwks, Authorize, Token, Refresh, Userinfo, Revoke],
            Self::Entra => &[Discovery, Jwks, Authorize, Token, Refresh, Userinfo, Logout],
        }
    }

    pub(crate) fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.word() == word)
    }

    /// Which endpoint is asked. A refresh is told by its body.
    pub(crate) fn endpoint(self, ask: &Ask<'_>) -> Option<Endpoint> {
        let endpoint = match self {
            Self::Auth0 => auth0::endpoint(ask.path),
            Self::WorkOs => workos::endpoint(ask.path),
            Self::GitHub => github::endpoint(ask.path),
            Self::Google => google::endpoint(ask.path),
            Self::Entra => entra::endpoint(ask.path),
            Self::Generic => generic::endpoint(ask.path),
        }?;
        let is_refresh = ask.body("grant_type") == Some("refresh_token");
        let is_refresh = endpoint == Endpoint::Token && is_refresh;
        Some(if is_refresh { Endpoint::Refresh } else { endpoint })
    }

    pub(crate) fn answer(self, instance: &mut Instance, ask: &Ask<'_>) -> Response {
        match self {
            Self::Auth0 => auth0::answer(instance, ask),
            Self::WorkOs => workos::answer(instance, ask),
            Self::GitHub => github::answer(instance, ask),
            Self::Google => google::answer(instance, ask),
            Self::Entra => entra::answer(instance, ask),
            Self::Generic => generic::answer(instance, ask),
        }
    }
}

/// What is here, for somebody who looks.
pub(crate) fn index() -> Response {
    let mut text = "Stand-ins for identity providers. Whatever name you choose for an instance is \
                    one:\n\n"
        .to_owned();
    for preset in Preset::ALL {
        text.extend(["/", preset.word(), "/{instance}  ", preset.name(), "\n"]);
    }
    reply::plain(200, "text/plain; charset=utf-8", text)
}
