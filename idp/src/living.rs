//! Access tokens of ours that are good at this moment, and what they are good for when the operator has
//! taken something since: for who asks about one, and for who wants another in its place.

use crate::Idp;
use crate::account::{Alive, Introspect};
use crate::client::{Client, Standing};
use crate::platform::{Objects, Platform};
use crate::resource::Target;
use crate::rows::Unavailable;
use crate::tokens::{AccessClaims, Actor, TokenId, read_access_token};
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;

/// What somebody who may know of an access token is to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The client it was issued to.
    Client,
    /// A resource that it is for.
    Resource,
}

impl Part {
    /// What `asks` is to this token; none for a stranger.
    fn of(asks: &Client, claims: &AccessClaims) -> Option<Self> {
        if claims.client_id == asks.id {
            return Some(Self::Client);
        }
        // Only the operator can say that a client is a resource.
        let is_resource = asks.standing != Standing::Registered
            && asks.resource_server.iter().any(|resource| claims.aud.contains(resource));
        is_resource.then_some(Self::Resource)
    }
}

/// A living access token.
#[derive(Debug)]
pub(crate) struct Living {
    /// What it says, less what was taken since.
    pub claims: AccessClaims,
    /// The account it is about.
    pub account: Uuid,
    /// Which of its tokens it is.
    pub id: TokenId,
    /// What who asked is to it.
    pub part: Part,
    /// The grant it comes from.
    pub grant: Alive,
    /// Whose that is.
    pub grantee: Rc<Client>,
}

impl Living {
    /// Finds out about a token, by one request to the account's object. None for what is no access
    /// token of ours, is not good any more, or is no business of `asks`, and nobody is told which.
    ///
    /// # Errors
    /// [`Unavailable`]: it is neither good nor not.
    pub(crate) async fn find<P: Platform>(
        idp: &Idp<'_, P>,
        asks: &Client,
        text: &str,
        now: UnixTime,
    ) -> Result<Option<Self>, Unavailable> {
        let keys = idp.published(now).await?;
        let claims = read_access_token(text, idp.config, &keys, &idp.verifier, now).await;
        // To the second: who asks us has a clock of ours, and no skew to allow for.
        let claims = claims.filter(|claims| now < claims.exp && Part::of(asks, claims).is_some());
        let Some(claims) = claims else { return Ok(None) };
        let Some((account, id)) = claims.comes_from(idp.config) else { return Ok(None) };
        let Some(holder) = idp.client(&claims.client_id).await? else { return Ok(None) };
        let claims = still_allowed(claims, &holder, idp.config.issuer.as_str());
        // A resource that the client may have no tokens for any more is told of none.
        let Some(claims) = claims.filter(|claims| Part::of(asks, claims).is_some()) else {
            return Ok(None);
        };
        let client_id = claims.act.is_none().then(|| claims.client_id.clone());
        let command = Introspect { grant: id.grant, client_id, refresh_token: None };
        let found = idp.objects.introspect(account, command, now).await?;
        let Some(grant) = found else { return Ok(None) };
        let passed_on = passed_on(idp, claims, &holder, &grant.facts.client_id).await?;
        Ok(passed_on.and_then(|(claims, grantee)| {
            let part = Part::of(asks, &claims)?;
            Some(Self { claims, account, id, part, grant, grantee })
        }))
    }
}

/// A token of `holder`, and whose its grant is: less what was taken since from that client, and from
/// those through whom it came by exchange. None when one of them is gone, or nobody is left whom it is
/// for.
///
/// # Errors
/// [`Unavailable`].
pub(crate) async fn passed_on<P: Platform>(
    idp: &Idp<'_, P>,
    claims: AccessClaims,
    holder: &Rc<Client>,
    grantee: &str,
) -> Result<Option<(AccessClaims, Rc<Client>)>, Unavailable> {
    let grantee =
        if grantee == holder.id { Some(Rc::clone(holder)) } else { idp.client(grantee).await? };
    let Some(grantee) = grantee else { return Ok(None) };
    let mut scope = claims.scope.clone();
    for actor in claims.act.iter().flat_map(Actor::chain) {
        // The operator's own, all of them: no other client may exchange anything.
        let Some(client) = idp.config.client(actor) else { return Ok(None) };
        scope = scope.and(&client.scope);
    }
    let claims = AccessClaims { scope, ..claims };
    let claims = still_allowed(claims, &grantee, idp.config.issuer.as_str());
    Ok(claims.map(|claims| (claims, grantee)))
}

/// What an access token is good for when the operator has taken something from its client since; none
/// when nobody is left whom it is for.
fn still_allowed(claims: AccessClaims, client: &Client, issuer: &str) -> Option<AccessClaims> {
    let allowed = Target::unnamed(client).allowed;
    let AccessClaims { mut aud, scope, .. } = claims;
    aud.retain(|aud| aud == issuer || allowed.has(aud));
    let scope = scope.and(&client.scope);
    (!aud.is_empty()).then_some(AccessClaims { aud, scope, ..claims })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    #[test]
    fn ti_09_who_registered_itself_is_no_resource_whatever_it_says() {
        let clients = json!([{ "client_id": "rs", "grant_types": [], "resource_server": ["api"],
            "client_secret_sha256": shared::secret::Digest::of("x").to_text() }]);
        let config = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "CLIENTS" => Some(clients.to_string()),
            _ => None,
        });
        let operators = Client::clone(config.unwrap().client("rs").unwrap());
        let registered = Client { standing: Standing::Registered, ..operators.clone() };
        let of = |client: &str, aud: &[&str]| {
            let claims = json!({ "iss": "i", "sub": "s", "aud": aud, "exp": 1, "iat": 1, "jti": "j",
                "client_id": client, "scope": "openid", "sid": "s", "auth_time": 1, "amr": [] });
            serde_json::from_value::<AccessClaims>(claims).unwrap()
        };
        let to_operators = |claims: &AccessClaims| Part::of(&operators, claims);
        let to_registered = |claims: &AccessClaims| Part::of(&registered, claims);
        assert_eq!(to_operators(&of("app", &["other", "api"])), Some(Part::Resource));
        assert_eq!(to_operators(&of("app", &["other"])), None);
        assert_eq!(to_registered(&of("app", &["other", "api"])), None);
        assert_eq!(to_registered(&of("rs", &["other"])), Some(Part::Client), "its own");
        assert_eq!(to_operators(&of("rs", &["api"])), Some(Part::Client), "for itself");
    }
}
