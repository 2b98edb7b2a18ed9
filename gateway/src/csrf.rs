//! Whether a request may have been caused by a page of somebody else (M9).
//!
//! Asked before anything else of unsafe requests and of WebSocket requests on routes that need a session.
//! On a public route there is no authority of ours to abuse, and third parties may post to it.
//! `Referer` is not looked at: it is often absent, and what it says `Origin` says better (CS-05).

use crate::config::Config;
use crate::refused::Refused;
use http::header::{HeaderMap, HeaderName, ORIGIN};
use http::{HeaderValue, Method};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const CSRF: HeaderName = HeaderName::from_static("x-csrf");

/// Refuses what another site may have caused. `upgrade`: whether it asks for a WebSocket, which is
/// a GET that browsers let every site make, with cookies.
///
/// A page with `Referrer-Policy: no-referrer` posts its forms with `Origin: null`, as a sandboxed
/// frame does; the browser says of the first that it is of the same origin, and never of the second.
///
/// The origins are compared as text, byte for byte. A header that a page cannot set without asking
/// first (`X-CSRF: 1`, or any `X-Requested-With`) vouches only for a client that sends neither
/// `Origin` nor `Sec-Fetch-Site`, which is no browser of this decade.
///
/// # Errors
/// [`Refused::CrossSite`].
pub fn check(
    config: &Config,
    method: &Method,
    headers: &HeaderMap,
    upgrade: bool,
) -> Result<(), Refused> {
    if !upgrade && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let same = only(headers, &FETCH_SITE).is_some_and(|value| value == "same-origin");
    let hidden = only(headers, &ORIGIN).is_some_and(|value| value == "null");
    let allowed = if headers.contains_key(ORIGIN) && !(hidden && same && !upgrade) {
        let is = |value: &HeaderValue, origin: &str| value.as_bytes() == origin.as_bytes();
        only(headers, &ORIGIN).is_some_and(|value| {
            is(value, config.public_url.as_str())
                || config.trusted_origins.iter().any(|origin| is(value, origin.as_str()))
        })
    } else if headers.contains_key(FETCH_SITE) {
        same
    } else {
        let vouched = only(headers, &CSRF).is_some_and(|value| value == "1");
        !upgrade && (vouched || headers.contains_key(REQUESTED_WITH))
    };
    allowed.then_some(()).ok_or(Refused::CrossSite)
}

/// Whether a page of this very origin sent a request, by the word of a browser: one that is merely
/// trusted is not it.
#[must_use]
pub fn is_own(config: &Config, headers: &HeaderMap) -> bool {
    let same = only(headers, &FETCH_SITE).is_some_and(|value| value == "same-origin");
    match only(headers, &ORIGIN) {
        Some(origin) if origin == config.public_url.as_str() => true,
        Some(origin) => origin == "null" && same,
        None => same && !headers.contains_key(ORIGIN),
    }
}

/// The value of a header that was sent once.
pub(crate) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    fn allowed(method: &Method, upgrade: bool, lines: &[(&'static str, &str)]) -> bool {
        let config = with(&[("TRUSTED_ORIGINS", r#"["https://admin.test"]"#)]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        check(&config, method, &headers, upgrade).is_ok()
    }

    fn posted(lines: &[(&'static str, &str)]) -> bool {
        allowed(&Method::POST, false, lines)
    }

    #[test]
    fn cs_01_cs_02_cs_04_an_unsafe_request_needs_exactly_our_origin() {
        assert!(posted(&[("origin", "https://app.test")]));
        assert!(posted(&[("origin", "https://admin.test"), ("sec-fetch-site", "cross-site")]));
        for origin in [
            "https://evil.test",
            "null",
            "",
            "https://app.test.evil",
            "http://app.test",
            "https://app.test:444",
            "https://app.test:443",
            "https://APP.TEST",
            "https://app.test/",
            "https://app.test\u{e9}",
        ] {
            assert!(!posted(&[("origin", origin)]), "{origin}");
            let vouched = [("origin", origin), ("x-csrf", "1"), ("sec-fetch-site", "same-origin")];
            assert_eq!(posted(&vouched), origin == "null", "{origin}");
        }
        // A page that hides its origin, and a frame that has none.
        assert!(posted(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!posted(&[("origin", "null"), ("sec-fetch-site", "cross-site")]));
        let upgrade = [("origin", "null"), ("sec-fetch-site", "same-origin")];
        assert!(!allowed(&Method::GET, true, &upgrade));
        assert!(!posted(&[("origin", "https://app.test"), ("origin", "https://evil.test")]));
    }

    #[test]
    fn cs_03_without_an_origin_the_browser_has_to_say_same_origin() {
        assert!(posted(&[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", "", "Same-Origin"] {
            assert!(!posted(&[("sec-fetch-site", site), ("x-csrf", "1")]), "{site}");
        }
    }

    #[test]
    fn cs_03_cs_06_without_either_a_header_no_form_can_send_is_needed() {
        assert!(posted(&[("x-csrf", "1")]));
        assert!(posted(&[("x-requested-with", "XMLHttpRequest")]));
        assert!(!posted(&[]));
        assert!(!posted(&[("x-csrf", "0")]));
        assert!(!posted(&[("content-type", "text/plain")]));
        assert!(!posted(&[("referer", "https://app.test/form")]));
    }

    #[test]
    fn cs_08_every_method_that_is_not_known_to_be_safe_is_unsafe() {
        let evil = [("origin", "https://evil.test")];
        for safe in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(allowed(&safe, false, &evil), "{safe}");
        }
        for text in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "QUERY"] {
            assert!(
                !allowed(&Method::from_bytes(text.as_bytes()).unwrap(), false, &evil),
                "{text}"
            );
        }
    }

    #[test]
    fn cs_12_a_websocket_needs_our_origin_and_no_header_vouches_for_it() {
        assert!(allowed(&Method::GET, true, &[("origin", "https://app.test")]));
        for lines in [&[("origin", "https://evil.test")], &[("origin", "null")], &[("x-csrf", "1")]]
        {
            assert!(!allowed(&Method::GET, true, lines));
        }
        assert!(!allowed(&Method::GET, true, &[]));
    }
}
