//! ID tokens, OpenID Connect Core §2, §3.1.3.7 and §12.2: every check, in one column.

use super::client::RelyingParty;
use super::discovery::Provider;
use super::keys::{NoKey, NotVerified};
use crate::fetch::Fetch;
use crate::jose::claims::date;
use crate::jose::jws::{self, Unverified};
use crate::jose::{Alg, Verifier};
use crate::secret::{AccessToken, Digest, IdToken};
use crate::time::UnixTime;
use serde_json::{Map, Value};

/// How far a provider's clock may be behind ours when a token ends.
pub(super) const LEEWAY: u64 = 5;
/// How far a provider's clock may be ahead of ours when a token was made.
pub(super) const AHEAD: u64 = 60;
/// A token made longer ago was not made for us just now.
const OLDEST: u64 = 86_400;
/// OpenID Connect Core §2.
const LONGEST_SUBJECT: usize = 255;

/// Claims of a token that passed every check. There is no other way to make one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdTokenClaims {
    /// Who says so.
    pub issuer: String,
    /// The person, to this provider.
    pub subject: String,
    /// When the token ends.
    pub expires_at: UnixTime,
    /// When the person was authenticated.
    pub auth_time: Option<UnixTime>,
    /// The provider's session.
    pub session_id: Option<String>,
    /// Every claim that is about the person and not about the token.
    pub other: Map<String, Value>,
}

/// What is known of the person already, when a token comes with a refresh: §12.2.
#[derive(Clone, Copy, Debug)]
pub struct Before<'b> {
    /// Must be the same.
    pub subject: &'b str,
    /// Must be the same when both tokens have it.
    pub auth_time: Option<UnixTime>,
    /// Digest of the sign-in's nonce: a token that has one has to have that. Where nobody remembers,
    /// it is not compared.
    pub nonce: Option<Digest>,
}

/// What a token has to answer to.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'o> {
    /// An authorization response with this nonce and, when one was asked for, maximum age.
    SignIn {
        /// Must be in the token.
        nonce: &'o str,
        /// Seconds; requires `auth_time`.
        max_age: Option<u64>,
    },
    /// A refresh of a session.
    Refresh(Before<'o>),
    /// The same where whoever asks compares the person: not everybody names them by `sub`.
    Recheck,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdTokenRefused {
    /// Not a JWS, or signed by somebody else.
    Signature(jws::Refused),
    /// The key could not be had.
    Key(NoKey),
    /// It says that it is something else, RFC 8725 §3.11.
    Type,
    /// `iss`.
    Issuer,
    /// `sub`.
    Subject,
    /// `aud` or `azp`.
    Audience,
    /// `exp`, `iat` or `nbf`.
    Time,
    /// `nonce`.
    Nonce,
    /// `at_hash`.
    AccessTokenHash,
    /// `auth_time` is too long ago, or another than before.
    AuthTime,
    /// It was asked how long ago the person was authenticated, and there is no `auth_time`.
    NoAuthTime,
}

impl From<NotVerified> for IdTokenRefused {
    fn from(not: NotVerified) -> Self {
        match not {
            NotVerified::Key(no_key) => Self::Key(no_key),
            NotVerified::Signature(refused) => Self::Signature(refused),
        }
    }
}

impl IdTokenRefused {
    /// Whether it shows nothing about the person: clocks that disagree, or keys out of reach.
    #[must_use]
    pub fn is_circumstance(self) -> bool {
        matches!(self, Self::Time | Self::Key(_))
    }
}

impl RelyingParty {
    /// The claims of `token`, once it has passed OpenID Connect Core §3.1.3.7.
    ///
    /// # Errors
    /// [`IdTokenRefused`].
    #[expect(clippy::too_many_arguments, reason = "the seams are three of them")]
    pub async fn verify(
        &self,
        token: &IdToken,
        access_token: &AccessToken,
        occasion: Occasion<'_>,
        (provider, jwks_uri): (&Provider, &str),
        fetch: &impl Fetch,
        verifier: &impl Verifier,
        now: UnixTime,
    ) -> Result<IdTokenClaims, IdTokenRefused> {
        let token = Unverified::parse(token.expose()).map_err(IdTokenRefused::Signature)?;
        if is_foreign(token.typ().as_deref()) {
            return Err(IdTokenRefused::Type);
        }
        let ways = (fetch, verifier);
        let (claims, alg) = provider.verified(&token, jwks_uri, ways, now).await?;
        self.check(claims, alg, access_token, occasion, now)
    }

    fn check(
        &self,
        mut claims: Map<String, Value>,
        alg: Alg,
        access_token: &AccessToken,
        occasion: Occasion<'_>,
        now: UnixTime,
    ) -> Result<IdTokenClaims, IdTokenRefused> {
        let text = |name| claims.get(name).and_then(Value::as_str);
        let issuer = text("iss").filter(|issuer| self.is_from(issuer, text("tid")));
        let issuer = issuer.ok_or(IdTokenRefused::Issuer)?.to_owned();
        let subject = subject(&claims).ok_or(IdTokenRefused::Subject)?;
        if !self.is_addressed(&claims) {
            return Err(IdTokenRefused::Audience);
        }
        let expires_at = fresh(&claims, now).ok_or(IdTokenRefused::Time)?;
        if !hash_matches(claims.get("at_hash"), alg, access_token) {
            return Err(IdTokenRefused::AccessTokenHash);
        }
        let auth_time = date(&claims, "auth_time").map_err(|_| IdTokenRefused::AuthTime)?;
        match occasion {
            Occasion::SignIn { nonce, max_age } => {
                if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
                    return Err(IdTokenRefused::Nonce);
                }
                if let Some(limit) = max_age {
                    let time = auth_time.ok_or(IdTokenRefused::NoAuthTime)?;
                    if now.since(time) > limit.saturating_add(AHEAD) {
                        return Err(IdTokenRefused::AuthTime);
                    }
                }
            }
            Occasion::Recheck => {}
            Occasion::Refresh(before) => {
                if before.subject != subject {
                    return Err(IdTokenRefused::Subject);
                }
                let moved = before.auth_time.zip(auth_time).is_some_and(|(old, new)| old != new);
                if moved {
                    return Err(IdTokenRefused::AuthTime);
                }
                let same = |nonce: &Value, ours| nonce.as_str().map(Digest::of) == Some(ours);
                if !claims.get("nonce").zip(before.nonce).is_none_or(|(one, ours)| same(one, ours))
                {
                    return Err(IdTokenRefused::Nonce);
                }
            }
        }
        let session_id = claims.get("sid").and_then(Value::as_str).map(str::to_owned);
        for name in ABOUT_THE_TOKEN {
            claims.remove(name);
        }
        Ok(IdTokenClaims { issuer, subject, expires_at, auth_time, session_id, other: claims })
    }

    /// §3.1.3.7 (3) to (5): we are among the audiences, and when there are others, or somebody is
    /// named as the authorized party, that is us.
    pub(super) fn is_addressed(&self, claims: &Map<String, Value>) -> bool {
        let us = |value: &Value| value.as_str() == Some(self.client_id.as_str());
        let (named, alone) = match claims.get("aud") {
            Some(Value::String(one)) => (*one == self.client_id, true),
            Some(Value::Array(several)) => {
                let texts = several.iter().all(Value::is_string);
                (texts && several.iter().any(us), several.len() == 1)
            }
            _ => (false, false),
        };
        named && claims.get("azp").map_or(alone, us)
    }
}

