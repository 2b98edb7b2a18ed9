//! The keys that somebody signs with and publishes. A key we do not know is asked for at once, but a
//! flood of invented key ids costs one request a pause (JV-08, CA-20).

use super::discovery::{COOL_DOWN_SECONDS, FRESH_SECONDS, Provider, STALE_SECONDS, json};
use crate::fetch::Fetch;
use crate::jose::jwk::{Jwk, JwkSet};
use crate::jose::jws::{Refused, Unverified};
use crate::jose::{Alg, Verifier};
use crate::time::UnixTime;
use serde::de::DeserializeOwned;
use std::cell::RefCell;

/// How long somebody who never gave us keys is left alone after they failed.
const FIRST_COOL_DOWN_SECONDS: u64 = 5;

/// How long published keys are believed, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long an answer is used before there is another request.
    pub fresh: u64,
    /// How long the last good answer is used while there is no better one.
    pub stale: u64,
    /// How long nobody is asked after a failure, or for another key that is not there.
    pub cool_down: u64,
}

/// How long the keys of a provider are believed.
pub(super) const PROVIDER: Patience =
    Patience { fresh: FRESH_SECONDS, stale: STALE_SECONDS, cool_down: COOL_DOWN_SECONDS };

/// A key set at some URL, and what an isolate remembers of it. Only data is remembered, no request
/// in flight, and no borrow lives across an await.
#[derive(Debug)]
pub struct Published {
    patience: Patience,
    keys: RefCell<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    set: Option<(JwkSet, UnixTime)>,
    /// When somebody was asked, whatever for.
    asked_at: Option<UnixTime>,
    /// When they were asked and had no key that fits. Counted apart, so that who publishes a new
    /// key and uses it at once need not wait.
    missed_at: Option<UnixTime>,
    /// Whether the last question has brought no keys, or none yet.
    unanswered: bool,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoKey {
    /// No published key fits the token.
    Unknown,
    /// We could not ask, or asked a moment ago.
    Unavailable,
}

/// What to do about a token.
enum Plan {
    Use(Jwk),
    Ask { missed: bool },
    Refuse(NoKey),
}

impl Keys {
    fn plan(&self, token: &Unverified<'_>, patience: Patience, now: UnixTime) -> Plan {
        let set = self.set.as_ref().filter(|(_, read_at)| now.since(*read_at) < patience.stale);
        let Some((set, read_at)) = set else {
            // Several first requests at once all ask: better than failing all but one of them.
            let rested = rested(self.asked_at, FIRST_COOL_DOWN_SECONDS, now);
            let ask = Plan::Ask { missed: false };
            return if rested { ask } else { Plan::Refuse(NoKey::Unavailable) };
        };
        let fresh = now.since(*read_at) < patience.fresh;
        match token.key(set) {
            Some(key) if fresh || !rested(self.asked_at, patience.cool_down, now) => {
                Plan::Use(key.clone())
            }
            Some(_) => Plan::Ask { missed: false },
            None if rested(self.missed_at, patience.cool_down, now) => Plan::Ask { missed: true },
            None => Plan::Refuse(self.missing()),
        }
    }

    fn missing(&self) -> NoKey {
        if self.unanswered { NoKey::Unavailable } else { NoKey::Unknown }
    }
}

fn rested(since: Option<UnixTime>, seconds: u64, now: UnixTime) -> bool {
    // A clock that went back must not make the pause longer (PL-12).
    since.is_none_or(|since| now < since || now.since(since) >= seconds)
}

impl Published {
    /// Keys of which nothing is known yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, keys: RefCell::default() }
    }

    /// Whether there are keys to check anything with; asks when none are known.
    ///
    /// # Errors
    /// [`NoKey::Unavailable`].
    pub async fn at_hand(&self, uri: &str, fetch: &impl Fetch, now: UnixTime) -> Result<(), NoKey> {
        let known = |keys: &Keys| {
            let stale = self.patience.stale;
            keys.set.as_ref().is_some_and(|(_, read_at)| now.since(*read_at) < stale)
        };
        let rested = rested(self.keys.borrow().asked_at, FIRST_COOL_DOWN_SECONDS, now);
        if !known(&self.keys.borrow()) && rested {
            self.ask(uri, fetch, now).await;
        }
        known(&self.keys.borrow()).then_some(()).ok_or(NoKey::Unavailable)
    }

    /// The key that is in the place of one that did not make the signature of `token`: somebody may
    /// have put another there under the same name, or under none. Asked as seldom as for a key that
    /// nobody knows.
    async fn replaced(
        &self,
        token: &Unverified<'_>,
        tried: &Jwk,
        uri: &str,
        fetch: &impl Fetch,
        now: UnixTime,
    ) -> Option<Jwk> {
        let read_now = |keys: &Keys| keys.set.as_ref().is_some_and(|(_, read_at)| *read_at == now);
        let again = rested(self.keys.borrow().missed_at, self.patience.cool_down, now);
        // What was read a moment ago, perhaps for this very token, would be read again.
        if !again || read_now(&self.keys.borrow()) {
            return None;
        }
        self.keys.borrow_mut().missed_at = Some(now);
        self.ask(uri, fetch, now).await;
        let keys = self.keys.borrow();
        let (set, _) = keys.set.as_ref()?;
        token.key(set).filter(|key| key.material != tried.material).cloned()
    }

