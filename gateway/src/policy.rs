//! What a route asks of somebody who is signed in, beyond being it: scope, claims, and how and when
//! they proved who they are. (What it asks of where a request comes from is asked of everybody, and
//! before anybody looks for a session: see [`crate::next::arrive`].)

use crate::session::state::Person;
use crate::signals::wanted::{self, WantedEdge};
use crate::turnstile::Action;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::scope::Scope;
use shared::time::UnixTime;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// How long ago a person may have proved who they are: long enough to come back from the provider.
const MAX_AGE: RangeInclusive<u64> = 60..=31_536_000;
/// More than any route has use for.
const MOST: usize = 64;

/// Everything that a route asks for; all of it has to be there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requirement {
    scope: Scope,
    claims: Vec<(String, Wanted)>,
    /// What is asked of where a request comes from, whoever sent it.
    pub edge: WantedEdge,
    /// Which challenge a browser has to have passed, whoever sits in front of it.
    pub turnstile: Option<Action>,
    /// What a sign-in has to be, and what is asked of the provider when it is not.
    pub step_up: StepUp,
}

/// How somebody has to have signed in, RFC 9470.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StepUp {
    /// One of these; any when there are none.
    pub acr: Vec<String>,
    /// At most so many seconds ago.
    pub max_age: Option<u64>,
}

/// Which values of a claim will do. A claim that is a list has all its members as values.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Wanted {
    Any(Vec<Value>),
    All(Vec<Value>),
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unmet {
    /// Their session has not the scope.
    Scope,
    /// They are not who may.
    Claim,
    /// They have to prove who they are in another way, or again.
    StepUp,
}

/// Proof that somebody has all that a route asks for.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

impl Requirement {
    /// Whether `person` has all of it at `now`.
    ///
    /// # Errors
    /// [`Unmet`]: what no new sign-in mends comes first.
    pub fn check(&self, person: &Person, now: UnixTime) -> Result<Permit, Unmet> {
        if !self.scope.within(&person.scope) {
            return Err(Unmet::Scope);
        }
        let has = |(name, wanted): &(String, Wanted)| wanted.is_met_by(person.weighed.get(name));
        if !self.claims.iter().all(has) {
            return Err(Unmet::Claim);
        }
        let is_met = self.step_up.is_met_by(person.acr.as_deref(), person.auth_time, now);
        is_met.then_some(Permit(())).ok_or(Unmet::StepUp)
    }

    /// Every word that has to be there.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Of these claims, what this or another requirement may look at: the rest of a long list is
    /// nobody's business, and would fill the cookie.
    pub fn weigh(&self, claims: &Map<String, Value>, into: &mut Map<String, Value>) {
        for (name, wanted) in self.claims.iter().filter(|(name, _)| claims.contains_key(name)) {
            let kept = into.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(kept) = kept else { continue };
            for value in wanted.values().iter().filter(|value| has(claims.get(name), value)) {
                if !kept.contains(value) {
                    kept.push(value.clone());
                }
            }
        }
    }

    /// The claims that it looks at.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|(name, _)| name.as_str())
    }
}

impl StepUp {
    /// Whether a sign-in in this way and at this time will do.
    #[must_use]
    pub fn is_met_by(&self, acr: Option<&str>, at: Option<UnixTime>, now: UnixTime) -> bool {
        let strong =
            self.acr.is_empty() || acr.is_some_and(|acr| self.acr.iter().any(|one| one == acr));
        let recent = self.max_age.is_none_or(|most| at.is_some_and(|at| now.since(at) <= most));
        strong && recent
    }
}

impl Wanted {
    fn values(&self) -> &[Value] {
        match self {
            Self::Any(values) | Self::All(values) => values,
        }
    }

    fn is_met_by(&self, claim: Option<&Value>) -> bool {
        match self {
            Self::Any(values) => values.iter().any(|value| has(claim, value)),
            Self::All(values) => values.iter().all(|value| has(claim, value)),
        }
    }
}

/// Whether a claim is `value`, or a list with it.
fn has(claim: Option<&Value>, value: &Value) -> bool {
    match claim {
        Some(Value::Array(values)) => values.contains(value),
        Some(claim) => claim == value,
        None => false,
    }
}

/// A requirement as it is written in the settings.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    scope: Option<String>,
    #[serde(default)]
    claims: BTreeMap<String, Values>,
    #[serde(default)]
    acr: Vec<String>,
    max_age: Option<u64>,
    edge: Option<wanted::Entry>,
    turnstile: Option<String>,
}

