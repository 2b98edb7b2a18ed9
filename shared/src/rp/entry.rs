//! An entry of a list of providers, as an operator writes it: the issuer's `UPSTREAMS`, the gateway's
//! `PROVIDERS`.

use super::client::{ClientAuth, RelyingParty};
use super::discovery::Provider;
use super::preset::{Keeps, Preset, Way};
use crate::jose::private::PrivateKey;
use crate::scope::Scope;
use crate::secret::ClientSecret;
use crate::settings::Settings;
use crate::words::AuthMethod;
use serde::Deserialize;

/// The longest `id`.
const LONGEST_ID: usize = 32;

/// What every list has in an entry. Whoever has more members, or wants to refuse unknown ones, wraps
/// it.
#[derive(Debug, Deserialize)]
pub struct Entry {
    id: String,
    provider: Preset,
    label: Option<String>,
    pub(super) client_id: String,
    token_endpoint_auth_method: Option<AuthMethod>,
    scope: Option<Scope>,
    pub(super) issuer: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) base: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) connection: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) hosted_domain: Option<String>,
    pub(super) tenant: Option<String>,
    #[serde(default)]
    pub(super) tenants: Vec<String>,
}

/// A list: the setting it stands in, how the names of the settings begin that hold its secrets, and
/// our own key.
#[derive(Clone, Copy, Debug)]
pub struct List<'k> {
    /// As in `UPSTREAMS`.
    pub setting: &'static str,
    /// As in `UPSTREAM_`.
    pub secret: &'static str,
    /// What signs for us, when there is anything (`private_key_jwt`).
    pub key: Option<&'k PrivateKey>,
}

/// A provider, and ourselves as its client.
#[derive(Clone, Debug)]
pub struct Registered {
    /// What we call it.
    pub id: String,
    /// What its button says.
    pub label: String,
    /// What kind it is.
    pub preset: Preset,
    /// Ourselves.
    pub client: RelyingParty,
    /// Where it is, and what differs.
    pub way: Way,
    /// Whether the operator said what to ask for.
    pub has_scope: bool,
}

impl Entry {
    /// What it calls the provider.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl List<'_> {
    /// Reads the entry at `position`, noting what is wrong with it. `is_taken` says whether an earlier
    /// one has an `id`, and `callback` where the browser comes back to from it.
    pub fn read<V: Fn(&str) -> Option<String>>(
        self,
        settings: &mut Settings<V>,
        (position, entry): (usize, Entry),
        is_taken: impl Fn(&str) -> bool,
        callback: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Registered> {
        let name = format!("{}[{position}]", self.setting);
        let of_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let id = entry.id.as_str();
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(of_id) {
            settings.refuse(format!("{name}.id"), "1 to 32 of a-z, 0-9 and -");
            return None;
        }
        if is_taken(id) {
            settings.refuse(format!("{name}.id"), "there once");
        }
        let preset = entry.provider;
        let (issuer, issuers, way) = match preset.way(&entry) {
            Ok(found) => found,
            Err((member, wanted)) => {
                settings.refuse(format!("{name}.{member}"), wanted);
                return None;
            }
        };
        let auth = self.auth(settings, &name, &entry)?;
        let has_scope = entry.scope.is_some();
        let scope = entry.scope.or_else(|| Scope::parse(preset.scope()))?;
        if preset.is_openid() != scope.has("openid") {
            let wanted = if preset.is_openid() { "with openid in it" } else { "without openid" };
            settings.refuse(format!("{name}.scope"), wanted);
        }
        let redirect_uri = callback(&entry.id)?;
        let client_id = entry.client_id;
        Some(Registered {
            label: entry.label.unwrap_or_else(|| preset.label().to_owned()),
            id: entry.id,
            preset,
            client: RelyingParty { issuer, issuers, client_id, auth, redirect_uri, scope },
            way,
            has_scope,
        })
    }

    /// Secret and method have to agree.
    fn auth<V: Fn(&str) -> Option<String>>(
        self,
        settings: &mut Settings<V>,
        name: &str,
        entry: &Entry,
    ) -> Option<ClientAuth> {
        let secret_name = self.secret_name(&entry.id);
        let secret = settings.text(&secret_name).map(ClientSecret::new);
        let method = entry.token_endpoint_auth_method.unwrap_or(entry.provider.auth_method());
        match (method, secret) {
            (AuthMethod::ClientSecretBasic, Some(secret)) => Some(ClientAuth::Basic(secret)),
            (AuthMethod::ClientSecretPost, Some(secret)) => Some(ClientAuth::Post(secret)),
            (AuthMethod::None, None) => Some(ClientAuth::None),
            (AuthMethod::None | AuthMethod::PrivateKeyJwt, Some(_)) => {
                settings.refuse(secret_name, "absent, for the method says that there is none");
                None
            }
            (AuthMethod::PrivateKeyJwt, None) if self.key.is_some() => {
                self.key.cloned().map(Box::new).map(ClientAuth::PrivateKeyJwt)
            }
            (AuthMethod::PrivateKeyJwt, None) => {
                let wanted = "client_secret_basic, client_secret_post or none";
                settings.refuse(format!("{name}.token_endpoint_auth_method"), wanted);
                None
            }
            (_, None) => {
                settings.refuse(secret_name, "the secret that the provider gave us");
                None
            }
        }
    }

    /// The setting that holds the secret of a provider.
    #[must_use]
    pub fn secret_name(self, id: &str) -> String {
        format!("{}{}_SECRET", self.secret, id.to_ascii_uppercase().replace('-', "_"))
    }
}

impl Registered {
    /// Any OpenID provider that publishes its metadata, without a name.
    #[must_use]
    pub fn openid(client: RelyingParty) -> Self {
        Self {
            id: String::new(),
            label: Preset::Openid.label().to_owned(),
            preset: Preset::Openid,
            client,
            way: Preset::Openid.published(),
            has_scope: true,
        }
    }

    /// The same, asked to be remembered: only then some of them give out refresh tokens. None where
    /// the provider has no such thing.
    #[must_use]
    pub fn remembered(mut self) -> Option<Self> {
        match self.preset.keeps() {
            Keeps::WithScope(words) => self.client.scope = self.client.scope.or(&words),
            Keeps::WithParameters(parameters) => self.way.parameters.extend(parameters),
            Keeps::Always => {}
            Keeps::Never => return None,
        }
        Some(self)
    }

    /// What an isolate remembers of the provider, before it has been asked anything.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.way.provider(&self.client.issuer)
    }
}
