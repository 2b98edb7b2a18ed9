//! Where the sessions of a gateway in this process are: in objects or, in the modes that have another
//! store, on a shelf that keeps the same rows in the same map, so that whatever counts and breaks
//! objects counts and breaks it too.

use crate::line::Line;
use crate::objects::Objects;
use crate::turns::{Tasks, turns};
use gateway::config::{Config, Mode};
use gateway::person::{Answer, Command, Name, People};
use gateway::session::cached::{Cached, Copies};
use gateway::session::contended::{Contended, Pause, Shelf, Version};
use gateway::session::driver::{Broken, Provided, Spawn, Store, Visited};
use gateway::session::parties::Parties;
use gateway::session::state::further::Aim;
use gateway::session::state::{Farewell, Live, Session};
use gateway::session::{Lost, Sessions};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::collections::BTreeMap;
use std::rc::Rc;
use uuid::Uuid;

/// How many milliseconds a turn is.
const TURN: u32 = 10;

/// What a store keeps beside the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Which writing of each row it is.
    versions: BTreeMap<Uuid, Version>,
    /// The copies that were written, and what was read of them first.
    written: BTreeMap<String, String>,
    read: BTreeMap<String, String>,
}

/// The rows of the objects, as a database has them.
#[derive(Debug)]
pub struct Rows(Rc<Objects>);

impl Shelf for Rows {
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        self.0
            .statement(id, |row| {
                let version = self.0.beside.borrow().versions.get(&id).copied();
                Ok(row.load()?.zip(version))
            })
            .await
    }

    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        self.write(id, None, next, session).await
    }

    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        self.write(id, Some(seen), next, session).await
    }

    async fn sweep(&self) -> Result<(), Lost> {
        Ok(())
    }
}

impl Rows {
    async fn write(
        &self,
        id: Uuid,
        seen: Option<Version>,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        self.0
            .statement(id, |row| {
                if self.0.beside.borrow().versions.get(&id).copied() != seen {
                    return Ok(false);
                }
                row.save(session)?;
                self.0.beside.borrow_mut().versions.insert(id, next);
                Ok::<_, Broken>(true)
            })
            .await
    }
}

/// What goes on behind requests, and pauses that are turns.
#[derive(Clone, Debug)]
pub struct Around(pub Tasks);

impl Spawn for Around {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(task);
    }
}

impl Pause for Around {
    async fn pause(&self, milliseconds: u32) {
        turns(usize::try_from(milliseconds / TURN).unwrap_or(1)).await;
    }
}

/// The objects, which others count and break.
#[derive(Debug)]
pub struct Shared(Rc<Objects>);

impl Sessions for Shared {
    async fn open(&self, id: Uuid, live: Live) -> Result<bool, Lost> {
        self.0.open(id, live).await
    }

    async fn visit(
        &self,
        id: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        self.0.visit(id, secret, jitter, now).await
    }

    async fn visit_for(
        &self,
        id: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        self.0.visit_for(id, secret, aim, jitter, now).await
    }

    async fn close(
        &self,
        id: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        self.0.close(id, secret, now).await
    }

    async fn end(&self, id: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        self.0.end(id, until, now).await
    }

    async fn seen(&self, id: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        self.0.seen(id, now).await
    }
}

impl People for Shared {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        self.0.ask(name, command, now).await
    }
}

/// Copies in a place that tells what it was read first for a minute, whatever has been written since.
#[derive(Debug)]
pub struct Slow(Rc<Objects>);

impl Slow {
    async fn with<A>(&self, act: impl FnOnce(&mut Beside) -> A) -> A {
        turns(1).await;
        act(&mut self.0.beside.borrow_mut())
    }
}

impl Copies for Slow {
    async fn read(&self, name: &str) -> Option<String> {
        self.with(|beside| {
            if let Some(read) = beside.read.get(name) {
                return Some(read.clone());
            }
            let found = beside.written.get(name).cloned()?;
            beside.read.insert(name.to_owned(), found.clone());
            Some(found)
        })
        .await
    }

