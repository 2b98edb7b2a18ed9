//! Proofs of a key, RFC 9449 §4. Each is a valid one that a test may change before it is signed.

use crate::assertion::Key;
use crate::client::fresh;
use crate::world::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use shared::jose::jws::compact;
use shared::secret::Digest;

/// A proof that is signed when it is sent, each time with another `jti`.
#[derive(Clone, Debug)]
pub struct Proof {
    key: Key,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Proof {
    /// A good one for the token endpoint.
    pub fn of(key: Key) -> Self {
        Self { key, header: Map::new(), claims: Map::new() }
    }

    /// A good one for userinfo, with this access token.
    pub fn with(key: Key, token: &str) -> Self {
        Self::of(key).set("htm", "GET").set("ath", Digest::of(token).to_text())
    }

    /// With another value of a claim; none at all when it is null.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// With another member in its header; none at all when it is null.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// The compact form, for a request to `path`.
    pub fn text(&self, issuer: &Issuer, path: &str) -> String {
        let key = self.key.private();
        let header = json!({
            "typ": "dpop+jwt",
            "alg": key.alg(),
            "jwk": key.public().material,
        });
        let claims = json!({
            "jti": fresh("proof"),
            "htm": "POST",
            "htu": issuer.at(path),
            "iat": issuer.now().0,
        });
        let part = |usual: Value, changes: &Map<String, Value>| {
            let mut members = usual.as_object().expect("an object").clone();
            members.extend(changes.clone());
            members.retain(|_, value| !value.is_null());
            URL_SAFE_NO_PAD.encode(Value::Object(members).to_string())
        };
        let input = format!("{}.{}", part(header, &self.header), part(claims, &self.claims));
        compact(&input, &key.sign(input.as_bytes()).expect("a signature"))
    }
}

/// The thumbprint of a key, RFC 7638.
pub fn thumbprint(key: Key) -> String {
    key.private().public().material.thumbprint()
}
