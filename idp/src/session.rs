//! A sign-in session: one browser in which one person is signed in at the issuer (single sign-on).

use crate::farewell::Parties;
use crate::proof::{Means, Proof};
use serde::{Deserialize, Serialize};
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// The life of a sign-in session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Somebody is signed in.
    Open(Open),
    /// Signed out. Final.
    Ended,
}

/// An open sign-in session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Open {
    /// Of the cookie's secret. Signing in again changes it, so an older cookie is dead (FD-33).
    pub cookie: Digest,
    /// How the person last proved who they are, and when.
    pub proof: Box<Proof>,
    /// The browser, in fixed words.
    pub agent: String,
    /// When it began.
    pub opened_at: UnixTime,
    /// When it was used last.
    pub used_at: UnixTime,
    /// When silence ends it.
    pub idle_until: UnixTime,
    /// When it ends whatever happens.
    pub absolute_until: UnixTime,
    /// Who is told when somebody ends it.
    #[serde(default)]
    pub parties: Parties,
}

/// How a session began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    /// How the person proved who they are, and when.
    pub proof: Proof,
    /// The browser, in fixed words.
    pub agent: String,
    /// When: before now, when somebody signed in again who was signed in.
    pub opened_at: UnixTime,
}

/// The lifetimes of a session, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// When nobody uses it.
    pub idle: u64,
    /// At the most.
    pub absolute: u64,
}

/// Whether a session lets its browser pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Visit {
    /// Signed in, by this.
    SignedIn(Proof),
    /// Signed in, but too long ago for this request.
    TooLongAgo,
    /// Not, or not any more.
    Ended,
}

impl Session {
    /// Somebody has proved who they are.
    #[must_use]
    pub fn open(cookie: Digest, begun: Begun, now: UnixTime, policy: Policy) -> Self {
        let Begun { proof, agent, opened_at } = begun;
        let absolute_until = now.plus(policy.absolute);
        Self::Open(Open {
            cookie,
            proof: Box::new(Proof { auth_time: proof.auth_time.min(now), ..proof }),
            agent,
            opened_at,
            used_at: now,
            idle_until: now.plus(policy.idle).min(absolute_until),
            absolute_until,
            parties: Parties::default(),
        })
    }

    /// What there is to see of it while it is open.
    #[must_use]
    pub fn live(&self, now: UnixTime) -> Option<&Open> {
        match self {
            Self::Open(open) => Some(open).filter(|open| open.is_live(now)),
            Self::Ended => None,
        }
    }

    /// What comes after another session of this browser: its clients are still signed in.
    #[must_use]
    pub fn after(self, parties: Parties) -> Self {
        match self {
            Self::Open(open) => Self::Open(Open { parties, ..open }),
            Self::Ended => Self::Ended,
        }
    }

    /// A client gets a code in it, in this account.
    #[must_use]
    pub fn joined_by(self, client: &str, account: Uuid) -> Self {
        match self {
            Self::Open(open) => {
                Self::Open(Open { parties: open.parties.joined_by(client, account), ..open })
            }
            Self::Ended => Self::Ended,
        }
    }

    /// A browser shows the cookie whose secret has this digest. `max_age` is the oldest proof that
    /// will do, in seconds, OpenID Connect Core §3.1.2.1.
    #[must_use]
    pub fn visit(
        self,
        cookie: Digest,
        max_age: Option<u64>,
        now: UnixTime,
        policy: Policy,
    ) -> (Self, Visit) {
        match self {
            Self::Open(open) if open.cookie == cookie && open.is_live(now) => {
                let Proof { auth_time, says_when, .. } = *open.proof;
                if max_age.is_some_and(|max_age| !says_when || now.since(auth_time) > max_age) {
                    return (Self::Open(open), Visit::TooLongAgo);
                }
                let proof = Proof::clone(&open.proof);
                (Self::Open(open.used(now, policy)), Visit::SignedIn(proof))
            }
            other => (other, Visit::Ended),
        }
    }

    /// A client refreshes a grant that ends with this session. None when it has ended.
    #[must_use]
    pub fn used(self, now: UnixTime, policy: Policy) -> Option<Self> {
        match self {
            Self::Open(open) if open.is_live(now) => Some(Self::Open(open.used(now, policy))),
            _ => None,
        }
    }

    /// By what it began, while it is open.
    #[must_use]
    pub fn means(&self) -> Option<&Means> {
        match self {
            Self::Open(open) => Some(&open.proof.means),
            Self::Ended => None,
        }
    }

    /// Until when the row has to be kept; none once it has ended.
    #[must_use]
    pub fn ends_at(&self) -> Option<UnixTime> {
        match self {
            Self::Open(open) => Some(open.absolute_until),
            Self::Ended => None,
        }
    }
}

impl Open {
    fn is_live(&self, now: UnixTime) -> bool {
        now < self.idle_until && now < self.absolute_until
    }

    fn used(self, now: UnixTime, policy: Policy) -> Self {
        // Never earlier than before: a clock that is wrong for a moment ends nothing (PL-12).
        let idle_until = now.plus(policy.idle).max(self.idle_until).min(self.absolute_until);
        Self { idle_until, used_at: now.max(self.used_at), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::{How, Identity, LOCAL};

    const NOON: UnixTime = UnixTime(1_800_000_000);
    const POLICY: Policy = Policy { idle: 100, absolute: 1_000 };

    fn proof() -> Proof {
        let identity = Identity { upstream: LOCAL.into(), subject: "alice".into() };
        let means = Means { identity, how: How::Password(Digest::of("hash")) };
        Proof { means, auth_time: NOON, says_when: true, amr: vec!["pwd".into()] }
    }

    fn open() -> Session {
        let begun = Begun { proof: proof(), agent: String::new(), opened_at: NOON };
        Session::open(Digest::of("c"), begun, NOON, POLICY)
    }

    fn visit(
        session: Session,
        cookie: &str,
        max_age: Option<u64>,
        seconds: u64,
    ) -> (Session, Visit) {
        session.visit(Digest::of(cookie), max_age, NOON.plus(seconds), POLICY)
    }

    #[test]
    fn rt_11_visits_move_the_idle_end_and_never_the_absolute_one() {
        let mut session = open();
        for seconds in (90..1_000).step_by(90) {
            let (next, seen) = visit(session, "c", None, seconds);
            assert!(matches!(seen, Visit::SignedIn(Proof { auth_time: NOON, .. })), "{seconds}");
            session = next;
        }
        assert_eq!(visit(session, "c", None, 1_000).1, Visit::Ended);
        assert_eq!(visit(open(), "c", None, 100).1, Visit::Ended);
    }

    #[test]
    fn fd_33_another_cookie_is_nobodys_and_changes_nothing() {
        assert_eq!(visit(open(), "x", None, 1), (open(), Visit::Ended));
        assert_eq!(visit(Session::Ended, "c", None, 1), (Session::Ended, Visit::Ended));
    }

    #[test]
    fn az_19_max_age_asks_for_a_younger_proof() {
        assert!(matches!(visit(open(), "c", Some(10), 10).1, Visit::SignedIn(_)));
        assert_eq!(visit(open(), "c", Some(9), 10), (open(), Visit::TooLongAgo));
    }
}
