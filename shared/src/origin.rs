//! Web origins and issuer URLs: compared as text, byte for byte, and never normalised.

use serde::{Deserialize, Serialize};
use std::fmt;
use url::{Host, Url};

/// Whether a URL is `https`, or `http` to this very machine (development, RFC 8252 §7.3).
#[must_use]
pub fn is_secure(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(host)) => is_loopback(&host),
        _ => false,
    }
}

/// Whether a host is this machine.
#[must_use]
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A web origin in its canonical spelling: scheme, host, and port when it is not the default.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin; none unless it is secure, canonical, and nothing but an origin.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(is_secure)?;
        (url.origin().ascii_serialization() == text).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL at this origin. `path` starts with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Its host, with the port when it has one: what a request to it has in `Host`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether this is `http` on this machine: development.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.0.starts_with("http:")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an origin"))
    }
}

/// Somebody's issuer identifier, OpenID Connect Discovery §3: kept exactly as configured, with its
/// trailing slash where it has one (Auth0).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String")]
pub struct Issuer(String);

impl Issuer {
    /// Reads an issuer; none unless it is a secure URL without query, fragment or credentials.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(is_secure)?;
        let bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        (bare && text.is_ascii()).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its metadata is, OpenID Connect Discovery §4.
    #[must_use]
    pub fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))
    }
}

impl TryFrom<String> for Issuer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not an issuer URL")
    }
}

impl From<Origin> for Issuer {
    fn from(Origin(text): Origin) -> Self {
        Self(text)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_secure_canonical_and_nothing_more() {
        for good in
            ["https://a.test", "https://a.test:8443", "http://localhost:8787", "http://[::1]:1"]
        {
            assert!(Origin::parse(good).is_some(), "{good}");
        }
        for bad in [
            "https://a.test/",
            "https://A.test",
            "https://a.test:443",
            "https://u@a.test",
            "http://a.test",
            "http://localhost.evil.test",
            "null",
            "",
        ] {
            assert!(Origin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn discovery_3_an_issuer_keeps_its_trailing_slash() {
        let issuer = Issuer::parse("https://tenant.auth0.test/").unwrap();
        assert_eq!(issuer.as_str(), "https://tenant.auth0.test/");
        assert_eq!(
            issuer.discovery(),
            "https://tenant.auth0.test/.well-known/openid-configuration"
        );
        assert!(Issuer::parse("https://a.test/?x=1").is_none());
        assert!(Issuer::parse("http://a.test").is_none());
    }
}
