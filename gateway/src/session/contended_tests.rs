//! Isolates that share a store, every one of whose calls takes its time, and may go wrong.

use super::contended::{Contended, Pause, Shelf, Shelves, Version};
use super::driver::{Spawn, Visited};
use super::driver_tests::{LATE, fresh, live, secret, token};
use super::parties::Parties;
use super::state::{Farewell, LEASE_SECONDS, Session};
use super::{Lost, Sessions};
use crate::fixture::{Peer, Tasks, config, poll_all, provider, turns};
use crate::person::{Answer, Command, Name, People};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use uuid::Uuid;

pub(super) const ID: Uuid = Uuid::from_u128(1);

/// What goes wrong with a call to the store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It never arrives.
    Unheard,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It is done, and the answer takes so many turns.
    Slow(usize),
    /// Nothing ever comes.
    Never,
}

/// A store in which other calls come between any two.
#[derive(Clone)]
pub(super) struct Simulated(Rc<Inside>);

struct Inside {
    rows: RefCell<BTreeMap<Uuid, (Session, Version)>>,
    dice: RefCell<ChaCha20Rng>,
    calls: Cell<usize>,
    /// What happens to which calls.
    fate: RefCell<Box<dyn Fn(usize) -> Option<Fault>>>,
}

impl Simulated {
    pub(super) fn new(seed: u64) -> Self {
        let dice = RefCell::new(ChaCha20Rng::seed_from_u64(seed));
        let fate: Box<dyn Fn(usize) -> Option<Fault>> = Box::new(|_| None);
        let (rows, fate) = (RefCell::default(), RefCell::new(fate));
        Self(Rc::new(Inside { rows, dice, calls: Cell::default(), fate }))
    }

    fn fail(&self, fate: impl Fn(usize) -> Option<Fault> + 'static) {
        self.0.calls.set(0);
        *self.0.fate.borrow_mut() = Box::new(fate);
    }

    pub(super) fn calls(&self) -> usize {
        self.0.calls.get()
    }

    /// Nothing arrives any more.
    pub(super) fn fail_all(&self) {
        self.fail(|_| Some(Fault::Unheard));
    }

    /// The answer to the second call is lost: a step reads, then writes.
    pub(super) fn lose_answers_of_writes(&self) {
        self.fail(|call| (call == 1).then_some(Fault::Unanswered));
    }

    async fn wait(&self) {
        let long = self.0.dice.borrow_mut().next_u32() % 6;
        turns(long as usize).await;
    }

    async fn call<A>(
        &self,
        act: impl FnOnce(&mut BTreeMap<Uuid, (Session, Version)>) -> A,
    ) -> Result<A, Lost> {
        let number = self.0.calls.replace(self.0.calls.get() + 1);
        let fault = (self.0.fate.borrow())(number);
        self.wait().await;
        match fault {
            Some(Fault::Unheard) => return Err(Lost),
            Some(Fault::Never) => pending::<()>().await,
            Some(Fault::Unanswered | Fault::Slow(_)) | None => {}
        }
        let answer = act(&mut self.0.rows.borrow_mut());
        self.wait().await;
        if let Some(Fault::Slow(long)) = fault {
            turns(long).await;
        }
        if fault == Some(Fault::Unanswered) { Err(Lost) } else { Ok(answer) }
    }

    fn is_live(&self) -> bool {
        matches!(self.0.rows.borrow().get(&ID), Some((Session::Live(_), _)))
    }
}

impl Shelf for Simulated {
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        self.call(|rows| rows.get(&id).cloned()).await
    }

    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        let session = session.clone();
        self.call(|rows| {
            let is_new = !rows.contains_key(&id);
            rows.entry(id).or_insert((session, next));
            is_new
        })
        .await
    }

    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        let row = (session.clone(), next);
        self.call(|rows| {
            let found = rows.get(&id).is_some_and(|(_, version)| *version == seen);
            if found {
                rows.insert(id, row);
            }
            found
        })
        .await
    }

    async fn sweep(&self) -> Result<(), Lost> {
        Ok(())
    }
}

impl Shelves for Simulated {
    async fn load_all(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, Session, Version)>, Lost> {
        self.call(|rows| {
            let found = ids.iter().filter_map(|id| Some((*id, rows.get(id)?.clone())));
            found.map(|(id, (session, version))| (id, session, version)).collect()
        })
        .await
    }
}

