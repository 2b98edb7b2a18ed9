//! What a browser keeps while it is away at an upstream: sealed into a cookie of its own, so that the
//! answer is taken from that browser alone (FD-03), for the upstream it left for (FD-06).

use crate::Idp;
use crate::interaction::Interaction;
use crate::platform::Platform;
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::form::Form;
use shared::jar;
use shared::rp::authorization::Flow;
use shared::seal::Purpose;
use shared::secret::Digest;
use shared::time::UnixTime;

/// How long a browser may be away, in seconds.
pub(super) const LIFE: u64 = 600;
/// How many of a browser's tabs may be away at once; a further one takes the place of the oldest.
const MOST_PENDING: usize = 4;
const PREFIX: &str = "__Host-gatelatch-upstream-";
/// What the cookie is sealed for, and what a spent state is filed under.
pub(super) const PURPOSE: &str = "upstream flow";

/// What a browser keeps while it is away.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Away {
    /// Where: the upstream's id.
    pub(super) at: String,
    /// What its answer has to fit.
    pub(super) flow: Flow,
    /// What the person came for.
    pub(super) interaction: Interaction,
    /// When it has been away too long.
    pub(super) until: UnixTime,
}

/// A cookie of somebody who is back.
#[derive(Clone, Debug)]
pub(super) struct Found {
    name: String,
    /// What was kept.
    pub(super) away: Away,
}

impl Away {
    /// Has the browser keep it. False when there is too much of it for cookies.
    pub(super) fn keep<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        asked: &HeaderMap,
        answered: &mut HeaderMap,
        rng: &mut impl CryptoRng,
    ) -> bool {
        let name = cookie_name(&self.flow.state, idp.now);
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let sealed = idp.config.keys.seal(Purpose::new(PURPOSE, &name), &plain, rng);
        forget_oldest(asked, answered);
        jar::write(answered, asked, &name, &sealed, Some(LIFE)).is_ok()
    }

    /// What this browser kept for the state that came back.
    pub(super) fn find<P: Platform>(
        idp: &Idp<'_, P>,
        headers: &HeaderMap,
        query: &[u8],
    ) -> Option<Found> {
        let form = Form::parse(query).ok()?;
        let suffix = suffix(form.get("state")?);
        let name = pending(headers).find(|name| name.ends_with(&suffix))?;
        let sealed = jar::read(headers, &name)?;
        let plain = idp.config.keys.open(Purpose::new(PURPOSE, &name), &sealed)?;
        let away: Self = serde_json::from_slice(&plain).ok()?;
        (idp.now < away.until).then_some(Found { name, away })
    }
}

impl Found {
    /// Has the browser forget it.
    pub(super) fn forget(&self, asked: &HeaderMap, answered: &mut HeaderMap) {
        jar::delete(answered, asked, &self.name);
    }
}

/// A cookie's name tells which flow it is and when it left.
fn cookie_name(state: &str, now: UnixTime) -> String {
    format!("{PREFIX}{:010x}{}", now.0, suffix(state))
}

fn suffix(state: &str) -> String {
    let mut digest = Digest::of(state).to_text();
    digest.truncate(12);
    format!("-{digest}")
}

/// The names of the flows that a browser is away on, without their chunks.
fn pending(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = shared::cookie::all(headers)
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, _)| jar::base(name).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names.into_iter()
}

fn forget_oldest(asked: &HeaderMap, answered: &mut HeaderMap) {
    let names: Vec<_> = pending(asked).collect();
    let surplus = (names.len() + 1).saturating_sub(MOST_PENDING);
    for name in names.iter().take(surplus) {
        jar::delete(answered, asked, name);
    }
}
