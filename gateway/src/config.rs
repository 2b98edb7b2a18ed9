//! The deployment's settings, read once and refused as a whole.

use crate::database::{self, DatabaseUrl};
use crate::route::Routes;
use shared::origin::{Issuer, Origin};
use shared::rp::client::ClientAuth;
use shared::scope::Scope;
use shared::seal::SealingKeys;
use shared::secret::ClientSecret;
use shared::settings::{Problem, Settings};
use std::ops::RangeInclusive;

/// Thirty days without a request.
const IDLE: RangeInclusive<u64> = 1..=2_592_000;
/// Ninety days, the longest a family of the issuer lives.
const ABSOLUTE: RangeInclusive<u64> = 1..=7_776_000;
/// How long a revoked session may go on at most; 0 asks on every request.
const FRESHNESS: RangeInclusive<u64> = 0..=300;

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

/// Everything the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's own origin: what browsers see.
    pub public_url: Origin,
    /// Whom we trust to sign people in.
    pub issuer: Issuer,
    /// Who we are to the issuer.
    pub client_id: String,
    /// How we prove it.
    pub client_auth: ClientAuth,
    /// What we ask for; `openid` is in it.
    pub scope: Scope,
    /// Who has which paths.
    pub routes: Routes,
    /// Where sessions live.
    pub mode: Mode,
    /// The database, in the mode that has one.
    pub database: Option<DatabaseUrl>,
    /// What seals cookies.
    pub keys: SealingKeys,
    /// Seconds without a request after which a session is over.
    pub idle_seconds: u64,
    /// Seconds after sign-in when a session is over, whatever happens.
    pub absolute_seconds: u64,
    /// Seconds that a cookie, or a copy, is believed without asking the session object.
    pub freshness_seconds: u64,
    /// Whose pages, besides our own, may send unsafe requests.
    pub trusted_origins: Vec<Origin>,
}

impl Config {
    /// Reads the settings that `var` looks up by name.
    ///
    /// # Errors
    /// Every mistake, not only the first; none of them holds a value.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut settings = Settings::new(var);
        let public_url = settings.required("PUBLIC_URL", ORIGIN, Origin::parse);
        let issuer = settings.required("ISSUER", "an https URL (http on loopback)", Issuer::parse);
        let client_id = settings.required("CLIENT_ID", "printable ASCII", |text| {
            text.bytes().all(|byte| matches!(byte, b' '..=b'~')).then(|| text.to_owned())
        });
        let client_auth = client_auth(&mut settings);
        let scope = settings.optional(
            "SCOPE",
            "words separated by spaces, openid among them",
            Scope::parse("openid profile email offline_access").unwrap_or_default(),
            |text| Scope::parse(text).filter(|scope| scope.has("openid")),
        );
        let routes = Routes::read(&mut settings, public_url.as_ref());
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
        let keys = settings.required(
            "SEALING_KEYS",
            "1 to 8 keys, comma separated, each the base64url form of 32 bytes",
            SealingKeys::parse,
        );
        let deployed = public_url.as_ref().is_some_and(|url| !url.is_development());
        if deployed && keys.as_ref().is_some_and(SealingKeys::has_example) {
            settings.refuse("SEALING_KEYS", "your own: an example key is known to everybody");
        }
        let idle_seconds = settings.seconds("SESSION_IDLE_SECONDS", 3600, IDLE);
        let absolute_seconds = settings.seconds("SESSION_ABSOLUTE_SECONDS", 36_000, ABSOLUTE);
        let freshness_seconds = settings.seconds("FRESHNESS_SECONDS", 30, FRESHNESS);
        if idle_seconds > absolute_seconds {
            settings.refuse("SESSION_IDLE_SECONDS", "at most SESSION_ABSOLUTE_SECONDS");
        }
        let trusted_origins = trusted_origins(&mut settings);

        let read = || {
            Some(Self {
                public_url: public_url?,
                issuer: issuer?,
                client_id: client_id?,
                client_auth: client_auth?,
                scope,
                routes,
                mode,
                database,
                keys: keys?,
                idle_seconds,
                absolute_seconds,
                freshness_seconds,
                trusted_origins,
            })
        };
        settings.finish(read())
    }
}

impl Config {
    /// How long what a session object said is believed: often enough that it sees who is there
    /// before the session idles out.
    #[must_use]
    pub fn believed_seconds(&self) -> u64 {
        self.freshness_seconds.min(self.idle_seconds / 10)
    }
}

