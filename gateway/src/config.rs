//! The deployment's settings, read once and refused as a whole.

mod refresh_tokens;

use crate::database::{self, DatabaseUrl};
use crate::own_keys::OwnKeys;
use crate::providers::{Providers, callback};
use crate::route::Routes;
use crate::turnstile::Turnstile;
use http::HeaderValue;
use shared::origin::{Issuer, Origin};
use shared::rp::client::{ClientAuth, Issuers, RelyingParty};
use shared::rp::entry::Registered;
use shared::rp::wanted::is_resource;
use shared::scope::Scope;
use shared::seal::SealingKeys;
use shared::secret::{ClientSecret, Digest};
use shared::settings::{Problem, Settings};
use std::ops::RangeInclusive;

/// Thirty days without a request.
const IDLE: RangeInclusive<u64> = 1..=2_592_000;
/// Ninety days, the longest a family of the issuer lives.
const ABSOLUTE: RangeInclusive<u64> = 1..=7_776_000;
/// How long a revoked session may go on at most; 0 asks on every request.
const FRESHNESS: RangeInclusive<u64> = 0..=300;

/// How long a browser is to insist on `https`; two years, more than any list asks for.
const HSTS: RangeInclusive<u64> = 0..=63_072_000;

/// How many sessions one person may have. With each the row of their person grows, and a list or an end
/// of all of them asks them one by one.
const SESSIONS: RangeInclusive<usize> = 1..=500;

/// Where a session lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The access token in the sealed cookie, the refresh token in the session object.
    Hybrid,
    /// Everything in the session object, which is asked on every request.
    Durable,
    /// Everything in the sealed cookie.
    Sealed,
    /// Everything in the session object, copies of what it says in Workers KV.
    Kv,
    /// Everything in PostgreSQL, which is asked on every request.
    Postgres,
}

/// The binding of the KV namespace, whose presence is all that the settings show of it.
pub const COPIES: &str = "SESSIONS";

/// The settings that `SESSION_MODE` may have.
const MODES: &str = "hybrid, durable, kv, postgres or sealed";

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "hybrid" => Some(Self::Hybrid),
            "durable" => Some(Self::Durable),
            "kv" => Some(Self::Kv),
            "sealed" => Some(Self::Sealed),
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }
}

/// Which requests get a line in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestLog {
    /// Every one.
    All,
    /// Those that did not get what they asked for.
    Refused,
}

/// Everything the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's own origin: what browsers see. Where there are several, each has a configuration.
    pub public_url: Origin,
    /// Whom we trust to sign people in, and who we are to them.
    pub providers: Providers,
    /// Whether authorization requests are pushed (RFC 9126), and go no other way.
    pub par: bool,
    /// Whom the session's own access token is for; absent, the issuer says.
    pub resource: Option<String>,
    /// Who has which paths.
    pub routes: Routes,
    /// Where sessions live.
    pub mode: Mode,
    /// The database, in the mode that has one.
    pub database: Option<DatabaseUrl>,
    /// What seals cookies.
    pub keys: SealingKeys,
    /// What we sign with.
    pub own_keys: OwnKeys,
    /// Seconds without a request after which a session is over.
    pub idle_seconds: u64,
    /// Seconds after sign-in when a session is over, whatever happens.
    pub absolute_seconds: u64,
    /// Seconds that a cookie, or a copy, is believed without asking the session object.
    pub freshness_seconds: u64,
    /// Who may ask what would become of a request; outside of development nobody without one.
    pub explain_token: Option<Digest>,
    /// Which requests get a line in the log.
    pub request_log: RequestLog,
    /// Whether answers say how long their origin took.
    pub server_timing: bool,
    /// How many sessions one person may have; beyond that the oldest ends.
    pub sessions_per_person: usize,
    /// What the site has registered for challenges, where a route may require one.
    pub turnstile: Option<Turnstile>,
    /// Whose pages, besides our own, may send unsafe requests.
    pub trusted_origins: Vec<Origin>,
    /// Whether the object of a session follows its person to another continent.
    pub follow_region: bool,
    /// For how long browsers are told to come by `https` alone; 0 tells them nothing.
    pub hsts_seconds: u64,
}

/// The sites of a deployment: one configuration for each of `PUBLIC_URL`. What is for one of them,
/// cookies above all, is for no other.
#[derive(Clone, Debug)]
pub struct Sites(Vec<Config>);

impl Sites {
    /// Reads the settings that `var` looks up by name.
    ///
    /// # Errors
    /// Every mistake, not only the first; none of them holds a value.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut settings = Settings::new(var);
        let public_urls = settings.required("PUBLIC_URL", ORIGINS, origins).unwrap_or_default();
        // Somewhere else than on the machine of who develops it.
        let deployed = public_urls.iter().any(|url| !url.is_development());
        let own_keys = OwnKeys::read(&mut settings, deployed);
        let named = Providers::named(&mut settings, public_urls.first(), &own_keys);
        let routes = Routes::read(&mut settings, &public_urls, named.as_deref(), &own_keys);
        let first = public_urls.first().cloned();
        let first = Config::common(settings, (first, deployed), own_keys, named)?;
        let sites = public_urls.into_iter().zip(routes);
        let site = |(public_url, routes)| {
            let providers = first.providers.at(&public_url);
            Config { public_url, providers, routes, ..first.clone() }
        };
        Ok(Self(sites.map(site).collect()))
    }

    /// The sites, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &Config> {
        self.0.iter()
    }

    /// The sites themselves.
    #[must_use]
    pub fn into_configs(self) -> Vec<Config> {
        self.0
    }
}

