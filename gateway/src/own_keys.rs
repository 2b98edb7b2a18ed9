//! `SIGNING_KEYS`: the gateway's own private keys, and `GET /auth/jwks`, which publishes what may be
//! known of them. The first signs; those after it are published until nobody needs them any more.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use serde_json::Value;
use shared::fetch::Response;
use shared::jose::jwk::JwkSet;
use shared::jose::private::PrivateKey;
use shared::respond;
use shared::settings::Settings;

/// The setting.
const NAME: &str = "SIGNING_KEYS";
/// More keys than a rotation needs.
const MOST: usize = 4;
/// Longer names are no names.
const LONGEST_KID: usize = 128;

/// The keys, the one that signs first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnKeys(Vec<PrivateKey>);

impl OwnKeys {
    /// Reads the setting, noting every mistake in it by its place and member. `deployed`: whether an
    /// example of ours is one.
    pub(crate) fn read<V: Fn(&str) -> Option<String>>(
        settings: &mut Settings<V>,
        deployed: bool,
    ) -> Self {
        let values: Vec<Value> = settings.json(NAME, "a JSON array of private JWKs");
        if values.len() > MOST {
            settings.refuse(NAME, "1 to 4 private keys");
        }
        let mut keys: Vec<PrivateKey> = Vec::new();
        for (position, value) in values.iter().enumerate() {
            match one(value, &keys) {
                Ok(key) if deployed && key.is_example() => {
                    let wanted = "your own: an example key is known to everybody";
                    settings.refuse(format!("{NAME}[{position}]"), wanted);
                }
                Ok(key) => keys.push(key),
                Err(("", wanted)) => settings.refuse(format!("{NAME}[{position}]"), wanted),
                Err((member, wanted)) => {
                    settings.refuse(format!("{NAME}[{position}].{member}"), wanted);
                }
            }
        }
        Self(keys)
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> Option<&PrivateKey> {
        self.0.first()
    }

    /// The key with this thumbprint, RFC 7638.
    #[must_use]
    pub fn with_thumbprint(&self, thumbprint: &str) -> Option<&PrivateKey> {
        self.0.iter().find(|key| key.public().material.thumbprint() == thumbprint)
    }

    /// What may be known of all of them.
    #[must_use]
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.0.iter().map(|key| key.public().clone()).collect() }
    }

    /// `GET /auth/jwks`; none when there is nothing to publish.
    #[must_use]
    pub fn respond(&self) -> Option<Response> {
        self.signing()?;
        let mut response = respond::json(StatusCode::OK, &self.published());
        response.headers_mut().remove(PRAGMA);
        respond::put(&mut response, CONTENT_TYPE, "application/jwk-set+json");
        respond::put(&mut response, CACHE_CONTROL, "public, max-age=300");
        Some(response)
    }
}

