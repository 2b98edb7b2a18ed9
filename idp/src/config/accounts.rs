//! `ACCOUNTS`: people whom the configuration knows.

use super::{OwnClaims, Var};
use crate::words::ScopeWord;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::secret::Digest;

/// A person whom the configuration knows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct LocalAccount {
    /// The name to sign in with, compared byte for byte.
    pub username: String,
    /// An argon2id PHC string.
    pub password: String,
    /// Standard claims, OpenID Connect Core §5.1.
    #[serde(flatten)]
    pub claims: Map<String, Value>,
}

impl LocalAccount {
    /// Tells one password hash from another.
    #[must_use]
    pub fn credential(&self) -> Digest {
        Digest::of(&self.password)
    }
}

pub(super) fn accounts<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    own: &OwnClaims,
) -> Vec<LocalAccount> {
    let accounts: Vec<LocalAccount> = settings.json("ACCOUNTS", "a JSON array of accounts");
    for (position, account) in accounts.iter().enumerate() {
        let name = format!("ACCOUNTS[{position}]");
        if account.username.is_empty() || account.username.len() > 255 {
            settings.refuse(format!("{name}.username"), "1 to 255 bytes");
        }
        if !crate::password::check_phc(&account.password) {
            settings.refuse(format!("{name}.password"), "an argon2id PHC string");
        }
        if accounts.iter().filter(|other| other.username == account.username).count() > 1 {
            settings.refuse(format!("{name}.username"), "there once");
        }
        for (claim, value) in &account.claims {
            let standard = claim != "sub"
                && ScopeWord::ALL.iter().any(|word| word.claims().contains(&claim.as_str()));
            let own = own.kind(claim).map(|kind| kind.read(value).is_some());
            if !standard && own != Some(true) {
                let wanted = "a standard claim other than sub, or one of CLAIMS and of its type";
                settings.refuse(format!("{name}.{claim}"), wanted);
            }
        }
        if account.claims.get("email_verified").is_some_and(|value| !value.is_boolean()) {
            settings.refuse(format!("{name}.email_verified"), "true or false");
        }
    }
    accounts
}
