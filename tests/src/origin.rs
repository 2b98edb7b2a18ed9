//! The demo origin (`demo/origin.js`) once more, for the gateway in this process.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::fetch::{Request, Response};
use std::fmt::Write;

/// What reached the origin, by its own account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Echo {
    /// The method.
    pub method: String,
    /// Path and query.
    pub url: String,
    /// Names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// A body, as far as anybody remembers it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Body {
    /// In hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub length: usize,
}

impl Echo {
    /// Reads the answer of `/echo`; anything else fails the test.
    pub fn of(answer: &Response) -> Self {
        let text = String::from_utf8_lossy(answer.body());
        assert_eq!(answer.status(), StatusCode::OK, "{text}");
        serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no echo: {text}"))
    }

    /// The value of a header, which the origin must have got once at most.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        first
    }

    /// The access token that the origin got.
    pub fn token(&self) -> Option<&str> {
        self.header("authorization").and_then(|value| value.strip_prefix("Bearer "))
    }
}

/// Whether an answer is one of the origin's, not of the gateway's.
pub fn is_echo(answer: &Response) -> bool {
    serde_json::from_slice::<Echo>(answer.body()).is_ok()
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The repeating pattern of `/big`.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..65_536).map(|n| u8::try_from(n % 251).expect("below 251")).cycle().take(length).collect()
}

/// Answers a request.
pub fn answer(request: &Request) -> Response {
    let path = request.uri().path();
    let below = ["/public", "/api"].iter().find_map(|prefix| path.strip_prefix(prefix));
    let path = below.filter(|rest| rest.starts_with('/') && path != "/api/me").unwrap_or(path);
    let query = request.uri().query().unwrap_or_default();
    match path {
        // At the end of any path, so that a test may have it below a route of its own.
        path if path.ends_with("/echo") => echo(request),
        "/api/me" | "/" => me(request),
        "/public" => plain(StatusCode::OK, "Everybody may read this.\n"),
        "/redirect" => with(StatusCode::FOUND, &[(LOCATION, "/elsewhere")]),
        "/cookies" => with(
            StatusCode::OK,
            &[
                (SET_COOKIE, "first=1; Path=/; HttpOnly; SameSite=Lax"),
                (SET_COOKIE, "second=2; Path=/; Expires=Wed, 01 Jan 2031 00:00:00 GMT"),
            ],
        ),
        "/cacheable" => with(
            StatusCode::OK,
            &[
                (CACHE_CONTROL, "public, max-age=3600"),
                (HeaderName::from_static("cdn-cache-control"), "max-age=3600"),
            ],
        ),
        "/rude" => with(
            StatusCode::OK,
            &[
                (SET_COOKIE, "__Host-gatelatch-session=theirs; Path=/; Secure"),
                (SET_COOKIE, "__host-GATELATCH-session.0=theirs; Path=/"),
                (SET_COOKIE, "kept=1; Path=/"),
                (HeaderName::from_static("clear-site-data"), "\"cache\", \"cookies\""),
                (HeaderName::from_static("keep-alive"), "timeout=5"),
            ],
        ),
        "/big" => {
            let length = query.strip_prefix("bytes=").and_then(|text| text.parse().ok());
            let mut answer = with(StatusCode::OK, &[(CONTENT_TYPE, "application/octet-stream")]);
            *answer.body_mut() = pattern(length.unwrap_or(1_000_000));
            answer
        }
        path => match path.strip_prefix("/status/").and_then(|code| code.parse().ok()) {
            Some(status) => plain(status, ""),
            None => plain(StatusCode::NOT_FOUND, "The origin has nothing here.\n"),
        },
    }
}

fn echo(request: &Request) -> Response {
    let mut headers: Vec<(String, String)> = Vec::new();
    for name in request.headers().keys() {
        // A Worker sees one value a name, but for cookies as well.
        let values = request.headers().get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.push((name.as_str().to_owned(), values.join(", ")));
    }
    headers.sort();
    let url = request.uri().path_and_query().map_or("", |url| url.as_str());
    let body = json!({"sha256": sha256(request.body()), "length": request.body().len()});
    let echo = json!({
        "method": request.method().as_str(), "url": url, "headers": headers, "body": body,
    });
    json_of(StatusCode::OK, &echo)
}

fn me(request: &Request) -> Response {
    match request.headers().get("authorization").and_then(|value| value.to_str().ok()) {
        Some(value) if value.starts_with("Bearer ") => {
            json_of(StatusCode::OK, &Value::Object(crate::pair::claims(&value[7..])))
        }
        _ => json_of(StatusCode::UNAUTHORIZED, &json!({"error": "no access token came"})),
    }
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    let mut answer = with(status, &[(CONTENT_TYPE, "application/json")]);
    *answer.body_mut() = value.to_string().into_bytes();
    answer
}

fn plain(status: StatusCode, text: &str) -> Response {
    let mut answer = with(status, &[(CONTENT_TYPE, "text/plain;charset=UTF-8")]);
    *answer.body_mut() = text.as_bytes().to_vec();
    answer
}

fn with(status: StatusCode, lines: &[(HeaderName, &'static str)]) -> Response {
    let mut answer = Response::default();
    *answer.status_mut() = status;
    for (name, value) in lines {
        answer.headers_mut().append(name, HeaderValue::from_static(value));
    }
    answer
}
