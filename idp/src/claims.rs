//! `claims`: single claims that a client asks for, OpenID Connect Core §5.5, and what it makes of
//! them: names to be told, whom it means, and how the person has to prove who they are.

use crate::client::Client;
use crate::words::ScopeWord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::json::strict;
use shared::scope::Scope;
use std::collections::BTreeSet;

/// Longer ones are refused. Depth is bounded by the parser.
const LONGEST: usize = 8 * 1024;

/// Names of standard claims, and where they are to be told besides those that the scope opens.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Claims {
    /// By the userinfo endpoint.
    pub userinfo: BTreeSet<String>,
    /// In the ID token of the sign-in.
    pub id_token: BTreeSet<String>,
}

/// The parameter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClaimsRequest {
    /// What is to be told. Only of what the operator lets the client have; whatever else is asked
    /// for is no error and not told (§5.5.1).
    pub claims: Claims,
    /// The subjects of whom one has to be the person (§3.1.2.2).
    pub subjects: Option<Vec<Value>>,
    /// The only ways to prove who they are that will do (§5.5.1.1).
    pub acr: Option<Vec<String>>,
}

/// How one claim is asked for.
#[derive(Debug, Default)]
struct Individual<'a> {
    is_essential: bool,
    wanted: Vec<&'a Value>,
}

impl<'a> Individual<'a> {
    /// `null`, or an object of which members that nobody knows are passed over.
    fn read(value: &'a Value) -> Option<Self> {
        let members = match value {
            Value::Null => return Some(Self::default()),
            Value::Object(members) => members,
            _ => return None,
        };
        let is_essential = match members.get("essential") {
            Some(essential) => essential.as_bool()?,
            None => false,
        };
        let mut wanted: Vec<_> = members.get("value").into_iter().collect();
        if let Some(values) = members.get("values") {
            wanted.extend(values.as_array()?);
        }
        Some(Self { is_essential, wanted })
    }
}

impl ClaimsRequest {
    /// Reads the parameter.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, client: &Client) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("claims is too large");
        }
        let members: Option<Map<String, Value>> = strict(text.as_bytes());
        let members = members.ok_or("claims must be a JSON object")?;
        let mut read = Self::default();
        for (place, is_id_token) in [("userinfo", false), ("id_token", true)] {
            let asked = match members.get(place) {
                None | Some(Value::Null) => continue,
                Some(asked) => asked.as_object(),
            };
            for (name, value) in asked.ok_or(MALFORMED)? {
                let individual = Individual::read(value).ok_or(MALFORMED)?;
                read.take(name, &individual, is_id_token, client);
            }
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, asked: &Individual<'_>, is_id_token: bool, client: &Client) {
        let wanted = || asked.wanted.iter().map(|value| (*value).clone());
        match name {
            "sub" if !asked.wanted.is_empty() => {
                let both =
                    |known: &Vec<Value>| wanted().filter(|value| known.contains(value)).collect();
                self.subjects =
                    Some(self.subjects.as_ref().map_or_else(|| wanted().collect(), both));
            }
            "acr" if is_id_token && asked.is_essential && !asked.wanted.is_empty() => {
                let texts =
                    asked.wanted.iter().filter_map(|value| value.as_str().map(str::to_owned));
                self.acr = Some(texts.collect());
            }
            _ if opening(name).is_some_and(|word| client.scope.has(word.as_str())) => {
                let Claims { userinfo, id_token } = &mut self.claims;
                let place = if is_id_token { id_token } else { userinfo };
                place.insert(name.to_owned());
            }
            _ => {}
        }
    }
}

const MALFORMED: &str = "claims must hold objects of claims, each null or an object";

/// The scope word that opens a claim; none for `sub`, which every answer has, and for what is no
/// claim about the person.
#[must_use]
pub fn opening(claim: &str) -> Option<ScopeWord> {
    let mut words = ScopeWord::ALL.iter().copied().filter(|_| claim != "sub");
    words.find(|word| word.claims().contains(&claim))
}

