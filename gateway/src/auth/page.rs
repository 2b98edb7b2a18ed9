//! The few pages the gateway has of its own: fixed words, no script, nothing from the request.

use super::{LOGIN, LOGOUT};
use http::StatusCode;
use http::header::{REFERRER_POLICY, RETRY_AFTER};
use shared::fetch::Response;
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
    /// We could not keep, or could not end, the session.
    Busy,
    /// The session does not fit.
    TooLarge,
    /// Whether to sign out.
    Confirm,
    /// Another site tried to sign the person out.
    CrossSite,
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}main{max-width:28rem;padding:2rem}h1{font-size:1.4rem;margin:0 0 .5rem}a,button{display:inline-block;margin-top:1rem;padding:.6rem 1.2rem;border:1px solid currentColor;border-radius:.4rem;background:none;color:inherit;font:inherit;text-decoration:none;cursor:pointer}a:focus-visible,button:focus-visible{outline:3px solid Highlight;outline-offset:2px}";
/// The hash is that of [`STYLE`]. There is no `form-action`: signing out redirects to the provider.
const POLICY: &str = "default-src 'none'; style-src 'sha256-zqvRmo4wQ4Ay8ZjWvaT6DY03MYh3cGHcBBPuIV6PiiQ='; base-uri 'none'; \
    frame-ancestors 'none'";

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
                "It was started in another browser, took too long, or was used already.",
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
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work just now",
                "Please try again in a moment.",
                AGAIN,
            ),
            Self::TooLarge => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Your session is too large",
                "The sign-in service says more about you than a browser can keep. \
                 An administrator has to change that; signing in again will not help.",
                AGAIN,
            ),
            Self::Confirm => (
                StatusCode::OK,
                "Sign out?",
                "You will have to sign in again to go on.",
                Next::Post("Sign out"),
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
    let (status, title, text, next) = page.words();
    let next = match next {
        Next::Link(label) => format!("<a href=\"{LOGIN}\">{label}</a>"),
        Next::Post(label) => {
            format!("<form method=\"post\" action=\"{LOGOUT}\"><button>{label}</button></form>")
        }
    };
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>{next}</main>\
         </body></html>"
    );
    let mut response = respond::html(status, body, POLICY);
    // With `no-referrer` a form would send `Origin: null`, and could not be told from a stranger's.
    respond::put(&mut response, REFERRER_POLICY, "same-origin");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        respond::put(&mut response, RETRY_AFTER, "5");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::secret::Digest;

    #[test]
    fn the_policy_allows_exactly_the_style_there_is() {
        let hash = Digest::of(STYLE).to_text().replace('-', "+").replace('_', "/");
        assert!(POLICY.contains(&format!("'sha256-{hash}='")));
    }
}
