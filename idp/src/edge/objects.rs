//! The objects, on both sides: stubs that send commands, and Durable Objects that obey them one at
//! a time.

use super::registry as memory;
use super::rows::{At, Sqlite};
use crate::account::{
    Alike, Alive, EndUpstream, Ended, Introspect, Listing, Overview, Own, Proceed, Proceeded,
    Redeem, Revoke, Rotate, Rotated, SignIn, SignOut, SignedIn, Told,
};
use crate::brake::Attempt;
use crate::directory::{Held, Whose};
use crate::grant::Redeemed;
use crate::platform::Objects;
use crate::proof::Means;
use crate::registration::Registration;
use crate::registry::{Id, Row};
use crate::rows::Unavailable;
use crate::{directory, ledger};
use js_sys::Promise;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::edge::object::{Failed, Step, answer, ask, asked, obey, step};
use shared::time::UnixTime;
use std::future::ready;
use uuid::Uuid;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::Env;

/// A command and the hour it was sent.
#[derive(Deserialize, Serialize)]
struct Sent<C> {
    command: C,
    now: UnixTime,
}

/// The Worker's side.
#[derive(Debug)]
pub(super) struct Stubs {
    env: Env,
}

impl Stubs {
    /// The objects of a deployment.
    pub(super) fn of(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    async fn send<A: DeserializeOwned>(
        &self,
        binding: &str,
        object: &str,
        function: &str,
        command: impl Serialize,
        now: UnixTime,
    ) -> Result<A, Unavailable> {
        let sent = Sent { command, now };
        ask(&self.env, binding, object, function, &sent).await.map_err(|Failed(error)| {
            worker::console_error!("{binding} did not do {function}: {error}");
            Unavailable
        })
    }

    async fn account<A: DeserializeOwned>(
        &self,
        account: Uuid,
        function: &str,
        command: impl Serialize,
        now: UnixTime,
    ) -> Result<A, Unavailable> {
        // Which account it is of goes with it.
        self.send("ACCOUNT", &account.to_string(), function, (account, command), now).await
    }

    async fn directory<A: DeserializeOwned>(
        &self,
        entry: &directory::Entry,
        function: &str,
        command: impl Serialize,
    ) -> Result<A, Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("DIRECTORY", &shard, function, command, UnixTime::default()).await
    }

    async fn registry<A: DeserializeOwned>(
        &self,
        id: &Id,
        function: &str,
        command: impl Serialize,
        now: UnixTime,
    ) -> Result<A, Unavailable> {
        let shard = format!("shard-{}", id.shard());
        self.send("REGISTRY", &shard, function, command, now).await
    }
}

impl Objects for Stubs {
    async fn sign_in(
        &self,
        to: Uuid,
        command: SignIn,
        now: UnixTime,
    ) -> Result<SignedIn, Unavailable> {
        self.account(to, "sign_in", command, now).await
    }

    async fn proceed(
        &self,
        to: Uuid,
        command: Proceed,
        now: UnixTime,
    ) -> Result<Proceeded, Unavailable> {
        self.account(to, "proceed", command, now).await
    }

    async fn redeem(
        &self,
        to: Uuid,
        command: Redeem,
        now: UnixTime,
    ) -> Result<Redeemed, Unavailable> {
        self.account(to, "redeem", command, now).await
    }

    async fn rotate(
        &self,
        to: Uuid,
        command: Rotate,
        now: UnixTime,
    ) -> Result<Rotated, Unavailable> {
        self.account(to, "rotate", command, now).await
    }

