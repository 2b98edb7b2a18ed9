//! What a visit says came of the token call that it caused or waited for, in an object and in a store
//! that isolates share; and what is left when a token call goes to pieces.

use super::Sessions;
use super::contended::Contended;
use super::contended_tests::{Around, ID, Nobody, Simulated};
use super::driver::{Driver, Refreshed, Visited};
use super::driver_tests::{LATE, Memory, fresh, live, secret};
use super::parties::Parties;
use crate::fixture::{Peer, Tasks, config, poll_all, provider, turns};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::time::UnixTime;
use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};

/// The way to a provider that takes a few turns to answer, and at which everything goes to pieces
/// while `broken`.
fn way(peer: &Peer, broken: &Rc<Cell<bool>>) -> impl Fetch + 'static + use<> {
    let (peer, broken) = (peer.clone(), Rc::clone(broken));
    async move |request: Request| -> Result<Response, Unreachable> {
        turns(5).await;
        assert!(!broken.get(), "a hook of the test");
        peer.answer(request)
    }
}

type Object<F> = Rc<Driver<Memory, Tasks, F, Native>>;

fn object(
    peer: &Peer,
    tasks: &Tasks,
    broken: &Rc<Cell<bool>>,
) -> Object<impl Fetch + 'static + use<>> {
    fresh(peer, 1);
    let parties = Parties::new(&config("durable"), |_| (provider(), way(peer, broken), Native));
    let driver = Driver::new(Memory::default(), tasks.clone(), Rc::new(parties));
    assert_eq!(driver.open(live()), Ok(true));
    driver
}

/// What so many visits at once of one object say.
fn said<F: Fetch + 'static>(
    object: &Object<F>,
    tasks: &Tasks,
    count: usize,
    now: UnixTime,
) -> Vec<Option<Refreshed>> {
    let visits = (0..count).map(|_| object.visit(secret(), 0, now, pending()));
    let visited = poll_all(visits.collect(), tasks);
    visited.into_iter().map(|visited| told(&visited.expect("an answer"))).collect()
}

/// What goes into the line of the request.
fn told(visited: &Visited) -> Option<Refreshed> {
    match visited {
        Visited::Present(_, refreshed) => *refreshed,
        Visited::Unavailable { .. } => Some(Refreshed::Unavailable),
        Visited::Refused => Some(Refreshed::Refused),
        Visited::Gone => None,
    }
}

#[test]
fn a_visit_says_what_came_of_the_token_call_that_it_made_or_waited_for() {
    use Refreshed::{Begun, Refused, Renewed, Unavailable, Waited};
    let (peer, tasks, broken) = (Peer::new(), Tasks::default(), Rc::default());
    let visits = |count, now| said(&object(&peer, &tasks, &broken), &tasks, count, now);
    assert_eq!(visits(2, LATE.minus(200)), [None, None], "nothing was due");
    assert_eq!(visits(3, LATE), [Some(Renewed), Some(Waited), Some(Waited)]);
    assert_eq!(visits(2, LATE.minus(20)), [Some(Begun), None], "the old token serves meanwhile");
    let refused = |now| {
        let object = object(&peer, &tasks, &broken);
        peer.put("/token", 400, r#"{"error":"invalid_grant"}"#);
        said(&object, &tasks, 2, now)
    };
    assert_eq!(refused(LATE), [Some(Refused); 2]);
    let away = |now| {
        let object = object(&peer, &tasks, &broken);
        peer.put("/token", 503, "");
        [said(&object, &tasks, 2, now), said(&object, &tasks, 1, now)].concat()
    };
    assert_eq!(away(LATE), [Some(Unavailable); 3], "the third finds the provider resting");
    // With a token that lives on for less than it takes to reach the origin.
    assert_eq!(away(LATE.minus(5)), [Some(Unavailable), Some(Unavailable), None]);

    let object = object(&peer, &tasks, &broken);
    let late = object.visit(secret(), 0, LATE.minus(5), ready(()));
    let late = poll_all(vec![late], &Tasks::default()).remove(0).expect("an answer");
    assert_eq!(told(&late), Some(Unavailable), "it lost patience");
}

#[test]
fn isolates_that_share_a_store_say_the_same() {
    use Refreshed::{Refused, Renewed, Unavailable, Waited};
    for (status, answer, own, others) in [
        (200, None, Renewed, Waited),
        (400, Some(r#"{"error":"invalid_grant"}"#), Refused, Refused),
        (503, Some(""), Unavailable, Unavailable),
    ] {
        for seed in 0..30 {
            let (peer, shelf, tasks) = (Peer::new(), Simulated::new(seed), Tasks::default());
            fresh(&peer, 1);
            if let Some(answer) = answer {
                peer.put("/token", status, answer);
            }
            let isolates: Vec<_> = (0..6)
                .map(|number| {
                    let parties = Parties::new(&config("durable"), |_| {
                        (provider(), way(&peer, &Rc::default()), Native)
                    });
                    let (around, rng) =
                        (Around(tasks.clone()), ChaCha20Rng::seed_from_u64(seed * 10 + number));
                    Contended::new(shelf.clone(), around, rng, Rc::new(parties), Nobody)
                })
                .collect();
            poll_all(vec![isolates[0].open(ID, live())], &tasks);
            let visits = isolates.iter().map(|isolate| isolate.visit(ID, secret(), 0, LATE));
            let visited = poll_all(visits.collect(), &tasks);
            let told: Vec<_> =
                visited.iter().map(|one| told(one.as_ref().unwrap().as_ref().unwrap())).collect();
            // Who comes when all is over did not wait for it.
            let right = |one: &_| [None, Some(own), Some(others)].contains(one);
            assert!(told.iter().all(right), "seed {seed}: {told:?}");
            let owners = told.iter().filter(|one| **one == Some(own)).count();
            assert!(owners == 1 || own == others && owners > 1, "seed {seed}: {told:?}");
        }
    }
}

#[test]
fn gr_18_a_token_call_that_goes_to_pieces_costs_who_waited_one_answer_and_holds_nothing() {
    let (peer, tasks, broken) = (Peer::new(), Tasks::default(), Rc::new(Cell::new(false)));
    let object = object(&peer, &tasks, &broken);
    broken.set(true);
    let mut visits: Vec<_> =
        (0..50).map(|_| Box::pin(object.visit(secret(), 0, LATE, pending()))).collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(visits.iter_mut().all(|visit| visit.as_mut().poll(&mut context).is_pending()));
    let pieces = (0..10).any(|_| catch_unwind(AssertUnwindSafe(|| tasks.turn())).is_err());
    assert!(pieces, "the hook was not reached");
    let answers = poll_all(visits, &Tasks::default());
    assert_eq!(answers, vec![Some(Visited::Unavailable { retry_after: 1 }); 50]);
    assert_eq!(peer.hits("/token"), 0);

    broken.set(false);
    // One of them has begun another call, which is under way.
    assert_eq!(said(&object, &tasks, 2, LATE), [Some(Refreshed::Waited); 2]);
    assert_eq!(peer.hits("/token"), 1);
    assert!(peer.bodies("/token")[0].contains("refresh_token=r0"));
}
