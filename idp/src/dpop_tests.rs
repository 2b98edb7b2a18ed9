use super::*;
use pollster::block_on;
use serde_json::json;
use shared::jose::jws::compact;
use shared::jose::native::{Native, SigningKey};

const NOON: UnixTime = UnixTime(1_800_000_000);
const TOKEN: &str = "https://idp.test/token";

fn key(number: u8) -> SigningKey {
    SigningKey::es256([number; 32]).unwrap()
}

/// The material alone, as clients send it.
fn public(key: &SigningKey) -> Value {
    serde_json::to_value(&key.public().material).unwrap()
}

fn claims() -> Value {
    json!({ "jti": "1", "htm": "POST", "htu": TOKEN, "iat": NOON.0 })
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    compact(&input, &key.sign(input.as_bytes()).unwrap())
}

fn read(text: &str) -> Result<Proof, Refused> {
    block_on(verify(text, &Method::POST, TOKEN, &Native, NOON))
}

/// A good proof, but for what is changed; null takes a member away.
fn changed(header: &Value, claim: &Value) -> Result<Proof, Refused> {
    let with = |mut whole: Value, changes: &Value| {
        for (name, value) in changes.as_object().unwrap() {
            whole[name] = value.clone();
        }
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        whole
    };
    let usual = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": public(&key(1)) });
    read(&signed(&key(1), &with(usual, header), &with(claims(), claim)))
}

fn header(name: &str, value: impl Into<Value>) -> Option<Refused> {
    let value: Value = value.into();
    changed(&json!({ name: value }), &json!({})).err()
}

fn claim(name: &str, value: impl Into<Value>) -> Option<Refused> {
    let value: Value = value.into();
    changed(&json!({}), &json!({ name: value })).err()
}

