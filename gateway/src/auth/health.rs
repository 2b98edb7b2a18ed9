//! `GET /auth/health`: whether somebody could sign in now. For who decides where requests go.

use crate::session::Sessions;
use crate::session::admission::Seams;
use http::StatusCode;
use serde::Serialize;
use shared::cause;
use shared::fetch::{Fetch, Response};
use shared::jose::Signer;
use shared::respond;
use shared::rp::discovery::NotReady;
use shared::time::UnixTime;

#[derive(Serialize)]
struct Health {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
}

/// Ready when the provider's metadata and keys are at hand, fresh or of the last day. What is in the
/// way is told in a word; the log has the rest.
pub async fn health<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    now: UnixTime,
) -> Response {
    match seams.party.provider.ready(&seams.party.fetch, now).await {
        Ok(()) => respond::json(StatusCode::OK, &Health { ready: true, missing: None }),
        Err(not) => {
            let missing = match not {
                NotReady::Metadata(_) => "metadata",
                NotReady::Keys => "keys",
            };
            let health = Health { ready: false, missing: Some(missing) };
            cause::note(respond::json(StatusCode::SERVICE_UNAVAILABLE, &health), &not)
        }
    }
}
