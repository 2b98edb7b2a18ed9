//! `/authorize`: what an authorization request has to be, RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 9207
//! and OpenID Connect Core §3.1.2.

use crate::client::{Client, VerifiedRedirect};
use crate::config::Config;
use crate::words::{GrantType, Prompt, ResponseMode, ResponseType};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::Response;
use shared::form::{Form, Malformed, append};
use shared::pkce::Challenge;
use shared::respond;
use shared::scope::Scope;
use shared::secret::Code;
use std::fmt;
use std::rc::Rc;

/// What a client is told that asks for a token for somebody else, RFC 8707 §2.
pub(crate) const NO_TARGET: &str = "the client may have no token for this resource";

/// Longer nonces are refused: they are stored, and go into every ID token.
const LONGEST_NONCE: usize = 1024;
/// Longer hints are passed over.
const LONGEST_HINT: usize = 255;

/// An authorization request in which nothing is left to check.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: Rc<Client>,
    /// Where the answer goes, and what has to be in it.
    pub reply: Reply,
    /// Bound into the ID token.
    pub nonce: Option<String>,
    /// Bound into the code.
    pub challenge: Option<Challenge>,
    /// What is asked for and may be had.
    pub scope: Scope,
    /// What may be shown.
    pub prompt: Option<Prompt>,
    /// Whether the consent page has to be shown.
    wants_consent: bool,
    /// The oldest proof of identity that will do, in seconds.
    pub max_age: Option<u64>,
    /// Who is expected to sign in.
    pub login_hint: Option<String>,
    /// An ID token of whoever has to be the one who signs in; not verified here.
    pub id_token_hint: Option<String>,
}

/// Where an authorization response goes. Having one proves that the redirect URI was verified.
#[derive(Clone, Eq, PartialEq)]
pub struct Reply {
    redirect: VerifiedRedirect,
    state: Option<String>,
    issuer: String,
}

impl fmt::Debug for Reply {
    /// Without `state`, which is the client's secret and may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.redirect.as_str())
    }
}

/// Why a request went no further, and who is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The person, on our own page: there is nobody to redirect to.
    Page(&'static str),
    /// The client, through the browser.
    Client(Reply, OAuthError),
}

impl Reply {
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
        respond::see_other(&append(self.redirect.as_str(), all))
    }
}

/// Decodes the parameters of a request.
///
/// # Errors
/// [`Refused::Page`].
pub fn decode(encoded: &[u8]) -> Result<Form, Refused> {
    Form::parse(encoded).map_err(|malformed| {
        Refused::Page(match malformed {
            Malformed::Repeated => "a parameter is repeated",
            Malformed::TooMany => "there are too many parameters",
            Malformed::NotText => "a parameter is not text",
        })
    })
}

/// Reads and checks one request of `client`, the one that its `client_id` names, in the order an
/// attacker would want it not checked.
///
/// # Errors
/// See [`Refused`].
pub fn read(
    form: &Form,
    client: Option<Rc<Client>>,
    config: &Config,
) -> Result<AuthorizationRequest, Refused> {
    let client = client.ok_or(Refused::Page("client_id names no client of this issuer"))?;
    let redirect = form.get("redirect_uri").and_then(|uri| client.redirect(uri));
    let redirect =
        redirect.ok_or(Refused::Page("redirect_uri is not registered for the client"))?;

    // From here on there is somewhere to send a refusal.
    let state = form.get("state").map(str::to_owned);
    let reply = Reply { redirect, state, issuer: config.issuer.to_string() };
    let asked = Asked { form, client: &client };
    let refuse = |error| Refused::Client(reply.clone(), error);
    asked.object().map_err(refuse)?;
    asked.response().map_err(refuse)?;
    asked.target().map_err(refuse)?;
    let challenge = asked.challenge().map_err(refuse)?;
    let scope = asked.scope().map_err(refuse)?;
    let nonce = asked.nonce().map_err(refuse)?;
    let prompt = asked.prompt().map_err(refuse)?;
    let max_age = asked.max_age().map_err(refuse)?;
    let login_hint = form.get("login_hint").filter(|hint| hint.len() <= LONGEST_HINT);
    let login_hint = login_hint.map(str::to_owned);
    let id_token_hint = form.get("id_token_hint").map(str::to_owned);

    Ok(AuthorizationRequest {
        client,
        reply,
        nonce,
        challenge,
        scope,
        prompt,
        wants_consent: form.get("prompt").is_some_and(|words| words.contains("consent")),
        max_age,
        login_hint,
        id_token_hint,
    })
}

