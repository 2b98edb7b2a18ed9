//! From an authorization response to a person: redeem the code, then believe the ID token.

use super::authorization::Flow;
use super::client::RelyingParty;
use super::discovery::Provider;
use super::id_token::{IdTokenClaims, IdTokenRefused, Occasion};
use super::token::{TokenError, Tokens};
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::metadata::ProviderMetadata;
use crate::secret::Code;
use crate::time::UnixTime;

/// Somebody whom the provider vouches for.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What the code was worth.
    pub tokens: Tokens,
    /// Who it is.
    pub claims: IdTokenClaims,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInFailed {
    /// The code gave no tokens.
    Token(TokenError),
    /// There is no ID token although `openid` was asked for.
    NoIdToken,
    /// The ID token was refused.
    IdToken(IdTokenRefused),
}

impl RelyingParty {
    /// Redeems `code` and verifies the ID token that comes with it, OpenID Connect Core §3.1.3.
    ///
    /// # Errors
    /// [`SignInFailed`].
    #[expect(clippy::too_many_arguments, reason = "the seams are three of them")]
    pub async fn sign_in(
        &self,
        code: &Code,
        flow: &Flow,
        provider: &Provider,
        metadata: &ProviderMetadata,
        fetch: &impl Fetch,
        verifier: &impl Signer,
        now: UnixTime,
    ) -> Result<SignedIn, SignInFailed> {
        let (redeemed, ways) = ((code, &flow.verifier), (fetch, verifier));
        let tokens = self.redeem_for(metadata, redeemed, flow.resource.as_deref(), ways, now).await;
        let tokens = tokens.map_err(SignInFailed::Token)?;
        let id_token = tokens.id_token.as_ref().ok_or(SignInFailed::NoIdToken)?;
        let occasion = Occasion::SignIn { nonce: &flow.nonce, max_age: flow.max_age };
        let keys = (provider, metadata.jwks_uri.as_str());
        let access = &tokens.access_token;
        let claims = self.verify(id_token, access, occasion, keys, fetch, verifier, now).await;
        let claims = claims.map_err(SignInFailed::IdToken)?;
        Ok(SignedIn { tokens, claims })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Peer, claims, client, metadata, provider, sign};
    use super::*;
    use crate::jose::native::Native;
    use crate::secret;
    use pollster::block_on;
    use serde_json::{Value, json};

    fn sign_in(body: &Value) -> Result<SignedIn, SignInFailed> {
        let (peer, fetch) = Peer::with_fetch();
        peer.put("/token", 200, &body.to_string());
        let flow = Flow {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: secret::Verifier::new("v".repeat(43)),
            max_age: None,
            resource: None,
        };
        let (provider, metadata) = (provider(), metadata());
        let code = Code::new("c");
        block_on(client().sign_in(&code, &flow, &provider, &metadata, &fetch, &Native, NOON))
    }

    #[test]
    fn gc_12_without_an_id_token_nobody_is_signed_in() {
        let body = json!({"access_token": "access", "token_type": "bearer"});
        assert_eq!(sign_in(&body).err(), Some(SignInFailed::NoIdToken));
    }

    #[test]
    fn oidc_core_3_1_3_a_code_becomes_a_person() {
        let id_token = sign(&claims());
        let body = json!({"access_token": "access", "token_type": "bearer", "id_token": id_token});
        assert_eq!(sign_in(&body).unwrap().claims.subject, "alice");
    }

    #[test]
    fn gc_10_a_code_that_the_provider_refuses_signs_nobody_in() {
        let refused = sign_in(&json!({"error": "invalid_grant"})).err();
        assert_eq!(refused, Some(SignInFailed::Token(TokenError::Refused)));
    }
}
