//! `api.workos.com`: what `AuthKit` and the older SSO API have in common.

use crate::ask::{Ask, Params};
use crate::authkit;
use crate::authorize::Refusal;
use crate::client::{self, API_KEY, Client, Credentials, GATELATCH, OTHER, OTHER_API_KEY};
use crate::fault::Endpoint;
use crate::instance::Instance;
use crate::person::{Home, Person};
use crate::reply::{self, Response};
use crate::token::Refused;
use crate::workos_sso;
use http::Method;
use serde_json::json;

/// The providers that somebody may be sent to directly.
const PROVIDERS: [&str; 5] =
    ["authkit", "GoogleOAuth", "GitHubOAuth", "MicrosoftOAuth", "AppleOAuth"];

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/user_management/authorize" | "/sso/authorize" => Endpoint::Authorize,
        "/user_management/authenticate" | "/sso/token" => Endpoint::Token,
        "/sso/profile" => Endpoint::Userinfo,
        "/user_management/sessions/revoke" => Endpoint::Revoke,
        "/user_management/sessions/logout" => Endpoint::Logout,
        other if other.starts_with("/sso/jwks/") => Endpoint::Jwks,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    if let Some(id) = ask.path.strip_prefix("/sso/jwks/").filter(|_| ask.method == Method::GET) {
        let is_known = client::find(id).is_some();
        return if is_known {
            reply::json(200, &instance.keys.published(true))
        } else {
            not_found(id)
        };
    }
    if ask.path.starts_with("/sso/") {
        workos_sso::answer(instance, ask)
    } else {
        authkit::answer(instance, ask)
    }
}

/// The secret of a client is the API key of its environment.
pub(crate) fn api_key(client: &Client) -> Option<&'static str> {
    match client {
        client if *client == GATELATCH => Some(API_KEY),
        client if *client == OTHER => Some(OTHER_API_KEY),
        _ => None,
    }
}

/// The client, and whether it showed its key. A wrong key is refused.
pub(crate) fn client(ask: &Ask<'_>) -> Result<(&'static Client, bool), Refused> {
    let Credentials { id, secret } = Credentials::read(ask).map_err(Refused::NoCredentials)?;
    let client = client::find(&id).ok_or(Refused::UnknownClient)?;
    match secret {
        None => Ok((client, false)),
        Some(secret) if Some(secret.as_str()) == api_key(client) => Ok((client, true)),
        Some(_) => Err(Refused::Secret),
    }
}

/// The client whose key is in the header.
pub(crate) fn key_holder(ask: &Ask<'_>) -> Option<&'static Client> {
    let key = ask.bearer()?;
    [&GATELATCH, &OTHER]
        .into_iter()
        .find(|client| api_key(client) == Some(key))
        .and_then(|client| client::find(client.id))
}

/// Exactly one of them says where the person is sent.
pub(crate) fn check(asked: &Params, selectors: [&'static str; 3]) -> Result<(), Refusal> {
    match selectors.iter().filter(|name| asked.get(name).is_some()).count() {
        0 => return Err(("invalid_connection_selector", "No connection selector was given.")),
        1 => {}
        _ => return Err(("ambiguous_connection_selector", "More than one selector was given.")),
    }
    if asked.get("provider").is_some_and(|provider| !PROVIDERS.contains(&provider)) {
        return Err(("invalid_connection_selector", "There is no such provider."));
    }
    if asked.get("screen_hint").is_some() && asked.get("provider") != Some("authkit") {
        return Err(("invalid_request", "screen_hint goes with provider=authkit alone."));
    }
    Ok(())
}

/// Who asks for an organization or its connection gets its members and nobody else.
pub(crate) fn admits(
    person: &Person,
    organization: Option<&str>,
    connection: Option<&str>,
) -> Result<(), Refusal> {
    let is_other = |wanted: Option<&str>, own: Option<&str>| wanted.is_some() && wanted != own;
    if is_other(organization, person.home.organization())
        || is_other(connection, self::connection(person.home))
    {
        return Err(("access_denied", "The person does not belong to this organization."));
    }
    Ok(())
}

/// The connection of an organization.
pub(crate) fn connection(home: Home) -> Option<&'static str> {
    match home {
        Home::Alpha => Some("conn_alpha"),
        Home::Beta => Some("conn_beta"),
        Home::Nowhere => None,
    }
}

/// Its shape of errors beside that of OAuth.
pub(crate) fn api_error(status: u16, code: &str, message: &str) -> Response {
    reply::json(status, &json!({ "code": code, "message": message }))
}

pub(crate) fn unauthorized() -> Response {
    reply::json(401, &json!({ "message": "Unauthorized" }))
}

pub(crate) fn not_found(id: &str) -> Response {
    let message = format!("Could not find '{id}'.");
    reply::json(404, &json!({ "code": "entity_not_found", "message": message, "entity_id": id }))
}

pub(crate) fn refusal(refused: &Refused) -> Response {
    let (status, error, description) = match refused {
        Refused::Type | Refused::Repeated | Refused::NoCredentials(_) | Refused::Missing(_) => {
            (400, "invalid_request", "The request is missing a required parameter.")
        }
        Refused::GrantType => (400, "unsupported_grant_type", "The grant type is not supported."),
        Refused::UnknownClient => (400, "invalid_client", "Invalid client ID."),
        Refused::Secret => (400, "invalid_client", "Invalid client secret."),
        Refused::UnknownCode | Refused::UsedCode | Refused::OtherClient | Refused::RedirectUri => {
            (400, "invalid_grant", "The code has expired or is invalid.")
        }
        Refused::Verifier => (400, "invalid_grant", "The code verifier is missing or wrong."),
        Refused::UnknownRefresh => (400, "invalid_grant", "Invalid refresh token."),
        Refused::UsedRefresh => (400, "invalid_grant", "Refresh token already exchanged."),
    };
    reply::error(status, error, description)
}
