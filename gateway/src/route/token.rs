//! Which access token a route's origin is sent: the session's own, none, or one that is for it.

use crate::session::state::further::{Aim, MOST};
use serde::Deserialize;
use shared::jose::private::PrivateKey;
use shared::rp::wanted::{By, Wanted, is_resource, is_scope};
use std::collections::BTreeSet;

/// Which token a route's origin is sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Token {
    /// The session's own.
    #[default]
    Session,
    /// None, although somebody has to be signed in.
    Nothing,
    /// One that is asked for it alone.
    Aimed(Box<Aim>),
}

impl Token {
    /// The token that is asked for this route, if it wants one of its own.
    #[must_use]
    pub fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Aimed(aim) => Some(aim.wanted()),
            Self::Session | Self::Nothing => None,
        }
    }
}

/// The member as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Entry {
    Word(String),
    Aimed(Aimed),
}

impl Entry {
    /// Whether it asks, with the refresh token, for one that is bound to a key.
    pub(super) const fn is_refreshed_and_bound(&self) -> bool {
        matches!(self, Self::Aimed(Aimed { by: By::Refresh, dpop: true, .. }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aimed {
    resource: Option<String>,
    audience: Option<String>,
    scope: Option<String>,
    #[serde(default)]
    by: By,
    #[serde(default)]
    opaque: bool,
    #[serde(default)]
    dpop: bool,
}

impl Token {
    /// Reads the member, noting every mistake in it. `key` is what we sign with: a token is bound to it
    /// where the route wants that.
    pub(super) fn read(
        entry: Option<Entry>,
        key: Option<&PrivateKey>,
        refuse: &mut impl FnMut(&str, &str),
    ) -> Self {
        let Aimed { resource, audience, scope, by, opaque, dpop } = match entry {
            None => return Self::Session,
            Some(Entry::Aimed(aimed)) => aimed,
            Some(Entry::Word(word)) => {
                if word != "none" {
                    refuse("token", "\"none\", or whom it is for");
                }
                return Self::Nothing;
            }
        };
        if resource.is_none() && audience.is_none() {
            refuse("token", "whom it is for: a resource, an audience, or both");
        }
        if resource.as_deref().is_some_and(|resource| !is_resource(resource)) {
            refuse(
                "token.resource",
                "an absolute URI without a fragment, like https://api.example",
            );
        }
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if audience.as_deref().is_some_and(|audience| !is_name(audience)) {
            refuse("token.audience", "a name in printable ASCII without spaces");
        }
        if scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
            refuse("token.scope", "one or more words separated by spaces");
        }
        if dpop && key.is_none() {
            refuse("token.dpop", "absent: without SIGNING_KEYS there is nothing to bind it to");
        }
        let key = key.filter(|_| dpop);
        let bound = key.map(|key| key.public().material.thumbprint());
        Self::Aimed(Box::new(Wanted { by, resource, audience, scope, opaque, bound }.into()))
    }
}

/// Whether these ask for no more different tokens than a session has room for.
pub(super) fn are_few<'t>(tokens: impl Iterator<Item = &'t Token>) -> bool {
    let mut different: Vec<&Wanted> = Vec::new();
    for wanted in tokens.filter_map(Token::wanted) {
        if !different.contains(&wanted) {
            different.push(wanted);
        }
    }
    different.len() <= MOST
}

/// The resources that these name, each once.
pub(super) fn resources<'t>(tokens: impl Iterator<Item = &'t Token>) -> BTreeSet<&'t str> {
    tokens.filter_map(|token| token.wanted()?.resource.as_deref()).collect()
}
