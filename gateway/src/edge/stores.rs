//! The store of the configured mode, as one request sees it.

use super::behind::Behind;
use super::kv::Namespace;
use super::postgres::Postgres;
use super::session::Objects;
use crate::config::{Config, Mode};
use crate::person::{Answer, Command, Name, People};
use crate::session::bell::Belled;
use crate::session::cached::{Cached, Written};
use crate::session::contended::Contended;
use crate::session::driver::{Provided, Visited};
use crate::session::neon::Neon;
use crate::session::parties::Parties;
use crate::session::sql::{Database, Table, Trouble};
use crate::session::state::further::Aim;
use crate::session::state::{Farewell, Live};
use crate::session::together::{Board, Together};
use crate::session::{Lost, Sessions};
use rand_chacha::ChaCha20Rng;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::{rng, setting};
use shared::secret::Digest;
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;
use wasm_bindgen::JsValue;
use worker::Env;

/// The optional binding of Hyperdrive.
const HYPERDRIVE: &str = "HYPERDRIVE";

/// A setting. The database is Hyperdrive's, where that is bound.
#[must_use]
pub fn settings(env: &Env, name: &str) -> Option<String> {
    let hyperdrive = if name == "DATABASE_URL" { hyperdrive(env) } else { None };
    hyperdrive.or_else(|| setting(env, name))
}

fn hyperdrive(env: &Env) -> Option<String> {
    let bound = js_sys::Reflect::get(env.as_ref(), &HYPERDRIVE.into()).ok();
    let bound = bound.filter(JsValue::is_object)?;
    js_sys::Reflect::get(&bound, &"connectionString".into()).ok()?.as_string()
}

/// A database, whichever way there is to it.
#[derive(Debug)]
pub enum Either {
    /// By its own protocol.
    Postgres(Postgres),
    /// By HTTP.
    Neon(Neon<Outbound>),
}

impl Database for Either {
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        match self {
            Self::Postgres(database) => database.run(statement, parameters).await,
            Self::Neon(database) => database.run(statement, parameters).await,
        }
    }
}

/// The table of sessions, where the settings name a database. What goes on when a statement was
/// answered runs `behind` the request.
#[must_use]
pub fn table(config: &Config, behind: Behind) -> Option<Table<Either>> {
    let url = config.database.as_ref()?;
    let database = match &url.http {
        Some(way) => Either::Neon(Neon::new(way.clone(), Outbound::default())),
        None => Either::Postgres(Postgres::new(url, behind)),
    };
    Some(Table::new(database, config.keys.clone()))
}

/// What the requests of one isolate know of the store.
#[derive(Debug, Default)]
pub struct Known {
    /// Where copies are.
    written: Rc<Written>,
    /// Where there is a table.
    board: Rc<Board>,
}

type Shelf = Belled<Together<Table<Either>, Behind>, Objects, Behind>;
type InTable = Contended<Shelf, Behind, ChaCha20Rng, Outbound, WebCrypto, Objects>;

/// Where sessions are.
#[derive(Debug)]
pub enum Stores {
    /// Each in an object.
    Objects(Objects),
    /// Each in an object, with copies.
    Copies(Cached<Objects, Namespace, Behind>),
    /// All in one table.
    Table(InTable),
}

impl Stores {
    /// The store that the settings name; none when the platform gives no randomness.
    #[must_use]
    pub fn of(
        config: &Config,
        parties: &Rc<Parties<Outbound, WebCrypto>>,
        known: &Known,
        env: Env,
        behind: Behind,
    ) -> Option<Self> {
        if config.mode == Mode::Kv {
            let (objects, copies) = (Objects(env.clone()), Namespace(env));
            let cached = Cached::new(objects, copies, behind, config, Rc::clone(&known.written));
            return Some(Self::Copies(cached));
        }
        let Some(table) = table(config, behind.clone()) else {
            return Some(Self::Objects(Objects(env)));
        };
        let table = Together::new(table, behind.clone(), Rc::clone(&known.board));
        let table = Belled::new(table, Objects(env.clone()), behind.clone());
        Some(Self::Table(Contended::new(
            table,
            behind,
            rng().ok()?,
            Rc::clone(parties),
            Objects(env),
        )))
    }
}

impl Sessions for Stores {
    async fn open(&self, id: Uuid, live: Live) -> Result<bool, Lost> {
        match self {
            Self::Objects(objects) => objects.open(id, live).await,
            Self::Copies(cached) => cached.open(id, live).await,
            Self::Table(table) => table.open(id, live).await,
        }
    }

    async fn visit(
        &self,
        id: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        match self {
            Self::Objects(objects) => objects.visit(id, secret, jitter, now).await,
            Self::Copies(cached) => cached.visit(id, secret, jitter, now).await,
            Self::Table(table) => table.visit(id, secret, jitter, now).await,
        }
    }

    async fn visit_for(
        &self,
        id: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        match self {
            Self::Objects(objects) => objects.visit_for(id, secret, aim, jitter, now).await,
            Self::Copies(cached) => cached.visit_for(id, secret, aim, jitter, now).await,
            Self::Table(table) => table.visit_for(id, secret, aim, jitter, now).await,
        }
    }

    async fn close(
        &self,
        id: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        match self {
            Self::Objects(objects) => objects.close(id, secret, now).await,
            Self::Copies(cached) => cached.close(id, secret, now).await,
            Self::Table(table) => table.close(id, secret, now).await,
        }
    }
    async fn end(&self, id: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        match self {
            Self::Objects(objects) => objects.end(id, until, now).await,
            Self::Copies(cached) => cached.end(id, until, now).await,
            Self::Table(table) => table.end(id, until, now).await,
        }
    }

    async fn seen(&self, id: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        match self {
            Self::Objects(objects) => objects.seen(id, now).await,
            Self::Copies(cached) => cached.seen(id, now).await,
            Self::Table(table) => table.seen(id, now).await,
        }
    }
}

impl People for Stores {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        match self {
            Self::Objects(objects) => objects.ask(name, command, now).await,
            Self::Copies(cached) => cached.ask(name, command, now).await,
            Self::Table(table) => table.ask(name, command, now).await,
        }
    }
}
