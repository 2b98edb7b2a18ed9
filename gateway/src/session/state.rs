//! The life of a browser session, as a value. Whoever stores it loads, steps, and saves, with
//! nothing in between.

pub mod further;
mod person;
mod said;

use further::{Further, Key};
pub use person::Person;
pub use said::{Failure, Farewell, Renewal, Renewed, Visit};
use serde::{Deserialize, Serialize};
use shared::secret::{AccessToken, Digest, IdToken, RefreshToken};
use shared::time::UnixTime;

/// How long a token call may take before it counts as lost. Longer than the patience of its three
/// exchanges (metadata, tokens, keys), so that a call that will be answered is not made twice.
pub const LEASE_SECONDS: u64 = 3 * shared::fetch::PATIENCE_SECONDS + 2;

/// No access token is renewed earlier than this before its end.
const LONGEST_LEEWAY: u64 = 60;
/// The life of an access token whose provider does not tell.
const UNTOLD_LIFE: u64 = 300;
/// The longest pause after failures that named none.
const LONGEST_REST: u64 = 60;
/// How far the clocks of two visits may be apart. A clock that went back further is one that jumped,
/// and what was noted by it before says nothing (PL-12).
const SKEW: u64 = 5;
/// Idle time is counted in steps, so that not every request is a write.
const COARSEST_TOUCH: u64 = 30;

/// How long sessions last, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// Without a request.
    pub idle: u64,
    /// Altogether.
    pub absolute: u64,
}

/// A session at some moment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Session {
    /// Somebody is signed in.
    Live(Box<Live>),
    /// It is over, and nothing brings it back.
    Ended {
        /// When even the memory of it may go.
        until: UnixTime,
    },
}

/// A session that is not over.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Live {
    /// Digest of the secret that the browser's handle carries.
    secret: Digest,
    person: Person,
    tokens: Tokens,
    /// Counts token sets; an answer to a question about an older one is too late.
    generation: u32,
    limits: Limits,
    opened_at: UnixTime,
    seen_at: UnixTime,
    refreshing: Option<Lease>,
    rest: Rest,
    /// Tokens for the origins of single routes. Sessions of before have none.
    #[serde(default, skip_serializing_if = "Further::is_empty")]
    further: Further,
}

/// The tokens of a session.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tokens {
    /// For the origins.
    pub access_token: AccessToken,
    /// When it came.
    #[serde(default)]
    pub received_at: UnixTime,
    /// When it ends.
    pub ends_at: UnixTime,
    /// When to renew it.
    pub refresh_at: UnixTime,
    /// For the provider.
    pub refresh_token: Option<RefreshToken>,
    /// For the provider, when signing out.
    pub id_token: Option<IdToken>,
}

/// The right to make the one token call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lease {
    generation: u32,
    until: UnixTime,
    /// Whose origin's token it is for; none is the session's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Key>,
}

/// A pause after failures.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Rest {
    #[serde(default)]
    from: UnixTime,
    until: UnixTime,
    failures: u32,
}

/// What the gateway may know of a session: everything but what is for the provider alone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Snapshot {
    /// Who.
    pub person: Person,
    /// For the origins.
    pub access_token: AccessToken,
    /// When the access token ends.
    pub access_ends_at: UnixTime,
    /// When it will be renewed.
    pub refresh_at: UnixTime,
    /// When the session ends for want of requests.
    pub idle_ends_at: UnixTime,
    /// When it ends in any case.
    pub ends_at: UnixTime,
}

impl Snapshot {
    /// Whether what was told at `checked_at` may be believed without asking, for so many `seconds`.
    #[must_use]
    pub fn may_be_believed(&self, checked_at: UnixTime, seconds: u64, now: UnixTime) -> bool {
        now < self.refresh_at
            && now < self.idle_ends_at
            && now < self.ends_at
            // In either direction, for clocks jump.
            && now.0.abs_diff(checked_at.0) < seconds
    }
}

impl Tokens {
    /// Tokens received at `now`. `forever` is how long one lives that can't be renewed and whose
    /// provider does not tell.
    #[must_use]
    pub fn received(renewal: Renewal, forever: u64, now: UnixTime) -> Self {
        let Renewal {
            access_token,
            expires_in,
            refresh_token,
            id_token,
            scope: _,
            weighed: _,
            told: _,
            jitter,
        } = renewal;
        let untold = if refresh_token.is_some() { UNTOLD_LIFE } else { forever };
        let (ends_at, refresh_at) = life(expires_in.unwrap_or(untold), jitter, now);
        let received_at = now;
        Self { access_token, received_at, ends_at, refresh_at, refresh_token, id_token }
    }

    fn are_fresh(&self, now: UnixTime) -> bool {
        self.received_at <= now.plus(SKEW) && now < self.refresh_at
    }
}

