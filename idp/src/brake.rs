//! The brake on guessing passwords: who fails often waits longer and longer, and never for ever.
//!
//! There is one [`Brake`] a [`Bucket`] of user names, whether or not there are accounts with those
//! names, so the brake tells nobody which names exist (FD-35), and what is stored is bounded by the
//! number of buckets. The brake counts only sign-ins with a password: a session that stands goes on
//! (FD-37).

use serde::{Deserialize, Serialize};
use shared::seal::{Purpose, SealingKeys};
use shared::time::UnixTime;

/// So many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;

/// The longest wait, in seconds; the shortest is one second and each one after it is twice as long.
///
/// Together with [`FREE_FAILURES`] it sets [`ALLOWED_PER_HOUR`].
pub const LONGEST_WAIT: u64 = 300;

/// After so many seconds without an allowed attempt everything is forgotten. Not shorter than an
/// hour: [`ALLOWED_PER_HOUR`] would not hold. Much longer than [`LONGEST_WAIT`]: who only sits out
/// the waits is not forgotten.
pub const QUIET: u64 = 3600;

/// The most attempts at one bucket that are allowed within any 3600 seconds, as long as none
/// succeeds: 5 at once, 9 more after waits of 1, 2, 4 .. 256 s, then one every [`LONGEST_WAIT`].
pub const ALLOWED_PER_HOUR: usize = 24;

/// How many buckets there are.
pub const BUCKETS: u32 = 1 << 16;

/// Where the failures of a user name are counted: one of [`BUCKETS`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of exactly this user name. The hash has a key, so that nobody outside can find a
    /// name that shares a bucket with somebody else's; a new sealing key lets every brake go once.
    #[must_use]
    pub fn of(username: &str, keys: &SealingKeys) -> Self {
        let [high, low, ..] = keys.derive(Purpose::new("brake", ""), username.as_bytes());
        Self(u16::from_be_bytes([high, low]))
    }

    /// The number of the bucket, below [`BUCKETS`].
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Which of `shards` objects keeps this bucket; the first when there are none.
    #[must_use]
    pub const fn shard(self, shards: u16) -> u16 {
        match self.0.checked_rem(shards) {
            Some(shard) => shard,
            None => 0,
        }
    }
}

/// What is known of the attempts at one bucket. The default knows of none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Brake {
    /// Allowed attempts of which none is known to have succeeded.
    failures: u32,
    /// When the last of them was allowed.
    last: UnixTime,
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// The password may be looked at. It counts as wrong until [`Brake::succeeded`].
    Allowed,
    /// The password must not be looked at.
    Wait {
        /// From now, 1 to [`LONGEST_WAIT`]: the value of `Retry-After`.
        seconds: u64,
    },
}

impl Brake {
    /// Counts an attempt, up front as a failed one: of many at the same time none slips through
    /// while another is still being hashed (FD-36).
    ///
    /// Keep the new state also when the answer is to wait: when the clock has jumped back, the wait
    /// is measured anew from the first attempt that sees it, and from no later one (PL-12).
    #[must_use]
    pub fn attempt(self, now: UnixTime) -> (Self, Attempt) {
        let Self { failures, last } =
            if now.since(self.last) >= QUIET { Self::default() } else { self };
        let last = last.min(now);
        let wait = wait_after(failures).saturating_sub(now.since(last));
        if wait > 0 {
            return (Self { failures, last }, Attempt::Wait { seconds: wait });
        }
        (Self { failures: failures.saturating_add(1), last: now }, Attempt::Allowed)
    }

    /// The allowed attempt was right: nothing is held against this bucket any more.
    #[must_use]
    pub fn succeeded(self) -> Self {
        Self::default()
    }

    /// Whether this state says no more than no state at all, and need not be kept.
    #[must_use]
    pub fn is_forgotten(self, now: UnixTime) -> bool {
        self.failures == 0 || now.since(self.last) >= QUIET
    }
}

