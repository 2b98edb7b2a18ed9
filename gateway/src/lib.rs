//! The gateway: it stands in front of origins, holds the browser's session, and gives each origin
//! an access token. The browser never sees a token, an origin never sees our cookies.

pub mod answer;
pub mod config;
pub mod csrf;
pub mod forward;
pub mod hop;
pub mod jar;
pub mod negotiate;
pub mod next;
pub mod path;
mod reading;
pub mod refused;
pub mod route;

#[cfg(target_arch = "wasm32")]
pub mod edge;
