//! HTTP messages on their way between JavaScript and Rust. Header values are bytes to us: one that
//! is not ASCII is carried along, never unwrapped.

use crate::fetch::{Request, Response};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use worker::{Error, Result};

/// Why a request could not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The body is larger than the limit.
    TooLarge,
    /// The method, the URL or the body makes no sense to us.
    Malformed,
}

/// Reads a request with a body of `most` bytes at the most.
///
/// # Errors
/// See [`Unreadable`].
pub async fn request_in(
    request: &mut worker::Request,
    most: usize,
) -> std::result::Result<Request, Unreadable> {
    let inner = request.inner();
    let mut read = Request::default();
    *read.method_mut() =
        Method::from_bytes(inner.method().as_bytes()).map_err(|_| Unreadable::Malformed)?;
    *read.uri_mut() = inner.url().parse().map_err(|_| Unreadable::Malformed)?;
    *read.headers_mut() = headers_in(&inner.headers());
    if inner.body().is_some() {
        let stream = request.stream().map_err(|_| Unreadable::Malformed)?;
        *read.body_mut() = collect(stream, most).await?;
    }
    Ok(read)
}

/// Reads an answer of `most` bytes at the most.
///
/// # Errors
/// When the answer is larger or breaks off.
pub async fn response_in(mut response: worker::Response, most: usize) -> Result<Response> {
    let mut read = Response::default();
    *read.status_mut() = StatusCode::from_u16(response.status_code()).unwrap_or_default();
    *read.headers_mut() = headers_in(&response.headers().0);
    if let worker::ResponseBody::Stream(_) = response.body() {
        let body = collect(response.stream()?, most).await;
        *read.body_mut() = body.map_err(|_| Error::from("the answer is too large or broke off"))?;
    }
    Ok(read)
}

async fn collect(
    mut stream: worker::ByteStream,
    most: usize,
) -> std::result::Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Unreadable::Malformed)?;
        if bytes.len() + chunk.len() > most {
            return Err(Unreadable::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Hands a response to JavaScript.
///
/// # Errors
/// When JavaScript refuses it.
pub fn response_out(response: Response) -> Result<worker::Response> {
    let (parts, body) = response.into_parts();
    let headers = headers_out(&parts.headers)?;
    let response = match parts.status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => worker::Response::empty()?,
        _ => worker::Response::from_bytes(body)?,
    };
    Ok(response.with_status(parts.status.as_u16()).with_headers(worker::Headers(headers)))
}

/// Copies headers from JavaScript. Several `Set-Cookie` stay several.
#[must_use]
pub fn headers_in(headers: &web_sys::Headers) -> HeaderMap {
    let mut read = HeaderMap::new();
    for entry in headers.entries().into_iter().flatten() {
        let entry: Array = entry.unchecked_into();
        let (name, value) = (entry.get(0).as_string(), entry.get(1).as_string());
        let name = name.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        let value = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            read.append(name, value);
        }
    }
    read
}

/// Copies headers to JavaScript.
///
/// # Errors
/// When JavaScript refuses one.
pub fn headers_out(headers: &HeaderMap) -> Result<web_sys::Headers> {
    let written = web_sys::Headers::new()?;
    for (name, value) in headers {
        written.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    Ok(written)
}

/// The bytes of a JavaScript buffer.
#[must_use]
pub fn bytes(buffer: &wasm_bindgen::JsValue) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}
