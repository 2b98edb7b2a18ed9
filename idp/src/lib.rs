//! idp

pub mod brake;
