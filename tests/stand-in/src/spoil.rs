//! What becomes of an answer on its way.

use crate::fault::Fault;
use crate::gzip::zeros;
use crate::reply::{self, Response};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// What comes back from a request.
#[derive(Debug)]
pub enum Answer {
    /// A response.
    Response(Response),
    /// The connection ends before the first byte.
    Cut,
    /// Nothing, ever.
    Never,
    /// A response, after a while.
    Late(Duration, Response),
    /// The head and a part of the body. The head promises more.
    Partial {
        /// What is sent.
        response: Response,
        /// How long the head says that the body is.
        promised: usize,
        /// How the connection ends then.
        end: End,
    },
    /// A response, whose body comes at one byte a second.
    Trickle(Response),
    /// Bytes that are no HTTP.
    NoHttp(Vec<u8>),
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With an error.
    Reset,
    /// Like any other.
    Close,
}

impl Answer {
    /// The response, if it would arrive whole and at once: what a test in one process can use.
    #[must_use]
    pub fn into_response(self) -> Option<Response> {
        match self {
            Self::Response(response) => Some(response),
            _ => None,
        }
    }
}

/// The answer to a request that is not looked at. None when it is.
pub(crate) fn instead(fault: &Fault) -> Option<Answer> {
    Some(Answer::Response(match fault {
        Fault::RefuseConnection => return Some(Answer::Cut),
        Fault::Never => return Some(Answer::Never),
        // A fatal alert: handshake_failure.
        Fault::TlsAlert => return Some(Answer::NoHttp(vec![0x15, 3, 3, 0, 2, 2, 40])),
        Fault::Empty200 => reply::plain(200, "application/json", ""),
        Fault::Html200 => reply::plain(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><title>Maintenance</title>",
        ),
        Fault::BadJson => reply::plain(200, "application/json", "{\"access_token\":\"half of"),
        Fault::GzipBomb => reply::with(
            reply::plain(200, "application/json", zeros(10_000_000)),
            CONTENT_ENCODING,
            "gzip",
        ),
        Fault::Redirect { status, to } => {
            let response = reply::with(reply::empty(302), LOCATION, to);
            with_status(response, *status)
        }
        Fault::Status(status) => refusal(*status),
        Fault::ErrorWith200 => reply::error(200, "server_error", "Something went wrong."),
        Fault::Error { status, error } => reply::error(*status, error, "Arranged."),
        Fault::NextStep(code) => next_step(code),
        _ => return None,
    }))
}

/// What becomes of the answer to a request that was obeyed.
pub(crate) fn on_the_way(fault: &Fault, response: Response) -> Answer {
    let length = response.body().len();
    match fault {
        Fault::Slow(seconds) => Answer::Late(Duration::from_secs(*seconds), response),
        Fault::Trickle => Answer::Trickle(response),
        Fault::ResetMidBody => {
            let mut response = response;
            response.body_mut().truncate(length / 2);
            Answer::Partial { response, promised: length.max(1), end: End::Reset }
        }
        Fault::Truncated => Answer::Partial { response, promised: length + 100, end: End::Close },
        Fault::ShortLived(seconds) => {
            Answer::Response(response.map(|body| shorter(&body, *seconds)))
        }
        Fault::DuplicateKeys => Answer::Response(response.map(|body| twice(&body))),
        Fault::WrongContentType => {
            let mut response = response;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            Answer::Response(response)
        }
        Fault::OneMegabyte => Answer::Response(padded(response, &text(1_000_000))),
        Fault::TenMegabytes => Answer::Response(padded(response, &text(10_000_000))),
        Fault::DeepJson => {
            let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
            Answer::Response(padded(response, &(open + &close)))
        }
        _ => Answer::Response(response),
    }
}

fn text(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length))
}

fn with_status(mut response: Response, status: u16) -> Response {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// With all the members that one provider or another has in its errors.
fn refusal(status: u16) -> Response {
    let word = match status {
        400 => "invalid_request",
        401 => "invalid_client",
        403 => "access_denied",
        404 => "not_found",
        408 => "request_timeout",
        429 => "too_many_requests",
        503 => "temporarily_unavailable",
        _ => "server_error",
    };
    let body = json!({ "error": word, "error_description": "Arranged.", "message": "Arranged." });
    let response = reply::json(status, &body);
    let again = [429, 503].contains(&status);
    if again { reply::with(response, RETRY_AFTER, "30") } else { response }
}

/// What `WorkOS` says when a sign-in needs one more step, each with what belongs to it.
fn next_step(code: &str) -> Response {
    let pending = "pending_stand_in";
    if code == "sso_required" {
        return reply::json(
            403,
            &json!({
                "error": code, "error_description": "User must authenticate using one of the matching connections.",
                "email": "alice@alpha.test", "connection_ids": ["conn_alpha"],
            }),
        );
    }
    let mut body = json!({
        "code": code, "message": "One more step is needed.", "pending_authentication_token": pending,
    });
    match code {
        "organization_selection_required" => {
            body["organizations"] = json!([
                { "id": "org_alpha", "name": "Alpha" }, { "id": "org_beta", "name": "Beta" },
            ]);
        }
        "email_verification_required" => {
            body["email"] = "alice@alpha.test".into();
            body["email_verification_id"] = "email_verification_stand_in".into();
        }
        _ => body["user"] = json!({ "object": "user", "email": "alice@alpha.test" }),
    }
    reply::json(403, &body)
}

/// The body with one more member, or item, at its end. Of what is no JSON nothing is left.
fn padded(response: Response, padding: &str) -> Response {
    response.map(|body| {
        let text = String::from_utf8_lossy(&body);
        let parsed = serde_json::from_str(&text);
        let text = text.trim_end();
        let (begin, end, name) = match parsed {
            Ok(Value::Object(_)) => (text.strip_suffix('}'), '}', "\"padding\":"),
            Ok(Value::Array(_)) => (text.strip_suffix(']'), ']', ""),
            _ => (Some("{"), '}', "\"padding\":"),
        };
        let begin = begin.unwrap_or("{");
        let comma = if begin.len() > 1 { "," } else { "" };
        format!("{begin}{comma}{name}{padding}{end}").into_bytes()
    })
}

/// Tokens that are said to live so many seconds.
fn shorter(body: &[u8], seconds: u64) -> Vec<u8> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut members)) => {
            members.insert("expires_in".to_owned(), seconds.into());
            Value::Object(members).to_string().into_bytes()
        }
        _ => body.to_vec(),
    }
}

/// JSON in which each text of an object stands twice: who takes the first has another one.
fn twice(body: &[u8]) -> Vec<u8> {
    fn written(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    let name = Value::from(name.as_str());
                    if at > 0 {
                        out.push(',');
                    }
                    if value.is_string() {
                        out.extend([&name.to_string(), ":\"another\","]);
                    }
                    out.extend([&name.to_string(), ":"]);
                    written(value, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    written(item, out);
                }
                out.push(']');
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let Ok(value) = serde_json::from_slice(body) else { return body.to_vec() };
    let mut out = String::new();
    written(&value, &mut out);
    out.into_bytes()
}
