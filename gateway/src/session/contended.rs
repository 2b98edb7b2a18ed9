//! Sessions in a store that others write too: other isolates, at the same time.
//!
//! A step is load, step, compare and replace; whoever was overtaken loads again. The lease is in the
//! store before the token call is made, so there is one call, however many isolates ask; the others
//! ask the store again after pauses. That an isolate which held a lease is gone nobody can know: its
//! lease runs out by its time.

use super::driver::{PATIENCE_SECONDS, Provided, Spawn, Visited};
use super::exchange::Brought;
use super::parties::Parties;
use super::state::further::Aim;
use super::state::{Farewell, Lease, Live, Person, Session};
use super::turn::{Call, Next, Outcome, Turn, first, settle};
use super::{Lost, Sessions};
use crate::person::{Answer, Command, Name, People};
use futures_channel::oneshot;
use rand_core::CryptoRng;
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::secret::{Digest, RefreshToken, random};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use uuid::Uuid;

/// The pauses after which a store is asked again, in milliseconds: the first, and the longest.
const PAUSES: (u32, u32) = (50, 500);
/// How long it may take to write a lease, in milliseconds: it runs from before, and has to outlast the
/// call.
const LEASING: u32 = 3_000;
/// For how long what a call brought is tried to be written where the store is away, in milliseconds: as
/// long as a database needs to come back, and less than the lease has left.
const PERSISTENCE: u32 = 15_000;
/// How often a step may be overtaken. Each time somebody else got on, and all of them want the same.
const MOST_TRIES: u32 = 8;
/// One sign-in in so many clears away what is long over.
const SWEEP_EVERY: u64 = 16;

/// Which writing of a session it is: drawn at random by who writes, so that who got no answer can
/// tell by what is there whether it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version(pub i64);

/// The place of all sessions. Each call is one statement to the store.
pub trait Shelf {
    /// What is there.
    ///
    /// # Errors
    /// [`Lost`].
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost>;

    /// Puts a new session there; false when there is one of that name.
    ///
    /// # Errors
    /// [`Lost`]: whether it was done is not known.
    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost>;

    /// Replaces `seen` by `next`, in one step; false when it is not what is there.
    ///
    /// # Errors
    /// [`Lost`]: whether it was done is not known.
    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost>;

    /// Forgets some of the sessions whose end has passed.
    ///
    /// # Errors
    /// [`Lost`].
    async fn sweep(&self) -> Result<(), Lost>;
}

/// A shelf that tells about several sessions in one statement.
pub trait Shelves: Shelf {
    /// Those of `ids` that are there.
    ///
    /// # Errors
    /// [`Lost`].
    async fn load_all(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, Session, Version)>, Lost>;
}

/// Waits.
pub trait Pause {
    /// Is over after so many milliseconds, counted from when somebody begins to wait.
    async fn pause(&self, milliseconds: u32);
}

/// Sessions on a shelf, as one request of one isolate sees them.
pub struct Contended<K, P, R, F, V, O>(Rc<Parts<K, P, R, F, V>>, O);

struct Parts<K, P, R, F, V> {
    shelf: K,
    /// Runs tasks, and waits.
    around: P,
    rng: RefCell<R>,
    parties: Rc<Parties<F, V>>,
}

impl<K, P, R, F, V, O> fmt::Debug for Contended<K, P, R, F, V, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contended(..)")
    }
}

/// A visit's own token call, as far as the visit can watch it.
struct Watched {
    /// Whether the lease was written.
    leased: oneshot::Receiver<Result<bool, Lost>>,
    /// It is over.
    settled: oneshot::Receiver<()>,
}

