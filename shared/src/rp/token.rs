//! The token endpoint, RFC 6749 §4.1.3 and §6, and revocation, RFC 7009.
//!
//! Lenient about the shape of an answer, for peers differ; strict about what kind of failure it
//! is, for one kind ends a session and the others must not. A call is never repeated here: a code
//! or a refresh token may be spent although its answer was lost.

use super::client::RelyingParty;
use super::dpop::SCHEME;
use crate::error::ErrorCode;
use crate::fetch::{Fetch, Request, Response};
use crate::form::{RESOURCE, encode};
use crate::jose::Signer;
use crate::json::Object;
use crate::metadata::ProviderMetadata;
use crate::scope::Scope;
use crate::secret::{AccessToken, Code, IdToken, RefreshToken, Verifier};
use crate::time::UnixTime;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

/// No access token is taken to live longer: a year.
const LONGEST_LIFE: u64 = 366 * 86_400;
/// No provider can make us wait longer: an hour.
const LONGEST_WAIT: u64 = 3600;

/// A good answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tokens {
    /// A bearer token, unless it is bound.
    pub access_token: AccessToken,
    /// Whether it is bound to a key, RFC 9449 §5.
    pub is_bound: bool,
    /// Its life in seconds, when the provider says something sensible about it.
    pub expires_in: Option<u64>,
    /// The next refresh token; when absent, the one we have stays good (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// Not yet verified.
    pub id_token: Option<IdToken>,
    /// What was granted; when absent, what was asked for.
    pub scope: Option<Scope>,
}

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// `invalid_grant`: this code or refresh token will never work again.
    Refused,
    /// The provider does not accept us, or answers with tokens we cannot use: an operator has to
    /// look. Its word when it is a registered one.
    Misconfigured(Option<ErrorCode>),
    /// No answer, or none that says anything about the grant. Seconds, when it named any.
    Unavailable {
        /// From `Retry-After`, an hour at most.
        retry_after: Option<u64>,
    },
}

impl RelyingParty {
    /// Redeems an authorization code.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn redeem(
        &self,
        metadata: &ProviderMetadata,
        code: &Code,
        verifier: &Verifier,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        tokens(&self.exchange(metadata, code, verifier, (fetch, signer), now).await?)
    }

    /// The same for tokens that are for one of the resources that were named before, RFC 8707 §2.2.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn redeem_for(
        &self,
        metadata: &ProviderMetadata,
        (code, verifier): (&Code, &Verifier),
        resource: Option<&str>,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let Some(resource) = resource else {
            return self.redeem(metadata, code, verifier, (fetch, signer), now).await;
        };
        let mut form = self.redemption(code, verifier).to_vec();
        form.push((RESOURCE, resource));
        let request = self.request(&metadata.token_endpoint, form, signer, now);
        tokens(&successful(&fetch.fetch(request.await?).await.map_err(|_| UNAVAILABLE)?)?)
    }

    fn redemption<'c>(
        &'c self,
        code: &'c Code,
        verifier: &'c Verifier,
    ) -> [(&'static str, &'c str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier.expose()),
        ]
    }

    /// The same with an answer of any shape.
    pub(super) async fn exchange(
        &self,
        metadata: &ProviderMetadata,
        code: &Code,
        verifier: &Verifier,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Map<String, Value>, TokenError> {
        let form = self.redemption(code, verifier).to_vec();
        let request = self.request(&metadata.token_endpoint, form, signer, now);
        successful(&fetch.fetch(request.await?).await.map_err(|_| UNAVAILABLE)?)
    }

    /// Redeems a refresh token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(
        &self,
        metadata: &ProviderMetadata,
        token: &RefreshToken,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        let request = self.request(&metadata.token_endpoint, form, signer, now);
        tokens(&successful(&fetch.fetch(request.await?).await.map_err(|_| UNAVAILABLE)?)?)
    }

    /// Revokes a refresh token where the provider offers it, RFC 7009 §2.1. Best effort: whether
    /// it was done is all there is to know.
    pub async fn revoke(
        &self,
        metadata: &ProviderMetadata,
        token: &RefreshToken,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> bool {
        let Some(endpoint) = &metadata.revocation_endpoint else { return false };
        let form = vec![("token", token.expose()), ("token_type_hint", "refresh_token")];
        let Ok(request) = self.request(endpoint, form, signer, now).await else { return false };
        fetch.fetch(request).await.is_ok_and(|answer| answer.status().is_success())
    }

    /// A form to an endpoint of the provider, with our credentials. What the form says already stays
    /// as it is.
    pub(super) async fn request<'c>(
        &'c self,
        endpoint: &str,
        form: Vec<(&'c str, &'c str)>,
        signer: &impl Signer,
        now: UnixTime,
    ) -> Result<Request, TokenError> {
        const UNUSABLE: TokenError = TokenError::Misconfigured(None);
        let mut request = Request::default();
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.parse().map_err(|_| UNUSABLE)?;
        let (header, more) = self.credentials(signer, now).await.ok_or(UNUSABLE)?;
        let headers = request.headers_mut();
        headers.extend(header.map(|header| (AUTHORIZATION, header)));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        let fresh = more.iter().filter(|(name, _)| form.iter().all(|(said, _)| said != name));
        let fresh = fresh.map(|(name, value)| (*name, value.as_ref()));
        *request.body_mut() = encode(form.iter().copied().chain(fresh)).into_bytes();
        Ok(request)
    }
}

