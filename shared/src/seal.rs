//! Sealing: authenticated encryption of what a browser or a disk keeps for us.
//!
//! XChaCha20-Poly1305: in wasm it costs a fraction of AES, and its 192-bit nonce may be drawn at
//! random for ever. Every use names a purpose, which is authenticated, so that what was sealed for
//! one use never opens in another.

use crate::secret::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use std::fmt;

const NONCE: usize = 24;
/// Tells which key sealed a value, so that a rotation costs no trial decryptions.
const KEY_TAG: usize = 4;
const MOST_KEYS: usize = 8;

/// The secrets of a deployment, newest first: the first seals, all of them open.
#[derive(Clone)]
pub struct SealingKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    tag: [u8; KEY_TAG],
    cipher: XChaCha20Poly1305,
    nonces: [u8; 32],
    derive: [u8; 32],
    example: bool,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({})", self.0.len())
    }
}

/// What a value is sealed for: a fixed word, and whatever else must be the same when it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'c> {
    /// One word a use.
    pub name: &'static str,
    /// Bound to the value without being in it: a cookie's name, a host, a row's key.
    pub context: &'c str,
}

impl<'c> Purpose<'c> {
    /// A purpose with something more to bind.
    #[must_use]
    pub const fn new(name: &'static str, context: &'c str) -> Self {
        Self { name, context }
    }

    /// Name and context, told apart by the length of the first.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.name.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(self.context.as_bytes());
        bytes
    }
}

