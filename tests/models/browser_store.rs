//! A browser session in a store that several isolates share, against the [`Book`] of its rules: the
//! statements, leases and pauses in between change nothing about what a browser is told.

use crate::book::{Book, Call, Seen, When, person};
use crate::run::{Checked, NOON, Tally, any_of, run, weighted};
use gateway::config::Config;
use gateway::person::{Answer, Command as Wish, Name, People};
use gateway::session::contended::{Contended, Pause, Shelf, Version};
use gateway::session::driver::{Spawn, Visited};
use gateway::session::exchange::Party;
use gateway::session::state::{Failure, Limits, Live, Renewal, Session, Snapshot, Tokens};
use gateway::session::{Lost, Sessions};
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::{Map, json};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::form::Form;
use shared::jose::native::Native;
use shared::rp::discovery::Provider;
use shared::secret::{AccessToken, Digest, RefreshToken};
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tests::turns::{Tasks, turns};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(1);
/// How many isolates there are.
const ISOLATES: usize = 3;
/// How many milliseconds a turn is. A call to the provider takes fewer turns than the first pause.
const TURN: u32 = 10;
/// The pauses of somebody who waits, how long they wait, and what a token has to live on, in
/// milliseconds and seconds: see docs/sessions.md.
const PAUSES: (u32, u32) = (50, 500);
const PATIENCE: u32 = 10_000;
const AMPLE_SECONDS: u64 = 10;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// Requests at the same time, of isolates from this one on, with the session's secret or a guess.
    Visit { count: usize, is_right: bool },
    /// The same of one request whose isolate is gone in the middle of its token call.
    VisitAndDie,
    /// Signing out.
    Close { is_right: bool },
    /// Signing out while a request is at its token call.
    CloseMeanwhile,
}

/// What the provider answers.
#[derive(Clone, Copy, Debug)]
enum Says {
    Tokens { expires_in: Option<u64>, refresh_token: bool },
    Busy(Option<u64>),
    Nothing,
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    when: When,
    command: Command,
    says: Says,
    isolate: usize,
    jitter: u8,
}

fn all_turns() -> impl Strategy<Value = Turn> {
    let off = || any_of(&[0, -1, 1]);
    let whens = prop_oneof![
        24 => any_of(&[0, 0, 0, 1, 1, 2, 3, 9, 29, 30, 60]).prop_map(When::In),
        16 => off().prop_map(When::Refresh),
        6 => off().prop_map(When::AccessEnd),
        4 => any_of(&[0, -1, 1, -5, -10, -12]).prop_map(When::LeaseEnd),
        4 => off().prop_map(When::RestEnd),
        1 => any_of(&[-5, -6, -40]).prop_map(When::Received),
        1 => off().prop_map(When::IdleEnd),
        1 => (-100..300_i64).prop_map(When::In),
        1 => weighted(&[(3, -60), (1, -1), (1, 0)]).prop_map(When::End),
    ];
    let is_right = || weighted(&[(12, true), (1, false)]);
    let count = weighted(&[(6, 1), (2, 2), (2, 5)]);
    let command = prop_oneof![
        40 => (count, is_right()).prop_map(|(count, is_right)| Command::Visit { count, is_right }),
        6 => Just(Command::VisitAndDie),
        1 => is_right().prop_map(|is_right| Command::Close { is_right }),
        1 => Just(Command::CloseMeanwhile),
    ];
    let lives =
        weighted(&[(10, Some(100)), (4, Some(10)), (1, Some(1)), (1, Some(605)), (1, None)]);
    let says = prop_oneof![
        12 => (lives, weighted(&[(12, true), (1, false)])).prop_map(|(expires_in, refresh_token)| {
            Says::Tokens { expires_in, refresh_token }
        }),
        4 => any_of(&[None, Some(3), Some(90)]).prop_map(Says::Busy),
        2 => Just(Says::Nothing),
        1 => Just(Says::Refused),
    ];
    (whens, command, says, 0..ISOLATES, any_of(&[0, 99, 255])).prop_map(
        |(when, command, says, isolate, jitter)| Turn { when, command, says, isolate, jitter },
    )
}

