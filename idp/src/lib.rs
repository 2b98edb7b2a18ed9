//! idp

pub mod brake;
pub mod password;
