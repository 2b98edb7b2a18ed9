//! The edge session gateway: it stands in front of origins, holds the browser's session, and gives
//! each origin an access token. The browser never sees a token, an origin never sees our cookies.
#![expect(async_fn_in_trait, reason = "workers are single-threaded; no Send bound is wanted")]

pub mod answer;
pub mod assertion;
pub mod auth;
pub mod caller;
pub mod config;
pub mod cors;
pub mod csrf;
pub mod database;
pub mod dpop;
pub mod forward;
pub mod gateway;
pub mod hop;
pub mod kept;
pub mod negotiate;
pub mod next;
pub mod own_keys;
pub mod path;
pub mod person;
pub mod policy;
pub mod providers;
mod reading;
pub mod refused;
pub mod route;
pub mod session;
pub mod signals;
pub mod told;
pub mod trail;
pub mod turnstile;

#[cfg(test)]
mod caller_tests;
#[cfg(target_arch = "wasm32")]
pub mod edge;
#[cfg(test)]
mod fixture;
