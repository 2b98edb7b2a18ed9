//! The hop itself. A body never enters wasm: the runtime passes it from one stream to the other.

use crate::answer;
use crate::hop::{Edits, from_lines};
use crate::next::Forward;
use http::{HeaderMap, HeaderValue, StatusCode};
use js_sys::{Array, JsString, Reflect};
use shared::fetch::Unreachable;
use std::net::IpAddr;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestInit, Response, WorkerGlobalScope};

/// Sends `request` to an origin and gives back the answer, both with edited headers and untouched
/// bodies. Redirects are the browser's to follow: a request that came to a Worker has `redirect:
/// "manual"`, and the copy keeps it.
///
/// There is no time limit. The runtime cannot tell a slow connection from a slow answer, and a
/// stream of events or a long poll may be silent for as long as it likes; the platform gives an
/// origin up that does not accept a connection.
///
/// # Errors
/// [`Unreachable`] when the origin gave no answer.
pub async fn forward(request: &Request, forward: &Forward) -> Result<Response, Unreachable> {
    let answer = send(request, forward).await.map_err(|_| Unreachable)?;
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = read_headers(&answer.headers()).ok_or(Unreachable)?;
    let edits = answer::edits(status, &headers, forward.authenticated);
    if edits.is_empty() {
        return Ok(answer);
    }
    edited(&answer, &edits).map_err(|_| Unreachable)
}

/// Adds our `Set-Cookie` lines to an answer, when there are any. A `101` is left as it is.
///
/// # Errors
/// What the runtime throws.
pub fn with_cookies(answer: Response, lines: &HeaderMap) -> Result<Response, JsValue> {
    if lines.is_empty() || answer.status() == StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        return Ok(answer);
    }
    let headers = read_headers(&answer.headers()).unwrap_or_default();
    edited(&answer, &answer::with_cookies(&headers, lines))
}

/// The headers of a request or an answer, which cross into wasm as one string. None when not all of
/// them can be read; a request is then [`crate::refused::Refused::Headers`].
#[must_use]
pub fn read_headers(headers: &Headers) -> Option<HeaderMap> {
    let lines = Array::from(headers).join("\n");
    from_lines(&String::from(lines))
}

/// The address that the platform says a request came from. Without Cloudflare in front (which is
/// told by the request's `cf` object) the header that says it is anybody's to write.
#[must_use]
pub fn client_ip(request: &Request, headers: &HeaderMap) -> Option<IpAddr> {
    let cf = Reflect::get(request, &JsValue::from_str("cf")).ok()?;
    let colo = Reflect::get(&cf, &JsValue::from_str("colo")).ok()?;
    colo.dyn_ref::<JsString>()?;
    headers.get("cf-connecting-ip")?.to_str().ok()?.parse().ok()
}

async fn send(request: &Request, forward: &Forward) -> Result<Response, JsValue> {
    // A request is a dictionary of itself: method, body and all go over without being read.
    let sent = Request::new_with_str_and_init(&forward.url, request.unchecked_ref())?;
    edit(&sent.headers(), &forward.edits)?;
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer = if forward.authenticated {
        // The cache in front of an origin knows neither sessions nor tokens (CC-01): what is for one
        // person is neither looked up there nor stored.
        let init = RequestInit::new();
        init.set_cache(RequestCache::NoStore);
        global.fetch_with_request_and_init(&sent, &init)
    } else {
        global.fetch_with_request(&sent)
    };
    Ok(JsFuture::from(answer).await?.unchecked_into())
}

/// A copy with other headers; the same stream, status and encoding.
fn edited(answer: &Response, edits: &Edits) -> Result<Response, JsValue> {
    let copy = Response::new_with_opt_readable_stream_and_init(
        answer.body().as_ref(),
        answer.unchecked_ref(),
    )?;
    edit(&copy.headers(), edits)?;
    Ok(copy)
}

fn edit(headers: &Headers, edits: &Edits) -> Result<(), JsValue> {
    let Edits { remove, set, append } = edits;
    for name in remove {
        headers.delete(name.as_str())?;
    }
    for (name, value) in set {
        headers.set(name.as_str(), &text(value))?;
    }
    for (name, value) in append {
        headers.append(name.as_str(), &text(value))?;
    }
    Ok(())
}

/// A value as the runtime had it: everything here came from a JS string or is ASCII.
fn text(value: &HeaderValue) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
