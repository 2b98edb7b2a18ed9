//! `/userinfo`, OpenID Connect Core §5.3: claims about the person, for a living access token.

use crate::Idp;
use crate::account::Told;
use crate::ask;
use crate::claims::opening;
use crate::client::Client;
use crate::config::{Config, Place};
use crate::dpop::{self, Confirmation, Proof};
use crate::living::passed_on;
use crate::platform::{Objects, Platform};
use crate::rows::Unavailable;
use crate::tokens::{AccessClaims, read_access_token, sign};
use crate::words::Endpoint;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use shared::bearer::{Bearer, bearer, bound};
use shared::cause;
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::form::Form;
use shared::respond;
use shared::scope::Scope;
use shared::time::UnixTime;
use std::collections::BTreeSet;

/// Why no claims were told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    /// No token at all; the answer names no error, RFC 6750 §3.1.
    NoToken,
    /// Two tokens, or one where it does not belong.
    Malformed,
    /// Not a living access token for this endpoint, or not by this scheme (PX-13).
    Invalid,
    /// What is wrong with the proof of its key.
    Proof(dpop::Refused),
    /// A token without `openid`.
    Scope,
    /// Storage or keys did not answer.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<dpop::Refused> for Refused {
    fn from(refused: dpop::Refused) -> Self {
        match refused {
            dpop::Refused::Unavailable => Self::Unavailable,
            refused => Self::Proof(refused),
        }
    }
}

impl Refused {
    /// The status, what the challenge says is wrong, and the body.
    const fn public(self) -> (StatusCode, Option<&'static str>, OAuthError) {
        match self {
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                None,
                OAuthError::new(ErrorCode::InvalidToken, "an access token is required"),
            ),
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                Some("error=\"invalid_request\""),
                OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "send one token, in the header or in the body",
                ),
            ),
            Self::Invalid => (
                StatusCode::UNAUTHORIZED,
                Some("error=\"invalid_token\""),
                OAuthError::new(ErrorCode::InvalidToken, "the access token is not valid"),
            ),
            // At a resource it is the request that is not authorized, RFC 9449 §7.1.
            Self::Proof(refused) => {
                (StatusCode::UNAUTHORIZED, Some("error=\"invalid_dpop_proof\""), refused.public().1)
            }
            Self::Scope => (
                StatusCode::FORBIDDEN,
                Some("error=\"insufficient_scope\", scope=\"openid\""),
                OAuthError::new(ErrorCode::InsufficientScope, "the access token lacks openid"),
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                None,
                OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again"),
            ),
        }
    }
}

/// The schemes that there are, RFC 9449 §7.1 and §7.2: what is wrong stands at the one that was used.
fn challenge(wrong: Option<&str>, headers: &HeaderMap) -> Option<HeaderValue> {
    let algs = dpop::algs();
    let text = match (wrong, bound(headers)) {
        (None, _) => format!("Bearer, DPoP algs=\"{algs}\""),
        (Some(wrong), Bearer::Token(_)) => format!("DPoP {wrong}, algs=\"{algs}\""),
        (Some(wrong), _) => format!("Bearer {wrong}, DPoP algs=\"{algs}\""),
    };
    HeaderValue::from_str(&text).ok()
}

