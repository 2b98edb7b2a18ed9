//! The OpenID Foundation's certification plans, as far as this issuer goes. Each function has the
//! name of the official module that it stands for, so that results can be held against the suite's.
//!
//! Not here, because the feature is not:
//! - `oidcc-claims-essential`: `claims_parameter_supported` is false;
//! - `oidcc-id-token-hint`: `/authorize` takes no `id_token_hint`;
//! - `oidcc-idtoken-unsigned`: no client can be registered with `none`, and none parses;
//! - the dynamic, form-post, implicit, hybrid, session management, front-channel and
//!   third-party-initiated plans, and `oidcc-registration-*`: nothing of them is supported;
//! - `oidcc-userinfo-rs256`: userinfo is plain JSON;
//! - `oidcc-refresh-token-rp-key-rotation`: no client authenticates with a key.
//!
//! Here are the basic plan, which but for one module sends no PKCE, the config plan, the RP-initiated
//! and the back-channel logout plan, and what is left of the dynamic plan without registration.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod back_channel;
mod basic;
mod discovery;
mod dynamic;
mod logout;
