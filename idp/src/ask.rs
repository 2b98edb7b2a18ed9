//! Reading what a request asks: its form ([`shared::posted`]), its bearer token, where it came from.

use crate::words::Endpoint;
use http::Method;
use http::header::{COOKIE, HeaderMap, ORIGIN};
use shared::fetch::{Request, Response};
use shared::origin::Origin;
pub use shared::posted::{LARGEST_BODY, NoForm, form, form_repeating, parameters};
use shared::respond::see_other;

/// Sends a POST that brings no cookies to the same endpoint by GET, once. A browser keeps back
/// `SameSite=Lax` cookies from another site's form and sends them along on the redirect: without
/// it we would take somebody who is signed in for a stranger. None for a request that is no such
/// POST, or too long for a URL.
#[must_use]
pub fn as_get(request: &Request, endpoint: Endpoint) -> Option<Response> {
    /// URLs of 16 KiB pass everywhere that Workers run.
    const LONGEST: usize = 8 * 1024;
    let body = std::str::from_utf8(request.body()).ok()?;
    let plain = body.len() <= LONGEST && body.bytes().all(|byte| byte.is_ascii_graphic());
    let stranger = !request.headers().contains_key(COOKIE);
    let post = request.method() == Method::POST;
    (post && stranger && plain).then(|| see_other(&format!("{}?{body}", endpoint.path())))
}

/// Whether a form was posted from one of our own pages. Browsers say where a POST comes from; what
/// says nothing is no browser, and has no cookies to abuse (FD-34).
#[must_use]
pub fn is_from_ourselves(headers: &HeaderMap, ourselves: &Origin) -> bool {
    let all = |name: &str, expected: &str| {
        headers.get_all(name).iter().all(|value| value.as_bytes() == expected.as_bytes())
    };
    all(ORIGIN.as_str(), ourselves.as_str()) && all("sec-fetch-site", "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn fd_34_a_post_from_elsewhere_is_recognised() {
        let ourselves = Origin::parse("https://idp.test").unwrap();
        let from = |name: &'static str, value: &'static str| {
            let headers =
                HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            is_from_ourselves(&headers, &ourselves)
        };
        assert!(from("origin", "https://idp.test"));
        assert!(from("x", "y"));
        for origin in ["https://evil.test", "null", "https://idp.test.evil.test", "http://idp.test"]
        {
            assert!(!from("origin", origin), "{origin}");
        }
        assert!(!from("sec-fetch-site", "cross-site"));
        assert!(!from("sec-fetch-site", "same-site"));
    }
}
