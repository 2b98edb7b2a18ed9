//! Entra. The tenant is the first part of the path: `common`, `organizations`, `consumers`, or the
//! identifier of one.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::fault::Endpoint;
use crate::instance::{Grant, Instance};
use crate::keys::digest;
use crate::oidc;
use crate::person::{Home, PEOPLE, Person};
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use http::Method;
use serde_json::{Value, json};

const SECONDS: u64 = 3600;

/// The word in the issuer of those that are for several tenants.
const TEMPLATE: &str = "{tenantid}";
/// Those that are for several tenants.
const SEVERAL: [&str; 3] = ["common", "organizations", "consumers"];

/// The tenant and the rest of a path.
fn split(path: &str) -> (&str, &str) {
    let inner = path.strip_prefix('/').unwrap_or(path);
    inner.split_once('/').unwrap_or((inner, ""))
}

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    if path == "/oidc/userinfo" {
        return Some(Endpoint::Userinfo);
    }
    Some(match split(path).1 {
        "v2.0/.well-known/openid-configuration" => Endpoint::Discovery,
        "discovery/v2.0/keys" => Endpoint::Jwks,
        "oauth2/v2.0/authorize" => Endpoint::Authorize,
        "oauth2/v2.0/token" => Endpoint::Token,
        "oauth2/v2.0/logout" => Endpoint::Logout,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    if ask.path == "/oidc/userinfo" {
        return userinfo(instance, ask);
    }
    let (tenant, rest) = split(ask.path);
    let known = [Home::Alpha, Home::Beta, Home::Nowhere].map(Home::tenant);
    if !SEVERAL.contains(&tenant) && !known.contains(&tenant) {
        let text = format!("AADSTS90002: Tenant '{tenant}' not found.");
        return error(ask, 400, "invalid_tenant", 90_002, &text);
    }
    match (ask.method, rest) {
        (&Method::GET, "v2.0/.well-known/openid-configuration") => discovery(instance, ask, tenant),
        (&Method::GET, "discovery/v2.0/keys") => {
            let mut keys = instance.keys.published(false);
            for key in keys["keys"].as_array_mut().into_iter().flatten() {
                let tenant = if SEVERAL.contains(&tenant) { TEMPLATE } else { tenant };
                key["issuer"] = issuer(&ask.base, tenant).into();
            }
            reply::json(200, &keys)
        }
        (&Method::GET | &Method::POST, "oauth2/v2.0/authorize") => {
            let rules = Rules { check, admits, ..Rules::new(&realm(tenant)) };
            authorize(instance, ask, &rules)
        }
        (&Method::POST, "oauth2/v2.0/token") => {
            token(instance, ask, tenant).unwrap_or_else(|refused| refusal(ask, &refused))
        }
        (&Method::GET, "oauth2/v2.0/logout") => {
            let sid = Some("logout_hint");
            oidc::end_session(instance, ask, oidc::Exit { sid, ..oidc::Exit::lenient() })
        }
        _ => reply::not_found(),
    }
}

/// Codes of one tenant's endpoint are worth nothing at another's.
fn realm(tenant: &str) -> String {
    format!("entra {tenant}")
}

fn issuer(base: &str, tenant: &str) -> String {
    format!("{base}/{tenant}/v2.0")
}

fn discovery(instance: &mut Instance, ask: &Ask<'_>, tenant: &str) -> Response {
    let at = |path: &str| format!("{}/{tenant}/{path}", ask.base);
    let named = if SEVERAL.contains(&tenant) { TEMPLATE } else { tenant };
    let document = json!({
        "issuer": issuer(&ask.base, named),
        "authorization_endpoint": at("oauth2/v2.0/authorize"),
        "token_endpoint": at("oauth2/v2.0/token"),
        "jwks_uri": at("discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{}/oidc/userinfo", ask.base),
        "end_session_endpoint": at("oauth2/v2.0/logout"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt",
            "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "claims_supported": ["sub", "iss", "cloud_instance_name", "aud", "exp", "iat",
            "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash",
            "c_hash", "email"],
        "tenant_region_scope": null,
    });
    oidc::discovery(instance, document)
}

fn check(_: &Ask<'_>, asked: &Params) -> Result<(), Refusal> {
    if asked.get("scope").is_none() {
        let text = "AADSTS900144: The request body must contain the following parameter: 'scope'.";
        return Err(("invalid_request", text));
    }
    Ok(())
}

fn admits(ask: &Ask<'_>, _: &Params, person: &Person) -> Result<(), Refusal> {
    let tenant = split(ask.path).0;
    let is_personal = person.home == Home::Nowhere;
    let may = match tenant {
        "common" => true,
        "organizations" => !is_personal,
        "consumers" => is_personal,
        one => one == person.home.tenant(),
    };
    let text =
        "AADSTS50020: User account does not exist in tenant and cannot access the application.";
    if may { Ok(()) } else { Err(("access_denied", text)) }
}

fn token(instance: &mut Instance, ask: &Ask<'_>, tenant: &str) -> Result<Response, Refused> {
    token::form(ask)?;
    let client = token::client(ask)?;
    match ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? {
        "authorization_code" => {
            let realm = realm(tenant);
            let grant = token::redeem(instance, ask, client, &realm, Redirects::Repeated)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Token))
        }
        "refresh_token" => {
            // There is a new one each time, and the old one stays good.
            let grant = token::refresh(instance, ask, client, Use::Stays)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Refresh))
        }
        _ => Err(Refused::GrantType),
    }
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant, endpoint: Endpoint) -> Response {
    let access_token = instance.give_access("EwB", grant, ask.now + SECONDS);
    let has = |scope: &str| grant.scopes.iter().any(|other| other == scope);
    let mut body = json!({
        "token_type": "Bearer",
        "scope": grant.scopes.join(" "),
        "expires_in": SECONDS - 1,
        "ext_expires_in": SECONDS - 1,
        "access_token": access_token,
    });
    if has("openid") {
        let mut claims = claims(instance, ask, grant);
        if endpoint == Endpoint::Refresh {
            oidc::forget(&mut claims, "nonce");
        }
        if let Some(token) = oidc::id_token(instance, endpoint, grant, &access_token, claims) {
            body["id_token"] = token.into();
        }
    }
    if has("offline_access") {
        body["refresh_token"] = instance.give_refresh("1.A", grant).into();
    }
    reply::json(200, &body)
}