/// When a token ends that came just now and lives for so many `seconds`, and when to renew it.
fn life(seconds: u64, jitter: u8, now: UnixTime) -> (UnixTime, UnixTime) {
    let life = seconds.max(1);
    let leeway = LONGEST_LEEWAY.min(life / 10);
    let later = leeway * u64::from(jitter) / (4 * 256);
    // Never in the second in which it was received: one refresh a second at most (GR-13).
    (now.plus(life), now.plus((life - leeway + later).max(1)))
}

impl Rest {
    /// So many seconds more, at least 1; none when it is over.
    fn left(self, now: UnixTime) -> Option<u64> {
        let is_on = self.from <= now.plus(SKEW) && now < self.until;
        is_on.then(|| self.until.since(now).max(1))
    }

    /// After one failure more: a longer pause, and not shorter than was `asked` for.
    fn again(self, asked: Option<u64>, now: UnixTime) -> Self {
        let failures = self.failures.saturating_add(1);
        let pause = 1_u64 << failures.min(6);
        let pause = asked.unwrap_or_default().max(pause.min(LONGEST_REST));
        Self { from: now, until: now.plus(pause), failures }
    }
}

impl Live {
    /// A new session.
    #[must_use]
    pub fn open(
        secret: Digest,
        person: Person,
        tokens: Tokens,
        limits: Limits,
        now: UnixTime,
    ) -> Self {
        Self {
            secret,
            person,
            tokens,
            generation: 0,
            limits,
            opened_at: now,
            seen_at: now,
            refreshing: None,
            rest: Rest::default(),
            further: Further::default(),
        }
    }

    /// When it ends whatever happens. Nothing moves it.
    #[must_use]
    pub fn ends_at(&self) -> UnixTime {
        self.opened_at.plus(self.limits.absolute)
    }

    fn idle_ends_at(&self) -> UnixTime {
        self.seen_at.plus(self.limits.idle)
    }

    fn is_over(&self, now: UnixTime) -> bool {
        self.ends_at() <= now || self.idle_ends_at() <= now
    }

    /// The same session without what it can do without; none when there is nothing of the kind.
    /// Tokens that can be asked for again go first.
    #[must_use]
    pub fn lighter(mut self) -> Option<Self> {
        if self.further.drop_one() {
            return Some(self);
        }
        let optional = !self.person.claims.is_empty() || self.tokens.id_token.is_some();
        if self.person.claims.is_empty() {
            self.tokens.id_token = None;
        }
        self.person.claims.clear();
        optional.then_some(self)
    }

    /// Who it is about.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// What the gateway may know.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            // Only refreshes look at the nonce, and a cookie has to carry this.
            person: Person { nonce: None, ..self.person.clone() },
            access_token: self.tokens.access_token.clone(),
            access_ends_at: self.tokens.ends_at,
            refresh_at: self.tokens.refresh_at,
            idle_ends_at: self.idle_ends_at(),
            ends_at: self.ends_at(),
        }
    }

    fn alive(&self, now: UnixTime) -> Option<Box<Snapshot>> {
        (now < self.tokens.ends_at).then(|| Box::new(self.snapshot()))
    }

    /// What its own token comes to.
    fn own(mut self: Box<Self>, now: UnixTime) -> (Session, Visit) {
        if self.tokens.are_fresh(now) {
            let served = Visit::Serve(Box::new(self.snapshot()));
            return (Session::Live(self), served);
        }
        let alive = self.alive(now);
        let Some(token) = self.tokens.refresh_token.clone() else {
            return match alive {
                Some(snapshot) => (Session::Live(self), Visit::Serve(snapshot)),
                None => (self.ended(), Visit::Gone),
            };
        };
        if let Some(lease) = self.refreshing.filter(|lease| now < lease.until) {
            return (Session::Live(self), Visit::Wait(lease.until, alive));
        }
        if let Some(retry_after) = self.rest.left(now) {
            let resting = alive.map_or(Visit::Unavailable { retry_after }, Visit::Serve);
            return (Session::Live(self), resting);
        }
        let (lease, way) = self.lease_own(token, now);
        (Session::Live(self), Visit::Refresh(lease, way))
    }

    /// The right to make the one token call, for this purpose.
    fn lease(&mut self, purpose: Option<Key>, now: UnixTime) -> Lease {
        let (generation, until) = (self.generation, now.plus(LEASE_SECONDS));
        let lease = Lease { generation, until, purpose };
        self.refreshing = Some(lease);
        lease
    }

    fn ended(&self) -> Session {
        Session::Ended { until: self.ends_at() }
    }

    fn farewell(&self) -> Farewell {
        let Tokens { refresh_token, id_token, .. } = self.tokens.clone();
        Farewell { refresh_token, id_token, person: self.person.clone() }
    }
}

impl Session {
    /// A request of the session's browser.
    #[must_use]
    pub fn visit(self, secret: Digest, now: UnixTime) -> (Self, Visit) {
        match self.enter(secret, now) {
            Ok(live) => live.own(now),
            Err(other) => (other, Visit::Gone),
        }
    }

