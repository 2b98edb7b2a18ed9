//! Farewells of an account: what is still to be said of sessions that have ended, and what came of
//! saying it.

use super::Account;
use crate::event::Event;
use crate::farewell::{Farewell, Parties, Reply};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::Session;
use shared::time::UnixTime;
use uuid::Uuid;

/// How many clients are told at one time; the others are told right after. A request may make so
/// many of its own, and not many more.
const MOST_AT_ONCE: usize = 32;
/// How long a farewell is kept at the most: longer than it is tried.
const LONGEST: u64 = 86_400;

/// What came of telling one client that one session has ended.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Which session.
    pub session: Uuid,
    /// Which client.
    pub client: String,
    /// What came of it.
    pub reply: Reply,
}

impl<R: Rows> Account<'_, R> {
    /// A session is about to end: what is to be said of it is written down, and will be said at
    /// once. That is when it has ended, for a command is one turn.
    pub(super) fn take_leave(
        &self,
        session: Uuid,
        parties: Parties,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        // Whoever has registered by itself is not in the configuration; it is looked up then.
        let is_told = |client: &str| {
            self.config.client(client).is_none_or(|client| client.back_channel.is_some())
        };
        let Some(farewell) = Farewell::of(parties, is_told, now) else { return Ok(()) };
        // The alarm first: one that finds nothing to do does no harm.
        self.rows.wake(now)?;
        self.save_farewell(session, &farewell, now)
    }

    /// What is to be said now. Nothing is said of a session that is alive after all, because its
    /// end could not be written.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn due(&self, now: UnixTime) -> Result<Vec<(Uuid, Farewell)>, Unavailable> {
        let mut due = Vec::new();
        let mut clients = 0;
        for (key, farewell) in self.rows.all::<Farewell>(Table::Farewell)? {
            let Ok(session) = key.parse() else { continue };
            if matches!(self.session(session)?, Some(Session::Open(_))) {
                self.rows.remove(Table::Farewell, &key)?;
                continue;
            }
            if farewell.is_due(now) && clients < MOST_AT_ONCE {
                clients += farewell.clients.len();
                due.push((session, farewell));
            }
        }
        Ok(due)
    }

    /// Takes down what came of it, and has the alarm ring for what is left. What happened for the
    /// log: a client that has not heard.
    ///
    /// # Errors
    /// [`Unavailable`]: what was said may be said again.
    pub fn told(&self, told: &[Reported], now: UnixTime) -> Result<Vec<Event>, Unavailable> {
        let mut events = Vec::new();
        let mut next: Option<UnixTime> = None;
        // Others may have been here since: sessions that ended, with what is to be said of them.
        for (key, farewell) in self.rows.all::<Farewell>(Table::Farewell)? {
            let Ok(session) = key.parse() else { continue };
            let about: Vec<_> = told.iter().filter(|told| told.session == session).collect();
            let left = if about.is_empty() {
                Some(farewell)
            } else {
                let account = farewell.account;
                let reply = |client: &str| {
                    let found = about.iter().find(|told| told.client == client);
                    found.map_or(Reply::Lost("not tried"), |told| told.reply)
                };
                let left = farewell.step(reply, now);
                match &left {
                    Some(left) => self.save_farewell(session, left, now)?,
                    None => self.rows.remove(Table::Farewell, &key)?,
                }
                events.extend(
                    about.iter().filter_map(|told| not_told(account, told, left.as_ref(), now)),
                );
                left
            };
            let due = left.map(|left| left.next);
            next = next.into_iter().chain(due).min();
        }
        if let Some(next) = next {
            self.rows.wake(next)?;
        }
        Ok(events)
    }

    fn save_farewell(
        &self,
        session: Uuid,
        farewell: &Farewell,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let until = Some(now.plus(LONGEST));
        self.rows.save(Table::Farewell, &session.to_string(), farewell, until)
    }
}

fn not_told(
    account: Uuid,
    told: &Reported,
    left: Option<&Farewell>,
    now: UnixTime,
) -> Option<Event> {
    let (reason, again_in) = match told.reply {
        Reply::Heard | Reply::Gone => return None,
        Reply::Refused => ("it refused", None),
        Reply::Forbidden => ("its address is nowhere that we go", None),
        Reply::Lost(reason) => (reason, left.map(|left| left.next.since(now))),
    };
    let Reported { session, client, .. } = told.clone();
    Some(Event::ClientNotTold { account, session, client, reason, again_in })
}
