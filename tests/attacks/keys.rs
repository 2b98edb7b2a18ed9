//! The signing keys: an operator's own, keys that were dropped, and one algorithm taken for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use idp::ring::JWKS_MAX_AGE;
use serde_json::{Value, json};
use shared::fetch::Response;
use shared::jose::Alg;
use shared::jose::jws::{Header, compact, signing_input};
use shared::jose::native::SigningKey;
use tests::believe;
use tests::client::{
    self, Ask, C1, Draft, EDDSA, RS256, SignedIn, Tokens, offline_tokens, tokens, userinfo,
};
use tests::expect::{back, unauthorized};
use tests::world::{Issuer, issuer, needs_clock};

/// P-256, made with `openssl genpkey`; nothing else uses it.
const OWN: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/ZcFzooEWd52r49R
6sU5jVDBXHDW/MxLE822wiw7qRahRANCAATgvD/Wcr4dHPSEBd9iKYvBbnaEedne
sl6/MtS5wDkddVulgG8MvyMAB5unbNSf8sK0ZUq6EMJTmBW7+lOPDbm8
-----END PRIVATE KEY-----";
/// Its thumbprint, by another implementation.
const OWN_KID: &str = "pQwZqd9kzNr2Xr_eJmsr_MgKqSSEIDH6SQayQH2QkC8";
/// RFC 8037 appendix A.
const RFC8037: (&str, &str) = (
    r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
);
/// For so long a key is known before it signs.
const TEN_MINUTES: u64 = 2 * JWKS_MAX_AGE;

fn set(issuer: &Issuer, name: &str, value: &str) {
    issuer.inside().deploy_again(|settings| {
        settings.insert(name.to_owned(), value.into());
    });
}

