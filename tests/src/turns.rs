//! An executor for this process. Nobody is ever woken: everything is polled in turn until it is
//! done, so what races is always the same race.

use futures_util::future::LocalBoxFuture;
use gateway::session::driver::Spawn;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Longer than anything takes that ends at all.
const MOST_ROUNDS: usize = 100_000;

/// Tasks that go on when their request has been answered. Clones are the same.
#[derive(Clone, Default)]
pub struct Tasks(Rc<RefCell<Vec<LocalBoxFuture<'static, ()>>>>, Rc<Cell<usize>>);

impl Spawn for Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(task));
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({})", self.0.borrow().len())
    }
}

impl Tasks {
    /// Forgets them, as an instance does that is put away.
    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// The most rounds that it took until everything was done.
    pub fn longest(&self) -> usize {
        self.1.get()
    }

    /// Gives each of them one turn.
    pub fn turn(&self) {
        let mut context = Context::from_waker(Waker::noop());
        for mut task in self.0.take() {
            if task.as_mut().poll(&mut context).is_pending() {
                self.0.borrow_mut().push(task);
            }
        }
    }

    /// Runs all of `futures` at the same time and every task to its end. `between` is done after
    /// each round of turns.
    pub fn run<F: Future>(
        &self,
        futures: impl IntoIterator<Item = F>,
        between: impl Fn(),
    ) -> Vec<F::Output> {
        let mut context = Context::from_waker(Waker::noop());
        let mut futures: Vec<_> =
            futures.into_iter().map(|future| (Box::pin(future), None)).collect();
        for round in 0..MOST_ROUNDS {
            for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
                if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
                    *output = Some(ready);
                }
            }
            self.turn();
            between();
            if futures.iter().all(|(_, output)| output.is_some()) && self.0.borrow().is_empty() {
                self.1.set(self.1.get().max(round));
                return futures.into_iter().filter_map(|(_, output)| output).collect();
            }
        }
        panic!("it never ends");
    }
}

/// Lets everybody else have `count` turns.
pub async fn turns(mut count: usize) {
    poll_fn(|context| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
