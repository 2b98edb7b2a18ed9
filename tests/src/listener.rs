//! The clients' end of the back channel: it keeps what is posted, and answers as it is told to. Over
//! HTTP it is `listener.mjs`, and always answers well.

use crate::believe;
use crate::client::{Client, TOLD_TOO};
use crate::turns::turns;
use crate::world::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::auth::BACK_CHANNEL;
use http::{HeaderValue, Method, StatusCode};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::fetch::{Fetch, Patience, Request, Response, Unreachable};
use shared::form::Form;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Where `configs/issuer.json` says that it is.
const AUTHORITY: &str = "127.0.0.1:8790";

/// How often somebody looks who waits.
const MOST_LOOKS: u32 = 300;

/// How it answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// It hears, and so many turns of everybody else later it answers `200`.
    Slow(usize),
    /// It is not reached.
    Unreached,
    /// It hears, and the answer is lost.
    Unheard,
}

/// Something that was posted, in order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Post {
    /// The content type.
    pub kind: String,
    /// The body.
    pub body: String,
}

/// The listener. Clients of it are the same; a path each is how they are told apart.
#[derive(Clone, Debug, Default)]
pub struct Listener(Rc<State>);

#[derive(Debug, Default)]
struct State {
    posts: RefCell<Vec<(String, Post)>>,
    answers: RefCell<BTreeMap<String, Answer>>,
}

impl Listener {
    /// Whether a request is for it. It keeps the posts for gateways too: they are in the same process
    /// as their issuer, and hear of them when they are told to ([`crate::pair::Pair::hear`]).
    pub fn is_at(request: &Request) -> bool {
        Self::is_own(request) || request.uri().path() == BACK_CHANNEL
    }

    fn is_own(request: &Request) -> bool {
        request.uri().authority().is_some_and(|authority| authority == AUTHORITY)
    }

    /// What was posted to a path, or to the URL of a gateway, and not taken yet.
    pub fn take(&self, path: &str) -> Vec<Post> {
        let taken = self.posts(path);
        self.0.posts.borrow_mut().retain(|(to, _)| to != path);
        taken
    }

    /// How a client answers from now on.
    pub fn answer(&self, client: Client, answer: Answer) {
        self.0.answers.borrow_mut().insert(path(client), answer);
    }

    /// What was posted to a path.
    pub fn posts(&self, path: &str) -> Vec<Post> {
        let posts = self.0.posts.borrow();
        posts.iter().filter(|(to, _)| to == path).map(|(_, post)| post.clone()).collect()
    }

    /// Forgets what was posted.
    pub fn forget(&self) {
        self.0.posts.borrow_mut().clear();
    }

    fn hear(&self, request: &Request) {
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.extensions().get(), Some(&Patience(5)), "LO-08");
        assert!(!request.headers().contains_key("cookie"));
        let kind = request.headers()["content-type"].to_str().expect("ASCII").to_owned();
        let body = String::from_utf8(request.body().clone()).expect("a form is ASCII");
        let post = Post { kind, body };
        let uri = request.uri();
        let to = if Self::is_own(request) { uri.path().to_owned() } else { uri.to_string() };
        self.0.posts.borrow_mut().push((to, post));
    }
}

impl Fetch for Listener {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        turns(1).await;
        let answer = self.0.answers.borrow().get(request.uri().path()).copied();
        let status = match answer.unwrap_or(Answer::Status(200)) {
            Answer::Unreached => return Err(Unreachable),
            Answer::Unheard => {
                self.hear(&request);
                return Err(Unreachable);
            }
            Answer::Slow(count) => {
                self.hear(&request);
                turns(count).await;
                200
            }
            Answer::Status(status) => {
                self.hear(&request);
                status
            }
        };
        turns(1).await;
        let mut response = Response::default();
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        // Nobody follows it (LO-08); whoever did would be heard there.
        let elsewhere = HeaderValue::from_static("http://127.0.0.1:8790/elsewhere");
        response.headers_mut().insert("location", elsewhere);
        Ok(response)
    }
}

/// Where a client is told.
pub fn path(client: Client) -> String {
    format!("/{}", client.id)
}

/// The logout tokens that a client was sent about a session.
pub fn told(issuer: &Issuer, client: Client, sid: &str) -> Vec<String> {
    let tokens = issuer.posts(&path(client)).into_iter().map(|post| {
        assert_eq!(post.kind, "application/x-www-form-urlencoded");
        let form = Form::parse(post.body.as_bytes()).expect("a form");
        form.get("logout_token").expect("a logout token").to_owned()
    });
    tokens.filter(|token| unverified(token)["sid"] == sid).collect()
}

/// The same, once the alarm has rung. Over HTTP that is waited for.
pub fn told_at_last(issuer: &Issuer, client: Client, sid: &str) -> Vec<String> {
    if issuer.is_inside() {
        issuer.inside().ring_alarms();
        return told(issuer, client, sid);
    }
    for _ in 0..MOST_LOOKS {
        let told = told(issuer, client, sid);
        if !told.is_empty() {
            return told;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Vec::new()
}

/// The claims of a JWT, before anything is checked.
pub fn unverified(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

/// Checks a logout token as a client has to, Back-Channel Logout 1.0 §2.6, and that nothing else
/// stands in it: the end of the session `sid` of `sub`.
pub fn believe(
    issuer: &Issuer,
    client: Client,
    token: &str,
    sub: &str,
    sid: &str,
) -> Map<String, Value> {
    let alg = if client == TOLD_TOO { Algorithm::RS256 } else { Algorithm::ES256 };
    let claims = believe::claims(issuer, token, alg, "logout+jwt", client.id).expect("believed");
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]);
    assert_eq!(claims["aud"], client.id);
    assert_eq!(claims["sub"], sub);
    assert_eq!(claims["sid"], sid);
    let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    assert_eq!(claims["events"], events);
    let time = |name: &str| claims[name].as_u64().expect("a time");
    assert!(time("exp") - time("iat") <= 120, "LO-07");
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22), "LO-07");
    claims
}
