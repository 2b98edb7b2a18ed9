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
use std::cell::RefCell;
use std::net::IpAddr;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};
use worker::Env;

#[wasm_bindgen(module = "/src/edge/hop.js")]
extern "C" {
    fn lines(answer: &Response) -> String;

    #[wasm_bindgen(js_name = head)]
    fn head_into(request: &Request, into: &mut [u8]) -> usize;

    fn hop(
        request: &Request,
        texts: &str,
        personal: bool,
        navigation: bool,
        timing: bool,
        all: bool,
        book: &JsValue,
        env: &JsValue,
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

type Answered = Closure<dyn Fn(u16, String, bool) -> Option<String>>;
type Opened = Closure<dyn Fn(String) -> Option<Vec<String>>>;
type NoAnswer = Closure<dyn Fn(bool) -> Result<Response, JsValue>>;

thread_local! {
    static OPENED: Opened = Closure::new(|handle: String| watch(&handle));
    static ANSWERED: Answered =
        Closure::new(|status, lines: String, personal| answered(status, &lines, personal));
    static NO_ANSWER: NoAnswer =
        Closure::new(|navigation| response_out(Refused::Unreachable.response(navigation)));
}

/// Where what came of a request is written down.
#[derive(Debug)]
pub struct Book<'b> {
    /// The binding of Analytics Engine, or undefined.
    pub figures: &'b JsValue,
    /// Whether every request has a line in the log, or only those that did not get what they wanted.
    pub all: bool,
    /// Whether answers say how long their origin took.
    pub timing: bool,
}

impl Book<'_> {
    /// Writes down a request that was answered here; `line` is of [`crate::trail::line`].
    pub fn answered(&self, line: &str, response: &shared::fetch::Response, milliseconds: f64) {
        let cause = response.extensions().get().map(|Cause(cause)| cause.as_str());
        let (status, written) = (response.status().as_u16(), self.all || cause.is_some());
        conclude(self.figures, written, line, status, milliseconds, cause);
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
    book: &Book<'_>,
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
    // None of them can have a zero in it: a URL, headers, and JSON.
    let texts = [url, &edits, &always, line, &bound].join("\0");
    ANSWERED.with(|answered| {
        NO_ANSWER.with(|none| {
            OPENED.with(|opened| {
                hop(
                    request, &texts, personal, navigation, *timing, *all, figures, env, opened,
                    answered, none,
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
fn answered(status: u16, lines: &str, personal: bool) -> Option<String> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    Some(answer::edits(status, &from_lines(lines.as_bytes())?, personal).to_lines())
}

/// Adds our `Set-Cookie` lines to an answer, when there are any. A `101` is left as it is.
///
/// # Errors
/// What the runtime throws.
pub fn with_cookies(answer: Response, cookies: &HeaderMap) -> Result<Response, JsValue> {
    if cookies.is_empty() || answer.status() == StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        return Ok(answer);
    }
    let headers = from_lines(lines(&answer).as_bytes()).unwrap_or_default();
    edited(&answer, &answer::with_cookies(&headers, cookies).to_lines())
}

/// The head of a request.
#[derive(Debug)]
pub struct Head {
    /// Its method, as it came.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its headers; none when not all of them can be read, and the request is then
    /// [`Refused::Headers`].
    pub headers: Option<HeaderMap>,
}

/// Reads the head of a request.
#[must_use]
pub fn head(request: &Request) -> Head {
    /// What nearly all heads find room in, a session of two cookies among them.
    const ROOM: usize = 16 << 10;
    thread_local! {
        static PLACE: RefCell<Vec<u8>> = RefCell::new(vec![0; ROOM]);
    }
    PLACE.with_borrow_mut(|place| {
        let wanted = head_into(request, place);
        if wanted <= place.len() {
            return Head::read(place.get(..wanted).unwrap_or_default());
        }
        let mut larger = vec![0; wanted];
        let length = head_into(request, &mut larger);
        Head::read(larger.get(..length).unwrap_or_default())
    })
}

impl Head {
    /// Neither a method nor a URL has a line feed in it.
    fn read(bytes: &[u8]) -> Self {
        let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
        let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (method, url) = (text(), text());
        Self { method, url, headers: from_lines(lines.next().unwrap_or_default()) }
    }
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
