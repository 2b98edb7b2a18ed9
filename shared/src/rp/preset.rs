//! What is known of the providers that many have: where they are, what they are asked for besides,
//! and what has to come back.

use super::client::Issuers;
use super::dialect::Dialect;
use super::dialect::authkit::AuthKit;
use super::dialect::github::GitHub;
use super::dialect::open_id::{OpenId, Required};
use super::dialect::workos_sso::WorkosSso;
use super::discovery::Provider;
use super::entry::Entry;
use crate::metadata::ProviderMetadata;
use crate::origin::Issuer;
use crate::scope::Scope;
use crate::words::{AuthMethod, Prompt};
use serde::Deserialize;
use uuid::Uuid;

/// A kind of provider.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A tenant of Auth0.
    Auth0,
    /// `AuthKit`, the user management of `WorkOS`.
    Authkit,
    /// The single sign-on API of `WorkOS`.
    WorkosSso,
    /// GitHub, or an Enterprise Server.
    Github,
    /// Google.
    Google,
    /// Microsoft Entra.
    Entra,
    /// Any OpenID provider; `WorkOS` Connect is one.
    Openid,
}

/// Where a provider is, what it is asked for besides, and how it says who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// What it says about itself, where it publishes nothing.
    pub metadata: Option<ProviderMetadata>,
    /// Where it publishes that, when not where its issuer says.
    pub published_at: Option<Issuer>,
    /// More parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// The one that asks for a new account instead, when there is one.
    pub sign_up: Option<(String, String)>,
    /// The words of `prompt` that it documents, for where its metadata list none.
    pub prompts: &'static [Prompt],
    /// Whether it may say when somebody signed in there.
    pub says_when: bool,
    /// How it says who somebody is.
    pub dialect: Dialect,
}

impl Way {
    /// What an isolate remembers of the provider, before it has been asked anything.
    #[must_use]
    pub fn provider(&self, issuer: &Issuer) -> Provider {
        let issuer = issuer.clone();
        match (&self.metadata, &self.published_at) {
            (Some(metadata), _) => Provider::fixed(issuer, metadata.clone()),
            (None, Some(place)) => Provider::new(issuer).published_at(place),
            (None, None) => Provider::new(issuer),
        }
    }
}

/// What a provider has to be asked for, to give out something to ask with later.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Keeps {
    /// Nothing: it does so by itself.
    Always,
    /// More words of scope.
    WithScope(Scope),
    /// More parameters.
    WithParameters(Vec<(String, String)>),
    /// It gives out no such thing.
    Never,
}

/// The member that is wrong, and what it should be.
type Wrong = (&'static str, &'static str);

/// Where the provider is, whom its tokens may name, and the way there.
type Found = (Issuer, Issuers, Way);

