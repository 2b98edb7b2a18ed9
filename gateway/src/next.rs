//! What happens next to a request: every decision about it that needs neither a session nor the
//! network, and, once somebody has looked for a session, the rest.
//!
//! ```text
//! arrive -> Ours                       sign-in, callback, sign-out: not decided here
//!        -> Next                       decided: forward to a public route, or respond
//!        -> Gate -> admit(bearer)      somebody is signed in: forward with their token
//!                -> turn_away()        nobody is: to sign in, or 401
//!        -> Caller -> admit(person)    a token came along that the route takes, and it decides
//!        -> Browser -> answer          a public route wants to know whether it is a machine's
//! ```

use crate::caller::{self, Accepts};
use crate::config::Config;
use crate::forward::{self, Bearer, Fit};
use crate::hop::{Edits, is_websocket};
use crate::kept::Offer;
use crate::path::Target;
use crate::policy::{Permit, StepUp, Unmet};
use crate::refused::{Refused, Why};
use crate::route::token::Token;
use crate::route::{Access, Owner, Route};
use crate::session::cookie::LogoutKey;
use crate::session::state::Person;
use crate::signals::Edge;
use crate::turnstile::Action;
use crate::turnstile::clearance::{Cleared, Standing};
use crate::{answer, auth, cors, csrf, negotiate};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rand_core::CryptoRng;
use shared::fetch::Response;
use shared::secret::AccessToken;
use shared::time::UnixTime;
use std::net::IpAddr;

/// Which challenge its browser has passed, for an origin that is told where a request comes from.
const TURNSTILE_ACTION: HeaderName = HeaderName::from_static("x-turnstile-action");

/// The head of a request; its body stays in the runtime.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its URL as it came, absolute or from the path on. Of an absolute one the host is ignored.
    pub url: &'r str,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// Who sent it, when the platform knows.
    pub client_ip: Option<IpAddr>,
    /// Where it comes from, as far as the platform says and a route looks at it.
    pub edge: &'r Edge,
}

/// One hop to an origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    /// Where to: a configured origin, the path that policy saw, the query as it came.
    pub url: String,
    /// What to change about the request's headers.
    pub edits: Edits,
    /// What to change about the answer besides, whatever it is: [`crate::answer::edits`] looks at it.
    pub answer: Edits,
    /// Whether it is for somebody in particular, which [`crate::answer::edits`] wants to know.
    pub authenticated: bool,
    /// Whether a person waits for a page, should there be no answer.
    pub navigation: bool,
    /// Which route, by its place.
    pub rule: usize,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Next {
    /// Send it on.
    Forward(Forward),
    /// Answer it here.
    Respond(Response),
}

/// What is known of a request before anybody looks for a session.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// It is for one of the gateway's own endpoints.
    Ours(Target),
    /// It is decided.
    Next(Next),
    /// It depends on who sent it.
    Gate(Gate<'a>),
    /// It depends on the token that it brings.
    Caller(Caller<'a>),
    /// It depends on what its browser has passed.
    Browser(Browser<'a>),
}

/// A request that another site did not cause, for a route that needs a session. Only [`arrive`]
/// makes one, so no route that needs a session is forwarded to without those checks.
#[derive(Debug)]
pub struct Gate<'a> {
    config: &'a Config,
    request: Incoming<'a>,
    route: &'a Route,
    target: Target,
    upgrade: bool,
    /// Its browser, where the route requires that to have passed a challenge.
    standing: Option<Standing>,
}

/// A request that brings a token to a route that takes one. It gives no [`Gate`] away, for nobody has
/// looked whether another site caused it: no session may decide about it.
#[derive(Debug)]
pub struct Caller<'a> {
    gate: Gate<'a>,
    accepts: &'a Accepts,
    token: AccessToken,
}

/// A request for a public route that requires its browser to have passed a challenge. It gives no
/// [`Gate`] away: nobody's session may be looked for.
#[derive(Debug)]
pub struct Browser<'a> {
    gate: Gate<'a>,
}

