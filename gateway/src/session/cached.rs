//! Sessions in objects, with copies of what they said in a place that is near, and slow to learn:
//! Workers KV. A copy is believed as a hybrid cookie is, by when its object said so, which is inside
//! of its seal: however old what is read is, nobody is believed for longer (GS-23).

use super::driver::{Provided, Spawn, Visited};
use super::state::further::Aim;
use super::state::{Farewell, Live, Snapshot};
use super::{Lost, Sessions};
use crate::config::Config;
use crate::person::{Answer, Command, Name, People};
use serde::{Deserialize, Serialize};
use shared::seal::{Purpose, SealingKeys};
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use uuid::Uuid;

/// The place takes no copy for less.
const SHORTEST_LIFE: u64 = 60;
/// So many sessions' writes an isolate remembers.
const MOST: usize = 1024;

/// The place of the copies. It may fail, and it may tell what was there a minute ago: nothing that
/// it says or loses changes who is signed in.
pub trait Copies {
    /// What is there, or was.
    async fn read(&self, name: &str) -> Option<String>;

    /// Puts a copy there, for so many seconds.
    async fn write(&self, name: &str, copy: &str, seconds: u64);

    /// Takes it away.
    async fn forget(&self, name: &str);
}

/// When this isolate wrote which copies: the place takes one write a second for each.
#[derive(Debug, Default)]
pub struct Written(RefCell<HashMap<Uuid, UnixTime>>);

impl Written {
    /// Whether the copy of this session may be written now, and if so, that it is.
    fn may(&self, id: Uuid, now: UnixTime) -> bool {
        let mut written = self.0.borrow_mut();
        if written.get(&id) == Some(&now) {
            return false;
        }
        if written.len() >= MOST {
            written.clear();
        }
        written.insert(id, now);
        true
    }
}

/// Sessions with copies.
pub struct Cached<S, C, P> {
    sessions: S,
    copies: Rc<C>,
    around: P,
    keys: SealingKeys,
    /// Seconds.
    believed: u64,
    written: Rc<Written>,
}

impl<S: fmt::Debug, C, P> fmt::Debug for Cached<S, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.sessions).finish()
    }
}

/// A copy, inside of its seal.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Copy {
    snapshot: Box<Snapshot>,
    /// When the object said so, or earlier.
    checked_at: UnixTime,
}

impl<S, C, P> Cached<S, C, P> {
    /// These sessions, with these copies.
    #[must_use]
    pub fn new(sessions: S, copies: C, around: P, config: &Config, written: Rc<Written>) -> Self {
        let (copies, keys) = (Rc::new(copies), config.keys.clone());
        Self { sessions, copies, around, keys, believed: config.believed_seconds(), written }
    }

    fn open_copy(&self, place: &str, sealed: &str) -> Option<Copy> {
        let plain = self.keys.open(purpose(place), sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

impl<S, C: Copies, P> Cached<S, C, P> {
    async fn forget(&self, id: Uuid) {
        if self.believed > 0 {
            self.copies.forget(&id.to_string()).await;
        }
    }
}

fn purpose(place: &str) -> Purpose<'_> {
    Purpose::new("session copy", place)
}

/// Whoever has no secret of the session has no use for its copy.
fn place(id: Uuid, secret: Digest) -> String {
    format!("{id} {}", secret.to_text())
}

impl<S: People, C, P> People for Cached<S, C, P> {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        self.sessions.ask(name, command, now).await
    }
}

impl<S: Sessions, C: Copies + 'static, P: Spawn> Sessions for Cached<S, C, P> {
    async fn open(&self, id: Uuid, live: Live) -> Result<bool, Lost> {
        self.sessions.open(id, live).await
    }

    async fn visit(
        &self,
        id: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        if self.believed == 0 {
            return self.sessions.visit(id, secret, jitter, now).await;
        }
        let (name, place) = (id.to_string(), place(id, secret));
        let found = self.copies.read(&name).await;
        if let Some(Copy { snapshot, checked_at }) =
            found.and_then(|sealed| self.open_copy(&place, &sealed))
            && snapshot.may_be_believed(checked_at, self.believed, now)
        {
            return Ok(Visited::Present(snapshot, None));
        }
        let visited = self.sessions.visit(id, secret, jitter, now).await?;
        if let Visited::Present(snapshot, _) = &visited
            && snapshot.may_be_believed(now, self.believed, now)
            && self.written.may(id, now)
            && let Ok(plain) =
                serde_json::to_vec(&Copy { snapshot: snapshot.clone(), checked_at: now })
        {
            // It holds an access token.
            let sealed = self.keys.seal_the_same(purpose(&place), &plain);
            let (copies, seconds) = (Rc::clone(&self.copies), self.believed.max(SHORTEST_LIFE));
            self.around.spawn(async move { copies.write(&name, &sealed, seconds).await });
        }
        Ok(visited)
    }

    /// No copy has those: the isolate remembers what the object said.
    async fn visit_for(
        &self,
        id: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        self.sessions.visit_for(id, secret, aim, jitter, now).await
    }

    async fn close(
        &self,
        id: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        let farewell = self.sessions.close(id, secret, now).await?;
        self.forget(id).await;
        Ok(farewell)
    }

    async fn end(&self, id: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        self.sessions.end(id, until, now).await?;
        self.forget(id).await;
        Ok(())
    }

    async fn seen(&self, id: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        self.sessions.seen(id, now).await
    }
}
