//! What the issuer and the gateway both say: time, secrets, forms, cookies, sealing, JOSE, and how
//! a relying party behaves ([`rp`]).
//!
//! Nothing here does I/O or reads a clock; what knows the Worker runtime is in `edge`, which is
//! compiled for wasm32 alone.
#![expect(async_fn_in_trait, reason = "workers are single-threaded; no Send bound is wanted")]

pub mod agent;
pub mod bearer;
pub mod budget;
pub mod cause;
pub mod cookie;
pub mod error;
pub mod fetch;
pub mod form;
pub mod handle;
pub mod jar;
pub mod jose;
pub mod json;
pub mod lines;
pub mod metadata;
pub mod origin;
pub mod page;
pub mod pkce;
pub mod posted;
pub mod respond;
pub mod rp;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod time;
pub mod words;

#[cfg(target_arch = "wasm32")]
pub mod edge;
