//! `POST /auth/logout` and `GET /auth/logout?token=`: ends the session here, then at the provider.

use super::carry;
use super::page::{self, Page};
use crate::config::Config;
use crate::csrf;
use crate::session::admission::Seams;
use crate::session::cookie::{self, Contents};
use crate::session::state::Farewell;
use crate::session::{Lost, Sessions};
use http::{HeaderMap, Method};
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, append};
use shared::jar;
use shared::jose::Signer;
use shared::respond;
use shared::rp::dialect::{Back, Dialect};
use shared::secret::Digest;
use shared::time::UnixTime;

/// Signs out whoever meant to; asks whoever may not have (GS-30).
pub async fn logout<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
) -> Response {
    let (config, headers) = (seams.config, request.headers());
    let contents = Contents::read(config, headers, now);
    let meant = match *request.method() {
        Method::POST => csrf::check(config, &Method::POST, headers, false).is_ok(),
        _ => contents.as_ref().is_some_and(|contents| has_token(config, request, contents)),
    };
    if !meant {
        let refused = *request.method() == Method::POST;
        let page = if refused { Page::CrossSite } else { Page::Confirm };
        let providers = config.providers.iter().map(|one| one.client.issuer.as_str());
        return page::leading_to(page, providers);
    }
    let farewell = match &contents {
        Some(contents) => seams.close(contents, now).await,
        None => Ok(None),
    };
    // The cookie stays, so that trying again can end what could not be ended now.
    let Ok(farewell) = farewell.map_err(|Lost| ()) else { return page::page(Page::Busy) };
    let mut response = match next(seams, farewell.as_ref(), now).await {
        Some(next) => respond::see_other(&next),
        None => page::page(Page::SignedOut),
    };
    let mut cookies = HeaderMap::new();
    jar::delete(&mut cookies, headers, cookie::NAME);
    carry(&mut response, &cookies);
    response
}

/// Where one signs out at the provider of the session, or, when there was none, at the only one that
/// there is: by RP-Initiated Logout 1.0 §2 where it is advertised, else in the provider's own way.
/// Without an ID token the provider asks the person. To go on to a page that needs a session would
/// sign in again, silently.
async fn next<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    farewell: Option<&Farewell>,
    now: UnixTime,
) -> Option<String> {
    let party = match farewell {
        Some(Farewell { person, .. }) => seams.parties.of(person)?,
        None => seams.parties.only()?,
    };
    let metadata = party.provider.metadata(&party.fetch, now).await.ok()?;
    let home = seams.config.public_url.at("/");
    let client_id = party.client.client_id.as_str();
    if let (Dialect::OpenId(_), Some(endpoint)) = (&party.dialect, &metadata.end_session_endpoint) {
        let id_token = farewell.and_then(|farewell| farewell.id_token.as_ref());
        let hint = id_token.map(|id_token| ("id_token_hint", id_token.expose()));
        let ours = [("client_id", client_id), ("post_logout_redirect_uri", home.as_str())];
        return Some(append(endpoint, hint.into_iter().chain(ours)));
    }
    let sid = farewell.and_then(|farewell| farewell.person.sid.as_deref());
    let back = Back { to: &home, state: "" };
    party.dialect.way_out(client_id, &metadata, sid, &back).map(|way| way.url)
}

fn has_token(config: &Config, request: &Request, contents: &Contents) -> bool {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    let form = form.unwrap_or_default();
    let wanted = contents.logout_key().token(config);
    // Digests are compared in constant time.
    form.get("token").is_some_and(|token| Digest::of(token) == Digest::of(&wanted))
}
