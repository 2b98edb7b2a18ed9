//! `private_key_jwt`: a client that signs an assertion, RFC 7523 §3 and OpenID Connect Core §9.

use crate::Idp;
use crate::client::{Authentication, Client, ClientKeys};
use crate::config::Config;
use crate::ledger::Entry;
use crate::outbound::may_be_fetched;
use crate::platform::{Objects, Platform};
use crate::rows::Unavailable;
use crate::words::Endpoint;
use serde_json::{Map, Value};
use shared::form::Form;
use shared::jose::claims::date;
use shared::jose::jws::{self, Unverified};
use shared::rp::keys::{NoKey, NotVerified};
use shared::time::UnixTime;
use url::Url;

/// The only kind of assertion there is, RFC 7523 §2.2.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may end, in seconds. It bounds what the ledger has to remember (CA-15).
const LONGEST_LIFE: u64 = 300;
/// How far a client's clock may be from ours, in seconds: what FAPI 2.0 §5.3.2.1 has every server
/// allow.
const SKEW: u64 = 10;
/// How much longer an assertion is remembered than it is good. Not shorter than our own clocks may
/// be apart: if one of them forgot it while it is good by another, it would work twice.
const MEMORY: u64 = 60;
/// Longer ones are refused.
const LONGEST_ID: usize = 256;
/// What a single use of an assertion is called in the ledger.
const KIND: &str = "client assertion";

/// Why an assertion is not believed; one variant a cause, for the log. The client is told none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// `client_assertion_type` is another, or one of the two parameters is not there.
    Type,
    /// No signed JWT that we could read.
    Unreadable(jws::Refused),
    /// It says that it is something else, RFC 8725 §3.11.
    OtherType,
    /// It does not say whom it is from.
    NoIssuer,
    /// `client_id` is another than its `iss`.
    OtherClient,
    /// The client has no such key.
    UnknownKey,
    /// The client's `jwks_uri` is nowhere that we go.
    ForbiddenKeys,
    /// The client's keys cannot be had.
    NoKeys,
    /// Not signed by the key it names, or no claims in it.
    Signature(jws::Refused),
    /// `iss` or `sub` is not the client.
    Subject,
    /// `aud` is not this issuer.
    Audience,
    /// `exp` is not there, or past.
    Expired,
    /// `exp` is too far ahead.
    TooLong,
    /// `iat` or `nbf` is ahead, or no date.
    NotYet,
    /// `jti` is not there, or too long.
    Id,
    /// It was used before.
    Replayed,
    /// The ledger did not say whether it was used before.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    /// Whether nothing is known about the client: it is to try again.
    #[must_use]
    pub const fn is_circumstance(self) -> bool {
        matches!(self, Self::NoKeys | Self::Unavailable)
    }
}

/// An assertion as it came, which says whom it is from and proves nothing yet.
#[derive(Debug)]
pub struct Assertion<'f> {
    token: Unverified<'f>,
    client_id: String,
}

