//! A browser session at the gateway against a book of everything that was acknowledged.
//!
//! The book has the token sets that came, the token calls that were allowed and what became of
//! them, the failures since the last set, and the last request; every answer is looked up in it.

use crate::run::{Checked, NOON, Tally, any_of, moved, run, weighted};
use gateway::session::state::{
    Failure, Farewell, LEASE_SECONDS, Lease, Limits, Live, Person, Renewal, Renewed, Session,
    Snapshot, Tokens, Visit,
};
use proptest::prelude::*;
use serde_json::Map;
use shared::secret::{AccessToken, Digest, IdToken, RefreshToken};
use shared::time::UnixTime;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// A request, with the session's secret or a guess.
    Visit { is_right: bool },
    /// Tokens in answer to one of the calls, counted back from the last.
    Renew { call: usize, brought: Brought },
    /// The other end of one of the calls.
    Fail { call: usize, failure: Failure },
    /// The instance that made calls is gone.
    Abandon,
    /// Signing out.
    Close { is_right: bool },
}

/// What an answer with tokens has in it.
#[derive(Clone, Copy, Debug)]
struct Brought {
    expires_in: Option<u64>,
    refresh_token: bool,
    id_token: bool,
    jitter: u8,
}

/// When something happens: after a while, or so many seconds from where something turns.
#[derive(Clone, Copy, Debug)]
enum When {
    In(i64),
    Refresh(i64),
    AccessEnd(i64),
    LeaseEnd(i64),
    RestEnd(i64),
    IdleEnd(i64),
    End(i64),
}

