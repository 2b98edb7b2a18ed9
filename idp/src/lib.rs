//! idp

pub mod brake;
pub mod page;
pub mod password;
