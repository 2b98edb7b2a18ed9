//! Access tokens that somebody brings, RFC 9068 §4: every check, in one column. They are the
//! provider's, for an audience of ours; what else the provider signs with the same keys is none.

use super::client::RelyingParty;
use super::dialect::Desk;
use super::id_token::{is_in_time, subject};
use super::keys::{NoKey, NotVerified};
use super::wanted::names;
use crate::fetch::Fetch;
use crate::jose::Verifier;
use crate::jose::claims::date;
use crate::jose::jws::{self, Unverified};
use crate::scope::Scope;
use crate::time::UnixTime;
use serde_json::{Map, Value};

/// What a token says that passed every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessClaims {
    /// Who it speaks for, if it says.
    pub subject: Option<String>,
    /// When it ends, if it says.
    pub expires_at: Option<UnixTime>,
    /// What it is good for.
    pub scope: Scope,
    /// How whoever it speaks for was authenticated, RFC 9068 §2.2.1.
    pub acr: Option<String>,
    /// When they were.
    pub auth_time: Option<UnixTime>,
    /// Every claim.
    pub all: Map<String, Value>,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccessRefused {
    /// Not a JWS, or signed by somebody else.
    Signature(jws::Refused),
    /// The key could not be had.
    Key(NoKey),
    /// It does not say that it is an access token, RFC 9068 §2.1.
    Type,
    /// `iss`.
    Issuer,
    /// `aud`: it is for somebody else.
    Audience,
    /// `exp`, `iat` or `nbf`; or `auth_time` is no date.
    Time,
    /// `sub`.
    Subject,
    /// `client_id`.
    Client,
    /// It belongs to whoever proves a key (`cnf`, or `DPoP` for its type), and no proof is read.
    Bound,
    /// The provider says that it is good for nothing, or not any more.
    Inactive,
}

impl RelyingParty {
    /// The claims of a token for `audience`.
    ///
    /// # Errors
    /// [`AccessRefused`].
    pub async fn verify_access(
        &self,
        token: &str,
        audience: &str,
        at: &Desk<'_, impl Fetch, impl Verifier>,
    ) -> Result<AccessClaims, AccessRefused> {
        let Desk { provider, metadata, fetch, verifier, now, .. } = at;
        let token = Unverified::parse(token).map_err(AccessRefused::Signature)?;
        // Before a key is looked for: what is another token is no reason to ask for one.
        if token.typ().as_deref() != Some("at+jwt") {
            return Err(AccessRefused::Type);
        }
        let verified = provider.verified(&token, &metadata.jwks_uri, (*fetch, *verifier), *now);
        let (claims, _) = verified.await.map_err(|not| match not {
            NotVerified::Key(no_key) => AccessRefused::Key(no_key),
            NotVerified::Signature(refused) => AccessRefused::Signature(refused),
        })?;
        self.check_access(claims, audience, *now)
    }

    fn check_access(
        &self,
        claims: Map<String, Value>,
        audience: &str,
        now: UnixTime,
    ) -> Result<AccessClaims, AccessRefused> {
        for (required, refused) in [
            ("iss", AccessRefused::Issuer),
            ("aud", AccessRefused::Audience),
            ("exp", AccessRefused::Time),
            ("iat", AccessRefused::Time),
        ] {
            if !claims.contains_key(required) {
                return Err(refused);
            }
        }
        if subject(&claims).is_none() {
            return Err(AccessRefused::Subject);
        }
        let client = claims.get("client_id").and_then(Value::as_str);
        if client.is_none_or(str::is_empty) {
            return Err(AccessRefused::Client);
        }
        self.accept(claims, audience, now)
    }

