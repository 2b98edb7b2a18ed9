//! Cross-origin reading, for scripts of registered clients: never with credentials.

use crate::ask;
use crate::client_auth::claimed;
use crate::config::Config;
use crate::words::Endpoint;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderValue, StatusCode};
use shared::fetch::{Request, Response};
use shared::respond;

/// Answers a preflight. An origin that no client registered is answered the same, without the
/// grant (TC-20).
pub(crate) fn preflight(endpoint: Endpoint, request: &Request, config: &Config) -> Response {
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    allow(endpoint, request, config, &mut response);
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let methods = HeaderValue::from_static(endpoint.allow());
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        respond::put(
            &mut response,
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, dpop",
        );
        respond::put(&mut response, ACCESS_CONTROL_MAX_AGE, "600");
    }
    response
}

/// Lets a script read a response: anybody's what is public, the rest those of the client that asks.
pub(crate) fn allow(
    endpoint: Endpoint,
    request: &Request,
    config: &Config,
    response: &mut Response,
) {
    if !endpoint.has_cors() {
        return;
    }
    if matches!(endpoint, Endpoint::Discovery | Endpoint::Rfc8414 | Endpoint::Jwks) {
        respond::put(response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        return;
    }
    respond::put(response, VARY, "Origin");
    let headers = request.headers();
    let Some(origin) = headers.get(ORIGIN) else { return };
    // Preflights and userinfo do not say which client it is; a bearer token says enough.
    let form = ask::form(request).ok();
    let client = form.and_then(|form| claimed(headers, &form));
    let clients = config.clients.iter();
    let clients = clients.filter(|known| client.as_ref().is_none_or(|id| *id == known.id));
    let mut registered = clients.flat_map(|client| &client.allowed_origins);
    if registered.any(|allowed| allowed.as_str().as_bytes() == origin.as_bytes()) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
