//! What somebody sees and does on their own page: where they are signed in and how, and which
//! applications may act for them.

use super::{Account, App, GrantRow, Overview, Own, PROFILE, Profile, Seen, Wish};
use crate::grant::Grant;
use crate::rows::{Rows, Table, Unavailable};
use crate::session::{Session, Visit};
use shared::time::UnixTime;
use std::collections::BTreeMap;
use uuid::Uuid;

impl<R: Rows> Account<'_, R> {
    /// Does what the person wishes, and says how things stand then; none when the browser is not
    /// signed in, and then nothing was done.
    ///
    /// # Errors
    /// [`Unavailable`]: what was to end may still be alive.
    pub fn own(&self, command: &Own, now: UnixTime) -> Result<Option<Overview>, Unavailable> {
        let Own { session: here, cookie, .. } = command;
        let Some(session) = self.session(*here)? else { return Ok(None) };
        if session.means().is_some_and(|means| !self.takes(means)) {
            return Ok(None);
        }
        let (session, visit) = session.visit(*cookie, None, now, self.sessions());
        let Visit::SignedIn(proof) = visit else { return Ok(None) };
        self.save_session(*here, &session, now)?;
        match &command.wish {
            Wish::Look => {}
            Wish::EndSession(id) => {
                self.end(*id, now)?;
            }
            Wish::EndOthers => self.end_all(Some(*here), now)?,
            Wish::Remove(client_id) => self.withdraw(Some(client_id), now)?,
            Wish::TakeOff(entry) => self.take_off(entry, *here, now)?,
            Wish::TakenOff(entry) => self.taken_off(entry, now)?,
            Wish::EndEverything => {
                // The session that asks goes last, so that whoever is told of a failure can ask again.
                self.withdraw(None, now)?;
                self.end_all(Some(*here), now)?;
                self.end(*here, now)?;
                return Ok(Some(Overview::default()));
            }
        }
        let proved_at = proof.says_when.then_some(proof.auth_time);
        self.overview(*here, proved_at, now).map(Some)
    }

    fn end_all(&self, except: Option<Uuid>, now: UnixTime) -> Result<(), Unavailable> {
        for (key, session) in self.rows.all::<Session>(Table::Session)? {
            let id = key.parse().ok().filter(|id| Some(*id) != except);
            if let (Session::Open(_), Some(id)) = (session, id) {
                self.end(id, now)?;
            }
        }
        Ok(())
    }

    fn overview(
        &self,
        here: Uuid,
        proved_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Overview, Unavailable> {
        let mut sessions = Vec::new();
        for (key, session) in self.rows.all::<Session>(Table::Session)? {
            let Ok(id) = key.parse::<Uuid>() else { continue };
            if let Some(open) = session.live(now) {
                sessions.push(Seen {
                    id,
                    is_this: id == here,
                    agent: open.agent.clone(),
                    opened_at: open.opened_at,
                    used_at: open.used_at,
                });
            }
        }
        sessions.sort_by_key(|seen| (!seen.is_this, std::cmp::Reverse(seen.used_at), seen.id));

        let mut apps: BTreeMap<String, App> = BTreeMap::new();
        for (_, row) in self.rows.all::<GrantRow>(Table::Grant)? {
            let Grant::Live(live) = &row.grant else { continue };
            let facts = &live.facts;
            let alive = live.is_live(now)
                && self.takes(&row.means)
                && (facts.offline || self.has_session(facts.session, now)?);
            if !alive {
                continue;
            }
            let fresh = App {
                client_id: facts.client_id.clone(),
                used_at: live.rotated_at,
                offline: false,
                consent: None,
            };
            let app = apps.entry(facts.client_id.clone()).or_insert(fresh);
            app.used_at = app.used_at.max(live.rotated_at);
            app.offline |= facts.offline;
        }
        for (client_id, consent) in self.consents()? {
            let used_at = consent.last;
            let fresh =
                App { client_id: client_id.clone(), used_at, offline: false, consent: None };
            let app = apps.entry(client_id).or_insert(fresh);
            app.used_at = app.used_at.max(used_at);
            app.consent = Some(consent);
        }
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        let name = profile.map(|profile| profile.known_as()).unwrap_or_default();
        let (ways, apps) = (self.list_ways()?, apps.into_values().collect());
        Ok(Overview { name, proved_at, ways, sessions, apps })
    }
}
