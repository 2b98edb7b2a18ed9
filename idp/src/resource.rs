//! Resource indicators, RFC 8707: whom access tokens are for, as far as a client may choose.

use crate::client::Client;
use crate::config::Config;
use serde::{Deserialize, Serialize};
use shared::form::Form;
use std::collections::BTreeSet;
use std::iter;
use url::Url;

/// What a client is told that asks for a token for somebody else, RFC 8707 §2.
pub(crate) const NO_TARGET: &str = "the client may have no token for this resource";

pub use shared::form::RESOURCE;

/// The name of one of them, or of a client that is some of them, RFC 8693 §2.1.
const AUDIENCE: &str = "audience";

/// A set of resources; empty when nobody named one, and then tokens are for the client's audience.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Resources(BTreeSet<String>);

/// A token request's resources, and what they are held against.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Target {
    /// What it names.
    pub asked: Resources,
    /// What the client may name now.
    pub allowed: Resources,
    /// Its audience.
    pub audience: String,
}

impl Resources {
    /// What a request names; none when one of it is no absolute URI without a fragment, or nothing
    /// that the client may name.
    #[must_use]
    pub fn read(form: &Form, client: &Client) -> Option<Self> {
        let may = |resource: &str| {
            let named = client.audience == resource
                || client.resources.iter().any(|allowed| allowed == resource);
            named && !resource.contains('#') && Url::parse(resource).is_ok()
        };
        let named = form.all(RESOURCE).filter(|resource| !resource.is_empty());
        named
            .map(|resource| may(resource).then(|| resource.to_owned()))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Each of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, resource: &str) -> bool {
        self.0.contains(resource)
    }

    /// Those that are in either set.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    /// Whom the tokens of `client` are for.
    #[must_use]
    pub fn audience(&self, client: &Client) -> Vec<String> {
        if self.0.is_empty() {
            vec![client.audience.clone()]
        } else {
            self.0.iter().cloned().collect()
        }
    }
}

impl FromIterator<String> for Resources {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

impl Target {
    /// What a token request of `client` names; none when it may not.
    #[must_use]
    pub fn read(form: &Form, client: &Client) -> Option<Self> {
        let asked = Resources::read(form, client)?;
        Some(Self { asked, ..Self::unnamed(client) })
    }

    /// The same where one more may be named by `audience`: a resource by any name that the client has
    /// for it, or a client of the operator's for the resources that it is. None as well when that is
    /// nobody whom `client` may have tokens for.
    #[must_use]
    pub fn read_by_name(form: &Form, client: &Client, config: &Config) -> Option<Self> {
        let target = Self::read(form, client)?;
        let Some(name) = form.get(AUDIENCE) else { return Some(target) };
        let named: Resources = if target.allowed.has(name) {
            iter::once(name.to_owned()).collect()
        } else {
            let server = config.client(name)?.resource_server.iter();
            server.filter(|resource| target.allowed.has(resource)).cloned().collect()
        };
        let asked = target.asked.or(&named);
        (!named.0.is_empty()).then_some(Self { asked, ..target })
    }

    /// A token request of `client` that names nothing.
    #[must_use]
    pub fn unnamed(client: &Client) -> Self {
        let all = client.resources.iter().chain([&client.audience]).cloned().collect();
        let (asked, audience) = (Resources::default(), client.audience.clone());
        Self { asked, allowed: Resources(all), audience }
    }

    /// What the tokens are for, when the person's grant is for `granted`: what is asked of it, or
    /// else all that the operator still allows. None when that is nothing.
    #[must_use]
    pub fn within(&self, granted: &Resources) -> Option<Resources> {
        let Self { asked: Resources(asked), allowed: Resources(allowed), audience } = self;
        let Resources(granted) = granted;
        if granted.is_empty() {
            let usual = asked.iter().all(|resource| resource == audience);
            return usual.then(Resources::default);
        }
        let wanted = if asked.is_empty() { granted & allowed } else { asked.clone() };
        (!wanted.is_empty() && wanted.is_subset(granted)).then_some(Resources(wanted))
    }

    /// The same for a token that another is exchanged for, which is for `before`: nobody is added
    /// whom the request does not name.
    #[must_use]
    pub fn of_another(self, before: &Resources, granted: &Resources) -> Option<Resources> {
        let Self { asked: Resources(asked), allowed: Resources(allowed), .. } = self;
        let (Resources(before), Resources(granted)) = (before, granted);
        let wanted = if asked.is_empty() { &(before & granted) & &allowed } else { asked };
        (!wanted.is_empty() && wanted.is_subset(granted)).then_some(Resources(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(resources: &[&str]) -> Resources {
        Resources(resources.iter().map(|resource| (*resource).to_owned()).collect())
    }

    fn within(asked: &[&str], granted: &[&str]) -> Option<Resources> {
        let (asked, allowed) = (set(asked), set(&["urn:home", "urn:a", "urn:b"]));
        Target { asked, allowed, audience: "urn:home".into() }.within(&set(granted))
    }

    #[test]
    fn tc_22_rfc8707_2_2_a_token_is_for_some_of_what_was_granted() {
        assert_eq!(within(&["urn:a"], &["urn:a", "urn:b"]), Some(set(&["urn:a"])));
        assert_eq!(within(&[], &["urn:a", "urn:b"]), Some(set(&["urn:a", "urn:b"])));
        for asked in [&["urn:home"][..], &["urn:a", "urn:home"], &["urn:c"]] {
            assert_eq!(within(asked, &["urn:a", "urn:b"]), None, "{asked:?}");
        }
    }

    #[test]
    fn tc_22_where_no_resource_was_named_tokens_are_for_the_audience_alone() {
        assert_eq!(within(&[], &[]), Some(set(&[])));
        assert_eq!(within(&["urn:home"], &[]), Some(set(&[])));
        assert_eq!(within(&["urn:a"], &[]), None);
        assert_eq!(within(&["urn:a", "urn:home"], &[]), None);
    }

    #[test]
    fn rfc8693_2_1_a_token_for_another_is_for_no_more_unless_it_is_named_and_granted() {
        let another = |asked: &[&str], before: &[&str]| {
            let (asked, allowed) = (set(asked), set(&["urn:a", "urn:b", "urn:c"]));
            let target = Target { asked, allowed, audience: "urn:c".into() };
            target.of_another(&set(before), &set(&["urn:a", "urn:b", "urn:d"]))
        };
        assert_eq!(another(&[], &["urn:a", "urn:d", "urn:us"]), Some(set(&["urn:a"])));
        assert_eq!(another(&["urn:b"], &["urn:a"]), Some(set(&["urn:b"])));
        assert_eq!(another(&[], &["urn:us"]), None);
        assert_eq!(another(&["urn:a", "urn:c"], &["urn:a", "urn:c"]), None, "not granted");
    }

    #[test]
    fn what_the_operator_has_taken_since_is_not_given() {
        assert_eq!(within(&[], &["urn:a", "urn:gone"]), Some(set(&["urn:a"])));
        assert_eq!(within(&[], &["urn:gone"]), None);
    }
}