impl SealingKeys {
    /// Reads comma-separated keys, each the base64url form of 32 bytes, newest first.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Option<Vec<_>> = text.split(',').map(|key| Key::parse(key.trim())).collect();
        keys.filter(|keys| (1..=MOST_KEYS).contains(&keys.len())).map(Self)
    }

    /// Whether one of the keys is written in this project's examples, and so known to everybody.
    #[must_use]
    pub fn has_example(&self) -> bool {
        self.0.iter().any(|key| key.example)
    }

    /// Seals `plain` under a random nonce.
    #[must_use]
    pub fn seal(&self, purpose: Purpose<'_>, plain: &[u8], rng: &mut impl CryptoRng) -> String {
        self.seal_under(purpose, plain, |_| random(rng))
    }

    /// Seals `plain` under a nonce derived from it: the same value seals to the same text, which
    /// tells an observer that it is the same and nothing else. For values that hold a secret.
    #[must_use]
    pub fn seal_the_same(&self, purpose: Purpose<'_>, plain: &[u8]) -> String {
        self.seal_under(purpose, plain, |key| {
            let bytes = mac(&key.nonces, &[&purpose.bytes(), plain]);
            let mut nonce = [0; NONCE];
            nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            nonce
        })
    }

    fn seal_under(
        &self,
        purpose: Purpose<'_>,
        plain: &[u8],
        nonce: impl FnOnce(&Key) -> [u8; NONCE],
    ) -> String {
        // There is a first key, `parse` saw to it, and sealing fails only above 256 GiB; an empty
        // text opens nowhere, which is the safe way to be wrong about either.
        let Some(key) = self.0.first() else { return String::new() };
        let nonce = nonce(key);
        let aad = purpose.bytes();
        let payload = Payload { msg: plain, aad: &aad };
        let Ok(sealed) = key.cipher.encrypt(XNonce::from_slice(&nonce), payload) else {
            return String::new();
        };
        URL_SAFE_NO_PAD.encode([&nonce[..], &key.tag, &sealed].concat())
    }

    /// Opens what was sealed for the same purpose; none for anything else whatsoever.
    #[must_use]
    pub fn open(&self, purpose: Purpose<'_>, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE)?;
        let (tag, sealed) = rest.split_at_checked(KEY_TAG)?;
        let key = self.0.iter().find(|key| key.tag == tag)?;
        let aad = purpose.bytes();
        key.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: &aad }).ok()
    }

    /// Whether a value of ours is sealed under the newest key, so that no other is needed to open it.
    #[must_use]
    pub fn is_newest(&self, sealed: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap_or_default();
        let tag = bytes.get(NONCE..NONCE + KEY_TAG);
        self.0.first().is_some_and(|newest| tag == Some(&newest.tag[..]))
    }

    /// 32 bytes that depend on the newest key, a purpose and `input`: a keyed hash.
    #[must_use]
    pub fn derive(&self, purpose: Purpose<'_>, input: &[u8]) -> [u8; 32] {
        let key = self.0.first().map_or([0; 32], |key| key.derive);
        mac(&key, &[&purpose.bytes(), input])
    }

    /// One key for somebody else's cipher from each of our keys, newest first.
    pub fn subkeys(&self, purpose: Purpose<'_>) -> impl Iterator<Item = [u8; 32]> {
        self.0.iter().map(move |key| mac(&key.derive, &[&purpose.bytes()]))
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let secret: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let hkdf = Hkdf::<Sha256>::new(None, &secret);
        Some(Self {
            tag: expand(&hkdf, "gatelatch key tag")?,
            cipher: XChaCha20Poly1305::new(&expand::<32>(&hkdf, "gatelatch seal")?.into()),
            nonces: expand(&hkdf, "gatelatch nonces")?,
            derive: expand(&hkdf, "gatelatch derive")?,
            example: secret.starts_with(b"gatelatch-example"),
        })
    }
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hkdf.expand(label.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// HMAC-SHA256 over length-prefixed parts, so that no two lists of parts run into each other.
#[must_use]
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // `new_from_slice` takes keys of any length; the branch is never taken and must not panic.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    const A: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";
    const B: &str = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI";
    const COOKIE: Purpose<'_> = Purpose::new("cookie", "a");

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_only() {
        let (keys, mut rng) = (SealingKeys::parse(A).unwrap(), ChaCha20Rng::seed_from_u64(1));
        let sealed = keys.seal(COOKIE, b"hello", &mut rng);
        assert_eq!(keys.open(COOKIE, &sealed).as_deref(), Some(&b"hello"[..]));
        assert_eq!(keys.open(Purpose::new("cookie", "b"), &sealed), None);
        assert_eq!(keys.open(Purpose::new("cooki", "ea"), &sealed), None);
    }

    #[test]
    fn gs_02_no_bit_may_flip() {
        let (keys, mut rng) = (SealingKeys::parse(A).unwrap(), ChaCha20Rng::seed_from_u64(1));
        let sealed = URL_SAFE_NO_PAD.decode(keys.seal(COOKIE, b"hello", &mut rng)).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.open(COOKIE, &URL_SAFE_NO_PAD.encode(flipped)), None, "bit {bit}");
        }
    }

    #[test]
    fn gs_21_an_older_key_of_the_ring_still_opens_and_a_dropped_one_does_not() {
        let old = SealingKeys::parse(A).unwrap();
        let sealed = old.seal_the_same(COOKIE, b"hello");
        assert!(SealingKeys::parse(&format!("{B},{A}")).unwrap().open(COOKIE, &sealed).is_some());
        assert!(SealingKeys::parse(B).unwrap().open(COOKIE, &sealed).is_none());
    }

    #[test]
    fn the_same_value_seals_the_same_only_when_asked() {
        let (keys, mut rng) = (SealingKeys::parse(A).unwrap(), ChaCha20Rng::seed_from_u64(1));
        assert_eq!(keys.seal_the_same(COOKIE, b"x"), keys.seal_the_same(COOKIE, b"x"));
        assert_ne!(keys.seal_the_same(COOKIE, b"x"), keys.seal_the_same(COOKIE, b"y"));
        assert_ne!(keys.seal(COOKIE, b"x", &mut rng), keys.seal(COOKIE, b"x", &mut rng));
    }

    #[test]
    fn a_short_key_no_key_and_too_many_are_refused() {
        for text in ["", "c2hvcnQ", &[A; 9].join(",")] {
            assert!(SealingKeys::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", SealingKeys::parse(A).unwrap()), "SealingKeys(1)");
    }
}
