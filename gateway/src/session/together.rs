//! What the requests of one isolate spare each other at a store that is dear to ask: so many ask at a
//! time, and whoever waits takes what others find out meanwhile, where that is as good as asking.
//!
//! Whoever asks for a row asks for those that others wait for, in the same statement. A row that
//! somebody began to read after I came is what I would have read. A version that was replaced, or not
//! found, is never there again. Requests cannot wake each other, so each looks by itself, after
//! pauses; only data passes between them.

use super::Lost;
use super::contended::{Pause, Shelf, Shelves, Version};
use super::state::Session;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use uuid::Uuid;

/// How many ask at a time.
const MOST: usize = 16;
/// How many of them may be there to read: what a token call brought finds a place to be written, or a
/// crowd of readers would have its refresh token die with the lease.
const MOST_READERS: usize = 12;
/// How many rows one of them asks for.
const MOST_ROWS: usize = 64;
/// How long somebody waits for a place, and for somebody who had one and is gone, in milliseconds.
const QUEUE: u32 = 10_000;
const GONE: u32 = 6_000;
/// The pauses between two looks: the first, and the longest, in milliseconds.
const LOOKS: (u32, u32) = (5, 80);
/// A reader of a crowd looks less often: so many of them look in a millisecond, and each of them this
/// often at the least. Looking costs, and is not to take the time of those who write.
const LOOKING: usize = 4;
const SELDOM: u32 = 2_000;
/// How many sessions something is known of.
const KNOWN: usize = 1024;

/// What the requests of one isolate know.
#[derive(Debug, Default)]
pub struct Board(RefCell<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Orders what happens here.
    count: u64,
    /// Who asks: when each began.
    asking: Vec<u64>,
    waiting: usize,
    /// The rows that somebody waits for and nobody asks for, the oldest wish first. Empty when nobody
    /// waits, as is the next.
    wanted: Vec<Uuid>,
    /// What was read lately, and when somebody began to read it.
    read: HashMap<Uuid, (u64, Option<(Session, Version)>)>,
    /// What was seen not to be there any more.
    replaced: HashMap<Uuid, Version>,
}

impl Inside {
    fn tick(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A place, if fewer than so many are taken.
    fn take(&mut self, most: usize) -> Option<u64> {
        if self.asking.len() >= most {
            return None;
        }
        let began = self.tick();
        self.asking.push(began);
        Some(began)
    }

    fn want(&mut self, id: Uuid) {
        if !self.wanted.contains(&id) {
            self.wanted.push(id);
        }
    }

    /// The row that its reader came for, and those that others wait for.
    fn ask_for(&mut self, id: Uuid) -> Vec<Uuid> {
        self.wanted.retain(|other| *other != id);
        let others = self.wanted.len().min(MOST_ROWS - 1);
        self.wanted.drain(..others).chain([id]).collect()
    }

    /// What was found of `ids` by who began to read then.
    fn tell(&mut self, began: u64, ids: Vec<Uuid>, found: &HashMap<Uuid, (Session, Version)>) {
        if self.waiting == 0 {
            return;
        }
        for id in ids {
            if self.read.get(&id).is_none_or(|(before, _)| *before < began) {
                bounded(&mut self.read).insert(id, (began, found.get(&id).cloned()));
            }
        }
    }

    fn give_back(&mut self, place: u64) {
        self.asking.retain(|began| *began != place);
    }
}

impl Board {
    fn with<A>(&self, act: impl FnOnce(&mut Inside) -> A) -> A {
        act(&mut self.0.borrow_mut())
    }
}

/// A place among those who ask.
struct Place<'b> {
    board: &'b Board,
    began: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.board.with(|inside| inside.give_back(self.began));
    }
}

/// One who waits.
struct Waiting<'b>(&'b Board);

impl<'b> Waiting<'b> {
    fn new(board: &'b Board) -> Self {
        board.with(|inside| inside.waiting += 1);
        Self(board)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|inside| {
            inside.waiting -= 1;
            if inside.waiting == 0 {
                inside.read.clear();
                inside.wanted.clear();
            }
        });
    }
}

/// What waiting came to.
enum Turn<'b, A> {
    /// It is known already.
    Known(A),
    /// It is one's own turn to ask.
    Ask(Place<'b>),
}

