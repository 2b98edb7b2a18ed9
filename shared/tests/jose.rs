//! What a token may not bring along, and the vectors of Project Wycheproof.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pollster::block_on;
use serde_json::{Value, json};
use shared::fetch::{Request, Response};
use shared::jose::jwk::{Jwk, JwkSet};
use shared::jose::jws::{Refused, Unverified};
use shared::jose::native::{Native, SigningKey};
use shared::jose::{Alg, Verifier};
use shared::origin::Issuer;
use shared::rp::discovery::Provider;
use shared::rp::keys::{NoKey, NotVerified};
use shared::time::UnixTime;
use std::cell::RefCell;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

const NOON: UnixTime = UnixTime(1_800_000_000);
const JWKS: &str = "https://idp.test/jwks";

/// A certificate that says of itself that it is the provider's, and its key.
const CERTIFICATE: &str = "MIIBfTCCASOgAwIBAgIUBpg5CaxaRo+QuNJTCgAYO8gDEYIwCgYIKoZIzj0EAwIwEzERMA8GA1UEAwwIaWRwLnRlc3QwIBcNMjYxMTIxMjA0MzUzWhgPMjEyNjEwMjgyMDQzNTNaMBMxETAPBgNVBAMMCGlkcC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMmWtXhT1EQgsJcs0xxj13oBoel9Z4KnavPD0nse8DjHSLt0zNv2TG3VrwEFhadf2fHm2zTF6PJOyRa7/CYbObqNTMFEwHQYDVR0OBBYEFNbi2sfOxgX7UlAEhdBm8yqYlinPMB8GA1UdIwQYMBaAFNbi2sfOxgX7UlAEhdBm8yqYlinPMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgUqYn8udG/lrE+0OWj9t+76KOyN+zUxxF8UsCPB+swDsCIQCHItMrmNtfc/mc0SJYHWXqDcxCzbxl5Wytc7G6KLDoUg==";
const ITS_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOcCWcMH+k4ahOoiNwriVeQxixjdRByjH2HRz+g022h+hRANCAAQyZa1eFPURCCwlyzTHGPXegGh6X1ngqdq88PSex7wOMdIu3TM2/ZMbdWvAQWFp1/Z8ebbNMXo8k7JFrv8Jhs5u";

fn theirs() -> SigningKey {
    SigningKey::es256([7; 32]).unwrap()
}

fn attackers() -> SigningKey {
    SigningKey::pkcs8(Alg::Es256, &STANDARD.decode(ITS_KEY).unwrap()).unwrap()
}

fn token(header: &Value, key: &SigningKey) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(&json!({ "sub": "alice" })));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// What is made of a token by who trusts the keys at [`JWKS`], and who is asked for that.
fn verified(token: &str) -> (Result<Value, NotVerified>, Vec<String>) {
    let asked = RefCell::new(Vec::new());
    let fetch = async |request: Request| {
        asked.borrow_mut().push(request.uri().to_string());
        // Whoever is asked, and the attacker above all, has the attacker's key; the provider its own.
        let key = if *request.uri() == JWKS { theirs() } else { attackers() };
        let set = JwkSet { keys: vec![Jwk { kid: Some("k".to_owned()), ..key.public() }] };
        Ok(Response::new(serde_json::to_vec(&set).unwrap()))
    };
    let provider = Provider::new(Issuer::parse("https://idp.test").unwrap());
    let token = match Unverified::parse(token) {
        Ok(token) => token,
        Err(refused) => return (Err(NotVerified::Signature(refused)), Vec::new()),
    };
    let claims = block_on(provider.verified(&token, JWKS, (&fetch, &Native), NOON));
    (claims.map(|(claims, _): (Value, Alg)| claims), asked.into_inner())
}

/// Members of a header that bring a key along, or say where one is.
fn brought() -> Vec<Value> {
    let jwk = serde_json::to_value(attackers().public()).unwrap();
    vec![
        json!({ "jku": "https://evil.test/jwks" }),
        json!({ "x5u": "https://evil.test/cert.pem" }),
        json!({ "jku": "https://evil.test/jwks", "x5u": "https://evil.test/cert.pem", "jwk": jwk }),
        json!({ "x5c": [CERTIFICATE] }),
        json!({ "x5c": [CERTIFICATE], "x5t#S256": "x", "jwk": jwk }),
        json!({ "x5c": "no certificate at all" }),
    ]
}

