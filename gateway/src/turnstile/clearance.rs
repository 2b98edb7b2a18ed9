//! What a browser keeps of the challenges that it has passed: sealed, bound to the cookie's name and this
//! site, with each end inside.
//!
//! What was passed by somebody signed in counts in that session alone: a copy is worth nothing in
//! another one, and whoever signs in anew is asked anew. What counts on public routes, where nobody's
//! session is looked at, counts for whoever has the cookie.

use super::Action;
use crate::config::Config;
use crate::policy::Requirement;
use crate::session::cookie::LogoutKey;
use http::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::cookie;
use shared::seal::Purpose;
use shared::secret::{Digest, random_text};
use shared::time::UnixTime;

/// The cookie.
pub const NAME: &str = "__Host-gatelatch-clearance";

/// How many it may hold, so that it stays small; the one that ends first makes room.
const MOST: usize = 16;

/// A browser in front of a route that wants to know whether it is a machine's.
#[derive(Clone, Debug)]
pub struct Standing {
    contents: Contents,
    /// Whether the browser has yet to be told.
    changed: bool,
    session: Option<Digest>,
}

/// What is sealed. A change of its shape makes older cookies unreadable, and everybody is asked again.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Contents {
    /// Tells this browser from every other. Drawn at random; a challenge is bound to it.
    visitor: String,
    cleared: Vec<Passed>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Passed {
    action: String,
    /// In which session; none on public routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Digest>,
    ends_at: UnixTime,
}

/// Proof that a browser has passed what a route requires, and which challenge that was; or that it
/// requires none.
#[derive(Clone, Debug)]
pub struct Cleared(Option<Action>);

impl Cleared {
    /// For a route that requires no challenge.
    ///
    /// # Errors
    /// The challenge that it requires.
    pub const fn unasked(requirement: &Requirement) -> Result<Self, &Action> {
        match &requirement.turnstile {
            None => Ok(Self(None)),
            Some(action) => Err(action),
        }
    }

    /// The challenge that was passed.
    #[must_use]
    pub const fn action(&self) -> Option<&Action> {
        self.0.as_ref()
    }
}

fn context(config: &Config) -> String {
    format!("{NAME} {}", config.public_url)
}

impl Standing {
    /// The browser that sent these headers, in the session that it is in and that counts.
    #[must_use]
    pub fn read(
        config: &Config,
        headers: &HeaderMap,
        session: Option<&LogoutKey>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let known = Self::known(config, headers, session);
        known.unwrap_or_else(|| {
            let contents = Contents { visitor: random_text(rng), cleared: Vec::new() };
            let session = session.map(|key| key.session(config));
            Self { contents, changed: true, session }
        })
    }

    /// The same; none when it has no cookie that we sealed.
    #[must_use]
    pub fn known(
        config: &Config,
        headers: &HeaderMap,
        session: Option<&LogoutKey>,
    ) -> Option<Self> {
        let context = context(config);
        let sealed = cookie::get(headers, NAME)?;
        let plain = config.keys.open(Purpose::new("clearance cookie", &context), sealed)?;
        let contents = serde_json::from_slice(&plain).ok()?;
        let session = session.map(|key| key.session(config));
        Some(Self { contents, changed: false, session })
    }

    /// Whether it has passed `wanted`, in its session where it has one, and not too long ago.
    #[must_use]
    pub fn check(&self, wanted: &Action, now: UnixTime) -> Option<Cleared> {
        let counts = |passed: &Passed| {
            passed.action == wanted.as_str()
                && passed.session == self.session
                && now < passed.ends_at
        };
        let passed = self.contents.cleared.iter().any(counts);
        passed.then(|| Cleared(Some(wanted.clone())))
    }

    /// What a challenge is given to carry, so that what was passed in one browser counts in no other.
    #[must_use]
    pub fn data(&self, config: &Config) -> String {
        let purpose = Purpose::new("turnstile challenge", config.public_url.as_str());
        Digest::of(config.keys.derive(purpose, self.contents.visitor.as_bytes())).to_text()
    }

    /// Notes that it has passed: on public routes, and in its session if it is in one.
    #[must_use]
    pub fn passed(mut self, action: &Action, ends_at: UnixTime, now: UnixTime) -> Self {
        let Self { contents: Contents { cleared, .. }, session, .. } = &mut self;
        // What counts in no session that this browser is in counts nowhere.
        cleared.retain(|one| {
            let counts = one.session.is_none() || one.session == *session;
            counts && now < one.ends_at && one.action != action.as_str()
        });
        let mut add = |session| {
            cleared.push(Passed { action: action.as_str().to_owned(), session, ends_at });
        };
        add(None);
        if session.is_some() {
            add(*session);
        }
        cleared.sort_by_key(|one| one.ends_at);
        let surplus = cleared.len().saturating_sub(MOST);
        cleared.drain(..surplus);
        self.changed = true;
        self
    }

    /// Sets the cookie, unless the browser has it already.
    pub fn write(&self, config: &Config, out: &mut HeaderMap) {
        if !self.changed {
            return;
        }
        let context = context(config);
        // String keys and no floats: there is always a JSON form.
        let plain = serde_json::to_vec(&self.contents).unwrap_or_default();
        let purpose = Purpose::new("clearance cookie", &context);
        // It holds a secret, the visitor.
        cookie::set(out, NAME, &config.keys.seal_the_same(purpose, &plain), None);
    }
}