/// Seconds from the last allowed attempt to the next, after so many failures.
const fn wait_after(failures: u32) -> u64 {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else { return 0 };
    match 1_u64.checked_shl(doublings) {
        Some(wait) if wait < LONGEST_WAIT => wait,
        _ => LONGEST_WAIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::{RngCore, SeedableRng};

    const NOON: UnixTime = UnixTime(1_800_000_000);

    /// Sealing keys made of one letter.
    fn keys(letter: &str) -> SealingKeys {
        SealingKeys::parse(&format!("{}A", letter.repeat(42))).unwrap()
    }

    /// Attempts at these times, and which were allowed.
    fn allowed(times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut brake = Brake::default();
        let mut allowed = Vec::new();
        for time in times {
            let (next, attempt) = brake.attempt(NOON.plus(time));
            brake = next;
            if attempt == Attempt::Allowed {
                allowed.push(time);
            }
        }
        allowed
    }

    /// The most that fall within 3600 seconds.
    fn most_in_an_hour(allowed: &[u64]) -> usize {
        let from =
            |start: u64| allowed.iter().filter(|t| (start..start + 3600).contains(t)).count();
        allowed.iter().map(|start| from(*start)).max().unwrap_or(0)
    }

    /// A brake after that many failures, the last of them at noon.
    fn after(failures: u32) -> Brake {
        Brake { failures, last: NOON }
    }

    #[test]
    fn fd_36_five_mistakes_are_free_then_the_wait_doubles_up_to_five_minutes() {
        let waits: Vec<u64> = (1..=16)
            .map(|failures| match after(failures).attempt(NOON).1 {
                Attempt::Allowed => 0,
                Attempt::Wait { seconds } => seconds,
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn fd_36_of_many_attempts_in_the_same_second_five_are_allowed() {
        assert_eq!(allowed([0; 200]).len(), 5);
    }

    #[test]
    fn fd_36_the_hardest_guesser_reaches_exactly_the_stated_bound() {
        let allowed = allowed([0; 5].into_iter().chain(0..5 * 3600));
        assert_eq!(allowed[4..14], [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]);
        assert_eq!(most_in_an_hour(&allowed), ALLOWED_PER_HOUR);
    }

    #[test]
    fn fd_36_however_attempts_come_no_hour_allows_more_than_the_bound() {
        for seed in 0..300 {
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            // Each run has its own mixture of bursts, pauses and quiet hours.
            let longest = [2, 5, 40, 400, 4000][usize::try_from(seed).unwrap() % 5];
            let mut time = 0;
            let times: Vec<u64> = std::iter::repeat_with(|| {
                time += match rng.next_u32() % 50 {
                    0 => QUIET - 1 + u64::from(rng.next_u32() % 3),
                    1..20 => 0,
                    _ => u64::from(rng.next_u32()) % longest,
                };
                time
            })
            .take(600)
            .collect();
            let allowed = allowed(times);
            assert!(most_in_an_hour(&allowed) <= ALLOWED_PER_HOUR, "seed {seed}: {allowed:?}");
        }
    }

    #[test]
    fn fd_37_nobody_is_locked_longer_than_the_longest_wait_after_the_last_allowed_attempt() {
        for seed in 0..300 {
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            let (mut brake, mut now, mut last) = (Brake::default(), NOON, NOON);
            for _ in 0..400 {
                now = now.plus(u64::from(rng.next_u32() % 90));
                // Whatever was tried and refused in between, the owner's attempt would be allowed.
                let (_, owners) = brake.attempt(last.plus(LONGEST_WAIT).max(now));
                assert_eq!(owners, Attempt::Allowed, "seed {seed}");
                let (next, attempt) = brake.attempt(now);
                brake = next;
                match attempt {
                    Attempt::Allowed => last = now,
                    Attempt::Wait { seconds } => {
                        assert!(now.plus(seconds) <= last.plus(LONGEST_WAIT), "seed {seed}");
                    }
                }
            }
        }
    }

    #[test]
    fn fd_37_waiting_as_long_as_told_is_always_enough_and_a_second_less_never_is() {
        for failures in 5..40 {
            let (brake, attempt) = after(failures).attempt(NOON);
            let Attempt::Wait { seconds } = attempt else { panic!("{failures} failures wait") };
            assert_eq!(brake.attempt(NOON.plus(seconds)).1, Attempt::Allowed);
            assert_eq!(brake.attempt(NOON.plus(seconds - 1)).1, Attempt::Wait { seconds: 1 });
        }
    }

    #[test]
    fn fd_37_a_refused_attempt_makes_nothing_worse() {
        let (brake, _) = after(9).attempt(NOON.plus(1));
        assert_eq!(brake, after(9));
    }

    #[test]
    fn a_right_password_clears_the_count() {
        assert_eq!(after(40).succeeded(), Brake::default());
        assert_eq!(after(40).succeeded().attempt(NOON).1, Attempt::Allowed);
    }

    #[test]
    fn a_quiet_hour_is_forgotten_and_a_second_less_is_not() {
        let (kept, _) = after(40).attempt(NOON.plus(QUIET - 1));
        let (forgotten, _) = after(40).attempt(NOON.plus(QUIET));
        assert_eq!((kept.failures, forgotten.failures), (41, 1));
        assert!(!after(40).is_forgotten(NOON.plus(QUIET - 1)));
        assert!(after(40).is_forgotten(NOON.plus(QUIET)));
    }

    #[test]
    fn pl_12_a_clock_that_jumps_back_locks_nobody_longer_than_the_longest_wait() {
        for back in [1, 3600, 86_400, NOON.0] {
            let now = NOON.minus(back);
            let (brake, attempt) = after(40).attempt(now);
            assert_eq!(attempt, Attempt::Wait { seconds: LONGEST_WAIT });
            let (brake, _) = brake.attempt(now.plus(LONGEST_WAIT - 1));
            assert_eq!(brake.attempt(now.plus(LONGEST_WAIT)).1, Attempt::Allowed);
        }
    }

    #[test]
    fn pl_12_pl_13_no_clock_and_no_count_overflows() {
        let worst = Brake { failures: u32::MAX, last: UnixTime(u64::MAX) };
        for now in [UnixTime(0), NOON, UnixTime(u64::MAX)] {
            let (_, attempt) = worst.attempt(now);
            assert_eq!(attempt, Attempt::Wait { seconds: LONGEST_WAIT });
            let (next, _) = Brake { failures: u32::MAX, last: UnixTime(0) }.attempt(now);
            assert_eq!(next.attempt(now.plus(LONGEST_WAIT)).1, Attempt::Allowed);
        }
    }

    #[test]
    fn fd_36_a_name_has_one_bucket_and_the_key_decides_which() {
        let names: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
        let buckets =
            |letter| names.iter().map(|name| Bucket::of(name, &keys(letter))).collect::<Vec<_>>();
        assert_eq!(buckets("Y"), buckets("Y"));
        assert_ne!(buckets("Y"), buckets("Z"));
        assert!(buckets("Y").iter().all(|bucket| bucket.shard(8) < 8));
        assert_eq!(Bucket::of("alice", &keys("Y")).shard(0), 0);
    }

    #[test]
    fn the_state_survives_json() {
        let text = serde_json::to_string(&after(9)).unwrap();
        assert_eq!(text, r#"{"failures":9,"last":1800000000}"#);
        assert_eq!(serde_json::from_str::<Brake>(&text).unwrap(), after(9));
    }
}
