//! Access tokens for somebody in particular: a refresh that names a resource, RFC 8707 §2.2, and token
//! exchange, RFC 8693. Nobody is believed to have done as asked: what came is looked at before it is
//! used, for a provider may give a token for somebody else without a word (Auth0 does where an
//! application's policy has not the audience).

use super::client::RelyingParty;
use super::dpop::{self, Binding, Use, proof, wants_nonce};
use super::id_token::is_in_time;
use super::token::{TokenError, Tokens, UNAVAILABLE, successful, tokens, tokens_of_either_kind};
use crate::fetch::Fetch;
use crate::form::RESOURCE;
use crate::jose::Signer;
use crate::jose::claims::date;
use crate::json;
use crate::metadata::ProviderMetadata;
use crate::scope::Scope;
use crate::secret::{AccessToken, RefreshToken};
use crate::time::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// The grant type of token exchange, RFC 8693 §2.1.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is exchanged, and what is asked for, RFC 8693 §3.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What an access token may be called besides: it can be a JWT as well.
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Longer tokens are not looked into, and so not used.
const LONGEST: usize = 16 * 1024;

/// By which way a token is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// With the refresh token, RFC 8707 §2.2.
    #[default]
    Refresh,
    /// In exchange for an access token, RFC 8693.
    Exchange,
}

/// A token that is asked for.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Wanted {
    /// How.
    pub by: By,
    /// Whom it is to be for, by URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Whom it is to be for, by name. One of the two is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What it is to be good for; absent, what the provider thinks right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whether one that cannot be looked into is used as it is.
    pub opaque: bool,
    /// The thumbprint (RFC 7638) of the key of ours that it is to be bound to, RFC 9449; absent, it
    /// is good for whoever has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
}

/// A token is for somebody else than was asked for, or does not say for whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Misfit;

/// Whether a text names a resource, RFC 8707 §2: an absolute URI without a fragment.
#[must_use]
pub fn is_resource(text: &str) -> bool {
    !text.contains('#')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text).is_ok()
}

impl Wanted {
    /// Whom it is for, in a word: the resource, or else the audience.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.resource.as_deref().or(self.audience.as_deref())
    }

    /// The form's parameters that say whom it is for, and what.
    fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { by: _, resource, audience, scope, opaque: _, bound: _ } = self;
        let named = [(RESOURCE, resource), ("audience", audience), ("scope", scope)];
        named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Whether the token that came for this may be used, and until when it says itself that it is good.
    /// `party` says whose it has to be, if it says.
    ///
    /// No signature is checked: it came from the token endpoint itself, and an origin that cannot check
    /// it will not take it. What keeps it from the wrong origin is what it says.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn fits(
        &self,
        token: &AccessToken,
        party: &RelyingParty,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Misfit> {
        let Some(claims) = claims(token.expose()) else {
            return if self.opaque { Ok(None) } else { Err(Misfit) };
        };
        let text = |name| claims.get(name).and_then(Value::as_str);
        let is_ours = |issuer: &str| party.is_from(issuer, text("tid"));
        if claims.contains_key("iss") && !text("iss").is_some_and(is_ours) {
            return Err(Misfit);
        }
        // Who bound it to another key, or to one although nobody asked, gave what is of no use here.
        let jkt = claims.get("cnf").map(|cnf| cnf.get("jkt").and_then(Value::as_str));
        if jkt != self.bound.as_deref().map(Some) {
            return Err(Misfit);
        }
        let aud = claims.get("aud").ok_or(Misfit)?;
        let mut asked = self.resource.iter().chain(&self.audience);
        if !asked.any(|name| names(aud, name)) || !is_in_time(&claims, now) {
            return Err(Misfit);
        }
        date(&claims, "exp").map_err(|_| Misfit)
    }
}

/// Whether `aud` names somebody, alone or among others, RFC 7519 §4.1.3.
pub(super) fn names(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(several) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one == audience)
        }
        _ => false,
    }
}

