//! `GET /auth/login?return_to=`: sends the browser to the provider.

use super::flow::Pending;
use super::page::{self, Page};
use super::return_path::guard;
use crate::session::Sessions;
use crate::session::admission::Seams;
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::form::Form;
use shared::jose::Verifier;
use shared::respond;
use shared::rp::authorization::{Flow, Hints};
use shared::time::UnixTime;

/// Starts a flow. Whatever session there is stays until the new one is there (GL-10, GL-11); no
/// parameter but `return_to` is read (GL-03).
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
    let flow = Flow::new(None, rng);
    let url = flow.authorization_url(&party.client, &metadata, Hints::default());
    let mut response = respond::see_other(&url);
    let cookies = (response.headers_mut(), request.headers());
    Pending::new(flow, &return_to, now).write(config, cookies, now, rng);
    response
}
