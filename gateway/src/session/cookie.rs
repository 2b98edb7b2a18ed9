//! What the browser keeps of a session: sealed, bound to the cookie's name and this gateway, with
//! its end inside (a cookie's own expiry is only a request to the browser).

use super::place::Place;
use super::state::{Person, Session, Snapshot};
use crate::config::{Config, Mode};
use http::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::handle::{Handle, Kind};
use shared::jar;
use shared::seal::Purpose;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::rc::Rc;

/// The session cookie.
pub const NAME: &str = "__Host-gatelatch-session";

/// A sealed session may have this many characters. With five flows under way, the `Cookie` header
/// stays below the 16 KiB at which servers turn requests away.
const LARGEST: usize = 7_000;

/// What is sealed. A change of its shape makes older cookies unreadable, which signs in again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Contents {
    /// Hybrid mode: enough to serve without asking.
    Hybrid {
        /// A sealed [`Handle`].
        handle: String,
        /// What the object said.
        snapshot: Rc<Snapshot>,
        /// When it said so.
        checked_at: UnixTime,
        /// Where it is, where that matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// Durable mode, and hybrid mode for a session too large for a cookie: ask every time.
    Handle {
        /// A sealed [`Handle`].
        handle: String,
        /// When the session ends in any case.
        ends_at: UnixTime,
        /// Where it is, where that matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// Sealed mode: everything.
    Sealed {
        /// The session.
        session: Session,
        /// What it is opened with.
        secret: Digest,
    },
}

/// The session does not fit into cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLarge;

fn context(config: &Config) -> String {
    format!("{NAME} {}", config.public_url)
}

impl Contents {
    /// The session of a request; none when there is none that we made and that may still live.
    #[must_use]
    pub fn read(config: &Config, headers: &HeaderMap, now: UnixTime) -> Option<Self> {
        let contents = Self::open(config, &jar::read(headers, NAME)?)?;
        contents.may_live(now).then_some(contents)
    }

    /// What a cookie holds, if we sealed it for this gateway in its present mode.
    #[must_use]
    pub fn open(config: &Config, sealed: &str) -> Option<Self> {
        let context = context(config);
        let plain = config.keys.open(Purpose::new("session cookie", &context), sealed)?;
        let contents: Self = serde_json::from_slice(&plain).ok()?;
        let ours = matches!(contents, Self::Sealed { .. }) == (config.mode == Mode::Sealed);
        ours.then_some(contents)
    }

    /// Whether its end is still to come.
    #[must_use]
    pub fn may_live(&self, now: UnixTime) -> bool {
        now < self.ends_at()
    }

    /// Puts the cookie on a response to a request with the headers `sent`. Optional claims make
    /// room first, then the object is asked on every request.
    ///
    /// # Errors
    /// [`TooLarge`] when even that is not enough (GS-08).
    pub fn write(
        self,
        config: &Config,
        (out, sent): (&mut HeaderMap, &HeaderMap),
        rng: &mut impl CryptoRng,
    ) -> Result<(), TooLarge> {
        let context = context(config);
        let mut next = Some(self);
        while let Some(contents) = next {
            // String keys and no floats of ours: there is always a JSON form.
            let plain = serde_json::to_vec(&contents).map_err(|_| TooLarge)?;
            let sealed = config.keys.seal(Purpose::new("session cookie", &context), &plain, rng);
            if sealed.len() <= LARGEST {
                return jar::write(out, sent, NAME, &sealed, None).map_err(|_| TooLarge);
            }
            next = contents.smaller();
        }
        Err(TooLarge)
    }

    fn smaller(self) -> Option<Self> {
        match self {
            Self::Hybrid { handle, mut snapshot, checked_at, place } => {
                Some(if snapshot.person.claims.is_empty() {
                    Self::Handle { handle, ends_at: snapshot.ends_at, place }
                } else {
                    Rc::make_mut(&mut snapshot).person.claims.clear();
                    Self::Hybrid { handle, snapshot, checked_at, place }
                })
            }
            Self::Sealed { session: Session::Live(live), secret } => {
                let session = Session::Live(Box::new(live.lighter()?));
                Some(Self::Sealed { session, secret })
            }
            Self::Sealed { session: Session::Ended { .. }, .. } | Self::Handle { .. } => None,
        }
    }

    fn ends_at(&self) -> UnixTime {
        match self {
            Self::Hybrid { snapshot, .. } => snapshot.ends_at,
            Self::Handle { ends_at, .. } => *ends_at,
            Self::Sealed { session: Session::Live(live), .. } => live.ends_at(),
            Self::Sealed { session: Session::Ended { .. }, .. } => UnixTime(0),
        }
    }

    /// Where its object is, as far as that is known and matters.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Hybrid { place, .. } | Self::Handle { place, .. } => place.as_ref(),
            Self::Sealed { .. } => None,
        }
    }

    /// The same session with a note that its person has just been sent to follow it.
    #[must_use]
    pub fn tried(mut self, now: UnixTime) -> Self {
        if let Self::Hybrid { place, .. } | Self::Handle { place, .. } = &mut self {
            *place = place.take().map(|place| place.tried(now));
        }
        self
    }

    /// Whose session it is, where the browser has that too.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Hybrid { snapshot, .. } => Some(&snapshot.person),
            Self::Sealed { session: Session::Live(live), .. } => Some(live.person()),
            Self::Sealed { session: Session::Ended { .. }, .. } | Self::Handle { .. } => None,
        }
    }

    /// The object's address, where there is an object.
    #[must_use]
    pub fn handle(&self, config: &Config) -> Option<Handle> {
        match self {
            Self::Hybrid { handle, .. } | Self::Handle { handle, .. } => {
                Handle::open(Kind::Session, handle, &config.keys)
            }
            Self::Sealed { .. } => None,
        }
    }

    /// What tells this session from every other, to those who can read our own pages.
    #[must_use]
    pub fn logout_key(&self) -> LogoutKey {
        LogoutKey(match self {
            Self::Hybrid { handle, .. } | Self::Handle { handle, .. } => handle.clone(),
            Self::Sealed { secret, .. } => secret.to_text(),
        })
    }
}

/// What a logout token is made from.
#[derive(Clone, Debug)]
pub struct LogoutKey(String);

impl LogoutKey {
    /// The text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells this session from every other for as long as it lives, and is no secret.
    #[must_use]
    pub fn session(&self, config: &Config) -> Digest {
        // A handle is sealed anew when the keys change; what it says stays.
        match Handle::open(Kind::Session, &self.0, &config.keys) {
            Some(Handle { object, secret, .. }) => {
                Digest::of([&object.as_bytes()[..], &secret].concat())
            }
            None => Digest::of(&self.0),
        }
    }

    /// What a link that signs out has to carry: known only to who can read our own pages.
    #[must_use]
    pub fn token(&self, config: &Config) -> String {
        let purpose = Purpose::new("logout", config.public_url.as_str());
        Digest::of(config.keys.derive(purpose, self.0.as_bytes())).to_text()
    }
}
