//! A gateway, its provider, and one browser.

use super::handle;
use crate::auth::flow::UsedFlows;
use crate::config::Config;
use crate::fixture::{Peer, config, id_token_in};
use crate::gateway::{Decided, decide};
use crate::kept;
use crate::next::{Incoming, Next};
use crate::person::{Answer, Command, Name, People, Person};
use crate::session::admission::{Authentication, Seams};
use crate::session::driver::{Provided, Visited};
use crate::session::opened::Opened;
use crate::session::parties::Parties;
use crate::session::state::further::{Aim, Supply};
use crate::session::state::{Farewell, Live, Renewal, Session, Visit};
use crate::session::{Lost, Sessions};
use crate::signals::Edge;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use pollster::block_on;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Map, json};
use shared::fetch::{Fetch, Request, Response};
use shared::form::encode;
use shared::jose::native::Native;
use shared::secret::{AccessToken, Digest};
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use url::Url;
use uuid::Uuid;

pub(super) const SESSION: &str = "__Host-gatelatch-session";

/// Session objects that never make a token call.
#[derive(Debug, Default)]
pub(super) struct Objects {
    rows: RefCell<BTreeMap<Uuid, Session>>,
    people: RefCell<BTreeMap<String, Person>>,
    pub(super) asked: Cell<usize>,
    /// How many tokens for origins were made.
    pub(super) granted: Cell<usize>,
    pub(super) lost: Cell<bool>,
    /// Whether sessions do not hear that they are to end.
    pub(super) deaf: Cell<bool>,
}

impl Objects {
    pub(super) fn ask(&self) -> Result<(), Lost> {
        self.asked.set(self.asked.get() + 1);
        if self.lost.get() { Err(Lost) } else { Ok(()) }
    }

    pub(super) fn live(&self) -> usize {
        self.rows.borrow().values().filter(|row| matches!(row, Session::Live(_))).count()
    }

    /// What the session objects are called.
    pub(super) fn names(&self) -> Vec<String> {
        self.rows.borrow().keys().map(Uuid::to_string).collect()
    }

    /// How many objects of people, and of the provider's sessions, keep something.
    pub(super) fn people(&self) -> usize {
        self.people.borrow().len()
    }
}

/// A token for an origin.
fn granted(number: usize, jitter: u8) -> Renewal {
    Renewal {
        access_token: AccessToken::new(format!("x{number}")),
        expires_in: Some(100),
        refresh_token: None,
        id_token: None,
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter,
    }
}

impl People for Objects {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        self.ask()?;
        let before = self.people.borrow().get(&name.to_string()).cloned().unwrap_or_default();
        let (after, answer) = before.clone().obey(command, now);
        if after != before {
            self.people.borrow_mut().insert(name.to_string(), after);
        }
        Ok(answer)
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost> {
        self.ask()?;
        if self.rows.borrow().contains_key(&object) {
            return Ok(false);
        }
        self.rows.borrow_mut().insert(object, Session::Live(Box::new(live)));
        Ok(true)
    }

    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        _: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        self.ask()?;
        let Some(session) = self.rows.borrow_mut().remove(&object) else {
            return Ok(Visited::Gone);
        };
        let (session, visit) = session.visit(secret, now);
        self.rows.borrow_mut().insert(object, session);
        Ok(match visit {
            Visit::Serve(snapshot) => Visited::Present(snapshot, None),
            Visit::Gone => Visited::Gone,
            _ => Visited::Unavailable { retry_after: 3 },
        })
    }

    async fn visit_for(
        &self,
        object: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        self.ask()?;
        let Some(session) = self.rows.borrow_mut().remove(&object) else {
            return Ok(Provided::Gone);
        };
        let (mut session, mut supply) = session.visit_for(secret, aim, now);
        if let Supply::Call(lease, ..) = supply {
            // The provider is always there, and gives what is asked for.
            let number = self.granted.get();
            self.granted.set(number + 1);
            (session, _) = session.renew(lease, granted(number, jitter), now);
            (session, supply) = session.visit_for(secret, aim, now);
        }
        self.rows.borrow_mut().insert(object, session);
        Ok(match supply {
            Supply::Serve(supplied) => Provided::Present(supplied),
            Supply::Gone => Provided::Gone,
            _ => Provided::Unavailable { retry_after: 3 },
        })
    }

    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        _: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        self.ask()?;
        let Some(session) = self.rows.borrow_mut().remove(&object) else { return Ok(None) };
        let (session, farewell) = session.close(secret);
        self.rows.borrow_mut().insert(object, session);
        Ok(farewell)
    }

    async fn end(&self, object: Uuid, until: UnixTime, _: UnixTime) -> Result<(), Lost> {
        self.ask()?;
        if self.deaf.get() {
            return Err(Lost);
        }
        let session = self.rows.borrow_mut().remove(&object);
        let (session, _) = session.unwrap_or(Session::Ended { until }).end();
        self.rows.borrow_mut().insert(object, session);
        Ok(())
    }

    async fn seen(&self, object: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        self.ask()?;
        Ok(self.rows.borrow().get(&object).and_then(|session| session.seen_at(now)))
    }
}

