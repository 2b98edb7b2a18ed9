//! Browser sessions: what they are, where they live, and how a request comes by its own.

pub mod driver;
pub mod exchange;
pub mod state;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod state_tests;