fn sequences() -> impl Strategy<Value = (Limits, Vec<Turn>)> {
    let limits = weighted(&[
        (6, Limits { idle: 3_600, absolute: 36_000 }),
        (2, Limits { idle: 250, absolute: 36_000 }),
        (2, Limits { idle: 3_600, absolute: 1_000 }),
    ]);
    (limits, prop::collection::vec(all_turns(), 1..30))
}

/// The one row, whose statements take a turn each.
#[derive(Clone, Default)]
struct Row(Rc<RefCell<Option<(Session, Version)>>>);

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

struct Around(Tasks);

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
struct Nobody;

impl People for Nobody {
    async fn ask(&self, _: Name, _: Wish, _: UnixTime) -> Result<Answer, Lost> {
        Err(Lost)
    }
}

/// The provider: what it says next, what it was asked, and what it was told to forget.
#[derive(Debug, Default)]
struct Peer {
    says: Cell<Option<Says>>,
    number: Cell<usize>,
    is_stuck: Cell<bool>,
    asked: RefCell<Vec<String>>,
    revoked: RefCell<Vec<String>>,
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

type Isolate<F> = Contended<Row, Around, ChaCha12Rng, F, Native, Nobody>;

fn config() -> Config {
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

fn isolate(
    config: &Config,
    peer: &Rc<Peer>,
    row: &Row,
    tasks: &Tasks,
    number: u64,
) -> Isolate<impl Fetch + 'static + use<>> {
    let peer = Rc::clone(peer);
    let fetch = async move |request: Request| peer.answer(request).await;
    let provider = Rc::new(Provider::new(config.issuer.clone()));
    let party = Rc::new(Party::new(config, provider, fetch, Native));
    let rng = ChaCha12Rng::seed_from_u64(number);
    Contended::new(row.clone(), Around(tasks.clone()), rng, party, Nobody)
}

fn secret(is_right: bool) -> Digest {
    Digest::of(if is_right { "secret" } else { "guess" })
}

fn renewal(number: usize, expires_in: Option<u64>, refresh_token: bool, jitter: u8) -> Renewal {
    Renewal {
        access_token: AccessToken::new(format!("a{number}")),
        expires_in,
        refresh_token: refresh_token.then(|| RefreshToken::new(format!("r{number}"))),
        id_token: None,
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter,
    }
}

fn ample(snapshot: Option<Snapshot>, now: UnixTime) -> Option<Visited> {
    let snapshot =
        snapshot.filter(|snapshot| snapshot.access_ends_at.since(now) >= AMPLE_SECONDS)?;
    Some(Visited::Present(Box::new(snapshot)))
}

/// The book, and what the provider will say to whoever asks.
struct Model {
    book: Book,
    says: VecDeque<Says>,
    number: usize,
    jitter: u8,
}

impl Model {
    /// What becomes of a token call.
    fn settle(&mut self, call: Call, now: UnixTime) {
        let failure = match self.says.pop_front() {
            Some(Says::Tokens { expires_in, refresh_token }) => {
                let renewal = renewal(self.number, expires_in, refresh_token, self.jitter);
                self.book.renew(call, renewal, now);
                return;
            }
            Some(Says::Busy(retry_after)) => Failure::Transient { retry_after },
            Some(Says::Nothing) | None => Failure::Transient { retry_after: None },
            Some(Says::Refused) => Failure::Definitive,
        };
        self.book.fail(call, failure, now);
    }

    /// What somebody else finds who looks then, unless it is time to wait.
    fn look(&mut self, is_right: bool, at: UnixTime) -> Option<Visited> {
        match self.book.visit(is_right, at) {
            Seen::Serve(snapshot) => Some(Visited::Present(Box::new(snapshot))),
            Seen::Gone => Some(Visited::Gone),
            Seen::Unavailable(retry_after) => Some(Visited::Unavailable { retry_after }),
            Seen::Call(_) | Seen::Wait(..) => None,
        }
    }

