//! Whether the upstream that vouched for somebody still does: it is asked when a client refreshes and
//! the last good answer is too old. What that takes is kept in a row of its own for each session at
//! the upstream; the object hands it to one refresh at a time.

use super::upstream::Began;
use super::{Account, GrantRow};
use crate::config::Recheck;
use crate::grant::{Grant, Rotation};
use crate::proof::{How, Means};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::Session;
use serde::{Deserialize, Serialize};
use shared::rp::dialect::recheck::Verdict;
use shared::secret::Digest;
use shared::time::UnixTime;

/// How long whoever asks has for it, in seconds: longer than all its calls may take. Nobody else asks
/// meanwhile, also when the answer was none.
const LEASE: u64 = 60;

/// What is kept to ask one upstream about one session there.
#[derive(Debug, Deserialize, Serialize)]
struct Standing {
    /// What began by it.
    means: Means,
    /// What it takes to ask, sealed.
    kept: String,
    /// When the last good answer was, the one at sign-in included.
    good_at: UnixTime,
    /// Until when somebody is asking.
    lease: Option<UnixTime>,
}

/// The upstream has to be asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// About whom.
    pub means: Means,
    /// What it takes, sealed.
    pub kept: String,
    /// Until when nobody else asks.
    pub lease: UnixTime,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// Of the [`Check`].
    pub lease: UnixTime,
    /// What the upstream says.
    pub verdict: Verdict,
    /// What it takes the next time, sealed, where that is something else.
    pub next: Option<String>,
}

/// What a session at an upstream is filed under; none for what no upstream vouched for.
#[must_use]
pub fn key(means: &Means) -> Option<String> {
    let How::Upstream { id, sid, .. } = &means.how else { return None };
    let parts = [id, &means.identity.upstream, &means.identity.subject];
    let lengths = parts.map(|part| part.len().to_string()).join(" ");
    let sid = sid.as_ref().map(|sid| format!("sid {sid}")).unwrap_or_default();
    Some(Digest::of(format!("{lengths} {}{sid}", parts.map(String::as_str).concat())).to_text())
}

impl<R: Rows> Account<'_, R> {
    /// Somebody signs in, and there is something to ask with later.
    pub(super) fn keep(
        &self,
        means: &Means,
        kept: String,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let standing = Standing { means: means.clone(), kept, good_at: now, lease: None };
        self.save_standing(&standing, now)
    }

    /// Whether a refresh may go on that everything else allows: none if so, and what becomes of it
    /// otherwise. `checked` is what came of asking, if the upstream was asked for this refresh.
    pub(super) fn ask_first(
        &self,
        means: &Means,
        auth_time: UnixTime,
        checked: Option<&Checked>,
        now: UnixTime,
    ) -> Result<Option<Rotation>, Unavailable> {
        let How::Upstream { id, .. } = &means.how else { return Ok(None) };
        let recheck = self.config.upstream(id).and_then(|upstream| upstream.recheck);
        let (Some(Recheck { every, stale }), Some(key)) = (recheck, key(means)) else {
            return Ok(None);
        };
        let Some(mut standing): Option<Standing> = self.rows.load(Table::Upstream, &key)? else {
            // It began before anything was kept, and nobody can be asked.
            return Ok((now.since(auth_time) > stale).then_some(Rotation::Revoked));
        };
        if let Some(checked) = checked.filter(|checked| standing.lease == Some(checked.lease)) {
            if checked.verdict == Verdict::Gone {
                let identity = Some(means.identity.clone());
                let began = Began { upstream: id.clone(), identity, sid: None };
                let sessions = self.end_began(&began, now)?.sessions;
                return Ok(Some(Rotation::Ended { upstream: id.clone(), sessions }));
            }
            // What has rotated there is stored before anything is done on the strength of it.
            standing.kept = checked.next.clone().unwrap_or(standing.kept);
            if checked.verdict == Verdict::Same {
                (standing.good_at, standing.lease) = (now, None);
            }
            self.save_standing(&standing, now)?;
        }
        let age = now.since(standing.good_at);
        if age <= every {
            return Ok(None);
        }
        // A lease from the future is of a clock that was wrong for a moment (PL-12).
        let is_leased =
            standing.lease.is_some_and(|until| now < until && until.since(now) <= LEASE);
        if is_leased || checked.is_some() {
            return Ok((age > stale).then_some(Rotation::Unchecked));
        }
        let lease = now.plus(LEASE);
        standing.lease = Some(lease);
        self.save_standing(&standing, now)?;
        let Standing { means, kept, .. } = standing;
        Ok(Some(Rotation::CheckFirst(Box::new(Check { means, kept, lease }))))
    }

    /// Nothing that began by it is left that a client could refresh: neither is what it takes to ask.
    pub(super) fn forget_kept(&self, means: &Means) -> Result<(), Unavailable> {
        let Some(key) = key(means) else { return Ok(()) };
        let standing: Option<Standing> = self.rows.load(Table::Upstream, &key)?;
        if standing.is_none() {
            return Ok(());
        }
        let sessions = self.rows.all::<Session>(Table::Session)?;
        let mut sessions = sessions.iter().filter_map(|(_, session)| session.means());
        let grants = self.rows.all::<GrantRow>(Table::Grant)?;
        let outlives = |row: &GrantRow| {
            row.means == *means
                && row.grant != Grant::Revoked
                && row.grant.facts().is_some_and(|facts| facts.offline)
        };
        if sessions.any(|other| other == means) || grants.iter().any(|(_, row)| outlives(row)) {
            return Ok(());
        }
        self.rows.remove(Table::Upstream, &key)
    }

    /// The same for everything that has ended at once.
    pub(super) fn forget_all_kept(&self, began: &Began) -> Result<(), Unavailable> {
        for (key, standing) in self.rows.all::<Standing>(Table::Upstream)? {
            if began.is_by(&standing.means) {
                self.rows.remove(Table::Upstream, &key)?;
            }
        }
        Ok(())
    }

    fn save_standing(&self, standing: &Standing, now: UnixTime) -> Result<(), Unavailable> {
        let Some(key) = key(&standing.means) else { return Ok(()) };
        let lifetimes = &self.config.lifetimes;
        let until = now.plus(lifetimes.session_absolute.max(lifetimes.refresh_absolute));
        self.rows.save(Table::Upstream, &key, standing, Some(until))
    }
}
