//! What somebody who is not signed in is told, by how they asked (M8).

use crate::config::Config;
use crate::hop::words;
use crate::kept;
use crate::path::Target;
use crate::policy::StepUp;
use crate::refused::Why;
use crate::route::Access;
use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERER, VARY, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use serde::Serialize;
use shared::fetch::Response;
use shared::{form, respond};

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Where a person signs in.
pub const LOGIN: &str = "/auth/login";

/// A return path longer than this is not worth a header that long; `/` is returned to instead.
const LONGEST_RETURN: usize = 2048;

/// What the answer depends on; no cache may give it to anybody who differs in one of them.
pub(crate) const DEPENDS: &str = "Cookie, Origin, Accept, Sec-Fetch-Mode, X-Requested-With";

/// Whether a person goes to a page, by a link or by a form, rather than a script fetching something.
/// Browsers say so in `Sec-Fetch-Mode`; of a client that does not, a GET or a POST that prefers HTML is
/// taken for it.
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap, upgrade: bool) -> bool {
    if upgrade || !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return false;
    }
    if headers.contains_key(FETCH_MODE) {
        return headers.get_all(FETCH_MODE).iter().all(|mode| mode == "navigate");
    }
    let html = words(headers, &ACCEPT).any(|range| {
        let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
    });
    *method != Method::HEAD && html && !headers.contains_key(REQUESTED_WITH)
}

/// Whether what is navigated is a window of its own, as far as the browser tells, and somebody looks
/// at it: not a frame, nor a page that is fetched in case it is wanted.
#[must_use]
pub fn is_whole_page(headers: &HeaderMap) -> bool {
    headers.get_all(FETCH_DEST).iter().all(|place| place == "document")
        && !headers.contains_key(PURPOSE)
}

/// What a browser asks about that wants to know what another site's page may send (Fetch §4.8); none
/// of any other request. A method that is none is nobody's route.
#[must_use]
pub fn preflighted(method: &Method, headers: &HeaderMap) -> Option<Method> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let is_preflight = *method == Method::OPTIONS && headers.contains_key(ORIGIN);
    is_preflight.then(|| Method::from_bytes(asked.as_bytes()).unwrap_or(Method::OPTIONS))
}

/// The answer to a preflight on a route that needs a session: no grant to anybody. It is never
/// redirected, and as it carries no cookie nobody could ever pass it on (GP-14).
#[must_use]
pub fn no_grant() -> Response {
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(VARY, HeaderValue::from_static(DEPENDS));
    response.extensions_mut().insert(Why::Preflight);
    response
}

/// Sends a person who follows a link to sign in, tells one who sent a form that they have to, on a page
/// ([`kept::refuse`]), and everything else in JSON (GL-14).
/// Nothing on an `api` route is redirected, nor is a WebSocket (CS-14). `step_up` is what somebody
/// who is signed in lacks, RFC 9470.
#[must_use]
pub fn login_required(
    config: &Config,
    access: Access,
    (method, headers, upgrade): (&Method, &HeaderMap, bool),
    target: &Target,
    step_up: Option<&StepUp>,
) -> Response {
    let navigation = access == Access::SignedIn && is_navigation(method, headers, upgrade);
    let form = navigation && *method == Method::POST;
    let mut response = if navigation && !form {
        let mut response = respond::see_other(&login_url(&target.path_and_query(), None));
        *response.status_mut() = StatusCode::FOUND;
        response
    } else {
        // The page that comes back may lie on another route than what it asked for.
        let wanted = (step_up.is_some() || form).then(|| format!("{method} {}", target.path()));
        let login = login_url(&page_of(headers, config.public_url.as_str()), wanted.as_deref());
        if form {
            kept::refuse(config, headers, target, &login)
        } else {
            unauthorized(&login, step_up)
        }
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static(DEPENDS));
    let why = if step_up.is_some() { Why::StepUp } else { Why::LoginRequired };
    response.extensions_mut().insert(why);
    response
}

#[derive(Serialize)]
struct LoginRequired<'l> {
    error: &'static str,
    login_url: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
}

