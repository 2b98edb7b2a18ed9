//! The token call of a refresh, and what its answer means for the session.

use super::state::{Failure, Person, Renewal};
use crate::auth::CALLBACK;
use crate::config::Config;
use crate::route::Routes;
use serde_json::Map;
use shared::error::ErrorCode;
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::metadata::ProviderMetadata;
use shared::rp::client::{Issuers, RelyingParty};
use shared::rp::discovery::Provider;
use shared::rp::id_token::{Before, Occasion};
use shared::rp::introspection::Introspected;
use shared::rp::token::{TokenError, Tokens};
use shared::secret::RefreshToken;
use shared::time::UnixTime;
use std::rc::Rc;

/// Us towards our provider: the registration, what is known of the provider, and the ways out.
#[derive(Debug)]
pub struct Party<F, V> {
    /// Who we are.
    pub client: RelyingParty,
    /// What is remembered of the provider, by the whole isolate.
    pub provider: Rc<Provider>,
    /// The way out.
    pub fetch: F,
    /// Checks signatures.
    pub verifier: V,
    /// What is remembered of tokens that somebody brought, by the whole isolate.
    pub introspected: Introspected,
    /// What is looked at of what the provider says.
    routes: Routes,
}

impl<F: Fetch, V: Signer> Party<F, V> {
    /// The party that a configuration describes.
    #[must_use]
    pub fn new(config: &Config, provider: Rc<Provider>, fetch: F, verifier: V) -> Self {
        let client = RelyingParty {
            issuer: config.issuer.clone(),
            issuers: Issuers::Exact,
            client_id: config.client_id.clone(),
            auth: config.client_auth.clone(),
            redirect_uri: config.public_url.at(CALLBACK),
            scope: config.scope.clone(),
        };
        let routes = config.routes.clone();
        let introspected = Introspected::default();
        Self { client, provider, fetch, verifier, introspected, routes }
    }

    /// Redeems `token` for the session of `person`.
    ///
    /// # Errors
    /// [`Failure`]. An ID token about somebody else is definitive (OpenID Connect Core §12.2). One
    /// that clocks or unreachable keys keep us from judging is passed over: the tokens beside it
    /// came over the same connection, and throwing them away would end the session.
    pub async fn refresh(
        &self,
        token: &RefreshToken,
        person: &Person,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Renewal, Failure> {
        let metadata = self.provider.metadata(&self.fetch, now).await;
        let metadata = metadata.map_err(|_| Failure::Transient { retry_after: None })?;
        let ways = (&self.fetch, &self.verifier);
        let tokens = self.client.refresh(&metadata, token, ways, now).await.map_err(failure)?;
        self.believe(tokens, person, &metadata, jitter, now).await
    }

    async fn believe(
        &self,
        tokens: Tokens,
        person: &Person,
        metadata: &ProviderMetadata,
        jitter: u8,
        now: UnixTime,
    ) -> Result<Renewal, Failure> {
        let Tokens { access_token, expires_in, refresh_token, mut id_token, scope } = tokens;
        let (mut weighed, mut told) = (Map::new(), Map::new());
        if let Some(token) = &id_token {
            let Person { subject, auth_time, nonce, .. } = person;
            let before = Before { subject, auth_time: *auth_time, nonce: *nonce };
            let occasion = Occasion::Refresh(before);
            let keys = (&*self.provider, metadata.jwks_uri.as_str());
            let (fetch, verifier) = (&self.fetch, &self.verifier);
            let claims =
                self.client.verify(token, &access_token, occasion, keys, fetch, verifier, now);
            match claims.await {
                Ok(claims) => {
                    weighed = self.routes.weigh(&claims.other);
                    told = self.routes.tell(&claims.other);
                }
                Err(refused) if refused.is_circumstance() => id_token = None,
                Err(_) => return Err(Failure::Definitive),
            }
        }
        Ok(Renewal {
            access_token,
            expires_in,
            refresh_token,
            id_token,
            scope,
            weighed,
            told,
            jitter,
        })
    }

    /// Revokes a refresh token, as well as that goes.
    pub async fn revoke(&self, token: &RefreshToken, now: UnixTime) {
        if let Ok(metadata) = self.provider.metadata(&self.fetch, now).await {
            self.client.revoke(&metadata, token, (&self.fetch, &self.verifier), now).await;
        }
    }
}

fn failure(error: TokenError) -> Failure {
    match error {
        TokenError::Refused
        | TokenError::Misconfigured(Some(
            ErrorCode::AccessDenied | ErrorCode::LoginRequired | ErrorCode::InteractionRequired,
        )) => Failure::Definitive,
        // An operator can mend it; meanwhile nobody is signed out by it.
        TokenError::Misconfigured(_) => Failure::Transient { retry_after: None },
        TokenError::Unavailable { retry_after } => Failure::Transient { retry_after },
    }
}
