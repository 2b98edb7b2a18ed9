//! What happens next to a request: every decision about it that needs neither a session nor the
//! network, and, once somebody has looked for a session, the rest.
//!
//! ```text
//! arrive -> Ours                       sign-in, callback, sign-out: not decided here
//!        -> Next                       decided: forward to a public route, or respond
//!        -> Gate -> admit(bearer)      somebody is signed in: forward with their token
//!                -> turn_away()        nobody is: to sign in, or 401
//!        -> Caller -> admit(person)    a token came along that the route takes, and it decides
//! ```

use crate::caller::{self, Accepts};
use crate::config::Config;
use crate::forward::{self, Bearer};
use crate::hop::{Edits, is_websocket};
use crate::path::Target;
use crate::policy::{Permit, Unmet};
use crate::refused::Refused;
use crate::route::{Access, Owner, Route};
use crate::session::state::Person;
use crate::signals::Edge;
use crate::{csrf, negotiate};
use http::{HeaderMap, Method, StatusCode};
use shared::fetch::Response;
use shared::secret::AccessToken;
use shared::time::UnixTime;
use std::net::IpAddr;

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
    /// Whether somebody's token is in them, which [`crate::answer::edits`] wants to know.
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
}

/// A request that brings a token to a route that takes one. It gives no [`Gate`] away, for nobody has
/// looked whether another site caused it: no session may decide about it.
#[derive(Debug)]
pub struct Caller<'a> {
    gate: Gate<'a>,
    accepts: &'a Accepts,
    token: AccessToken,
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
        return refuse(Refused::Edge(signal));
    }
    let gate = Gate { config, request, route, target, upgrade };
    if route.access == Access::Public {
        return Arrival::Next(Next::Forward(gate.forward(None)));
    }

    // From here on the browser's cookies may give authority.
    if asked.is_some() {
        return Arrival::Next(Next::Respond(negotiate::no_grant()));
    }
    if let Some(accepts) = &route.bearer {
        match caller::read(headers, gate.target.query()) {
            Ok(Some(token)) => return Arrival::Caller(Caller { gate, accepts, token }),
            Ok(None) => {}
            Err(refused) => {
                return Arrival::Next(Next::Respond(refused.response(&route.requirement)));
            }
        }
    }
    match csrf::check(config, method, headers, upgrade) {
        Ok(()) => Arrival::Gate(gate),
        Err(refused) => refuse(refused),
    }
}

impl Gate<'_> {
    /// The route that waits behind it.
    #[must_use]
    pub const fn route(&self) -> &Route {
        self.route
    }

    /// Lets somebody through who has what the route asks for, and whose live access token this is;
    /// one that no header can hold goes nowhere.
    #[must_use]
    pub fn admit(self, person: &Person, bearer: Option<&Bearer>, now: UnixTime) -> Next {
        match (self.route.requirement.check(person, now), bearer) {
            (Ok(permit), Some(bearer)) => {
                Next::Forward(self.forward(Some((permit, bearer, person))))
            }
            (Ok(_), None) => self.refuse(Refused::Unsendable),
            (Err(Unmet::StepUp), _) => self.step_up(),
            (Err(Unmet::Scope), _) => self.refuse(Refused::Scope),
            (Err(Unmet::Claim), _) => self.refuse(Refused::Claim),
        }
    }

    /// Sends somebody to prove who they are in the way that the route asks for.
    fn step_up(&self) -> Next {
        let Self { config, request: Incoming { method, headers, .. }, route, target, upgrade } =
            self;
        let why = &route.requirement.step_up;
        let step_up = Some(why);
        Next::Respond(negotiate::login_required(
            config,
            route.access,
            (method, headers, *upgrade),
            target,
            step_up,
        ))
    }

    /// Turns away somebody who is not signed in.
    #[must_use]
    pub fn turn_away(self) -> Next {
        let Self { config, request: Incoming { method, headers, .. }, route, target, upgrade } =
            self;
        let access = route.access;
        let request = (method, headers, upgrade);
        let mut response = negotiate::login_required(config, access, request, &target, None);
        if route.bearer.is_some() && response.status() == StatusCode::UNAUTHORIZED {
            caller::invite(response.headers_mut());
        }
        Next::Respond(response)
    }

    /// Refuses somebody who may well be signed in.
    #[must_use]
    pub fn refuse(&self, refused: Refused) -> Next {
        Next::Respond(refused.response(self.navigation()))
    }

    fn navigation(&self) -> bool {
        negotiate::is_navigation(self.request.method, self.request.headers, self.upgrade)
    }

    fn forward(&self, permitted: Option<(Permit, &Bearer, &Person)>) -> Forward {
        let bearer = permitted.map(|(_, bearer, _)| bearer);
        let told = permitted.into_iter().flat_map(|(_, _, person)| self.route.told.lines(person));
        let names = self.config.routes.names();
        let Incoming { headers, client_ip, edge, .. } = self.request;
        let signals = self.route.signals.then(|| edge.lines()).into_iter().flatten();
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
            authenticated: bearer.is_some(),
            navigation: self.navigation(),
            rule: self.route.position,
        }
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
        let Some(bearer) = Bearer::new(&self.token) else {
            return self.refuse(caller::Refused::Malformed);
        };
        let forward = self.gate.forward(Some((permit, &bearer, person)));
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
mod tests {
    use super::*;
    use crate::config::tests::with;
    use http::header::{HeaderName, HeaderValue};

