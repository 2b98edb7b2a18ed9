//! Gateway and issuer together, wherever sessions live. Names begin with the row of the catalogue.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

/// Makes a test of each function, for each place where sessions live.
macro_rules! in_every_mode {
    ($($name:ident)+) => {
        mod hybrid { $(#[test] fn $name() { tests::pair::Pair::with("hybrid", super::$name); })+ }
        mod durable { $(#[test] fn $name() { tests::pair::Pair::with("durable", super::$name); })+ }
        mod kv { $(#[test] fn $name() { tests::pair::Pair::with("kv", super::$name); })+ }
        mod postgres { $(#[test] fn $name() { tests::pair::Pair::with("postgres", super::$name); })+ }
        mod sealed { $(#[test] fn $name() { tests::pair::Pair::with("sealed", super::$name); })+ }
    };
}

/// Makes a test of each function, for each place where sessions are objects or rows: not in the browser alone.
macro_rules! where_sessions_are_objects {
    ($($name:ident)+) => {
        mod hybrid { $(#[test] fn $name() { tests::pair::Pair::with("hybrid", super::$name); })+ }
        mod durable { $(#[test] fn $name() { tests::pair::Pair::with("durable", super::$name); })+ }
        mod kv { $(#[test] fn $name() { tests::pair::Pair::with("kv", super::$name); })+ }
        mod postgres { $(#[test] fn $name() { tests::pair::Pair::with("postgres", super::$name); })+ }
    };
}

/// Makes a test of each function, which sessions have nothing to do with.
macro_rules! in_one_mode {
    ($($name:ident)+) => {
        mod any { $(#[test] fn $name() { tests::pair::Pair::with("hybrid", super::$name); })+ }
    };
}

mod answers;
mod back_channel;
mod callback;
mod callers;
mod cookies;
mod csrf;
mod headers;
mod leaks;
mod limits;
mod origins;
mod other_origins;
mod own_keys;
mod own_sessions;
mod paths;
mod refresh;
mod resume;
mod return_to;
mod sign_in;
mod sign_out;
mod together;
mod turnstile;
