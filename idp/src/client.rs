//! Registered relying parties, and the proof that a redirect URI is one of theirs.

use crate::words::{AuthMethod, GrantType};
use shared::jose::Alg;
use shared::jose::jwk::JwkSet;
use shared::origin::{Origin, is_secure};
use shared::scope::Scope;
use shared::secret::{ClientSecret, Digest};
use shared::time::UnixTime;
use url::Url;

/// A registered relying party, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// What people read.
    pub name: String,
    /// Where people can read about it.
    pub links: Links,
    /// Exact URIs, no patterns; at least one.
    pub redirect_uris: Vec<String>,
    /// Where a person may be sent after signing out; exact too.
    pub post_logout_redirect_uris: Vec<String>,
    /// How it authenticates, and with what.
    pub authentication: Authentication,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// The most it may ask for.
    pub scope: Scope,
    /// What its ID tokens are signed with.
    pub id_token_alg: Alg,
    /// What its userinfo answers are signed with; none for plain JSON.
    pub userinfo_alg: Option<Alg>,
    /// What its introspection answers are signed with, when it asks for signed ones.
    pub introspection_alg: Option<Alg>,
    /// Whether the port of a loopback redirect URI is free, RFC 8252 §7.3.
    pub is_native: bool,
    /// Whether it must send a code challenge. Only three confidential clients may be let off.
    pub requires_pkce: bool,
    /// Whether it gets no token that is not bound to a key, RFC 9449 §5.2.
    pub bound_tokens_only: bool,
    /// What its people are called to it.
    pub subject: SubjectType,
    /// The `max_age` of a request that has none, in seconds.
    pub default_max_age: Option<u64>,
    /// How it is told that somebody has signed out.
    pub back_channel: Option<BackChannel>,
    /// Who its access tokens are for when it names no resource, besides the issuer's own userinfo
    /// endpoint.
    pub audience: String,
    /// Further resources it may have tokens for, RFC 8707.
    pub resources: Vec<String>,
    /// The resources that it is itself, whose access tokens it may ask about.
    pub resource_server: Vec<String>,
    /// Origins of scripts that may read the token endpoint's answers to it.
    pub allowed_origins: Vec<Origin>,
    /// Whose it is.
    pub standing: Standing,
    /// When what people are told of it was last changed at run time: what they agreed to earlier
    /// does not count (RG-09).
    pub revised_at: Option<UnixTime>,
}

/// Whose a client is, and so who is asked before it gets what it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The operator's own: nobody is asked.
    FirstParty,
    /// Somebody else's, whom the operator knows: the person is asked.
    ThirdParty,
    /// It registered itself at run time, and nobody vouches for its name: the person is asked.
    Registered,
}

/// Addresses that are shown to people as links, each a web address or absent. Never fetched.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Links {
    /// Its home page.
    pub client: Option<String>,
    /// A picture.
    pub logo: Option<String>,
    /// What it does with people's data.
    pub policy: Option<String>,
    /// Its terms of service.
    pub terms: Option<String>,
}

/// What people are called to a client, OpenID Connect Core §8.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubjectType {
    /// The account's name.
    Public,
    /// A name of the client's sector.
    Pairwise {
        /// A host.
        sector: String,
    },
}

/// Back-Channel Logout 1.0 §2.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackChannel {
    /// Where logout tokens are posted.
    pub uri: String,
}

/// The public keys of a client that signs assertions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientKeys {
    /// By value.
    Here(JwkSet),
    /// By reference.
    At(String),
}

/// How a client authenticates. The secrets themselves are not here, only their digests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authentication {
    /// In the `Authorization` header; any of the digests (two during a rotation).
    Basic(Vec<Digest>),
    /// In the body.
    Post(Vec<Digest>),
    /// By a signed assertion, RFC 7523 §2.2.
    PrivateKeyJwt(ClientKeys),
    /// Not at all: a public client.
    None,
}

impl Authentication {
    /// The registered method.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic(_) => AuthMethod::ClientSecretBasic,
            Self::Post(_) => AuthMethod::ClientSecretPost,
            Self::PrivateKeyJwt(_) => AuthMethod::PrivateKeyJwt,
            Self::None => AuthMethod::None,
        }
    }

    /// Whether `secret` is one of the client's. Every digest is compared, in constant time.
    #[must_use]
    pub fn accepts(&self, secret: &ClientSecret) -> bool {
        let presented = Digest::of(secret.expose());
        let digests: &[Digest] = match self {
            Self::Basic(digests) | Self::Post(digests) => digests,
            Self::PrivateKeyJwt(_) | Self::None => &[],
        };
        digests.iter().filter(|digest| **digest == presented).count() > 0
    }
}

/// A redirect URI that its client registered, byte for byte but for a loopback port.
///
/// [`Client::redirect`] is the only way to get one, so an error can be sent back to a browser only
/// after the check of RFC 9700 §2.1 has passed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedRedirect(String);

impl VerifiedRedirect {
    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin a form's redirect leads to, as a Content-Security-Policy source; none for a
    /// private-use scheme.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let origin = Url::parse(&self.0).ok()?.origin();
        origin.is_tuple().then(|| origin.ascii_serialization())
    }
}

impl Client {
    /// The verified form of `presented`, if this client registered it.
    #[must_use]
    pub fn redirect(&self, presented: &str) -> Option<VerifiedRedirect> {
        self.redirect_uris
            .iter()
            .any(|registered| {
                registered == presented || (self.is_native && loopback_match(registered, presented))
            })
            .then(|| VerifiedRedirect(presented.to_owned()))
    }

