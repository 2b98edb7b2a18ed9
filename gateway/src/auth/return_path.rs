//! Where a browser goes after signing in: somewhere on this gateway, or to its root (GL-01).

use super::{RESUME, SESSIONS};
use shared::origin::Origin;
use url::{Position, Url};

/// Longer paths are given up.
const LONGEST: usize = 2048;
/// Pages of ours that one comes back to. The first leads nowhere by itself, the second only who is not
/// signed in, as any page of an origin does (GL-05).
const PLACES: [&str; 2] = [RESUME, SESSIONS];
/// Where everybody may go.
const ROOT: &str = "/";

/// A path on this gateway, with its query. There is no other way to make one than [`guard`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// The text, ready for a `Location`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What `asked` comes to at the gateway `public_url`.
#[must_use]
pub fn guard(asked: Option<&str>, public_url: &Origin) -> ReturnPath {
    let path = asked.and_then(|asked| resolve(asked, public_url));
    ReturnPath(path.unwrap_or_else(|| ROOT.to_owned()))
}

fn resolve(asked: &str, public_url: &Origin) -> Option<String> {
    let plain = asked.len() <= LONGEST
        && asked.starts_with('/')
        && !asked.contains('\\')
        && !asked.chars().any(char::is_control);
    let base = Url::parse(public_url.as_str()).ok().filter(|_| plain)?;
    let url = base.join(asked).ok()?;
    // Dot segments are gone now, so `/.//evil` shows what it is.
    let path = decode(url.path())?;
    let at_home = url.origin() == base.origin()
        && url.username().is_empty()
        && url.password().is_none()
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control);
    let ours = (path == "/auth" || path.starts_with("/auth/")) && !PLACES.contains(&url.path());
    let text = &url[Position::BeforePath..];
    (at_home && !ours && text.len() <= LONGEST).then(|| text.to_owned())
}

/// The path with every escape undone, as a careless reader would see it; none when it is not text.
fn decode(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut plain = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        plain.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(asked: &str) -> String {
        guard(Some(asked), &Origin::parse("https://app.test").unwrap()).0
    }

    #[test]
    fn gl_01_what_leaves_the_origin_goes_to_the_root() {
        for bad in [
            "//evil",
            "///evil",
            "////evil.test/x",
            "/\\evil",
            "\\\\evil",
            "/\t/evil",
            "/\n/evil",
            "\t//evil",
            " //evil",
            "/%09/evil",
            "/%0a/evil",
            "/%5cevil",
            "/%5Cevil",
            "/%2fevil",
            "/%2F%2Fevil",
            "/./\\evil",
            "/.//evil",
            "/..//evil",
            "/a/..//evil",
            "/%2e//evil",
            "/%2e%2e//evil",
            "https:evil",
            "https:/evil",
            "https://evil.test",
            "http:evil",
            "javascript:alert(1)",
            "data:text/html,x",
            "@evil",
            ".evil",
            "?x=//evil",
            "#//evil",
            ".app.test.evil",
            "evil.test",
            "/x%00",
            "/x%zz",
            "/x%ff",
            "",
        ] {
            assert_eq!(go(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn gl_02_whatever_is_asked_a_browser_stays_at_home() {
        let base = Url::parse("https://app.test/auth/callback").unwrap();
        let parts =
            ["/", "\\", ".", "..", "%2f", "%5c", "%09", "\t", "@", ":", "evil.test", "?", "#", "a"];
        for one in parts {
            for two in parts {
                for three in parts {
                    for four in parts {
                        let asked = [one, two, three, four, "evil.test"].concat();
                        let went = base.join(&go(&asked)).unwrap();
                        assert_eq!(went.host_str(), Some("app.test"), "{asked:?}");
                        assert!(!went.path().starts_with("//"), "{asked:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_path_with_its_query_and_fragment_is_kept() {
        for good in
            ["/", "/a/b?c=d&e=%2Ff", "/a?next=//x", "/caf%C3%A9", "/a#b", "/authors", "/a//b"]
        {
            assert_eq!(go(good), good);
        }
        assert_eq!(go("/caf\u{e9} x"), "/caf%C3%A9%20x");
        assert_eq!(go("/a/../b"), "/b");
    }

    #[test]
    fn gl_04_a_line_break_never_gets_into_a_path() {
        for bad in ["/x\r\nSet-Cookie:a=b", "/x%0d%0aSet-Cookie:a=b"] {
            assert_eq!(go(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn gl_05_our_own_pages_are_no_place_to_return_to() {
        for bad in ["/auth", "/auth/login", "/auth/logout?x", "/%61uth/login", "/a/../auth/login"] {
            assert_eq!(go(bad), "/", "{bad}");
        }
        // But for those that one is meant to come back to.
        for good in ["/auth/resume?form=x", "/auth/sessions"] {
            assert_eq!(go(good), good);
        }
        for bad in ["/auth/resume/", "/auth/sessions/x", "/auth/%72esume", "/auth//resume"] {
            assert_eq!(go(bad), "/", "{bad}");
        }
    }

    #[test]
    fn gl_06_a_huge_path_is_given_up() {
        assert_eq!(go(&format!("/{}", "a".repeat(2048))), "/");
        assert_eq!(go(&format!("/{}", "\u{e9}".repeat(1000))), "/");
        assert_eq!(go(&format!("/{}", "a".repeat(2047))).len(), 2048);
    }
}
