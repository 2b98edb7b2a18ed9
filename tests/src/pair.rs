//! A gateway and its issuer to talk to: both in this process, where the gateway's way out is the
//! issuer's way in, or both behind HTTP with the demo origin behind them.
//!
//! With `GATELATCH_GATEWAY` and `GATELATCH_ISSUER` in the environment the tests talk HTTP to what
//! `pair.mjs` serves; `GATELATCH_MODE` says where its sessions live, and tests of the other modes
//! have nothing to do then.

use crate::gate::Gate;
use crate::listener::Post;
use crate::raw::{self, Connection, Raw};
use crate::world::{Issuer, issuer, settings_in};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::auth::BACK_CHANNEL;
use http::StatusCode;
use serde_json::{Map, Value};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use std::env::var;
use std::rc::Rc;
use std::time::Duration;

/// The file that both halves read; `pair.mjs` serves it with other ports and shorter times.
const FILE: &str = include_str!("../configs/pair.json");

/// What access tokens are for, by the file.
pub const AUDIENCE: &str = "http://localhost:8789";

/// The life of an access token, in seconds: in this process by default, over HTTP by `pair.mjs`.
const ACCESS_TOKEN_SECONDS: [u64; 2] = [300, 6];
/// How long a hybrid cookie is believed without asking, in seconds; likewise.
const FRESHNESS_SECONDS: [u64; 2] = [30, 2];

/// Where the second gateway is, in this process, and what it seals with.
const SECOND: &str = "http://127.0.0.1:8791";
const SECOND_KEY: &str = "Z2F0ZWxhdGNoLWV4YW1wbGUtZ2F0ZXdheS10ZXN0LTI";

/// How often somebody looks who waits.
const MOST_LOOKS: u32 = 300;

/// A gateway and its issuer.
#[derive(Debug)]
pub struct Pair {
    /// Where sessions live.
    pub mode: &'static str,
    /// The issuer.
    pub issuer: Rc<Issuer>,
    url: String,
    gate: Option<Box<Gate>>,
}

impl Pair {
    /// Runs a test with the pair of this run, unless that keeps its sessions elsewhere.
    pub fn with(mode: &'static str, test: fn(&Self)) {
        match var("GATELATCH_GATEWAY") {
            Ok(url) if var("GATELATCH_MODE").as_deref() == Ok(mode) => {
                test(&Self { mode, issuer: Rc::new(issuer()), url, gate: None });
            }
            Ok(_) => {}
            Err(_) => test(&Self::in_process(mode, |_, _| {})),
        }
    }

    /// A pair in this process whose issuer tells nobody that somebody has signed out. For tests that try
    /// thousands of endings: what is still to be said would be said again in each of them.
    pub fn untold(mode: &'static str) -> Self {
        Self::in_process(mode, |idp, _| {
            for client in idp["CLIENTS"].as_array_mut().expect("a list") {
                client.as_object_mut().expect("an object").remove("backchannel_logout_uri");
            }
        })
    }

    /// A pair in this process with settings of its own: the issuer's and the gateway's.
    pub fn in_process(
        mode: &'static str,
        change: impl FnOnce(&mut Map<String, Value>, &mut Map<String, Value>),
    ) -> Self {
        let file: Value = serde_json::from_str(FILE).expect("the configuration is JSON");
        let gateway = file["gateway"]["settings"].as_object();
        let (mut idp, mut gateway) = (settings_in(FILE), gateway.expect("settings").clone());
        gateway.insert("SESSION_MODE".to_owned(), mode.into());
        gateway.insert("REFRESH_TOKENS".to_owned(), "repeated".into());
        if mode == "postgres" {
            // Nobody goes there: see stores.rs.
            gateway.insert("DATABASE_URL".to_owned(), "postgres://u:p@localhost/sessions".into());
        }
        if mode == "kv" {
            gateway.insert("SESSIONS".to_owned(), "a namespace".into());
        }
        change(&mut idp, &mut gateway);
        let issuer = Rc::new(Issuer::in_process(&idp));
        let url = gateway["PUBLIC_URL"].as_str().expect("a URL").to_owned();
        let gate = Gate::new(&gateway, Rc::clone(&issuer));
        Self { mode, issuer, url, gate: Some(Box::new(gate)) }
    }

