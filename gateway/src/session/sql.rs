//! The shelf in PostgreSQL: one row a session, one statement a call. How a statement gets there and
//! its rows come back is somebody else's, who has no opinion.

use super::Lost;
use super::contended::{Shelf, Shelves, Version};
use super::row;
use super::state::Session;
use shared::seal::SealingKeys;
use uuid::Uuid;

/// The table, as an operator may make it, and as it is made where it is missing.
pub const SCHEMA: &str = include_str!("../../schema.sql");

const LOAD: &str = "SELECT id::text, version::text, sealed FROM gatelatch_session \
    WHERE id = ANY ($1::uuid[])";
const INSERT: &str = "INSERT INTO gatelatch_session (id, version, sealed, until) \
    VALUES ($1::uuid, $2::bigint, $3, $4::bigint) ON CONFLICT (id) DO NOTHING RETURNING id::text";
const REPLACE: &str = "UPDATE gatelatch_session SET version = $3::bigint, sealed = $4 \
    WHERE id = $1::uuid AND version = $2::bigint RETURNING id::text";
/// A minute later, for clocks are not the same; a hundred at most, for somebody waits for the table.
const SWEEP: &str = "DELETE FROM gatelatch_session WHERE id IN (SELECT id FROM gatelatch_session \
    WHERE until < extract(epoch FROM now())::bigint - 60 LIMIT 100 FOR UPDATE SKIP LOCKED)";

/// A database that runs one statement at a time, each on its own.
pub trait Database {
    /// Runs `statement` with text parameters; its rows, of text that is never null.
    ///
    /// # Errors
    /// [`Trouble`].
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble>;
}

/// Why a statement came to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// There is no such table.
    NoTable,
    /// The database gave up one of two statements that were in each other's way; it was not done.
    Overtaken,
    /// Everything else. Perhaps it was done.
    Lost,
}

impl Trouble {
    /// What a `SQLSTATE` says.
    #[must_use]
    pub fn of(state: &str) -> Self {
        match state {
            "42P01" => Self::NoTable,
            "40001" | "40P01" => Self::Overtaken,
            _ => Self::Lost,
        }
    }
}

/// The table of sessions.
#[derive(Debug)]
pub struct Table<D> {
    database: D,
    keys: SealingKeys,
}

impl<D: Database> Table<D> {
    /// The table in `database`, whose rows are sealed under `keys`.
    #[must_use]
    pub fn new(database: D, keys: SealingKeys) -> Self {
        Self { database, keys }
    }

    /// Runs a statement, and makes the table when there is none.
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        let answer = self.database.run(statement, parameters).await;
        if answer != Err(Trouble::NoTable) {
            return answer;
        }
        for part in parts(SCHEMA) {
            // Two who make it at once are in each other's way, and then it is there all the same.
            let _ = self.database.run(part, &[]).await;
        }
        self.database.run(statement, parameters).await
    }
}

impl<D: Database> Shelves for Table<D> {
    async fn load_all(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, Session, Version)>, Lost> {
        let names: Vec<_> = ids.iter().map(Uuid::to_string).collect();
        let names = format!("{{{}}}", names.join(","));
        let rows = self.run(LOAD, &[&names]).await.map_err(|_| Lost)?;
        let read = |row: Vec<String>| {
            let [id, version, sealed] = row.try_into().ok()?;
            let version = Version(version.parse().ok()?);
            Some((id.parse().ok()?, row::open(&self.keys, &id, &sealed), version))
        };
        rows.into_iter().map(|row| read(row).ok_or(Lost)).collect()
    }
}

/// The statements of a file.
fn parts(file: &str) -> impl Iterator<Item = &str> {
    file.split(';').map(str::trim).filter(|part| !part.is_empty())
}

impl<D: Database> Shelf for Table<D> {
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        let found = self.load_all(&[id]).await?.pop();
        Ok(found.map(|(_, session, version)| (session, version)))
    }

    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        let (id, next, until) = (id.to_string(), next.0.to_string(), session.until().0.to_string());
        let sealed = row::seal(&self.keys, &id, session).ok_or(Lost)?;
        let rows = self.run(INSERT, &[&id, &next, &sealed, &until]).await.map_err(|_| Lost)?;
        Ok(!rows.is_empty())
    }

    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        let (id, seen, next) = (id.to_string(), seen.0.to_string(), next.0.to_string());
        let sealed = row::seal(&self.keys, &id, session).ok_or(Lost)?;
        match self.run(REPLACE, &[&id, &seen, &next, &sealed]).await {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(Trouble::Overtaken) => Ok(false),
            Err(Trouble::NoTable | Trouble::Lost) => Err(Lost),
        }
    }

    async fn sweep(&self) -> Result<(), Lost> {
        self.run(SWEEP, &[]).await.map(drop).map_err(|_| Lost)
    }
}