/// Tasks, and pauses that are turns.
pub(super) struct Around(pub(super) Tasks);

impl Spawn for Around {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task);
    }
}

impl Pause for Around {
    async fn pause(&self, milliseconds: u32) {
        turns(milliseconds as usize / 20).await;
    }
}

/// Nobody is on any roll here.
pub(super) struct Nobody;

impl People for Nobody {
    async fn ask(&self, _: Name, _: Command, _: UnixTime) -> Result<Answer, Lost> {
        Err(Lost)
    }
}

type Isolate<F> = Contended<Simulated, Around, ChaCha20Rng, F, Native, Nobody>;

fn isolate(
    peer: &Peer,
    shelf: &Simulated,
    tasks: &Tasks,
    number: u64,
) -> Isolate<impl Fetch + 'static + use<>> {
    let peer = peer.clone();
    let fetch = async move |request: Request| -> Result<Response, Unreachable> {
        turns(5).await;
        peer.answer(request)
    };
    let parties = Parties::new(&config("durable"), |_| (provider(), fetch.clone(), Native));
    let parties = Rc::new(parties);
    let rng = ChaCha20Rng::seed_from_u64(number);
    Contended::new(shelf.clone(), Around(tasks.clone()), rng, parties, Nobody)
}

/// A signed-in session, and so many isolates.
fn world(seed: u64, isolates: u64) -> (Peer, Simulated, Tasks, Vec<Isolate<impl Fetch + 'static>>) {
    let (peer, shelf, tasks) = (Peer::new(), Simulated::new(seed), Tasks::default());
    fresh(&peer, 1);
    let all: Vec<_> =
        (0..isolates).map(|number| isolate(&peer, &shelf, &tasks, seed * 1000 + number)).collect();
    let opened = poll_all(vec![all[0].open(ID, live())], &tasks);
    assert_eq!(opened, [Some(Ok(true))]);
    (peer, shelf, tasks, all)
}

fn tokens(visited: &[Option<Result<Visited, Lost>>]) -> Vec<Option<&str>> {
    visited.iter().map(|visited| token(visited.as_ref()?.as_ref().ok()?)).collect()
}

fn visit_all<F: Fetch + 'static>(
    isolates: &[Isolate<F>],
    tasks: &Tasks,
    now: UnixTime,
) -> Vec<Option<Result<Visited, Lost>>> {
    poll_all(isolates.iter().map(|sessions| sessions.visit(ID, secret(), 0, now)).collect(), tasks)
}

#[test]
fn gr_03_a_store_that_never_answers_is_not_waited_for_any_longer_than_a_token_call() {
    // At the look, and at the second one after a lease that somebody else holds.
    for good in [0, 1] {
        let (_, shelf, tasks, isolates) = world(1, 1);
        shelf.fail(move |number| (number >= good).then_some(Fault::Never));
        let visited = visit_all(&isolates, &tasks, LATE);
        let [Some(Ok(Visited::Unavailable { retry_after: 1 }) | Err(Lost))] = visited[..] else {
            panic!("after {good}: {visited:?}");
        };
    }
}

#[test]
fn gr_03_a_lease_that_took_long_to_be_written_allows_no_call_for_it_may_not_outlast_it() {
    for (turns, calls) in [(100, 1), (200, 0)] {
        let (peer, shelf, tasks, isolates) = world(1, 2);
        shelf.fail(move |number| (number == 1).then_some(Fault::Slow(turns)));
        let visited = visit_all(&isolates[..1], &tasks, LATE);
        assert_eq!(peer.hits("/token"), calls, "{visited:?}");
        // It holds off everybody else for as long as it runs, and not longer.
        visit_all(&isolates[1..], &tasks, LATE.plus(LEASE_SECONDS - 11));
        assert_eq!(peer.hits("/token"), calls);
        let visited = visit_all(&isolates[1..], &tasks, LATE.plus(LEASE_SECONDS));
        assert_eq!(tokens(&visited), [Some("a1")]);
        assert_eq!(peer.hits("/token"), 1);
    }
}

