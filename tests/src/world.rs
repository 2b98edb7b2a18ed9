//! An issuer to talk to: one in this process, or one behind HTTP.

use crate::assertion::{AFAR, Key, jwks};
use crate::elsewhere::Elsewhere;
use crate::keys::Keys;
use crate::line::Line;
use crate::listener::{Listener, Post};
use crate::memory::{Memory, Object, Objects};
use crate::turns::turns;
use futures_util::future::join_all;
use http::{HeaderValue, Method, StatusCode};
use idp::budget::Budget;
use idp::client_keys;
use idp::config::Config;
use idp::event::{Event, Events};
use idp::password::Passwords;
use idp::platform::Platform;
use idp::ring::Schedule;
use idp::rows::Unavailable;
use idp::{Idp, back_channel};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::{Map, Value};
use shared::cause::Cause;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::origin::Issuer as IssuerUrl;
use shared::rp::discovery::Provider;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

/// Where the clock of an issuer in this process starts.
pub const NOON: UnixTime = UnixTime(1_800_000_000);

/// The file that `make serve` runs for these tests.
const FILE: &str = include_str!("../configs/issuer.json");

/// An issuer. Everything is the same to whoever talks to it, but for [`Issuer::inside`].
#[derive(Debug)]
pub struct Issuer {
    url: String,
    target: Target,
}

#[derive(Debug)]
enum Target {
    InProcess(Box<Inside>),
    Http(ureq::Agent),
}

/// What can be reached of an issuer in this process and of no other.
#[derive(Debug)]
pub struct Inside {
    /// Its state.
    pub memory: Memory,
    /// Its signing keys.
    pub keys: Keys,
    /// What others serve that it may ask for, the keys of the client `afar` to begin with.
    pub elsewhere: Elsewhere,
    clock: Cell<UnixTime>,
    requests: Cell<u64>,
    settings: RefCell<Map<String, Value>>,
    deployment: RefCell<Rc<Deployment>>,
    upstream: RefCell<Option<Line>>,
    causes: RefCell<Vec<String>>,
    events: RefCell<Vec<Event>>,
    /// Where its clients are told that somebody has signed out.
    pub listener: Listener,
    rung: RefCell<Vec<Event>>,
}

#[derive(Debug)]
struct Deployment {
    config: Rc<Config>,
    passwords: Passwords,
    budget: Budget,
    upstream: Provider,
    client_keys: client_keys::Cache,
}

/// The issuer of this run: a fresh one in this process, or the one that `GATELATCH_ISSUER` names.
pub fn issuer() -> Issuer {
    match std::env::var("GATELATCH_ISSUER") {
        Ok(url) => Issuer::over_http(&url),
        Err(_) => Issuer::in_process(&settings()),
    }
}

/// An issuer whose clock, settings and storage the test can reach; none when the tests talk HTTP.
/// Without one a test has nothing to do and ends.
pub fn needs_clock() -> Option<Issuer> {
    Some(issuer()).filter(Issuer::is_inside)
}

/// The issuer's settings in `configs/issuer.json`.
pub fn settings() -> Map<String, Value> {
    settings_in(FILE)
}

/// The issuer's settings in a file for `make serve`.
pub fn settings_in(file: &str) -> Map<String, Value> {
    let file: Value = serde_json::from_str(file).expect("the configuration is JSON");
    file["idp"]["settings"].as_object().expect("an issuer's settings").clone()
}

