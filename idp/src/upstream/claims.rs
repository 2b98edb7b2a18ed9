//! What an upstream tells about a person, as standard claims.

use crate::words::ScopeWord;
use serde_json::{Map, Value};

/// The standard claims, of the types they have to be. `email_verified` is true only when it is
/// `true` (FD-14).
pub(super) fn standard(mut told: Map<String, Value>) -> Map<String, Value> {
    let known: Vec<_> = ScopeWord::ALL.iter().flat_map(|word| word.claims()).copied().collect();
    told.retain(|name, value| {
        known.contains(&name.as_str())
            && name != "sub"
            && match name.as_str() {
                "email_verified" | "phone_number_verified" => value.is_boolean(),
                "updated_at" => value.is_number(),
                "address" => value.is_object() && value.to_string().len() <= 2048,
                _ => value.as_str().is_some_and(|text| text.len() <= 2048),
            }
    });
    told
}
