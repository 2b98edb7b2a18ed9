//! Rows in the `SQLite` of a Durable Object. `exec` is synchronous, so nothing comes between a read
//! and the write that follows it.

use crate::rows::{Rows, Table, Unavailable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::time::UnixTime;
use worker::SqlStorage;

/// How many rows that nobody misses are removed with each write, so that the table stays as large
/// as what is alive (PL-21).
const SWEEP: &str = "DELETE FROM entry WHERE rowid IN \
                     (SELECT rowid FROM entry WHERE until < ? ORDER BY until LIMIT 16)";

/// One object's storage.
#[derive(Debug)]
pub(super) struct Sqlite {
    sql: SqlStorage,
    now: UnixTime,
}

#[derive(Deserialize)]
struct Entry {
    json: String,
}

/// Makes the table of an object that has none yet.
pub(super) fn prepare(sql: &SqlStorage) -> worker::Result<()> {
    sql.exec(
        "CREATE TABLE IF NOT EXISTS entry (kind TEXT NOT NULL, name TEXT NOT NULL, \
         json TEXT NOT NULL, until INTEGER, PRIMARY KEY (kind, name)); \
         CREATE INDEX IF NOT EXISTS entry_until ON entry (until) WHERE until IS NOT NULL",
        None,
    )?;
    Ok(())
}

impl Sqlite {
    /// The storage behind `sql`, at `now`.
    pub(super) fn new(sql: SqlStorage, now: UnixTime) -> Self {
        Self { sql, now }
    }

    fn read<T: DeserializeOwned>(&self, table: Table, key: &str) -> worker::Result<Option<T>> {
        let cursor = self.sql.exec(
            "SELECT json FROM entry WHERE kind = ? AND name = ?",
            vec![table.name().into(), key.into()],
        )?;
        let entries: Vec<Entry> = cursor.to_array()?;
        let entry = entries.into_iter().next();
        entry.map(|entry| Ok(serde_json::from_str(&entry.json)?)).transpose()
    }

    fn write(
        &self,
        table: Table,
        key: &str,
        json: String,
        until: Option<UnixTime>,
    ) -> worker::Result<()> {
        // Seconds of this millennium are far below 2^53.
        let time = |time: UnixTime| i64::try_from(time.0).unwrap_or(i64::MAX).min(1 << 52);
        let until = match until {
            None => worker::SqlStorageValue::Null,
            Some(until) => worker::SqlStorageValue::Integer(time(until)),
        };
        let now = worker::SqlStorageValue::Integer(time(self.now));
        self.sql.exec(
            "INSERT INTO entry (kind, name, json, until) VALUES (?, ?, ?, ?) \
             ON CONFLICT (kind, name) DO UPDATE SET json = excluded.json, until = excluded.until",
            vec![table.name().into(), key.into(), json.into(), until],
        )?;
        self.sql.exec(SWEEP, vec![now])?;
        Ok(())
    }
}

impl Rows for Sqlite {
    fn load<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Unavailable> {
        self.read(table, key).map_err(|error| {
            worker::console_error!("a {} row could not be read: {error}", table.name());
            Unavailable
        })
    }

    fn save(
        &self,
        table: Table,
        key: &str,
        row: &impl Serialize,
        until: Option<UnixTime>,
    ) -> Result<(), Unavailable> {
        let json = serde_json::to_string(row).map_err(|_| Unavailable)?;
        self.write(table, key, json, until).map_err(|error| {
            worker::console_error!("a {} row could not be written: {error}", table.name());
            Unavailable
        })
    }
}
