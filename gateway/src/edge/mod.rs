//! The rim: everything that knows it runs on workerd. It has no opinions about sessions.

pub mod behind;
pub mod kv;
mod person;
pub mod postgres;
pub mod proxy;
mod row;
pub mod session;
pub mod stores;

use crate::answer;
use crate::auth;
use crate::auth::flow::UsedFlows;
use crate::auth::page::{self, Page};
use crate::config::{Config, RequestLog, Sites, site};
use crate::gateway::{Decided, decide, hear, in_time, reads};
use crate::kept;
use crate::next::{Incoming, Next, may_have_body};
use crate::path::Target;
use crate::refused::{Refused, Why};
use crate::session::admission::Seams;
use crate::session::opened::Opened;
use crate::session::parties::Parties;
use crate::signals::Edge;
use crate::trail::{self, Trail};
use behind::Behind;
use http::{Method, StatusCode};
use proxy::{Book, Head};
use session::parties;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::message::{Unreadable, request_in, response_out};
use shared::edge::{entry, now, rng};
use shared::fetch::Response;
use shared::handle::{Handle, Kind};
use shared::respond;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use stores::{Known, Stores, settings};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Request;
use worker::Env;

/// What one isolate knows of a site for as long as it lives: settings, and public data of the issuer.
/// Nothing of any request.
struct Deployment {
    config: Config,
    parties: Rc<Parties<Outbound, WebCrypto>>,
    used: UsedFlows,
    opened: Opened,
    known: Known,
    /// Bindings, or undefined: Analytics Engine, and the rate limit of sign-ins.
    figures: JsValue,
    login_limit: JsValue,
}

thread_local! {
    static DEPLOYMENT: RefCell<Option<Result<Rc<Vec<Deployment>>, String>>> =
        const { RefCell::new(None) };
}

/// Reads the settings once; a deployment whose settings are wrong serves nothing (GC-18).
fn deployment(env: &Env) -> Result<Rc<Vec<Deployment>>, String> {
    let known = DEPLOYMENT.with_borrow(Clone::clone);
    known.unwrap_or_else(|| {
        let site = |config: Config| {
            let parties = Rc::new(parties(&config, env));
            let (used, opened) = (UsedFlows::default(), Opened::default());
            let (figures, login_limit) = (binding(env, "ANALYTICS"), binding(env, "LOGIN_LIMIT"));
            let known = Known::default();
            Deployment { config, parties, used, opened, known, figures, login_limit }
        };
        let read = Sites::read(|name| settings(env, name));
        let read = read.map(|sites| Rc::new(sites.into_configs().into_iter().map(site).collect()));
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
    let Ok(sites) = deployment(&env) else { return Ok(response_out(misconfigured())?.into()) };
    let Head { method, url, headers } = proxy::head(&request);
    let Some(deployment) = site(&sites, |site| &site.config, &url) else {
        return Ok(response_out(Refused::Host.response(false))?.into());
    };
    let out = |response| ours(&deployment.config, response).map(JsValue::from);
    let Some(headers) = headers else {
        return out(Refused::Headers.response(false));
    };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else {
        return out(Refused::Method.response(false));
    };
    if !may_have_body(&method) && request.body().is_some() {
        return out(Refused::Body.response(false));
    }
    let Ok(mut rng) = rng() else {
        return out(respond::empty(StatusCode::SERVICE_UNAVAILABLE));
    };
    let client_ip = proxy::client_ip(&request, &headers);
    let Deployment { config, parties, used, opened, known, figures, login_limit } = deployment;
    let edge = if config.looks_at_edge() { proxy::edge(&request) } else { Edge::default() };
    let incoming =
        Incoming { method: &method, url: &url, headers: &headers, client_ip, edge: &edge };
    let book =
        Book { figures, all: config.request_log == RequestLog::All, timing: config.server_timing };
    let line =
        |trail, outcome: &str| trail::line(config, (&method, &url, &headers), trail, outcome);
    if let Some(who) = client_ip
        && !may_sign_in(login_limit, &url, who).await
    {
        let refused = page::page(Page::TooMany);
        book.answered(&line(Trail::default(), "TooMany"), &refused, 0.0);
        return out(refused);
    }
    let Some(sessions) = Stores::of(config, parties, known, env.clone(), behind) else {
        return out(respond::empty(StatusCode::SERVICE_UNAVAILABLE));
    };
    let seams = Seams { config, parties, sessions: &sessions, used, opened };

    let (began, clock) = (now(), js_sys::Date::now());
    let answered = |line: String, response: Response| {
        book.answered(&line, &response, js_sys::Date::now() - clock);
        out(response)
    };
    if let Some(most) = reads(&method, &url) {
        let response = match request_in(&request, most).await {
            Ok(mut request) => {
                if let Some(who) = client_ip {
                    request.extensions_mut().insert(who);
                }
                hear(&seams, &request, began, &mut rng).await
            }
            Err(Unreadable::TooLarge) => respond::empty(StatusCode::PAYLOAD_TOO_LARGE),
            Err(Unreadable::Malformed) => respond::empty(StatusCode::BAD_REQUEST),
        };
        return answered(line(Trail::default(), "Ours"), response);
    }
    let Decided { next, mut cookies, trail, bound } =
        decide(&seams, incoming, began, &mut rng).await;
    let answer = match next {
        Next::Forward(forward) => {
            let (line, both) = (line(trail, "Forward"), (&request, &env));
            let answer = proxy::forward(both, &forward, bound.as_ref(), &book, &line);
            if cookies.is_empty() {
                return Ok(answer.into());
            }
            let answer = JsFuture::from(answer).await?;
            cookies = in_time(cookies, config.mode, now().since(began));
            answer.unchecked_into()
        }
        Next::Respond(mut response) => {
            // The one body of somebody else's that is read here, and only of who is not signed in.
            if kept::is_offered(&response)
                && let Ok(read) = request_in(&request, kept::LARGEST).await
            {
                let form = (read.body().as_slice(), &headers);
                response = kept::keep(config, response, form, began, &mut rng);
            }
            let why = response.extensions().get::<Why>();
            let outcome = why.map_or_else(|| "Ours".to_owned(), |why| format!("{why:?}"));
            book.answered(&line(trail, &outcome), &response, js_sys::Date::now() - clock);
            ours(config, response)?
        }
    };
    Ok(proxy::with_cookies(answer, &cookies)?.into())
}

/// An answer of our own, with what every answer has.
fn ours(config: &Config, mut response: Response) -> Result<web_sys::Response, JsValue> {
    answer::always(config).apply(response.headers_mut());
    response_out(response)
}

/// The handle of a session, which any site of this deployment may have sealed.
fn open(handle: &str) -> Option<Handle> {
    let sites = DEPLOYMENT.with_borrow(Clone::clone)?.ok()?;
    let Deployment { config, .. } = sites.first()?;
    Handle::open(Kind::Session, handle, &config.keys)
}

/// A binding, or undefined.
fn binding(env: &Env, name: &str) -> JsValue {
    js_sys::Reflect::get(env, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Whether a request may go on: one that begins a sign-in, only within the rate limit that is bound.
async fn may_sign_in(limit: &JsValue, url: &str, who: IpAddr) -> bool {
    let begins = || Target::read(url).is_ok_and(|target| target.path() == auth::LOGIN);
    !limit.is_object() || !begins() || proxy::is_within(limit, who).await
}

/// Whoever asks is told that the service is not set up; the operator was told why, in the log.
fn misconfigured() -> Response {
    let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
    *response.body_mut() =
        b"The settings of this gateway cannot be used; its log says why.\n".to_vec();
    respond::put(&mut response, http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}
