//! An interaction: an authorization request that waits for the person.
//!
//! It is kept nowhere: it stands sealed in the sign-in page, bound to the browser by a cookie that
//! the seal covers, so that no other browser can finish it (AZ-30) and unauthenticated requests
//! store nothing (DS-07). What is sealed is the request as it was sent; it is read again, with every
//! check, when the person comes back.

use crate::config::Config;
use crate::linking::Linking;
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::cookie;
use shared::fetch::Response;
use shared::seal::Purpose;
use shared::secret::random_text;
use shared::time::UnixTime;

/// How long a person has, in seconds.
const LIFE: u64 = 1800;
/// The cookie that tells one browser from another.
const BROWSER: &str = "__Host-gatelatch-browser";
const PURPOSE: &str = "interaction";

/// An authorization request that waits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interaction {
    /// The request, as it was sent: form-encoded. Empty when no client sent the person.
    pub request: String,
    /// What they want here then.
    #[serde(default)]
    pub here: Here,
    /// When it stops waiting.
    expires_at: UnixTime,
}

/// What somebody wants of ourselves, whom no client sent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Here {
    /// Their own page.
    #[default]
    Page,
    /// To prove again who they are, for their own page.
    Again,
    /// To add a way to sign in.
    Link(Linking),
}

/// Why an interaction cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// The browser sends no cookie, or somebody else's.
    NoCookie,
    /// It is not one of ours, or another browser's.
    Unreadable,
    /// The person took too long.
    Expired,
    /// It is over: the person has answered before.
    Finished,
}

/// The browser, as the seal of an interaction sees it.
#[derive(Clone, Eq, PartialEq)]
pub struct Browser {
    id: String,
    is_new: bool,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Browser(..)")
    }
}

impl Browser {
    /// The browser that sent these headers, if it was here before.
    #[must_use]
    pub fn known(headers: &HeaderMap) -> Option<Self> {
        let id = cookie::get(headers, BROWSER).filter(|id| id.len() == 43)?;
        Some(Self { id: id.to_owned(), is_new: false })
    }

    /// The browser that sent these headers, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap, rng: &mut impl CryptoRng) -> Self {
        Self::known(headers).unwrap_or_else(|| Self { id: random_text(rng), is_new: true })
    }

    /// Seals what a page of this browser holds; `purpose` says what for.
    pub fn seal(
        &self,
        purpose: &'static str,
        held: &impl Serialize,
        config: &Config,
        rng: &mut impl CryptoRng,
    ) -> String {
        let plain = serde_json::to_vec(held).unwrap_or_default();
        config.keys.seal(Purpose::new(purpose, &self.id), &plain, rng)
    }

    /// What a page of this browser holds.
    ///
    /// # Errors
    /// [`Lost::Unreadable`].
    pub fn open<T: DeserializeOwned>(
        &self,
        purpose: &'static str,
        text: &str,
        config: &Config,
    ) -> Result<T, Lost> {
        let plain = config.keys.open(Purpose::new(purpose, &self.id), text);
        let plain = plain.ok_or(Lost::Unreadable)?;
        serde_json::from_slice(&plain).map_err(|_| Lost::Unreadable)
    }

    /// Has a new browser remember itself.
    pub fn remember(&self, response: &mut Response) {
        if self.is_new {
            cookie::set(response.headers_mut(), BROWSER, &self.id, None);
        }
    }
}

impl Interaction {
    /// A request that begins to wait.
    #[must_use]
    pub fn begin(request: &[u8], now: UnixTime) -> Self {
        let request = String::from_utf8_lossy(request).into_owned();
        Self { request, here: Here::Page, expires_at: now.plus(LIFE) }
    }

    /// Something of ours that begins to wait.
    #[must_use]
    pub const fn of_ours(here: Here, now: UnixTime) -> Self {
        Self { request: String::new(), here, expires_at: now.plus(LIFE) }
    }

    /// The text for the page.
    #[must_use]
    pub fn seal(&self, browser: &Browser, config: &Config, rng: &mut impl CryptoRng) -> String {
        browser.seal(PURPOSE, self, config, rng)
    }

    /// When it stops waiting.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.expires_at
    }

    /// The interaction that a page of this browser holds.
    ///
    /// # Errors
    /// See [`Lost`].
    pub fn open(
        text: &str,
        headers: &HeaderMap,
        config: &Config,
        now: UnixTime,
    ) -> Result<(Self, Browser), Lost> {
        let browser = Browser::known(headers).ok_or(Lost::NoCookie)?;
        let found: Self = browser.open(PURPOSE, text, config)?;
        if found.expires_at <= now {
            return Err(Lost::Expired);
        }
        Ok((found, browser))
    }
}
