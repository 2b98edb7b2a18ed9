//! The `Account` object: obeys one command at a time, and rings when clients are to be told.

use super::objects::one;
use super::rows::{At, Sqlite};
use super::{deployment, idp, write_down};
use crate::account::Account as Steps;
use crate::back_channel;
use crate::rows::Unavailable;
use js_sys::Promise;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::edge::object::{Failed, Step, asked, obey, step};
use shared::edge::{entry, now, rng};
use shared::time::UnixTime;
use std::future::ready;
use std::rc::Rc;
use uuid::Uuid;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::Env;

/// One person.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Account {
    storage: Rc<Sqlite>,
    env: Env,
    step: Step,
}

#[wasm_bindgen]
impl Account {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &JsValue, env: Env) -> Self {
        let storage = Rc::new(Sqlite::of(state));
        let (ours, theirs) = (Rc::clone(&storage), env.clone());
        let step = step(move |text| ready(account(&ours, &theirs, &text)));
        Self { storage, env, step }
    }

    /// Obeys one command.
    pub fn fetch(&self, request: &Request) -> Promise {
        obey(request, &self.step)
    }

    /// Tells clients that somebody has signed out.
    ///
    /// # Errors
    /// When storage failed; the runtime rings again.
    pub fn alarm(&self) -> Result<JsValue, JsValue> {
        let (storage, env) = (Rc::clone(&self.storage), self.env.clone());
        entry::run(async move {
            ring(&storage, &env).await.map_err(|Failed(error)| JsValue::from_str(&error))?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

async fn ring(storage: &Sqlite, env: &Env) -> Result<(), Failed> {
    let now = now();
    let deployment = deployment(env)?;
    let mut rng = rng().map_err(|_| Failed::from("no randomness"))?;
    let idp = idp(&deployment, env, &mut rng);
    let events = back_channel::ring(&idp, &storage.at(now), now, &mut rng).await;
    for event in events.map_err(|Unavailable| Failed::from("storage"))? {
        write_down(&idp.correlation_id, &event);
    }
    Ok(())
}

fn account(storage: &Sqlite, env: &Env, text: &str) -> Result<String, Failed> {
    let (function, text) = asked(text);
    let deployment = deployment(env)?;
    let config = &deployment.config;
    match function {
        "sign_in" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.sign_in(command, now)
        }),
        "proceed" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.proceed(command, now)
        }),
        "redeem" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.redeem(&command, now)
        }),
        "rotate" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.rotate(&command, now)
        }),
        "revoke" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.revoke(&command, now)
        }),
        "introspect" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.introspect(&command, now)
        }),
        "userinfo" => of(storage, text, |id, rows, grant, now| {
            Steps { rows, config, id }.userinfo(grant, now)
        }),
        "sign_out" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.sign_out(&command, now)
        }),
        "end_upstream" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.end_upstream(&command, now)
        }),
        "own" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.own(&command, now)
        }),
        "list" => of(storage, text, |id, rows, command, now| {
            Steps { rows, config, id }.list(command, now)
        }),
        "alike" => {
            of(storage, text, |id, rows, command, _| Steps { rows, config, id }.alike(&command))
        }
        _ => Err(Failed::from("no such function")),
    }
}

/// Obeys one command, which says of which account it is: an object does not know its own name on
/// every version of the runtime.
fn of<C: DeserializeOwned, A: Serialize>(
    storage: &Sqlite,
    text: &str,
    step: impl FnOnce(Uuid, &At<'_>, C, UnixTime) -> Result<A, Unavailable>,
) -> Result<String, Failed> {
    one(storage, text, |rows, (id, command), now| step(id, rows, command, now))
}
