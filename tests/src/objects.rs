//! The gateway's session objects, in a map. Commands, answers and rows travel as JSON, as they do
//! between a Worker and its Durable Objects.

use crate::fault::Faults;
use crate::line::Line;
use crate::stores::Beside;
use crate::turns::{Tasks, turns};
use gateway::person::{self as people, Answer, Name, People, Person};
use gateway::session::driver::{Broken, Driver, Provided, Store, Visited};
use gateway::session::parties::Parties;
use gateway::session::state::further::Aim;
use gateway::session::state::{Farewell, Live, Session};
use gateway::session::{Command, Lost, Sessions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::jose::native::Native;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use uuid::Uuid;

/// How many turns a request waits for somebody else's token call.
pub const PATIENCE: usize = 1000;

type Instance = Rc<Driver<Row, Tasks, Line, Native>>;

/// One row of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    text: Rc<RefCell<Option<String>>>,
    failures: Rc<Cell<u32>>,
    faults: Rc<Faults>,
}

impl Row {
    fn read(&self) -> Result<Option<Session>, Broken> {
        let text = self.text.borrow();
        text.as_deref().map(|text| serde_json::from_str(text).map_err(|_| Broken)).transpose()
    }
}

impl Store for Row {
    fn load(&self) -> Result<Option<Session>, Broken> {
        if self.faults.storage_fails() { Err(Broken) } else { self.read() }
    }

    fn save(&self, session: &Session) -> Result<(), Broken> {
        if let Some(fewer) = self.failures.get().checked_sub(1) {
            self.failures.set(fewer);
            return Err(Broken);
        }
        if self.faults.storage_fails() {
            return Err(Broken);
        }
        let text = serde_json::to_string(session).map_err(|_| Broken)?;
        self.text.replace(Some(text));
        Ok(())
    }
}

/// What every row was at some moment.
#[derive(Clone, Debug)]
pub struct Moment(BTreeMap<Uuid, Option<String>>, BTreeMap<String, String>, Beside);

/// All session objects.
#[derive(Debug)]
pub struct Objects {
    parties: Rc<Parties<Line, Native>>,
    tasks: Tasks,
    rows: RefCell<BTreeMap<Uuid, Row>>,
    instances: RefCell<BTreeMap<Uuid, Instance>>,
    /// The sessions of people, and whose the issuer's sessions are.
    people: RefCell<BTreeMap<String, String>>,
    /// What another store than these keeps beside the rows.
    pub(crate) beside: RefCell<Beside>,
    asked: Cell<usize>,
    failures: Rc<Cell<u32>>,
    lost: Cell<bool>,
    /// What goes wrong once.
    pub faults: Rc<Faults>,
    /// Counts the times that everything was put away.
    evictions: Cell<u32>,
    eviction_after: Cell<Option<usize>>,
}

