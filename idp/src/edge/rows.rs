//! Rows in the `SQLite` of a Durable Object. `exec` is synchronous, so nothing comes between a read
//! and the write that follows it.

use crate::rows::{Rows, Table, Unavailable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/src/edge/rows.js")]
extern "C" {
    fn open(state: &JsValue) -> JsValue;

    #[wasm_bindgen(catch, js_name = wake)]
    fn wake_at(state: &JsValue, milliseconds: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn prepare(sql: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn load(sql: &JsValue, kind: &str, name: &str) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch)]
    fn all(sql: &JsValue, kind: &str, now: f64) -> Result<Vec<String>, JsValue>;

    #[wasm_bindgen(catch)]
    fn remove(sql: &JsValue, kind: &str, name: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn save(
        sql: &JsValue,
        kind: &str,
        name: &str,
        json: &str,
        until: Option<f64>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn sweep(sql: &JsValue, from: Option<f64>, now: f64) -> Result<f64, JsValue>;
}

/// How many rows are written between two sweeps.
const WRITES_A_SWEEP: u32 = 16;

/// How many rows an instance keeps in memory.
const MOST_KNOWN: usize = 64;

/// One object's storage, and what its instance knows of it. There is one instance at a time and
/// nobody else writes, so what was read or written is what is there; an instance whose writes are
/// not committed is put away by the runtime, with all it knew.
#[derive(Debug)]
pub(super) struct Sqlite {
    state: JsValue,
    sql: JsValue,
    prepared: Cell<bool>,
    writes: Cell<u32>,
    swept: Cell<Option<f64>>,
    known: RefCell<HashMap<(&'static str, String), String>>,
}

/// The storage at the time of one command.
#[derive(Debug)]
pub(super) struct At<'s> {
    storage: &'s Sqlite,
    now: UnixTime,
}

impl Sqlite {
    /// The storage of the object whose state this is.
    pub(super) fn of(state: &JsValue) -> Self {
        Self {
            state: state.clone(),
            sql: open(state),
            prepared: Cell::default(),
            writes: Cell::default(),
            swept: Cell::default(),
            known: RefCell::default(),
        }
    }

    /// The storage, at `now`.
    pub(super) const fn at(&self, now: UnixTime) -> At<'_> {
        At { storage: self, now }
    }

    fn know(&self, place: (&'static str, String), json: String) {
        let mut known = self.known.borrow_mut();
        if known.len() == MOST_KNOWN {
            known.clear();
        }
        known.insert(place, json);
    }

    fn prepared(&self) -> Result<&JsValue, JsValue> {
        if !self.prepared.get() {
            prepare(&self.sql)?;
            self.prepared.set(true);
        }
        Ok(&self.sql)
    }
}

impl At<'_> {
    fn read(&self, table: Table, key: &str) -> Result<Option<String>, JsValue> {
        let Sqlite { known, .. } = self.storage;
        let place = (table.name(), key.to_owned());
        if let Some(json) = known.borrow().get(&place) {
            return Ok(Some(json.clone()));
        }
        let json = load(self.storage.prepared()?, table.name(), key)?;
        if let Some(json) = &json {
            self.storage.know(place, json.clone());
        }
        Ok(json)
    }

    fn write(
        &self,
        table: Table,
        key: &str,
        json: String,
        until: Option<UnixTime>,
    ) -> Result<(), JsValue> {
        let Sqlite { known, writes, swept, .. } = self.storage;
        let place = (table.name(), key.to_owned());
        // Forgotten first: after a write that failed, nothing is known.
        known.borrow_mut().remove(&place);
        let sql = self.storage.prepared()?;
        save(sql, table.name(), key, &json, until.map(seconds))?;
        self.storage.know(place, json);
        writes.set(writes.get().wrapping_add(1));
        if writes.get().is_multiple_of(WRITES_A_SWEEP) {
            // What was swept may still be known; nobody has to miss it yet.
            swept.set(Some(sweep(sql, swept.get(), seconds(self.now))?));
        }
        Ok(())
    }
}

/// Seconds of this millennium are far below 2^53, and later ones may be any of those.
#[expect(clippy::cast_precision_loss, reason = "bounded by 2^52")]
fn seconds(time: UnixTime) -> f64 {
    time.0.min(1 << 52) as f64
}

impl Rows for At<'_> {
    fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, Unavailable> {
        let failed = |error: String| {
            worker::console_error!("the {} rows could not be read: {error}", table.name());
            Unavailable
        };
        let found = self.storage.prepared();
        let found = found.and_then(|sql| all(sql, table.name(), seconds(self.now)));
        let found = found.map_err(|error| failed(format!("{error:?}")))?;
        let rows = found.chunks_exact(2).filter_map(|row| row.first().zip(row.last()));
        let read = rows.map(|(key, json)| Ok((key.clone(), serde_json::from_str(json)?)));
        read.collect::<Result<_, serde_json::Error>>().map_err(|error| failed(error.to_string()))
    }

    fn remove(&self, table: Table, key: &str) -> Result<(), Unavailable> {
        self.storage.known.borrow_mut().remove(&(table.name(), key.to_owned()));
        let removed = self.storage.prepared().and_then(|sql| remove(sql, table.name(), key));
        removed.map_err(|error| {
            worker::console_error!("a {} row could not be removed: {error:?}", table.name());
            Unavailable
        })
    }

    fn load<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Unavailable> {
        let failed = |error: String| {
            worker::console_error!("a {} row could not be read: {error}", table.name());
            Unavailable
        };
        let json = self.read(table, key).map_err(|error| failed(format!("{error:?}")))?;
        let row = json.map(|json| serde_json::from_str(&json));
        row.transpose().map_err(|error| failed(error.to_string()))
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
            worker::console_error!("a {} row could not be written: {error:?}", table.name());
            Unavailable
        })
    }

    fn wake(&self, at: UnixTime) -> Result<(), Unavailable> {
        wake_at(&self.storage.state, seconds(at) * 1000.0).map_err(|error| {
            worker::console_error!("the alarm could not be set: {error:?}");
            Unavailable
        })
    }
}
