//! Each fault does what it says, over a real socket; and what a test over HTTP asks of an instance.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod answers;
mod control;
mod socket;
mod transport;
