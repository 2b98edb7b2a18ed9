//! A person with a browser at the gateway.

use crate::browser::{Browser, Form, request, sign_in_form};
use crate::origin::Echo;
use crate::pair::Pair;
use crate::people::{ALICE, BOB, Person};
use crate::raw::Raw;
use http::header::{LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use shared::fetch::Response;
use shared::form::append;
use std::collections::BTreeMap;
use url::Url;

/// The session cookie's name; chunks have a dot and a number behind it.
pub const SESSION: &str = "__Host-gatelatch-session";
/// How the names of flow cookies begin.
pub const FLOW: &str = "__Host-gatelatch-flow-";

/// What a browser sends of itself when a person goes to a page.
pub const NAVIGATION: [(&str, &str); 4] = [
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
];
/// What it sends when a page of the same origin calls `fetch`.
pub const SCRIPT: [(&str, &str); 4] = [
    ("accept", "*/*"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
];

/// A person with a browser.
#[derive(Debug)]
pub struct Guest<'p> {
    /// Where they are.
    pub pair: &'p Pair,
    /// Their browser.
    pub browser: Browser<'p, Pair>,
    /// Who they are.
    pub person: Person,
}

/// A sign-in under way.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Where the gateway sent the browser.
    pub url: String,
    /// The parameters of that, each of which was there once.
    pub asked: BTreeMap<String, String>,
}

impl Flow {
    /// Takes the answer of `/auth/login` apart.
    pub fn of(answer: &Response) -> Self {
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let url = location(answer);
        let parsed = Url::parse(&url).expect("a URL");
        // That one alone may be repeated, RFC 8707 §2.
        let pairs = || parsed.query_pairs().into_owned().filter(|(name, _)| name != "resource");
        let asked: BTreeMap<_, _> = pairs().collect();
        assert_eq!(asked.len(), pairs().count(), "each parameter once: {url}");
        Self { url, asked }
    }

    /// Its `state`.
    pub fn state(&self) -> &str {
        &self.asked["state"]
    }
}

/// Where an answer leads.
pub fn location(answer: &Response) -> String {
    assert_eq!(answer.headers().get_all(LOCATION).iter().count(), 1, "{}", answer.status());
    answer.headers()[LOCATION].to_str().expect("ASCII").to_owned()
}

impl<'p> Guest<'p> {
    /// Alice, who was never here.
    pub fn alice(pair: &'p Pair) -> Self {
        Self { pair, browser: Browser::new(pair), person: ALICE }
    }

    /// Bob, who was never here.
    pub fn bob(pair: &'p Pair) -> Self {
        Self { person: BOB, ..Self::alice(pair) }
    }

    /// Alice, signed in.
    pub fn signed_in(pair: &'p Pair) -> Self {
        let guest = Self::alice(pair);
        guest.sign_in();
        guest
    }

    /// The same person at a copy of the browser.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { pair: self.pair, browser: self.browser.copy(), person: self.person }
    }

    /// Sends a request of the browser to the gateway and keeps the cookies.
    pub fn send(&self, method: &Method, path: &str, lines: &[(&str, &str)]) -> Response {
        let mut request = request(method.clone(), &self.pair.at(path));
        let headers = Raw::get(path).headers(lines).map();
        request.headers_mut().extend(headers);
        self.browser.send(request)
    }

    /// Goes to a page.
    pub fn navigate(&self, path: &str) -> Response {
        self.send(&Method::GET, path, &NAVIGATION)
    }

    /// Has a page of the gateway's origin fetch something.
    pub fn script(&self, path: &str) -> Response {
        self.send(&Method::GET, path, &SCRIPT)
    }

    /// What reaches the origin's `/echo`.
    pub fn echo(&self) -> Echo {
        Echo::of(&self.script("/echo"))
    }

    /// The access token that the origin gets; none when the gateway turns the browser away.
    pub fn token(&self) -> Option<String> {
        let answer = self.script("/echo");
        (answer.status() == StatusCode::OK).then(|| Echo::of(&answer).token().map(str::to_owned))?
    }

    /// The browser's cookies, as they are sent.
    pub fn cookies(&self) -> String {
        self.browser.header("localhost")
    }

    /// The names and values of the cookies whose name begins so.
    pub fn cookies_like(&self, prefix: &str) -> Vec<(String, String)> {
        let cookies = self.cookies();
        let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        let pairs = pairs.filter(|(name, _)| name.starts_with(prefix));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The session cookie with its chunks, as it is sent.
    pub fn session(&self) -> String {
        let pairs = self.cookies_like(SESSION).into_iter();
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// A request with the session cookie in it, to be changed and sent by hand.
    pub fn raw(&self, method: &str, target: &str) -> Raw {
        Raw::new(method, target).header("cookie", &self.session())
    }

    /// Starts a sign-in.
    pub fn start(&self, return_to: &str) -> Flow {
        Flow::of(
            &self.browser.get(&append(&self.pair.at("/auth/login"), [("return_to", return_to)])),
        )
    }

    /// Does what the issuer asks for, and gives the URL of the callback.
    pub fn answer(&self, flow: &Flow) -> String {
        let mut answer = self.browser.get(&flow.url);
        if answer.status() == StatusCode::OK {
            answer = self.fill_in(&sign_in_form(&answer));
        }
        let callback = location(&answer);
        assert!(callback.starts_with(&self.pair.at("/auth/callback?")), "{callback}");
        callback
    }

    /// Over HTTP other tests sign in as the same person at the same time, and until they have
    /// succeeded the brake takes them for guesses.
    fn fill_in(&self, form: &Form) -> Response {
        let filled = [("username", self.person.username), ("password", self.person.password)];
        loop {
            let answer = self.browser.submit(self.pair.issuer.url(), form, &filled);
            if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                return answer;
            }
            let wait = answer.headers()[RETRY_AFTER].to_str().expect("ASCII").parse();
            std::thread::sleep(std::time::Duration::from_secs(wait.expect("a number")));
        }
    }

    /// The whole of a sign-in, from `/auth/login` to the answer of the callback.
    pub fn sign_in(&self) -> Response {
        let callback = self.answer(&self.start("/"));
        let answer = self.browser.get(&callback);
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        answer
    }

    /// What `/auth/session` says.
    pub fn whoami(&self) -> Map<String, Value> {
        let answer = self.script("/auth/session");
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_slice(answer.body()).expect("a JSON object")
    }

    /// Signs out by the button of a page.
    pub fn sign_out(&self) -> Response {
        self.browser.post(&self.pair.at("/auth/logout"), &[])
    }
}
