//! A session as a store keeps it: sealed, and bound to its place, so that rows cannot be exchanged.

use super::state::Session;
use shared::seal::{Purpose, SealingKeys};
use shared::time::UnixTime;

fn purpose(place: &str) -> Purpose<'_> {
    Purpose::new("session row", place)
}

/// The row of a session; none when it has no JSON form, which is a mistake of ours.
#[must_use]
pub fn seal(keys: &SealingKeys, place: &str, session: &Session) -> Option<String> {
    let plain = serde_json::to_vec(session).ok()?;
    // The plain text holds fresh secrets or, once it is over, nothing to hide.
    Some(keys.seal_the_same(purpose(place), &plain))
}

/// The session of a row. One that does not open was sealed under a key that is gone, or elsewhere:
/// that session is over.
#[must_use]
pub fn open(keys: &SealingKeys, place: &str, sealed: &str) -> Session {
    let plain = keys.open(purpose(place), sealed);
    let session = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
    session.unwrap_or(Session::Ended { until: UnixTime(0) })
}