pub(super) const UNAVAILABLE: TokenError = TokenError::Unavailable { retry_after: None };

/// Tells a good answer from the three kinds of failure.
pub(super) fn successful(answer: &Response) -> Result<Map<String, Value>, TokenError> {
    successful_with(answer, &[StatusCode::OK])
}

/// The same where a good answer has one of these statuses.
pub(super) fn successful_with(
    answer: &Response,
    good: &[StatusCode],
) -> Result<Map<String, Value>, TokenError> {
    let body = serde_json::from_slice(answer.body()).ok().map(|Object(body)| body);
    let word = body.as_ref().and_then(|body| body.get("error"));
    let word = word.filter(|word| !word.is_null());
    // GitHub says 200 and Auth0 says 403 where RFC 6749 §5.2 says 400.
    let refused = ["invalid_grant", "bad_refresh_token", "bad_verification_code"];
    if word.and_then(Value::as_str).is_some_and(|word| refused.contains(&word)) {
        return Err(TokenError::Refused);
    }
    if is_transient(answer.status()) {
        return Err(TokenError::Unavailable { retry_after: retry_after(answer) });
    }
    if let Some(word) = word {
        return Err(match serde_json::from_value(word.clone()).ok() {
            Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable) => {
                TokenError::Unavailable { retry_after: retry_after(answer) }
            }
            word => TokenError::Misconfigured(word),
        });
    }
    body.filter(|_| good.contains(&answer.status())).ok_or(UNAVAILABLE)
}

/// Statuses that say nothing about the grant.
fn is_transient(status: StatusCode) -> bool {
    let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || busy.contains(&status)
}

pub(super) fn tokens(body: &Map<String, Value>) -> Result<Tokens, TokenError> {
    // RFC 6749 §7.1: a token of a type one does not understand must not be used.
    let tokens = tokens_of_either_kind(body)?;
    if tokens.is_bound { Err(TokenError::Misconfigured(None)) } else { Ok(tokens) }
}

/// The same for who can do with tokens that are bound to a key of ours.
pub(super) fn tokens_of_either_kind(body: &Map<String, Value>) -> Result<Tokens, TokenError> {
    let text = |name| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let access_token = AccessToken::new(text("access_token").ok_or(UNAVAILABLE)?);
    let is = |kind: &str| text("token_type").is_some_and(|said| said.eq_ignore_ascii_case(kind));
    let is_bound = is(SCHEME);
    // It goes into a header, and later than here nobody could tell whose fault it is that it can't.
    if !(is_bound || is("bearer")) || !access_token.is_sendable() {
        return Err(TokenError::Misconfigured(None));
    }
    Ok(Tokens {
        access_token,
        is_bound,
        expires_in: body.get("expires_in").and_then(seconds),
        refresh_token: text("refresh_token").map(RefreshToken::new),
        id_token: text("id_token").map(IdToken::new),
        scope: text("scope").and_then(Scope::parse),
    })
}

/// A life in seconds: a number or its text, positive, a year at most. Anything else says nothing.
fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
    // `NaN` would pass through `min` as the bound.
    let number = value.as_f64().or(text).filter(|number| !number.is_nan())?;
    #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^52")]
    let bounded = number.min(LONGEST_LIFE as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the bound"
    )]
    (bounded >= 1.0).then_some(bounded as u64)
}