#[test]
fn gr_01_gr_15_isolates_that_come_at_once_make_one_token_call_in_every_order() {
    for seed in 0..200 {
        let (peer, _, tasks, isolates) = world(seed, 40);
        let visited = visit_all(&isolates, &tasks, LATE);
        assert_eq!(tokens(&visited), [Some("a1"); 40], "seed {seed}");
        assert_eq!(peer.hits("/token"), 1, "seed {seed}");
        // A generation later, once more.
        fresh(&peer, 2);
        let visited = visit_all(&isolates, &tasks, LATE.plus(300));
        assert_eq!(tokens(&visited), [Some("a2"); 40], "seed {seed}");
        let presented = peer.bodies("/token");
        assert!(presented.len() == 2 && presented[1].contains("refresh_token=r1"), "seed {seed}");
    }
}

#[test]
fn pa_02_a_live_token_serves_at_once_while_its_successor_is_fetched_exactly_once() {
    for seed in 0..50 {
        let (peer, _, tasks, isolates) = world(seed, 20);
        // Nobody runs what was started, but for its writing of the lease.
        let visited = visit_all(&isolates, &tasks, LATE.minus(20));
        for token in tokens(&visited) {
            assert!(matches!(token, Some("a0" | "a1")), "seed {seed}");
        }
        assert_eq!(peer.hits("/token"), 1, "seed {seed}");
    }
}

#[test]
fn gr_17_a_visitor_that_goes_away_at_any_moment_leaves_no_lease_behind() {
    for seed in 0..100 {
        let (peer, _, tasks, isolates) = world(seed, 2);
        {
            let mut visit = Box::pin(isolates[0].visit(ID, secret(), 0, LATE));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..seed % 20 {
                let _ = visit.as_mut().poll(&mut context);
            }
        }
        let visited = visit_all(&isolates[1..], &tasks, LATE);
        assert_eq!(tokens(&visited), [Some("a1")], "seed {seed}");
        assert_eq!(peer.hits("/token"), 1, "seed {seed}");
    }
}

#[test]
fn gs_13_gr_14_signing_out_at_any_moment_of_a_refresh_is_final() {
    for seed in 0..300 {
        let (peer, shelf, tasks, isolates) = world(seed, 3);
        let closed: RefCell<Option<Result<Option<Farewell>, Lost>>> = RefCell::default();
        let visits = isolates[..2].iter().map(|sessions| async {
            drop(sessions.visit(ID, secret(), 0, LATE).await);
        });
        let close = async {
            turns(usize::try_from(seed % 40).unwrap()).await;
            *closed.borrow_mut() = Some(isolates[2].close(ID, secret(), LATE).await);
        };
        let visits = visits.map(|visit| Box::pin(visit) as Pin<Box<dyn Future<Output = ()>>>);
        let mut all: Vec<_> = visits.collect();
        all.push(Box::pin(close));
        poll_all(all, &tasks);
        let farewell = closed.take().unwrap().unwrap().expect("there was a session");
        assert!(!shelf.is_live(), "seed {seed}");
        assert_eq!(visit_all(&isolates, &tasks, LATE), vec![Some(Ok(Visited::Gone)); 3]);
        // Whatever token there is at the end, it was revoked.
        let revoked = peer.bodies("/revoke").join(" ");
        let last = farewell.refresh_token.unwrap();
        assert!(revoked.contains(&format!("token={}", last.expose())), "seed {seed}");
        if peer.hits("/token") == 1 {
            assert!(revoked.contains("token=r1"), "seed {seed}: {revoked}");
        }
        assert!(peer.hits("/token") <= 1, "seed {seed}");
    }
}

#[test]
fn gr_08_pl_08_a_store_that_fails_at_any_call_serves_nothing_wrong_and_loses_nobody() {
    for seed in 0..8 {
        for (fault, index) in [Fault::Unheard, Fault::Unanswered]
            .into_iter()
            .flat_map(|fault| (0..40).map(move |index| (fault, index)))
        {
            let (peer, shelf, tasks, isolates) = world(seed, 4);
            shelf.fail(move |call| (call == index).then_some(fault));
            let what = format!("seed {seed}, {fault:?} {index}");
            for visited in visit_all(&isolates, &tasks, LATE) {
                match visited.unwrap() {
                    Ok(Visited::Present(snapshot, _)) => {
                        assert_eq!(snapshot.access_token.expose(), "a1", "{what}");
                    }
                    Ok(Visited::Unavailable { .. }) | Err(Lost) => {}
                    Ok(Visited::Refused | Visited::Gone) => panic!("{what}: signed out"),
                }
            }
            assert!(peer.hits("/token") <= 1, "{what}");
            shelf.fail(|_| None);
            let later = LATE.plus(LEASE_SECONDS);
            let visited = visit_all(&isolates, &tasks, later);
            assert_eq!(tokens(&visited), [Some("a1"); 4], "{what}");
            assert!(peer.hits("/token") <= 2, "{what}");
        }
    }
}

