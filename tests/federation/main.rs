//! Signing in with every kind of upstream, played by stand-ins: how it goes, and how it goes wrong.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

mod presets;

use tests::client::{Ask, C1};

/// An ordinary request, for whatever is known of the person.
fn ask() -> Ask {
    Ask::of(C1).set("scope", "openid profile email")
}