impl<'f> Assertion<'f> {
    /// Reads the two parameters.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn read(form: &'f Form) -> Result<Self, Refused> {
        let kind = form.get("client_assertion_type");
        let text = form.get("client_assertion").filter(|_| kind == Some(TYPE));
        let token = Unverified::parse(text.ok_or(Refused::Type)?).map_err(Refused::Unreadable)?;
        if token.typ().is_some_and(|typ| !["jwt", "client-authentication+jwt"].contains(&&*typ)) {
            return Err(Refused::OtherType);
        }
        let client_id = token.claimed_issuer().ok_or(Refused::NoIssuer)?;
        if form.get("client_id").is_some_and(|posted| posted != client_id) {
            return Err(Refused::OtherClient);
        }
        Ok(Self { token, client_id })
    }

    /// The client that it says it is from.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Checks all of it, and uses it up last, so that nobody but the client can write to the ledger.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn verify<P: Platform>(
        self,
        idp: &Idp<'_, P>,
        client: &Client,
        now: UnixTime,
    ) -> Result<(), Refused> {
        let claims = self.claims(idp, client, now).await?;
        let Good { id, until } = check(&claims, &client.id, idp.config, now)?;

        // A client's name has no space in it, so no two pairs are written the same.
        let entry = Entry::single_use(KIND, &format!("{} {id}", client.id));
        let fresh = idp.objects.spend(entry, until.plus(MEMORY), now).await?;
        if fresh { Ok(()) } else { Err(Refused::Replayed) }
    }

    async fn claims<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        client: &Client,
        now: UnixTime,
    ) -> Result<Map<String, Value>, Refused> {
        let uri = match &client.authentication {
            Authentication::PrivateKeyJwt(ClientKeys::Here(keys)) => {
                let key = self.token.key(keys).ok_or(Refused::UnknownKey)?;
                return self.token.verify(key, &idp.verifier).await.map_err(Refused::Signature);
            }
            Authentication::PrivateKeyJwt(ClientKeys::At(uri)) => uri,
            Authentication::Basic(_) | Authentication::Post(_) | Authentication::None => {
                return Err(Refused::UnknownKey);
            }
        };
        let development = idp.config.issuer.is_development();
        if !Url::parse(uri).is_ok_and(|url| may_be_fetched(&url, development)) {
            return Err(Refused::ForbiddenKeys);
        }
        let ways = (&idp.fetch, &idp.verifier);
        let verified = idp.client_keys.verified(&self.token, uri, ways, now).await;
        verified.map_err(|not| match not {
            NotVerified::Key(NoKey::Unknown) => Refused::UnknownKey,
            NotVerified::Key(NoKey::Unavailable) => Refused::NoKeys,
            NotVerified::Signature(refused) => Refused::Signature(refused),
        })
    }
}

/// What is left of claims that passed.
#[derive(Debug, Eq, PartialEq)]
struct Good<'c> {
    id: &'c str,
    /// When it stops being good.
    until: UnixTime,
}

fn check<'c>(
    claims: &'c Map<String, Value>,
    client_id: &str,
    config: &Config,
    now: UnixTime,
) -> Result<Good<'c>, Refused> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(client_id) || text("sub") != Some(client_id) {
        return Err(Refused::Subject);
    }
    if !is_addressed(claims.get("aud"), config) {
        return Err(Refused::Audience);
    }
    let expires_at = date(claims, "exp").ok().flatten().ok_or(Refused::Expired)?;
    let until = expires_at.plus(SKEW);
    if until <= now {
        return Err(Refused::Expired);
    }
    if expires_at > now.plus(LONGEST_LIFE + SKEW) {
        return Err(Refused::TooLong);
    }
    for name in ["iat", "nbf"] {
        let begins = date(claims, name).map_err(|_| Refused::NotYet)?;
        if begins.is_some_and(|begins| begins > now.plus(SKEW)) {
            return Err(Refused::NotYet);
        }
    }
    let id = text("jti").filter(|id| (1..=LONGEST_ID).contains(&id.len())).ok_or(Refused::Id)?;
    Ok(Good { id, until })
}

