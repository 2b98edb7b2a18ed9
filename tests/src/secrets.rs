//! LK-01: what an issuer was told in confidence and what it has handed out, collected as it passes,
//! and that none of it ever stands in the log.

use crate::browser::forms;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, SET_COOKIE};
use serde_json::{Map, Value};
use shared::cookie;
use shared::fetch::{Request, Response};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded::parse;

/// Parameters, fields of forms, members of JSON objects and settings whose values are nobody else's
/// business. Digests of secrets are among them: a log is no place for those either.
const CONFIDENTIAL: [&str; 27] = [
    "access_token",
    "actor_token",
    "client_assertion",
    "client_secret",
    "client_secret_sha256",
    "code",
    "code_verifier",
    "email",
    "id_token",
    "id_token_hint",
    "interaction",
    "login_hint",
    "logout_token",
    "nonce",
    "password",
    "phone_number",
    "refresh_token",
    "registration_access_token",
    "state",
    "subject_token",
    "token",
    "username",
    "INITIAL_ACCESS_TOKENS",
    "PAIRWISE_SECRET",
    "SEALING_KEYS",
    "SIGNING_KEYS",
    "upstream_client_secret",
];

/// A story of more secrets than this, besides those of the settings, forgets them and its lines and
/// goes on: each line is held against each secret.
const MOST: usize = 500;

/// What is shorter may stand anywhere by chance.
const SHORT: usize = 8;

/// Every secret of one issuer, and every line of its log.
#[derive(Debug, Default)]
pub struct Secrets {
    /// What each of them is.
    known: RefCell<BTreeMap<String, Known>>,
    /// How many of them are of the settings.
    fixed: Cell<usize>,
    /// Each once, without the name of its request: there are few.
    lines: RefCell<BTreeSet<String>>,
}

/// What is known of a secret.
#[derive(Debug)]
struct Known {
    /// What it is.
    what: String,
    /// Whether it is of the settings: those are never forgotten.
    fixed: bool,
}

impl Secrets {
    /// Those of an issuer that nobody has talked to.
    pub fn of(settings: &Map<String, Value>) -> Self {
        let secrets = Self::default();
        secrets.configured(settings);
        secrets
    }

    /// A request, to the issuer or from it.
    pub fn sent(&self, request: &Request) {
        self.parameters(request.uri().query().unwrap_or_default().as_bytes());
        self.headers(request.headers());
        match serde_json::from_slice(request.body()) {
            Ok(json) => self.members("", &json),
            Err(_) => self.parameters(request.body()),
        }
    }

