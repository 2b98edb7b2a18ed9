//! The older single sign-on API of `WorkOS`: the answer to a code holds a profile.

use super::{Desk, NotVouched, Vouched, rename, text};
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::rp::authorization::Flow;
use crate::rp::token::Tokens;
use crate::secret::{AccessToken, Code};
use serde_json::Value;

/// One way into WorkOS, and what has to come back of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkosSso {
    /// The organization whose people are let in.
    pub organization: Option<String>,
    /// The connection they have to come by.
    pub connection: Option<String>,
}

impl WorkosSso {
    pub(super) async fn vouch(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        code: &Code,
        flow: &Flow,
    ) -> Result<Vouched, NotVouched> {
        let Desk { party, metadata, fetch, verifier, now, .. } = at;
        let told = party.exchange(metadata, code, &flow.verifier, (*fetch, *verifier), *now).await;
        let told = told.map_err(NotVouched::Token)?;
        let profile = told.get("profile").and_then(Value::as_object).ok_or(NotVouched::Api)?;
        let is = |name, wanted: &Option<String>| {
            wanted.is_none() || text(profile, name) == wanted.as_deref()
        };
        if !is("organization_id", &self.organization) || !is("connection_id", &self.connection) {
            return Err(NotVouched::Elsewhere);
        }
        let subject = super::subject(profile, "id")?;
        // That an address is verified, nobody says here.
        let mut claims = rename(
            profile,
            &[("email", "email"), ("first_name", "given_name"), ("last_name", "family_name")],
        );
        for name in ["groups", "role", "custom_attributes", "raw_attributes", "connection_type"] {
            claims.extend(profile.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        Ok(Vouched {
            authority: party.issuer.to_string(),
            subject,
            auth_time: None,
            amr: Vec::new(),
            acr: None,
            session_id: None,
            claims,
            tokens: Tokens {
                access_token: AccessToken::new(text(&told, "access_token").unwrap_or_default()),
                is_bound: false,
                expires_in: None,
                refresh_token: None,
                id_token: None,
                scope: None,
            },
        })
    }
}
