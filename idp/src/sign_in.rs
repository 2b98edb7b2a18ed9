//! Signing in: the authorization endpoint's answer, the page, and the name and password it posts.

use crate::account::{Proceed, Proceeded};
use crate::authorize::{self, UNMET};
use crate::brake::Attempt;
use crate::consent::{self, After};
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::{Browser, Interaction, Lost};
use crate::known::Known;
use crate::linking::Unchanged;
use crate::page::{self, Problem, ProblemPage};
use crate::platform::{Objects, Platform};
use crate::proof::{How, Identity, LOCAL, Means, Proof};
use crate::rows::Unavailable;
use crate::words::Endpoint;
use crate::{Idp, ask, enter, ledger, linking, upstream};
use http::header::{HeaderMap, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use rand_core::CryptoRng;
use serde_json::{Map, Value};
use shared::cause;
use shared::cookie;
use shared::error::ErrorCode;
use shared::fetch::{Request, Response};
use shared::form::Form;
use shared::handle::{Handle, Kind};
use shared::rp::dialect::recheck::Kept;
use shared::secret::{Digest, Password};
use shared::time::UnixTime;
use uuid::Uuid;

/// A larger request would not come back from the sign-in page, whose form has to hold it, sealed.
const LARGEST_REQUEST: usize = 40 * 1024;

/// The cookie of a sign-in session.
pub const COOKIE: &str = "__Host-gatelatch-sign-in";

/// Why the person sees a problem page, or the client an error, instead of a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The authorization request is wrong.
    Request(authorize::Refused),
    /// The interaction cannot go on.
    Interaction(Lost),
    /// The request is no form.
    Form(ask::NoForm),
    /// Posted from somebody else's page.
    CrossSite,
    /// The person who was asked is not the one who answers.
    SomebodyElse,
    /// There is no such way to sign in here.
    Off,
    /// The upstream cannot be used, or said no; for the log.
    Upstream(&'static str),
    /// A way to sign in was not added, or not taken off.
    Unchanged(Unchanged),
    /// The account is disabled.
    Disabled(Uuid),
    /// Somebody wanted to sign in and was refused, which is an event.
    SignIn {
        /// What they, or the client, are told.
        told: Box<Self>,
        /// Why, in a word.
        reason: &'static str,
    },
    /// An identity was added to an account because of its e-mail address, and then the sign-in was
    /// refused.
    Linked {
        /// What they, or the client, are told.
        told: Box<Self>,
        /// Which account.
        account: Uuid,
        /// The upstream, whose word counts for the address.
        upstream: String,
    },
    /// Storage did not answer.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    /// A sign-in that was refused, with what is told of it.
    #[must_use]
    pub fn sign_in(told: Self, reason: &'static str) -> Self {
        Self::SignIn { told: Box::new(told), reason }
    }

    /// What the person, or the client, gets to see.
    #[must_use]
    pub fn respond(&self, correlation_id: &str) -> Response {
        let (status, view) = match self {
            Self::Request(authorize::Refused::Client(reply, error)) => {
                return cause::note(reply.error(*error), self);
            }
            Self::Request(authorize::Refused::Page(words)) if words.starts_with("redirect_uri") => {
                (StatusCode::BAD_REQUEST, ProblemPage::unregistered_redirect(correlation_id))
            }
            Self::Request(authorize::Refused::Page(words)) if words.starts_with("client_id") => {
                (StatusCode::BAD_REQUEST, ProblemPage::unknown_client(correlation_id))
            }
            Self::Request(authorize::Refused::Page(_)) | Self::Form(_) => {
                (StatusCode::BAD_REQUEST, ProblemPage::malformed(correlation_id))
            }
            Self::Interaction(Lost::NoCookie) => {
                (StatusCode::BAD_REQUEST, ProblemPage::cookies_blocked(correlation_id))
            }
            Self::Interaction(Lost::Unreadable | Lost::Expired | Lost::Finished) => {
                (StatusCode::BAD_REQUEST, ProblemPage::expired(correlation_id))
            }
            Self::CrossSite => (StatusCode::FORBIDDEN, ProblemPage::cross_site(correlation_id)),
            Self::SomebodyElse => {
                (StatusCode::BAD_REQUEST, ProblemPage::somebody_else(correlation_id))
            }
            Self::Off => (StatusCode::NOT_FOUND, ProblemPage::not_found(correlation_id)),
            Self::Upstream(_) => (StatusCode::BAD_GATEWAY, ProblemPage::upstream(correlation_id)),
            Self::Unchanged(why) => (why.status(), ProblemPage::unchanged(*why, correlation_id)),
            Self::Disabled(_) => (StatusCode::FORBIDDEN, ProblemPage::disabled(correlation_id)),
            Self::SignIn { told, reason } => {
                return event::note(told.respond(correlation_id), Event::SignInRefused { reason });
            }
            Self::Linked { told, account, upstream } => {
                let (account, upstream) = (*account, upstream.clone());
                let mut response = told.respond(correlation_id);
                event::tell(&mut response, Event::IdentityLinkedByEmail { account, upstream });
                return response;
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, ProblemPage::server_trouble(correlation_id))
            }
        };
        let mut response = page::respond(status, page::problem(&view), None);
        if let Self::Upstream(reason) = self {
            event::tell(&mut response, Event::SignInRefused { reason });
        }
        if let Self::Disabled(account) = self {
            event::tell(&mut response, Event::DisabledSignInRefused { account: *account });
        }
        if *self == Self::Unavailable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        cause::note(response, self)
    }
}

