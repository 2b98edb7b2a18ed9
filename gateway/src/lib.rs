//! The edge session gateway: it stands in front of origins, keeps tokens out of the browser, and
//! gives each origin an access token.
#![expect(async_fn_in_trait, reason = "workers are single-threaded; no Send bound is wanted")]

pub mod session;

#[cfg(test)]
mod fixture;
