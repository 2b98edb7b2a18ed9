//! The objects, on both sides: stubs that send commands, and Durable Objects that obey them one at
//! a time.

use super::deployment;
use super::rows::{Sqlite, prepare};
use crate::account::{
    Account as Steps, Proceed, Proceeded, Redeem, Revoke, Rotate, Rotated, SignIn, SignOut,
};
use crate::brake::Attempt;
use crate::grant::Redeemed;
use crate::platform::Objects;
use crate::rows::Unavailable;
use crate::{directory, ledger};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::edge::object::{answer, ask, asked, failure};
use shared::time::UnixTime;
use uuid::Uuid;
use worker::{
    DurableObject, Env, Request, Response, SqlStorage, State, durable_object, wasm_bindgen,
};

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
        let failed = |error| {
            worker::console_error!("{binding} did not do {function}: {error}");
            Unavailable
        };
        let namespace = self.env.durable_object(binding).map_err(failed)?;
        ask(&namespace, object, function, &Sent { command, now }).await.map_err(failed)
    }

    async fn account<A: DeserializeOwned>(
        &self,
        account: Uuid,
        function: &str,
        command: impl Serialize,
        now: UnixTime,
    ) -> Result<A, Unavailable> {
        self.send("ACCOUNT", &account.to_string(), function, command, now).await
    }
}

impl Objects for Stubs {
    async fn sign_in(&self, to: Uuid, command: SignIn, now: UnixTime) -> Result<Uuid, Unavailable> {
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

    async fn userinfo(
        &self,
        to: Uuid,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<Map<String, Value>>, Unavailable> {
        self.account(to, "userinfo", grant, now).await
    }

    async fn sign_out(
        &self,
        to: Uuid,
        command: SignOut,
        now: UnixTime,
    ) -> Result<bool, Unavailable> {
        self.account(to, "sign_out", command, now).await
    }

    async fn claim(&self, entry: directory::Entry, fresh: Uuid) -> Result<Uuid, Unavailable> {
        let shard = format!("shard-{}", entry.shard());
        self.send("DIRECTORY", &shard, "claim", (entry, fresh), UnixTime::default()).await
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
}

/// Obeys one command: reads it, steps, and answers with what came of it.
fn obey<C: DeserializeOwned, A: Serialize>(
    sql: &SqlStorage,
    text: &str,
    step: impl FnOnce(&Sqlite, C, UnixTime) -> Result<A, Unavailable>,
) -> worker::Result<Response> {
    let Sent { command, now } = serde_json::from_str(text)?;
    match step(&Sqlite::new(sql.clone(), now), command, now) {
        Ok(done) => answer(&done),
        Err(Unavailable) => failure(),
    }
}

/// One person.
#[durable_object]
#[derive(Debug)]
pub struct Account {
    sql: SqlStorage,
    env: Env,
}

impl DurableObject for Account {
    fn new(state: State, env: Env) -> Self {
        Self { sql: state.storage().sql(), env }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let (function, text) = asked(&mut request).await?;
        prepare(&self.sql)?;
        let deployment = deployment(&self.env).map_err(worker::Error::from)?;
        let config = &deployment.config;
        let sql = &self.sql;
        match function.as_str() {
            "sign_in" => {
                obey(sql, &text, |rows, command, now| Steps { rows, config }.sign_in(command, now))
            }
            "proceed" => {
                obey(sql, &text, |rows, command, now| Steps { rows, config }.proceed(command, now))
            }
            "redeem" => {
                obey(sql, &text, |rows, command, now| Steps { rows, config }.redeem(&command, now))
            }
            "rotate" => {
                obey(sql, &text, |rows, command, now| Steps { rows, config }.rotate(&command, now))
            }
            "revoke" => {
                obey(sql, &text, |rows, command, now| Steps { rows, config }.revoke(&command, now))
            }
            "userinfo" => {
                obey(sql, &text, |rows, grant, now| Steps { rows, config }.userinfo(grant, now))
            }
            "sign_out" => obey(sql, &text, |rows, command, now| {
                Steps { rows, config }.sign_out(&command, now)
            }),
            _ => failure(),
        }
    }
}

/// One shard of who has which account.
#[durable_object]
#[derive(Debug)]
pub struct Directory {
    sql: SqlStorage,
}

impl DurableObject for Directory {
    fn new(state: State, _: Env) -> Self {
        Self { sql: state.storage().sql() }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let (function, text) = asked(&mut request).await?;
        prepare(&self.sql)?;
        match function.as_str() {
            "claim" => obey(&self.sql, &text, |rows, (entry, fresh), _| {
                directory::claim(rows, &entry, fresh)
            }),
            _ => failure(),
        }
    }
}

/// One shard of what is counted and what is used up.
#[durable_object]
#[derive(Debug)]
pub struct Ledger {
    sql: SqlStorage,
}

impl DurableObject for Ledger {
    fn new(state: State, _: Env) -> Self {
        Self { sql: state.storage().sql() }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let (function, text) = asked(&mut request).await?;
        prepare(&self.sql)?;
        match function.as_str() {
            "attempt" => {
                obey(&self.sql, &text, |rows, entry, now| ledger::attempt(rows, &entry, now))
            }
            "succeeded" => {
                obey(&self.sql, &text, |rows, entry, now| ledger::succeeded(rows, &entry, now))
            }
            "spend" => {
                obey(&self.sql, &text, |rows, (entry, until), _| ledger::spend(rows, &entry, until))
            }
            _ => failure(),
        }
    }
}
