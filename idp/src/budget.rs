//! How much hashing an isolate does: password hashes hold its only thread, so a flood of them, each
//! for another name and none held up by a brake, would starve every other request (FD-39, DS-08).

use shared::budget;
use shared::time::UnixTime;

/// Work is counted in KiB of memory times passes: 38,912 for a hash of 19 MiB and two passes, which
/// takes about 70 ms. This much in a second leaves a third of the thread to everybody else.
const PER_SECOND: u64 = 400_000;
/// How much may have been saved up, for the crowd that comes on the hour.
const SAVED: u64 = 4 * PER_SECOND;

/// The work that may still be done. Kept by an isolate; it knows of no request.
#[derive(Debug)]
pub struct Budget(budget::Budget);

impl Default for Budget {
    fn default() -> Self {
        Self(budget::Budget::new(PER_SECOND, SAVED))
    }
}

impl Budget {
    /// Takes `cost`; false when there is not so much left, and then nothing is taken. A hash dearer
    /// than everything that can be saved is allowed whenever the savings are whole.
    pub fn take(&self, cost: u64, now: UnixTime) -> bool {
        self.0.take(cost, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_800_000_000);
    const HASH: u64 = 19_456 * 2;

    #[test]
    fn fd_39_a_flood_is_cut_down_to_what_the_thread_can_bear() {
        let budget = Budget::default();
        let in_a_minute: usize = (0..60)
            .map(|second| (0..1_000).filter(|_| budget.take(HASH, NOON.plus(second))).count())
            .sum();
        assert!((600..=660).contains(&in_a_minute), "{in_a_minute}");
    }

    #[test]
    fn whoever_comes_after_a_pause_is_served_and_a_clock_that_jumps_back_locks_nobody_out() {
        let budget = Budget::default();
        while budget.take(HASH, NOON) {}
        assert!(budget.take(HASH, NOON.plus(1)));
        while budget.take(HASH, NOON.plus(1)) {}
        assert!(!budget.take(HASH, NOON.minus(3_600)));
        assert!(budget.take(HASH, NOON.minus(3_599)));
        assert!(Budget::default().take(u64::MAX, NOON));
    }
}