fn one(value: &Value, others: &[PrivateKey]) -> Result<PrivateKey, (&'static str, &'static str)> {
    let key = PrivateKey::read(value)?;
    let kid = value.get("kid").and_then(Value::as_str).filter(|kid| {
        (1..=LONGEST_KID).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let kid = kid.filter(|kid| others.iter().all(|other| other.kid() != *kid));
    Ok(key.named(kid.ok_or(("kid", "a name of its own, in printable ASCII without spaces"))?))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::config::tests::{mistakes, with};
    use serde_json::{Value, json};

    /// A P-256 key, whose secret is the letter k, 32 times.
    pub(crate) const KEYS: &str = r#"[{"kty":"EC","crv":"P-256","kid":"k1",
        "x":"ny4nmjrsKCYhFbtt-jI2vWfWMkxg35OXTW4CxGM8v7g",
        "y":"ISAM6LQ5d5kqmOHHEv2Bh-r5VC218FJn9vzAncUjyWA",
        "d":"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"}]"#;
    /// The key that stands in the manual.
    const EXAMPLE: &str = r#"[{"kty":"EC","crv":"P-256","kid":"k1",
        "x":"-BlONSLU0NBbbj6L5ONVghno9NuzPGOFPgtpnbOCQr8",
        "y":"ZIrnFS4RKKB3BVkC65Lf-vgWdQWG_GJ-LJa9SHkauUk",
        "d":"Z2F0ZWxhdGNoLWV4YW1wbGUtZ2F0ZXdheS1zaWduczE"}]"#;

    /// That key, with some members in place of its own; null takes one out.
    fn changed(changes: &Value) -> Value {
        let keys: Value = serde_json::from_str(KEYS).unwrap();
        let mut key = keys[0].clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn wrong(keys: &Value) -> Vec<String> {
        mistakes(&[("SIGNING_KEYS", &keys.to_string())])
    }

    #[test]
    fn the_first_key_signs_and_all_are_published_and_nothing_private_of_them() {
        let second = changed(&json!({ "kid": "k2" }));
        let both = format!("{},{second}]", KEYS.trim_end_matches(']'));
        let config = with(&[("SIGNING_KEYS", &both)]).unwrap();
        assert_eq!(config.own_keys.signing().unwrap().kid(), "k1");
        let response = config.own_keys.respond().unwrap();
        assert_eq!(response.headers()["content-type"], "application/jwk-set+json");
        assert_eq!(response.headers()["cache-control"], "public, max-age=300");
        let set: Value = serde_json::from_slice(response.body()).unwrap();
        let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        assert_eq!(kids, ["k1", "k2"]);
        for key in set["keys"].as_array().unwrap() {
            let names: Vec<_> = key.as_object().unwrap().keys().collect();
            assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        }
        let printed = format!("{config:?}");
        assert!(!printed.contains("a2tra2tra2t"), "{printed}");
    }

    #[test]
    fn without_keys_there_is_nothing_to_publish() {
        for none in ["", "[]"] {
            assert!(with(&[("SIGNING_KEYS", none)]).unwrap().own_keys.respond().is_none());
        }
    }

    #[test]
    fn every_key_that_is_none_is_named_by_its_place_and_member() {
        let good = changed(&json!({}));
        assert_eq!(wrong(&json!([good])), [""; 0]);
        for (change, member) in [
            (json!({ "kid": null }), ".kid"),
            (json!({ "kid": "" }), ".kid"),
            (json!({ "kid": "a b" }), ".kid"),
            (json!({ "kid": "k".repeat(129) }), ".kid"),
            (json!({ "kid": 7 }), ".kid"),
            (json!({ "d": null }), ".d"),
            (json!({ "d": "AA" }), ".d"),
            (json!({ "use": "enc" }), ".use"),
            (json!({ "alg": "ES384" }), ".alg"),
            (json!({ "crv": "P-384" }), ""),
            (json!({ "kty": "oct" }), ""),
        ] {
            let keys = json!([changed(&change)]);
            assert_eq!(wrong(&keys), [format!("SIGNING_KEYS[0]{member}")], "{change}");
        }
        assert_eq!(wrong(&json!([good, good])), ["SIGNING_KEYS[1].kid"]);
        let five: Vec<_> = (0..5).map(|n| changed(&json!({ "kid": n.to_string() }))).collect();
        assert_eq!(wrong(&json!(five)), ["SIGNING_KEYS"]);
        assert_eq!(mistakes(&[("SIGNING_KEYS", "-----BEGIN PRIVATE KEY-----")]), ["SIGNING_KEYS"]);
    }

    #[test]
    fn pa_17_the_example_key_signs_in_development_alone() {
        assert_eq!(mistakes(&[("SIGNING_KEYS", EXAMPLE)]), ["SIGNING_KEYS[0]"]);
        let development = [("PUBLIC_URL", "http://localhost:8788"), ("SIGNING_KEYS", EXAMPLE)];
        assert_eq!(mistakes(&development), [""; 0]);
    }
}
