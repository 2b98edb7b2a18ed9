//! Sending a browser to the provider and reading what it brings back.

use super::client::RelyingParty;
use crate::error::ErrorCode;
use crate::form::{Form, append};
use crate::metadata::ProviderMetadata;
use crate::pkce::{self, Challenge};
use crate::secret::{Code, Digest, Verifier, random_text};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What one authorization request has to remember until its response. Sealed into a cookie, so
/// that the response is taken from the same browser only.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Flow {
    /// Ties the response to the request, RFC 6749 §10.12.
    pub state: String,
    /// Ties the ID token to the request, OpenID Connect Core §3.1.2.1.
    pub nonce: String,
    /// Ties the code to the request, RFC 7636.
    pub verifier: Verifier,
    /// Seconds since the person was last authenticated that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// Whom the first tokens are to be for, of the resources that the request names; absent, the
    /// provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// What else an authorization request may say, OpenID Connect Core §3.1.2.1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'h> {
    /// What this provider wants besides, by its own names; none of them one of ours.
    pub more: &'h [(String, String)],
    /// In which languages to speak.
    pub ui_locales: Option<&'h str>,
    /// Who is likely to sign in.
    pub login_hint: Option<&'h str>,
    /// `none`, `login`, `consent` or `select_account`.
    pub prompt: Option<&'h str>,
}

/// Why a response was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallbackRefused {
    /// A parameter is repeated, or it is no query at all.
    Form,
    /// `state` is missing or not this flow's.
    State,
    /// `iss` is not our provider's, or missing although promised: RFC 9207 §2.4.
    Issuer,
    /// The provider said no; its word when it is a registered one.
    Provider(Option<ErrorCode>),
    /// Neither a code nor an error.
    NoCode,
}

impl Flow {
    /// A fresh flow: three independent values of 256 bits each.
    #[must_use]
    pub fn new(max_age: Option<u64>, rng: &mut impl CryptoRng) -> Self {
        let (state, nonce) = (random_text(rng), random_text(rng));
        Self { state, nonce, verifier: pkce::verifier(rng), max_age, resource: None }
    }

    /// Where the browser goes. Each parameter is there exactly once.
    #[must_use]
    pub fn authorization_url(
        &self,
        client: &RelyingParty,
        metadata: &ProviderMetadata,
        hints: Hints<'_>,
    ) -> String {
        let parameters = self.parameters(client, hints);
        let parameters = parameters.iter().map(|(name, value)| (*name, value.as_ref()));
        append(&metadata.authorization_endpoint, parameters)
    }

