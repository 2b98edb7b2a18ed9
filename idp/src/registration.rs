//! Client metadata, RFC 7591 §2 with its relatives: how a client is written down, whether in the
//! configuration or by itself at run time, and the check that makes a [`Client`] of it.

use crate::client::{
    Authentication, BackChannel, Client, ClientKeys, Links, Standing, SubjectType, is_registrable,
};
use crate::words::{AuthMethod, GrantType, ResponseType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::jose::Alg;
use shared::jose::jwk::JwkSet;
use shared::origin::{Origin, is_secure};
use shared::scope::Scope;
use shared::secret::Digest;
use url::Url;

/// A client as it is written down. Members that are not standard are the operator's alone.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// RFC 7591 §3.2.1.
    pub client_id: String,
    /// What people read; the `client_id` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo, shown by the browser and never fetched by us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it does with people's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to ask about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Exact URIs.
    pub redirect_uris: Vec<String>,
    /// RP-Initiated Logout 1.0 §3.1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// `client_secret_basic` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Digests of its secrets, never the secrets. The operator's.
    #[serde(skip_serializing_if = "OneOrMore::is_empty")]
    pub client_secret_sha256: OneOrMore,
    /// The public keys it signs assertions with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `authorization_code` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<GrantType>>,
    /// `code`, the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_types: Option<Vec<ResponseType>>,
    /// The most it may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What its ID tokens are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Alg>,
    /// What its userinfo answers are signed with; plain JSON when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Alg>,
    /// What its introspection answers are signed with, RFC 9701 §6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<Alg>,
    /// Whether it gets no token that is not bound to a key, RFC 9449 §5.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop_bound_access_tokens: Option<bool>,
    /// OpenID Connect Registration §2.
    pub application_type: ApplicationType,
    /// `public` when absent.
    pub subject_type: SubjectKind,
    /// OpenID Connect Core §8.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// The `max_age` of a request that has none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// `auth_time` is always told, so this asks for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_auth_time: Option<bool>,
    /// Where somebody else may begin a sign-in, OpenID Connect Core §4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Back-Channel Logout 1.0 §2.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether a logout token without `sid` is of no use to it; ours always have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_session_required: Option<bool>,
    /// False lets one confidential client send no code challenge. The operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// Whom its access tokens are for when it names no resource. The operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Further resources it may have tokens for, RFC 8707. The operator's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The resources that it is itself: it may introspect access tokens for them. The operator's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_server: Vec<String>,
    /// Origins of scripts that may read its token answers. The operator's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<Origin>,
    /// Whether people are asked before it gets anything. The operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_party: Option<bool>,
}

/// What kind of program a client is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// In a browser or behind a web server.
    #[default]
    Web,
    /// On a device, RFC 8252.
    Native,
}

/// What kind of `sub` a client gets, OpenID Connect Core §8.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// The same as every other client.
    #[default]
    Public,
    /// Its sector's own.
    Pairwise,
}

/// One digest, or several.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// The usual.
    One(Digest),
    /// During a rotation.
    More(Vec<Digest>),
}

impl OneOrMore {
    fn is_empty(&self) -> bool {
        matches!(self, Self::More(digests) if digests.is_empty())
    }
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

/// What is wrong with a registration: the member, and what it has to be.
pub type Mistakes = Vec<(&'static str, &'static str)>;

/// What the rest of the deployment says about every client.
#[derive(Clone, Copy, Debug)]
pub struct House<'a> {
    /// Whom access tokens are for unless a client says otherwise.
    pub issuer: &'a str,
    /// Every scope word of this issuer.
    pub scopes: &'a Scope,
    /// Whether pairwise subjects can be made here.
    pub has_pairwise_secret: bool,
}