/// Which of `sites` a request is for whose URL this is: the only one, or the one that has its host.
#[must_use]
pub fn site<'s, S>(sites: &'s [S], config: impl Fn(&S) -> &Config, url: &str) -> Option<&'s S> {
    if let [only] = sites {
        return Some(only);
    }
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    sites.iter().find(|site| config(site).public_url.host().eq_ignore_ascii_case(host))
}

impl Config {
    /// Reads the settings of a deployment with one site, or the first of them.
    ///
    /// # Errors
    /// As [`Sites::read`].
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        // There is one: without any, `PUBLIC_URL` is refused.
        Sites::read(var)?.0.into_iter().next().ok_or_else(Vec::new)
    }

    /// What all sites share, as the first of them has it. Its routes are not among that.
    fn common<V: Fn(&str) -> Option<String>>(
        mut settings: Settings<V>,
        (public_url, deployed): (Option<Origin>, bool),
        own_keys: OwnKeys,
        named: Option<Vec<Registered>>,
    ) -> Result<Self, Vec<Problem>> {
        let providers = match named {
            Some(named) => Providers::new(named),
            None => only(&mut settings, public_url.as_ref(), &own_keys),
        };
        let par = settings.optional("PAR", "true or false", false, |text| text.parse().ok());
        let resource =
            settings.optional("RESOURCE", "an absolute URI without a fragment", None, |text| {
                is_resource(text).then(|| Some(text.to_owned()))
            });
        let mode = settings.optional("SESSION_MODE", MODES, Mode::Hybrid, Mode::parse);
        let database = match mode {
            Mode::Postgres => {
                settings.required("DATABASE_URL", database::WANTED, DatabaseUrl::parse)
            }
            Mode::Hybrid | Mode::Durable | Mode::Kv | Mode::Sealed => None,
        };
        if mode == Mode::Kv && settings.text(COPIES).is_none() {
            settings.refuse(COPIES, "a binding of a KV namespace, for SESSION_MODE is kv");
        }
        refresh_tokens::check(&mut settings, mode);
        let keys = settings.required(
            "SEALING_KEYS",
            "1 to 8 keys, comma separated, each the base64url form of 32 bytes",
            SealingKeys::parse,
        );
        if deployed && keys.as_ref().is_some_and(SealingKeys::has_example) {
            settings.refuse("SEALING_KEYS", "your own: an example key is known to everybody");
        }
        let idle_seconds = settings.seconds("SESSION_IDLE_SECONDS", 3600, IDLE);
        let absolute_seconds = settings.seconds("SESSION_ABSOLUTE_SECONDS", 36_000, ABSOLUTE);
        let freshness_seconds = settings.seconds("FRESHNESS_SECONDS", 30, FRESHNESS);
        if idle_seconds > absolute_seconds {
            settings.refuse("SESSION_IDLE_SECONDS", "at most SESSION_ABSOLUTE_SECONDS");
        }
        let sessions_per_person =
            settings.optional("SESSIONS_PER_PERSON", "a number from 1 to 500", 64, |text| {
                text.parse().ok().filter(|most| SESSIONS.contains(most))
            });
        let turnstile = Turnstile::read(&mut settings);
        let trusted_origins = trusted_origins(&mut settings);
        let follow_region =
            settings.optional("FOLLOW_REGION", "true or false", false, |text| text.parse().ok());
        if follow_region && matches!(mode, Mode::Sealed | Mode::Postgres) {
            let wanted =
                "false or absent: with SESSION_MODE sealed or postgres no session is near anybody";
            settings.refuse("FOLLOW_REGION", wanted);
        }
        let hsts_seconds = settings.seconds("HSTS_SECONDS", 31_536_000, HSTS);
        let request_log = settings.optional(
            "REQUEST_LOG",
            "all or refused",
            RequestLog::All,
            |text| match text {
                "all" => Some(RequestLog::All),
                "refused" => Some(RequestLog::Refused),
                _ => None,
            },
        );
        let server_timing =
            settings.optional("SERVER_TIMING", "true or false", false, |text| text.parse().ok());
        let explain_token = settings.optional(
            "EXPLAIN_TOKEN_SHA256",
            "the base64url form of a SHA-256 digest",
            None,
            |text| Digest::parse(text).map(Some),
        );

        let read = || {
            Some(Self {
                public_url: public_url?,
                providers: providers?,
                par,
                resource,
                routes: Routes::default(),
                mode,
                database,
                keys: keys?,
                own_keys,
                idle_seconds,
                absolute_seconds,
                freshness_seconds,
                explain_token,
                request_log,
                server_timing,
                sessions_per_person,
                turnstile,
                trusted_origins,
                follow_region,
                hsts_seconds,
            })
        };
        settings.finish(read())
    }
}

