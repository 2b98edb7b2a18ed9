//! The rim: what knows the Worker runtime.

pub mod proxy;
pub mod session;
