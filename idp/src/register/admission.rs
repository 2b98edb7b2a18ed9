//! Who may register clients, and who may speak for one: never a stranger.

use crate::Idp;
use crate::config::MANAGE_CLIENTS;
use crate::platform::{Objects, Platform};
use crate::registry::{Id, Row};
use crate::rows::Unavailable;
use crate::tokens::{AccessClaims, read_access_token};
use http::header::HeaderMap;
use shared::bearer::{Bearer, bearer};
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// Whoever may register a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Registrar {
    /// The bearer of an initial access token, RFC 7591 §1.2.
    Bearer(Digest),
    /// Somebody whom the operator named.
    Admin(Uuid),
}

/// Whoever may read, change and remove a registration.
#[derive(Clone, Copy)]
pub(super) enum Keeper<'h> {
    /// The bearer of its registration access token, RFC 7592 §1.3, which is this.
    Itself(&'h str),
    /// Somebody whom the operator named.
    Admin(Uuid),
}

/// Why somebody is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stranger {
    /// No token at all.
    NoToken,
    /// None that is good here, or no such client.
    Invalid,
    /// A living access token of somebody who is no administrator, or not for this.
    Scope,
    /// Nobody could say.
    Unavailable,
}

impl From<Unavailable> for Stranger {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// Admits whoever may register a client.
///
/// # Errors
/// See [`Stranger`].
pub(super) async fn registrar<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    now: UnixTime,
) -> Result<Registrar, Stranger> {
    let token = token(headers)?;
    let presented = Digest::of(token);
    // Every digest is compared, in constant time.
    let known = idp.config.initial_access_tokens.iter().filter(|known| **known == presented);
    if known.count() > 0 {
        return Ok(Registrar::Bearer(presented));
    }
    admin(idp, token, now).await.map(Registrar::Admin)
}

/// Admits whoever may speak for the client that `id` names, and gives its registration. Unknown
/// clients and wrong tokens are refused alike, after the same work (RG-08).
///
/// # Errors
/// See [`Stranger`].
pub(super) async fn keeper<'h, P: Platform>(
    idp: &Idp<'_, P>,
    id: Option<&Id>,
    headers: &'h HeaderMap,
    now: UnixTime,
) -> Result<(Keeper<'h>, Option<Row>), Stranger> {
    let token = token(headers)?;
    let presented = Digest::of(token);
    let row = match id {
        Some(id) => idp.objects.registered(id, 0, now).await?,
        None => None,
    };
    if row.as_ref().is_some_and(|row| row.token == presented) {
        return Ok((Keeper::Itself(token), row));
    }
    let admin = admin(idp, token, now).await?;
    Ok((Keeper::Admin(admin), row))
}

fn token(headers: &HeaderMap) -> Result<&str, Stranger> {
    match bearer(headers) {
        Bearer::Absent => Err(Stranger::NoToken),
        Bearer::Malformed => Err(Stranger::Invalid),
        Bearer::Token(token) => Ok(token),
    }
}

/// An access token of our own, for us alone, alive, with the scope, and of an administrator.
async fn admin<P: Platform>(
    idp: &Idp<'_, P>,
    token: &str,
    now: UnixTime,
) -> Result<Uuid, Stranger> {
    if idp.config.admins.is_empty() {
        return Err(Stranger::Invalid);
    }
    let keys = idp.published(now).await?;
    let token = read_access_token(token, idp.config, &keys, &idp.verifier, now).await;
    let token = token.ok_or(Stranger::Invalid)?;
    let (account, id) = token.comes_from(idp.config).ok_or(Stranger::Invalid)?;
    let AccessClaims { aud, scope, client_id, act, cnf, .. } = token;
    let client = idp.client(&client_id).await?.ok_or(Stranger::Invalid)?;
    // A resource that acts for an administrator is none, whomever its token is for.
    if act.is_some() {
        return Err(Stranger::Invalid);
    }
    // A token that belongs to a key is nobody's who merely bears it, and no proof is read here.
    if cnf.is_some() {
        return Err(Stranger::Invalid);
    }
    // A resource that is shown it too could come here with it.
    if !matches!(&*aud, [only] if only == idp.config.issuer.as_str()) {
        return Err(Stranger::Invalid);
    }
    idp.objects.userinfo(account, id.grant, now).await?.ok_or(Stranger::Invalid)?;

    // The token is good; what is left is whether it is good for this.
    if !scope.has(MANAGE_CLIENTS) || !client.scope.has(MANAGE_CLIENTS) {
        return Err(Stranger::Scope);
    }
    if idp.config.admins.contains(&account) { Ok(account) } else { Err(Stranger::Scope) }
}