/// `/authorize`: a code for a browser that is signed in, a page for one that is not.
///
/// # Errors
/// See [`Refused`].
pub async fn authorize<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let encoded = ask::parameters(request).map_err(Refused::Form)?;
    let asked = idp.read(encoded).await?;
    let expected = asked.expected(idp, now).await?;
    if let Some(get) = ask::as_get(request, Endpoint::Authorize) {
        return Ok(get);
    }
    let stale = asked.needs_sign_in();
    let found = session(idp, request.headers())
        .filter(|session| !stale && expected.may_be(session.object, idp.config));
    let mut asking = None;
    if let Some(session) = found {
        let (grant, code) = asked.grant(session, asked.consent(After::Nothing), idp, rng);
        let command = Proceed {
            session: session.item,
            cookie: Digest::of(session.secret),
            max_age: asked.max_age,
            acr: asked.claims.acr.clone(),
            grant,
        };
        match idp.objects.proceed(session.object, command, now).await? {
            Proceeded::Issued => return Ok(asked.reply.code(&code)),
            Proceeded::ConsentNeeded(of) => asking = Some((session.object, of)),
            Proceeded::TooLongAgo
            | Proceeded::OtherWay
            | Proceeded::SignedOut
            | Proceeded::Finished => {}
        }
    }
    if asked.prompts.is_silent() {
        // Who guesses by `sub` whom it has before it, and has not been allowed to know, is told of
        // both guesses the same.
        return Err(match asking.filter(|_| asked.claims.subjects.is_none()) {
            Some(_) => asked.needs_consent(),
            None => asked.refuse(ErrorCode::LoginRequired, "nobody is signed in"),
        });
    }
    if encoded.len() > LARGEST_REQUEST {
        return Err(asked.refuse(ErrorCode::InvalidRequest, "the request is too large"));
    }
    let interaction = Interaction::begin(encoded, now);
    let headers = request.headers();
    if let Some((account, asking)) = asking {
        let question = consent::Question { account, asking, interaction: &interaction };
        return Ok(consent::ask(idp, headers, &asked, &question, now, rng));
    }
    let errand = Errand::Client(Box::new(asked));
    let straight = upstream::straight_on(idp, headers, &errand, &interaction, rng).await?;
    Ok(straight.unwrap_or_else(|| begin(idp, headers, &errand, &interaction, rng)))
}

/// The sign-in page, for somebody who is not signed in or has to prove it again.
#[must_use]
pub fn begin<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    errand: &Errand,
    interaction: &Interaction,
    rng: &mut impl CryptoRng,
) -> Response {
    let browser = Browser::of(headers, rng);
    let interaction = interaction.seal(&browser, idp.config, rng);
    let username = errand.asked().and_then(|asked| asked.login_hint.as_deref());
    let username = username.unwrap_or_default();
    let problem = matches!(errand, Errand::Again).then_some(Problem::SessionExpired);
    let mut response = errand.page(idp, &interaction, username, StatusCode::OK, problem);
    browser.remember(&mut response);
    response
}

