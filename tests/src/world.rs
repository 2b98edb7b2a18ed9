//! An issuer to talk to: one in this process, or one behind HTTP.

use crate::assertion::{AFAR, Key, jwks};
use crate::deployment::Deployment;
use crate::elsewhere::Elsewhere;
use crate::federation::StandIns;
use crate::keys::Keys;
use crate::line::Line;
use crate::listener::{Listener, Post};
use crate::memory::{Memory, Object, Objects};
use crate::out::{InProcess, Out};
use crate::secrets::Secrets;
use crate::wire::through;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use idp::event::{Event, Events};
use idp::ring::Schedule;
use idp::rows::Unavailable;
use idp::{Idp, back_channel, log};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::{Map, Value};
use shared::cause::Cause;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
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
    upstreams: RefCell<Vec<Line>>,
    stand_ins: RefCell<Option<StandIns>>,
    causes: RefCell<Vec<String>>,
    events: RefCell<Vec<Event>>,
    lines: RefCell<Vec<String>>,
    secrets: Rc<Secrets>,
    /// Where its clients are told that somebody has signed out.
    pub listener: Listener,
    rung: RefCell<Vec<Event>>,
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

impl Issuer {
    /// An issuer in this process that knows nobody and nothing but its settings.
    pub fn in_process(settings: &Map<String, Value>) -> Self {
        let deployment = Deployment::of(settings);
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
            upstreams: RefCell::default(),
            stand_ins: RefCell::default(),
            causes: RefCell::default(),
            events: RefCell::default(),
            lines: RefCell::default(),
            secrets: Rc::new(Secrets::of(settings)),
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
            Target::Http(agent) => through(agent, request),
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
                let answer = through(agent, crate::browser::request(Method::GET, &url));
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
                    requests.into_iter().map(|request| scope.spawn(|| through(agent, request)));
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
            let lines = events.iter().map(|event| log::of_event(&idp.correlation_id, event));
            self.write_down(&idp.correlation_id, lines.collect());
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
        self.upstreams.borrow_mut().push(upstream);
    }

    /// Lets it reach stand-ins, which its settings name as its upstreams.
    pub fn federate(&self, stand_ins: StandIns) {
        *self.stand_ins.borrow_mut() = Some(stand_ins);
    }

    /// Deploys it again with other settings; its state stays.
    pub fn deploy_again(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        change(&mut self.settings.borrow_mut());
        self.secrets.configured(&self.settings.borrow());
        let deployment = Deployment::of(&self.settings.borrow());
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

    /// The lines of its log since it was asked last.
    pub fn lines(&self) -> Vec<String> {
        self.lines.take()
    }

    /// What its last request or alarm is called in the log.
    pub fn reference(&self) -> String {
        format!("request-{}", self.requests.get().saturating_sub(1))
    }

    /// Writes to the log, in which no secret may stand (LK-01).
    fn write_down(&self, correlation_id: &str, lines: Vec<String>) {
        for line in &lines {
            self.secrets.written(line, correlation_id);
        }
        self.lines.borrow_mut().extend(lines);
    }

    /// For one request or one alarm.
    fn idp<'d>(&self, deployment: &'d Deployment) -> (Idp<'d, InProcess>, ChaCha12Rng) {
        let number = self.requests.get();
        self.requests.set(number + 1);
        let idp = Idp::<InProcess> {
            config: &deployment.config,
            passwords: &deployment.passwords,
            budget: &deployment.budget,
            upstreams: &deployment.upstreams,
            client_keys: &deployment.client_keys,
            objects: Objects { memory: self.memory.clone(), config: Rc::clone(&deployment.config) },
            keys: self.keys.clone(),
            verifier: Native,
            fetch: Out {
                elsewhere: self.elsewhere.clone(),
                upstreams: self.upstreams.borrow().clone(),
                stand_ins: self.stand_ins.borrow().clone(),
                now: self.clock.get(),
                listener: self.listener.clone(),
                secrets: Rc::clone(&self.secrets),
            },
            correlation_id: format!("request-{number}"),
            now: self.clock.get(),
        };
        (idp, ChaCha12Rng::seed_from_u64(number))
    }

    async fn handle(&self, request: &Request) -> Response {
        let deployment = Rc::clone(&self.deployment.borrow());
        let (idp, mut rng) = self.idp(&deployment);
        self.secrets.sent(request);
        let response = idp.handle(request, self.clock.get(), &mut rng).await;
        self.secrets.answered(&response);
        let lines = log::of_answer(&idp.correlation_id, request, &response);
        self.write_down(&idp.correlation_id, lines);
        if let Some(Events(events)) = response.extensions().get() {
            self.events.borrow_mut().extend(events.iter().cloned());
        }
        if let Some(Cause(cause)) = response.extensions().get() {
            self.causes.borrow_mut().push(cause.clone());
        }
        response
    }
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