#[test]
fn rfc9449_4_1_the_worked_example_is_of_the_key_whose_thumbprint_is_in_section_6_1() {
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMz\
        R0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5\
        VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsI\
        mh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8\
        v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let address = "https://server.example.com/token";
    let at = |now| block_on(verify(proof, &Method::POST, address, &Native, now));
    let made_at = UnixTime(1_562_262_616);
    let key = at(made_at).unwrap().thumbprint();
    assert_eq!(key.to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(at(made_at.plus(LIFE + 1)).err(), Some(Refused::Time));
}

#[test]
fn px_11_only_a_proof_says_that_it_is_one() {
    assert!(changed(&json!({}), &json!({})).is_ok());
    for typ in ["JWT", "jwt", "DPoP+JWT", "application/dpop+jwt", "dpop", "at+jwt", ""] {
        assert_eq!(header("typ", json!(typ)), Some(Refused::OtherType), "{typ}");
    }
    assert_eq!(header("typ", Value::Null), Some(Refused::Unreadable));
    let malformed = Some(Refused::Header(jws::Refused::Malformed));
    for alg in ["none", "HS256", "ES384", "PS256", ""] {
        assert_eq!(header("alg", json!(alg)), malformed, "{alg}");
    }
    assert_eq!(header("alg", Value::Null), malformed);
    assert_eq!(header("crit", json!(["exp"])), Some(Refused::Header(jws::Refused::Critical)));
}

#[test]
fn px_11_the_key_is_public_and_the_signature_its_own() {
    let mine = public(&key(1));
    let with = |name: &str, value: Value| {
        let mut changed = mine.clone();
        changed[name] = value;
        changed
    };
    for bad in [
        with("d", json!("AQ")),
        with("k", json!("AQ")),
        with("crv", json!("P-384")),
        with("x", json!("AQ")),
        with("kty", json!("oct")),
        json!({ "kty": "oct", "k": "AQ" }),
        json!({}),
        json!("x"),
        json!([mine]),
    ] {
        assert_eq!(header("jwk", bad.clone()), Some(Refused::Key), "{bad}");
    }
    assert_eq!(header("jwk", Value::Null), Some(Refused::Unreadable));
    let other = Some(Refused::Signature(jws::Refused::BadSignature));
    assert_eq!(header("jwk", public(&key(2))), other);
    let unlike = Some(Refused::Signature(jws::Refused::UnknownKey));
    assert_eq!(header("alg", json!("EdDSA")), unlike);
    assert_eq!(header("jwk", public(&SigningKey::ed_dsa([1; 32]))), unlike);
}

#[test]
fn every_algorithm_that_is_advertised_makes_proofs() {
    let rsa = include_str!("../../tests/src/rsa-client.pem");
    let keys = [key(1), SigningKey::rs256(rsa).unwrap(), SigningKey::ed_dsa([1; 32])];
    assert_eq!(keys.each_ref().map(SigningKey::alg), Alg::ALL);
    for key in keys {
        let header = json!({ "typ": "dpop+jwt", "alg": key.alg(), "jwk": public(&key) });
        let text = signed(&key, &header, &claims());
        assert!(text.len() < LONGEST / 2, "{}", text.len());
        let thumbprint = key.public().material.thumbprint();
        assert_eq!(read(&text).unwrap().thumbprint().to_string(), thumbprint);
    }
    assert_eq!(algs(), "ES256 RS256 EdDSA");
}

#[test]
fn px_11_it_is_for_this_method_and_was_made_lately() {
    for other in ["GET", "post", "Post", "POST ", ""] {
        assert_eq!(claim("htm", json!(other)), Some(Refused::Method), "{other}");
    }
    assert_eq!(claim("htm", Value::Null), Some(Refused::Method));
    for (seconds, refused) in [
        (-300, Some(Refused::Time)),
        (-61, Some(Refused::Time)),
        (-60, None),
        (0, None),
        (10, None),
        (11, Some(Refused::Time)),
        (300, Some(Refused::Time)),
    ] {
        let iat = NOON.0.saturating_add_signed(seconds);
        assert_eq!(claim("iat", json!(iat)), refused, "{seconds}");
    }
    for odd in [Value::Null, json!("1800000000"), json!(-1), json!([NOON.0]), json!(1e300)] {
        assert_eq!(claim("iat", odd.clone()), Some(Refused::Time), "{odd}");
    }
}

#[test]
fn px_12_it_has_a_name_of_bounded_length_and_is_remembered_while_it_is_good() {
    for odd in [Value::Null, json!(""), json!(7), json!("x".repeat(129))] {
        assert_eq!(claim("jti", odd), Some(Refused::Id));
    }
    assert_eq!(claim("jti", json!("x".repeat(128))), None);
    let proof = changed(&json!({}), &json!({ "iat": NOON.0 + SKEW })).unwrap();
    assert_eq!(proof.until, NOON.plus(SKEW + LIFE));
}

#[test]
fn px_18_an_address_is_the_same_without_query_and_fragment_and_in_any_spelling_of_its_host() {
    for good in [
        TOKEN,
        "https://idp.test/token?x=y",
        "https://idp.test/token#x",
        "https://idp.test:443/token",
        "HTTPS://IDP.test/token",
        "https://idp.test/x/../token",
    ] {
        assert_eq!(claim("htu", json!(good)), None, "{good}");
    }
    for bad in [
        "https://idp.test/token/",
        "https://idp.test//token",
        "https://idp.test/TOKEN",
        "https://idp.test/%74oken",
        "https://idp.test",
        "https://idp.test/userinfo",
        "https://idp.test:444/token",
        "http://idp.test/token",
        "https://idp.test.evil.test/token",
        "https://u@idp.test/token",
        "https://:p@idp.test/token",
        "https:\\\\idp.test\\token",
        " https://idp.test/token",
        "https://idp.test/to\tken",
        "/token",
        "",
    ] {
        assert_eq!(claim("htu", json!(bad)), Some(Refused::Address), "{bad}");
    }
    for odd in [Value::Null, json!([TOKEN]), json!(7)] {
        assert_eq!(claim("htu", odd), Some(Refused::Address));
    }
}

#[test]
fn px_11_a_proof_goes_with_the_token_whose_digest_it_has() {
    // RFC 9449 §7.1.
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
    let proof = |ath: Value| changed(&json!({}), &json!({ "ath": ath })).unwrap();
    assert!(proof(json!(ath)).goes_with(token));
    for other in [Value::Null, json!(""), json!(format!("{ath}=")), json!([ath]), json!("x")] {
        assert!(!proof(other.clone()).goes_with(token), "{other}");
    }
    assert!(!proof(json!(ath)).goes_with("x"));
}

#[test]
fn px_17_there_is_one_header_of_at_most_four_kilobytes() {
    let headers = |lines: &[&str]| {
        let lines = lines.iter().map(|line| ("dpop".parse().unwrap(), line.parse().unwrap()));
        lines.collect::<HeaderMap>()
    };
    // An iterator replaces what is there; two lines are appended.
    let mut two = headers(&["a"]);
    two.append("dpop", "b".parse().unwrap());
    assert_eq!(text(&HeaderMap::new()), Ok(None));
    assert_eq!(text(&headers(&["a"])), Ok(Some("a")));
    assert_eq!(text(&two), Err(Refused::Several));
    assert!(text(&headers(&[&"x".repeat(LONGEST)])).is_ok());
    assert_eq!(text(&headers(&[&"x".repeat(LONGEST + 1)])), Err(Refused::Unreadable));
    let good = signed(
        &key(1),
        &json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": public(&key(1)) }),
        &claims(),
    );
    assert!(read(&good).is_ok());
    // As a runtime joins them.
    assert!(read(&format!("{good}, {good}")).is_err());
}
