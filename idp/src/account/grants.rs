//! Grants of an account: redeemed, refreshed, revoked, and asked about.

use super::{
    Account, Alive, GrantRow, Introspect, PROFILE, Profile, Redeem, Revoke, Rotate, Rotated, Told,
};
use crate::config::Place;
use crate::grant::{Answer, Begun, Facts, Grant, Live, Redeemed, Rotation, Seed};
use crate::rows::{Rows, Table, Unavailable};
use serde_json::{Map, Value};
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
            && (!self.has_session(begun.facts.session, now)? || !self.takes(&row.means))
        {
            return Ok(Redeemed::Revoked);
        }
        // One request brings everything that the ID token says.
        if let Redeemed::Redeemed(begun) = &mut redeemed {
            let Begun { facts, claims, own, .. } = &mut **begun;
            let (asked, ours) = (&facts.particulars.claims.id_token, &self.config.own_claims);
            let places = [Place::IdToken, Place::AccessToken];
            if !asked.is_empty() || places.iter().any(|place| ours.are_in(*place)) {
                let known = self.known()?;
                let [in_id_token, in_access_token] =
                    places.map(|place| ours.told(&known, place, &facts.scope));
                *claims = known;
                claims.retain(|name, value| asked.contains(name) && !value.is_null());
                claims.extend(in_id_token);
                *own = in_access_token;
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
        let refused = |rotation| Ok(Rotated { rotation, secret: None, claims: Map::new() });
        let Some(row) = self.grant(command.grant)? else { return refused(Rotation::Unknown) };
        if row.seed.is_empty() {
            return refused(Rotation::Unknown);
        }
        let seed = self.seed(command.grant, &row.seed)?;
        let (grant, rotation) = row.grant.clone().refresh(&seed, &command.with, now, self.grants());
        let session = match &rotation {
            Rotation::Rotated(Answer { facts, .. }) | Rotation::Repeated(Answer { facts, .. }) => {
                if !self.takes(&row.means) {
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
        if let Rotation::Rotated(Answer { facts, .. }) | Rotation::Repeated(Answer { facts, .. }) =
            &rotation
            && let Some(instead) =
                self.ask_first(&row.means, facts.auth_time, command.checked.as_ref(), now)?
        {
            return refused(instead);
        }
        if grant != row.grant {
            // Sealed anew, so that an old sealing key can be dropped once every family has rotated.
            let next = GrantRow { grant, seed: self.seal_seed(command.grant, seed), ..row };
            self.save_grant(command.grant, &next, now)?;
        }
        if let Some((id, session)) = session {
            self.save_session(id, &session, now)?;
        }
        let (Rotation::Rotated(answer) | Rotation::Repeated(answer)) = &rotation else {
            return refused(rotation);
        };
        let secret = Some(seed.secret(answer.generation));
        let ours = &self.config.own_claims;
        let claims = if ours.are_in(Place::AccessToken) {
            ours.told(&self.known()?, Place::AccessToken, &answer.scope)
        } else {
            Map::new()
        };
        Ok(Rotated { rotation, secret, claims })
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
        let living = self.living(grant, now)?;
        Ok(living.map(|(live, _, Profile { claims, .. })| {
            let Facts { client_id, particulars, .. } = live.facts;
            Told { client_id, claims, asked: particulars.claims.userinfo }
        }))
    }

    /// Whether a token is good, and what it is good for. A refresh token is good when using it would
    /// bring tokens; asking is not using, and changes nothing.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn introspect(
        &self,
        command: &Introspect,
        now: UnixTime,
    ) -> Result<Option<Alive>, Unavailable> {
        let Some((live, seed, _)) = self.living(command.grant, now)? else { return Ok(None) };
        if command.client_id.as_ref().is_some_and(|client| *client != live.facts.client_id) {
            return Ok(None);
        }
        let Some((generation, secret)) = command.refresh_token else {
            let Live { facts, absolute_until, .. } = live;
            return Ok(Some(Alive { facts, since: None, until: absolute_until }));
        };
        let seed = self.seed(command.grant, &seed)?;
        let good = live.life_of(generation, secret, &seed, now, self.grants());
        Ok(good.map(|(since, until)| Alive { facts: live.facts, since, until }))
    }

    /// Everything that is known of the person.
    fn known(&self) -> Result<Map<String, Value>, Unavailable> {
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        Ok(profile.map(|profile| profile.claims).unwrap_or_default())
    }

    /// A grant whose tokens are good, with its sealed seed and the person: neither it nor its session
    /// has ended, and the person may sign in.
    fn living(
        &self,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<(Live, String, Profile)>, Unavailable> {
        let Some(row) = self.grant(grant)? else { return Ok(None) };
        let GrantRow { grant: Grant::Live(live), means, seed } = row else { return Ok(None) };
        let signed_in = live.facts.offline || self.has_session(live.facts.session, now)?;
        if !signed_in || live.absolute_until <= now || !self.takes(&means) {
            return Ok(None);
        }
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        Ok(profile.map(|profile| (live, seed, profile)))
    }
}
