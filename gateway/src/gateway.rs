//! One request, from its head to what is done with it.
//!
//! ```text
//! arrive ── Ours ──> auth        sign-in, callback, sign-out, session
//!        ── Next ──────────────> forward to a public route, or refuse
//!        ── Gate ── authenticate ── somebody ──> admit: forward with their access token
//!                                ── nobody ────> turn_away: to sign in, or 401
//!        ── Caller ─ judge ─────> forward with the token that came along, or refuse
//!        ── Browser ─ answer ───> forward to a public route that requires a challenge, or ask
//! ```

use crate::assertion::attach;
use crate::auth;
use crate::auth::following::{Followed, follow};
use crate::caller::judge;
use crate::config::{Config, Mode};
use crate::cors;
use crate::dpop::prove;
use crate::kept::LARGEST_SEALED;
use crate::next::{Arrival, Gate, Incoming, Next, arrive};
use crate::path::Target;
use crate::refused::Refused;
use crate::route::token::Token;
use crate::session::Sessions;
use crate::session::admission::{Authentication, Bound, Seams};
use crate::session::driver::Refreshed;
use crate::trail::{Look, Trail};
use http::{HeaderMap, Method};
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::jose::Signer;
use shared::posted::LARGEST_BODY;
use shared::time::UnixTime;

/// What to do with a request.
#[derive(Debug)]
pub struct Decided {
    /// Forward it or respond.
    pub next: Next,
    /// `Set-Cookie` lines for the response, whoever it comes from.
    pub cookies: HeaderMap,
    /// How it came to that.
    pub trail: Trail,
    /// What a stream that the origin answers with ends with.
    pub bound: Option<Bound>,
}

/// How long an origin may take before what we would tell the browser about its session is stale, in
/// seconds: in the meantime somebody may have signed out, or in.
const STALE_SECONDS: u64 = 2;

/// The `Set-Cookie` lines that may still go out with an origin's answer that took `seconds`. What is
/// held back the session's object tells again at the next request; `sealed` has no object, and a
/// refreshed session has to go out whenever it can.
#[must_use]
pub fn in_time(cookies: HeaderMap, mode: Mode, seconds: u64) -> HeaderMap {
    if mode != Mode::Sealed && seconds > STALE_SECONDS { HeaderMap::new() } else { cookies }
}

impl From<Next> for Decided {
    fn from(next: Next) -> Self {
        let rule = match &next {
            Next::Forward(forward) => Some(forward.rule),
            Next::Respond(_) => None,
        };
        Self {
            next,
            cookies: HeaderMap::new(),
            trail: Trail { rule, ..Trail::default() },
            bound: None,
        }
    }
}

/// Decides what happens to a request. Its body stays where it is; those of our own endpoints that
/// read one are asked by [`hear`].
pub async fn decide<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    incoming: Incoming<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Decided {
    match arrive(seams.config, incoming) {
        Arrival::Ours(target) => {
            let request = ours(incoming, &target.path_and_query());
            let answer = match &request {
                Some(request) => auth::handle(seams, request, now, rng).await,
                None => None,
            };
            let answer = answer.unwrap_or_else(|| Refused::NoRoute.response(false));
            Next::Respond(answer).into()
        }
        Arrival::Next(next) => next.into(),
        Arrival::Gate(gate) => enter(seams, gate, incoming.headers, now, rng).await,
        Arrival::Caller(caller) => {
            let rule = Some(caller.route().position);
            let trail = Trail { rule, session: Look::Bearer, refresh: None, provider: None };
            let (mut next, bound) = judge(seams.config, seams.parties, &caller, now).await;
            readable(seams.config, incoming.headers, &mut next);
            Decided { next, cookies: HeaderMap::new(), trail, bound }
        }
        Arrival::Browser(browser) => {
            let rule = Some(browser.route().position);
            let trail = Trail { rule, session: Look::Unasked, refresh: None, provider: None };
            let next = browser.answer(now, rng);
            Decided { next, cookies: HeaderMap::new(), trail, bound: None }
        }
    }
}

