//! The requests of one isolate, at a store that counts what it is asked.

use super::contended::{Shelf, Version};
use super::contended_tests::{Around, ID, Simulated};
use super::driver_tests::live;
use super::state::Session;
use super::together::{Board, Together};
use super::{Lost, row};
use crate::fixture::{Tasks, config, poll_all, turns};
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;

type Isolate = Together<Simulated, Around>;
type Reader<'r> = std::pin::Pin<Box<dyn Future<Output = Version> + 'r>>;

fn isolate(seed: u64) -> (Isolate, Simulated, Tasks) {
    let (shelf, tasks) = (Simulated::new(seed), Tasks::default());
    let isolate = Together::new(shelf.clone(), Around(tasks.clone()), Rc::<Board>::default());
    let opened = poll_all(vec![isolate.insert(ID, Version(1), &session())], &tasks);
    assert_eq!(opened, [Some(Ok(true))]);
    (isolate, shelf, tasks)
}

fn session() -> Session {
    Session::Live(Box::new(live()))
}

#[test]
fn a_thousand_reads_at_once_are_a_few_and_all_are_answered() {
    for seed in 0..20 {
        let (isolate, shelf, tasks) = isolate(seed);
        let before = shelf.calls();
        let read = poll_all((0..1000).map(|_| isolate.load(ID)).collect(), &tasks);
        let wanted = Some(Ok(Some((session(), Version(1)))));
        assert!(read.iter().all(|read| *read == wanted), "seed {seed}");
        assert!(shelf.calls() - before <= 50, "{} reads", shelf.calls() - before);
    }
}

#[test]
fn the_rows_that_many_wait_for_are_asked_for_together_and_each_gets_their_own() {
    for seed in 0..20 {
        let (isolate, shelf, tasks) = isolate(seed);
        let id = |number: i64| Uuid::from_u128(1000 + u128::from(number.unsigned_abs()));
        let session = session();
        let insert = async |number| isolate.insert(id(number), Version(number), &session).await;
        poll_all((0..400).map(insert).collect(), &tasks);
        let before = shelf.calls();
        // Half of them are not there.
        let read = poll_all((0..800).map(|number| isolate.load(id(number))).collect(), &tasks);
        for (number, read) in (0..).zip(read) {
            let found = read.unwrap().unwrap().map(|(_, version)| version);
            assert_eq!(found, (number < 400).then_some(Version(number)), "seed {seed}");
        }
        assert!(shelf.calls() - before <= 60, "{} statements", shelf.calls() - before);
    }
}

#[test]
fn nobody_is_told_what_was_there_before_they_came() {
    for seed in 0..300 {
        let (isolate, _, tasks) = isolate(seed);
        let ended = Session::Ended { until: UnixTime(1) };
        // Many keep reading while it is written; whoever comes afterwards sees what was written.
        let story = async {
            turns(usize::try_from(seed % 50).unwrap()).await;
            assert_eq!(isolate.replace(ID, Version(1), Version(2), &ended).await, Ok(true));
            isolate.load(ID).await.unwrap().unwrap().1
        };
        let reader = async |number: usize| {
            turns(number % 20).await;
            let mut last = Version(0);
            for _ in 0..6 {
                let (_, read) = isolate.load(ID).await.unwrap().unwrap();
                assert!(last != Version(2) || read == last, "seed {seed}: back in time");
                last = read;
            }
            last
        };
        let mut all: Vec<Reader<'_>> = vec![Box::pin(story)];
        all.extend((0..100).map(|number| Box::pin(reader(number)) as Reader<'_>));
        assert_eq!(poll_all(all, &tasks)[0], Some(Version(2)), "seed {seed}");
    }
}

#[test]
fn a_version_that_was_replaced_is_replaced_by_nobody_else_and_most_need_not_ask() {
    for seed in 0..20 {
        let (isolate, shelf, tasks) = isolate(seed);
        let before = shelf.calls();
        let session = session();
        let writes = (0..500).map(|n| isolate.replace(ID, Version(1), Version(100 + n), &session));
        let done = poll_all(writes.collect(), &tasks);
        assert_eq!(done.iter().filter(|done| **done == Some(Ok(true))).count(), 1);
        assert!(done.iter().all(|done| matches!(done, Some(Ok(_)))));
        assert!(shelf.calls() - before <= 50, "{} writes", shelf.calls() - before);
    }
}

#[test]
fn places_of_requests_that_were_put_away_are_taken_again() {
    let (isolate, _, tasks) = isolate(1);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..16 {
        // As the runtime does: nothing of it is dropped, and nobody goes on with it.
        let mut read = Box::pin(isolate.load(ID));
        while read.as_mut().poll(&mut context).is_ready() {
            read = Box::pin(isolate.load(ID));
        }
        std::mem::forget(read);
    }
    let read = poll_all(vec![isolate.load(ID)], &tasks);
    assert_eq!(read, [Some(Ok(Some((session(), Version(1)))))]);
}

#[test]
fn gr_08_readers_leave_places_to_whoever_writes() {
    let (isolate, shelf, _) = isolate(1);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut reads: Vec<_> = (0..100).map(|_| Box::pin(isolate.load(ID))).collect();
    for read in &mut reads {
        let _ = read.as_mut().poll(&mut context);
    }
    let (before, next) = (shelf.calls(), session());
    let mut write = Box::pin(isolate.replace(ID, Version(1), Version(2), &next));
    let _ = write.as_mut().poll(&mut context);
    assert_eq!(shelf.calls(), before + 1, "it waits behind readers");
}

#[test]
fn a_store_that_is_down_is_lost_to_everybody() {
    let (isolate, shelf, tasks) = isolate(1);
    shelf.fail_all();
    let read = poll_all((0..100).map(|_| isolate.load(ID)).collect(), &tasks);
    assert!(read.iter().all(|read| *read == Some(Err(Lost))));
}

#[test]
fn a_row_of_another_key_is_over() {
    let keys = config("durable").keys;
    let sealed = row::seal(&keys, "here", &session()).unwrap();
    assert_eq!(row::open(&keys, "here", &sealed), session());
    let over = Session::Ended { until: UnixTime(0) };
    assert_eq!(row::open(&keys, "there", &sealed), over);
    assert_eq!(row::open(&keys, "here", "garbage"), over);
}
