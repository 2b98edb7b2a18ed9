//! Bearer secrets. A secret prints as its type name, never as its value.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Defines a string secret whose `Debug` is redacted and which has no `Display`.
macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Deserialize, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a value received from, or about to be sent to, the wire.
            #[must_use]
            pub fn new(value: impl Into<String>) -> Self { Self(value.into()) }

            /// The value itself. Every call site is a place where a secret can leak.
            #[must_use]
            pub fn expose(&self) -> &str { &self.0 }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl PartialEq for $name {
            /// Compared in constant time for equal lengths.
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }

        impl Eq for $name {}
    )+};
}

secret! {
    /// An authorization code, RFC 6749 §1.3.1.
    Code;
    /// A refresh token, RFC 6749 §1.5.
    RefreshToken;
    /// An access token, RFC 6749 §1.4.
    AccessToken;
    /// An ID token, OpenID Connect Core §2. Not a credential, but it tells who somebody is.
    IdToken;
    /// A client secret, RFC 6749 §2.3.1.
    ClientSecret;
    /// What a client changes its own registration with, RFC 7592 §1.3.
    RegistrationToken;
    /// A person's password.
    Password;
    /// A PKCE code verifier, RFC 7636 §4.1.
    Verifier;
    /// What a site proves to Cloudflare Turnstile that it is with.
    TurnstileSecret;
}

impl AccessToken {
    /// Whether it is of the characters that RFC 6750 §2.1 allows in a header (`b64token`).
    #[must_use]
    pub fn is_sendable(&self) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        !self.0.is_empty() && self.0.bytes().all(allowed)
    }
}

/// 256 bits of a secret, on their way from one of our own parts to another.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bits([u8; 32]);

impl Bits {
    /// Wraps the bits.
    #[must_use]
    pub const fn new(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// Reads the base64url form of 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bits themselves. Every call site is a place where a secret can leak.
    #[must_use]
    pub const fn expose(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bits(..)")
    }
}

/// SHA-256 of a secret: what is stored in its place, and compared in constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `secret`.
    #[must_use]
    pub fn of(secret: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Reads the base64url form of 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The base64url form, without padding.
    #[must_use]
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    /// Eight characters: enough to tell two apart in a log, useless as a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}..)", self.to_text().get(..8).unwrap_or_default())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a SHA-256 digest"))
    }
}

/// `N` random bytes.
#[must_use]
pub fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// 256 random bits as text that goes unescaped into URLs, forms and cookies.
#[must_use]
pub fn random_text(rng: &mut impl CryptoRng) -> String {
    URL_SAFE_NO_PAD.encode(random::<32>(rng))
}

/// A random (version 4) UUID.
#[must_use]
pub fn random_uuid(rng: &mut impl CryptoRng) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random(rng)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_contains_the_value() {
        assert_eq!(format!("{:?}", Code::new("s3cret")), "Code(..)");
    }

    #[test]
    fn a_digest_survives_its_text_form_and_prints_only_a_part() {
        let digest = Digest::of("s3cret");
        assert_eq!(Digest::parse(&digest.to_text()), Some(digest));
        assert!(format!("{digest:?}").len() < 20);
    }
}
