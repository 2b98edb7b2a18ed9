//! `/end_session`, OpenID Connect RP-Initiated Logout 1.0: a client asks that the person be signed
//! out here too.

use crate::account::SignOut;
use crate::event::{self, Event};
use crate::platform::{Objects, Platform};
use crate::proof::Means;
use crate::sign_in::{COOKIE, Refused, session};
use crate::subject::Hint;
use crate::words::Endpoint;
use crate::{Idp, ask, page, upstream};
use http::{Method, StatusCode};
use rand_core::CryptoRng;
use shared::cookie;
use shared::fetch::{Request, Response};
use shared::form::{Form, append};
use shared::handle::Handle;
use shared::respond::see_other;
use shared::secret::Digest;
use shared::time::UnixTime;

/// Signs out at once when the request proves that it comes from a client of this very session (its
/// ID token says so), and after a click on our own page otherwise: anybody can send a browser here.
///
/// # Errors
/// See [`Refused`].
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let encoded = ask::parameters(request).map_err(Refused::Form)?;
    let form = Form::parse(encoded);
    let form = form.map_err(|malformed| Refused::Form(ask::NoForm::Malformed(malformed)))?;
    if let Some(get) = ask::as_get(request, Endpoint::EndSession) {
        return Ok(get);
    }
    let hint = hint(idp, &form, now).await?;
    let after = after(idp, &form, hint.as_ref()).await?;
    let current = session(idp, request.headers());
    let client_name = client_name(idp, &form).await?;
    let Some(current) = current else { return Ok(done(&client_name, after)) };

    let is_its_client = hint.is_some_and(|hint| hint.is_of(current, idp.config));
    let confirmed = request.method() == Method::POST
        && form.get("confirm") == Some("yes")
        && ask::is_from_ourselves(request.headers(), &idp.config.issuer)
        && request.headers().contains_key(http::header::ORIGIN);
    if !is_its_client && !confirmed {
        let kept = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"]
            .map(|name| (name, form.get(name).unwrap_or_default()));
        let page = page::confirm_sign_out(&client_name, &kept);
        return Ok(page::respond(StatusCode::OK, page, after.as_deref()));
    }
    let ended = end(idp, current, now).await?;
    // Whoever an upstream vouched for is signed out there too, where the operator wants it.
    let mut response = match &ended {
        Some(means) => upstream::sign_out(idp, request, means, after.as_deref(), rng).await,
        None => None,
    }
    .unwrap_or_else(|| done(&client_name, after));
    cookie::delete(response.headers_mut(), COOKIE);
    // Whoever had signed out already has not done so again.
    if ended.is_some() {
        let event = Event::SignedOut { account: current.object, session: current.item };
        event::tell(&mut response, event);
    }
    Ok(response)
}

/// By what the session had begun, if it was there to end.
async fn end<P: Platform>(
    idp: &Idp<'_, P>,
    current: Handle,
    now: UnixTime,
) -> Result<Option<Means>, Refused> {
    let command = SignOut { session: current.item, cookie: Digest::of(current.secret) };
    Ok(idp.objects.sign_out(current.object, command, now).await?)
}

/// The ID token that the client holds, if it is one of ours. An expired one will do.
async fn hint<P: Platform>(
    idp: &Idp<'_, P>,
    form: &Form,
    now: UnixTime,
) -> Result<Option<Hint>, Refused> {
    let Some(text) = form.get("id_token_hint") else { return Ok(None) };
    let hint = Hint::read(idp, text, now).await?;
    // LO-03: a hint that belongs to another client than the one that asks is no hint.
    let asks = form.get("client_id");
    Ok(hint.filter(|hint| asks.is_none_or(|asks| asks == hint.client.id)))
}

/// Where the client wants the person next, if it has registered that, §3.
async fn after<P: Platform>(
    idp: &Idp<'_, P>,
    form: &Form,
    hint: Option<&Hint>,
) -> Result<Option<String>, Refused> {
    // A hint that was sent and is none says nothing good about whoever sent it (LO-03).
    if hint.is_none() && form.has("id_token_hint") {
        return Ok(None);
    }
    let asks = hint.map(|hint| hint.client.id.as_str()).or(form.get("client_id"));
    let Some((asks, wanted)) = asks.zip(form.get("post_logout_redirect_uri")) else {
        return Ok(None);
    };
    let Some(client) = idp.client(asks).await? else { return Ok(None) };
    let registered = client.post_logout_redirect_uris.iter().find(|uri| *uri == wanted);
    Ok(registered.map(|uri| append_state(uri, form.get("state"))))
}

fn append_state(uri: &str, state: Option<&str>) -> String {
    state.map_or_else(|| uri.to_owned(), |state| append(uri, [("state", state)]))
}

async fn client_name<P: Platform>(idp: &Idp<'_, P>, form: &Form) -> Result<String, Refused> {
    let Some(id) = form.get("client_id") else { return Ok(String::new()) };
    Ok(idp.client(id).await?.map(|client| client.name.clone()).unwrap_or_default())
}

/// Nobody is signed in any more: on to where the client wanted, or a page that says so.
fn done(client_name: &str, after: Option<String>) -> Response {
    if let Some(after) = after {
        see_other(&after)
    } else {
        let view = page::SignedOut { client_name, continue_to: None };
        page::respond(StatusCode::OK, page::signed_out(&view), None)
    }
}
