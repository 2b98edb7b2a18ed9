use super::fixture::{NOON, Peer, claims, client, key, provider, sign, sign_typed, sign_with};
use super::id_token::*;
use super::keys::NoKey;
use crate::jose::Alg;
use crate::jose::jwk::JwkSet;
use crate::jose::jws::{self, Header, compact, signing_input};
use crate::jose::native::{Native, SigningKey};
use crate::secret::{AccessToken, IdToken};
use crate::time::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pollster::block_on;
use serde_json::Value;
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};

const SIGN_IN: Occasion<'static> = Occasion::SignIn { nonce: "n", max_age: None };
const BEFORE: Before<'static> =
    Before { subject: "alice", auth_time: Some(UnixTime(NOON.0 - 10)), nonce: None };
const REFRESH: Occasion<'static> = Occasion::Refresh(BEFORE);

fn check(token: &str, occasion: Occasion<'_>) -> Result<IdTokenClaims, IdTokenRefused> {
    check_at(&Peer::new(), token, occasion)
}

fn check_at(
    peer: &Peer,
    token: &str,
    occasion: Occasion<'_>,
) -> Result<IdTokenClaims, IdTokenRefused> {
    let fetch = peer.fetch();
    let provider = provider();
    let (token, access) = (IdToken::new(token), AccessToken::new("access"));
    let keys = (&provider, "https://idp.test/jwks");
    block_on(client().verify(&token, &access, occasion, keys, &fetch, &Native, NOON))
}

/// The outcome when one claim is something else, or missing when it is null.
fn with(name: &str, value: Value, occasion: Occasion<'_>) -> Option<IdTokenRefused> {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    check(&sign(&claims), occasion).err()
}

#[test]
fn a_good_token_gives_its_claims_and_keeps_the_others() {
    let claims = check(&sign(&claims()), SIGN_IN).unwrap();
    assert_eq!(claims.subject, "alice");
    assert_eq!(claims.other, *json!({"name": "Alice"}).as_object().unwrap());
}

#[test]
fn jv_11_the_issuer_is_a_string_and_equal() {
    for iss in [
        json!(null),
        json!(7),
        json!({}),
        json!(["https://idp.test"]),
        json!("https://idp.test/"),
        json!("https://IDP.test"),
        json!("http://idp.test"),
    ] {
        assert_eq!(with("iss", iss.clone(), SIGN_IN), Some(IdTokenRefused::Issuer), "{iss}");
    }
}

#[test]
fn jv_12_fd_11_we_are_in_the_audience_and_the_authorized_party_of_several() {
    let refused = Some(IdTokenRefused::Audience);
    for aud in [
        json!(null),
        json!(7),
        json!([]),
        json!([["app"]]),
        json!("other"),
        json!(["other"]),
        json!("App"),
        json!(["app", "other"]),
        json!(["app", 7]),
    ] {
        assert_eq!(with("aud", aud.clone(), SIGN_IN), refused, "{aud}");
    }
    assert_eq!(with("aud", json!(["app"]), SIGN_IN), None);
}

#[test]
fn jv_31_the_authorized_party_is_us_when_it_is_named() {
    for azp in [json!("other"), json!(7), json!("")] {
        assert_eq!(with("azp", azp, SIGN_IN), Some(IdTokenRefused::Audience));
    }
    assert_eq!(with("azp", json!("app"), SIGN_IN), None);
    let mut several = claims();
    several["aud"] = json!(["app", "other"]);
    several["azp"] = json!("app");
    assert!(check(&sign(&several), SIGN_IN).is_ok());
}

#[test]
fn jv_13_jv_15_an_end_must_be_there_and_not_past_by_more_than_five_seconds() {
    let now = NOON.0;
    for exp in [
        json!(null),
        json!("1800000300"),
        json!(1e300),
        json!(-1),
        json!(0),
        json!([]),
        json!(now - 60),
        json!(now - 6),
        json!(now - 5),
    ] {
        assert_eq!(with("exp", exp.clone(), SIGN_IN), Some(IdTokenRefused::Time), "{exp}");
    }
    for exp in [json!(now - 4), json!(now - 1), json!(now + 300), json!(4_000_000_000_u64)] {
        assert_eq!(with("exp", exp.clone(), SIGN_IN), None, "{exp}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a date")]
    let float = json!(now as f64 + 0.5);
    assert_eq!(with("exp", float, SIGN_IN), None);
}

