//! JSON from strangers: an object whose members are each there once.

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// An object that named no member twice at its top level, RFC 7515 §4 and RFC 7519 §4.
#[derive(Debug)]
pub struct Object(pub Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a member is repeated"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Reads an object without repeated members into `T`; none when it is anything else. Depth is
/// bounded by `serde_json` (128), size by whoever read the bytes.
#[must_use]
pub fn strict<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let Object(members) = serde_json::from_slice(bytes).ok()?;
    serde_json::from_value(Value::Object(members)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jv_18_a_repeated_member_is_refused() {
        assert!(strict::<Value>(br#"{"a":1,"b":2}"#).is_some());
        assert!(strict::<Value>(br#"{"a":1,"a":1}"#).is_none());
    }

    #[test]
    fn jv_19_ten_thousand_levels_are_refused_and_not_a_stack_overflow() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(strict::<Value>(deep.as_bytes()).is_none());
        assert!(strict::<Value>(b"[1]").is_none());
    }
}