/// `Retry-After` in seconds. Its other form, a date, is rare and counts as absent.
pub(super) fn retry_after(answer: &Response) -> Option<u64> {
    let value = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(value.trim().parse::<u64>().ok()?.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientAuth;
    use super::super::fixture::{NOON, Peer, client, metadata};
    use super::*;
    use crate::jose::native::Native;
    use crate::secret::ClientSecret;
    use pollster::block_on;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> Result<Tokens, TokenError> {
        let peer = Peer::new();
        peer.put("/token", status, body);
        let token = RefreshToken::new("r");
        block_on(client().refresh(&metadata(), &token, (&peer.fetch(), &Native), NOON))
    }

    fn life(expires_in: Option<Value>) -> Option<u64> {
        let mut body = json!({"access_token": "a", "token_type": "Bearer"});
        if let Some(expires_in) = expires_in {
            body["expires_in"] = expires_in;
        }
        answer(200, &body.to_string()).unwrap().expires_in
    }

    #[test]
    fn gc_12_odd_lives_are_bounded_and_never_break_anything() {
        for (said, taken) in [
            (json!(300), Some(300)),
            (json!("300"), Some(300)),
            (json!(299.9), Some(299)),
            (json!(1e20), Some(LONGEST_LIFE)),
            (json!("1e400"), Some(LONGEST_LIFE)),
            (json!(-1), None),
            (json!(0), None),
            (json!("NaN"), None),
            (json!(null), None),
            (json!([300]), None),
            (json!("soon"), None),
        ] {
            assert_eq!(life(Some(said.clone())), taken, "{said}");
        }
        assert_eq!(life(None), None);
    }

    #[test]
    fn gc_12_the_token_type_is_bearer_in_any_case_and_nothing_else() {
        let ask = |kind: &str| answer(200, &format!(r#"{{"access_token":"a"{kind}}}"#));
        for kind in ["bearer", "Bearer", "BEARER"] {
            let tokens = ask(&format!(r#","token_type":"{kind}""#)).unwrap();
            assert_eq!((tokens.refresh_token, tokens.id_token, tokens.scope), (None, None, None));
        }
        for kind in ["", r#","token_type":"mac""#, r#","token_type":"DPoP""#, r#","token_type":7"#]
        {
            assert_eq!(ask(kind), Err(TokenError::Misconfigured(None)), "{kind}");
        }
    }

    #[test]
    fn rfc6750_2_1_an_access_token_that_no_header_may_hold_is_refused_where_it_comes_from() {
        let ask = |token: &str| {
            answer(200, &format!(r#"{{"access_token":"{token}","token_type":"bearer"}}"#))
        };
        assert!(ask("AZaz09-._~+/=").is_ok());
        for token in ["a b", "a!b", "a,b", r#"a\"b"#, r"a\r\nb: c", "{a}", "caf\u{e9}"] {
            assert_eq!(ask(token), Err(TokenError::Misconfigured(None)), "{token}");
        }
    }

    #[test]
    fn m2_invalid_grant_is_definitive_whatever_the_status() {
        for status in [200, 400, 401, 403, 429, 500] {
            let body = r#"{"error":"invalid_grant","error_description":"x"}"#;
            assert_eq!(answer(status, body), Err(TokenError::Refused), "{status}");
        }
        let github = r#"{"error":"bad_refresh_token"}"#;
        assert_eq!(answer(200, github), Err(TokenError::Refused));
    }

    #[test]
    fn m2_another_oauth_error_is_for_the_operator_and_ends_nothing() {
        let wrong = |code| Err(TokenError::Misconfigured(code));
        let ask = |word: &str| answer(401, &format!(r#"{{"error":{word}}}"#));
        assert_eq!(ask(r#""invalid_client""#), wrong(Some(ErrorCode::InvalidClient)));
        assert_eq!(ask(r#""never_heard_of""#), wrong(None));
        assert_eq!(ask("{}"), wrong(None));
        assert_eq!(ask(r#""temporarily_unavailable""#), Err(UNAVAILABLE));
    }

    #[test]
    fn gc_13_gr_04_what_says_nothing_about_the_grant_is_transient() {
        for (status, body) in [
            (500, ""),
            (502, "<html>"),
            (408, ""),
            (429, "{}"),
            (302, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, "[]"),
            (404, "{}"),
            (200, "\u{1f}\u{8b}"),
        ] {
            assert_eq!(answer(status, body), Err(UNAVAILABLE), "{status} {body}");
        }
    }

    #[test]
    fn gr_04_retry_after_is_obeyed_within_reason() {
        for (said, taken) in [
            ("7", Some(7)),
            ("99999999", Some(LONGEST_WAIT)),
            ("-1", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let mut answer = Response::default();
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(said));
            assert_eq!(
                successful(&answer).and_then(|body| tokens(&body)),
                Err(TokenError::Unavailable { retry_after: taken }),
                "{said}"
            );
        }
    }

    #[test]
    fn rfc6749_2_3_credentials_go_into_the_header_or_into_the_form_and_never_into_both() {
        let sent = |auth: ClientAuth| {
            let client = RelyingParty { auth, ..client() };
            let request = client.request("https://idp.test/token", vec![("a", "b")], &Native, NOON);
            let request = block_on(request).unwrap();
            let body = String::from_utf8(request.body().clone()).unwrap();
            (request.headers().contains_key("authorization"), body)
        };
        let secret = || ClientSecret::new("s&c");
        assert_eq!(sent(ClientAuth::Basic(secret())), (true, "a=b".to_owned()));
        let post = "a=b&client_id=app&client_secret=s%26c".to_owned();
        assert_eq!(sent(ClientAuth::Post(secret())), (false, post));
        assert_eq!(sent(ClientAuth::None), (false, "a=b&client_id=app".to_owned()));
    }

    #[test]
    fn a_token_call_is_made_once_and_never_repeated() {
        let (peer, fetch) = Peer::with_fetch();
        peer.cut("/token");
        let token = RefreshToken::new("r");
        let answer = block_on(client().refresh(&metadata(), &token, (&fetch, &Native), NOON));
        assert_eq!((answer, peer.hits("/token")), (Err(UNAVAILABLE), 1));
    }
}
