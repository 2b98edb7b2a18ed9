//! Signing in with every kind of upstream, played by stand-ins: how it goes, and how it goes wrong.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod attacks;
mod caches;
mod freshness;
mod hints;
mod linking;
mod outcomes;
mod people;
mod presets;
mod table;

use http::StatusCode;
use shared::fetch::Response;
use tests::browser::gist;
use tests::client::{Ask, C1};
use tests::federation::Visit;

/// An ordinary request, for whatever is known of the person.
fn ask() -> Ask {
    Ask::of(C1).set("scope", "openid profile email")
}

/// The page that says that the upstream is in trouble or not to be believed; nobody is signed in.
fn refused(visit: &Visit<'_>, answer: &Response, what: &str) {
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{what}: {}", gist(answer));
    assert!(!visit.is_signed_in(), "{what}");
}
