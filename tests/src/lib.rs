//! The tests of the pair, and what they stand on: an issuer in this process or behind HTTP, a
//! browser that does only what it is told, and clients of every kind.
//!
//! The tests are the same for both issuers. Natively each builds its own, with a clock that can be
//! moved; with `GATELATCH_ISSUER` in the environment all talk to the one behind that URL, which has
//! to serve `configs/issuer.json` (see `http.mjs`).
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

pub mod assertion;
pub mod believe;
pub mod browser;
pub mod client;
mod commands;
pub mod deployment;
pub mod dpop;
pub mod elsewhere;
pub mod expect;
pub mod fault;
pub mod federation;
pub mod gate;
pub mod guest;
pub mod keys;
pub mod line;
pub mod listener;
pub mod memory;
pub mod objects;
pub mod origin;
pub mod out;
pub mod pair;
pub mod people;
pub mod preset;
pub mod raw;
pub mod registration;
pub mod secrets;
pub mod site;
pub mod stores;
pub mod turns;
pub mod upstream;
pub mod wire;
pub mod world;