impl<K, P, R, F, V, O> Contended<K, P, R, F, V, O>
where
    K: Shelf + 'static,
    P: Spawn + Pause + 'static,
    R: CryptoRng + 'static,
    F: Fetch + 'static,
    V: Signer + 'static,
{
    /// The sessions on `shelf`. Whose they are, `people` know.
    #[must_use]
    pub fn new(shelf: K, around: P, rng: R, parties: Rc<Parties<F, V>>, people: O) -> Self {
        Self(Rc::new(Parts { shelf, around, rng: RefCell::new(rng), parties }), people)
    }

    /// Ends a session by a step that says what it leaves, or writes down that there is none, until
    /// then. The end that was written wins over a refresh under way.
    async fn over(
        &self,
        id: Uuid,
        step: impl Fn(Session) -> (Session, Option<Farewell>),
        never: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        for _ in 0..MOST_TRIES {
            let Some((session, seen)) = self.0.shelf.load(id).await? else {
                let Some(until) = never else { return Ok(None) };
                let ended = Session::Ended { until };
                if self.0.shelf.insert(id, self.0.draw(), &ended).await? {
                    return Ok(None);
                }
                continue;
            };
            let (session, farewell) = step(session);
            let Some(farewell) = farewell else { return Ok(None) };
            let written = self.0.replace(id, seen, &session).await;
            if written == Ok(None) {
                continue;
            }
            // Also when it is not known whether the end was written: they want to be gone.
            let (parts, left) = (Rc::clone(&self.0), farewell.clone());
            self.0.around.spawn(async move {
                parts.revoke(left.refresh_token, &left.person, now).await;
            });
            return written.map(|_| Some(farewell));
        }
        Err(Lost)
    }

    /// One step of a visit, and its own token call when it makes it.
    async fn step<A: Outcome>(
        &self,
        id: Uuid,
        turn: &impl Fn(Session, UnixTime) -> (Session, Turn<A>),
        jitter: u8,
        now: UnixTime,
    ) -> Result<(Next<A>, Option<oneshot::Receiver<()>>), Lost> {
        for _ in 0..MOST_TRIES {
            let loaded = self.0.shelf.load(id).await?;
            let Some((before, seen)) = loaded else { return Ok((Next::Done(A::GONE), None)) };
            let (after, Turn { call, next }) = turn(before.clone(), now);
            if let Some(call) = call {
                let Watched { leased, settled } = self.lease(id, seen, after, call, jitter, now);
                if leased.await.unwrap_or(Err(Lost))? {
                    return Ok((next, Some(settled)));
                }
                continue;
            }
            // That somebody was here, or that it is over, is found out again by the next visit. But
            // whoever was overtaken looks again: it may have ended.
            let written = after == before || {
                let version = self.0.draw();
                self.0.shelf.replace(id, seen, version, &after).await != Ok(false)
            };
            if written {
                return Ok((next, None));
            }
        }
        Ok((Next::Done(A::unavailable(1)), None))
    }

    /// Steps until there is something, or for as long as anybody has patience.
    async fn serve<A: Outcome>(
        &self,
        id: Uuid,
        turn: impl Fn(Session, UnixTime) -> (Session, Turn<A>),
        jitter: u8,
        now: UnixTime,
    ) -> Result<A, Lost> {
        let mut patience = pin!(self.0.around.pause(PATIENCE_SECONDS * 1000));
        let (mut pause, mut waited) = (PAUSES.0, 0);
        // Whether it waited for a token call, perhaps its own, and what there was until then.
        let mut before: Option<(bool, A)> = None;
        loop {
            // Time goes on by the pauses at least: what others receive meanwhile is not from a
            // future that never came.
            let now = now.plus(u64::from(waited / 1000));
            // A store that takes its time is waited for no longer than a token call: nor would `now`
            // be the time any more.
            let step = self.step(id, &turn, jitter, now);
            let Some(step) = first(step, patience.as_mut()).await else {
                return Ok(before.map_or_else(|| A::unavailable(1), |(_, meanwhile)| meanwhile));
            };
            let (next, ours) = step?;
            let meanwhile = match (next, before) {
                (Next::Done(outcome), None) => return Ok(outcome),
                (Next::Done(outcome), Some((own, then))) => return Ok(outcome.after(own, &then)),
                (Next::Wait(meanwhile), then) => {
                    let own = ours.is_some() || then.is_some_and(|(own, _)| own);
                    before = Some((own, meanwhile.clone()));
                    meanwhile
                }
            };
            let again = async {
                match ours {
                    Some(settled) => drop(settled.await),
                    None => self.0.around.pause(pause).await,
                }
            };
            if first(again, patience.as_mut()).await.is_none() {
                return Ok(meanwhile);
            }
            waited += pause;
            pause = longer(pause);
        }
    }

    /// Writes the lease and makes the call, in a task of its own: a browser that goes away between
    /// the two would leave a lease that nobody uses (GR-17).
    fn lease(
        &self,
        id: Uuid,
        seen: Version,
        leased: Session,
        call: Call,
        jitter: u8,
        now: UnixTime,
    ) -> Watched {
        let (told, written) = oneshot::channel();
        let (over, settled) = oneshot::channel();
        let parts = Rc::clone(&self.0);
        self.0.around.spawn(async move {
            let leasing = first(parts.replace(id, seen, &leased), parts.around.pause(LEASING));
            // If it is written all the same, nobody makes a call before it has run out.
            let result = leasing.await.unwrap_or(Err(Lost));
            let ours = result.ok().flatten();
            // Whoever no longer listens has gone away.
            let _ = told.send(result.map(|version| version.is_some()));
            if let Some(version) = ours {
                let person = call.live.person().clone();
                let orphan = parts.refresh(id, call, (leased, version), jitter, now).await;
                drop(over);
                parts.revoke(orphan, &person, now).await;
            }
        });
        Watched { leased: written, settled }
    }
}

