//! The gateway's session objects, in a map. Commands, answers and rows travel as JSON, as they do
//! between a Worker and its Durable Objects.

use crate::line::Line;
use crate::turns::{Tasks, turns};
use gateway::session::driver::{Broken, Driver, Store, Visited};
use gateway::session::exchange::Party;
use gateway::session::state::{Farewell, Live, Session};
use gateway::session::{Command, Lost, Sessions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use uuid::Uuid;

/// How many turns a request waits for somebody else's token call.
pub const PATIENCE: usize = 1000;

type Instance = Rc<Driver<Row, Tasks, Line, Native>>;

/// One row of one object.
#[derive(Clone, Debug, Default)]
struct Row {
    text: Rc<RefCell<Option<String>>>,
    failures: Rc<Cell<u32>>,
}

impl Store for Row {
    fn load(&self) -> Result<Option<Session>, Broken> {
        let text = self.text.borrow();
        text.as_deref().map(|text| serde_json::from_str(text).map_err(|_| Broken)).transpose()
    }

    fn save(&self, session: &Session) -> Result<(), Broken> {
        if let Some(fewer) = self.failures.get().checked_sub(1) {
            self.failures.set(fewer);
            return Err(Broken);
        }
        let text = serde_json::to_string(session).map_err(|_| Broken)?;
        self.text.replace(Some(text));
        Ok(())
    }
}

/// All session objects.
#[derive(Debug)]
pub struct Objects {
    party: Rc<Party<Line, Native>>,
    tasks: Tasks,
    rows: RefCell<BTreeMap<Uuid, Row>>,
    instances: RefCell<BTreeMap<Uuid, Instance>>,
    asked: Cell<usize>,
    failures: Rc<Cell<u32>>,
    lost: Cell<bool>,
}

impl Objects {
    /// None yet.
    pub fn new(party: Rc<Party<Line, Native>>, tasks: Tasks) -> Self {
        Self {
            party,
            tasks,
            rows: RefCell::default(),
            instances: RefCell::default(),
            asked: Cell::default(),
            failures: Rc::default(),
            lost: Cell::default(),
        }
    }

    /// How many objects keep something.
    pub fn len(&self) -> usize {
        let rows = self.rows.borrow();
        rows.values().filter(|row| row.text.borrow().is_some()).count()
    }

    /// Whether none keeps anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are signed in.
    pub fn live(&self) -> usize {
        let rows = self.rows.borrow();
        rows.values().filter(|row| matches!(row.load(), Ok(Some(Session::Live(_))))).count()
    }

    /// How often any of them was asked anything.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Puts every instance away, with what it was doing; the rows stay.
    pub fn evict(&self) {
        self.instances.borrow_mut().clear();
        self.tasks.forget();
    }

    /// Makes the next writes fail.
    pub fn fail_writes(&self, count: u32) {
        self.failures.set(count);
    }

    /// Makes all of them unreachable, or reachable again.
    pub fn lose(&self, lost: bool) {
        self.lost.set(lost);
    }

    async fn reach(&self, object: Uuid) -> Result<Instance, Lost> {
        self.asked.set(self.asked.get() + 1);
        turns(1).await;
        if self.lost.get() {
            return Err(Lost);
        }
        let failures = Rc::clone(&self.failures);
        let row = || Row { text: Rc::default(), failures };
        let row = self.rows.borrow_mut().entry(object).or_insert_with(row).clone();
        let fresh = || Driver::new(row, self.tasks.clone(), Rc::clone(&self.party));
        Ok(Rc::clone(self.instances.borrow_mut().entry(object).or_insert_with(fresh)))
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost> {
        let instance = self.reach(object).await?;
        let Command::Open(live) = over_the_wire(&Command::Open(Box::new(live))) else {
            return Err(Lost);
        };
        let opened = instance.open(*live).map_err(|Broken| Lost)?;
        turns(1).await;
        Ok(opened)
    }

    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        let instance = self.reach(object).await?;
        let visited = instance.visit(secret, jitter, now, turns(PATIENCE)).await;
        turns(1).await;
        Ok(over_the_wire(&visited))
    }

    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        let instance = self.reach(object).await?;
        let farewell = instance.close(secret, now).map_err(|Broken| Lost)?;
        turns(1).await;
        Ok(over_the_wire(&farewell))
    }
}

/// What a value is after a journey as JSON.
fn over_the_wire<T: DeserializeOwned + Serialize>(value: &T) -> T {
    let json = serde_json::to_vec(value).expect("commands and answers have a JSON form");
    serde_json::from_slice(&json).expect("what was written can be read")
}
