//! What a session object does: one token call at a time, everybody else waits for its result.
//!
//! Load, step and save happen without an await in between. The token call is a task of its own, so
//! that a browser which goes away does not take it along (GR-17).

use super::parties::Parties;
use super::state::further::{Aim, Lack, Supplied};
use super::state::{Farewell, Live, Session, Snapshot};
use super::turn::{Call, Next, Outcome, Turn, first, settle};
use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

/// How many seconds a request waits for somebody else's token call.
pub const PATIENCE_SECONDS: u32 = 10;

/// The place of one session. Synchronous, so that a step is atomic.
pub trait Store {
    /// What is there; none when nothing ever was. Creates nothing.
    ///
    /// # Errors
    /// [`Broken`].
    fn load(&self) -> Result<Option<Session>, Broken>;

    /// Replaces what is there.
    ///
    /// # Errors
    /// [`Broken`].
    fn save(&self, session: &Session) -> Result<(), Broken>;
}

/// The store failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Broken;

/// Runs a task to its end although nobody waits for it.
pub trait Spawn {
    /// Starts `task`.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}

/// What a visit comes to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Visited {
    /// Somebody is signed in. And what came of the token call that this visit caused or waited for.
    Present(Box<Snapshot>, Option<Refreshed>),
    /// Somebody is, but there is no usable access token for now.
    Unavailable {
        /// Seconds.
        retry_after: u64,
    },
    /// Nobody is any more: the token call that this visit waited for ended the session, or it was ended
    /// meanwhile.
    Refused,
    /// Nobody is.
    Gone,
}

/// What came of a token call, for whoever caused it or waited for it. The operator reads it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refreshed {
    /// It was begun, and is not waited for.
    Begun,
    /// It brought what this request goes on with.
    Renewed,
    /// Somebody else's did.
    Waited,
    /// It ended the session.
    Refused,
    /// It brought nothing, now or a moment ago; or not in time.
    Unavailable,
}

impl Outcome for Visited {
    const GONE: Self = Self::Gone;

    fn unavailable(retry_after: u64) -> Self {
        Self::Unavailable { retry_after }
    }

    fn after(self, own: bool, before: &Self) -> Self {
        match self {
            Self::Present(now, None) => {
                let is_new = match before {
                    Self::Present(then, _) => then.access_token != now.access_token,
                    _ => true,
                };
                let brought = if own { Refreshed::Renewed } else { Refreshed::Waited };
                Self::Present(now, Some(if is_new { brought } else { Refreshed::Unavailable }))
            }
            Self::Gone => Self::Refused,
            other => other,
        }
    }
}

/// What a visit on behalf of an origin that has tokens of its own comes to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Provided {
    /// Somebody is signed in, and this is for the origin.
    Present(Box<Supplied>),
    /// Somebody is, but there is no token for this origin for now.
    Lacking(Lack),
    /// Somebody may be, but the session cannot be had.
    Unavailable {
        /// Seconds.
        retry_after: u64,
    },
    /// Nobody is.
    Gone,
}

impl Outcome for Provided {
    const GONE: Self = Self::Gone;

    fn unavailable(retry_after: u64) -> Self {
        Self::Unavailable { retry_after }
    }

    /// Which of several calls brought what is not told.
    fn after(self, _: bool, _: &Self) -> Self {
        self
    }
}

/// One session's object.
#[derive(Debug)]
pub struct Driver<S, P, F, V> {
    store: S,
    spawn: P,
    parties: Rc<Parties<F, V>>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// Whether this very instance is making a token call.
    calling: Cell<bool>,
    /// The latest time that a visit came with.
    latest: Cell<UnixTime>,
}

/// What the synchronous part of a visit decided.
enum Step<A> {
    Done(A),
    /// It waits for a token call, perhaps its own, and has something if it loses patience.
    Wait(oneshot::Receiver<()>, bool, A),
}

