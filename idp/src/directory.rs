//! What a `Directory` shard does: it knows which account an identity has, whose the sessions of
//! upstreams are, and which account somebody of a certain e-mail address was last seen in.

use crate::account::Identity;
use crate::config::Address;
use crate::rows::{Rows, Table, Unavailable};
use serde::{Deserialize, Serialize};
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// How many shards there are. Never changes: an identity is in the shard its digest names.
pub const SHARDS: u8 = 16;

/// Stands for the account of an identity that was taken off one: it has none, and is not new.
const FREED: Uuid = Uuid::nil();

/// An identity, as the directory files it: a digest, which also names the shard.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Entry(String);

/// Whose an entry is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Whose {
    /// Nobody's, ever.
    New,
    /// Nobody's any more.
    Freed,
    /// This account's.
    Of(Uuid),
}

/// Who has an identity, and after how many others, or times that it was taken off: by that number what
/// is taken off now is told from what is added again meanwhile.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Held {
    /// The account.
    pub account: Uuid,
    /// How often it was given up before.
    pub round: u32,
}

/// What nobody has given up yet is the account alone, as sessions and addresses are.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Stored {
    First(Uuid),
    Later(Uuid, u32),
}

impl From<Stored> for Held {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::First(account) => Self { account, round: 0 },
            Stored::Later(account, round) => Self { account, round },
        }
    }
}

impl From<Held> for Stored {
    fn from(Held { account, round }: Held) -> Self {
        if round == 0 { Self::First(account) } else { Self::Later(account, round) }
    }
}

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

    /// The entry of an e-mail address: no identity's, because that begins with a number.
    #[must_use]
    pub fn of_address(address: &Address) -> Self {
        Self(Digest::of(format!("email:{}", address.as_str())).to_text())
    }

    /// An entry that a form names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(|digest| Self(digest.to_text()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard it is in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.0.bytes().next().unwrap_or_default() % SHARDS
    }
}

/// Whose an entry is.
///
/// # Errors
/// [`Unavailable`].
pub fn whose(rows: &impl Rows, entry: &Entry) -> Result<Whose, Unavailable> {
    Ok(match held(rows, entry)? {
        None => Whose::New,
        Some(Held { account: FREED, .. }) => Whose::Freed,
        Some(Held { account, .. }) => Whose::Of(account),
    })
}

fn held(rows: &impl Rows, entry: &Entry) -> Result<Option<Held>, Unavailable> {
    rows.load(Table::Identity, &entry.0)
}

/// Who has an identity; the account `fresh` does from now on when nobody did.
///
/// # Errors
/// [`Unavailable`]: nothing was acknowledged.
pub fn claim(rows: &impl Rows, entry: &Entry, fresh: Uuid) -> Result<Held, Unavailable> {
    let before = held(rows, entry)?;
    if let Some(held) = before.filter(|held| held.account != FREED) {
        return Ok(held);
    }
    let round = before.map_or(0, |freed| freed.round);
    let held = Held { account: fresh, round };
    rows.save(Table::Identity, &entry.0, &held, None)?;
    Ok(held)
}

/// Takes an identity off an account; one that is another's, or its own again since, stays as it is.
///
/// # Errors
/// [`Unavailable`]: it may still be the account's.
pub fn release(rows: &impl Rows, entry: &Entry, meant: Held) -> Result<(), Unavailable> {
    if held(rows, entry)? == Some(meant) {
        let freed = Held { account: FREED, round: meant.round.saturating_add(1) };
        rows.save(Table::Identity, &entry.0, &freed, None)?;
    }
    Ok(())
}

/// Takes down where somebody of an e-mail address was seen last. A hint and no more: whether they
/// are still somebody of that address, the account knows.
///
/// # Errors
/// [`Unavailable`].
pub fn seen(rows: &impl Rows, entry: &Entry, account: Uuid) -> Result<(), Unavailable> {
    if whose(rows, entry)? != Whose::Of(account) {
        rows.save(Table::Identity, &entry.0, &account, None)?;
    }
    Ok(())
}

/// The account of an identity, or of a session of an upstream.
///
/// # Errors
/// [`Unavailable`].
pub fn find(rows: &impl Rows, entry: &Entry) -> Result<Option<Uuid>, Unavailable> {
    Ok(match whose(rows, entry)? {
        Whose::Of(account) => Some(account),
        Whose::New | Whose::Freed => None,
    })
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

    #[test]
    fn what_was_written_before_there_were_rounds_is_the_first_and_later_ones_are_told_apart() {
        let account = Uuid::from_u128(7);
        for (round, json) in [(0, format!("\"{account}\"")), (3, format!("[\"{account}\",3]"))] {
            let held = Held { account, round };
            assert_eq!(serde_json::to_string(&held).unwrap(), json);
            assert_eq!(serde_json::from_str::<Held>(&json).unwrap(), held);
        }
    }

    #[test]
    fn an_address_is_nobodys_identity() {
        let address: Address = serde_json::from_str("\"a@corp.test\"").unwrap();
        let filed = Entry::of_address(&address);
        for (upstream, subject) in [("email", "a@corp.test"), ("", "email:a@corp.test")] {
            assert_ne!(filed, entry(upstream, subject));
        }
        assert_eq!(Entry::parse(filed.as_str()), Some(filed));
        for garbage in ["", "x", "../../x"] {
            assert_eq!(Entry::parse(garbage), None);
        }
    }
}