    /// Whether somebody else could pretend to be it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.authentication == Authentication::None
    }

    /// Whether it may use `grant`.
    #[must_use]
    pub fn may(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }
}

/// RFC 8252 §7.3: on a loopback address any port will do, and everything else must be the same.
/// Compared as text, for two parsers that disagree are an open redirect.
fn loopback_match(registered: &str, presented: &str) -> bool {
    let split = |uri: &str| {
        ["http://127.0.0.1", "http://[::1]", "http://localhost"].into_iter().find_map(|host| {
            let rest = uri.strip_prefix(host)?;
            let rest = match rest.strip_prefix(':') {
                None => rest,
                Some(rest) => {
                    let path = rest.find('/')?;
                    let port: u16 = rest.get(..path)?.parse().ok()?;
                    // One spelling a port: no sign, no leading zero, not 0.
                    (rest.get(..path)? == port.to_string() && port != 0).then_some(())?;
                    rest.get(path..)?
                }
            };
            rest.starts_with('/').then(|| (host, rest.to_owned()))
        })
    };
    split(registered).is_some() && split(registered) == split(presented)
}

/// Whether a URI may be registered as a redirect target, RFC 9700 §2.1 and RFC 8252 §7: `https`,
/// `http` on this machine, or for a native application a private-use scheme named after a domain.
#[must_use]
pub fn is_registrable(uri: &str, is_native: bool) -> bool {
    let plain = uri.is_ascii() && !uri.contains(['#', '*', '\\', ' ']) && uri.len() <= 2048;
    let Some(url) = Url::parse(uri).ok().filter(|_| plain) else { return false };
    let bare = url.username().is_empty() && url.password().is_none();
    // The parser must find nothing to tidy, or the text would not be what a browser goes to.
    let same = url.as_str() == uri || url.as_str().strip_suffix('/') == Some(uri);
    let private_use = is_native && url.scheme().contains('.') && url.host().is_none();
    bare && same && (is_secure(&url) || private_use) && !uri.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str], is_native: bool) -> Client {
        Client {
            id: "app".into(),
            name: "App".into(),
            links: Links::default(),
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            post_logout_redirect_uris: vec![],
            authentication: Authentication::None,
            grant_types: vec![GrantType::AuthorizationCode],
            scope: Scope::parse("openid").unwrap(),
            id_token_alg: Alg::Es256,
            userinfo_alg: None,
            introspection_alg: None,
            is_native,
            requires_pkce: true,
            bound_tokens_only: false,
            subject: SubjectType::Public,
            default_max_age: None,
            back_channel: None,
            audience: "https://idp.test".into(),
            resources: vec![],
            resource_server: vec![],
            allowed_origins: vec![],
            standing: Standing::FirstParty,
            revised_at: None,
        }
    }

    #[test]
    fn ar_01_to_ar_31_only_the_registered_text_is_verified() {
        let client = client(&["https://app.test/cb"], false);
        assert!(client.redirect("https://app.test/cb").is_some());
        for wrong in [
            "https://evil.test/cb",
            "https://app.test@evil.test/cb",
            "https://app.test@@evil.test/cb",
            "https://app.test.evil.test/cb",
            "https://evilapp.test/cb",
            "https://app.test/cb/../evil",
            "https://app.test/cb/%2e%2e/evil",
            "https://app.test/cb;x=1",
            "https://app.test/cb/",
            "https://app.test//cb",
            "HTTPS://APP.TEST/cb",
            "https://app.test/CB",
            "https://app.test./cb",
            "https://app.test:443/cb",
            "https://app.test:444/cb",
            "http://app.test/cb",
            "https://app.test/cb#x",
            "https://app.test/cb?code=x",
            "https://app.test\\@evil.test/cb",
            "https:\\\\evil.test",
            "https://app.test\t/cb",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(client.redirect(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ar_24_a_native_client_may_choose_its_loopback_port() {
        let native = client(&["http://127.0.0.1/cb", "http://[::1]/cb"], true);
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:51004/cb"] {
            assert!(native.redirect(good).is_some(), "{good}");
        }
    }

    #[test]
    fn ar_25_the_port_rule_is_for_loopback_and_native_clients_alone() {
        let web = client(&["http://127.0.0.1/cb", "https://app.test/cb"], false);
        assert_eq!(web.redirect("http://127.0.0.1:51004/cb"), None);
        let native = client(&["http://127.0.0.1/cb", "https://app.test/cb"], true);
        for wrong in [
            "http://localhost:51004/cb",
            "http://127.0.0.1:51004/cb/x",
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1:80@evil.test/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:99999/cb",
            "http://0.0.0.0:51004/cb",
            "http://2130706433/cb",
            "https://app.test:444/cb",
        ] {
            assert_eq!(native.redirect(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ar_16_ar_21_ar_26_dangerous_uris_cannot_be_registered() {
        for good in ["https://app.test/cb", "https://app.test", "http://localhost:8080/cb?x=1"] {
            assert!(is_registrable(good, false), "{good}");
        }
        assert!(is_registrable("com.example.app:/cb", true));
        for bad in [
            "http://app.test/cb",
            "https://*.app.test/cb",
            "https://app.test/cb#x",
            "https://u:p@app.test/cb",
            "https://app.test/a/../cb",
            "HTTPS://app.test/cb",
            "com.example.app:/cb",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "/cb",
            "",
        ] {
            assert!(!is_registrable(bad, false), "{bad}");
        }
        for bad in
            ["javascript:alert(1)", "data:text/html,x", "myapp://cb", "blob:https://a.test/x"]
        {
            assert!(!is_registrable(bad, true), "{bad}");
        }
    }
}
