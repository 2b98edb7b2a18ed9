//! What a provider says about itself, OpenID Connect Discovery §4, and how long we believe it.

use super::keys::{PROVIDER, Published};
use crate::fetch::{Fetch, Request, Response};
use crate::metadata::ProviderMetadata;
use crate::origin::{Issuer, is_secure};
use crate::time::UnixTime;
use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};
use std::cell::RefCell;
use std::rc::Rc;
use url::Url;
use url::form_urlencoded;

/// How long an answer of a provider is used before it is asked again.
pub(super) const FRESH_SECONDS: u64 = 600;
/// How long the last good answer is used while the provider does not give a better one.
pub(super) const STALE_SECONDS: u64 = 86_400;
/// How long a provider that failed is left alone while the last good answer serves.
pub(super) const COOL_DOWN_SECONDS: u64 = 30;

/// The parameters of our authorization requests. An endpoint that brings one along in its own
/// query would make it appear twice.
const OURS: [&str; 11] = [
    "acr_values",
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
];

/// A provider, and what an isolate remembers of it between requests. Only data is remembered, no
/// request in flight, and no borrow lives across an await.
#[derive(Debug)]
pub struct Provider {
    issuer: Issuer,
    place: Place,
    metadata: RefCell<Option<Remembered>>,
    pub(super) keys: Published,
}

/// Where a provider's metadata comes from.
#[derive(Clone, Debug)]
enum Place {
    /// It publishes them, here.
    Discovery(String),
    /// It publishes none; they are known.
    Fixed(Rc<ProviderMetadata>),
}

#[derive(Clone, Debug)]
struct Remembered {
    metadata: Rc<ProviderMetadata>,
    read_at: UnixTime,
    asked_at: UnixTime,
}

/// Why a provider cannot be used. All of it is for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// No answer.
    Unreachable,
    /// An answer that is not 200.
    BadStatus(u16),
    /// Not JSON of the expected shape.
    Malformed,
    /// Its `issuer` is not the one we asked, OpenID Connect Discovery §4.3.
    OtherIssuer,
    /// An endpoint is missing, is not https, or has a fragment or one of our own parameters.
    BadEndpoint,
}

/// What a provider has to give before anybody can sign in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotReady {
    /// What it says about itself.
    Metadata(Unusable),
    /// Its keys.
    Keys,
}

impl Provider {
    /// A provider about which nothing is known yet.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        let place = Place::Discovery(issuer.discovery());
        Self { issuer, place, metadata: RefCell::default(), keys: Published::new(PROVIDER) }
    }

    /// The same when its metadata are elsewhere than its issuer says: those of several of Entra's
    /// tenants, whose issuer is a template.
    #[must_use]
    pub fn published_at(self, issuer: &Issuer) -> Self {
        Self { place: Place::Discovery(issuer.discovery()), ..self }
    }

    /// One that publishes no metadata: they are known.
    #[must_use]
    pub fn fixed(issuer: Issuer, metadata: ProviderMetadata) -> Self {
        Self { place: Place::Fixed(Rc::new(metadata)), ..Self::new(issuer) }
    }

    /// Whether its metadata and its keys are at hand, so that somebody could sign in.
    ///
    /// # Errors
    /// What is missing.
    pub async fn ready(&self, fetch: &impl Fetch, now: UnixTime) -> Result<(), NotReady> {
        let metadata = self.metadata(fetch, now).await.map_err(NotReady::Metadata)?;
        // Only one that publishes nothing may sign nothing: GitHub is one.
        if metadata.jwks_uri.is_empty() {
            return Ok(());
        }
        self.keys.at_hand(&metadata.jwks_uri, fetch, now).await.map_err(|_| NotReady::Keys)
    }

    /// Whom it is.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Its metadata: ten minutes old at most, or the last good copy, up to a day old, while it
    /// gives no better one.
    ///
    /// # Errors
    /// [`Unusable`] when there is no copy to fall back on.
    pub async fn metadata(
        &self,
        fetch: &impl Fetch,
        now: UnixTime,
    ) -> Result<Rc<ProviderMetadata>, Unusable> {
        let place = match &self.place {
            Place::Fixed(metadata) => return Ok(Rc::clone(metadata)),
            Place::Discovery(place) => place,
        };
        let known = self.metadata.borrow().clone();
        let known = known.filter(|known| now.since(known.read_at) < STALE_SECONDS);
        if let Some(known) = &known {
            // A clock that went back must not make the pause longer (PL-12).
            let rested = now < known.asked_at || now.since(known.asked_at) >= COOL_DOWN_SECONDS;
            if now.since(known.read_at) < FRESH_SECONDS || !rested {
                return Ok(Rc::clone(&known.metadata));
            }
            // Whoever comes while we wait takes the copy.
            let asked = Remembered { asked_at: now, ..known.clone() };
            *self.metadata.borrow_mut() = Some(asked);
        }
        match (self.read(place, fetch).await, known) {
            (Ok(metadata), _) => {
                let metadata = Rc::new(metadata);
                let read = Remembered { metadata, read_at: now, asked_at: now };
                *self.metadata.borrow_mut() = Some(read.clone());
                Ok(read.metadata)
            }
            (Err(_), Some(known)) => Ok(known.metadata),
            (Err(unusable), None) => Err(unusable),
        }
    }

    async fn read(&self, place: &str, fetch: &impl Fetch) -> Result<ProviderMetadata, Unusable> {
        let body = json(place, fetch).await?;
        let metadata: ProviderMetadata =
            serde_json::from_slice(&body).map_err(|_| Unusable::Malformed)?;
        if metadata.issuer != self.issuer.as_str() {
            return Err(Unusable::OtherIssuer);
        }
        let needed =
            [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let offered = [
            &metadata.userinfo_endpoint,
            &metadata.revocation_endpoint,
            &metadata.introspection_endpoint,
            &metadata.pushed_authorization_request_endpoint,
            &metadata.end_session_endpoint,
        ];
        let endpoints = needed.into_iter().chain(offered.into_iter().flatten());
        if endpoints.map(String::as_str).map(is_endpoint).any(|sound| !sound) {
            return Err(Unusable::BadEndpoint);
        }
        Ok(metadata)
    }
}

