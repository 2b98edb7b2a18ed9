//! What a step of a session asks of whoever drives it, wherever the session is kept.

use super::driver::{Refreshed, Visited};
use super::state::{Failure, Lease, Live, Renewal, Renewed, Session, Snapshot, Visit};
use shared::secret::RefreshToken;
use shared::time::UnixTime;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// An access token that lives so many seconds more serves a request while its successor is fetched;
/// below that the request waits, lest the token die on the way to the origin (GP-25).
const AMPLE_SECONDS: u64 = 10;

fn has_ample(snapshot: &Snapshot, now: UnixTime) -> bool {
    snapshot.access_ends_at.since(now) >= AMPLE_SECONDS
}

/// What is to be done after a visit whose session is written.
#[derive(Debug)]
pub(super) struct Turn {
    /// The token call, when it is this visit's to make.
    pub(super) call: Option<Call>,
    /// What comes of the visit itself.
    pub(super) next: Next,
}

/// The one token call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) lease: Lease,
    pub(super) token: RefreshToken,
    pub(super) live: Box<Live>,
}

/// What comes of a visit.
#[derive(Debug)]
pub(super) enum Next {
    /// This.
    Done(Visited),
    /// It waits for the token call, and has this if it loses patience.
    Wait(Option<Box<Snapshot>>),
}

impl Turn {
    /// What `visit` asks for, after which the session is `after`.
    pub(super) fn of(visit: Visit, after: &Session, now: UnixTime) -> Self {
        let next = |next| Self { call: None, next };
        match (visit, after) {
            (Visit::Serve(snapshot), _) => next(Next::Done(Visited::Present(snapshot, None))),
            (Visit::Unavailable { retry_after }, _) => {
                next(Next::Done(Visited::Unavailable { retry_after }))
            }
            (Visit::Wait(_, meanwhile), _) => next(Next::meanwhile(meanwhile, None, now)),
            (Visit::Refresh(lease, token), Session::Live(live)) => {
                let alive = Some(Box::new(live.snapshot()));
                let alive = alive.filter(|snapshot| now < snapshot.access_ends_at);
                let call = Some(Call { lease, token, live: live.clone() });
                Self { call, next: Next::meanwhile(alive, Some(Refreshed::Begun), now) }
            }
            (Visit::Refresh(..), Session::Ended { .. }) | (Visit::Gone, _) => {
                next(Next::Done(Visited::Gone))
            }
        }
    }
}

impl Next {
    fn meanwhile(
        snapshot: Option<Box<Snapshot>>,
        refreshed: Option<Refreshed>,
        now: UnixTime,
    ) -> Self {
        match snapshot {
            Some(snapshot) if has_ample(&snapshot, now) => {
                Self::Done(Visited::Present(snapshot, refreshed))
            }
            snapshot => Self::Wait(snapshot),
        }
    }
}

/// What whoever waited too long gets.
pub(super) fn impatient(meanwhile: Option<Box<Snapshot>>) -> Visited {
    let late = |snapshot| Visited::Present(snapshot, Some(Refreshed::Unavailable));
    meanwhile.map_or(Visited::Unavailable { retry_after: 1 }, late)
}

/// What the answer to a token call makes of the session, and the token that must not live on.
pub(super) fn settle(
    session: Session,
    lease: Lease,
    answer: Result<Renewal, Failure>,
    now: UnixTime,
) -> (Session, Option<RefreshToken>) {
    match answer {
        Ok(renewal) => match session.renew(lease, renewal, now) {
            (session, Renewed::Orphaned(orphan)) => (session, orphan),
            (session, Renewed::Committed | Renewed::Late) => (session, None),
        },
        Err(failure) => (session.fail(lease, failure, now), None),
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
