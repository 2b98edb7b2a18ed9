//! A client and a browser of one instance, in this process.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, LOCATION, SET_COOKIE};
use http::{HeaderValue, Method, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stand_in::{Endpoint, Fault, Response, StandIn};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use url::form_urlencoded::Serializer;

pub(crate) const NOON: u64 = 1_800_000_000;
pub(crate) const ORIGIN: &str = "https://up.test";
pub(crate) const CALLBACK: &str = "https://app.test/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-43-characters-or-a-few-more-than-that";

pub(crate) type Pairs<'p> = &'p [(&'p str, &'p str)];

/// One instance, its one client and one browser.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) stand_in: StandIn,
    pub(crate) place: &'static str,
    pub(crate) now: Cell<u64>,
    cookie: RefCell<Option<String>>,
}

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

pub(crate) fn form(pairs: Pairs<'_>) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn json(response: &Response) -> Value {
    let text = String::from_utf8_lossy(response.body());
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{} {text}", response.status()))
}

/// Status, and `error` of the body.
pub(crate) fn error(response: &Response) -> (u16, String) {
    let body = json(response);
    (response.status().as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &Value) -> Value {
    let token = token.as_str().expect("a token");
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub(crate) fn header(token: &Value) -> Value {
    let token = token.as_str().expect("a token");
    let header = token.split('.').next().expect("a header");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

pub(crate) fn location(response: &Response) -> String {
    let location = response.headers().get(LOCATION);
    let gist = || String::from_utf8_lossy(response.body()).into_owned();
    location
        .unwrap_or_else(|| panic!("{} {}", response.status(), gist()))
        .to_str()
        .unwrap()
        .to_owned()
}

/// The parameters that a browser comes back with.
pub(crate) fn brought(response: &Response) -> BTreeMap<String, String> {
    let url = url::Url::parse(&location(response)).unwrap();
    assert!(url.as_str().starts_with(CALLBACK), "{url}");
    url.query_pairs().into_owned().collect()
}

impl Net {
    pub(crate) fn new(place: &'static str) -> Self {
        let (now, cookie) = (Cell::new(NOON), RefCell::default());
        Self { stand_in: StandIn::new(7), place, now, cookie }
    }

    pub(crate) fn base(&self) -> String {
        format!("{ORIGIN}/{}", self.place)
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds);
    }

    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: &str,
    ) -> Response {
        let mut request = Request::new(body.as_bytes().to_vec());
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base()).parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let answer = self.stand_in.answer(&request, self.now.get());
        answer.into_response().expect("a response")
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], "")
    }

    pub(crate) fn get_with(&self, path: &str, token: &Value) -> Response {
        let token = format!("Bearer {}", token.as_str().expect("a token"));
        self.send(Method::GET, path, &[(AUTHORIZATION, &token)], "")
    }

    pub(crate) fn post(&self, path: &str, pairs: Pairs<'_>) -> Response {
        let kind = "application/x-www-form-urlencoded";
        let headers = [(CONTENT_TYPE, kind), (ACCEPT, "application/json")];
        self.send(Method::POST, path, &headers, &form(pairs))
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, &[(CONTENT_TYPE, "application/json")], &body.to_string())
    }

    /// Goes to a page with the browser's cookie, and keeps the one that comes back.
    pub(crate) fn browse(&self, path: &str, filled: Option<Pairs<'_>>) -> Response {
        let cookie = self.cookie.borrow().clone().unwrap_or_default();
        let method = if filled.is_some() { Method::POST } else { Method::GET };
        let kind = "application/x-www-form-urlencoded";
        let headers = [(COOKIE, cookie.as_str()), (CONTENT_TYPE, kind)];
        let body = filled.map(form).unwrap_or_default();
        let response = self.send(method, path, &headers, &body);
        if let Some(line) = response.headers().get(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            self.cookie.replace(Some(pair.to_owned()));
        }
        response
    }

    /// Asks for a code, as `person`, with a challenge: what the browser comes back with.
    pub(crate) fn sign_in(
        &self,
        path: &str,
        person: &str,
        more: Pairs<'_>,
    ) -> BTreeMap<String, String> {
        brought(&self.browse(&Self::ask(path, more), Some(&[("person", person)])))
    }

    /// The path of an authorization request with a challenge.
    pub(crate) fn ask(path: &str, more: Pairs<'_>) -> String {
        let challenge = challenge();
        let usual = [
            ("response_type", "code"),
            ("client_id", "gatelatch"),
            ("redirect_uri", CALLBACK),
            ("state", "a state"),
            ("nonce", "a-nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut pairs: Vec<_> = usual.to_vec();
        pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        pairs.extend(more);
        pairs.retain(|(_, value)| !value.is_empty());
        format!("{path}?{}", form(&pairs))
    }

    /// What redeems a code, with the parameters of `changed` in place of the right ones; empty ones
    /// are left out.
    pub(crate) fn redeem(&self, path: &str, code: &str, changed: Pairs<'_>) -> Response {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", "gatelatch"),
            ("client_secret", "stand-in-secret"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let mut pairs: Vec<_> = usual.to_vec();
        pairs.retain(|(name, _)| changed.iter().all(|(other, _)| other != name));
        pairs.extend(changed);
        pairs.retain(|(_, value)| !value.is_empty());
        self.post(path, &pairs)
    }

    pub(crate) fn refresh(&self, path: &str, token: &Value) -> Response {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "gatelatch"),
            ("client_secret", "stand-in-secret"),
            ("refresh_token", token.as_str().expect("a refresh token")),
        ];
        self.post(path, &fields)
    }

    pub(crate) fn fault(&self, endpoint: Endpoint, fault: Fault) {
        self.stand_in.fault(self.place, endpoint, fault, 1);
    }
}
