//! Callers that are no browser and bring an access token of their own, on routes that take one.
//!
//! Such a request is judged by its token alone: no cookie is looked at, nothing is redirected, and no
//! other site can have caused it, for a browser puts a token on nothing by itself.

use crate::assertion::{Whose, attach};
use crate::config::Config;
use crate::next::{Caller, Next};
use crate::policy::{Requirement, Unmet};
use crate::refused::Why;
use crate::session::admission::Bound;
use crate::session::exchange::Party;
use crate::session::parties::Parties;
use crate::session::state::Person;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::Map;
use shared::bearer::{Bearer, bearer};
use shared::fetch::{Fetch, Response};
use shared::jose::Signer;
use shared::jose::jws::{self, Unverified};
use shared::lines::parts;
use shared::rp::access_token::{AccessClaims, AccessRefused};
use shared::rp::introspection::NotAccepted;
use shared::rp::keys::NoKey;
use shared::secret::{AccessToken, Digest};
use shared::time::UnixTime;
use shared::{cause, respond};
use std::fmt::Write;
use url::form_urlencoded;

/// Which tokens a route takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepts {
    /// Whom they have to be for.
    pub audience: String,
    /// Whether the provider is asked about those that say nothing themselves.
    pub opaque: bool,
}

/// Why a caller gets no further. For the log; the caller gets [`Refused::response`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Several tokens, or none in a header that promises one, RFC 6750 §2 and §2.1.
    Malformed,
    /// A token that wants a proof beside it (`DPoP`), which is not served.
    Scheme,
    /// The token is not good, or not here.
    Token(AccessRefused),
    /// Nobody can say whether it is; in so many seconds somebody may.
    Unavailable(u64),
    /// The route asks for scope that it has not.
    Scope,
    /// It speaks for nobody whom the route is for.
    Claim,
    /// Whoever it speaks for has to prove who they are in another way, or again, RFC 9470.
    StepUp,
}

impl From<Unmet> for Refused {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Scope => Self::Scope,
            Unmet::Claim => Self::Claim,
            Unmet::StepUp => Self::StepUp,
        }
    }
}

impl From<AccessRefused> for Refused {
    fn from(refused: AccessRefused) -> Self {
        match refused {
            AccessRefused::Key(NoKey::Unavailable) => Self::Unavailable(WAIT_SECONDS),
            refused => Self::Token(refused),
        }
    }
}

/// How long a caller is told to wait for a provider that does not answer.
const WAIT_SECONDS: u64 = 5;

/// The token of a request; none when it brings nothing of that kind. `Basic` and its like say nothing
/// here: they are removed as on any other route, and the session decides.
///
/// # Errors
/// [`Refused::Malformed`] and [`Refused::Scheme`].
pub fn read(headers: &HeaderMap, query: Option<&str>) -> Result<Option<AccessToken>, Refused> {
    let lines = headers.get_all(AUTHORIZATION).into_iter();
    // A runtime may have joined two headers with a comma.
    let mut schemes = lines.flat_map(|line| parts(line.as_bytes(), b',')).map(scheme);
    let is = |scheme: &[u8], name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    let Some(first) = schemes.find(|scheme| is(scheme, "Bearer") || is(scheme, "DPoP")) else {
        return Ok(None);
    };
    let alone = headers.get_all(AUTHORIZATION).iter().count() == 1 && schemes.next().is_none();
    match bearer(headers) {
        Bearer::Token(_) if in_query(query) => Err(Refused::Malformed),
        Bearer::Token(token) => Ok(Some(AccessToken::new(token))),
        Bearer::Absent | Bearer::Malformed if alone && is(first, "DPoP") => Err(Refused::Scheme),
        Bearer::Absent | Bearer::Malformed => Err(Refused::Malformed),
    }
}

fn scheme(part: &[u8]) -> &[u8] {
    let part = part.trim_ascii();
    part.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}

/// RFC 6750 §2.3. An origin that reads it there would believe another token than we.
fn in_query(query: Option<&str>) -> bool {
    let query = query.unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).any(|(name, _)| name == "access_token")
}

/// Decides about a request by the token that it brings. What streams to it ends with the token.
pub async fn judge<F: Fetch, V: Signer>(
    config: &Config,
    parties: &Parties<F, V>,
    caller: &Caller<'_>,
    now: UnixTime,
) -> (Next, Option<Bound>) {
    let (claims, party) = match verify(parties, caller, now).await {
        Ok(verified) => verified,
        Err(refused) => return (caller.refuse(refused), None),
    };
    let AccessClaims { subject, expires_at, scope, acr, auth_time, all } = claims;
    let mut weighed = Map::new();
    caller.route().requirement.weigh(&all, &mut weighed);
    let subject = subject.unwrap_or_default();
    let person = Person { subject, auth_time, acr, scope, weighed, ..Person::default() };
    let bound = expires_at.map(|ends_at| Bound { handle: None, ends_at });
    let next = caller.admit(&person, now);
    let session = Digest::of(caller.token().expose()).to_text();
    let whose = Whose { person: &person, session: &session, ends_at: expires_at };
    // A token that speaks for nobody tells of nobody.
    let asks = caller.route().assertion.as_ref().filter(|_| !person.subject.is_empty());
    (attach(next, asks, whose, config, Some(party), now).await, bound)
}

