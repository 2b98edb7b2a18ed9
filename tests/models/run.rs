//! How a machine is put to its model: how often, with which seed, and what has to have happened.

use proptest::prelude::*;
use proptest::sample::{Select, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};

/// When every sequence begins.
pub(crate) const NOON: UnixTime = UnixTime(1_800_000_000);

/// Sequences without `PROPTEST_CASES` in the environment: as many as take no noticeable time.
const CASES: u32 = 1_000;
/// With fewer sequences a rare outcome may be missing by chance.
const ENOUGH: u32 = 1_000;

/// What one sequence comes to: nothing, or how machine and model differ.
pub(crate) type Checked = Result<(), TestCaseError>;

/// How often each outcome occurred.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, u64>>);

impl Tally {
    /// It occurred.
    pub(crate) fn count(&self, outcome: &'static str) {
        *self.0.borrow_mut().entry(outcome).or_default() += 1;
    }
}

/// Puts as many sequences to machine and model as `PROPTEST_CASES` says, drawn from
/// `PROPTEST_RNG_SEED` or from a seed of the moment, which is printed. A sequence on which they
/// differ is shrunk; and a run in which one of `outcomes` never occurred has shown too little.
///
/// What failed is not written to a file: the seed repeats it, and what it taught becomes a test.
pub(crate) fn run<S: Strategy<Value: Debug>>(
    sequences: &S,
    outcomes: &[&str],
    sequence: impl Fn(S::Value, &Tally) -> Checked,
) {
    let given = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { CASES };
    let seed = match given.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(()),
    };
    let repeat = format!("PROPTEST_CASES={cases} PROPTEST_RNG_SEED={seed}");
    println!("{repeat}");

    let rng_seed = RngSeed::Fixed(seed);
    let config = Config { cases, rng_seed, failure_persistence: None, ..given };
    let tally = Tally::default();
    let run = TestRunner::new(config).run(sequences, |drawn| sequence(drawn, &tally));
    let tally = tally.0.into_inner();
    match run {
        Ok(()) => println!("{tally:?}"),
        Err(TestError::Fail(reason, shrunk)) => {
            panic!("{reason}\nshrunk: {shrunk:?}\nrepeat with {repeat}")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}\nrepeat with {repeat}"),
    }
    if cases >= ENOUGH {
        let missing: Vec<_> = outcomes.iter().filter(|name| !tally.contains_key(*name)).collect();
        assert!(missing.is_empty(), "never occurred: {missing:?}\nrepeat with {repeat}");
    }
}

/// One of a few; what a sequence is shrunk towards comes first.
pub(crate) fn any_of<T: Clone + Debug + 'static>(values: &'static [T]) -> Select<T> {
    select(values)
}

/// One of a few, each as often as its weight says; what a sequence is shrunk towards comes first.
pub(crate) fn weighted<T: Clone + Debug + 'static>(values: &[(usize, T)]) -> Select<T> {
    let repeated = values.iter().flat_map(|(weight, value)| vec![value.clone(); *weight]);
    select(repeated.collect::<Vec<_>>())
}

/// Seconds that pass before a command: mostly those on which something turns, sometimes any number,
/// and now and then a clock that goes back.
pub(crate) fn waits(turning: &'static [i64], longest: i64) -> impl Strategy<Value = i64> {
    prop_oneof![12 => any_of(turning), 4 => 0..longest, 1 => -longest..0]
}

/// A time moved by so many seconds.
pub(crate) fn moved(time: UnixTime, seconds: i64) -> UnixTime {
    let amount = seconds.unsigned_abs();
    if seconds < 0 { time.minus(amount) } else { time.plus(amount) }
}
