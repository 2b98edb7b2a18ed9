//! What pages of other origins may read, Fetch §3.2: on routes that need a session, those of
//! `TRUSTED_ORIGINS` everything, and all others nothing, whatever the origin server says.
//!
//! A preflight carries no cookie, so nobody could pass it on to who would have to answer it; and
//! where a session gives authority, two voices about who may use it are one too many. A public route
//! gives none, and is the origin's own business.

use crate::config::Config;
use crate::csrf::only;
use crate::hop::{Edits, words};
use crate::negotiate;
use crate::refused::Why;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use shared::fetch::Response;
use shared::respond;

/// How long a browser need not ask again, in seconds. Chromium keeps to two hours at the most; an
/// origin that is not trusted any more is refused when it asks next, and its requests at once.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// More headers than any honest script sets.
const MOST_HEADERS: usize = 64;
/// What a preflight's answer depends on (CS-11).
const ASKED: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
/// What a script may read of our own refusals besides the body.
const OUR_OWN: HeaderValue = HeaderValue::from_static("Location, Retry-After, WWW-Authenticate");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// The trusted origin that sent a request: as it is written in the setting, byte for byte (CS-04).
fn trusted<'h>(config: &Config, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
    let mut trusted = config.trusted_origins.iter();
    only(headers, &ORIGIN).filter(|value| trusted.any(|origin| *value == origin.as_str()))
}

/// Answers a browser that asks on behalf of another origin whether it may send `asked`, a method that
/// some route has. Nobody is looked for: it comes without a cookie (GP-14).
#[must_use]
pub fn preflight(config: &Config, headers: &HeaderMap, asked: &Method) -> Response {
    let method = HeaderValue::from_str(asked.as_str()).ok();
    let Some((origin, method)) = trusted(config, headers).zip(method) else {
        return negotiate::no_grant();
    };
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    let granted = response.headers_mut();
    granted.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    granted.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    granted.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
    if let Some(names) = names(headers) {
        granted.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    granted.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    granted.insert(VARY, ASKED);
    response.extensions_mut().insert(Why::Preflight);
    response
}

/// The headers that a preflight asks for, each of them named; none when one of them has no name.
fn names(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = words(headers, &ACCESS_CONTROL_REQUEST_HEADERS).take(MOST_HEADERS + 1);
    let names: Result<Vec<_>, _> = asked.map(HeaderName::from_bytes).collect();
    let names = names.ok().filter(|names| (1..=MOST_HEADERS).contains(&names.len()))?;
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).ok()
}

/// Lets a trusted origin read an answer of ours to a request for a route that needs a session.
pub fn grant(config: &Config, headers: &HeaderMap, response: &mut Response) {
    let mut edits = edits(config, headers);
    if words(response.headers(), &VARY).any(|word| word.eq_ignore_ascii_case(b"origin")) {
        edits.append.clear();
    }
    edits.apply(response.headers_mut());
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, OUR_OWN);
    }
}

/// What lets a trusted origin read an answer, whoever it is of. What the origin server says itself
/// [`crate::answer::edits`] has taken out.
#[must_use]
pub fn edits(config: &Config, headers: &HeaderMap) -> Edits {
    let mut edits = Edits::default();
    if config.trusted_origins.is_empty() {
        return edits;
    }
    if let Some(origin) = trusted(config, headers) {
        edits.set.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        edits.set.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE));
    }
    edits.append.push((VARY, BY_ORIGIN));
    edits
}

/// Whether a header of an answer says which origins may do what.
#[must_use]
pub(crate) fn is_grant(name: &str) -> bool {
    name.starts_with("access-control-allow-") || name == "access-control-max-age"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    const ADMIN: &str = "https://admin.test";

    fn config() -> Config {
        with(&[("TRUSTED_ORIGINS", r#"["https://admin.test", "https://b.test:8443"]"#)]).unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn asked(lines: &[(&'static str, &str)]) -> Response {
        preflight(&config(), &headers(lines), &Method::PUT)
    }

    fn grants(headers: &HeaderMap) -> usize {
        headers.keys().filter(|name| name.as_str().starts_with("access-control-")).count()
    }

    #[test]
    fn cs_11_a_trusted_origin_is_granted_what_it_asks_for_and_nobody_reuses_the_answer() {
        let response = asked(&[
            ("origin", ADMIN),
            ("access-control-request-headers", "X-CSRF, content-type,authorization"),
        ]);
        assert_eq!(response.status(), 204);
        for (name, value) in [
            ("access-control-allow-origin", ADMIN),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "x-csrf, content-type, authorization"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        let varies = response.headers()[VARY].to_str().unwrap();
        for name in ["Origin", "Request-Method", "Request-Headers"] {
            assert!(varies.contains(name), "{varies}");
        }
        assert!(response.body().is_empty());
    }

    #[test]
    fn cs_02_cs_04_cs_10_nobody_else_is_whatever_they_look_like() {
        for origin in [
            "null",
            "",
            "*",
            "https://evil.test",
            "https://admin.test.evil",
            "https://admin.test/",
            "https://admin.test:443",
            "https://admin.test:444",
            "https://ADMIN.test",
            "HTTPS://admin.test",
            "http://admin.test",
            "https://xadmin.test",
            "https://admin.test@evil.test",
            "https://evil.test#https://admin.test",
            "https://b.test",
            "https://admin.test, https://evil.test",
            "https://admin.test\u{e9}",
            // We need no leave of ourselves.
            "https://app.test",
        ] {
            let lines = [("origin", origin), ("access-control-request-headers", "x-csrf")];
            assert_eq!(grants(asked(&lines).headers()), 0, "{origin}");
            let mut answer = Response::default();
            grant(&config(), &headers(&lines), &mut answer);
            assert_eq!(grants(answer.headers()), 0, "{origin}");
            assert_eq!(answer.headers()[VARY], "Origin");
        }
        let twice = [("origin", ADMIN), ("origin", "https://evil.test")];
        assert_eq!(grants(asked(&twice).headers()), 0);
        assert_eq!(grants(asked(&[]).headers()), 0);
    }

    #[test]
    fn what_is_no_header_is_not_granted() {
        let many = vec!["x-a"; MOST_HEADERS + 1].join(",");
        for names in ["x y", "x\u{e9}", "a:b", "", ",", &many] {
            let lines = [("origin", ADMIN), ("access-control-request-headers", names)];
            let response = asked(&lines);
            assert!(response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
            assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_HEADERS), "{names}");
        }
    }

    #[test]
    fn without_trusted_origins_nothing_is_said_at_all() {
        let config = with(&[]).unwrap();
        assert!(edits(&config, &headers(&[("origin", ADMIN)])).is_empty());
    }
}
