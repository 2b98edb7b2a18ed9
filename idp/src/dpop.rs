//! `DPoP`, RFC 9449: a client that proves, request by request, that it holds a key. Its tokens belong to
//! whoever does, and are worth nothing to who has merely seen them.

use crate::Idp;
use crate::ledger::Entry;
use crate::platform::{Objects, Platform};
use crate::rows::Unavailable;
use crate::words::Endpoint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderMap;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::Request;
use shared::jose::claims::date;
use shared::jose::jwk::Jwk;
use shared::jose::jws::{self, Unverified};
use shared::jose::{Alg, Verifier};
use shared::json::strict;
use shared::secret::Digest;
use shared::time::UnixTime;
use std::fmt;
use url::Url;

/// The header of a proof.
const HEADER: &str = "dpop";
/// Its `typ`, RFC 9449 §4.2: written just so, and nothing that means the same.
const TYP: &str = "dpop+jwt";
/// Longer ones are refused before they are decoded. One with the largest RSA key has less than two.
const LONGEST: usize = 4 * 1024;
/// How long a proof is good, in seconds: it is made for one request, and that may have been on its way.
const LIFE: u64 = 60;
/// How far a client's clock may be ahead of ours, in seconds: as for its assertions, and no further,
/// for a proof that begins later could be made now by somebody who has the key for a moment only
/// (RFC 9449 §11.2).
const SKEW: u64 = 10;
/// How much longer a proof is remembered than it is good: our own clocks may be that far apart.
const MEMORY: u64 = 60;
/// Longer names are refused.
const LONGEST_ID: usize = 128;
/// What a single use of a proof is called in the ledger.
const KIND: &str = "dpop proof";

/// The algorithms of proofs, as a challenge names them, RFC 9449 §7.1.
#[must_use]
pub fn algs() -> String {
    Alg::ALL.map(Alg::as_str).join(" ")
}

/// Why a proof proves nothing; one variant a cause, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// There is none, and the client or the token wants one.
    Missing,
    /// Two headers (PX-17).
    Several,
    /// Too long, or no signed JWT that we could read.
    Unreadable,
    /// The header's algorithm is none of ours, or it has `crit`.
    Header(jws::Refused),
    /// It says that it is something else.
    OtherType,
    /// It brings no public key of a kind that we use; or a private one.
    Key,
    /// Not signed by that key, or no claims in it.
    Signature(jws::Refused),
    /// `htm` is another method.
    Method,
    /// `htu` is another address.
    Address,
    /// `iat` is not there, too long ago, or ahead.
    Time,
    /// `jti` is not there, or too long.
    Id,
    /// `ath` is not there, or of another token.
    OtherToken,
    /// It was used before.
    Replayed,
    /// The ledger did not say whether it was used before.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    /// What the client is told, RFC 9449 §5.
    #[must_use]
    pub const fn public(self) -> (StatusCode, OAuthError) {
        let (status, error, words) = match self {
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, "try again")
            }
            Self::Missing => {
                (StatusCode::BAD_REQUEST, ErrorCode::InvalidDpopProof, "a DPoP proof is required")
            }
            Self::Several
            | Self::Unreadable
            | Self::Header(_)
            | Self::OtherType
            | Self::Key
            | Self::Signature(_)
            | Self::Method
            | Self::Address
            | Self::Time
            | Self::Id
            | Self::OtherToken
            | Self::Replayed => (
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidDpopProof,
                "the DPoP proof is not valid",
            ),
        };
        (status, OAuthError::new(error, words))
    }
}

/// The name of a public key, RFC 7638 with SHA-256.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Thumbprint(Digest);

impl Thumbprint {
    /// Reads one, as a client writes it in `dpop_jkt`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    fn of(key: &Jwk) -> Option<Self> {
        Self::parse(&key.material.thumbprint())
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_text())
    }
}

/// Whose a token is: the `cnf` claim, RFC 7800 §3 and RFC 9449 §6.1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Confirmation {
    /// Of whoever proves this key.
    pub jkt: Thumbprint,
}

impl Confirmation {
    /// What a token is called that is bound to this, or to nothing (RFC 9449 §5).
    #[must_use]
    pub const fn token_type(this: Option<Self>) -> &'static str {
        match this {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }
}

/// A proof that was made with the key it names, for this request, lately. Whether it is the first time
/// that it comes, [`Self::spend`] finds out.
#[derive(Debug)]
pub struct Proof {
    thumbprint: Thumbprint,
    id: String,
    until: UnixTime,
    token: Option<String>,
}

/// The key was proved, for this request and no other. Nothing else makes one.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    thumbprint: Thumbprint,
}

impl Proved {
    /// Which key.
    #[must_use]
    pub const fn thumbprint(self) -> Thumbprint {
        self.thumbprint
    }

    /// What binds a token to it.
    #[must_use]
    pub const fn confirmation(self) -> Confirmation {
        Confirmation { jkt: self.thumbprint }
    }
}

