//! `CLAIMS`: claims of the operator's own, and how an upstream's become ours.

use super::Var;
use crate::words::ScopeWord;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::scope::Scope;
use std::collections::BTreeMap;

/// The longest text of a claim, in bytes, and of a list of them altogether.
const LONGEST: usize = 2048;
/// The longest list.
const MOST: usize = 200;

/// Where a claim is told.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the ID token that comes for a code.
    IdToken,
    /// In every access token.
    AccessToken,
    /// At userinfo.
    Userinfo,
}

/// What a claim holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text. A number is taken for its text.
    #[default]
    Text,
    /// A list of texts. A single text is taken for a list of it.
    List,
    /// A number. Text is none.
    Number,
    /// `true` or `false`, and nothing that only looks like it (FD-14).
    Boolean,
}

impl Kind {
    /// A value as this, if it can be taken for it.
    #[must_use]
    pub fn read(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Text, Value::String(text)) if text.len() <= LONGEST => Some(value.clone()),
            (Self::Text, Value::Number(number)) => Some(number.to_string().into()),
            (Self::List, Value::String(text)) if text.len() <= LONGEST => {
                Some(Value::Array(vec![value.clone()]))
            }
            (Self::List, Value::Array(values)) => {
                let fits = values.len() <= MOST && values.iter().all(Value::is_string);
                (fits && value.to_string().len() <= MOST * 64).then(|| value.clone())
            }
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => {
                Some(value.clone())
            }
            _ => None,
        }
    }
}

/// A claim of the operator's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnClaim {
    /// What it holds.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// Where it is told.
    #[serde(rename = "in")]
    pub places: Vec<Place>,
    /// The scope word that opens it; `openid` when absent.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The operator's own claims, by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnClaims(BTreeMap<String, OwnClaim>);

/// Names that say something about a token, or that somebody would take for such.
const RESERVED: [&str; 28] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "nonce",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    "acr",
    "amr",
    "sub_jwk",
    "sid",
    "client_id",
    "scope",
    "cnf",
    "act",
    "may_act",
    "events",
    "token_introspection",
    "active",
    "token_type",
    "username",
    "_claim_names",
];

pub(super) fn own<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    words: &Scope,
) -> OwnClaims {
    let own: BTreeMap<String, OwnClaim> =
        settings.json("CLAIMS", "a JSON object of claims, each with `in`");
    for (name, claim) in &own {
        let standard = ScopeWord::ALL.iter().any(|word| word.claims().contains(&name.as_str()));
        let plain = !name.is_empty() && name.len() <= 128 && name.bytes().all(is_plain);
        if !plain || standard || RESERVED.contains(&name.as_str()) {
            let wanted = "a name of graphic ASCII that means nothing else in a token";
            settings.refuse(format!("CLAIMS[{name}]"), wanted);
        }
        if claim.places.is_empty() {
            let wanted = "some of id_token, access_token and userinfo";
            settings.refuse(format!("CLAIMS[{name}].in"), wanted);
        }
        if claim.scope.as_ref().is_some_and(|word| !words.has(word)) {
            settings.refuse(format!("CLAIMS[{name}].scope"), "a scope word of this issuer");
        }
    }
    OwnClaims(own)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

impl OwnClaims {
    /// What a claim of this name holds, when it is one of these.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.0.get(name).map(|claim| claim.kind)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The scope word that opens a claim of this name.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|claim| claim.scope.as_deref().unwrap_or("openid"))
    }

    /// Whether any claim is told there.
    #[must_use]
    pub fn are_in(&self, place: Place) -> bool {
        self.0.values().any(|claim| claim.places.contains(&place))
    }

    /// Those of `known` that are told there to whoever has this scope.
    #[must_use]
    pub fn told(
        &self,
        known: &Map<String, Value>,
        place: Place,
        scope: &Scope,
    ) -> Map<String, Value> {
        let told = self.0.iter().filter_map(|(name, claim)| {
            let word = claim.scope.as_deref().unwrap_or("openid");
            let is_open = claim.places.contains(&place) && scope.has(word);
            let value = known.get(name).filter(|_| is_open)?;
            Some((name.clone(), value.clone()))
        });
        told.collect()
    }
}

/// Where a claim of ours comes from at an upstream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum Rule {
    /// From there, as it is.
    From(Source),
    /// The same, with more to say.
    More(Mapping),
}

/// The name of a member, or with a slash at its beginning a JSON pointer, RFC 6901.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct Source(String);

/// How a claim becomes ours.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    from: Source,
    /// What it is when the upstream does not tell, or tells nothing that is allowed.
    #[serde(default)]
    default: Option<Value>,
    /// The values that are taken over: groups and roles mean something here.
    #[serde(default)]
    only: Option<Vec<String>>,
}