    /// What is asked of the provider, on whichever way it gets there.
    pub(super) fn parameters<'p>(
        &'p self,
        client: &'p RelyingParty,
        hints: Hints<'p>,
    ) -> Vec<(&'p str, Cow<'p, str>)> {
        let Self { state, nonce, verifier, max_age, resource: _ } = self;
        let Hints { more, ui_locales, login_hint, prompt } = hints;
        let fixed = [
            ("response_type", "code".into()),
            ("client_id", client.client_id.as_str().into()),
            ("redirect_uri", client.redirect_uri.as_str().into()),
            ("state", state.into()),
            ("code_challenge", Challenge::of(verifier).to_text().into()),
            ("code_challenge_method", "S256".into()),
        ];
        // What says who somebody is is for those who speak OpenID Connect.
        let is_openid = client.scope.has("openid");
        let scope = client.scope.to_string();
        let max_age = max_age.map(|seconds| seconds.to_string().into());
        let optional = [
            ("scope", Some(Cow::from(scope)).filter(|scope| !scope.is_empty())),
            ("nonce", Some(nonce.into()).filter(|_| is_openid)),
            ("max_age", max_age.filter(|_| is_openid)),
            ("ui_locales", ui_locales.map(Cow::from).filter(|_| is_openid)),
            ("prompt", prompt.map(Cow::from)),
            ("login_hint", login_hint.map(Cow::from)),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let more = more.iter().map(|(name, value)| (name.as_str(), value.as_str().into()));
        fixed.into_iter().chain(optional).chain(more).collect()
    }

    /// The code in a response's query.
    ///
    /// # Errors
    /// [`CallbackRefused`]. Whoever made the response is known only once state and issuer have
    /// been checked, so the provider's own error is read after those.
    pub fn callback(
        &self,
        query: &[u8],
        metadata: &ProviderMetadata,
    ) -> Result<Code, CallbackRefused> {
        let form = Form::parse(query).map_err(|_| CallbackRefused::Form)?;
        let state = form.get("state").ok_or(CallbackRefused::State)?;
        // Digests are compared in constant time.
        if Digest::of(state) != Digest::of(&self.state) {
            return Err(CallbackRefused::State);
        }
        let promised = metadata.authorization_response_iss_parameter_supported;
        let issuer = form.get("iss");
        if issuer.map_or(promised || form.has("iss"), |issuer| issuer != metadata.issuer) {
            return Err(CallbackRefused::Issuer);
        }
        if form.has("error") {
            let word = form.get("error").map(serde_json::Value::from);
            let word = word.and_then(|word| serde_json::from_value(word).ok());
            return Err(CallbackRefused::Provider(word));
        }
        form.get("code").map(Code::new).ok_or(CallbackRefused::NoCode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{client, metadata};
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use std::collections::BTreeSet;

    fn flow() -> Flow {
        Flow::new(None, &mut ChaCha20Rng::seed_from_u64(7))
    }

    fn callback(query: &str) -> Result<Code, CallbackRefused> {
        let flow = flow();
        flow.callback(query.replace("{state}", &flow.state).as_bytes(), &metadata())
    }

    #[test]
    fn gl_03_each_parameter_is_in_the_url_exactly_once() {
        let login_hint = Some("a&client_id=evil");
        let hints = Hints { login_hint, prompt: Some("login"), ..Hints::default() };
        let flow = Flow { max_age: Some(0), ..flow() };
        let url = flow.authorization_url(&client(), &metadata(), hints);
        let url = url::Url::parse(&url).unwrap();
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names.len(), 11);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 11);
        let value = |wanted: &str| {
            url.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned()
        };
        assert_eq!(value("code_challenge"), Challenge::of(&flow.verifier).to_text());
        assert_eq!(value("code_challenge_method"), "S256");
        assert_eq!(value("login_hint"), "a&client_id=evil");
        assert_eq!(value("max_age"), "0");
    }

    #[test]
    fn gl_13_a_thousand_flows_share_no_value() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            let Flow { state, nonce, verifier, .. } = Flow::new(None, &mut rng);
            for value in [state, nonce, verifier.expose().to_owned()] {
                assert_eq!(value.len(), 43);
                assert!(seen.insert(value));
            }
        }
    }

    #[test]
    fn fd_01_fd_02_gc_01_a_missing_empty_or_foreign_state_is_refused() {
        for query in ["code=c&iss=https://idp.test", "code=c&state=", "state=x&code=c", ""] {
            assert_eq!(callback(query), Err(CallbackRefused::State), "{query}");
        }
        assert_eq!(callback("state={state}&code=c&iss=https://idp.test"), Ok(Code::new("c")));
    }

    #[test]
    fn fd_07_gc_04_rfc9207_2_4_a_wrong_or_missing_issuer_is_refused() {
        for iss in ["", "&iss=", "&iss=https://evil.test", "&iss=https://idp.test/"] {
            let refused = callback(&format!("state={{state}}&code=c{iss}"));
            assert_eq!(refused, Err(CallbackRefused::Issuer), "{iss}");
        }
        let quiet = ProviderMetadata {
            authorization_response_iss_parameter_supported: false,
            ..metadata()
        };
        let flow = flow();
        let ask =
            |rest: &str| flow.callback(format!("state={}{rest}", flow.state).as_bytes(), &quiet);
        assert!(ask("&code=c").is_ok());
        assert_eq!(ask("&code=c&iss=https://evil.test"), Err(CallbackRefused::Issuer));
    }

    #[test]
    fn gc_06_a_repeated_parameter_is_refused() {
        let good = "state={state}&code=c&iss=https://idp.test";
        for twice in ["&code=d", "&state=x", "&iss=https://idp.test", "&code=c"] {
            assert_eq!(callback(&format!("{good}{twice}")), Err(CallbackRefused::Form), "{twice}");
        }
    }

    #[test]
    fn gc_08_rfc6749_4_1_2_1_an_error_wins_over_a_code() {
        let denied = callback("state={state}&iss=https://idp.test&code=c&error=access_denied");
        assert_eq!(denied, Err(CallbackRefused::Provider(Some(ErrorCode::AccessDenied))));
        let odd = callback("state={state}&iss=https://idp.test&code=c&error=<script>");
        assert_eq!(odd, Err(CallbackRefused::Provider(None)));
        let empty = callback("state={state}&iss=https://idp.test&code=c&error=");
        assert_eq!(empty, Err(CallbackRefused::Provider(None)));
        assert_eq!(callback("state={state}&iss=https://idp.test"), Err(CallbackRefused::NoCode));
    }
}
