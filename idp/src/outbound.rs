//! Where this issuer sends requests of its own accord: not everywhere that a client names.

use shared::origin::{is_loopback, is_secure};
use url::{Host, Url};

/// Names that lead inside on many a network, and their subdomains.
const INSIDE: [&str; 8] =
    ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa"];

/// Whether a URL that a client names may be fetched (RG-04).
///
/// It is `https`, on 443 or a port that needs no privilege, at a name and not at an address, and the
/// name is not one of those that lead inside. A name may still resolve to an inner address, which
/// nobody can tell from the name: on Cloudflare there is nothing inside to reach. An issuer in
/// development asks its own machine too, by whatever port.
#[must_use]
pub fn may_be_fetched(url: &Url, development: bool) -> bool {
    let bare = url.username().is_empty() && url.password().is_none();
    if !is_secure(url) || !bare {
        return false;
    }
    let host = url.host();
    if development && host.as_ref().is_some_and(is_loopback) {
        return true;
    }
    url.scheme() == "https"
        && url.port().is_none_or(|port| port >= 1024)
        && is_public_name(host.as_ref())
}

/// The URL parser has read every spelling of an address, so what is a domain here is none: decimal
/// and octal numbers, hexadecimals, and IPv4 within IPv6 are hosts of the other kinds.
fn is_public_name(host: Option<&Host<&str>>) -> bool {
    let Some(Host::Domain(name)) = host else { return false };
    let name = name.strip_suffix('.').unwrap_or(name);
    let inside = INSIDE.iter().any(|inside| {
        name.strip_suffix(inside).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    name.contains('.') && !inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(url: &str, development: bool) -> bool {
        Url::parse(url).is_ok_and(|url| may_be_fetched(&url, development))
    }

    #[test]
    fn rg_04_names_on_the_internet_may_be_fetched() {
        for good in [
            "https://app.example.com/jwks.json",
            "https://app.example.com:443/jwks",
            "https://app.example.com:8443/jwks?x=1",
            "https://app.example.com./jwks",
            "https://xn--bcher-kva.example/jwks",
            "https://local.example.com/",
            "https://notlocalhost.example/",
            "https://mylocal.test/",
        ] {
            assert!(may(good, false), "{good}");
        }
    }

    #[test]
    fn rg_04_addresses_in_any_spelling_may_not() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "127.0.0.1.",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "\u{2460}\u{2461}\u{2466}.0.0.1",
            "198.51.100.1",
            "8.8.8.8",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[64:ff9b::169.254.169.254]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[2001:db8::1]",
        ] {
            assert!(!may(&format!("https://{host}/jwks"), false), "{host}");
        }
    }

    #[test]
    fn rg_04_names_that_lead_inside_may_not() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "metadata",
            "kubernetes.default.svc.cluster.local",
            "printer.lan",
            "router.home.arpa",
            "intranet",
            "vault.corp",
        ] {
            assert!(!may(&format!("https://{host}/jwks"), false), "{host}");
        }
    }

    #[test]
    fn rg_04_other_schemes_ports_and_credentials_may_not() {
        for bad in [
            "http://app.example.com/jwks",
            "ftp://app.example.com/jwks",
            "file:///etc/passwd",
            "gopher://app.example.com/",
            "data:application/json,{}",
            "https://app.example.com:22/jwks",
            "https://app.example.com:25/jwks",
            "https://app.example.com:80/jwks",
            "https://u:p@app.example.com/jwks",
            "https://u@app.example.com/jwks",
            "http://localhost:8080/jwks",
        ] {
            assert!(!may(bad, false), "{bad}");
        }
    }

    #[test]
    fn in_development_this_machine_may_be_asked() {
        assert!(may("http://localhost:8080/jwks", true));
        assert!(may("http://127.0.0.1:8080/jwks", true));
        assert!(may("https://app.example.com/jwks", true));
        assert!(!may("http://app.example.com/jwks", true));
        assert!(!may("http://u:p@localhost:8080/jwks", true));
        // And nobody else's inside.
        for bad in ["https://10.0.0.1/", "https://169.254.169.254/", "https://metadata.internal/"] {
            assert!(!may(bad, true), "{bad}");
        }
    }
}