#[test]
fn jv_14_a_token_from_the_future_or_the_distant_past_is_refused() {
    let (now, refused) = (NOON.0, Some(IdTokenRefused::Time));
    for (name, value) in [
        ("nbf", json!(now + 86_400)),
        ("nbf", json!("1")),
        ("iat", json!(now + 86_400)),
        ("iat", json!(now + 61)),
        ("iat", json!(now - 86_400)),
        ("iat", json!(null)),
        ("iat", json!("1")),
    ] {
        assert_eq!(with(name, value.clone(), SIGN_IN), refused, "{name} {value}");
    }
    assert_eq!(with("iat", json!(now + 60), SIGN_IN), None);
    assert_eq!(with("nbf", json!(now), SIGN_IN), None);
}

#[test]
fn jv_16_jv_17_a_token_of_another_type_is_refused() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "dpop+jwt", "x"] {
        let token = sign_typed(&claims(), typ);
        assert_eq!(check(&token, SIGN_IN).err(), Some(IdTokenRefused::Type), "{typ}");
    }
    for typ in ["JWT", "jwt"] {
        assert!(check(&sign_typed(&claims(), typ), SIGN_IN).is_ok(), "{typ}");
    }
}

#[test]
fn jv_18_a_repeated_claim_is_refused() {
    let header = Header::new(key().alg(), &key().public().kid.unwrap(), "JWT");
    let input = signing_input(&header, &json!({}));
    let claims = claims().to_string().replacen('{', r#"{"sub":"alice","#, 1);
    let input = format!("{}.{}", input.split_once('.').unwrap().0, URL_SAFE_NO_PAD.encode(claims));
    let token = compact(&input, &key().sign(input.as_bytes()).unwrap());
    let refused = IdTokenRefused::Signature(jws::Refused::BadClaims);
    assert_eq!(check(&token, SIGN_IN).err(), Some(refused));
}

#[test]
fn fd_10_an_unsigned_or_foreign_signature_is_refused() {
    let token = sign(&claims());
    let (body, _) = token.rsplit_once('.').unwrap();
    let (header, rest) = body.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for bad in [format!("{none}.{rest}."), format!("{body}."), format!("{header}.e30.AA")] {
        let refused = check(&bad, SIGN_IN).err();
        assert!(matches!(refused, Some(IdTokenRefused::Signature(_))), "{bad}");
    }
}

#[test]
fn jv_25_padding_and_stray_characters_are_refused() {
    let token = sign(&claims());
    for bad in [format!("{token}="), format!(" {token}"), token.replace('.', ".\n")] {
        let refused = IdTokenRefused::Signature(jws::Refused::Malformed);
        assert_eq!(check(&bad, SIGN_IN).err(), Some(refused));
    }
}

#[test]
fn fd_09_gc_09_the_nonce_is_ours() {
    for nonce in [json!(null), json!(""), json!("N"), json!("other"), json!(7), json!(["n"])] {
        assert_eq!(with("nonce", nonce.clone(), SIGN_IN), Some(IdTokenRefused::Nonce), "{nonce}");
    }
}

#[test]
fn jv_30_a_wrong_access_token_hash_is_refused() {
    let right = URL_SAFE_NO_PAD.encode(&Sha256::digest("access")[..16]);
    assert_eq!(with("at_hash", json!(right), SIGN_IN), None);
    for wrong in [json!("AAAA"), json!(7), json!("")] {
        let refused = Some(IdTokenRefused::AccessTokenHash);
        assert_eq!(with("at_hash", wrong, SIGN_IN), refused);
    }
}

#[test]
fn jv_32_a_subject_is_a_short_ascii_string() {
    for sub in [json!(null), json!(7), json!(""), json!("x".repeat(300)), json!("ali\u{e7}e")] {
        assert_eq!(with("sub", sub.clone(), SIGN_IN), Some(IdTokenRefused::Subject), "{sub}");
    }
    assert_eq!(with("sub", json!("x".repeat(255)), SIGN_IN), None);
}

#[test]
fn oidc_core_3_1_3_7_13_a_maximum_age_requires_a_recent_auth_time() {
    let asked = Occasion::SignIn { nonce: "n", max_age: Some(60) };
    assert_eq!(with("auth_time", json!(NOON.0 - 60), asked), None);
    for auth_time in [json!(NOON.0 - 121), json!("1800000000")] {
        let refused = Some(IdTokenRefused::AuthTime);
        assert_eq!(with("auth_time", auth_time.clone(), asked), refused, "{auth_time}");
    }
    // Whose provider says nothing is told so: they did nothing wrong.
    assert_eq!(with("auth_time", json!(null), asked), Some(IdTokenRefused::NoAuthTime));
}

#[test]
fn gr_11_jv_29_oidc_core_12_2_a_refresh_names_the_same_person_and_occasion() {
    assert_eq!(with("nonce", json!(null), REFRESH), None);
    assert_eq!(with("auth_time", json!(null), REFRESH), None);
    assert_eq!(with("sub", json!("Alice"), REFRESH), Some(IdTokenRefused::Subject));
    assert_eq!(with("sub", json!("mallory"), REFRESH), Some(IdTokenRefused::Subject));
    assert_eq!(with("iss", json!("https://b.test"), REFRESH), Some(IdTokenRefused::Issuer));
    assert_eq!(with("aud", json!("other"), REFRESH), Some(IdTokenRefused::Audience));
    assert_eq!(with("aud", json!(["app", "other"]), REFRESH), Some(IdTokenRefused::Audience));
    assert_eq!(with("azp", json!("other"), REFRESH), Some(IdTokenRefused::Audience));
    assert_eq!(with("azp", json!("app"), REFRESH), None);
    assert_eq!(with("auth_time", json!(NOON.0), REFRESH), Some(IdTokenRefused::AuthTime));
}

#[test]
fn oidc_core_12_2_a_nonce_that_comes_with_a_refresh_is_the_one_of_the_sign_in() {
    let nonce = Some(crate::secret::Digest::of("n"));
    let known = Occasion::Refresh(Before { nonce, ..BEFORE });
    assert_eq!(with("nonce", json!("n"), known), None);
    assert_eq!(with("nonce", json!(null), known), None, "it need not be there");
    for other in [json!("m"), json!("N"), json!(""), json!(7), json!(["n"]), json!({})] {
        assert_eq!(with("nonce", other.clone(), known), Some(IdTokenRefused::Nonce), "{other}");
        assert_eq!(with("nonce", other, REFRESH), None, "nobody remembers");
    }
}

/// A provider that publishes a key of Ed25519 beside the usual one.
fn edwards() -> (Peer, SigningKey) {
    let (peer, edwards) = (Peer::new(), SigningKey::ed_dsa([5; 32]));
    let keys = JwkSet { keys: vec![key().public(), edwards.public()] };
    peer.put("/jwks", 200, &serde_json::to_string(&keys).unwrap());
    (peer, edwards)
}

#[test]
fn rfc8037_an_eddsa_token_is_believed_of_a_provider_that_publishes_such_a_key_and_of_no_other() {
    let (peer, edwards) = edwards();
    let token = sign_with(&edwards, &claims(), "JWT");
    assert_eq!(check_at(&peer, &token, SIGN_IN).unwrap().subject, "alice");
    assert_eq!(check(&token, SIGN_IN).err(), Some(IdTokenRefused::Key(NoKey::Unknown)));
    let stranger = sign_with(&SigningKey::ed_dsa([6; 32]), &claims(), "JWT");
    let refused = Some(IdTokenRefused::Key(NoKey::Unknown));
    assert_eq!(check_at(&peer, &stranger, SIGN_IN).err(), refused);
}

#[test]
fn jv_03_a_key_checks_no_other_algorithm_than_its_own() {
    let (peer, edwards) = edwards();
    for (signer, named, alg) in [
        (&edwards, &key(), Alg::EdDsa),
        (&key(), &edwards, Alg::Es256),
        (&edwards, &edwards, Alg::Es256),
    ] {
        let input =
            signing_input(&Header::new(alg, &named.public().kid.unwrap(), "JWT"), &claims());
        let token = compact(&input, &signer.sign(input.as_bytes()).unwrap());
        let refused = check_at(&peer, &token, SIGN_IN).err();
        assert_eq!(refused, Some(IdTokenRefused::Key(NoKey::Unknown)), "{alg:?}");
    }
}

#[test]
fn oidc_core_3_1_3_6_the_hash_beside_eddsa_is_half_of_sha_512() {
    let (peer, edwards) = edwards();
    let with = |hash: &[u8]| {
        let mut claims = claims();
        claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(hash));
        check_at(&peer, &sign_with(&edwards, &claims, "JWT"), SIGN_IN).err()
    };
    assert_eq!(with(&Sha512::digest("access")[..32]), None);
    for wrong in [&Sha256::digest("access")[..16], &Sha512::digest("access")[..16], &[]] {
        assert_eq!(with(wrong), Some(IdTokenRefused::AccessTokenHash));
    }
}
