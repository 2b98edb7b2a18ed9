//! How somebody proved who they are: what a sign-in session, and every grant from it, stands on.

use crate::words::Acr;
use serde::{Deserialize, Serialize};
use shared::secret::Digest;
use shared::time::UnixTime;

/// Who somebody is to whoever signed them in: a local account's name, or an upstream and its
/// subject. Never an e-mail address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// [`LOCAL`], or who names the person at the upstream: as a rule its issuer.
    pub upstream: String,
    /// Its name for the person.
    pub subject: String,
}

/// The upstream of local accounts. No issuer URL looks like it.
pub const LOCAL: &str = "local";

/// What was shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A password, whose hash has this digest: another password voids what this one began.
    Password(Digest),
    /// The word of an upstream.
    Upstream {
        /// Which, in our configuration.
        id: String,
        /// Its session, when it says which.
        sid: Option<String>,
        /// What it calls how, when it says so.
        acr: Option<String>,
    },
}

/// By what somebody signed in. Void when it is taken away: the password is another, the upstream is
/// gone from the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Means {
    /// Who they are there.
    pub identity: Identity,
    /// What they showed.
    pub how: How,
}

/// Who somebody proved to be, how and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Proof {
    /// By what.
    pub means: Means,
    /// When; earlier than they came here where an upstream remembered them.
    pub auth_time: UnixTime,
    /// Whether anybody said so: otherwise it is when they came here, and no sign that they proved
    /// anything then.
    #[serde(default)]
    pub says_when: bool,
    /// How, RFC 8176.
    pub amr: Vec<String>,
}

impl Means {
    /// Which upstream vouched for them, in our configuration.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        match &self.how {
            How::Password(_) => None,
            How::Upstream { id, .. } => Some(id),
        }
    }

    /// How, as an authentication context class: in the upstream's word where it has one.
    #[must_use]
    pub fn acr(&self) -> &str {
        match &self.how {
            How::Password(_) => Acr::Password.as_str(),
            How::Upstream { acr, .. } => acr.as_deref().unwrap_or(Acr::Upstream.as_str()),
        }
    }
}
