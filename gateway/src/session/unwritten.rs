//! What is known of sealed sessions after token calls that brought nothing: how long to leave the
//! provider alone, and what it may owe.
//!
//! The browser is not told. Its cookie has the refresh token in it, and another request of the same
//! moment may have brought the next one: whichever answer comes last is what the browser keeps, and
//! the token from before would be found used up when the provider repeats its answer no more. So the
//! isolate remembers it, and another isolate finds it out by itself.

use super::state::Session;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many sessions something is known of.
const MOST: usize = 256;

/// By the name of each session: what its cookie says, and what has become of that.
#[derive(Debug, Default)]
pub struct Unwritten(RefCell<HashMap<String, (Session, Session)>>);

impl Unwritten {
    /// What has become of the session that a cookie holds. What is known of another cookie of it says
    /// nothing about this one.
    #[must_use]
    pub fn since(&self, name: &str, told: &Session) -> Session {
        let known = self.0.borrow();
        let known = known.get(name).filter(|(before, _)| before == told);
        known.map_or(told, |(_, after)| after).clone()
    }

    /// Notes what has become of it.
    pub fn keep(&self, name: &str, told: Session, after: Session) {
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST && !known.contains_key(name) {
            known.clear();
        }
        known.insert(name.to_owned(), (told, after));
    }
}
