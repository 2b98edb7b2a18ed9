//! The OpenID Foundation's certification plans, as far as this issuer goes. Each function has the
//! name of the official module that it stands for, so that results can be held against the suite's.
//!
//! Not here, because the feature is not:
//! - `oidcc-idtoken-unsigned`: no client can be registered with `none`, and none parses;
//! - the implicit, hybrid, session management, front- and back-channel plans: nothing of them is
//!   supported;
//! - `oidcc-userinfo-rs256`: userinfo is plain JSON.
//!
//! Here are the basic plan, which but for one module sends no PKCE, the form-post basic plan, the
//! config plan, the RP-initiated logout plan, the third-party-initiated plan, and what there is of
//! the dynamic plan.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod basic;
mod discovery;
mod dynamic;
mod form_post;
mod logout;
mod registration;
