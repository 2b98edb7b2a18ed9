//! The edge session gateway: it stands in front of origins, keeps tokens out of the browser, and
//! gives each origin an access token.
#![expect(async_fn_in_trait, reason = "workers are single-threaded; no Send bound is wanted")]

pub mod auth;
pub mod config;
pub mod jar;
pub mod session;

#[cfg(test)]
mod fixture;

#[cfg(target_arch = "wasm32")]
pub mod edge;