impl Config {
    /// What answers say about `https`, RFC 6797 §6.1; nothing in development, where there is none. Of
    /// this host alone: others of the domain are not ours to speak for.
    #[must_use]
    pub fn hsts(&self) -> Option<HeaderValue> {
        let spoken = self.hsts_seconds > 0 && !self.public_url.is_development();
        let value = spoken.then(|| format!("max-age={}", self.hsts_seconds))?;
        HeaderValue::from_str(&value).ok()
    }

    /// How long what a session object said is believed: often enough that it sees who is there
    /// before the session idles out.
    #[must_use]
    pub fn believed_seconds(&self) -> u64 {
        self.freshness_seconds.min(self.idle_seconds / 10)
    }

    /// Whether anything depends on where a request comes from.
    #[must_use]
    pub fn looks_at_edge(&self) -> bool {
        self.follow_region || self.routes.look_at_edge()
    }
}

const ORIGIN: &str = "an origin like https://app.example, without a path (http on loopback only)";
const ORIGINS: &str = "one or more origins like https://app.example, separated by commas, without \
                       a path (http on loopback only)";
/// More sites than one Worker has.
const MOST_SITES: usize = 32;

/// Different ones: hosts are told apart, and so are the sites.
fn origins(text: &str) -> Option<Vec<Origin>> {
    let mut read: Vec<Origin> = Vec::new();
    for text in text.split(',') {
        let origin = Origin::parse(text.trim())?;
        if read.len() == MOST_SITES || read.iter().any(|one| one.host() == origin.host()) {
            return None;
        }
        read.push(origin);
    }
    Some(read)
}

/// The provider of the short form.
fn only<V: Fn(&str) -> Option<String>>(
    settings: &mut Settings<V>,
    public_url: Option<&Origin>,
    own_keys: &OwnKeys,
) -> Option<Providers> {
    let issuer = settings.required("ISSUER", "an https URL (http on loopback)", Issuer::parse);
    let client_id = settings.required("CLIENT_ID", "printable ASCII", |text| {
        text.bytes().all(|byte| matches!(byte, b' '..=b'~')).then(|| text.to_owned())
    });
    let client_auth = client_auth(settings, own_keys);
    let scope = settings.optional(
        "SCOPE",
        "words separated by spaces, openid among them",
        Scope::parse("openid profile email offline_access").unwrap_or_default(),
        |text| Scope::parse(text).filter(|scope| scope.has("openid")),
    );
    Providers::new(vec![Registered::openid(RelyingParty {
        issuer: issuer?,
        issuers: Issuers::Exact,
        client_id: client_id?,
        auth: client_auth?,
        redirect_uri: public_url?.at(&callback("")),
        scope,
    })])
}

/// Secret, keys and method have to agree; with no secret and no method, the client is a public one.
fn client_auth<V: Fn(&str) -> Option<String>>(
    settings: &mut Settings<V>,
    own_keys: &OwnKeys,
) -> Option<ClientAuth> {
    const NAMES: &str = "client_secret_basic, client_secret_post, private_key_jwt or none";
    let secret = settings.text("CLIENT_SECRET").map(ClientSecret::new);
    let (name, wanted) = match (settings.text("CLIENT_AUTH").as_deref(), secret) {
        (None | Some("client_secret_basic"), Some(secret)) => {
            return Some(ClientAuth::Basic(secret));
        }
        (Some("client_secret_post"), Some(secret)) => return Some(ClientAuth::Post(secret)),
        (None | Some("none"), None) => return Some(ClientAuth::None),
        (Some("private_key_jwt"), None) => {
            let key = own_keys.signing().cloned().map(Box::new).map(ClientAuth::PrivateKeyJwt);
            if key.is_none() {
                settings.refuse("SIGNING_KEYS", "set, for CLIENT_AUTH says that we sign");
            }
            return key;
        }
        (Some("client_secret_basic" | "client_secret_post"), None) => {
            ("CLIENT_SECRET", "set, for CLIENT_AUTH says that there is one")
        }
        (Some("none" | "private_key_jwt"), Some(_)) => {
            ("CLIENT_SECRET", "absent, for CLIENT_AUTH says that there is none")
        }
        (Some(_), _) => ("CLIENT_AUTH", NAMES),
    };
    settings.refuse(name, wanted);
    None
}

fn trusted_origins<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>) -> Vec<Origin> {
    let texts: Vec<String> = settings.json("TRUSTED_ORIGINS", "a JSON array of origins");
    let mut origins = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        match Origin::parse(text) {
            Some(origin) => origins.push(origin),
            None => settings.refuse(format!("TRUSTED_ORIGINS[{position}]"), ORIGIN),
        }
    }
    origins
}

#[cfg(test)]
pub(crate) mod tests;
