//! The rim: everything that knows it runs on workerd. It has no opinions about OAuth.

mod account;
mod keys;
mod objects;
mod own_key;
mod registry;
mod rows;

use crate::budget::Budget;
use crate::client_keys;
use crate::config::{Config, Upstream};
use crate::event::Event;
use crate::password::Passwords;
use crate::platform::Platform;
use crate::{Idp, ask, log};
use http::StatusCode;
use keys::RingKeys;
use objects::Stubs;
use rand_core::CryptoRng;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::message::{Unreadable, request_in, response_out};
use shared::edge::{entry, now, rng, setting};
use shared::fetch::{Request, Response};
use shared::respond;
use shared::rp::discovery::Provider;
use shared::secret::random_uuid;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

/// What one isolate knows for as long as it lives: settings, and public data of other parties.
/// Nothing of any request.
struct Deployment {
    config: Config,
    passwords: Passwords,
    budget: Budget,
    upstreams: Vec<Provider>,
    client_keys: client_keys::Cache,
}

thread_local! {
    static DEPLOYMENT: std::cell::RefCell<Option<Result<Rc<Deployment>, String>>> =
        const { std::cell::RefCell::new(None) };
}

/// Reads the settings once; a deployment whose settings are wrong answers with what is wrong.
fn deployment(env: &Env) -> Result<Rc<Deployment>, String> {
    let known = DEPLOYMENT.with_borrow(Clone::clone);
    known.unwrap_or_else(|| {
        let read = read(env);
        if let Err(problems) = &read {
            worker::console_error!("the settings cannot be used:\n{problems}");
        }
        DEPLOYMENT.with_borrow_mut(|known| *known = Some(read.clone()));
        read
    })
}

fn read(env: &Env) -> Result<Rc<Deployment>, String> {
    let config = Config::read(|name| setting(env, name)).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let accounts = config.accounts.iter();
    let accounts =
        accounts.map(|account| (account.username.as_str(), Some(account.password.as_str())));
    // The settings have been checked for everything that could be wrong here.
    let passwords =
        Passwords::new(accounts).map_err(|unusable| format!("ACCOUNTS: {unusable:?}"))?;
    let upstreams = config.upstreams.iter().map(Upstream::provider).collect();
    let (budget, client_keys) = (Budget::default(), client_keys::Cache::default());
    Ok(Rc::new(Deployment { config, passwords, budget, upstreams, client_keys }))
}

/// The Worker, as the issuer stands on it.
struct Edge;

impl Platform for Edge {
    type Objects = Stubs;
    type Keys = RingKeys;
    type Verifier = WebCrypto;
    type Fetch = Outbound;
}

/// Answers one request.
///
/// # Errors
/// What the runtime throws.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, _: JsValue) -> Result<JsValue, JsValue> {
    entry::run(async move {
        let response = match request_in(&request, ask::LARGEST_BODY).await {
            Ok(request) => answer(&request, env).await,
            Err(Unreadable::TooLarge) => respond::empty(StatusCode::PAYLOAD_TOO_LARGE),
            Err(Unreadable::Malformed) => respond::empty(StatusCode::BAD_REQUEST),
        };
        Ok(response_out(response)?.into())
    })
}

/// The issuer, for one request or one alarm.
fn idp<'d>(deployment: &'d Deployment, env: &Env, rng: &mut impl CryptoRng) -> Idp<'d, Edge> {
    Idp {
        config: &deployment.config,
        passwords: &deployment.passwords,
        budget: &deployment.budget,
        upstreams: &deployment.upstreams,
        client_keys: &deployment.client_keys,
        objects: Stubs::of(env),
        keys: RingKeys::of(env, &deployment.config),
        verifier: WebCrypto,
        fetch: Outbound::default(),
        correlation_id: random_uuid(rng).to_string(),
        now: now(),
    }
}

/// A security event, on a line of its own.
fn write_down(correlation_id: &str, event: &Event) {
    worker::console_log!("{}", log::of_event(correlation_id, event));
}

async fn answer(request: &Request, env: Env) -> Response {
    let Ok(deployment) = deployment(&env) else { return misconfigured() };
    let Ok(mut rng) = rng() else { return respond::empty(StatusCode::SERVICE_UNAVAILABLE) };
    let idp = idp(&deployment, &env, &mut rng);
    let response = idp.handle(request, idp.now, &mut rng).await;
    for line in log::of_answer(&idp.correlation_id, request, &response) {
        worker::console_log!("{line}");
    }
    response
}

/// Whoever asks is told that the service is not set up; the operator was told why, in the log.
fn misconfigured() -> Response {
    let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
    *response.body_mut() =
        b"The settings of this issuer cannot be used; its log says why.\n".to_vec();
    respond::put(&mut response, http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}
