//! The rim: everything that knows it runs on workerd. It has no opinions about sessions.

pub mod proxy;
pub mod session;

use crate::auth::flow::UsedFlows;
use crate::config::Config;
use crate::gateway::{Decided, decide, in_time};
use crate::next::{Incoming, Next};
use crate::refused::Refused;
use crate::session::admission::Seams;
use crate::session::exchange::Party;
use http::{Method, StatusCode};
use session::{Objects, outbound, provider};
use shared::cause::Cause;
use shared::edge::crypto::WebCrypto;
use shared::edge::fetch::Outbound;
use shared::edge::message::response_out;
use shared::edge::{now, rng, setting};
use shared::fetch::Response;
use shared::respond;
use std::cell::RefCell;
use std::rc::Rc;
use worker::{Context, Env, event};

/// What one isolate knows for as long as it lives: settings, and public data of the issuer.
/// Nothing of any request.
struct Deployment {
    config: Config,
    party: Party<Outbound, WebCrypto>,
    used: UsedFlows,
}

thread_local! {
    static DEPLOYMENT: RefCell<Option<Result<Rc<Deployment>, String>>> =
        const { RefCell::new(None) };
}

/// Reads the settings once; a deployment whose settings are wrong serves nothing (GC-18).
fn deployment(env: &Env) -> Result<Rc<Deployment>, String> {
    let known = DEPLOYMENT.with_borrow(Clone::clone);
    known.unwrap_or_else(|| {
        let read = Config::read(|name| setting(env, name)).map(|config| {
            let party = Party::new(&config, provider(&config), outbound(&config, env), WebCrypto);
            Rc::new(Deployment { config, party, used: UsedFlows::default() })
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

#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, _: Context) -> worker::Result<worker::Response> {
    let Ok(deployment) = deployment(&env) else { return response_out(misconfigured()) };
    let inner = request.inner();
    let Some(headers) = proxy::read_headers(&inner.headers()) else {
        return response_out(Refused::Headers.response(false));
    };
    let Ok(method) = Method::from_bytes(inner.method().as_bytes()) else {
        return response_out(Refused::Method.response(false));
    };
    let (Ok(mut rng), Ok(sessions)) = (rng(), Objects::new(&env)) else {
        return response_out(respond::empty(StatusCode::SERVICE_UNAVAILABLE));
    };
    let url = inner.url();
    let client_ip = proxy::client_ip(inner, &headers);
    let incoming = Incoming { method: &method, url: &url, headers: &headers, client_ip };
    let Deployment { config, party, used } = &*deployment;
    let seams = Seams { config, party, sessions: &sessions, used };

    let began = now();
    let Decided { next, mut cookies } = decide(&seams, incoming, began, &mut rng).await;
    let answer = match next {
        Next::Respond(response) => log_and_send(response, &url)?,
        Next::Forward(forward) => match proxy::forward(inner, &forward).await {
            Ok(answer) => {
                cookies = in_time(cookies, config.mode, now().since(began));
                answer.into()
            }
            Err(_) => log_and_send(Refused::Unreachable.response(forward.navigation), &url)?,
        },
    };
    if cookies.is_empty() {
        return Ok(answer);
    }
    Ok(proxy::with_cookies(answer.into(), &cookies)?.into())
}

/// Writes why a response is not what was asked for, once, for the operator. Of the URL only the
/// path: a query may hold a code.
fn log_and_send(response: Response, url: &str) -> worker::Result<worker::Response> {
    if let Some(Cause(cause)) = response.extensions().get() {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let path = path.splitn(4, '/').last().unwrap_or_default();
        let status = response.status().as_u16();
        worker::console_log!(
            "{}",
            serde_json::json!({ "path": format!("/{path}"), "status": status, "cause": cause })
        );
    }
    response_out(response)
}

/// Whoever asks is told that the service is not set up; the operator was told why, in the log.
fn misconfigured() -> Response {
    let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
    *response.body_mut() =
        b"The settings of this gateway cannot be used; its log says why.\n".to_vec();
    respond::put(&mut response, http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}
