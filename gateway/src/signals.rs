//! What Cloudflare says of where a request comes from: of the network, the machine and the
//! certificate, never of the person. Nobody but the platform has a say in it.

pub mod wanted;

#[cfg(test)]
mod tests;

use crate::told::{ascii, header, scalar};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeMap;

/// One of the things that may be known of a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Signal {
    /// The country of the address: ISO 3166-1, or `T1` for Tor.
    Country,
    /// Its region.
    Region,
    /// Its city.
    City,
    /// Its continent, in two letters.
    Continent,
    /// Its time zone.
    Timezone,
    /// Where that is, roughly.
    Latitude,
    /// Where that is, roughly.
    Longitude,
    /// The number of the network.
    Asn,
    /// The data centre that the request reached.
    Colo,
    /// How human it seems, from 1 to 99.
    BotScore,
    /// Whether it is a bot that says truly who it is.
    BotVerified,
    /// That it came with a client certificate that was found good.
    CertVerified,
    /// The certificate's SHA-256 fingerprint.
    CertSha256,
    /// Whose certificate it is.
    CertSubject,
}

/// Each signal, where the request's `cf` object has it, and the header in which origins get it.
const SIGNALS: [(Signal, &str, HeaderName); 14] = [
    (Signal::Country, "/country", HeaderName::from_static("x-geo-country")),
    (Signal::Region, "/region", HeaderName::from_static("x-geo-region")),
    (Signal::City, "/city", HeaderName::from_static("x-geo-city")),
    (Signal::Continent, "/continent", HeaderName::from_static("x-geo-continent")),
    (Signal::Timezone, "/timezone", HeaderName::from_static("x-geo-timezone")),
    (Signal::Latitude, "/latitude", HeaderName::from_static("x-geo-latitude")),
    (Signal::Longitude, "/longitude", HeaderName::from_static("x-geo-longitude")),
    (Signal::Asn, "/asn", HeaderName::from_static("x-edge-asn")),
    (Signal::Colo, "/colo", HeaderName::from_static("x-edge-colo")),
    (Signal::BotScore, "/botManagement/score", HeaderName::from_static("x-bot-score")),
    (Signal::BotVerified, "/botManagement/verifiedBot", HeaderName::from_static("x-bot-verified")),
    (
        Signal::CertVerified,
        "/tlsClientAuth/certVerified",
        HeaderName::from_static("x-client-cert-verified"),
    ),
    (
        Signal::CertSha256,
        "/tlsClientAuth/certFingerprintSHA256",
        HeaderName::from_static("x-client-cert-sha256"),
    ),
    (
        Signal::CertSubject,
        "/tlsClientAuth/certSubjectDN",
        HeaderName::from_static("x-client-cert-subject"),
    ),
];

/// The signals of one request; none without Cloudflare in front.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edge(BTreeMap<Signal, String>);

impl Edge {
    /// Reads the members of a `cf` object that are looked at here, as JSON. What is not there, is
    /// empty, or is neither text, number nor boolean, is absent. Of a certificate nothing is said
    /// unless it is good: what a stranger wrote into their own is nobody's word.
    #[must_use]
    pub fn read(json: &str) -> Self {
        let cf: Value = serde_json::from_str(json).unwrap_or_default();
        let good = has_good_certificate(&cf);
        let known = |(signal, place, _): &(Signal, &str, HeaderName)| {
            let of_certificate =
                matches!(signal, Signal::CertVerified | Signal::CertSha256 | Signal::CertSubject);
            let value = scalar(cf.pointer(place)?)?;
            (!value.is_empty() && (good || !of_certificate)).then_some((*signal, value))
        };
        Self(SIGNALS.iter().filter_map(known).collect())
    }

    /// What is known of one of them.
    #[must_use]
    pub fn known(&self, signal: Signal) -> Option<&str> {
        self.0.get(&signal).map(String::as_str)
    }

    /// The signals as an origin is told them, in printable ASCII; one that is too long is not told.
    pub fn lines(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        SIGNALS
            .into_iter()
            .filter_map(|(signal, _, name)| Some((name, header(&ascii(self.known(signal)?, "")?)?)))
    }
}

/// Presented, verified and not revoked: only all of it together means anything.
fn has_good_certificate(cf: &Value) -> bool {
    let said = |name: &str| cf.pointer("/tlsClientAuth")?.get(name).and_then(scalar);
    said("certPresented").as_deref() == Some("1")
        && said("certVerified").as_deref() == Some("SUCCESS")
        && said("certRevoked").as_deref() != Some("1")
}
