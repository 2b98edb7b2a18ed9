//! The hop itself. A body never enters wasm: the runtime passes it from one stream to the other.

use crate::answer;
use crate::next::Forward;
use crate::refused::Refused;
use crate::session::admission::Bound;
use crate::session::bell::Watch;
use crate::signals::Edge;
use http::{HeaderMap, StatusCode};
use js_sys::{JsString, Promise, Reflect};
use shared::cause::Cause;
use shared::edge::message::response_out;
use shared::handle::Handle;
use shared::lines::from_lines;
use shared::secret::Digest;
use std::net::IpAddr;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};
use worker::Env;

#[wasm_bindgen(module = "/src/edge/hop.js")]
extern "C" {
    fn lines(message: &JsValue) -> Vec<u8>;

    fn hop(
        request: &Request,
        url: &str,
        edits: &str,
        always: &str,
        personal: bool,
        navigation: bool,
        timing: bool,
        all: bool,
        book: &JsValue,
        line: &str,
        env: &JsValue,
        bound: &str,
        opened: &Opened,
        answered: &Answered,
        unreachable: &NoAnswer,
    ) -> Promise;

    fn conclude(
        book: &JsValue,
        written: bool,
        line: &str,
        status: u16,
        milliseconds: f64,
        cause: Option<&str>,
    );

    fn signals(request: &Request) -> Option<String>;

    fn within(limit: &JsValue, key: &str) -> Promise;

    #[wasm_bindgen(catch)]
    fn edited(answer: &Response, edits: &str) -> Result<Response, JsValue>;
}

type Answered = Closure<dyn Fn(u16, Vec<u8>, bool) -> Option<String>>;
type Opened = Closure<dyn Fn(String) -> Option<Vec<String>>>;
type NoAnswer = Closure<dyn Fn(bool) -> Result<Response, JsValue>>;

thread_local! {
    static OPENED: Opened = Closure::new(|handle: String| watch(&handle));
    static ANSWERED: Answered =
        Closure::new(|status, lines: Vec<u8>, personal| answered(status, &lines, personal));
    static NO_ANSWER: NoAnswer =
        Closure::new(|navigation| response_out(Refused::Unreachable.response(navigation)));
}

/// Where what came of a request is written down.
#[derive(Debug)]
pub struct Book {
    /// The binding of Analytics Engine, or undefined.
    pub figures: JsValue,
    /// Whether every request has a line in the log, or only those that did not get what they wanted.
    pub all: bool,
    /// Whether answers say how long their origin took.
    pub timing: bool,
}

impl Book {
    /// Writes down a request that was answered here; `line` is of [`crate::trail::line`].
    pub fn answered(&self, line: &str, response: &shared::fetch::Response, milliseconds: f64) {
        let cause = response.extensions().get().map(|Cause(cause)| cause.as_str());
        let (status, written) = (response.status().as_u16(), self.all || cause.is_some());
        conclude(&self.figures, written, line, status, milliseconds, cause);
    }
}

/// Whether the rate limit `limit` lets `who` through; one that fails lets everybody.
pub async fn is_within(limit: &JsValue, who: IpAddr) -> bool {
    let answer = JsFuture::from(within(limit, &who.to_string())).await;
    answer.map_or(true, |success| success.is_truthy())
}

/// Sends `request` to an origin; the promise is of the answer, or of ours when there is none. It
/// never rejects for anything that an origin does.
///
/// There is no time limit. The runtime cannot tell a slow connection from a slow answer, and a
/// stream of events or a long poll may be silent for as long as it likes; the platform gives an
/// origin up that does not accept a connection.
pub fn forward(
    (request, env): (&Request, &Env),
    forward: &Forward,
    bound: Option<&Bound>,
    book: &Book,
    line: &str,
) -> Promise {
    let Forward { url, edits, answer, authenticated, navigation, rule: _ } = forward;
    let (edits, always) = (edits.to_lines(), answer.to_lines());
    let Book { figures, all, timing } = book;
    let (personal, navigation) = (*authenticated, *navigation);
    let bound = bound.map(|Bound { handle, ends_at }| {
        // Milliseconds, as JavaScript counts.
        format!("{}000\n{}", ends_at.0, handle.as_deref().unwrap_or_default())
    });
    let bound = bound.unwrap_or_default();
    ANSWERED.with(|answered| {
        NO_ANSWER.with(|none| {
            OPENED.with(|opened| {
                hop(
                    request, url, &edits, &always, personal, navigation, *timing, *all, figures,
                    line, env, &bound, opened, answered, none,
                )
            })
        })
    })
}

/// Which object to watch for the session of a sealed handle, and what to say to it.
fn watch(handle: &str) -> Option<Vec<String>> {
    let Handle { object, secret, .. } = super::open(handle)?;
    let watch = Watch { session: object, secret: Digest::of(secret) };
    Some(vec![object.to_string(), serde_json::to_string(&watch).ok()?])
}

/// What to change about an origin's answer; none when its headers cannot be read, and then it must
/// not pass.
fn answered(status: u16, lines: &[u8], personal: bool) -> Option<String> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    Some(answer::edits(status, &from_lines(lines)?, personal).to_lines())
}

/// Adds our `Set-Cookie` lines to an answer, when there are any. A `101` is left as it is.
///
/// # Errors
/// What the runtime throws.
pub fn with_cookies(answer: Response, cookies: &HeaderMap) -> Result<Response, JsValue> {
    if cookies.is_empty() || answer.status() == StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        return Ok(answer);
    }
    let headers = from_lines(&lines(&answer)).unwrap_or_default();
    edited(&answer, &answer::with_cookies(&headers, cookies).to_lines())
}

/// The headers of a request. None when not all of them can be read; a request is then
/// [`Refused::Headers`].
#[must_use]
pub fn headers(request: &Request) -> Option<HeaderMap> {
    from_lines(&lines(request))
}

/// Where the platform says a request comes from; nothing without Cloudflare in front.
#[must_use]
pub fn edge(request: &Request) -> Edge {
    signals(request).as_deref().map(Edge::read).unwrap_or_default()
}

/// The address that the platform says a request came from. Without Cloudflare in front (which is
/// told by the request's `cf` object) the header that says it is anybody's to write.
#[must_use]
pub fn client_ip(request: &Request, headers: &HeaderMap) -> Option<IpAddr> {
    let said = headers.get("cf-connecting-ip")?.to_str().ok()?.parse().ok()?;
    let cf = Reflect::get(request, &JsValue::from_str("cf")).ok()?;
    let colo = Reflect::get(&cf, &JsValue::from_str("colo")).ok()?;
    colo.dyn_ref::<JsString>().map(|_| said)
}
