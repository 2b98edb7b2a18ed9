//! Browser sessions: what they are, where they live, and how a request comes by its own.

pub mod admission;
mod aimed;
pub mod bell;
pub mod cached;
pub mod contended;
pub mod cookie;
pub mod driver;
pub mod exchange;
pub mod neon;
pub mod opened;
pub mod parties;
pub mod place;
pub mod remembered;
pub mod roll;
pub mod row;
pub mod sql;
pub mod state;
pub mod together;
mod turn;
pub mod unwritten;

#[cfg(test)]
mod aimed_tests;
#[cfg(test)]
mod bell_tests;
#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod cached_tests;
#[cfg(test)]
mod contended_tests;
#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod refreshed_tests;
#[cfg(test)]
mod shapes_tests;
#[cfg(test)]
mod sql_tests;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod together_tests;
#[cfg(test)]
mod waited_tests;

use crate::person::People;
use driver::{Provided, Visited};
use serde::{Deserialize, Serialize};
use shared::secret::Digest;
use shared::time::UnixTime;
use state::further::Aim;
use state::{Farewell, Live};
use uuid::Uuid;

/// The session objects. Each call is one request to one object.
pub trait Sessions: People {
    /// Opens a session; false when the object was used before.
    ///
    /// # Errors
    /// [`Lost`].
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost>;

    /// A request of the session's browser. `jitter` is one random byte.
    ///
    /// # Errors
    /// [`Lost`].
    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost>;

    /// The same, for a route whose origin has tokens of its own.
    ///
    /// # Errors
    /// [`Lost`].
    async fn visit_for(
        &self,
        object: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost>;

    /// Ends a session; none when there was none to end.
    ///
    /// # Errors
    /// [`Lost`].
    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost>;

    /// Ends a session without its secret. One that was not opened yet never will be; `until` is when
    /// that may be forgotten.
    ///
    /// # Errors
    /// [`Lost`].
    async fn end(&self, object: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost>;

    /// When a session was used last; none when it is over.
    ///
    /// # Errors
    /// [`Lost`].
    async fn seen(&self, object: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost>;
}

/// The object could not be reached, or failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lost;

/// What is asked of a session object, on its wire.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Command {
    /// See [`Sessions::open`]; answered by a `bool`.
    Open(Box<Live>),
    /// See [`Sessions::visit`]; answered by a [`Visited`].
    Visit {
        /// Digest of the handle's secret.
        secret: Digest,
        /// One random byte.
        jitter: u8,
        /// The time of the request.
        now: UnixTime,
    },
    /// See [`Sessions::visit_for`]; answered by a [`Provided`].
    VisitFor {
        /// Digest of the handle's secret.
        secret: Digest,
        /// Which token.
        aim: Aim,
        /// One random byte.
        jitter: u8,
        /// The time of the request.
        now: UnixTime,
    },
    /// See [`Sessions::close`]; answered by an `Option<`[`Farewell`]`>`.
    Close {
        /// Digest of the handle's secret.
        secret: Digest,
        /// The time of the request.
        now: UnixTime,
    },
    /// See [`Sessions::end`]; answered by nothing.
    End {
        /// When even the memory of it may go.
        until: UnixTime,
        /// The time of the request.
        now: UnixTime,
    },
    /// See [`Sessions::seen`]; answered by an `Option<`[`UnixTime`]`>`.
    Seen {
        /// The time of the request.
        now: UnixTime,
    },
    /// See [`bell::Bell::ring`]; answered by nothing.
    Ring {
        /// Whether the session is over for sure.
        certain: bool,
    },
}
