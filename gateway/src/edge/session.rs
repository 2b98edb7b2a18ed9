//! The `Session` object: one browser session in one row, sealed. Reads, steps and writes without
//! an opinion; the opinions are in [`crate::session`].

use super::behind::Behind;
use super::row::Row;
use super::stores::{self, settings};
use crate::config::Config;
use crate::providers::binding;
use crate::session::bell::{Bell, Watch};
use crate::session::contended::Shelf;
use crate::session::driver::{Broken, Driver, PATIENCE_SECONDS, Provided, Spawn, Store, Visited};
use crate::session::parties::Parties;
use crate::session::sql::Table;
use crate::session::state::further::Aim;
use crate::session::state::{Farewell, Live, Session as State};
use crate::session::together::Together;
use crate::session::{Command, Lost, Sessions};
use http::StatusCode;
use serde::de::DeserializeOwned;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::object::{Failed, Step};
use shared::edge::{self, entry, object};
use shared::rp::discovery::Provider;
use shared::rp::entry::Registered;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use uuid::Uuid;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::worker_sys::DurableObjectState;
use worker::{Env, Result, ScheduledTime};

/// The binding of the objects.
const BINDING: &str = "SESSION";
/// The header of who wants to know when a session ends: a [`Watch`], as JSON.
const WATCH: &str = "x-watch";

/// How long to wait before a bell is rung, and rung again when nobody answered, in seconds.
const BELL_PAUSES: [u32; 3] = [0, 1, 3];

type Object = Driver<Watched, Background, Outbound, WebCrypto>;

/// One session.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Session {
    object: Rc<Instance>,
    step: Step,
}

#[wasm_bindgen(module = "/src/edge/stream.js")]
extern "C" {
    fn stand(state: &JsValue) -> JsValue;

    fn kept(watch: &JsValue, status: u16) -> JsValue;

    fn ring(state: &JsValue, certain: bool);
}

#[derive(Debug)]
struct Instance {
    /// None when the settings cannot be used: then nobody is signed in (GC-18).
    driver: Option<(Rc<Row<State>>, Rc<Object>)>,
    /// Where the session is, when that is not here: then this is its bell, and stores nothing.
    table: Option<Together<Table<stores::Either>, Behind>>,
    state: Rc<worker::State>,
    /// The same, as JavaScript has it.
    raw: JsValue,
}

