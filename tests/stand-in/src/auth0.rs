//! A tenant of Auth0. Its issuer is the base with a slash at the end.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::fault::Endpoint;
use crate::instance::{Grant, Instance};
use crate::keys::Signature;
use crate::oidc;
use crate::person::{Home, Person};
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use http::Method;
use serde_json::{Map, Value, json};

/// How long ID tokens and access tokens live unless a tenant says otherwise.
const ID_TOKEN_SECONDS: u64 = 36_000;
const ACCESS_TOKEN_SECONDS: u64 = 86_400;

/// Codes of Auth0.
const REALM: &str = "auth0";

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/.well-known/openid-configuration" => Endpoint::Discovery,
        "/.well-known/jwks.json" => Endpoint::Jwks,
        "/authorize" => Endpoint::Authorize,
        "/oauth/token" => Endpoint::Token,
        "/userinfo" => Endpoint::Userinfo,
        "/oauth/revoke" => Endpoint::Revoke,
        "/oidc/logout" | "/v2/logout" => Endpoint::Logout,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET, "/.well-known/openid-configuration") => discovery(instance, ask),
        (&Method::GET, "/.well-known/jwks.json") => {
            reply::json(200, &instance.keys.published(true))
        }
        (&Method::GET | &Method::POST, "/authorize") => authorize(instance, ask, &rules()),
        (&Method::POST, "/oauth/token") => {
            token(instance, ask).unwrap_or_else(|refused| refusal(&refused))
        }
        (&Method::GET | &Method::POST, "/userinfo") => userinfo(instance, ask),
        (&Method::POST, "/oauth/revoke") => revoke(instance, ask),
        (&Method::GET | &Method::POST, "/oidc/logout") => {
            let exit = oidc::Exit::strict("post_logout_redirect_uri");
            oidc::end_session(instance, ask, oidc::Exit { sid: Some("logout_hint"), ..exit })
        }
        (&Method::GET, "/v2/logout") => {
            oidc::end_session(instance, ask, oidc::Exit::strict("returnTo"))
        }
        _ => reply::not_found(),
    }
}

pub(crate) fn issuer(base: &str) -> String {
    format!("{base}/")
}

pub(crate) fn subject(person: &Person) -> String {
    format!("auth0|{}", person.key)
}

fn discovery(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let at = |path: &str| format!("{}{path}", ask.base);
    let document = json!({
        "issuer": issuer(&ask.base),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/oauth/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/oauth/revoke"),
        "end_session_endpoint": at("/oidc/logout"),
        "scopes_supported": ["openid", "profile", "offline_access", "name", "given_name",
            "family_name", "nickname", "email", "email_verified", "picture", "created_at",
            "identities", "phone", "address"],
        "response_types_supported": ["code", "token", "id_token", "code token", "code id_token",
            "token id_token", "code token id_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post",
            "private_key_jwt"],
        "claims_supported": ["aud", "auth_time", "created_at", "email", "email_verified", "exp",
            "family_name", "given_name", "iat", "identities", "iss", "name", "nickname",
            "phone_number", "picture", "sub"],
        "request_uri_parameter_supported": false,
        "request_parameter_supported": false,
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    oidc::discovery(instance, document)
}

fn rules() -> Rules {
    Rules { mismatch_status: 403, admits, ..Rules::new(REALM) }
}

/// Who asks for an organization, by its id or its name, gets its members and nobody else.
fn admits(_: &Ask<'_>, asked: &Params, person: &Person) -> Result<(), Refusal> {
    let is_theirs =
        |wanted: &str| person.home.organization() == Some(wanted) || is_name(person.home, wanted);
    match asked.get("organization") {
        Some(wanted) if !is_theirs(wanted) => {
            Err(("access_denied", "The person is not part of the organization."))
        }
        _ => Ok(()),
    }
}

/// Names of organizations are in lower case, and found in any.
fn is_name(home: Home, text: &str) -> bool {
    home.organization_name().is_some_and(|name| name.eq_ignore_ascii_case(text))
}

fn token(instance: &mut Instance, ask: &Ask<'_>) -> Result<Response, Refused> {
    // Auth0 reads JSON too.
    if ask.json.is_none() {
        token::form(ask)?;
    }
    let client = token::client(ask)?;
    match ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? {
        "authorization_code" => {
            let grant = token::redeem(instance, ask, client, REALM, Redirects::Repeated)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Token))
        }
        "refresh_token" => {
            let grant = token::refresh(instance, ask, client, Use::EndsFamily)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Refresh))
        }
        _ => Err(Refused::GrantType),
    }
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant, endpoint: Endpoint) -> Response {
    let access_token = access_token(instance, ask, grant);
    let mut body = json!({
        "access_token": access_token,
        "scope": grant.scopes.join(" "),
        "expires_in": ACCESS_TOKEN_SECONDS,
        "token_type": "Bearer",
    });
    let has = |scope: &str| grant.scopes.iter().any(|other| other == scope);
    if has("openid") {
        let issuer = issuer(&ask.base);
        let subject = subject(grant.person);
        let mut claims = oidc::claims(&issuer, &subject, grant, ask.now, ID_TOKEN_SECONDS);
        oidc::extend(&mut claims, profile(grant));
        claims["sid"] = grant.sid.as_str().into();
        if grant.asked.get("max_age").is_some() {
            claims["auth_time"] = grant.auth_time.into();
        }
        if let Some(wanted) = grant.asked.get("organization") {
            let home = grant.person.home;
            claims["org_id"] = home.organization().into();
            // A tenant that takes names tells them.
            if is_name(home, wanted) {
                claims["org_name"] = home.organization_name().into();
            }
        }
        if endpoint == Endpoint::Refresh {
            oidc::forget(&mut claims, "nonce");
        }
        let token = oidc::id_token(instance, endpoint, grant, &access_token, claims);
        if let Some(token) = token {
            body["id_token"] = token.into();
        }
    }
    if has("offline_access") {
        body["refresh_token"] = instance.give_refresh("v1.", grant).into();
    }
    reply::json(200, &body)
}

