//! The book of a browser session: the model of its rules.
//!
//! It has the token sets that came, the token calls that were allowed and what became of them, the
//! failures since the last set, and the last request; every answer is looked up in it.

use crate::run::{NOON, moved};
use gateway::session::state::{
    Failure, Farewell, LEASE_SECONDS, Limits, Person, Renewal, Renewed, Snapshot,
};
use shared::secret::{AccessToken, IdToken, RefreshToken};
use shared::time::UnixTime;

/// How far the clocks of two visits may be apart, in seconds.
const SKEW: u64 = 5;

/// When something happens: after a while, or so many seconds from where something turns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    In(i64),
    /// When the last token set came.
    Received(i64),
    Refresh(i64),
    AccessEnd(i64),
    LeaseEnd(i64),
    /// When a call failed last.
    RestBegin(i64),
    RestEnd(i64),
    IdleEnd(i64),
    End(i64),
}

pub(crate) fn person() -> Person {
    Person { subject: "alice".into(), flow: "f".into(), ..Person::default() }
}

/// Whether a time was noted by a clock that was ahead by more than clocks are.
fn is_ahead(noted_at: UnixTime, now: UnixTime) -> bool {
    noted_at.0.checked_sub(now.0).is_some_and(|seconds| seconds > SKEW)
}

/// A token set, as the gateway knows it.
pub(crate) struct Set {
    received_at: UnixTime,
    access_token: AccessToken,
    pub(crate) refresh_token: Option<RefreshToken>,
    id_token: Option<IdToken>,
    life: u64,
    jitter: u8,
}

impl Set {
    pub(crate) fn ends_at(&self) -> UnixTime {
        self.received_at.plus(self.life)
    }

    /// A tenth of its life before its end, a minute at the most, spread over a quarter of that.
    pub(crate) fn refresh_at(&self) -> UnixTime {
        let leeway = (self.life / 10).min(60);
        let spread = leeway * u64::from(self.jitter) / 1_024;
        self.ends_at().minus(leeway - spread).max(self.received_at.plus(1))
    }
}

/// A token call that was allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    /// How many token sets there were.
    pub(crate) about: usize,
    pub(crate) begun_at: UnixTime,
}

/// What a visit comes to; a lease can't be compared and is not.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Serve(Snapshot),
    Call(RefreshToken),
    Wait(UnixTime, Option<Snapshot>),
    Unavailable(u64),
    Gone,
}

pub(crate) struct Book {
    limits: Limits,
    seen_at: UnixTime,
    pub(crate) sets: Vec<Set>,
    pub(crate) calls: Vec<Call>,
    /// Whether the last call was neither answered nor given up.
    pub(crate) is_calling: bool,
    /// The failures since the last token set: when, and for how long it is to be left alone.
    failures: Vec<(UnixTime, u64)>,
    pub(crate) is_over: bool,
}

impl Book {
    /// The book of a session that begins with these tokens.
    pub(crate) fn open(limits: Limits, first: Renewal) -> Self {
        let (sets, calls, failures) = (Vec::new(), Vec::new(), Vec::new());
        let (is_calling, is_over) = (false, false);
        let mut book = Self { limits, seen_at: NOON, sets, calls, is_calling, failures, is_over };
        book.receive(first, NOON);
        book
    }

    pub(crate) fn set(&self) -> &Set {
        &self.sets[self.sets.len() - 1]
    }

    pub(crate) fn ends_at(&self) -> UnixTime {
        NOON.plus(self.limits.absolute)
    }

    pub(crate) fn idle_ends_at(&self) -> UnixTime {
        self.seen_at.plus(self.limits.idle)
    }

    fn lease_ends_at(&self) -> UnixTime {
        self.calls.last().map_or(NOON, |call| call.begun_at.plus(LEASE_SECONDS))
    }

    fn rest_ends_at(&self) -> Option<UnixTime> {
        self.failures.last().map(|(at, pause)| at.plus(*pause))
    }

    /// Whether the token set is renewed although it is not old: it came by a clock that was ahead.
    pub(crate) fn is_ahead(&self, now: UnixTime) -> bool {
        is_ahead(self.set().received_at, now)
    }

    /// Whether a failure that was noted by a clock ahead keeps nobody from asking again.
    pub(crate) fn is_rest_ahead(&self, now: UnixTime) -> bool {
        self.failures.last().is_some_and(|(at, _)| is_ahead(*at, now))
    }

    pub(crate) fn when(&self, when: When, now: UnixTime) -> UnixTime {
        match when {
            When::In(seconds) => moved(now, seconds),
            When::Received(off) => moved(self.set().received_at, off),
            When::Refresh(off) => moved(self.set().refresh_at(), off),
            When::AccessEnd(off) => moved(self.set().ends_at(), off),
            When::LeaseEnd(off) => moved(self.lease_ends_at(), off),
            When::RestBegin(off) => moved(self.failures.last().map_or(now, |(at, _)| *at), off),
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

    /// What it tells of a token that is alive.
    pub(crate) fn alive(&self, now: UnixTime) -> Option<Snapshot> {
        (now < self.set().ends_at()).then(|| self.snapshot())
    }

    /// Whoever made a call is gone, and asks no more.
    pub(crate) fn abandon(&mut self) {
        self.is_calling = false;
    }

    fn ends_by_itself(&mut self, now: UnixTime) -> bool {
        self.is_over |= now >= self.ends_at() || now >= self.idle_ends_at();
        self.is_over
    }

    pub(crate) fn visit(&mut self, is_right: bool, now: UnixTime) -> Seen {
        if !is_right || self.ends_by_itself(now) {
            return Seen::Gone;
        }
        // Not every request is noted: only what is half a minute, or a tenth of the idle time, late.
        if now >= self.seen_at.plus(30.min(self.limits.idle / 10)) {
            self.seen_at = now;
        }
        if now < self.set().refresh_at() && !self.is_ahead(now) {
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
        let rest = self.rest_ends_at().filter(|_| !self.is_rest_ahead(now));
        if let Some(rested) = rest.filter(|until| now < *until) {
            let retry_after = rested.since(now);
            return alive.map_or(Seen::Unavailable(retry_after), Seen::Serve);
        }
        self.calls.push(Call { about: self.sets.len(), begun_at: now });
        self.is_calling = true;
        Seen::Call(token)
    }

    pub(crate) fn renew(&mut self, call: Call, renewal: Renewal, now: UnixTime) -> Renewed {
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
        let Renewal { access_token, expires_in, refresh_token, id_token, jitter, .. } = renewal;
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

    /// How often calls failed since the last token set.
    pub(crate) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Whether the failure of this call matters.
    pub(crate) fn fail(&mut self, call: Call, failure: Failure, now: UnixTime) -> bool {
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

    pub(crate) fn close(&mut self, is_right: bool) -> Option<Farewell> {
        if self.is_over || !is_right {
            return None;
        }
        self.is_over = true;
        let Set { refresh_token, id_token, .. } = self.set();
        let (refresh_token, id_token) = (refresh_token.clone(), id_token.clone());
        Some(Farewell { refresh_token, id_token, person: person() })
    }
}
