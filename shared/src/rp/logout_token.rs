//! Logout tokens, OpenID Connect Back-Channel Logout 1.0 §2.6: every check, in one column. That one is
//! used once is for whoever keeps state to see to.

use super::client::RelyingParty;
use super::dialect::Desk;
use super::id_token::subject;
use super::keys::{NoKey, NotVerified};
use crate::fetch::Fetch;
use crate::jose::Verifier;
use crate::jose::claims::date;
use crate::jose::jws::{self, Unverified};
use crate::time::UnixTime;
use serde_json::{Map, Value};

/// How far a provider's clock and ours may be apart.
const SKEW: u64 = 120;
/// A token made longer ago is not news. How long it is good altogether bounds how long its `jti` has
/// to be remembered.
const OLDEST: u64 = 300;
/// The member of `events` that makes a token one of these.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// More than any `jti` or `sid` needs.
const LONGEST_NAME: usize = 1024;

/// Claims of a logout token that passed every check but that it is new.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogoutClaims {
    /// Who says so.
    pub issuer: String,
    /// Who is signed out, to this provider.
    pub subject: Option<String>,
    /// Which of its sessions has ended; all of theirs when absent.
    pub session_id: Option<String>,
    /// The token's own name.
    pub token_id: String,
    /// When it is refused in any case.
    pub until: UnixTime,
    /// Every claim.
    pub all: Map<String, Value>,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogoutRefused {
    /// Not a JWS, or signed by somebody else.
    Signature(jws::Refused),
    /// The key could not be had.
    Key(NoKey),
    /// It says that it is something else, RFC 8725 §3.11.
    Type,
    /// `iss`.
    Issuer,
    /// `aud` or `azp`.
    Audience,
    /// `exp`, `iat` or `nbf`.
    Time,
    /// `events`: it is not about a logout.
    Events,
    /// `nonce`: it is an ID token in disguise.
    Nonce,
    /// `jti`.
    TokenId,
    /// `sub` or `sid`: neither is there, or one is no name.
    Nobody,
}

impl RelyingParty {
    /// The claims of a logout token.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub(super) async fn verify_logout(
        &self,
        token: &str,
        at: &Desk<'_, impl Fetch, impl Verifier>,
    ) -> Result<LogoutClaims, LogoutRefused> {
        let Desk { provider, metadata, fetch, verifier, now, .. } = at;
        let token = Unverified::parse(token).map_err(LogoutRefused::Signature)?;
        // Auth0 says `JWT`, and others nothing.
        if token.typ().is_some_and(|typ| !["logout+jwt", "jwt"].contains(&typ.as_str())) {
            return Err(LogoutRefused::Type);
        }
        let verified = provider.verified(&token, &metadata.jwks_uri, (*fetch, *verifier), *now);
        let (claims, _) = verified.await.map_err(|not| match not {
            NotVerified::Key(no_key) => LogoutRefused::Key(no_key),
            NotVerified::Signature(refused) => LogoutRefused::Signature(refused),
        })?;
        self.check_logout(claims, *now)
    }

    fn check_logout(
        &self,
        claims: Map<String, Value>,
        now: UnixTime,
    ) -> Result<LogoutClaims, LogoutRefused> {
        let text = |name| claims.get(name).and_then(Value::as_str);
        let issuer = text("iss").filter(|issuer| self.is_from(issuer, text("tid")));
        let issuer = issuer.ok_or(LogoutRefused::Issuer)?.to_owned();
        if !self.is_addressed(&claims) {
            return Err(LogoutRefused::Audience);
        }
        let until = fresh(&claims, now).ok_or(LogoutRefused::Time)?;
        let events = claims.get("events").and_then(Value::as_object);
        if !events.and_then(|events| events.get(LOGOUT)).is_some_and(Value::is_object) {
            return Err(LogoutRefused::Events);
        }
        if claims.contains_key("nonce") {
            return Err(LogoutRefused::Nonce);
        }
        let is_name = |name: &&str| (1..=LONGEST_NAME).contains(&name.len());
        let token_id = text("jti").filter(is_name).ok_or(LogoutRefused::TokenId)?.to_owned();
        let session_id = text("sid").filter(is_name).map(str::to_owned);
        let subject = subject(&claims);
        let broken = (subject.is_none() && claims.contains_key("sub"))
            || (session_id.is_none() && claims.contains_key("sid"));
        if broken || (subject.is_none() && session_id.is_none()) {
            return Err(LogoutRefused::Nobody);
        }
        Ok(LogoutClaims { issuer, subject, session_id, token_id, until, all: claims })
    }
}

