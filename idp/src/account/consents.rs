//! Consents of an account: what the person has agreed to, for which client. Given, remembered, listed
//! and withdrawn.

use super::{Account, Asking, Consent, Consented, GrantRow, LOCAL, NewGrant, PROFILE, Profile};
use crate::grant::{Grant, Issued};
use crate::rows::{Rows, Table, Unavailable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::scope::Scope;
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// A row of [`Table::Consent`], whose key is the client.
#[derive(Debug, Deserialize, Serialize)]
struct Agreed {
    scope: Scope,
    since: UnixTime,
    last: UnixTime,
}

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
    /// Withdraws the consent to a client, and ends everything that it has of this person: codes,
    /// refresh tokens, access tokens. False when there was nothing.
    ///
    /// # Errors
    /// [`Unavailable`]: some of it may still be alive.
    pub fn withdraw(&self, client_id: &str, now: UnixTime) -> Result<bool, Unavailable> {
        let agreed: Option<Agreed> = self.rows.load(Table::Consent, client_id)?;
        let mut had_any = agreed.is_some();
        // The consent last: until everything is ended the list shows that something is there.
        for (id, row) in self.rows.all::<GrantRow>(Table::Grant)? {
            if row.grant.facts().is_some_and(|facts| facts.client_id == client_id) {
                let id = Uuid::parse_str(&id).map_err(|_| Unavailable)?;
                self.save_grant(id, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
                had_any = true;
            }
        }
        if agreed.is_some() {
            self.rows.remove(Table::Consent, client_id)?;
        }
        Ok(had_any)
    }

    /// What the person has agreed to, by client.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn consents(&self) -> Result<Vec<Consented>, Unavailable> {
        let rows = self.rows.all::<Agreed>(Table::Consent)?.into_iter();
        let consented = |(client_id, Agreed { scope, since, last })| Consented {
            client_id,
            scope,
            since,
            last,
        };
        let mut all: Vec<_> = rows.map(consented).collect();
        all.sort_by(|one, other| one.client_id.cmp(&other.client_id));
        Ok(all)
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
        proof: (UnixTime, Vec<String>, Option<Digest>),
        now: UnixTime,
    ) -> Result<Option<Asking>, Unavailable> {
        let NewGrant { id, consent, .. } = new;
        if consent == Consent::NotNeeded {
            return self.issue(new, session, proof, now).map(|()| None);
        }
        let agreed: Option<Agreed> = self.rows.load(Table::Consent, &new.client_id)?;
        let next = match (consent, agreed) {
            (Consent::Remembered, Some(agreed)) if new.scope.within(&agreed.scope) => {
                Some(Agreed { last: now, ..agreed })
            }
            (Consent::Given { remember: true, .. }, agreed) => Some(match agreed {
                Some(Agreed { scope, since, .. }) => {
                    Agreed { scope: scope.or(&new.scope), since, last: now }
                }
                None => Agreed { scope: new.scope.clone(), since: now, last: now },
            }),
            (Consent::Given { remember: false, .. } | Consent::NotNeeded, _) => None,
            (Consent::Remembered | Consent::Required, agreed) => {
                let agreed = agreed.map(|agreed| agreed.scope);
                return Ok(Some(Asking { name: self.name()?, agreed }));
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

    /// What the person calls themselves: the name they sign in with, or what the upstream tells.
    fn name(&self) -> Result<String, Unavailable> {
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        let Some(Profile { identity, claims, .. }) = profile else { return Ok(String::new()) };
        if identity.upstream == LOCAL {
            return Ok(identity.subject);
        }
        let told = |name| claims.get(name).and_then(Value::as_str);
        let mut names = ["email", "preferred_username", "name"].into_iter().filter_map(told);
        Ok(names.next().unwrap_or_default().to_owned())
    }
}
