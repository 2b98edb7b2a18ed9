//! Who may ask: one client that tests and `make dev` are, and another, to be somebody else.

use crate::ask::Ask;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use url::{Host, Url, form_urlencoded};

/// A client that every instance knows.
#[derive(Debug, Eq, PartialEq)]
pub struct Client {
    /// Its identifier.
    pub id: &'static str,
    /// Its secret.
    pub secret: &'static str,
}

/// Whom everything here is for.
pub const GATELATCH: Client = Client { id: "gatelatch", secret: "stand-in-secret" };
/// The same at `WorkOS`, where the secret is the API key of the environment.
pub const API_KEY: &str = "sk_stand_in";
/// Somebody else, whose codes and tokens are worth nothing to others.
pub const OTHER: Client = Client { id: "somebody-else", secret: "another-stand-in-secret" };
/// The API key of somebody else.
pub const OTHER_API_KEY: &str = "sk_somebody_else";
/// A GitHub App: GitHub's own identifiers of those begin so too.
pub const GITHUB_APP: Client = Client { id: "Iv1.gatelatch", secret: "stand-in-secret" };

static ALL: [Client; 3] = [GATELATCH, OTHER, GITHUB_APP];

pub(crate) fn find(id: &str) -> Option<&'static Client> {
    ALL.iter().find(|client| client.id == id)
}

/// Whether a redirect URI counts as registered: at loopback, or below `.test`.
pub(crate) fn is_redirect(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let is_near = match url.host() {
        Some(Host::Domain(name)) => {
            [Some("localhost"), Some("test")].contains(&name.rsplit('.').next())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_near && ["http", "https"].contains(&url.scheme()) && url.fragment().is_none()
}

/// What a client says of itself at the token endpoint.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// Why there are none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoCredentials {
    /// No `client_id` anywhere.
    Missing,
    /// In the header and in the form: RFC 6749 §2.3.
    Both,
    /// The header is no Basic header.
    Malformed,
}

impl Credentials {
    /// From the header or from the form, never from both.
    pub(crate) fn read(ask: &Ask<'_>) -> Result<Self, NoCredentials> {
        let (id, secret) = (ask.body("client_id"), ask.body("client_secret"));
        let Some(header) = ask.header(&AUTHORIZATION) else {
            let id = id.ok_or(NoCredentials::Missing)?.to_owned();
            return Ok(Self { id, secret: secret.map(str::to_owned) });
        };
        if secret.is_some() {
            return Err(NoCredentials::Both);
        }
        let found = basic(header).ok_or(NoCredentials::Malformed)?;
        if id.is_some_and(|id| id != found.id) {
            return Err(NoCredentials::Both);
        }
        Ok(found)
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded.
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, pair) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| {
        let text = format!("x={text}");
        let decoded = form_urlencoded::parse(text.as_bytes()).next();
        decoded.map(|(_, value)| value.into_owned())
    };
    Some(Credentials { id: decode(id)?, secret: decode(secret) })
}