    async fn revoke(&self, to: Uuid, command: Revoke, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, "revoke", command, now).await
    }

    async fn introspect(
        &self,
        to: Uuid,
        command: Introspect,
        now: UnixTime,
    ) -> Result<Option<Alive>, Unavailable> {
        self.account(to, "introspect", command, now).await
    }

    async fn userinfo(
        &self,
        to: Uuid,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<Told>, Unavailable> {
        self.account(to, "userinfo", grant, now).await
    }

    async fn sign_out(
        &self,
        to: Uuid,
        command: SignOut,
        now: UnixTime,
    ) -> Result<Option<Means>, Unavailable> {
        self.account(to, "sign_out", command, now).await
    }

    async fn own(
        &self,
        to: Uuid,
        command: Own,
        now: UnixTime,
    ) -> Result<Option<Overview>, Unavailable> {
        self.account(to, "own", command, now).await
    }

    async fn list(&self, to: Uuid, command: Listing, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, "list", command, now).await
    }

    async fn alike(&self, to: Uuid, command: Alike, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, "alike", command, now).await
    }

    async fn end_upstream(
        &self,
        to: Uuid,
        command: EndUpstream,
        now: UnixTime,
    ) -> Result<Option<Ended>, Unavailable> {
        self.account(to, "end_upstream", command, now).await
    }

    async fn claim(&self, entry: directory::Entry, fresh: Uuid) -> Result<Held, Unavailable> {
        self.directory(&entry, "claim", (&entry, fresh)).await
    }

    async fn whose(&self, entry: directory::Entry) -> Result<Whose, Unavailable> {
        self.directory(&entry, "whose", &entry).await
    }

    async fn release(&self, entry: directory::Entry, meant: Held) -> Result<(), Unavailable> {
        self.directory(&entry, "release", (&entry, meant)).await
    }

    async fn seen(&self, entry: directory::Entry, account: Uuid) -> Result<(), Unavailable> {
        self.directory(&entry, "seen", (&entry, account)).await
    }

    async fn find(&self, entry: directory::Entry) -> Result<Option<Uuid>, Unavailable> {
        self.directory(&entry, "find", &entry).await
    }

    async fn note(
        &self,
        entry: directory::Entry,
        account: Uuid,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("DIRECTORY", &shard, "note", (entry, account, until), now).await
    }

    async fn attempt(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("LEDGER", &shard, "attempt", entry, now).await
    }

    async fn succeeded(&self, entry: ledger::Entry, now: UnixTime) -> Result<(), Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("LEDGER", &shard, "succeeded", entry, now).await
    }

    async fn spend(
        &self,
        entry: ledger::Entry,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("LEDGER", &shard, "spend", (entry, until), now).await
    }

    async fn draw(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("LEDGER", &shard, "draw", entry, now).await
    }

    async fn register(&self, id: &Id, row: Row) -> Result<(), Unavailable> {
        let now = row.issued_at;
        self.registry(id, "register", (id, row), now).await
    }

    async fn registered(
        &self,
        id: &Id,
        at_most: u64,
        now: UnixTime,
    ) -> Result<Option<Row>, Unavailable> {
        if let Some(row) = memory::known(id, at_most, now) {
            return Ok(Some(row));
        }
        let row: Option<Row> = self.registry(id, "registered", id, now).await?;
        match &row {
            Some(row) => memory::remember(id, row, now),
            None => memory::forget(id),
        }
        Ok(row)
    }

    async fn revise(
        &self,
        id: &Id,
        registration: Registration,
        now: UnixTime,
    ) -> Result<bool, Unavailable> {
        let revised = self.registry(id, "revise", (id, registration), now).await;
        memory::forget(id);
        revised
    }

    async fn unregister(&self, id: &Id, now: UnixTime) -> Result<bool, Unavailable> {
        let gone = self.registry(id, "unregister", id, now).await;
        memory::forget(id);
        gone
    }
}

/// Obeys one command: reads it, steps, and answers with what came of it.
pub(super) fn one<C: DeserializeOwned, A: Serialize>(
    storage: &Sqlite,
    text: &str,
    step: impl FnOnce(&At<'_>, C, UnixTime) -> Result<A, Unavailable>,
) -> Result<String, Failed> {
    let Sent { command, now } = serde_json::from_str(text)?;
    match step(&storage.at(now), command, now) {
        Ok(done) => answer(&done),
        Err(Unavailable) => Err(Failed::from("storage")),
    }
}

/// One shard of who has which account.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Directory(Step);

#[wasm_bindgen]
impl Directory {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &JsValue) -> Self {
        let storage = Sqlite::of(state);
        Self(step(move |text| {
            let (function, text) = asked(&text);
            ready(match function {
                "claim" => one(&storage, text, |rows, (entry, fresh), _| {
                    directory::claim(rows, &entry, fresh)
                }),
                "whose" => one(&storage, text, |rows, entry, _| directory::whose(rows, &entry)),
                "release" => one(&storage, text, |rows, (entry, meant), _| {
                    directory::release(rows, &entry, meant)
                }),
                "seen" => one(&storage, text, |rows, (entry, account), _| {
                    directory::seen(rows, &entry, account)
                }),
                "find" => one(&storage, text, |rows, entry, _| directory::find(rows, &entry)),
                "note" => one(&storage, text, |rows, (entry, account, until), _| {
                    directory::note(rows, &entry, account, until)
                }),
                _ => Err(Failed::from("no such function")),
            })
        }))
    }

    /// Obeys one command.
    pub fn fetch(&self, request: &Request) -> Promise {
        obey(request, &self.0)
    }
}

/// One shard of what is counted and what is used up.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Ledger(Step);

#[wasm_bindgen]
impl Ledger {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &JsValue) -> Self {
        let storage = Sqlite::of(state);
        Self(step(move |text| {
            let (function, text) = asked(&text);
            ready(match function {
                "attempt" => {
                    one(&storage, text, |rows, entry, now| ledger::attempt(rows, &entry, now))
                }
                "succeeded" => {
                    one(&storage, text, |rows, entry, now| ledger::succeeded(rows, &entry, now))
                }
                "spend" => one(&storage, text, |rows, (entry, until), _| {
                    ledger::spend(rows, &entry, until)
                }),
                "draw" => one(&storage, text, |rows, entry, now| ledger::draw(rows, &entry, now)),
                _ => Err(Failed::from("no such function")),
            })
        }))
    }

    /// Obeys one command.
    pub fn fetch(&self, request: &Request) -> Promise {
        obey(request, &self.0)
    }
}