/// What a JWT says, whoever signed it and with whatever algorithm; none when it is no JWT.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = Some(token).filter(|token| token.len() <= LONGEST)?.split('.');
    let (header, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let _: Map<String, Value> = json::strict(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
    json::strict(&URL_SAFE_NO_PAD.decode(payload).ok()?)
}

impl RelyingParty {
    /// Redeems a refresh token for an access token for somebody in particular. The refresh token may
    /// rotate, and the next is as good as this one was (RFC 6749 §6). With a `binding` the access token
    /// is to be bound to that key; whether it is, [`Tokens::is_bound`] tells.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh_for(
        &self,
        metadata: &ProviderMetadata,
        token: &RefreshToken,
        wanted: &Wanted,
        binding: Option<Binding<'_>>,
        ways: (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        form.extend(wanted.parameters());
        let body = self.bound(&metadata.token_endpoint, &form, binding, ways, now).await?;
        if binding.is_some() { tokens_of_either_kind(&body) } else { tokens(&body) }
    }

    /// Exchanges an access token for one for somebody in particular, RFC 8693 §2. A refresh token that
    /// comes along is nobody's wish and is dropped.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn exchange_for(
        &self,
        metadata: &ProviderMetadata,
        subject: &AccessToken,
        wanted: &Wanted,
        binding: Option<Binding<'_>>,
        ways: (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let mut form = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", subject.expose()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        form.extend(wanted.parameters());
        let body = self.bound(&metadata.token_endpoint, &form, binding, ways, now).await?;
        // §2.2.1. What is called a refresh token, or an ID token, goes into no header.
        let kind = body.get("issued_token_type");
        if kind.is_some_and(|kind| kind != ACCESS_TOKEN && kind != JWT) {
            return Err(TokenError::Misconfigured(None));
        }
        let tokens = if binding.is_some() { tokens_of_either_kind(&body) } else { tokens(&body) }?;
        Ok(Tokens { refresh_token: None, id_token: None, ..tokens })
    }

    /// What the token endpoint answers to a form, with a proof where there is a key to prove. A provider
    /// that wants a nonce in it has done nothing yet, and is asked once more.
    async fn bound(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
        binding: Option<Binding<'_>>,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<Map<String, Value>, TokenError> {
        let mut is_again = false;
        loop {
            // A new one each time: what is signed in it is good for one request.
            let mut request = self.request(endpoint, form.to_vec(), signer, now).await?;
            if let Some(Binding { key, nonce }) = binding {
                let nonce = nonce.get();
                let of = Use { method: "POST", url: endpoint, ath: None, nonce: nonce.as_deref() };
                let proof = proof(key, of, signer, now).await;
                let proof = proof.ok_or(TokenError::Misconfigured(None))?;
                request.headers_mut().insert(dpop::HEADER, proof);
            }
            let answer = fetch.fetch(request).await.map_err(|_| UNAVAILABLE)?;
            let heard = binding.is_some_and(|binding| binding.nonce.hear(&answer));
            if is_again || !heard || !wants_nonce(&answer) {
                return successful(&answer);
            }
            is_again = true;
        }
    }
}

/// Whether a text is a scope that asks for something, RFC 6749 §3.3.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    Scope::parse(text).is_some_and(|scope| !scope.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, client, metadata, sign_typed};
    use super::*;
    use crate::error::ErrorCode;
    use crate::fetch::{Request, Response, Unreachable};
    use crate::form::Form;
    use crate::jose::native::Native;
    use pollster::block_on;
    use serde_json::json;
    use std::cell::RefCell;

    fn wanted(by: By) -> Wanted {
        Wanted {
            by,
            resource: Some("https://orders.test".into()),
            audience: None,
            scope: Some("orders:read".into()),
            opaque: false,
            bound: None,
        }
    }

    /// What is sent, by which way.
    fn sent(by: By, wanted: &Wanted) -> Vec<(String, String)> {
        let body = RefCell::new(Vec::new());
        let fetch = async |request: Request| -> Result<Response, Unreachable> {
            *body.borrow_mut() = request.into_body();
            Err(Unreachable)
        };
        let (metadata, client) = (metadata(), client());
        let _ = match by {
            By::Refresh => {
                let token = RefreshToken::new("r");
                block_on(client.refresh_for(
                    &metadata,
                    &token,
                    wanted,
                    None,
                    (&fetch, &Native),
                    NOON,
                ))
            }
            By::Exchange => {
                let token = AccessToken::new("a");
                block_on(client.exchange_for(
                    &metadata,
                    &token,
                    wanted,
                    None,
                    (&fetch, &Native),
                    NOON,
                ))
            }
        };
        let body = body.into_inner();
        assert!(Form::parse(&body).is_ok(), "each parameter once");
        url::form_urlencoded::parse(&body).into_owned().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn rfc8707_2_2_a_refresh_names_the_resource() {
        let wanted = wanted(By::Refresh);
        let expected = pairs(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "r"),
            ("resource", "https://orders.test"),
            ("scope", "orders:read"),
            ("client_id", "app"),
        ]);
        assert_eq!(sent(By::Refresh, &wanted), expected);
    }

    #[test]
    fn rfc8693_2_1_an_exchange_says_what_it_brings_and_what_it_wants() {
        let wanted = Wanted {
            resource: None,
            audience: Some("orders".into()),
            scope: None,
            ..wanted(By::Exchange)
        };
        let expected = pairs(&[
            ("grant_type", EXCHANGE),
            ("subject_token", "a"),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", "orders"),
            ("client_id", "app"),
        ]);
        assert_eq!(sent(By::Exchange, &wanted), expected);
    }

    fn exchanged(status: u16, body: &Value) -> Result<Tokens, TokenError> {
        let peer = Peer::new();
        peer.put("/token", status, &body.to_string());
        let subject = AccessToken::new("a");
        let (client, wanted) = (client(), wanted(By::Exchange));
        let ways = (&peer.fetch(), &Native);
        block_on(client.exchange_for(&metadata(), &subject, &wanted, None, ways, NOON))
    }

    #[test]
    fn rfc8693_2_2_1_only_an_access_token_is_taken_and_no_refresh_token_with_it() {
        let answer = |kind: Value| {
            json!({
                "access_token": "x", "token_type": "Bearer", "issued_token_type": kind,
                "refresh_token": "r", "id_token": "i",
            })
        };
        for kind in [ACCESS_TOKEN, JWT] {
            let tokens = exchanged(200, &answer(json!(kind))).unwrap();
            assert_eq!(tokens.access_token.expose(), "x");
            assert_eq!((tokens.refresh_token, tokens.id_token), (None, None));
        }
        for kind in ["urn:ietf:params:oauth:token-type:refresh_token", "access_token", ""] {
            let refused = exchanged(200, &answer(json!(kind)));
            assert_eq!(refused, Err(TokenError::Misconfigured(None)), "{kind}");
        }
        let mut not_applicable = answer(json!(ACCESS_TOKEN));
        not_applicable["token_type"] = json!("N_A");
        assert_eq!(exchanged(200, &not_applicable), Err(TokenError::Misconfigured(None)));
        let refused = exchanged(400, &json!({"error": "invalid_target"}));
        assert_eq!(refused, Err(TokenError::Misconfigured(Some(ErrorCode::InvalidTarget))));
    }

    fn fits(wanted: &Wanted, claims: &Value) -> Result<Option<UnixTime>, Misfit> {
        let token = AccessToken::new(sign_typed(claims, "at+jwt"));
        wanted.fits(&token, &client(), NOON)
    }

    #[test]
    fn gp_24_a_token_for_somebody_else_is_not_used() {
        let wanted = wanted(By::Refresh);
        let end = NOON.plus(60);
        let good = json!({"iss": "https://idp.test", "aud": "https://orders.test", "exp": end.0});
        assert_eq!(fits(&wanted, &good), Ok(Some(end)));
        let among = json!({"aud": ["https://idp.test", "https://orders.test"]});
        assert_eq!(fits(&wanted, &among), Ok(None));
        for aud in [
            json!("https://orders.test/"),
            json!("https://Orders.test"),
            json!("orders"),
            json!(["https://billing.test"]),
            json!([]),
            json!(null),
            json!({"aud": "https://orders.test"}),
            json!(["https://orders.test", 7]),
        ] {
            assert_eq!(fits(&wanted, &json!({"aud": aud})), Err(Misfit), "{aud}");
        }
        assert_eq!(fits(&wanted, &json!({"iss": "https://idp.test"})), Err(Misfit));
        // Scope alone names nobody.
        let nobody = Wanted { resource: None, ..wanted };
        assert_eq!(fits(&nobody, &good), Err(Misfit));
    }

    #[test]
    fn gp_24_nor_is_one_of_another_issuer_or_one_that_is_over() {
        let wanted = wanted(By::Refresh);
        let with = |name: &str, value: Value| {
            let mut claims = json!({"aud": "https://orders.test"});
            claims[name] = value;
            fits(&wanted, &claims)
        };
        for issuer in [json!("https://evil.test"), json!("https://idp.test/"), json!(7)] {
            assert_eq!(with("iss", issuer), Err(Misfit));
        }
        assert_eq!(with("exp", json!(NOON.0 - 5)), Err(Misfit));
        assert_eq!(with("exp", json!("soon")), Err(Misfit));
        assert_eq!(with("nbf", json!(NOON.0 + 61)), Err(Misfit));
    }

    #[test]
    fn gp_24_what_cannot_be_looked_into_is_used_only_where_the_operator_says_so() {
        let strict = wanted(By::Refresh);
        let lax = Wanted { opaque: true, ..strict.clone() };
        let five_parts = "e30.e30.e30.e30.e30";
        for token in ["opaque", "a.b", "a.b.c", "e30.W10.AA", "e30.e30", five_parts] {
            let token = AccessToken::new(token);
            assert_eq!(strict.fits(&token, &client(), NOON), Err(Misfit));
            assert_eq!(lax.fits(&token, &client(), NOON), Ok(None));
        }
        // One that can be is looked into all the same.
        assert_eq!(fits(&lax, &json!({"aud": "https://billing.test"})), Err(Misfit));
        // Whatever it is signed with.
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"PS256"}"#);
        let payload = URL_SAFE_NO_PAD.encode(r#"{"aud":"https://orders.test"}"#);
        let token = AccessToken::new(format!("{header}.{payload}.AA"));
        assert_eq!(strict.fits(&token, &client(), NOON), Ok(None));
    }

    #[test]
    fn rfc8707_2_a_resource_is_an_absolute_uri_without_a_fragment() {
        for good in ["https://orders.test", "https://a.test/b?c", "urn:orders"] {
            assert!(is_resource(good), "{good}");
        }
        for bad in ["", "orders", "/orders", "https://a.test/#", "https://a.test/#b", "urn:a b"] {
            assert!(!is_resource(bad), "{bad}");
        }
    }
}
