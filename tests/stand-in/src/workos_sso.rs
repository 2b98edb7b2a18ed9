//! The SSO API of `WorkOS`: a form in, a profile out.

use crate::ask::{Ask, Params};
use crate::authorize::{Refusal, Rules, authorize};
use crate::fault::{Endpoint, Fault};
use crate::instance::{Grant, Instance};
use crate::person::Person;
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused};
use crate::workos;
use http::Method;
use serde_json::{Value, json};

const REALM: &str = "workos-sso";
const ACCESS_TOKEN_SECONDS: u64 = 600;

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET | &Method::POST, "/sso/authorize") => {
            let rules = Rules { check, admits, scopes: |_| Vec::new(), ..Rules::new(REALM) };
            authorize(instance, ask, &rules)
        }
        (&Method::POST, "/sso/token") => {
            token(instance, ask).unwrap_or_else(|refused| workos::refusal(&refused))
        }
        (&Method::GET, "/sso/profile") => {
            let grant = instance.access(ask.bearer(), ask.now).cloned();
            let Some(grant) = grant else { return workos::unauthorized() };
            reply::json(200, &profile(instance, &grant))
        }
        _ => workos::not_found(ask.path),
    }
}

fn check(_: &Ask<'_>, asked: &Params) -> Result<(), Refusal> {
    workos::check(asked, ["provider", "connection", "organization"])
}

fn admits(_: &Ask<'_>, asked: &Params, person: &Person) -> Result<(), Refusal> {
    workos::admits(person, asked.get("organization"), asked.get("connection"))
}

fn token(instance: &mut Instance, ask: &Ask<'_>) -> Result<Response, Refused> {
    token::form(ask)?;
    let (client, has_key) = workos::client(ask)?;
    if !has_key {
        return Err(Refused::Secret);
    }
    if ask.body("grant_type").ok_or(Refused::Missing("grant_type"))? != "authorization_code" {
        return Err(Refused::GrantType);
    }
    let grant = token::redeem(instance, ask, client, REALM, Redirects::Ignored)?;
    let access_token = instance.give_access("", &grant, ask.now + ACCESS_TOKEN_SECONDS);
    let profile = of(grant.person, &grant.asked);
    Ok(reply::json(200, &json!({ "access_token": access_token, "profile": profile })))
}

fn profile(instance: &mut Instance, grant: &Grant) -> Value {
    let mut profile = of(grant.person, &grant.asked);
    if instance.faults.happens(Endpoint::Userinfo, &Fault::UserinfoOtherSubject) {
        profile["id"] = "prof_somebody_else".into();
    }
    profile
}

/// It never says whether the e-mail is verified: the connection's owner answers for it.
fn of(person: &Person, asked: &Params) -> Value {
    let provider = asked.get("provider");
    let organization = person.home.organization().filter(|_| provider.is_none());
    let connection = workos::connection(person.home).filter(|_| provider.is_none());
    json!({
        "object": "profile",
        "id": format!("prof_{}", person.key),
        "idp_id": format!("idp-{}", person.key),
        "connection_id": connection.unwrap_or("conn_provider"),
        "connection_type": provider.unwrap_or("OktaSAML"),
        "organization_id": organization,
        "email": person.email().map(|(email, _)| email),
        "first_name": person.name.0,
        "last_name": person.name.1,
        "role": { "slug": "member" },
        "groups": [],
        "custom_attributes": {},
        "raw_attributes": { "login": person.key },
    })
}
