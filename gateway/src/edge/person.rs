//! The `Person` object: the sessions of one person in one row, sealed. Reads, steps and writes
//! without an opinion; the opinions are in [`crate::person`].

use super::row::Row;
use super::session::Objects;
use crate::config::Config;
use crate::person::{Answer, Command, Name, People, Person as State};
use crate::session::Lost;
use js_sys::Promise;
use shared::edge::object::{Failed, Step};
use shared::edge::{self, entry, object};
use shared::time::UnixTime;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::worker_sys::DurableObjectState;
use worker::{Env, Result, ScheduledTime};

/// The binding of the objects.
const BINDING: &str = "PERSON";
/// How long an object waits that cannot look what it keeps, in seconds.
const PAUSE: u64 = 3600;

/// The sessions of one person.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Person {
    object: Rc<Instance>,
    step: Step,
}

#[derive(Debug)]
struct Instance {
    /// None when the settings cannot be used: then nobody is signed in (GC-18).
    row: Option<Row<State>>,
    state: worker::State,
}

#[wasm_bindgen]
impl Person {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: &Env) -> Self {
        let state = worker::State::from(state);
        let config = Config::read(|name| edge::setting(env, name)).ok();
        let names = ("person", "person row");
        let row = config.map(|config| Row::new(&state, config.keys, names, State::default));
        let object = Rc::new(Instance { row, state });
        let instance = Rc::clone(&object);
        let step = object::step(move |text| {
            let instance = Rc::clone(&instance);
            async move { instance.obey(&text).await }
        });
        Self { object, step }
    }

    /// Obeys one command.
    pub fn fetch(&self, request: &Request) -> Promise {
        object::obey(request, &self.step)
    }

    /// What was there has had its time, or most of it.
    ///
    /// # Errors
    /// When storage failed; the runtime rings again.
    pub fn alarm(&self) -> std::result::Result<JsValue, JsValue> {
        let object = Rc::clone(&self.object);
        entry::run(async move {
            object.tidy(edge::now()).await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Instance {
    async fn obey(&self, text: &str) -> std::result::Result<String, Failed> {
        let (_, text) = object::asked(text);
        let row = self.row.as_ref().ok_or_else(|| Failed::from("settings"))?;
        let (command, now): (Command, UnixTime) = serde_json::from_str(text)?;
        let before = row.load()?.unwrap_or_default();
        let (after, answer) = before.clone().obey(command, now);
        if after != before {
            row.save(&after)?;
            if let Some(until) = after.until() {
                self.ring_at(until).await?;
            }
        }
        object::answer(&answer)
    }

    async fn tidy(&self, now: UnixTime) -> Result<()> {
        // With settings that cannot be used it is not known what is there; they will be mended.
        let Some(row) = &self.row else { return self.ring_at(now.plus(PAUSE)).await };
        let left = row.load()?.and_then(|person| person.until());
        if let Some(until) = left.filter(|until| now < *until) {
            return self.ring_at(until).await;
        }
        row.forget();
        self.state.storage().delete_all().await
    }

    async fn ring_at(&self, until: UnixTime) -> Result<()> {
        let seconds = until.since(edge::now()).saturating_add(60);
        let after = ScheduledTime::from(Duration::from_secs(seconds));
        self.state.storage().set_alarm(after).await
    }
}

impl People for Objects {
    async fn ask(
        &self,
        name: Name,
        command: Command,
        now: UnixTime,
    ) -> std::result::Result<Answer, Lost> {
        let command = (command, now);
        let answer = object::ask(&self.0, BINDING, &name.to_string(), "person", &command).await;
        answer.map_err(|Failed(error)| {
            worker::console_error!("a person's object did not answer: {error}");
            Lost
        })
    }
}
