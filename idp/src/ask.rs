//! Reading what a request asks: its form, its bearer token, where it came from.

use crate::words::Endpoint;
use http::Method;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, ORIGIN};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::form::{Form, Malformed};
use shared::origin::Origin;
use shared::respond::see_other;

/// The most that a request body may hold (DS-01). The edge stops reading there.
pub const LARGEST_BODY: usize = 64 * 1024;

/// Why a form was not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoForm {
    /// Not `application/x-www-form-urlencoded`.
    ContentType,
    /// See [`LARGEST_BODY`].
    TooLarge,
    /// A repeated parameter, too many of them, or no text.
    Malformed(Malformed),
    /// Parameters in the query, where they end up in logs.
    Query,
}

impl NoForm {
    /// What the client is told.
    #[must_use]
    pub const fn public(self) -> OAuthError {
        OAuthError::new(
            ErrorCode::InvalidRequest,
            match self {
                Self::ContentType => "the body must be application/x-www-form-urlencoded",
                Self::TooLarge => "the body is too large",
                Self::Malformed(Malformed::Repeated) => "a parameter is repeated",
                Self::Malformed(Malformed::TooMany) => "there are too many parameters",
                Self::Malformed(Malformed::NotText) => "a parameter is not text",
                Self::Query => "parameters belong in the body, not in the query",
            },
        )
    }
}

/// The form in the body of a POST, which must have no query (TC-13).
///
/// # Errors
/// See [`NoForm`].
pub fn form(request: &Request) -> Result<Form, NoForm> {
    form_repeating(request, None)
}

/// The same where one parameter may be repeated.
///
/// # Errors
/// See [`NoForm`].
pub fn form_repeating(request: &Request, repeatable: Option<&str>) -> Result<Form, NoForm> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(NoForm::Query);
    }
    Form::parse_repeating(form_bytes(request)?, repeatable).map_err(NoForm::Malformed)
}

/// The encoded parameters of a request that may come by GET or by POST.
///
/// # Errors
/// See [`NoForm`].
pub fn parameters(request: &Request) -> Result<&[u8], NoForm> {
    if request.method() == Method::POST {
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(NoForm::Query);
        }
        return form_bytes(request);
    }
    Ok(request.uri().query().unwrap_or_default().as_bytes())
}

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

fn form_bytes(request: &Request) -> Result<&[u8], NoForm> {
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let kind = types.next().filter(|_| types.next().is_none());
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(NoForm::ContentType);
    }
    if request.body().len() > LARGEST_BODY {
        return Err(NoForm::TooLarge);
    }
    Ok(request.body())
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

    fn post(kind: &str, query: &str) -> Request {
        http::Request::post(format!("https://idp.test/token{query}"))
            .header("content-type", kind)
            .body(b"a=1".to_vec())
            .unwrap()
    }

    #[test]
    fn tc_13_tc_15_a_form_is_a_form_and_in_the_body() {
        for kind in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLencoded; charset=UTF-8",
        ] {
            assert!(form(&post(kind, "")).is_ok(), "{kind}");
        }
        for kind in [
            "application/json",
            "",
            "multipart/form-data",
            "application/json, application/x-www-form-urlencoded",
        ] {
            assert_eq!(form(&post(kind, "")).err(), Some(NoForm::ContentType), "{kind}");
        }
        let query = form(&post("application/x-www-form-urlencoded", "?grant_type=x"));
        assert_eq!(query.err(), Some(NoForm::Query));
    }

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