/// For this issuer and for nobody else: our identifier, or the URL of our token endpoint, which is
/// what OpenID Connect Core §9 has clients write; alone, in an array of one at the most (CA-13).
fn is_addressed(aud: Option<&Value>, config: &Config) -> bool {
    let only = match aud {
        Some(Value::Array(several)) => match several.as_slice() {
            [one] => one.as_str(),
            _ => None,
        },
        one => one.and_then(Value::as_str),
    };
    let issuer = config.issuer.as_str();
    only.is_some_and(|aud| aud == issuer || aud == config.issuer.at(Endpoint::Token.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn checked(change: impl FnOnce(&mut Map<String, Value>)) -> Result<UnixTime, Refused> {
        let config = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            _ => None,
        });
        let claims = json!({
            "iss": "app", "sub": "app", "aud": "https://idp.test", "exp": NOON.0 + 60, "jti": "1",
        });
        let Value::Object(mut claims) = claims else { return Err(Refused::Type) };
        change(&mut claims);
        check(&claims, "app", &config.unwrap(), NOON).map(|good| good.until)
    }

    fn with(name: &str, value: Value) -> Result<UnixTime, Refused> {
        checked(|claims| drop(claims.insert(name.to_owned(), value)))
    }

    fn without(name: &str) -> Option<Refused> {
        checked(|claims| drop(claims.remove(name))).err()
    }

    #[test]
    fn ca_16_issuer_and_subject_are_the_client() {
        for name in ["iss", "sub"] {
            assert_eq!(without(name), Some(Refused::Subject));
            for other in [json!("other"), json!(""), json!("APP"), json!(["app"]), json!(7)] {
                assert_eq!(with(name, other.clone()).err(), Some(Refused::Subject), "{other}");
            }
        }
    }

    #[test]
    fn ca_13_the_audience_is_this_issuer_and_nobody_besides() {
        let (us, token) = ("https://idp.test", "https://idp.test/token");
        for good in [json!(us), json!(token), json!([us]), json!([token])] {
            assert!(with("aud", good.clone()).is_ok(), "{good}");
        }
        for bad in [
            json!("https://evil.test/token"),
            json!([us, "https://evil.test"]),
            json!([us, token]),
            json!([us, us]),
            json!([]),
            json!([[us]]),
            json!([7]),
            json!({ "0": us }),
            json!("https://idp.test/"),
            json!("https://IDP.test"),
            json!("https://idp.test/revoke"),
            json!("https://idp.test/token/"),
            json!("https://idp.test.evil.test"),
            json!("http://idp.test"),
            json!(""),
            json!(7),
            json!(null),
        ] {
            assert_eq!(with("aud", bad.clone()).err(), Some(Refused::Audience), "{bad}");
        }
        assert_eq!(without("aud"), Some(Refused::Audience));
    }

    #[test]
    fn ca_15_it_ends_and_soon() {
        assert_eq!(without("exp"), Some(Refused::Expired));
        for (seconds, refused) in [
            (-86_400, Some(Refused::Expired)),
            (-10, Some(Refused::Expired)),
            (-9, None),
            (0, None),
            (300, None),
            (310, None),
            (311, Some(Refused::TooLong)),
            (86_400, Some(Refused::TooLong)),
        ] {
            let exp = NOON.0.saturating_add_signed(seconds);
            assert_eq!(with("exp", json!(exp)).err(), refused, "{seconds}");
        }
        for odd in [json!("1800000060"), json!(-1), json!(1e300), json!(null), json!([NOON.0])] {
            assert_eq!(with("exp", odd.clone()).err(), Some(Refused::Expired), "{odd}");
        }
    }

    #[test]
    fn ca_15_it_has_begun() {
        for name in ["iat", "nbf"] {
            assert_eq!(without(name), None);
            for (seconds, refused) in
                [(0, None), (8, None), (10, None), (11, Some(Refused::NotYet))]
            {
                assert_eq!(with(name, json!(NOON.0 + seconds)).err(), refused, "{name} {seconds}");
            }
            assert_eq!(with(name, json!("0")).err(), Some(Refused::NotYet));
        }
    }

    #[test]
    fn ca_14_it_has_a_name_of_bounded_length_and_is_remembered_while_it_is_good() {
        assert_eq!(without("jti"), Some(Refused::Id));
        for odd in [json!(""), json!(7), json!("x".repeat(257))] {
            assert_eq!(with("jti", odd).err(), Some(Refused::Id));
        }
        assert_eq!(with("jti", json!("x".repeat(256))), Ok(NOON.plus(70)));
    }
}
