//! The sessions that one person has, in all their browsers: what it takes to end them without the
//! cookies that open them. One value an object; every command is one consuming step of it.
//!
//! An object is named by a person, or by a session of the provider, for a logout token may name
//! nothing else; the second kind only knows which the first one is.

use crate::session::Lost;
use serde::{Deserialize, Serialize};
use shared::seal::{Purpose, SealingKeys, mac};
use shared::secret::Digest;
use shared::time::UnixTime;
use std::fmt;
use uuid::Uuid;

/// How long it is remembered what has ended, in seconds. Longer than a sign-in takes from the tokens
/// to the session, and longer than a provider waits before it says again what we could not do.
const MEMORY: u64 = 600;
/// How many ends, and how many used tokens, are remembered at the most. Not fewer than anybody can have
/// sessions.
const MOST_REMEMBERED: usize = 512;

/// The objects. Each call is one request to one object.
pub trait People {
    /// Puts a command to the object of this name.
    ///
    /// # Errors
    /// [`Lost`].
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost>;
}

/// The name of an object: a keyed digest, which tells nobody whose it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Name(Digest);

impl Name {
    /// The names of the object of the person whom `authority` calls so, one for each sealing key: what is new is filed under the
    /// first, what was filed before a rotation is under another.
    pub fn of_person<'k>(
        keys: &'k SealingKeys,
        authority: &'k str,
        subject: &'k str,
    ) -> impl Iterator<Item = Self> + 'k {
        Self::all(keys, "person", authority, subject)
    }

    /// The names of the object of a session of the provider.
    pub fn of_session<'k>(
        keys: &'k SealingKeys,
        authority: &'k str,
        sid: &'k str,
    ) -> impl Iterator<Item = Self> + 'k {
        Self::all(keys, "session", authority, sid)
    }

    fn all<'k>(
        keys: &'k SealingKeys,
        kind: &'static str,
        authority: &'k str,
        id: &'k str,
    ) -> impl Iterator<Item = Self> + 'k {
        let parts = [kind.as_bytes(), authority.as_bytes(), id.as_bytes()];
        keys.subkeys(Purpose::new("person", "")).map(move |key| Self(Digest::of(mac(&key, &parts))))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_text())
    }
}

/// One session, as it is noted when it opens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Noted {
    /// The session's object.
    pub object: Uuid,
    /// Digest of the provider's name for the session in which it began.
    pub sid: Option<Digest>,
    /// When it was opened.
    pub opened_at: UnixTime,
    /// When it ends in any case.
    pub until: UnixTime,
    /// The browser, in a few fixed words.
    pub agent: String,
}

/// A session that may have to be ended, or to be told again that it has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Due {
    /// Its object.
    pub object: Uuid,
    /// When even the memory of it may go.
    pub until: UnixTime,
}

impl From<&Noted> for Due {
    fn from(noted: &Noted) -> Self {
        Self { object: noted.object, until: noted.until }
    }
}

/// Which sessions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Which {
    /// All of them.
    All,
    /// Those that began in this session of the provider, and those of which it is not known.
    Of(Digest),
    /// This one.
    One(Uuid),
    /// All but this one.
    AllBut(Uuid),
}

/// The provider's word that a session is over, which counts once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Word {
    /// Digest of its name.
    pub token: Digest,
    /// When it is refused in any case.
    pub until: UnixTime,
}

/// What an object is asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Command {
    /// A session is about to open. Answered by [`Answer::Noted`].
    Note {
        /// Which.
        noted: Noted,
        /// How many there may be with it; the oldest make room.
        most: usize,
    },
    /// A session was closed by its browser. Answered by [`Answer::Done`].
    Forget(Uuid),
    /// Answered by [`Answer::Listed`].
    List,
    /// Answered by [`Answer::Ended`].
    End {
        /// Which sessions.
        which: Which,
        /// By whose word, if it is not the person's own.
        word: Option<Word>,
    },
    /// Not everything could be done that this token asked for: it counts once more. Answered by
    /// [`Answer::Done`].
    Unspend(Digest),
    /// In the object of a provider's session: whose it is. Answered by [`Answer::Done`].
    Point {
        /// The person's object.
        person: Name,
        /// When that is of no interest any more.
        until: UnixTime,
    },
    /// Answered by [`Answer::Whose`].
    Whose,
}

/// What it says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Answer {
    /// The session may open, and these end because they are too many; none when the provider's
    /// session, in which it would begin, is over already.
    Noted(Option<Vec<Due>>),
    /// The sessions that have not been ended, newest first.
    Listed(Vec<Noted>),
    /// What is to be ended; none when the word was used before.
    Ended(Option<Vec<Due>>),
    /// Whose the provider's session is.
    Whose(Option<Name>),
    /// Nothing to say.
    Done,
}

