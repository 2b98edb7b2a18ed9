//! A browser from which somebody has signed in before is no stranger: guesses from elsewhere, which
//! hold up everybody who tries that name (FD-37), do not hold it up. Its own guesses are counted as
//! well, on a brake of its own.

use crate::config::Config;
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::cookie;
use shared::fetch::Response;
use shared::seal::Purpose;
use shared::secret::random_text;

const COOKIE: &str = "__Host-gatelatch-known";
const PURPOSE: Purpose<'static> = Purpose::new("known browser", "");
/// How long a browser is known after the last sign-in, in seconds: half a year.
const LIFE: u64 = 180 * 86_400;

/// A browser in which `username` has signed in with a password.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Known {
    username: String,
    /// Names its brake. Only a right password makes a new one, so nobody can fill the ledger.
    pub id: String,
}

impl Known {
    /// Whether the browser that sent these headers is known for `username`.
    #[must_use]
    pub fn find(headers: &HeaderMap, username: &str, config: &Config) -> Option<Self> {
        let plain = config.keys.open(PURPOSE, cookie::get(headers, COOKIE)?)?;
        let known: Self = serde_json::from_slice(&plain).ok()?;
        (known.username == username).then_some(known)
    }

    /// Has the browser known for `username` from now on.
    pub fn remember(
        headers: &HeaderMap,
        username: &str,
        config: &Config,
        response: &mut Response,
        rng: &mut impl CryptoRng,
    ) {
        let known = Self::find(headers, username, config)
            .unwrap_or_else(|| Self { username: username.to_owned(), id: random_text(rng) });
        let plain = serde_json::to_vec(&known).unwrap_or_default();
        let sealed = config.keys.seal(PURPOSE, &plain, rng);
        cookie::set(response.headers_mut(), COOKIE, &sealed, Some(LIFE));
    }
}
