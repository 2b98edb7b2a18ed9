//! `GET /auth/health`: whether somebody could sign in now. For who decides where requests go.

use crate::session::Sessions;
use crate::session::admission::Seams;
use futures_util::future::join_all;
use http::StatusCode;
use serde::Serialize;
use shared::cause;
use shared::fetch::{Fetch, Response};
use shared::jose::Signer;
use shared::respond;
use shared::rp::discovery::NotReady;
use shared::time::UnixTime;

#[derive(Serialize)]
struct Health<'h> {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    /// Of whom, where there are several.
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'h str,
}

/// Ready when every provider's metadata and keys are at hand, fresh or of the last day. What is in the
/// way is told in a word; the log has the rest.
pub async fn health<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    now: UnixTime,
) -> Response {
    let asked = seams
        .parties
        .iter()
        .map(async |party| (party.id.as_str(), party.provider.ready(&party.fetch, now).await));
    let asked = join_all(asked).await;
    let not_ready = asked.into_iter().find_map(|(id, ready)| Some((id, ready.err()?)));
    let Some((provider, not)) = not_ready else {
        let health = Health { ready: true, missing: None, provider: "" };
        return respond::json(StatusCode::OK, &health);
    };
    let missing = match not {
        NotReady::Metadata(_) => "metadata",
        NotReady::Keys => "keys",
    };
    let health = Health { ready: false, missing: Some(missing), provider };
    cause::note(respond::json(StatusCode::SERVICE_UNAVAILABLE, &health), &(provider, not))
}
