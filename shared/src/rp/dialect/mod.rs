//! The ways in which providers say who somebody is. What differs between them is an enum: OpenID
//! Connect with the quirks of those who speak it, and three APIs that are something else.

pub mod authkit;
pub mod github;
pub mod open_id;
pub mod recheck;
pub mod renew;
pub mod workos_sso;

use super::authorization::Flow;
use super::client::RelyingParty;
use super::discovery::Provider;
use super::id_token::IdTokenRefused;
use super::logout_token::LogoutRefused;
use super::sign_in::SignInFailed;
use super::token::{TokenError, Tokens};
use super::userinfo::NoUserinfo;
use crate::fetch::{Fetch, Request, Response};
use crate::form::append;
use crate::jose::Signer;
use crate::metadata::ProviderMetadata;
use crate::secret::{AccessToken, Code};
use crate::time::UnixTime;
use authkit::AuthKit;
use github::GitHub;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method};
use open_id::OpenId;
use serde_json::{Map, Value};
use workos_sso::WorkosSso;

/// How a provider says who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// By an ID token, and perhaps userinfo.
    OpenId(OpenId),
    /// By its user API.
    GitHub(GitHub),
    /// In the answer to the code, as JSON.
    AuthKit(AuthKit),
    /// The same with another shape.
    WorkosSso(WorkosSso),
}

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Who names them: with the subject, the key of the person for ever.
    pub authority: String,
    /// Their name there. Never an e-mail address, never a name that somebody else can take.
    pub subject: String,
    /// When they were authenticated, when it says so.
    pub auth_time: Option<UnixTime>,
    /// How, RFC 8176, as far as it says.
    pub amr: Vec<String>,
    /// How, as a class, when it says so.
    pub acr: Option<String>,
    /// The provider's session.
    pub session_id: Option<String>,
    /// Everything else that it tells about them.
    pub claims: Map<String, Value>,
    /// What the code was worth.
    pub tokens: Tokens,
}

/// Where a browser comes back to that has signed out at the provider.
#[derive(Clone, Copy, Debug)]
pub struct Back<'b> {
    /// Where to; registered there.
    pub to: &'b str,
    /// What it brings along, where the provider lets it.
    pub state: &'b str,
}

/// Where a browser signs out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WayOut {
    /// The place, with everything that has to be said there.
    pub url: String,
    /// Whether `state` comes back.
    pub brings_state: bool,
}

/// What a provider says has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Whose: as in [`Vouched`], authority and subject.
    pub identity: Option<(String, String)>,
    /// Which of its sessions; all of theirs when absent.
    pub session_id: Option<String>,
    /// The name of the token that says so.
    pub token_id: String,
    /// When that token is refused in any case.
    pub until: UnixTime,
}

/// Why a provider vouches for nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotVouched {
    /// The code gave no tokens.
    Token(TokenError),
    /// There is no ID token although one was asked for.
    NoIdToken,
    /// The ID token, or the token that stands for one, was refused.
    IdToken(IdTokenRefused),
    /// Userinfo is about somebody else, or cannot be read.
    Userinfo(NoUserinfo),
    /// Its API did not answer, or not with what it should.
    Api,
    /// There is no name for the person that one could rely on.
    NoSubject,
    /// Not of the organization, domain or connection that was asked for.
    Elsewhere,
    /// Somebody of the provider acts in the person's name.
    Impersonated,
}

impl From<SignInFailed> for NotVouched {
    fn from(failed: SignInFailed) -> Self {
        match failed {
            SignInFailed::Token(error) => Self::Token(error),
            SignInFailed::NoIdToken => Self::NoIdToken,
            SignInFailed::IdToken(refused) => Self::IdToken(refused),
        }
    }
}

/// A provider as its client has it before it.
#[derive(Debug)]
pub struct Desk<'d, F, V> {
    /// Ourselves.
    pub party: &'d RelyingParty,
    /// What is remembered of it.
    pub provider: &'d Provider,
    /// What it says about itself.
    pub metadata: &'d ProviderMetadata,
    /// The way there.
    pub fetch: &'d F,
    /// Checks signatures.
    pub verifier: &'d V,
    /// Now.
    pub now: UnixTime,
}

impl Dialect {
    /// Who somebody is who came back with `code`.
    ///
    /// # Errors
    /// [`NotVouched`].
    pub async fn vouch(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        code: &Code,
        flow: &Flow,
    ) -> Result<Vouched, NotVouched> {
        match self {
            Self::OpenId(open_id) => open_id.vouch(at, code, flow).await,
            Self::GitHub(github) => github.vouch(at, code, flow).await,
            Self::AuthKit(authkit) => authkit.vouch(at, code, flow).await,
            Self::WorkosSso(sso) => sso.vouch(at, code, flow).await,
        }
    }

