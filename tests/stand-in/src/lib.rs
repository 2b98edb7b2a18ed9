//! Stand-ins for identity providers: they speak as Auth0, `WorkOS`, GitHub, Google, Entra and any
//! `OpenID` provider do, to test against, and to try things with for somebody who has no account.
//!
//! They are faithful and strict: what the real one refuses is refused here, in the same words as
//! far as those are known. They say what they were asked, and go wrong when they are told to. In
//! one process [`StandIn::answer`] is all there is; [`Server`] puts it behind a socket, where
//! answers can also break off, trickle or never come.
//!
//! Everything lies under `/{preset}/{instance}`. Instances know nothing of each other, and come to
//! be when they are first named. The base URL is what the request says it is. The clients are
//! [`GATELATCH`] and [`OTHER`], at `WorkOS` with [`API_KEY`] and [`OTHER_API_KEY`] for secrets; every
//! redirect URI at loopback or below `.test` counts as registered.
//!
//! | preset | base of | authorization endpoint behind it |
//! |---|---|---|
//! | `auth0` | a tenant; the issuer has a slash more | `/authorize` |
//! | `workos` | `api.workos.com` | `/user_management/authorize`, `/sso/authorize` |
//! | `github` | an Enterprise Server, its API below `/api/v3` | `/login/oauth/authorize` |
//! | `google` | all of Google's hosts | `/o/oauth2/v2/auth` |
//! | `entra` | `login.microsoftonline.com` | `/{tenant}/oauth2/v2.0/authorize` |
//! | `generic` | an issuer that does everything by the book | `/authorize` |
//!
//! Below `/turnstile` lies Cloudflare's Turnstile: `v0/siteverify`, and `POST _token` in the widget's
//! place.
//!
//! Besides what the provider has, an instance answers, for tests over HTTP:
//!
//! | request | what it does |
//! |---|---|
//! | `PUT _faults` | arranges the faults of a JSON list of [`Arranged`] |
//! | `DELETE _faults` | clears them |
//! | `GET _seen` | gives the list of [`Seen`]; `DELETE` forgets it |
//! | `POST _logout` | `{"person" or "sid", "to"?}`: makes a logout token and posts it to `to` |
//! | `POST _revoke` | `{"person"}`: nothing that they were given is good any more |
//! | `POST _rotate` | publishes a new signing key beside the old one, and signs with it |
#![expect(clippy::indexing_slicing, reason = "members of JSON objects that are made here")]

mod ask;
mod auth0;
mod authkit;
mod authorize;
mod client;
mod control;
mod entra;
mod fault;
mod generic;
mod github;
mod google;
mod gzip;
mod instance;
mod keys;
mod oidc;
mod page;
mod person;
mod preset;
mod reply;
mod seen;
mod server;
mod siteverify;
mod spoil;
mod token;
mod wire;
mod workos;
mod workos_sso;

pub use client::{API_KEY, Client, GATELATCH, GITHUB_APP, OTHER, OTHER_API_KEY};
pub use fault::{Arranged, Claim, Endpoint, Fault, IdTokenFault};
pub use person::{Email, GitHubId, Home, PEOPLE, Person};
pub use preset::Preset;
pub use reply::Response;
pub use seen::Seen;
pub use server::Server;
pub use siteverify::{DUMMY, WIDGETS, Widget};
pub use spoil::{Answer, End};

use ask::Ask;
use http::Request;
use instance::Instance;
use serde_json::Value;
use siteverify::Siteverify;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For [`StandIn::fault`]: until faults are cleared.
pub const ALWAYS: u32 = u32::MAX;

/// All stand-ins there are. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct StandIn(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    seed: u64,
    /// By place: `preset/instance`.
    instances: BTreeMap<String, Instance>,
    siteverify: Siteverify,
}

