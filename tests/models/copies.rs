//! Copies of what a session's object said, in a place that is slow to learn, against the list of what
//! it said and when: nobody is believed for longer than is allowed, and nothing is made up.

use crate::book::person;
use crate::isolates::{ID, config};
use crate::run::{Checked, NOON, Tally, any_of, moved, run, weighted};
use gateway::config::Config;
use gateway::person::{Answer, Command as Wish, Name, People};
use gateway::session::cached::{Cached, Copies};
use gateway::session::driver::{Provided, Visited};
use gateway::session::state::further::Aim;
use gateway::session::state::{Farewell, Live, Person, Snapshot};
use gateway::session::{Lost, Sessions};
use proptest::prelude::*;
use shared::secret::{AccessToken, Digest};
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tests::turns::Tasks;
use uuid::Uuid;

/// How long a copy is believed, in seconds.
const BELIEVED: u64 = 30;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// A request, when the place tells what was there so many writings ago.
    Visit {
        is_right: bool,
        ago: usize,
    },
    /// The object gets another token, that lives so many seconds.
    Renew(u64),
    /// The object has no usable token, or has one again.
    Rest(bool),
    /// Signing out by the browser, or an end that comes from elsewhere.
    Close,
    End,
    /// The place takes nothing, or everything again.
    Refuse(bool),
}

fn commands() -> impl Strategy<Value = (i64, Command)> {
    let waits = prop_oneof![
        20 => any_of(&[0, 0, 1, 1, 5, 28, 29, 30, 31]),
        2 => 0..200_i64,
        1 => any_of(&[-1, -29, -30, -31]),
    ];
    let is_right = weighted(&[(12, true), (1, false)]);
    let ago = weighted(&[(4, 0), (3, 1), (2, 2), (1, 7)]);
    let command = prop_oneof![
        40 => (is_right, ago).prop_map(|(is_right, ago)| Command::Visit { is_right, ago }),
        6 => any_of(&[100, 20, 5]).prop_map(Command::Renew),
        2 => any::<bool>().prop_map(Command::Rest),
        1 => Just(Command::Close),
        1 => Just(Command::End),
        2 => weighted(&[(2, false), (1, true)]).prop_map(Command::Refuse),
    ];
    (waits, command)
}

/// The object: what it would say now, and how often it was asked.
#[derive(Debug, Default)]
struct Object {
    snapshot: RefCell<Option<Snapshot>>,
    is_resting: Cell<bool>,
    asked: Cell<usize>,
}

#[derive(Debug)]
struct Shared(Rc<Object>);

impl Sessions for Shared {
    async fn open(&self, _: Uuid, _: Live) -> Result<bool, Lost> {
        Ok(true)
    }

    async fn visit(&self, _: Uuid, secret: Digest, _: u8, _: UnixTime) -> Result<Visited, Lost> {
        self.0.asked.set(self.0.asked.get() + 1);
        let snapshot = self.0.snapshot.borrow().clone().filter(|_| secret == digest(true));
        Ok(match snapshot {
            None => Visited::Gone,
            Some(_) if self.0.is_resting.get() => Visited::Unavailable { retry_after: 2 },
            Some(snapshot) => Visited::Present(Box::new(snapshot), None),
        })
    }

    async fn visit_for(
        &self,
        _: Uuid,
        _: Digest,
        _: &Aim,
        _: u8,
        _: UnixTime,
    ) -> Result<Provided, Lost> {
        Ok(Provided::Gone)
    }

    async fn close(&self, _: Uuid, _: Digest, _: UnixTime) -> Result<Option<Farewell>, Lost> {
        let person = Person { subject: "alice".into(), ..Person::default() };
        let farewell = Farewell { refresh_token: None, id_token: None, person };
        Ok(self.0.snapshot.take().map(|_| farewell))
    }

    async fn end(&self, _: Uuid, _: UnixTime, _: UnixTime) -> Result<(), Lost> {
        self.0.snapshot.take();
        Ok(())
    }

    async fn seen(&self, _: Uuid, _: UnixTime) -> Result<Option<UnixTime>, Lost> {
        Ok(None)
    }
}

impl People for Shared {
    async fn ask(&self, _: Name, _: Wish, _: UnixTime) -> Result<Answer, Lost> {
        Err(Lost)
    }
}

/// Everything that ever was in the place, none for a copy that was taken away.
#[derive(Clone, Debug, Default)]
struct Place(Rc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    was: RefCell<Vec<Option<String>>>,
    ago: Cell<usize>,
    refuses: Cell<bool>,
}

impl Copies for Place {
    async fn read(&self, _: &str) -> Option<String> {
        let was = self.0.was.borrow();
        was.len().checked_sub(1 + self.0.ago.get()).and_then(|index| was[index].clone())
    }

