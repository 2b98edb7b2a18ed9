//! `GET /auth/session`: who one is and until when. Never a token (GS-19).

use super::{LOGIN, LOGOUT, carry};
use crate::session::Sessions;
use crate::session::admission::{Authentication, Seams};
use crate::session::state::Snapshot;
use crate::session::state::further::Lack;
use http::header::{RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::fetch::{Fetch, Request, Response};
use shared::jose::Signer;
use shared::respond;
use shared::time::UnixTime;

/// The answer. Times are seconds since 1970.
#[derive(Debug, Serialize)]
struct Answer {
    signed_in: bool,
    login_url: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    session: Option<About>,
}

#[derive(Debug, Serialize)]
struct About {
    subject: String,
    /// Whose word that is, where there are several providers.
    #[serde(skip_serializing_if = "String::is_empty")]
    provider: String,
    claims: Map<String, Value>,
    ends_at: UnixTime,
    idle_ends_at: UnixTime,
    refresh_at: UnixTime,
    access_token_ends_at: UnixTime,
    logout_url: String,
}

/// Tells a page of ours about its session. 200 whether or not somebody is signed in, for a page
/// asks in order to know; 503 only when that cannot be told.
pub async fn whoami<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let answer =
        |session: Option<About>| Answer { signed_in: session.is_some(), login_url: LOGIN, session };
    let (mut response, cookies) = match seams.authenticate(request.headers(), now, rng).await {
        Authentication::Authenticated(visitor) => {
            let provider = seams.parties.of(&visitor.snapshot.person).map(|party| &*party.id);
            let token = visitor.logout_key.token(seams.config);
            let about = about(&visitor.snapshot, provider.unwrap_or_default(), &token);
            (respond::json(StatusCode::OK, &answer(Some(about))), visitor.cookies)
        }
        Authentication::Anonymous(cookies, _) => {
            (respond::json(StatusCode::OK, &answer(None)), cookies)
        }
        Authentication::Lacking { lack: Lack { retry_after, .. }, cookies }
        | Authentication::Unavailable { retry_after, cookies, refresh: _ } => {
            let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
            (response, cookies)
        }
    };
    respond::put(&mut response, VARY, "Cookie");
    carry(&mut response, &cookies);
    response
}

fn about(snapshot: &Snapshot, provider: &str, logout_token: &str) -> About {
    let Snapshot { person, access_token: _, access_ends_at, refresh_at, idle_ends_at, ends_at } =
        snapshot;
    About {
        subject: person.subject.clone(),
        provider: provider.to_owned(),
        claims: person.claims.clone(),
        ends_at: *ends_at,
        idle_ends_at: *idle_ends_at,
        refresh_at: *refresh_at,
        access_token_ends_at: *access_ends_at,
        logout_url: format!("{LOGOUT}?token={logout_token}"),
    }
}