/// When the token stops being good, if it is good now.
fn fresh(claims: &Map<String, Value>, now: UnixTime) -> Option<UnixTime> {
    let expires_at = date(claims, "exp").ok()??;
    let issued_at = date(claims, "iat").ok()??;
    let not_before = date(claims, "nbf").ok()?.unwrap_or_default();
    let until = expires_at.plus(SKEW).min(issued_at.plus(OLDEST));
    let good = now < until && issued_at <= now.plus(SKEW) && not_before <= now.plus(SKEW);
    good.then_some(until)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, client, key, metadata, provider, sign_typed};
    use super::*;
    use crate::jose::jws::{Header, compact, signing_input};
    use crate::jose::native::{Native, SigningKey};
    use pollster::block_on;
    use serde_json::json;

    fn claims() -> Value {
        json!({
            "iss": "https://idp.test", "sub": "alice", "sid": "s1", "aud": "app", "jti": "j1",
            "iat": NOON.0, "exp": NOON.0 + 120, "events": { LOGOUT: {} },
        })
    }

    fn check(token: &str) -> Result<LogoutClaims, LogoutRefused> {
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
        block_on(party.verify_logout(token, &at))
    }

    /// The outcome when one claim is something else, or missing when it is null.
    fn with(name: &str, value: Value) -> Option<LogoutRefused> {
        let mut claims = claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
        };
        check(&sign_typed(&claims, "logout+jwt")).err()
    }

    #[test]
    fn bcl_2_6_a_good_token_says_who_and_which_session() {
        for typ in ["logout+jwt", "JWT", "application/logout+jwt"] {
            let good = check(&sign_typed(&claims(), typ)).unwrap();
            assert_eq!(good.subject.as_deref(), Some("alice"));
            assert_eq!(good.session_id.as_deref(), Some("s1"));
            assert_eq!(good.until, NOON.plus(240), "{typ}");
        }
        for absent in ["sub", "sid"] {
            assert_eq!(with(absent, json!(null)), None, "{absent}");
        }
    }

    #[test]
    fn bcl_2_6_a_type_of_another_token_is_refused_and_none_is_not() {
        for typ in ["at+jwt", "id+jwt", "", "logout", "secevent+jwt"] {
            assert_eq!(
                check(&sign_typed(&claims(), typ)).err(),
                Some(LogoutRefused::Type),
                "{typ}"
            );
        }
        let header = json!({ "alg": "ES256", "kid": key().public().kid });
        let header: Header = serde_json::from_value(header).unwrap();
        let input = signing_input(&header, &claims());
        let token = compact(&input, &key().sign(input.as_bytes()).unwrap());
        assert!(check(&token).is_ok());
    }

    #[test]
    fn bcl_2_6_every_claim_is_checked() {
        let now = NOON.0;
        for (name, values, refused) in [
            ("iss", vec![json!(null), json!("https://evil.test"), json!(7)], LogoutRefused::Issuer),
            (
                "aud",
                vec![json!(null), json!("other"), json!(["other"]), json!(["app", "other"])],
                LogoutRefused::Audience,
            ),
            (
                "exp",
                vec![json!(null), json!(now - 120), json!("soon"), json!(-1)],
                LogoutRefused::Time,
            ),
            ("iat", vec![json!(null), json!(now - 300), json!(now + 121)], LogoutRefused::Time),
            ("nbf", vec![json!(now + 121), json!("x")], LogoutRefused::Time),
            (
                "events",
                vec![
                    json!(null),
                    json!({}),
                    json!([LOGOUT]),
                    json!({ LOGOUT: true }),
                    json!({ "http://schemas.openid.net/event/other": {} }),
                ],
                LogoutRefused::Events,
            ),
            ("nonce", vec![json!("n"), json!("")], LogoutRefused::Nonce),
            ("jti", vec![json!(null), json!(""), json!(7)], LogoutRefused::TokenId),
            ("sub", vec![json!(""), json!(7), json!("a\u{0}b")], LogoutRefused::Nobody),
            ("sid", vec![json!(""), json!(7)], LogoutRefused::Nobody),
        ] {
            for value in values {
                assert_eq!(with(name, value.clone()), Some(refused), "{name} {value}");
            }
        }
        // Clocks may be two minutes apart.
        assert_eq!(with("exp", json!(now - 119)), None);
        assert_eq!(with("iat", json!(now + 120)), None);
        assert_eq!(with("iat", json!(now - 299)), None);
        let mut nobody = claims();
        nobody.as_object_mut().unwrap().retain(|name, _| name != "sub" && name != "sid");
        let refused = check(&sign_typed(&nobody, "logout+jwt")).err();
        assert_eq!(refused, Some(LogoutRefused::Nobody));
    }

    #[test]
    fn bcl_2_6_a_key_of_somebody_else_is_refused() {
        let other = SigningKey::es256([9; 32]).unwrap();
        let under_our_name = Header::new(other.alg(), &key().public().kid.unwrap(), "logout+jwt");
        let input = signing_input(&under_our_name, &claims());
        let token = compact(&input, &other.sign(input.as_bytes()).unwrap());
        let refused = LogoutRefused::Signature(jws::Refused::BadSignature);
        assert_eq!(check(&token).err(), Some(refused));
    }
}
