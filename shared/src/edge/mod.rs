//! The rim.