impl AuthorizationRequest {
    /// Whether the person is to be asked whatever they agreed to before, OpenID Connect Core §3.1.2.1.
    #[must_use]
    pub const fn wants_consent(&self) -> bool {
        self.wants_consent
    }
}

/// The parameters, with the client that sent them.
struct Asked<'a> {
    form: &'a Form,
    client: &'a Client,
}

const fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

impl Asked<'_> {
    /// Request objects and registrations on the fly are features we do not have.
    fn object(&self) -> Result<(), OAuthError> {
        let refused = [
            ("request", ErrorCode::RequestNotSupported, "request objects are not supported"),
            ("request_uri", ErrorCode::RequestUriNotSupported, "request_uri is not supported"),
            ("registration", ErrorCode::RegistrationNotSupported, "registration is not supported"),
        ];
        let found = refused.into_iter().find(|(name, ..)| self.form.has(name));
        found.map_or(Ok(()), |(_, code, words)| Err(OAuthError::new(code, words)))
    }

    fn response(&self) -> Result<(), OAuthError> {
        let kind = self.form.get("response_type").ok_or(invalid("response_type is required"))?;
        ResponseType::parse(kind).ok_or(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type must be code",
        ))?;
        let mode = self.form.get("response_mode").map(ResponseMode::parse);
        mode.is_none_or(|mode| mode.is_some())
            .then_some(())
            .ok_or(invalid("response_mode must be query"))
    }

    /// RFC 8707 §2: a client's access tokens are for its registered audience, and it may say so.
    fn target(&self) -> Result<(), OAuthError> {
        let resource = self.form.get("resource");
        if resource.is_some_and(|resource| resource != self.client.audience) {
            return Err(OAuthError::new(ErrorCode::InvalidTarget, NO_TARGET));
        }
        Ok(())
    }

    fn challenge(&self) -> Result<Option<Challenge>, OAuthError> {
        let method = self.form.get("code_challenge_method");
        let Some(challenge) = self.form.get("code_challenge") else {
            let waived = !self.client.requires_pkce && method.is_none();
            return if waived { Ok(None) } else { Err(invalid("code_challenge is required")) };
        };
        if method != Some("S256") {
            return Err(invalid("code_challenge_method must be S256"));
        }
        Challenge::parse(challenge)
            .map(Some)
            .ok_or(invalid("code_challenge must be 43 characters of base64url"))
    }

    /// Words that the client may not have, or that nobody knows, are left out of the grant; the
    /// token answer says what was granted (RFC 6749 §3.3).
    fn scope(&self) -> Result<Scope, OAuthError> {
        let refuse = |words| OAuthError::new(ErrorCode::InvalidScope, words);
        let asked = self.form.get("scope").ok_or(refuse("scope is required"))?;
        let asked = Scope::parse(asked).ok_or(refuse("scope is malformed"))?;
        let mut allowed = self.client.scope.clone();
        if !self.client.may(GrantType::RefreshToken) {
            allowed = allowed.without("offline_access");
        }
        let scope = asked.and(&allowed);
        if scope.is_empty() {
            Err(refuse("the client may have none of this scope"))
        } else {
            Ok(scope)
        }
    }

    fn nonce(&self) -> Result<Option<String>, OAuthError> {
        let nonce = self.form.get("nonce").map(str::to_owned);
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > LONGEST_NONCE) {
            return Err(invalid("nonce is too long"));
        }
        Ok(nonce)
    }

    /// `none` stands alone. `select_account` shows the sign-in page, where another account can be
    /// chosen; `consent` is [`AuthorizationRequest::wants_consent`]; other words are not known.
    fn prompt(&self) -> Result<Option<Prompt>, OAuthError> {
        let words: Vec<_> = self.form.get("prompt").unwrap_or_default().split(' ').collect();
        if words.contains(&"none") && words.len() > 1 {
            return Err(invalid("prompt=none stands alone"));
        }
        let mut found = None;
        for word in words.into_iter().filter(|word| !word.is_empty()) {
            match (Prompt::parse(word), word) {
                (Some(prompt), _) => found = Some(prompt),
                (None, "consent") => {}
                (None, "select_account") => found = Some(Prompt::Login),
                (None, _) => return Err(invalid("prompt is not a value that this issuer knows")),
            }
        }
        Ok(found)
    }

    fn max_age(&self) -> Result<Option<u64>, OAuthError> {
        let Some(text) = self.form.get("max_age") else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| digits);
        seconds.map(Some).ok_or(invalid("max_age must be a number of seconds"))
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