    /// What holds of a token however it is vouched for: each of these that is there has to be right.
    pub(super) fn accept(
        &self,
        claims: Map<String, Value>,
        audience: &str,
        now: UnixTime,
    ) -> Result<AccessClaims, AccessRefused> {
        let text = |name| claims.get(name).and_then(Value::as_str);
        let is_ours = |issuer: &str| self.is_from(issuer, text("tid"));
        if claims.contains_key("iss") && !text("iss").is_some_and(is_ours) {
            return Err(AccessRefused::Issuer);
        }
        if claims.get("aud").is_some_and(|aud| !names(aud, audience)) {
            return Err(AccessRefused::Audience);
        }
        let auth_time = date(&claims, "auth_time").map_err(|_| AccessRefused::Time)?;
        if !is_in_time(&claims, now) {
            return Err(AccessRefused::Time);
        }
        // Taken as a bearer token, a stolen one would be as good as its owner's (RFC 9449 §7.2).
        if claims.contains_key("cnf") {
            return Err(AccessRefused::Bound);
        }
        Ok(AccessClaims {
            subject: subject(&claims),
            expires_at: date(&claims, "exp").ok().flatten(),
            scope: text("scope").and_then(Scope::parse).unwrap_or_default(),
            acr: text("acr").map(str::to_owned),
            auth_time,
            all: claims,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, client, key, metadata, provider, sign_typed};
    use super::*;
    use crate::jose::jwk::{Jwk, JwkSet};
    use crate::jose::jws::{Header, compact, signing_input};
    use crate::jose::native::{Native, SigningKey};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pollster::block_on;
    use serde_json::json;

    const API: &str = "https://api.test";

    fn claims() -> Value {
        json!({
            "iss": "https://idp.test", "sub": "alice", "aud": [API, "https://idp.test"],
            "client_id": "cli", "jti": "j1", "iat": NOON.0, "exp": NOON.0 + 300,
            "scope": "read write", "acr": "mfa", "auth_time": NOON.0 - 10, "groups": ["staff"],
        })
    }

    fn check(token: &str) -> Result<AccessClaims, AccessRefused> {
        let (_peer, fetch) = Peer::with_fetch();
        let (party, provider, metadata) = (client(), provider(), metadata());
        let verifier = Native;
        let at = Desk {
            party: &party,
            provider: &provider,
            metadata: &metadata,
            fetch: &fetch,
            verifier: &verifier,
            now: NOON,
        };
        block_on(party.verify_access(token, API, &at))
    }

    /// The outcome when one claim is something else, or missing when it is null.
    fn with(name: &str, value: Value) -> Option<AccessRefused> {
        let mut claims = claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
        };
        check(&sign_typed(&claims, "at+jwt")).err()
    }

    #[test]
    fn rfc9068_4_a_good_token_says_who_and_what_for() {
        for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
            let good = check(&sign_typed(&claims(), typ)).unwrap();
            assert_eq!(good.subject.as_deref(), Some("alice"), "{typ}");
            assert_eq!(good.expires_at, Some(NOON.plus(300)));
            assert_eq!(good.scope, Scope::parse("read write").unwrap());
            assert_eq!(good.acr.as_deref(), Some("mfa"));
            assert_eq!(good.auth_time, Some(NOON.minus(10)));
            assert_eq!(good.all["groups"], json!(["staff"]));
        }
        for (name, value) in [("aud", json!(API)), ("scope", json!(null)), ("acr", json!(null))] {
            assert_eq!(with(name, value), None, "{name}");
        }
    }

    #[test]
    fn jv_16_jv_17_only_what_says_that_it_is_an_access_token_is_one() {
        for typ in ["JWT", "id+jwt", "logout+jwt", "dpop+jwt", "at", "jwt+at", "at+jwt ", ""] {
            let refused = check(&sign_typed(&claims(), typ)).err();
            assert_eq!(refused, Some(AccessRefused::Type), "{typ}");
        }
        let header = json!({ "alg": "ES256", "kid": key().public().kid });
        let header: Header = serde_json::from_value(header).unwrap();
        let input = signing_input(&header, &claims());
        let token = compact(&input, &key().sign(input.as_bytes()).unwrap());
        assert_eq!(check(&token).err(), Some(AccessRefused::Type));
    }

    #[test]
    fn rfc9068_4_every_claim_is_checked() {
        let now = NOON.0;
        let issuers = ["https://idp.test/", "https://IDP.test", "http://idp.test", ""];
        let mut rows = vec![
            ("iss", vec![json!(null), json!(7), json!({}), json!(["https://idp.test"])]),
            (
                "aud",
                vec![
                    json!(null),
                    json!("app"),
                    json!(7),
                    json!([]),
                    json!([[API]]),
                    json!([API, 7]),
                    json!({ "aud": API }),
                    json!("https://api.test/"),
                    json!(["https://evil.test"]),
                ],
            ),
            (
                "exp",
                vec![
                    json!(null),
                    json!(now - 5),
                    json!("9999999999"),
                    json!(1e300),
                    json!(-1),
                    json!(0),
                ],
            ),
            ("iat", vec![json!(null), json!(now + 61), json!(now + 86_400), json!("x")]),
            ("nbf", vec![json!(now + 61), json!("x")]),
            ("auth_time", vec![json!("x")]),
            ("sub", vec![json!(null), json!(""), json!(7), json!("x".repeat(300))]),
            ("client_id", vec![json!(null), json!(""), json!(7)]),
            ("cnf", vec![json!({ "jkt": "x" }), json!(true)]),
        ];
        rows.push(("iss", issuers.map(|issuer| json!(issuer)).to_vec()));
        for (name, values) in rows {
            let refused = match name {
                "iss" => AccessRefused::Issuer,
                "aud" => AccessRefused::Audience,
                "sub" => AccessRefused::Subject,
                "client_id" => AccessRefused::Client,
                "cnf" => AccessRefused::Bound,
                _ => AccessRefused::Time,
            };
            for value in values {
                assert_eq!(with(name, value.clone()), Some(refused), "{name} {value}");
            }
        }
    }