fn published(issuer: &Issuer) -> Vec<String> {
    let keys = client::json(&Draft::new(Method::GET, "/jwks").send(issuer));
    let keys = keys.get("keys").and_then(Value::as_array).unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signer(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

fn is_good(answer: &Response) -> bool {
    answer.status() == StatusCode::OK
}

#[test]
fn dj_10_an_operators_own_key_is_published_ten_minutes_before_it_signs() {
    let Some(issuer) = needs_clock() else { return };
    let before = tokens(&issuer, C1);
    assert!(!published(&issuer).contains(&OWN_KID.to_owned()));
    set(&issuer, "SIGNING_KEYS", OWN);
    assert!(published(&issuer).contains(&OWN_KID.to_owned()));
    issuer.inside().pass(TEN_MINUTES - 1);
    assert_eq!(signer(&tokens(&issuer, C1).access), signer(&before.access));
    issuer.inside().pass(1);
    let after = tokens(&issuer, C1);
    assert_eq!((signer(&after.access), signer(after.id())), (OWN_KID.into(), OWN_KID.into()));
    assert!(is_good(&userinfo(&after.access).send(&issuer)));
    // Half a year later it still is the one; keys of the other algorithms were rotated meanwhile.
    let rsa = || signer(tokens(&issuer, RS256).id());
    let other = rsa();
    for _ in 0..180 {
        issuer.inside().pass(86_400);
        published(&issuer);
    }
    assert_eq!(signer(&tokens(&issuer, C1).access), OWN_KID);
    assert_ne!(rsa(), other);
}

#[test]
fn an_own_key_signs_from_the_first_token_of_an_issuer_that_has_no_other() {
    let Some(issuer) = needs_clock() else { return };
    set(&issuer, "SIGNING_KEYS", RFC8037.0);
    let signed_in = SignedIn::new(&issuer, Ask::of(EDDSA));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert_eq!(signer(tokens.id()), RFC8037.1);
    believe::id_token(&issuer, &signed_in.ask, &tokens);
}

#[test]
fn a_token_of_a_dropped_key_is_good_nowhere_and_its_grant_lives_on() {
    let Some(issuer) = needs_clock() else { return };
    let stolen = offline_tokens(&issuer, C1);
    let other = offline_tokens(&issuer, RS256);
    let kid = signer(&stolen.access);
    set(&issuer, "DROPPED_KEYS", &kid);
    assert!(!published(&issuer).contains(&kid));
    unauthorized(&userinfo(&stolen.access).send(&issuer), "signed by nobody we know");

    let hint = Ask::of(C1).set("id_token_hint", stolen.id()).set("prompt", "none");
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    back(&browser.get(&hint.url(&issuer)), &issuer, &hint, "invalid_request");

    // It revokes nothing either, and that is well: the refresh token is no such token.
    assert!(is_good(&C1.revoke(&stolen.access).send(&issuer)));
    let renewed = Tokens::of(&C1.refresh(stolen.refresh()).send(&issuer));
    assert_ne!(signer(&renewed.access), kid);
    assert!(is_good(&userinfo(&renewed.access).send(&issuer)));
    // Its access tokens were of the dropped key too; its ID tokens are not.
    assert!(published(&issuer).contains(&signer(other.id())));
}

#[test]
fn no_later_setting_brings_a_dropped_key_back() {
    let Some(issuer) = needs_clock() else { return };
    set(&issuer, "SIGNING_KEYS", OWN);
    let stolen = tokens(&issuer, C1);
    assert_eq!(signer(&stolen.access), OWN_KID);
    set(&issuer, "DROPPED_KEYS", OWN_KID);
    let kid = signer(&tokens(&issuer, C1).access);
    assert_ne!(kid, OWN_KID);
    set(&issuer, "DROPPED_KEYS", "");
    for _ in 0..3 {
        issuer.inside().pass(TEN_MINUTES);
        assert_eq!(signer(&tokens(&issuer, C1).access), kid);
        assert!(!published(&issuer).contains(&OWN_KID.to_owned()));
    }
    set(&issuer, "SIGNING_KEYS", "");
    assert!(!published(&issuer).contains(&OWN_KID.to_owned()));
}

#[test]
fn a_dropped_key_is_out_whatever_copy_of_the_ring_there_is() {
    let Some(issuer) = needs_clock() else { return };
    let stolen = offline_tokens(&issuer, C1);
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    issuer.inside().keys.go_stale();
    set(&issuer, "DROPPED_KEYS", &signer(&stolen.access));
    assert!(!published(&issuer).contains(&signer(&stolen.access)));
    unauthorized(&userinfo(&stolen.access).send(&issuer), "the copy has the key still");
    let answer = signed_in.redeem().send(&issuer);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "better than a dropped key");
}

#[test]
fn jv_03_jv_04_no_algorithm_is_taken_for_another() {
    let issuer = issuer();
    let ours = tokens(&issuer, C1).access;
    let claims = |token: &str| {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()
    };
    let claims = claims(&ours);
    let of = |client| signer(tokens(&issuer, client).id());
    let kids = [of(C1), of(RS256), of(EDDSA)];
    let keys = [
        SigningKey::es256([99; 32]).unwrap(),
        SigningKey::rs256(include_str!("../src/rsa-3.pem")).unwrap(),
        SigningKey::ed_dsa([99; 32]),
    ];
    // Whatever the header says, and whatever it is signed with, as long as it is not by us.
    for alg in Alg::ALL {
        for kid in &kids {
            let input = signing_input(&Header::new(alg, kid, "at+jwt"), &claims);
            for key in &keys {
                let forged = compact(&input, &key.sign(input.as_bytes()).unwrap());
                unauthorized(&userinfo(&forged).send(&issuer), &forged);
            }
            // The signature of the true token, under another header.
            let signature = ours.rsplit('.').next().unwrap();
            unauthorized(&userinfo(&format!("{input}.{signature}")).send(&issuer), "borrowed");
        }
    }
    // A header that brings its own key along.
    for (alg, key) in Alg::ALL.into_iter().zip(&keys) {
        let header = json!({
            "alg": alg.as_str(), "typ": "at+jwt", "kid": key.public().kid, "jwk": key.public(),
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let forged = compact(&input, &key.sign(input.as_bytes()).unwrap());
        unauthorized(&userinfo(&forged).send(&issuer), &forged);
    }
    assert!(is_good(&userinfo(&ours).send(&issuer)));
}
