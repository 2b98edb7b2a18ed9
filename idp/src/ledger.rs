//! What a `Ledger` shard does: it counts guesses, and remembers what may be used only once.

use crate::allowance::{Allowance, WHOLE_AGAIN};
use crate::brake::{Attempt, Brake, Bucket, QUIET};
use crate::known::Known;
use crate::rows::{Rows, Table, Unavailable};
use shared::seal::SealingKeys;
use shared::secret::Digest;
use shared::time::UnixTime;

/// How many shards there are.
pub const SHARDS: u8 = 16;

/// What a row is about: a keyed digest, which also names the shard.
#[derive(Clone, Debug, serde::Deserialize, Eq, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct Entry(String);

impl Entry {
    /// The brake of a name that somebody tries to sign in with.
    #[must_use]
    pub fn guess(username: &str, keys: &SealingKeys) -> Self {
        Self(format!("{:04x}", Bucket::of(username, keys).number()))
    }

    /// The brake of one browser that is known for a name.
    #[must_use]
    pub fn guess_of(known: &Known) -> Self {
        Self(Digest::of(format!("known browser {}", known.id)).to_text())
    }

    /// Something that may be used only once; `kind` keeps the kinds apart (AZ-32).
    #[must_use]
    pub fn single_use(kind: &'static str, id: &str) -> Self {
        Self(Digest::of(format!("{kind} {id}")).to_text())
    }

    /// How often somebody may register clients; `who` is a digest, or a name of ours.
    #[must_use]
    pub fn registrar(who: &str) -> Self {
        Self(Digest::of(format!("registrar {who}")).to_text())
    }

    /// The shard it is in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.0.bytes().fold(0_u8, u8::wrapping_add) % SHARDS
    }
}

/// Counts a guess before it is made.
///
/// # Errors
/// [`Unavailable`].
pub fn attempt(rows: &impl Rows, entry: &Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
    let brake: Option<Brake> = rows.load(Table::Brake, &entry.0)?;
    let (brake, attempt) = brake.unwrap_or_default().attempt(now);
    rows.save(Table::Brake, &entry.0, &brake, Some(now.plus(QUIET)))?;
    Ok(attempt)
}

/// The guess was right.
///
/// # Errors
/// [`Unavailable`].
pub fn succeeded(rows: &impl Rows, entry: &Entry, now: UnixTime) -> Result<(), Unavailable> {
    let brake: Option<Brake> = rows.load(Table::Brake, &entry.0)?;
    let brake = brake.unwrap_or_default().succeeded();
    rows.save(Table::Brake, &entry.0, &brake, Some(now.plus(QUIET)))
}

/// Uses something up; false when it had been. It is remembered until `until`, when it must have
/// stopped being good by itself.
///
/// # Errors
/// [`Unavailable`]: it is not used up.
pub fn spend(rows: &impl Rows, entry: &Entry, until: UnixTime) -> Result<bool, Unavailable> {
    if is_spent(rows, entry)? {
        return Ok(false);
    }
    rows.save(Table::Spent, &entry.0, &true, Some(until))?;
    Ok(true)
}

/// Whether something has been used up.
///
/// # Errors
/// [`Unavailable`].
pub fn is_spent(rows: &impl Rows, entry: &Entry) -> Result<bool, Unavailable> {
    Ok(rows.load::<bool>(Table::Spent, &entry.0)?.is_some())
}

/// Draws on an allowance.
///
/// # Errors
/// [`Unavailable`].
pub fn draw(rows: &impl Rows, entry: &Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
    let allowance: Option<Allowance> = rows.load(Table::Allowance, &entry.0)?;
    let (allowance, attempt) = allowance.unwrap_or_default().draw(now);
    rows.save(Table::Allowance, &entry.0, &allowance, Some(now.plus(WHOLE_AGAIN)))?;
    Ok(attempt)
}
