//! What opens a kept form: a sealed cookie of its own, good for one time.

use crate::auth::flow::short;
use crate::config::Config;
use http::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::cookie;
use shared::seal::Purpose;
use shared::secret::{Digest, random};
use shared::time::UnixTime;

const PREFIX: &str = "__Host-gatelatch-form-";
/// How long a form is kept: as long as a sign-in may take.
const SECONDS: u64 = 600;
/// How many forms one browser may keep; the oldest makes room.
const MOST: usize = 5;

/// The right to open one form.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ticket {
    id: Digest,
    made_at: UnixTime,
}

impl Ticket {
    /// A new one.
    #[must_use]
    pub fn new(now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        Self { id: Digest::of(random::<32>(rng)), made_at: now }
    }

    /// The ticket of this name, if this browser was given it less than ten minutes ago.
    #[must_use]
    pub fn find(config: &Config, headers: &HeaderMap, name: &str, now: UnixTime) -> Option<Self> {
        let ticket = Self::open(config, name, cookie::get(headers, &format!("{PREFIX}{name}"))?)?;
        ticket.may_live(now).then_some(ticket)
    }

    fn open(config: &Config, name: &str, sealed: &str) -> Option<Self> {
        let context = format!("{PREFIX}{name} {}", config.public_url);
        let plain = config.keys.open(Purpose::new("form cookie", &context), sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    fn may_live(&self, now: UnixTime) -> bool {
        now.since(self.made_at) < SECONDS
    }

    /// What it is called, where everybody may read it.
    #[must_use]
    pub fn name(&self) -> String {
        short(&self.id.to_text())
    }

    /// What a form is bound to that it opens.
    pub(super) fn context(&self, config: &Config) -> String {
        format!("{} {}", self.id.to_text(), config.public_url)
    }

    /// Sets its cookie, and deletes those that are over or too many.
    pub(super) fn write(
        &self,
        config: &Config,
        (out, sent): (&mut HeaderMap, &HeaderMap),
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) {
        let name = self.name();
        let context = format!("{PREFIX}{name} {}", config.public_url);
        // String keys and no floats: there is always a JSON form.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let sealed = config.keys.seal(Purpose::new("form cookie", &context), &plain, rng);
        let mut others: Vec<_> = cookie::all(sent)
            .filter_map(|(name, sealed)| Some((name, name.strip_prefix(PREFIX)?, sealed)))
            .map(|(whole, name, sealed)| {
                let live = Self::open(config, name, sealed).filter(|other| other.may_live(now));
                (live.map(|other| other.made_at), whole)
            })
            .collect();
        // Newest first; those that do not open, or are over, come last.
        others.sort_by(|one, two| two.cmp(one));
        for (place, (live, whole)) in others.into_iter().enumerate() {
            // A name with odd characters is somebody else's cookie, and not ours to delete.
            let plausible =
                whole.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if plausible && (live.is_none() || place + 1 >= MOST) {
                cookie::delete(out, whole);
            }
        }
        cookie::set(out, &format!("{PREFIX}{name}"), &sealed, Some(SECONDS));
    }

    /// Deletes its cookie: it is used.
    pub fn delete(&self, out: &mut HeaderMap) {
        cookie::delete(out, &format!("{PREFIX}{}", self.name()));
    }
}
