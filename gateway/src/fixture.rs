//! A provider that answers as it is told, and an executor that turns over everything there is.

use crate::config::Config;
use crate::session::driver::Spawn;
use serde_json::{Value, json};
use shared::fetch::{Request, Response, Unreachable};
use shared::jose::jwk::{Jwk, JwkSet};
use shared::jose::jws::{Header, compact, signing_input};
use shared::jose::native::SigningKey;
use shared::metadata::ProviderMetadata;
use shared::rp::discovery::Provider;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(crate) const NOON: UnixTime = UnixTime(1_800_000_000);

pub(crate) fn config(mode: &'static str) -> Config {
    config_with(mode, &[])
}

/// The same with some settings in place of the usual ones.
pub(crate) fn config_with(mode: &'static str, changes: &[(&str, &'static str)]) -> Config {
    let setting = |name: &str| match name {
        _ if changes.iter().any(|(key, _)| *key == name) => {
            changes.iter().find_map(|(key, value)| (*key == name).then_some(*value))
        }
        "PUBLIC_URL" => Some("https://app.test"),
        "ISSUER" => Some("https://idp.test"),
        "CLIENT_ID" => Some("app"),
        "CLIENT_AUTH" => Some("none"),
        "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"),
        "SESSION_MODE" => Some(mode),
        "REFRESH_TOKENS" => Some("repeated"),
        "ROUTES" => {
            Some(r#"[{"prefix":"/","origin":"http://localhost:8789","access":"signed-in"}]"#)
        }
        _ => None,
    };
    Config::read(|name| setting(name).map(str::to_owned)).unwrap()
}

pub(crate) fn provider() -> Rc<Provider> {
    Rc::new(config("hybrid").providers.first().provider())
}

/// The provider of nearly every test.
pub(crate) const IDP: &str = "https://idp.test";
/// All providers call their keys the same (CC-07).
const KID: &str = "1";

/// Each provider has a key of its own.
fn key(issuer: &str) -> SigningKey {
    let number = issuer.bytes().fold(7, u8::wrapping_add);
    SigningKey::es256([number; 32]).unwrap()
}

/// The claims of an ID token.
pub(crate) fn claims(subject: &str, nonce: Option<&str>, now: UnixTime) -> Value {
    let mut claims = json!({
        "iss": "https://idp.test", "sub": subject, "aud": "app", "exp": now.0 + 300,
        "iat": now.0, "name": "Alice", "groups": ["x".repeat(3000)],
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = Value::from(nonce);
    }
    claims
}

pub(crate) fn id_token(subject: &str, nonce: Option<&str>, now: UnixTime) -> String {
    sign("JWT", &claims(subject, nonce, now))
}

/// The same in a session of the provider.
pub(crate) fn id_token_in(
    sid: Option<&str>,
    subject: &str,
    nonce: Option<&str>,
    now: UnixTime,
) -> String {
    let mut claims = claims(subject, nonce, now);
    if let Some(sid) = sid {
        claims["sid"] = Value::from(sid);
    }
    sign("JWT", &claims)
}

/// A token of the provider.
pub(crate) fn sign(typ: &str, claims: &Value) -> String {
    sign_by(IDP, typ, claims)
}

/// A token of another one.
pub(crate) fn sign_by(issuer: &str, typ: &str, claims: &Value) -> String {
    let key = key(issuer);
    let header = Header::new(key.alg(), KID, typ);
    let input = signing_input(&header, claims);
    compact(&input, &key.sign(input.as_bytes()).unwrap())
}

#[derive(Clone, Default)]
pub(crate) struct Peer(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    answers: BTreeMap<String, (u16, String)>,
    bodies: BTreeMap<String, Vec<String>>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self::of(IDP)
    }

    /// Another provider.
    pub(crate) fn of(issuer: &str) -> Self {
        let peer = Self::default();
        let at = |path: &str| format!("{issuer}/{path}");
        let metadata = ProviderMetadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: at("authorize"),
            token_endpoint: at("token"),
            jwks_uri: at("jwks"),
            revocation_endpoint: Some(at("revoke")),
            introspection_endpoint: Some(at("introspect")),
            end_session_endpoint: Some(at("logout")),
            authorization_response_iss_parameter_supported: true,
            ..ProviderMetadata::default()
        };
        let metadata = serde_json::to_string(&metadata).unwrap();
        peer.put("/.well-known/openid-configuration", 200, &metadata);
        let keys = JwkSet { keys: vec![Jwk { kid: Some(KID.to_owned()), ..key(issuer).public() }] };
        peer.put("/jwks", 200, &serde_json::to_string(&keys).unwrap());
        peer
    }

    pub(crate) fn put(&self, path: &str, status: u16, body: &str) {
        self.0.borrow_mut().answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    pub(crate) fn bodies(&self, path: &str) -> Vec<String> {
        self.0.borrow().bodies.get(path).cloned().unwrap_or_default()
    }

    pub(crate) fn hits(&self, path: &str) -> usize {
        self.bodies(path).len()
    }

    pub(crate) fn answer(&self, request: Request) -> Result<Response, Unreachable> {
        let path = request.uri().path().to_owned();
        let mut state = self.0.borrow_mut();
        let body = String::from_utf8(request.into_body()).unwrap();
        state.bodies.entry(path.clone()).or_default().push(body);
        let (status, body) = state.answers.get(&path).cloned().ok_or(Unreachable)?;
        let mut response = Response::new(body.into_bytes());
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that nobody waits for.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Rc<RefCell<Vec<Task>>>);

impl Spawn for Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(task));
    }
}

impl Tasks {
    /// Gives each of them one turn.
    pub(crate) fn turn(&self) {
        let mut context = Context::from_waker(Waker::noop());
        for mut task in self.0.take() {
            if task.as_mut().poll(&mut context).is_pending() {
                self.0.borrow_mut().push(task);
            }
        }
    }
}

/// Lets everybody else have `count` turns.
pub(crate) async fn turns(mut count: usize) {
    poll_fn(|_| {
        count = count.saturating_sub(1);
        if count == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Polls everything in turn until all is done, or for a thousand rounds.
pub(crate) fn poll_all<F: Future>(futures: Vec<F>, tasks: &Tasks) -> Vec<Option<F::Output>> {
    let mut context = Context::from_waker(Waker::noop());
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    for _ in 0..1000 {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                *result = Some(output);
            }
        }
        tasks.turn();
        if results.iter().all(Option::is_some) && tasks.0.borrow().is_empty() {
            break;
        }
    }
    results
}