impl Source {
    fn find<'v>(&self, told: &'v Value) -> Option<&'v Value> {
        let found = if self.0.starts_with('/') { told.pointer(&self.0) } else { told.get(&self.0) };
        found.filter(|value| !value.is_null())
    }
}

impl Rule {
    /// What the claim is, as a `kind`.
    #[must_use]
    pub fn apply(&self, told: &Value, kind: Kind) -> Option<Value> {
        let Mapping { from, default, only } = match self {
            Self::From(source) => return kind.read(source.find(told)?),
            Self::More(mapping) => mapping,
        };
        let allowed = |text: &Value| {
            let listed = |only: &Vec<String>| only.iter().any(|one| text.as_str() == Some(one));
            only.as_ref().is_none_or(listed)
        };
        let found = from.find(told).and_then(|value| kind.read(value));
        let found = found.and_then(|value| match value {
            Value::Array(values) => {
                let kept: Vec<_> = values.into_iter().filter(allowed).collect();
                (!kept.is_empty()).then_some(Value::Array(kept))
            }
            value => Some(value).filter(allowed),
        });
        found.or_else(|| default.as_ref().and_then(|value| kind.read(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(rule: Value, told: &Value, kind: Kind) -> Option<Value> {
        serde_json::from_value::<Rule>(rule).unwrap().apply(told, kind)
    }

    #[test]
    fn a_claim_is_of_its_kind_or_not_there() {
        for (kind, value, read) in [
            (Kind::Text, json!("x"), Some(json!("x"))),
            (Kind::Text, json!(7), Some(json!("7"))),
            (Kind::Text, json!(true), None),
            (Kind::Text, json!(["x"]), None),
            (Kind::Text, json!("x".repeat(2049)), None),
            (Kind::List, json!("x"), Some(json!(["x"]))),
            (Kind::List, json!(["x", "y"]), Some(json!(["x", "y"]))),
            (Kind::List, json!(["x", 1]), None),
            (Kind::List, json!(vec!["x"; 201]), None),
            (Kind::Number, json!(7), Some(json!(7))),
            (Kind::Number, json!("7"), None),
            (Kind::Boolean, json!(true), Some(json!(true))),
            (Kind::Boolean, json!("true"), None),
            (Kind::Boolean, json!(1), None),
        ] {
            assert_eq!(kind.read(&value), read, "{kind:?} {value}");
        }
    }

    #[test]
    fn a_source_is_a_name_or_a_pointer() {
        let told = json!({ "a": { "b": "deep" }, "/a": "slash", "x.y": "dotted" });
        assert_eq!(apply(json!("/a/b"), &told, Kind::Text), Some(json!("deep")));
        assert_eq!(apply(json!("x.y"), &told, Kind::Text), Some(json!("dotted")));
        assert_eq!(apply(json!("missing"), &told, Kind::Text), None);
        assert_eq!(apply(json!("/a/b/c"), &told, Kind::Text), None);
    }

    #[test]
    fn of_groups_only_those_on_the_list_are_taken_over() {
        let rule = |more: Value| {
            let mut rule = json!({ "from": "groups", "only": ["admin", "staff"] });
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rule
        };
        let told = json!({ "groups": ["staff", "root", "admin\u{0}"] });
        assert_eq!(apply(rule(json!({})), &told, Kind::List), Some(json!(["staff"])));
        let told = json!({ "groups": ["root"] });
        assert_eq!(apply(rule(json!({})), &told, Kind::List), None);
        let guest = rule(json!({ "default": ["guest"] }));
        assert_eq!(apply(guest.clone(), &told, Kind::List), Some(json!(["guest"])));
        assert_eq!(apply(guest, &json!({}), Kind::List), Some(json!(["guest"])));
        assert_eq!(
            apply(rule(json!({})), &json!({ "groups": "staff" }), Kind::Text),
            Some(json!("staff"))
        );
        assert_eq!(apply(rule(json!({})), &json!({ "groups": "root" }), Kind::Text), None);
    }

    #[test]
    fn an_own_claim_is_told_where_it_belongs_and_to_whom_it_is_open() {
        let own: BTreeMap<String, OwnClaim> = serde_json::from_value(json!({
            "team": { "in": ["id_token", "userinfo"], "scope": "team" },
            "plan": { "in": ["access_token"] },
        }))
        .unwrap();
        let own = OwnClaims(own);
        let known = json!({ "team": "red", "plan": "gold", "else": 1 });
        let told = |place, scope| {
            let told = own.told(known.as_object().unwrap(), place, &Scope::parse(scope).unwrap());
            told.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(Place::IdToken, "openid team"), "team");
        assert_eq!(told(Place::IdToken, "openid"), "");
        assert_eq!(told(Place::Userinfo, "openid team"), "team");
        assert_eq!(told(Place::AccessToken, "openid team"), "plan");
        assert_eq!(told(Place::AccessToken, "team"), "");
    }
}