/// Decides what can be decided from the request alone.
#[must_use]
pub fn arrive<'a>(config: &'a Config, request: Incoming<'a>) -> Arrival<'a> {
    let Incoming { method, url, headers, client_ip: _, edge } = request;
    let upgrade = is_websocket(headers);
    let refuse = |refused: Refused| {
        let page = negotiate::is_navigation(method, headers, upgrade);
        Arrival::Next(Next::Respond(refused.response(page)))
    };
    if is_unserved(method) {
        return refuse(Refused::Method);
    }
    let target = match Target::read(url) {
        Ok(target) => target,
        Err(malformed) => return refuse(Refused::Path(malformed)),
    };
    // What a preflight asks for decides which route answers it.
    let asked = negotiate::preflighted(method, headers);
    let route = match config.routes.find(asked.as_ref().unwrap_or(method), &target) {
        Ok(Owner::Route(route)) => route,
        Ok(Owner::Ours) => return Arrival::Ours(target),
        Ok(Owner::Nobody) => return refuse(Refused::NoRoute),
        Err(refused) => return refuse(refused),
    };
    if let Err(signal) = route.requirement.edge.check(edge) {
        let mut refused = refuse(Refused::Edge(signal));
        if let (Arrival::Next(Next::Respond(response)), true) =
            (&mut refused, route.access != Access::Public)
        {
            cors::grant(config, headers, response);
        }
        return refused;
    }
    let gate = Gate { config, request, route, target, upgrade, standing: None };
    if route.access == Access::Public {
        return match Cleared::unasked(&route.requirement) {
            Ok(cleared) => Arrival::Next(Next::Forward(gate.forward(None, &cleared))),
            Err(_) => Arrival::Browser(Browser { gate }),
        };
    }

    // From here on the browser's cookies may give authority.
    if let Some(asked) = &asked {
        return Arrival::Next(Next::Respond(cors::preflight(config, headers, asked)));
    }
    if let Some(accepts) = &route.bearer {
        match caller::read(headers, gate.target.query()) {
            Ok(Some(token)) => return Arrival::Caller(Caller { gate, accepts, token }),
            Ok(None) => {}
            Err(refused) => {
                let mut response = refused.response(&route.requirement);
                cors::grant(config, headers, &mut response);
                return Arrival::Next(Next::Respond(response));
            }
        }
    }
    match csrf::check(config, method, headers, upgrade) {
        Ok(()) => Arrival::Gate(gate),
        Err(refused) => refuse(refused),
    }
}

