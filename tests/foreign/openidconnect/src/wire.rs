//! HTTP for the `openidconnect` crate and for the browser: whole answers, no redirects, no TLS.

use openidconnect::{HttpRequest, HttpResponse};
use std::time::Duration;
use ureq::{Agent, Error};

/// The way out.
#[derive(Debug)]
pub(crate) struct Wire(Agent);

impl Wire {
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self(config.into())
    }

    pub(crate) fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let answer = if body.is_empty() {
            self.0.run(http::Request::from_parts(parts, ()))?
        } else {
            self.0.run(http::Request::from_parts(parts, body))?
        };
        let (parts, mut body) = answer.into_parts();
        Ok(http::Response::from_parts(parts, body.read_to_vec()?))
    }
}
