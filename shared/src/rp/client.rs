//! Who we are to a provider.

use super::assertion;
use crate::jose::Signer;
use crate::jose::private::PrivateKey;
use crate::origin::Issuer;
use crate::scope::Scope;
use crate::secret::ClientSecret;
use crate::time::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::borrow::Cow;
use std::fmt;
use url::form_urlencoded::byte_serialize;

/// A registration at one provider.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    /// Whose.
    pub issuer: Issuer,
    /// Who its tokens may say they are from.
    pub issuers: Issuers,
    /// Under which name.
    pub client_id: String,
    /// How we show that it is us.
    pub auth: ClientAuth,
    /// Where the browser comes back to; compared by the provider as text.
    pub redirect_uri: String,
    /// What we ask for.
    pub scope: Scope,
}

/// Whom a provider's tokens may name as their issuer, OpenID Connect Core §3.1.3.7 (2).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Issuers {
    /// The provider, byte for byte.
    #[default]
    Exact,
    /// The provider, or it in this other spelling. Google has two.
    Also(String),
    /// One of these tenants of Entra, by the token's own `tid`: the provider's issuer is a template,
    /// with `{tenantid}` where the tenant stands.
    Tenants(Vec<String>),
}

impl RelyingParty {
    /// Whether a token that says it is from `issuer` may be one of this provider's, whichever tenant
    /// of it that is.
    #[must_use]
    pub fn may_be(&self, issuer: &str) -> bool {
        match &self.issuers {
            Issuers::Exact | Issuers::Also(_) => self.is_from(issuer, None),
            Issuers::Tenants(tenants) => {
                tenants.iter().any(|tenant| self.is_from(issuer, Some(tenant)))
            }
        }
    }

    /// Whether a token may say that it is from `issuer`.
    #[must_use]
    pub fn is_from(&self, issuer: &str, tenant: Option<&str>) -> bool {
        match &self.issuers {
            Issuers::Exact => issuer == self.issuer.as_str(),
            Issuers::Also(other) => issuer == self.issuer.as_str() || issuer == other,
            Issuers::Tenants(tenants) => tenant.is_some_and(|tenant| {
                let named = tenants.iter().any(|known| known == tenant);
                named && issuer == self.issuer.as_str().replace("{tenantid}", tenant)
            }),
        }
    }
}

/// Client authentication at the token endpoint, OpenID Connect Core §9.
#[derive(Clone, Eq, PartialEq)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic(ClientSecret),
    /// `client_secret_post`.
    Post(ClientSecret),
    /// `private_key_jwt`: an assertion signed by this key.
    PrivateKeyJwt(Box<PrivateKey>),
    /// A public client.
    None,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(..)",
            Self::Post(_) => "Post(..)",
            Self::PrivateKeyJwt(_) => "PrivateKeyJwt(..)",
            Self::None => "None",
        })
    }
}

/// What shows that a request is ours, for the headers and for the form.
pub(super) type Credentials<'c> = (Option<HeaderValue>, Vec<(&'static str, Cow<'c, str>)>);

impl RelyingParty {
    /// The client's credentials: in a header or in the form, never in both (RFC 6749 §2.3). None when
    /// there is a key and it does not sign. What is signed is good for one request.
    pub(super) async fn credentials(
        &self,
        signer: &impl Signer,
        now: UnixTime,
    ) -> Option<Credentials<'_>> {
        let id = ("client_id", Cow::Borrowed(self.client_id.as_str()));
        Some(match &self.auth {
            ClientAuth::Basic(secret) => {
                (HeaderValue::from_str(&basic(&self.client_id, secret)).ok(), Vec::new())
            }
            ClientAuth::Post(secret) => {
                (None, vec![id, ("client_secret", Cow::Borrowed(secret.expose()))])
            }
            ClientAuth::PrivateKeyJwt(key) => {
                let assertion = self.assertion(key, signer, now).await?;
                let kind = ("client_assertion_type", Cow::Borrowed(assertion::TYPE));
                (None, vec![kind, ("client_assertion", assertion.into())])
            }
            ClientAuth::None => (None, vec![id]),
        })
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined, so a colon in either is
/// not the colon between them.
fn basic(client_id: &str, secret: &ClientSecret) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_2_3_1_both_halves_are_form_encoded() {
        // `a:b` and `s%c r+t`, encoded to `a%3Ab` and `s%25c+r%2Bt`.
        let header = basic("a:b", &ClientSecret::new("s%c r+t"));
        let plain = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(plain, b"a%3Ab:s%25c+r%2Bt");
    }

    #[test]
    fn a_client_secret_does_not_print() {
        assert_eq!(format!("{:?}", ClientAuth::Post(ClientSecret::new("x"))), "Post(..)");
    }
}