    /// What happens to a request, without a session and with one.
    fn both(
        method: &str,
        path: &str,
        lines: &[(&str, &str)],
    ) -> [Result<(Forward, HeaderMap), u16>; 2] {
        let config = with(&[]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://evil.test{path}");
        [None, Some(AccessToken::new("at-1"))].map(|token| {
            let request = Incoming {
                method: &method,
                url: &url,
                headers: &headers,
                client_ip: None,
                edge: &Edge::default(),
            };
            let next = match (arrive(&config, request), token) {
                (Arrival::Ours(_), _) => return Err(0),
                (Arrival::Next(next), _) => next,
                (Arrival::Caller(_), _) => panic!("no route takes a token"),
                (Arrival::Gate(gate), Some(token)) => {
                    let bearer = Bearer::new(&token);
                    gate.admit(&Person::default(), bearer.as_ref(), UnixTime(1_800_000_000))
                }
                (Arrival::Gate(gate), None) => gate.turn_away(),
            };
            match next {
                Next::Respond(response) => Err(response.status().as_u16()),
                Next::Forward(forward) => {
                    let mut headers = headers.clone();
                    forward.edits.apply(&mut headers);
                    Ok((forward, headers))
                }
            }
        })
    }

    fn nobody(method: &str, path: &str, lines: &[(&str, &str)]) -> Result<Forward, u16> {
        let [nobody, _] = both(method, path, lines);
        nobody.map(|(forward, _)| forward)
    }

    fn somebody(method: &str, path: &str, lines: &[(&str, &str)]) -> Result<HeaderMap, u16> {
        let [_, somebody] = both(method, path, lines);
        somebody.map(|(_, headers)| headers)
    }

    #[test]
    fn gp_01_gp_23_a_public_route_gets_no_token_from_anybody() {
        let lines = [("authorization", "Bearer forged"), ("x-forwarded-user", "root")];
        for method in ["GET", "OPTIONS", "POST"] {
            let headers = somebody(method, "/open/x", &lines).unwrap();
            assert!(!headers.contains_key("authorization"), "{method}");
            assert!(!headers.contains_key("x-forwarded-user"), "{method}");
        }
        assert!(!nobody("GET", "/open/x", &[]).unwrap().authenticated);
    }

    #[test]
    fn an_origin_sees_the_token_and_never_our_cookie() {
        let headers = somebody("GET", "/x?y=1", &[("cookie", "__Host-gatelatch=s; a=1")]).unwrap();
        assert_eq!(headers["authorization"], "Bearer at-1");
        assert_eq!(headers["cookie"], "a=1");
    }

    #[test]
    fn gp_11_gp_12_the_url_is_built_from_the_configured_origin_and_the_canonical_path() {
        for (path, url) in [
            ("/open/%2e/x?a=%2e", "https://site.test/open/x?a=%2e"),
            ("/open//evil.test", "https://site.test/open//evil.test"),
        ] {
            assert_eq!(nobody("GET", path, &[]).unwrap().url, url);
        }
    }

    #[test]
    fn gp_10_gp_35_a_path_with_two_readings_is_a_400_for_everybody() {
        for path in ["/open/..%2fx", "/OPEN/x", "/%00", "/open/\\x"] {
            assert_eq!(both("GET", path, &[]).map(Result::err), [Some(400); 2], "{path}");
        }
    }

    #[test]
    fn gp_15_trace_and_connect_are_405_and_odd_methods_need_a_session() {
        for method in ["TRACE", "CONNECT", "trace", "TRACK"] {
            assert_eq!(both(method, "/open", &[]).map(Result::err), [Some(405); 2], "{method}");
        }
        for method in ["PROPFIND", "get"] {
            assert_eq!(nobody(method, "/x", &[("x-csrf", "1")]), Err(401), "{method}");
            assert_eq!(somebody(method, "/x", &[]), Err(403), "{method}");
        }
    }

    #[test]
    fn gp_14_options_on_a_protected_route_reaches_no_origin_without_a_session() {
        let preflight = [("origin", "https://evil.test"), ("access-control-request-method", "PUT")];
        assert_eq!(both("OPTIONS", "/api", &preflight).map(Result::err), [Some(204); 2]);
        assert_eq!(nobody("OPTIONS", "/api", &[]), Err(401));
        assert!(somebody("OPTIONS", "/api", &[]).is_ok());
    }

    #[test]
    fn gp_08_gp_16_only_the_real_path_and_method_decide() {
        let lines = [
            ("x-forwarded-uri", "/open"),
            ("x-original-url", "/open"),
            ("x-http-method-override", "GET"),
        ];
        assert_eq!(nobody("GET", "/x", &lines), Err(401));
        assert_eq!(somebody("POST", "/x?_method=GET", &lines), Err(403));
    }

    #[test]
    fn gp_13_no_user_agent_opens_a_route() {
        assert_eq!(nobody("GET", "/x", &[("user-agent", "GoogleHC/1.0")]), Err(401));
        assert_eq!(nobody("GET", "/open/../x", &[("user-agent", "GoogleHC/1.0")]), Err(401));
    }

    #[test]
    fn cs_01_cs_12_another_site_is_refused_before_anybody_looks_for_a_session() {
        let evil = ("origin", "https://evil.test");
        assert_eq!(both("POST", "/api", &[evil]).map(Result::err), [Some(403); 2]);
        for path in ["/x", "/api"] {
            let upgrade = ("upgrade", "websocket");
            assert_eq!(both("GET", path, &[upgrade, evil]).map(Result::err), [Some(403); 2]);
            assert_eq!(both("GET", path, &[upgrade]).map(Result::err), [Some(403); 2]);
        }
        assert!(nobody("POST", "/open", &[evil]).is_ok());
    }

    #[test]
    fn cs_14_a_websocket_of_ours_needs_a_session_and_then_keeps_its_upgrade() {
        let lines = [("upgrade", "websocket"), ("origin", "https://app.test")];
        assert_eq!(nobody("GET", "/x", &lines), Err(401));
        assert_eq!(somebody("GET", "/x", &lines).unwrap()["upgrade"], "websocket");
    }

    #[test]
    fn gp_36_our_endpoints_are_nobody_elses() {
        assert_eq!(nobody("GET", "/auth/login", &[]), Err(0));
        assert_eq!(nobody("GET", "/open/../auth/callback?code=x", &[]), Err(0));
        assert_eq!(nobody("GET", "/.well-known/x", &[]), Err(401));
    }

    #[test]
    fn a_path_without_a_route_is_a_404() {
        let routes = r#"[{"prefix": "/a", "origin": "https://a.test", "access": "public"}]"#;
        let config = with(&[("ROUTES", routes)]).unwrap();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let request = Incoming {
            method: &method,
            url: "/b",
            headers: &headers,
            client_ip: None,
            edge: &Edge::default(),
        };
        let arrival = arrive(&config, request);
        assert!(matches!(arrival, Arrival::Next(Next::Respond(r)) if r.status() == 404));
    }

    #[test]
    fn gp_18_a_token_that_no_header_can_hold_is_a_502_and_never_a_request_without_one() {
        let config = with(&[]).unwrap();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let request = Incoming {
            method: &method,
            url: "/x",
            headers: &headers,
            client_ip: None,
            edge: &Edge::default(),
        };
        let Arrival::Gate(gate) = arrive(&config, request) else { panic!("needs a session") };
        let bearer = Bearer::new(&AccessToken::new("a\r\nX-Admin: 1"));
        let next = gate.admit(&Person::default(), bearer.as_ref(), UnixTime(1_800_000_000));
        assert!(matches!(next, Next::Respond(response) if response.status() == 502));
    }
}
