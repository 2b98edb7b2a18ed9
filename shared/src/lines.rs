//! Headers as one string, a line `name,value` each: the form in which they cross between the runtime
//! and Rust, where every call costs. No name has a comma and no value a line feed.

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;
use std::borrow::Cow;
use std::iter;

/// Reads headers from lines of `name,value`: the form in which they cross from the runtime in one
/// string, for no name has a comma and no value a line feed.
///
/// None when a name cannot be read or there are too many: what is not seen here would not be
/// stripped. For the same reason a value with control characters, which the runtime lets pass, is
/// not passed over; each such character is read as a question mark.
#[must_use]
pub fn from_lines(lines: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in parts(lines, b'\n').filter(|line| !line.is_empty()) {
        let (name, value) = line.split_at_checked(memchr(b',', line)?)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = value.get(1..)?;
        // Not `from_str`'s idea of text: values from the network need not be ASCII.
        let value = HeaderValue::from_bytes(value).or_else(|_| readable(value));
        headers.try_append(name, value.ok()?).ok()?;
    }
    Some(headers)
}

fn readable(value: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let readable = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
    let value: String = String::from_utf8_lossy(value).chars().map(readable).collect();
    HeaderValue::from_bytes(value.as_bytes())
}

/// What stands between the occurrences of a byte. Header values may be long, and `split` looks at
/// every byte by itself.
pub fn parts(bytes: &[u8], apart: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    iter::from_fn(move || {
        let bytes = rest?;
        match memchr(apart, bytes) {
            None => rest.take(),
            Some(at) => {
                rest = bytes.get(at + 1..);
                bytes.get(..at)
            }
        }
    })
}

/// The lines of headers.
#[must_use]
pub fn to_lines(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        let apart = if lines.is_empty() { "" } else { "\n" };
        lines.extend([apart, name.as_str(), ",", &text(value)]);
    }
    lines
}

/// A value as the runtime had it: everything here came from one of its strings or is ASCII.
#[must_use]
pub fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_cross_in_one_string_with_commas_repetitions_and_any_bytes() {
        let lines = "accept,a, b\nx-name,caf\u{e9}\nset-cookie,a=1\nset-cookie,b=2\nx,";
        let headers = from_lines(lines.as_bytes()).unwrap();
        assert_eq!(headers["accept"], "a, b");
        assert_eq!(headers["x-name"].as_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(headers["x"], "");
        assert_eq!(to_lines(&headers), lines);
        assert_eq!(from_lines(b"").map(|headers| headers.len()), Some(0));
        assert_eq!(to_lines(&HeaderMap::new()), "");
    }

    #[test]
    fn gp_01_no_control_character_hides_a_header_from_being_stripped() {
        for control in ['\u{1}', '\u{0}', '\r', '\u{7f}', '\u{85}'] {
            let headers = from_lines(format!("remote-user,root{control}\nx,1").as_bytes()).unwrap();
            assert!(
                headers.contains_key("remote-user") && headers.contains_key("x"),
                "{control:?}"
            );
        }
    }

    #[test]
    fn parts_are_what_split_finds() {
        for text in ["", ";", "a", "a;b", ";a;;b;"] {
            let found: Vec<_> = parts(text.as_bytes(), b';').collect();
            let expected: Vec<_> = text.split(';').map(str::as_bytes).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn headers_that_cannot_all_be_seen_are_none() {
        for lines in ["no comma", ",x", "b\u{e9}d,1", "a b,1"] {
            assert_eq!(from_lines(lines.as_bytes()), None, "{lines}");
        }
        let flood: Vec<_> = (0..40_000).map(|n| format!("x-{n},1")).collect();
        assert_eq!(from_lines(flood.join("\n").as_bytes()), None);
    }
}