    /// The session of whoever has its secret, who was seen here.
    ///
    /// # Errors
    /// What there is instead: it is over, or somebody guesses.
    fn enter(self, secret: Digest, now: UnixTime) -> Result<Box<Live>, Self> {
        let mut live = match self {
            Self::Live(live) if live.secret == secret => live,
            other => return Err(other),
        };
        if live.is_over(now) {
            return Err(live.ended());
        }
        if now.since(live.seen_at) >= COARSEST_TOUCH.min(live.limits.idle / 10) {
            live.seen_at = now.max(live.seen_at);
        }
        Ok(live)
    }

    /// Whether it goes on at `now`, for the browser that has its secret. Asking is no use of it.
    #[must_use]
    pub fn goes_on(&self, secret: Digest, now: UnixTime) -> bool {
        matches!(self, Self::Live(live) if live.secret == secret && !live.is_over(now))
    }

    /// Whoever held the lease is gone: an object has one instance at a time, and this one makes no
    /// call. The token may have been spent, and there is no better way to find out than to use it.
    #[must_use]
    pub fn abandoned(self) -> Self {
        match self {
            Self::Live(live) => Self::Live(Box::new(Live { refreshing: None, ..*live })),
            ended @ Self::Ended { .. } => ended,
        }
    }

    /// The token call that `lease` allowed gave tokens.
    #[must_use]
    pub fn renew(self, lease: Lease, renewal: Renewal, now: UnixTime) -> (Self, Renewed) {
        let mut live = match self.still(lease, renewal.refresh_token.as_ref(), now) {
            Ok(live) => live,
            Err(over) => return over,
        };
        if let Some(key) = lease.purpose {
            live.grant(lease, key, renewal, now);
            return (Self::Live(live), Renewed::Committed);
        }
        let Tokens { refresh_token, id_token, .. } = live.tokens.clone();
        let renewal = Renewal {
            refresh_token: renewal.refresh_token.or(refresh_token),
            id_token: renewal.id_token.or(id_token),
            ..renewal
        };
        if let Some(scope) = &renewal.scope {
            live.person.scope = scope.clone();
        }
        live.person.weighed.extend(renewal.weighed.clone());
        live.person.told.extend(renewal.told.clone());
        live.tokens = Tokens::received(renewal, live.limits.absolute, now);
        live.generation = live.generation.saturating_add(1);
        live.refreshing = None;
        live.rest = Rest::default();
        live.further.settle();
        (Self::Live(live), Renewed::Committed)
    }

    /// The session that an answer is still for, which brought this refresh token.
    ///
    /// # Errors
    /// What became of it instead.
    fn still(
        self,
        lease: Lease,
        brought: Option<&RefreshToken>,
        now: UnixTime,
    ) -> Result<Box<Live>, (Self, Renewed)> {
        match self {
            Self::Live(live) if live.is_over(now) => {
                Err((live.ended(), Renewed::Orphaned(brought.cloned())))
            }
            Self::Live(live) if live.generation != lease.generation => {
                Err((Self::Live(live), Renewed::Late))
            }
            Self::Live(live) => Ok(live),
            ended @ Self::Ended { .. } => Err((ended, Renewed::Orphaned(brought.cloned()))),
        }
    }

    /// The token call that `lease` allowed failed.
    #[must_use]
    pub fn fail(self, lease: Lease, failure: Failure, now: UnixTime) -> Self {
        let mut live = match self {
            // A call that outlived its lease has a successor, and that one's answer counts.
            Self::Live(live) if live.refreshing == Some(lease) => live,
            other => return other,
        };
        let retry_after = match failure {
            Failure::Definitive => return live.ended(),
            Failure::Refused => None,
            Failure::Transient { retry_after } => retry_after,
        };
        let refused = failure == Failure::Refused;
        if refused {
            live.further.settle_for(lease.purpose);
        }
        match lease.purpose {
            None => live.rest = live.rest.again(retry_after, now),
            Some(key) => live.further.fail(key, refused, retry_after, now),
        }
        live.refreshing = None;
        Self::Live(live)
    }

    /// The browser signs out.
    #[must_use]
    pub fn close(self, secret: Digest) -> (Self, Option<Farewell>) {
        match self {
            Self::Live(live) if live.secret == secret => Self::Live(live).end(),
            other => (other, None),
        }
    }

    /// When even the memory of it may go.
    #[must_use]
    pub fn until(&self) -> UnixTime {
        match self {
            Self::Live(live) => live.ends_at(),
            Self::Ended { until } => *until,
        }
    }

    /// It is over by the word of somebody who has not its secret: the provider, or its person from
    /// another browser.
    #[must_use]
    pub fn end(self) -> (Self, Option<Farewell>) {
        match self {
            Self::Live(live) => (live.ended(), Some(live.farewell())),
            ended @ Self::Ended { .. } => (ended, None),
        }
    }

    /// When it was used last, as coarsely as that is noted; none when it is over.
    #[must_use]
    pub fn seen_at(&self, now: UnixTime) -> Option<UnixTime> {
        match self {
            Self::Live(live) if !live.is_over(now) => Some(live.seen_at),
            Self::Live(_) | Self::Ended { .. } => None,
        }
    }
}