/// Somebody's `sub` is another one to each client; `oid` and `tid` together are who they are.
fn claims(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant) -> Value {
    let Grant { person, client, .. } = grant;
    let tenant = person.home.tenant();
    let issuer = issuer(&ask.base, tenant);
    let mut claims = oidc::claims(&issuer, &subject(person, client), grant, ask.now, SECONDS);
    claims["nbf"] = ask.now.into();
    claims["ver"] = "2.0".into();
    claims["tid"] = tenant.into();
    claims["oid"] = oid(person).into();
    claims["sid"] = grant.sid.as_str().into();
    claims["uti"] = instance.fresh("").into();
    if grant.scopes.iter().any(|scope| scope == "profile") {
        claims["name"] = person.full_name().into();
        let name = person.email().map_or(person.key, |(email, _)| email);
        claims["preferred_username"] = name.into();
    }
    if let Some((email, is_verified)) = person.email()
        && grant.scopes.iter().any(|scope| scope == "email")
    {
        claims["email"] = email.into();
        // Nobody says `email_verified`; this says whether the tenant owns the domain.
        if is_verified {
            claims["xms_edov"] = true.into();
        }
    }
    if person.key == "frank" {
        claims["_claim_names"] = json!({ "groups": "src1" });
        let endpoint = format!("{}/{tenant}/users/{}/getMemberObjects", ask.base, oid(person));
        claims["_claim_sources"] = json!({ "src1": { "endpoint": endpoint } });
    }
    claims
}

fn subject(person: &Person, client: &str) -> String {
    digest(&format!("{} {client}", person.key))
}

fn oid(person: &Person) -> String {
    let place = PEOPLE.iter().position(|other| other == person).unwrap_or_default();
    format!("00000000-0000-4000-8000-{:012}", place + 1)
}

fn userinfo(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let grant = instance.access(ask.bearer(), ask.now);
    let body = grant.map(|grant| {
        let mut body = json!({ "sub": subject(grant.person, grant.client) });
        oidc::extend(&mut body, oidc::profile(grant));
        oidc::forget(&mut body, "email_verified");
        body
    });
    let refusal = json!({
        "error": { "code": "InvalidAuthenticationToken", "message": "Access token validation failure." },
    });
    oidc::userinfo(instance, body, &refusal)
}

fn error(ask: &Ask<'_>, status: u16, word: &str, number: u32, description: &str) -> Response {
    reply::json(
        status,
        &json!({
            "error": word,
            "error_description": description,
            "error_codes": [number],
            "timestamp": ask.now.to_string(),
            "trace_id": "00000000-0000-4000-8000-00000000000a",
            "correlation_id": "00000000-0000-4000-8000-00000000000b",
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        }),
    )
}

fn refusal(ask: &Ask<'_>, refused: &Refused) -> Response {
    let (status, word, number, text) = match refused {
        Refused::Type | Refused::Repeated | Refused::NoCredentials(_) | Refused::Missing(_) => {
            (400, "invalid_request", 900_144, "A parameter is missing or repeated.")
        }
        Refused::GrantType => {
            (400, "unsupported_grant_type", 70_003, "The app requested an unsupported grant type.")
        }
        Refused::UnknownClient => {
            (400, "unauthorized_client", 700_016, "Application was not found in the directory.")
        }
        Refused::Secret => (401, "invalid_client", 7_000_215, "Invalid client secret provided."),
        Refused::UnknownCode => (400, "invalid_grant", 70_000, "The code is malformed or expired."),
        Refused::UsedCode => {
            (400, "invalid_grant", 54_005, "The authorization code was already redeemed.")
        }
        Refused::OtherClient => {
            (400, "invalid_grant", 700_005, "The code is intended for another client.")
        }
        Refused::RedirectUri => {
            (400, "invalid_grant", 500_112, "The reply address does not match the one provided.")
        }
        Refused::Verifier => {
            (400, "invalid_grant", 501_481, "The Code_Verifier does not match the code_challenge.")
        }
        Refused::UnknownRefresh | Refused::UsedRefresh => {
            (400, "invalid_grant", 9_002_313, "The refresh token is malformed or not valid.")
        }
    };
    error(ask, status, word, number, &format!("AADSTS{number}: {text}"))
}
