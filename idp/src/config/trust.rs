//! Whose word counts, and for what: who may sign in, and whose account is found by an e-mail address.

use super::{Config, LocalAccount, domain_of};
use crate::proof::{How, Identity, Means};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An e-mail address, in lower case, that somebody has for certain: whoever says so is who decides
/// it. [`Config::address_of`] alone makes one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Config {
    /// Whether anybody may still sign in by these means, and what began by them is good (RT-13): the
    /// account or the upstream is not gone from the configuration, and the password is not another.
    #[must_use]
    pub fn takes(&self, means: &Means) -> bool {
        match &means.how {
            How::Password(credential) => self
                .local_account(&means.identity)
                .is_some_and(|known| known.credential() == *credential),
            How::Upstream { .. } => self.lets_in(means),
        }
    }

    /// Whether somebody who had these means has a way in now, be it by another password.
    #[must_use]
    pub fn lets_in(&self, means: &Means) -> bool {
        match &means.how {
            How::Password(_) => self.local_account(&means.identity).is_some(),
            How::Upstream { id, .. } => {
                self.upstream(id).is_some_and(|upstream| upstream.vouches_for(means))
            }
        }
    }

    /// The e-mail address that somebody has for certain, by the word of an upstream that the operator
    /// calls authoritative for its domain, or of the operator. Any other word about e-mail is none
    /// (FD-13), and neither is anything but `true` (FD-14).
    #[must_use]
    pub fn address_of(&self, means: &Means, claims: &Map<String, Value>) -> Option<Address> {
        let claims = match &means.how {
            How::Password(_) => &self.local_account(&means.identity)?.claims,
            How::Upstream { .. } => claims,
        };
        let email = claims.get("email")?.as_str()?;
        let domain = domain_of(email)?;
        let mut heard = self.upstreams.iter().filter(|upstream| match &means.how {
            // Where nobody else's word counts, nobody asks for it.
            How::Password(_) => true,
            How::Upstream { .. } => upstream.vouches_for(means),
        });
        let is_certain = claims.get("email_verified") == Some(&Value::Bool(true))
            && heard.any(|upstream| upstream.authoritative_for.contains(&domain));
        is_certain.then(|| Address(email.to_ascii_lowercase()))
    }

    fn local_account(&self, identity: &Identity) -> Option<&LocalAccount> {
        self.accounts.iter().find(|known| known.username == identity.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::LOCAL;
    use serde_json::json;
    use shared::secret::Digest;

    /// One upstream that is authoritative for a domain and one that is for none, and a local account
    /// whose address is certain as soon as an upstream's could be.
    fn config() -> Config {
        let upstreams = json!([
            { "id": "corp", "provider": "openid", "issuer": "https://corp.test", "client_id": "x",
              "token_endpoint_auth_method": "none", "authoritative_for": ["corp.test"] },
            { "id": "any", "provider": "openid", "issuer": "https://any.test", "client_id": "x",
              "token_endpoint_auth_method": "none" },
        ]);
        // A hash that is never checked.
        let hash = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA";
        let accounts = json!([
            { "username": "alice", "password": hash,
              "email": "Alice@Corp.Test", "email_verified": true },
            { "username": "bob", "password": hash, "email": "bob@corp.test" },
        ]);
        Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "UPSTREAMS" => Some(upstreams.to_string()),
            "ACCOUNTS" => Some(accounts.to_string()),
            _ => None,
        })
        .unwrap()
    }

    fn by(id: &str) -> Means {
        let identity = Identity { upstream: format!("https://{id}.test"), subject: "1".into() };
        Means { identity, how: How::Upstream { id: id.into(), sid: None, acr: None } }
    }

    fn local(username: &str) -> Means {
        let identity = Identity { upstream: LOCAL.into(), subject: username.into() };
        Means { identity, how: How::Password(Digest::of("another hash")) }
    }

    fn address(means: &Means, claims: &Value) -> Option<String> {
        let claims = claims.as_object().unwrap();
        config().address_of(means, claims).map(|Address(text)| text)
    }

    #[test]
    fn fd_14_an_address_is_certain_when_it_is_said_to_be_verified_with_true_alone() {
        let with = |verified: Value| json!({ "email": "A@Corp.Test", "email_verified": verified });
        assert_eq!(address(&by("corp"), &with(json!(true))).as_deref(), Some("a@corp.test"));
        for verified in [
            json!(false),
            json!("true"),
            json!("false"),
            json!(1),
            json!(0),
            json!(null),
            json!([]),
            json!([true]),
            json!({ "true": true }),
        ] {
            assert_eq!(address(&by("corp"), &with(verified.clone())), None, "{verified}");
        }
        assert_eq!(address(&by("corp"), &json!({ "email": "a@corp.test" })), None);
        assert_eq!(address(&by("corp"), &json!({ "email_verified": true })), None);
    }

    #[test]
    fn fd_13_fd_23_an_address_is_certain_by_the_word_of_who_decides_its_domain() {
        let with = |email: &str| json!({ "email": email, "email_verified": true });
        assert_eq!(address(&by("any"), &with("a@corp.test")), None);
        for email in [
            "a@other.test",
            "a@sub.corp.test",
            "a@corp.test.evil.test",
            "\"a@evil\"@corp.test",
            "a@evil.test@corp.test",
            "alice\u{ff20}corp.test",
            "a@corp.test ",
            "",
        ] {
            assert_eq!(address(&by("corp"), &with(email)), None, "{email}");
        }
        // Somebody whom another issuer calls so, by way of the same entry.
        let mut foreign = by("corp");
        foreign.identity.upstream = "https://any.test".into();
        assert_eq!(address(&foreign, &with("a@corp.test")), None);
    }

    #[test]
    fn a_local_account_has_the_address_that_the_operator_wrote_and_no_other() {
        let said = json!({ "email": "ceo@corp.test", "email_verified": true });
        assert_eq!(address(&local("alice"), &said).as_deref(), Some("alice@corp.test"));
        assert_eq!(address(&local("bob"), &said), None);
        assert_eq!(address(&local("nobody"), &said), None);
    }

    #[test]
    fn who_has_another_password_has_a_way_in_and_what_began_by_the_old_one_is_over() {
        let config = config();
        assert!(config.lets_in(&local("alice")) && !config.takes(&local("alice")));
        assert!(!config.lets_in(&local("nobody")));
        assert!(config.lets_in(&by("corp")) && config.takes(&by("corp")));
        assert!(!config.lets_in(&by("gone")));
    }
}
