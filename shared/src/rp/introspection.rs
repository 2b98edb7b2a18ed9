//! What the provider says about a token that says nothing itself, RFC 7662, and for how long that is
//! believed.

use super::access_token::{AccessClaims, AccessRefused};
use super::client::RelyingParty;
use super::dialect::Desk;
use super::token::{TokenError, successful};
use crate::budget::Budget;
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::secret::Digest;
use crate::time::UnixTime;
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// How long a token is believed without asking again: so long may one live on that was revoked.
const ACTIVE_SECONDS: u64 = 30;
/// The same for one that is good for nothing.
const INACTIVE_SECONDS: u64 = 5;
/// More tokens of a kind than an isolate meets in that time; beyond that it forgets them all.
const MOST: usize = 512;
/// Longer texts are no tokens.
const LONGEST: usize = 8192;
/// How long nobody is asked after a failure; and the most that the provider can make of it, which is
/// what whoever asks is told, too, when there is nobody to ask.
const REST: [u64; 2] = [1, 60];
/// How many questions that are open, or were about garbage, an isolate has in a second, and how many it
/// has saved up: who sends garbage as fast as they can costs the provider no more than that. A token
/// that is good costs nothing.
const GARBAGE_PER_SECOND: u64 = 20;
const GARBAGE_SAVED: u64 = 100;

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAccepted {
    /// It is not good, or not here.
    Refused(AccessRefused),
    /// Nobody can say whether it is.
    Unavailable {
        /// In so many seconds somebody may.
        retry_after: u64,
    },
}

impl From<AccessRefused> for NotAccepted {
    fn from(refused: AccessRefused) -> Self {
        Self::Refused(refused)
    }
}

/// What the provider says of a token.
#[derive(Clone, Debug)]
enum Said {
    /// That it is good, and for what.
    Active(Rc<Map<String, Value>>),
    /// That it is good for nothing.
    Inactive,
}

/// What was said of tokens, by their digests, and when that was asked.
type Answers<T> = RefCell<HashMap<String, (T, UnixTime)>>;

/// What an isolate remembers of a provider's answers, by digests of tokens. Good and bad ones are
/// apart: who sends garbage drives out garbage.
#[derive(Debug)]
pub struct Introspected {
    active: Answers<Rc<Map<String, Value>>>,
    inactive: Answers<()>,
    /// Since when the provider is left alone, and for how many seconds.
    rest: Cell<Option<(UnixTime, u64)>>,
    garbage: Budget,
}

impl Default for Introspected {
    fn default() -> Self {
        let garbage = Budget::new(GARBAGE_PER_SECOND, GARBAGE_SAVED);
        let (active, inactive, rest) = Default::default();
        Self { active, inactive, rest, garbage }
    }
}

impl Introspected {
    /// What is known of a token and still believed.
    fn find(&self, mark: &str, now: UnixTime) -> Option<Said> {
        // In either direction, for clocks jump.
        let within = |asked_at: UnixTime, most: u64| now.0.abs_diff(asked_at.0) < most;
        if let Some((answer, asked_at)) = self.active.borrow().get(mark) {
            let lives = answer.get("exp").and_then(Value::as_f64);
            #[expect(clippy::cast_precision_loss, reason = "seconds of this era are exact")]
            let lives = lives.is_none_or(|exp| exp > now.0 as f64);
            if lives && within(*asked_at, ACTIVE_SECONDS) {
                return Some(Said::Active(Rc::clone(answer)));
            }
        }
        let inactive = self.inactive.borrow();
        let still = inactive.get(mark).filter(|((), at)| within(*at, INACTIVE_SECONDS));
        still.map(|_| Said::Inactive)
    }

    fn keep(&self, mark: String, said: &Said, now: UnixTime) {
        self.rest.set(None);
        match said {
            Said::Active(answer) => put(&self.active, mark, Rc::clone(answer), now),
            Said::Inactive => {
                self.active.borrow_mut().remove(&mark);
                put(&self.inactive, mark, (), now);
            }
        }
    }

    /// How long the provider is still left alone.
    fn resting(&self, now: UnixTime) -> Option<u64> {
        let (since, seconds) = self.rest.get()?;
        // A clock that went back must not make the pause longer (PL-12).
        (since <= now).then(|| seconds.saturating_sub(now.since(since))).filter(|left| *left > 0)
    }
}