/// Nobody is signed in, or not as they should be, and whoever asks is no browser that could be sent to
/// do so.
pub(crate) fn unauthorized(login_url: &str, step_up: Option<&StepUp>) -> Response {
    let acr_values = step_up.map(|step_up| step_up.acr.join(" ")).filter(|text| !text.is_empty());
    let max_age = step_up.and_then(|step_up| step_up.max_age);
    let error = match step_up {
        Some(_) => "insufficient_user_authentication",
        None => "login_required",
    };
    let body = LoginRequired { error, login_url, acr_values, max_age };
    let mut response = respond::json(StatusCode::UNAUTHORIZED, &body);
    // Not `Bearer`: a browser's token is never looked at, and `Basic` would open a dialogue.
    let challenge = HeaderValue::from_static("Cookie realm=\"gatelatch\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    if let Ok(location) = HeaderValue::from_str(login_url) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Where to sign in, in the way that `wanted` needs, a method and a path, and then come back.
pub(crate) fn login_url(return_to: &str, wanted: Option<&str>) -> String {
    let return_to = if return_to.len() > LONGEST_RETURN { "/" } else { return_to };
    let wanted = wanted.filter(|wanted| wanted.len() <= LONGEST_RETURN);
    form::append(LOGIN, [("return_to", return_to)].into_iter().chain(wanted.map(|to| ("for", to))))
}

/// The page that a script runs on, as far as the browser tells: there a person wants to be after
/// signing in, not at what the script fetched.
pub(crate) fn page_of(headers: &HeaderMap, public_url: &str) -> String {
    let referer = headers.get(REFERER).and_then(|value| value.to_str().ok());
    let path = referer.and_then(|url| url.strip_prefix(public_url));
    let target = path.filter(|path| path.starts_with('/')).and_then(|path| Target::read(path).ok());
    target.map_or_else(|| "/".to_owned(), |target| target.path_and_query())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;
    use Access::{Api, SignedIn};

    const NAVIGATION: (&str, &str) = ("sec-fetch-mode", "navigate");

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn told(
        access: Access,
        method: &Method,
        path: &str,
        lines: &[(&'static str, &str)],
    ) -> Response {
        let (headers, target) = (headers(lines), Target::read(path).unwrap());
        let upgrade = crate::hop::is_websocket(&headers);
        login_required(&with(&[]).unwrap(), access, (method, &headers, upgrade), &target, None)
    }

    fn status(access: Access, method: &Method, lines: &[(&'static str, &str)]) -> u16 {
        told(access, method, "/x", lines).status().as_u16()
    }

    #[test]
    fn gl_14_a_navigation_is_sent_to_sign_in_and_comes_back_to_where_it_was() {
        let response = told(SignedIn, &Method::GET, "/a%20b?c=d&e=%2F", &[NAVIGATION]);
        assert_eq!(response.status(), 302);
        let location = response.headers()[LOCATION].to_str().unwrap();
        assert_eq!(location, "/auth/login?return_to=%2Fa%2520b%3Fc%3Dd%26e%3D%252F");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers()[VARY].to_str().unwrap().contains("Cookie"));
    }

    #[test]
    fn gl_14_everything_else_is_told_in_json() {
        let (html, json) = (("accept", "text/html,*/*;q=0.8"), ("accept", "application/json"));
        let (cors, ajax) = (("sec-fetch-mode", "cors"), ("x-requested-with", "XMLHttpRequest"));
        assert_eq!(status(SignedIn, &Method::GET, &[html]), 302);
        assert_eq!(status(SignedIn, &Method::HEAD, &[NAVIGATION]), 302);
        for (method, lines) in [
            (Method::GET, &[cors, html][..]),
            (Method::GET, &[html, ajax]),
            (Method::GET, &[json]),
            (Method::GET, &[("accept", "*/*")]),
            (Method::GET, &[("accept", "text/htmlx, caf\u{e9}")]),
            (Method::GET, &[]),
            (Method::HEAD, &[html]),
            (Method::POST, &[NAVIGATION, html]),
            (Method::OPTIONS, &[html]),
            (Method::GET, &[NAVIGATION, cors]),
        ] {
            assert_eq!(status(SignedIn, &method, lines), 401, "{method} {lines:?}");
        }
        assert_eq!(status(Api, &Method::GET, &[NAVIGATION, html]), 401);
    }

    #[test]
    fn cs_14_a_websocket_is_told_401() {
        assert_eq!(status(SignedIn, &Method::GET, &[NAVIGATION, ("upgrade", "WebSocket")]), 401);
    }

    #[test]
    fn a_401_says_where_to_sign_in_and_returns_to_the_page_of_the_script() {
        let login_url = |referer: &str| {
            let response = told(Api, &Method::GET, "/api/x", &[("referer", referer)]);
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["error"], "login_required");
            assert_eq!(response.headers()[LOCATION], body["login_url"].as_str().unwrap());
            assert!(response.headers().contains_key(WWW_AUTHENTICATE));
            assert_eq!(response.headers()["cache-control"], "no-store");
            body["login_url"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            login_url("https://app.test/page?x=1#f"),
            "/auth/login?return_to=%2Fpage%3Fx%3D1"
        );
        for referer in [
            "https://evil.test/page",
            "https://app.test.evil/page",
            "https://app.test",
            "https://app.test@evil.test/",
            "caf\u{e9}",
        ] {
            assert_eq!(login_url(referer), "/auth/login?return_to=%2F", "{referer}");
        }
    }

    #[test]
    fn gl_06_a_huge_return_path_becomes_the_root() {
        let path = format!("/{}", "x".repeat(LONGEST_RETURN));
        let response = told(SignedIn, &Method::GET, &path, &[NAVIGATION]);
        assert_eq!(response.headers()[LOCATION], "/auth/login?return_to=%2F");
    }

    #[test]
    fn gp_14_cs_11_a_preflight_gets_no_grant_and_no_redirect() {
        let asks =
            headers(&[("origin", "https://evil.test"), ("access-control-request-method", "PUT")]);
        assert_eq!(preflighted(&Method::OPTIONS, &asks), Some(Method::PUT));
        assert_eq!(preflighted(&Method::GET, &asks), None);
        let plain = headers(&[("origin", "https://evil.test")]);
        assert_eq!(preflighted(&Method::OPTIONS, &plain), None);
        let response = no_grant();
        assert_eq!(response.status(), 204);
        assert!(response.headers()[VARY].to_str().unwrap().contains("Origin"));
        let grants = |name: &HeaderName| name.as_str().starts_with("access-control-");
        assert!(!response.headers().keys().any(grants));
    }
}
