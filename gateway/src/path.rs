//! What was asked for, in the one spelling that policy sees and the origin gets (M12).
//!
//! Canonical is: escapes of unreserved characters decoded and all others in upper case
//! (RFC 3986 §6.2.2), dot segments resolved (§5.2.4), and what no path may hold unescaped, escaped.
//! Nothing that would have to be guessed at is repaired: it is refused.

use std::str::Bytes;

/// Longer than any honest path.
const LONGEST: usize = 8192;

/// Why a request target is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// It does not begin with a slash: `OPTIONS *`, or a URL that is none.
    NotAPath,
    /// It is longer than any honest path.
    TooLong,
    /// A space, a backslash, a control character or a byte above ASCII, unescaped.
    Character,
    /// A percent sign without two hexadecimal digits.
    Escape,
    /// An escaped control character, NUL above all.
    Control,
    /// The escapes do not spell UTF-8, so two servers could read two paths.
    NotText,
}

/// A path in canonical spelling and the query as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    path: String,
    query: Option<String>,
}

impl Target {
    /// Reads the URL of a request, absolute or from its path on. A fragment is dropped: no server
    /// is ever sent one.
    ///
    /// # Errors
    /// [`Malformed`], naming the first problem.
    pub fn read(url: &str) -> Result<Self, Malformed> {
        let target = after_authority(url).ok_or(Malformed::NotAPath)?;
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        if path.len() > LONGEST {
            return Err(Malformed::TooLong);
        }
        if query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Malformed::Character);
        }
        let path = String::from_utf8(resolve_dots(spell(path)?.as_bytes()))
            .map_err(|_| Malformed::NotText)?;
        Ok(Self { path, query: query.map(str::to_owned) })
    }

    /// The canonical path; begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query without its question mark, byte for byte as it came. (The runtime that sends it on
    /// escapes quotes and angle brackets in it, as the URL standard has it.)
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Path and query together.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// The rest of a URL after its authority. A text that begins with a slash has none, were it two.
fn after_authority(url: &str) -> Option<&str> {
    if url.starts_with('/') {
        return Some(url);
    }
    let (_, rest) = url.split_once("://")?;
    Some(rest.find(['/', '?', '#']).and_then(|start| rest.get(start..)).unwrap_or_default())
}

/// Every character in its canonical form; the segments stay as they are.
fn spell(path: &str) -> Result<String, Malformed> {
    if !path.starts_with('/') {
        return Err(Malformed::NotAPath);
    }
    let mut spelt = String::with_capacity(path.len());
    let mut meant = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = byte == b'%';
        let byte = if escaped { unescape(&mut bytes)? } else { byte };
        match byte {
            0..=0x1f | 0x7f if escaped => return Err(Malformed::Control),
            0..=b' ' | b'\\' | 0x7f.. if !escaped => return Err(Malformed::Character),
            byte if is_unreserved(byte) => spelt.push(char::from(byte)),
            byte if !escaped && is_reserved(byte) => spelt.push(char::from(byte)),
            byte => escape(byte, &mut spelt),
        }
        meant.push(byte);
    }
    // Overlong forms of "." and "/" are not UTF-8 either, and end here (GP-35).
    std::str::from_utf8(&meant).map_err(|_| Malformed::NotText)?;
    Ok(spelt)
}

fn unescape(bytes: &mut Bytes<'_>) -> Result<u8, Malformed> {
    let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (high, low) = digit().zip(digit()).ok_or(Malformed::Escape)?;
    Ok(high << 4 | low)
}

fn escape(byte: u8, into: &mut String) {
    into.push('%');
    for digit in [byte >> 4, byte & 15] {
        into.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// What else a path may hold unescaped, RFC 3986 §3.3.
const fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b':'
            | b'@'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
    )
}