fn put<T>(answers: &Answers<T>, mark: String, answer: T, now: UnixTime) {
    let mut answers = answers.borrow_mut();
    if answers.len() >= MOST && !answers.contains_key(&mark) {
        answers.clear();
    }
    answers.insert(mark, (answer, now));
}

impl RelyingParty {
    /// What the provider says of a token for `audience`, now or a moment ago.
    ///
    /// # Errors
    /// [`NotAccepted`].
    pub async fn introspect(
        &self,
        token: &str,
        audience: &str,
        known: &Introspected,
        at: &Desk<'_, impl Fetch, impl Signer>,
    ) -> Result<AccessClaims, NotAccepted> {
        let [_, most] = REST;
        let endpoint = at.metadata.introspection_endpoint.as_ref();
        let endpoint = endpoint.ok_or(NotAccepted::Unavailable { retry_after: most })?;
        if token.len() > LONGEST {
            return Err(AccessRefused::Inactive.into());
        }
        let mark = Digest::of(token).to_text();
        let found = known.find(&mark, at.now);
        let said = match found {
            Some(said) => said,
            None => self.ask(token, mark, endpoint, known, at).await?,
        };
        let Said::Active(answer) = said else { return Err(AccessRefused::Inactive.into()) };
        is_bearer(&answer)?;
        Ok(self.accept((*answer).clone(), audience, at.now)?)
    }

    async fn ask(
        &self,
        token: &str,
        mark: String,
        endpoint: &str,
        known: &Introspected,
        at: &Desk<'_, impl Fetch, impl Signer>,
    ) -> Result<Said, NotAccepted> {
        if let Some(retry_after) = known.resting(at.now) {
            return Err(NotAccepted::Unavailable { retry_after });
        }
        if !known.garbage.take(1, at.now) {
            let [retry_after, _] = REST;
            return Err(NotAccepted::Unavailable { retry_after });
        }
        let answer = self.answer(token, endpoint, at).await;
        let said = answer.map(|body| match body.get("active") {
            Some(Value::Bool(true)) => Some(Said::Active(Rc::new(body))),
            Some(Value::Bool(false)) => Some(Said::Inactive),
            // It says nothing about the token.
            _ => None,
        });
        if !matches!(said, Ok(Some(Said::Inactive))) {
            known.garbage.give_back(1);
        }
        if let Ok(Some(said)) = said {
            known.keep(mark, &said, at.now);
            return Ok(said);
        }
        let wait = match said {
            Err(TokenError::Unavailable { retry_after }) => retry_after,
            _ => None,
        };
        let [least, most] = REST;
        let retry_after = wait.unwrap_or(least).clamp(least, most);
        known.rest.set(Some((at.now, retry_after)));
        Err(NotAccepted::Unavailable { retry_after })
    }

    async fn answer(
        &self,
        token: &str,
        endpoint: &str,
        at: &Desk<'_, impl Fetch, impl Signer>,
    ) -> Result<Map<String, Value>, TokenError> {
        let form = vec![("token", token), ("token_type_hint", "access_token")];
        let request = self.request(endpoint, form, at.verifier, at.now).await?;
        let answer = at.fetch.fetch(request).await;
        successful(&answer.map_err(|_| TokenError::Unavailable { retry_after: None })?)
    }
}

