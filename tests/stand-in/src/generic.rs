//! An `OpenID` provider that does everything by the book, and uses the freedom that the book leaves:
//! `aud` is a list, and there are keys for other purposes among its keys.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::fault::{Endpoint, Fault};
use crate::instance::{Grant, Instance};
use crate::keys::{Signature, encryption_key};
use crate::oidc;
use crate::person::Person;
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use http::Method;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

const REALM: &str = "generic";
const SECONDS: u64 = 300;

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/.well-known/openid-configuration" => Endpoint::Discovery,
        "/jwks" => Endpoint::Jwks,
        "/authorize" => Endpoint::Authorize,
        "/token" => Endpoint::Token,
        "/userinfo" => Endpoint::Userinfo,
        "/revoke" => Endpoint::Revoke,
        "/end-session" => Endpoint::Logout,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET, "/.well-known/openid-configuration") => discovery(instance, ask),
        (&Method::GET, "/jwks") => {
            let mut keys = instance.keys.published(true);
            if let Some(list) = keys["keys"].as_array_mut() {
                list.insert(0, encryption_key());
                list.push(json!({ "kty": "unheard-of", "kid": "unheard-of" }));
            }
            reply::json(200, &keys)
        }
        (&Method::GET | &Method::POST, "/authorize") => {
            let iss = Some(ask.base.clone());
            authorize(instance, ask, &Rules { iss, check, ..Rules::new(REALM) })
        }
        (&Method::POST, "/token") => token(instance, ask).unwrap_or_else(|r| refusal(&r)),
        (&Method::GET | &Method::POST, "/userinfo") => userinfo(instance, ask),
        (&Method::POST, "/revoke") => {
            revoke(instance, ask).map_or_else(|refused| refusal(&refused), |()| reply::empty(200))
        }
        (&Method::GET | &Method::POST, "/end-session") => {
            oidc::end_session(instance, ask, oidc::Exit::strict("post_logout_redirect_uri"))
        }
        _ => reply::not_found(),
    }
}

pub(crate) fn subject(person: &Person) -> String {
    format!("person-{}", person.key)
}

