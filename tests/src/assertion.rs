//! Assertions of clients that sign them, RFC 7523 §3. Each is a valid one that a test may change
//! before it is signed.

use crate::client::fresh;
use crate::world::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use shared::jose::jwk::JwkSet;
use shared::jose::jws::compact;
use shared::jose::native::SigningKey;

/// What `client_assertion_type` has to be.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where the client `afar` keeps its keys. Over HTTP `http.mjs` serves them.
pub const AFAR: &str = "http://localhost:8790/jwks";

/// A private key of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// ES256; one a number. 0xc5 is registered.
    Ec(u8),
    /// RS256; registered.
    Rsa,
    /// Ed25519; one a number. 0xc5 is registered.
    Ed(u8),
}

impl Key {
    /// The key itself.
    pub fn private(self) -> SigningKey {
        let key = match self {
            Self::Ec(number) => SigningKey::es256([number; 32]),
            Self::Rsa => SigningKey::rs256(include_str!("rsa-client.pem")),
            Self::Ed(number) => Some(SigningKey::ed_dsa([number; 32])),
        };
        key.expect("the keys of the tests are keys")
    }
}

/// The public halves, as a client publishes them.
pub fn jwks(keys: &[Key]) -> String {
    let keys = keys.iter().map(|key| key.private().public()).collect();
    serde_json::to_string(&JwkSet { keys }).expect("keys have a JSON form")
}

/// An assertion that is signed when it is sent, each time with another `jti`.
#[derive(Clone, Debug)]
pub struct Assertion {
    client_id: String,
    key: Key,
    header: Changes,
    claims: Changes,
}

/// What is other than usual; null where it is not there.
type Changes = Map<String, Value>;

impl Assertion {
    /// A good one, if the client has that key.
    pub fn of(client_id: &str, key: Key) -> Self {
        let (header, claims) = (Changes::new(), Changes::new());
        Self { client_id: client_id.to_owned(), key, header, claims }
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

    /// Signed by another key, whose name it bears unless the header says otherwise.
    #[must_use]
    pub fn by(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// What is signed, header and claims.
    pub fn input(&self, issuer: &Issuer) -> String {
        let key = self.key.private();
        let header = json!({ "alg": key.alg(), "kid": key.public().kid, "typ": "JWT" });
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer.url(),
            "iat": issuer.now().0,
            "exp": issuer.now().0 + 60,
            "jti": fresh("jti"),
        });
        let part = |usual: Value, changes: &Changes| {
            let mut members = usual.as_object().expect("an object").clone();
            members.extend(changes.clone());
            members.retain(|_, value| !value.is_null());
            URL_SAFE_NO_PAD.encode(Value::Object(members).to_string())
        };
        format!("{}.{}", part(header, &self.header), part(claims, &self.claims))
    }

    /// The compact form.
    pub fn text(&self, issuer: &Issuer) -> String {
        let input = self.input(issuer);
        let signature = self.key.private().sign(input.as_bytes()).expect("a signature");
        compact(&input, &signature)
    }
}
