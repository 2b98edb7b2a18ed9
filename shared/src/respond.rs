//! Responses, each with the headers its kind must never be without.

use crate::fetch::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, PRAGMA, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// Puts a fixed header on.
pub fn put(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// A response without a body, which nothing may keep.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    no_store(&mut response);
    response
}

/// JSON that nothing may keep, RFC 6749 §5.1.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = empty(status);
    // What we serialise has string keys and no floats, so it always has a JSON form.
    *response.body_mut() = serde_json::to_vec(body).unwrap_or_default();
    put(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// A page. `policy` is its whole Content-Security-Policy.
#[must_use]
pub fn html(status: StatusCode, body: String, policy: &'static str) -> Response {
    let mut response = empty(status);
    *response.body_mut() = body.into_bytes();
    put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    put(&mut response, http::header::CONTENT_SECURITY_POLICY, policy);
    put(&mut response, http::header::X_FRAME_OPTIONS, "DENY");
    // Nothing goes to other origins either way, but with `no-referrer` a browser would post our own
    // forms with `Origin: null`, and we could not tell them from a stranger's.
    put(&mut response, REFERRER_POLICY, "same-origin");
    put(&mut response, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    response
}

/// `303 See Other`: the browser comes with GET and posts nothing again, RFC 9700 §4.12.
#[must_use]
pub fn see_other(location: &str) -> Response {
    let mut response = empty(StatusCode::SEE_OTHER);
    match HeaderValue::from_str(location) {
        Ok(value) => {
            response.headers_mut().insert(LOCATION, value);
            response
        }
        // Every location is percent-encoded before it comes here; if one were not, nothing is sent.
        Err(_) => empty(StatusCode::BAD_REQUEST),
    }
}

fn no_store(response: &mut Response) {
    put(response, CACHE_CONTROL, "no-store");
    put(response, PRAGMA, "no-cache");
    put(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(response, REFERRER_POLICY, "no-referrer");
}
