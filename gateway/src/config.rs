//! Stand-in for the deployment's settings: to be dropped for the real file, whose names it uses.

use shared::origin::{Issuer, Origin};
use shared::scope::Scope;
use shared::seal::SealingKeys;
use shared::secret::ClientSecret;
use shared::settings::Problem;

/// How the gateway proves to the issuer that it is the client, OpenID Connect Core §9.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic(ClientSecret),
    /// `client_secret_post`.
    Post(ClientSecret),
    /// A public client: PKCE is its only proof.
    None,
}

/// Where a session lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The access token in the sealed cookie, the refresh token in the session object.
    Hybrid,
    /// Everything in the session object, which is asked on every request.
    Durable,
    /// Everything in the sealed cookie.
    Sealed,
}

/// Everything the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's own origin: what browsers see.
    pub public_url: Origin,
    /// Whom we trust to sign people in.
    pub issuer: Issuer,
    /// Who we are to the issuer.
    pub client_id: String,
    /// How we prove it.
    pub client_auth: ClientAuth,
    /// What we ask for; `openid` is in it.
    pub scope: Scope,
    /// Where sessions live.
    pub mode: Mode,
    /// What seals cookies.
    pub keys: SealingKeys,
    /// Seconds without a request after which a session is over.
    pub idle_seconds: u64,
    /// Seconds after sign-in when a session is over, whatever happens.
    pub absolute_seconds: u64,
    /// Seconds that a cookie is believed without asking the session object.
    pub freshness_seconds: u64,
}

impl Config {
    /// Reads the settings that `var` looks up by name.
    ///
    /// # Errors
    /// Mistakes.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let read = || {
            Some(Self {
                public_url: Origin::parse(&var("PUBLIC_URL")?)?,
                issuer: Issuer::parse(&var("ISSUER")?)?,
                client_id: var("CLIENT_ID")?,
                client_auth: ClientAuth::None,
                scope: Scope::parse("openid profile email offline_access")?,
                mode: match var("SESSION_MODE").as_deref() {
                    Some("durable") => Mode::Durable,
                    Some("sealed") => Mode::Sealed,
                    _ => Mode::Hybrid,
                },
                keys: SealingKeys::parse(&var("SEALING_KEYS")?)?,
                idle_seconds: 3600,
                absolute_seconds: 36_000,
                freshness_seconds: 30,
            })
        };
        read().ok_or_else(Vec::new)
    }
}
