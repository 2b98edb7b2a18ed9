//! Where an authorization response goes, and how: in the query of the redirect URI, or in a form that
//! the browser posts to it.

use crate::client::{Client, VerifiedRedirect};
use crate::config::Config;
use crate::words::ResponseMode;
use shared::error::OAuthError;
use shared::fetch::Response;
use shared::form::append;
use shared::page::form_post;
use shared::respond;
use shared::secret::Code;
use std::fmt;
use std::rc::Rc;

/// Where an authorization response goes. Having one proves that the redirect URI was verified.
#[derive(Clone, Eq, PartialEq)]
pub struct Reply {
    client: Rc<Client>,
    redirect: VerifiedRedirect,
    state: Option<String>,
    issuer: String,
    mode: ResponseMode,
}

impl fmt::Debug for Reply {
    /// Without `state`, which is the client's secret and may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.redirect.as_str())
    }
}

impl Reply {
    /// A reply to `client`. A response mode that nobody knows is refused in the query.
    #[must_use]
    pub fn new(
        client: Rc<Client>,
        redirect: VerifiedRedirect,
        state: Option<&str>,
        mode: Option<ResponseMode>,
        config: &Config,
    ) -> Self {
        let (state, issuer) = (state.map(str::to_owned), config.issuer.to_string());
        Self { client, redirect, state, issuer, mode: mode.unwrap_or(ResponseMode::Query) }
    }

    /// Where the browser goes.
    #[must_use]
    pub const fn redirect(&self) -> &VerifiedRedirect {
        &self.redirect
    }

    /// Sends the browser back with a code.
    #[must_use]
    pub fn code(&self, code: &Code) -> Response {
        self.with(&[("code", code.expose())])
    }

    /// Sends the browser back with an error.
    #[must_use]
    pub fn error(&self, error: OAuthError) -> Response {
        let OAuthError { error, error_description } = error;
        self.with(&[("error", error.as_str()), ("error_description", error_description)])
    }

    /// Every response carries `iss`, RFC 9207 §2, and `state` exactly when the request did.
    fn with(&self, parameters: &[(&str, &str)]) -> Response {
        let state = self.state.as_deref().map(|state| ("state", state));
        let all = parameters.iter().copied().chain(state).chain([("iss", self.issuer.as_str())]);
        let uri = self.redirect.as_str();
        match self.mode {
            ResponseMode::Query => respond::see_other(&append(uri, all)),
            ResponseMode::FormPost => form_post(uri, &self.client.name, &all.collect::<Vec<_>>()),
        }
    }
}
