//! OpenID Connect, with what Auth0, Google and Entra do in their own way.

use super::recheck::{Kept, Rechecked, Verdict};
use super::{Back, Desk, Ended, NotVouched, Vouched, WayOut, text};
use crate::fetch::Fetch;
use crate::form::append;
use crate::jose::Signer;
use crate::metadata::ProviderMetadata;
use crate::rp::authorization::Flow;
use crate::rp::client::RelyingParty;
use crate::rp::id_token::Occasion;
use crate::rp::logout_token::LogoutRefused;
use crate::rp::sign_in::SignedIn;
use crate::rp::token::TokenError;
use crate::rp::userinfo::userinfo;
use crate::secret::{Code, RefreshToken};
use serde_json::{Map, Value};

/// More methods than anybody proves themselves with.
const MOST_METHODS: usize = 8;

/// What differs between OpenID providers once a person is back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OpenId {
    /// What the ID token has to carry: the organization or the hosted domain that was asked for is
    /// checked in the token, for a request can be changed (FD-24).
    pub required: Vec<Required>,
    /// Whether it is Entra, whose people are named by tenant and object, and whose e-mail addresses
    /// are verified only where it says that their domain is.
    pub is_entra: bool,
    /// Whether it is asked for userinfo, where it has that.
    pub asks_userinfo: bool,
    /// Where browsers sign out at a tenant of Auth0 that publishes no other place.
    pub v2_logout: Option<String>,
}

/// A claim that has to be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Required {
    /// Its name.
    pub claim: String,
    /// What it has to be.
    pub value: String,
    /// Whether it is a name, which is the same in capitals; otherwise it is compared byte for byte.
    pub is_name: bool,
}

impl Required {
    fn is_met_by(&self, told: &Map<String, Value>) -> bool {
        let Self { claim, value, is_name } = self;
        let there = told.get(claim).and_then(Value::as_str);
        there.is_some_and(|there| there == value || (*is_name && there.eq_ignore_ascii_case(value)))
    }
}

impl OpenId {
    pub(super) async fn vouch(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        code: &Code,
        flow: &Flow,
    ) -> Result<Vouched, NotVouched> {
        let Desk { party, provider, metadata, fetch, verifier, now } = at;
        let signed_in = party.sign_in(code, flow, provider, metadata, *fetch, *verifier, *now);
        let SignedIn { tokens, claims } = signed_in.await?;
        let mut told = claims.other.clone();
        if !self.required.iter().all(|required| required.is_met_by(&told)) {
            return Err(NotVouched::Elsewhere);
        }
        // As the token says: whoever answers for userinfo does not say how somebody signed in.
        let (amr, acr) = (amr(&told), text(&told, "acr").map(str::to_owned));
        if let Some(endpoint) = metadata.userinfo_endpoint.as_ref().filter(|_| self.asks_userinfo) {
            let more = userinfo(endpoint, &tokens.access_token, &claims.subject, *fetch).await;
            let more = more.map_err(NotVouched::Userinfo)?;
            // An address is verified by who tells it (FD-14).
            if more.contains_key("email") {
                told.remove("email_verified");
            }
            told.extend(more);
        }
        if self.is_entra {
            let verified = told.get("xms_edov") == Some(&Value::Bool(true));
            told.insert("email_verified".to_owned(), verified.into());
        }
        let (authority, subject) = self.named(party, claims.issuer, claims.subject, &told)?;
        Ok(Vouched {
            authority,
            subject,
            auth_time: claims.auth_time,
            amr,
            acr: acr.filter(|acr| acr.len() <= 255),
            session_id: claims.session_id,
            claims: told,
            tokens,
        })
    }

    /// What somebody is known by for ever: who names them, and how.
    fn named(
        &self,
        party: &RelyingParty,
        issuer: String,
        subject: String,
        told: &Map<String, Value>,
    ) -> Result<(String, String), NotVouched> {
        if self.is_entra {
            return Ok((issuer, super::subject(told, "oid")?));
        }
        Ok((party.issuer.to_string(), subject))
    }

    pub(super) async fn recheck(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &RefreshToken,
        (authority, subject): (&str, &str),
    ) -> Rechecked {
        let Desk { party, provider, metadata, fetch, verifier, now } = at;
        let tokens = match party.refresh(metadata, token, (*fetch, *verifier), *now).await {
            Ok(tokens) => tokens,
            Err(TokenError::Refused) => return Verdict::Gone.into(),
            Err(_) => return Verdict::Unknown.into(),
        };
        let next = tokens.refresh_token.map(Kept::Refresh);
        let Some(id_token) = &tokens.id_token else {
            return Rechecked { verdict: Verdict::Same, next };
        };
        let keys = (*provider, metadata.jwks_uri.as_str());
        let (access, occasion) = (&tokens.access_token, Occasion::Recheck);
        let claims = party.verify(id_token, access, occasion, keys, *fetch, *verifier, *now).await;
        let named = claims.ok().and_then(|claims| {
            self.named(party, claims.issuer, claims.subject, &claims.other).ok()
        });
        let verdict = match named {
            None => Verdict::Unknown,
            Some((issuer, name)) if issuer == authority && name == subject => Verdict::Same,
            Some(_) => Verdict::Gone,
        };
        Rechecked { verdict, next }
    }

    pub(super) fn way_out(
        &self,
        client_id: &str,
        metadata: &ProviderMetadata,
        sid: Option<&str>,
        back: &Back<'_>,
    ) -> Option<WayOut> {
        let us = ("client_id", client_id);
        let Some(place) = &metadata.end_session_endpoint else {
            let url = append(self.v2_logout.as_ref()?, [us, ("returnTo", back.to)]);
            return Some(WayOut { url, brings_state: false });
        };
        // Entra's hint is something else than a session.
        let hint = sid.filter(|_| !self.is_entra).map(|sid| ("logout_hint", sid));
        let fixed = [us, ("post_logout_redirect_uri", back.to), ("state", back.state)];
        let url = append(place, fixed.into_iter().chain(hint));
        Some(WayOut { url, brings_state: true })
    }

    pub(super) async fn ended(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &str,
    ) -> Result<Ended, LogoutRefused> {
        let said = at.party.verify_logout(token, at).await?;
        let identity = if self.is_entra {
            // Its `sub` is another for each client, and not what people are known by.
            super::subject(&said.all, "oid").ok().map(|subject| (said.issuer, subject))
        } else {
            said.subject.map(|subject| (at.party.issuer.to_string(), subject))
        };
        if identity.is_none() && said.session_id.is_none() {
            return Err(LogoutRefused::Nobody);
        }
        let (session_id, token_id, until) = (said.session_id, said.token_id, said.until);
        Ok(Ended { identity, session_id, token_id, until })
    }
}

/// How the provider says the person proved who they are.
fn amr(told: &Map<String, Value>) -> Vec<String> {
    let listed = told.get("amr").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(Value::as_str).filter(|method| method.len() <= 64);
    listed.take(MOST_METHODS).map(str::to_owned).collect()
}
