//! What the `Account` object does: each function is one command, one atomic load, step and save.
//!
//! One object per person holds the profile, the sign-in sessions, the consents and the grants
//! (codes and refresh token families), so none of these commands asks a second object.

mod command;
mod consents;
mod farewells;
mod grants;
mod own;
mod recheck;
mod sessions;
mod upstream;
mod ways;

pub use command::*;
pub use farewells::Reported;
pub use recheck::{Check, Checked, key as recheck_key};
pub use upstream::{Began, EndUpstream, Ended};
pub use ways::{Alike, Listing, Way};

use crate::config::Config;
use crate::grant;
use crate::grant::{Binding, Facts, Grant, Issued, Seed};
use crate::proof::{Means, Proof};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::{self, Session};
use serde::{Deserialize, Serialize};
use shared::seal::Purpose;
use shared::secret::Bits;
use shared::time::UnixTime;
use uuid::Uuid;

/// The one row of [`Table::Profile`].
const PROFILE: &str = "profile";
/// How long a revoked grant is remembered as such: longer than any token of it is looked at.
const MEMORY_OF_REVOKED: u64 = 90 * 86_400;
/// How long an expired code is remembered, so that its replay is told from garbage in the log.
const MEMORY_OF_CODE: u64 = 600;

#[derive(Debug, Deserialize, Serialize)]
struct GrantRow {
    grant: Grant,
    /// By what the person had signed in.
    means: Means,
    /// The family's seed, sealed; empty until there is a family.
    seed: String,
}

/// One account, with what it needs to step.
#[derive(Debug)]
pub struct Account<'a, R> {
    /// Its storage.
    pub rows: &'a R,
    /// The deployment's settings.
    pub config: &'a Config,
    /// Its name.
    pub id: Uuid,
}

impl<R: Rows> Account<'_, R> {
    fn issue(
        &self,
        new: NewGrant,
        session: Uuid,
        Proof { means, auth_time, amr, .. }: Proof,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let NewGrant { id, code, client_id, redirect_uri, challenge, nonce, scope, .. } = new;
        let NewGrant { particulars, refreshable, offline, key, .. } = new;
        let facts = Facts {
            client_id,
            scope,
            particulars,
            session,
            auth_time,
            amr,
            acr: Some(means.acr().to_owned()),
            refreshable,
            offline,
        };
        let binding = Binding { code, redirect_uri, challenge, nonce, key };
        let expires_at = now.plus(self.config.lifetimes.code);
        let grant = Grant::Issued(Issued { facts, binding, expires_at });
        self.save_grant(id, &GrantRow { grant, means, seed: String::new() }, now)
    }

    /// Whether what began by these means is good. Every command that gives anything asks this: nothing
    /// is given for an account that is disabled, whoever vouches for its person (FD-25, FD-38).
    fn takes(&self, means: &Means) -> bool {
        !self.is_disabled() && self.config.takes(means)
    }

    fn is_disabled(&self) -> bool {
        self.config.disabled_accounts.contains(&self.id)
    }

    /// A seed that no key opens is not the client's fault: nothing is known about its token.
    fn seed(&self, grant: Uuid, sealed: &str) -> Result<Seed, Unavailable> {
        let bytes = self.config.keys.open(Purpose::new("seed", &grant.to_string()), sealed);
        let bits = bytes.and_then(|bytes| bytes.try_into().ok());
        bits.map(|bits| Seed(Bits::new(bits))).ok_or(Unavailable)
    }

    fn seal_seed(&self, grant: Uuid, Seed(bits): Seed) -> String {
        let context = grant.to_string();
        self.config.keys.seal_the_same(Purpose::new("seed", &context), &bits.expose())
    }

    fn grant(&self, id: Uuid) -> Result<Option<GrantRow>, Unavailable> {
        self.rows.load(Table::Grant, &id.to_string())
    }

    fn save_grant(&self, id: Uuid, row: &GrantRow, now: UnixTime) -> Result<(), Unavailable> {
        let until = match &row.grant {
            Grant::Issued(issued) => issued.expires_at.plus(MEMORY_OF_CODE),
            Grant::Live(live) => live.absolute_until,
            Grant::Revoked => now.plus(MEMORY_OF_REVOKED),
        };
        self.rows.save(Table::Grant, &id.to_string(), row, Some(until))
    }

    fn session(&self, id: Uuid) -> Result<Option<Session>, Unavailable> {
        self.rows.load(Table::Session, &id.to_string())
    }

    fn used_session(&self, id: Uuid, now: UnixTime) -> Result<Option<Session>, Unavailable> {
        Ok(self.session(id)?.and_then(|session| session.used(now, self.sessions())))
    }

    fn has_session(&self, id: Uuid, now: UnixTime) -> Result<bool, Unavailable> {
        Ok(self.used_session(id, now)?.is_some())
    }

    fn save_session(&self, id: Uuid, session: &Session, now: UnixTime) -> Result<(), Unavailable> {
        let until = session.ends_at().unwrap_or(now.plus(MEMORY_OF_REVOKED));
        self.rows.save(Table::Session, &id.to_string(), session, Some(until))
    }

    fn grants(&self) -> grant::Policy {
        let lifetimes = &self.config.lifetimes;
        grant::Policy {
            access_token: lifetimes.access_token,
            idle: lifetimes.refresh_idle,
            absolute: lifetimes.refresh_absolute,
        }
    }

    fn sessions(&self) -> session::Policy {
        let lifetimes = &self.config.lifetimes;
        session::Policy { idle: lifetimes.session_idle, absolute: lifetimes.session_absolute }
    }
}