#[test]
fn an_answer_that_was_lost_after_the_lease_was_written_costs_no_time() {
    let (peer, shelf, tasks, isolates) = world(1, 1);
    // The visit loads; the second call writes the lease.
    shelf.fail(|call| (call == 1).then_some(Fault::Unanswered));
    assert_eq!(tokens(&visit_all(&isolates, &tasks, LATE)), [Some("a1")]);
    assert_eq!(peer.hits("/token"), 1);
}

#[test]
fn gr_08_tokens_wait_for_a_store_that_comes_back() {
    let (peer, shelf, tasks, isolates) = world(1, 2);
    // The lease is written, and then nothing works for a while.
    shelf.fail(|call| (2..6).contains(&call).then_some(Fault::Unheard));
    visit_all(&isolates[..1], &tasks, LATE);
    assert_eq!(tokens(&visit_all(&isolates, &tasks, LATE)), [Some("a1"); 2]);
    assert_eq!(peer.hits("/token"), 1);
}

#[test]
fn pl_11_a_store_that_is_down_signs_nobody_in_or_out_and_is_asked_no_provider() {
    let (peer, shelf, tasks, isolates) = world(1, 3);
    shelf.fail(|_| Some(Fault::Unheard));
    assert_eq!(visit_all(&isolates, &tasks, LATE), vec![Some(Err(Lost)); 3]);
    let other = Uuid::from_u128(2);
    assert_eq!(poll_all(vec![isolates[0].open(other, live())], &tasks), [Some(Err(Lost))]);
    assert_eq!(poll_all(vec![isolates[0].close(ID, secret(), LATE)], &tasks), [Some(Err(Lost))]);
    assert_eq!((peer.hits("/token"), peer.hits("/revoke")), (0, 0));
    shelf.fail(|_| None);
    assert_eq!(tokens(&visit_all(&isolates, &tasks, LATE)), [Some("a1"); 3]);
}

#[test]
fn pl_11_a_store_that_only_reads_serves_who_needs_no_write() {
    let (peer, shelf, tasks, isolates) = world(1, 1);
    // Seen half a minute later, which would be noted.
    let early = LATE.minus(200);
    shelf.fail(|call| (call % 2 == 1).then_some(Fault::Unheard));
    assert_eq!(tokens(&visit_all(&isolates, &tasks, early)), [Some("a0")]);
    assert_eq!(peer.hits("/token"), 0);
}

#[test]
fn gr_09_the_lease_of_an_isolate_that_died_runs_out() {
    let (peer, shelf, tasks, isolates) = world(1, 2);
    {
        // Dies as soon as its lease is written.
        let doomed = Tasks::default();
        let dying = isolate(&peer, &shelf, &doomed, 99);
        let mut visit = Box::pin(dying.visit(ID, secret(), 0, LATE));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let leased = || {
            let rows = shelf.0.rows.borrow();
            let Some((session, _)) = rows.get(&ID) else { return false };
            serde_json::to_value(session).unwrap()["Live"]["refreshing"].is_object()
        };
        while !leased() {
            assert!(visit.as_mut().poll(&mut context).is_pending());
            doomed.turn();
        }
    }
    let visited = visit_all(&isolates, &tasks, LATE.plus(1));
    assert_eq!(visited, vec![Some(Ok(Visited::Unavailable { retry_after: 1 })); 2]);
    assert_eq!(peer.hits("/token"), 0);
    let visited = visit_all(&isolates, &tasks, LATE.plus(LEASE_SECONDS));
    assert_eq!(tokens(&visited), [Some("a1"); 2]);
    assert_eq!(peer.hits("/token"), 1);
}

