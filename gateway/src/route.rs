//! Routes: which origin has which requests, and who may make them.

mod read;
#[cfg(test)]
mod tests;
pub mod token;

use crate::assertion::Asserts;
use crate::caller::Accepts;
use crate::path::Target;
use crate::policy::Requirement;
use crate::reading::readings;
use crate::refused::Refused;
use crate::told::{self, Told};
use http::Method;
use serde_json::{Map, Value};
use shared::origin::Origin;
use std::collections::BTreeSet;
use token::Token;

/// The paths that are the gateway's own and never an origin's (GP-36).
pub const OURS: &str = "/auth";

/// Who may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody. The origin is told nothing about anybody, not even about somebody signed in.
    Public,
    /// Somebody signed in; a browser that navigates is sent to sign in.
    SignedIn,
    /// Somebody signed in; nobody is ever redirected.
    Api,
}

/// A part of the site and the origin behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Its place in the setting, from 0: what the log and the dry run call it.
    pub position: usize,
    /// The first segments of the paths it has, in canonical spelling; `/` has all.
    pub prefix: String,
    /// The methods it has; all of them when there are none.
    pub methods: Vec<Method>,
    /// The server behind it.
    pub origin: Origin,
    /// Who may ask.
    pub access: Access,
    /// What is asked of them besides.
    pub requirement: Requirement,
    /// What its origin is told about them.
    pub told: Told,
    /// What of that is signed for it.
    pub assertion: Option<Asserts>,
    /// Whether it is told where a request comes from.
    pub signals: bool,
    /// Whose people it is for, by what we call the provider; everybody's without it.
    pub provider: Option<String>,
    /// Which tokens of callers it takes; none without it, and then they are removed.
    pub bearer: Option<Accepts>,
    /// Which token it is sent for somebody who is signed in.
    pub token: Token,
}

impl Route {
    /// Where a request goes: the configured origin, and the path that policy saw (GP-11).
    #[must_use]
    pub fn url(&self, target: &Target) -> String {
        self.origin.at(&target.path_and_query())
    }

    /// The claims of the person that its origin is told in one way or another.
    fn tells(&self) -> impl Iterator<Item = &str> {
        let signed = self.assertion.iter().flat_map(Asserts::claims);
        self.told.claims().chain(signed)
    }

    fn has(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

/// The routes of one site in the order in which they are tried. Each can be reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Routes {
    list: Vec<Route>,
    /// The headers by which origins of this deployment are told something, as
    /// [`crate::forward::edits`] wants them.
    names: BTreeSet<String>,
}

/// Whose a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner<'r> {
    /// One of the gateway's own endpoints.
    Ours,
    /// An origin's.
    Route(&'r Route),
    /// Nobody's: 404.
    Nobody,
}

impl Routes {
    /// Whose a request is: the first route decides that has its method and whose prefix is whole
    /// segments of its path. What no route has, nobody has.
    ///
    /// # Errors
    /// [`Refused::Ambiguous`] when an origin might read the path as another route's (GP-10).
    pub fn find(&self, method: &Method, target: &Target) -> Result<Owner<'_>, Refused> {
        let owner = self.owner(method, target.path().as_bytes(), <[u8]>::eq);
        let Owner::Route(_) = owner else { return Ok(owner) };

        let other = |path: &[u8]| self.owner(method, path, <[u8]>::eq_ignore_ascii_case) != owner;
        let readings = readings(target.path()).ok_or(Refused::Ambiguous)?;
        if other(target.path().as_bytes()) || readings.iter().any(|(path, _)| other(path)) {
            return Err(Refused::Ambiguous);
        }
        Ok(owner)
    }

    fn owner(&self, method: &Method, path: &[u8], same: fn(&[u8], &[u8]) -> bool) -> Owner<'_> {
        if begins(path, OURS, same) {
            return Owner::Ours;
        }
        let mine = |route: &&Route| route.has(method) && begins(path, &route.prefix, same);
        self.list.iter().find(mine).map_or(Owner::Nobody, Owner::Route)
    }

    /// Of these claims, what any route looks at. A claim that is there and has no value that matters
    /// is an empty list: that is news, too.
    #[must_use]
    pub fn weigh(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        let mut weighed = Map::new();
        for route in &self.list {
            route.requirement.weigh(claims, &mut weighed);
        }
        weighed
    }

    /// Of these claims, what any route tells its origin.
    #[must_use]
    pub fn tell(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        let mut told = Map::new();
        for route in &self.list {
            told::keep(route.tells(), claims, &mut told);
        }
        told
    }

    /// The headers by which any route, of whichever site, tells its origin something; in lower case
    /// and with hyphens, as every other spelling is read.
    #[must_use]
    pub const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Whether a route looks at a claim, or tells it, that is not among these.
    #[must_use]
    pub fn miss(&self, claims: &Map<String, Value>) -> bool {
        let routes = self.list.iter();
        let mut wanted = routes.flat_map(|route| route.requirement.claims().chain(route.tells()));
        wanted.any(|name| !claims.contains_key(name))
    }

    /// The resources that routes want tokens for, each once: what a sign-in has to name, RFC 8707 §2.1.
    #[must_use]
    pub fn resources(&self) -> BTreeSet<&str> {
        token::resources(self.list.iter().map(|route| &route.token))
    }

    /// Whether any route asks or tells where a request comes from.
    #[must_use]
    pub fn look_at_edge(&self) -> bool {
        self.list.iter().any(|route| route.signals || !route.requirement.edge.is_empty())
    }

    /// Every route, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }
}

/// Whether `path` is `prefix` or below it.
fn begins(path: &[u8], prefix: &str, same: fn(&[u8], &[u8]) -> bool) -> bool {
    let prefix = prefix.trim_end_matches('/').as_bytes();
    path.split_at_checked(prefix.len())
        .is_some_and(|(head, rest)| same(head, prefix) && matches!(rest.first(), None | Some(b'/')))
}
