//! `GET /auth/login?provider=&return_to=&for=&prompt=none`: sends the browser to a provider.

use super::LOGIN;
use super::flow::{Manner, Pending};
use super::page::{self, Page};
use super::return_path::{ReturnPath, guard};
use crate::config::Config;
use crate::path::Target;
use crate::policy::StepUp;
use crate::route::{Owner, Route};
use crate::session::Sessions;
use crate::session::admission::Seams;
use crate::session::exchange::Party;
use http::{HeaderMap, Method};
use rand_core::CryptoRng;
use shared::cause;
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, RESOURCE, append};
use shared::jose::Signer;
use shared::respond;
use shared::rp::authorization::{Flow, Hints};
use shared::rp::discovery::Unusable;
use shared::rp::token::TokenError;
use shared::time::UnixTime;

/// Why nobody was sent to a provider: for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotBegun {
    /// It is not known where it is.
    Provider(Unusable),
    /// It does not take the request that it has to be sent beforehand. Nothing is asked in the browser's
    /// own line instead: who wants requests pushed wants them kept from it.
    Pushed(TokenError),
}

impl NotBegun {
    /// What the browser is told.
    const fn page(self) -> Page {
        match self {
            Self::Provider(_) | Self::Pushed(TokenError::Unavailable { .. }) => Page::ProviderAway,
            Self::Pushed(TokenError::Refused | TokenError::Misconfigured(_)) => Page::ProviderWrong,
        }
    }
}

/// Starts a flow. Whatever session there is stays until the new one is there (GL-10, GL-11). Of the
/// parameters `return_to` is read, `for`: a method and a path of ours, `provider`: one of ours, and
/// `prompt`, if it is `none` and nothing else. How somebody has to sign in, and if it says so with
/// whom, is what the route asks that has these, or the one that they return to; nothing more of it
/// comes from the request (GL-03).
pub async fn login<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let return_to = guard(form.get("return_to"), &seams.config.public_url);
    let wanted = form.get("for");
    let route = route(seams.config, wanted, return_to.as_str());
    let asked = form.get("provider").or(route.and_then(|route| route.provider.as_deref()));
    let is_silent = form.get("prompt") == Some("none");
    let party = match asked {
        Some(id) => seams.parties.iter().find(|party| party.id == id),
        None if form.has("provider") => None,
        None => match seams.parties.only() {
            Some(only) => Some(only),
            // A choice is a page.
            None if is_silent => return respond::see_other(return_to.as_str()),
            None => return choice(seams, return_to.as_str(), wanted),
        },
    };
    let Some(party) = party else { return page::page(Page::UnknownProvider) };
    if is_silent && !party.is_silent() {
        return respond::see_other(return_to.as_str());
    }
    let manner = if is_silent { Manner::Silent } else { Manner::Shown };
    let step_up = route.map(|route| route.requirement.step_up.clone()).unwrap_or_default();
    let wanted = (&return_to, step_up);
    let begun = begin(seams, party, request.headers(), wanted, manner, now, rng).await;
    begun.unwrap_or_else(|not| cause::note(page::page(not.page()), &not))
}

/// Sends a browser that sent these headers to the provider of `party`, to come back to `return_to`.
///
/// # Errors
/// [`NotBegun`].
pub(super) async fn begin<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    party: &Party<F, V>,
    headers: &HeaderMap,
    (return_to, step_up): (&ReturnPath, StepUp),
    manner: Manner,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, NotBegun> {
    let (config, client) = (seams.config, &party.client);
    let metadata = party.provider.metadata(&party.fetch, now).await.map_err(NotBegun::Provider)?;
    let resource = config.resource.clone().filter(|_| client.scope.has("openid"));
    let flow = Flow { resource, ..Flow::new(step_up.max_age, rng) };
    // What is not named here is not granted, and no refresh gives it later.
    let mut resources = config.routes.resources();
    resources.extend(config.resource.as_deref());
    let resources = resources.into_iter().filter(|_| client.scope.has("openid"));
    let resources = resources.map(|name| (RESOURCE.to_owned(), name.to_owned()));
    // Who speaks another protocol has no such parameter.
    let acr =
        Some(step_up.acr.join(" ")).filter(|text| !text.is_empty() && client.scope.has("openid"));
    let prompt = (manner != Manner::Shown).then_some("none");
    // Google is asked for consent to give out refresh tokens; where nothing may be shown it is not.
    let more = party.parameters.iter().filter(|(name, _)| prompt.is_none() || name != "prompt");
    let more = more.cloned().chain(acr.map(|acr| ("acr_values".to_owned(), acr)));
    let more: Vec<_> = more.chain(resources).collect();
    let hints = Hints { more: &more, prompt, ..Hints::default() };
    let is_pushed = config.par && party.is_silent();
    let url = if is_pushed || metadata.require_pushed_authorization_requests {
        let ways = (&party.fetch, &party.verifier);
        let pushed = flow.pushed_url(client, &metadata, hints, ways, now).await;
        pushed.map_err(NotBegun::Pushed)?
    } else {
        flow.authorization_url(client, &metadata, hints)
    };
    let mut response = respond::see_other(&url);
    let pending = Pending::new(flow, &party.id, step_up.acr, return_to, now).begun(manner);
    pending.write(config, (response.headers_mut(), headers), now, rng);
    Ok(response)
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

/// What is asked of a sign-in for the sake of the page that it returns to.
pub(super) fn step_up(config: &Config, return_to: &str) -> StepUp {
    let route = route(config, None, return_to);
    route.map(|route| route.requirement.step_up.clone()).unwrap_or_default()
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
