//! Isolates that share one row, in which their session is, and a provider that says what it is told.

use gateway::config::Config;
use gateway::person::{Answer, Command as Wish, Name, People};
use gateway::session::Lost;
use gateway::session::contended::{Contended, Pause, Shelf, Version};
use gateway::session::driver::Spawn;
use gateway::session::parties::Parties;
use gateway::session::state::Session;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::json;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::form::Form;
use shared::jose::native::Native;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tests::turns::{Tasks, turns};
use uuid::Uuid;

pub(crate) const ID: Uuid = Uuid::from_u128(1);
/// How many milliseconds a turn is. A call to the provider takes fewer turns than the first pause.
const TURN: u32 = 10;

/// What the provider answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    Tokens { expires_in: Option<u64>, refresh_token: bool },
    Busy(Option<u64>),
    Nothing,
    Refused,
}

/// The one row, whose statements take a turn each.
#[derive(Clone, Default)]
pub(crate) struct Row(pub(crate) Rc<RefCell<Option<(Session, Version)>>>);

impl Shelf for Row {
    async fn load(&self, _: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        turns(1).await;
        Ok(self.0.borrow().clone())
    }

    async fn insert(&self, _: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        turns(1).await;
        let is_new = self.0.borrow().is_none();
        self.0.borrow_mut().get_or_insert((session.clone(), next));
        Ok(is_new)
    }

    async fn replace(
        &self,
        _: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        turns(1).await;
        let mut row = self.0.borrow_mut();
        let found = row.as_ref().is_some_and(|(_, version)| *version == seen);
        if found {
            *row = Some((session.clone(), next));
        }
        Ok(found)
    }

    async fn sweep(&self) -> Result<(), Lost> {
        Ok(())
    }
}

pub(crate) struct Around(Tasks);

impl Spawn for Around {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task);
    }
}

impl Pause for Around {
    async fn pause(&self, milliseconds: u32) {
        turns(usize::try_from(milliseconds / TURN).unwrap_or(1)).await;
    }
}

/// Nobody is on any roll here.
pub(crate) struct Nobody;

impl People for Nobody {
    async fn ask(&self, _: Name, _: Wish, _: UnixTime) -> Result<Answer, Lost> {
        Err(Lost)
    }
}

/// The provider: what it says next, what it was asked, and what it was told to forget.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) says: Cell<Option<Says>>,
    pub(crate) number: Cell<usize>,
    pub(crate) is_stuck: Cell<bool>,
    pub(crate) asked: RefCell<Vec<String>>,
    pub(crate) revoked: RefCell<Vec<String>>,
}

impl Peer {
    async fn answer(&self, request: Request) -> Result<Response, Unreachable> {
        let path = request.uri().path().to_owned();
        let form = Form::parse(request.body()).unwrap_or_default();
        let (mut status, mut wait, mut body) = (200, None, json!({}));
        match path.as_str() {
            "/token" => {
                let token = form.get("refresh_token").unwrap_or_default();
                self.asked.borrow_mut().push(token.to_owned());
                while self.is_stuck.get() {
                    turns(1).await;
                }
                turns(1).await;
                let number = self.number.get();
                match self.says.get().ok_or(Unreachable)? {
                    Says::Tokens { expires_in, refresh_token } => {
                        body =
                            json!({ "access_token": format!("a{number}"), "token_type": "Bearer" });
                        if let Some(seconds) = expires_in {
                            body["expires_in"] = seconds.into();
                        }
                        if refresh_token {
                            body["refresh_token"] = format!("r{number}").into();
                        }
                    }
                    Says::Busy(seconds) => (status, wait) = (503, seconds),
                    Says::Nothing => return Err(Unreachable),
                    Says::Refused => (status, body) = (400, json!({ "error": "invalid_grant" })),
                }
            }
            "/revoke" => {
                let token = form.get("token").unwrap_or_default();
                self.revoked.borrow_mut().push(token.to_owned());
            }
            _ => {
                body = json!({
                    "issuer": "https://idp.test",
                    "authorization_endpoint": "https://idp.test/authorize",
                    "token_endpoint": "https://idp.test/token",
                    "jwks_uri": "https://idp.test/jwks",
                    "revocation_endpoint": "https://idp.test/revoke",
                    "response_types_supported": ["code"],
                });
            }
        }
        let mut response = Response::new(body.to_string().into_bytes());
        *response.status_mut() = status.try_into().expect("a status");
        if let Some(seconds) = wait {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        Ok(response)
    }
}

pub(crate) type Isolate<F> = Contended<Row, Around, ChaCha12Rng, F, Native, Nobody>;

/// A gateway's, of the provider that [`Peer`] is.
pub(crate) fn config() -> Config {
    let routes = r#"[{"prefix":"/","origin":"http://localhost:8789","access":"signed-in"}]"#;
    let setting = |name: &str| match name {
        "PUBLIC_URL" => Some("https://app.test"),
        "ISSUER" => Some("https://idp.test"),
        "CLIENT_ID" => Some("app"),
        "CLIENT_AUTH" => Some("none"),
        "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"),
        "ROUTES" => Some(routes),
        _ => None,
    };
    Config::read(|name| setting(name).map(str::to_owned)).expect("settings without a mistake")
}

/// One more isolate.
pub(crate) fn isolate(
    config: &Config,
    peer: &Rc<Peer>,
    row: &Row,
    tasks: &Tasks,
    number: u64,
) -> Isolate<impl Fetch + 'static + use<>> {
    let peer = Rc::clone(peer);
    let parties = Parties::new(config, |registered| {
        let peer = Rc::clone(&peer);
        let fetch = async move |request: Request| peer.answer(request).await;
        (Rc::new(registered.provider()), fetch, Native)
    });
    let rng = ChaCha12Rng::seed_from_u64(number);
    Contended::new(row.clone(), Around(tasks.clone()), rng, Rc::new(parties), Nobody)
}

/// Polls a future and the tasks for so many turns, and says what it came to.
pub(crate) fn begin<F: Future>(
    future: Pin<&mut F>,
    tasks: &Tasks,
    turns: usize,
) -> Option<F::Output> {
    let mut future = future;
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..turns {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        tasks.turn();
    }
    None
}
