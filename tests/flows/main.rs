//! Longer stories: several parties, moving clocks and changing settings, in one process.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

mod endings;
mod one_request;
mod own_claims;
mod recheck;
mod strangers;
mod upstream;

use tests::world::{Issuer, settings};

/// An issuer in this process, whatever the other tests talk to.
fn issuer() -> Issuer {
    Issuer::in_process(&settings())
}
