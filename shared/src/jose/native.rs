//! Signing and verifying in pure Rust: for tests and tools that run outside a Worker. A Worker
//! signs and verifies with WebCrypto and never compiles this.

use super::jwk::{Jwk, Material};
use super::{Alg, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{SignatureEncoding, Signer, Verifier as _};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha2::Sha256;

/// Verifies with `p256` and `rsa`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Verifier for Native {
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
        verify(key, message, signature).is_some()
    }
}

fn verify(key: &Jwk, message: &[u8], signature: &[u8]) -> Option<()> {
    let decode = |text: &String| URL_SAFE_NO_PAD.decode(text).ok();
    match &key.material {
        Material::Ec { x, y, .. } => {
            let (x, y) = (decode(x)?.try_into().ok()?, decode(y)?.try_into().ok()?);
            let (x, y): ([u8; 32], [u8; 32]) = (x, y);
            let point = p256::EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
            let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point).ok()?;
            key.verify(message, &p256::ecdsa::Signature::from_slice(signature).ok()?).ok()
        }
        Material::Rsa { n, e } => {
            let number = |text| decode(text).map(|bytes| rsa::BigUint::from_bytes_be(&bytes));
            let key = rsa::RsaPublicKey::new(number(n)?, number(e)?).ok()?;
            let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key);
            key.verify(message, &signature.try_into().ok()?).ok()
        }
    }
}

/// A private key in memory.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// P-256.
    Es256(p256::ecdsa::SigningKey),
    /// RSA; boxed, for it is large.
    Rs256(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
}

impl SigningKey {
    /// A P-256 key from its secret number; none when it is out of range.
    #[must_use]
    pub fn es256(secret: [u8; 32]) -> Option<Self> {
        p256::ecdsa::SigningKey::from_bytes(&secret.into()).ok().map(Self::Es256)
    }

    /// An RSA key from its PKCS #8 PEM; none when it is no such thing.
    #[must_use]
    pub fn rs256(pem: &str) -> Option<Self> {
        let key = rsa::RsaPrivateKey::from_pkcs8_pem(pem).ok()?;
        Some(Self::Rs256(Box::new(rsa::pkcs1v15::SigningKey::new(key))))
    }

    /// Its algorithm.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self {
            Self::Es256(_) => Alg::Es256,
            Self::Rs256(_) => Alg::Rs256,
        }
    }

    /// Signs; none only if the key cannot.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_vec())
            }
            Self::Rs256(key) => Some(key.try_sign(message).ok()?.to_vec()),
        }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> Jwk {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Jwk::ours(match self {
            Self::Es256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                Material::Ec {
                    crv: "P-256".to_owned(),
                    x: encode(
                        point
                            .x()
                            .map(sha2::digest::generic_array::GenericArray::as_slice)
                            .unwrap_or_default(),
                    ),
                    y: encode(
                        point
                            .y()
                            .map(sha2::digest::generic_array::GenericArray::as_slice)
                            .unwrap_or_default(),
                    ),
                }
            }
            Self::Rs256(key) => {
                let key: &rsa::RsaPrivateKey = key.as_ref().as_ref();
                Material::Rsa {
                    n: encode(&key.n().to_bytes_be()),
                    e: encode(&key.e().to_bytes_be()),
                }
            }
        })
    }
}
