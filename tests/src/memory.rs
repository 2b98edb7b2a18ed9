//! The issuer's objects, in a map. Commands and answers travel as JSON, as they do between a Worker
//! and its Durable Objects, and other requests get a turn around each, so that what races there
//! races here.

use crate::fault::Faults;
use crate::turns::turns;
use idp::account::Account;
use idp::config::Config;
use idp::directory;
use idp::rows::{Rows, Table, Unavailable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use uuid::Uuid;

pub use crate::fault::Fault;

/// What all objects keep. Clones are the same storage.
#[derive(Clone, Debug, Default)]
pub struct Memory(Rc<State>);

/// The object, the table and the key.
type Place = (String, &'static str, String);

/// Rows, each with the time after which nobody misses it.
type Stored = BTreeMap<Place, (String, Option<UnixTime>)>;

/// When the alarms of objects ring: those that were set, and apart from them those that failed or
/// broke off, which ring again. An alarm that has rung may have set itself for that very time.
#[derive(Clone, Debug, Default)]
struct Alarms {
    set: BTreeMap<String, UnixTime>,
    again: BTreeMap<String, UnixTime>,
}

impl Alarms {
    fn all(&self) -> impl Iterator<Item = (&String, UnixTime)> {
        self.set.iter().chain(&self.again).map(|(name, at)| (name, *at))
    }
}

/// What everything was at some moment.
#[derive(Clone, Debug)]
pub struct Moment(Stored, Alarms);

/// What the objects were asked, and what it took.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Work {
    /// The object of each command.
    pub asked: Vec<String>,
    /// How often a row was read.
    pub read: usize,
    /// How often a row was written or removed.
    pub written: usize,
    /// How often a whole table was read.
    pub listed: usize,
}

#[derive(Debug, Default)]
struct State {
    rows: RefCell<Stored>,
    work: RefCell<Work>,
    alarms: RefCell<Alarms>,
    faults: Faults,
}

/// How long after it has failed an alarm rings again, in seconds.
const ALARM_AGAIN: u64 = 2;

impl Memory {
    /// Arranges for something to go wrong, once.
    pub fn fail(&self, fault: Fault) {
        self.0.faults.fail(fault);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.0.faults.mend();
    }

    /// Whether what was arranged has not happened yet.
    pub fn is_failing(&self) -> bool {
        self.0.faults.is_failing()
    }

    /// What was done since this was asked last.
    pub fn work(&self) -> Work {
        self.0.work.take()
    }

    /// Remembers everything, so that what is tried out can be undone.
    pub fn moment(&self) -> Moment {
        Moment(self.0.rows.borrow().clone(), self.0.alarms.borrow().clone())
    }

    /// Everything is as it was.
    pub fn undo(&self, moment: &Moment) {
        self.0.rows.replace(moment.0.clone());
        self.0.alarms.replace(moment.1.clone());
    }

    /// When the first alarm rings.
    pub fn first_alarm(&self) -> Option<UnixTime> {
        self.0.alarms.borrow().all().map(|(_, at)| at).min()
    }

    /// Has every alarm ring whose time has come, and those that are set by that for now. `ring` gets
    /// the rows of an object; an alarm that fails, or breaks off, rings again a little later.
    pub async fn ring_alarms<E>(
        &self,
        now: UnixTime,
        ring: impl AsyncFn(&Object<'_>) -> Result<(), E>,
    ) {
        loop {
            let due: BTreeSet<_> = {
                let alarms = self.0.alarms.borrow();
                let due = alarms.all().filter(|(_, at)| *at <= now);
                due.map(|(name, _)| name.clone()).collect()
            };
            if due.is_empty() {
                return;
            }
            for name in due {
                {
                    let mut alarms = self.0.alarms.borrow_mut();
                    alarms.set.remove(&name);
                    // Should it break off, it will ring again.
                    alarms.again.insert(name.clone(), now.plus(ALARM_AGAIN));
                }
                if ring(&Object { memory: self, name: name.clone(), now }).await.is_ok() {
                    self.0.alarms.borrow_mut().again.remove(&name);
                }
            }
        }
    }

    /// Everything stored, as text to search in.
    pub fn dump(&self) -> String {
        format!("{:?}", self.0.rows.borrow())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.rows.borrow().len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn storage(&self) -> Result<(), Unavailable> {
        if self.0.faults.storage_fails() { Err(Unavailable) } else { Ok(()) }
    }
}

/// One object's rows, at one time. Rows that nobody has to keep any more are gone.
#[derive(Debug)]
pub struct Object<'m> {
    memory: &'m Memory,
    name: String,
    now: UnixTime,
}

impl Object<'_> {
    fn place(&self, table: Table, key: &str) -> Place {
        (self.name.clone(), table.name(), key.to_owned())
    }
}

impl Rows for Object<'_> {
    fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, Unavailable> {
        self.memory.storage()?;
        self.memory.0.work.borrow_mut().listed += 1;
        let rows = self.memory.0.rows.borrow();
        let ours = rows.iter().filter(|((object, kind, _), (_, until))| {
            let alive = until.is_none_or(|until| until >= self.now);
            alive && *object == self.name && *kind == table.name()
        });
        let read = ours.map(|((.., key), (json, _))| {
            let row = serde_json::from_str(json).map_err(|_| Unavailable)?;
            Ok((key.clone(), row))
        });
        read.collect()
    }

    fn remove(&self, table: Table, key: &str) -> Result<(), Unavailable> {
        self.memory.storage()?;
        self.memory.0.work.borrow_mut().written += 1;
        self.memory.0.rows.borrow_mut().remove(&self.place(table, key));
        Ok(())
    }

    fn load<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, Unavailable> {
        self.memory.storage()?;
        self.memory.0.work.borrow_mut().read += 1;
        let rows = self.memory.0.rows.borrow();
        let row = rows.get(&self.place(table, key));
        let row = row.filter(|(_, until)| until.is_none_or(|until| until >= self.now));
        row.map(|(json, _)| serde_json::from_str(json).map_err(|_| Unavailable)).transpose()
    }

    fn save(
        &self,
        table: Table,
        key: &str,
        row: &impl Serialize,
        until: Option<UnixTime>,
    ) -> Result<(), Unavailable> {
        self.memory.storage()?;
        self.memory.0.work.borrow_mut().written += 1;
        let json = serde_json::to_string(row).map_err(|_| Unavailable)?;
        let mut rows = self.memory.0.rows.borrow_mut();
        rows.insert(self.place(table, key), (json, until));
        // Swept as each write does on the edge: a clock that comes back finds them gone.
        rows.retain(|(object, ..), (_, until)| {
            *object != self.name || until.is_none_or(|until| until >= self.now)
        });
        Ok(())
    }

    fn wake(&self, at: UnixTime) -> Result<(), Unavailable> {
        self.memory.storage()?;
        self.memory.0.alarms.borrow_mut().set.insert(self.name.clone(), at);
        Ok(())
    }
}

