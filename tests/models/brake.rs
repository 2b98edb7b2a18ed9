//! The brake on guessing against the list of attempts that were allowed.

use crate::run::{Checked, NOON, Tally, moved, run, waits, weighted};
use idp::brake::{ALLOWED_PER_HOUR, Attempt, Brake};
use proptest::prelude::*;
use shared::time::UnixTime;

/// From the last attempt that was allowed to the next: five mistakes are free, then it doubles, and
/// five minutes are the most.
const WAITS: [u64; 15] = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300];
const HOUR: u64 = 3_600;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// Somebody tries after so many seconds.
    After(i64),
    /// Somebody tries as soon as they were told they may, or so many seconds off.
    AsTold(i64),
    /// The last attempt that was allowed turns out to be right.
    Right,
}

/// The attempts that were allowed and are still held against the name.
#[derive(Default)]
struct Book(Vec<UnixTime>);

impl Book {
    fn attempt(&mut self, now: UnixTime) -> Attempt {
        if self.0.last().is_some_and(|last| now >= last.plus(HOUR)) {
            self.0.clear();
        }
        // A clock that went back: as if the last attempt had been just now.
        if let Some(last) = self.0.last_mut().filter(|last| **last > now) {
            *last = now;
        }
        let wait = WAITS[self.0.len().min(WAITS.len() - 1)];
        if let Some(last) = self.0.last().filter(|last| now < last.plus(wait)) {
            return Attempt::Wait { seconds: last.plus(wait).since(now) };
        }
        self.0.push(now);
        Attempt::Allowed
    }
}

fn sequences() -> impl Strategy<Value = Vec<Command>> {
    let waits = waits(&[0, 0, 0, 1, 1, 2, 64, 299, 300, 301, 3_599, 3_600, 3_601], 400);
    let command = prop_oneof![
        8 => waits.prop_map(Command::After),
        16 => weighted(&[(4, 0), (1, -1), (1, 1)]).prop_map(Command::AsTold),
        1 => Just(Command::Right),
    ];
    prop::collection::vec(command, 1..60)
}

#[test]
fn fd_36_fd_37_pl_12_the_brake_answers_any_attempts_as_the_list_of_the_allowed_ones_says() {
    let outcomes = [
        "allowed",
        "told to wait",
        "told to wait as long as ever",
        "allowed after the longest wait",
        "forgotten",
    ];
    run(&sequences(), &outcomes, sequence);
}

fn sequence(commands: Vec<Command>, tally: &Tally) -> Checked {
    let (mut brake, mut book, mut now) = (Brake::default(), Book::default(), NOON);
    let mut told = NOON;
    // Since the last right password or backward clock, which start the count of an hour anew.
    let mut allowed: Vec<UnixTime> = Vec::new();
    for command in commands {
        let later = match command {
            Command::After(seconds) => moved(now, seconds),
            Command::AsTold(off) => moved(told, off),
            Command::Right => {
                (brake, book) = (brake.succeeded(), Book::default());
                allowed.clear();
                continue;
            }
        };
        if later < now {
            allowed.clear();
        }
        now = later;
        let forgotten = book.0.last().is_none_or(|last| now >= last.plus(HOUR));
        prop_assert_eq!(brake.is_forgotten(now), forgotten);
        let held = book.0.len();
        let (after, attempt) = brake.attempt(now);
        prop_assert_eq!(attempt, book.attempt(now));
        brake = after;
        match attempt {
            Attempt::Allowed => {
                tally.count(match held {
                    1.. if forgotten => "forgotten",
                    14.. => "allowed after the longest wait",
                    _ => "allowed",
                });
                allowed.push(now);
                let hour = allowed.iter().filter(|at| now < at.plus(HOUR)).count();
                prop_assert!(hour <= ALLOWED_PER_HOUR, "{} in an hour", hour);
            }
            Attempt::Wait { seconds } => {
                tally.count(match seconds {
                    300 => "told to wait as long as ever",
                    _ => "told to wait",
                });
                told = now.plus(seconds);
                prop_assert!((1..=300).contains(&seconds));
                prop_assert_eq!(brake.attempt(told).1, Attempt::Allowed, "less than told");
            }
        }
    }
    Ok(())
}