const ABOUT_THE_TOKEN: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "c_hash",
    "auth_time",
    "sid",
    "jti",
];

/// Types of other tokens that a provider signs with the same keys.
fn is_foreign(typ: Option<&str>) -> bool {
    // Most providers say `JWT` or nothing. What is not on a short list is not an ID token.
    typ.is_some_and(|typ| !["jwt", "id_token", "id+jwt"].contains(&typ))
}

/// OpenID Connect Core §2: 1 to 255 ASCII characters, compared byte for byte.
pub(super) fn subject(claims: &Map<String, Value>) -> Option<String> {
    let subject = claims.get("sub")?.as_str()?;
    let fits = !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && subject.is_ascii();
    (fits && !subject.bytes().any(|byte| byte.is_ascii_control())).then(|| subject.to_owned())
}

/// §3.1.3.7 (9) and (10), RFC 7519 §4.1.5: when the token ends, if it is good now.
fn fresh(claims: &Map<String, Value>, now: UnixTime) -> Option<UnixTime> {
    let expires_at = date(claims, "exp").ok()??;
    let issued_at = date(claims, "iat").ok()??;
    let good = is_in_time(claims, now) && issued_at.plus(OLDEST) > now;
    good.then_some(expires_at)
}

/// Whether those of `exp`, `iat` and `nbf` that are there are dates, and the token is good now.
pub(super) fn is_in_time(claims: &Map<String, Value>, now: UnixTime) -> bool {
    let begun = |name| date(claims, name).is_ok_and(|at| at.is_none_or(|at| at <= now.plus(AHEAD)));
    let lives = date(claims, "exp").is_ok_and(|at| at.is_none_or(|at| at.plus(LEEWAY) > now));
    lives && begun("iat") && begun("nbf")
}

/// §3.1.3.6: optional with the code flow, and binding when it is there.
fn hash_matches(claim: Option<&Value>, alg: Alg, access_token: &AccessToken) -> bool {
    let Some(claim) = claim else { return true };
    claim.as_str() == Some(alg.half_hash(access_token.expose()).as_str())
}
