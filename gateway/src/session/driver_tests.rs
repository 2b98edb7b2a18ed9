use super::Command;
use super::driver::{Broken, Driver, Refreshed, Store, Visited};
use super::parties::Parties;
use super::state::{Limits, Live, Person, Renewal, Session, Tokens};
use crate::fixture::{NOON, Peer, Tasks, config, poll_all, provider};
use serde_json::{Map, json};
use shared::fetch::{Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::secret::{AccessToken, Digest, RefreshToken};
use shared::time::UnixTime;
use std::cell::{Cell, Ref, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;

#[derive(Clone, Default)]
pub(super) struct Memory {
    row: Rc<RefCell<Option<Session>>>,
    writes: Rc<Cell<usize>>,
    failing: Rc<Cell<usize>>,
}

impl Memory {
    pub(super) fn load_row(&self) -> Ref<'_, Option<Session>> {
        self.row.borrow()
    }
}

impl Store for Memory {
    fn load(&self) -> Result<Option<Session>, Broken> {
        Ok(self.row.borrow().clone())
    }

    fn save(&self, session: &Session) -> Result<(), Broken> {
        if self.failing.get() > 0 {
            self.failing.set(self.failing.get() - 1);
            return Err(Broken);
        }
        self.writes.set(self.writes.get() + 1);
        *self.row.borrow_mut() = Some(session.clone());
        Ok(())
    }
}

pub(super) fn secret() -> Digest {
    Digest::of("secret")
}

pub(super) fn live() -> Live {
    let renewal = Renewal {
        access_token: AccessToken::new("a0"),
        expires_in: Some(300),
        refresh_token: Some(RefreshToken::new("r0")),
        id_token: None,
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter: 0,
    };
    let person = Person { subject: "alice".into(), flow: "f".into(), ..Person::default() };
    let limits = Limits { idle: 3600, absolute: 36_000 };
    Live::open(secret(), person, Tokens::received(renewal, 36_000, NOON), limits, NOON)
}

/// A driver over a peer whose answers take a few turns of the executor.
macro_rules! driver {
    ($peer:expr, $memory:expr, $tasks:expr) => {{
        let peer = $peer.clone();
        let fetch = async move |request: Request| -> Result<Response, Unreachable> {
            crate::fixture::turns(5).await;
            peer.answer(request)
        };
        let parties = Parties::new(&config("hybrid"), |_| (provider(), fetch.clone(), Native));
        Driver::new($memory.clone(), $tasks.clone(), Rc::new(parties))
    }};
}

pub(super) fn fresh(peer: &Peer, n: usize) {
    peer.put(
        "/token",
        200,
        &json!({
            "access_token": format!("a{n}"), "token_type": "Bearer", "expires_in": 300,
            "refresh_token": format!("r{n}"),
        })
        .to_string(),
    );
}

pub(super) fn token(visited: &Visited) -> Option<&str> {
    match visited {
        Visited::Present(snapshot, _) => Some(snapshot.access_token.expose()),
        _ => None,
    }
}

pub(super) const LATE: UnixTime = NOON.plus(300);

#[test]
fn gr_01_gr_15_a_thousand_requests_cost_one_token_call() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    assert_eq!(driver.open(live()), Ok(true));
    let visits = (0..1000).map(|_| driver.visit(secret(), 0, LATE, pending()));
    let visited = poll_all(visits.collect(), &tasks);
    assert!(visited.iter().all(|visited| visited.as_ref().and_then(token) == Some("a1")));
    assert_eq!(peer.hits("/token"), 1);
    // Opened, leased, renewed: nothing else was written.
    assert_eq!(memory.writes.get(), 3);
}

#[test]
fn pa_02_a_live_token_serves_at_once_while_its_successor_is_fetched_exactly_once() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let visit = |seconds| driver.visit(secret(), 0, NOON.plus(seconds), pending());
    // Nobody runs the token call, as if the provider never answered.
    let idle = Tasks::default();
    let visited = poll_all((0..100).map(|_| visit(280)).collect(), &idle);
    assert!(visited.iter().all(|visited| visited.as_ref().and_then(token) == Some("a0")));
    // So close to its end it might not reach the origin alive: now they wait.
    assert_eq!(poll_all(vec![visit(291)], &idle), [None]);
    poll_all(Vec::<std::future::Ready<()>>::new(), &tasks);
    let visited = poll_all(vec![visit(291)], &tasks);
    assert_eq!((visited[0].as_ref().and_then(token), peer.hits("/token")), (Some("a1"), 1));
}