/// Looks for the session of a request that needs one.
pub async fn enter<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    gate: Gate<'_>,
    headers: &HeaderMap,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Decided {
    let (route, method) = (gate.route(), gate.method());
    let (mut bound, mut provider) = (None, None);
    let found = match &route.token {
        Token::Session | Token::Nothing => seams.authenticate(headers, now, rng).await,
        Token::Aimed(aim) => seams.authenticate_for(aim, headers, now, rng).await,
    };
    let (mut next, cookies, session, refresh) = match found {
        Authentication::Authenticated(mut visitor) => {
            bound = Some(visitor.bound(seams.config.mode));
            let page = if seams.config.follow_region { gate.page() } else { None };
            let gate = gate.seen(Some(&visitor.logout_key), rng);
            let next = gate.admit(&visitor.snapshot.person, visitor.bearer.as_ref(), now);
            let party = seams.parties.of(&visitor.snapshot.person);
            provider = party.map(|party| party.id.clone()).filter(|id| !id.is_empty());
            // Only who would be let in: everybody else is sent somewhere already.
            let followed = match (page.filter(|_| matches!(next, Next::Forward(_))), party) {
                (Some(page), Some(party)) => follow(seams, party, headers, page, now, rng).await,
                _ => Followed::Stays,
            };
            let next = match followed {
                Followed::Goes(response) => {
                    let next = Next::Respond(response);
                    let trail = Trail {
                        rule: Some(route.position),
                        session: visitor.found,
                        refresh: visitor.refresh,
                        provider,
                    };
                    return Decided { next, cookies: HeaderMap::new(), trail, bound: None };
                }
                Followed::Cannot(marked) => {
                    visitor.cookies = marked;
                    next
                }
                Followed::Stays => next,
            };
            let asks = route.assertion.as_ref();
            let next = attach(next, asks, visitor.whose(), seams.config, party, now).await;
            let carried = (method, &route.token, visitor.bearer.as_ref());
            let signer = party.map(|party| &party.verifier);
            let next = prove(next, carried, seams.config, signer, now).await;
            (next, visitor.cookies, visitor.found, visitor.refresh)
        }
        Authentication::Anonymous(cookies, refresh) => {
            (gate.turn_away(), cookies, Look::Nobody, refresh)
        }
        Authentication::Unavailable { retry_after, cookies, refresh } => {
            (gate.refuse(Refused::NoToken(retry_after)), cookies, Look::Unavailable, refresh)
        }
        Authentication::Lacking { lack, cookies } => {
            (gate.refuse(Refused::Origin(lack)), cookies, Look::Store, Some(Refreshed::Unavailable))
        }
    };
    readable(seams.config, headers, &mut next);
    let trail = Trail { rule: Some(route.position), session, refresh, provider };
    Decided { next, cookies, trail, bound }
}

/// Lets a trusted origin read what we say ourselves on a route that needs a session.
fn readable(config: &Config, headers: &HeaderMap, next: &mut Next) {
    if let Next::Respond(response) = next {
        cors::grant(config, headers, response);
    }
}

/// How many bytes of a request's body the gateway itself reads, when that is for [`hear`].
#[must_use]
pub fn reads(method: &Method, url: &str) -> Option<usize> {
    // Few requests get past the method, and only those have their path read twice.
    let target = (*method == Method::POST).then(|| Target::read(url).ok()).flatten()?;
    let most = if target.path() == auth::RESUME { LARGEST_SEALED } else { LARGEST_BODY };
    auth::reads_body(method, target.path()).then_some(most)
}

/// Answers a request to one of our own endpoints with the body that came along.
pub async fn hear<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let answer = auth::handle(seams, request, now, rng).await;
    answer.unwrap_or_else(|| Refused::NoRoute.response(false))
}

/// The head of a request to one of our own endpoints.
fn ours(incoming: Incoming<'_>, path_and_query: &str) -> Option<Request> {
    let mut request = Request::default();
    *request.method_mut() = incoming.method.clone();
    *request.uri_mut() = path_and_query.parse().ok()?;
    *request.headers_mut() = incoming.headers.clone();
    // For who asks what would become of a request from where they are.
    request.extensions_mut().insert(incoming.edge.clone());
    Some(request)
}