async fn verify<'p, F: Fetch, V: Signer>(
    parties: &'p Parties<F, V>,
    caller: &Caller<'_>,
    now: UnixTime,
) -> Result<(AccessClaims, &'p Party<F, V>), Refused> {
    let Accepts { audience, opaque } = caller.accepts();
    let token = caller.token().expose();
    let signed = jws::is_meant(token);
    if !signed && !opaque {
        return Err(Refused::Token(AccessRefused::Signature(jws::Refused::Malformed)));
    }
    let party = party(parties, caller).ok_or(Refused::Token(AccessRefused::Issuer))?;
    let Party { client, provider, fetch, introspected, .. } = party;
    let metadata = provider.metadata(fetch, now).await;
    let metadata = &*metadata.map_err(|_| Refused::Unavailable(WAIT_SECONDS))?;
    let at = party.desk(metadata, now);
    if signed {
        return Ok((client.verify_access(token, audience, &at).await?, party));
    }
    let said = client.introspect(token, audience, introspected, &at).await;
    said.map(|claims| (claims, party)).map_err(|not| match not {
        NotAccepted::Refused(refused) => refused.into(),
        NotAccepted::Unavailable { retry_after } => Refused::Unavailable(retry_after),
    })
}

/// Whose token it has to be: of the only provider, or of the one that it says it is from. One that
/// says nothing is shown to none of several.
fn party<'p, F, V>(parties: &'p Parties<F, V>, caller: &Caller<'_>) -> Option<&'p Party<F, V>> {
    if let Some(only) = parties.only() {
        return Some(only);
    }
    let issuer = Unverified::parse(caller.token().expose()).ok()?.claimed_issuer()?;
    parties.iter().find(|party| party.client.may_be(&issuer))
}

/// The only words a caller reads.
#[derive(Serialize)]
struct Words {
    error: &'static str,
    error_description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
}

impl Refused {
    /// The answer: JSON, and a challenge of RFC 6750 §3. `requirement` is what the route asks for.
    #[must_use]
    pub fn response(self, requirement: &Requirement) -> Response {
        let (status, error, error_description) = match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "send one access token, in one Authorization header",
            ),
            Self::Scheme => {
                (StatusCode::UNAUTHORIZED, "invalid_request", "only bearer tokens are taken")
            }
            Self::Token(_) => {
                (StatusCode::UNAUTHORIZED, "invalid_token", "the access token is not valid here")
            }
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "the access token cannot be checked now; try again",
            ),
            Self::Scope => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "the access token does not have the scope that this needs",
            ),
            Self::Claim => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "the access token is of nobody whom this is for",
            ),
            Self::StepUp => (
                StatusCode::UNAUTHORIZED,
                "insufficient_user_authentication",
                "this needs another authentication, or a more recent one",
            ),
        };
        let mut words =
            Words { error, error_description, scope: None, acr_values: None, max_age: None };
        if self == Self::Scope {
            words.scope = Some(requirement.scope().to_string());
        }
        if self == Self::StepUp {
            let acr_values = requirement.step_up.acr.join(" ");
            words.acr_values = Some(acr_values).filter(|values| !values.is_empty());
            words.max_age = requirement.step_up.max_age;
        }
        let mut response = respond::json(status, &words);
        match self {
            Self::Unavailable(seconds) => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            // §3.1: who tried something else is not told that anything is wrong with it.
            Self::Scheme => challenge(response.headers_mut(), None),
            _ => challenge(response.headers_mut(), Some(&words)),
        }
        respond::put(&mut response, VARY, "Authorization, Cookie");
        response.extensions_mut().insert(Why::Caller(self));
        cause::note(response, &self)
    }
}

/// Says on a refusal of somebody without a session that a token would do, RFC 6750 §3.
pub fn invite(headers: &mut HeaderMap) {
    challenge(headers, None);
}

/// Adds a challenge of RFC 6750 §3, and RFC 9470 §3.
fn challenge(headers: &mut HeaderMap, words: Option<&Words>) {
    let mut text = "Bearer realm=\"gatelatch\"".to_owned();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            // Writing to a text does not fail.
            let _ = write!(text, ", {name}=\"{value}\"");
        }
    };
    if let Some(Words { error, error_description, scope, acr_values, max_age }) = words {
        add("error", Some(error));
        add("error_description", Some(error_description));
        add("scope", scope.as_deref());
        add("acr_values", acr_values.as_deref());
        add("max_age", max_age.map(|seconds| seconds.to_string()).as_deref());
    }
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(WWW_AUTHENTICATE, value);
    }
}
