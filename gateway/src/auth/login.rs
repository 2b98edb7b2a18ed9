//! `GET /auth/login?return_to=&for=&prompt=none`: sends the browser to the provider.

use super::flow::{Manner, Pending};
use super::page::{self, Page};
use super::return_path::{ReturnPath, guard};
use crate::config::Config;
use crate::path::Target;
use crate::policy::StepUp;
use crate::route::Owner;
use crate::session::Sessions;
use crate::session::admission::Seams;
use http::{HeaderMap, Method};
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::form::Form;
use shared::jose::Verifier;
use shared::respond;
use shared::rp::authorization::{Flow, Hints};
use shared::rp::discovery::Unusable;
use shared::time::UnixTime;

/// Starts a flow. Whatever session there is stays until the new one is there (GL-10, GL-11). Of the
/// parameters `return_to` is read, and `for`: a method and a path of ours; and `prompt`, if it is
/// `none` and nothing else. How somebody has to sign in is what the route asks that has these, or the
/// one that they return to; nothing more of it comes from the request (GL-03).
pub async fn login<S: Sessions, F: Fetch, V: Verifier>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let return_to = guard(form.get("return_to"), &seams.config.public_url);
    let is_silent = form.get("prompt") == Some("none");
    let manner = if is_silent { Manner::Silent } else { Manner::Shown };
    let step_up = step_up(seams.config, form.get("for"), return_to.as_str());
    let begun = begin(seams, request.headers(), (&return_to, step_up), manner, now, rng).await;
    begun.unwrap_or_else(|_| page::page(Page::ProviderAway))
}

/// Sends a browser that sent these headers to the provider, to come back to `return_to`.
///
/// # Errors
/// [`Unusable`] when it is not known where the provider is.
pub(super) async fn begin<S: Sessions, F: Fetch, V: Verifier>(
    seams: &Seams<'_, S, F, V>,
    headers: &HeaderMap,
    (return_to, step_up): (&ReturnPath, StepUp),
    manner: Manner,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Unusable> {
    let (config, party) = (seams.config, seams.party);
    let metadata = party.provider.metadata(&party.fetch, now).await?;
    let flow = Flow::new(step_up.max_age, rng);
    let acr = Some(step_up.acr.join(" ")).filter(|text| !text.is_empty());
    let more: Vec<_> = acr.map(|acr| ("acr_values".to_owned(), acr)).into_iter().collect();
    let prompt = (manner != Manner::Shown).then_some("none");
    let hints = Hints { more: &more, prompt, ..Hints::default() };
    let mut response = respond::see_other(&flow.authorization_url(&party.client, &metadata, hints));
    let pending = Pending::new(flow, step_up.acr, return_to, now).begun(manner);
    pending.write(config, (response.headers_mut(), headers), now, rng);
    Ok(response)
}

/// What is asked of a sign-in for the sake of `wanted`, a method and a path, or else of the page that
/// it returns to.
pub(super) fn step_up(config: &Config, wanted: Option<&str>, return_to: &str) -> StepUp {
    let (method, path) = wanted.and_then(|text| text.split_once(' ')).unwrap_or(("GET", return_to));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    let owner = Target::read(path).ok().map(|target| config.routes.find(&method, &target));
    match owner {
        Some(Ok(Owner::Route(route))) => route.requirement.step_up.clone(),
        _ => StepUp::default(),
    }
}