/// A JWT for an API that was named, and otherwise something for userinfo alone.
fn access_token(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant) -> String {
    let expires_at = ask.now + ACCESS_TOKEN_SECONDS;
    let Some(audience) = grant.asked.get("audience") else {
        return instance.give_access("opaque-", grant, expires_at);
    };
    let claims = json!({
        "iss": issuer(&ask.base), "sub": subject(grant.person), "azp": grant.client,
        "aud": [audience, format!("{}/userinfo", ask.base)], "iat": ask.now, "exp": expires_at,
        "scope": grant.scopes.join(" "), "jti": instance.fresh(""),
    });
    let token = instance.keys.sign("JWT", &claims, Signature::Good);
    instance.keep_access(&token, grant, expires_at);
    token
}

fn profile(grant: &Grant) -> Map<String, Value> {
    let mut claims = oidc::profile(grant);
    if claims.contains_key("name") {
        claims.insert("nickname".to_owned(), grant.person.key.into());
        let picture = format!("https://s.gravatar.test/{}.png", grant.person.key);
        claims.insert("picture".to_owned(), picture.into());
        claims.insert("updated_at".to_owned(), "2026-11-01T12:00:00.000Z".into());
    }
    claims
}

fn userinfo(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let grant = instance.access(ask.bearer(), ask.now);
    let body = grant.map(|grant| {
        let mut body = json!({ "sub": subject(grant.person) });
        oidc::extend(&mut body, profile(grant));
        body
    });
    oidc::userinfo(instance, body, &json!("Unauthorized"))
}

/// The same for tokens that were never there.
fn revoke(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let client = match token::client(ask) {
        Ok(client) => client,
        Err(refused) => return refusal(&refused),
    };
    let token = ask.body("token").unwrap_or_default();
    let found = instance.refresh.get(token).filter(|found| found.grant.client == client.id);
    if let Some(family) = found.map(|found| found.grant.family) {
        instance.end(|grant| grant.family == family);
    }
    reply::empty(200)
}

fn refusal(refused: &Refused) -> Response {
    let (status, error, description) = match refused {
        Refused::Type | Refused::Repeated | Refused::NoCredentials(_) | Refused::Missing(_) => {
            (400, "invalid_request", "The request is not right.")
        }
        Refused::GrantType => (403, "unsupported_grant_type", "Unsupported grant type"),
        Refused::UnknownClient | Refused::Secret => (401, "access_denied", "Unauthorized"),
        Refused::UnknownCode | Refused::UsedCode | Refused::OtherClient => {
            (403, "invalid_grant", "Invalid authorization code")
        }
        Refused::RedirectUri => (403, "unauthorized_client", "The redirect URI is wrong."),
        Refused::Verifier => (403, "invalid_grant", "Failed to verify code verifier"),
        Refused::UnknownRefresh | Refused::UsedRefresh => {
            (403, "invalid_grant", "Unknown or invalid refresh token.")
        }
    };
    reply::error(status, error, description)
}
