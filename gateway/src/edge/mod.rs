//! The rim: everything that knows it runs on workerd. It has no opinions about sessions.

pub mod behind;
pub mod kv;
pub mod postgres;
pub mod proxy;
pub mod session;
pub mod stores;

use crate::auth::flow::UsedFlows;
use crate::config::Config;
use crate::gateway::{Decided, decide, in_time};
use crate::next::{Incoming, Next, may_have_body};
use crate::refused::Refused;
use crate::session::admission::Seams;
use crate::session::exchange::Party;
use crate::session::opened::Opened;
use behind::Behind;
use http::{Method, StatusCode};
use session::{outbound, provider};
use shared::cause::Cause;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::message::response_out;
use shared::edge::{entry, now, rng};
use shared::fetch::Response;
use shared::respond;
use std::cell::RefCell;
use std::rc::Rc;
use stores::{Known, Stores, settings};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Request;
use worker::Env;

/// What one isolate knows for as long as it lives: settings, and public data of the issuer.
/// Nothing of any request.
struct Deployment {
    config: Config,
    party: Rc<Party<Outbound, WebCrypto>>,
    used: UsedFlows,
    opened: Opened,
    known: Known,
}

thread_local! {
    static DEPLOYMENT: RefCell<Option<Result<Rc<Deployment>, String>>> =
        const { RefCell::new(None) };
}

/// Reads the settings once; a deployment whose settings are wrong serves nothing (GC-18).
fn deployment(env: &Env) -> Result<Rc<Deployment>, String> {
    let known = DEPLOYMENT.with_borrow(Clone::clone);
    known.unwrap_or_else(|| {
        let read = Config::read(|name| settings(env, name)).map(|config| {
            let party = Party::new(&config, provider(&config), outbound(&config, env), WebCrypto);
            Rc::new(Deployment {
                config,
                party: Rc::new(party),
                used: UsedFlows::default(),
                opened: Opened::default(),
                known: Known::default(),
            })
        });
        let read = read.map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        });
        if let Err(problems) = &read {
            worker::console_error!("the settings cannot be used:\n{problems}");
        }
        DEPLOYMENT.with_borrow_mut(|known| *known = Some(read.clone()));
        read
    })
}

/// Answers one request.
///
/// # Errors
/// What the runtime throws.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, context: JsValue) -> Result<JsValue, JsValue> {
    entry::run(serve(request, env, Behind::new(context)))
}

async fn serve(request: Request, env: Env, behind: Behind) -> Result<JsValue, JsValue> {
    let Ok(deployment) = deployment(&env) else { return Ok(response_out(misconfigured())?.into()) };
    let url = request.url();
    let Some(headers) = proxy::headers(&request) else {
        return Ok(response_out(Refused::Headers.response(false))?.into());
    };
    let Ok(method) = Method::from_bytes(request.method().as_bytes()) else {
        return Ok(response_out(Refused::Method.response(false))?.into());
    };
    if !may_have_body(&method) && request.body().is_some() {
        return Ok(response_out(Refused::Body.response(false))?.into());
    }
    let Ok(mut rng) = rng() else {
        return Ok(response_out(respond::empty(StatusCode::SERVICE_UNAVAILABLE))?.into());
    };
    let client_ip = proxy::client_ip(&request, &headers);
    let incoming = Incoming { method: &method, url: &url, headers: &headers, client_ip };
    let Deployment { config, party, used, opened, known } = &*deployment;
    let Some(sessions) = Stores::of(config, party, known, env, behind) else {
        return Ok(response_out(respond::empty(StatusCode::SERVICE_UNAVAILABLE))?.into());
    };
    let seams = Seams { config, party, sessions: &sessions, used, opened };

    let began = now();
    let Decided { next, mut cookies } = decide(&seams, incoming, began, &mut rng).await;
    let answer = match next {
        Next::Forward(forward) if cookies.is_empty() => {
            return Ok(proxy::forward(&request, &forward).into());
        }
        Next::Forward(forward) => {
            let answer = JsFuture::from(proxy::forward(&request, &forward)).await?;
            cookies = in_time(cookies, config.mode, now().since(began));
            answer.unchecked_into()
        }
        Next::Respond(refused) => {
            log(&refused, &url);
            response_out(refused)?
        }
    };
    Ok(proxy::with_cookies(answer, &cookies)?.into())
}

/// Writes why a response is not what was asked for, once, for the operator. Of the URL only the
/// path: a query may hold a code.
fn log(response: &Response, url: &str) {
    let Some(Cause(cause)) = response.extensions().get() else { return };
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.splitn(4, '/').last().unwrap_or_default();
    let status = response.status().as_u16();
    worker::console_log!(
        "{}",
        serde_json::json!({ "path": format!("/{path}"), "status": status, "cause": cause })
    );
}

/// Whoever asks is told that the service is not set up; the operator was told why, in the log.
fn misconfigured() -> Response {
    let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
    *response.body_mut() =
        b"The settings of this gateway cannot be used; its log says why.\n".to_vec();
    respond::put(&mut response, http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}
