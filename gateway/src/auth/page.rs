//! The few pages the gateway has of its own: fixed words, no script, and of what others wrote only
//! the path to go back to, in a link.

use super::{LOGIN, LOGOUT};
use http::StatusCode;
use http::header::RETRY_AFTER;
use shared::fetch::Response;
use shared::form::append;
use shared::page::{self, escape};
use shared::respond;

/// Which page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Page {
    /// The response belongs to no flow of this browser, or came too late.
    Stale,
    /// The person or the provider's policy said no.
    Denied,
    /// The provider answered with another error.
    ProviderRefused,
    /// The provider does not answer.
    ProviderAway,
    /// The provider answers with what we cannot accept.
    ProviderWrong,
    /// The provider did not ask the person for as much as a route wants.
    NotEnough,
    /// We could not keep, or could not end, the session.
    Busy,
    /// Somebody begins to sign in again and again.
    TooMany,
    /// The session does not fit.
    TooLarge,
    /// Signed out, and there is nowhere to go on to.
    SignedOut,
    /// Whether to sign out.
    Confirm,
    /// Nobody whom we know is called so.
    UnknownProvider,
    /// Another site tried to sign the person out.
    CrossSite,
}

const AGAIN: Next = Next::Link("Sign in again");

/// What can be done on a page.
enum Next {
    Link(&'static str),
    Post(&'static str),
}

impl Page {
    fn words(self) -> (StatusCode, &'static str, &'static str, Next) {
        match self {
            Self::Stale => (
                StatusCode::BAD_REQUEST,
                "This sign-in has expired",
                "It was started in another browser, took too long, or was used already. \
                 If that keeps happening, allow cookies for this site.",
                AGAIN,
            ),
            Self::Denied => (
                StatusCode::FORBIDDEN,
                "You were not signed in",
                "The sign-in was cancelled, or your account may not be used here.",
                AGAIN,
            ),
            Self::ProviderRefused => (
                StatusCode::BAD_REQUEST,
                "You were not signed in",
                "The sign-in service reported an error.",
                AGAIN,
            ),
            Self::ProviderAway => (
                StatusCode::BAD_GATEWAY,
                "The sign-in service does not answer",
                "Please try again in a moment.",
                AGAIN,
            ),
            Self::ProviderWrong => (
                StatusCode::BAD_GATEWAY,
                "You were not signed in",
                "The answer of the sign-in service could not be accepted.",
                AGAIN,
            ),
            Self::NotEnough => (
                StatusCode::FORBIDDEN,
                "A stronger sign-in is needed",
                "What you want to see is for those who sign in in another way, for instance with a \
                 second factor, and the sign-in service did not ask you for it.",
                AGAIN,
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work just now",
                "Please try again in a moment.",
                AGAIN,
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts",
                "Somebody at your address begins to sign in again and again. \
                 Please wait a minute.",
                AGAIN,
            ),
            Self::TooLarge => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Your session is too large",
                "The sign-in service says more about you than a browser can keep. \
                 An administrator has to change that; signing in again will not help.",
                AGAIN,
            ),
            Self::SignedOut => (
                StatusCode::OK,
                "You are signed out",
                "Your session here has ended. On a shared computer, close the browser too.",
                AGAIN,
            ),
            Self::Confirm => (
                StatusCode::OK,
                "Sign out?",
                "You will have to sign in again to go on.",
                Next::Post("Sign out"),
            ),
            Self::UnknownProvider => (
                StatusCode::BAD_REQUEST,
                "There is no such way to sign in",
                "The link that you followed names a sign-in service that is not used here.",
                AGAIN,
            ),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "Sign out?",
                "Another site asked to sign you out. Nothing was done.",
                Next::Post("Sign out"),
            ),
        }
    }
}

/// The page.
#[must_use]
pub fn page(page: Page) -> Response {
    render(page, None, LOGIN)
}

/// The page of a sign-in that failed, from which the next one leads to where this one would have.
#[must_use]
pub fn again(page: Page, return_to: &str) -> Response {
    render(page, None, &append(LOGIN, [("return_to", return_to)]))
}

/// The page, whose form is answered by a redirect to one of `addresses` and on to wherever that leads.
#[must_use]
pub fn leading_to<'a>(page: Page, addresses: impl IntoIterator<Item = &'a str>) -> Response {
    render(page, addresses, LOGIN)
}

fn render<'a>(page: Page, addresses: impl IntoIterator<Item = &'a str>, login: &str) -> Response {
    let (status, title, text, next) = page.words();
    let next = match next {
        Next::Link(label) => {
            let login = escape(login);
            format!("<p><a class=\"button\" href=\"{login}\">{label}</a></p>\n")
        }
        Next::Post(label) => format!(
            "<form method=\"post\" action=\"{LOGOUT}\">\n<button class=\"primary\">{label}</button>\n\
             </form>\n"
        ),
    };
    let body = format!("<h1>{title}</h1>\n<p>{text}</p>\n{next}");
    let mut response = page::respond(status, page::page(title, "", &body), addresses);
    let pause = match status {
        StatusCode::SERVICE_UNAVAILABLE => Some("5"),
        StatusCode::TOO_MANY_REQUESTS => Some("60"),
        _ => None,
    };
    if let Some(pause) = pause {
        respond::put(&mut response, RETRY_AFTER, pause);
    }
    response
}
