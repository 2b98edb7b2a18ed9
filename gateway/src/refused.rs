//! What the gateway says when it sends a request nowhere.

use crate::caller;
use crate::path::Malformed;
use crate::session::state::further::Lack;
use crate::signals::Signal;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use shared::cause;
use shared::fetch::Response;
use shared::page;
use shared::respond;

/// Why a request goes no further. For the log; the client gets [`Refused::response`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// TRACE, CONNECT or TRACK.
    Method,
    /// There are more headers than can be looked at, so none is believed.
    Headers,
    /// A GET or HEAD with a body, which the runtime sends to nobody, RFC 9110 §9.3.1.
    Body,
    /// The path is not one.
    Path(Malformed),
    /// The origin might take the path for one of another route.
    Ambiguous,
    /// No route has this path.
    NoRoute,
    /// An unsafe request or a WebSocket that another site may have caused.
    CrossSite,
    /// The issuer's access token has characters that no header may hold, RFC 6750 §2.1.
    Unsendable,
    /// What the origin is to be told about somebody cannot be signed: our key does not sign.
    Unsigned,
    /// Somebody is signed in, but the issuer gives no access token for now; in so many seconds it
    /// may.
    NoToken(u64),
    /// Somebody is signed in, but the issuer gives no token for this route's origin.
    Origin(Lack),
    /// The token at hand is for another origin than this route's.
    Misdirected,
    /// Somebody is signed in whose session has not the scope that the route asks for.
    Scope,
    /// Somebody is signed in who is not one of those whom the route is for.
    Claim,
    /// The route is not for requests from there; which signal says so.
    Edge(Signal),
    /// No site has this host.
    Host,
    /// The origin could not be reached, or broke off before it answered.
    Unreachable,
}

/// Why a request is answered here, for who asks what would become of it. It rides in the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// See [`Refused`].
    Refused(Refused),
    /// See [`caller::Refused`].
    Caller(caller::Refused),
    /// Nobody is signed in.
    LoginRequired,
    /// Somebody is, who has to prove who they are in another way, or again.
    StepUp,
    /// Somebody is, with another provider than the route is for.
    OtherProvider,
    /// Somebody is signed in whose session is to be opened again, nearer to them.
    Far,
    /// The browser has to show first that it is no machine's.
    Turnstile,
    /// A browser asks on behalf of another site, which is granted nothing.
    Preflight,
}

/// The only words a client reads.
#[derive(Serialize)]
struct Words {
    error: &'static str,
    error_description: &'static str,
}