    /// Another gateway of the same issuer, which keeps its sessions in the same way.
    #[must_use]
    pub fn second(&self) -> Self {
        let (mode, issuer) = (self.mode, Rc::clone(&self.issuer));
        let Some(first) = &self.gate else {
            let url = var("GATELATCH_SECOND").expect("pair.mjs says where");
            return Self { mode, issuer: Rc::new(crate::world::issuer()), url, gate: None };
        };
        let mut settings = first.settings();
        settings.insert("PUBLIC_URL".to_owned(), SECOND.into());
        settings.insert("CLIENT_ID".to_owned(), "second".into());
        settings.insert("SEALING_KEYS".to_owned(), SECOND_KEY.into());
        let gate = Gate::new(&settings, Rc::clone(&issuer));
        Self { mode, issuer, url: SECOND.to_owned(), gate: Some(Box::new(gate)) }
    }

    /// Has the issuer say what it has to say of sessions that are over, and the gateway hear it. Over
    /// HTTP that comes by itself: [`Self::at_last`] waits for it.
    pub fn hear(&self) {
        if self.gate.is_none() {
            return;
        }
        self.issuer.inside().ring_alarms();
        for post in self.issuer.inside().listener.take(&self.at(BACK_CHANNEL)) {
            assert_eq!(self.send(&told(post)).status(), StatusCode::OK);
        }
    }

    /// Whether something is so before long.
    pub fn at_last(&self, is_so: impl Fn() -> bool) -> bool {
        let looks = if self.gate.is_some() { 1 } else { MOST_LOOKS };
        (0..looks).any(|look| {
            if look > 0 {
                std::thread::sleep(Duration::from_millis(50));
            }
            is_so()
        })
    }

    /// The gateway in this process, whose clock, storage and ways out the test can reach; none when
    /// the tests talk HTTP. Without one a test has nothing to do and ends.
    pub fn needs_clock(&self) -> Option<&Gate> {
        self.gate.as_deref()
    }

    /// Whether the browser has nothing but the name of its session, and somebody is asked for it on
    /// every request.
    pub fn has_handles(&self) -> bool {
        matches!(self.mode, "durable" | "kv" | "postgres")
    }

    /// The gateway's origin.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a path at the gateway.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The gateway's host and port.
    pub fn authority(&self) -> &str {
        self.url.split_once("://").expect("a scheme").1
    }

    /// Sends a request to the gateway.
    pub fn send(&self, raw: &Raw) -> Response {
        self.send_all(std::slice::from_ref(raw)).remove(0)
    }

    /// Sends all of them at the same time.
    pub fn send_all(&self, raws: &[Raw]) -> Vec<Response> {
        match self.needs_clock() {
            Some(gate) => {
                let answers = raws.iter().map(|raw| gate.handle(raw));
                gate.tasks.run(answers, || gate.objects.turn())
            }
            None => std::thread::scope(|scope| {
                let authority = self.authority();
                let send = |raw| scope.spawn(move || raw::exchange(authority, raw));
                let threads: Vec<_> = raws.iter().map(send).collect();
                threads.into_iter().map(|answer| answer.join().expect("no panic")).collect()
            }),
        }
    }

    /// Sends a request and reads no more than the head of the answer; none in this process, where
    /// no answer has a body that flows.
    pub fn open(&self, raw: &Raw) -> Option<(Response, Connection)> {
        self.gate.is_none().then(|| raw::open(self.authority(), raw))
    }

    /// Waits until access tokens that exist now are over.
    pub fn outlive_access_tokens(&self) {
        self.pass(ACCESS_TOKEN_SECONDS);
    }

    /// Waits until no hybrid cookie that exists now is believed without asking.
    pub fn outlive_freshness(&self) {
        self.pass(FRESHNESS_SECONDS);
    }

    fn pass(&self, [inside, over_http]: [u64; 2]) {
        match self.needs_clock() {
            Some(gate) => gate.pass(inside),
            None => std::thread::sleep(Duration::from_millis(over_http * 1000 + 200)),
        }
    }
}

/// What an issuer posts to a gateway.
pub fn told(post: Post) -> Raw {
    Raw::new("POST", BACK_CHANNEL).header("content-type", &post.kind).body(post.body)
}

/// A network with the two of them and nobody else on it: a browser that is sent anywhere else
/// fails the test.
impl Fetch for Pair {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        let url = request.uri().to_string();
        if url.strip_prefix(self.issuer.url()).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(self.issuer.send(request).await);
        }
        let target = url.strip_prefix(&self.url).filter(|rest| rest.starts_with('/'));
        let target = target.unwrap_or_else(|| panic!("sent to {url}"));
        let mut raw = Raw::new(request.method().as_str(), target);
        for (name, value) in request.headers() {
            raw = raw.header(name.as_str(), value.to_str().expect("ASCII"));
        }
        Ok(self.send(&raw.body(request.into_body())))
    }
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let claims = payload.and_then(|json| serde_json::from_slice(&json).ok());
    claims.unwrap_or_else(|| panic!("no JWT"))
}