/// What an object keeps.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Person {
    /// Oldest first.
    open: Vec<Noted>,
    /// Sessions that were ended a moment ago: asked again, they are named again, for whoever asked
    /// first may not have come to tell them.
    ended: Vec<(Noted, UnixTime)>,
    /// Sessions of the provider that are over: what would begin in one of them doesn't.
    over: Vec<(Digest, UnixTime)>,
    /// Tokens that were used.
    spent: Vec<(Digest, UnixTime)>,
    /// In the object of a provider's session: whose it is.
    whose: Option<(Name, UnixTime)>,
}

impl Person {
    /// Obeys a command.
    #[must_use]
    pub fn obey(self, command: Command, now: UnixTime) -> (Self, Answer) {
        let person = self.swept(now);
        match command {
            Command::Note { noted, most } => person.note(noted, most, now),
            Command::Forget(object) => (person.forget(object), Answer::Done),
            Command::List => {
                let listed = person.open.iter().rev().cloned().collect();
                (person, Answer::Listed(listed))
            }
            Command::End { which, word } => person.end(which, word, now),
            Command::Unspend(token) => (person.unspend(token), Answer::Done),
            Command::Point { person: name, until } => {
                (Self { whose: Some((name, until)), ..person }, Answer::Done)
            }
            Command::Whose => {
                let whose = person.whose.map(|(name, _)| name);
                (person, Answer::Whose(whose))
            }
        }
    }

    /// When there will be nothing left of it; none when there is nothing now.
    #[must_use]
    pub fn until(&self) -> Option<UnixTime> {
        let Self { open, ended, over, spent, whose } = self;
        let sessions = open.iter().map(|noted| noted.until);
        let marks = over.iter().chain(spent).map(|(_, until)| *until);
        let ended = ended.iter().map(|(_, until)| *until);
        sessions.chain(marks).chain(ended).chain(whose.map(|(_, until)| until)).max()
    }

    fn swept(mut self, now: UnixTime) -> Self {
        let Self { open, ended, over, spent, whose } = &mut self;
        open.retain(|noted| now < noted.until);
        ended.retain(|(_, until)| now < *until);
        over.retain(|(_, until)| now < *until);
        spent.retain(|(_, until)| now < *until);
        *whose = whose.filter(|(_, until)| now < *until);
        self
    }

    fn note(mut self, noted: Noted, most: usize, now: UnixTime) -> (Self, Answer) {
        if self.over.iter().any(|(sid, _)| Some(*sid) == noted.sid) {
            return (self, Answer::Noted(None));
        }
        self.open.push(noted);
        let surplus = self.open.len().saturating_sub(most);
        let crowded: Vec<Noted> = self.open.drain(..surplus).collect();
        let due = crowded.iter().map(Due::from).collect();
        self.remember(crowded, now);
        (self, Answer::Noted(Some(due)))
    }

    fn forget(mut self, object: Uuid) -> Self {
        self.open.retain(|noted| noted.object != object);
        self
    }

    fn end(mut self, which: Which, word: Option<Word>, now: UnixTime) -> (Self, Answer) {
        if let Some(Word { token, until }) = word {
            if self.spent.iter().any(|(spent, _)| *spent == token) {
                return (self, Answer::Ended(None));
            }
            keep(&mut self.spent, (token, until));
        }
        if let Which::Of(sid) = which {
            keep(&mut self.over, (sid, now.plus(MEMORY)));
        }
        let again = self.ended.iter().map(|(noted, _)| noted).filter(|noted| which.is(noted));
        let mut due: Vec<Due> = again.map(Due::from).collect();
        let (ending, open): (Vec<_>, Vec<_>) =
            self.open.into_iter().partition(|noted| which.is(noted));
        self.open = open;
        due.extend(ending.iter().map(Due::from));
        self.remember(ending, now);
        (self, Answer::Ended(Some(due)))
    }

    fn unspend(mut self, token: Digest) -> Self {
        self.spent.retain(|(spent, _)| *spent != token);
        self
    }

    fn remember(&mut self, ended: Vec<Noted>, now: UnixTime) {
        for noted in ended {
            keep(&mut self.ended, (noted, now.plus(MEMORY)));
        }
    }
}

/// Adds to what is remembered; the oldest makes room.
fn keep<T>(marks: &mut Vec<(T, UnixTime)>, mark: (T, UnixTime)) {
    let surplus = (marks.len() + 1).saturating_sub(MOST_REMEMBERED);
    marks.drain(..surplus);
    marks.push(mark);
}

impl Which {
    fn is(&self, noted: &Noted) -> bool {
        match self {
            Self::All => true,
            Self::Of(sid) => noted.sid.is_none_or(|other| other == *sid),
            Self::One(object) => noted.object == *object,
            Self::AllBut(object) => noted.object != *object,
        }
    }
}

#[cfg(test)]
#[path = "person_tests.rs"]
mod tests;
