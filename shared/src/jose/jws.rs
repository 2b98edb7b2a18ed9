//! A token before and after its signature was checked, RFC 7515 §7.1 and RFC 8725.

use super::jwk::{Jwk, JwkSet};
use super::{Alg, Verifier};
use crate::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longer tokens are refused before they are decoded (JV-19, JV-20).
const LONGEST: usize = 16 * 1024;

/// A compact JWS that parsed and nothing more.
///
/// It offers the key id and the type; reading claims takes [`Self::verify`].
#[derive(Debug)]
pub struct Unverified<'t> {
    header: Header,
    signed: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The protected header. `alg` is closed, so `none` and the HMACs do not parse. Members that would
/// bring a key along (`jwk`, `jku`, `x5u`, `x5c`) are not even read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Header {
    /// The algorithm.
    pub alg: Alg,
    /// Which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What the token is, RFC 8725 §3.11.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Extensions that have to be understood. We understand none, so its presence is a refusal.
    #[serde(default, skip_serializing)]
    crit: Option<Value>,
}

impl Header {
    /// The header of a token of ours.
    #[must_use]
    pub fn new(alg: Alg, kid: &str, typ: &str) -> Self {
        Self { alg, kid: Some(kid.to_owned()), typ: Some(typ.to_owned()), crit: None }
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Not three base64url parts with a header we know.
    Malformed,
    /// The header has `crit`, RFC 7515 §4.1.11.
    Critical,
    /// No key fits.
    UnknownKey,
    /// The signature does not cover the token.
    BadSignature,
    /// Signed, but the claims are not of the expected shape.
    BadClaims,
}

impl<'t> Unverified<'t> {
    /// Splits and decodes, checking nothing.
    ///
    /// # Errors
    /// [`Refused::Malformed`] or [`Refused::Critical`].
    pub fn parse(token: &'t str) -> Result<Self, Refused> {
        let token = Some(token).filter(|token| token.len() <= LONGEST).ok_or(Refused::Malformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header = json::strict(&bytes(header)?).ok_or(Refused::Malformed)?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        Ok(Self { header, signed, payload: bytes(payload)?, signature: bytes(signature)? })
    }

    /// The key that the token asks to be checked with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What the token says it is, lower case and without the optional `application/`.
    #[must_use]
    pub fn typ(&self) -> Option<String> {
        let typ = self.header.typ.as_deref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned))
    }

    /// Whom the token says it is from. Nobody has vouched for that: it is good to find the keys of
    /// that somebody, and for nothing else.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<String> {
        let claims: Map<String, Value> = json::strict(&self.payload)?;
        claims.get("iss").and_then(Value::as_str).map(str::to_owned)
    }

    /// The key of `keys` that fits this token.
    #[must_use]
    pub fn key<'k>(&self, keys: &'k JwkSet) -> Option<&'k Jwk> {
        keys.find(self.key_id(), self.header.alg)
    }

    /// The claims, once `key` vouches for them.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn verify<C: DeserializeOwned>(
        &self,
        key: &Jwk,
        verifier: &impl Verifier,
    ) -> Result<C, Refused> {
        if key.alg() != self.header.alg {
            return Err(Refused::UnknownKey);
        }
        if !verifier.verify(key, self.signed.as_bytes(), &self.signature).await {
            return Err(Refused::BadSignature);
        }
        json::strict(&self.payload).ok_or(Refused::BadClaims)
    }
}

/// The part of a token that is signed: header and claims.
#[must_use]
pub fn signing_input(header: &impl Serialize, claims: &impl Serialize) -> String {
    // Both have string keys and no floats, so they always have a JSON form.
    let part = |json: Result<Vec<u8>, _>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
    format!("{}.{}", part(serde_json::to_vec(header)), part(serde_json::to_vec(claims)))
}

/// The compact form.
#[must_use]
pub fn compact(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Whether a text means to be a signed token, good or bad: three parts, and the first is a JSON object.
#[must_use]
pub fn is_meant(token: &str) -> bool {
    let header = token.split('.').next().and_then(|part| bytes(part).ok());
    token.split('.').count() == 3
        && header.is_some_and(|header| serde_json::from_slice::<json::Object>(&header).is_ok())
}

fn bytes(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::native::{Native, SigningKey};
    use serde_json::json;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn refusal(header: &str) -> Option<Refused> {
        Unverified::parse(&format!("{}.{}.AA", encode(header), encode("{}"))).err()
    }

    #[test]
    fn jv_01_jv_02_none_and_hmac_do_not_parse() {
        for alg in ["none", "None", "NONE", "", "HS256", "ES384", "PS256"] {
            assert_eq!(
                refusal(&format!(r#"{{"alg":"{alg}"}}"#)),
                Some(Refused::Malformed),
                "{alg}"
            );
        }
        assert_eq!(refusal("{}"), Some(Refused::Malformed));
    }

    #[test]
    fn jv_10_any_crit_is_refused() {
        for crit in [r#"["exp"]"#, r#"["b64"],"b64":false"#, "[]", "7"] {
            let header = format!(r#"{{"alg":"ES256","crit":{crit}}}"#);
            assert_eq!(refusal(&header), Some(Refused::Critical), "{crit}");
        }
    }

    #[test]
    fn jv_07_jv_18_odd_kids_and_repeated_members_do_not_parse() {
        for header in [
            r#"{"alg":"ES256","kid":[1]}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"none","alg":"ES256"}"#,
        ] {
            assert_eq!(refusal(header), Some(Refused::Malformed), "{header}");
        }
    }

    #[test]
    fn jv_20_jv_25_dots_five_parts_padding_and_stray_bits_are_refused() {
        let header = encode(r#"{"alg":"ES256"}"#);
        let dots = ".".repeat(1 << 20);
        let (padded, stray) = (format!("{header}.e30=.AA"), format!("{header}.e30.AB"));
        let five = format!("{header}.e30.e30.e30.AA");
        for token in [dots.as_str(), "a.b", &padded, &stray, &five, ""] {
            assert_eq!(Unverified::parse(token).err(), Some(Refused::Malformed));
        }
    }

    #[test]
    fn a_signed_token_verifies_with_its_key_and_with_no_other() {
        let (key, other) =
            (SigningKey::es256([1; 32]).unwrap(), SigningKey::es256([2; 32]).unwrap());
        let header = Header::new(Alg::Es256, "k", "at+jwt");
        let input = signing_input(&header, &json!({"sub": "s"}));
        let token = compact(&input, &key.sign(input.as_bytes()).unwrap());
        let verify = |key: &SigningKey| {
            let token = Unverified::parse(&token).unwrap();
            assert_eq!(token.typ().as_deref(), Some("at+jwt"));
            pollster::block_on(token.verify::<Value>(&key.public(), &Native))
        };
        assert_eq!(verify(&key), Ok(json!({"sub": "s"})));
        assert_eq!(verify(&other), Err(Refused::BadSignature));
    }
}
