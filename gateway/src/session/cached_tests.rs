//! Copies that are a minute old, and copies that nobody can read.

use super::cached::{Cached, Copies};
use super::contended_tests::Nobody;
use super::driver::{Driver, Provided, Visited};
use super::driver_tests::{LATE, Memory, fresh, live, secret, token};
use super::parties::Parties;
use super::state::further::Aim;
use super::state::{Farewell, Live};
use super::{Lost, Sessions};
use crate::config::Config;
use crate::fixture::{NOON, Peer, Tasks, config, poll_all, provider};
use crate::person::{Answer, Command, Name, People};
use shared::fetch::{Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(1);

/// What was written when; a read tells what was there so many seconds ago.
#[derive(Clone, Default)]
struct Slow(Rc<Inside>);

#[derive(Default)]
struct Inside {
    now: Cell<UnixTime>,
    delay: Cell<u64>,
    broken: Cell<bool>,
    written: RefCell<Vec<(UnixTime, Option<String>)>>,
    lives: RefCell<Vec<u64>>,
}

impl Copies for Slow {
    async fn read(&self, _: &str) -> Option<String> {
        let then = self.0.now.get().minus(self.0.delay.get());
        let written = self.0.written.borrow();
        let last = written.iter().rev().find(|(at, _)| *at <= then)?;
        last.1.clone().filter(|_| !self.0.broken.get())
    }

    async fn write(&self, _: &str, copy: &str, seconds: u64) {
        self.0.lives.borrow_mut().push(seconds);
        if !self.0.broken.get() {
            self.0.written.borrow_mut().push((self.0.now.get(), Some(copy.to_owned())));
        }
    }

    async fn forget(&self, _: &str) {
        if !self.0.broken.get() {
            self.0.written.borrow_mut().push((self.0.now.get(), None));
        }
    }
}

/// One object, that counts how often it is asked.
struct Object<F: Fn(Digest, UnixTime) -> Visited> {
    visit: F,
    close: Box<dyn Fn(Digest, UnixTime) -> Option<Farewell>>,
    asked: Rc<Cell<usize>>,
}

impl<F: Fn(Digest, UnixTime) -> Visited> Sessions for Object<F> {
    async fn open(&self, _: Uuid, _: Live) -> Result<bool, Lost> {
        Ok(true)
    }

    async fn visit(&self, _: Uuid, secret: Digest, _: u8, now: UnixTime) -> Result<Visited, Lost> {
        self.asked.set(self.asked.get() + 1);
        Ok((self.visit)(secret, now))
    }

    async fn visit_for(
        &self,
        _: Uuid,
        _: Digest,
        _: &Aim,
        _: u8,
        _: UnixTime,
    ) -> Result<Provided, Lost> {
        self.asked.set(self.asked.get() + 1);
        Ok(Provided::Gone)
    }

    async fn close(
        &self,
        _: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        Ok((self.close)(secret, now))
    }

    async fn end(&self, _: Uuid, _: UnixTime, now: UnixTime) -> Result<(), Lost> {
        (self.close)(secret(), now);
        Ok(())
    }

    async fn seen(&self, _: Uuid, _: UnixTime) -> Result<Option<UnixTime>, Lost> {
        Ok(None)
    }
}

impl<F: Fn(Digest, UnixTime) -> Visited> People for Object<F> {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        Nobody.ask(name, command, now).await
    }
}

/// A session that was opened at noon, whose copies are told as late as `delay` says, and which are
/// believed for 30 seconds.
struct World<S> {
    cached: Cached<S, Slow, Tasks>,
    slow: Slow,
    tasks: Tasks,
    asked: Rc<Cell<usize>>,
}

fn world(delay: u64) -> World<impl Sessions> {
    world_with(delay, 30)
}

fn world_with(delay: u64, freshness_seconds: u64) -> World<impl Sessions> {
    let (peer, memory, tasks, slow) =
        (Peer::new(), Memory::default(), Tasks::default(), Slow::default());
    fresh(&peer, 1);
    slow.0.delay.set(delay);
    let fetch =
        async move |request: Request| -> Result<Response, Unreachable> { peer.answer(request) };
    let config = Config { freshness_seconds, ..config("hybrid") };
    let parties = Parties::new(&config, |_| (provider(), fetch.clone(), Native));
    let parties = Rc::new(parties);
    let driver = Driver::new(memory, tasks.clone(), parties);
    driver.open(live()).unwrap();
    let (visitor, others) = (Rc::clone(&driver), tasks.clone());
    let visit = move |secret, now| {
        let visit = visitor.visit(secret, 0, now, pending());
        poll_all(vec![visit], &others).remove(0).unwrap()
    };
    let close = Box::new(move |secret, now| driver.close(secret, now).unwrap());
    let asked = Rc::new(Cell::new(0));
    let object = Object { visit, close, asked: Rc::clone(&asked) };
    let cached = Cached::new(object, slow.clone(), tasks.clone(), &config, Rc::default());
    World { cached, slow, tasks, asked }
}

