//! `/authorize`: what an authorization request has to be, RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 9207
//! and OpenID Connect Core §3.1.2.

use crate::claims::ClaimsRequest;
use crate::client::Client;
use crate::config::Config;
use crate::dpop::Thumbprint;
use crate::prompt::Prompts;
use crate::reply::Reply;
use crate::resource::{NO_TARGET, RESOURCE, Resources};
use crate::words::{Acr, GrantType, ResponseMode, ResponseType};
use shared::error::{ErrorCode, OAuthError};
use shared::form::{Form, Malformed};
use shared::pkce::Challenge;
use shared::scope::Scope;
use std::rc::Rc;

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
    /// The key that whoever redeems the code has to prove, RFC 9449 §10.
    pub key: Option<Thumbprint>,
    /// What is asked for and may be had.
    pub scope: Scope,
    /// What is to be shown.
    pub prompts: Prompts,
    /// The oldest proof of identity that will do, in seconds.
    pub max_age: Option<u64>,
    /// Who is expected to sign in.
    pub login_hint: Option<String>,
    /// The upstream to sign in with.
    pub idp_hint: Option<String>,
    /// The languages that an upstream is to speak.
    pub ui_locales: Option<String>,
    /// An ID token of whoever has to be the one who signs in; not verified here.
    pub id_token_hint: Option<String>,
    /// Single claims, and who and how it has to be.
    pub claims: ClaimsRequest,
    /// Whom access tokens are to be for.
    pub resources: Resources,
}

/// Why a request went no further, and who is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The person, on our own page: there is nobody to redirect to.
    Page(&'static str),
    /// The client, through the browser.
    Client(Reply, OAuthError),
}

/// Decodes the parameters of a request.
///
/// # Errors
/// [`Refused::Page`].
pub fn decode(encoded: &[u8]) -> Result<Form, Refused> {
    Form::parse_repeating(encoded, Some(RESOURCE)).map_err(|malformed| {
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
    let mode = form.get("response_mode").and_then(ResponseMode::parse);
    let reply = Reply::new(Rc::clone(&client), redirect, form.get("state"), mode, config);
    let asked = Asked { form, client: &client, config };
    let refuse = |error| Refused::Client(reply.clone(), error);
    asked.object().map_err(refuse)?;
    asked.response().map_err(refuse)?;
    let resources = asked.target().map_err(refuse)?;
    let challenge = asked.challenge().map_err(refuse)?;
    let key = asked.key().map_err(refuse)?;
    let scope = asked.scope().map_err(refuse)?;
    let nonce = asked.nonce().map_err(refuse)?;
    let prompts = asked.prompts().map_err(refuse)?;
    let max_age = asked.max_age().map_err(refuse)?;
    let claims = asked.claims().map_err(refuse)?;
    let hint = |name| form.get(name).filter(|hint| hint.len() <= LONGEST_HINT).map(str::to_owned);
    let (login_hint, ui_locales) = (hint("login_hint"), hint("ui_locales"));
    let idp_hint = hint("idp_hint").or_else(|| hint("connection"));
    let id_token_hint = form.get("id_token_hint").map(str::to_owned);

    Ok(AuthorizationRequest {
        client,
        reply,
        nonce,
        challenge,
        key,
        scope,
        prompts,
        max_age,
        login_hint,
        idp_hint,
        ui_locales,
        id_token_hint,
        claims,
        resources,
    })
}

/// The parameters, with the client that sent them.
struct Asked<'a> {
    form: &'a Form,
    client: &'a Client,
    config: &'a Config,
}

/// What a client is told that insists on a way to sign in that is not there.
pub(crate) const UNMET: OAuthError = OAuthError::new(
    ErrorCode::UnmetAuthenticationRequirements,
    "nobody can sign in here with an acr that will do",
);

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
            .ok_or(invalid("response_mode must be query or form_post"))
    }

    /// RFC 8707 §2: a client's access tokens are for its registered audience, or for resources of
    /// its registration that it names.
    fn target(&self) -> Result<Resources, OAuthError> {
        let refused = OAuthError::new(ErrorCode::InvalidTarget, NO_TARGET);
        Resources::read(self.form, self.client).ok_or(refused)
    }

    /// OpenID Connect Core §5.5.1.1: whoever can prove themselves in none of the ways that the
    /// client insists on need not begin.
    fn claims(&self) -> Result<ClaimsRequest, OAuthError> {
        let Some(text) = self.form.get("claims") else { return Ok(ClaimsRequest::default()) };
        let claims = ClaimsRequest::read(text, self.client).map_err(invalid)?;
        let offered = |acr: &String| Acr::may_be(acr).is_offered(self.config);
        if claims.acr.as_ref().is_some_and(|wanted| !wanted.iter().any(offered)) {
            return Err(UNMET);
        }
        Ok(claims)
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

    fn key(&self) -> Result<Option<Thumbprint>, OAuthError> {
        let Some(text) = self.form.get("dpop_jkt") else { return Ok(None) };
        let words = "dpop_jkt must be the SHA-256 thumbprint of a key";
        Thumbprint::parse(text).map(Some).ok_or(invalid(words))
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

    fn prompts(&self) -> Result<Prompts, OAuthError> {
        Prompts::read(self.form.get("prompt").unwrap_or_default(), self.config).map_err(invalid)
    }

    /// What the request says, or else the client's registration.
    fn max_age(&self) -> Result<Option<u64>, OAuthError> {
        let Some(text) = self.form.get("max_age") else { return Ok(self.client.default_max_age) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| digits);
        seconds.map(Some).ok_or(invalid("max_age must be a number of seconds"))
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
