//! The OpenID Foundation's certification plans, as far as this issuer goes. Each function has the
//! name of the official module that it stands for, so that results can be held against the suite's.
//!
//! `docs/conformance.md` lists every module of those plans, with the reason of each that is not here.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod back_channel;
mod basic;
mod discovery;
mod dynamic;
mod form_post;
mod logout;
mod modules;
mod page;
mod registration;
mod relying_party;
mod third_party;