/// The objects of one deployment.
#[derive(Clone, Debug)]
pub struct Objects {
    /// What they keep.
    pub memory: Memory,
    /// What they go by.
    pub config: Rc<Config>,
}

impl Objects {
    /// Has the object `name` obey one command.
    pub(crate) async fn obey<C: DeserializeOwned + Serialize, A: DeserializeOwned + Serialize>(
        &self,
        name: String,
        command: &C,
        now: UnixTime,
        step: impl FnOnce(&Object<'_>, C) -> Result<A, Unavailable>,
    ) -> Result<A, Unavailable> {
        let command = over_the_wire(command);
        self.memory.0.work.borrow_mut().asked.push(name.clone());
        turns(1).await;
        if self.memory.0.faults.command_is_lost() {
            return Err(Unavailable);
        }
        let answer = step(&Object { memory: &self.memory, name, now }, command)?;
        if self.memory.0.faults.answer_is_lost() {
            return Err(Unavailable);
        }
        turns(1).await;
        Ok(over_the_wire(&answer))
    }

    pub(crate) async fn account<
        C: DeserializeOwned + Serialize,
        A: DeserializeOwned + Serialize,
    >(
        &self,
        account: Uuid,
        command: &C,
        now: UnixTime,
        step: impl FnOnce(Account<'_, Object<'_>>, C) -> Result<A, Unavailable>,
    ) -> Result<A, Unavailable> {
        let (config, id) = (&self.config, account);
        let step = |rows: &Object<'_>, command| step(Account { rows, config, id }, command);
        self.obey(format!("account {account}"), command, now, step).await
    }

    pub(crate) async fn directory<
        C: DeserializeOwned + Serialize,
        A: DeserializeOwned + Serialize,
    >(
        &self,
        entry: &directory::Entry,
        command: C,
        step: impl FnOnce(&Object<'_>, &directory::Entry, C) -> Result<A, Unavailable>,
    ) -> Result<A, Unavailable> {
        let shard = format!("directory {}", entry.shard());
        let step = |rows: &Object<'_>, (entry, command): (directory::Entry, C)| {
            step(rows, &entry, command)
        };
        self.obey(shard, &(entry.clone(), command), UnixTime::default(), step).await
    }
}

/// What a value is after a journey as JSON.
fn over_the_wire<T: DeserializeOwned + Serialize>(value: &T) -> T {
    let json = serde_json::to_vec(value).expect("commands and answers have a JSON form");
    serde_json::from_slice(&json).expect("what was written can be read")
}
