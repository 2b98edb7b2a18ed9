//! The state machines against reference models: random sequences of commands go to the machine and
//! to the simplest other formulation of its rules, and every answer has to be the same.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

mod account;
mod book;
mod brake;
mod browser_session;
mod browser_store;
mod copies;
mod farewell;
mod grant;
mod history;
mod isolates;
mod lives;
mod ring;
mod run;
mod sign_in_session;
mod story;
mod turns;
