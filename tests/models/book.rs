//! The book of a browser session: the model of its rules.
//!
//! It has the token sets that came, the token calls that were allowed and what became of them, the
//! failures since the last set, and the last request; every answer is looked up in it.

use crate::run::{NOON, moved};
use gateway::session::state::further::{Aim, Lack, Way};
use gateway::session::state::{
    Failure, Farewell, LEASE_SECONDS, Limits, Person, Renewal, Renewed, Snapshot,
};
use shared::rp::wanted::{By, Wanted};
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
    /// When an origin's token is to be renewed, ends, or may be asked for again.
    OriginRefresh(usize, i64),
    OriginEnd(usize, i64),
    OriginRestEnd(usize, i64),
}

/// The origins that have tokens of their own: one by the refresh token, one by exchange.
pub(crate) const ORIGINS: [By; 2] = [By::Refresh, By::Exchange];

pub(crate) fn aim(origin: usize) -> Aim {
    let resource = Some(format!("urn:{origin}"));
    let by = ORIGINS[origin];
    Wanted { by, resource, audience: None, scope: None, opaque: false, bound: None }.into()
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
    /// How many refresh tokens, or own token sets, there were.
    pub(crate) about: usize,
    pub(crate) begun_at: UnixTime,
    /// Whose origin's token it is for; none is the session's own.
    pub(crate) purpose: Option<usize>,
}

/// What is known of one origin's token.
#[derive(Default)]
struct Origin {
    /// When it came, the token, its life and its jitter.
    token: Option<(UnixTime, AccessToken, u64, u8)>,
    /// The failures since: when, for how long nobody asks again, and whether it was a no.
    failures: Vec<(UnixTime, u64, bool)>,
}

/// A pause after so many failures before.
fn pause(before: usize, asked: Option<u64>) -> u64 {
    let pauses = [2, 4, 8, 16, 32, 60];
    pauses[before.min(5)].max(asked.unwrap_or(0))
}

impl Origin {
    fn ends_at(&self) -> Option<UnixTime> {
        self.token.as_ref().map(|(came, _, life, _)| came.plus(*life))
    }

    fn refresh_at(&self) -> Option<UnixTime> {
        let (came, _, life, jitter) = self.token.as_ref()?;
        let leeway = (life / 10).min(60);
        let spread = leeway * u64::from(*jitter) / 1_024;
        Some(came.plus(*life).minus(leeway - spread).max(came.plus(1)))
    }

    fn rest_ends_at(&self) -> Option<UnixTime> {
        self.failures.last().map(|(at, pause, _)| at.plus(*pause))
    }

    fn lack(&self, now: UnixTime) -> Option<Lack> {
        let (at, pause, refused) = self.failures.last()?;
        let until = at.plus(*pause);
        let is_on = !is_ahead(*at, now) && now < until;
        is_on.then(|| Lack { refused: *refused, retry_after: until.since(now) })
    }
}

/// What a visit comes to; a lease can't be compared and is not.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Serve(Snapshot),
    Call(Way),
    Wait(UnixTime, Option<Snapshot>),
    Unavailable(u64),
    Gone,
}

/// The same of a visit for an origin: the token in place of who is there.
#[derive(Debug, PartialEq)]
pub(crate) enum SeenFor {
    Serve(AccessToken),
    Call(Way, Option<AccessToken>),
    Wait(UnixTime, Option<AccessToken>),
    Lacking(Lack),
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
    origins: [Origin; 2],
    /// Counts refresh tokens: what was begun with an older one is too late.
    era: usize,
    /// Whose refresh was begun and neither answered nor refused, since there is this refresh token.
    #[expect(clippy::option_option, reason = "nobody's, the session's own, or an origin's")]
    pub(crate) owed: Option<Option<usize>>,
}

