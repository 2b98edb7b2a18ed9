//! Signing and verifying in pure Rust: for tests and tools that run outside a Worker. A Worker
//! signs and verifies with WebCrypto and never compiles this.

use super::jwk::{Jwk, Material};
use super::private::PrivateKey;
use super::{Alg, Signer, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{SignatureEncoding, Signer as _, Verifier as _};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha2::Sha256;
use std::sync::atomic::{AtomicU64, Ordering};

/// Verifies with `p256`, `rsa` and `ed25519-dalek`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Verifier for Native {
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
        verify(key, message, signature).is_some()
    }
}

/// How many names were given in this process.
static NAMED: AtomicU64 = AtomicU64::new(0);

impl Signer for Native {
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
        SigningKey::of(key)?.sign(message)
    }

    fn fresh(&self) -> Option<String> {
        Some(format!("native-{}", NAMED.fetch_add(1, Ordering::Relaxed)))
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
        Material::Okp { x, .. } => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&decode(x)?.try_into().ok()?).ok()?;
            key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
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
    /// Ed25519.
    EdDsa(ed25519_dalek::SigningKey),
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

    /// An Ed25519 key from its seed.
    #[must_use]
    pub fn ed_dsa(seed: [u8; 32]) -> Self {
        Self::EdDsa(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// A key of `alg` from the DER of its PKCS #8 structure; none when it is no such thing.
    #[must_use]
    pub fn pkcs8(alg: Alg, der: &[u8]) -> Option<Self> {
        match alg {
            Alg::Es256 => p256::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::Es256),
            Alg::Rs256 => {
                let key = rsa::RsaPrivateKey::from_pkcs8_der(der).ok()?;
                Some(Self::Rs256(Box::new(rsa::pkcs1v15::SigningKey::new(key))))
            }
            // The seed is what follows sixteen bytes that are always the same, RFC 8410 §7.
            Alg::EdDsa => Some(Self::ed_dsa(*der.get(16..)?.first_chunk()?)),
        }
    }

    /// An operator's key; none when its halves do not belong together.
    #[must_use]
    pub fn of(key: &PrivateKey) -> Option<Self> {
        let whole = match &key.public().material {
            Material::Ec { .. } => Self::es256(key.number("d")?.try_into().ok()?)?,
            Material::Okp { .. } => Self::ed_dsa(key.number("d")?.try_into().ok()?),
            Material::Rsa { .. } => {
                let number =
                    |name| key.number(name).map(|bytes| rsa::BigUint::from_bytes_be(&bytes));
                let primes = vec![number("p")?, number("q")?];
                let (n, e, d) = (number("n")?, number("e")?, number("d")?);
                let key = rsa::RsaPrivateKey::from_components(n, e, d, primes).ok()?;
                Self::Rs256(Box::new(rsa::pkcs1v15::SigningKey::new(key)))
            }
        };
        (whole.public().material == key.public().material).then_some(whole)
    }

    /// Its algorithm.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self {
            Self::Es256(_) => Alg::Es256,
            Self::Rs256(_) => Alg::Rs256,
            Self::EdDsa(_) => Alg::EdDsa,
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
            Self::EdDsa(key) => Some(key.try_sign(message).ok()?.to_vec()),
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
            Self::EdDsa(key) => Material::Okp {
                crv: "Ed25519".to_owned(),
                x: encode(key.verifying_key().as_bytes()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn rfc8037_a_4_a_5_the_worked_example_is_signed_and_verified() {
        let seed = bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").try_into().unwrap();
        let key = SigningKey::ed_dsa(seed);
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let public = key.public();
        assert_eq!(public.material, Material::Okp { crv: "Ed25519".to_owned(), x });
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = bytes(
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
        assert_eq!(key.sign(message), Some(signature.clone()));
        assert!(block_on(Native.verify(&public, message, &signature)));
        assert!(!block_on(Native.verify(&public, b"another", &signature)));
    }

    #[test]
    fn jv_22_no_signature_but_the_one_that_was_made_fits() {
        let key = SigningKey::ed_dsa([3; 32]);
        let public = key.public();
        let good = key.sign(b"message").unwrap();
        let verify = |signature: &[u8]| block_on(Native.verify(&public, b"message", signature));
        assert!(verify(&good));
        for signature in [&[0; 64][..], &[0xff; 64], &[], &good[..63], &[&good[..], &[0]].concat()]
        {
            assert!(!verify(signature), "{signature:?}");
        }
        // S and S + L are the same number to whoever does not look, RFC 8032 §5.1.7.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u8,
        ];
        let (mut other, mut carry) = (good, 0);
        for (byte, more) in other[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!verify(&other));
    }

    #[test]
    fn jv_24_a_key_of_small_order_verifies_nothing() {
        // The neutral element as the key and as R, and 0 as S, fit every message for who is lenient.
        let neutral = [&[1][..], &[0; 31]].concat();
        let x = URL_SAFE_NO_PAD.encode(&neutral);
        let key = Jwk::ours(Material::Okp { crv: "Ed25519".to_owned(), x });
        let signature = [&neutral[..], &[0; 32]].concat();
        assert!(!block_on(Native.verify(&key, b"message", &signature)));
    }
}
