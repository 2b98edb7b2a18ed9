//! The one row of the one table of an object, sealed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::seal::{Purpose, SealingKeys};
use std::cell::{Cell, RefCell};
use worker::{Result, SqlStorage};

/// One value in the storage of one object.
#[derive(Debug)]
pub struct Row<T> {
    sql: SqlStorage,
    /// What the table is called, and what the row is sealed for.
    table: &'static str,
    purpose: &'static str,
    /// Bound into the seal, so that rows of two objects cannot be exchanged.
    name: String,
    keys: SealingKeys,
    /// What there is when a row does not open, because its key is gone.
    unreadable: fn() -> T,
    /// Whether this instance knows the table to be there.
    made: Cell<bool>,
    /// What was read or written last. There is one instance at a time, and nobody else writes; one
    /// whose writes are not committed is put away by the runtime.
    known: RefCell<Option<T>>,
}

impl<T: Clone + DeserializeOwned + Serialize> Row<T> {
    /// The row of the object whose state this is, in the table of this name, sealed for this purpose.
    #[must_use]
    pub fn new(
        state: &worker::State,
        keys: SealingKeys,
        (table, purpose): (&'static str, &'static str),
        unreadable: fn() -> T,
    ) -> Self {
        let (sql, name) = (state.storage().sql(), state.id().to_string());
        let (made, known) = (Cell::default(), RefCell::default());
        Self { sql, table, purpose, name, keys, unreadable, made, known }
    }

    /// What is there; none when nothing ever was. Creates nothing.
    ///
    /// # Errors
    /// When storage failed.
    pub fn load(&self) -> Result<Option<T>> {
        if let Some(known) = &*self.known.borrow() {
            return Ok(Some(known.clone()));
        }
        let read = self.read()?;
        self.known.borrow_mut().clone_from(&read);
        Ok(read)
    }

    /// Replaces what is there.
    ///
    /// # Errors
    /// When storage failed.
    pub fn save(&self, value: &T) -> Result<()> {
        // Forgotten first: after a write that failed, nothing is known.
        self.known.replace(None);
        self.write(value)?;
        self.known.replace(Some(value.clone()));
        Ok(())
    }

    /// The storage is about to be emptied.
    pub fn forget(&self) {
        self.made.set(false);
        self.known.replace(None);
    }

    fn purpose(&self) -> Purpose<'_> {
        Purpose::new(self.purpose, &self.name)
    }

    /// Looks without creating anything: a visit to an object that was never opened leaves it as
    /// empty as it was (GS-15).
    fn is_made(&self) -> Result<bool> {
        #[derive(Deserialize)]
        struct Table {
            #[expect(dead_code, reason = "that there is one is all there is to know")]
            name: String,
        }
        if !self.made.get() {
            let query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?";
            let tables: Vec<Table> = self.sql.exec(query, vec![self.table.into()])?.to_array()?;
            self.made.set(!tables.is_empty());
        }
        Ok(self.made.get())
    }

    fn read(&self) -> Result<Option<T>> {
        #[derive(Deserialize)]
        struct Sealed {
            sealed: String,
        }
        if !self.is_made()? {
            return Ok(None);
        }
        let query = format!("SELECT sealed FROM {} WHERE id = 1", self.table);
        let rows: Vec<Sealed> = self.sql.exec(&query, None)?.to_array()?;
        let Some(Sealed { sealed }) = rows.first() else { return Ok(None) };
        let plain = self.keys.open(self.purpose(), sealed);
        let value = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        Ok(Some(value.unwrap_or_else(self.unreadable)))
    }

    fn write(&self, value: &T) -> Result<()> {
        let table = self.table;
        if !self.is_made()? {
            let create =
                format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, sealed TEXT NOT NULL)");
            self.sql.exec(&create, None)?;
            self.made.set(true);
        }
        // The plain text holds what nobody can guess or, once it is over, nothing to hide.
        let sealed = self.keys.seal_the_same(self.purpose(), &serde_json::to_vec(value)?);
        let upsert = format!(
            "INSERT INTO {table} (id, sealed) VALUES (1, ?) \
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed"
        );
        self.sql.exec(&upsert, vec![sealed.into()])?;
        Ok(())
    }
}