fn discovery(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let at = |path: &str| format!("{}{path}", ask.base);
    let document = json!({
        "issuer": ask.base,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "revocation_endpoint": at("/revoke"),
        "end_session_endpoint": at("/end-session"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "acr_values_supported": ["urn:stand-in:click"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr",
            "sid", "name", "given_name", "family_name", "email", "email_verified"],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    oidc::discovery(instance, document)
}

fn check(_: &Ask<'_>, asked: &Params) -> Result<(), Refusal> {
    if !asked.words("scope").iter().any(|scope| scope == "openid") {
        return Err(("invalid_scope", "scope has to contain openid."));
    }
    let words = asked.words("prompt");
    if words.len() > 1 && words.iter().any(|word| word == "none") {
        return Err(("invalid_request", "prompt=none stands alone."));
    }
    if asked.get("request").is_some() {
        return Err(("request_not_supported", "There are no request objects here."));
    }
    Ok(())
}

fn token(instance: &mut Instance, ask: &Ask<'_>) -> Result<Response, Refused> {
    token::form(ask)?;
    let client = token::client(ask)?;
    match ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? {
        "authorization_code" => {
            let redeemed = token::redeem(instance, ask, client, REALM, Redirects::Repeated);
            if redeemed.as_ref().is_err_and(|refused| *refused == Refused::UsedCode) {
                // RFC 6749 §4.1.2: somebody has it who should not.
                let code = ask.body("code").and_then(|code| instance.codes.get(code));
                let family = code.map(|code| code.grant.family);
                instance.end(|grant| Some(grant.family) == family);
            }
            Ok(tokens(instance, ask, &redeemed?, Endpoint::Token))
        }
        "refresh_token" => {
            let grant = token::refresh(instance, ask, client, Use::EndsFamily)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Refresh))
        }
        _ => Err(Refused::GrantType),
    }
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant, endpoint: Endpoint) -> Response {
    let access_token = instance.give_access("at-", grant, ask.now + SECONDS);
    let mut claims = oidc::claims(&ask.base, &subject(grant.person), grant, ask.now, SECONDS);
    claims["aud"] = json!([grant.client]);
    claims["auth_time"] = grant.auth_time.into();
    claims["acr"] = "urn:stand-in:click".into();
    claims["amr"] = json!(["user"]);
    claims["sid"] = grant.sid.as_str().into();
    oidc::extend(&mut claims, oidc::profile(grant));
    if endpoint == Endpoint::Refresh {
        oidc::forget(&mut claims, "nonce");
    }
    if instance.faults.happens(endpoint, &Fault::UnusualTokens) {
        return unusual(instance, ask, grant, endpoint, &access_token, claims);
    }
    let mut body = json!({
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": SECONDS,
        "scope": grant.scopes.join(" "),
    });
    if let Some(token) = oidc::id_token(instance, endpoint, grant, &access_token, claims) {
        body["id_token"] = token.into();
    }
    if grant.scopes.iter().any(|scope| scope == "offline_access") {
        body["refresh_token"] = instance.give_refresh("rt-", grant).into();
    }
    reply::json(200, &body)
}

/// [`Fault::UnusualTokens`].
fn unusual(
    instance: &mut Instance,
    ask: &Ask<'_>,
    grant: &Grant,
    endpoint: Endpoint,
    access_token: &str,
    mut claims: Value,
) -> Response {
    let mut body = json!({
        "access_token": access_token, "token_type": "BEARER", "expires_in": SECONDS.to_string(),
    });
    if endpoint == Endpoint::Refresh {
        // There is no other one to go on with.
        let used = ask.body("refresh_token").and_then(|token| instance.refresh.get_mut(token));
        if let Some(used) = used {
            used.is_used = false;
        }
        return reply::json(200, &body);
    }
    let ends = claims["exp"].as_f64().unwrap_or_default();
    claims["exp"] = (ends + 0.5).into();
    if let Some(token) = oidc::id_token(instance, endpoint, grant, access_token, claims) {
        body["id_token"] = token.into();
    }
    if grant.scopes.iter().any(|scope| scope == "offline_access") {
        body["refresh_token"] = instance.give_refresh("rt-", grant).into();
    }
    reply::json(200, &body)
}

fn userinfo(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let grant = instance.access(ask.bearer(), ask.now).cloned();
    let body = grant.as_ref().map(|grant| {
        let mut body = json!({ "sub": subject(grant.person) });
        oidc::extend(&mut body, oidc::profile(grant));
        body
    });
    if let Some(grant) = grant
        && instance.faults.happens(Endpoint::Userinfo, &Fault::UserinfoJwt)
    {
        let mut claims = body.unwrap_or_default();
        claims["iss"] = ask.base.as_str().into();
        claims["aud"] = grant.client.into();
        let token = instance.keys.sign("JWT", &claims, Signature::Good);
        return reply::plain(200, "application/jwt", token);
    }
    let refusal =
        json!({ "error": "invalid_token", "error_description": "The token is not good." });
    oidc::userinfo(instance, body, &refusal)
}

/// RFC 7009.
fn revoke(instance: &mut Instance, ask: &Ask<'_>) -> Result<(), Refused> {
    token::form(ask)?;
    let client = token::client(ask)?;
    let token = ask.body("token").ok_or(Refused::Missing("token"))?;
    let is_its = |grant: &&Grant| grant.client == client.id;
    let refresh = instance.refresh.get(token).map(|refresh| &refresh.grant);
    if let Some(family) = refresh.filter(is_its).map(|grant| grant.family) {
        instance.end(|grant| grant.family == family);
    }
    if instance.access.get(token).map(|access| &access.grant).as_ref().is_some_and(is_its) {
        instance.access.remove(token);
    }
    Ok(())
}

/// RFC 6749 §5.2.
fn refusal(refused: &Refused) -> Response {
    let (status, error, description) = match refused {
        Refused::Type | Refused::Repeated | Refused::NoCredentials(_) | Refused::Missing(_) => {
            (400, "invalid_request", "A parameter is missing or repeated.")
        }
        Refused::GrantType => (400, "unsupported_grant_type", "There is no such grant type."),
        Refused::UnknownClient | Refused::Secret => {
            (401, "invalid_client", "Client authentication failed.")
        }
        Refused::UnknownCode
        | Refused::UsedCode
        | Refused::OtherClient
        | Refused::RedirectUri
        | Refused::Verifier => (400, "invalid_grant", "The code is not good."),
        Refused::UnknownRefresh | Refused::UsedRefresh => {
            (400, "invalid_grant", "The refresh token is not good.")
        }
    };
    let response = reply::error(status, error, description);
    if status == 401 { reply::with(response, WWW_AUTHENTICATE, "Basic") } else { response }
}
