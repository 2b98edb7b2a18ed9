//! `GET /auth/login?return_to=&for=`: sends the browser to the provider.

use super::flow::Pending;
use super::page::{self, Page};
use super::return_path::guard;
use crate::config::Config;
use crate::path::Target;
use crate::policy::StepUp;
use crate::route::Owner;
use crate::session::Sessions;
use crate::session::admission::Seams;
use http::Method;
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, RESOURCE};
use shared::jose::Verifier;
use shared::respond;
use shared::rp::authorization::{Flow, Hints};
use shared::time::UnixTime;

/// Starts a flow. Whatever session there is stays until the new one is there (GL-10, GL-11). Of the
/// parameters `return_to` is read, and `for`: a method and a path of ours. How somebody has to sign in
/// is what the route asks that has these, or the one that they return to; nothing of it comes from the
/// request (GL-03).
pub async fn login<S: Sessions, F: Fetch, V: Verifier>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let (config, party) = (seams.config, seams.party);
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let return_to = guard(form.get("return_to"), &config.public_url);
    let Ok(metadata) = party.provider.metadata(&party.fetch, now).await else {
        return page::page(Page::ProviderAway);
    };
    let step_up = step_up(config, form.get("for"), return_to.as_str());
    let resource = config.resource.clone();
    let flow = Flow { resource, ..Flow::new(step_up.max_age, rng) };
    let acr = Some(step_up.acr.join(" ")).filter(|text| !text.is_empty());
    let mut more: Vec<_> = acr.map(|acr| ("acr_values".to_owned(), acr)).into_iter().collect();
    // What is not named here is not granted, and no refresh gives it later.
    let mut resources = config.routes.resources();
    resources.extend(config.resource.as_deref());
    more.extend(resources.into_iter().map(|name| (RESOURCE.to_owned(), name.to_owned())));
    let url =
        flow.authorization_url(&party.client, &metadata, Hints { more: &more, ..Hints::default() });
    let mut response = respond::see_other(&url);
    let cookies = (response.headers_mut(), request.headers());
    Pending::new(flow, step_up.acr, &return_to, now).write(config, cookies, now, rng);
    response
}

/// What is asked of a sign-in for the sake of `wanted`, a method and a path, or else of the page that
/// it returns to.
fn step_up(config: &Config, wanted: Option<&str>, return_to: &str) -> StepUp {
    let (method, path) = wanted.and_then(|text| text.split_once(' ')).unwrap_or(("GET", return_to));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    let owner = Target::read(path).ok().map(|target| config.routes.find(&method, &target));
    match owner {
        Some(Ok(Owner::Route(route))) => route.requirement.step_up.clone(),
        _ => StepUp::default(),
    }
}
