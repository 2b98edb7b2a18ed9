//! `POST /revoke`, RFC 7009: a client gives up a token, and with it everything of its grant.

use crate::account::Revoke;
use crate::client_auth::authenticate;
use crate::event::{self, Event};
use crate::platform::{Objects, Platform};
use crate::tokens::read_unexpired_access_token;
use crate::{Idp, ask, token};
use http::StatusCode;
use shared::cause;
use shared::fetch::{Request, Response};
use shared::handle::{Handle, Kind};
use shared::respond;
use shared::secret::Bits;
use shared::time::UnixTime;
use uuid::Uuid;

/// Runs the endpoint and renders what it said: `200` for a token that is dead now, and for one that
/// was never this client's to end (RFC 7009 §2.2), so that nothing is learnt about others' tokens.
/// A token that may still be alive is a `503` (TI-16).
pub async fn respond<P: Platform>(idp: &Idp<'_, P>, request: &Request, now: UnixTime) -> Response {
    match revoke(idp, request, now).await {
        Ok(ended) => {
            let was_alive = ended.is_some();
            let mut response = cause::note(respond::empty(StatusCode::OK), &Revoked { was_alive });
            if let Some(event) = ended {
                event::tell(&mut response, event);
            }
            response
        }
        Err(refused) => token::refuse(refused),
    }
}

/// For the log.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Revoked {
    was_alive: bool,
}

async fn revoke<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<Option<Event>, token::Refused> {
    let form = ask::form(request).map_err(token::Refused::Form)?;
    let client = authenticate(idp, request.headers(), &form, now).await;
    let client_id = client.map_err(token::Refused::Client)?.client().id.clone();
    let text = form.get("token").ok_or(token::Refused::Missing("token is required"))?;

    // The kind is told by the token itself; `token_type_hint` is not needed (TI-18).
    if let Some(handle) = Handle::open(Kind::RefreshToken, text, &idp.config.keys) {
        let proof = Some((handle.generation, Bits::new(handle.secret)));
        let command = Revoke { grant: handle.item, client_id, refresh_token: proof };
        return end(idp, handle.object, command, now).await;
    }
    let keys = idp.published(now).await?;
    let token = read_unexpired_access_token(text, idp.config, &keys, &idp.verifier, now).await;
    let token = token.filter(|token| token.client_id == client_id);
    // What it could end is the grant, and that is somebody else's. Nothing else is stored.
    if token.as_ref().is_some_and(|token| token.act.is_some()) {
        return Err(token::Refused::Exchanged);
    }
    match token.and_then(|token| token.comes_from(idp.config)) {
        None => Ok(None),
        Some((account, id)) => {
            let command = Revoke { grant: id.grant, client_id, refresh_token: None };
            end(idp, account, command, now).await
        }
    }
}

/// Ends a grant; what happened, if it was alive and the client's.
async fn end<P: Platform>(
    idp: &Idp<'_, P>,
    account: Uuid,
    command: Revoke,
    now: UnixTime,
) -> Result<Option<Event>, token::Refused> {
    let client = command.client_id.clone();
    let was_alive = idp.objects.revoke(account, command, now).await?;
    Ok(was_alive.then_some(Event::FamilyRevoked { account, client }))
}
