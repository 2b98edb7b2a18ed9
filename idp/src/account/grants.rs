//! Grants of an account: redeemed, refreshed, revoked, and asked about.

use super::{Account, GrantRow, PROFILE, Profile, Redeem, Revoke, Rotate, Rotated, Told};
use crate::grant::{Answer, Begun, Grant, Redeemed, Rotation, Seed};
use crate::rows::{Rows, Table, Unavailable};
use shared::time::UnixTime;
use uuid::Uuid;

impl<R: Rows> Account<'_, R> {
    /// Redeems a code.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn redeem(&self, command: &Redeem, now: UnixTime) -> Result<Redeemed, Unavailable> {
        let Some(row) = self.grant(command.grant)? else { return Ok(Redeemed::Unknown) };
        let (grant, mut redeemed) = row.grant.clone().redeem(&command.with, now, self.grants());
        // TC-11: whoever signed out, or is not wanted here any more, gets no tokens.
        if let Redeemed::Redeemed(begun) = &redeemed
            && (!self.has_session(begun.facts.session, now)? || self.is_disabled(row.credential)?)
        {
            return Ok(Redeemed::Revoked);
        }
        // One request brings everything that the ID token says.
        if let Redeemed::Redeemed(begun) = &mut redeemed {
            let Begun { facts, claims, .. } = &mut **begun;
            let asked = &facts.particulars.claims.id_token;
            if !asked.is_empty() {
                let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
                *claims = profile.map(|profile| profile.claims).unwrap_or_default();
                claims.retain(|name, value| asked.contains(name) && !value.is_null());
            }
        }
        if grant != row.grant {
            let seed = match grant {
                Grant::Live(_) => self.seal_seed(command.grant, Seed(command.seed)),
                _ => row.seed,
            };
            let next = GrantRow { grant, seed, ..row };
            self.save_grant(command.grant, &next, now)?;
        }
        Ok(redeemed)
    }

    /// Rotates a refresh token.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged. A rotation that was committed all the same is
    /// repeated when the client asks again.
    pub fn rotate(&self, command: &Rotate, now: UnixTime) -> Result<Rotated, Unavailable> {
        let refused = |rotation| Ok(Rotated { rotation, secret: None });
        let Some(row) = self.grant(command.grant)? else { return refused(Rotation::Unknown) };
        if row.seed.is_empty() {
            return refused(Rotation::Unknown);
        }
        let seed = self.seed(command.grant, &row.seed)?;
        let (grant, rotation) = row.grant.clone().refresh(&seed, &command.with, now, self.grants());
        let session = match &rotation {
            Rotation::Rotated(Answer { facts, .. }) | Rotation::Repeated(Answer { facts, .. }) => {
                if self.is_disabled(row.credential)? {
                    return refused(Rotation::Revoked);
                }
                // RT-14: without `offline_access` the family ends with the session, and uses it.
                if facts.offline {
                    None
                } else if let Some(session) = self.used_session(facts.session, now)? {
                    Some((facts.session, session))
                } else {
                    return refused(Rotation::Revoked);
                }
            }
            _ => None,
        };
        if grant != row.grant {
            // Sealed anew, so that an old sealing key can be dropped once every family has rotated.
            let next = GrantRow { grant, seed: self.seal_seed(command.grant, seed), ..row };
            self.save_grant(command.grant, &next, now)?;
        }
        if let Some((id, session)) = session {
            self.save_session(id, &session, now)?;
        }
        let secret = match &rotation {
            Rotation::Rotated(answer) | Rotation::Repeated(answer) => {
                Some(seed.secret(answer.generation))
            }
            _ => None,
        };
        Ok(Rotated { rotation, secret })
    }

    /// Revokes a grant; false when the token is not the client's, which changes nothing.
    ///
    /// # Errors
    /// [`Unavailable`]: it may still be alive.
    pub fn revoke(&self, command: &Revoke, now: UnixTime) -> Result<bool, Unavailable> {
        let Some(row) = self.grant(command.grant)? else { return Ok(false) };
        let Grant::Live(live) = &row.grant else { return Ok(false) };
        let proved = match command.refresh_token {
            None => true,
            Some((generation, secret)) => {
                let seed = self.seed(command.grant, &row.seed)?;
                generation <= live.generation && seed.is_secret_of(generation, secret)
            }
        };
        if !proved || live.facts.client_id != command.client_id {
            return Ok(false);
        }
        self.save_grant(command.grant, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
        Ok(true)
    }

    /// The person's claims, while the grant that an access token names is alive.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn userinfo(&self, grant: Uuid, now: UnixTime) -> Result<Option<Told>, Unavailable> {
        let Some(GrantRow { grant: Grant::Live(live), credential, .. }) = self.grant(grant)? else {
            return Ok(None);
        };
        let signed_in = live.facts.offline || self.has_session(live.facts.session, now)?;
        if !signed_in || live.absolute_until <= now || self.is_disabled(credential)? {
            return Ok(None);
        }
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        let asked = live.facts.particulars.claims.userinfo;
        Ok(profile.map(|profile| Told { claims: profile.claims, asked }))
    }
}