/// A gateway, its provider, and one browser.
pub(super) struct World<F> {
    pub(super) config: Config,
    pub(super) peer: Peer,
    parties: Parties<F, Native>,
    pub(super) objects: Objects,
    used: UsedFlows,
    pub(super) opened: Opened,
    pub(super) rng: ChaCha20Rng,
    pub(super) jar: BTreeMap<String, String>,
}

pub(super) fn world(mode: &'static str) -> World<impl Fetch> {
    world_of(config(mode))
}

pub(super) fn world_of(config: Config) -> World<impl Fetch> {
    world_with(config, Vec::new())
}

/// A world with more hosts than the provider's.
pub(super) fn world_with(config: Config, hosts: Vec<(&'static str, Peer)>) -> World<impl Fetch> {
    let peer = Peer::new();
    let line = peer.clone();
    let fetch = async move |request: Request| {
        let there = hosts.iter().find(|(host, _)| request.uri().host() == Some(*host));
        there.map_or(&line, |(_, peer)| peer).answer(request)
    };
    let parties = Parties::new(&config, |one| (Rc::new(one.provider()), fetch.clone(), Native));
    let (objects, used, opened) = <(_, UsedFlows, Opened)>::default();
    let (rng, jar) = (ChaCha20Rng::seed_from_u64(1), BTreeMap::new());
    World { config, peer, parties, objects, used, opened, rng, jar }
}

impl<F: Fetch> World<F> {
    pub(super) fn headers(&self) -> HeaderMap {
        let pairs: Vec<_> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        if !pairs.is_empty() {
            headers.insert(COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        }
        headers
    }

    pub(super) fn ask(
        &mut self,
        method: &Method,
        target: &str,
        more: &[(&'static str, &str)],
        now: UnixTime,
    ) -> Response {
        self.send(Request::default(), (method, target), more, now)
    }

    /// A form from somebody who is no browser.
    pub(super) fn post(&mut self, target: &str, form: &[(&str, &str)], now: UnixTime) -> Response {
        let body = encode(form.iter().copied()).into_bytes();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let jar = std::mem::take(&mut self.jar);
        let response = self.send(Request::new(body), (&Method::POST, target), &kind, now);
        self.jar = jar;
        response
    }

    pub(super) fn send(
        &mut self,
        mut request: Request,
        (method, target): (&Method, &str),
        more: &[(&'static str, &str)],
        now: UnixTime,
    ) -> Response {
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse().unwrap();
        *request.headers_mut() = self.headers();
        for (name, value) in more {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let response = self.answer(&request, now).unwrap();
        self.keep(response.headers());
        response
    }

    fn answer(&mut self, request: &Request, now: UnixTime) -> Option<Response> {
        let Self { config, parties, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, parties, sessions: objects, used, opened };
        block_on(handle(&seams, request, now, rng))
    }

    /// A request from somewhere, for whatever path.
    pub(super) fn visit(
        &mut self,
        (method, url): (&Method, &str),
        more: &[(&'static str, &str)],
        edge: &Edge,
        now: UnixTime,
    ) -> Decided {
        let mut headers = self.headers();
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let incoming = Incoming { method, url, headers: &headers, client_ip: None, edge };
        let Self { config, parties, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, parties, sessions: objects, used, opened };
        let decided = block_on(decide(&seams, incoming, now, rng));
        self.keep(&decided.cookies);
        if let Next::Respond(response) = &decided.next {
            self.keep(response.headers());
        }
        decided
    }

    /// A form of a page of ours, to wherever; with these headers in place of the usual ones. The answer
    /// to it, and whether it would have reached an origin.
    pub(super) fn form(
        &mut self,
        target: &str,
        body: &str,
        more: &[(&'static str, &str)],
        now: UnixTime,
    ) -> Option<Response> {
        let mut headers = self.headers();
        let usual = [
            ("origin", self.config.public_url.as_str().to_owned()),
            ("sec-fetch-mode", "navigate".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in usual.into_iter().chain(more) {
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
        }
        let Self { config, parties, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, parties, sessions: objects, used, opened };
        let (method, edge) = (Method::POST, Edge::default());
        let (url, headers) = (target, &headers);
        let incoming = Incoming { method: &method, url, headers, client_ip: None, edge: &edge };
        let Decided { next, cookies, .. } = block_on(decide(&seams, incoming, now, rng));
        let response = match next {
            Next::Forward(_) => None,
            Next::Respond(response) => {
                Some(kept::keep(config, response, (body.as_bytes(), headers), now, rng))
            }
        };
        self.keep(&cookies);
        if let Some(response) = &response {
            self.keep(response.headers());
        }
        response
    }

    /// Whether a path is none of ours.
    pub(super) fn unserved(&mut self, method: &Method, target: &str, now: UnixTime) -> bool {
        let mut request = Request::default();
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse().unwrap();
        self.answer(&request, now).is_none()
    }

    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
            let (pair, rest) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-") && !rest.contains("Domain"));
            if line.ends_with("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(super) fn get(&mut self, target: &str, now: UnixTime) -> Response {
        self.ask(&Method::GET, target, &[], now)
    }

    /// Starts a flow and gives the query of the provider's authorization request.
    pub(super) fn login(&mut self, return_to: &str, now: UnixTime) -> BTreeMap<String, String> {
        let response = self.get(&format!("/auth/login?return_to={return_to}"), now);
        assert_eq!(response.status(), 303);
        let url = Url::parse(&location(&response)).unwrap();
        let count = url.query_pairs().count();
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs.len(), count, "each parameter once");
        pairs
    }

    pub(super) fn tokens(&self, subject: &str, nonce: &str, now: UnixTime) {
        self.tokens_in(None, subject, nonce, now);
    }

    fn tokens_in(&self, sid: Option<&str>, subject: &str, nonce: &str, now: UnixTime) {
        self.peer.put(
            "/token",
            200,
            &json!({
                "access_token": "a0", "token_type": "Bearer", "expires_in": 300,
                "refresh_token": "r0", "id_token": id_token_in(sid, subject, Some(nonce), now),
            })
            .to_string(),
        );
    }

    /// Signs somebody in, in a session of the provider, with a browser of their own; gives what that
    /// keeps.
    pub(super) fn sign_in_as(
        &mut self,
        subject: &str,
        sid: Option<&str>,
        now: UnixTime,
    ) -> BTreeMap<String, String> {
        self.jar.clear();
        let asked = self.login("/app", now);
        self.tokens_in(sid, subject, &asked["nonce"], now);
        self.get(&callback(&asked["state"]), now);
        self.jar.clone()
    }

    pub(super) fn sign_in(&mut self, now: UnixTime) -> (String, Response) {
        let asked = self.login("/app", now);
        self.tokens("alice", &asked["nonce"], now);
        let target = callback(&asked["state"]);
        let response = self.get(&target, now);
        (target, response)
    }

    pub(super) fn authenticate(&mut self, now: UnixTime) -> Authentication {
        let headers = self.headers();
        let Self { config, parties, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, parties, sessions: objects, used, opened };
        let found = block_on(seams.authenticate(&headers, now, rng));
        let cookies = match &found {
            Authentication::Authenticated(visitor) => visitor.cookies.clone(),
            Authentication::Anonymous(cookies, _)
            | Authentication::Unavailable { cookies, .. }
            | Authentication::Lacking { cookies, .. } => cookies.clone(),
        };
        self.keep(&cookies);
        found
    }

    pub(super) fn authenticate_for(&mut self, aim: &Aim, now: UnixTime) -> Authentication {
        let headers = self.headers();
        let Self { config, parties, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, parties, sessions: objects, used, opened };
        let found = block_on(seams.authenticate_for(aim, &headers, now, rng));
        if let Authentication::Authenticated(visitor) = &found {
            self.keep(&visitor.cookies);
        }
        found
    }

    pub(super) fn token(&mut self, now: UnixTime) -> Option<String> {
        match self.authenticate(now) {
            Authentication::Authenticated(visitor) => {
                Some(visitor.snapshot.access_token.expose().to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn flows(&self) -> usize {
        self.jar.keys().filter(|name| name.starts_with("__Host-gatelatch-flow-")).count()
    }
}

pub(super) fn callback(state: &str) -> String {
    format!("/auth/callback?code=c&state={state}&iss=https://idp.test")
}

pub(super) fn location(response: &Response) -> String {
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

pub(super) fn text(response: &Response) -> String {
    String::from_utf8(response.body().clone()).unwrap()
}

pub(super) const MODES: [&str; 3] = ["hybrid", "durable", "sealed"];
