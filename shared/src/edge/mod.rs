//! What knows the Worker runtime, for both Workers: the clock, randomness, settings, the way out,
//! WebCrypto, and requests on their way in and out of Rust. Compiled for wasm32 alone.

pub mod crypto;
pub mod entry;
pub mod fetch;
pub mod message;
pub mod object;

use crate::time::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wasm_bindgen::JsValue;
use worker::Env;

/// The hour, read once a request.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970")]
pub fn now() -> UnixTime {
    UnixTime((js_sys::Date::now() / 1000.0) as u64)
}

/// The platform gave no randomness.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRandomness;

/// A generator seeded by the platform, for one request.
///
/// # Errors
/// [`NoRandomness`], and then there is nothing safe to do but refuse the request.
pub fn rng() -> Result<ChaCha20Rng, NoRandomness> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| NoRandomness)?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// A setting, as text: secrets and plain variables as they are, JSON variables as JSON.
#[must_use]
pub fn setting(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env.as_ref(), &JsValue::from_str(name)).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok()?.as_string())
}
