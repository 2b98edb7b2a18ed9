//! A gateway, its provider, and one browser.

use super::handle;
use crate::auth::flow::UsedFlows;
use crate::config::Config;
use crate::fixture::{Peer, config, id_token, provider};
use crate::session::admission::{Authentication, Seams};
use crate::session::driver::Visited;
use crate::session::exchange::Party;
use crate::session::opened::Opened;
use crate::session::state::{Farewell, Live, Session, Visit};
use crate::session::{Lost, Sessions};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use pollster::block_on;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
use shared::fetch::{Fetch, Request, Response};

use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use url::Url;
use uuid::Uuid;

pub(super) const SESSION: &str = "__Host-gatelatch-session";

/// Session objects that never make a token call.
#[derive(Debug, Default)]
pub(super) struct Objects {
    rows: RefCell<BTreeMap<Uuid, Session>>,
    pub(super) asked: Cell<usize>,
    pub(super) lost: Cell<bool>,
}

impl Objects {
    pub(super) fn ask(&self) -> Result<(), Lost> {
        self.asked.set(self.asked.get() + 1);
        if self.lost.get() { Err(Lost) } else { Ok(()) }
    }

    pub(super) fn live(&self) -> usize {
        self.rows.borrow().values().filter(|row| matches!(row, Session::Live(_))).count()
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost> {
        self.ask()?;
        Ok(self.rows.borrow_mut().insert(object, Session::Live(Box::new(live))).is_none())
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
            Visit::Serve(snapshot) => Visited::Present(snapshot),
            Visit::Gone => Visited::Gone,
            _ => Visited::Unavailable { retry_after: 3 },
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
}

/// A gateway, its provider, and one browser.
pub(super) struct World<F> {
    pub(super) config: Config,
    pub(super) peer: Peer,
    party: Party<F, Native>,
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
    let peer = Peer::new();
    let line = peer.clone();
    let fetch = async move |request: Request| line.answer(request);
    let party = Party::new(&config, provider(), fetch, Native);
    let (objects, used, opened) = <(_, UsedFlows, Opened)>::default();
    let (rng, jar) = (ChaCha20Rng::seed_from_u64(1), BTreeMap::new());
    World { config, peer, party, objects, used, opened, rng, jar }
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
        let mut request = Request::default();
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse().unwrap();
        *request.headers_mut() = self.headers();
        for (name, value) in more {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let Self { config, party, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, party, sessions: objects, used, opened };
        let response = block_on(handle(&seams, &request, now, rng)).unwrap();
        self.keep(response.headers());
        response
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
        self.peer.put(
            "/token",
            200,
            &json!({
                "access_token": "a0", "token_type": "Bearer", "expires_in": 300,
                "refresh_token": "r0", "id_token": id_token(subject, Some(nonce), now),
            })
            .to_string(),
        );
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
        let Self { config, party, objects, used, opened, rng, .. } = self;
        let seams = Seams { config, party, sessions: objects, used, opened };
        let found = block_on(seams.authenticate(&headers, now, rng));
        let cookies = match &found {
            Authentication::Authenticated(visitor) => visitor.cookies.clone(),
            Authentication::Anonymous(cookies) | Authentication::Unavailable { cookies, .. } => {
                cookies.clone()
            }
        };
        self.keep(&cookies);
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
