//! How much of something an isolate does: so much in a second, and some that was saved up before.

use crate::time::UnixTime;
use std::cell::Cell;

/// What may still be done. Kept by an isolate; it knows of no request.
#[derive(Debug)]
pub struct Budget {
    per_second: u64,
    most: u64,
    left: Cell<u64>,
    at: Cell<UnixTime>,
}

impl Budget {
    /// So much in a second, of which no more than `most` can be saved. It begins with that.
    #[must_use]
    pub fn new(per_second: u64, most: u64) -> Self {
        Self { per_second, most, left: Cell::new(most), at: Cell::default() }
    }

    /// Takes `cost`; false when there is not so much left, and then nothing is taken. What costs more
    /// than can be saved is allowed whenever the savings are whole.
    pub fn take(&self, cost: u64, now: UnixTime) -> bool {
        // A clock that jumps back earns nothing, and goes on earning from there.
        let earned = now.since(self.at.get()).saturating_mul(self.per_second);
        let left = self.left.get().saturating_add(earned).min(self.most);
        self.at.set(now);
        let enough = cost.min(self.most) <= left;
        self.left.set(if enough { left.saturating_sub(cost) } else { left });
        enough
    }

    /// What was taken was not needed.
    pub fn give_back(&self, cost: u64) {
        self.left.set(self.left.get().saturating_add(cost).min(self.most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more_than_that() {
        let budget = Budget::new(0, 3);
        assert!((0..3).all(|_| budget.take(1, NOON)));
        assert!(!budget.take(1, NOON.plus(1)));
        budget.give_back(1);
        assert!(budget.take(1, NOON) && !budget.take(1, NOON));
        budget.give_back(100);
        assert_eq!((0..10).filter(|_| budget.take(1, NOON)).count(), 3);
    }

    #[test]
    fn so_much_is_earned_in_a_second_and_a_clock_that_jumps_back_stops_nothing() {
        let budget = Budget::new(2, 3);
        while budget.take(1, NOON) {}
        let taken = |now| (0..10).filter(|_| budget.take(1, now)).count();
        assert_eq!(taken(NOON.plus(1)), 2);
        assert_eq!(taken(NOON.plus(100)), 3);
        assert_eq!(taken(NOON.minus(3600)), 0);
        assert_eq!(taken(NOON.minus(3599)), 2);
    }
}
