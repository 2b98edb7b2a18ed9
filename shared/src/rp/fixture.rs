//! A provider that answers as it is told.

use super::client::{ClientAuth, Issuers, RelyingParty};
use super::discovery::Provider;
use crate::fetch::{Fetch, Request, Response, Unreachable};
use crate::jose::jwk::JwkSet;
use crate::jose::jws::{Header, compact, signing_input};
use crate::jose::native::SigningKey;
use crate::jose::private::PrivateKey;
use crate::metadata::ProviderMetadata;
use crate::origin::Issuer;
use crate::scope::Scope;
use crate::time::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) const NOON: UnixTime = UnixTime(1_800_000_000);

pub(super) fn key() -> SigningKey {
    SigningKey::es256([7; 32]).unwrap()
}

/// The same as an operator gives it.
pub(super) fn private_key() -> PrivateKey {
    let mut jwk = serde_json::to_value(key().public()).unwrap();
    jwk["d"] = URL_SAFE_NO_PAD.encode([7; 32]).into();
    PrivateKey::read(&jwk).unwrap()
}

pub(super) fn client() -> RelyingParty {
    RelyingParty {
        issuer: Issuer::parse("https://idp.test").unwrap(),
        issuers: Issuers::Exact,
        client_id: "app".to_owned(),
        auth: ClientAuth::None,
        redirect_uri: "https://app.test/auth/callback".to_owned(),
        scope: Scope::parse("openid profile").unwrap(),
    }
}

pub(super) fn provider() -> Provider {
    Provider::new(client().issuer)
}

pub(super) fn metadata() -> ProviderMetadata {
    let at = |path: &str| format!("https://idp.test/{path}");
    ProviderMetadata {
        issuer: "https://idp.test".to_owned(),
        authorization_endpoint: at("authorize"),
        token_endpoint: at("token"),
        jwks_uri: at("jwks"),
        userinfo_endpoint: Some(at("userinfo")),
        revocation_endpoint: Some(at("revoke")),
        introspection_endpoint: Some(at("introspect")),
        end_session_endpoint: Some(at("logout")),
        authorization_response_iss_parameter_supported: true,
        ..ProviderMetadata::default()
    }
}

pub(super) fn claims() -> Value {
    json!({
        "iss": "https://idp.test", "sub": "alice", "aud": "app", "nonce": "n", "name": "Alice",
        "exp": NOON.0 + 300, "iat": NOON.0, "auth_time": NOON.0 - 10,
    })
}

pub(super) fn sign(claims: &Value) -> String {
    sign_typed(claims, "JWT")
}

pub(super) fn sign_typed(claims: &Value, typ: &str) -> String {
    sign_with(&key(), claims, typ)
}

pub(super) fn sign_with(key: &SigningKey, claims: &Value, typ: &str) -> String {
    let header = Header::new(key.alg(), &key.public().kid.unwrap(), typ);
    let input = signing_input(&header, claims);
    compact(&input, &key.sign(input.as_bytes()).unwrap())
}

/// What each path answers, none when the line is cut, and how often it was asked.
#[derive(Clone, Default)]
pub(super) struct Peer(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    answers: BTreeMap<String, (u16, String)>,
    cut: Vec<String>,
    hits: BTreeMap<String, usize>,
}

impl Peer {
    pub(super) fn new() -> Self {
        let peer = Self::default();
        let metadata = serde_json::to_string(&metadata()).unwrap();
        peer.put("/.well-known/openid-configuration", 200, &metadata);
        let keys = JwkSet { keys: vec![key().public()] };
        peer.put("/jwks", 200, &serde_json::to_string(&keys).unwrap());
        peer
    }

    pub(super) fn with_fetch() -> (Self, impl Fetch) {
        let peer = Self::new();
        let fetch = peer.fetch();
        (peer, fetch)
    }

    pub(super) fn put(&self, path: &str, status: u16, body: &str) {
        self.0.borrow_mut().answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    pub(super) fn cut(&self, path: &str) {
        self.0.borrow_mut().cut.push(path.to_owned());
    }

    pub(super) fn mend(&self, path: &str) {
        self.0.borrow_mut().cut.retain(|cut| cut != path);
    }

    pub(super) fn hits(&self, path: &str) -> usize {
        self.0.borrow().hits.get(path).copied().unwrap_or_default()
    }

    pub(super) fn fetch(&self) -> impl Fetch + use<> {
        let peer = self.clone();
        async move |request: Request| {
            let path = request.uri().path().to_owned();
            let mut state = peer.0.borrow_mut();
            *state.hits.entry(path.clone()).or_default() += 1;
            if state.cut.contains(&path) {
                return Err(Unreachable);
            }
            let (status, body) = state.answers.get(&path).cloned().unwrap_or((404, String::new()));
            let mut response = Response::new(body.into_bytes());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        }
    }
}
