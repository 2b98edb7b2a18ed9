//! The presets of our configuration, each with who stands in for it.

use crate::federation::HOST;
use serde_json::{Value, json};
use stand_in::{API_KEY, Endpoint, GATELATCH, Home};

/// A preset of our configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preset {
    /// A tenant of Auth0.
    Auth0,
    /// The user management of `WorkOS`.
    AuthKit,
    /// The single sign-on API of `WorkOS`.
    WorkosSso,
    /// GitHub.
    GitHub,
    /// Google.
    Google,
    /// Several tenants of Entra.
    Entra,
    /// Any OpenID provider.
    OpenId,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Auth0,
        Self::AuthKit,
        Self::WorkosSso,
        Self::GitHub,
        Self::Google,
        Self::Entra,
        Self::OpenId,
    ];

    /// What our configuration calls the preset, and here the upstream too.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::AuthKit => "authkit",
            Self::WorkosSso => "workos-sso",
            Self::GitHub => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::OpenId => "openid",
        }
    }

    /// Who stands in for it.
    pub const fn stand_in(self) -> stand_in::Preset {
        match self {
            Self::Auth0 => stand_in::Preset::Auth0,
            Self::AuthKit | Self::WorkosSso => stand_in::Preset::WorkOs,
            Self::GitHub => stand_in::Preset::GitHub,
            Self::Google => stand_in::Preset::Google,
            Self::Entra => stand_in::Preset::Entra,
            Self::OpenId => stand_in::Preset::Generic,
        }
    }

    /// The place of an instance.
    pub fn place_of(self, instance: &str) -> String {
        format!("{}/{instance}", self.stand_in().word())
    }

    /// The place of the upstream that every net has.
    pub fn place(self) -> String {
        self.place_of(self.id())
    }

    /// The endpoints that we have to do with.
    pub const fn endpoints(self) -> &'static [Endpoint] {
        use Endpoint::{Authorize, Discovery, Emails, Jwks, Token, Userinfo};
        match self {
            Self::Auth0 | Self::Google | Self::OpenId => {
                &[Discovery, Jwks, Authorize, Token, Userinfo]
            }
            Self::Entra => &[Discovery, Jwks, Authorize, Token],
            Self::AuthKit => &[Jwks, Authorize, Token],
            Self::WorkosSso => &[Authorize, Token],
            Self::GitHub => &[Authorize, Token, Userinfo, Emails],
        }
    }

    /// Our secret there.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::AuthKit | Self::WorkosSso => API_KEY,
            _ => GATELATCH.secret,
        }
    }

    /// An entry of `UPSTREAMS` for an instance, as short as it can be.
    pub fn entry(self, id: &str, instance: &str) -> Value {
        let base = format!("https://{HOST}/{}", self.place_of(instance));
        let mut entry = json!({ "id": id, "provider": self.id(), "client_id": GATELATCH.id });
        entry[if self == Self::OpenId { "issuer" } else { "base" }] = base.into();
        match self {
            Self::WorkosSso => entry["organization"] = "org_alpha".into(),
            Self::Entra => entry["tenants"] = json!([Home::Alpha.tenant()]),
            Self::Auth0 | Self::AuthKit | Self::GitHub | Self::Google | Self::OpenId => {}
        }
        entry
    }
}
