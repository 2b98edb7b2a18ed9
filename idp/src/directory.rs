//! What a `Directory` shard does: it knows which account an identity has, and whose the sessions of
//! upstreams are.

use crate::account::Identity;
use crate::rows::{Rows, Table, Unavailable};
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// How many shards there are. Never changes: an identity is in the shard its digest names.
pub const SHARDS: u8 = 16;

/// An identity, as the directory files it: a digest, which also names the shard.
#[derive(Clone, Debug, serde::Deserialize, Eq, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct Entry(String);

impl Entry {
    /// The entry of `identity`. The length of the first part keeps the two apart.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let Identity { upstream, subject } = identity;
        Self(Digest::of(format!("{}:{upstream}{subject}", upstream.len())).to_text())
    }

    /// The entry of a session of the upstream that we call `upstream`.
    #[must_use]
    pub fn of_session(upstream: &str, sid: &str) -> Self {
        Self(Digest::of(format!("session {}:{upstream}{sid}", upstream.len())).to_text())
    }

    /// The shard it is in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.0.bytes().next().unwrap_or_default() % SHARDS
    }
}

/// The account of an identity; `fresh` becomes it when it has none.
///
/// # Errors
/// [`Unavailable`]: nothing was acknowledged.
pub fn claim(rows: &impl Rows, entry: &Entry, fresh: Uuid) -> Result<Uuid, Unavailable> {
    if let Some(account) = rows.load(Table::Identity, &entry.0)? {
        return Ok(account);
    }
    rows.save(Table::Identity, &entry.0, &fresh, None)?;
    Ok(fresh)
}

/// The account of an identity, or of a session of an upstream.
///
/// # Errors
/// [`Unavailable`].
pub fn find(rows: &impl Rows, entry: &Entry) -> Result<Option<Uuid>, Unavailable> {
    rows.load(Table::Identity, &entry.0)
}

/// Notes whose a session of an upstream is, until nothing that began by it is left.
///
/// # Errors
/// [`Unavailable`].
pub fn note(
    rows: &impl Rows,
    entry: &Entry,
    account: Uuid,
    until: UnixTime,
) -> Result<(), Unavailable> {
    rows.save(Table::Identity, &entry.0, &account, Some(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(upstream: &str, subject: &str) -> Entry {
        Entry::of(&Identity { upstream: upstream.into(), subject: subject.into() })
    }

    #[test]
    fn fd_21_the_same_subject_of_two_upstreams_is_two_people() {
        assert_ne!(entry("https://a.test", "1"), entry("https://b.test", "1"));
        assert_ne!(entry("https://a.test", "/1"), entry("https://a.test/", "1"));
        assert_eq!(entry("https://a.test", "1"), entry("https://a.test", "1"));
        assert!(entry("a", "b").shard() < SHARDS);
        assert_ne!(Entry::of_session("a", "b"), entry("a", "b"));
        assert_ne!(Entry::of_session("a", "bc"), Entry::of_session("ab", "c"));
    }
}