impl Proof {
    /// Reads the proof of a request to `endpoint`; none when the request has none.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn read<P: Platform>(
        idp: &Idp<'_, P>,
        endpoint: Endpoint,
        request: &Request,
        now: UnixTime,
    ) -> Result<Option<Self>, Refused> {
        let Some(text) = text(request.headers())? else { return Ok(None) };
        let address = idp.config.issuer.at(endpoint.path());
        verify(text, request.method(), &address, &idp.verifier, now).await.map(Some)
    }

    /// The key that it is of.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whether it was made to go with this access token, RFC 9449 §4.3(11).
    #[must_use]
    pub fn goes_with(&self, token: &str) -> bool {
        self.token.as_deref() == Some(&*Digest::of(token).to_text())
    }

    /// Uses it up (PX-12). Last of all that is checked before something is consumed, so that nobody
    /// writes to the ledger who shows nothing that we gave out.
    ///
    /// # Errors
    /// [`Refused::Replayed`] or [`Refused::Unavailable`].
    pub async fn spend<P: Platform>(
        self,
        idp: &Idp<'_, P>,
        now: UnixTime,
    ) -> Result<Proved, Refused> {
        let Self { thumbprint, id, until, .. } = self;
        // A thumbprint has a fixed length, so no two pairs are written the same.
        let entry = Entry::single_use(KIND, &format!("{thumbprint} {id}"));
        let fresh = idp.objects.spend(entry, until.plus(MEMORY), now).await?;
        if fresh { Ok(Proved { thumbprint }) } else { Err(Refused::Replayed) }
    }
}

/// Uses up the proof of a request that need not have one.
///
/// # Errors
/// As [`Proof::spend`].
pub async fn spend<P: Platform>(
    proof: Option<Proof>,
    idp: &Idp<'_, P>,
    now: UnixTime,
) -> Result<Option<Proved>, Refused> {
    match proof {
        Some(proof) => proof.spend(idp, now).await.map(Some),
        None => Ok(None),
    }
}

/// The only proof of a request. A runtime that joins two headers makes one of them that no JWT is.
fn text(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut lines = headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Refused::Several);
    }
    let text = line.to_str().ok().filter(|text| text.len() <= LONGEST);
    text.map(Some).ok_or(Refused::Unreadable)
}

/// What is in the header of a proof besides what [`jws`] reads, RFC 9449 §4.2.
#[derive(Deserialize)]
struct Header {
    typ: String,
    jwk: Value,
}

async fn verify(
    text: &str,
    method: &Method,
    address: &str,
    verifier: &impl Verifier,
    now: UnixTime,
) -> Result<Proof, Refused> {
    let token = Unverified::parse(text).map_err(Refused::Header)?;
    let header = text.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Option<Header> = header.and_then(|header| strict(&header));
    let Header { typ, jwk } = header.ok_or(Refused::Unreadable)?;
    if typ != TYP {
        return Err(Refused::OtherType);
    }
    let key = Jwk::brought(&jwk).ok_or(Refused::Key)?;
    let thumbprint = Thumbprint::of(&key).ok_or(Refused::Key)?;
    let claims: Map<String, Value> =
        token.verify(&key, verifier).await.map_err(Refused::Signature)?;
    let Good { id, until, token } = check(&claims, method, address, now)?;
    Ok(Proof { thumbprint, id: id.to_owned(), until, token: token.map(str::to_owned) })
}

/// What is left of claims that passed.
#[derive(Debug, Eq, PartialEq)]
struct Good<'c> {
    id: &'c str,
    /// When it stops being good.
    until: UnixTime,
    /// The access token that it goes with, by its digest.
    token: Option<&'c str>,
}

fn check<'c>(
    claims: &'c Map<String, Value>,
    method: &Method,
    address: &str,
    now: UnixTime,
) -> Result<Good<'c>, Refused> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    if text("htm") != Some(method.as_str()) {
        return Err(Refused::Method);
    }
    let here = normal(address);
    if here.is_none() || text("htu").and_then(normal) != here {
        return Err(Refused::Address);
    }
    let made_at = date(claims, "iat").ok().flatten().ok_or(Refused::Time)?;
    if now > made_at.plus(LIFE) || made_at > now.plus(SKEW) {
        return Err(Refused::Time);
    }
    let id = text("jti").filter(|id| (1..=LONGEST_ID).contains(&id.len())).ok_or(Refused::Id)?;
    Ok(Good { id, until: made_at.plus(LIFE), token: text("ath") })
}

/// An address as addresses are compared: without query and fragment, RFC 9449 §4.3(9), and with one
/// spelling for scheme, host and port (PX-18). What a URL parser would pass over is no address.
fn normal(text: &str) -> Option<Url> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let mut url = Url::parse(text).ok().filter(|_| plain)?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
#[path = "dpop_tests.rs"]
mod tests;