/// One value, or several of which any or all will do.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Values {
    Any(Any),
    All(All),
    One(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Any {
    any: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct All {
    all: Vec<Value>,
}

impl Values {
    /// The values of which any will do; none when all are asked for, which is too much to ask of
    /// what has only one.
    pub(crate) fn any(self) -> Option<Vec<Value>> {
        match self {
            Self::Any(Any { any }) => Some(any),
            Self::One(value) => Some(vec![value]),
            Self::All(_) => None,
        }
    }
}

impl Entry {
    /// Whether it can be asked of anybody, signed in or not: it asks something of where a request
    /// comes from or of its browser, and nothing of the person.
    pub(crate) fn is_for_anybody(&self) -> bool {
        let Self { scope, claims, acr, max_age, edge, turnstile } = self;
        let nothing = scope.is_none() && claims.is_empty() && acr.is_empty() && max_age.is_none();
        (edge.is_some() || turnstile.is_some()) && nothing
    }

    /// Whether it asks for a challenge to be passed.
    pub(crate) const fn has_challenge(&self) -> bool {
        self.turnstile.is_some()
    }

    /// The requirement, with every mistake told by its member.
    pub(crate) fn read(self, refuse: &mut impl FnMut(&str, &str)) -> Requirement {
        let Self { scope, claims, acr, max_age, edge, turnstile } = self;
        let scope = Scope::parse(&scope.unwrap_or_default()).unwrap_or_else(|| {
            refuse("scope", "words separated by spaces");
            Scope::default()
        });
        let mut read = Vec::new();
        for (name, values) in claims {
            let wanted = match values {
                Values::Any(Any { any }) => Wanted::Any(any),
                Values::All(All { all }) => Wanted::All(all),
                Values::One(value) => Wanted::Any(vec![value]),
            };
            let scalar =
                |value: &Value| !(value.is_array() || value.is_object() || value.is_null());
            let count = wanted.values().len();
            if count == 0 || count > MOST || !wanted.values().iter().all(scalar) {
                let wanted = "a text, number or boolean, or any or all with a list of them";
                refuse(&format!("claims.{name}"), wanted);
            }
            read.push((name, wanted));
        }
        // They are sent to the provider separated by spaces.
        let is_word =
            |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
        if !acr.iter().all(is_word) || acr.len() > MOST {
            refuse("acr", "a list of values without spaces");
        }
        if max_age.is_some_and(|seconds| !MAX_AGE.contains(&seconds)) {
            refuse("max_age", "a number of seconds from 60 to 31536000");
        }
        let edge = edge.map(|edge| edge.read(refuse)).unwrap_or_default();
        let action = turnstile.as_deref().and_then(Action::parse);
        if turnstile.is_some() && action.is_none() {
            refuse("turnstile", "the name of an action: 1 to 32 of a-z, 0-9, _ and -");
        }
        let step_up = StepUp { acr, max_age };
        Requirement { scope, claims: read, edge, turnstile: action, step_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{mistakes, with};
    use serde_json::json;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn route(require: &str) -> String {
        format!(
            r#"[{{"prefix": "/", "origin": "https://a.test", "access": "api", "require": {require}}}]"#
        )
    }

    /// What comes of somebody with these claims at a route that asks for this.
    fn checked(require: &Value, claims: &Value, scope: &str) -> Result<(), Unmet> {
        let config = with(&[("ROUTES", &route(&require.to_string()))]).unwrap();
        let person = Person {
            scope: Scope::parse(scope).unwrap(),
            weighed: config.routes.weigh(claims.as_object().unwrap()),
            acr: claims["acr"].as_str().map(str::to_owned),
            auth_time: claims["auth_time"].as_u64().map(UnixTime),
            ..Person::default()
        };
        let [route] = &config.routes.iter().collect::<Vec<_>>()[..] else { panic!() };
        route.requirement.check(&person, NOON).map(|Permit(())| ())
    }

    #[test]
    fn every_word_of_the_scope_has_to_be_there() {
        let require = json!({"scope": "a b"});
        assert_eq!(checked(&require, &json!({}), "b c a"), Ok(()));
        for scope in ["a", "", "ab", "A B"] {
            assert_eq!(checked(&require, &json!({}), scope), Err(Unmet::Scope), "{scope}");
        }
    }

    #[test]
    fn a_claim_is_met_by_any_or_by_all_of_its_values_and_a_list_has_its_members() {
        let any = json!({"claims": {"groups": {"any": ["x", "y"]}}});
        let all = json!({"claims": {"groups": {"all": ["x", "y"]}}});
        let one = json!({"claims": {"groups": "x"}});
        for (groups, met) in [
            (json!(["x", "y", "z"]), [true, true, true]),
            (json!(["x"]), [true, false, true]),
            (json!(["y"]), [true, false, false]),
            (json!("x"), [true, false, true]),
            (json!(["z"]), [false; 3]),
            (json!([]), [false; 3]),
            (json!(["X"]), [false; 3]),
            (json!("x y"), [false; 3]),
            (json!([["x", "y"]]), [false; 3]),
            (json!({"x": true}), [false; 3]),
            (json!(null), [false; 3]),
        ] {
            let claims = json!({"groups": groups});
            for (require, met) in [&any, &all, &one].into_iter().zip(met) {
                assert_eq!(checked(require, &claims, "").is_ok(), met, "{require} {claims}");
            }
        }
        assert_eq!(checked(&any, &json!({}), ""), Err(Unmet::Claim));
        let verified = json!({"claims": {"email_verified": true}});
        assert_eq!(checked(&verified, &json!({"email_verified": true}), ""), Ok(()));
        for other in [json!("true"), json!(1), json!(false)] {
            let claims = json!({"email_verified": other});
            assert_eq!(checked(&verified, &claims, ""), Err(Unmet::Claim), "{claims}");
        }
    }

    #[test]
    fn all_claims_have_to_be_met_and_what_no_route_looks_at_is_not_kept() {
        let require = json!({"claims": {"groups": {"any": ["x", "y"]}, "hd": "a.test"}});
        let config = with(&[("ROUTES", &route(&require.to_string()))]).unwrap();
        let claims = json!({"groups": ["q", "y", "r"], "hd": "b.test", "email": "e"});
        let weighed = config.routes.weigh(claims.as_object().unwrap());
        assert_eq!(Value::from(weighed), json!({"groups": ["y"], "hd": []}));
        assert_eq!(checked(&require, &claims, ""), Err(Unmet::Claim));
        assert_eq!(checked(&require, &json!({"groups": "x", "hd": "a.test"}), ""), Ok(()));
    }

    #[test]
    fn rfc9470_a_sign_in_has_to_be_strong_and_recent_enough() {
        let require = json!({"acr": ["mfa", "hw"], "max_age": 60});
        let ago = |seconds: u64| NOON.0 - seconds;
        assert_eq!(checked(&require, &json!({"acr": "hw", "auth_time": ago(60)}), ""), Ok(()));
        for claims in [
            json!({"acr": "hw", "auth_time": ago(61)}),
            json!({"acr": "pwd", "auth_time": ago(1)}),
            json!({"acr": "mfa hw", "auth_time": ago(1)}),
            json!({"acr": "mfa"}),
            json!({"auth_time": ago(1)}),
        ] {
            assert_eq!(checked(&require, &claims, ""), Err(Unmet::StepUp), "{claims}");
        }
    }

    #[test]
    fn what_a_route_asks_for_is_refused_by_its_member() {
        for (require, named) in [
            (r#"{"scope": "a\"b"}"#, "ROUTES[0].require.scope"),
            (r#"{"claims": {"g": []}}"#, "ROUTES[0].require.claims.g"),
            (r#"{"claims": {"g": {"any": []}}}"#, "ROUTES[0].require.claims.g"),
            (r#"{"claims": {"g": {"any": ["x"], "all": ["y"]}}}"#, "ROUTES[0].require.claims.g"),
            (r#"{"claims": {"g": {"all": [null]}}}"#, "ROUTES[0].require.claims.g"),
            (r#"{"claims": {"g": null}}"#, "ROUTES[0].require.claims.g"),
            (r#"{"acr": ["a b"]}"#, "ROUTES[0].require.acr"),
            (r#"{"acr": [""]}"#, "ROUTES[0].require.acr"),
            (r#"{"max_age": 59}"#, "ROUTES[0].require.max_age"),
            (r#"{"groups": "x"}"#, "ROUTES"),
        ] {
            assert_eq!(mistakes(&[("ROUTES", &route(require))]), [named], "{require}");
        }
        let public = route(r#"{"acr": ["mfa"]}"#).replace("\"api\"", "\"public\"");
        assert_eq!(mistakes(&[("ROUTES", &public)]), ["ROUTES[0].require"]);
    }
}