impl<'a> Gate<'a> {
    /// The route that waits behind it.
    #[must_use]
    pub const fn route(&self) -> &'a Route {
        self.route
    }

    /// The method of the request.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.request.method
    }

    /// Where a person is who goes to a page here, and the page; none of anything that could not be
    /// sent by way of the provider and come back to the same.
    #[must_use]
    pub fn page(&self) -> Option<(&'a Edge, String)> {
        let Incoming { method, headers, edge, .. } = self.request;
        let is_page = self.route.access == Access::SignedIn
            && *method == Method::GET
            && negotiate::is_whole_page(headers)
            && self.navigation();
        is_page.then(|| (edge, self.target.path_and_query()))
    }

    /// The same with its browser, in the session that it is in, where the route requires that to have
    /// passed a challenge.
    #[must_use]
    pub fn seen(self, session: Option<&LogoutKey>, rng: &mut impl CryptoRng) -> Self {
        let Self { config, request: Incoming { headers, .. }, route, .. } = &self;
        let required = route.requirement.turnstile.is_some();
        let standing = required.then(|| Standing::read(config, headers, session, rng));
        Self { standing, ..self }
    }

    /// Lets somebody through who has what the route asks for, and whose live access token this is;
    /// one that no header can hold goes nowhere.
    #[must_use]
    pub fn admit(self, person: &Person, bearer: Option<&Bearer>, now: UnixTime) -> Next {
        if !self.is_for(person) {
            return self.elsewhere();
        }
        let permit = match self.route.requirement.check(person, now) {
            Ok(permit) => permit,
            Err(Unmet::StepUp) => return self.step_up(person),
            Err(Unmet::Scope) => return self.refuse(Refused::Scope),
            Err(Unmet::Claim) => return self.refuse(Refused::Claim),
        };
        let fit = match (&self.route.token, bearer) {
            (Token::Nothing, _) => None,
            (Token::Session | Token::Aimed(_), None) => return self.refuse(Refused::Unsendable),
            (token, Some(bearer)) => match bearer.fit(token) {
                Some(fit) => Some(fit),
                None => return self.refuse(Refused::Misdirected),
            },
        };
        // Last, so that nobody is asked who may not pass anyway.
        match self.cleared(now) {
            Ok(cleared) => Next::Forward(self.forward(Some((permit, fit, person)), &cleared)),
            Err(action) => self.challenge(action),
        }
    }

    /// That its browser has passed what the route requires, if anything.
    fn cleared(&self, now: UnixTime) -> Result<Cleared, &Action> {
        Cleared::unasked(&self.route.requirement).or_else(|action| {
            let standing = self.standing.as_ref();
            standing.and_then(|standing| standing.check(action, now)).ok_or(action)
        })
    }

    /// Asks its browser to.
    fn challenge(&self, action: &Action) -> Next {
        let Self { config, request, route: _, target, upgrade, standing } = self;
        let Incoming { method, headers, .. } = request;
        let (request, standing) = ((*method, *headers, *upgrade), standing.as_ref());
        Next::Respond(auth::turnstile::required(config, action, request, target, standing))
    }

    /// Whether the route is for people of the provider that says who somebody is.
    fn is_for(&self, person: &Person) -> bool {
        let Some(wanted) = &self.route.provider else { return true };
        self.config.providers.find(&person.provider).is_some_and(|one| one.id == *wanted)
    }

    fn sign_in(&self, why: Why, step_up: Option<&StepUp>) -> Response {
        let Self { config, request: Incoming { method, headers, .. }, route, target, .. } = self;
        let request = (*method, *headers, self.upgrade);
        let mut response = negotiate::login_required(config, route, request, target, step_up);
        if route.bearer.is_some()
            && step_up.is_none()
            && response.status() == StatusCode::UNAUTHORIZED
        {
            caller::invite(response.headers_mut());
        }
        response.extensions_mut().insert(why);
        response
    }

    /// Sends somebody to sign in with the provider that the route is for. Who they are there is not
    /// known.
    fn elsewhere(&self) -> Next {
        let mut response = self.sign_in(Why::OtherProvider, None);
        if let Some(offer) = response.extensions_mut().get_mut::<Offer>() {
            offer.subject = None;
        }
        Next::Respond(response)
    }

    /// Sends somebody to prove who they are in the way that the route asks for.
    fn step_up(&self, person: &Person) -> Next {
        let mut response = self.sign_in(Why::StepUp, Some(&self.route.requirement.step_up));
        if let Some(offer) = response.extensions_mut().get_mut::<Offer>() {
            offer.subject = Some(person.digest());
        }
        Next::Respond(response)
    }

    /// Turns away somebody who is not signed in.
    #[must_use]
    pub fn turn_away(self) -> Next {
        Next::Respond(self.sign_in(Why::LoginRequired, None))
    }

    /// Refuses somebody who may well be signed in.
    #[must_use]
    pub fn refuse(&self, refused: Refused) -> Next {
        Next::Respond(refused.response(self.navigation()))
    }

    fn navigation(&self) -> bool {
        negotiate::is_navigation(self.request.method, self.request.headers, self.upgrade)
    }

    fn forward(
        &self,
        permitted: Option<(Permit, Option<Fit<'_>>, &Person)>,
        cleared: &Cleared,
    ) -> Forward {
        let bearer = permitted.and_then(|(_, fit, _)| fit);
        let told = permitted.into_iter().flat_map(|(_, _, person)| self.route.told.lines(person));
        let names = self.config.routes.names();
        let Incoming { headers, client_ip, edge, .. } = self.request;
        let action = cleared.action().and_then(|action| {
            Some((TURNSTILE_ACTION, HeaderValue::from_str(action.as_str()).ok()?))
        });
        let signals = self.route.signals.then(|| edge.lines().chain(action));
        let signals = signals.into_iter().flatten();
        let public_url = &self.config.public_url;
        Forward {
            url: self.route.url(&self.target),
            edits: forward::edits(
                headers,
                self.upgrade,
                public_url,
                client_ip,
                bearer,
                names,
                told.chain(signals),
            ),
            answer: self.answer(),
            authenticated: permitted.is_some(),
            navigation: self.navigation(),
            rule: self.route.position,
        }
    }
}

