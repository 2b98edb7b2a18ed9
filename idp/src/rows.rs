//! What an object keeps: rows of JSON under a key, each with the time after which nobody misses it.
//!
//! Every call is synchronous, as `SQLite` is inside a Durable Object, so a function that loads, steps
//! and saves is atomic. The native implementation for tests is a map.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::time::UnixTime;

/// What a row is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Table {
    /// The person, in an account. One row.
    Profile,
    /// Sign-in sessions of an account.
    Session,
    /// Grants of an account.
    Grant,
    /// What the person of an account has agreed to, by client.
    Consent,
    /// In an account: pages that asked the person and were answered, by the grant they made.
    Answered,
    /// Of an account: what upstreams are asked with about their sessions.
    Upstream,
    /// Of an account: ended sessions whose clients have still to be told.
    Farewell,
    /// Of an account: the identities by which its person signs in.
    Way,
    /// In a directory shard: which account an identity has, or a session of an upstream.
    Identity,
    /// In a ledger shard: guesses at a password.
    Brake,
    /// In a ledger shard, or in an account that it is about: what may be used only once, and was.
    Spent,
    /// In a ledger shard: how often somebody may do something.
    Allowance,
    /// In a registry shard: clients that were registered at run time.
    Client,
    /// In the key ring. One row.
    Ring,
}

impl Table {
    /// The name in the database; never changes once written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Session => "session",
            Self::Grant => "grant",
            Self::Consent => "consent",
            Self::Answered => "answered",
            Self::Upstream => "upstream",
            Self::Farewell => "farewell",
            Self::Way => "way",
            Self::Identity => "identity",
            Self::Brake => "brake",
            Self::Spent => "spent",
            Self::Allowance => "allowance",
            Self::Client => "client",
            Self::Ring => "ring",
        }
    }
}

/// The object did not answer, or its storage did not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unavailable;

/// An object's storage.
pub trait Rows {
    /// All rows of a table whose time has not come, with their keys; in no order.
    ///
    /// # Errors
    /// [`Unavailable`] when storage failed or holds what this version cannot read.
    fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, Unavailable>;

    /// Removes the row under `key`, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`] when it may still be there.
    fn remove(&self, table: Table, key: &str) -> Result<(), Unavailable>;

    /// The row under `key`.
    ///
    /// # Errors
    /// [`Unavailable`] when storage failed or holds what this version cannot read.
    fn load<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Unavailable>;

    /// Writes the row under `key`, to be kept at least until `until` (for ever when absent).
    ///
    /// # Errors
    /// [`Unavailable`] when it was not written.
    fn save(
        &self,
        table: Table,
        key: &str,
        row: &impl Serialize,
        until: Option<UnixTime>,
    ) -> Result<(), Unavailable>;

    /// Has the object's alarm ring at `at`, and at no other time: there is one.
    ///
    /// # Errors
    /// [`Unavailable`] when it may not ring.
    fn wake(&self, at: UnixTime) -> Result<(), Unavailable>;
}
