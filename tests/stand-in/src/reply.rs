//! Answers, as the providers write them.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

/// A response with its whole body.
pub type Response = http::Response<Vec<u8>>;

pub(crate) fn plain(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn json(status: u16, body: &Value) -> Response {
    plain(status, "application/json; charset=utf-8", body.to_string())
}

/// A form-encoded answer, as GitHub gives it to whoever does not ask for another.
pub(crate) fn form(status: u16, pairs: &[(&str, String)]) -> Response {
    let body = Serializer::new(String::new()).extend_pairs(pairs).finish();
    plain(status, "application/x-www-form-urlencoded; charset=utf-8", body)
}

/// An error of OAuth.
pub(crate) fn error(status: u16, error: &str, description: &str) -> Response {
    json(status, &json!({ "error": error, "error_description": description }))
}

pub(crate) fn empty(status: u16) -> Response {
    plain(status, "text/plain; charset=utf-8", "")
}

pub(crate) fn not_found() -> Response {
    plain(404, "text/plain; charset=utf-8", "Not Found")
}

pub(crate) fn html(status: u16, body: String) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    with(plain(status, "text/html; charset=utf-8", body), CONTENT_SECURITY_POLICY, policy)
}

pub(crate) fn redirect(to: &str) -> Response {
    with(empty(302), LOCATION, to)
}

/// RFC 6750 §3: the token is not good.
pub(crate) fn unauthorized(body: &Value) -> Response {
    let challenge = "Bearer error=\"invalid_token\"";
    with(json(401, body), WWW_AUTHENTICATE, challenge)
}

pub(crate) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// A URL with parameters behind those that it has.
pub(crate) fn append(url: &str, pairs: &[(&str, String)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    let sign = if url.contains('?') { '&' } else { '?' };
    if query.is_empty() { url.to_owned() } else { format!("{url}{sign}{query}") }
}