impl Registration {
    /// Checks everything at once.
    ///
    /// # Errors
    /// All [`Mistakes`].
    pub fn check(self, house: House<'_>) -> Result<Client, Mistakes> {
        let mut mistakes = Mistakes::new();
        let id = &self.client_id;
        if id.is_empty() || !id.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            mistakes.push(("client_id", "printable ASCII without spaces"));
        }
        self.check_uris(&mut mistakes);
        let authentication = self.authentication(&mut mistakes);
        let subject = self.subject(house, &mut mistakes);
        let requires_pkce = self.require_pkce.unwrap_or(true);
        if !requires_pkce && authentication == Authentication::None {
            mistakes.push(("require_pkce", "true for a public client"));
        }
        let exchanges =
            self.grant_types.iter().flatten().any(|kind| *kind == GrantType::TokenExchange);
        if exchanges && authentication == Authentication::None {
            mistakes.push(("grant_types", "without token exchange for a public client"));
        }
        if self.response_types.as_ref().is_some_and(Vec::is_empty) {
            mistakes.push(("response_types", "[\"code\"]"));
        }
        let scope = self.scope.unwrap_or_else(usual_scope);
        if !scope.within(house.scopes) {
            mistakes.push((
                "scope",
                "words that this issuer knows: openid profile email address phone offline_access, \
                 and those of SCOPES",
            ));
        }
        let is_resource = |resource: &String| {
            Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) && resource.is_ascii()
        };
        if !self.resources.iter().all(is_resource) {
            mistakes.push(("resources", "absolute URIs without a fragment"));
        }
        // Every access token with `openid` is for the issuer: it would see all of them.
        let itself = |resource: &String| resource.is_empty() || resource == house.issuer;
        if self.resource_server.iter().any(itself) {
            mistakes.push(("resource_server", "audiences of access tokens, other than the issuer"));
        }
        if !self.resource_server.is_empty() && authentication == Authentication::None {
            mistakes
                .push(("resource_server", "absent for a public client, who may not introspect"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Client {
            name: self.client_name.unwrap_or_else(|| self.client_id.clone()),
            id: self.client_id,
            links: Links {
                client: self.client_uri,
                logo: self.logo_uri,
                policy: self.policy_uri,
                terms: self.tos_uri,
            },
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            authentication,
            grant_types: self.grant_types.unwrap_or_else(|| vec![GrantType::AuthorizationCode]),
            scope,
            id_token_alg: self.id_token_signed_response_alg.unwrap_or_default(),
            userinfo_alg: self.userinfo_signed_response_alg,
            introspection_alg: self.introspection_signed_response_alg,
            is_native: self.application_type == ApplicationType::Native,
            requires_pkce,
            bound_tokens_only: self.dpop_bound_access_tokens.unwrap_or(false),
            subject,
            default_max_age: self.default_max_age,
            back_channel: self.backchannel_logout_uri.map(|uri| BackChannel { uri }),
            audience: self.audience.unwrap_or_else(|| house.issuer.to_owned()),
            resources: self.resources,
            resource_server: self.resource_server,
            allowed_origins: self.allowed_origins,
            standing: match self.first_party {
                Some(false) => Standing::ThirdParty,
                Some(true) | None => Standing::FirstParty,
            },
            revised_at: None,
        })
    }

    fn check_uris(&self, mistakes: &mut Mistakes) {
        const EXACT: &str = "exact https URIs without fragment or wildcard (http on this machine; for a native \
             client also a private-use scheme with a dot in it)";
        const WEB: &str = "an https URL without credentials or fragment (http on this machine)";
        let is_native = self.application_type == ApplicationType::Native;
        let grants = self.grant_types.as_deref();
        // A client that sends nobody to sign in, such as a resource server, needs none.
        let sends = grants.is_none_or(|grants| grants.contains(&GrantType::AuthorizationCode));
        if self.redirect_uris.is_empty() && sends {
            mistakes.push(("redirect_uris", "at least one URI"));
        }
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
        ];
        for (member, uris) in lists {
            if !uris.iter().all(|uri| is_registrable(uri, is_native)) {
                mistakes.push((member, EXACT));
            }
        }
        let addresses = [
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
            ("jwks_uri", &self.jwks_uri),
            ("sector_identifier_uri", &self.sector_identifier_uri),
            ("initiate_login_uri", &self.initiate_login_uri),
            ("backchannel_logout_uri", &self.backchannel_logout_uri),
        ];
        for (member, address) in addresses {
            if address.as_deref().is_some_and(|address| !is_web_address(address)) {
                mistakes.push((member, WEB));
            }
        }
    }

    fn authentication(&self, mistakes: &mut Mistakes) -> Authentication {
        let digests = match &self.client_secret_sha256 {
            OneOrMore::One(digest) => vec![*digest],
            OneOrMore::More(digests) => digests.clone(),
        };
        let method = self.token_endpoint_auth_method.unwrap_or(AuthMethod::ClientSecretBasic);
        let by_secret =
            matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost);
        match (by_secret, digests.len()) {
            (true, 1..=2) | (false, 0) => {}
            (true, _) => {
                mistakes.push(("client_secret_sha256", "one digest, or two during a rotation"));
            }
            (false, _) => {
                mistakes.push(("client_secret_sha256", "absent for a client without a secret"));
            }
        }
        match method {
            AuthMethod::ClientSecretBasic => Authentication::Basic(digests),
            AuthMethod::ClientSecretPost => Authentication::Post(digests),
            AuthMethod::None => Authentication::None,
            AuthMethod::PrivateKeyJwt => Authentication::PrivateKeyJwt(self.keys(mistakes)),
        }
    }

    /// RFC 7591 §2: by value or by reference, and never both.
    fn keys(&self, mistakes: &mut Mistakes) -> ClientKeys {
        match (&self.jwks, &self.jwks_uri) {
            (Some(set), None) => {
                let set = JwkSet::parse(set.to_string().as_bytes()).unwrap_or_default();
                if set.keys.is_empty() {
                    mistakes.push(("jwks", "a JWK Set with a public key that this issuer can use"));
                }
                ClientKeys::Here(set)
            }
            (None, Some(uri)) => ClientKeys::At(uri.clone()),
            _ => {
                mistakes.push(("jwks", "there for private_key_jwt, or jwks_uri, and not both"));
                ClientKeys::Here(JwkSet::default())
            }
        }
    }

    /// OpenID Connect Core §8.1: the sector is the host of the sector identifier, or the one host
    /// of all redirect URIs.
    fn subject(&self, house: House<'_>, mistakes: &mut Mistakes) -> SubjectType {
        if self.subject_type == SubjectKind::Public {
            return SubjectType::Public;
        }
        if !house.has_pairwise_secret {
            mistakes.push(("subject_type", "public while PAIRWISE_SECRET is not set"));
        }
        let host = |uri: &String| Url::parse(uri).ok()?.host_str().map(str::to_owned);
        let mut hosts: Vec<_> = match &self.sector_identifier_uri {
            Some(uri) => vec![host(uri)],
            None => self.redirect_uris.iter().map(host).collect(),
        };
        hosts.dedup();
        if let (Some(sector), 0) = (hosts.pop().flatten(), hosts.len()) {
            return SubjectType::Pairwise { sector };
        }
        let wanted = "there when the redirect URIs are of several hosts, or of none";
        mistakes.push(("sector_identifier_uri", wanted));
        SubjectType::Public
    }
}

/// What a client may ask for that says nothing about it.
#[must_use]
pub fn usual_scope() -> Scope {
    Scope::parse("openid profile email offline_access").unwrap_or_default()
}

/// Whether a link, or an address that we shall post to, is one.
fn is_web_address(text: &str) -> bool {
    let url = Url::parse(text).ok().filter(is_secure);
    url.is_some_and(|url| {
        let bare = url.username().is_empty() && url.password().is_none();
        bare && url.fragment().is_none() && text.is_ascii() && text.len() <= 2048
    })
}