#[test]
fn jv_05_jv_06_a_key_that_a_token_brings_along_or_points_to_is_not_looked_at() {
    for more in brought() {
        for kid in [Some("k"), Some("evil"), None] {
            let mut header = json!({ "alg": "ES256", "kid": kid });
            header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (claims, asked) = verified(&token(&header, &attackers()));
            let refused =
                [NotVerified::Signature(Refused::BadSignature), NotVerified::Key(NoKey::Unknown)];
            assert!(refused.contains(&claims.unwrap_err()), "{header}");
            assert!(asked.iter().all(|url| url == JWKS), "{header} {asked:?}");

            // A good token is as good with it.
            if kid != Some("evil") {
                let (claims, asked) = verified(&token(&header, &theirs()));
                assert_eq!(claims, Ok(json!({ "sub": "alice" })), "{header}");
                assert_eq!(asked, [JWKS], "{header}");
            }
        }
    }
}

#[test]
fn jv_21_an_encrypted_token_is_refused_by_its_shape_and_nothing_in_it_is_worked_on() {
    // Deriving the key of the first would take hours.
    for header in [
        json!({ "alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": i32::MAX, "p2s": "c2FsdA" }),
        json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
        json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "k" }),
        json!({ "alg": "ES256", "kid": "k", "zip": "DEF" }),
    ] {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let bomb = URL_SAFE_NO_PAD.encode([0; 9000]);
        for text in
            [format!("{header}.{bomb}.AAAA.{bomb}.AAAA"), format!("{header}..AAAA.{bomb}.AAAA")]
        {
            let (claims, asked) = verified(&text);
            assert_eq!(claims, Err(NotVerified::Signature(Refused::Malformed)));
            assert_eq!(asked, [""; 0]);
        }
    }
    // Nor does the header of one open anything in the shape of a signed token.
    let header = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": i32::MAX });
    let (claims, asked) = verified(&token(&header, &attackers()));
    assert_eq!(claims, Err(NotVerified::Signature(Refused::Malformed)));
    assert_eq!(asked, [""; 0]);
}

/// The key of a group, as a provider would publish it; none when it is none that we would use.
fn key(jwk: &Value) -> Option<Jwk> {
    JwkSet::parse(json!({ "keys": [jwk] }).to_string().as_bytes())?.keys.into_iter().next()
}

/// How many signatures were good and how many bad, each as its label says.
#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    good: usize,
    bad: usize,
}

impl Count {
    fn check(&mut self, key: &Jwk, (message, signature): (&[u8], &[u8]), label: TestResult) {
        let good = block_on(Native.verify(key, message, signature));
        match label {
            TestResult::Valid => assert!(good, "{signature:02x?}"),
            TestResult::Invalid => assert!(!good, "{signature:02x?}"),
            TestResult::Acceptable => return,
        }
        if good { self.good += 1 } else { self.bad += 1 }
    }
}

/// A number without the zeros in front.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    URL_SAFE_NO_PAD.encode(bytes.split_at(zeros).1)
}

#[test]
fn jv_35_wycheproof_every_signature_of_p_256_is_as_it_is_labelled() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut count = Count::default();
    for group in set.test_groups {
        let (x, y) = group.key.key.split_at(1).1.split_at(32);
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let key = key(&json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) }));
        let key = key.unwrap();
        for test in group.tests {
            count.check(&key, (&test.msg, &test.sig), test.result);
        }
    }
    assert!(count.good >= 100 && count.bad >= 50, "{count:?}");
}

#[test]
fn jv_35_wycheproof_every_signature_of_rsa_with_pkcs_1_is_as_it_is_labelled() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256};
    let mut count = Count::default();
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let (n, e) = (number(&group.key.n), number(&group.key.e));
            // Keys with another exponent are not used at all.
            let Some(key) = key(&json!({ "kty": "RSA", "n": n, "e": e })) else {
                assert_ne!(e, "AQAB");
                continue;
            };
            for test in group.tests {
                count.check(&key, (&test.msg, &test.sig), test.result);
            }
        }
    }
    assert!(count.good >= 20 && count.bad >= 600, "{count:?}");
}

#[test]
fn jv_35_wycheproof_every_signature_of_ed25519_is_as_it_is_labelled() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = Count::default();
    for group in set.test_groups {
        let x = URL_SAFE_NO_PAD.encode(&*group.key.pk);
        let key = key(&json!({ "kty": "OKP", "crv": "Ed25519", "x": x })).unwrap();
        for test in group.tests {
            count.check(&key, (&test.msg, &test.sig), test.result);
        }
    }
    assert!(count.good >= 80 && count.bad >= 50, "{count:?}");
}