impl Preset {
    /// What its button says by itself.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auth0 => "Auth0",
            Self::Authkit | Self::WorkosSso => "WorkOS",
            Self::Github => "GitHub",
            Self::Google => "Google",
            Self::Entra => "Microsoft",
            Self::Openid => "your organization",
        }
    }

    /// Whether it speaks OpenID Connect.
    #[must_use]
    pub const fn is_openid(self) -> bool {
        matches!(self, Self::Auth0 | Self::Google | Self::Entra | Self::Openid)
    }

    /// What it is asked for, unless the entry says so.
    pub(super) const fn scope(self) -> &'static str {
        match self {
            Self::Github => "read:user user:email",
            Self::Authkit | Self::WorkosSso => "",
            Self::Auth0 | Self::Google | Self::Entra | Self::Openid => "openid profile email",
        }
    }

    /// How we show that it is us, unless the entry says so. Google and others misread secrets that
    /// are encoded as RFC 6749 §2.3.1 wants it, so theirs go in the body.
    pub(super) const fn auth_method(self) -> AuthMethod {
        match self {
            Self::Openid => AuthMethod::ClientSecretBasic,
            _ => AuthMethod::ClientSecretPost,
        }
    }

    /// The words of `prompt` that it documents; any other is ignored, or an error there. Whoever is not
    /// known is taken to know those of OpenID Connect Core. `AuthKit` documents the parameter and not
    /// its words; the single sign-on API has no such parameter.
    const fn prompts(self) -> &'static [Prompt] {
        match self {
            Self::Auth0 => &[Prompt::None, Prompt::Login],
            Self::Github => &[Prompt::SelectAccount],
            Self::Google => &[Prompt::None, Prompt::Consent, Prompt::SelectAccount],
            Self::WorkosSso => &[],
            Self::Authkit | Self::Entra | Self::Openid => {
                &[Prompt::None, Prompt::Login, Prompt::Consent, Prompt::SelectAccount]
            }
        }
    }

    /// Whether it may say when somebody signed in there: Entra does where the operator adds the claim,
    /// and whoever is not known may.
    const fn says_when(self) -> bool {
        matches!(self, Self::Auth0 | Self::Entra | Self::Openid)
    }

    /// How it is asked to be remembered.
    #[must_use]
    pub fn keeps(self) -> Keeps {
        match self {
            Self::Authkit | Self::Github => Keeps::Always,
            Self::WorkosSso => Keeps::Never,
            Self::Auth0 | Self::Entra | Self::Openid => {
                Keeps::WithScope(Scope::parse("offline_access").unwrap_or_default())
            }
            // It tells a client of a refresh token only when the person agrees to it.
            Self::Google => Keeps::WithParameters(vec![
                ("access_type".to_owned(), "offline".to_owned()),
                ("prompt".to_owned(), "consent".to_owned()),
            ]),
        }
    }

    /// The members that an entry of this kind may have, of those that not every kind has.
    const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Auth0 => &["domain", "base", "audience", "connection", "organization"],
            Self::Authkit => &["issuer", "base", "connection", "organization"],
            Self::WorkosSso => &["base", "connection", "organization"],
            Self::Github => &["base"],
            Self::Google => &["base", "hosted_domain"],
            Self::Entra => &["base", "tenant", "tenants"],
            Self::Openid => &["issuer"],
        }
    }

    /// The way to the provider that an entry describes.
    pub(super) fn way(self, entry: &Entry) -> Result<Found, Wrong> {
        let members = [
            ("issuer", entry.issuer.is_some()),
            ("domain", entry.domain.is_some()),
            ("base", entry.base.is_some()),
            ("audience", entry.audience.is_some()),
            ("connection", entry.connection.is_some()),
            ("organization", entry.organization.is_some()),
            ("hosted_domain", entry.hosted_domain.is_some()),
            ("tenant", entry.tenant.is_some()),
            ("tenants", !entry.tenants.is_empty()),
        ];
        if let Some((member, _)) =
            members.into_iter().find(|(member, there)| *there && !self.takes().contains(member))
        {
            return Err((member, "absent: its provider has none"));
        }
        let (issuer, issuers, way) = match self {
            Self::Auth0 => auth0(entry),
            Self::Authkit => authkit(entry),
            Self::WorkosSso => workos_sso(entry),
            Self::Github => github(entry),
            Self::Google => google(entry),
            Self::Entra => entra(entry),
            Self::Openid => {
                let issuer = entry.issuer.as_deref().and_then(Issuer::parse);
                let issuer = issuer.ok_or(("issuer", "the provider's issuer, byte for byte"))?;
                Ok((issuer, Issuers::Exact, self.published()))
            }
        }?;
        Ok((issuer, issuers, Way { prompts: self.prompts(), says_when: self.says_when(), ..way }))
    }

    /// The way to one of whom nothing is known but what it publishes.
    pub(super) fn published(self) -> Way {
        let way = open(OpenId { asks_userinfo: true, ..OpenId::default() }, Vec::new());
        Way { prompts: self.prompts(), says_when: self.says_when(), ..way }
    }
}

/// The way to a provider that publishes its metadata.
fn open(open_id: OpenId, parameters: Vec<(String, String)>) -> Way {
    Way {
        metadata: None,
        published_at: None,
        parameters,
        sign_up: None,
        prompts: &[],
        says_when: false,
        dialect: Dialect::OpenId(open_id),
    }
}

/// Parameters of those members that are there.
fn parameters(members: &[(&str, &Option<String>)]) -> Vec<(String, String)> {
    let there =
        members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value).clone()?)));
    there.collect()
}

