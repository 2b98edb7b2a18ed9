//! `application/x-www-form-urlencoded` parameters, read and written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use url::form_urlencoded;

/// More parameters than any honest request has. Names are hashed by nobody: the map is ordered.
const MOST_PARAMETERS: usize = 64;

/// Decoded parameters, each at most once but for the one that may be repeated.
#[derive(Debug, Default)]
pub struct Form {
    fields: BTreeMap<String, String>,
    /// Further values of that one, with its name.
    further: Vec<(String, String)>,
}

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
    /// # Errors
    /// [`Malformed`], naming the first problem.
    pub fn parse(encoded: &[u8]) -> Result<Self, Malformed> {
        Self::parse_repeating(encoded, None)
    }

    /// The same where `repeatable` may be there more than once, as `resource` may by RFC 8707 §2.
    ///
    /// # Errors
    /// [`Malformed`], naming the first problem.
    pub fn parse_repeating(encoded: &[u8], repeatable: Option<&str>) -> Result<Self, Malformed> {
        let (mut fields, mut further) = (BTreeMap::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(encoded) {
            // The decoder replaces what is not UTF-8; nobody sends the replacement on purpose.
            if [&name, &value].iter().any(|text| text.contains(['\u{fffd}', '\0'])) {
                return Err(Malformed::NotText);
            }
            if fields.len() + further.len() == MOST_PARAMETERS {
                return Err(Malformed::TooMany);
            }
            let (name, value) = (name.into_owned(), value.into_owned());
            match fields.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(value);
                }
                Entry::Occupied(taken) if repeatable == Some(taken.key().as_str()) => {
                    further.push((taken.key().clone(), value));
                }
                Entry::Occupied(_) => return Err(Malformed::Repeated),
            }
        }
        Ok(Self { fields, further })
    }

    /// The value of `name`; an empty value counts as absent, RFC 6749 §3.1.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether `name` was sent at all, were it empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Every value of `name`, in the order they were sent.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let further = self.further.iter().filter(move |(other, _)| other == name);
        let further = further.map(|(_, value)| value.as_str());
        self.fields.get(name).map(String::as_str).into_iter().chain(further)
    }
}

/// The parameter that names whom tokens are for, RFC 8707 §2; it alone may be repeated.
pub const RESOURCE: &str = "resource";

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
    fn rfc8707_2_only_the_named_parameter_may_be_repeated() {
        let parse = |encoded: &str| Form::parse_repeating(encoded.as_bytes(), Some("resource"));
        let form = parse("resource=a&b=2&resource=c&resource=a").unwrap();
        assert!(form.all("resource").eq(["a", "c", "a"]) && form.all("b").eq(["2"]));
        assert_eq!(form.all("c").count(), 0);
        assert_eq!(parse("resource=a&b=1&b=2").err(), Some(Malformed::Repeated));
        let flood = "resource=a&".repeat(65);
        assert_eq!(parse(&flood).err(), Some(Malformed::TooMany));
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
