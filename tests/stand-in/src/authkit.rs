//! `AuthKit`, the user management API of `WorkOS`: JSON in, an access token that is a JWT out, and no
//! ID token. `iss` of that is `{base}/user_management/{client_id}`, as newer environments have it.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::client::{Client, is_redirect};
use crate::fault::Endpoint;
use crate::instance::{Grant, Instance};
use crate::oidc;
use crate::page;
use crate::person::Person;
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use crate::workos;
use http::Method;
use serde_json::{Value, json};

const REALM: &str = "authkit";
const ACCESS_TOKEN_SECONDS: u64 = 300;

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET | &Method::POST, "/user_management/authorize") => {
            let rules = Rules { check, admits, scopes: |_| Vec::new(), ..Rules::new(REALM) };
            authorize(instance, ask, &rules)
        }
        (&Method::POST, "/user_management/authenticate") => {
            if ask.json.is_none() {
                let text = "The body has to be JSON, and its type application/json.";
                return workos::api_error(422, "invalid_request_parameters", text);
            }
            authenticate(instance, ask).unwrap_or_else(|refused| workos::refusal(&refused))
        }
        (&Method::GET, "/user_management/sessions/logout") => logout(instance, ask),
        (&Method::POST, "/user_management/sessions/revoke") => revoke(instance, ask),
        _ => workos::not_found(ask.path),
    }
}

fn check(_: &Ask<'_>, asked: &Params) -> Result<(), Refusal> {
    workos::check(asked, ["provider", "connection_id", "organization_id"])
}

fn admits(_: &Ask<'_>, asked: &Params, person: &Person) -> Result<(), Refusal> {
    workos::admits(person, asked.get("organization_id"), asked.get("connection_id"))
}

fn authenticate(instance: &mut Instance, ask: &Ask<'_>) -> Result<Response, Refused> {
    let (client, has_key) = workos::client(ask)?;
    match ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? {
        "authorization_code" => {
            // A public client proves that it is the one that asked.
            if !has_key && ask.body("code_verifier").is_none() {
                return Err(Refused::Secret);
            }
            let grant = token::redeem(instance, ask, client, REALM, Redirects::Ignored)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Token))
        }
        "refresh_token" => {
            let wanted = ask.body("organization_id");
            if let Some(id) = wanted
                && organizations(instance, ask).is_none_or(|own| own != id)
            {
                return Ok(workos::not_found(id));
            }
            let grant = token::refresh(instance, ask, client, Use::Once)?;
            Ok(tokens(instance, ask, &grant, Endpoint::Refresh))
        }
        _ => Err(Refused::GrantType),
    }
}

/// The organization of whoever has the refresh token.
fn organizations(instance: &Instance, ask: &Ask<'_>) -> Option<&'static str> {
    let found = instance.refresh.get(ask.body("refresh_token")?)?;
    found.grant.person.home.organization()
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant, endpoint: Endpoint) -> Response {
    let person = grant.person;
    let mut user = user(person);
    oidc::spoil_email(instance, endpoint, "email_verified", &mut user);
    let mut claims = json!({
        "iss": format!("{}/user_management/{}", ask.base, grant.client),
        "sub": user_id(person),
        "sid": grant.sid,
        "jti": instance.fresh(""),
        "iat": ask.now,
        "exp": ask.now + ACCESS_TOKEN_SECONDS,
    });
    let organization = person.home.organization();
    if let Some(organization) = organization {
        claims["org_id"] = organization.into();
        claims["role"] = "member".into();
        claims["roles"] = json!(["member"]);
        claims["permissions"] = json!([]);
    }
    let access_token = oidc::signed(instance, endpoint, grant, claims);
    let mut body = json!({
        "user": user,
        "refresh_token": instance.give_refresh("", grant),
        "authentication_method": method(&grant.asked),
    });
    if let Some(token) = access_token {
        body["access_token"] = token.into();
    }
    if let Some(organization) = organization {
        body["organization_id"] = organization.into();
    }
    reply::json(200, &body)
}

fn method(asked: &Params) -> String {
    match asked.get("provider") {
        Some("authkit") => "Password".to_owned(),
        Some(provider) => provider.to_owned(),
        None => "SSO".to_owned(),
    }
}

fn user_id(person: &Person) -> String {
    format!("user_{}", person.key)
}

fn user(person: &Person) -> Value {
    json!({
        "object": "user",
        "id": user_id(person),
        "email": person.email().map(|(email, _)| email),
        "email_verified": person.email().is_some_and(|(_, is_verified)| is_verified),
        "first_name": person.name.0,
        "last_name": person.name.1,
        "name": person.full_name(),
        "profile_picture_url": null,
        "last_sign_in_at": "2026-11-01T12:00:00.000Z",
        "locale": null,
        "external_id": null,
        "metadata": {},
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-11-01T12:00:00.000Z",
    })
}

/// The browser goes here to sign out.
fn logout(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let problem = |text: &str| page::problem(instance.preset, 400, text);
    let Some(sid) = ask.query.get("session_id") else {
        return problem("session_id is missing.");
    };
    let return_to = ask.query.get("return_to");
    if return_to.is_some_and(|uri| !is_redirect(uri)) {
        return problem("return_to is not registered.");
    }
    end(instance, sid, None);
    match return_to {
        Some(uri) => reply::redirect(uri),
        None => page::signed_out(instance.preset),
    }
}

/// The client ends a session with its API key.
fn revoke(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let Some(client) = workos::key_holder(ask) else { return workos::unauthorized() };
    let Some(sid) = ask.json.as_ref().and(ask.body("session_id")) else {
        let text = "session_id has to be there, in JSON.";
        return workos::api_error(422, "invalid_request_parameters", text);
    };
    if end(instance, sid, Some(client)) {
        reply::json(200, &json!({}))
    } else {
        workos::not_found(sid)
    }
}

/// Ends a session with everything that came from it. Whether there was one.
fn end(instance: &mut Instance, sid: &str, of: Option<&Client>) -> bool {
    let is_its = |session: &crate::instance::Session| {
        session.sid == sid && of.is_none_or(|client| session.clients.contains(client.id))
    };
    let is_there = instance.sessions.values().any(is_its);
    if is_there {
        instance.end_session(sid);
        instance.end(|grant| grant.sid == sid);
    }
    is_there
}