/// RFC 6749 §3.1 and §3.2: https, no fragment; a query is allowed and kept.
fn is_endpoint(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let query = url.query().unwrap_or_default().as_bytes();
    let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    is_secure(&url)
        && bare
        && !form_urlencoded::parse(query).any(|(name, _)| OURS.contains(&name.as_ref()))
}

/// The body of a JSON document of the provider. A redirect is not an answer (FD-29).
pub(super) async fn json(url: &str, fetch: &impl Fetch) -> Result<Vec<u8>, Unusable> {
    let mut request = Request::default();
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.parse().map_err(|_| Unusable::BadEndpoint)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer: Response = fetch.fetch(request).await.map_err(|_| Unusable::Unreachable)?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        status => Err(Unusable::BadStatus(status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, metadata, provider};
    use super::*;
    use pollster::block_on;

    fn refusal(change: impl FnOnce(&mut ProviderMetadata)) -> Option<Unusable> {
        let peer = Peer::new();
        let mut changed = metadata();
        change(&mut changed);
        peer.put(
            "/.well-known/openid-configuration",
            200,
            &serde_json::to_string(&changed).unwrap(),
        );
        block_on(provider().metadata(&peer.fetch(), NOON)).err()
    }

    #[test]
    fn discovery_4_3_fd_30_the_issuer_must_be_equal_byte_for_byte() {
        assert_eq!(refusal(|_| ()), None);
        for issuer in ["https://idp.test/", "https://IDP.test", "http://idp.test", ""] {
            let refused = refusal(|metadata| metadata.issuer = issuer.to_owned());
            assert_eq!(refused, Some(Unusable::OtherIssuer), "{issuer}");
        }
    }

    #[test]
    fn fd_30_an_endpoint_without_tls_or_with_our_own_parameters_is_refused() {
        for bad in [
            "http://idp.test/x",
            "",
            "javascript:alert(1)",
            "https://idp.test/x#f",
            "https://u:p@idp.test/x",
            "https://idp.test/x?client_id=evil",
        ] {
            let bad = || bad.to_owned();
            assert_eq!(refusal(|m| m.authorization_endpoint = bad()), Some(Unusable::BadEndpoint));
            assert_eq!(refusal(|m| m.token_endpoint = bad()), Some(Unusable::BadEndpoint));
            assert_eq!(refusal(|m| m.jwks_uri = bad()), Some(Unusable::BadEndpoint));
            assert_eq!(refusal(|m| m.userinfo_endpoint = Some(bad())), Some(Unusable::BadEndpoint));
            let refused = refusal(|m| m.introspection_endpoint = Some(bad()));
            assert_eq!(refused, Some(Unusable::BadEndpoint));
            let refused = refusal(|m| m.pushed_authorization_request_endpoint = Some(bad()));
            assert_eq!(refused, Some(Unusable::BadEndpoint));
            let refused = refusal(|m| m.end_session_endpoint = Some(bad()));
            assert_eq!(refused, Some(Unusable::BadEndpoint));
        }
    }

    #[test]
    fn fd_29_fd_31_a_redirect_an_error_and_html_are_no_metadata() {
        let peer = Peer::new();
        let path = "/.well-known/openid-configuration";
        let ask = || block_on(provider().metadata(&peer.fetch(), NOON)).err();
        peer.put(path, 302, "");
        assert_eq!(ask(), Some(Unusable::BadStatus(302)));
        peer.put(path, 200, "<html>");
        assert_eq!(ask(), Some(Unusable::Malformed));
        peer.cut(path);
        assert_eq!(ask(), Some(Unusable::Unreachable));
    }

    #[test]
    fn metadata_is_asked_for_once_in_ten_minutes() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        for seconds in [0, 1, 599] {
            block_on(provider.metadata(&fetch, NOON.plus(seconds))).unwrap();
        }
        assert_eq!(peer.hits("/.well-known/openid-configuration"), 1);
        block_on(provider.metadata(&fetch, NOON.plus(600))).unwrap();
        assert_eq!(peer.hits("/.well-known/openid-configuration"), 2);
    }

    #[test]
    fn the_last_good_metadata_serves_for_a_day_and_the_provider_is_not_hammered() {
        let (peer, fetch) = Peer::with_fetch();
        let provider = provider();
        let at = |seconds| block_on(provider.metadata(&fetch, NOON.plus(seconds)));
        at(0).unwrap();
        peer.cut("/.well-known/openid-configuration");
        for seconds in [700, 710, 720, 729] {
            assert!(at(seconds).is_ok());
        }
        assert_eq!(peer.hits("/.well-known/openid-configuration"), 2);
        assert!(at(STALE_SECONDS - 1).is_ok());
        assert_eq!(at(STALE_SECONDS).err(), Some(Unusable::Unreachable));
    }
}