/// Where a provider is: where everybody's is, or where the entry says.
fn base(entry: &Entry, everybodys: &str) -> Result<String, Wrong> {
    let text = entry.base.as_deref().unwrap_or(everybodys);
    let sound = Issuer::parse(text).is_some() && !text.ends_with('/');
    sound.then(|| text.to_owned()).ok_or(("base", "an https URL without a slash at the end"))
}

/// An issuer at a base that has been checked.
fn issuer(text: &str) -> Result<Issuer, Wrong> {
    Issuer::parse(text).ok_or(("base", "an https URL without a slash at the end"))
}

/// Its issuer ends with a slash. An organization that was asked for has to be in the token, by its id
/// or by its name, which is the same in capitals.
fn auth0(entry: &Entry) -> Result<Found, Wrong> {
    let wanted = ("domain", "the tenant's domain, or that of your own");
    let here = match (&entry.domain, &entry.base) {
        (Some(domain), None) => format!("https://{domain}"),
        (None, Some(_)) => base(entry, "")?,
        _ => return Err(wanted),
    };
    let issuer = Issuer::parse(&format!("{here}/")).ok_or(wanted)?;
    let required = entry.organization.as_ref().map(|organization| {
        let is_name = !organization.starts_with("org_");
        let claim = if is_name { "org_name" } else { "org_id" }.to_owned();
        Required { claim, value: organization.clone(), is_name }
    });
    let required = required.into_iter().collect();
    let asked = parameters(&[
        ("audience", &entry.audience),
        ("connection", &entry.connection),
        ("organization", &entry.organization),
    ]);
    let v2_logout = Some(format!("{here}/v2/logout"));
    let open_id = OpenId { required, asks_userinfo: true, v2_logout, ..OpenId::default() };
    let way = open(open_id, asked);
    let sign_up = Some(("screen_hint".to_owned(), "signup".to_owned()));
    Ok((issuer, Issuers::Exact, Way { sign_up, ..way }))
}

/// Google's tokens name it with and without the scheme. The hosted domain has to be in the token.
fn google(entry: &Entry) -> Result<Found, Wrong> {
    let here = base(entry, "https://accounts.google.com")?;
    let required = entry.hosted_domain.iter().map(|domain| Required {
        claim: "hd".to_owned(),
        value: domain.clone(),
        is_name: false,
    });
    let required = required.collect();
    let without_scheme = here.split_once("://").map(|(_, rest)| rest.to_owned());
    let issuers = without_scheme.map_or(Issuers::Exact, Issuers::Also);
    let asked = parameters(&[("hd", &entry.hosted_domain)]);
    let open_id = OpenId { required, asks_userinfo: true, ..OpenId::default() };
    Ok((issuer(&here)?, issuers, open(open_id, asked)))
}

/// One tenant has an issuer of its own. `common` and `organizations` have a template for one, and
/// whose tenants would be everybody's unless they are listed.
fn entra(entry: &Entry) -> Result<Found, Wrong> {
    let here = base(entry, "https://login.microsoftonline.com")?;
    let open_id = || OpenId { is_entra: true, ..OpenId::default() };
    let tenant = entry.tenant.as_deref().unwrap_or("organizations");
    let is_id = |text: &str| Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text);
    if is_id(tenant) {
        if !entry.tenants.is_empty() {
            return Err(("tenants", "absent beside a tenant of one's own"));
        }
        let issuer = issuer(&format!("{here}/{tenant}/v2.0"))?;
        return Ok((issuer, Issuers::Exact, open(open_id(), Vec::new())));
    }
    if !["common", "organizations"].contains(&tenant) {
        return Err(("tenant", "a tenant's id, organizations or common"));
    }
    if entry.tenants.is_empty() || !entry.tenants.iter().all(|tenant| is_id(tenant)) {
        return Err(("tenants", "the ids of the tenants whose people may sign in"));
    }
    let published_at = Some(issuer(&format!("{here}/{tenant}/v2.0"))?);
    let template = issuer(&format!("{here}/{{tenantid}}/v2.0"))?;
    let way = Way { published_at, ..open(open_id(), Vec::new()) };
    Ok((template, Issuers::Tenants(entry.tenants.clone()), way))
}