impl Book {
    /// The book of a session that begins with these tokens.
    pub(crate) fn open(limits: Limits, first: Renewal) -> Self {
        let (sets, calls, failures) = (Vec::new(), Vec::new(), Vec::new());
        let (is_calling, is_over) = (false, false);
        let (origins, era, owed) = (<[Origin; 2]>::default(), 0, None);
        let seen_at = NOON;
        let mut book = Self {
            limits,
            seen_at,
            sets,
            calls,
            is_calling,
            failures,
            is_over,
            origins,
            era,
            owed,
        };
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
            When::OriginRefresh(origin, off) => {
                moved(self.origins[origin].refresh_at().unwrap_or(now), off)
            }
            When::OriginEnd(origin, off) => {
                moved(self.origins[origin].ends_at().unwrap_or(now), off)
            }
            When::OriginRestEnd(origin, off) => {
                moved(self.origins[origin].rest_ends_at().unwrap_or(now), off)
            }
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

    /// Whether nobody comes in; who does is noted.
    fn stays_out(&mut self, is_right: bool, now: UnixTime) -> bool {
        if !is_right || self.ends_by_itself(now) {
            return true;
        }
        // Not every request is noted: only what is half a minute, or a tenth of the idle time, late.
        if now >= self.seen_at.plus(30.min(self.limits.idle / 10)) {
            self.seen_at = now;
        }
        false
    }

    fn call(&mut self, purpose: Option<usize>, now: UnixTime) {
        self.calls.push(Call { about: self.era, begun_at: now, purpose });
        self.is_calling = true;
    }

    /// What is made of the refresh token: for whom it is wanted, unless a call for somebody else may
    /// have been obeyed, and that one does not rest.
    fn redeem(&mut self, wanted: Option<usize>, token: RefreshToken, now: UnixTime) -> Way {
        let rests = |purpose: Option<usize>| match purpose {
            None => self.rests(now),
            Some(origin) => self.origins[origin].lack(now).is_some(),
        };
        let first = self.owed.filter(|owed| !rests(*owed));
        let purpose = first.unwrap_or(wanted);
        self.owed.get_or_insert(purpose);
        self.call(purpose, now);
        match purpose {
            None => Way::Renew(token),
            Some(origin) => Way::Refresh(token, aim(origin).wanted().clone()),
        }
    }

    fn rests(&self, now: UnixTime) -> bool {
        let rest = self.rest_ends_at().filter(|_| !self.is_rest_ahead(now));
        rest.is_some_and(|until| now < until)
    }

    pub(crate) fn visit(&mut self, is_right: bool, now: UnixTime) -> Seen {
        if self.stays_out(is_right, now) {
            return Seen::Gone;
        }
        self.own(now)
    }

    fn own(&mut self, now: UnixTime) -> Seen {
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
        if self.rests(now) {
            let retry_after = self.rest_ends_at().map_or(0, |until| until.since(now));
            return alive.map_or(Seen::Unavailable(retry_after), Seen::Serve);
        }
        Seen::Call(self.redeem(None, token, now))
    }

    pub(crate) fn visit_for(&mut self, origin: usize, is_right: bool, now: UnixTime) -> SeenFor {
        if self.stays_out(is_right, now) {
            return SeenFor::Gone;
        }
        let refresh_token = self.set().refresh_token.clone();
        if refresh_token.is_none() && now >= self.set().ends_at() {
            self.is_over = true;
            return SeenFor::Gone;
        }
        let it = &self.origins[origin];
        let alive = it.ends_at().is_some_and(|end| now < end);
        let token = it.token.as_ref().map(|(_, token, ..)| token.clone()).filter(|_| alive);
        let is_young = it.refresh_at().is_some_and(|at| now < at);
        let is_ahead = it.token.as_ref().is_some_and(|(came, ..)| is_ahead(*came, now));
        if let Some(token) = token.clone().filter(|_| is_young && !is_ahead) {
            return SeenFor::Serve(token);
        }
        if let Some(lack) = it.lack(now) {
            return token.map_or(SeenFor::Lacking(lack), SeenFor::Serve);
        }
        if self.is_calling && now < self.lease_ends_at() {
            return SeenFor::Wait(self.lease_ends_at(), token);
        }
        let wanted = aim(origin).wanted().clone();
        match (ORIGINS[origin], refresh_token) {
            (By::Refresh, Some(redeemed)) => {
                SeenFor::Call(self.redeem(Some(origin), redeemed, now), token)
            }
            (By::Refresh, None) => {
                let lack = Lack { refused: true, retry_after: 60 };
                token.map_or(SeenFor::Lacking(lack), SeenFor::Serve)
            }
            (By::Exchange, _) => match self.own(now) {
                Seen::Serve(snapshot) => {
                    self.call(Some(origin), now);
                    SeenFor::Call(Way::Exchange(snapshot.access_token, wanted), token)
                }
                Seen::Call(way) => SeenFor::Call(way, token),
                Seen::Wait(until, _) => SeenFor::Wait(until, token),
                Seen::Unavailable(retry_after) => {
                    let lack = Lack { refused: false, retry_after };
                    token.map_or(SeenFor::Lacking(lack), SeenFor::Serve)
                }
                Seen::Gone => SeenFor::Gone,
            },
        }
    }

    /// What an answer comes to before anybody looks into it, which brought this refresh token.
    fn too_late(
        &mut self,
        call: Call,
        brought: Option<&RefreshToken>,
        now: UnixTime,
    ) -> Option<Renewed> {
        if self.ends_by_itself(now) {
            return Some(Renewed::Orphaned(brought.cloned()));
        }
        (call.about != self.era).then_some(Renewed::Late)
    }

    /// A refresh token came, or none.
    fn rotate(&mut self, call: Call, next: Option<RefreshToken>) {
        if next.is_some() {
            let last = self.sets.len() - 1;
            self.sets[last].refresh_token = next;
            self.era += 1;
            self.owed = None;
            self.is_calling = false;
            return;
        }
        if self.owed == Some(call.purpose) {
            self.owed = None;
        }
        if self.calls.last() == Some(&call) {
            self.is_calling = false;
        }
    }

    pub(crate) fn renew(&mut self, call: Call, renewal: Renewal, now: UnixTime) -> Renewed {
        if let Some(late) = self.too_late(call, renewal.refresh_token.as_ref(), now) {
            return late;
        }
        let Some(origin) = call.purpose else {
            self.receive(renewal, now);
            return Renewed::Committed;
        };
        let Renewal { access_token, expires_in, refresh_token, id_token, jitter, .. } = renewal;
        self.rotate(call, refresh_token);
        if id_token.is_some() {
            let last = self.sets.len() - 1;
            self.sets[last].id_token = id_token;
        }
        let life = expires_in.unwrap_or(300).max(1);
        let token = Some((now, access_token, life, jitter));
        self.origins[origin] = Origin { token, failures: Vec::new() };
        Renewed::Committed
    }

    /// What came for an origin is for somebody else.
    pub(crate) fn misfit(
        &mut self,
        call: Call,
        next: Option<RefreshToken>,
        now: UnixTime,
    ) -> Renewed {
        if let Some(late) = self.too_late(call, next.as_ref(), now) {
            return late;
        }
        self.rotate(call, next);
        if let Some(origin) = call.purpose {
            let Origin { failures, .. } = &mut self.origins[origin];
            failures.push((now, pause(failures.len(), None), true));
        }
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
        self.era += 1;
        self.owed = None;
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
        let (refused, asked) = match failure {
            Failure::Definitive => {
                self.is_over = true;
                return true;
            }
            Failure::Refused => (true, None),
            Failure::Transient { retry_after } => (false, retry_after),
        };
        if refused && self.owed == Some(call.purpose) {
            self.owed = None;
        }
        match call.purpose {
            None => self.failures.push((now, pause(self.failures.len(), asked))),
            Some(origin) => {
                let Origin { failures, .. } = &mut self.origins[origin];
                failures.push((now, pause(failures.len(), asked), refused));
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
