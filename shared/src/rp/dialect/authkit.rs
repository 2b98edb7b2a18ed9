//! `AuthKit`, the user management of `WorkOS`: the answer to a code is JSON that says who somebody is,
//! beside an access token that says so signed.

use super::recheck::{Kept, Rechecked, Verdict};
use super::renew::NotRenewed;
use super::{Desk, NotVouched, Vouched, rename, text};
use crate::fetch::{Fetch, Request, Response};
use crate::jose::Signer;
use crate::jose::claims::date;
use crate::jose::jws::Unverified;
use crate::rp::authorization::Flow;
use crate::rp::client::{ClientAuth, RelyingParty};
use crate::rp::id_token::{AHEAD, IdTokenRefused, LEEWAY};
use crate::rp::token::{TokenError, Tokens, successful};
use crate::secret::{AccessToken, Code, RefreshToken};
use crate::time::UnixTime;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};

/// `AuthKit` of one environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthKit {
    /// Who its access tokens may say they are from, byte for byte: it differs by the age of the
    /// environment and by its domain.
    pub issuers: Vec<String>,
    /// The organization whose people are let in.
    pub organization: Option<String>,
}

impl AuthKit {
    pub(super) async fn vouch(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        code: &Code,
        flow: &Flow,
    ) -> Result<Vouched, NotVouched> {
        let Desk { party, metadata, fetch, .. } = at;
        let grant = json!({
            "grant_type": "authorization_code",
            "code": code.expose(),
            "code_verifier": flow.verifier.expose(),
        });
        let request = request(party, &metadata.token_endpoint, grant);
        let answer = (*fetch).fetch(request.ok_or(NotVouched::Api)?).await;
        let answer =
            answer.map_err(|_| NotVouched::Token(TokenError::Unavailable { retry_after: None }))?;
        let told = successful(&answer).map_err(NotVouched::Token)?;
        if told.get("impersonator").is_some_and(|by| !by.is_null()) {
            return Err(NotVouched::Impersonated);
        }
        if self.organization.is_some()
            && text(&told, "organization_id") != self.organization.as_deref()
        {
            return Err(NotVouched::Elsewhere);
        }
        let user = told.get("user").and_then(Value::as_object).ok_or(NotVouched::Api)?;
        let subject = super::subject(user, "id")?;
        let token = AccessToken::new(text(&told, "access_token").ok_or(NotVouched::Api)?);
        let (session_id, expires_at) = self.verify(&token, &subject, at).await?;
        let claims = rename(
            user,
            &[
                ("email", "email"),
                ("email_verified", "email_verified"),
                ("first_name", "given_name"),
                ("last_name", "family_name"),
                ("name", "name"),
                ("profile_picture_url", "picture"),
                ("locale", "locale"),
            ],
        );
        let amr = match text(&told, "authentication_method") {
            Some("Password") => vec!["pwd".to_owned()],
            Some("MagicAuth") => vec!["otp".to_owned()],
            _ => Vec::new(),
        };
        Ok(Vouched {
            authority: party.issuer.to_string(),
            subject,
            auth_time: None,
            amr,
            acr: None,
            session_id,
            claims,
            tokens: Tokens {
                access_token: token,
                is_bound: false,
                expires_in: Some(expires_at.since(at.now)),
                refresh_token: text(&told, "refresh_token").map(RefreshToken::new),
                id_token: None,
                scope: None,
            },
        })
    }

    /// The keys may be out of reach: the tokens came over the same connection, and the next refresh
    /// looks again.
    pub(super) async fn refresh(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &RefreshToken,
        person: &str,
    ) -> Result<Tokens, NotRenewed> {
        let Desk { party, metadata, fetch, .. } = at;
        let unavailable = TokenError::Unavailable { retry_after: None };
        let grant = json!({ "grant_type": "refresh_token", "refresh_token": token.expose() });
        let request = request(party, &metadata.token_endpoint, grant);
        let request = request.ok_or(TokenError::Misconfigured(None))?;
        let answer = (*fetch).fetch(request).await.map_err(|_| unavailable)?;
        let told = match successful(&answer) {
            Err(_) if wants_the_person(&answer) => return Err(TokenError::Refused.into()),
            told => told?,
        };
        let user = told.get("user").and_then(Value::as_object).ok_or(unavailable)?;
        let left = self.organization.is_some()
            && text(&told, "organization_id") != self.organization.as_deref();
        if super::subject(user, "id")? != person || left {
            return Err(NotRenewed::OtherPerson);
        }
        let access_token = AccessToken::new(text(&told, "access_token").ok_or(unavailable)?);
        let expires_in = match self.verify(&access_token, person, at).await {
            Ok((_, expires_at)) => Some(expires_at.since(at.now)),
            Err(NotVouched::IdToken(refused)) if refused.is_circumstance() => None,
            Err(refused) => return Err(refused.into()),
        };
        Ok(Tokens {
            access_token,
            is_bound: false,
            expires_in,
            refresh_token: text(&told, "refresh_token").map(RefreshToken::new),
            id_token: None,
            scope: None,
        })
    }

