//! What a step of a session asks of whoever drives it, wherever the session is kept.

use super::driver::{Provided, Refreshed, Visited};
use super::exchange::Brought;
use super::state::further::{Aim, Supplied, Supply, Way};
use super::state::{Lease, Live, Renewed, Session, Snapshot, Visit};
use shared::secret::{Digest, RefreshToken};
use shared::time::UnixTime;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// An access token that lives so many seconds more serves a request while its successor is fetched;
/// below that the request waits, lest the token die on the way to the origin (GP-25).
const AMPLE_SECONDS: u64 = 10;

/// What is to be done after a visit whose session is written.
#[derive(Debug)]
pub(super) struct Turn<A> {
    /// The token call, when it is this visit's to make.
    pub(super) call: Option<Call>,
    /// What comes of the visit itself.
    pub(super) next: Next<A>,
}

/// The one token call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) lease: Lease,
    pub(super) way: Way,
    pub(super) live: Box<Live>,
}

/// What comes of a visit.
#[derive(Debug)]
pub(super) enum Next<A> {
    /// This.
    Done(A),
    /// It waits for the token call, and has this if it loses patience.
    Wait(A),
}

/// What any visit may come to.
pub(super) trait Outcome: Clone {
    /// There is no such session.
    const GONE: Self;

    /// Nothing for now; in so many seconds perhaps.
    fn unavailable(retry_after: u64) -> Self;

    /// The same found out after a token call, which was this visit's own or somebody else's. Until then
    /// there was `before`.
    #[must_use]
    fn after(self, own: bool, before: &Self) -> Self;
}

/// The call of a visit, after which the session is `after`.
fn call(lease: Lease, way: Way, after: &Session) -> Option<Call> {
    match after {
        Session::Live(live) => Some(Call { lease, way, live: live.clone() }),
        Session::Ended { .. } => None,
    }
}

impl Turn<Visited> {
    /// What a visit for the session's own token asks for.
    pub(super) fn own(session: Session, secret: Digest, now: UnixTime) -> (Session, Self) {
        let (after, visit) = session.visit(secret, now);
        let next = match visit {
            Visit::Serve(snapshot) => Next::Done(Visited::Present(snapshot, None)),
            Visit::Unavailable { retry_after } => Next::Done(Visited::Unavailable { retry_after }),
            Visit::Wait(_, meanwhile) => Next::own(meanwhile, None, now),
            Visit::Refresh(lease, way) => {
                let alive = match &after {
                    Session::Live(live) => Some(Box::new(live.snapshot())),
                    Session::Ended { .. } => None,
                };
                let alive = alive.filter(|snapshot| now < snapshot.access_ends_at);
                let call = call(lease, way, &after);
                return (after, Self { call, next: Next::own(alive, Some(Refreshed::Begun), now) });
            }
            Visit::Gone => Next::Done(Visited::Gone),
        };
        (after, Self { call: None, next })
    }
}

impl Turn<Provided> {
    /// What a visit for an origin's token asks for.
    pub(super) fn of_origin(
        session: Session,
        secret: Digest,
        aim: &Aim,
        now: UnixTime,
    ) -> (Session, Self) {
        let (after, supply) = session.visit_for(secret, aim, now);
        let (next, call) = match supply {
            Supply::Serve(supplied) => (Next::Done(Provided::Present(supplied)), None),
            Supply::Lacking(lack) => (Next::Done(Provided::Lacking(lack)), None),
            Supply::Wait(_, meanwhile) => (Next::of_origin(meanwhile, now), None),
            Supply::Call(lease, way, meanwhile) => {
                (Next::of_origin(meanwhile, now), call(lease, way, &after))
            }
            Supply::Gone => (Next::Done(Provided::Gone), None),
        };
        (after, Self { call, next })
    }
}

impl<A: Outcome> Next<A> {
    /// `there` is when what there is ends, and that.
    fn meanwhile<M>(there: Option<(UnixTime, M)>, outcome: impl Fn(M) -> A, now: UnixTime) -> Self {
        match there {
            Some((ends_at, some)) if ends_at.since(now) >= AMPLE_SECONDS => {
                Self::Done(outcome(some))
            }
            Some((_, some)) => Self::Wait(outcome(some)),
            None => Self::Wait(A::unavailable(1)),
        }
    }
}

impl Next<Visited> {
    /// What has not ample time is waited with, and given only if that lasts too long.
    fn own(snapshot: Option<Box<Snapshot>>, refreshed: Option<Refreshed>, now: UnixTime) -> Self {
        let there = snapshot.map(|snapshot| (snapshot.access_ends_at, snapshot));
        match Self::meanwhile(there, |snapshot| Visited::Present(snapshot, refreshed), now) {
            Self::Wait(Visited::Present(snapshot, _)) => {
                Self::Wait(Visited::Present(snapshot, Some(Refreshed::Unavailable)))
            }
            next => next,
        }
    }
}

impl Next<Provided> {
    fn of_origin(supplied: Option<Box<Supplied>>, now: UnixTime) -> Self {
        let there = supplied.map(|supplied| (supplied.granted.ends_at(), supplied));
        Self::meanwhile(there, Provided::Present, now)
    }
}

/// What the answer to a token call makes of the session, and the token that must not live on.
pub(super) fn settle(
    session: Session,
    lease: Lease,
    brought: Brought,
    now: UnixTime,
) -> (Session, Option<RefreshToken>) {
    let (session, renewed) = match brought {
        Brought::Tokens(renewal) => session.renew(lease, renewal, now),
        Brought::Elsewhere(next) => session.misfit(lease, next, now),
        Brought::Nothing(failure) => return (session.fail(lease, failure, now), None),
    };
    match renewed {
        Renewed::Orphaned(orphan) => (session, orphan),
        Renewed::Committed | Renewed::Late => (session, None),
    }
}

/// What `event` came to, unless `patience` was over before.
pub(super) async fn first<E: Future>(
    event: E,
    patience: impl Future<Output = ()>,
) -> Option<E::Output> {
    let (mut event, mut patience) = (pin!(event), pin!(patience));
    poll_fn(|context| {
        if let Poll::Ready(output) = event.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        patience.as_mut().poll(context).map(|()| None)
    })
    .await
}
