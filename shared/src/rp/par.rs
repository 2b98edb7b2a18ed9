//! Pushed authorization requests, RFC 9126: the provider is told over our own line what is asked, and
//! the browser carries nothing but a name for it, which nobody can change on the way.

use super::authorization::{Flow, Hints};
use super::client::RelyingParty;
use super::token::{TokenError, UNAVAILABLE, successful_with};
use crate::fetch::Fetch;
use crate::form::append;
use crate::jose::Signer;
use crate::metadata::ProviderMetadata;
use crate::time::UnixTime;
use http::StatusCode;
use serde_json::Value;

/// What a provider answers with, RFC 9126 §2.2; some say 200.
const GOOD: [StatusCode; 2] = [StatusCode::CREATED, StatusCode::OK];
/// A longer `request_uri` would not do what it is for.
const LONGEST: usize = 1024;

impl Flow {
    /// Pushes the request, and gives where the browser goes: there is nothing in it but who we are and
    /// the name of the request.
    ///
    /// # Errors
    /// [`TokenError`]; then there is nowhere to go.
    pub async fn pushed_url(
        &self,
        client: &RelyingParty,
        metadata: &ProviderMetadata,
        hints: Hints<'_>,
        (fetch, signer): (&impl Fetch, &impl Signer),
        now: UnixTime,
    ) -> Result<String, TokenError> {
        let endpoint = metadata.pushed_authorization_request_endpoint.as_ref();
        let endpoint = endpoint.ok_or(TokenError::Misconfigured(None))?;
        let asked = self.parameters(client, hints);
        let form = asked.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let request = client.request(endpoint, form, signer, now).await?;
        let answer = fetch.fetch(request).await.map_err(|_| UNAVAILABLE)?;
        let body = successful_with(&answer, &GOOD)?;
        let name = body.get("request_uri").and_then(Value::as_str);
        let name = name.filter(|name| (1..=LONGEST).contains(&name.len())).ok_or(UNAVAILABLE)?;
        let named = [("client_id", client.client_id.as_str()), ("request_uri", name)];
        Ok(append(&metadata.authorization_endpoint, named))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientAuth;
    use super::super::fixture::{NOON, Peer, client, metadata, private_key};
    use super::*;
    use crate::error::ErrorCode;
    use crate::fetch::{Request, Response};
    use crate::form::Form;
    use crate::jose::native::Native;
    use crate::secret::ClientSecret;
    use pollster::block_on;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use std::cell::RefCell;

    const NAME: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";

    fn offering() -> ProviderMetadata {
        let endpoint = Some("https://idp.test/par".to_owned());
        ProviderMetadata { pushed_authorization_request_endpoint: endpoint, ..metadata() }
    }

    fn flow() -> Flow {
        Flow::new(Some(60), &mut ChaCha20Rng::seed_from_u64(7))
    }

    /// What a provider that answers so is asked, and where the browser goes.
    fn pushed(
        auth: ClientAuth,
        status: u16,
        body: &str,
    ) -> (Option<(Form, bool)>, Result<String, TokenError>) {
        let asked = RefCell::new(None);
        let fetch = async |request: Request| {
            assert_eq!(request.uri().path(), "/par");
            let header = request.headers().contains_key("authorization");
            *asked.borrow_mut() = Some((Form::parse(request.body()).unwrap(), header));
            let mut answer = Response::new(body.as_bytes().to_vec());
            *answer.status_mut() = status.try_into().unwrap();
            Ok(answer)
        };
        let client = RelyingParty { auth, ..client() };
        let more = [("acr_values".to_owned(), "mfa".to_owned())];
        let hints = Hints { more: &more, prompt: Some("none"), ..Hints::default() };
        let url = block_on(flow().pushed_url(&client, &offering(), hints, (&fetch, &Native), NOON));
        (asked.into_inner(), url)
    }

    fn good() -> String {
        format!(r#"{{"request_uri":"{NAME}","expires_in":60}}"#)
    }

    #[test]
    fn rfc9126_2_1_everything_that_is_asked_is_pushed_and_each_parameter_once() {
        let secret = || ClientSecret::new("s");
        for (auth, header) in [
            (ClientAuth::Basic(secret()), true),
            (ClientAuth::Post(secret()), false),
            (ClientAuth::PrivateKeyJwt(Box::new(private_key())), false),
            (ClientAuth::None, false),
        ] {
            // A repeated parameter would not parse.
            let (asked, url) = pushed(auth.clone(), 201, &good());
            assert!(url.is_ok());
            let (form, with_header) = asked.unwrap();
            assert_eq!(with_header, header, "{auth:?}");
            let flow = flow();
            for (name, value) in [
                ("response_type", "code"),
                ("client_id", "app"),
                ("redirect_uri", "https://app.test/auth/callback"),
                ("state", flow.state.as_str()),
                ("nonce", &flow.nonce),
                ("code_challenge_method", "S256"),
                ("max_age", "60"),
                ("acr_values", "mfa"),
                ("prompt", "none"),
            ] {
                assert_eq!(form.get(name), Some(value), "{auth:?}");
            }
            assert_eq!(form.get("code_challenge").map(str::len), Some(43));
            assert_eq!(form.has("client_secret"), auth == ClientAuth::Post(secret()));
            let signs = matches!(auth, ClientAuth::PrivateKeyJwt(_));
            assert_eq!(form.has("client_assertion"), signs);
            assert!(!form.has("request_uri") && !form.has("code_verifier"));
        }
    }

    #[test]
    fn rfc9126_4_the_browser_carries_who_we_are_and_the_name_of_the_request_alone() {
        for status in [201, 200] {
            let (_, url) = pushed(ClientAuth::None, status, &good());
            let url = url::Url::parse(&url.unwrap()).unwrap();
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            let named = [("client_id", "app"), ("request_uri", NAME)];
            assert_eq!(pairs, named.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn rfc9126_2_3_without_a_good_answer_there_is_nowhere_to_go() {
        let wrong = TokenError::Misconfigured(Some(ErrorCode::InvalidRequest));
        for (status, body, why) in [
            (400, r#"{"error":"invalid_request"}"#, wrong),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                TokenError::Misconfigured(Some(ErrorCode::InvalidClient)),
            ),
            (500, "", UNAVAILABLE),
            (503, &good(), UNAVAILABLE),
            (302, &good(), UNAVAILABLE),
            (201, "{}", UNAVAILABLE),
            (201, r#"{"request_uri":""}"#, UNAVAILABLE),
            (201, r#"{"request_uri":7}"#, UNAVAILABLE),
            (201, "<html>", UNAVAILABLE),
        ] {
            assert_eq!(pushed(ClientAuth::None, status, body).1, Err(why), "{status} {body}");
        }
        let long = format!(r#"{{"request_uri":"{}"}}"#, "x".repeat(LONGEST + 1));
        assert_eq!(pushed(ClientAuth::None, 201, &long).1, Err(UNAVAILABLE));
    }

    #[test]
    fn where_nothing_is_offered_nothing_is_pushed_and_nobody_goes_anywhere() {
        let (peer, fetch) = Peer::with_fetch();
        let (client, metadata) = (client(), metadata());
        let ways = (&fetch, &Native);
        let url = block_on(flow().pushed_url(&client, &metadata, Hints::default(), ways, NOON));
        assert_eq!(url, Err(TokenError::Misconfigured(None)));
        assert_eq!(peer.hits("/par"), 0);
    }
}
