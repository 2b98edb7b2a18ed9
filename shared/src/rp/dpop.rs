//! Tokens that are bound to a key of ours, RFC 9449, from the side of the client: whoever steals one
//! cannot use it without the key.

use crate::fetch::Response;
use crate::jose::jwk::Material;
use crate::jose::jws::{compact, signing_input};
use crate::jose::private::PrivateKey;
use crate::jose::{Alg, Signer};
use crate::time::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cell::RefCell;

/// The header with a proof, §4.1.
pub const HEADER: HeaderName = HeaderName::from_static("dpop");
/// The header of who wants something of their own in the next proof, §8.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// The scheme of a token that is bound, and its `token_type`, §7.1 and §5.
pub const SCHEME: &str = "DPoP";
/// What a proof says that it is, §4.2.
const KIND: &str = "dpop+jwt";
/// Longer ones are nothing that anybody would look up.
const LONGEST_NONCE: usize = 512;

/// What a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct Use<'u> {
    /// The method of the request.
    pub method: &'u str,
    /// Where it goes.
    pub url: &'u str,
    /// The digest of the token that it carries, by [`ath`].
    pub ath: Option<&'u str>,
    /// What the other side wants in it.
    pub nonce: Option<&'u str>,
}

#[derive(Serialize)]
struct Header<'k> {
    typ: &'static str,
    alg: Alg,
    jwk: &'k Material,
}

#[derive(Serialize)]
struct Claims<'u> {
    jti: String,
    htm: &'u str,
    htu: &'u str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'u str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'u str>,
}

/// The digest of an access token as a proof has it, §4.2.
#[must_use]
pub fn ath(token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

/// A fresh proof that `key` is ours, for one request. None when the key does not sign.
pub async fn proof(
    key: &PrivateKey,
    of: Use<'_>,
    signer: &impl Signer,
    now: UnixTime,
) -> Option<HeaderValue> {
    let Use { method, url, ath, nonce } = of;
    // §4.2: without query and fragment.
    let htu = url.split(['?', '#']).next()?;
    let header = Header { typ: KIND, alg: key.alg(), jwk: &key.public().material };
    let (jti, htm, iat) = (signer.fresh()?, method, now.0);
    let input = signing_input(&header, &Claims { jti, htm, htu, iat, ath, nonce });
    let text = compact(&input, &signer.sign(key, input.as_bytes()).await?);
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a provider wants in the next proof, as it said last: nothing of any request.
#[derive(Debug, Default)]
pub struct Nonce(RefCell<Option<String>>);

impl Nonce {
    /// What it is.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Takes over what an answer says, §8.2: until it says something else. Whether it said anything.
    pub fn hear(&self, answer: &Response) -> bool {
        let said = answer.headers().get(&NONCE).and_then(|value| value.to_str().ok());
        // §8.1: NQCHAR.
        let is_good =
            |text: &&str| text.bytes().all(|b| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~'));
        let said = said.filter(|text| (1..=LONGEST_NONCE).contains(&text.len())).filter(is_good);
        let Some(said) = said else { return false };
        *self.0.borrow_mut() = Some(said.to_owned());
        true
    }
}

/// Whether a request was not even looked at, because its proof lacks what the provider wants in it, §8.
#[must_use]
pub fn wants_nonce(answer: &Response) -> bool {
    let body: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let word = body.as_ref().and_then(|body| body.get("error"));
    answer.status().is_client_error() && word.is_some_and(|word| word == "use_dpop_nonce")
}

/// A key of ours that a token is to be bound to, and what its provider wants in proofs.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'b> {
    /// The key.
    pub key: &'b PrivateKey,
    /// What the provider said last.
    pub nonce: &'b Nonce,
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, private_key};
    use super::*;
    use crate::jose::jwk::JwkSet;
    use crate::jose::jws::Unverified;
    use crate::jose::native::Native;
    use pollster::block_on;
    use serde_json::json;

    fn part(text: &str, index: usize) -> Value {
        let part = text.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    fn made(of: Use<'_>) -> String {
        let value = block_on(proof(&private_key(), of, &Native, NOON)).unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn rfc9449_4_2_a_proof_is_for_one_request_and_has_the_public_key_alone() {
        let ath = ath(b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        // The example of §7.1.
        assert_eq!(ath, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        let url = "https://orders.test/a?b=c#d";
        let of = Use { method: "PUT", url, ath: Some(&ath), nonce: Some("n") };
        let (one, other) = (made(of), made(of));
        let (header, claims) = (part(&one, 0), part(&one, 1));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
        let names: Vec<_> = header["jwk"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["crv", "kty", "x", "y"]);
        assert_eq!((&claims["htm"], &claims["iat"]), (&json!("PUT"), &json!(NOON.0)));
        assert_eq!(claims["htu"], "https://orders.test/a");
        assert_eq!((&claims["ath"], &claims["nonce"]), (&json!(ath), &json!("n")));
        assert_ne!(claims["jti"], part(&other, 1)["jti"]);

        let key = private_key().public().clone();
        let set = JwkSet { keys: vec![key] };
        let unverified = Unverified::parse(&one).unwrap();
        let verified = block_on(unverified.verify::<Value>(&set.keys[0], &Native));
        assert_eq!(verified.unwrap()["jti"], claims["jti"]);
    }

    #[test]
    fn rfc9449_4_2_what_there_is_not_is_not_in_it() {
        let of = Use { method: "POST", url: "https://a.test/token", ath: None, nonce: None };
        let names: Vec<_> = part(&made(of), 1).as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["htm", "htu", "iat", "jti"]);
    }

    fn answer(status: u16, body: &str, nonce: &'static str) -> Response {
        let mut answer = Response::new(body.into());
        *answer.status_mut() = status.try_into().unwrap();
        answer.headers_mut().insert(NONCE, HeaderValue::from_static(nonce));
        answer
    }

    #[test]
    fn px_15_a_nonce_is_what_the_provider_said_last_and_of_its_characters() {
        let known = Nonce::default();
        assert!(known.hear(&answer(200, "", "n-1")) && known.hear(&answer(400, "", "n-2")));
        for bad in ["", "a b", "a\"b", "a\\b", "a,\tb"] {
            assert!(!known.hear(&answer(200, "", bad)), "{bad}");
        }
        assert!(!known.hear(&Response::default()));
        assert_eq!(known.get().as_deref(), Some("n-2"));
    }

    #[test]
    fn px_15_only_its_own_word_says_that_nothing_was_done() {
        let word = r#"{"error":"use_dpop_nonce"}"#;
        assert!(wants_nonce(&answer(400, word, "n")) && wants_nonce(&answer(401, word, "n")));
        for (status, body) in [(200, word), (500, word), (400, r#"{"error":"invalid_grant"}"#)] {
            assert!(!wants_nonce(&answer(status, body, "n")), "{status} {body}");
        }
    }
}
