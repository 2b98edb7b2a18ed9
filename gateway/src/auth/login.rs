//! `GET /auth/login?provider=&return_to=&for=`: sends the browser to a provider.

use super::LOGIN;
use super::flow::Pending;
use super::page::{self, Page};
use super::return_path::guard;
use crate::config::Config;
use crate::path::Target;
use crate::route::{Owner, Route};
use crate::session::Sessions;
use crate::session::admission::Seams;
use http::Method;
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, append};
use shared::jose::Signer;
use shared::respond;
use shared::rp::authorization::{Flow, Hints};
use shared::time::UnixTime;

/// Starts a flow. Whatever session there is stays until the new one is there (GL-10, GL-11). Of the
/// parameters `return_to` is read, `for`: a method and a path of ours, and `provider`: one of ours.
/// How somebody has to sign in, and if it says so with whom, is what the route asks that has these, or
/// the one that they return to; nothing of it comes from the request (GL-03).
pub async fn login<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let config = seams.config;
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let return_to = guard(form.get("return_to"), &config.public_url);
    let wanted = form.get("for");
    let route = route(config, wanted, return_to.as_str());
    let asked = form.get("provider").or(route.and_then(|route| route.provider.as_deref()));
    let party = match asked {
        Some(id) => seams.parties.iter().find(|party| party.id == id),
        None if form.has("provider") => None,
        None => match seams.parties.only() {
            Some(only) => Some(only),
            None => return choice(seams, return_to.as_str(), wanted),
        },
    };
    let Some(party) = party else { return page::page(Page::UnknownProvider) };
    let Ok(metadata) = party.provider.metadata(&party.fetch, now).await else {
        return page::page(Page::ProviderAway);
    };
    let step_up = route.map(|route| route.requirement.step_up.clone()).unwrap_or_default();
    let flow = Flow::new(step_up.max_age, rng);
    // Who speaks another protocol has no such parameter.
    let acr = Some(step_up.acr.join(" "))
        .filter(|text| !text.is_empty() && party.client.scope.has("openid"));
    let more = party.parameters.iter().cloned();
    let more: Vec<_> = more.chain(acr.map(|acr| ("acr_values".to_owned(), acr))).collect();
    let url =
        flow.authorization_url(&party.client, &metadata, Hints { more: &more, ..Hints::default() });
    let mut response = respond::see_other(&url);
    let cookies = (response.headers_mut(), request.headers());
    Pending::new(flow, &party.id, step_up.acr, &return_to, now).write(config, cookies, now, rng);
    response
}

/// Lets the person choose with whom to sign in.
fn choice<S, F, V>(seams: &Seams<'_, S, F, V>, return_to: &str, wanted: Option<&str>) -> Response {
    let ways = seams.parties.iter().map(|party| {
        let more = wanted.map(|wanted| ("for", wanted));
        let query = [("provider", &*party.id), ("return_to", return_to)].into_iter().chain(more);
        (&*party.label, append(LOGIN, query))
    });
    page::choice(ways)
}

/// The route for whose sake somebody signs in: that of `wanted`, a method and a path, or else of the
/// page that they return to.
fn route<'c>(config: &'c Config, wanted: Option<&str>, return_to: &str) -> Option<&'c Route> {
    let (method, path) = wanted.and_then(|text| text.split_once(' ')).unwrap_or(("GET", return_to));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    match config.routes.find(&method, &Target::read(path).ok()?) {
        Ok(Owner::Route(route)) => Some(route),
        Ok(Owner::Ours | Owner::Nobody) | Err(_) => None,
    }
}
