//! HTTP messages on their way between JavaScript and Rust. Header values are bytes to us: one that
//! is not ASCII is carried along, never unwrapped.

use crate::fetch::{Request, Response};
use crate::lines::{from_lines, to_lines};
use http::{Method, StatusCode};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/src/edge/message.js")]
extern "C" {
    fn head(request: &web_sys::Request) -> String;

    #[wasm_bindgen(js_name = hasBody)]
    fn has_body(request: &web_sys::Request) -> bool;

    fn body(request: &web_sys::Request, most: usize) -> Promise;

    #[wasm_bindgen(catch)]
    fn respond(status: u16, lines: &str, body: Vec<u8>) -> Result<web_sys::Response, JsValue>;
}

/// Why a request could not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The body is larger than the limit.
    TooLarge,
    /// The method, the URL, the headers or the body make no sense to us.
    Malformed,
}

/// Reads the head of a request; the body stays where it is.
#[must_use]
pub fn head_in(request: &web_sys::Request) -> Option<Request> {
    let head = head(request);
    let (method, rest) = head.split_once('\n')?;
    let (url, lines) = rest.split_once('\n')?;
    let mut read = Request::default();
    *read.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *read.uri_mut() = url.parse().ok()?;
    *read.headers_mut() = from_lines(lines.as_bytes())?;
    Some(read)
}

/// Reads a request with a body of `most` bytes at the most.
///
/// # Errors
/// See [`Unreadable`].
pub async fn request_in(request: &web_sys::Request, most: usize) -> Result<Request, Unreadable> {
    let mut read = head_in(request).ok_or(Unreadable::Malformed)?;
    if has_body(request) {
        let bytes = JsFuture::from(body(request, most)).await;
        let bytes = bytes.map_err(|_| Unreadable::Malformed)?;
        *read.body_mut() = bytes.dyn_ref().map(Uint8Array::to_vec).ok_or(Unreadable::TooLarge)?;
    }
    Ok(read)
}

/// Hands a response to JavaScript.
///
/// # Errors
/// When JavaScript refuses it.
pub fn response_out(response: Response) -> Result<web_sys::Response, JsValue> {
    let (parts, body) = response.into_parts();
    respond(parts.status.as_u16(), &to_lines(&parts.headers), body)
}

/// What JavaScript read of an answer: its head, which is status and headers, and its body.
pub(super) fn answer_in(head: &str, body: &JsValue) -> Option<Response> {
    let (status, lines) = head.split_once('\n')?;
    let mut read = Response::default();
    *read.status_mut() = StatusCode::from_bytes(status.as_bytes()).ok()?;
    *read.headers_mut() = from_lines(lines.as_bytes())?;
    *read.body_mut() = bytes(body);
    Some(read)
}

/// The bytes of a JavaScript buffer.
#[must_use]
pub fn bytes(buffer: &JsValue) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}
