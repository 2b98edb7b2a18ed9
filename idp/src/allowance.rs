//! How often somebody may do what leaves something behind: some at once, then at a steady pace.

use crate::brake::Attempt;
use serde::{Deserialize, Serialize};
use shared::time::UnixTime;

/// So many at once.
pub const AT_ONCE: u64 = 50;
/// One more every so many seconds.
const PACE: u64 = 60;
/// After so many seconds without any it is whole again, and need not be kept.
pub const WHOLE_AGAIN: u64 = AT_ONCE * PACE;

/// What has been drawn. The default has drawn nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Allowance {
    /// When it will be whole, if nothing more is drawn.
    whole_at: UnixTime,
}

impl Allowance {
    /// Draws one.
    #[must_use]
    pub fn draw(self, now: UnixTime) -> (Self, Attempt) {
        // A clock that has jumped back would make it wait longer than an empty one has to.
        let missing = self.whole_at.since(now).min(WHOLE_AGAIN);
        let after = missing.saturating_add(PACE);
        if after > WHOLE_AGAIN {
            let kept = Self { whole_at: now.plus(missing) };
            return (kept, Attempt::Wait { seconds: after.saturating_sub(WHOLE_AGAIN) });
        }
        (Self { whole_at: now.plus(after) }, Attempt::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn rg_11_fifty_at_once_and_then_one_a_minute() {
        let mut allowance = Allowance::default();
        let mut allowed = 0;
        for second in 0..3600 {
            let (next, attempt) = allowance.draw(NOON.plus(second));
            allowance = next;
            allowed += u64::from(attempt == Attempt::Allowed);
        }
        assert_eq!(allowed, AT_ONCE + 3600 / PACE - 1);
    }

    #[test]
    fn who_waits_as_long_as_it_says_is_allowed() {
        let mut allowance = Allowance::default();
        for _ in 0..AT_ONCE {
            let (next, attempt) = allowance.draw(NOON);
            assert_eq!(attempt, Attempt::Allowed);
            allowance = next;
        }
        let (allowance, attempt) = allowance.draw(NOON);
        assert_eq!(attempt, Attempt::Wait { seconds: PACE });
        assert_eq!(allowance.draw(NOON.plus(PACE - 1)).1, Attempt::Wait { seconds: 1 });
        assert_eq!(allowance.draw(NOON.plus(PACE)).1, Attempt::Allowed);
    }

    #[test]
    fn a_clock_that_jumps_back_costs_no_more_than_the_whole() {
        let (allowance, _) = Allowance::default().draw(NOON.plus(86_400));
        let (allowance, attempt) = allowance.draw(NOON);
        assert_eq!(attempt, Attempt::Wait { seconds: PACE });
        assert_eq!(allowance.draw(NOON.plus(PACE)).1, Attempt::Allowed);
    }
}
