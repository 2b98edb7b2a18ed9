//! Which sessions a person has: a session is enrolled before it opens and struck off when its browser
//! closes it; whoever may end it finds it there. See [`crate::person`].

use super::admission::Seams;
use super::exchange::Party;
use super::state::Person;
use super::{Lost, Sessions};
use crate::person::{Answer, Command, Due, Name, Noted, Which, Word};
use futures_util::future::join;
use futures_util::stream::{StreamExt, iter};
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::time::UnixTime;

/// How many objects are asked at the same time: a Worker has no more connections than that.
const AT_ONCE: usize = 6;

/// Why a session may not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotEnrolled {
    /// The provider's session is over already.
    Over,
    /// See [`Lost`].
    Lost,
}

impl From<Lost> for NotEnrolled {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

impl<S: Sessions, F: Fetch, V: Signer> Seams<'_, S, F, V> {
    /// The names of a person's object; none when their provider is not ours any more.
    #[must_use]
    pub fn names(&self, person: &Person) -> Vec<Name> {
        let party = self.parties.of(person);
        let named = party.map(|party| self.named(party.authority(person), &person.subject));
        named.unwrap_or_default()
    }

    /// The names of the object of the person whom `authority` calls so.
    #[must_use]
    pub fn named(&self, authority: &str, subject: &str) -> Vec<Name> {
        Name::of_person(&self.config.keys, authority, subject).collect()
    }

    /// Notes a session that is about to open, in the provider's session `sid`. What it gives ends to
    /// make room.
    ///
    /// Before it opens: a logout that comes between the two finds it, and then it doesn't open.
    ///
    /// # Errors
    /// [`NotEnrolled`].
    pub async fn enrol(
        &self,
        person: &Person,
        sid: Option<&str>,
        noted: Noted,
        now: UnixTime,
    ) -> Result<Vec<Due>, NotEnrolled> {
        let party = self.parties.of(person).ok_or(Lost)?;
        let person = self.names(person).into_iter().next().ok_or(Lost)?;
        let until = noted.until;
        let point = async {
            let (keys, issuer) = (&self.config.keys, party.client.issuer.as_str());
            let name = sid.and_then(|sid| Name::of_session(keys, issuer, sid).next());
            let Some(name) = name else { return Ok(Answer::Done) };
            self.sessions.ask(name, Command::Point { person, until }, now).await
        };
        let note = Command::Note { noted, most: self.config.sessions_per_person };
        let note = self.sessions.ask(person, note, now);
        let (noted, pointed) = join(note, point).await;
        pointed?;
        match noted? {
            Answer::Noted(Some(crowded)) => Ok(crowded),
            Answer::Noted(None) => Err(NotEnrolled::Over),
            _ => Err(NotEnrolled::Lost),
        }
    }

    /// Strikes off a session that its browser has closed. When that fails, it is found to be over by
    /// whoever asks it.
    pub async fn strike(&self, person: &Person, object: uuid::Uuid, now: UnixTime) {
        for name in self.names(person) {
            let _ = self.sessions.ask(name, Command::Forget(object), now).await;
        }
    }

    /// The sessions of a person that nobody has ended, newest first.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn listed(&self, person: &Person, now: UnixTime) -> Result<Vec<Noted>, Lost> {
        let mut all = Vec::new();
        for name in self.names(person) {
            match self.sessions.ask(name, Command::List, now).await? {
                Answer::Listed(listed) => all.extend(listed),
                _ => return Err(Lost),
            }
        }
        Ok(all)
    }

    /// The names of the object of whose session `sid` is at this provider; none when it is nobody's.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn whose(
        &self,
        party: &Party<F, V>,
        sid: &str,
        now: UnixTime,
    ) -> Result<Vec<Name>, Lost> {
        let mut found = Vec::new();
        for name in Name::of_session(&self.config.keys, party.client.issuer.as_str(), sid) {
            match self.sessions.ask(name, Command::Whose, now).await? {
                Answer::Whose(whose) => found.extend(whose),
                _ => return Err(Lost),
            }
        }
        Ok(found)
    }

    /// Ends sessions of the person of these names, by a word that counts once or by their own; how
    /// many, and none when the word was used before.
    ///
    /// # Errors
    /// [`Lost`]: some may go on, and the same word may be said again.
    pub async fn end(
        &self,
        names: &[Name],
        which: Which,
        word: Option<Word>,
        now: UnixTime,
    ) -> Result<Option<usize>, Lost> {
        let ended = self.end_once(names, which, word, now).await;
        if let (Err(Lost), Some(Word { token, .. })) = (&ended, word) {
            for name in names {
                let _ = self.sessions.ask(*name, Command::Unspend(token), now).await;
            }
        }
        ended
    }

    async fn end_once(
        &self,
        names: &[Name],
        which: Which,
        word: Option<Word>,
        now: UnixTime,
    ) -> Result<Option<usize>, Lost> {
        let (mut due, mut fresh) = (Vec::new(), names.is_empty());
        for name in names {
            match self.sessions.ask(*name, Command::End { which, word }, now).await? {
                Answer::Ended(Some(more)) => {
                    due.extend(more);
                    fresh = true;
                }
                Answer::Ended(None) => {}
                _ => return Err(Lost),
            }
        }
        let count = due.len();
        self.tell(due, now).await?;
        Ok(fresh.then_some(count))
    }

    /// Ends sessions in their own objects.
    ///
    /// # Errors
    /// [`Lost`] when one of them could not be told; all were tried.
    pub async fn tell(&self, due: Vec<Due>, now: UnixTime) -> Result<(), Lost> {
        let told =
            due.into_iter().map(|Due { object, until }| self.sessions.end(object, until, now));
        let told: Vec<_> = iter(told).buffer_unordered(AT_ONCE).collect().await;
        told.into_iter().collect()
    }

    /// When each of these was used last; those that are over are left out, and of those that do not
    /// answer it is not known.
    pub async fn seen(&self, noted: Vec<Noted>, now: UnixTime) -> Vec<(Noted, Option<UnixTime>)> {
        let asked = noted.into_iter().map(async |noted| {
            let seen = self.sessions.seen(noted.object, now).await;
            match seen {
                Ok(Some(seen_at)) => Some((noted, Some(seen_at))),
                Ok(None) => None,
                Err(Lost) => Some((noted, None)),
            }
        });
        let seen: Vec<_> = iter(asked).buffered(AT_ONCE).collect().await;
        seen.into_iter().flatten().collect()
    }
}