    /// Asks, and keeps what is better than what is known.
    async fn ask(&self, uri: &str, fetch: &impl Fetch, now: UnixTime) {
        let set = json(uri, fetch).await.ok().and_then(|body| JwkSet::parse(&body));
        let mut keys = self.keys.borrow_mut();
        keys.asked_at = Some(now);
        // A set without a usable key is no better than no answer: the last good one stays.
        let set = set.filter(|set| !set.keys.is_empty());
        keys.unanswered = set.is_none();
        if let Some(set) = set {
            keys.set = Some((set, now));
        }
    }

    /// The key to check `token` with. `uri` is where the keys are.
    ///
    /// # Errors
    /// [`NoKey`].
    pub async fn key(
        &self,
        token: &Unverified<'_>,
        uri: &str,
        fetch: &impl Fetch,
        now: UnixTime,
    ) -> Result<Jwk, NoKey> {
        let plan = self.keys.borrow().plan(token, self.patience, now);
        match plan {
            Plan::Use(key) => return Ok(key),
            Plan::Refuse(why) => return Err(why),
            Plan::Ask { missed } => {
                let mut keys = self.keys.borrow_mut();
                if keys.set.is_some() {
                    (keys.asked_at, keys.unanswered) = (Some(now), true);
                }
                if missed {
                    keys.missed_at = Some(now);
                }
            }
        }
        self.ask(uri, fetch, now).await;
        let mut keys = self.keys.borrow_mut();
        let stale = self.patience.stale;
        let set = keys.set.as_ref().filter(|(_, read_at)| now.since(*read_at) < stale);
        let (set, _) = set.ok_or(NoKey::Unavailable)?;
        if let Some(key) = token.key(set).cloned() {
            return Ok(key);
        }
        keys.missed_at = Some(now);
        Err(keys.missing())
    }

    /// The claims of `token`, which one of the keys at `uri` has signed, and by which algorithm. A key
    /// that took the place of another under its name is as good as a new one.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub async fn verified<C: DeserializeOwned>(
        &self,
        token: &Unverified<'_>,
        uri: &str,
        (fetch, verifier): (&impl Fetch, &impl Verifier),
        now: UnixTime,
    ) -> Result<(C, Alg), NotVerified> {
        let key = self.key(token, uri, fetch, now).await.map_err(NotVerified::Key)?;
        let mut claims = token.verify(&key, verifier).await;
        if matches!(claims, Err(Refused::BadSignature))
            && let Some(other) = self.replaced(token, &key, uri, fetch, now).await
        {
            claims = token.verify(&other, verifier).await;
        }
        Ok((claims.map_err(NotVerified::Signature)?, key.alg()))
    }
}

/// Why the claims of a token are not to be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotVerified {
    /// There is no key to check it with.
    Key(NoKey),
    /// None of the keys made its signature, or its claims cannot be read.
    Signature(Refused),
}

impl Provider {
    /// See [`Published::verified`].
    ///
    /// # Errors
    /// [`NotVerified`].
    pub async fn verified<C: DeserializeOwned>(
        &self,
        token: &Unverified<'_>,
        jwks_uri: &str,
        ways: (&impl Fetch, &impl Verifier),
        now: UnixTime,
    ) -> Result<(C, Alg), NotVerified> {
        self.keys.verified(token, jwks_uri, ways, now).await
    }

    /// The key to check `token` with.
    ///
    /// # Errors
    /// [`NoKey`].
    pub async fn key(
        &self,
        token: &Unverified<'_>,
        jwks_uri: &str,
        fetch: &impl Fetch,
        now: UnixTime,
    ) -> Result<Jwk, NoKey> {
        self.keys.key(token, jwks_uri, fetch, now).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, key, provider};
    use super::*;
    use crate::jose::jws::{Header, compact, signing_input};
    use crate::jose::native::{Native, SigningKey};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pollster::block_on;
    use serde_json::{Value, json};

    const JWKS: &str = "https://idp.test/jwks";

