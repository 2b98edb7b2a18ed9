//! `/auth/sessions`: the sessions that one has, in all one's browsers, and an end to any of them. A
//! page for a person who goes there ([`super::own_page`]), JSON for everything else.
//!
//! The session that asks is looked up in its own object each time, whatever its cookie may be believed
//! for: one that was ended has nothing to say here.

use super::page::{self, Page};
use super::{LOGIN, SESSIONS, own_page};
use crate::negotiate::{DEPENDS, login_url};
use crate::person::{Noted, Which};
use crate::refused::Refused;
use crate::session::admission::Seams;
use crate::session::driver::Visited;
use crate::session::state::Person;
use crate::session::{Sessions, cookie};
use crate::{csrf, negotiate};
use http::header::{RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use shared::fetch::{Fetch, Request, Response};
use shared::handle::Handle;
use shared::jose::Signer;
use shared::seal::Purpose;
use shared::secret::{Digest, random};
use shared::time::UnixTime;
use shared::{jar, respond};
use uuid::Uuid;

/// The answer. Times are seconds since 1970.
#[derive(Debug, Serialize)]
struct Answer {
    sessions: Vec<Listed>,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) current: bool,
    pub(super) agent: String,
    pub(super) opened_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen_at: Option<UnixTime>,
    pub(super) ends_at: UnixTime,
}

/// Who asks.
struct Asker {
    object: Uuid,
    person: Person,
}

/// Why nothing is listed and nothing ended.
enum No {
    CrossSite(Refused),
    SignedOut,
    Nothing,
    Unavailable(u64),
}

impl No {
    /// The answer, to a person or to a script.
    fn response(self, person: bool) -> Response {
        match (self, person) {
            (Self::CrossSite(refused), _) => refused.response(person),
            (Self::SignedOut, true) => respond::see_other(&login_url(SESSIONS, None)),
            (Self::SignedOut, false) => negotiate::unauthorized(LOGIN, None),
            (Self::Nothing, _) => Refused::NoRoute.response(person),
            (Self::Unavailable(seconds), _) => {
                let mut response = if person {
                    page::page(Page::Busy)
                } else {
                    respond::empty(StatusCode::SERVICE_UNAVAILABLE)
                };
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
        }
    }
}

/// Lists sessions, or ends them: by `DELETE`, or by the `POST` of a form. `below` is what follows [`super::SESSIONS`] in the path; none when
/// that is no path of ours.
pub async fn sessions<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    below: &str,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Option<Response> {
    let (method, headers) = (request.method(), request.headers());
    let id = match below.strip_prefix('/') {
        None if below.is_empty() => None,
        Some(id) if !id.is_empty() && !id.contains('/') => Some(id),
        _ => return None,
    };
    let allowed = if id.is_some() { "DELETE, POST" } else { "GET, DELETE, POST" };
    if !allowed.split(", ").any(|allowed| *method == allowed) {
        return Some(super::not_allowed(allowed));
    }
    let person = negotiate::is_navigation(method, headers, false);
    let answer = answer(seams, (method, headers), id, person, now, rng).await;
    let mut response = answer.unwrap_or_else(|no| no.response(person));
    respond::put(&mut response, VARY, DEPENDS);
    Some(response)
}

async fn answer<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    (method, headers): (&Method, &HeaderMap),
    id: Option<&str>,
    person: bool,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, No> {
    csrf::check(seams.config, method, headers, false).map_err(No::CrossSite)?;
    let asker = asker(seams, headers, now, rng).await?;
    let which = match id {
        None if *method == Method::GET => {
            let sessions = list(seams, &asker, now).await?;
            return Ok(if person {
                own_page::own(seams.config, &asker.person.claims, &sessions, now)
            } else {
                respond::json(StatusCode::OK, &Answer { sessions })
            });
        }
        None => Which::AllBut(asker.object),
        Some(id) => Which::One(asker.opened(seams, id).ok_or(No::Nothing)?),
    };
    let ended = seams.end(&seams.names(&asker.person), which, None, now).await;
    let ended = ended.map_err(|_| No::Unavailable(1))?;
    let mut response = match (person, ended) {
        // One that is over already is what the person wanted.
        (true, _) => respond::see_other(SESSIONS),
        (false, Some(0)) if id.is_some() => return Err(No::Nothing),
        (false, _) => respond::empty(StatusCode::NO_CONTENT),
    };
    if which == Which::One(asker.object) {
        jar::delete(response.headers_mut(), headers, cookie::NAME);
    }
    Ok(response)
}

async fn list<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    asker: &Asker,
    now: UnixTime,
) -> Result<Vec<Listed>, No> {
    let noted = seams.listed(&asker.person, now).await.map_err(|_| No::Unavailable(1))?;
    let sessions = seams.seen(noted, now).await;
    let sessions = sessions.into_iter().map(|(noted, seen_at)| {
        let Noted { object, sid: _, opened_at, until: ends_at, agent } = noted;
        let (id, current) = (asker.sealed(seams, object), object == asker.object);
        Listed { id, current, agent, opened_at, seen_at, ends_at }
    });
    Ok(sessions.collect())
}

/// Who asks, by the word of the session's object.
async fn asker<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    headers: &HeaderMap,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Asker, No> {
    let opened = seams.opened.read(seams.config, headers, now);
    let handle = opened.and_then(|opened| opened.contents.handle(seams.config));
    let Handle { object, secret, .. } = handle.ok_or(No::SignedOut)?;
    let [jitter] = random::<1>(rng);
    match seams.sessions.visit(object, Digest::of(secret), jitter, now).await {
        Ok(Visited::Present(snapshot, _)) if seams.parties.of(&snapshot.person).is_some() => {
            Ok(Asker { object, person: snapshot.person })
        }
        Ok(Visited::Present(..) | Visited::Refused | Visited::Gone) => Err(No::SignedOut),
        Ok(Visited::Unavailable { retry_after }) => Err(No::Unavailable(retry_after)),
        Err(_) => Err(No::Unavailable(1)),
    }
}

impl Asker {
    /// A space is in neither of the first two.
    fn whose(&self) -> String {
        let Person { provider, authority, subject, .. } = &self.person;
        format!("{provider} {} {subject}", authority.as_deref().unwrap_or_default())
    }

    /// A session's name for its person: to nobody else it is one.
    fn sealed<S, F, V>(&self, seams: &Seams<'_, S, F, V>, object: Uuid) -> String {
        let whose = self.whose();
        let purpose = Purpose::new("own session", &whose);
        seams.config.keys.seal_the_same(purpose, object.as_bytes())
    }

    fn opened<S, F, V>(&self, seams: &Seams<'_, S, F, V>, id: &str) -> Option<Uuid> {
        let whose = self.whose();
        let purpose = Purpose::new("own session", &whose);
        Uuid::from_slice(&seams.config.keys.open(purpose, id)?).ok()
    }
}
