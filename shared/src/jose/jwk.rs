//! Public keys, RFC 7517 and RFC 7518 §6.

use super::Alg;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A public key that signs with one algorithm. Private members have no place in it, so it cannot
/// publish any (DJ-04).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Jwk {
    /// The key itself.
    #[serde(flatten)]
    pub material: Material,
    /// Its name; keys of strangers may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `sig` when present.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Its algorithm; keys of strangers may leave it to the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
}

/// The numbers of a public key, as base64url text.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "kty")]
pub enum Material {
    /// A point on P-256.
    #[serde(rename = "EC")]
    Ec {
        /// The curve: `P-256`.
        crv: String,
        /// The x coordinate.
        x: String,
        /// The y coordinate.
        y: String,
    },
    /// An RSA modulus and exponent.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// A point on an Edwards curve, RFC 8037 §2.
    #[serde(rename = "OKP")]
    Okp {
        /// The curve: `Ed25519`.
        crv: String,
        /// The public key.
        x: String,
    },
}

/// The RSA exponent that every sane key has: 65537.
const EXPONENT: &str = "AQAB";

impl Jwk {
    /// A key of ours, named by its thumbprint.
    #[must_use]
    pub fn ours(material: Material) -> Self {
        let alg = material.alg().as_str().to_owned();
        let kid = Some(material.thumbprint());
        Self { material, kid, purpose: Some("sig".to_owned()), alg: Some(alg) }
    }

    /// Reads a key that came along with what it signed; none when a private half is in it, or when
    /// we cannot or would not use it (RFC 9449 §4.3).
    #[must_use]
    pub fn brought(value: &Value) -> Option<Self> {
        if has_private_half(value) {
            return None;
        }
        serde_json::from_value(value.clone()).ok().filter(Self::is_usable)
    }

    /// The only algorithm this key takes part in.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.material.alg()
    }

    /// Whether the key may check signatures and is strong enough to.
    fn is_usable(&self) -> bool {
        self.material.is_sound()
            && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == self.alg().as_str())
    }
}

impl Material {
    /// The only algorithm such a key takes part in.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self {
            Self::Ec { .. } => Alg::Es256,
            Self::Rsa { .. } => Alg::Rs256,
            Self::Okp { .. } => Alg::EdDsa,
        }
    }

    /// JV-23, JV-24: P-256 coordinates of the right length; 2048 to 4096 bits of an odd modulus
    /// with the usual exponent; a point of Ed25519 that is not of small order. That a point is on
    /// its curve, importing it shows.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let decode = |text: &String| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match self {
            Self::Ec { crv, x, y } => {
                crv == "P-256" && [x, y].iter().all(|number| decode(number).len() == 32)
            }
            Self::Rsa { n, e } => {
                let n = decode(n);
                let odd = n.last().is_some_and(|byte| byte % 2 == 1);
                let top = n.first().is_some_and(|byte| *byte >= 0x80);
                e == EXPONENT && odd && top && (256..=512).contains(&n.len())
            }
            Self::Okp { crv, x } => {
                crv == "Ed25519" && decode(x).try_into().is_ok_and(|x| !is_of_small_order(x))
            }
        }
    }

    /// The SHA-256 thumbprint, RFC 7638.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
    }
}

/// Whether a key has members that only its owner may know, whatever kind it is, RFC 7518 §6.
#[must_use]
pub fn has_private_half(key: &Value) -> bool {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    PRIVATE.iter().any(|member| key.get(member).is_some())
}

/// Whether it is one of the encodings, proper or not, of the eight points that some signature of
/// anybody's fits for any message. WebCrypto would take them.
fn is_of_small_order(mut x: [u8; 32]) -> bool {
    /// The two of order eight, without the sign of x.
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let [first, between @ .., last] = &mut x;
    *last &= 0x7f;
    let (first, last) = (*first, *last);
    // 0 and 1, and p - 1, p and p + 1, where p is 2^255 - 19.
    let low = first <= 1 && last == 0 && between.iter().all(|byte| *byte == 0);
    let high = (0xec..=0xee).contains(&first) && last == 0x7f;
    low || (high && between.iter().all(|byte| *byte == 0xff)) || ORDER_8.contains(&x)
}

/// A JWK Set, RFC 7517 §5.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// More keys than an honest set has.
const MOST_KEYS: usize = 64;