impl Objects {
    /// None yet.
    pub fn new(parties: Rc<Parties<Line, Native>>, tasks: Tasks) -> Self {
        Self {
            parties,
            tasks,
            rows: RefCell::default(),
            instances: RefCell::default(),
            people: RefCell::default(),
            beside: RefCell::default(),
            asked: Cell::default(),
            failures: Rc::default(),
            lost: Cell::default(),
            faults: Rc::default(),
            evictions: Cell::default(),
            eviction_after: Cell::default(),
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
        rows.values().filter(|row| matches!(row.read(), Ok(Some(Session::Live(_))))).count()
    }

    /// How often any of them was asked anything.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Puts every instance away, with what it was doing; the rows stay. Who waits for an answer
    /// gets none.
    pub fn evict(&self) {
        self.evictions.set(self.evictions.get() + 1);
        self.instances.borrow_mut().clear();
        self.tasks.forget();
    }

    /// Arranges for that to happen in the middle: after so many turns, in whichever request.
    pub fn evict_after(&self, turns: usize) {
        self.eviction_after.set(Some(turns));
    }

    /// Whether it has not happened yet.
    pub fn will_evict(&self) -> bool {
        self.eviction_after.get().is_some()
    }

    /// It does not happen any more.
    pub fn spare(&self) {
        self.eviction_after.set(None);
    }

    /// A turn is over.
    pub fn turn(&self) {
        match self.eviction_after.get() {
            Some(0) => {
                self.spare();
                self.evict();
            }
            Some(more) => self.eviction_after.set(Some(more - 1)),
            None => {}
        }
    }

    /// Remembers every row, so that what is tried out can be undone.
    pub fn moment(&self) -> Moment {
        let rows = self.rows.borrow();
        let texts = rows.iter().map(|(object, row)| (*object, row.text.borrow().clone()));
        Moment(texts.collect(), self.people.borrow().clone(), self.beside.borrow().clone())
    }

    /// Every row is as it was, and nobody is doing anything.
    pub fn undo(&self, Moment(moment, people, beside): &Moment) {
        self.evict();
        self.people.borrow_mut().clone_from(people);
        self.beside.borrow_mut().clone_from(beside);
        self.rows.borrow_mut().retain(|object, row| {
            let text = moment.get(object);
            row.text.replace(text.cloned().flatten());
            text.is_some()
        });
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
        if self.faults.command_is_lost() {
            return Err(Lost);
        }
        let row = self.row(object);
        let fresh = || Driver::new(row, self.tasks.clone(), Rc::clone(&self.parties));
        Ok(Rc::clone(self.instances.borrow_mut().entry(object).or_insert_with(fresh)))
    }

    fn row(&self, object: Uuid) -> Row {
        let (failures, faults) = (Rc::clone(&self.failures), Rc::clone(&self.faults));
        let row = || Row { text: Rc::default(), failures, faults };
        self.rows.borrow_mut().entry(object).or_insert_with(row).clone()
    }

    /// What a statement about one row comes to, where rows are in a database and nothing is put
    /// away but what asks.
    pub(crate) async fn statement<A>(
        &self,
        object: Uuid,
        act: impl FnOnce(&Row) -> Result<A, Broken>,
    ) -> Result<A, Lost> {
        self.asked.set(self.asked.get() + 1);
        turns(1).await;
        if self.lost.get() || self.faults.command_is_lost() {
            return Err(Lost);
        }
        self.answer(async { act(&self.row(object)) }).await?.map_err(|Broken| Lost)
    }

    /// What `obeyed` comes to, unless the instance is put away meanwhile or the answer is lost.
    async fn answer<A>(&self, obeyed: impl Future<Output = A>) -> Result<A, Lost> {
        let evictions = self.evictions.get();
        let mut obeyed = pin!(async {
            let answer = obeyed.await;
            if self.faults.answer_is_lost() {
                return Err(Lost);
            }
            turns(1).await;
            Ok(answer)
        });
        poll_fn(|context| {
            if self.evictions.get() != evictions {
                return Poll::Ready(Err(Lost));
            }
            obeyed.as_mut().poll(context)
        })
        .await
    }
}

impl People for Objects {
    async fn ask(
        &self,
        name: Name,
        command: people::Command,
        now: UnixTime,
    ) -> Result<Answer, Lost> {
        self.asked.set(self.asked.get() + 1);
        turns(1).await;
        if self.lost.get() || self.faults.command_is_lost() {
            return Err(Lost);
        }
        let (name, command) = (name.to_string(), over_the_wire(&command));
        let obeyed = async {
            let text = self.people.borrow().get(&name).cloned();
            let person = text.map(|text| serde_json::from_str(&text).expect("as it was written"));
            let before: Person = person.unwrap_or_default();
            let (after, answer) = before.clone().obey(command, now);
            if after != before {
                if self.faults.storage_fails() {
                    return Err(Lost);
                }
                let text = serde_json::to_string(&after).expect("it has a JSON form");
                self.people.borrow_mut().insert(name, text);
            }
            Ok(answer)
        };
        Ok(over_the_wire(&self.answer(obeyed).await??))
    }
}

impl Sessions for Objects {
    async fn open(&self, object: Uuid, live: Live) -> Result<bool, Lost> {
        let instance = self.reach(object).await?;
        let Command::Open(live) = over_the_wire(&Command::Open(Box::new(live))) else {
            return Err(Lost);
        };
        self.answer(async { instance.open(*live) }).await?.map_err(|Broken| Lost)
    }

    async fn visit(
        &self,
        object: Uuid,
        secret: Digest,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Visited, Lost> {
        let instance = self.reach(object).await?;
        let visited = instance.visit(secret, jitter, now, turns(PATIENCE));
        Ok(over_the_wire(&self.answer(visited).await?))
    }

    async fn visit_for(
        &self,
        object: Uuid,
        secret: Digest,
        aim: &Aim,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Provided, Lost> {
        let instance = self.reach(object).await?;
        let aim = over_the_wire(aim);
        let provided = instance.visit_for(secret, &aim, jitter, now, turns(PATIENCE));
        Ok(over_the_wire(&self.answer(provided).await?))
    }

    async fn close(
        &self,
        object: Uuid,
        secret: Digest,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        let instance = self.reach(object).await?;
        let farewell = self.answer(async { instance.close(secret, now) }).await?;
        Ok(over_the_wire(&farewell.map_err(|Broken| Lost)?))
    }

    async fn end(&self, object: Uuid, until: UnixTime, now: UnixTime) -> Result<(), Lost> {
        let instance = self.reach(object).await?;
        let ended = self.answer(async { instance.end(until, now) }).await?;
        ended.map(|_| ()).map_err(|Broken| Lost)
    }

    async fn seen(&self, object: Uuid, now: UnixTime) -> Result<Option<UnixTime>, Lost> {
        let instance = self.reach(object).await?;
        self.answer(async { instance.seen(now) }).await?.map_err(|Broken| Lost)
    }
}

/// What a value is after a journey as JSON.
fn over_the_wire<T: DeserializeOwned + Serialize>(value: &T) -> T {
    let json = serde_json::to_vec(value).expect("commands and answers have a JSON form");
    serde_json::from_slice(&json).expect("what was written can be read")
}
