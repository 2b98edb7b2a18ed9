//! The gateway's own pages: signing in, coming back, signing out, and who one is.

pub mod back_channel;
pub mod callback;
pub mod explain;
pub mod flow;
pub mod following;
pub mod health;
pub mod login;
pub mod logout;
mod own_page;
pub mod page;
pub mod resume;
pub mod return_path;
pub mod sessions;
pub mod turnstile;
pub mod whoami;

#[cfg(test)]
mod aimed_tests;
#[cfg(test)]
mod back_channel_tests;
#[cfg(test)]
mod choice_tests;
#[cfg(test)]
mod following_tests;
#[cfg(test)]
mod id_token_tests;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod own_sessions_tests;
#[cfg(test)]
mod par_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod providers_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod several;
#[cfg(test)]
mod sign_in_tests;
#[cfg(test)]
mod silent_tests;
#[cfg(test)]
mod world;

use crate::config::Mode;
use crate::providers;
use crate::session::Sessions;
use crate::session::admission::Seams;
use http::header::ALLOW;
use http::{HeaderMap, Method, StatusCode};
use rand_core::CryptoRng;
use shared::fetch::{Fetch, Request, Response};
use shared::jose::Signer;
use shared::respond;
use shared::time::UnixTime;

/// Starts a sign-in.
pub const LOGIN: &str = "/auth/login";
/// Where the provider sends the browser; where there are several, each has a path below it.
pub const CALLBACK: &str = "/auth/callback";
/// Signs out.
pub const LOGOUT: &str = "/auth/logout";
/// Who one is.
pub const SESSION: &str = "/auth/session";
/// One's sessions; each of them has a path below it.
pub const SESSIONS: &str = "/auth/sessions";
/// Where somebody comes back to who sent a form and had to sign in first.
pub const RESUME: &str = "/auth/resume";
/// The public halves of our keys.
pub const JWKS: &str = "/auth/jwks";
/// Where the provider says that somebody has signed out there.
pub const BACK_CHANNEL: &str = "/auth/backchannel-logout";

/// Where a browser shows that it is no machine's.
pub const TURNSTILE: &str = "/auth/turnstile";

/// Whether the gateway itself reads the body of a request.
#[must_use]
pub fn reads_body(method: &Method, path: &str) -> bool {
    method == Method::POST && matches!(path, BACK_CHANNEL | RESUME | TURNSTILE)
}

/// Whether somebody could sign in.
pub const HEALTH: &str = "/auth/health";
/// What would become of a request.
pub const EXPLAIN: &str = "/auth/explain";

/// Answers a request to one of our own paths; none when the path is not ours.
pub async fn handle<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Option<Response> {
    let (method, path, config) = (request.method(), request.uri().path(), seams.config);
    Some(match path {
        LOGIN if method == Method::GET => login::login(seams, request, now, rng).await,
        LOGOUT if method == Method::GET || method == Method::POST => {
            logout::logout(seams, request, now).await
        }
        SESSION if method == Method::GET => whoami::whoami(seams, request, now, rng).await,
        EXPLAIN if method == Method::GET => explain::explain(seams, request, now, rng).await,
        HEALTH if matches!(*method, Method::GET | Method::HEAD) => health::health(seams, now).await,
        RESUME if method == Method::GET => resume::resume(seams, request, now),
        RESUME if method == Method::POST => resume::send(seams, request, now, rng).await,
        JWKS if config.own_keys.signing().is_none() => return None,
        JWKS if matches!(*method, Method::GET | Method::HEAD) => config.own_keys.respond()?,
        HEALTH | JWKS => not_allowed("GET, HEAD"),
        LOGIN | SESSION | EXPLAIN => not_allowed("GET"),
        TURNSTILE if config.turnstile.is_none() => return None,
        TURNSTILE if method == Method::GET || method == Method::POST => {
            turnstile::turnstile(seams, request, now, rng).await?
        }
        LOGOUT | RESUME | TURNSTILE => not_allowed("GET, POST"),
        path if path.starts_with(CALLBACK) => {
            let party =
                seams.parties.iter().find(|party| providers::callback(&party.id) == path)?;
            if method != Method::GET {
                return Some(not_allowed("GET"));
            }
            callback::callback(seams, party, request, now, rng).await
        }
        // Without objects there is nothing to list, and nothing that could be told.
        _ if config.mode == Mode::Sealed => return None,
        BACK_CHANNEL if method == Method::POST => back_channel::told(seams, request, now).await,
        BACK_CHANNEL => not_allowed("POST"),
        path => {
            let id = path.strip_prefix(SESSIONS)?;
            sessions::sessions(seams, request, id, now, rng).await?
        }
    })
}

fn not_allowed(methods: &'static str) -> Response {
    let mut response = respond::empty(StatusCode::METHOD_NOT_ALLOWED);
    respond::put(&mut response, ALLOW, methods);
    response
}

/// Puts `Set-Cookie` lines on a response.
fn carry(response: &mut Response, cookies: &HeaderMap) {
    for line in cookies.get_all(http::header::SET_COOKIE) {
        response.headers_mut().append(http::header::SET_COOKIE, line.clone());
    }
}
