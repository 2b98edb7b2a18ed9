//! Private keys as their operator gives them: JWKs, RFC 7517 §4 and RFC 7518 §6.

use super::Alg;
use super::jwk::{Jwk, Material};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fmt;

/// A private key. Only its shape has been looked at: what it is worth shows who imports it.
#[derive(Clone, Eq, PartialEq)]
pub struct PrivateKey {
    public: Jwk,
    jwk: String,
}

/// What is wrong with a key: the member, empty when it is all of it, and what it would have to be.
pub type Wrong = (&'static str, &'static str);

/// No key that anybody here signs with.
pub const KIND: Wrong =
    ("", "a key of P-256, of Ed25519, or of RSA with 2048 to 4096 bits and the exponent 65537");

impl PrivateKey {
    /// Reads a JWK, named by its thumbprint whatever name it has. Only the members of its type are
    /// taken: RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2.
    ///
    /// # Errors
    /// What is wrong with it; never a word of it.
    pub fn read(value: &Value) -> Result<Self, Wrong> {
        let material: Material = serde_json::from_value(value.clone()).map_err(|_| KIND)?;
        material.is_sound().then_some(()).ok_or(KIND)?;
        let alg = material.alg();
        let says = |name: &str, wanted: &str| value.get(name).is_none_or(|found| found == wanted);
        says("use", "sig").then_some(()).ok_or(("use", "absent or sig"))?;
        says("alg", alg.as_str())
            .then_some(())
            .ok_or(("alg", "absent or the key's own algorithm"))?;

        let members: &[&str] = match alg {
            Alg::Es256 | Alg::EdDsa => &["d"],
            Alg::Rs256 => &["d", "p", "q", "dp", "dq", "qi"],
        };
        let mut whole = serde_json::to_value(&material).map_err(|_| KIND)?;
        for name in members {
            let text = value.get(name).and_then(Value::as_str);
            let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            let fits = bytes.is_some_and(|bytes| match alg {
                Alg::Es256 | Alg::EdDsa => bytes.len() == 32,
                Alg::Rs256 => !bytes.is_empty(),
            });
            fits.then_some(()).ok_or((*name, "the member of a private key, in base64url"))?;
            if let (Some(whole), Some(text)) = (whole.as_object_mut(), text) {
                whole.insert((*name).to_owned(), text.into());
            }
        }
        Ok(Self { public: Jwk::ours(material), jwk: whole.to_string() })
    }

    /// The same by another name.
    #[must_use]
    pub fn named(mut self, kid: &str) -> Self {
        self.public.kid = Some(kid.to_owned());
        self
    }

    /// Its algorithm.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.public.alg()
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid.as_deref().unwrap_or_default()
    }

    /// What is to be published of it.
    #[must_use]
    pub const fn public(&self) -> &Jwk {
        &self.public
    }

    /// The key itself, as the text of a JWK. Every call site is a place where it can leak.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.jwk
    }

    /// One number of it.
    pub(super) fn number(&self, name: &str) -> Option<Vec<u8>> {
        let value: Value = serde_json::from_str(&self.jwk).ok()?;
        URL_SAFE_NO_PAD.decode(value.get(name)?.as_str()?).ok()
    }

    /// Whether it is written in this project's examples, and so known to everybody.
    #[must_use]
    pub fn is_example(&self) -> bool {
        self.number("d").is_some_and(|secret| secret.starts_with(b"gatelatch-example"))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::super::native::{Native, SigningKey};
    use super::super::{Signer, Verifier};
    use super::*;
    use pollster::block_on;
    use serde_json::json;

    /// What `d` is of the P-256 key with the secret number `[7; 32]`, and the rest of it.
    fn seven() -> Value {
        let mut jwk = serde_json::to_value(SigningKey::es256([7; 32]).unwrap().public()).unwrap();
        jwk["d"] = URL_SAFE_NO_PAD.encode([7; 32]).into();
        jwk
    }

    #[test]
    fn dj_04_a_private_key_does_not_print_and_nothing_private_is_published() {
        let key = PrivateKey::read(&seven()).unwrap().named("k");
        assert_eq!(format!("{key:?}"), "PrivateKey(k)");
        let public = serde_json::to_value(key.public()).unwrap();
        let names: Vec<_> = public.as_object().unwrap().keys().collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }

    #[test]
    fn what_a_private_key_signs_its_public_half_verifies() {
        let ed = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        });
        for jwk in [seven(), ed] {
            let key = PrivateKey::read(&jwk).unwrap();
            let signature = block_on(Native.sign(&key, b"message")).unwrap();
            assert!(block_on(Native.verify(key.public(), b"message", &signature)));
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_sign_nothing() {
        let mut jwk = seven();
        jwk["d"] = URL_SAFE_NO_PAD.encode([8; 32]).into();
        let key = PrivateKey::read(&jwk).unwrap();
        assert_eq!(block_on(Native.sign(&key, b"message")), None);
    }

    #[test]
    fn an_example_is_told_by_its_secret() {
        let mut jwk = seven();
        assert!(!PrivateKey::read(&jwk).unwrap().is_example());
        jwk["d"] = URL_SAFE_NO_PAD.encode(b"gatelatch-example-of-32-bytes-01").into();
        assert!(PrivateKey::read(&jwk).unwrap().is_example());
    }

    #[test]
    fn two_things_that_are_signed_never_have_the_same_name() {
        let (one, two) = (Native.fresh().unwrap(), Native.fresh().unwrap());
        assert_ne!(one, two);
    }
}