    async fn write(&self, name: &str, copy: &str, _: u64) {
        self.with(|beside| beside.written.insert(name.to_owned(), copy.to_owned())).await;
    }

    async fn forget(&self, name: &str) {
        self.with(|beside| beside.written.remove(name)).await;
    }
}

/// Where sessions are.
#[derive(Debug)]
pub enum Stores {
    /// Each in an object.
    Objects(Rc<Objects>),
    /// Each in an object, with copies.
    Copies(Cached<Shared, Slow, Around>),
    /// All in one table.
    Table(Contended<Rows, Around, ChaCha12Rng, Line, Native, Shared>),
}

impl Stores {
    /// The store of this mode.
    #[must_use]
    pub fn of(
        config: &Config,
        objects: &Rc<Objects>,
        parties: &Rc<Parties<Line, Native>>,
        tasks: &Tasks,
    ) -> Self {
        match config.mode {
            Mode::Postgres => {
                let rows = Rows(Rc::clone(objects));
                let rng = ChaCha12Rng::seed_from_u64(1);
                Self::Table(Contended::new(
                    rows,
                    Around(tasks.clone()),
                    rng,
                    Rc::clone(parties),
                    Shared(Rc::clone(objects)),
                ))
            }
            Mode::Kv => {
                let (copies, around) = (Slow(Rc::clone(objects)), Around(tasks.clone()));
                let objects = Shared(Rc::clone(objects));
                Self::Copies(Cached::new(objects, copies, around, config, Rc::default()))
            }
            Mode::Hybrid | Mode::Durable | Mode::Sealed => Self::Objects(Rc::clone(objects)),
        }
    }
}

impl Sessions for Stores {
    async fn open(&self, id: Uuid, live: Live) -> Result<bool, Lost> {
        match self {
            Self::Objects(objects) => objects.open(id, live).await,
            Self::Copies(cached) => cached.open(id, live).await,
            Self::Table(table) => table.open(id, live).await,
        }
    }

    async fn visit(
        &self,
        id: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        match self {
            Self::Objects(objects) => objects.visit(id, secret, jitter, now).await,
            Self::Copies(cached) => cached.visit(id, secret, jitter, now).await,
            Self::Table(table) => table.visit(id, secret, jitter, now).await,
        }
    }

    async fn visit_for(
        &self,
        id: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        match self {
            Self::Objects(objects) => objects.visit_for(id, secret, aim, jitter, now).await,
            Self::Copies(cached) => cached.visit_for(id, secret, aim, jitter, now).await,
            Self::Table(table) => table.visit_for(id, secret, aim, jitter, now).await,
        }
    }

    async fn close(
        &self,
        id: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        match self {
            Self::Objects(objects) => objects.close(id, secret, now).await,
            Self::Copies(cached) => cached.close(id, secret, now).await,
            Self::Table(table) => table.close(id, secret, now).await,
        }
    }
    async fn end(&self, id: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        match self {
            Self::Objects(objects) => objects.end(id, until, now).await,
            Self::Copies(cached) => cached.end(id, until, now).await,
            Self::Table(table) => table.end(id, until, now).await,
        }
    }

    async fn seen(&self, id: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        match self {
            Self::Objects(objects) => objects.seen(id, now).await,
            Self::Copies(cached) => cached.seen(id, now).await,
            Self::Table(table) => table.seen(id, now).await,
        }
    }
}

impl People for Stores {
    async fn ask(&self, name: Name, command: Command, now: UnixTime) -> Result<Answer, Lost> {
        match self {
            Self::Objects(objects) => objects.ask(name, command, now).await,
            Self::Copies(cached) => cached.ask(name, command, now).await,
            Self::Table(table) => table.ask(name, command, now).await,
        }
    }
}
