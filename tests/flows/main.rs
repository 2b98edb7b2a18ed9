//! Longer stories: several parties, one process.

mod upstream;
