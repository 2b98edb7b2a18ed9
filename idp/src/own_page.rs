//! `/account`: the person's own page.

use crate::interaction::Interaction;
use crate::page;
use crate::platform::Platform;
use crate::sign_in::{Refused, begin, session};
use crate::{Idp, errand::Errand};
use http::StatusCode;
use rand_core::CryptoRng;
use shared::fetch::{Request, Response};
use shared::time::UnixTime;

/// Shows the page to somebody who is signed in; anybody else signs in first.
///
/// # Errors
/// See [`Refused`].
#[expect(clippy::unused_async, reason = "it will ask the account")]
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    if session(idp, request.headers()).is_none() {
        let interaction = Interaction::begin(&[], now);
        return Ok(begin(idp, request.headers(), &Errand::OwnPage, &interaction, rng));
    }
    Ok(page::respond(StatusCode::OK, page::home(idp.config.issuer.as_str()), None))
}
