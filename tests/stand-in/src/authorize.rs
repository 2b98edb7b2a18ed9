//! Where browsers come: the request is checked, somebody is chosen, and the browser is sent back.

use crate::ask::{Ask, Params};
use crate::client;
use crate::fault::{Endpoint, Fault};
use crate::instance::{Grant, Instance, Session};
use crate::page;
use crate::person::Person;
use crate::reply::{self, Response};
use http::header::SET_COOKIE;
use std::collections::BTreeSet;

/// A word for the client, and a sentence.
pub(crate) type Refusal = (&'static str, &'static str);

/// What is peculiar to a provider's authorization endpoint.
pub(crate) struct Rules {
    /// Codes of one realm are worth nothing in another.
    pub(crate) realm: String,
    /// The status of the page that says that the redirect URI is not registered.
    pub(crate) mismatch_status: u16,
    /// Whether `response_type` is asked for.
    pub(crate) wants_response_type: bool,
    /// Whether `prompt` and `max_age` of `OpenID` Connect mean anything.
    pub(crate) has_prompts: bool,
    /// `iss` of the response, RFC 9207.
    pub(crate) iss: Option<String>,
    /// What is said to the client when the person says no.
    pub(crate) denial: Vec<(&'static str, String)>,
    /// What else is wrong with a request.
    pub(crate) check: fn(&Ask<'_>, &Params) -> Result<(), Refusal>,
    /// Whether somebody may sign in to this client, here.
    pub(crate) admits: fn(&Ask<'_>, &Params, &Person) -> Result<(), Refusal>,
    /// The scopes that are granted of those that were asked for.
    pub(crate) scopes: fn(&Params) -> Vec<String>,
}

impl Rules {
    /// Those of an ordinary `OpenID` provider.
    pub(crate) fn new(realm: &str) -> Self {
        Self {
            realm: realm.to_owned(),
            mismatch_status: 400,
            wants_response_type: true,
            has_prompts: true,
            iss: None,
            denial: vec![
                ("error", "access_denied".to_owned()),
                ("error_description", "The person said no.".to_owned()),
            ],
            check: |_, _| Ok(()),
            admits: |_, _, _| Ok(()),
            scopes: |asked| asked.words("scope"),
        }
    }
}

pub(crate) fn authorize(instance: &mut Instance, ask: &Ask<'_>, rules: &Rules) -> Response {
    let asked = asked(ask);
    let problem = |status, text: &str| page::problem(instance.preset, status, text);
    if let Some(name) = asked.repeated() {
        return problem(400, &format!("invalid_request: {name} is there more than once."));
    }
    let Some(client) = asked.get("client_id").and_then(client::find) else {
        return problem(400, "invalid_client: there is no application with this client_id.");
    };
    let Some(redirect_uri) = asked.get("redirect_uri").filter(|uri| client::is_redirect(uri))
    else {
        let text = "redirect_uri_mismatch: redirect_uri is missing, or neither at loopback nor a .test host.";
        return problem(rules.mismatch_status, text);
    };

    // From here on there is somewhere to send a refusal.
    let back = Back { redirect_uri, state: asked.get("state"), rules };
    if let Err((error, description)) = check(ask, &asked, rules) {
        return back.refuse(instance, error, description);
    }
    let choice = ask.form.as_ref();
    if choice.is_some_and(|form| form.get("deny").is_some()) {
        return back.to(instance, rules.denial.clone());
    }
    let chosen = choice.and_then(|form| form.get("person"));
    let (session, cookie) = match chosen {
        Some(key) => match Person::known(instance.preset).find(|person| person.key == key) {
            Some(person) => sign_in(instance, ask, person),
            None => return problem(400, "There is nobody of this name here."),
        },
        None => match remembered(instance, ask, &asked, rules) {
            Some(found) => found,
            None if rules.has_prompts && prompts(&asked, "none") => {
                return back.refuse(instance, "login_required", "Login required");
            }
            None => {
                let action = format!("{}?{}", ask.path, asked.to_query());
                let hint = asked.get("login_hint").or_else(|| asked.get("login"));
                return page::choice(instance, &action, client.id, hint);
            }
        },
    };
    if let Err((error, description)) = (rules.admits)(ask, &asked, session.person) {
        return back.refuse(instance, error, description);
    }
    if let Some(kept) = instance.sessions.get_mut(&cookie) {
        kept.clients.insert(client.id);
    }
    let grant = Grant {
        client: client.id,
        person: session.person,
        scopes: (rules.scopes)(&asked),
        auth_time: session.auth_time,
        sid: session.sid,
        family: instance.number(),
        asked: asked.clone(),
    };
    let code = instance.give_code(grant, &rules.realm, ask.now);
    let answer = back.to(instance, vec![("code", code)]);
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    let line = format!("{}={cookie}; {attributes}", instance.cookie_name());
    reply::with(answer, SET_COOKIE, &line)
}

/// The request, in the query, or in the form when there is none: without what the page adds.
fn asked(ask: &Ask<'_>) -> Params {
    let form = ask.form.clone().unwrap_or_default();
    let all = if ask.query.0.is_empty() { form } else { ask.query.clone() };
    Params(all.0.into_iter().filter(|(name, _)| name != "person" && name != "deny").collect())
}

fn check(ask: &Ask<'_>, asked: &Params, rules: &Rules) -> Result<(), Refusal> {
    if rules.wants_response_type && asked.get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type has to be code."));
    }
    let method = asked.get("code_challenge_method");
    match asked.get("code_challenge") {
        None if method.is_some() => {
            return Err(("invalid_request", "code_challenge is missing."));
        }
        Some(_) if method != Some("S256") => {
            return Err(("invalid_request", "code_challenge_method has to be S256."));
        }
        Some(challenge) if challenge.len() != 43 => {
            return Err(("invalid_request", "code_challenge is no SHA-256 digest."));
        }
        _ => {}
    }
    (rules.check)(ask, asked)
}

fn prompts(asked: &Params, wanted: &str) -> bool {
    asked.words("prompt").iter().any(|word| word == wanted)
}

fn sign_in(instance: &mut Instance, ask: &Ask<'_>, person: &'static Person) -> (Session, String) {
    let (cookie, sid) = (instance.fresh("cookie-"), instance.fresh("session_"));
    let base = ask.base.clone();
    let session = Session { sid, person, auth_time: ask.now, clients: BTreeSet::new(), base };
    instance.sessions.insert(cookie.clone(), session.clone());
    (session, cookie)
}

/// The session of this browser, unless somebody has to be asked anyway.
fn remembered(
    instance: &Instance,
    ask: &Ask<'_>,
    asked: &Params,
    rules: &Rules,
) -> Option<(Session, String)> {
    let cookie = ask.cookie(&instance.cookie_name())?;
    let session = instance.sessions.get(cookie)?.clone();
    let asks = ["login", "select_account", "consent"].iter().any(|word| prompts(asked, word));
    let age = ask.now.saturating_sub(session.auth_time);
    let most: Option<u64> = asked.get("max_age").and_then(|seconds| seconds.parse().ok());
    let is_old = rules.has_prompts && most.is_some_and(|most| age > most);
    (!asks && !is_old).then(|| (session, cookie.to_owned()))
}

/// The way back to the client.
struct Back<'b> {
    redirect_uri: &'b str,
    state: Option<&'b str>,
    rules: &'b Rules,
}

impl Back<'_> {
    fn refuse(&self, instance: &mut Instance, error: &str, description: &str) -> Response {
        let error = ("error", error.to_owned());
        self.to(instance, vec![error, ("error_description", description.to_owned())])
    }

    fn to(&self, instance: &mut Instance, mut pairs: Vec<(&'static str, String)>) -> Response {
        let faults = &mut instance.faults;
        let mut happens = |fault| faults.happens(Endpoint::Authorize, &fault);
        if let Some(code) = pairs.first().filter(|(name, _)| *name == "code").cloned()
            && happens(Fault::CallbackDuplicateCode)
        {
            pairs.push(code);
        }
        if let Some(state) = self.state
            && !happens(Fault::CallbackWithoutState)
        {
            pairs.push(("state", state.to_owned()));
        }
        let iss = if happens(Fault::CallbackOtherIss) {
            Some("https://another.test".to_owned())
        } else {
            self.rules.iss.clone().filter(|_| !happens(Fault::CallbackNoIss))
        };
        pairs.extend(iss.map(|iss| ("iss", iss)));
        reply::redirect(&reply::append(self.redirect_uri, &pairs))
    }
}
