//! Signing out at the upstream too: the way there after our own session has ended, and the way back.
//! Where the client wants the person next waits in a cookie of this browser, sealed; the address that
//! the upstream sends it back to says nothing about that (PA-14).

use crate::Idp;
use crate::config::Upstream;
use crate::page;
use crate::platform::Platform;
use crate::proof::{How, Means};
use crate::sign_in::Refused;
use crate::words::Endpoint;
use http::{Method, StatusCode};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::fetch::{Request, Response};
use shared::form::Form;
use shared::jar;
use shared::respond::see_other;
use shared::rp::dialect::{Back, WayOut};
use shared::seal::Purpose;
use shared::secret::{Digest, random_text};
use shared::time::UnixTime;

/// How long a browser may be away, in seconds.
const LIFE: u64 = 600;
/// One a browser: nobody signs out of two sessions here at once.
const COOKIE: &str = "__Host-gatelatch-signed-out";
/// What it is sealed for.
const PURPOSE: Purpose<'static> = Purpose::new("signed out", COOKIE);

/// What a browser keeps while it signs out there.
#[derive(Debug, Deserialize, Serialize)]
struct Waiting {
    /// Where it is: the upstream's id.
    at: String,
    /// What it has to bring back, where the upstream lets it.
    state: Option<Digest>,
    /// Where the person goes then, with the client's state: checked to be registered.
    after: String,
    /// When it has been away too long.
    until: UnixTime,
}

/// Sends the browser to sign out there. None where it does not: the session stood on something else,
/// the operator does not want it, there is no such place, or the upstream is in trouble.
pub async fn leave<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    means: &Means,
    after: Option<&str>,
    rng: &mut impl CryptoRng,
) -> Option<Response> {
    let How::Upstream { id, sid, .. } = &means.how else { return None };
    let (chosen, provider) = idp.upstream(id)?;
    if !chosen.logout || !chosen.vouches_for(means) {
        return None;
    }
    let metadata = provider.metadata(&idp.fetch, idp.now).await.ok()?;
    let state = random_text(rng);
    let to = idp.config.issuer.at(&format!("{}{id}", Endpoint::UpstreamSignedOut.path()));
    let back = Back { to: &to, state: &state };
    let client_id = &chosen.client.client_id;
    let way = chosen.dialect().way_out(client_id, &metadata, sid.as_deref(), &back)?;
    let WayOut { url, brings_state } = way;
    // A page posts its form to us alone; one of its own leads on from there.
    let mut response = if request.method() == Method::POST {
        page::respond(StatusCode::OK, page::onward(&url, &chosen.label), None)
    } else {
        see_other(&url)
    };
    let (sent, out) = (request.headers(), response.headers_mut());
    if let Some(after) = after {
        let waiting = Waiting {
            at: id.clone(),
            state: brings_state.then(|| Digest::of(&state)),
            after: after.to_owned(),
            until: idp.now.plus(LIFE),
        };
        let plain = serde_json::to_vec(&waiting).unwrap_or_default();
        let sealed = idp.config.keys.seal(PURPOSE, &plain, rng);
        jar::write(out, sent, COOKIE, &sealed, Some(LIFE)).ok()?;
    } else if jar::read(sent, COOKIE).is_some() {
        // Of another time.
        jar::delete(out, sent, COOKIE);
    }
    Some(response)
}

/// `GET /sign-in/signed-out/ID`: the browser has signed out there, or has turned back.
///
/// # Errors
/// [`Refused::Off`] where nobody is sent.
pub fn come_back<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<Response, Refused> {
    let id = request.uri().path().strip_prefix(Endpoint::UpstreamSignedOut.path());
    let chosen = id.and_then(|id| idp.config.upstream(id)).filter(|chosen| chosen.logout);
    let chosen = chosen.ok_or(Refused::Off)?;
    let Some(Waiting { after, .. }) = waiting(idp, request, chosen, now) else {
        let view = page::SignedOut { client_name: "", continue_to: None };
        return Ok(page::respond(StatusCode::OK, page::signed_out(&view), None));
    };
    let mut response = see_other(&after);
    jar::delete(response.headers_mut(), request.headers(), COOKIE);
    Ok(response)
}

/// What this browser waits for, if it comes from there.
fn waiting<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    chosen: &Upstream,
    now: UnixTime,
) -> Option<Waiting> {
    let sealed = jar::read(request.headers(), COOKIE)?;
    let plain = idp.config.keys.open(PURPOSE, &sealed)?;
    let waiting: Waiting = serde_json::from_slice(&plain).ok()?;
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok()?;
    let brings = waiting.state.is_none_or(|state| form.get("state").map(Digest::of) == Some(state));
    (waiting.at == chosen.id && now < waiting.until && brings).then_some(waiting)
}