    pub(super) async fn recheck(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &RefreshToken,
        person: &str,
    ) -> Rechecked {
        let Desk { party, metadata, fetch, .. } = at;
        let grant = json!({ "grant_type": "refresh_token", "refresh_token": token.expose() });
        let Some(request) = request(party, &metadata.token_endpoint, grant) else {
            return Verdict::Unknown.into();
        };
        let Ok(answer) = (*fetch).fetch(request).await else { return Verdict::Unknown.into() };
        let told = match successful(&answer) {
            Ok(told) => told,
            Err(TokenError::Refused) => return Verdict::Gone.into(),
            Err(_) if wants_the_person(&answer) => return Verdict::Gone.into(),
            Err(_) => return Verdict::Unknown.into(),
        };
        let next = text(&told, "refresh_token").map(RefreshToken::new).map(Kept::Refresh);
        let user = told.get("user").and_then(Value::as_object);
        let left = self.organization.is_some()
            && text(&told, "organization_id") != self.organization.as_deref();
        let verdict = match user.and_then(|user| super::subject(user, "id").ok()) {
            None => Verdict::Unknown,
            Some(subject) if subject == person && !left => Verdict::Same,
            Some(_) => Verdict::Gone,
        };
        Rechecked { verdict, next }
    }

    /// The access token is the only thing that is signed: by the keys of this client, about the same
    /// person. Its session, and when it ends.
    async fn verify(
        &self,
        token: &AccessToken,
        subject: &str,
        at: &Desk<'_, impl Fetch, impl Signer>,
    ) -> Result<(Option<String>, UnixTime), NotVouched> {
        let Desk { provider, metadata, fetch, verifier, now, .. } = at;
        let refused = NotVouched::IdToken;
        let token = Unverified::parse(token.expose());
        let token = token.map_err(|why| refused(IdTokenRefused::Signature(why)))?;
        let verified = provider.verified(&token, &metadata.jwks_uri, (*fetch, *verifier), *now);
        let (claims, _) = verified.await.map_err(|not| refused(not.into()))?;
        if !text(&claims, "iss").is_some_and(|iss| self.issuers.iter().any(|known| known == iss)) {
            return Err(refused(IdTokenRefused::Issuer));
        }
        if text(&claims, "sub") != Some(subject) {
            return Err(refused(IdTokenRefused::Subject));
        }
        if !is_ours(&claims, &at.party.client_id) {
            return Err(refused(IdTokenRefused::Audience));
        }
        // Somebody acts in the person's name: the signed word for what the answer says beside it.
        if claims.get("act").is_some_and(|by| !by.is_null()) {
            return Err(NotVouched::Impersonated);
        }
        let expires_at = fresh(&claims, *now).ok_or(refused(IdTokenRefused::Time))?;
        Ok((text(&claims, "sid").map(str::to_owned), expires_at))
    }
}

/// Whether nobody else's client is named. As a rule nobody is: `aud` is there when a template of the
/// operator's adds it, and may name an API besides.
fn is_ours(claims: &Map<String, Value>, client_id: &str) -> bool {
    let us = |value: &Value| value.as_str() == Some(client_id);
    let named = claims.get("aud").is_none_or(|aud| match aud {
        Value::Array(several) => several.iter().any(us),
        one => us(one),
    });
    named && ["client_id", "azp"].iter().all(|name| claims.get(*name).is_none_or(us))
}

/// When the token ends, if it is good now. Only what is there can be wrong, but for its end.
fn fresh(claims: &Map<String, Value>, now: UnixTime) -> Option<UnixTime> {
    let expires_at = date(claims, "exp").ok()??;
    let began = |name| Some(date(claims, name).ok()?.unwrap_or_default());
    let good = now < expires_at.plus(LEEWAY)
        && began("iat")? <= now.plus(AHEAD)
        && began("nbf")? <= now.plus(AHEAD);
    good.then_some(expires_at)
}

/// What the provider wants of the person before it says more about them: they have to sign in again.
fn wants_the_person(answer: &Response) -> bool {
    let body: Map<String, Value> = serde_json::from_slice(answer.body()).unwrap_or_default();
    ["error", "code"]
        .into_iter()
        .filter_map(|name| text(&body, name))
        .any(|word| ["mfa_enrollment", "sso_required"].contains(&word))
}

fn request(party: &RelyingParty, endpoint: &str, mut body: Value) -> Option<Request> {
    if let Some(body) = body.as_object_mut() {
        body.insert("client_id".to_owned(), party.client_id.as_str().into());
        if let ClientAuth::Basic(secret) | ClientAuth::Post(secret) = &party.auth {
            body.insert("client_secret".to_owned(), secret.expose().into());
        }
    }
    let mut request = Request::default();
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.parse().ok()?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json.clone());
    request.headers_mut().insert(CONTENT_TYPE, json);
    *request.body_mut() = body.to_string().into_bytes();
    Some(request)
}