    #[test]
    fn jv_15_clocks_may_differ_as_much_as_with_an_id_token_and_a_token_may_be_old() {
        let now = NOON.0;
        assert_eq!(with("exp", json!(now - 4)), None);
        assert_eq!(with("iat", json!(now + 60)), None);
        assert_eq!(with("nbf", json!(now + 60)), None);
        assert_eq!(with("iat", json!(now - 1_000_000)), None);
    }

    #[test]
    fn jv_01_jv_02_jv_10_jv_25_no_signature_of_a_provider_is_no_token() {
        let good = sign_typed(&claims(), "at+jwt");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let kid = key().public().kid.unwrap();
        for (token, why) in [
            (format!("{signed}."), jws::Refused::BadSignature),
            (format!("{signed}.{}", header(&"x".repeat(64))), jws::Refused::BadSignature),
            (format!("{good}="), jws::Refused::Malformed),
            (format!("{good}.AA"), jws::Refused::Malformed),
            (signed.to_owned(), jws::Refused::Malformed),
        ] {
            assert_eq!(check(&token).err(), Some(AccessRefused::Signature(why)), "{token}");
        }
        for (alg, why) in [
            (r#""none""#, jws::Refused::Malformed),
            (r#""HS256""#, jws::Refused::Malformed),
            (r#""ES256","crit":["exp"]"#, jws::Refused::Critical),
        ] {
            let header = header(&format!(r#"{{"alg":{alg},"kid":"{kid}","typ":"at+jwt"}}"#));
            let refused = check(&format!("{header}.{payload}.{signature}")).err();
            assert_eq!(refused, Some(AccessRefused::Signature(why)), "{alg}");
        }
    }

    #[test]
    fn jv_28_a_key_in_the_place_of_another_works_at_once() {
        let (peer, fetch) = Peer::with_fetch();
        let (party, provider, metadata, verifier) = (client(), provider(), metadata(), Native);
        let bring = |key: &SigningKey, seconds| {
            let header = Header::new(key.alg(), "k", "at+jwt");
            let input = signing_input(&header, &claims());
            let token = compact(&input, &key.sign(input.as_bytes()).unwrap());
            let (party, provider, metadata) = (&party, &provider, &metadata);
            let (fetch, verifier, now) = (&fetch, &verifier, NOON.plus(seconds));
            let at = Desk { party, provider, metadata, fetch, verifier, now };
            block_on(party.verify_access(&token, API, &at)).is_ok()
        };
        let publish = |key: &SigningKey| {
            let keys = vec![Jwk { kid: Some("k".to_owned()), ..key.public() }];
            peer.put("/jwks", 200, &serde_json::to_string(&JwkSet { keys }).unwrap());
        };
        let fresh = SigningKey::es256([8; 32]).unwrap();
        publish(&key());
        assert!(bring(&key(), 0));
        publish(&fresh);
        assert!(bring(&fresh, 1));
        assert!((2..30).all(|seconds| bring(&fresh, seconds) && !bring(&key(), seconds)));
        assert_eq!(peer.hits("/jwks"), 2, "forgeries cost no more");
    }

    #[test]
    fn jv_04_a_key_of_somebody_else_is_refused() {
        let other = SigningKey::es256([9; 32]).unwrap();
        let under_our_name = Header::new(other.alg(), &key().public().kid.unwrap(), "at+jwt");
        let input = signing_input(&under_our_name, &claims());
        let token = compact(&input, &other.sign(input.as_bytes()).unwrap());
        let refused = AccessRefused::Signature(jws::Refused::BadSignature);
        assert_eq!(check(&token).err(), Some(refused));
        let under_its_own = Header::new(other.alg(), &other.public().kid.unwrap(), "at+jwt");
        let input = signing_input(&under_its_own, &claims());
        let token = compact(&input, &other.sign(input.as_bytes()).unwrap());
        assert_eq!(check(&token).err(), Some(AccessRefused::Key(NoKey::Unknown)));
    }
}