    fn token(kid: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn jv_08_a_storm_of_unknown_key_ids_costs_one_request_in_thirty_seconds() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let ask = |kid: &str, seconds| {
            let token = token(kid);
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        let good = key().public().kid.unwrap();
        assert!(ask(&good, 0).is_ok());
        for n in 0..1000 {
            assert_eq!(ask(&format!("k{n}"), 40 + n / 40).err(), Some(NoKey::Unknown));
            assert!(ask(&good, 40 + n / 40).is_ok());
        }
        assert_eq!(peer.hits("/jwks"), 2);
        assert!(ask("late", 70).is_err());
        assert_eq!(peer.hits("/jwks"), 3);
    }

    #[test]
    fn jv_27_a_bad_answer_does_not_replace_a_good_one_and_failures_are_rate_bounded() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let token = token(&key().public().kid.unwrap());
        let ask = |seconds| {
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        assert!(ask(0).is_ok());
        for (status, body) in [(200, "<html>"), (500, ""), (200, r#"{"keys":[]}"#), (302, "")] {
            peer.put("/jwks", status, body);
            for seconds in 1000..1020 {
                assert!(ask(seconds).is_ok(), "{status} {body}");
            }
        }
        assert_eq!(peer.hits("/jwks"), 2);
        assert_eq!(ask(STALE_SECONDS + 1000).err(), Some(NoKey::Unavailable));
    }

    #[test]
    fn pl_12_a_clock_that_goes_back_makes_no_pause_longer() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let token = token(&key().public().kid.unwrap());
        let ask = |seconds| {
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        peer.cut("/jwks");
        assert_eq!(ask(86_400).err(), Some(NoKey::Unavailable));
        peer.mend("/jwks");
        assert!(ask(0).is_ok());
    }

    #[test]
    fn a_provider_without_keys_is_asked_again_after_five_seconds() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let token = token(&key().public().kid.unwrap());
        let ask = |seconds| {
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        peer.cut("/jwks");
        assert_eq!(ask(0).err(), Some(NoKey::Unavailable));
        assert_eq!(ask(4).err(), Some(NoKey::Unavailable));
        assert_eq!(peer.hits("/jwks"), 1);
        peer.mend("/jwks");
        assert!(ask(5).is_ok());
    }

    #[test]
    fn jv_28_a_new_key_works_at_once_and_the_old_one_is_gone_with_it() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let (old, new) = (key().public(), SigningKey::es256([8; 32]).unwrap().public());
        let ask = |key: &Jwk, seconds| {
            let token = token(key.kid.as_deref().unwrap());
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        assert!(ask(&old, 0).is_ok());
        let set = JwkSet { keys: vec![new.clone()] };
        peer.put("/jwks", 200, &serde_json::to_string(&set).unwrap());
        assert!(ask(&new, 1).is_ok());
        assert_eq!(peer.hits("/jwks"), 2);
        // Nobody is asked about the old one for a while.
        for seconds in 2..20 {
            assert_eq!(ask(&old, seconds).err(), Some(NoKey::Unknown));
        }
        assert_eq!(peer.hits("/jwks"), 2);
    }

    #[test]
    fn jv_28_a_key_in_the_place_of_another_works_at_once_and_forgeries_cost_one_request() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let (old, fresh) = (key(), SigningKey::es256([8; 32]).unwrap());
        // The same name, or none, before and after.
        for (start, kid) in [(0, Some("k")), (1000, None)] {
            let publish = |key: &SigningKey| {
                let kid = kid.map(str::to_owned);
                let set = JwkSet { keys: vec![Jwk { kid, ..key.public() }] };
                peer.put("/jwks", 200, &serde_json::to_string(&set).unwrap());
            };
            let verified = |key: &SigningKey, seconds: u64| {
                let header: Header =
                    serde_json::from_value(json!({"alg": "ES256", "kid": kid})).unwrap();
                let input = signing_input(&header, &json!({"sub": "s"}));
                let token = compact(&input, &key.sign(input.as_bytes()).unwrap());
                let token = Unverified::parse(&token).unwrap();
                let now = NOON.plus(start + seconds);
                let found = provider.verified(&token, JWKS, (&fetch, &Native), now);
                block_on(found).map(|(claims, _): (Value, Alg)| claims["sub"].clone())
            };
            publish(&old);
            assert!(verified(&old, 0).is_ok());
            publish(&fresh);
            let before = peer.hits("/jwks");
            assert_eq!(verified(&fresh, 1), Ok(json!("s")), "{kid:?}");
            assert_eq!(peer.hits("/jwks"), before + 1);
            for seconds in 2..30 {
                assert!(verified(&old, seconds).is_err());
                assert!(verified(&fresh, seconds).is_ok());
            }
            assert_eq!(peer.hits("/jwks"), before + 1);
        }
    }

    #[test]
    fn jv_27_while_nobody_answers_an_unknown_key_is_not_called_unknown() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let ask = |kid: &str, seconds| {
            let token = token(kid);
            let token = Unverified::parse(&token).unwrap();
            block_on(provider.key(&token, JWKS, &fetch, NOON.plus(seconds)))
        };
        assert!(ask(&key().public().kid.unwrap(), 0).is_ok());
        peer.cut("/jwks");
        assert_eq!(ask("new", 40).err(), Some(NoKey::Unavailable));
        assert_eq!(ask("new", 41).err(), Some(NoKey::Unavailable));
        assert_eq!(peer.hits("/jwks"), 2);
    }
}
