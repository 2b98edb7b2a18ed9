//! JSON Object Signing: only ES256, RS256 and `EdDSA`, only compact, only what we need of it.

pub mod claims;
pub mod jwk;
pub mod jws;
pub mod private;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwk::Jwk;
use private::PrivateKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

/// The algorithms this project signs with and accepts. There is no `none` and no HMAC, so tokens
/// that use them do not parse.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum Alg {
    /// ECDSA on P-256, RFC 7518 §3.4.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, RFC 7518 §3.3.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519, RFC 8037 §3.1, and no other Edwards curve. By RFC 9864 its name is `Ed25519`; what
    /// clients know is this one.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Alg {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The left half of the algorithm's hash of `text`: `at_hash` in OpenID Connect Core §3.1.3.6.
    /// Ed25519 hashes with SHA-512, RFC 8032 §5.1.
    #[must_use]
    pub fn half_hash(self, text: &str) -> String {
        let half = |hash: &[u8]| {
            let (left, _) = hash.split_at(hash.len() / 2);
            URL_SAFE_NO_PAD.encode(left)
        };
        match self {
            Self::Es256 | Self::Rs256 => half(&Sha256::digest(text)),
            Self::EdDsa => half(&Sha512::digest(text)),
        }
    }
}

/// Checks signatures: WebCrypto on the edge, pure Rust natively.
pub trait Verifier {
    /// Whether `signature` is `key`'s over `message`, with the key's own algorithm. A key that
    /// cannot be used says no.
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool;
}

/// Signs, besides: WebCrypto on the edge, pure Rust natively.
pub trait Signer: Verifier {
    /// The signature of `key` over `message`; none when the key cannot be used.
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>>;

    /// A name for what is to be signed (`jti`) that nothing else has; none without randomness. It is
    /// drawn here, as what goes into a signature is.
    fn fresh(&self) -> Option<String>;
}
