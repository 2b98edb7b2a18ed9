//! Attacks on the issuer, each named after its row of the catalogue, as anybody could make them:
//! from outside, with requests. What is not reachable from outside is tested beside the code.
//!
//! A row about a check on one grant is also put to its siblings: the grants of `/token`,
//! `/revoke` and `/introspect`. Rows about features that are not there are left out; that they are not there is
//! `dj_06` and `az_22` to `az_24`.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod addresses;
mod at_once;
mod authorize;
mod back_channel;
mod bound;
mod by_email;
mod claims;
mod client_assertion;
mod client_auth;
mod client_keys;
mod code;
mod consent;
mod consent_page;
mod disabled;
mod discovery;
mod dpop;
mod events;
mod exchange;
mod exchanged;
mod flood;
mod grants;
mod hint;
mod introspect;
mod keepers;
mod keys;
mod linking;
mod logout;
mod not_told;
mod own_page;
mod pairwise;
mod pkce;
mod prompt;
mod redirect_uri;
mod refresh;
mod refusals;
mod registration;
mod resource;
mod response;
mod revision;
mod siblings;
mod sign_in;
mod unlinking;
mod upstream_logout;
mod upstream_sign_out;
mod userinfo;
mod ways;
