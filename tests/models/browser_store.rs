//! A browser session in a store that several isolates share, against the [`Book`] of its rules: the
//! statements, leases and pauses in between change nothing about what a browser is told.

use crate::book::{Book, Call, Seen, When, person};
use crate::isolates::{ID, Isolate, Peer, Row, Says, begin, config, isolate};
use crate::run::{Checked, NOON, Tally, any_of, run, weighted};
use gateway::config::Config;
use gateway::session::Sessions;
use gateway::session::driver::Visited;
use gateway::session::state::{Failure, Limits, Live, Renewal, Session, Snapshot, Tokens};
use proptest::prelude::*;
use serde_json::Map;
use shared::fetch::Fetch;
use shared::secret::{AccessToken, Digest, RefreshToken};
use shared::time::UnixTime;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use tests::turns::Tasks;

/// How many isolates there are.
const ISOLATES: usize = 3;
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

/// Without what only the operator reads.
fn plain(visited: Visited) -> Visited {
    match visited {
        Visited::Present(snapshot, _) => Visited::Present(snapshot, None),
        Visited::Refused => Visited::Gone,
        visited => visited,
    }
}

fn ample(snapshot: Option<Snapshot>, now: UnixTime) -> Option<Visited> {
    let snapshot =
        snapshot.filter(|snapshot| snapshot.access_ends_at.since(now) >= AMPLE_SECONDS)?;
    Some(Visited::Present(Box::new(snapshot), None))
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
            Seen::Serve(snapshot) => Some(Visited::Present(Box::new(snapshot), None)),
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
                Seen::Serve(snapshot) => return (Visited::Present(Box::new(snapshot), None), at),
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
                        let present = |snapshot| Visited::Present(Box::new(snapshot), None);
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

/// The isolates, and the model of what they share.
struct World<F> {
    isolates: Vec<Isolate<F>>,
    peer: Rc<Peer>,
    row: Row,
    tasks: Tasks,
    model: Model,
}

impl<F: Fetch + 'static> World<F> {
    fn isolate(&self, turn: Turn, index: usize) -> &Isolate<F> {
        &self.isolates[(turn.isolate + index) % ISOLATES]
    }

    /// Whoever comes at the same time gets what the first gets, or what came of it.
    fn visit(
        &mut self,
        turn: Turn,
        count: usize,
        is_right: bool,
        now: UnixTime,
        tally: &Tally,
    ) -> Checked {
        let sets = self.model.book.sets.len();
        let secret = secret(is_right);
        let visit = |index| self.isolate(turn, index).visit(ID, secret, turn.jitter, now);
        let visited = self.tasks.run((0..count).map(visit), || ());
        let (expected, at) = self.model.visit(is_right, now, tally);
        let later = self.model.look(is_right, at).unwrap_or_else(|| expected.clone());
        // Or had waited for as long as anybody does when that came.
        let in_vain = Visited::Unavailable { retry_after: 1 };
        let is_late = at.since(now) + 1 >= u64::from(PATIENCE / 1000);
        for visited in visited {
            let visited = visited.ok().map(plain);
            let fits = [&expected, &later].into_iter().any(|one| visited.as_ref() == Some(one))
                || is_late && visited.as_ref() == Some(&in_vain);
            prop_assert!(fits, "{visited:?} instead of {expected:?} or {later:?}");
        }
        tally.count(match expected {
            Visited::Present(..) => "served",
            Visited::Unavailable { .. } => "unavailable",
            Visited::Refused | Visited::Gone => "gone",
        });
        if count > 1 && self.model.book.sets.len() > sets {
            tally.count("at once");
        }
        Ok(())
    }

    fn visit_and_die(&mut self, turn: Turn, now: UnixTime) -> Checked {
        self.peer.is_stuck.set(true);
        let mut visit = Box::pin(self.isolate(turn, 0).visit(ID, secret(true), turn.jitter, now));
        let visited = begin(visit.as_mut(), &self.tasks, SOME_TURNS);
        drop(visit);
        self.tasks.forget();
        self.peer.is_stuck.set(false);
        let expected = match self.model.book.visit(true, now) {
            Seen::Serve(snapshot) => Some(Visited::Present(Box::new(snapshot), None)),
            Seen::Gone => Some(Visited::Gone),
            Seen::Unavailable(retry_after) => Some(Visited::Unavailable { retry_after }),
            Seen::Call(_) => ample(self.model.book.alive(now), now),
            Seen::Wait(_, meanwhile) => ample(meanwhile, now),
        };
        prop_assert_eq!(visited.transpose().map(|visited| visited.map(plain)), Ok(expected));
        Ok(())
    }

    fn close(&mut self, turn: Turn, is_right: bool, now: UnixTime, tally: &Tally) -> Checked {
        let close = self.isolate(turn, 0).close(ID, secret(is_right), now);
        let farewell = self.tasks.run([close], || ());
        let expected = self.model.book.close(is_right);
        let token = expected.as_ref().and_then(|farewell| farewell.refresh_token.clone());
        prop_assert_eq!(&farewell, &[Ok(expected)]);
        if let Some(token) = token {
            let last = self.peer.revoked.borrow().last().cloned();
            prop_assert_eq!(last.as_deref(), Some(token.expose()));
            tally.count("closed");
        }
        Ok(())
    }

    /// Nobody who signs out waits for the call, and what it brings is revoked.
    fn close_meanwhile(&mut self, turn: Turn, now: UnixTime, tally: &Tally) -> Checked {
        let is_call = matches!(self.model.book.visit(true, now), Seen::Call(_));
        let expected = self.model.book.close(true);
        self.peer.is_stuck.set(true);
        let mut visit = pin!(self.isolate(turn, 0).visit(ID, secret(true), turn.jitter, now));
        let early = begin(visit.as_mut(), &self.tasks, SOME_TURNS);
        let close = pin!(self.isolate(turn, 1).close(ID, secret(true), now));
        let closed = begin(close, &self.tasks, SOME_TURNS);
        self.peer.is_stuck.set(false);
        prop_assert_eq!(closed, Some(Ok(expected)));
        let waited = early.is_none().then_some(visit);
        let visited = self.tasks.run(waited, || ());
        prop_assert!(
            visited.into_iter().all(|visited| visited.map(plain) == Ok(Visited::Gone)),
            "it is back"
        );
        if is_call && let Says::Tokens { refresh_token: true, .. } = turn.says {
            let brought = format!("r{}", self.model.number);
            prop_assert!(self.peer.revoked.borrow().contains(&brought), "it lives on");
            tally.count("closed meanwhile, and what came was revoked");
        }
        Ok(())
    }
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
    let model = Model { book, says: VecDeque::new(), number: 0, jitter: 0 };
    let mut world = World { isolates, peer, row, tasks, model };
    let mut now = NOON;
    for (number, turn) in (1..).zip(all) {
        let Turn { when, command, says, isolate: _, jitter } = turn;
        now = world.model.book.when(when, now);
        (world.model.number, world.model.jitter) = (number, jitter);
        world.model.says = VecDeque::from([says]);
        world.peer.number.set(number);
        world.peer.says.set(Some(says));
        let sets = world.model.book.sets.len();
        match command {
            Command::Visit { count, is_right } => {
                world.visit(turn, count, is_right, now, tally)?;
            }
            Command::VisitAndDie => world.visit_and_die(turn, now)?,
            Command::Close { is_right } => world.close(turn, is_right, now, tally)?,
            Command::CloseMeanwhile => world.close_meanwhile(turn, now, tally)?,
        }
        let (made, allowed) = (world.peer.asked.borrow().len(), world.model.book.calls.len());
        prop_assert_eq!(made, allowed, "token calls");
        if world.model.book.sets.len() > sets {
            tally.count("renewed");
        }
        let over = matches!(&*world.row.0.borrow(), Some((Session::Ended { .. }, _)));
        prop_assert_eq!(over, world.model.book.is_over);
    }
    Ok(())
}
