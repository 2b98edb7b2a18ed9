//! GitHub, which speaks OAuth 2.0 and not OpenID Connect: who somebody is, its API says.

use super::recheck::{Kept, Rechecked, Verdict};
use super::{Desk, NotVouched, Vouched, ask, rename, text};
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::json::Object;
use crate::rp::authorization::Flow;
use crate::rp::token::{TokenError, Tokens};
use crate::scope::Scope;
use crate::secret::{AccessToken, Code, RefreshToken};
use http::StatusCode;
use serde_json::{Map, Value};

const ACCEPT: &str = "application/vnd.github+json";

/// GitHub, or an Enterprise Server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GitHub {
    /// Its API, without a slash at the end.
    pub api: String,
}

impl GitHub {
    pub(super) async fn vouch(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        code: &Code,
        flow: &Flow,
    ) -> Result<Vouched, NotVouched> {
        let Desk { party, metadata, fetch, verifier, now, .. } = at;
        let tokens = party.redeem(metadata, code, &flow.verifier, (*fetch, *verifier), *now).await;
        let tokens = spaced(tokens.map_err(NotVouched::Token)?);
        let token = &tokens.access_token;
        let answer = ask(&format!("{}/user", self.api), token, ACCEPT, *fetch).await?;
        if answer.status() != StatusCode::OK {
            return Err(NotVouched::Api);
        }
        let Object(user) = serde_json::from_slice(answer.body()).map_err(|_| NotVouched::Api)?;
        let subject = subject(&user).ok_or(NotVouched::NoSubject)?;
        let mut claims = rename(
            &user,
            &[
                ("login", "preferred_username"),
                ("name", "name"),
                ("avatar_url", "picture"),
                ("html_url", "profile"),
            ],
        );
        if let Some(email) = self.email(token, *fetch).await? {
            claims.insert("email".to_owned(), email.into());
            claims.insert("email_verified".to_owned(), true.into());
        }
        Ok(Vouched {
            authority: party.issuer.to_string(),
            subject,
            auth_time: None,
            amr: Vec::new(),
            acr: None,
            session_id: None,
            claims,
            tokens,
        })
    }

    pub(super) async fn refresh(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &RefreshToken,
    ) -> Result<Tokens, TokenError> {
        let ways = (at.fetch, at.verifier);
        at.party.refresh(at.metadata, token, ways, at.now).await.map(spaced)
    }

    pub(super) async fn recheck(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        kept: &Kept,
        person: &str,
    ) -> Rechecked {
        let Desk { party, metadata, fetch, verifier, now, .. } = at;
        let (token, next) = match kept {
            Kept::Access(token) => (token.clone(), None),
            Kept::Refresh(token) => {
                match party.refresh(metadata, token, (*fetch, *verifier), *now).await {
                    Ok(tokens) => (tokens.access_token, tokens.refresh_token.map(Kept::Refresh)),
                    Err(TokenError::Refused) => return Verdict::Gone.into(),
                    Err(_) => return Verdict::Unknown.into(),
                }
            }
        };
        Rechecked { verdict: self.verdict(&token, person, *fetch).await, next }
    }

    async fn verdict(&self, token: &AccessToken, person: &str, fetch: &impl Fetch) -> Verdict {
        let url = format!("{}/user", self.api);
        let Ok(answer) = ask(&url, token, ACCEPT, fetch).await else { return Verdict::Unknown };
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Verdict::Gone;
        }
        let user: Option<Object> = serde_json::from_slice(answer.body()).ok();
        let user = user.filter(|_| answer.status() == StatusCode::OK);
        match user.and_then(|Object(user)| subject(&user)) {
            None => Verdict::Unknown,
            Some(subject) if subject == person => Verdict::Same,
            Some(_) => Verdict::Gone,
        }
    }

    /// The person's primary address, if it is verified: what `/user` shows is what they chose to
    /// show. Who may not ask gets none (FD-22).
    async fn email(
        &self,
        token: &AccessToken,
        fetch: &impl Fetch,
    ) -> Result<Option<String>, NotVouched> {
        let answer = ask(&format!("{}/user/emails", self.api), token, ACCEPT, fetch).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(NotVouched::Api),
        }
        let listed: Vec<Map<String, Value>> =
            serde_json::from_slice(answer.body()).map_err(|_| NotVouched::Api)?;
        let is = |entry: &Map<String, Value>, what| entry.get(what) == Some(&Value::Bool(true));
        let primary = listed.iter().find(|entry| is(entry, "primary") && is(entry, "verified"));
        Ok(primary.and_then(|entry| text(entry, "email")).map(str::to_owned))
    }
}

/// Words of scope stand between commas there, not spaces.
fn spaced(tokens: Tokens) -> Tokens {
    let scope = tokens.scope.and_then(|scope| Scope::parse(&scope.to_string().replace(',', " ")));
    Tokens { scope, ..tokens }
}

/// The login can be changed, and taken by somebody else (FD-20). The number cannot, and it is a number:
/// `"42"` would be another person than 42 (FD-19).
fn subject(user: &Map<String, Value>) -> Option<String> {
    let id = user.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
    id.map(|id| id.to_string())
}
