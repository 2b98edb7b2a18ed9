//! What both directions of the hop share: header edits, and headers that are for one hop only.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use shared::lines::text;

/// What to change about the headers of a message whose body goes by untouched. Removals come
/// first, so that nothing injected can be named away (GP-05).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edits {
    /// Headers to take off, with all their values.
    pub remove: Vec<HeaderName>,
    /// Headers to have a value if they have none.
    pub default: Vec<(HeaderName, HeaderValue)>,
    /// Headers to have exactly one value.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Values to add beside those that are there.
    pub append: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    /// Whether the message can go by as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { remove, default, set, append } = self;
        remove.is_empty() && default.is_empty() && set.is_empty() && append.is_empty()
    }

    /// The edits as the runtime is told them, a line each: `-name`, `?name,value`, `=name,value` or
    /// `+name,value`.
    /// No name has a comma and no value a line feed.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let Self { remove, default, set, append } = self;
        let mut lines = String::new();
        let mut line = |parts: [&str; 4]| {
            lines.extend([if lines.is_empty() { "" } else { "\n" }]);
            lines.extend(parts);
        };
        for name in remove {
            line(["-", name.as_str(), "", ""]);
        }
        for (sign, edits) in [("?", default), ("=", set), ("+", append)] {
            for (name, value) in edits {
                line([sign, name.as_str(), ",", &text(value)]);
            }
        }
        lines
    }

    /// What `headers` are after the edits.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let Self { remove, default, set, append } = self;
        for name in remove {
            headers.remove(name);
        }
        for (name, value) in default {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        for (name, value) in set {
            headers.insert(name, value.clone());
        }
        for (name, value) in append {
            headers.append(name, value.clone());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{COOKIE, VARY};

    #[test]
    fn edits_cross_in_one_string_removals_first() {
        let value = |text: &'static str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let edits = Edits {
            remove: vec![COOKIE, CONNECTION],
            default: vec![(CONNECTION, value("c"))],
            set: vec![(UPGRADE, value("a, b"))],
            append: vec![(VARY, value("caf\u{e9}"))],
        };
        assert_eq!(
            edits.to_lines(),
            "-cookie\n-connection\n?connection,c\n=upgrade,a, b\n+vary,caf\u{e9}"
        );
        assert_eq!(Edits::default().to_lines(), "");
    }
}
