//! The tokens this issuer signs, and how it knows its own again: access tokens of RFC 9068 and ID
//! tokens of OpenID Connect Core §2.

use crate::client::Client;
use crate::config::Config;
use crate::grant::Facts;
use crate::platform::Signer;
use crate::rows::Unavailable;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use shared::jose::Verifier;
use shared::jose::jwk::JwkSet;
use shared::jose::jws::{Header, Unverified, compact, signing_input};
use shared::scope::Scope;
use shared::secret::{AccessToken, IdToken};
use shared::time::UnixTime;
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
    /// The account.
    pub sub: Uuid,
    /// The client's resource, and our userinfo endpoint where `openid` was granted.
    pub aud: Vec<String>,
    /// When it stops being good.
    pub exp: UnixTime,
    /// When it was issued.
    pub iat: UnixTime,
    /// The grant and the generation: unique, and the same when an answer is repeated.
    pub jti: TokenId,
    /// Whose it is.
    pub client_id: String,
    /// What it is good for.
    pub scope: Scope,
    /// The sign-in session.
    pub sid: Uuid,
    /// When the person proved who they are.
    pub auth_time: UnixTime,
    /// How.
    pub amr: Vec<String>,
}

/// The `jti` of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenId {
    /// The grant it comes from.
    pub grant: Uuid,
    /// The generation of the refresh token beside it.
    pub generation: u32,
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.grant, self.generation))
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split_once('.');
        let id = parts.and_then(|(grant, generation)| {
            Some(Self { grant: grant.parse().ok()?, generation: generation.parse().ok()? })
        });
        id.ok_or_else(|| serde::de::Error::custom("not a token id of ours"))
    }
}

/// What an ID token says, OpenID Connect Core §2.
#[derive(Debug, Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: Uuid,
    aud: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    sid: Uuid,
    amr: &'a [String],
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
        let mut aud = vec![client.audience.clone()];
        if self.scope.has("openid") && client.audience != issuer {
            aud.push(issuer.clone());
        }
        let claims = AccessClaims {
            iss: issuer,
            sub: self.account,
            aud,
            exp: self.issued_at.plus(config.lifetimes.access_token),
            iat: self.issued_at,
            jti: self.id,
            client_id: client.id.clone(),
            scope: self.scope.clone(),
            sid: self.facts.session,
            auth_time: self.facts.auth_time,
            amr: self.facts.amr.clone(),
        };
        sign(ACCESS_TOKEN, &claims, signer).await.map(AccessToken::new)
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
        let claims = IdClaims {
            iss: config.issuer.as_str(),
            sub: self.account,
            aud: &client.id,
            exp: self.issued_at.plus(config.lifetimes.id_token),
            iat: self.issued_at,
            auth_time: self.facts.auth_time,
            nonce: self.nonce,
            at_hash: at_hash(access_token),
            sid: self.facts.session,
            amr: &self.facts.amr,
        };
        sign("JWT", &claims, signer).await.map(IdToken::new)
    }
}

/// Signs a token of ours.
///
/// # Errors
/// [`Unavailable`].
pub(crate) async fn sign(
    typ: &str,
    claims: &impl Serialize,
    signer: &impl Signer,
) -> Result<String, Unavailable> {
    let input = signing_input(&Header::new(signer.alg(), signer.kid(), typ), claims);
    let signature = signer.sign(input.as_bytes()).await?;
    Ok(compact(&input, &signature))
}

/// OpenID Connect Core §3.1.3.6: the left half of the SHA-256.
fn at_hash(token: &AccessToken) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(token.expose());
    URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or_default())
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
    /// The account.
    pub sub: Uuid,
    /// The client it was issued to.
    pub aud: String,
    /// The sign-in session.
    pub sid: Uuid,
}