/// Of a token that says nothing itself only the provider can tell that it is no refresh token, and
/// nobody's who would have to prove a key.
fn is_bearer(answer: &Map<String, Value>) -> Result<(), AccessRefused> {
    let is = |name: &str, wanted: &[&str]| {
        let said = answer.get(name);
        said.is_none_or(|said| {
            let said = said.as_str().unwrap_or_default();
            wanted.iter().any(|wanted| said.eq_ignore_ascii_case(wanted))
        })
    };
    if answer.contains_key("token_type") && is("token_type", &["DPoP"]) {
        return Err(AccessRefused::Bound);
    }
    // Not everybody means by `token_type` what RFC 7662 §2.2 does.
    let bearer =
        is("token_type", &["Bearer", "access_token"]) && is("token_use", &["access_token"]);
    bearer.then_some(()).ok_or(AccessRefused::Type)
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientAuth;
    use super::super::fixture::{NOON, Peer, client, metadata, provider};
    use super::*;
    use crate::jose::native::Native;
    use crate::secret::ClientSecret;
    use pollster::block_on;
    use serde_json::json;

    const API: &str = "https://api.test";

    #[derive(Default)]
    struct World {
        peer: Peer,
        known: Introspected,
        missing: bool,
    }

    impl World {
        fn saying(status: u16, answer: &Value) -> Self {
            let world = Self::default();
            world.say(status, answer);
            world
        }

        fn say(&self, status: u16, answer: &Value) {
            self.peer.put("/introspect", status, &answer.to_string());
        }

        fn ask_for(
            &self,
            token: &str,
            audience: &str,
            seconds: u64,
        ) -> Result<AccessClaims, NotAccepted> {
            let auth = ClientAuth::Basic(ClientSecret::new("s3cret"));
            let (party, provider) = (RelyingParty { auth, ..client() }, provider());
            let mut metadata = metadata();
            if self.missing {
                metadata.introspection_endpoint = None;
            }
            let (fetch, verifier) = (self.peer.fetch(), Native);
            let at = Desk {
                party: &party,
                provider: &provider,
                metadata: &metadata,
                fetch: &fetch,
                verifier: &verifier,
                now: NOON.plus(seconds),
            };
            block_on(party.introspect(token, audience, &self.known, &at))
        }

        fn ask(&self, seconds: u64) -> Result<AccessClaims, NotAccepted> {
            self.ask_for("opaque", API, seconds)
        }

        fn hits(&self) -> usize {
            self.peer.hits("/introspect")
        }
    }

    fn refused<T>(why: AccessRefused) -> Result<T, NotAccepted> {
        Err(NotAccepted::Refused(why))
    }

    fn unavailable<T>(retry_after: u64) -> Result<T, NotAccepted> {
        Err(NotAccepted::Unavailable { retry_after })
    }

    #[test]
    fn rfc7662_2_2_an_active_token_is_what_the_provider_says_it_is() {
        let answer = json!({
            "active": true, "sub": "alice", "client_id": "cli", "scope": "read write",
            "aud": [API], "iss": "https://idp.test", "exp": NOON.0 + 300, "token_type": "Bearer",
        });
        let good = World::saying(200, &answer).ask(0).unwrap();
        assert_eq!(good.subject.as_deref(), Some("alice"));
        assert_eq!(good.expires_at, Some(NOON.plus(300)));
        assert!(good.scope.has("write"));
        assert!(World::saying(200, &json!({ "active": true })).ask(0).is_ok());
    }

    #[test]
    fn rfc7662_2_2_what_is_not_active_or_is_for_somebody_else_is_refused() {
        for (member, why) in [
            (json!({ "active": false }), AccessRefused::Inactive),
            (json!({ "aud": "https://other.test" }), AccessRefused::Audience),
            (json!({ "aud": 7 }), AccessRefused::Audience),
            (json!({ "iss": "https://evil.test" }), AccessRefused::Issuer),
            (json!({ "iss": 7 }), AccessRefused::Issuer),
            (json!({ "exp": NOON.0 - 5 }), AccessRefused::Time),
            (json!({ "exp": "soon" }), AccessRefused::Time),
            (json!({ "nbf": NOON.0 + 61 }), AccessRefused::Time),
            (json!({ "token_type": "DPoP" }), AccessRefused::Bound),
            (json!({ "token_type": "dpop" }), AccessRefused::Bound),
            (json!({ "cnf": { "jkt": "x" } }), AccessRefused::Bound),
            (json!({ "token_type": "refresh_token" }), AccessRefused::Type),
            (json!({ "token_type": 7 }), AccessRefused::Type),
            (json!({ "token_use": "refresh_token" }), AccessRefused::Type),
        ] {
            let mut answer = json!({ "active": true });
            answer.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
            assert_eq!(World::saying(200, &answer).ask(0), refused(why), "{member}");
        }
    }

    #[test]
    fn an_answer_is_believed_for_half_a_minute_and_never_past_the_end_of_the_token() {
        let world = World::saying(200, &json!({ "active": true, "aud": API }));
        assert!((0..30).all(|seconds| world.ask(seconds).is_ok()));
        assert_eq!(world.hits(), 1);
        // For another route it is looked at again.
        assert_eq!(world.ask_for("opaque", "https://b.test", 1), refused(AccessRefused::Audience));
        world.say(200, &json!({ "active": false }));
        assert_eq!(world.ask(30), refused(AccessRefused::Inactive));
        assert_eq!(world.hits(), 2);

        let world = World::saying(200, &json!({ "active": true, "exp": NOON.0 + 10 }));
        assert!((0..10).all(|seconds| world.ask(seconds).is_ok()));
        world.say(200, &json!({ "active": false }));
        assert_eq!((world.hits(), world.ask(10)), (1, refused(AccessRefused::Inactive)));
    }

    #[test]
    fn a_refusal_is_believed_for_five_seconds_and_a_clock_that_goes_back_believes_nothing() {
        let world = World::saying(200, &json!({ "active": false }));
        for seconds in 100..105 {
            assert_eq!(world.ask(seconds), refused(AccessRefused::Inactive));
        }
        assert_eq!(world.hits(), 1);
        world.say(200, &json!({ "active": true }));
        assert!(world.ask(105).is_ok());
        assert!(world.ask(0).is_ok());
        assert_eq!(world.hits(), 3);
    }

    #[test]
    fn ti_12_garbage_fills_no_memory_and_drives_out_no_good_token() {
        let world = World::saying(200, &json!({ "active": true }));
        assert!(world.ask(0).is_ok());
        world.say(200, &json!({ "active": false }));
        for n in 0..3 * MOST {
            assert!(world.ask_for(&format!("t{n}"), API, 1 + n as u64 / 20).is_err());
        }
        assert!((1..=MOST).contains(&world.known.inactive.borrow().len()));
        let hits = world.hits();
        assert!(world.ask(2).is_ok());
        assert!(world.ask_for(&"x".repeat(LONGEST + 1), API, 2).is_err());
        assert_eq!(world.hits(), hits);
        world.say(200, &json!({ "active": true }));
        for n in 0..3 * MOST {
            world.ask_for(&format!("g{n}"), API, 1).unwrap();
        }
        assert!(world.known.active.borrow().len() <= MOST);
    }

    #[test]
    fn ti_12_garbage_costs_the_provider_a_few_questions_a_second_and_good_tokens_cost_none_of_them()
    {
        let world = World::saying(200, &json!({ "active": false }));
        let mut late = 0;
        for n in 0..10_000 {
            let answer = world.ask_for(&format!("t{n}"), API, n / 1000);
            late += usize::from(answer == unavailable(1));
            assert!(answer.is_err());
        }
        assert_eq!((world.hits(), late), (100 + 9 * 20, 10_000 - 100 - 9 * 20));
        // What is known is known.
        assert_eq!(world.ask_for("t0", API, 4), refused(AccessRefused::Inactive));
        world.say(200, &json!({ "active": true }));
        for n in 0..1000 {
            world.ask_for(&format!("g{n}"), API, 10).unwrap();
        }
        world.say(500, &json!({}));
        assert_eq!(world.ask_for("other", API, 11), unavailable(1));
    }

    #[test]
    fn who_cannot_be_asked_makes_nobody_good_or_bad_and_is_left_alone() {
        for (status, answer) in [
            (500, json!({})),
            (200, json!({})),
            (200, json!({ "active": "true" })),
            (200, json!([])),
            (302, json!({ "active": true })),
            (401, json!({ "error": "invalid_client" })),
            (429, json!({ "active": true })),
        ] {
            let world = World::saying(status, &answer);
            assert_eq!(world.ask(0), unavailable(1), "{status} {answer}");
            assert_eq!(world.ask_for("other", API, 0), unavailable(1));
            assert_eq!(world.hits(), 1);
            world.say(200, &json!({ "active": true }));
            assert!(world.ask(1).is_ok());
        }
        let world = World::default();
        world.peer.cut("/introspect");
        assert_eq!(world.ask(0), unavailable(1));
        let world = World { missing: true, ..World::default() };
        assert_eq!((world.ask(0), world.hits()), (unavailable(60), 0));
    }

    #[test]
    fn a_good_answer_serves_while_the_provider_is_out_of_reach_and_no_longer_than_it_is_good() {
        let world = World::saying(200, &json!({ "active": true }));
        assert!(world.ask(0).is_ok());
        world.peer.cut("/introspect");
        assert!(world.ask(29).is_ok());
        assert_eq!(world.ask(30), unavailable(1));
    }
}