impl JwkSet {
    /// Reads a set, passing over keys that we cannot or would not use (RFC 7517 §5); none when it
    /// is no set at all.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            keys: Vec<Value>,
        }
        let raw: Raw = serde_json::from_slice(bytes).ok()?;
        let keys = raw.keys.into_iter().take(MOST_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok()).filter(Jwk::is_usable);
        Some(Self { keys: keys.collect() })
    }

    /// The key that a token's header asks for. Without a `kid` there must be exactly one key of
    /// the algorithm (JV-09).
    #[must_use]
    pub fn find(&self, kid: Option<&str>, alg: Alg) -> Option<&Jwk> {
        let mut fitting = self.keys.iter().filter(|key| key.alg() == alg);
        match kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    #[test]
    fn rfc7638_3_1_the_worked_example_has_its_thumbprint() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = Material::Rsa { n: n.into(), e: "AQAB".into() };
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn rfc8037_a_3_the_worked_example_has_its_thumbprint() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let key = Material::Okp { crv: "Ed25519".to_owned(), x };
        assert!(key.is_sound());
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn jv_23_jv_24_an_edwards_key_is_a_whole_point_of_ed25519_and_not_of_small_order() {
        let key = |crv: &str, x: &[u8]| {
            Material::Okp { crv: crv.to_owned(), x: URL_SAFE_NO_PAD.encode(x) }.is_sound()
        };
        assert!(key("Ed25519", &[7; 32]));
        assert!(!key("X25519", &[7; 32]));
        assert!(!key("Ed448", &[7; 57]));
        assert!(!key("Ed25519", &[7; 31]));
        assert!(!key("Ed25519", &[7; 33]));
        let padded = [&[7][..], &[0; 31]].concat();
        assert!(key("Ed25519", &padded));

        // Every point of small order; that they are, somebody else's implementation says.
        let ends = [(0, 0), (1, 0), (0xec, 0x7f), (0xed, 0x7f), (0xee, 0x7f)];
        let plain = ends.map(|(first, last)| {
            let between = if last == 0 { 0 } else { 0xff };
            [&[first][..], &[between; 30], &[last]].concat()
        });
        let eight = [
            "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
            "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
        ];
        let eight = eight.map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        for mut point in plain.into_iter().chain(eight) {
            assert!(!key("Ed25519", &point), "{point:?}");
            let known = ed25519_dalek::VerifyingKey::from_bytes(&point.clone().try_into().unwrap());
            assert!(known.is_ok_and(|known| known.is_weak()), "{point:?}");
            point[31] |= 0x80;
            assert!(!key("Ed25519", &point), "{point:?} with a sign");
        }
    }

    #[test]
    fn jv_26_jv_27_keys_that_are_not_ours_to_use_are_passed_over() {
        let set = format!(
            r#"{{"keys":[{{"kty":"oct","k":"AA"}},{{"kty":"OKP","crv":"X"}},7,
            {{{EC},"use":"enc"}},{{{EC},"alg":"ES384"}},{{{EC},"kid":"good","use":"sig"}}]}}"#
        );
        let set = JwkSet::parse(set.as_bytes()).unwrap();
        assert_eq!(set.keys.len(), 1);
        assert!(set.find(Some("good"), Alg::Es256).is_some());
        assert!(set.find(Some("good"), Alg::Rs256).is_none());
        assert_eq!(JwkSet::parse(b"<html>"), None);
    }

    #[test]
    fn jv_23_jv_24_weak_rsa_keys_and_other_curves_are_refused() {
        let rsa = |bytes: Vec<u8>, e: &str| {
            Material::Rsa { n: URL_SAFE_NO_PAD.encode(bytes), e: e.into() }.is_sound()
        };
        assert!(rsa([vec![0x80; 255], vec![1]].concat(), "AQAB"));
        assert!(!rsa([vec![0x80; 255], vec![1]].concat(), "AQ"));
        assert!(!rsa(vec![0x80; 256], "AQAB"));
        assert!(!rsa(vec![0x81; 64], "AQAB"));
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        assert!(!Material::Ec { crv: "P-384".into(), x: x.clone(), y: x }.is_sound());
    }

    #[test]
    fn px_11_a_key_that_came_along_is_public_and_of_a_kind_that_we_use() {
        let key = |more: &str| serde_json::from_str(&format!("{{{EC}{more}}}")).unwrap();
        assert!(Jwk::brought(&key("")).is_some());
        assert!(Jwk::brought(&key(r#","use":"sig","alg":"ES256","kid":"x""#)).is_some());
        for more in
            [r#","d":"AA""#, r#","d":null"#, r#","k":"AA""#, r#","use":"enc""#, r#","alg":"ES384""#]
        {
            assert_eq!(Jwk::brought(&key(more)), None, "{more}");
        }
        for other in [r#"{"kty":"oct","k":"AA"}"#, r#"{"kty":"oct"}"#, "{}", "7", "null", "[]"] {
            assert_eq!(Jwk::brought(&serde_json::from_str(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn jv_09_without_a_kid_only_a_single_key_is_meant() {
        let key: Jwk = serde_json::from_str(&format!("{{{EC}}}")).unwrap();
        let one = JwkSet { keys: vec![key.clone()] };
        let two = JwkSet { keys: vec![key.clone(), key] };
        assert!(one.find(None, Alg::Es256).is_some());
        assert!(two.find(None, Alg::Es256).is_none());
    }
}
