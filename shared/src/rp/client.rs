//! Who we are to a provider.

use crate::origin::Issuer;
use crate::scope::Scope;
use crate::secret::ClientSecret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use std::fmt;
use url::form_urlencoded::byte_serialize;

/// A registration at one provider.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    /// Whose.
    pub issuer: Issuer,
    /// Under which name.
    pub client_id: String,
    /// How we show that it is us.
    pub auth: ClientAuth,
    /// Where the browser comes back to; compared by the provider as text.
    pub redirect_uri: String,
    /// What we ask for.
    pub scope: Scope,
}

/// Client authentication at the token endpoint, OpenID Connect Core §9.
#[derive(Clone, Eq, PartialEq)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic(ClientSecret),
    /// `client_secret_post`.
    Post(ClientSecret),
    /// A public client.
    None,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(..)",
            Self::Post(_) => "Post(..)",
            Self::None => "None",
        })
    }
}

impl RelyingParty {
    /// Adds the client's credentials to a form or to the headers: to one of them, never to both
    /// (RFC 6749 §2.3).
    pub(super) fn authenticate<'c>(
        &'c self,
        form: &mut Vec<(&'static str, &'c str)>,
        headers: &mut HeaderMap,
    ) {
        match &self.auth {
            ClientAuth::Basic(secret) => {
                if let Ok(value) = HeaderValue::from_str(&basic(&self.client_id, secret)) {
                    headers.insert(AUTHORIZATION, value);
                }
            }
            ClientAuth::Post(secret) => {
                form.extend([("client_id", self.client_id.as_str())]);
                form.extend([("client_secret", secret.expose())]);
            }
            ClientAuth::None => form.extend([("client_id", self.client_id.as_str())]),
        }
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