/// Runs the endpoint and renders what it said.
pub async fn respond<P: Platform>(idp: &Idp<'_, P>, request: &Request, now: UnixTime) -> Response {
    match tell(idp, request, now).await {
        Ok(response) => response,
        Err(refused) => {
            let (status, wrong, error) = refused.public();
            let mut response = match refused {
                Refused::NoToken => respond::empty(status),
                _ => respond::json(status, &error),
            };
            if let Some(challenge) = challenge(wrong, request.headers()) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            if refused == Refused::Unavailable {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            cause::note(response, &refused)
        }
    }
}

async fn tell<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<Response, Refused> {
    let presented = token(request)?;
    let keys = idp.published(now).await?;
    let token = read_access_token(&presented.token, idp.config, &keys, &idp.verifier, now).await;
    let token = token.ok_or(Refused::Invalid)?;
    presented.belongs_to(token.cnf, idp, request, now).await?;
    let (account, id) = token.comes_from(idp.config).ok_or(Refused::Invalid)?;
    let client = idp.client(&token.client_id).await?.ok_or(Refused::Invalid)?;
    if !token.aud.iter().any(|aud| aud == idp.config.issuer.as_str()) {
        return Err(Refused::Invalid);
    }
    if !token.scope.has("openid") || !client.scope.has("openid") {
        return Err(Refused::Scope);
    }
    let told = idp.objects.userinfo(account, id.grant, now).await?.ok_or(Refused::Invalid)?;
    let passed_on = passed_on(idp, token, &client, &told.client_id).await?;
    let (AccessClaims { sub, scope, client_id, act, .. }, _) = passed_on.ok_or(Refused::Invalid)?;
    if !scope.has("openid") {
        return Err(Refused::Scope);
    }
    // What was asked for singly the client of the grant has asked for.
    let told = if act.is_none() { told } else { Told { asked: BTreeSet::new(), ..told } };
    let mut claims = within(told, &scope, &client, idp.config);
    claims.insert("sub".to_owned(), Value::String(sub));
    let Some(alg) = client.userinfo_alg else {
        return Ok(respond::json(StatusCode::OK, &claims));
    };
    // §5.3.2: signed, it says by whom and for whom. It has no `exp` and no `sid`, so it is no ID token.
    let signer = idp.signer(alg, now).await?;
    claims.insert("iss".to_owned(), Value::String(idp.config.issuer.to_string()));
    claims.insert("aud".to_owned(), Value::String(client_id));
    let mut response = respond::empty(StatusCode::OK);
    *response.body_mut() = sign("JWT", &claims, &signer).await?.into_bytes();
    respond::put(&mut response, CONTENT_TYPE, "application/jwt");
    Ok(response)
}

/// A token as it came.
struct Presented {
    token: String,
    /// Whether as one that belongs to a key.
    as_bound: bool,
}

impl Presented {
    const fn borne(token: String) -> Self {
        Self { token, as_bound: false }
    }

    /// Finds out whether it may be used by who sends it: by its bearer, or by who proves its key, and
    /// each by its own scheme (PX-13).
    async fn belongs_to<P: Platform>(
        &self,
        cnf: Option<Confirmation>,
        idp: &Idp<'_, P>,
        request: &Request,
        now: UnixTime,
    ) -> Result<(), Refused> {
        let key = match (self.as_bound, cnf) {
            (false, None) => return Ok(()),
            (true, Some(Confirmation { jkt })) => jkt,
            (true, None) | (false, Some(_)) => return Err(Refused::Invalid),
        };
        let proof = Proof::read(idp, Endpoint::UserInfo, request, now).await?;
        let proof = proof.ok_or(Refused::Proof(dpop::Refused::Missing))?;
        if proof.thumbprint() != key {
            return Err(Refused::Invalid);
        }
        if !proof.goes_with(&self.token) {
            return Err(Refused::Proof(dpop::Refused::OtherToken));
        }
        proof.spend(idp, now).await?;
        Ok(())
    }
}

/// The one token of a request: in the header, or in the body of a POST (RFC 6750 §2), and never in
/// the query (RFC 9700 §4.3.2).
fn token(request: &Request) -> Result<Presented, Refused> {
    let in_query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    if in_query.map_err(|_| Refused::Malformed)?.has("access_token") {
        return Err(Refused::Malformed);
    }
    let has_body = request.method() == Method::POST && !request.body().is_empty();
    let form = if has_body { ask::form(request).ok() } else { None };
    let posted = form.as_ref().and_then(|form| form.get("access_token"));
    if let (Bearer::Token(token), None) = (bound(request.headers()), posted) {
        return Ok(Presented { token: token.to_owned(), as_bound: true });
    }
    match (bearer(request.headers()), posted) {
        (Bearer::Token(token), None) | (Bearer::Absent, Some(token)) => {
            Ok(Presented::borne(token.to_owned()))
        }
        (Bearer::Absent, None) => Err(Refused::NoToken),
        (Bearer::Malformed, None) => Err(Refused::Invalid),
        (_, Some(_)) => Err(Refused::Malformed),
    }
}

/// The claims that `scope` opens, OpenID Connect Core §5.4, and those that were asked for singly
/// (§5.5), as far as the client may have them still.
fn within(told: Told, scope: &Scope, client: &Client, config: &Config) -> Map<String, Value> {
    let Told { mut claims, asked, .. } = told;
    let own = config.own_claims.told(&claims, Place::Userinfo, &scope.and(&client.scope));
    claims.retain(|name, value| {
        let is_open = opening(name).is_some_and(|word| {
            let word = word.as_str();
            client.scope.has(word) && (scope.has(word) || asked.contains(name))
        });
        is_open && !value.is_null()
    });
    claims.extend(own);
    claims
}