/// `POST /sign-in`: a name and a password.
///
/// # Errors
/// See [`Refused`].
pub async fn with_password<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let (form, interaction) = resume(idp, request, now)?;
    let sealed = form.get("interaction").unwrap_or_default();
    let errand = idp.errand(&interaction).await?;
    if idp.config.accounts.is_empty() {
        return Err(Refused::Off);
    }
    let username = form.get("username").unwrap_or_default();
    let password = Password::new(form.get("password").unwrap_or_default());
    let headers = request.headers();

    if !idp.budget.take(idp.passwords.cost(), now) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = errand.page(idp, sealed, username, status, Some(Problem::Busy));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        event::tell(&mut response, Event::SignInRefused { reason: "too many at once" });
        return Ok(cause::note(response, &Problem::Busy));
    }
    let entry = match Known::find(headers, username, idp.config) {
        Some(known) => ledger::Entry::guess_of(&known),
        None => ledger::Entry::guess(username, &idp.config.keys),
    };
    if let Attempt::Wait { seconds } = idp.objects.attempt(entry.clone(), now).await? {
        let problem = Problem::TooManyTries { wait_seconds: seconds };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut response = errand.page(idp, sealed, username, status, Some(problem));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        event::tell(&mut response, Event::SignInRefused { reason: "too many tries" });
        return Ok(cause::note(response, &problem));
    }
    match idp.passwords.check(username, &password) {
        Err(wrong) => {
            let problem = Some(Problem::WrongCredentials);
            let response = errand.page(idp, sealed, username, StatusCode::BAD_REQUEST, problem);
            let event = Event::SignInRefused { reason: "wrong credentials" };
            Ok(event::note(cause::note(response, &wrong), event))
        }
        Ok(verified) => {
            // The number is one of the list it came from.
            let account = idp.config.accounts.get(verified.account()).ok_or(Refused::Off)?;
            idp.objects.succeeded(entry, now).await?;
            let identity =
                Identity { upstream: LOCAL.to_owned(), subject: account.username.clone() };
            let claims = account.claims.clone();
            let means = Means { identity, how: How::Password(account.credential()) };
            let amr = vec!["pwd".to_owned()];
            let proof = Proof { means, auth_time: now, says_when: true, amr };
            let came_for = (&errand, &interaction);
            let mut response =
                complete(idp, headers, came_for, (proof, claims, None), now, rng).await?;
            Known::remember(headers, username, idp.config, &mut response, rng);
            Ok(response)
        }
    }
}

/// The form and the interaction of a post from our own sign-in page.
///
/// # Errors
/// See [`Refused`].
pub fn resume<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<(Form, Interaction), Refused> {
    if !ask::is_from_ourselves(request.headers(), &idp.config.issuer) {
        return Err(Refused::sign_in(Refused::CrossSite, "posted from somebody else's page"));
    }
    let form = ask::form(request).map_err(Refused::Form)?;
    let sealed = form.get("interaction").unwrap_or_default();
    let (interaction, _) = Interaction::open(sealed, request.headers(), idp.config, now)
        .map_err(|lost| Refused::sign_in(Refused::Interaction(lost), "not on a page of ours"))?;
    Ok((form, interaction))
}

/// Somebody has proved who they are: finds their account, opens a session, and sends the browser
/// where it wanted to go, with a code when a client sent it; or asks the person first whether the
/// client may have one.
///
/// # Errors
/// See [`Refused`].
pub async fn complete<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    (errand, interaction): (&Errand, &Interaction),
    (proof, claims, kept): (Proof, Map<String, Value>, Option<Kept>),
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    if let Errand::Link(linking) = errand {
        return linking::finish(idp, headers, *linking, (proof, claims), now).await;
    }
    if let Some(asked) = errand.asked()
        && !asked.is_met_by(proof.means.acr())
    {
        return Err(Refused::sign_in(asked.refuse_with(UNMET), "another way than will do"));
    }
    // An account that has taken the identity off says so, and then it is nobody's.
    for _ in 0..2 {
        let came_for = (errand, interaction);
        let shown = (proof.clone(), claims.clone(), kept.as_ref());
        if let Some(response) = enter::enter(idp, headers, came_for, shown, now, rng).await? {
            return Ok(response);
        }
    }
    Err(Refused::Unavailable)
}

/// The session that a browser's cookie names; whether it is open, its object knows.
#[must_use]
pub fn session<P: Platform>(idp: &Idp<'_, P>, headers: &HeaderMap) -> Option<Handle> {
    Handle::open(Kind::SignIn, cookie::get(headers, COOKIE)?, &idp.config.keys)
}
