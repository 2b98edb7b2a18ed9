//! What goes wrong with objects, whoever's they are: once, and at a place that is counted out.

use std::cell::Cell;

/// Something that goes wrong once. Counted from the next one, which is 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// This storage operation fails: nothing is read or written.
    Storage(u32),
    /// This command does not reach its object, and is not obeyed.
    Command(u32),
    /// The answer to this command is lost on its way back, although the command was obeyed.
    Answer(u32),
}

/// What was arranged to go wrong.
#[derive(Debug, Default)]
pub struct Faults(Cell<Option<Fault>>);

impl Faults {
    /// Arranges for something to go wrong, once.
    pub fn fail(&self, fault: Fault) {
        self.0.set(Some(fault));
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.0.set(None);
    }

    /// Whether what was arranged has not happened yet.
    pub fn is_failing(&self) -> bool {
        self.0.get().is_some()
    }

    /// A storage operation is about to be done: whether it fails.
    pub fn storage_fails(&self) -> bool {
        self.hits(|fault| match fault {
            Fault::Storage(left) => Some((left, Fault::Storage)),
            _ => None,
        })
    }

    /// A command is on its way: whether it is lost.
    pub fn command_is_lost(&self) -> bool {
        self.hits(|fault| match fault {
            Fault::Command(left) => Some((left, Fault::Command)),
            _ => None,
        })
    }

    /// A command was obeyed: whether its answer is lost.
    pub fn answer_is_lost(&self) -> bool {
        self.hits(|fault| match fault {
            Fault::Answer(left) => Some((left, Fault::Answer)),
            _ => None,
        })
    }

    fn hits(&self, kind: impl FnOnce(Fault) -> Option<(u32, fn(u32) -> Fault)>) -> bool {
        let Some((left, again)) = self.0.get().and_then(kind) else { return false };
        self.0.set(left.checked_sub(1).map(again));
        left == 0
    }
}
