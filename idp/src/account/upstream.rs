//! What began by the word of an upstream, and ends by it.

use super::{Account, GrantRow};
use crate::grant::Grant;
use crate::ledger;
use crate::proof::{How, Identity, Means};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::Session;
use serde::{Deserialize, Serialize};
use shared::time::UnixTime;
use uuid::Uuid;

/// What began by one upstream: by one identity there, in one session there, or both.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Began {
    /// What we call the upstream.
    pub upstream: String,
    /// Who they are there.
    pub identity: Option<Identity>,
    /// Its session.
    pub sid: Option<String>,
}

/// An upstream says, with a token that works once, that somebody has signed out there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndUpstream {
    /// What ends by that.
    pub began: Began,
    /// The token.
    pub token: ledger::Entry,
    /// When it stops being good by itself.
    pub until: UnixTime,
}

/// What has ended.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ended {
    /// The sign-in sessions that were open.
    pub sessions: Vec<Uuid>,
    /// How many grants there were.
    pub grants: usize,
}

impl Began {
    pub(super) fn is_by(&self, means: &Means) -> bool {
        let How::Upstream { id, sid, .. } = &means.how else { return false };
        let Self { upstream, identity, sid: wanted } = self;
        id == upstream
            && (identity.is_some() || wanted.is_some())
            && identity.as_ref().is_none_or(|identity| *identity == means.identity)
            && (wanted.is_none() || wanted == sid)
    }
}

impl<R: Rows> Account<'_, R> {
    /// Ends what the token is about; none when the token was used before. That is kept here and not
    /// in the ledger, so that one command does both: a token whose command failed is sent again, and
    /// still good then.
    ///
    /// # Errors
    /// [`Unavailable`]: what was to end may still be alive.
    pub fn end_upstream(
        &self,
        command: &EndUpstream,
        now: UnixTime,
    ) -> Result<Option<Ended>, Unavailable> {
        if ledger::is_spent(self.rows, &command.token)? {
            return Ok(None);
        }
        let ended = self.end_began(&command.began, now)?;
        ledger::spend(self.rows, &command.token, command.until)?;
        Ok(Some(ended))
    }

    /// Ends sessions and grants, also those that outlive their session: who vouched for them does so
    /// no more.
    pub(super) fn end_began(&self, began: &Began, now: UnixTime) -> Result<Ended, Unavailable> {
        let mut ended = Ended::default();
        for (key, row) in self.rows.all::<GrantRow>(Table::Grant)? {
            let meant = row.grant != Grant::Revoked && began.is_by(&row.means);
            if let (true, Ok(id)) = (meant, key.parse()) {
                self.save_grant(id, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
                ended.grants += 1;
            }
        }
        for (key, session) in self.rows.all::<Session>(Table::Session)? {
            let meant = session.means().is_some_and(|means| began.is_by(means));
            if let (true, Ok(id)) = (meant, key.parse())
                && self.close(id, now)?.is_some()
            {
                ended.sessions.push(id);
            }
        }
        self.forget_all_kept(began)?;
        Ok(ended)
    }
}