impl Claims {
    /// The scope words that would have opened them: what the person is asked about before they are
    /// told.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let words = self.userinfo.union(&self.id_token).filter_map(|claim| opening(claim));
        let words: Vec<_> = words.map(ScopeWord::as_str).collect();
        Scope::parse(&words.join(" ")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::{House, Registration};
    use serde_json::json;

    fn client(scope: &str) -> Client {
        let registration = json!({
            "client_id": "app", "redirect_uris": ["https://app.test/cb"],
            "token_endpoint_auth_method": "none", "scope": scope,
        });
        let registration: Registration = serde_json::from_value(registration).unwrap();
        let scopes = &Scope::parse("openid profile email address phone").unwrap();
        let house = House { issuer: "https://idp.test", scopes, has_pairwise_secret: false };
        registration.check(house).unwrap()
    }

    fn read(text: &str) -> Result<ClaimsRequest, &'static str> {
        ClaimsRequest::read(text, &client("openid profile"))
    }

    #[test]
    fn core_5_5_each_claim_is_asked_for_in_its_place() {
        // The example of §5.5, less what this client may not have.
        let asked = read(
            r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"email":{"essential":true},
                "email_verified":{"essential":true},"picture":null,"http://example.info/claims/groups":null},
                "id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]},
                "name":{"value":"x","unheard-of":[1]}},"other":{"name":null}}"#,
        )
        .unwrap();
        let Claims { userinfo, id_token } = &asked.claims;
        assert!(userinfo.iter().eq(["given_name", "nickname", "picture"]));
        assert!(id_token.iter().eq(["name"]));
        assert_eq!((asked.subjects, asked.acr), (None, None), "acr is voluntary there");
        assert_eq!(asked.claims.scope().to_string(), "profile");
    }

    #[test]
    fn az_25_what_is_no_claims_request_is_refused() {
        let deep = format!("{{\"id_token\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
        let deeper = format!("{{\"x\":{}{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
        let long = format!("{{\"x\":\"{}\"}}", "a".repeat(9000));
        for bad in [
            "",
            "x",
            "[]",
            "null",
            "\"x\"",
            "{",
            r#"{"userinfo":[]}"#,
            r#"{"id_token":"name"}"#,
            r#"{"id_token":{"name":true}}"#,
            r#"{"id_token":{"name":[true]}}"#,
            r#"{"id_token":{"name":{"essential":"yes"}}}"#,
            r#"{"id_token":{"name":{"values":"x"}}}"#,
            r#"{"id_token":{},"id_token":{}}"#,
            &deep,
            &deeper,
            &long,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for good in ["{}", r#"{"userinfo":null}"#, r#"{"userinfo":{},"x":1}"#] {
            assert_eq!(read(good), Ok(ClaimsRequest::default()), "{good}");
        }
    }

    #[test]
    fn core_5_5_1_a_subject_with_a_value_is_whom_the_client_means() {
        let subjects = |text: &str| read(text).unwrap().subjects;
        assert_eq!(subjects(r#"{"id_token":{"sub":null}}"#), None);
        assert_eq!(subjects(r#"{"id_token":{"sub":{"value":"a"}}}"#), Some(vec![json!("a")]));
        let both =
            r#"{"userinfo":{"sub":{"values":["a","b"]}},"id_token":{"sub":{"values":["b",1]}}}"#;
        assert_eq!(subjects(both), Some(vec![json!("b")]));
    }

    #[test]
    fn core_5_5_1_1_an_essential_acr_with_values_leaves_only_those() {
        let acr = |text: &str| read(text).unwrap().acr;
        assert_eq!(acr(r#"{"id_token":{"acr":{"essential":true}}}"#), None);
        let known = r#"{"id_token":{"acr":{"essential":true,"values":["urn:gatelatch:pwd","x"]}}}"#;
        assert_eq!(acr(known), Some(vec!["urn:gatelatch:pwd".into(), "x".into()]));
        let none = r#"{"id_token":{"acr":{"essential":true,"value":1}}}"#;
        assert_eq!(acr(none), Some(vec![]));
    }
}