impl StandIn {
    /// Stand-ins whose codes and tokens follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { seed, ..State::default() })))
    }

    /// Answers a request. `now` is in seconds since 1970.
    #[must_use]
    pub fn answer(&self, request: &Request<Vec<u8>>, now: u64) -> Answer {
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/turnstile").filter(|rest| rest.starts_with('/')) {
            let ask = Ask::read(request, "turnstile", rest, now);
            return self.turnstile(|turnstile| turnstile.answer(&ask));
        }
        let Some((place, rest)) = split(path) else {
            let is_root = path == "/";
            return Answer::Response(if is_root { preset::index() } else { reply::not_found() });
        };
        self.at(place, |instance| {
            let ask = Ask::read(request, place, rest, now);
            if rest.starts_with("/_") {
                return Answer::Response(control::answer(instance, &ask));
            }
            let endpoint = instance.preset.endpoint(&ask);
            instance.seen.push(Seen::of(&ask, endpoint, request));
            let fault = endpoint.and_then(|endpoint| instance.faults.on_the_way(endpoint));
            let Some(fault) = fault else {
                return Answer::Response(instance.preset.answer(instance, &ask));
            };
            spoil::instead(&fault).unwrap_or_else(|| {
                spoil::on_the_way(&fault, instance.preset.answer(instance, &ask))
            })
        })
        .unwrap_or_else(|| Answer::Response(reply::not_found()))
    }

    /// Arranges a fault at `place`, which is `preset/instance`, for the next `times` requests, or
    /// [`ALWAYS`]. Faults of one endpoint happen in the order in which they were arranged.
    ///
    /// # Panics
    /// When there is no such place, or the fault cannot happen at this endpoint: a test that
    /// arranges nothing would show nothing.
    pub fn fault(&self, place: &str, endpoint: Endpoint, fault: Fault, times: u32) {
        let preset = self.at(place, |instance| instance.preset);
        let fits = preset.map(|preset| fault.fits(preset, endpoint));
        assert_eq!(fits, Some(true), "{fault:?} does not happen at {place}, {endpoint:?}");
        self.at(place, |instance| instance.faults.add(Arranged { endpoint, fault, times }));
    }

    /// Clears the faults of an instance.
    pub fn clear_faults(&self, place: &str) {
        self.at(place, |instance| instance.faults.clear());
    }

    /// What an instance was asked, in order.
    #[must_use]
    pub fn seen(&self, place: &str) -> Vec<Seen> {
        self.at(place, |instance| instance.seen.clone()).unwrap_or_default()
    }

    /// What one endpoint of it was asked, in order.
    #[must_use]
    pub fn seen_at(&self, place: &str, endpoint: Endpoint) -> Vec<Seen> {
        let mut seen = self.seen(place);
        seen.retain(|seen| seen.endpoint == Some(endpoint));
        seen
    }

    /// Forgets what was asked.
    pub fn forget(&self, place: &str) {
        self.at(place, |instance| instance.seen.clear());
    }

    /// A logout token of the latest session of a person (by key) or of a session (by `sid`). None
    /// when there is no such session, or the provider makes no such tokens.
    #[must_use]
    pub fn logout_token(&self, place: &str, who: &str, now: u64) -> Option<String> {
        self.at(place, |instance| instance.preset.logout_token(instance, who, now)).flatten()
    }

    /// Nothing that a person was given is good any more.
    pub fn revoke(&self, place: &str, person: &str) {
        self.at(place, |instance| instance.revoke(person));
    }

    /// Publishes a new signing key beside the old one, and signs with it.
    pub fn rotate(&self, place: &str) {
        self.at(place, |instance| instance.keys.rotate(false));
    }

    /// The token that passing the challenge of a widget of Turnstile gives.
    #[must_use]
    pub fn token(&self, widget: Widget, now: u64) -> String {
        self.turnstile(|turnstile| turnstile.token(widget, now))
    }

    /// Arranges a fault for the next request to Turnstile's service.
    pub fn fault_of_turnstile(&self, fault: Fault) {
        self.turnstile(|turnstile| turnstile.fault(fault));
    }

    /// Has Turnstile's service answer the next request with this.
    pub fn say_of_turnstile(&self, answer: Value) {
        self.turnstile(|turnstile| turnstile.say(answer));
    }

    /// What Turnstile's service was asked, in order.
    #[must_use]
    pub fn asked_of_turnstile(&self) -> Vec<BTreeMap<String, String>> {
        self.turnstile(|turnstile| turnstile.asked())
    }

    fn turnstile<T>(&self, act: impl FnOnce(&mut Siteverify) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).siteverify)
    }

    /// Does something with an instance, which comes to be if need be.
    fn at<T>(&self, place: &str, act: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let (preset, name) = place.split_once('/')?;
        let preset = Preset::find(preset).filter(|_| is_name(name))?;
        let mut state: MutexGuard<'_, State> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = state.seed;
        let new = || Instance::new(preset, place, seed);
        Some(act(state.instances.entry(place.to_owned()).or_insert_with(new)))
    }
}

/// `preset/instance`, and the rest of a path with its slash.
fn split(path: &str) -> Option<(&str, &str)> {
    let inner = path.strip_prefix('/')?;
    let (preset, rest) = inner.split_once('/')?;
    let name = rest.split('/').next()?;
    let end = preset.len() + 1 + name.len();
    let (place, rest) = inner.split_at_checked(end)?;
    Some((place, if rest.is_empty() { "/" } else { rest }))
}

/// It stands in a cookie's name.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}
