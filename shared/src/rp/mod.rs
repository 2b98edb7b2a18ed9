//! How a relying party behaves: it finds its provider, sends the browser there, redeems what comes
//! back, and believes nothing that is not signed, addressed to it, and fresh.
//!
//! The gateway is one towards its issuer, and the issuer is one towards an upstream.

pub mod access_token;
pub mod assertion;
pub mod authorization;
pub mod client;
pub mod dialect;
pub mod discovery;
pub mod dpop;
pub mod entry;
pub mod id_token;
pub mod introspection;
pub mod keys;
pub mod logout_token;
pub mod par;
pub mod preset;
pub mod sign_in;
pub mod token;
pub mod userinfo;
pub mod wanted;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod id_token_tests;
