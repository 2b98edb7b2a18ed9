//! What an upstream tells about a person, as claims of ours.

use crate::config::{Config, Kind, Upstream};
use crate::words::ScopeWord;
use serde_json::{Map, Value};

/// Standard claims under their own names and of the types they have to be, and what the operator maps:
/// a rule replaces what stands under the name, also when it finds nothing. `email_verified` is true
/// only when it is `true` (FD-14).
pub(super) fn ours(
    told: Map<String, Value>,
    upstream: &Upstream,
    config: &Config,
) -> Map<String, Value> {
    let told = Value::Object(told);
    let mut ours = Map::new();
    for name in ScopeWord::ALL.iter().flat_map(|word| word.claims()).filter(|name| **name != "sub")
    {
        let value = match upstream.claims.get(*name) {
            Some(rule) => rule.apply(&told, kind(name)),
            None => told.get(*name).filter(|value| is_sound(name, value)).cloned(),
        };
        ours.extend(value.map(|value| ((*name).to_owned(), value)));
    }
    for (name, rule) in &upstream.claims {
        if let Some(kind) = config.own_claims.kind(name) {
            ours.extend(rule.apply(&told, kind).map(|value| (name.clone(), value)));
        }
    }
    ours
}

/// What a standard claim holds, OpenID Connect Core §5.1. An address is an object, and is not mapped.
fn kind(name: &str) -> Kind {
    match name {
        "email_verified" | "phone_number_verified" => Kind::Boolean,
        "updated_at" => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_sound(name: &str, value: &Value) -> bool {
    match name {
        "address" => value.is_object() && value.to_string().len() <= 2048,
        _ => value.is_number() == (name == "updated_at") && kind(name).read(value).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(rules: &Value, told: Value) -> Map<String, Value> {
        let upstreams = json!([{
            "id": "acme", "provider": "openid", "issuer": "https://up.test", "client_id": "below",
            "token_endpoint_auth_method": "none", "claims": rules,
        }]);
        let config = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "CLAIMS" => Some(r#"{"groups":{"type":"list","in":["userinfo"]}}"#.into()),
            "UPSTREAMS" => Some(upstreams.to_string()),
            _ => None,
        });
        let config = config.unwrap();
        let Value::Object(told) = told else { panic!("an object") };
        ours(told, &config.upstreams[0], &config)
    }

    #[test]
    fn fd_14_standard_claims_are_taken_over_when_they_are_what_they_should_be() {
        let all = json!({
            "sub": "evil", "name": "Alice", "nickname": 7, "updated_at": "yesterday", "iss": "x",
            "email": "a@up.test", "email_verified": "true", "address": "a text", "groups": ["root"],
            "picture": "x".repeat(2049),
        });
        let told = Value::Object(told(&json!({}), all));
        assert_eq!(told, json!({ "name": "Alice", "email": "a@up.test" }));
    }

    #[test]
    fn a_rule_replaces_what_stands_under_the_name_and_own_claims_need_one() {
        let rules = json!({
            "nickname": "login", "name": "/profile/full",
            "groups": { "from": "roles", "only": ["staff"], "default": ["guests"] },
        });
        let all = json!({ "login": "al", "name": "Mallory", "roles": ["staff", "root"] });
        let found = Value::Object(told(&rules, all));
        assert_eq!(found, json!({ "nickname": "al", "groups": ["staff"] }));
        let found =
            Value::Object(told(&rules, json!({ "roles": "root", "profile": { "full": "A" } })));
        assert_eq!(found, json!({ "name": "A", "groups": ["guests"] }));
    }
}