/// RFC 3986 §5.2.4, on a path that begins with a slash. Empty segments are segments.
pub(crate) fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"." => {}
            b".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push(b"");
        }
    }
    kept.iter().flat_map(|segment| b"/".iter().chain(segment.iter())).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(raw: &str) -> Result<String, Malformed> {
        Target::read(raw).map(|target| target.path)
    }

    #[test]
    fn rfc3986_6_2_2_one_path_has_one_spelling() {
        for (raw, canonical) in [
            ("/%61dmin", "/admin"),
            ("/a%2fb%3b", "/a%2Fb%3B"),
            ("/%7euser/%2D", "/~user/-"),
            ("/a b".replace(' ', "%20").as_str(), "/a%20b"),
            ("/a|b[c]\"^`{}<>", "/a%7Cb%5Bc%5D%22%5E%60%7B%7D%3C%3E"),
            ("/%C3%A9", "/%C3%A9"),
            ("/%252e", "/%252e"),
            ("/a;b=1/c:d@e!$&'()*+,=", "/a;b=1/c:d@e!$&'()*+,="),
        ] {
            assert_eq!(path(raw).as_deref(), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn rfc3986_5_2_4_gp_10_dot_segments_are_resolved_however_they_are_spelt() {
        for (raw, canonical) in [
            ("/public/../admin", "/admin"),
            ("/public/%2e%2e/admin", "/admin"),
            ("/public/.%2E/admin", "/admin"),
            ("/./admin", "/admin"),
            ("/admin/.", "/admin/"),
            ("/admin/..", "/"),
            ("/../../..", "/"),
            ("//admin", "//admin"),
            ("//a/..", "//"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/...", "/..."),
        ] {
            assert_eq!(path(raw).as_deref(), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn gp_35_what_two_servers_could_read_as_two_paths_is_refused() {
        for (raw, why) in [
            ("/%00", Malformed::Control),
            ("/a%0d%0aX:1", Malformed::Control),
            ("/%7f", Malformed::Control),
            ("/%", Malformed::Escape),
            ("/%4", Malformed::Escape),
            ("/%zz", Malformed::Escape),
            ("/%+1", Malformed::Escape),
            ("/%u002e", Malformed::Escape),
            ("/%c0%ae%c0%ae/", Malformed::NotText),
            ("/%e0%80%af", Malformed::NotText),
            ("/%ff", Malformed::NotText),
            ("/\\evil.test", Malformed::Character),
            ("/a b", Malformed::Character),
            ("/\u{e9}", Malformed::Character),
            ("/?\u{e9}", Malformed::Character),
            ("/?a b", Malformed::Character),
            ("*", Malformed::NotAPath),
            ("admin", Malformed::NotAPath),
            ("", Malformed::NotAPath),
        ] {
            assert_eq!(path(raw), Err(why), "{raw}");
        }
        assert_eq!(path(&"/a".repeat(LONGEST)), Err(Malformed::TooLong));
    }

    #[test]
    fn gp_09_the_query_is_untouched_and_the_fragment_is_dropped() {
        let read = |url: &str| Target::read(url).map(|target| target.path_and_query());
        assert_eq!(
            read("/admin?x=/public/%2e%2E#/public").as_deref(),
            Ok("/admin?x=/public/%2e%2E")
        );
        assert_eq!(read("/admin#/public").as_deref(), Ok("/admin"));
        assert_eq!(read("/admin%23/public").as_deref(), Ok("/admin%23/public"));
        assert_eq!(read("/a?").as_deref(), Ok("/a?"));
        assert_eq!(read("https://a.test?x=/y").as_deref(), Ok("/?x=/y"));
        assert_eq!(read("https://a.test").as_deref(), Ok("/"));
        assert_eq!(read("https://a.test//b.test/c").as_deref(), Ok("//b.test/c"));
        assert_eq!(read("/r?u=https://b.test/c").as_deref(), Ok("/r?u=https://b.test/c"));
    }

    proptest! {
        #[test]
        fn canonical_is_reached_in_one_step(raw in "/[ -~]{0,40}") {
            if let Ok(once) = Target::read(&raw) {
                prop_assert_eq!(Target::read(&once.path_and_query()), Ok(once));
            }
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(raw in "\\PC{0,60}") {
            let _ = Target::read(&raw);
        }

        #[test]
        fn gp_11_a_url_parser_finds_our_origin_and_the_path_that_policy_saw(
            raw in "/([a-z/.;%@:\\[|^]|%2[EeFf5]|%5[Cc]|//|\\.\\.){0,20}",
        ) {
            if let Ok(target) = Target::read(&raw) {
                let sent = format!("https://origin.test{}", target.path_and_query());
                let parsed = url::Url::parse(&sent).unwrap();
                prop_assert_eq!(parsed.path(), target.path());
                prop_assert_eq!(parsed.host_str(), Some("origin.test"));
                prop_assert_eq!(parsed.as_str(), &sent);
            }
        }
    }
}
