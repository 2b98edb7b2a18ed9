//! Clients that were registered at run time: the object that keeps them, and what an isolate
//! remembers of them, so that a request of such a client costs no request to the registry.

use super::objects::one;
use super::rows::Sqlite;
use crate::registry::{self, Id, Row};
use js_sys::Promise;
use shared::edge::object::{Failed, Step, asked, obey, step};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::ready;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

/// How many registrations an isolate remembers.
const MOST_KNOWN: usize = 256;

thread_local! {
    /// Each with the time when it was read. Who is not there is not remembered.
    static KNOWN: RefCell<HashMap<Id, (Row, UnixTime)>> = RefCell::default();
}

/// A registration that was read no more than `at_most` seconds ago.
pub(super) fn known(id: &Id, at_most: u64, now: UnixTime) -> Option<Row> {
    KNOWN.with_borrow(|known| {
        let (row, read_at) = known.get(id)?;
        // A clock that has jumped back knows nothing.
        (now >= *read_at && now.since(*read_at) < at_most).then(|| row.clone())
    })
}

/// Remembers one that has just been read.
pub(super) fn remember(id: &Id, row: &Row, now: UnixTime) {
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(id.clone(), (row.clone(), now));
    });
}

/// Forgets one that is about to be another.
pub(super) fn forget(id: &Id) {
    KNOWN.with_borrow_mut(|known| known.remove(id));
}

/// One shard of the clients that were registered at run time.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Registry(Step);

#[wasm_bindgen]
impl Registry {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &JsValue) -> Self {
        let storage = Sqlite::of(state);
        Self(step(move |text| {
            let (function, text) = asked(&text);
            ready(match function {
                "register" => one(&storage, text, |rows, (id, row): (Id, Row), _| {
                    registry::register(rows, &id, &row)
                }),
                "registered" => {
                    one(&storage, text, |rows, id: Id, now| registry::registered(rows, &id, now))
                }
                "revise" => one(&storage, text, |rows, (id, registration): (Id, _), now| {
                    registry::revise(rows, &id, registration, now)
                }),
                "unregister" => {
                    one(&storage, text, |rows, id: Id, now| registry::unregister(rows, &id, now))
                }
                _ => Err(Failed::from("no such function")),
            })
        }))
    }

    /// Obeys one command.
    pub fn fetch(&self, request: &Request) -> Promise {
        obey(request, &self.0)
    }
}
