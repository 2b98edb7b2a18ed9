//! One flow with each stand-in, everything that it refuses, and what is peculiar about it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod auth0;
mod authkit;
mod content;
mod entra;
mod generic;
mod github;
mod google;
mod pages;
mod support;
mod workos_sso;