impl<S, P, F, V> Driver<S, P, F, V>
where
    S: Store + 'static,
    P: Spawn + 'static,
    F: Fetch + 'static,
    V: Signer + 'static,
{
    /// The object over `store`.
    #[must_use]
    pub fn new(store: S, spawn: P, parties: Rc<Parties<F, V>>) -> Rc<Self> {
        let (waiting, calling, latest) = (RefCell::default(), Cell::default(), Cell::default());
        Rc::new(Self { store, spawn, parties, waiting, calling, latest })
    }

    /// Opens the session; false when there is, or was, one already.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn open(&self, live: Live) -> Result<bool, Broken> {
        if self.store.load()?.is_some() {
            return Ok(false);
        }
        self.store.save(&Session::Live(Box::new(live))).map(|()| true)
    }

    /// Whether there is a session with this secret that goes on; somebody wants to know when it ends.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn goes_on(&self, secret: Digest, now: UnixTime) -> Result<bool, Broken> {
        Ok(self.store.load()?.is_some_and(|session| session.goes_on(secret, now)))
    }

    /// A request of the browser. `patience` is over after [`PATIENCE_SECONDS`].
    pub async fn visit(
        self: &Rc<Self>,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
        patience: impl Future<Output = ()>,
    ) -> Visited {
        self.serve(|session, now| Turn::own(session, secret, now), jitter, now, patience).await
    }

    /// The same on behalf of the origin of one route.
    pub async fn visit_for(
        self: &Rc<Self>,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
        patience: impl Future<Output = ()>,
    ) -> Provided {
        let turn = |session, now| Turn::of_origin(session, secret, aim, now);
        self.serve(turn, jitter, now, patience).await
    }

    /// One turn, or as many as there are calls to wait for: whoever waits for one may have to wait for
    /// another's first.
    async fn serve<A: Outcome>(
        self: &Rc<Self>,
        turn: impl Fn(Session, UnixTime) -> (Session, Turn<A>),
        jitter: u8,
        came: UnixTime,
        patience: impl Future<Output = ()>,
    ) -> A {
        let (mut patience, mut now) = (pin!(patience), came);
        // Whether it waited for a call, perhaps its own, and what there was until then.
        let mut before: Option<(bool, A)> = None;
        let mut whole = true;
        loop {
            let (receiver, meanwhile) = match (self.step(&turn, jitter, now), before) {
                (Step::Done(outcome), None) => return outcome,
                (Step::Done(outcome), Some((own, then))) => return outcome.after(own, &then),
                // What went to pieces once is not waited for again.
                (Step::Wait(_, _, meanwhile), _) if !whole => return meanwhile,
                (Step::Wait(receiver, own, meanwhile), then) => {
                    let own = own || then.is_some_and(|(own, _)| own);
                    before = Some((own, meanwhile.clone()));
                    (receiver, meanwhile)
                }
            };
            let over = async { whole = receiver.await.is_ok() };
            if first(over, patience.as_mut()).await.is_none() {
                return meanwhile;
            }
            // The result is written. Time stands still for this request, so that what was just
            // received is not found stale again; but for what those brought who came later.
            let last = came.plus(PATIENCE_SECONDS.into());
            now = now.max(self.latest.get().min(last));
        }
    }

    fn step<A: Outcome>(
        self: &Rc<Self>,
        turn: &impl Fn(Session, UnixTime) -> (Session, Turn<A>),
        jitter: u8,
        now: UnixTime,
    ) -> Step<A> {
        self.latest.set(self.latest.get().max(now));
        let broken = || Step::Done(A::unavailable(1));
        let Ok(before) = self.store.load() else { return broken() };
        let Some(before) = before else { return Step::Done(A::GONE) };
        let held = if self.calling.get() { before.clone() } else { before.clone().abandoned() };
        let (after, Turn { call, next }) = turn(held, now);
        // The lease is written before the call is made. That somebody was here, or that it is over,
        // is found out again by the next visit.
        if after != before && self.store.save(&after).is_err() && call.is_some() {
            return broken();
        }
        let step = match next {
            Next::Done(outcome) => Step::Done(outcome),
            Next::Wait(meanwhile) => {
                let (sender, receiver) = oneshot::channel();
                self.waiting.borrow_mut().push(sender);
                Step::Wait(receiver, call.is_some(), meanwhile)
            }
        };
        if let Some(call) = call {
            self.calling.set(true);
            self.spawn.spawn(Rc::clone(self).refresh(call, jitter, now));
        }
        step
    }

    /// The token call and what follows from it.
    async fn refresh(self: Rc<Self>, call: Call, jitter: u8, now: UnixTime) {
        // Released however this ends, or the session would wait for nobody.
        let mut calling = Calling(&self, false);
        let Call { lease, way, live } = call;
        let brought = self.parties.call(&way, live.person(), jitter, now).await;
        let Ok(Some(session)) = self.store.load() else { return };
        let (session, orphan) = settle(session, lease, brought, now);
        // A write that fails is tried once more; after that the lease runs out, and the provider
        // is asked again with the token that is still there (GR-08).
        let _ = self.store.save(&session).or_else(|Broken| self.store.save(&session));
        calling.1 = true;
        drop(calling);
        if let Some(orphan) = orphan {
            self.parties.revoke(&orphan, live.person(), now).await;
        }
    }

    /// The call is over; `whole` says whether what came of it was written.
    fn wake(&self, whole: bool) {
        self.calling.set(false);
        for sender in self.waiting.take().into_iter().filter(|_| whole) {
            // Whoever no longer listens has gone away.
            let _ = sender.send(());
        }
    }

    /// The browser signs out: the end is written at once, and revocation follows.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn close(
        self: &Rc<Self>,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Broken> {
        let Some(session) = self.store.load()? else { return Ok(None) };
        let (session, farewell) = session.close(secret);
        self.over(&session, farewell, now)
    }

    /// Somebody who has not its secret ends the session; see [`Session::end`]. One that is only about
    /// to be opened is not opened any more: `until` is when that may be forgotten.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn end(
        self: &Rc<Self>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Broken> {
        let Some(session) = self.store.load()? else {
            return self.store.save(&Session::Ended { until }).map(|()| None);
        };
        let (session, farewell) = session.end();
        self.over(&session, farewell, now)
    }

    /// Writes an end, if there was one. The refresh token is revoked also where the provider itself
    /// has ended the session: with `offline_access` it lives on there, and nobody has it any more.
    fn over(
        self: &Rc<Self>,
        session: &Session,
        farewell: Option<Farewell>,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Broken> {
        let Some(farewell) = farewell else { return Ok(None) };
        self.store.save(session)?;
        if let Some(token) = farewell.refresh_token.clone() {
            let (driver, person) = (Rc::clone(self), farewell.person.clone());
            self.spawn.spawn(async move { driver.parties.revoke(&token, &person, now).await });
        }
        Ok(Some(farewell))
    }

    /// When the session was used last; none when there is none.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn seen(&self, now: UnixTime) -> Result<Option<UnixTime>, Broken> {
        Ok(self.store.load()?.and_then(|session| session.seen_at(now)))
    }
}

/// Ends the call that it stands for, also when the task is dropped.
struct Calling<'d, S: Store + 'static, P: Spawn + 'static, F: Fetch + 'static, V: Signer + 'static>(
    &'d Rc<Driver<S, P, F, V>>,
    bool,
);

impl<S: Store, P: Spawn, F: Fetch, V: Signer> Drop for Calling<'_, S, P, F, V> {
    fn drop(&mut self) {
        self.0.wake(self.1);
    }
}