impl Browser<'_> {
    /// The route that waits behind it.
    #[must_use]
    pub const fn route(&self) -> &Route {
        self.gate.route
    }

    /// Lets a browser through that has passed what the route requires, and asks every other to.
    #[must_use]
    pub fn answer(self, now: UnixTime, rng: &mut impl CryptoRng) -> Next {
        let gate = self.gate.seen(None, rng);
        match gate.cleared(now) {
            Ok(cleared) => Next::Forward(gate.forward(None, &cleared)),
            Err(action) => gate.challenge(action),
        }
    }
}

impl Gate<'_> {
    /// What every answer of its route has.
    fn answer(&self) -> Edits {
        let mut edits = answer::always(self.config);
        if self.route.access != Access::Public {
            let Edits { set, append, .. } = cors::edits(self.config, self.request.headers);
            edits.set.extend(set);
            edits.append.extend(append);
        }
        edits
    }
}

impl Caller<'_> {
    /// The route that waits behind it.
    #[must_use]
    pub const fn route(&self) -> &Route {
        self.gate.route
    }

    /// What the route takes.
    #[must_use]
    pub const fn accepts(&self) -> &Accepts {
        self.accepts
    }

    /// The token that came along.
    #[must_use]
    pub const fn token(&self) -> &AccessToken {
        &self.token
    }

    /// Lets a caller through whose token speaks for `person` and has what the route asks for. The
    /// origin is sent that very token.
    #[must_use]
    pub fn admit(&self, person: &Person, now: UnixTime) -> Next {
        let permit = match self.route().requirement.check(person, now) {
            Ok(permit) => permit,
            Err(unmet) => return self.refuse(unmet.into()),
        };
        let bearer = Bearer::of_caller(&self.token);
        let Some(fit) = bearer.as_ref().and_then(|bearer| bearer.fit_caller(self.accepts)) else {
            return self.refuse(caller::Refused::Malformed);
        };
        // A caller has no browser to show; the settings have no route that takes both.
        let Ok(cleared) = Cleared::unasked(&self.route().requirement) else {
            return self.refuse(caller::Refused::Claim);
        };
        let forward = self.gate.forward(Some((permit, Some(fit), person)), &cleared);
        // No page is of use to a caller, not even when the origin does not answer.
        Next::Forward(Forward { navigation: false, ..forward })
    }

    /// Refuses a caller.
    #[must_use]
    pub fn refuse(&self, refused: caller::Refused) -> Next {
        Next::Respond(refused.response(&self.route().requirement))
    }
}

/// Whether a request with this method may bring a body along.
#[must_use]
pub fn may_have_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Methods that talk to proxies and not to applications (GP-15). In any case: the runtime that
/// sends the request on would write some of them in capitals.
fn is_unserved(method: &Method) -> bool {
    ["CONNECT", "TRACE", "TRACK"].iter().any(|name| method.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
