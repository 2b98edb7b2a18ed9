//! `UPSTREAM`: the provider that people may sign in with.

use super::Var;
use crate::words::AuthMethod;
use serde::Deserialize;
use shared::origin::{Issuer, Origin};
use shared::rp::client::{ClientAuth, RelyingParty};
use shared::scope::Scope;
use shared::secret::ClientSecret;

/// The one generic OpenID provider that people may sign in with.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What the button says.
    pub label: String,
    /// Ourselves, as the upstream's client.
    pub client: RelyingParty,
}

pub(super) fn upstream<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    issuer: Option<&Origin>,
) -> Option<Upstream> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        label: String,
        issuer: Issuer,
        client_id: String,
        #[serde(default)]
        token_endpoint_auth_method: Option<AuthMethod>,
        #[serde(default)]
        scope: Option<Scope>,
    }
    let raw: Option<Raw> = settings.json(
        "UPSTREAM",
        "a JSON object with label, issuer and client_id, and perhaps scope and \
         token_endpoint_auth_method",
    );
    let raw = raw?;
    let secret = settings.text("UPSTREAM_CLIENT_SECRET").map(ClientSecret::new);
    let method = raw.token_endpoint_auth_method.unwrap_or(AuthMethod::ClientSecretBasic);
    let auth = match (method, secret) {
        (AuthMethod::ClientSecretBasic, Some(secret)) => ClientAuth::Basic(secret),
        (AuthMethod::ClientSecretPost, Some(secret)) => ClientAuth::Post(secret),
        (AuthMethod::None, None) => ClientAuth::None,
        (AuthMethod::None, Some(_)) => {
            settings.refuse("UPSTREAM_CLIENT_SECRET", "absent for a public client");
            return None;
        }
        (AuthMethod::PrivateKeyJwt, _) => {
            let wanted = "client_secret_basic, client_secret_post or none";
            settings.refuse("UPSTREAM.token_endpoint_auth_method", wanted);
            return None;
        }
        (_, None) => {
            settings.refuse("UPSTREAM_CLIENT_SECRET", "the secret the upstream gave us");
            return None;
        }
    };
    let scope = raw.scope.or_else(|| Scope::parse("openid profile email"))?;
    if !scope.has("openid") {
        settings.refuse("UPSTREAM.scope", "with openid in it");
    }
    let callback = issuer?.at(crate::words::Endpoint::UpstreamCallback.path());
    Some(Upstream {
        label: raw.label,
        client: RelyingParty {
            issuer: raw.issuer,
            client_id: raw.client_id,
            auth,
            redirect_uri: callback,
            scope,
        },
    })
}
