//! Isolates whose store tells nobody of an end, and somebody who keeps a watch.

use super::bell::{Bell, Belled};
use super::contended::Contended;
use super::contended_tests::{Around, ID, Nobody, Simulated};
use super::driver_tests::{LATE, fresh, live, secret};
use super::parties::Parties;
use super::{Lost, Sessions};
use crate::fixture::{NOON, Peer, Tasks, config, poll_all, provider, turns};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
use std::cell::RefCell;
use std::rc::Rc;
use uuid::Uuid;

/// What was rung, and whether it was certain.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<Vec<(Uuid, bool)>>>);

impl Bell for Heard {
    async fn ring(&self, id: Uuid, certain: bool) {
        self.0.borrow_mut().push((id, certain));
    }
}

type Shelf = Belled<Simulated, Heard, Around>;
type Isolate<F> = Contended<Shelf, Around, ChaCha20Rng, F, Native, Nobody>;

struct World<F> {
    peer: Peer,
    shelf: Simulated,
    tasks: Tasks,
    heard: Heard,
    isolate: Isolate<F>,
}

impl<F: Fetch + 'static> World<F> {
    fn rung(&self) -> Vec<(Uuid, bool)> {
        poll_all(Vec::<std::future::Ready<()>>::new(), &self.tasks);
        self.heard.0.take()
    }
}

fn world(seed: u64) -> World<impl Fetch + 'static> {
    let (peer, shelf, tasks) = (Peer::new(), Simulated::new(seed), Tasks::default());
    fresh(&peer, 1);
    let heard = Heard::default();
    let around = || Around(tasks.clone());
    let asked = peer.clone();
    let fetch = async move |request: Request| -> Result<Response, Unreachable> {
        turns(5).await;
        asked.answer(request)
    };
    let parties = Parties::new(&config("durable"), |_| (provider(), fetch.clone(), Native));
    let belled = Belled::new(shelf.clone(), heard.clone(), around());
    let rng = ChaCha20Rng::seed_from_u64(seed);
    let isolate = Contended::new(belled, around(), rng, Rc::new(parties), Nobody);
    assert_eq!(poll_all(vec![isolate.open(ID, live())], &tasks), [Some(Ok(true))]);
    World { peer, shelf, tasks, heard, isolate }
}

const ONCE: [(Uuid, bool); 1] = [(ID, true)];

#[test]
fn cs_13_whoever_writes_the_end_of_a_session_rings_once() {
    let signed_out = world(1);
    let World { isolate, tasks, .. } = &signed_out;
    assert!(matches!(
        poll_all(vec![isolate.close(ID, secret(), NOON)], tasks)[0],
        Some(Ok(Some(_)))
    ));
    assert_eq!(signed_out.rung(), ONCE);
    poll_all(vec![isolate.close(ID, secret(), NOON)], tasks);
    assert_eq!(signed_out.rung(), [], "it was over");

    let told = world(2);
    poll_all(vec![told.isolate.end(ID, LATE, NOON)], &told.tasks);
    assert_eq!(told.rung(), ONCE, "ended by somebody else's word");

    let refused = world(3);
    refused.peer.put("/token", 400, r#"{"error":"invalid_grant"}"#);
    poll_all(vec![refused.isolate.visit(ID, secret(), 0, LATE)], &refused.tasks);
    assert_eq!(refused.rung(), ONCE, "a refresh that was refused for good");

    let idle = world(4);
    poll_all(vec![idle.isolate.visit(ID, secret(), 0, NOON.plus(3600))], &idle.tasks);
    assert_eq!(idle.rung(), ONCE, "found idle");
}

#[test]
fn cs_13_nothing_but_an_end_rings() {
    let world = world(1);
    for at in [NOON, NOON.plus(60), LATE] {
        poll_all(vec![world.isolate.visit(ID, secret(), 0, at)], &world.tasks);
    }
    let guess = shared::secret::Digest::of("guess");
    poll_all(vec![world.isolate.visit(ID, guess, 0, LATE)], &world.tasks);
    poll_all(vec![world.isolate.close(ID, guess, LATE)], &world.tasks);
    assert_eq!(world.peer.hits("/token"), 1);
    assert_eq!(world.rung(), []);
}

#[test]
fn cs_13_an_end_of_which_nobody_knows_whether_it_was_written_has_watches_look_again() {
    let world = world(1);
    world.shelf.fail_all();
    let closed = poll_all(vec![world.isolate.close(ID, secret(), NOON)], &world.tasks);
    assert_eq!(closed, [Some(Err(Lost))]);
    assert_eq!(world.rung(), [], "it did not even read");
    world.shelf.lose_answers_of_writes();
    let closed = poll_all(vec![world.isolate.close(ID, secret(), NOON)], &world.tasks);
    assert!(matches!(closed[0], Some(Ok(Some(_)))));
    assert_eq!(world.rung(), [(ID, false)]);
}
