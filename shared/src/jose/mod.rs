//! JSON Object Signing: only ES256 and RS256, only compact, only what we need of it.

pub mod claims;
pub mod jwk;
pub mod jws;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;

use jwk::Jwk;
use serde::{Deserialize, Serialize};

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
}

impl Alg {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Checks signatures: WebCrypto on the edge, pure Rust natively.
pub trait Verifier {
    /// Whether `signature` is `key`'s over `message`, with the key's own algorithm. A key that
    /// cannot be used says no.
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool;
}