impl<K: Shelf, P: Pause, R: CryptoRng, F: Fetch, V: Signer> Parts<K, P, R, F, V> {
    fn draw(&self) -> Version {
        Version(i64::from_be_bytes(random(&mut *self.rng.borrow_mut())))
    }

    /// Replaces what was seen by a new version, and finds out whether it was done when no answer came;
    /// none when it was not.
    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        session: &Session,
    ) -> Result<Option<Version>, Lost> {
        let next = self.draw();
        let done = match self.shelf.replace(id, seen, next, session).await {
            Ok(done) => done,
            Err(Lost) => self.is_there(id, next).await?,
        };
        Ok(done.then_some(next))
    }

    async fn is_there(&self, id: Uuid, version: Version) -> Result<bool, Lost> {
        let found = self.shelf.load(id).await?;
        Ok(found.is_some_and(|(_, found)| found == version))
    }

    /// The token call and what follows from it; the token that must not live on.
    async fn refresh(
        &self,
        id: Uuid,
        call: Call,
        leased: (Session, Version),
        jitter: u8,
        now: UnixTime,
    ) -> Option<RefreshToken> {
        let Call { lease, way, live } = call;
        let brought = self.parties.call(&way, live.person(), jitter, now).await;
        // Nearly always nobody has written since.
        let mut known = Some(leased);
        let (mut pause, mut waited, mut tries) = (PAUSES.0, 0, 0);
        while waited < PERSISTENCE && tries < MOST_TRIES {
            match self.settle(id, known.take(), lease, brought.clone(), now).await {
                Ok(Some(orphan)) => return orphan,
                Ok(None) => tries += 1,
                // Tokens are worth waiting for. If the store stays away the lease runs out, and the
                // provider is asked again with the token that is still there (GR-08).
                Err(Lost) => {
                    self.around.pause(pause).await;
                    waited += pause;
                    pause = longer(pause);
                }
            }
        }
        None
    }

    /// None when it was overtaken.
    async fn settle(
        &self,
        id: Uuid,
        known: Option<(Session, Version)>,
        lease: Lease,
        brought: Brought,
        now: UnixTime,
    ) -> Result<Option<Option<RefreshToken>>, Lost> {
        let there = match known {
            Some(known) => Some(known),
            None => self.shelf.load(id).await?,
        };
        let Some((before, seen)) = there else {
            // Swept away meanwhile.
            return Ok(Some(brought.into_refresh_token()));
        };
        let (after, orphan) = settle(before.clone(), lease, brought, now);
        let written = after == before || self.replace(id, seen, &after).await?.is_some();
        Ok(written.then_some(orphan))
    }

    async fn revoke(&self, token: Option<RefreshToken>, person: &Person, now: UnixTime) {
        if let Some(token) = token {
            self.parties.revoke(&token, person, now).await;
        }
    }
}

fn longer(pause: u32) -> u32 {
    (2 * pause).min(PAUSES.1)
}

impl<K, P, R, F, V, O: People> People for Contended<K, P, R, F, V, O> {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        self.1.ask(name, command, now).await
    }
}

impl<K, P, R, F, V, O> Sessions for Contended<K, P, R, F, V, O>
where
    O: People,
    K: Shelf + 'static,
    P: Spawn + Pause + 'static,
    R: CryptoRng + 'static,
    F: Fetch + 'static,
    V: Signer + 'static,
{
    async fn open(&self, id: Uuid, live: Live) -> Result<bool, Lost> {
        let (next, session) = (self.0.draw(), Session::Live(Box::new(live)));
        let opened = match self.0.shelf.insert(id, next, &session).await {
            Ok(opened) => opened,
            Err(Lost) => self.0.is_there(id, next).await?,
        };
        if next.0.unsigned_abs().is_multiple_of(SWEEP_EVERY) {
            let parts = Rc::clone(&self.0);
            self.0.around.spawn(async move {
                // What was not done now is done at another sign-in.
                let _ = parts.shelf.sweep().await;
            });
        }
        Ok(opened)
    }

    async fn visit(
        &self,
        id: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        self.serve(id, |session, now| Turn::own(session, secret, now), jitter, now).await
    }

    async fn visit_for(
        &self,
        id: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        let turn = |session, now| Turn::of_origin(session, secret, aim, now);
        self.serve(id, turn, jitter, now).await
    }

    async fn close(
        &self,
        id: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        self.over(id, |session| session.close(secret), None, now).await
    }

    async fn end(&self, id: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        self.over(id, Session::end, Some(until), now).await.map(drop)
    }

    async fn seen(&self, id: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        let loaded = self.0.shelf.load(id).await?;
        Ok(loaded.and_then(|(session, _)| session.seen_at(now)))
    }
}