    async fn write(&self, _: &str, copy: &str, seconds: u64) {
        assert!(seconds >= 60, "the place takes no copy for {seconds} s");
        if !self.0.refuses.get() {
            self.0.was.borrow_mut().push(Some(copy.to_owned()));
        }
    }

    async fn forget(&self, _: &str) {
        if !self.0.refuses.get() {
            self.0.was.borrow_mut().push(None);
        }
    }
}

fn digest(is_right: bool) -> Digest {
    Digest::of(if is_right { "secret" } else { "guess" })
}

fn snapshot(number: usize, life: u64, now: UnixTime) -> Snapshot {
    Snapshot {
        person: person(),
        access_token: AccessToken::new(format!("a{number}")),
        access_ends_at: now.plus(life),
        refresh_at: now.plus(life * 9 / 10),
        idle_ends_at: NOON.plus(3_600),
        ends_at: NOON.plus(3_600),
    }
}

#[test]
fn gs_23_a_copy_is_believed_as_long_as_its_object_said_so_lately_and_no_longer() {
    let outcomes = [
        "from a copy",
        "from a copy, after the end",
        "from the object",
        "from the object, for the copy is old",
        "guessed",
        "gone",
        "unavailable",
    ];
    let config = config();
    let sequences = prop::collection::vec(commands(), 1..40);
    run(&sequences, &outcomes, |commands, tally| sequence(&config, commands, tally));
}

fn sequence(config: &Config, commands: Vec<(i64, Command)>, tally: &Tally) -> Checked {
    let (object, place, tasks) = (Rc::new(Object::default()), Place::default(), Tasks::default());
    let around = tasks.clone();
    let written = Rc::default();
    let cached = Cached::new(Shared(Rc::clone(&object)), place.clone(), around, config, written);
    prop_assert_eq!(config.believed_seconds(), BELIEVED);
    let mut now = NOON;
    object.snapshot.replace(Some(snapshot(0, 100, now)));
    // What the object said, and when it was asked.
    let mut said: Vec<(UnixTime, Snapshot)> = Vec::new();
    for (number, (wait, command)) in (1..).zip(commands) {
        now = moved(now, wait);
        match command {
            Command::Visit { is_right, ago } => {
                place.0.ago.set(ago);
                let asked = object.asked.get();
                let visited = tasks.run([cached.visit(ID, digest(is_right), 0, now)], || ());
                let was_asked = object.asked.get() > asked;
                let there = object.snapshot.borrow().clone();
                let believable = |(at, snapshot): &&(UnixTime, Snapshot)| {
                    let is_young = now.0.abs_diff(at.0) < BELIEVED;
                    is_young && now < snapshot.refresh_at && now < snapshot.ends_at
                };
                match &visited[..] {
                    [Ok(Visited::Present(told, _))] if was_asked => {
                        prop_assert!(is_right, "a guess");
                        prop_assert_eq!(Some(&**told), there.as_ref());
                        let is_old = !said.is_empty() && said.iter().all(|one| !believable(&one));
                        said.push((now, (**told).clone()));
                        tally.count(if is_old {
                            "from the object, for the copy is old"
                        } else {
                            "from the object"
                        });
                    }
                    [Ok(Visited::Present(told, _))] => {
                        prop_assert!(is_right, "a guess");
                        let known = said.iter().filter(believable).any(|(_, one)| *one == **told);
                        prop_assert!(known, "believed for too long, or made up: {told:?}");
                        let is_over = there.is_none();
                        tally.count(if is_over {
                            "from a copy, after the end"
                        } else {
                            "from a copy"
                        });
                    }
                    [Ok(Visited::Unavailable { .. })] => {
                        prop_assert!(was_asked && object.is_resting.get());
                        tally.count("unavailable");
                    }
                    [Ok(Visited::Gone)] => {
                        prop_assert!(was_asked, "nobody said so");
                        prop_assert!(!is_right || there.is_none());
                        tally.count(if is_right { "gone" } else { "guessed" });
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            Command::Renew(life) => {
                let there = object.snapshot.borrow().is_some();
                object.snapshot.replace(there.then(|| snapshot(number, life, now)));
            }
            Command::Rest(is_resting) => object.is_resting.set(is_resting),
            Command::Close => {
                tasks.run([cached.close(ID, digest(true), now)], || ());
                prop_assert!(object.snapshot.borrow().is_none());
            }
            Command::End => {
                tasks.run([cached.end(ID, now, now)], || ());
                prop_assert!(object.snapshot.borrow().is_none());
            }
            Command::Refuse(refuses) => place.0.refuses.set(refuses),
        }
    }
    Ok(())
}
