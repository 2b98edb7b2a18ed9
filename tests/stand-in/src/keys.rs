//! Signing. The keys are test keys: made once with `openssl genpkey`, in the source for everybody to
//! read, and used by nothing else. All instances have the same ones under names of their own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// The key before the first rotation and the one after it; from then on they take turns.
const PUBLISHED: [&str; 2] = [include_str!("rsa-1.pem"), include_str!("rsa-2.pem")];
/// A key that is never published to verify with.
const OTHER: &str = include_str!("rsa-other.pem");

struct Pair {
    private: EncodingKey,
    modulus: String,
    exponent: String,
}

fn pairs() -> &'static [Pair; 3] {
    static PAIRS: OnceLock<[Pair; 3]> = OnceLock::new();
    PAIRS.get_or_init(|| [PUBLISHED[0], PUBLISHED[1], OTHER].map(pair))
}

#[expect(clippy::expect_used, reason = "they are part of the source")]
fn pair(pem: &str) -> Pair {
    let key = RsaPrivateKey::from_pkcs8_pem(pem).expect("the embedded keys are keys");
    let private = EncodingKey::from_rsa_der(
        key.to_pkcs1_der().expect("the embedded keys are keys").as_bytes(),
    );
    let text = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    Pair { private, modulus: text(key.n()), exponent: text(key.e()) }
}

/// What an instance publishes, and signs with.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    oldest: usize,
    newest: usize,
}

/// What a token is signed with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signature<'s> {
    /// As it should be.
    Good,
    /// With the right key under a name that is not published.
    UnknownKid,
    /// With a key that is not published, under the name of one that is.
    OtherKey,
    /// With this secret.
    Hs256(&'s str),
    /// With nothing.
    None,
}

impl Keys {
    /// A new key signs from now on. The old one stays published, unless it is dropped.
    pub(crate) fn rotate(&mut self, drop_old: bool) {
        self.newest += 1;
        // Two have to be told apart, and there are two.
        self.oldest = if drop_old { self.newest } else { self.newest - 1 };
    }

    /// The JWKs. Not every provider says `alg`.
    pub(crate) fn published(&self, with_alg: bool) -> Value {
        let keys = (self.oldest..=self.newest).filter_map(|number| {
            let Pair { modulus, exponent, .. } = pairs().get(number % PUBLISHED.len())?;
            let mut key = json!({
                "kty": "RSA", "use": "sig", "kid": kid(number), "n": modulus, "e": exponent,
            });
            if with_alg {
                key["alg"] = "RS256".into();
            }
            Some(key)
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// A compact JWS.
    pub(crate) fn sign(&self, typ: &str, claims: &Value, signature: Signature<'_>) -> String {
        let [first, second, other] = pairs();
        let ours = if self.newest.is_multiple_of(2) { first } else { second };
        let secret;
        let (alg, key, kid) = match signature {
            Signature::Good => ("RS256", Some(&ours.private), kid(self.newest)),
            Signature::UnknownKid => ("RS256", Some(&ours.private), "unpublished".to_owned()),
            Signature::OtherKey => ("RS256", Some(&other.private), kid(self.newest)),
            Signature::Hs256(text) => {
                secret = EncodingKey::from_secret(text.as_bytes());
                ("HS256", Some(&secret), kid(self.newest))
            }
            Signature::None => ("none", None, kid(self.newest)),
        };
        let header = json!({ "alg": alg, "typ": typ, "kid": kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&header), part(claims));
        let algorithm = if alg == "HS256" { Algorithm::HS256 } else { Algorithm::RS256 };
        let signed = key.map(|key| crypto::sign(input.as_bytes(), key, algorithm));
        let signed = signed.and_then(Result::ok).unwrap_or_default();
        format!("{input}.{signed}")
    }
}

fn kid(number: usize) -> String {
    format!("stand-in-{}", number + 1)
}

/// A key that is published to encrypt to, and good for nothing here.
pub(crate) fn encryption_key() -> Value {
    let [_, _, Pair { modulus, exponent, .. }] = pairs();
    json!({
        "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "encryption",
        "n": modulus, "e": exponent,
    })
}

/// The claims of a token that we signed, whatever has become of it since.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let (input, signature) = token.rsplit_once('.')?;
    let payload = URL_SAFE_NO_PAD.decode(input.split('.').nth(1)?).ok()?;
    let is_ours = pairs().iter().take(PUBLISHED.len()).any(|pair| {
        crypto::sign(input.as_bytes(), &pair.private, Algorithm::RS256)
            .is_ok_and(|ours| ours == signature)
    });
    is_ours.then(|| serde_json::from_slice(&payload).ok())?
}

/// The digest of a text, as PKCE writes it.
pub(crate) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// OpenID Connect Core §3.1.3.6.
pub(crate) fn at_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(token).as_slice()[..16])
}
