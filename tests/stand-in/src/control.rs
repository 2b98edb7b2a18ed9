//! What tests over HTTP ask of an instance.

use crate::Preset;
use crate::ask::Ask;
use crate::client;
use crate::fault::Arranged;
use crate::instance::Instance;
use crate::oidc::{self, Farewell};
use crate::person::Person;
use crate::reply::{self, Response};
use crate::{auth0, generic};
use http::Method;
use serde_json::{Map, Value, json};

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::PUT, "/_faults") => arrange(instance, ask),
        (&Method::DELETE, "/_faults") => {
            instance.faults.clear();
            reply::empty(204)
        }
        (&Method::GET, "/_seen") => reply::json(200, &json!(instance.seen)),
        (&Method::DELETE, "/_seen") => {
            instance.seen.clear();
            reply::empty(204)
        }
        (&Method::POST, "/_logout") => {
            let who = ask.body("person").or_else(|| ask.body("sid")).unwrap_or_default();
            let token = instance.preset.logout_token(instance, who, ask.now);
            match token {
                Some(token) => reply::json(200, &json!({ "logout_token": token })),
                None => refuse("there is no such session, or this provider makes no logout tokens"),
            }
        }
        (&Method::POST, "/_revoke") => {
            let is_somebody = ask.body("person").is_some_and(|person| instance.revoke(person));
            if is_somebody { reply::empty(204) } else { refuse("there is nobody of this name") }
        }
        (&Method::POST, "/_rotate") => {
            instance.keys.rotate(false);
            reply::empty(204)
        }
        _ => reply::not_found(),
    }
}

fn refuse(text: &str) -> Response {
    reply::json(400, &json!({ "problem": text }))
}

/// All of them or none.
fn arrange(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    let Some(list) = &ask.json else { return refuse("the body is no JSON") };
    let list: Vec<Arranged> = match serde_json::from_value(list.clone()) {
        Ok(list) => list,
        Err(error) => return refuse(&error.to_string()),
    };
    let preset = instance.preset;
    let is_odd = |arranged: &&Arranged| !arranged.fault.fits(preset, arranged.endpoint);
    if let Some(odd) = list.iter().find(is_odd) {
        return refuse(&format!("{:?} does not happen at {:?}", odd.fault, odd.endpoint));
    }
    for arranged in list {
        instance.faults.add(arranged);
    }
    reply::empty(204)
}

impl Instance {
    /// Nothing that a person was given is good any more. Whether there is such a person.
    pub(crate) fn revoke(&mut self, person: &str) -> bool {
        let Some(person) = Person::find(self.preset, person) else { return false };
        self.end(oidc::is_theirs(person));
        self.sessions.retain(|_, session| session.person != person);
        true
    }
}

impl Preset {
    /// A logout token, as the provider makes it.
    pub(crate) fn logout_token(
        self,
        instance: &mut Instance,
        who: &str,
        now: u64,
    ) -> Option<String> {
        let sessions = instance.sessions.values();
        let is_meant = |person: &Person, sid: &str| person.key == who || sid == who;
        let session = sessions
            .filter(|session| is_meant(session.person, &session.sid))
            .max_by_key(|session| session.auth_time)?
            .clone();
        let client = session.clients.first().and_then(|id| client::find(id))?;
        let sid = Some(session.sid);
        let farewell = match self {
            Self::Auth0 => Farewell {
                typ: "JWT",
                issuer: auth0::issuer(&session.base),
                subject: auth0::subject(session.person),
                sid,
                client,
                more: Map::from_iter([("trace_id".to_owned(), Value::from("stand-in"))]),
            },
            Self::Generic => Farewell {
                typ: "logout+jwt",
                issuer: session.base.clone(),
                subject: generic::subject(session.person),
                sid,
                client,
                more: Map::new(),
            },
            // The others have none, or other ways to say it.
            Self::WorkOs | Self::GitHub | Self::Google | Self::Entra => return None,
        };
        Some(oidc::logout_token(instance, farewell, now))
    }
}
