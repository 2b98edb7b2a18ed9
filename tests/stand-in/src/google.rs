//! Google, all of its hosts under one base.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::fault::Endpoint;
use crate::instance::{Grant, Instance};
use crate::oidc;
use crate::person::{PEOPLE, Person};
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use http::Method;
use serde_json::json;

const REALM: &str = "google";
const SECONDS: u64 = 3600;

/// What other scopes begin with.
const SCOPES: &str = "https://www.googleapis.com/auth/";

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/.well-known/openid-configuration" => Endpoint::Discovery,
        "/oauth2/v3/certs" => Endpoint::Jwks,
        "/o/oauth2/v2/auth" => Endpoint::Authorize,
        "/token" => Endpoint::Token,
        "/v1/userinfo" => Endpoint::Userinfo,
        "/revoke" => Endpoint::Revoke,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET, "/.well-known/openid-configuration") => discovery(instance, ask),
        (&Method::GET, "/oauth2/v3/certs") => reply::json(200, &instance.keys.published(true)),
        (&Method::GET | &Method::POST, "/o/oauth2/v2/auth") => {
            authorize(instance, ask, &Rules { check, ..Rules::new(REALM) })
        }
        (&Method::POST, "/token") => token(instance, ask).unwrap_or_else(|r| refusal(&r)),
        (&Method::GET | &Method::POST, "/v1/userinfo") => userinfo(instance, ask),
        (&Method::POST, "/revoke") => revoke(instance, ask),
        _ => reply::not_found(),
    }
}

fn discovery(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let at = |path: &str| format!("{}{path}", ask.base);
    let document = json!({
        "issuer": ask.base,
        "authorization_endpoint": at("/o/oauth2/v2/auth"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/v1/userinfo"),
        "revocation_endpoint": at("/revoke"),
        "jwks_uri": at("/oauth2/v3/certs"),
        "response_types_supported": ["code", "token", "id_token", "code token", "code id_token",
            "token id_token", "code token id_token", "none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": ["aud", "email", "email_verified", "exp", "family_name", "given_name",
            "iat", "iss", "name", "picture", "sub"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    });
    oidc::discovery(instance, document)
}

/// `offline_access` is no scope here: `access_type` is how to ask for it.
fn check(_: &Ask<'_>, asked: &Params) -> Result<(), Refusal> {
    let scopes = asked.words("scope");
    if scopes.is_empty() {
        return Err(("invalid_request", "Missing required parameter: scope"));
    }
    let known = ["openid", "email", "profile"];
    if scopes.iter().any(|scope| !known.contains(&&**scope) && !scope.starts_with(SCOPES)) {
        return Err(("invalid_scope", "Some requested scopes were invalid."));
    }
    if asked.get("access_type").is_some_and(|kind| !["online", "offline"].contains(&kind)) {
        return Err(("invalid_request", "Invalid parameter value for access_type"));
    }
    let words = ["none", "consent", "select_account"];
    if asked.words("prompt").iter().any(|word| !words.contains(&&**word)) {
        return Err(("invalid_request", "Invalid parameter value for prompt"));
    }
    Ok(())
}

fn token(instance: &mut Instance, ask: &Ask<'_>) -> Result<Response, Refused> {
    token::form(ask)?;
    let client = token::client(ask)?;
    match ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? {
        "authorization_code" => {
            let grant = token::redeem(instance, ask, client, REALM, Redirects::Repeated)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Token))
        }
        "refresh_token" => {
            let grant = token::refresh(instance, ask, client, Use::Stays)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Refresh))
        }
        _ => Err(Refused::GrantType),
    }
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant, endpoint: Endpoint) -> Response {
    let access_token = instance.give_access("ya29.", grant, ask.now + SECONDS);
    let long = |scope: &String| match scope.as_str() {
        "email" | "profile" => format!("{SCOPES}userinfo.{scope}"),
        other => other.to_owned(),
    };
    let scopes: Vec<_> = grant.scopes.iter().map(long).collect();
    let mut body = json!({
        "access_token": access_token,
        "expires_in": SECONDS - 1,
        "scope": scopes.join(" "),
        "token_type": "Bearer",
    });
    if grant.scopes.iter().any(|scope| scope == "openid") {
        let subject = subject(grant.person);
        let mut claims = oidc::claims(&ask.base, &subject, grant, ask.now, SECONDS);
        claims["azp"] = grant.client.into();
        oidc::extend(&mut claims, oidc::profile(grant));
        // In the token for whoever has one, whatever the request said.
        if let Some(domain) = grant.person.home.domain() {
            claims["hd"] = domain.into();
        }
        if endpoint == Endpoint::Refresh {
            oidc::forget(&mut claims, "nonce");
        }
        if let Some(token) = oidc::id_token(instance, endpoint, grant, &access_token, claims) {
            body["id_token"] = token.into();
        }
    }
    // The first time somebody agrees, or agrees anew. A refresh never brings another one.
    if endpoint == Endpoint::Token && grant.asked.get("access_type") == Some("offline") {
        let is_first = instance.agreed.insert((grant.person.key, grant.client));
        if is_first || grant.asked.words("prompt").iter().any(|word| word == "consent") {
            body["refresh_token"] = instance.give_refresh("1//", grant).into();
        }
    }
    reply::json(200, &body)
}