/// A shelf that the requests of an isolate ask together.
#[derive(Debug)]
pub struct Together<K, P> {
    shelf: K,
    around: P,
    board: Rc<Board>,
}

impl<K, P: Pause> Together<K, P> {
    /// The requests that share `board` ask `shelf`.
    #[must_use]
    pub fn new(shelf: K, around: P, board: Rc<Board>) -> Self {
        Self { shelf, around, board }
    }

    /// A place to ask, unless what is asked for is known before. `row` is what a reader wants to read;
    /// without one it is somebody who writes.
    async fn turn<A>(
        &self,
        row: Option<Uuid>,
        known: impl Fn(&Inside) -> Option<A>,
    ) -> Result<Turn<'_, A>, Lost> {
        let board = &*self.board;
        let most = if row.is_some() { MOST_READERS } else { MOST };
        if let Some(began) = board.with(|inside| inside.take(most)) {
            return Ok(Turn::Ask(Place { board, began }));
        }
        let _waiting = Waiting::new(board);
        board.with(|inside| row.into_iter().for_each(|id| inside.want(id)));
        let first = board.with(|inside| inside.asking.first().copied());
        let (mut look, mut waited) = (LOOKS.0, 0);
        while waited < QUEUE {
            let crowd =
                if row.is_some() { board.with(|inside| inside.waiting) / LOOKING } else { 0 };
            let pause = look.max(u32::try_from(crowd).unwrap_or(SELDOM).min(SELDOM));
            self.around.pause(pause).await;
            waited += pause;
            look = (2 * look).min(LOOKS.1);
            if let Some(known) = board.with(|inside| known(inside)) {
                return Ok(Turn::Known(known));
            }
            // Longer than any statement may take: that request was put away in the middle.
            if waited > GONE
                && let Some(gone) = first
            {
                board.with(|inside| inside.give_back(gone));
            }
            if let Some(began) = board.with(|inside| inside.take(most)) {
                return Ok(Turn::Ask(Place { board, began }));
            }
        }
        Err(Lost)
    }
}

impl<K: Shelves, P: Pause> Shelf for Together<K, P> {
    async fn load(&self, id: Uuid) -> Result<Option<(Session, Version)>, Lost> {
        let came = self.board.with(Inside::tick);
        let known = |inside: &Inside| {
            let (began, row) = inside.read.get(&id)?;
            (*began > came).then(|| row.clone())
        };
        let place = match self.turn(Some(id), known).await? {
            Turn::Known(row) => return Ok(row),
            Turn::Ask(place) => place,
        };
        let ids = self.board.with(|inside| inside.ask_for(id));
        let found = self.shelf.load_all(&ids).await?;
        let mut found: HashMap<_, _> =
            found.into_iter().map(|(id, session, version)| (id, (session, version))).collect();
        self.board.with(|inside| inside.tell(place.began, ids, &found));
        Ok(found.remove(&id))
    }

    async fn insert(&self, id: Uuid, next: Version, session: &Session) -> Result<bool, Lost> {
        match self.turn(None, |_| None::<bool>).await? {
            Turn::Known(done) => Ok(done),
            Turn::Ask(_place) => self.shelf.insert(id, next, session).await,
        }
    }

    async fn replace(
        &self,
        id: Uuid,
        seen: Version,
        next: Version,
        session: &Session,
    ) -> Result<bool, Lost> {
        let known = |inside: &Inside| (inside.replaced.get(&id) == Some(&seen)).then_some(false);
        let _place = match self.turn(None, known).await? {
            Turn::Known(done) => return Ok(done),
            Turn::Ask(place) => place,
        };
        let done = self.shelf.replace(id, seen, next, session).await?;
        self.board.with(|inside| bounded(&mut inside.replaced).insert(id, seen));
        Ok(done)
    }

    async fn sweep(&self) -> Result<(), Lost> {
        match self.turn(None, |_| None::<()>).await? {
            Turn::Known(()) => Ok(()),
            Turn::Ask(_place) => self.shelf.sweep().await,
        }
    }
}

fn bounded<V>(map: &mut HashMap<Uuid, V>) -> &mut HashMap<Uuid, V> {
    if map.len() >= KNOWN {
        map.clear();
    }
    map
}