#[test]
fn gr_17_a_client_that_goes_away_does_not_take_the_refresh_along() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    {
        let mut visit = Box::pin(driver.visit(secret(), 0, LATE, pending()));
        let waker = std::task::Waker::noop();
        assert!(visit.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    poll_all(Vec::<std::future::Ready<()>>::new(), &tasks);
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert_eq!((visited[0].as_ref().and_then(token), peer.hits("/token")), (Some("a1"), 1));
}

#[test]
fn gr_03_waiting_is_bounded_and_the_session_is_kept() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, ready(()))], &Tasks::default());
    assert_eq!(visited[0], Some(Visited::Unavailable { retry_after: 1 }));
    poll_all(Vec::<std::future::Ready<()>>::new(), &tasks);
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert_eq!(visited[0].as_ref().and_then(token), Some("a1"));
    // While the old token lives, it serves those who lose patience.
    let early = LATE.plus(270);
    let visited = poll_all(vec![driver.visit(secret(), 0, early, ready(()))], &Tasks::default());
    assert_eq!(visited[0].as_ref().and_then(token), Some("a1"));
}

#[test]
fn gr_04_a_provider_in_trouble_costs_one_call_a_pause_and_no_session() {
    for (status, body) in
        [(500, ""), (502, "<html>"), (429, ""), (401, r#"{"error":"invalid_client"}"#)]
    {
        let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
        peer.put("/token", status, body);
        let driver = driver!(peer, memory, tasks);
        driver.open(live()).unwrap();
        let visits = (0..100).map(|_| driver.visit(secret(), 0, LATE, pending()));
        for visited in poll_all(visits.collect(), &tasks) {
            assert_eq!(visited, Some(Visited::Unavailable { retry_after: 2 }), "{status}");
        }
        assert_eq!(peer.hits("/token"), 1);
        fresh(&peer, 1);
        let visits = vec![driver.visit(secret(), 0, LATE.plus(2), pending())];
        assert_eq!(poll_all(visits, &tasks)[0].as_ref().and_then(token), Some("a1"));
    }
}

#[test]
fn gr_05_invalid_grant_ends_the_session_once_and_the_provider_is_left_alone() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    peer.put("/token", 403, r#"{"error":"invalid_grant"}"#);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    for found in [Visited::Refused, Visited::Gone, Visited::Gone] {
        let visits = (0..100).map(|_| driver.visit(secret(), 0, LATE, pending()));
        assert_eq!(poll_all(visits.collect(), &tasks), vec![Some(found); 100]);
    }
    assert_eq!(peer.hits("/token"), 1);
}

#[test]
fn gs_13_gr_14_logout_during_a_refresh_is_final_and_the_new_token_is_revoked() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let mut visit = Box::pin(driver.visit(secret(), 0, LATE, pending()));
    let waker = std::task::Waker::noop();
    assert!(visit.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    assert!(driver.close(secret(), LATE).unwrap().is_some());
    assert_eq!(poll_all(vec![visit], &tasks)[0], Some(Visited::Refused));
    assert!(matches!(*memory.row.borrow(), Some(Session::Ended { .. })));
    let mut revoked = peer.bodies("/revoke");
    revoked.sort();
    assert_eq!(revoked.len(), 2);
    assert!(revoked[0].contains("token=r0") && revoked[1].contains("token=r1"));
    assert_eq!(driver.close(secret(), LATE), Ok(None));
}

#[test]
fn gr_11_a_refresh_about_somebody_else_destroys_the_session() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let id_token = crate::fixture::id_token("mallory", None, LATE);
    peer.put(
        "/token",
        200,
        &json!({
            "access_token": "a1", "token_type": "Bearer", "id_token": id_token,
        })
        .to_string(),
    );
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let visits = vec![driver.visit(secret(), 0, LATE, pending())];
    assert_eq!(poll_all(visits, &tasks)[0], Some(Visited::Refused));
}

#[test]
fn gr_12_clocks_five_minutes_apart_cost_no_session_and_no_loop() {
    for skewed in [LATE.plus(300), LATE.minus(600)] {
        let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
        let id_token = crate::fixture::id_token("alice", None, skewed);
        peer.put("/token", 200, &json!({
            "access_token": "a1", "token_type": "Bearer", "id_token": id_token, "expires_in": 300,
        }).to_string());
        let driver = driver!(peer, memory, tasks);
        driver.open(live()).unwrap();
        for second in 0..200 {
            let visits = vec![driver.visit(secret(), 0, LATE.plus(second), pending())];
            assert_eq!(poll_all(visits, &tasks)[0].as_ref().and_then(token), Some("a1"));
        }
        assert_eq!(peer.hits("/token"), 1);
    }
}

#[test]
fn gr_08_a_failed_write_after_the_answer_is_tried_again() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let mut visit = Box::pin(driver.visit(secret(), 0, LATE, pending()));
    let waker = std::task::Waker::noop();
    assert!(visit.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    memory.failing.set(1);
    assert_eq!(poll_all(vec![visit], &tasks)[0].as_ref().and_then(token), Some("a1"));
}