    /// What one request comes to, when nobody else is about, and when it does.
    fn visit(&mut self, is_right: bool, now: UnixTime, tally: &Tally) -> (Visited, UnixTime) {
        let (mut pause, mut waited, mut patience) = (PAUSES.0, 0, PATIENCE);
        loop {
            let at = now.plus(u64::from(waited / 1000));
            let was_calling = self.book.is_calling;
            match self.book.visit(is_right, at) {
                Seen::Serve(snapshot) => return (Visited::Present(Box::new(snapshot)), at),
                Seen::Gone => return (Visited::Gone, at),
                Seen::Unavailable(retry_after) => {
                    return (Visited::Unavailable { retry_after }, at);
                }
                Seen::Call(_) => {
                    if was_calling {
                        tally.count("in the place of the dead");
                    }
                    let alive = self.book.alive(at);
                    let call = self.book.calls[self.book.calls.len() - 1];
                    self.settle(call, at);
                    if let Some(served) = ample(alive, at) {
                        tally.count("served meanwhile");
                        return (served, at);
                    }
                }
                Seen::Wait(_, meanwhile) => {
                    if let Some(served) = ample(meanwhile.clone(), at) {
                        tally.count("served while the dead have their time");
                        return (served, at);
                    }
                    if patience < pause {
                        tally.count("in vain");
                        let unavailable = Visited::Unavailable { retry_after: 1 };
                        let present = |snapshot| Visited::Present(Box::new(snapshot));
                        return (meanwhile.map_or(unavailable, present), at);
                    }
                    patience -= pause;
                }
            }
            waited += pause;
            pause = (2 * pause).min(PAUSES.1);
        }
    }
}

/// Polls a future and the tasks for so many turns, and says what it came to.
fn begin<F: Future>(future: Pin<&mut F>, tasks: &Tasks, turns: usize) -> Option<F::Output> {
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

/// Enough to come to the token call, and to sign out.
const SOME_TURNS: usize = 20;

#[test]
fn gr_01_gr_19_a_session_that_isolates_share_is_what_its_book_says() {
    let outcomes = [
        "served",
        "served meanwhile",
        "served while the dead have their time",
        "renewed",
        "in the place of the dead",
        "in vain",
        "unavailable",
        "gone",
        "at once",
        "closed",
        "closed meanwhile, and what came was revoked",
    ];
    let config = config();
    run(&sequences(), &outcomes, |(limits, turns), tally| sequence(&config, limits, turns, tally));
}

fn count(visited: &Visited, tally: &Tally) {
    tally.count(match visited {
        Visited::Present(_) => "served",
        Visited::Unavailable { .. } => "unavailable",
        Visited::Gone => "gone",
    });
}

fn sequence(config: &Config, limits: Limits, all: Vec<Turn>, tally: &Tally) -> Checked {
    let (peer, row, tasks) = (Rc::new(Peer::default()), Row::default(), Tasks::default());
    let isolates: Vec<_> =
        (0..3).map(|number| isolate(config, &peer, &row, &tasks, number)).collect();
    let first = || renewal(0, Some(100), true, 0);
    let tokens = Tokens::received(first(), limits.absolute, NOON);
    let live = Live::open(secret(true), person(), tokens, limits, NOON);
    let opened = tasks.run([isolates[0].open(ID, live)], || ());
    prop_assert_eq!(opened, [Ok(true)]);
    let book = Book::open(limits, first());
    let mut model = Model { book, says: VecDeque::new(), number: 0, jitter: 0 };
    let mut now = NOON;
    for (number, Turn { when, command, says, isolate, jitter }) in (1..).zip(all) {
        now = model.book.when(when, now);
        (model.number, model.jitter) = (number, jitter);
        model.says = VecDeque::from([says]);
        peer.number.set(number);
        peer.says.set(Some(says));
        let sets = model.book.sets.len();
        let asked = peer.asked.borrow().len();
        let calls = model.book.calls.len();
        let at = |index: usize| &isolates[(isolate + index) % ISOLATES];
        match command {
            Command::Visit { count: many, is_right } => {
                let visits =
                    (0..many).map(|index| at(index).visit(ID, secret(is_right), jitter, now));
                let visited = tasks.run(visits, || ());
                // Whoever comes at the same time gets what the first gets, or what came of it.
                let (expected, at) = model.visit(is_right, now, tally);
                let later = model.look(is_right, at).unwrap_or_else(|| expected.clone());
                for visited in visited {
                    let visited = visited.ok();
                    let fits =
                        [&expected, &later].into_iter().any(|one| visited.as_ref() == Some(one));
                    prop_assert!(fits, "{visited:?} instead of {expected:?} or {later:?}");
                }
                count(&expected, tally);
                if many > 1 && model.book.sets.len() > sets {
                    tally.count("at once");
                }
            }
            Command::VisitAndDie => {
                peer.is_stuck.set(true);
                let mut visit = Box::pin(at(0).visit(ID, secret(true), jitter, now));
                let visited = begin(visit.as_mut(), &tasks, SOME_TURNS);
                drop(visit);
                tasks.forget();
                peer.is_stuck.set(false);
                if let Some(visited) = visited {
                    let seen = model.book.visit(true, now);
                    let is_call = matches!(seen, Seen::Call(_));
                    let expected = match seen {
                        Seen::Serve(snapshot) => Some(Visited::Present(Box::new(snapshot))),
                        Seen::Gone => Some(Visited::Gone),
                        Seen::Unavailable(retry_after) => {
                            Some(Visited::Unavailable { retry_after })
                        }
                        Seen::Call(_) => ample(model.book.alive(now), now),
                        Seen::Wait(_, meanwhile) => ample(meanwhile, now),
                    };
                    prop_assert_eq!(visited.ok(), expected);
                    prop_assert_eq!(peer.asked.borrow().len() - asked, usize::from(is_call));
                } else {
                    let seen = model.book.visit(true, now);
                    prop_assert!(matches!(seen, Seen::Call(_) | Seen::Wait(..)), "{seen:?}");
                }
            }
            Command::Close { is_right } => {
                let farewell = tasks.run([at(0).close(ID, secret(is_right), now)], || ());
                let expected = model.book.close(is_right);
                let token = expected.as_ref().and_then(|farewell| farewell.refresh_token.clone());
                prop_assert_eq!(&farewell, &[Ok(expected)]);
                if let Some(token) = token {
                    let last = peer.revoked.borrow().last().cloned();
                    prop_assert_eq!(last.as_deref(), Some(token.expose()));
                    tally.count("closed");
                }
            }
            Command::CloseMeanwhile => {
                peer.is_stuck.set(true);
                let mut visit = pin!(at(0).visit(ID, secret(true), jitter, now));
                let early = begin(visit.as_mut(), &tasks, SOME_TURNS);
                let closed = begin(pin!(at(1).close(ID, secret(true), now)), &tasks, SOME_TURNS);
                peer.is_stuck.set(false);
                let is_call = matches!(model.book.visit(true, now), Seen::Call(_));
                prop_assert_eq!(
                    closed,
                    Some(Ok(model.book.close(true))),
                    "nobody waits for the call"
                );
                if early.is_none() {
                    let visited = tasks.run([visit], || ());
                    prop_assert_eq!(visited, [Ok(Visited::Gone)]);
                } else {
                    tasks.run::<std::future::Ready<()>>([], || ());
                }
                if is_call && let Says::Tokens { refresh_token: true, .. } = says {
                    let brought = format!("r{number}");
                    prop_assert!(peer.revoked.borrow().contains(&brought), "it lives on");
                    tally.count("closed meanwhile, and what came was revoked");
                }
            }
        }
        let made = peer.asked.borrow().len() - asked;
        prop_assert_eq!(made, model.book.calls.len() - calls, "token calls");
        if model.book.sets.len() > sets {
            tally.count("renewed");
        }
        let over = matches!(&*row.0.borrow(), Some((Session::Ended { .. }, _)));
        prop_assert_eq!(over, model.book.is_over);
    }
    Ok(())
}
