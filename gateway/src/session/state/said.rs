//! What a session is told and what it says: the words of its steps.

use super::further::Way;
use super::{Lease, Person, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::scope::Scope;
use shared::secret::{AccessToken, IdToken, RefreshToken};
use shared::time::UnixTime;

/// What a visit finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Visit {
    /// Use this.
    Serve(Box<Snapshot>),
    /// Make the token call; the lease is already written.
    Refresh(Lease, Way),
    /// Somebody is making it; until when that is believed, and what may serve meanwhile.
    Wait(UnixTime, Option<Box<Snapshot>>),
    /// The access token is over and the provider is being left alone.
    Unavailable {
        /// Seconds, at least 1.
        retry_after: u64,
    },
    /// There is no such session, or no more.
    Gone,
}

/// New tokens from a token call.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// For the origins.
    pub access_token: AccessToken,
    /// Seconds, if told.
    pub expires_in: Option<u64>,
    /// The next one; absent, the old one stays (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// A verified one; absent, the old one stays.
    pub id_token: Option<IdToken>,
    /// What the access token is good for; absent, as before (RFC 6749 §5.1).
    pub scope: Option<Scope>,
    /// Claims of that ID token that routes look at, as far as they do; others stay as they were.
    pub weighed: Map<String, Value>,
    /// Claims of that ID token that origins are told; others stay as they were.
    pub told: Map<String, Value>,
    /// One random byte, which spreads the renewals of sessions opened together.
    pub jitter: u8,
}

/// How a token call failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The refresh token will never work again, or the answer was about somebody else.
    Definitive,
    /// What was asked is not given. An operator can mend it; the refresh token is what it was.
    Refused,
    /// It may work later.
    Transient {
        /// Seconds that the provider asked for.
        retry_after: Option<u64>,
    },
}

/// What became of a renewal.
#[derive(Clone, Debug, PartialEq)]
pub enum Renewed {
    /// It is in force.
    Committed,
    /// The session ended meanwhile: this token must not live on.
    Orphaned(Option<RefreshToken>),
    /// Somebody else renewed meanwhile.
    Late,
}

/// What a closed session leaves to be done at the provider.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Farewell {
    /// To revoke.
    pub refresh_token: Option<RefreshToken>,
    /// To hint with.
    pub id_token: Option<IdToken>,
    /// Whose it was.
    #[serde(default)]
    pub person: Person,
}
