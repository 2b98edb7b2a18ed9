//! HTTP for the crates and for the browser: whole answers, no redirects, no TLS.

use http::Uri;
use http::uri::Scheme;
use oauth2::{HttpRequest, HttpResponse};
use std::time::Duration;
use ureq::{Agent, Error};

/// The way out.
#[derive(Debug)]
pub struct Wire(Agent);

impl Wire {
    /// Makes it.
    #[must_use]
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self(config.into())
    }

    /// Sends a request. A URL with `https` is taken for the one with `http`: the `oauth2` crate
    /// revokes nowhere else, and nothing on this machine ends TLS.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (mut parts, body) = request.into_parts();
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        parts.uri = Uri::from_parts(uri).map_err(http::Error::from)?;
        let answer = if body.is_empty() {
            self.0.run(http::Request::from_parts(parts, ()))?
        } else {
            self.0.run(http::Request::from_parts(parts, body))?
        };
        let (parts, mut body) = answer.into_parts();
        Ok(http::Response::from_parts(parts, body.read_to_vec()?))
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}