#[test]
fn gr_09_after_an_eviction_the_same_token_is_used_at_once() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    let first = driver!(peer, memory, tasks);
    first.open(live()).unwrap();
    // The lease is written, and then the instance dies with its tasks.
    let lost = poll_all(vec![first.visit(secret(), 0, LATE, ready(()))], &Tasks::default());
    assert_eq!(lost[0], Some(Visited::Unavailable { retry_after: 1 }));
    let tasks = Tasks::default();
    let second = driver!(peer, memory, tasks);
    let visited = poll_all(vec![second.visit(secret(), 0, LATE.plus(1), pending())], &tasks);
    assert_eq!(visited[0].as_ref().and_then(token), Some("a1"));
    assert!(peer.bodies("/token")[0].contains("refresh_token=r0"));
}

#[test]
fn gs_15_an_object_that_was_never_opened_answers_gone_and_writes_nothing() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let driver = driver!(peer, memory, tasks);
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert_eq!((visited[0].clone(), memory.writes.get()), (Some(Visited::Gone), 0));
    assert_eq!(driver.close(secret(), LATE), Ok(None));
    assert_eq!(driver.open(live()), Ok(true));
    assert_eq!(driver.open(live()), Ok(false));
}

#[test]
fn gr_02_sessions_do_not_wait_for_each_other() {
    let peer = Peer::new();
    fresh(&peer, 1);
    for _ in 0..20 {
        let (memory, tasks) = (Memory::default(), Tasks::default());
        let driver = driver!(peer, memory, tasks);
        driver.open(live()).unwrap();
        let visits = (0..50).map(|_| driver.visit(secret(), 0, LATE, pending()));
        let visited = poll_all(visits.collect(), &tasks);
        assert!(visited.iter().all(|visited| visited.as_ref().and_then(token) == Some("a1")));
    }
    assert_eq!(peer.hits("/token"), 20);
}

#[test]
fn gr_13_a_token_that_lives_a_second_costs_one_call_a_second() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let body = json!({"access_token": "a1", "token_type": "Bearer", "expires_in": 1});
    peer.put("/token", 200, &body.to_string());
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    for second in 0..10 {
        for _ in 0..3 {
            let visits = (0..20).map(|_| driver.visit(secret(), 0, LATE.plus(second), pending()));
            let visited = poll_all(visits.collect(), &tasks);
            assert!(visited.iter().all(|visited| visited.as_ref().and_then(token) == Some("a1")));
        }
    }
    assert_eq!(peer.hits("/token"), 10);
}

#[test]
fn gr_06_after_a_lost_answer_the_same_token_is_presented_again() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    // Nothing is set for the path: the line is cut.
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert_eq!(visited[0], Some(Visited::Unavailable { retry_after: 2 }));
    fresh(&peer, 1);
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE.plus(2), pending())], &tasks);
    assert_eq!(visited[0].as_ref().and_then(token), Some("a1"));
    let bodies = peer.bodies("/token");
    assert!(bodies.iter().all(|body| body.contains("refresh_token=r0")) && bodies.len() == 2);
}

#[test]
fn a_command_and_a_row_survive_their_json_form() {
    let session = Session::Live(Box::new(live()));
    let row = serde_json::to_vec(&session).unwrap();
    assert_eq!(serde_json::from_slice::<Session>(&row).unwrap(), session);
    let command = serde_json::to_string(&Command::Open(Box::new(live()))).unwrap();
    let Command::Open(read) = serde_json::from_str(&command).unwrap() else { panic!() };
    assert_eq!(*read, live());
    let visited = Visited::Present(Box::new(live().snapshot()), Some(Refreshed::Begun));
    let answer = serde_json::to_vec(&visited).unwrap();
    assert_eq!(serde_json::from_slice::<Visited>(&answer).unwrap(), visited);
}

#[test]
fn gs_26_gs_13_an_end_by_the_providers_word_beats_a_refresh_and_what_it_brings_is_revoked() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    fresh(&peer, 1);
    peer.put("/revoke", 200, "");
    let driver = driver!(peer, memory, tasks);
    driver.open(live()).unwrap();
    let idle = Tasks::default();
    // The call is made and not answered yet.
    assert_eq!(poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &idle), [None]);
    assert!(driver.end(LATE.plus(60), LATE).unwrap().is_some());
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert_eq!(visited, [Some(Visited::Gone)]);
    assert!(matches!(&*memory.row.borrow(), Some(Session::Ended { .. })));
    let revoked = peer.bodies("/revoke").join(" ");
    assert!(revoked.contains("token=r0") && revoked.contains("token=r1"), "{revoked}");
    assert_eq!(driver.seen(LATE), Ok(None));
}

#[test]
fn a_session_that_is_ended_before_it_opens_does_not_open() {
    let (peer, memory, tasks) = (Peer::new(), Memory::default(), Tasks::default());
    let driver = driver!(peer, memory, tasks);
    assert_eq!(driver.seen(NOON), Ok(None));
    assert_eq!(memory.writes.get(), 0);
    assert_eq!(driver.end(NOON.plus(60), NOON), Ok(None));
    assert_eq!(driver.open(live()), Ok(false));
    assert_eq!(
        poll_all(vec![driver.visit(secret(), 0, NOON, pending())], &tasks),
        [Some(Visited::Gone)]
    );
}