impl<S: Sessions> World<S> {
    fn visit_with(&self, secret: Digest, now: UnixTime) -> Visited {
        self.slow.0.now.set(now);
        let visited = poll_all(vec![self.cached.visit(ID, secret, 0, now)], &self.tasks);
        visited.into_iter().next().flatten().unwrap().unwrap()
    }

    fn visit(&self, now: UnixTime) -> Visited {
        self.visit_with(secret(), now)
    }

    fn close(&self, now: UnixTime) {
        self.slow.0.now.set(now);
        let closed = poll_all(vec![self.cached.close(ID, secret(), now)], &self.tasks);
        assert!(closed[0].as_ref().unwrap().as_ref().unwrap().is_some());
    }
}

#[test]
fn a_copy_is_believed_for_as_long_as_a_cookie_and_then_the_object_is_asked() {
    let world = world(0);
    for second in 0..90 {
        assert_eq!(token(&world.visit(NOON.plus(second))), Some("a0"));
    }
    assert_eq!(world.asked.get(), 3);
    assert_eq!(world.slow.0.written.borrow().len(), 3);
    assert_eq!(*world.slow.0.lives.borrow(), [60, 60, 60], "the platform takes no less");
}

#[test]
fn gs_23_a_session_that_was_ended_is_dead_after_freshness_whatever_a_slow_place_tells() {
    for delay in [0, 1, 10, 30, 59, 60, 61, 300] {
        for ended in 0..100 {
            let world = world(delay);
            for second in 0..ended {
                assert_eq!(token(&world.visit(NOON.plus(second))), Some("a0"));
            }
            world.close(NOON.plus(ended));
            for second in ended + 30..ended + 200 {
                let visited = world.visit(NOON.plus(second));
                assert_eq!(visited, Visited::Gone, "{delay} s late, {second}");
            }
        }
    }
}

#[test]
fn gs_23_a_visit_that_began_before_the_end_leaves_no_copy_that_outlives_it() {
    let world = world(0);
    // Everything but the writing of the copy is done.
    let idle = Tasks::default();
    world.slow.0.now.set(NOON);
    poll_all(vec![world.cached.visit(ID, secret(), 0, NOON)], &idle);
    world.close(NOON);
    poll_all(vec![ready(())], &world.tasks);
    assert_eq!(world.visit(NOON.plus(30)), Visited::Gone);
}

#[test]
fn gs_23_an_old_copy_serves_no_token_that_was_renewed() {
    let world = world(60);
    for second in (0..270).chain(300..330) {
        let wanted = if second < 270 { "a0" } else { "a1" };
        assert_eq!(token(&world.visit(NOON.plus(second))), Some(wanted), "{second}");
    }
    assert_eq!(token(&world.visit(LATE.plus(60))), Some("a1"));
}

#[test]
fn pl_10_a_place_that_fails_costs_a_question_to_the_object_and_nothing_else() {
    let world = world(0);
    world.slow.0.broken.set(true);
    for second in 0..10 {
        assert_eq!(token(&world.visit(NOON.plus(second))), Some("a0"));
    }
    assert_eq!(world.asked.get(), 10);
    world.close(NOON.plus(10));
    assert_eq!(world.visit(NOON.plus(11)), Visited::Gone);
}

#[test]
fn pl_10_a_copy_is_written_once_a_second_however_many_ask() {
    let world = world(60);
    for _ in 0..100 {
        world.visit(NOON);
    }
    assert_eq!((world.asked.get(), world.slow.0.written.borrow().len()), (100, 1));
    world.visit(NOON.plus(1));
    assert_eq!(world.slow.0.written.borrow().len(), 2);
}

#[test]
fn gs_16_a_copy_opens_for_its_own_secret_alone() {
    let world = world(0);
    world.visit(NOON);
    assert_eq!(world.visit_with(Digest::of("other"), NOON), Visited::Gone);
    let copy = world.slow.0.written.borrow()[0].1.clone().unwrap();
    assert!(!copy.contains("alice"));
    // Neither does one of another session.
    world.slow.0.written.borrow_mut()[0].1 = Some(format!("x{copy}"));
    assert_eq!(token(&world.visit(NOON)), Some("a0"));
    assert_eq!(world.asked.get(), 3);
}

#[test]
fn without_freshness_nothing_is_copied() {
    let world = world_with(0, 0);
    for _ in 0..3 {
        assert_eq!(token(&world.visit(NOON)), Some("a0"));
    }
    assert_eq!((world.asked.get(), world.slow.0.written.borrow().len()), (3, 0));
}

#[test]
fn gs_23_a_session_that_the_provider_ended_is_dead_after_freshness_too() {
    let world = world(60);
    for second in 0..70 {
        assert_eq!(token(&world.visit(NOON.plus(second))), Some("a0"));
    }
    let ended = NOON.plus(70);
    let end = poll_all(vec![world.cached.end(ID, ended, ended)], &world.tasks);
    assert_eq!(end, [Some(Ok(()))]);
    for second in 100..300 {
        assert_eq!(world.visit(NOON.plus(second)), Visited::Gone);
    }
}
