//! The sector identifier of OpenID Connect Core §8.1: a document of the sector's host that lists
//! every redirect URI, or anybody could call themselves part of it.

use crate::Idp;
use crate::platform::Platform;
use crate::registration::Registration;
use http::header::ACCEPT;
use http::{HeaderValue, StatusCode};
use shared::fetch::{Fetch, Request};

/// Whether the sector that a client claims to be of knows its redirect URIs. Asked once, when it is
/// registered or registers anew; redirects are not followed, and the document is bounded as every
/// answer is.
pub(super) async fn vouches<P: Platform>(idp: &Idp<'_, P>, registration: &Registration) -> bool {
    let Some(uri) = &registration.sector_identifier_uri else { return true };
    let mut request = Request::default();
    let Ok(target) = uri.parse() else { return false };
    *request.uri_mut() = target;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let Ok(answer) = idp.fetch.fetch(request).await else { return false };
    let listed: Vec<String> = match answer.status() {
        StatusCode::OK => serde_json::from_slice(answer.body()).unwrap_or_default(),
        _ => return false,
    };
    registration.redirect_uris.iter().all(|uri| listed.contains(uri))
}
