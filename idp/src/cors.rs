//! Cross-origin reading, for scripts of registered clients: never with credentials.

use crate::config::Config;
use crate::words::Endpoint;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, HeaderMap, ORIGIN, VARY,
};
use http::{HeaderValue, StatusCode};
use shared::fetch::Response;
use shared::respond;

/// Answers a preflight. An origin that no client registered is answered the same, without the
/// grant (TC-20).
pub(crate) fn preflight(endpoint: Endpoint, headers: &HeaderMap, config: &Config) -> Response {
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    allow(endpoint, headers, config, &mut response);
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let methods = HeaderValue::from_static(endpoint.allow());
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        respond::put(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
        respond::put(&mut response, ACCESS_CONTROL_MAX_AGE, "600");
    }
    response
}

/// Lets a script read a response: anybody's what is public, a registered client's the rest.
pub(crate) fn allow(
    endpoint: Endpoint,
    headers: &HeaderMap,
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
    let Some(origin) = headers.get(ORIGIN) else { return };
    let mut registered = config.clients.iter().flat_map(|client| &client.allowed_origins);
    if registered.any(|allowed| allowed.as_str().as_bytes() == origin.as_bytes()) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}
