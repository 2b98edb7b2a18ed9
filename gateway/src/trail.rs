//! What the operator reads about a request: one line, with which rule decided, where the session was
//! found and what came of it. Never a token, a cookie or a query.

use crate::config::{Config, Mode};
use crate::session::driver::Refreshed;
use http::{HeaderMap, Method};
use serde::Serialize;
use shared::rp::wanted::Wanted;

/// More of a path is in nobody's interest.
const LONGEST_PATH: usize = 256;

/// How a request was decided.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Trail {
    /// The route, by its place in `ROUTES`, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Where its session was looked for.
    pub session: Look,
    /// What came of the token call that it caused or waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refreshed>,
    /// Whose word the session is, where there are several providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Where a session was looked for, and whether it was there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Nobody looked.
    #[default]
    Unasked,
    /// The cookie was enough.
    Cookie,
    /// What this isolate remembers was enough.
    Isolate,
    /// The store was asked, and has it.
    Store,
    /// There is none.
    Nobody,
    /// Nobody looked: a token that came along decides.
    Bearer,
    /// It cannot be told, or there is no access token for now.
    Unavailable,
}

#[derive(Serialize)]
struct Line<'l> {
    method: &'l str,
    path: &'l str,
    #[serde(flatten)]
    trail: Trail,
    /// Whom its origin's token is for, where that is one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'l str>,
    mode: &'static str,
    outcome: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'l str>,
}

/// The line about a request, as a JSON object that still wants its status and its closing brace: they
/// are known where the answer is.
#[must_use]
pub fn line(
    config: &Config,
    (method, url, headers): (&Method, &str, &HeaderMap),
    trail: Trail,
    outcome: &str,
) -> String {
    let mode = match config.mode {
        Mode::Hybrid => "hybrid",
        Mode::Durable => "durable",
        Mode::Kv => "kv",
        Mode::Postgres => "postgres",
        Mode::Sealed => "sealed",
    };
    let (method, path, trace) = (method.as_str(), path(url), trace(headers));
    let rule = config.routes.iter().find(|route| Some(route.position) == trail.rule);
    let audience = rule.and_then(|route| route.token.wanted()).and_then(Wanted::name);
    let line = Line { method, path, trail, audience, mode, outcome, trace };
    let mut text = serde_json::to_string(&line).unwrap_or_else(|_| "{}".to_owned());
    text.pop();
    text
}

/// The path of a URL, as it came and not longer than anybody reads. A query may hold a code.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/");
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let end = (0..=LONGEST_PATH.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    path.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// The trace that a request belongs to, W3C Trace Context §3.2.2: 32 hexadecimal digits.
fn trace(headers: &HeaderMap) -> Option<&str> {
    let trace = headers.get("traceparent")?.to_str().ok()?.split('-').nth(1)?;
    let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (trace.len() == 32 && trace.bytes().all(hex)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;
    use http::HeaderValue;

    fn told(url: &str, traceparent: &str) -> String {
        let value = HeaderValue::from_str(traceparent).unwrap();
        let headers = [("traceparent".parse().unwrap(), value)].into_iter().collect();
        let trail = Trail { rule: Some(2), session: Look::Cookie, refresh: None, provider: None };
        line(&with(&[]).unwrap(), (&Method::GET, url, &headers), trail, "Forward")
    }

    #[test]
    fn a_line_has_rule_mode_session_outcome_and_trace_and_neither_query_nor_cookie() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let line =
            told("https://a.test/x/y?code=secret#f", &format!("00-{trace}-b7ad6b7169203331-01"));
        assert_eq!(
            format!("{line}}}"),
            format!(
                r#"{{"method":"GET","path":"/x/y","rule":2,"session":"cookie","mode":"hybrid","outcome":"Forward","trace":"{trace}"}}"#
            )
        );
    }

    #[test]
    fn gp_24_a_line_says_whom_the_routes_token_is_for() {
        let token = r#"{"resource": "https://orders.test", "audience": "orders"}"#;
        let routes = format!(
            r#"[{{"prefix": "/", "origin": "https://site.test", "access": "api", "token": {token}}}]"#
        );
        let config = with(&[("ROUTES", &routes)]).unwrap();
        let (headers, trail) = (
            HeaderMap::new(),
            Trail { rule: Some(0), session: Look::Isolate, refresh: None, provider: None },
        );
        let line = line(&config, (&Method::GET, "/", &headers), trail, "Forward");
        let said = r#""session":"isolate","audience":"https://orders.test","mode""#;
        assert!(line.contains(said), "{line}");
    }

    #[test]
    fn a_line_says_what_came_of_a_token_call() {
        let refresh = Some(Refreshed::Waited);
        let trail = Trail { rule: None, session: Look::Store, refresh, provider: None };
        let config = with(&[]).unwrap();
        let line = line(&config, (&Method::GET, "https://a.test/", &HeaderMap::new()), trail, "x");
        assert!(line.contains(r#""session":"store","refresh":"waited","#), "{line}");
    }

    #[test]
    fn nothing_odd_makes_it_panic_or_grow() {
        for url in
            ["", "/", "https://a.test", "x://", "/\u{e9}", &format!("/{}", "\u{e9}".repeat(500))]
        {
            for trace in ["", "00", "00-x-y-z", "00-0AF7651916CD43DD8448EB211C80319C-1-1"] {
                let line = format!("{}}}", told(url, trace));
                assert!(line.len() < 512 && !line.contains("trace"), "{line}");
                assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
            }
        }
    }
}
