//! Consents of an account: what the person has agreed to, for which client. Given, remembered, listed
//! and withdrawn.

use super::{Account, Asking, Consent, Consented, GrantRow, NewGrant, PROFILE, Profile};
use crate::grant::{Grant, Issued};
use crate::proof::Proof;
use crate::rows::{Rows, Table, Unavailable};
use shared::time::UnixTime;
use uuid::Uuid;

/// Whether a page that asked the person has been answered.
pub(super) enum Given {
    /// No, or none was shown.
    NotYet,
    /// Yes.
    Before {
        /// Whether the code that came of it can still be redeemed.
        is_good: bool,
    },
}

impl<R: Rows> Account<'_, R> {
    /// Withdraws the consent to a client, or to all of them, and ends everything that came of it or of
    /// anything else: codes, refresh tokens, access tokens.
    ///
    /// # Errors
    /// [`Unavailable`]: some of it may still be alive.
    pub(super) fn withdraw(
        &self,
        client_id: Option<&str>,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let is_meant = |of: &str| client_id.is_none_or(|client_id| client_id == of);
        for (key, row) in self.rows.all::<GrantRow>(Table::Grant)? {
            let meant = row.grant.facts().is_some_and(|facts| is_meant(&facts.client_id));
            if let (true, Ok(id)) = (meant, key.parse()) {
                self.save_grant(id, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
            }
        }
        // Last: until everything is ended the person sees that something is there.
        for (of, _) in self.consents()?.iter().filter(|(of, _)| is_meant(of)) {
            self.rows.remove(Table::Consent, of)?;
        }
        Ok(())
    }

    /// What the person has agreed to, by client; in no order.
    pub(super) fn consents(&self) -> Result<Vec<(String, Consented)>, Unavailable> {
        self.rows.all(Table::Consent)
    }

    /// Whether the page that would make this grant has made it before.
    pub(super) fn given(&self, new: &NewGrant, now: UnixTime) -> Result<Given, Unavailable> {
        let Consent::Given { .. } = new.consent else { return Ok(Given::NotYet) };
        let answered: Option<()> = self.rows.load(Table::Answered, &new.id.to_string())?;
        if answered.is_none() {
            return Ok(Given::NotYet);
        }
        let is_good = self.grant(new.id)?.is_some_and(|row| match row.grant {
            Grant::Issued(Issued { binding, expires_at, .. }) => {
                binding.code == new.code && now < expires_at
            }
            Grant::Live(_) | Grant::Revoked => false,
        });
        Ok(Given::Before { is_good })
    }

    /// Issues a code, and takes down what the person agrees to by it; or says what to ask them.
    pub(super) fn issue_if_agreed(
        &self,
        new: NewGrant,
        session: Uuid,
        proof: Proof,
        now: UnixTime,
    ) -> Result<Option<Asking>, Unavailable> {
        let NewGrant { id, consent, .. } = new;
        if consent == Consent::NotNeeded {
            return self.issue(new, session, proof, now).map(|()| None);
        }
        let (scope, resources) = (new.reveals(), &new.particulars.resources);
        let before: Option<Consented> = self.rows.load(Table::Consent, &new.client_id)?;
        // RG-09: what somebody agreed to before the client was changed was something else.
        let before = before.filter(|agreed| new.revised_at.is_none_or(|at| agreed.since > at));
        let covers = |agreed: &Consented| {
            scope.within(&agreed.scope) && resources.names().all(|name| agreed.resources.has(name))
        };
        let next = match (consent, before) {
            (Consent::Remembered, Some(agreed)) if covers(&agreed) => {
                Some(Consented { last: now, ..agreed })
            }
            (Consent::Given { remember: true, .. }, before) => {
                let resources = resources.clone();
                Some(match before {
                    None => Consented { scope, resources, since: now, last: now },
                    Some(agreed) => Consented {
                        scope: agreed.scope.or(&scope),
                        resources: agreed.resources.or(&resources),
                        since: agreed.since,
                        last: now,
                    },
                })
            }
            (Consent::Given { remember: false, .. } | Consent::NotNeeded, _) => None,
            (Consent::Remembered | Consent::Required, before) => {
                let agreed = before.map(|agreed| (agreed.scope, agreed.resources));
                let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
                let name = profile.map(|profile| profile.known_as()).unwrap_or_default();
                return Ok(Some(Asking { name, agreed }));
            }
        };
        if let Some(next) = next {
            self.rows.save(Table::Consent, &new.client_id, &next, None)?;
        }
        self.issue(new, session, proof, now)?;
        // Last: a page whose answer came to nothing can be answered again, for the same grant.
        if let Consent::Given { until, .. } = consent {
            self.rows.save(Table::Answered, &id.to_string(), &(), Some(until))?;
        }
        Ok(None)
    }
}
