//! `application/x-www-form-urlencoded` parameters, read and written.

use std::collections::BTreeMap;
use url::form_urlencoded;

/// More parameters than any honest request has. Names are hashed by nobody: the map is ordered.
const MOST_PARAMETERS: usize = 64;

/// Decoded parameters, each at most once.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// A parameter appeared twice, RFC 6749 §3.1 and §3.2.
    Repeated,
    /// More parameters than any honest request has.
    TooMany,
    /// Not UTF-8 once decoded, or a control character NUL in it.
    NotText,
}

impl Form {
    /// Decodes a query string or a form body.
    ///
    /// `resource` may be repeated, RFC 8707 §2: it is refused here too until it is supported.
    ///
    /// # Errors
    /// [`Malformed`], naming the first problem.
    pub fn parse(encoded: &[u8]) -> Result<Self, Malformed> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            // The decoder replaces what is not UTF-8; nobody sends the replacement on purpose.
            if [&name, &value].iter().any(|text| text.contains(['\u{fffd}', '\0'])) {
                return Err(Malformed::NotText);
            }
            if fields.len() == MOST_PARAMETERS {
                return Err(Malformed::TooMany);
            }
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Malformed::Repeated);
            }
        }
        Ok(Self(fields))
    }

    /// The value of `name`; an empty value counts as absent, RFC 6749 §3.1.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether `name` was sent at all, were it empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Encodes pairs as a form body or a query string.
#[must_use]
pub fn encode<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Adds parameters to a URI that may have a query already, keeping what is there untouched.
#[must_use]
pub fn append<'p>(uri: &str, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", encode(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_a_repeated_parameter_is_refused() {
        assert_eq!(Form::parse(b"a=1&b=2&a=1").err(), Some(Malformed::Repeated));
    }

    #[test]
    fn rfc6749_3_1_an_empty_value_counts_as_absent() {
        let form = Form::parse(b"state=&x=1").unwrap();
        assert_eq!((form.get("state"), form.has("state"), form.get("x")), (None, true, Some("1")));
    }

    #[test]
    fn az_15_a_flood_of_parameters_and_bytes_that_are_not_text_are_refused() {
        let flood: Vec<_> = (0..10_000).map(|n| format!("p{n}=1")).collect();
        assert_eq!(Form::parse(flood.join("&").as_bytes()).err(), Some(Malformed::TooMany));
        assert_eq!(Form::parse(b"a=%ff%fe").err(), Some(Malformed::NotText));
        assert_eq!(Form::parse(b"a=%00").err(), Some(Malformed::NotText));
    }

    #[test]
    fn rfc6749_3_1_2_a_query_in_the_uri_is_kept() {
        assert_eq!(
            append("https://a.test/cb?x=1", [("code", "c d")]),
            "https://a.test/cb?x=1&code=c+d"
        );
        assert_eq!(append("https://a.test/cb", [("code", "c")]), "https://a.test/cb?code=c");
    }
}