/// What a Worker is given for a setting: text, or the JSON text of anything else.
pub fn text(settings: &Map<String, Value>, name: &str) -> Option<String> {
    let value = settings.get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn deploy(settings: &Map<String, Value>) -> Rc<Deployment> {
    let config = Config::read(|name| text(settings, name)).expect("settings without a mistake");
    let accounts = config.accounts.iter();
    let accounts = accounts.map(|known| (known.username.as_str(), Some(known.password.as_str())));
    let passwords = Passwords::new(accounts).expect("accounts without a mistake");
    let upstream = config.upstream.as_ref().map(|upstream| upstream.client.issuer.clone());
    let upstream = upstream.unwrap_or_else(|| IssuerUrl::from(config.issuer.clone()));
    let upstream = Provider::new(upstream);
    let (budget, client_keys) = (Budget::default(), client_keys::Cache::default());
    Rc::new(Deployment { config: Rc::new(config), passwords, budget, upstream, client_keys })
}

impl Issuer {
    /// An issuer in this process that knows nobody and nothing but its settings.
    pub fn in_process(settings: &Map<String, Value>) -> Self {
        let deployment = deploy(settings);
        let lifetimes = deployment.config.lifetimes;
        let schedule = Schedule {
            rotation: lifetimes.key_rotation,
            longest_token: lifetimes.access_token.max(lifetimes.id_token),
        };
        let keys = Keys::new(schedule);
        keys.deploy(&deployment.config);
        let url = deployment.config.issuer.to_string();
        let elsewhere = Elsewhere::default();
        elsewhere.put(AFAR, StatusCode::OK, &jwks(&[Key::Ec(0xc5)]));
        let target = Target::InProcess(Box::new(Inside {
            memory: Memory::default(),
            keys,
            elsewhere,
            clock: Cell::new(NOON),
            requests: Cell::default(),
            settings: RefCell::new(settings.clone()),
            deployment: RefCell::new(deployment),
            upstream: RefCell::default(),
            causes: RefCell::default(),
            events: RefCell::default(),
            listener: Listener::default(),
            rung: RefCell::default(),
        }));
        Self { url, target }
    }

    /// The issuer behind `url`.
    pub fn over_http(url: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("")
            .accept("")
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self { url: url.to_owned(), target: Target::Http(agent.into()) }
    }

    /// Its issuer identifier.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Whether it is in this process.
    pub fn is_inside(&self) -> bool {
        matches!(self.target, Target::InProcess(_))
    }

    /// What only an issuer in this process has.
    pub fn inside(&self) -> &Inside {
        match &self.target {
            Target::InProcess(inside) => inside,
            Target::Http(_) => panic!("ask for an issuer by needs_clock()"),
        }
    }

    /// What time it is there.
    pub fn now(&self) -> UnixTime {
        match &self.target {
            Target::InProcess(inside) => inside.clock.get(),
            Target::Http(_) => {
                let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
                UnixTime(since.expect("the clock is past 1970").as_secs())
            }
        }
    }

    /// Sends a request and waits for the answer.
    pub async fn send(&self, request: Request) -> Response {
        match &self.target {
            Target::InProcess(inside) => inside.handle(&request).await,
            Target::Http(agent) => exchange(agent, request),
        }
    }

    /// The same for who is not async.
    pub fn ask(&self, request: Request) -> Response {
        pollster::block_on(self.send(request))
    }

    /// What its clients were told at a path of their own, by now.
    pub fn posts(&self, path: &str) -> Vec<Post> {
        match &self.target {
            Target::InProcess(inside) => inside.listener.posts(path),
            Target::Http(agent) => {
                let listener = std::env::var("GATELATCH_LISTENER").expect("http.mjs says where");
                let url = format!("{listener}{path}");
                let answer = exchange(agent, crate::browser::request(Method::GET, &url));
                serde_json::from_slice(answer.body()).expect("a list of what was posted")
            }
        }
    }

    /// Sends all of them at the same time.
    pub fn ask_all(&self, requests: Vec<Request>) -> Vec<Response> {
        match &self.target {
            Target::InProcess(inside) => {
                pollster::block_on(join_all(requests.iter().map(|request| inside.handle(request))))
            }
            Target::Http(agent) => std::thread::scope(|scope| {
                let sent =
                    requests.into_iter().map(|request| scope.spawn(|| exchange(agent, request)));
                let sent: Vec<_> = sent.collect();
                sent.into_iter().map(|answer| answer.join().expect("no panic")).collect()
            }),
        }
    }
}

/// The gateway's way out is this issuer's way in.
impl Fetch for Issuer {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        Ok(self.send(request).await)
    }
}

impl Inside {
    /// Lets time pass; alarms ring when it is their time.
    pub fn pass(&self, seconds: u64) {
        let until = self.clock.get().plus(seconds);
        while let Some(at) = self.memory.first_alarm().filter(|at| *at <= until) {
            self.clock.set(self.clock.get().max(at));
            self.ring_alarms();
        }
        self.clock.set(until);
    }

    /// Has the alarms ring whose time has come.
    pub fn ring_alarms(&self) {
        pollster::block_on(self.ring());
    }

    /// The same, and puts the objects away after so many turns; whether they were through by then.
    pub fn ring_alarms_for(&self, turns: u32) -> bool {
        let mut ring = pin!(self.ring());
        let mut context = Context::from_waker(Waker::noop());
        (0..turns).any(|_| ring.as_mut().poll(&mut context).is_ready())
    }