impl Refused {
    /// The answer: a page for somebody who navigates, JSON for everything else.
    #[must_use]
    pub fn response(self, navigation: bool) -> Response {
        let (status, error, error_description) = match self {
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this method is not served")
            }
            Self::Headers => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_many_headers",
                "there are too many headers",
            ),
            Self::Body => {
                (StatusCode::BAD_REQUEST, "unexpected_body", "a GET or HEAD request has no body")
            }
            Self::Path(_) => (StatusCode::BAD_REQUEST, "invalid_path", "the path is malformed"),
            Self::Ambiguous => (StatusCode::BAD_REQUEST, "ambiguous_path", "ambiguous path"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found", "there is nothing here"),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "cross_site_request",
                "send this from the same origin, or with the header X-CSRF: 1",
            ),
            Self::Unsendable => {
                (StatusCode::BAD_GATEWAY, "bad_gateway", "the access token cannot be sent")
            }
            Self::Unsigned => {
                (StatusCode::BAD_GATEWAY, "bad_gateway", "who you are cannot be told")
            }
            Self::Origin(Lack { refused: true, .. }) | Self::Misdirected => (
                StatusCode::BAD_GATEWAY,
                "bad_gateway",
                "there is no access token for this application",
            ),
            Self::NoToken(_) | Self::Origin(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "the sign-in service does not answer; try again",
            ),
            Self::Scope => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "your session does not have the scope that this needs",
            ),
            Self::Claim => (
                StatusCode::FORBIDDEN,
                "access_denied",
                "you are not one of those whom this is for",
            ),
            Self::Edge(_) => (
                StatusCode::FORBIDDEN,
                "access_denied",
                "this is not for requests from where yours comes",
            ),
            Self::Host => {
                (StatusCode::MISDIRECTED_REQUEST, "misdirected_request", "no site has this host")
            }
            Self::Unreachable => {
                (StatusCode::BAD_GATEWAY, "bad_gateway", "the application did not answer")
            }
        };
        let mut response = if navigation {
            self.page(status)
        } else {
            respond::json(status, &Words { error, error_description })
        };
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let served = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            response.headers_mut().insert(ALLOW, served);
        }
        if let Self::NoToken(seconds) | Self::Origin(Lack { retry_after: seconds, .. }) = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Why::Refused(self));
        cause::note(response, &self)
    }

    /// The same for a person. Nothing in it comes from the request.
    fn page(self, status: StatusCode) -> Response {
        let (title, words, next) = match self {
            Self::NoToken(_) => (
                "The sign-in service doesn\u{2019}t answer",
                "You are still signed in. Wait a moment and reload the page. If it keeps \
                 happening, sign in again.",
                "<p><a class=\"button\" href=\"/auth/login\">Sign in again</a></p>\n",
            ),
            Self::Origin(Lack { refused: false, .. }) => (
                "The sign-in service doesn\u{2019}t answer",
                "You are still signed in, but this part of the application needs something from the \
                 sign-in service. Wait a moment and reload the page.",
                "",
            ),
            Self::Unreachable
            | Self::Unsendable
            | Self::Unsigned
            | Self::Misdirected
            | Self::Origin(_) => (
                "The application doesn\u{2019}t answer",
                "Nothing is wrong with your session. Wait a moment and reload the page.",
                "",
            ),
            Self::NoRoute => (
                "There\u{2019}s nothing here",
                "This address leads nowhere. Check it, or go back to where you came from.",
                "",
            ),
            Self::CrossSite => (
                "This request came from another site",
                "Nothing was done. Go back to the application and try again from there.",
                "",
            ),
            Self::Scope | Self::Claim => (
                "You may not see this",
                "You are signed in, and this part of the application is not for you. If you were \
                 given access a moment ago, sign in again.",
                "<p><a class=\"button\" href=\"/auth/login\">Sign in again</a></p>\n",
            ),
            Self::Edge(_) => (
                "You can\u{2019}t open this from here",
                "This part of the application is only for requests from certain places, networks \
                 or devices, and yours is not from one of them.",
                "",
            ),
            Self::Host => (
                "There\u{2019}s nothing here",
                "No application has this address. Check it, or go back to where you came from.",
                "",
            ),
            Self::Method | Self::Headers | Self::Body | Self::Path(_) | Self::Ambiguous => (
                "This request can\u{2019}t be answered",
                "Something about it is malformed or could be understood in two ways. Check the \
                 address, or go back to where you came from.",
                "",
            ),
        };
        let body = format!("<h1>{title}</h1>\n<p>{words}</p>\n{next}");
        page::respond(status, page::page(title, "", &body), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gp_15_an_unserved_method_is_told_which_are() {
        let response = Refused::Method.response(false);
        assert_eq!(response.status(), 405);
        assert!(response.headers().contains_key(ALLOW));
    }

    #[test]
    fn gp_29_a_silent_origin_is_a_502_that_nothing_keeps_and_no_cookie_changes() {
        for navigation in [true, false] {
            let response = Refused::Unreachable.response(navigation);
            assert_eq!(response.status(), 502);
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(!response.headers().contains_key("set-cookie"));
            let html = response.headers()["content-type"] == "text/html; charset=utf-8";
            assert_eq!(html, navigation);
        }
    }
}
