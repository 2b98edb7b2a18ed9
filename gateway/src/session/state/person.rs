//! Who is signed in, as their session keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::scope::Scope;
use shared::secret::Digest;
use shared::time::UnixTime;

/// Who is signed in.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Person {
    /// `sub`.
    pub subject: String,
    /// When they were authenticated, if the provider says.
    pub auth_time: Option<UnixTime>,
    /// How, as a class, if it says.
    #[serde(default)]
    pub acr: Option<String>,
    /// What they may have done in their name.
    #[serde(default)]
    pub scope: Scope,
    /// A few small claims about them, for pages.
    pub claims: Map<String, Value>,
    /// Claims that routes look at, as far as they do.
    #[serde(default)]
    pub weighed: Map<String, Value>,
    /// Claims that origins are told in headers.
    #[serde(default)]
    pub told: Map<String, Value>,
    /// What we call the provider whose they are: what that says is asked of no other. Empty where it
    /// has no name, and in sessions from before there were several; then it is the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Who names them, where that is not the provider itself: a tenant of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The provider's session, where nothing else names it when signing out there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Which flow signed them in: lets a reloaded callback be told from a foreign one.
    pub flow: String,
    /// Digest of that flow's nonce, which an ID token of a refresh may repeat. Unknown of sessions
    /// that are older than this member, and in what requests are decided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Digest>,
}

impl Person {
    /// What tells them from everybody else, also at another provider that has the same name for somebody.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Our name of a provider has no line break in it.
        Digest::of(format!("{}\n{}", self.provider, self.subject))
    }
}