/// 21 digits.
fn subject(person: &Person) -> String {
    let place = PEOPLE.iter().position(|other| other == person).unwrap_or_default();
    format!("10000000000000000{:04}", place + 1)
}

fn userinfo(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let grant = instance.access(ask.bearer(), ask.now);
    let body = grant.map(|grant| {
        let mut body = json!({ "sub": subject(grant.person) });
        oidc::extend(&mut body, oidc::profile(grant));
        if let Some(domain) = grant.person.home.domain() {
            body["hd"] = domain.into();
        }
        body
    });
    let refusal = json!({ "error": "invalid_request", "error_description": "Invalid Credentials" });
    oidc::userinfo(instance, body, &refusal)
}

/// Whoever has a token may end it, and everything of the person for this client with it.
fn revoke(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let token = ask.body("token").or_else(|| ask.query.get("token")).unwrap_or_default();
    let of_access = instance.access.get(token).map(|access| &access.grant);
    let grant = of_access.or_else(|| Some(&instance.refresh.get(token)?.grant)).cloned();
    let Some(grant) = grant else {
        return reply::error(400, "invalid_token", "Token expired or revoked");
    };
    instance.end(|other| other.person == grant.person && other.client == grant.client);
    instance.agreed.remove(&(grant.person.key, grant.client));
    reply::json(200, &json!({}))
}

fn refusal(refused: &Refused) -> Response {
    let (status, error, description) = match refused {
        Refused::Type | Refused::Repeated | Refused::Missing(_) => {
            (400, "invalid_request", "Missing or repeated parameter.")
        }
        Refused::NoCredentials(_) => {
            (400, "invalid_request", "Could not determine client ID from request.")
        }
        Refused::GrantType => (400, "unsupported_grant_type", "Invalid grant_type"),
        Refused::UnknownClient => (401, "invalid_client", "The OAuth client was not found."),
        Refused::Secret => (401, "invalid_client", "The provided client secret is invalid."),
        Refused::UnknownCode | Refused::OtherClient => {
            (400, "invalid_grant", "Malformed auth code.")
        }
        Refused::UsedCode => (400, "invalid_grant", "Bad Request"),
        Refused::RedirectUri => (400, "redirect_uri_mismatch", "Bad Request"),
        Refused::Verifier => (400, "invalid_grant", "Missing or invalid code verifier."),
        Refused::UnknownRefresh | Refused::UsedRefresh => {
            (400, "invalid_grant", "Token has been expired or revoked.")
        }
    };
    reply::error(status, error, description)
}
