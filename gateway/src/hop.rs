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
/// string, for no name has a comma and no value a line feed. What is no header is passed over.
#[must_use]
pub fn from_lines(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines.split('\n').filter_map(|line| line.split_once(',')) {
        let name = HeaderName::from_bytes(name.as_bytes());
        // Not `from_str`'s idea of text: values from the network may be any bytes but controls.
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.try_append(name, value).is_err()
        {
            break;
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_cross_in_one_string_with_commas_repetitions_and_any_bytes() {
        let headers =
            from_lines("accept,a, b\nx-name,caf\u{e9}\nset-cookie,a=1\nset-cookie,b=2\nx,");
        assert_eq!(headers["accept"], "a, b");
        assert_eq!(headers["x-name"].as_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(headers["x"], "");
        assert_eq!(from_lines("").len(), 0);
        assert_eq!(from_lines("no comma\n,x\nb\u{e9}d,1\nx,\u{1}").len(), 0);
    }

    #[test]
    fn a_flood_of_headers_is_cut_off_and_not_a_panic() {
        let flood: Vec<_> = (0..40_000).map(|n| format!("x-{n},1")).collect();
        assert!(from_lines(&flood.join("\n")).len() < 40_000);
    }
}