    /// Where a browser signs out at the provider, in the session that it calls `sid`, and whether the
    /// way back brings `state` along; none where there is no such place.
    #[must_use]
    pub fn way_out(
        &self,
        client_id: &str,
        metadata: &ProviderMetadata,
        sid: Option<&str>,
        back: &Back<'_>,
    ) -> Option<WayOut> {
        match self {
            Self::OpenId(open_id) => open_id.way_out(client_id, metadata, sid, back),
            Self::AuthKit(_) => {
                let session = [("session_id", sid?), ("return_to", back.to)];
                let url = append(metadata.end_session_endpoint.as_deref()?, session);
                Some(WayOut { url, brings_state: false })
            }
            Self::GitHub(_) | Self::WorkosSso(_) => None,
        }
    }

    /// Whether it says by itself, signed, that somebody has signed out there.
    #[must_use]
    pub const fn tells_of_logouts(&self) -> bool {
        matches!(self, Self::OpenId(_))
    }

    /// What a logout token says has ended.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub async fn ended(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &str,
    ) -> Result<Ended, LogoutRefused> {
        match self {
            Self::OpenId(open_id) => open_id.ended(at, token).await,
            Self::GitHub(_) | Self::AuthKit(_) | Self::WorkosSso(_) => Err(LogoutRefused::Type),
        }
    }
}

/// Asks an API in the name of the person.
async fn ask(
    url: &str,
    token: &AccessToken,
    accept: &'static str,
    fetch: &impl Fetch,
) -> Result<Response, NotVouched> {
    let mut request = Request::default();
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.parse().map_err(|_| NotVouched::Api)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, bearer.map_err(|_| NotVouched::Api)?);
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    // GitHub refuses whoever does not say who they are, and workerd says nothing.
    headers.insert(USER_AGENT, HeaderValue::from_static("gatelatch"));
    fetch.fetch(request).await.map_err(|_| NotVouched::Api)
}

/// Copies what is there and not empty, under our names for it.
fn rename(from: &Map<String, Value>, names: &[(&str, &str)]) -> Map<String, Value> {
    let found = names.iter().filter_map(|(theirs, ours)| {
        let value = from.get(*theirs).filter(|value| !value.is_null() && *value != "")?;
        Some(((*ours).to_owned(), value.clone()))
    });
    found.collect()
}

/// A text that is there and not empty.
fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A name of a person, bounded as OpenID Connect Core §2 bounds subjects.
fn subject(members: &Map<String, Value>, name: &str) -> Result<String, NotVouched> {
    let text = text(members, name)
        .filter(|text| text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic()));
    text.map(str::to_owned).ok_or(NotVouched::NoSubject)
}

#[cfg(test)]
mod vouch_tests;

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: Back<'static> = Back { to: "https://idp.test/out", state: "s&t" };

    fn way_out(dialect: &Dialect, place: Option<&str>, sid: Option<&str>) -> Option<WayOut> {
        let end_session_endpoint = place.map(str::to_owned);
        let metadata = ProviderMetadata { end_session_endpoint, ..ProviderMetadata::default() };
        dialect.way_out("app", &metadata, sid, &BACK)
    }

    fn url(dialect: &Dialect, place: Option<&str>, sid: Option<&str>) -> Option<String> {
        way_out(dialect, place, sid).map(|way| way.url)
    }

    #[test]
    fn rp_logout_2_a_browser_signs_out_where_the_provider_has_a_place_for_it() {
        let open_id = Dialect::OpenId(OpenId::default());
        let place = Some("https://up.test/out?x=1");
        let back = "post_logout_redirect_uri=https%3A%2F%2Fidp.test%2Fout&state=s%26t";
        let with = url(&open_id, place, Some("s 1")).unwrap();
        assert_eq!(with, format!("https://up.test/out?x=1&client_id=app&{back}&logout_hint=s+1"));
        let without = url(&open_id, place, None).unwrap();
        assert_eq!(without, format!("https://up.test/out?x=1&client_id=app&{back}"));
        assert!(way_out(&open_id, place, None).unwrap().brings_state);
        assert_eq!(url(&open_id, None, Some("s")), None);
    }

    #[test]
    fn pa_14_auth0_without_such_a_place_has_an_older_one() {
        let v2_logout = Some("https://t.auth0.test/v2/logout".to_owned());
        let auth0 = Dialect::OpenId(OpenId { v2_logout, ..OpenId::default() });
        let older = way_out(&auth0, None, Some("s")).unwrap();
        let back = "returnTo=https%3A%2F%2Fidp.test%2Fout";
        assert_eq!(older.url, format!("https://t.auth0.test/v2/logout?client_id=app&{back}"));
        assert!(!older.brings_state);
        let newer = url(&auth0, Some("https://t.auth0.test/oidc/logout"), None).unwrap();
        assert!(newer.starts_with("https://t.auth0.test/oidc/logout?client_id=app&post_logout"));
    }

    #[test]
    fn pa_14_authkit_ends_a_session_by_its_name() {
        let authkit = Dialect::AuthKit(AuthKit { issuers: Vec::new(), organization: None });
        let place = Some("https://api.workos.test/out");
        let way = url(&authkit, place, Some("session_1")).unwrap();
        let back = "return_to=https%3A%2F%2Fidp.test%2Fout";
        assert_eq!(way, format!("https://api.workos.test/out?session_id=session_1&{back}"));
        assert_eq!(url(&authkit, place, None), None);
    }
}