    async fn ring(&self) {
        let now = self.clock.get();
        let ring = async |rows: &Object<'_>| {
            let deployment = Rc::clone(&self.deployment.borrow());
            let (idp, mut rng) = self.idp(&deployment);
            let events = back_channel::ring(&idp, rows, now, &mut rng).await?;
            self.rung.borrow_mut().extend(events);
            Ok::<_, Unavailable>(())
        };
        self.memory.ring_alarms(now, ring).await;
    }

    /// What its alarms said to the operator since they were asked last.
    pub fn rung(&self) -> Vec<Event> {
        self.rung.take()
    }

    /// Sets its clock forward, or back.
    pub fn jump(&self, seconds: i64) {
        let (now, by) = (self.clock.get(), seconds.unsigned_abs());
        self.clock.set(if seconds < 0 { now.minus(by) } else { now.plus(by) });
    }

    /// Lets it reach another issuer, which its settings name as its upstream.
    pub fn connect(&self, upstream: Line) {
        *self.upstream.borrow_mut() = Some(upstream);
    }

    /// Deploys it again with other settings; its state stays.
    pub fn deploy_again(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        change(&mut self.settings.borrow_mut());
        let deployment = deploy(&self.settings.borrow());
        self.keys.deploy(&deployment.config);
        *self.deployment.borrow_mut() = deployment;
    }

    /// What it said to its operator since it was asked last.
    pub fn causes(&self) -> Vec<String> {
        self.causes.take()
    }

    /// The security events since it was asked last.
    pub fn events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// For one request or one alarm.
    fn idp<'d>(&self, deployment: &'d Deployment) -> (Idp<'d, InProcess>, ChaCha12Rng) {
        let number = self.requests.get();
        self.requests.set(number + 1);
        let idp = Idp::<InProcess> {
            config: &deployment.config,
            passwords: &deployment.passwords,
            budget: &deployment.budget,
            upstream: &deployment.upstream,
            client_keys: &deployment.client_keys,
            objects: Objects { memory: self.memory.clone(), config: Rc::clone(&deployment.config) },
            keys: self.keys.clone(),
            verifier: Native,
            fetch: Out {
                elsewhere: self.elsewhere.clone(),
                upstream: self.upstream.borrow().clone(),
                listener: self.listener.clone(),
            },
            correlation_id: format!("request-{number}"),
            now: self.clock.get(),
        };
        (idp, ChaCha12Rng::seed_from_u64(number))
    }

    async fn handle(&self, request: &Request) -> Response {
        let deployment = Rc::clone(&self.deployment.borrow());
        let (idp, mut rng) = self.idp(&deployment);
        let response = idp.handle(request, self.clock.get(), &mut rng).await;
        if let Some(Events(events)) = response.extensions().get() {
            self.events.borrow_mut().extend(events.iter().cloned());
        }
        if let Some(Cause(cause)) = response.extensions().get() {
            self.causes.borrow_mut().push(cause.clone());
        }
        response
    }
}

#[derive(Debug)]
struct InProcess;

impl Platform for InProcess {
    type Objects = Objects;
    type Keys = Keys;
    type Verifier = Native;
    type Fetch = Out;
}

/// The way out of an issuer: to what others serve, to its clients, and to its upstream, when it has
/// one.
#[derive(Debug)]
struct Out {
    elsewhere: Elsewhere,
    upstream: Option<Line>,
    listener: Listener,
}

impl Fetch for Out {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        if let Some(answer) = self.elsewhere.answer(&request) {
            // Everybody else gets a turn meanwhile.
            turns(1).await;
            return answer;
        }
        if Listener::is_at(&request) {
            return self.listener.fetch(request).await;
        }
        if request.uri().host() == Some("127.0.0.1") {
            return crate::wire::try_exchange(&request).ok_or(Unreachable);
        }
        let upstream = self.upstream.as_ref().ok_or(Unreachable)?;
        // An issuer may be an upstream's upstream, so the future has no size of its own.
        Box::pin(upstream.fetch(request)).await
    }
}

fn exchange(agent: &ureq::Agent, mut request: Request) -> Response {
    /// The most that the issuer reads of a body.
    const LARGEST: usize = idp::ask::LARGEST_BODY;
    let ascii = request.headers().values().all(|value| value.to_str().is_ok());
    if !ascii || request.body().len() > LARGEST {
        return crate::wire::exchange(&request);
    }
    let needs_length = [Method::POST, Method::PUT].contains(request.method());
    if request.body().is_empty() && needs_length {
        let headers = request.headers_mut();
        headers.insert("content-length", HeaderValue::from_static("0"));
    }
    let what = format!("{} {}", request.method(), request.uri().path());
    let (parts, body) = request.into_parts();
    let answer = if body.is_empty() {
        agent.run(http::Request::from_parts(parts, ()))
    } else {
        agent.run(http::Request::from_parts(parts, body))
    };
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
    let (parts, mut body) = answer.into_parts();
    let body = body.read_to_vec().unwrap_or_else(|error| panic!("{what}: {error}"));
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_of_an_issuer_can_be_served() {
        for file in [FILE, include_str!("../configs/pair.json")] {
            let issuer = Issuer::in_process(&settings_in(file));
            assert_eq!(issuer.url(), "http://localhost:8787");
        }
    }

    #[test]
    fn the_gateway_is_configured_the_same_with_either_issuer() {
        let read = |file: &str| serde_json::from_str::<Value>(file).unwrap()["gateway"].clone();
        let mut pair = read(include_str!("../configs/pair.json"));
        let alone = read(include_str!("../configs/gateway.json"));
        assert_eq!(pair["settings"]["ISSUER"], "http://localhost:8787");
        pair["settings"]["ISSUER"] = alone["settings"]["ISSUER"].clone();
        assert_eq!(pair["settings"], alone["settings"]);
    }
}
