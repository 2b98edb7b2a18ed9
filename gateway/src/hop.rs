//! What both directions of the hop share: header edits, and headers that are for one hop only.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};

/// What to change about the headers of a message whose body goes by untouched. Removals come
/// first, so that nothing injected can be named away (GP-05).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edits {
    /// Headers to take off, with all their values.
    pub remove: Vec<HeaderName>,
    /// Headers to have exactly one value.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Values to add beside those that are there.
    pub append: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    /// Whether the message can go by as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }

    /// The edits as the runtime is told them, a line each: `-name`, `=name,value` or `+name,value`.
    /// No name has a comma and no value a line feed.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let Self { remove, set, append } = self;
        let mut lines = String::new();
        let mut line = |parts: [&str; 3]| {
            let apart = if lines.is_empty() { "" } else { "\n" };
            lines.extend([apart, parts[0], parts[1], parts[2]]);
        };
        for name in remove {
            line(["-", name.as_str(), ""]);
        }
        for (sign, edits) in [("=", set), ("+", append)] {
            for (name, value) in edits {
                line([sign, name.as_str(), &format!(",{}", text(value))]);
            }
        }
        lines
    }

    /// What `headers` are after the edits.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let Self { remove, set, append } = self;
        for name in remove {
            headers.remove(name);
        }
        for (name, value) in set {
            headers.insert(name, value.clone());
        }
        for (name, value) in append {
            headers.append(name, value.clone());
        }
    }
}

/// A value as the runtime had it: everything here came from one of its strings or is ASCII.
fn text(value: &HeaderValue) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Whether a request asks for a WebSocket, RFC 6455 §4.1.
#[must_use]
pub fn is_websocket(headers: &HeaderMap) -> bool {
    words(headers, &UPGRADE).any(|word| word.eq_ignore_ascii_case(b"websocket"))
}

/// Whether a header is for this hop alone, RFC 9110 §7.6.1, by its fixed name.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade")
        || name.starts_with("proxy-")
}

/// The headers that `Connection` says are for this hop alone.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    words(headers, &CONNECTION).filter_map(|word| HeaderName::from_bytes(word).ok())
}

/// The comma-separated words of all values of a header; they need not be ASCII.
pub(crate) fn words<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.is_empty())
}

/// Reads headers from lines of `name,value`: the form in which they cross from the runtime in one
/// string, for no name has a comma and no value a line feed.
///
/// None when a name cannot be read or there are too many: what is not seen here would not be
/// stripped. For the same reason a value with control characters, which the runtime lets pass, is
/// not passed over; each such character is read as a question mark.
#[must_use]
pub fn from_lines(lines: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines.split('\n').filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(',')?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // Not `from_str`'s idea of text: values from the network need not be ASCII.
        let value = HeaderValue::from_bytes(value.as_bytes()).or_else(|_| {
            let readable = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
            HeaderValue::from_bytes(value.chars().map(readable).collect::<String>().as_bytes())
        });
        headers.try_append(name, value.ok()?).ok()?;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{COOKIE, VARY};

    #[test]
    fn headers_cross_in_one_string_with_commas_repetitions_and_any_bytes() {
        let lines = "accept,a, b\nx-name,caf\u{e9}\nset-cookie,a=1\nset-cookie,b=2\nx,";
        let headers = from_lines(lines).unwrap();
        assert_eq!(headers["accept"], "a, b");
        assert_eq!(headers["x-name"].as_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(headers["x"], "");
        assert_eq!(from_lines("").map(|headers| headers.len()), Some(0));
    }

    #[test]
    fn edits_cross_in_one_string_removals_first() {
        let value = |text: &'static str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let edits = Edits {
            remove: vec![COOKIE, CONNECTION],
            set: vec![(UPGRADE, value("a, b"))],
            append: vec![(VARY, value("caf\u{e9}"))],
        };
        assert_eq!(edits.to_lines(), "-cookie\n-connection\n=upgrade,a, b\n+vary,caf\u{e9}");
        assert_eq!(Edits::default().to_lines(), "");
    }

    #[test]
    fn gp_01_no_control_character_hides_a_header_from_being_stripped() {
        for control in ['\u{1}', '\u{0}', '\r', '\u{7f}', '\u{85}'] {
            let headers = from_lines(&format!("remote-user,root{control}\nx,1")).unwrap();
            assert!(
                headers.contains_key("remote-user") && headers.contains_key("x"),
                "{control:?}"
            );
        }
    }

    #[test]
    fn headers_that_cannot_all_be_seen_are_none() {
        for lines in ["no comma", ",x", "b\u{e9}d,1", "a b,1"] {
            assert_eq!(from_lines(lines), None, "{lines}");
        }
        let flood: Vec<_> = (0..40_000).map(|n| format!("x-{n},1")).collect();
        assert_eq!(from_lines(&flood.join("\n")), None);
    }
}