    /// An answer, of the issuer or to it.
    pub fn answered(&self, answer: &Response) {
        let location = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let query = location.and_then(|location| location.split_once('?'));
        self.parameters(query.map_or("", |(_, query)| query).as_bytes());
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            self.keep("a cookie", pair.split_once('=').map_or("", |(_, value)| value));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            for (name, value) in forms(answer).iter().flat_map(|form| &form.fields) {
                self.named(name, value);
            }
        } else if let Ok(json) = serde_json::from_slice(answer.body()) {
            self.members("", &json);
        }
    }

    /// The settings of a deployment.
    pub fn configured(&self, settings: &Map<String, Value>) {
        settings.iter().for_each(|(name, setting)| self.members(name, setting));
        let mut known = self.known.borrow_mut();
        known.values_mut().for_each(|known| known.fixed = true);
        self.fixed.set(known.len());
    }

    /// A line of the log. If it has any of them in it, now or as soon as it is known to be one, the
    /// test fails.
    pub fn written(&self, line: &str, correlation_id: &str) {
        let line = line.replacen(correlation_id, "", 1);
        for (secret, known) in &*self.known.borrow() {
            Self::has_not(&line, secret, &known.what);
        }
        self.lines.borrow_mut().insert(line);
    }

    fn has_not(line: &str, secret: &str, what: &str) {
        assert!(!line.contains(secret), "LK-01: {what} stands in a line of the log");
    }

    fn keep(&self, what: &str, secret: &str) {
        if secret.len() <= SHORT || self.known.borrow().contains_key(secret) {
            return;
        }
        for line in &*self.lines.borrow() {
            Self::has_not(line, secret, what);
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= self.fixed.get() + MOST {
            known.retain(|_, known| known.fixed);
            self.lines.borrow_mut().clear();
        }
        known.insert(secret.to_owned(), Known { what: what.to_owned(), fixed: false });
        drop(known);
        // Half of a token is half of a secret.
        if let [_, claims, signature] = secret.split('.').collect::<Vec<_>>()[..] {
            self.keep(&format!("the claims of {what}"), claims);
            self.keep(&format!("the signature of {what}"), signature);
        }
    }

    fn named(&self, name: &str, value: &str) {
        let of_an_upstream = name.starts_with("UPSTREAM_") && name.ends_with("_SECRET");
        if of_an_upstream || CONFIDENTIAL.contains(&name) {
            self.keep(&format!("a value of `{name}`"), value);
        }
    }

    fn parameters(&self, encoded: &[u8]) {
        for (name, value) in parse(encoded) {
            self.named(&name, &value);
        }
    }

    fn members(&self, name: &str, json: &Value) {
        match json {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| self.members(name, member));
            }
            Value::Array(list) => list.iter().for_each(|member| self.members(name, member)),
            Value::String(text) => self.named(name, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn headers(&self, headers: &HeaderMap) {
        for (_, value) in cookie::all(headers) {
            self.keep("a cookie", value);
        }
        for value in headers.get_all(AUTHORIZATION) {
            let value = value.to_str().unwrap_or_default();
            let credentials = value.split_once(' ').map_or("", |(_, credentials)| credentials);
            self.keep("a credential", credentials);
            let basic = STANDARD.decode(credentials).unwrap_or_default();
            let basic = String::from_utf8_lossy(&basic);
            let secret = basic.split_once(':').map_or("", |(_, secret)| secret);
            self.keep("a secret of a client", secret);
            // It is encoded like a form there, RFC 6749 §2.3.1.
            for (secret, _) in parse(secret.as_bytes()) {
                self.keep("a secret of a client", &secret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::posted;
    use crate::client::C1;
    use crate::world::Issuer;
    use serde_json::json;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn leaks(secrets: &Secrets, line: &str) -> bool {
        catch_unwind(AssertUnwindSafe(|| secrets.written(line, "request-0"))).is_err()
    }

    #[test]
    fn lk_01_a_line_with_anything_confidential_in_it_fails_the_test() {
        let secrets = Secrets::default();
        let form = [("code", "the-code-of-it"), ("grant_type", "authorization_code")];
        secrets.sent(&posted("https://idp.test/token?state=a+state+of+it", &form));
        let issuer = Issuer::in_process(&crate::world::settings());
        let authorized = C1.refresh("h.claims-of-it.signature").request(&issuer);
        secrets.sent(&authorized);
        let json =
            json!({ "tokens": [{ "access_token": "an-access-token" }], "scope": "openid email" });
        secrets.answered(&Response::new(json.to_string().into_bytes()));
        let mut answer = Response::default();
        cookie::set(answer.headers_mut(), "__Host-x", "a-cookie-of-it", None);
        answer
            .headers_mut()
            .insert(LOCATION, "https://app.test/?code=another-code".parse().unwrap());
        secrets.answered(&answer);
        let page = b"<form method=\"post\" action=\"/x\"><input name=\"code\" value=\"in-a-page\">";
        let mut answer = Response::new(page.to_vec());
        answer.headers_mut().insert(CONTENT_TYPE, "text/html".parse().unwrap());
        secrets.answered(&answer);
        for secret in [
            "the-code-of-it",
            "a state of it",
            "claims-of-it",
            "signature",
            "c1-secret",
            "an-access-token",
            "a-cookie-of-it",
            "another-code",
            "in-a-page",
        ] {
            assert!(leaks(&secrets, &format!("request-0 it was {secret}!")), "{secret}");
        }
        assert!(!leaks(&secrets, "request-0 authorization_code openid email"));
    }

    #[test]
    fn lk_01_what_turns_out_to_be_a_secret_later_may_not_have_stood_there_either() {
        let secrets = Secrets::default();
        assert!(!leaks(&secrets, "request-0 the-code-of-it"));
        let request = posted("https://idp.test/token", &[("code", "the-code-of-it")]);
        assert!(catch_unwind(AssertUnwindSafe(|| secrets.sent(&request))).is_err());
    }
}
