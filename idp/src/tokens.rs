//! The tokens this issuer signs, and how it knows its own again: access tokens of RFC 9068 and ID
//! tokens of OpenID Connect Core §2.

use crate::client::Client;
use crate::config::Config;
use crate::dpop::Confirmation;
use crate::grant::Facts;
use crate::platform::Signer;
use crate::resource::Resources;
use crate::rows::Unavailable;
use crate::subject::{Names, comes_from};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::jose::Verifier;
use shared::jose::jwk::JwkSet;
use shared::jose::jws::{Header, Unverified, compact, signing_input};
use shared::scope::Scope;
use shared::secret::{AccessToken, IdToken};
use shared::time::UnixTime;
use std::iter;
use uuid::Uuid;

/// How far a clock of ours may be from another of ours, in seconds.
const SKEW: u64 = 5;
/// The `typ` of an access token, RFC 9068 §2.1.
const ACCESS_TOKEN: &str = "at+jwt";

/// What an access token says, RFC 9068 §2.2.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccessClaims {
    /// Us.
    pub iss: String,
    /// What the account is called to the client.
    pub sub: String,
    /// The resources, or else the client's audience, and our userinfo endpoint where `openid` was granted.
    pub aud: Vec<String>,
    /// When it stops being good.
    pub exp: UnixTime,
    /// When it was issued.
    pub iat: UnixTime,
    /// The grant and the generation: unique, and the same when an answer is repeated.
    pub jti: String,
    /// Whose it is.
    pub client_id: String,
    /// What it is good for.
    pub scope: Scope,
    /// What the sign-in session is called to the client.
    pub sid: String,
    /// When the person proved who they are.
    pub auth_time: UnixTime,
    /// How.
    pub amr: Vec<String>,
    /// Who acts for the person, RFC 8693 §4.1: the resource that exchanged another token for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The key that has to be proved with it; none for a token of whoever bears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Claims of the operator's own: none of them has a name of those above.
    #[serde(flatten)]
    pub own: Map<String, Value>,
}

/// A client that acts for somebody, and for whom it was passed on before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Actor {
    /// Its `client_id`.
    pub sub: String,
    /// Who acted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl Actor {
    /// The names of all of them, the last first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        iter::successors(Some(self), |actor| actor.act.as_deref()).map(|actor| &*actor.sub)
    }
}

impl AccessClaims {
    /// Signs them.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn sign(&self, signer: &impl Signer) -> Result<AccessToken, Unavailable> {
        sign(ACCESS_TOKEN, self, signer).await.map(AccessToken::new)
    }

    /// The account it is about, and which of its tokens it is.
    #[must_use]
    pub fn comes_from(&self, config: &Config) -> Option<(Uuid, TokenId)> {
        comes_from(&self.sub, &self.jti, config)
    }
}

/// Which of an account's tokens an access token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenId {
    /// The grant it comes from.
    pub grant: Uuid,
    /// The generation of the refresh token beside it.
    pub generation: u32,
}

/// What an ID token says, OpenID Connect Core §2.
#[derive(Debug, Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    sid: String,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    /// Standard claims that were asked for singly: none of them has a name of those above.
    #[serde(flatten)]
    claims: &'a Map<String, Value>,
}

/// What one token answer is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The account.
    pub account: Uuid,
    /// The grant and generation.
    pub id: TokenId,
    /// What the person agreed to.
    pub facts: &'a Facts,
    /// The scope of this answer.
    pub scope: &'a Scope,
    /// Whom the access token of this answer is for.
    pub resources: &'a Resources,
    /// What the ID token says about the person; only the first of a grant does.
    pub claims: &'a Map<String, Value>,
    /// What the access token says about the person besides.
    pub own: &'a Map<String, Value>,
    /// The key that the access token is bound to, if it is.
    pub cnf: Option<Confirmation>,
    /// For the ID token; only the first of a grant has one, OpenID Connect Core §12.2.
    pub nonce: Option<&'a str>,
    /// Now.
    pub issued_at: UnixTime,
}

