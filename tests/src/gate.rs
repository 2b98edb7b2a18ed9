//! A gateway in this process. Around [`gateway::gateway::decide`] it does what the Worker's edge
//! does, and has no opinion of its own.

use crate::line::Line;
use crate::objects::Objects;
use crate::origin;
use crate::raw::Raw;
use crate::stores::Stores;
use crate::turns::Tasks;
use crate::world::{Issuer, text};
use gateway::answer;
use gateway::auth::flow::UsedFlows;
use gateway::config::Config;
use gateway::gateway::{Decided, decide, hear, reads};
use gateway::kept;
use gateway::next::{Forward, Incoming, Next, may_have_body};
use gateway::refused::Refused;
use gateway::session::admission::Seams;
use gateway::session::opened::Opened;
use gateway::session::parties::Parties;
use gateway::signals::Edge;
use http::StatusCode;
use http::uri::Authority;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::{Map, Value};
use shared::fetch::{Request, Response};
use shared::jose::native::Native;
use shared::respond;
use shared::rp::entry::Registered;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

/// What can be reached of a gateway in this process and of no other.
#[derive(Debug)]
pub struct Gate {
    /// Its session objects, or the rows of its database.
    pub objects: Rc<Objects>,
    sessions: Stores,
    /// Its way out.
    pub line: Line,
    /// What goes on behind the answers.
    pub tasks: Tasks,
    issuer: Rc<Issuer>,
    settings: RefCell<Map<String, Value>>,
    config: RefCell<Rc<Config>>,
    parties: Rc<Parties<Line, Native>>,
    used: UsedFlows,
    opened: RefCell<Rc<Opened>>,
    requests: Cell<u64>,
    reached: RefCell<Vec<Request>>,
    /// How many seconds its clock is ahead of the issuer's.
    ahead: Cell<i64>,
}

fn deploy(settings: &Map<String, Value>) -> Rc<Config> {
    let config = Config::read(|name| text(settings, name));
    Rc::new(config.expect("settings without a mistake"))
}

impl Gate {
    /// A gateway with these settings, in front of the demo origin.
    pub fn new(settings: &Map<String, Value>, issuer: Rc<Issuer>) -> Self {
        let (config, line, tasks) =
            (deploy(settings), Line::new(Rc::clone(&issuer)), Tasks::default());
        let ways = |one: &Registered| (Rc::new(one.provider()), line.clone(), Native);
        let parties = Rc::new(Parties::new(&config, ways));
        let objects = Rc::new(Objects::new(Rc::clone(&parties), tasks.clone()));
        Self {
            sessions: Stores::of(&config, &objects, &parties, &tasks),
            objects,
            line,
            tasks,
            issuer,
            settings: RefCell::new(settings.clone()),
            config: RefCell::new(config),
            parties,
            used: UsedFlows::default(),
            opened: RefCell::default(),
            requests: Cell::default(),
            reached: RefCell::default(),
            ahead: Cell::default(),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> Map<String, Value> {
        self.settings.borrow().clone()
    }

    /// Lets time pass, here and at the issuer.
    pub fn pass(&self, seconds: u64) {
        self.issuer.inside().pass(seconds);
    }

    /// Sets the gateway's clock ahead of the issuer's, or behind it.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead.set(seconds);
    }

    /// Deploys it again with other settings. Objects, and what is known of the issuer, stay.
    pub fn deploy_again(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        change(&mut self.settings.borrow_mut());
        *self.config.borrow_mut() = deploy(&self.settings.borrow());
        self.forget_cookies();
    }

    /// Another isolate answers, which has seen none of the cookies before.
    pub fn forget_cookies(&self) {
        *self.opened.borrow_mut() = Rc::default();
    }

    /// The requests that reached an origin since this was asked last.
    pub fn reached(&self) -> Vec<Request> {
        self.reached.take()
    }

    /// Begins to answer a request and gives up after so many turns; what was started behind it goes
    /// on when something else runs.
    pub fn begin(&self, raw: &Raw, turns: usize) {
        let mut context = Context::from_waker(Waker::noop());
        let mut answer = pin!(self.handle(raw));
        for _ in 0..turns {
            if answer.as_mut().poll(&mut context).is_ready() {
                return;
            }
            self.tasks.turn();
        }
    }

    fn now(&self) -> UnixTime {
        let now = self.issuer.now();
        let by = self.ahead.get();
        if by < 0 { now.minus(by.unsigned_abs()) } else { now.plus(by.unsigned_abs()) }
    }

    /// Answers one request.
    pub async fn handle(&self, raw: &Raw) -> Response {
        let config = Rc::clone(&self.config.borrow());
        let opened = Rc::clone(&self.opened.borrow());
        let (method, headers) = (raw.typed_method(), raw.map());
        if !may_have_body(&method) && !raw.body.is_empty() {
            return Refused::Body.response(false);
        }
        let url = if raw.target.starts_with('/') {
            format!("{}{}", config.public_url, raw.target)
        } else {
            raw.target.clone()
        };
        let incoming = Incoming {
            method: &method,
            url: &url,
            headers: &headers,
            client_ip: None,
            edge: &Edge::default(),
        };
        let number = self.requests.get();
        self.requests.set(number + 1);
        // Not the issuer's numbers, or both would draw the same.
        let mut rng = ChaCha12Rng::seed_from_u64(u64::MAX - number);
        let seams = Seams {
            config: &config,
            parties: &self.parties,
            sessions: &self.sessions,
            used: &self.used,
            opened: &opened,
        };
        if let Some(most) = reads(&method, &url) {
            if raw.body.len() > most {
                return respond::empty(StatusCode::PAYLOAD_TOO_LARGE);
            }
            let mut request = Request::new(raw.body.clone());
            *request.method_mut() = method;
            *request.uri_mut() = url.parse().expect("a URL");
            *request.headers_mut() = headers;
            return hear(&seams, &request, self.now(), &mut rng).await;
        }
        let Decided { next, cookies, .. } = decide(&seams, incoming, self.now(), &mut rng).await;
        let always = answer::always(&config);
        let mut answer = match next {
            Next::Respond(response)
                if kept::is_offered(&response) && raw.body.len() <= kept::LARGEST =>
            {
                let form = (raw.body.as_slice(), &headers);
                kept::keep(&config, response, form, self.now(), &mut rng)
            }
            Next::Respond(response) => response,
            Next::Forward(forward) => self.forward(raw, &forward),
        };
        let edits = answer::with_cookies(answer.headers(), &cookies);
        edits.apply(answer.headers_mut());
        always.apply(answer.headers_mut());
        answer
    }

    fn forward(&self, raw: &Raw, forward: &Forward) -> Response {
        let mut sent = Request::new(raw.body.clone());
        *sent.method_mut() = raw.typed_method();
        *sent.uri_mut() = forward.url.parse().expect("a URL");
        assert_eq!(
            sent.uri().authority().map(Authority::as_str),
            Some("localhost:8789"),
            "{raw:?}"
        );
        *sent.headers_mut() = raw.map();
        forward.edits.apply(sent.headers_mut());
        let mut answer = origin::answer(&sent);
        let edits = answer::edits(answer.status(), answer.headers(), forward.authenticated);
        edits.apply(answer.headers_mut());
        forward.answer.apply(answer.headers_mut());
        if raw.method == "HEAD" {
            answer.body_mut().clear();
        }
        self.reached.borrow_mut().push(sent);
        answer
    }
}