/// It names itself in its answers (RFC 9207), by another name than its people are filed under.
fn github(entry: &Entry) -> Result<Found, Wrong> {
    let here = base(entry, "https://github.com")?;
    let api = github_api(&here)?;
    let metadata = ProviderMetadata {
        issuer: format!("{here}/login/oauth"),
        authorization_endpoint: format!("{here}/login/oauth/authorize"),
        token_endpoint: format!("{here}/login/oauth/access_token"),
        ..ProviderMetadata::default()
    };
    let dialect = Dialect::GitHub(GitHub { api });
    Ok((issuer(&here)?, Issuers::Exact, fixed(metadata, Vec::new(), dialect)))
}

/// Where its API is: beside it in GitHub's own cloud, for everybody at `github.com` and for those with
/// data residency at a subdomain of `ghe.com`; below it on an Enterprise Server.
fn github_api(here: &str) -> Result<String, Wrong> {
    let rest = here.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_cloud = |host: &str| host == "github.com" || host.ends_with(".ghe.com");
    if !is_cloud(&host.to_ascii_lowercase()) {
        return Ok(format!("{here}/api/v3"));
    }
    let tenant = host.strip_suffix(".ghe.com").unwrap_or_default();
    if rest != host || !is_cloud(host) || tenant.contains('.') || host.starts_with('.') {
        let wanted = "https://SUBDOMAIN.ghe.com for data residency, without more";
        return Err(("base", wanted));
    }
    Ok(format!("https://api.{host}"))
}

/// The way to a provider that publishes nothing.
fn fixed(metadata: ProviderMetadata, parameters: Vec<(String, String)>, dialect: Dialect) -> Way {
    let metadata = Some(metadata);
    Way {
        metadata,
        published_at: None,
        parameters,
        sign_up: None,
        prompts: &[],
        says_when: false,
        dialect,
    }
}

const WORKOS: &str = "https://api.workos.com";

/// Of connection, organization and `AuthKit`'s own page exactly one is asked for.
fn authkit(entry: &Entry) -> Result<Found, Wrong> {
    let here = base(entry, WORKOS)?;
    let sign_up = ("screen_hint".to_owned(), "sign-up".to_owned());
    let own_page = ("provider".to_owned(), "authkit".to_owned());
    let (asked, sign_up) = match (&entry.connection, &entry.organization) {
        (None, None) => (vec![own_page], Some(sign_up)),
        (connection, organization) => {
            let members = [("connection_id", connection), ("organization_id", organization)];
            (parameters(&members), None)
        }
    };
    if asked.len() > 1 {
        return Err(("connection", "absent beside an organization"));
    }
    let known = || {
        let client = &entry.client_id;
        vec![format!("{here}/"), here.clone(), format!("{here}/user_management/{client}")]
    };
    let issuers = entry.issuer.as_ref().map_or_else(known, |issuer| vec![issuer.clone()]);
    let metadata = ProviderMetadata {
        issuer: here.clone(),
        authorization_endpoint: format!("{here}/user_management/authorize"),
        token_endpoint: format!("{here}/user_management/authenticate"),
        jwks_uri: format!("{here}/sso/jwks/{}", entry.client_id),
        end_session_endpoint: Some(format!("{here}/user_management/sessions/logout")),
        ..ProviderMetadata::default()
    };
    let organization = entry.organization.clone();
    let way = fixed(metadata, asked, Dialect::AuthKit(AuthKit { issuers, organization }));
    Ok((issuer(&here)?, Issuers::Exact, Way { sign_up, ..way }))
}

fn workos_sso(entry: &Entry) -> Result<Found, Wrong> {
    let here = base(entry, WORKOS)?;
    let (connection, organization) = (entry.connection.clone(), entry.organization.clone());
    let asked = parameters(&[("connection", &connection), ("organization", &organization)]);
    if asked.len() != 1 {
        return Err(("organization", "there, or else a connection"));
    }
    let metadata = ProviderMetadata {
        issuer: format!("{here}/sso"),
        authorization_endpoint: format!("{here}/sso/authorize"),
        token_endpoint: format!("{here}/sso/token"),
        ..ProviderMetadata::default()
    };
    let dialect = Dialect::WorkosSso(WorkosSso { organization, connection });
    Ok((issuer(&format!("{here}/sso"))?, Issuers::Exact, fixed(metadata, asked, dialect)))
}