fn brought() -> impl Strategy<Value = Brought> {
    let lives = weighted(&[
        (10, Some(100)),
        (5, Some(10)),
        (1, Some(0)),
        (1, Some(1)),
        (1, Some(605)),
        (1, Some(1 << 40)),
        (1, None),
    ]);
    let mostly = || weighted(&[(12, true), (1, false)]);
    (lives, mostly(), mostly(), any_of(&[0, 99, 255])).prop_map(
        |(expires_in, refresh_token, id_token, jitter)| Brought {
            expires_in,
            refresh_token,
            id_token,
            jitter,
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    let which = || weighted(&[(8, 0), (2, 1), (1, 2)]);
    let is_right = || weighted(&[(12, true), (1, false)]);
    let transient = |retry_after| Failure::Transient { retry_after };
    let failures = weighted(&[
        (10, transient(None)),
        (1, transient(Some(0))),
        (1, transient(Some(3))),
        (2, transient(Some(90))),
        (1, Failure::Definitive),
    ]);
    prop_oneof![
        60 => is_right().prop_map(|is_right| Command::Visit { is_right }),
        24 => (which(), brought()).prop_map(|(call, brought)| Command::Renew { call, brought }),
        14 => (which(), failures).prop_map(|(call, failure)| Command::Fail { call, failure }),
        4 => Just(Command::Abandon),
        1 => is_right().prop_map(|is_right| Command::Close { is_right }),
    ]
}

fn whens() -> impl Strategy<Value = When> {
    let off = || any_of(&[0, -1, 1]);
    prop_oneof![
        24 => any_of(&[0, 0, 0, 0, 1, 1, 2, 3, 9, 29, 30, 60]).prop_map(When::In),
        16 => off().prop_map(When::Refresh),
        6 => off().prop_map(When::AccessEnd),
        4 => off().prop_map(When::LeaseEnd),
        4 => off().prop_map(When::RestEnd),
        1 => off().prop_map(When::IdleEnd),
        2 => (-300..300_i64).prop_map(When::In),
        1 => weighted(&[(6, -60), (1, -1), (1, 0)]).prop_map(When::End),
    ]
}

fn sequences() -> impl Strategy<Value = (Limits, Brought, Vec<(When, Command)>)> {
    let limits = weighted(&[
        (6, Limits { idle: 3_600, absolute: 36_000 }),
        (2, Limits { idle: 250, absolute: 36_000 }),
        (1, Limits { idle: 5, absolute: 1_000 }),
    ]);
    (limits, brought(), prop::collection::vec((whens(), commands()), 1..40))
}

/// A token set, as the gateway knows it.
struct Set {
    received_at: UnixTime,
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
    id_token: Option<IdToken>,
    life: u64,
    jitter: u8,
}

impl Set {
    fn ends_at(&self) -> UnixTime {
        self.received_at.plus(self.life)
    }

    /// A tenth of its life before its end, a minute at the most, spread over a quarter of that.
    fn refresh_at(&self) -> UnixTime {
        let leeway = (self.life / 10).min(60);
        let spread = leeway * u64::from(self.jitter) / 1_024;
        self.ends_at().minus(leeway - spread).max(self.received_at.plus(1))
    }
}

/// A token call that was allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Call {
    /// How many token sets there were.
    about: usize,
    begun_at: UnixTime,
}

/// What a visit comes to; a lease can't be compared and is not.
#[derive(Debug, PartialEq)]
enum Seen {
    Serve(Snapshot),
    Call(RefreshToken),
    Wait(UnixTime, Option<Snapshot>),
    Unavailable(u64),
    Gone,
}

struct Book {
    limits: Limits,
    seen_at: UnixTime,
    sets: Vec<Set>,
    calls: Vec<Call>,
    /// Whether the last call was neither answered nor given up.
    is_calling: bool,
    /// The failures since the last token set: when, and for how long it is to be left alone.
    failures: Vec<(UnixTime, u64)>,
    is_over: bool,
}

impl Book {
    fn set(&self) -> &Set {
        &self.sets[self.sets.len() - 1]
    }

    fn ends_at(&self) -> UnixTime {
        NOON.plus(self.limits.absolute)
    }

    fn idle_ends_at(&self) -> UnixTime {
        self.seen_at.plus(self.limits.idle)
    }

    fn lease_ends_at(&self) -> UnixTime {
        self.calls.last().map_or(NOON, |call| call.begun_at.plus(LEASE_SECONDS))
    }

    fn rest_ends_at(&self) -> Option<UnixTime> {
        self.failures.last().map(|(at, pause)| at.plus(*pause))
    }

    fn when(&self, when: When, now: UnixTime) -> UnixTime {
        match when {
            When::In(seconds) => moved(now, seconds),
            When::Refresh(off) => moved(self.set().refresh_at(), off),
            When::AccessEnd(off) => moved(self.set().ends_at(), off),
            When::LeaseEnd(off) => moved(self.lease_ends_at(), off),
            When::RestEnd(off) => moved(self.rest_ends_at().unwrap_or(now), off),
            When::IdleEnd(off) => moved(self.idle_ends_at(), off),
            When::End(off) => moved(self.ends_at(), off),
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            person: person(),
            access_token: self.set().access_token.clone(),
            access_ends_at: self.set().ends_at(),
            refresh_at: self.set().refresh_at(),
            idle_ends_at: self.idle_ends_at(),
            ends_at: self.ends_at(),
        }
    }

    fn ends_by_itself(&mut self, now: UnixTime) -> bool {
        self.is_over |= now >= self.ends_at() || now >= self.idle_ends_at();
        self.is_over
    }

    fn visit(&mut self, is_right: bool, now: UnixTime) -> Seen {
        if !is_right || self.ends_by_itself(now) {
            return Seen::Gone;
        }
        // Not every request is noted: only what is half a minute, or a tenth of the idle time, late.
        if now >= self.seen_at.plus(30.min(self.limits.idle / 10)) {
            self.seen_at = now;
        }
        if now < self.set().refresh_at() {
            return Seen::Serve(self.snapshot());
        }
        let alive = (now < self.set().ends_at()).then(|| self.snapshot());
        let Some(token) = self.set().refresh_token.clone() else {
            self.is_over = alive.is_none();
            return alive.map_or(Seen::Gone, Seen::Serve);
        };
        if self.is_calling && now < self.lease_ends_at() {
            return Seen::Wait(self.lease_ends_at(), alive);
        }
        if let Some(rested) = self.rest_ends_at().filter(|until| now < *until) {
            let retry_after = rested.since(now);
            return alive.map_or(Seen::Unavailable(retry_after), Seen::Serve);
        }
        self.calls.push(Call { about: self.sets.len(), begun_at: now });
        self.is_calling = true;
        Seen::Call(token)
    }

    fn renew(&mut self, call: Call, renewal: Renewal, now: UnixTime) -> Renewed {
        if self.ends_by_itself(now) {
            return Renewed::Orphaned(renewal.refresh_token);
        }
        if call.about != self.sets.len() {
            return Renewed::Late;
        }
        self.receive(renewal, now);
        Renewed::Committed
    }

    fn receive(&mut self, renewal: Renewal, now: UnixTime) {
        let Renewal { access_token, expires_in, refresh_token, id_token, jitter } = renewal;
        // What is missing stays as it was.
        let before = self.sets.last();
        let refresh_token =
            refresh_token.or_else(|| before.and_then(|set| set.refresh_token.clone()));
        let id_token = id_token.or_else(|| before.and_then(|set| set.id_token.clone()));
        let life = match expires_in {
            Some(seconds) => seconds.max(1),
            None if refresh_token.is_some() => 300,
            None => self.limits.absolute,
        };
        let received_at = now;
        self.sets.push(Set { received_at, access_token, refresh_token, id_token, life, jitter });
        self.failures.clear();
        self.is_calling = false;
    }

    /// Whether the failure of this call matters.
    fn fail(&mut self, call: Call, failure: Failure, now: UnixTime) -> bool {
        if self.is_over || !self.is_calling || self.calls.last() != Some(&call) {
            return false;
        }
        self.is_calling = false;
        match failure {
            Failure::Definitive => self.is_over = true,
            Failure::Transient { retry_after } => {
                let pauses = [2, 4, 8, 16, 32, 60];
                let pause = pauses[self.failures.len().min(5)];
                self.failures.push((now, pause.max(retry_after.unwrap_or(0))));
            }
        }
        true
    }

    fn close(&mut self, is_right: bool) -> Option<Farewell> {
        if self.is_over || !is_right {
            return None;
        }
        self.is_over = true;
        let Set { refresh_token, id_token, .. } = self.set();
        Some(Farewell { refresh_token: refresh_token.clone(), id_token: id_token.clone() })
    }
}

fn person() -> Person {
    Person { subject: "alice".into(), auth_time: None, claims: Map::new(), flow: "f".into() }
}

fn secret(is_right: bool) -> Digest {
    Digest::of(if is_right { "secret" } else { "guess" })
}

/// An answer; no two have a token in common.
fn renewal(brought: Brought, number: usize) -> Renewal {
    let Brought { expires_in, refresh_token, id_token, jitter } = brought;
    Renewal {
        access_token: AccessToken::new(format!("a{number}")),
        expires_in,
        refresh_token: refresh_token.then(|| RefreshToken::new(format!("r{number}"))),
        id_token: id_token.then(|| IdToken::new(format!("i{number}"))),
        jitter,
    }
}

/// The machine, its model, and the leases that were given.
struct Pair {
    session: Session,
    book: Book,
    leases: Vec<Lease>,
    /// The calls that have not been answered and have not had their time.
    under_way: Vec<Call>,
    /// The last one of them, as long as its instance stands and the clock goes forward.
    last_call: Option<Call>,
}

impl Pair {
    fn visit(&mut self, is_right: bool, now: UnixTime, tally: &Tally) -> Checked {
        let (idle, end) = (now >= self.book.idle_ends_at(), now >= self.book.ends_at());
        let (was_over, was_calling) = (self.book.is_over, self.book.is_calling);
        let (session, visit) = self.session.clone().visit(secret(is_right), now);
        let expected = self.book.visit(is_right, now);
        let seen = match visit {
            Visit::Serve(snapshot) => Seen::Serve(*snapshot),
            Visit::Refresh(lease, token) => {
                self.leases.push(lease);
                Seen::Call(token)
            }
            Visit::Wait(until, meanwhile) => Seen::Wait(until, meanwhile.map(|it| *it)),
            Visit::Unavailable { retry_after } => Seen::Unavailable(retry_after),
            Visit::Gone => Seen::Gone,
        };
        prop_assert_eq!(&seen, &expected);
        prop_assert!(is_right || session == self.session, "a guess changed something");
        self.session = session;
        if let (Seen::Call(_), Some(call)) = (&seen, self.book.calls.last()) {
            let other = self.under_way.iter().find(|other| other.about == call.about);
            prop_assert_eq!(other, None, "two calls at once");
            let another = self.last_call.replace(*call).filter(|last| last.begun_at == now);
            prop_assert!(another.is_none(), "two calls in one second");
            self.under_way.push(*call);
        }
        tally.count(match seen {
            Seen::Serve(_) if now < self.book.set().refresh_at() => "served",
            Seen::Serve(_) if self.book.set().refresh_token.is_none() => "served to the last",
            Seen::Serve(_) => "served while the provider is left alone",
            Seen::Call(_) if was_calling => "leased again",
            Seen::Call(_) => "leased",
            Seen::Wait(_, Some(_)) => "waits with a token",
            Seen::Wait(_, None) => "waits without",
            Seen::Unavailable(_) => "unavailable",
            Seen::Gone if !is_right => "guessed",
            Seen::Gone if was_over => "gone",
            Seen::Gone if end => "at the absolute end",
            Seen::Gone if idle => "at the idle end",
            Seen::Gone => "ended with its token",
        });
        Ok(())
    }

    /// The call counted back from the last, if there were so many.
    fn call(&self, back: usize) -> Option<(Lease, Call)> {
        let index = self.book.calls.len().checked_sub(1 + back)?;
        Some((self.leases[index], self.book.calls[index]))
    }

    fn renew(&mut self, back: usize, renewal: &Renewal, now: UnixTime, tally: &Tally) -> Checked {
        let Some((lease, call)) = self.call(back) else { return Ok(()) };
        self.under_way.retain(|other| *other != call);
        let (session, renewed) = self.session.clone().renew(lease, renewal.clone(), now);
        prop_assert_eq!(&renewed, &self.book.renew(call, renewal.clone(), now));
        self.session = session;
        tally.count(match renewed {
            Renewed::Committed if self.book.calls.last() != Some(&call) => "renewed by an old call",
            Renewed::Committed => "renewed",
            Renewed::Orphaned(_) => "orphaned",
            Renewed::Late => "late",
        });
        Ok(())
    }

    fn fail(&mut self, back: usize, failure: Failure, now: UnixTime, tally: &Tally) -> Checked {
        let Some((lease, call)) = self.call(back) else { return Ok(()) };
        self.under_way.retain(|other| *other != call);
        let after = self.session.clone().fail(lease, failure, now);
        let matters = self.book.fail(call, failure, now);
        prop_assert_eq!(after != self.session, matters);
        self.session = after;
        tally.count(match failure {
            _ if !matters => "failure of no consequence",
            Failure::Definitive => "failed for good",
            Failure::Transient { .. } => "failed for now",
        });
        Ok(())
    }

    fn close(&mut self, is_right: bool, tally: &Tally) -> Checked {
        let (session, farewell) = self.session.clone().close(secret(is_right));
        prop_assert_eq!(&farewell, &self.book.close(is_right));
        self.session = session;
        tally.count(if farewell.is_some() { "closed" } else { "not closed" });
        Ok(())
    }

    fn abandon(&mut self) {
        self.session = self.session.clone().abandoned();
        self.book.is_calling = false;
        self.under_way.clear();
        self.last_call = None;
    }
}

#[test]
fn gr_12_gs_14_a_browser_session_answers_any_sequence_of_events_as_its_book_says() {
    let outcomes = [
        "served",
        "served to the last",
        "served while the provider is left alone",
        "leased",
        "leased again",
        "waits with a token",
        "waits without",
        "unavailable",
        "guessed",
        "gone",
        "at the absolute end",
        "at the idle end",
        "ended with its token",
        "renewed",
        "renewed by an old call",
        "orphaned",
        "late",
        "failure of no consequence",
        "failed for good",
        "failed for now",
        "closed",
        "not closed",
    ];
    run(&sequences(), &outcomes, |(limits, first, commands), tally| {
        sequence(limits, first, commands, tally)
    });
}

fn sequence(
    limits: Limits,
    first: Brought,
    commands: Vec<(When, Command)>,
    tally: &Tally,
) -> Checked {
    let mut book = Book {
        limits,
        seen_at: NOON,
        sets: Vec::new(),
        calls: Vec::new(),
        is_calling: false,
        failures: Vec::new(),
        is_over: false,
    };
    book.receive(renewal(first, 0), NOON);
    let tokens = Tokens::received(renewal(first, 0), limits.absolute, NOON);
    let live = Live::open(secret(true), person(), tokens, limits, NOON);
    let session = Session::Live(Box::new(live));
    let mut pair =
        Pair { session, book, leases: Vec::new(), under_way: Vec::new(), last_call: None };
    let mut now = NOON;
    for (number, (when, command)) in (1..).zip(commands) {
        let before = now;
        now = pair.book.when(when, now);
        pair.last_call = pair.last_call.filter(|_| before <= now);
        pair.under_way.retain(|call| now < call.begun_at.plus(LEASE_SECONDS));
        let was_over = matches!(pair.session, Session::Ended { .. });
        match command {
            Command::Visit { is_right } => pair.visit(is_right, now, tally)?,
            Command::Renew { call, brought } => {
                pair.renew(call, &renewal(brought, number), now, tally)?;
            }
            Command::Fail { call, failure } => pair.fail(call, failure, now, tally)?,
            Command::Abandon => pair.abandon(),
            Command::Close { is_right } => pair.close(is_right, tally)?,
        }
        let until = pair.book.ends_at();
        let ended = pair.session == Session::Ended { until };
        prop_assert_eq!(ended, pair.book.is_over);
        prop_assert!(ended || !was_over, "nothing brings it back");
    }
    let written = serde_json::to_string(&pair.session).expect("a session has a JSON form");
    prop_assert_eq!(serde_json::from_str::<Session>(&written).ok(), Some(pair.session));
    Ok(())
}
