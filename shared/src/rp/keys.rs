//! The keys a provider signs with. A key we do not know is asked for at once, but a flood of
//! invented key ids costs one request in thirty seconds (JV-08).

use super::discovery::{COOL_DOWN_SECONDS, FRESH_SECONDS, Provider, STALE_SECONDS, json};
use crate::fetch::Fetch;
use crate::jose::jwk::{Jwk, JwkSet};
use crate::jose::jws::Unverified;
use crate::time::UnixTime;

/// How long a provider that never gave us keys is left alone after it failed.
const FIRST_COOL_DOWN_SECONDS: u64 = 5;

/// What an isolate remembers of a provider's keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    set: Option<(JwkSet, UnixTime)>,
    asked_at: Option<UnixTime>,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoKey {
    /// The provider publishes no key that fits the token.
    Unknown,
    /// We could not ask, or asked a moment ago.
    Unavailable,
}

/// What to do about a token.
enum Plan {
    Use(Jwk),
    Ask,
    Refuse(NoKey),
}

impl Keys {
    fn plan(&self, token: &Unverified<'_>, now: UnixTime) -> Plan {
        let set = self.set.as_ref().filter(|(_, read_at)| now.since(*read_at) < STALE_SECONDS);
        let Some((set, read_at)) = set else {
            // Several first requests at once all ask: better than failing all but one of them.
            let rested = self.rested(FIRST_COOL_DOWN_SECONDS, now);
            return if rested { Plan::Ask } else { Plan::Refuse(NoKey::Unavailable) };
        };
        let fresh = now.since(*read_at) < FRESH_SECONDS;
        let rested = self.rested(COOL_DOWN_SECONDS, now);
        match token.key(set) {
            Some(key) if fresh || !rested => Plan::Use(key.clone()),
            _ if rested => Plan::Ask,
            // It was asked a moment ago, and may be answering somebody else just now.
            Some(_) | None => Plan::Refuse(NoKey::Unknown),
        }
    }

    fn rested(&self, seconds: u64, now: UnixTime) -> bool {
        // A clock that went back must not make the pause longer (PL-12).
        self.asked_at.is_none_or(|asked_at| now < asked_at || now.since(asked_at) >= seconds)
    }
}

impl Provider {
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
        let plan = self.keys.borrow().plan(token, now);
        match plan {
            Plan::Use(key) => return Ok(key),
            Plan::Refuse(why) => return Err(why),
            Plan::Ask => {}
        }
        if self.keys.borrow().set.is_some() {
            self.keys.borrow_mut().asked_at = Some(now);
        }
        let set = json(jwks_uri, fetch).await.ok().and_then(|body| JwkSet::parse(&body));
        let mut keys = self.keys.borrow_mut();
        keys.asked_at = Some(now);
        // A set without a usable key is no better than no answer: the last good one stays.
        if let Some(set) = set.filter(|set| !set.keys.is_empty()) {
            keys.set = Some((set, now));
        }
        let set = keys.set.as_ref().filter(|(_, read_at)| now.since(*read_at) < STALE_SECONDS);
        let (set, read_at) = set.ok_or(NoKey::Unavailable)?;
        let missing = if *read_at == now { NoKey::Unknown } else { NoKey::Unavailable };
        token.key(set).cloned().ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, key, provider};
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pollster::block_on;

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
}
