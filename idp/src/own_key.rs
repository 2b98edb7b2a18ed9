//! `SIGNING_KEYS`: an operator's own private keys, one an algorithm. Only their shape is looked at
//! here; what a key is worth shows who imports it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use shared::jose::Alg;
use shared::jose::jwk::Material;
use shared::jose::private::{KIND, PrivateKey, Wrong};
use shared::settings::Settings;
use std::fmt;

/// A private key as its operator gave it.
#[derive(Clone, Eq, PartialEq)]
pub struct OwnKey {
    alg: Alg,
    form: Form,
}

/// What a key is imported from.
#[derive(Clone, Eq, PartialEq)]
pub enum Form {
    /// The DER of a PKCS #8 structure, RFC 5208 §5.
    Pkcs8(Vec<u8>),
    /// A private JWK that has the members of its type and no others.
    Jwk(String),
}

impl OwnKey {
    /// Its algorithm.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    /// The key itself. Every call site is a place where it can leak.
    #[must_use]
    pub const fn expose(&self) -> &Form {
        &self.form
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKey({})", self.alg.as_str())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8(_) => "Pkcs8(..)",
            Self::Jwk(_) => "Jwk(..)",
        })
    }
}

const PEM: Wrong =
    ("", "PKCS #8 without a password, `BEGIN PRIVATE KEY` (openssl pkcs8 -topk8 -nocrypt)");
const BASE64: Wrong = ("", "base64 between its BEGIN and its END");

/// Reads the setting, and names every key of it that is none.
pub fn read<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>) -> Vec<OwnKey> {
    const NAME: &str = "SIGNING_KEYS";
    let Some(text) = settings.text(NAME) else { return Vec::new() };
    let found = if text.starts_with(['{', '[']) { json(&text) } else { pem(&text) };
    if found.is_empty() {
        settings.refuse(NAME, "private keys: PEM, a JWK, or a JWK Set");
    }
    let mut keys: Vec<OwnKey> = Vec::new();
    for (position, found) in found.into_iter().enumerate() {
        let name = format!("{NAME}[{position}]");
        match found {
            Err(("", wanted)) => settings.refuse(name, wanted),
            Err((member, wanted)) => settings.refuse(format!("{name}.{member}"), wanted),
            Ok(key) if keys.iter().any(|other| other.alg == key.alg) => {
                settings.refuse(name, "the only key of its algorithm");
            }
            Ok(key) => keys.push(key),
        }
    }
    keys
}

/// The blocks of RFC 7468; what stands around them is no part of it.
fn pem(text: &str) -> Vec<Result<OwnKey, Wrong>> {
    text.split("-----BEGIN ").skip(1).map(block).collect()
}

fn block(text: &str) -> Result<OwnKey, Wrong> {
    let text = text.strip_prefix("PRIVATE KEY-----").ok_or(PEM)?;
    let (body, _) = text.split_once("-----END PRIVATE KEY-----").ok_or(PEM)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| BASE64)?;
    let alg = pkcs8(&der).ok_or(KIND)?;
    Ok(OwnKey { alg, form: Form::Pkcs8(der) })
}

/// The algorithm of a PKCS #8 structure, when it is one that we sign with and the key is as long as
/// it has to be.
fn pkcs8(der: &[u8]) -> Option<Alg> {
    /// id-ecPublicKey with prime256v1, RFC 5480 §2.1.1.
    const P256: &[u8] =
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    /// rsaEncryption, RFC 8017 appendix A.1.
    const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    /// id-Ed25519, RFC 8410 §3.
    const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
    let (SEQUENCE, info, []) = element(der)? else { return None };
    let (INTEGER, _, rest) = element(info)? else { return None };
    let (SEQUENCE, algorithm, rest) = element(rest)? else { return None };
    let (OCTETS, private, _) = element(rest)? else { return None };
    match algorithm {
        P256 => Some(Alg::Es256),
        RSA => is_usual_rsa(private)?.then_some(Alg::Rs256),
        ED25519 => {
            let (OCTETS, seed, []) = element(private)? else { return None };
            (seed.len() == 32).then_some(Alg::EdDsa)
        }
        _ => None,
    }
}

