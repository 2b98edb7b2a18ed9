//! What the catalogue of attacks calls by a short name: the right answers to wrong requests.

use crate::browser::{Reply, text};
use crate::client::{Ask, json};
use crate::world::Issuer;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use shared::fetch::Response;

/// The one value of a header, or an empty text.
pub fn header<'r>(answer: &'r Response, name: &str) -> &'r str {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
    assert!(answer.headers().get_all(&name).iter().count() < 2, "{name} twice");
    answer.headers().get(&name).map_or("", |value| value.to_str().expect("ASCII"))
}

/// LOCAL: the person is told here, and nobody is sent anywhere.
pub fn local(answer: &Response, what: &str) {
    let status = answer.status();
    assert!(status.is_client_error(), "{what}: {status} {:?}", answer.headers().get(LOCATION));
    assert!(!answer.headers().contains_key(LOCATION), "{what}");
    assert!(!answer.headers().contains_key(SET_COOKIE), "{what}");
    if !answer.body().is_empty() {
        page(answer);
        assert!(!text(answer).contains("<form"), "{what}: nothing can be done on this page");
    }
}

/// Headers that every page of the issuer has.
pub fn page(answer: &Response) {
    assert_eq!(header(answer, "content-type"), "text/html; charset=utf-8");
    let policy = header(answer, "content-security-policy");
    for wanted in
        ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(wanted), "{wanted} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(header(answer, name), value, "{name}");
    }
    let page = text(answer);
    for other in ["<script", "src=\"http", "href=\"//"] {
        assert!(!page.contains(other), "a page loads nothing and runs nothing: {other}");
    }
}

/// BACK: the client is told, at its own redirect URI, with its state and with who says so.
pub fn back(answer: &Response, issuer: &Issuer, ask: &Ask, error: &str) {
    let reply = Reply::of(answer);
    let redirect_uri = ask.get("redirect_uri").expect("a redirect URI");
    assert!(reply.location.starts_with(redirect_uri), "{}", reply.location);
    assert_eq!(reply.get("error"), Some(error), "{}", reply.location);
    assert_eq!(reply.get("code"), None, "{}", reply.location);
    assert_eq!(reply.get("state"), ask.get("state"));
    assert_eq!(reply.get("iss"), Some(issuer.url()));
    no_store(answer);
}

/// The same by `form_post`.
pub fn posted_back(answer: &Response, issuer: &Issuer, ask: &Ask, error: &str) {
    let reply = Reply::posted(answer);
    form_post(answer);
    assert_eq!(Some(&*reply.location), ask.get("redirect_uri"));
    assert_eq!(reply.get("error"), Some(error));
    assert_eq!(reply.get("code"), None);
    assert_eq!(reply.get("state"), ask.get("state"));
    assert_eq!(reply.get("iss"), Some(issuer.url()));
}

/// What the page of `form_post` has: one script, by its hash, and no way but to the client.
pub fn form_post(answer: &Response) {
    assert_eq!(header(answer, "content-type"), "text/html; charset=utf-8");
    let policy = header(answer, "content-security-policy");
    for wanted in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-"] {
        assert!(policy.contains(wanted), "{wanted} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("'self'"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(answer, name), value, "{name}");
    }
    let page = text(answer);
    for (once, count) in [("<script>", 1), ("<script", 1), ("<form", 1), ("src=", 0)] {
        assert_eq!(page.matches(once).count(), count, "{once}");
    }
}

/// An error of an endpoint that speaks JSON.
pub fn error(answer: &Response, status: StatusCode, error: &str, what: &str) {
    assert_eq!(answer.status(), status, "{what}: {}", String::from_utf8_lossy(answer.body()));
    assert_eq!(json(answer)["error"], error, "{what}");
    assert_eq!(header(answer, CONTENT_TYPE.as_str()), "application/json", "{what}");
    assert_eq!(header(answer, "x-content-type-options"), "nosniff", "{what}");
    assert!(!answer.headers().contains_key(SET_COOKIE), "{what}");
    no_store(answer);
}

/// IG.
pub fn invalid_grant(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_grant", what);
}

/// IC; with a challenge when Basic was tried.
pub fn invalid_client(answer: &Response, tried_basic: bool, what: &str) {
    error(answer, StatusCode::UNAUTHORIZED, "invalid_client", what);
    if tried_basic {
        assert!(header(answer, WWW_AUTHENTICATE.as_str()).starts_with("Basic "), "{what}");
    }
}

/// RQ.
pub fn invalid_request(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_request", what);
}

/// Nobody may keep it.
pub fn no_store(answer: &Response) {
    assert_eq!(header(answer, CACHE_CONTROL.as_str()), "no-store");
}

/// An access token was not good enough for userinfo.
pub fn unauthorized(answer: &Response, what: &str) {
    error(answer, StatusCode::UNAUTHORIZED, "invalid_token", what);
    let challenge = header(answer, WWW_AUTHENTICATE.as_str());
    let schemes = ["Bearer error=\"invalid_token\"", "DPoP error=\"invalid_token\""];
    assert!(schemes.iter().any(|scheme| challenge.starts_with(scheme)), "{what}: {challenge}");
}
