//! Where the PostgreSQL of `SESSION_MODE=postgres` is.

use percent_encoding::percent_decode_str;
use shared::origin::{is_loopback, is_secure};
use shared::secret::Password;
use url::{Host, Url};

/// How a `DATABASE_URL` has to look.
pub const WANTED: &str = "a URL like postgres://user:password@host:5432/database?sslmode=require";

const PORT: u16 = 5432;
/// Neon's hosts, which take statements by HTTP.
const NEON: &str = ".neon.tech";

/// A database, as its URL names it. It does not print its password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseUrl {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// How we prove it.
    pub password: Password,
    /// The database's name.
    pub name: String,
    /// Whether the connection is encrypted, by a certificate that the platform trusts.
    pub encrypted: bool,
    /// The way by HTTP, if statements go by it.
    pub http: Option<Http>,
}

/// The way by HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// Where statements are posted.
    pub url: String,
    /// The database's URL, which every request shows.
    pub connection: Password,
}

impl DatabaseUrl {
    /// Reads a URL; none when it is not one of a database, or asks for something that we can't do.
    /// Parameters that are other clients' business are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok().filter(|url| is_postgres(url.scheme()))?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let plain = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let here = Host::parse(&host).is_ok_and(|host| match &host {
            Host::Domain(name) => is_loopback(&Host::Domain(name.as_str())),
            Host::Ipv4(address) => is_loopback(&Host::Ipv4(*address)),
            Host::Ipv6(address) => is_loopback(&Host::Ipv6(*address)),
        });
        let mut encrypted = !here;
        let mut http = host.ends_with(NEON).then(|| neon(&host)).flatten();
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                // Encrypted when the server likes is not encrypted: there is no such mode here.
                ("sslmode", "disable") => encrypted = false,
                ("sslmode", "require" | "verify-ca" | "verify-full") => encrypted = true,
                ("sslmode", _) => return None,
                // The way in, by its own name: `tcp`, or the URL that statements are posted to.
                ("via", "tcp") => http = None,
                ("via", url) => http = Some(Url::parse(url).ok().filter(is_secure)?.to_string()),
                _ => {}
            }
        }
        let (user, name) = (plain(url.username())?, plain(url.path().strip_prefix('/')?)?);
        let password = Password::new(plain(url.password().unwrap_or_default())?);
        let is_whole = !user.is_empty() && !name.is_empty() && !name.contains('\0');
        let port = url.port().unwrap_or(PORT);
        url.set_query(None);
        let http = http.map(|to| Http { url: to, connection: Password::new(url.as_str()) });
        is_whole.then_some(Self { host, port, user, password, name, encrypted, http })
    }
}

fn is_postgres(scheme: &str) -> bool {
    matches!(scheme, "postgres" | "postgresql")
}

/// Neon's own driver asks there: the first label of a host is the endpoint's.
fn neon(host: &str) -> Option<String> {
    let (_, region) = host.split_once('.')?;
    Some(format!("https://api.{region}/sql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DatabaseUrl {
        DatabaseUrl::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_database_is_named_by_its_url() {
        let url =
            read("postgresql://bob:p%40ss%2fw%2Brd@db.example:6432/shop%20floor?sslmode=require");
        let password = Password::new("p@ss/w+rd");
        assert_eq!((url.host.as_str(), url.port), ("db.example", 6432));
        assert_eq!((url.user.as_str(), url.name.as_str()), ("bob", "shop floor"));
        assert!(url.password == password && url.encrypted && url.http.is_none());
        assert_eq!(read("postgres://bob@db.example/shop").port, 5432);
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear_unless_the_url_says_so() {
        for (url, encrypted) in [
            ("postgres://a:b@db.example/c", true),
            ("postgres://a:b@db.example/c?sslmode=disable", false),
            ("postgres://a:b@db.example/c?sslmode=verify-full&channel_binding=require", true),
            ("postgres://a:b@localhost/c", false),
            ("postgres://a:b@127.0.0.1:5433/c", false),
            ("postgres://a:b@[::1]/c", false),
            ("postgres://a:b@127.0.0.1/c?sslmode=require", true),
        ] {
            assert_eq!(read(url).encrypted, encrypted, "{url}");
        }
    }

    #[test]
    fn neon_is_asked_by_http_unless_the_url_says_tcp() {
        let host = "ep-cool-1.us-east-2.aws.neon.tech";
        let neon = format!("postgres://a:b@{host}/c?sslmode=require&channel_binding=require");
        let http = read(&neon).http.unwrap();
        assert_eq!(http.url, "https://api.us-east-2.aws.neon.tech/sql");
        assert_eq!(http.connection.expose(), format!("postgres://a:b@{host}/c"));
        assert_eq!(read(&format!("{neon}&via=tcp")).http, None);
        let local = "postgres://a:b@localhost/c?via=http://127.0.0.1:9/sql";
        assert_eq!(read(local).http.unwrap().url, "http://127.0.0.1:9/sql");
    }

    #[test]
    fn what_is_not_a_database_is_none() {
        for text in [
            "",
            "postgres",
            "postgres://",
            "postgres:///c",
            "postgres://a:b@/c",
            "postgres://a:b@host",
            "postgres://a:b@host/",
            "postgres://:b@host/c",
            "mysql://a:b@host/c",
            "https://a:b@host/c",
            "postgres://a:b@host:99999/c",
            "postgres://a:%ff@host/c",
            "postgres://a:b@host/c?sslmode=prefer",
            "postgres://a:b@host/c?sslmode=allow",
            "postgres://a:b@host/c?via=http://db.example/sql",
            "postgres://a:b@host/c?via=",
        ] {
            assert!(DatabaseUrl::parse(text).is_none(), "{text}");
        }
        assert!(!format!("{:?}", read("postgres://a:s3cret@host/c")).contains("s3cret"));
    }
}