const ORIGIN: &str = "an origin like https://app.example, without a path (http on loopback only)";

/// Secret and method have to agree; with neither, the client is a public one.
fn client_auth<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>) -> Option<ClientAuth> {
    let secret = settings.text("CLIENT_SECRET").map(ClientSecret::new);
    match (settings.text("CLIENT_AUTH").as_deref(), secret) {
        (None | Some("client_secret_basic"), Some(secret)) => Some(ClientAuth::Basic(secret)),
        (Some("client_secret_post"), Some(secret)) => Some(ClientAuth::Post(secret)),
        (None | Some("none"), None) => Some(ClientAuth::None),
        (Some("client_secret_basic" | "client_secret_post"), None) => {
            settings.refuse("CLIENT_SECRET", "set, for CLIENT_AUTH says that there is one");
            None
        }
        (Some("none"), Some(_)) => {
            settings.refuse("CLIENT_SECRET", "absent, for CLIENT_AUTH says that there is none");
            None
        }
        (Some(_), _) => {
            settings.refuse("CLIENT_AUTH", "client_secret_basic, client_secret_post or none");
            None
        }
    }
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
pub(crate) mod tests {
    use super::*;

    const GOOD: [(&str, &str); 6] = [
        ("PUBLIC_URL", "https://app.test"),
        ("ISSUER", "https://issuer.test/"),
        ("CLIENT_ID", "gateway"),
        ("CLIENT_SECRET", "s3cret"),
        ("SEALING_KEYS", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"),
        (
            "ROUTES",
            r#"[{"prefix": "/", "origin": "https://site.test", "access": "signed-in"},
                {"prefix": "/open", "origin": "https://site.test", "access": "public"},
                {"prefix": "/api", "origin": "https://api.test", "access": "api"}]"#,
        ),
    ];

    /// `GOOD`, with some settings in place of it; an empty one is absent.
    pub(crate) fn with(changes: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        Config::read(|name| {
            let found = changes.iter().chain(&GOOD).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn mistakes(changes: &[(&str, &str)]) -> Vec<String> {
        let problems = with(changes).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.name).collect()
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let config = with(&[]).unwrap();
        assert_eq!(config.mode, Mode::Hybrid);
        assert_eq!(config.scope.to_string(), "email offline_access openid profile");
        assert_eq!(config.client_auth, ClientAuth::Basic(ClientSecret::new("s3cret")));
        assert_eq!((config.idle_seconds, config.absolute_seconds), (3600, 36_000));
        assert_eq!((config.freshness_seconds, config.trusted_origins.len()), (30, 0));
        assert_eq!(with(&[("CLIENT_SECRET", "")]).unwrap().client_auth, ClientAuth::None);
    }

    #[test]
    fn one_failed_start_names_every_mistake() {
        let all = Config::read(|name| match name {
            "SESSION_MODE" => Some("redis".to_owned()),
            "SCOPE" => Some("profile".to_owned()),
            "CLIENT_AUTH" => Some("client_secret_post".to_owned()),
            "FRESHNESS_SECONDS" => Some("-1".to_owned()),
            "TRUSTED_ORIGINS" => Some(r#"["https://a.test/", "*"]"#.to_owned()),
            _ => None,
        });
        let names: Vec<_> = all.unwrap_err().into_iter().map(|problem| problem.name).collect();
        let wanted = [
            "PUBLIC_URL",
            "ISSUER",
            "CLIENT_ID",
            "CLIENT_SECRET",
            "SCOPE",
            "ROUTES",
            "SESSION_MODE",
            "SEALING_KEYS",
            "FRESHNESS_SECONDS",
            "TRUSTED_ORIGINS[0]",
            "TRUSTED_ORIGINS[1]",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_setting_that_is_wrong_alone_is_named_alone() {
        for (name, value) in [
            ("PUBLIC_URL", "http://app.test"),
            ("PUBLIC_URL", "https://app.test/"),
            ("ISSUER", "issuer.test"),
            ("CLIENT_ID", "caf\u{e9}"),
            ("CLIENT_AUTH", "private_key_jwt"),
            ("SCOPE", "profile email"),
            ("SESSION_MODE", "Hybrid"),
            ("SEALING_KEYS", "c2hvcnQ"),
            ("SESSION_IDLE_SECONDS", "0"),
            ("SESSION_ABSOLUTE_SECONDS", "9999999999"),
            ("ROUTES", ""),
            ("ROUTES", "[]"),
            ("ROUTES", "{}"),
            ("ROUTES", r#"[{"prefix": "/", "origin": "https://a.test"}]"#),
            (
                "ROUTES",
                r#"[{"prefix": "/", "origin": "https://a.test", "access": "public", "auth": 1}]"#,
            ),
            ("TRUSTED_ORIGINS", "https://a.test"),
        ] {
            assert_eq!(mistakes(&[(name, value)]), [name], "{value}");
        }
        assert_eq!(mistakes(&[("CLIENT_AUTH", "none")]), ["CLIENT_SECRET"]);
        assert_eq!(mistakes(&[("SESSION_IDLE_SECONDS", "40000")]), ["SESSION_IDLE_SECONDS"]);
    }

    #[test]
    fn a_route_is_refused_by_its_place_and_member() {
        for (prefix, origin, access, member) in [
            ("api", "https://a.test", "api", "prefix"),
            ("/api/", "https://a.test", "api", "prefix"),
            ("/a//b", "https://a.test", "api", "prefix"),
            ("/a/../b", "https://a.test", "api", "prefix"),
            ("/%61", "https://a.test", "api", "prefix"),
            ("/a%20b", "https://a.test", "api", "prefix"),
            ("/a;b", "https://a.test", "api", "prefix"),
            ("/a?b", "https://a.test", "api", "prefix"),
            ("/a#b", "https://a.test", "api", "prefix"),
            ("/auth", "https://a.test", "api", "prefix"),
            ("/Auth/x", "https://a.test", "api", "prefix"),
            ("/A", "https://a.test", "api", "prefix"),
            ("/b", "http://a.test", "api", "origin"),
            ("/b", "https://a.test/path", "api", "origin"),
            ("/b", "https://app.test", "api", "origin"),
            ("/b", "https://a.test", "Public", "access"),
        ] {
            let first = r#"{"prefix": "/a", "origin": "http://127.0.0.1:1", "access": "public"}"#;
            let second =
                format!(r#"{{"prefix": "{prefix}", "origin": "{origin}", "access": "{access}"}}"#);
            let routes = format!("[{first}, {second}]");
            assert_eq!(
                mistakes(&[("ROUTES", &routes)]),
                [format!("ROUTES[1].{member}")],
                "{second}"
            );
        }
    }

    #[test]
    fn an_example_key_is_for_development_only() {
        let example = ("SEALING_KEYS", "Z2F0ZWxhdGNoLWV4YW1wbGUtYWFhYWFhYWFhYWFhYWE");
        assert_eq!(mistakes(&[example]), ["SEALING_KEYS"]);
        assert!(with(&[example, ("PUBLIC_URL", "http://localhost:8788")]).is_ok());
    }

    #[test]
    fn a_database_is_asked_for_where_sessions_live_in_one_and_its_url_is_not_repeated() {
        let postgres = ("SESSION_MODE", "postgres");
        assert_eq!(mistakes(&[postgres]), ["DATABASE_URL"]);
        let problems = with(&[postgres, ("DATABASE_URL", "mysql://bob:hunter2@db.test/shop")]);
        let problem = problems.unwrap_err().remove(0);
        assert!(problem.name == "DATABASE_URL" && !problem.to_string().contains("hunter2"));
        let url = ("DATABASE_URL", "postgres://bob:hunter2@db.test/shop");
        let config = with(&[postgres, url]).unwrap();
        assert_eq!(config.database.as_ref().unwrap().host, "db.test");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(with(&[url]).unwrap().database.is_none());
    }

    #[test]
    fn copies_need_a_place() {
        let kv = ("SESSION_MODE", "kv");
        assert_eq!(mistakes(&[kv]), ["SESSIONS"]);
        assert_eq!(with(&[kv, ("SESSIONS", "{}")]).unwrap().mode, Mode::Kv);
    }

    #[test]
    fn no_problem_repeats_a_value() {
        let problems =
            with(&[("SEALING_KEYS", "hunter2"), ("CLIENT_AUTH", "hunter2")]).unwrap_err();
        assert!(problems.iter().all(|problem| !problem.to_string().contains("hunter2")));
        assert!(!format!("{:?}", with(&[]).unwrap()).contains("s3cret"));
    }
}
