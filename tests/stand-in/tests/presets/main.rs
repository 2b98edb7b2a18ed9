//! One flow with each stand-in, everything that it refuses, and what is peculiar about it.

mod auth0;
mod github;
mod support;