impl Subject<'_> {
    /// Signs the access token.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn access_token(
        &self,
        config: &Config,
        client: &Client,
        signer: &impl Signer,
    ) -> Result<AccessToken, Unavailable> {
        let issuer = config.issuer.to_string();
        let aud = and_userinfo(self.resources.audience(client), self.scope, &issuer);
        let names = Names::of(client, config);
        let claims = AccessClaims {
            iss: issuer,
            sub: names.name(self.account),
            aud,
            exp: self.issued_at.plus(config.lifetimes.access_token),
            iat: self.issued_at,
            jti: names.token(self.account, self.id),
            client_id: client.id.clone(),
            scope: self.scope.clone(),
            sid: names.session(self.facts.session),
            auth_time: self.facts.auth_time,
            amr: self.facts.amr.clone(),
            act: None,
            cnf: self.cnf,
            own: self.own.clone(),
        };
        claims.sign(signer).await
    }

    /// Signs the ID token that goes with `access_token`.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn id_token(
        &self,
        config: &Config,
        client: &Client,
        access_token: &AccessToken,
        signer: &impl Signer,
    ) -> Result<IdToken, Unavailable> {
        let names = Names::of(client, config);
        let claims = IdClaims {
            iss: config.issuer.as_str(),
            sub: names.name(self.account),
            aud: &client.id,
            exp: self.issued_at.plus(config.lifetimes.id_token),
            iat: self.issued_at,
            auth_time: self.facts.auth_time,
            nonce: self.nonce,
            at_hash: signer.alg().half_hash(access_token.expose()),
            sid: names.session(self.facts.session),
            amr: &self.facts.amr,
            acr: self.facts.acr.as_deref(),
            claims: self.claims,
        };
        sign("JWT", &claims, signer).await.map(IdToken::new)
    }
}

/// Whom an access token is for: these, and our userinfo endpoint where `openid` was granted.
#[must_use]
pub fn and_userinfo(mut aud: Vec<String>, scope: &Scope, issuer: &str) -> Vec<String> {
    if scope.has("openid") && !aud.iter().any(|aud| aud == issuer) {
        aud.push(issuer.to_owned());
    }
    aud
}

/// Signs a token that says what it is.
///
/// # Errors
/// [`Unavailable`].
pub async fn sign(
    typ: &str,
    claims: &impl Serialize,
    signer: &impl Signer,
) -> Result<String, Unavailable> {
    let input = signing_input(&Header::new(signer.alg(), signer.kid(), typ), claims);
    let signature = signer.sign(input.as_bytes()).await?;
    Ok(compact(&input, &signature))
}

/// Reads an access token of ours, whoever it is for: signature, type, issuer and time. None for
/// anything else, and nobody is told which of them it was.
pub async fn read_access_token(
    text: &str,
    config: &Config,
    keys: &JwkSet,
    verifier: &impl Verifier,
    now: UnixTime,
) -> Option<AccessClaims> {
    let claims = read_unexpired_access_token(text, config, keys, verifier, now).await;
    claims.filter(|claims| claims.iat <= now.plus(SKEW))
}

/// The same for who wants to end it: a token that was made by a clock ahead of this one will be
/// good, and has to be gone by then (PL-12).
pub async fn read_unexpired_access_token(
    text: &str,
    config: &Config,
    keys: &JwkSet,
    verifier: &impl Verifier,
    now: UnixTime,
) -> Option<AccessClaims> {
    let token = Unverified::parse(text).ok()?;
    (token.typ()? == ACCESS_TOKEN).then_some(())?;
    let key = token.key(keys)?;
    let claims: AccessClaims = token.verify(key, verifier).await.ok()?;
    (claims.iss == config.issuer.as_str()).then_some(())?;
    (now < claims.exp.plus(SKEW)).then_some(claims)
}

/// Reads an ID token of ours as a hint: signature and issuer. It may have expired, for it proves
/// nothing and only says whom a client means, OpenID Connect RP-Initiated Logout §2.
pub async fn read_id_token_hint(
    text: &str,
    config: &Config,
    keys: &JwkSet,
    verifier: &impl Verifier,
) -> Option<HintClaims> {
    let token = Unverified::parse(text).ok()?;
    (token.typ()? == "jwt").then_some(())?;
    let key = token.key(keys)?;
    let claims: HintClaims = token.verify(key, verifier).await.ok()?;
    (claims.iss == config.issuer.as_str()).then_some(claims)
}

/// The claims of a hint.
#[derive(Clone, Debug, Deserialize)]
pub struct HintClaims {
    /// Us.
    pub iss: String,
    /// What the account is called to that client.
    pub sub: String,
    /// The client it was issued to.
    pub aud: String,
    /// What the sign-in session is called to it.
    pub sid: String,
}
