//! A form that somebody sent who has to sign in first: their own browser keeps it meanwhile.
//!
//! What was typed is sealed and lies in the tab; what opens it is in a cookie of its own, for ten
//! minutes and for one time ([`Ticket`]). No URL has either in it. When the person is back
//! ([`crate::auth::resume`]), the browser sends the form again itself, so that every check is made
//! again of it. What cannot be kept is refused with a page that says so ([`refuse`]).

pub mod pages;
mod ticket;

pub use ticket::Ticket;

use crate::auth::RESUME;
use crate::config::Config;
use crate::csrf;
use crate::negotiate::login_url;
use crate::path::Target;
use crate::session::cookie::{self, Contents};
use crate::session::state::Person;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use percent_encoding::percent_decode;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::fetch::Response;
use shared::form;
use shared::jar;
use shared::posted::LARGEST_BODY;
use shared::seal::Purpose;
use shared::secret::Digest;
use shared::time::UnixTime;
use url::form_urlencoded;

/// The most that is kept, in bytes of the form as it came.
pub const LARGEST: usize = LARGEST_BODY;
/// The most that [`LARGEST`] is once it is sealed and in a form again.
pub const LARGEST_SEALED: usize = 96 * 1024;
/// More fields than any honest form has; the page that sends it again names each of them.
const MOST_FIELDS: usize = 1000;
/// A longer path is not kept: it would not survive the way through the sign-in.
const LONGEST_PATH: usize = 2000;

/// A form that may be kept, as far as its head tells. It rides in the response that refuses it;
/// whoever has the body can [`keep`] it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    /// Path and query that it was sent to.
    to: String,
    /// What has to be signed in for: a method and a path.
    wanted: String,
    /// Where to sign in, should the browser keep nothing after all.
    login: String,
    /// Whose session it was sent in, if that is known.
    pub subject: Option<Digest>,
}

/// What is sealed of a form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept {
    /// Path and query that it was sent to.
    pub to: String,
    /// Whose session it was sent in, if that is known: for nobody else it is sent again.
    pub subject: Option<Digest>,
    body: String,
}

/// Refuses a form of somebody who has to sign in, at `login`. With what is needed to keep it, where
/// that can be: [`is_offered`] tells, and then [`keep`] wants the body.
#[must_use]
pub fn refuse(config: &Config, headers: &HeaderMap, target: &Target, login: &str) -> Response {
    let mut response = pages::not_sent(target.path(), login, None);
    if let Some(offer) = Offer::of(config, headers, target, login) {
        response.extensions_mut().insert(offer);
    }
    response
}

/// Whether a response refuses a form that may be kept.
#[must_use]
pub fn is_offered(response: &Response) -> bool {
    response.extensions().get::<Offer>().is_some()
}

/// Turns the answer that refuses a form into the page that keeps it, and sets its cookie; the same
/// answer when a page could not send the same form again. `sent` are the headers of the request.
#[must_use]
pub fn keep(
    config: &Config,
    mut refusal: Response,
    (body, sent): (&[u8], &HeaderMap),
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let offer = refusal.extensions_mut().remove::<Offer>();
    let page = offer.and_then(|offer| offer.keep(config, body, sent, now, rng));
    let Some(page) = page else { return refusal };
    // What caches and the log are told of the refusal is true of the page.
    let (parts, html) = page.into_parts();
    *refusal.body_mut() = html;
    refusal.headers_mut().extend(parts.headers);
    refusal
}

impl Offer {
    /// Only a page of this very origin: the browser would send it again as one of ours, whoever wrote it.
    fn of(config: &Config, headers: &HeaderMap, target: &Target, login: &str) -> Option<Self> {
        let to = target.path_and_query();
        let only = |name| csrf::only(headers, name).and_then(|value| value.to_str().ok());
        let kind = only(&CONTENT_TYPE)?.split(';').next()?.trim();
        let length = only(&CONTENT_LENGTH).and_then(|text| text.parse().ok()).unwrap_or(0);
        let keepable = csrf::is_own(config, headers)
            && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            && !headers.contains_key(CONTENT_ENCODING)
            && length <= LARGEST
            && to.len() <= LONGEST_PATH;
        let wanted = format!("POST {}", target.path());
        let login = login.to_owned();
        keepable.then(|| Self { to, wanted, login, subject: previous(config, headers) })
    }

    fn keep(
        self,
        config: &Config,
        body: &[u8],
        sent: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Response> {
        let Self { to, wanted, login, subject } = self;
        let body = repeatable(body)?;
        let ticket = Ticket::new(now, rng);
        let back = form::append(RESUME, [("form", ticket.name().as_str())]);
        let next = login_url(&back, Some(&wanted));
        let path = to.split('?').next().unwrap_or_default().to_owned();
        let sealed = Kept { to, subject, body }.seal(config, &ticket, rng);
        let name = pages::stored(&ticket.name());
        let script = pages::Keep { name: &name, kept: &sealed, next: &next };
        let mut response = pages::not_sent(&path, &login, Some(&script));
        ticket.write(config, (response.headers_mut(), sent), now, rng);
        Some(response)
    }
}

impl Kept {
    fn seal(&self, config: &Config, ticket: &Ticket, rng: &mut impl CryptoRng) -> String {
        // String keys and no floats: there is always a JSON form.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let context = ticket.context(config);
        config.keys.seal(Purpose::new("kept form", &context), &plain, rng)
    }

    /// Opens a form that was kept with this ticket.
    #[must_use]
    pub fn open(config: &Config, ticket: &Ticket, sealed: &str) -> Option<Self> {
        let context = ticket.context(config);
        let plain = config.keys.open(Purpose::new("kept form", &context), sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// Its fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned()
    }
}

/// The form, if a browser would send the same again: text that HTML can hold.
fn repeatable(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= LARGEST)?;
    let plain = percent_decode(body).decode_utf8().ok()?;
    let few = form_urlencoded::parse(body).take(MOST_FIELDS + 1).count() <= MOST_FIELDS;
    (few && !plain.contains('\0')).then(|| text.to_owned())
}

/// Whose session the browser had, were it over.
fn previous(config: &Config, headers: &HeaderMap) -> Option<Digest> {
    let contents = Contents::open(config, &jar::read(headers, cookie::NAME)?)?;
    contents.person().map(Person::digest)
}