#[test]
fn gr_04_trouble_at_the_provider_costs_one_call_and_no_session() {
    for seed in 0..20 {
        let (peer, shelf, tasks, isolates) = world(seed, 20);
        peer.put("/token", 502, "<html>");
        let visited = visit_all(&isolates, &tasks, LATE);
        assert_eq!(visited, vec![Some(Ok(Visited::Unavailable { retry_after: 2 })); 20]);
        assert!(shelf.is_live() && peer.hits("/token") == 1, "seed {seed}");
    }
}

#[test]
fn gr_05_invalid_grant_ends_the_session_once() {
    for seed in 0..20 {
        let (peer, shelf, tasks, isolates) = world(seed, 20);
        peer.put("/token", 400, r#"{"error":"invalid_grant"}"#);
        let visited = visit_all(&isolates, &tasks, LATE);
        // Who comes late finds it over.
        let over = |one: &_| matches!(one, Some(Ok(Visited::Refused | Visited::Gone)));
        assert!(visited.iter().all(over), "seed {seed}");
        assert!(visited.contains(&Some(Ok(Visited::Refused))), "seed {seed}");
        assert!(!shelf.is_live() && peer.hits("/token") == 1, "seed {seed}");
    }
}

#[test]
fn gs_15_a_session_that_is_not_there_is_gone_and_nothing_is_written() {
    let (_, shelf, tasks, isolates) = world(1, 1);
    let other = Uuid::from_u128(2);
    let visited = poll_all(vec![isolates[0].visit(other, secret(), 0, LATE)], &tasks);
    assert_eq!(visited, [Some(Ok(Visited::Gone))]);
    assert_eq!(poll_all(vec![isolates[0].close(other, secret(), LATE)], &tasks), [Some(Ok(None))]);
    assert_eq!(shelf.0.rows.borrow().len(), 1);
    assert_eq!(poll_all(vec![isolates[0].open(ID, live())], &tasks), [Some(Ok(false))]);
}

#[test]
fn an_opening_whose_answer_was_lost_is_known_by_its_version() {
    let (_, shelf, tasks, isolates) = world(1, 1);
    shelf.fail(|call| (call == 0).then_some(Fault::Unanswered));
    let other = Uuid::from_u128(2);
    assert_eq!(poll_all(vec![isolates[0].open(other, live())], &tasks), [Some(Ok(true))]);
}

#[test]
fn who_has_not_its_secret_ends_a_session_at_any_moment_of_a_refresh() {
    for seed in 0..100 {
        let (peer, shelf, tasks, isolates) = world(seed, 3);
        let visit = async { drop(isolates[0].visit(ID, secret(), 0, LATE).await) };
        let end = async {
            turns(usize::try_from(seed % 40).unwrap()).await;
            assert_eq!(isolates[2].end(ID, LATE.plus(60), LATE).await, Ok(()));
        };
        let all: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(visit), Box::pin(end)];
        poll_all(all, &tasks);
        assert!(!shelf.is_live(), "seed {seed}");
        assert_eq!(visit_all(&isolates, &tasks, LATE), vec![Some(Ok(Visited::Gone)); 3]);
        let revoked = peer.bodies("/revoke").join(" ");
        let last = if peer.hits("/token") == 1 { "token=r1" } else { "token=r0" };
        assert!(revoked.contains(last), "seed {seed}: {revoked}");
    }
}

#[test]
fn what_was_ended_before_it_was_opened_is_never_opened() {
    let (_, _, tasks, isolates) = world(1, 2);
    let other = Uuid::from_u128(2);
    assert_eq!(poll_all(vec![isolates[0].end(other, LATE, LATE)], &tasks), [Some(Ok(()))]);
    assert_eq!(poll_all(vec![isolates[1].open(other, live())], &tasks), [Some(Ok(false))]);
    let visited = poll_all(vec![isolates[1].visit(other, secret(), 0, LATE)], &tasks);
    assert_eq!(visited, [Some(Ok(Visited::Gone))]);
}

#[test]
fn when_a_session_was_used_last_is_told_while_it_lives() {
    let (_, _, tasks, isolates) = world(1, 1);
    let seen = |at| poll_all(vec![isolates[0].seen(ID, at)], &tasks).remove(0).unwrap().unwrap();
    let later = LATE.minus(100);
    visit_all(&isolates, &tasks, later);
    assert_eq!(seen(later), Some(later));
    assert_eq!(seen(later.plus(3600)), None, "idle");
}