/// RFC 8017 appendix A.1.2.
fn is_usual_rsa(der: &[u8]) -> Option<bool> {
    let (SEQUENCE, key, []) = element(der)? else { return None };
    let (INTEGER, _, rest) = element(key)? else { return None };
    let (INTEGER, [0, modulus @ ..], rest) = element(rest)? else { return None };
    let (INTEGER, exponent, _) = element(rest)? else { return None };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(Material::Rsa { n: encode(modulus), e: encode(exponent) }.is_sound())
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The tag and the contents of the first element of a DER, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*length) {
        short @ ..=0x7f => (short, rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// A JWK, a JWK Set, or an array of keys.
fn json(text: &str) -> Vec<Result<OwnKey, Wrong>> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let several = value.get("keys").unwrap_or(&value);
    match (several, &value) {
        (Value::Array(keys), _) => keys.iter().map(jwk).collect(),
        (_, Value::Object(_)) => vec![jwk(&value)],
        _ => Vec::new(),
    }
}

/// The name it may have is not ours, and passed over.
fn jwk(value: &Value) -> Result<OwnKey, Wrong> {
    let key = PrivateKey::read(value)?;
    Ok(OwnKey { alg: key.alg(), form: Form::Jwk(key.expose().to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/ZcFzooEWd52r49R
6sU5jVDBXHDW/MxLE822wiw7qRahRANCAATgvD/Wcr4dHPSEBd9iKYvBbnaEedne
sl6/MtS5wDkddVulgG8MvyMAB5unbNSf8sK0ZUq6EMJTmBW7+lOPDbm8
-----END PRIVATE KEY-----";
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIBHAdorv99Yo12eE5QYKJANrK4aRbSuQMAcT4SmQ70OP
-----END PRIVATE KEY-----";
    const X25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEINBMTtzj8C3JQbyIx1p93BeuEikrXW22JmBG1gPw74lR
-----END PRIVATE KEY-----";
    const P384: &str = "-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDB8gJ7zDxnMkx8/KDG3
sMWWHroR+0sAcnKaHeZnA74F3Flv4RfsIlvMUqPc/DCqxAGhZANiAAT6wkYKceQE
u700TE8dORVTQA9Y4EfSl7Afd3G4WRUIncvfI90PWy7nJ8j5MpgITSGZBt7T3l/g
c+cqogwqZgjz19RarpNm2O/WoBNf/VWmxvJm8EPLKQkSb3UPUSpIKjE=
-----END PRIVATE KEY-----";
    const RSA_1024: &str = "-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAPSyfCQRTeT4Q0s6
1SpQMO5AnxkihbUJZptD66zeZGwzno3slq15jj9gBv92bI2ZYno+cpN4kktBza/0
NpNyfCX6O3Z195iHGLttwkTypWa+Ri+z1goSaImswnSMb1zNlN+Ps286Jw6uQ/fJ
KdNL6JaW7LlsKJFV7cDO4kVzConbAgMBAAECgYB/3XytRDWV/nz7pMSbFchb13zL
n5SK41ywqa9PZ+7F87tYolaiU7CXQVCm0XUsEQi6pEMu+IRJuxsGZPDX360rDZbR
FxD0Ke4iM/2TMW5hXfcdDRAAxnmpRiC/93pIAgSSJh+7nZtT+sxBjJjBriWhGuUM
CmN+wxu1P62SUX924QJBAP7++JOUs6bNuxeseLG44EQUa0BiJ+IFKwS8hN7mHVqo
r+L/WVM44QvJJEfxZ+q30XP0aTjqQW+FwzenuZDChGkCQQD1qSIO7IkWZawadq8m
8WDYDQ5SIn5QqdGwL6IFwhBtSClQvi3fdoQu3Vkv5sltbOCVAyzn6RmI8ji9d2Fy
KwOjAkEA3EUcLT/ywFBPIXAXAk6VS7nnu8IOeavFMV432OQmzz2QUiIJ413q6Odj
s9HQ1mzbPbMPgd65j8CYlecI4QdmoQJBAJJdZgxsQ7VTeHn/8pWKRUAUb07ifE4F
EAkgKDG0EWN7FhqkZOJ6U4E0onnW0HZg42IFFVFLYcplPwcrxKRoGm8CQGhkFTN8
4owVtKQH/CDBwoRwsduvF1j6xK2GgWkPdVU2ESdGDdI+esi6ALoWXrIYwlsuhrh0
i63838lrBrGiqTs=
-----END PRIVATE KEY-----";
    const RSA: &str = include_str!("../../tests/src/rsa-1.pem");
    /// RFC 8037 appendix A.1.
    const JWK: &str =
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    const D: &str = r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#;

    fn read_text(text: &str) -> Result<Vec<Alg>, Vec<String>> {
        let mut settings = Settings::new(|_: &str| Some(text.to_owned()));
        let keys = read(&mut settings);
        assert!(
            keys.iter().all(|key| format!("{key:?}") == format!("OwnKey({})", key.alg.as_str()))
        );
        let algs = keys.iter().map(OwnKey::alg).collect();
        settings
            .finish(Some(algs))
            .map_err(|problems| problems.into_iter().map(|problem| problem.name).collect())
    }

    #[test]
    fn several_keys_stand_in_one_text_with_anything_between_them() {
        let text = format!("Key Attributes: <none>\n{P256}\n{RSA}\r\n# the third\n{ED25519}\n");
        assert_eq!(read_text(&text), Ok(vec![Alg::Es256, Alg::Rs256, Alg::EdDsa]));
        assert_eq!(read_text(" "), Ok(vec![]), "as if it were not set");
    }

    #[test]
    fn a_jwk_and_a_set_are_read_and_what_is_no_key_material_is_left_behind() {
        let key = format!(r#"{{{JWK},{D},"kid":"theirs","use":"sig","alg":"EdDSA","ext":true}}"#);
        for text in [key.clone(), format!("[{key}]"), format!(r#"{{"keys":[{key}]}}"#)] {
            assert_eq!(read_text(&text), Ok(vec![Alg::EdDsa]), "{text}");
        }
        let Ok(OwnKey { form: Form::Jwk(kept), .. }) = jwk(&serde_json::from_str(&key).unwrap())
        else {
            panic!("a key");
        };
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let wanted: Value = serde_json::from_str(&format!("{{{JWK},{D}}}")).unwrap();
        assert_eq!(kept, wanted);
    }

    #[test]
    fn every_key_that_is_none_is_named_and_not_repeated() {
        let ec = P256.replace("PRIVATE", "EC PRIVATE");
        let cut = P256.replace("IGHAgEA", "IGHAg");
        let inside = P256.replace("MIGH", "!!!!");
        let open = P256.replace("-----END PRIVATE KEY-----", "");
        let text = [X25519, P384, RSA_1024, &ec, &cut, &inside, ED25519, ED25519, &open].join("\n");
        let wrong = [0, 1, 2, 3, 4, 5, 7, 8].map(|position| format!("SIGNING_KEYS[{position}]"));
        assert_eq!(read_text(&text), Err(wrong.to_vec()));
        for nothing in ["secret", "{", "[]", "7", r#"{"keys":[]}"#] {
            assert_eq!(read_text(nothing), Err(vec!["SIGNING_KEYS".to_owned()]), "{nothing}");
        }
    }

    #[test]
    fn every_member_of_a_jwk_that_is_wrong_is_named() {
        for (more, wrong) in [
            ("", ".d"),
            (r#","d":7"#, ".d"),
            (r#","d":"AA""#, ".d"),
            (&format!(r#",{D},"use":"enc""#), ".use"),
            (&format!(r#",{D},"alg":"ES256""#), ".alg"),
        ] {
            let text = format!("{{{JWK}{more}}}");
            assert_eq!(read_text(&text), Err(vec![format!("SIGNING_KEYS[0]{wrong}")]), "{text}");
        }
        let rsa = format!(r#""kty":"RSA","e":"AQAB","n":"{}AQ""#, "gICA".repeat(85));
        let text = format!(r#"{{{rsa},"d":"AQ","p":"AQ","q":"AQ","dp":"AQ","dq":"AQ"}}"#);
        assert_eq!(read_text(&text), Err(vec!["SIGNING_KEYS[0].qi".to_owned()]));
        let symmetric = r#"{"kty":"oct","k":"AQ"}"#;
        assert_eq!(read_text(symmetric), Err(vec!["SIGNING_KEYS[0]".to_owned()]));
    }

    #[test]
    fn a_der_that_ends_anywhere_is_no_key() {
        for text in [P256, ED25519, RSA] {
            let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            let der = STANDARD.decode(body).unwrap();
            assert!(pkcs8(&der).is_some());
            for end in 0..der.len() {
                assert_eq!(pkcs8(&der[..end]), None, "{end}");
            }
        }
    }
}