#[wasm_bindgen]
impl Session {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: &Env) -> Self {
        let raw: JsValue = state.clone().into();
        let state = Rc::new(worker::State::from(state));
        let config = Config::read(|name| settings(env, name)).ok();
        let behind = || Behind::new(raw.clone());
        let table = config.as_ref().and_then(|config| stores::table(config, behind()));
        let table = table.map(|table| Together::new(table, behind(), Rc::default()));
        let driver = config.map(|config| {
            let parties = Rc::new(parties(&config, env));
            // A row that does not open was sealed under a key that is gone: that session is over.
            let over = || State::Ended { until: UnixTime(0) };
            let row = Rc::new(Row::new(&state, config.keys, ("session", "session row"), over));
            let background = Background(Rc::clone(&state));
            let store = Watched { row: Rc::clone(&row), raw: raw.clone() };
            (row, Driver::new(store, background, parties))
        });
        let object = Rc::new(Instance { driver, table, state, raw });
        let instance = Rc::clone(&object);
        let step = object::step(move |text| {
            let instance = Rc::clone(&instance);
            async move { instance.obey(&text).await }
        });
        Self { object, step }
    }

    /// Obeys one command; or, asked by a WebSocket, keeps that until the session ends.
    ///
    /// # Errors
    /// What the runtime throws.
    pub fn fetch(&self, request: &Request) -> std::result::Result<JsValue, JsValue> {
        let Some(watch) = request.headers().get(WATCH)? else {
            return Ok(object::obey(request, &self.step).into());
        };
        let object = Rc::clone(&self.object);
        entry::run(async move {
            // First the watch stands, then it is looked whether there is anything to watch: nothing
            // that is rung falls between the two.
            let standing = stand(&object.raw);
            let status = match object.goes_on(&watch).await {
                Ok(true) => StatusCode::SWITCHING_PROTOCOLS,
                Ok(false) => StatusCode::GONE,
                Err(Failed(_)) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Ok(kept(&standing, status.as_u16()))
        })
    }

    /// Whoever keeps a watch says nothing.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn message(&self) {}

    /// A watch is over.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn closed(&self) {}

    /// A watch is lost.
    #[wasm_bindgen(js_name = webSocketError)]
    pub fn lost(&self) {}

    /// The session, or what is left of it, is past its end.
    ///
    /// # Errors
    /// When storage failed; the runtime rings again.
    pub fn alarm(&self) -> std::result::Result<JsValue, JsValue> {
        let object = Rc::clone(&self.object);
        entry::run(async move {
            if let Some((row, _)) = &object.driver {
                row.forget();
            }
            ring(&object.raw, true);
            object.state.storage().delete_all().await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Instance {
    async fn obey(&self, text: &str) -> std::result::Result<String, Failed> {
        let (_, text) = object::asked(text);
        let (_, driver) = self.driver.as_ref().ok_or_else(|| Failed::from("settings"))?;
        let broken = |Broken| Failed::from("storage");
        match serde_json::from_str(text)? {
            Command::Open(live) => {
                let until = live.ends_at();
                let opened = driver.open(*live).map_err(broken)?;
                self.forget_at(until).await?;
                object::answer(&opened)
            }
            Command::Visit { secret, jitter, now } => {
                let patience = object::pause(PATIENCE_SECONDS);
                object::answer(&driver.visit(secret, jitter, now, patience).await)
            }
            Command::VisitFor { secret, aim, jitter, now } => {
                let patience = object::pause(PATIENCE_SECONDS);
                object::answer(&driver.visit_for(secret, &aim, jitter, now, patience).await)
            }
            Command::Close { secret, now } => {
                object::answer(&driver.close(secret, now).map_err(broken)?)
            }
            Command::End { until, now } => {
                driver.end(until, now).map_err(broken)?;
                self.forget_at(until).await?;
                object::answer(&())
            }
            Command::Seen { now } => object::answer(&driver.seen(now).map_err(broken)?),
            Command::Ring { certain } => {
                ring(&self.raw, certain);
                object::answer(&())
            }
        }
    }

    /// Whether the session goes on that somebody wants to watch.
    async fn goes_on(&self, watch: &str) -> std::result::Result<bool, Failed> {
        let (_, driver) = self.driver.as_ref().ok_or_else(|| Failed::from("settings"))?;
        let Watch { session, secret } = serde_json::from_str(watch)?;
        if let Some(table) = &self.table {
            let found = table.load(session).await.map_err(|Lost| Failed::from("database"))?;
            return Ok(found.is_some_and(|(session, _)| session.goes_on(secret, edge::now())));
        }
        driver.goes_on(secret, edge::now()).map_err(|Broken| Failed::from("storage"))
    }

    /// Empties the object when the session's end has passed.
    async fn forget_at(&self, until: UnixTime) -> Result<()> {
        let seconds = until.since(edge::now()).saturating_add(60);
        let after = ScheduledTime::from(Duration::from_secs(seconds));
        self.state.storage().set_alarm(after).await
    }
}

thread_local! {
    static PROVIDERS: RefCell<BTreeMap<String, Rc<Provider>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Us towards our providers. What this isolate remembers of each is shared by every request and every
/// object in it; the way to one is past the network where its Worker is bound to this one.
#[must_use]
pub fn parties(config: &Config, env: &Env) -> Parties<Outbound, WebCrypto> {
    Parties::new(config, |registered: &Registered| {
        let provider = PROVIDERS.with_borrow_mut(|known| {
            let fresh = || Rc::new(registered.provider());
            Rc::clone(known.entry(registered.id.clone()).or_insert_with(fresh))
        });
        let service = js_sys::Reflect::get(env, &binding(&registered.id).into()).ok();
        let service = service.filter(JsValue::is_object);
        (provider, Outbound::with_service(&registered.client.issuer, service), WebCrypto)
    })
}

/// Runs tasks past the end of their request.
#[derive(Debug)]
struct Background(Rc<worker::State>);

impl Spawn for Background {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.wait_until(task);
    }
}

/// The row, and those who want to know when it says that the session is over.
#[derive(Debug)]
struct Watched {
    row: Rc<Row<State>>,
    raw: JsValue,
}

impl Store for Watched {
    fn load(&self) -> std::result::Result<Option<State>, Broken> {
        self.row.load().map_err(|_| Broken)
    }

    fn save(&self, session: &State) -> std::result::Result<(), Broken> {
        self.row.save(session).map_err(|_| Broken)?;
        if matches!(session, State::Ended { .. }) {
            ring(&self.raw, true);
        }
        Ok(())
    }
}

/// The gateway's side: asks the objects.
#[derive(Debug)]
pub struct Objects(pub Env);

impl Objects {
    async fn ask<A: DeserializeOwned>(
        &self,
        object: Uuid,
        command: &Command,
    ) -> std::result::Result<A, Lost> {
        let name = object.to_string();
        object::ask(&self.0, BINDING, &name, "session", command).await.map_err(|Failed(error)| {
            worker::console_error!("a session's object did not answer: {error}");
            Lost
        })
    }
}

impl Bell for Objects {
    async fn ring(&self, session: Uuid, certain: bool) {
        let command = Command::Ring { certain };
        for pause in BELL_PAUSES {
            object::pause(pause).await;
            if self.ask(session, &command).await == Ok(()) {
                return;
            }
        }
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> std::result::Result<bool, Lost> {
        self.ask(object, &Command::Open(Box::new(live))).await
    }

    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> std::result::Result<Visited, Lost> {
        self.ask(object, &Command::Visit { secret, jitter, now }).await
    }

    async fn visit_for(
        &self,
        object: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> std::result::Result<Provided, Lost> {
        let aim = aim.clone();
        self.ask(object, &Command::VisitFor { secret, aim, jitter, now }).await
    }

    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> std::result::Result<Option<Farewell>, Lost> {
        self.ask(object, &Command::Close { secret, now }).await
    }

    async fn end(
        &self,
        object: Uuid,
        until: UnixTime,
        now: UnixTime,
    ) -> std::result::Result<(), Lost> {
        self.ask(object, &Command::End { until, now }).await
    }

    async fn seen(
        &self,
        object: Uuid,
        now: UnixTime,
    ) -> std::result::Result<Option<UnixTime>, Lost> {
        self.ask(object, &Command::Seen { now }).await
    }
}
