//! A sign-in under way: a sealed cookie of its own, so that tabs do not disturb each other.

use super::return_path::ReturnPath;
use crate::config::Config;
use http::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::cookie;
use shared::rp::authorization::Flow;
use shared::seal::Purpose;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::BTreeMap;

const PREFIX: &str = "__Host-gatelatch-flow-";
/// How long a person may take at the provider.
const SECONDS: u64 = 600;
/// How many sign-ins one browser may have under way; the oldest makes room.
const MOST: usize = 5;
/// How many characters they may have together, so that the `Cookie` header stays small (GL-09).
const LARGEST: usize = 5_000;
/// How many flows an isolate remembers as used.
const MOST_USED: usize = 4096;

/// How a sign-in was begun, which decides what becomes of one that fails.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Manner {
    /// The provider shows what pages it likes, and so do we.
    #[default]
    Shown,
    /// Without a page of the provider: whoever would need one goes back as they came.
    Silent,
    /// The same for somebody who is signed in, and never asked for it: see [`super::following`].
    /// Whatever goes wrong, they go back as they came.
    Following,
}

/// A sign-in under way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pending {
    /// What the response is checked against.
    pub flow: Flow,
    /// What we call the provider that it goes to.
    #[serde(default)]
    pub provider: String,
    /// What the sign-in has to be: one of these; anything when there are none.
    #[serde(default)]
    pub acr: Vec<String>,
    /// Where the browser goes in the end. Guarded before it was sealed.
    pub return_to: String,
    started_at: UnixTime,
    /// How it was begun.
    #[serde(default)]
    pub manner: Manner,
}

/// What names a flow without telling its state.
#[must_use]
pub fn short(state: &str) -> String {
    Digest::of(state).to_text().chars().take(12).collect()
}

fn name(state: &str) -> String {
    format!("{PREFIX}{}", short(state))
}

impl Pending {
    /// A flow that starts now.
    #[must_use]
    pub fn new(
        flow: Flow,
        provider: &str,
        acr: Vec<String>,
        return_to: &ReturnPath,
        now: UnixTime,
    ) -> Self {
        let (provider, return_to) = (provider.to_owned(), return_to.as_str().to_owned());
        Self { flow, provider, acr, return_to, started_at: now, manner: Manner::Shown }
    }

    /// The same, begun in a manner of its own.
    #[must_use]
    pub fn begun(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// The flow that `state` belongs to, if this browser started it less than ten minutes ago.
    #[must_use]
    pub fn find(config: &Config, headers: &HeaderMap, state: &str, now: UnixTime) -> Option<Self> {
        let name = name(state);
        Self::open(config, &name, cookie::get(headers, &name)?, now)
    }

    fn open(config: &Config, name: &str, sealed: &str, now: UnixTime) -> Option<Self> {
        let context = format!("{name} {}", config.public_url);
        let plain = config.keys.open(Purpose::new("flow cookie", &context), sealed)?;
        let pending: Self = serde_json::from_slice(&plain).ok()?;
        (now.since(pending.started_at) < SECONDS).then_some(pending)
    }

    /// Sets this flow's cookie, and deletes those of flows that are over or too many.
    pub fn write(
        &self,
        config: &Config,
        (out, sent): (&mut HeaderMap, &HeaderMap),
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) {
        let name = name(&self.flow.state);
        let context = format!("{name} {}", config.public_url);
        // String keys and no floats: there is always a JSON form.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let sealed = config.keys.seal(Purpose::new("flow cookie", &context), &plain, rng);
        let ours = cookie::all(sent).filter(|(name, _)| name.starts_with(PREFIX));
        let mut others: Vec<_> = ours
            .map(|(name, sealed)| {
                let started = Self::open(config, name, sealed, now).map(|other| other.started_at);
                (started, name, sealed.len())
            })
            .collect();
        // Newest first; those that do not open come last.
        others.sort_by(|one, two| two.cmp(one));
        let (mut count, mut size) = (1, sealed.len());
        for (started, name, length) in others {
            count += 1;
            size += length;
            // A name with odd characters is somebody else's cookie, and not ours to delete.
            let plausible =
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if plausible && (started.is_none() || count > MOST || size > LARGEST) {
                cookie::delete(out, name);
            }
        }
        cookie::set(out, &name, &sealed, Some(SECONDS));
    }

    /// Deletes this flow's cookie: it is used.
    pub fn delete(&self, out: &mut HeaderMap) {
        cookie::delete(out, &name(&self.flow.state));
    }
}

/// Flows that came back, as far as this isolate has seen. It keeps a doubled callback from
/// redeeming a code twice, for which a provider may revoke what the first one got (RFC 6749
/// §4.1.2); that a code works once, the provider sees to.
#[derive(Debug, Default)]
pub struct UsedFlows(RefCell<BTreeMap<String, UnixTime>>);

impl UsedFlows {
    /// Whether this is the first time.
    pub fn claim(&self, pending: &Pending, now: UnixTime) -> bool {
        self.first(short(&pending.flow.state), now)
    }

    /// The same for a token of a challenge ([`crate::turnstile`]), which lives half as long.
    pub fn claim_token(&self, token: &str, now: UnixTime) -> bool {
        self.first(Digest::of(token).to_text(), now)
    }

    /// The same of anything else that works once: this is what it is called.
    pub fn first(&self, name: String, now: UnixTime) -> bool {
        let mut used = self.0.borrow_mut();
        if used.len() >= MOST_USED {
            used.retain(|_, at| now.since(*at) < SECONDS);
        }
        if used.len() >= MOST_USED {
            used.clear();
        }
        used.insert(name, now).is_none()
    }
}
