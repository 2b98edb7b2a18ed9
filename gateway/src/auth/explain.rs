//! `GET /auth/explain?method=&url=`: what would become of a request, which rule decides and why. For
//! development, and for who holds the token of the setting `EXPLAIN_TOKEN_SHA256`.
//!
//! It is the decision itself that is told: everything is done as for the request, with the headers
//! and the session of who asks, and from where they ask, up to the point where the origin would be asked.

use super::carry;
use crate::caller::judge;
use crate::config::Config;
use crate::gateway::{Decided, enter};
use crate::next::{Arrival, Incoming, Next, arrive};
use crate::path::Target;
use crate::refused::{Refused, Why};
use crate::route::token::Token;
use crate::route::{Access, Owner, Route};
use crate::session::Sessions;
use crate::session::admission::Seams;
use crate::signals::Edge;
use http::header::{AUTHORIZATION, LOCATION, VARY};
use http::{Method, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use shared::bearer::{Bearer, bearer};
use shared::fetch::{Fetch, Request, Response};
use shared::form::Form;
use shared::jose::Signer;
use shared::respond;
use shared::rp::wanted::Wanted;
use shared::secret::Digest;
use shared::time::UnixTime;

#[derive(Serialize)]
struct Explanation<'r> {
    method: &'r str,
    /// As policy sees it, and as an origin would.
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule<'r>>,
    /// Whose word the session is, where there are several providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    decision: Decision,
}

#[derive(Serialize)]
struct Rule<'r> {
    /// Its place in `ROUTES`, from 0.
    position: usize,
    prefix: &'r str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<&'r str>,
    access: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'r str>,
    /// Which token its origin is sent, where that is not the session's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Sends<'r>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Sends<'r> {
    Nothing(&'static str),
    Aimed(&'r Wanted),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// One of the gateway's own endpoints answers.
    Ours,
    /// It goes to the origin.
    Forward {
        to: String,
        /// Whether for somebody in particular.
        authenticated: bool,
    },
    /// It is answered here.
    Respond {
        status: u16,
        why: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
}

/// Tells what would become of a request. 404 for who may not know.
pub async fn explain<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let config = seams.config;
    if !may_ask(config, request) {
        return Refused::NoRoute.response(false);
    }
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let method = form.get("method").unwrap_or("GET").as_bytes();
    let (Ok(method), Some(url)) = (Method::from_bytes(method), form.get("url")) else {
        return respond::empty(StatusCode::BAD_REQUEST);
    };
    let mut headers = request.headers().clone();
    headers.remove(AUTHORIZATION);
    let edge = request.extensions().get::<Edge>().cloned().unwrap_or_default();
    let incoming =
        Incoming { method: &method, url, headers: &headers, client_ip: None, edge: &edge };
    let target = Target::read(url).ok();
    let owner = target.as_ref().and_then(|target| config.routes.find(&method, target).ok());

    let mut provider = None;
    let (decision, cookies) = match arrive(config, incoming) {
        Arrival::Ours(_) => (Decision::Ours, None),
        Arrival::Next(next) => (decision(next), None),
        Arrival::Caller(caller) => {
            let (next, _) = judge(config, seams.parties, &caller, now).await;
            (decision(next), None)
        }
        Arrival::Browser(browser) => (decision(browser.answer(now, rng)), None),
        Arrival::Gate(gate) => {
            let decided = enter(seams, gate, &headers, now, rng).await;
            let Decided { next, cookies, trail, .. } = decided;
            provider = trail.provider;
            (decision(next), Some(cookies))
        }
    };
    let explanation = Explanation {
        method: method.as_str(),
        path: target.as_ref().map(Target::path_and_query),
        rule: match owner {
            Some(Owner::Route(route)) => Some(rule(route)),
            _ => None,
        },
        provider,
        decision,
    };
    let mut response = respond::json(StatusCode::OK, &explanation);
    respond::put(&mut response, VARY, "Cookie, Authorization");
    // What the session was found to be is true of the session, whoever asked.
    if let Some(cookies) = &cookies {
        carry(&mut response, cookies);
    }
    response
}

fn may_ask(config: &Config, request: &Request) -> bool {
    let token = match bearer(request.headers()) {
        Bearer::Token(token) => Some(Digest::of(token)),
        Bearer::Absent | Bearer::Malformed => None,
    };
    let known = config.explain_token.is_some() && token == config.explain_token;
    known || config.public_url.is_development()
}

fn rule(route: &Route) -> Rule<'_> {
    Rule {
        position: route.position,
        prefix: &route.prefix,
        methods: route.methods.iter().map(Method::as_str).collect(),
        access: match route.access {
            Access::Public => "public",
            Access::SignedIn => "signed-in",
            Access::Api => "api",
        },
        provider: route.provider.as_deref(),
        token: match &route.token {
            Token::Session => None,
            Token::Nothing => Some(Sends::Nothing("none")),
            Token::Aimed(aim) => Some(Sends::Aimed(aim.wanted())),
        },
    }
}

fn decision(next: Next) -> Decision {
    match next {
        Next::Forward(forward) => {
            Decision::Forward { to: forward.url, authenticated: forward.authenticated }
        }
        Next::Respond(response) => {
            let why = response.extensions().get::<Why>();
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            Decision::Respond {
                status: response.status().as_u16(),
                why: why.map(|why| format!("{why:?}")).unwrap_or_default(),
                location: location.map(str::to_owned),
            }
        }
    }
}
