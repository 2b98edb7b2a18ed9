//! Following a person to another continent. The object of a session is where it was made, and stays
//! there; so somebody who has travelled is signed in once more, without a page, and gets another one.
//! Nobody asked for it, so nobody is to notice: who cannot be signed in goes on as they came.

use super::flow::Manner;
use super::login::{begin, step_up};
use super::return_path::guard;
use crate::config::Config;
use crate::refused::Why;
use crate::session::Sessions;
use crate::session::admission::{Authentication, Seams};
use crate::session::cookie::Contents;
use crate::session::exchange::Party;
use crate::session::place::Place;
use crate::session::state::Person;
use crate::signals::Edge;
use http::HeaderMap;
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::jose::Signer;
use shared::time::UnixTime;

/// What becomes of somebody who goes to a page.
#[derive(Debug)]
pub enum Followed {
    /// They are where their session is, or were sent less than an hour ago.
    Stays,
    /// They are sent to the provider.
    Goes(Response),
    /// It is not known where the provider is; `Set-Cookie` lines remember that it was tried.
    Cannot(HeaderMap),
}

/// Sends somebody who is signed in at the provider of `party` to have their session opened where they are. That they were sent is
/// written into their cookie before they go, so that whatever becomes of it they go once (GS-24).
pub async fn follow<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    party: &Party<F, V>,
    headers: &HeaderMap,
    (edge, page): (&Edge, String),
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Followed {
    let config = seams.config;
    let far =
        |contents: &Contents| contents.place().is_some_and(|place| place.is_left_for(edge, now));
    let entry = seams.opened.read(config, headers, now);
    if !entry.is_some_and(|entry| far(&entry.contents)) {
        return Followed::Stays;
    }
    let return_to = guard(Some(&page), &config.public_url);
    // A provider that would show a page, and a page that one cannot come back to as it was.
    if !party.is_silent() || return_to.as_str() != page {
        return Followed::Stays;
    }
    let step_up = step_up(config, &page);
    let wanted = (&return_to, step_up);
    if let Ok(mut response) =
        begin(seams, party, headers, wanted, Manner::Following, now, rng).await
    {
        remember(seams, (response.headers_mut(), headers), now, rng);
        response.extensions_mut().insert(Why::Far);
        return Followed::Goes(response);
    }
    let mut cookies = HeaderMap::new();
    remember(seams, (&mut cookies, headers), now, rng);
    Followed::Cannot(cookies)
}

/// Writes into the cookie of whoever sent these headers that they have been sent.
pub(super) fn remember<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    (out, sent): (&mut HeaderMap, &HeaderMap),
    now: UnixTime,
    rng: &mut impl CryptoRng,
) {
    if let Some(contents) = Contents::read(seams.config, sent, now) {
        // It shrinks to a handle, and a handle always fits.
        let _ = contents.tried(now).write(seams.config, (out, sent), rng);
    }
}

/// Whom a session that follows has to be of, by provider and name: who is signed in when they come back. Nobody, when they
/// signed out meanwhile or it cannot be told: then there is nothing to follow.
pub(super) async fn whom<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    headers: &HeaderMap,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Option<(String, String)> {
    match seams.authenticate(headers, now, rng).await {
        Authentication::Authenticated(visitor) => {
            let Person { provider, subject, .. } = &visitor.snapshot.person;
            Some((provider.clone(), subject.clone()))
        }
        Authentication::Anonymous(..)
        | Authentication::Unavailable { .. }
        | Authentication::Lacking { .. } => None,
    }
}

/// Where the session is that a request opens, where that matters. One that followed is not left again
/// within the hour: there are people whose requests come from two continents in turn.
pub(super) fn place(
    config: &Config,
    request: &Request,
    manner: Manner,
    now: UnixTime,
) -> Option<Place> {
    let edge = request.extensions().get::<Edge>().filter(|_| config.follow_region)?;
    let place = Place::of(edge)?;
    Some(if manner == Manner::Following { place.tried(now) } else { place })
}
