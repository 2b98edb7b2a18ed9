//! `/auth/resume`: somebody who had to sign in is back, and the form that they sent before with them.

use super::{RESUME, carry};
use crate::csrf;
use crate::kept::pages::{self, Said};
use crate::kept::{Kept, Ticket};
use crate::negotiate::login_url;
use crate::session::Sessions;
use crate::session::admission::{Authentication, Seams};
use crate::session::state::further::Lack;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use rand_core::CryptoRng;
use shared::cause;
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, append};
use shared::jose::Signer;
use shared::time::UnixTime;

/// Why a form was not sent again: for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    CrossSite,
    Form,
    Ticket,
    Seal,
    SignedOut,
    Unavailable(u64),
    SomebodyElse,
    Used,
}

impl Refused {
    fn said(self) -> Said {
        match self {
            Self::CrossSite => Said::CrossSite,
            Self::Form | Self::Ticket | Self::Seal | Self::Used => Said::Gone,
            Self::SignedOut => Said::SignedOut,
            Self::Unavailable(_) => Said::Busy,
            Self::SomebodyElse => Said::SomebodyElse,
        }
    }
}

/// `GET`: the page that hands over what the tab has kept.
pub fn resume<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
) -> Response {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    let form = form.unwrap_or_default();
    let name = form.get("form").unwrap_or_default();
    match Ticket::find(seams.config, request.headers(), name, now) {
        Some(ticket) => pages::hand_over(&ticket.name()),
        None => pages::refused(Said::Gone, "/"),
    }
}

/// `POST`: opens what was kept and gives it to the browser to send, once.
pub async fn send<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let form = Form::parse(request.body()).unwrap_or_default();
    let name = form.get("form").unwrap_or_default();
    let mut cookies = HeaderMap::new();
    let mut response = match open(seams, request, &form, &mut cookies, now, rng).await {
        Ok((ticket, kept)) => {
            ticket.delete(&mut cookies);
            pages::send(seams.config, &ticket.name(), &kept, kept.subject.is_some())
        }
        Err(refused) => {
            let back = append(RESUME, [("form", name)]);
            let next = if refused == Refused::SignedOut {
                login_url(&back, None, None)
            } else {
                "/".into()
            };
            let mut response = cause::note(pages::refused(refused.said(), &next), &refused);
            if let Refused::Unavailable(seconds) = refused {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    };
    carry(&mut response, &cookies);
    response
}

/// Everything is asked before anything is used up.
async fn open<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    form: &Form,
    cookies: &mut HeaderMap,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<(Ticket, Kept), Refused> {
    let (config, headers) = (seams.config, request.headers());
    csrf::is_own(config, headers).then_some(()).ok_or(Refused::CrossSite)?;
    let (name, sealed) = form.get("form").zip(form.get("kept")).ok_or(Refused::Form)?;
    let ticket = Ticket::find(config, headers, name, now).ok_or(Refused::Ticket)?;
    let kept = Kept::open(config, &ticket, sealed).ok_or(Refused::Seal)?;
    let visitor = match seams.authenticate(headers, now, rng).await {
        Authentication::Authenticated(visitor) => visitor,
        Authentication::Anonymous(lines, _) => {
            *cookies = lines;
            return Err(Refused::SignedOut);
        }
        Authentication::Lacking { lack: Lack { retry_after, .. }, cookies: lines }
        | Authentication::Unavailable { retry_after, cookies: lines, refresh: _ } => {
            *cookies = lines;
            return Err(Refused::Unavailable(retry_after));
        }
    };
    cookies.clone_from(&visitor.cookies);
    let subject = visitor.snapshot.person.digest();
    let theirs = kept.subject.is_none_or(|whose| whose == subject);
    theirs.then_some(()).ok_or(Refused::SomebodyElse)?;
    seams.used.first(ticket.name(), now).then_some(()).ok_or(Refused::Used)?;
    Ok((ticket, kept))
}
