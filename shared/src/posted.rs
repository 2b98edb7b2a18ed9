//! Forms in the bodies of requests.

use crate::error::{ErrorCode, OAuthError};
use crate::fetch::Request;
use crate::form::{Form, Malformed};
use http::Method;
use http::header::CONTENT_TYPE;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
