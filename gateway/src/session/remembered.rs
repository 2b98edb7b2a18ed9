//! What session objects said lately about tokens for single origins. The cookie has no room for those,
//! so an isolate remembers them, and believes them as a cookie is believed: for as long after the object
//! said so, and no longer than the token and the session are good.

use super::state::Snapshot;
use super::state::further::{Aim, Key, MOST, Supplied};
use crate::forward::Bearer;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

/// How many sessions each generation holds; a token is a kilobyte or two.
const SESSIONS: usize = 256;

/// What was said, by the sealed handle of the session, or its secret's digest where it has no object:
/// whoever has that in a cookie that we opened has its secret.
#[derive(Debug, Default)]
pub struct Remembered(RefCell<Generations>);

/// What was used since the young ones filled up last, and what was used before that.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Vec<Known>>,
    old: HashMap<String, Vec<Known>>,
}

/// One token of one session.
#[derive(Clone, Debug)]
pub struct Known {
    /// Whose.
    pub snapshot: Rc<Snapshot>,
    /// As the origin is sent it; none when no header can hold it.
    pub bearer: Option<Bearer>,
    key: Key,
    refresh_at: UnixTime,
    checked_at: UnixTime,
}

impl Known {
    /// What an object says at `now` about the token that `aim` asks for.
    #[must_use]
    pub fn new(supplied: Supplied, aim: &Aim, now: UnixTime) -> Self {
        let Supplied { snapshot, granted } = supplied;
        Self {
            snapshot: snapshot.into(),
            bearer: Bearer::for_origin(&granted, aim),
            key: granted.key(),
            refresh_at: granted.refresh_at(),
            checked_at: now,
        }
    }

    fn may_be_believed(&self, seconds: u64, now: UnixTime) -> bool {
        // Of the session's own token it does not matter how old it is.
        let Snapshot { idle_ends_at, ends_at, .. } = &*self.snapshot;
        now < self.refresh_at
            && now < *idle_ends_at
            && now < *ends_at
            // In either direction, for clocks jump.
            && now.0.abs_diff(self.checked_at.0) < seconds
    }
}

impl Remembered {
    /// What is remembered of a session and a token, if it may be believed for so many `seconds`.
    #[must_use]
    pub fn find(&self, handle: &str, key: Key, seconds: u64, now: UnixTime) -> Option<Known> {
        let mut generations = self.0.borrow_mut();
        let known = generations.of(handle)?.iter().find(|known| known.key == key)?;
        known.may_be_believed(seconds, now).then(|| known.clone())
    }

    /// Remembers one.
    pub fn keep(&self, handle: &str, known: Known) {
        let mut generations = self.0.borrow_mut();
        if let Some(all) = generations.of(handle) {
            all.retain(|other| other.key != known.key);
            if all.len() >= MOST {
                all.remove(0);
            }
            all.push(known);
        } else {
            generations.put(handle.to_owned(), vec![known]);
        }
    }

    /// The session is over.
    pub fn forget(&self, handle: &str) {
        let mut generations = self.0.borrow_mut();
        generations.young.remove(handle);
        generations.old.remove(handle);
    }
}

impl Generations {
    /// What is known of a session, which is young from now on.
    fn of(&mut self, handle: &str) -> Option<&mut Vec<Known>> {
        if let Some(known) = self.old.remove(handle) {
            self.put(handle.to_owned(), known);
        }
        self.young.get_mut(handle)
    }

    fn put(&mut self, handle: String, known: Vec<Known>) {
        if self.young.len() >= SESSIONS {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(handle, known);
    }
}
