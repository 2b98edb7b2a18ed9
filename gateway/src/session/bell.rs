//! Telling those who keep a watch that a session is over, where its store tells nobody: whoever writes
//! the end rings.

use super::Lost;
use super::contended::{Shelf, Version};
use super::driver::Spawn;
use super::state::Session;
use serde::{Deserialize, Serialize};
use shared::secret::Digest;
use std::fmt;
use std::rc::Rc;
use uuid::Uuid;

/// Who keeps a watch: the browser of a session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Watch {
    /// Which.
    pub session: Uuid,
    /// Digest of its secret.
    pub secret: Digest,
}

/// What rings where somebody keeps a watch.
pub trait Bell {
    /// The session is over; or, when that is not `certain`, whoever keeps a watch is to look again.
    /// Ringing does not fail: who hears nothing watches until the session's absolute end.
    async fn ring(&self, id: Uuid, certain: bool);
}

/// A shelf that rings when the end of a session is written on it.
pub struct Belled<K, B, P> {
    shelf: K,
    bell: Rc<B>,
    around: P,
}

impl<K: fmt::Debug, B, P> fmt::Debug for Belled<K, B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Belled").field(&self.shelf).finish()
    }
}

impl<K, B, P> Belled<K, B, P> {
    /// This shelf, with this bell, which is rung behind the request.
    #[must_use]
    pub fn new(shelf: K, bell: B, around: P) -> Self {
        Self { shelf, bell: Rc::new(bell), around }
    }
}

impl<K: Shelf, B: Bell + 'static, P: Spawn> Shelf for Belled<K, B, P> {
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        self.shelf.load(id).await
    }

    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        // Nobody watches what was not there.
        self.shelf.insert(id, next, session).await
    }

    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        let done = self.shelf.replace(id, seen, next, session).await;
        if matches!(session, Session::Ended { .. }) && done != Ok(false) {
            let (bell, certain) = (Rc::clone(&self.bell), done.is_ok());
            self.around.spawn(async move { bell.ring(id, certain).await });
        }
        done
    }

    async fn sweep(&self) -> Result<(), Lost> {
        self.shelf.sweep().await
    }
}
