//! The one token call, and what its answer means for the session.

use super::driver::Refreshed;
use super::state::further::Way;
use super::state::{Failure, Person, Renewal};
use crate::assertion::Asserted;
use crate::config::Config;
use crate::own_keys::OwnKeys;
use crate::route::Routes;
use serde_json::Map;
use shared::error::ErrorCode;
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::metadata::ProviderMetadata;
use shared::rp::client::RelyingParty;
use shared::rp::dialect::renew::NotRenewed;
use shared::rp::dialect::{Desk, Dialect};
use shared::rp::discovery::Provider;
use shared::rp::dpop::{Binding, Nonce};
use shared::rp::entry::Registered;
use shared::rp::id_token::Before;
use shared::rp::introspection::Introspected;
use shared::rp::token::{TokenError, Tokens};
use shared::rp::wanted::{By, Wanted};
use shared::secret::RefreshToken;
use shared::time::UnixTime;
use std::rc::Rc;

/// Us towards one provider: the registration, what is known of the provider, and the ways out.
#[derive(Debug)]
pub struct Party<F, V> {
    /// What we call the provider; nothing where it is the only one.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// What it is asked for besides, when somebody signs in.
    pub parameters: Vec<(String, String)>,
    /// How it says who somebody is.
    pub dialect: Dialect,
    /// Whether its userinfo endpoint is asked where something is missing.
    pub asks_userinfo: bool,
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
    /// What was signed for origins lately, by the whole isolate.
    pub asserted: Asserted,
    /// What is looked at of what the provider says.
    routes: Routes,
    /// Whom the session's own token is for, where the settings say.
    own: Option<Wanted>,
    /// What tokens for origins are bound to, where a route wants that.
    own_keys: OwnKeys,
    /// What the provider wants in proofs, as the whole isolate knows it.
    nonce: Nonce,
}

/// What a token call brought.
#[derive(Clone, Debug)]
pub enum Brought {
    /// What was asked for.
    Tokens(Renewal),
    /// An access token for somebody else than was asked for, which is thrown away here (GP-24). The
    /// refresh token that came along is good.
    Elsewhere(Option<RefreshToken>),
    /// Nothing.
    Nothing(Failure),
}

impl Brought {
    /// What came of it, for who reads the log.
    #[must_use]
    pub const fn refreshed(&self) -> Refreshed {
        match self {
            Self::Tokens(_) => Refreshed::Renewed,
            Self::Nothing(Failure::Definitive) => Refreshed::Refused,
            Self::Elsewhere(_) | Self::Nothing(Failure::Refused | Failure::Transient { .. }) => {
                Refreshed::Unavailable
            }
        }
    }

    /// Whether it brought neither tokens nor a refresh token.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing(_) | Self::Elsewhere(None))
    }

    /// The refresh token in it, if there is one.
    #[must_use]
    pub fn into_refresh_token(self) -> Option<RefreshToken> {
        match self {
            Self::Tokens(renewal) => renewal.refresh_token,
            Self::Elsewhere(token) => token,
            Self::Nothing(_) => None,
        }
    }
}

impl<F: Fetch, V: Signer> Party<F, V> {
    /// The party that a configuration describes.
    #[must_use]
    pub fn new(
        config: &Config,
        registered: &Registered,
        provider: Rc<Provider>,
        fetch: F,
        verifier: V,
    ) -> Self {
        let Registered { id, label, client, way, preset: _, has_scope: _ } = registered.clone();
        let (dialect, asks_userinfo) = way.dialect.without_userinfo();
        let routes = config.routes.clone();
        let (introspected, asserted) = <(Introspected, Asserted)>::default();
        let parameters = way.parameters;
        let own = config.resource.clone().map(|resource| Wanted {
            by: By::Refresh,
            resource: Some(resource),
            audience: None,
            scope: None,
            opaque: true,
            bound: None,
        });
        let own_keys = config.own_keys.clone();
        Self {
            id,
            label,
            parameters,
            dialect,
            asks_userinfo,
            client,
            provider,
            fetch,
            verifier,
            introspected,
            asserted,
            routes,
            own,
            own_keys,
            nonce: Nonce::default(),
        }
    }

    /// The provider as it is asked at `now`, by what it says about itself.
    #[must_use]
    pub fn desk<'d>(&'d self, metadata: &'d ProviderMetadata, now: UnixTime) -> Desk<'d, F, V> {
        let Self { client: party, provider, fetch, verifier, .. } = self;
        Desk { party, provider, metadata, fetch, verifier, now }
    }

    /// Whether it knows how to sign somebody in without a page, or to say that it cannot: OpenID Connect
    /// Core §3.1.2.1.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.client.scope.has("openid")
    }

    /// Who calls somebody by their name: with that, they are one person for ever.
    #[must_use]
    pub fn authority<'p>(&'p self, person: &'p Person) -> &'p str {
        person.authority.as_deref().unwrap_or(self.client.issuer.as_str())
    }

    /// Makes the one token call, for the session of `person`.
    pub async fn call(&self, way: &Way, person: &Person, jitter: u8, now: UnixTime) -> Brought {
        let (wanted, answer) = match way {
            Way::Renew(token) => {
                let renewed = self.refresh(token, person, jitter, now).await;
                return renewed.map_or_else(Brought::Nothing, Brought::Tokens);
            }
            Way::Refresh(_, wanted) | Way::Exchange(_, wanted) => {
                (wanted, self.narrowed(way, wanted, person, jitter, now).await)
            }
        };
        let (renewal, is_bound) = match answer {
            Ok(renewal) => renewal,
            Err(failure) => return Brought::Nothing(failure),
        };
        match wanted.fits(&renewal.access_token, &self.client, now) {
            // RFC 9449 §5: a provider may give a token that whoever has it can use.
            _ if is_bound != wanted.bound.is_some() => Brought::Elsewhere(renewal.refresh_token),
            Ok(ends_at) => {
                let left = ends_at.map(|end| end.since(now));
                let expires_in = renewal.expires_in.into_iter().chain(left).min();
                Brought::Tokens(Renewal { expires_in, ..renewal })
            }
            Err(_) => Brought::Elsewhere(renewal.refresh_token),
        }
    }

    /// The answer to a call for an origin's token, whomever that turns out to be for, and whether it is
    /// bound to our key.
    async fn narrowed(
        &self,
        way: &Way,
        wanted: &Wanted,
        person: &Person,
        jitter: u8,
        now: UnixTime,
    ) -> Result<(Renewal, bool), Failure> {
        let metadata = self.provider.metadata(&self.fetch, now).await;
        let metadata = metadata.map_err(|_| Failure::Transient { retry_after: None })?;
        let (client, ways) = (&self.client, (&self.fetch, &self.verifier));
        let binding = match &wanted.bound {
            Some(thumbprint) => Some(self.binding(thumbprint, &metadata).ok_or(Failure::Refused)?),
            None => None,
        };
        let tokens = match way {
            Way::Renew(token) | Way::Refresh(token, _) => {
                let refreshed =
                    client.refresh_for(&metadata, token, wanted, binding, ways, now).await;
                refreshed.map_err(refused_for)
            }
            // What is exchanged is not used up, and that it will not do says nothing about the session.
            Way::Exchange(token, _) => {
                let exchanged =
                    client.exchange_for(&metadata, token, wanted, binding, ways, now).await;
                exchanged.map_err(|error| match refused_for(error) {
                    Failure::Definitive => Failure::Refused,
                    failure => failure,
                })
            }
        };
        let tokens = tokens?;
        let is_bound = tokens.is_bound;
        Ok((self.believe(tokens, person, &metadata, jitter, now).await?, is_bound))
    }

    /// The key with this thumbprint, if we still have it and the provider binds tokens to such keys. One
    /// that does not would spend the refresh token for something of no use.
    fn binding(&self, thumbprint: &str, metadata: &ProviderMetadata) -> Option<Binding<'_>> {
        let key = self.own_keys.with_thumbprint(thumbprint)?;
        let known = &metadata.dpop_signing_alg_values_supported;
        let is_known = known.iter().any(|alg| alg == key.alg().as_str());
        is_known.then_some(Binding { key, nonce: &self.nonce })
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
        let tokens = if let (Some(own), Dialect::OpenId(_)) = (&self.own, &self.dialect) {
            let answer = self.client.refresh_for(&metadata, token, own, None, ways, now).await;
            answer.map_err(|error| failure(NotRenewed::Token(error)))?
        } else {
            let desk = self.desk(&metadata, now);
            self.dialect.refresh(&desk, token, &person.subject).await.map_err(failure)?
        };
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
        let Tokens { access_token, is_bound: _, expires_in, refresh_token, mut id_token, scope } =
            tokens;
        let (mut weighed, mut told) = (Map::new(), Map::new());
        if let Some(token) = &id_token {
            let Person { subject, auth_time, nonce, .. } = person;
            let before = Before { subject, auth_time: *auth_time, nonce: *nonce };
            let occasion = self.dialect.occasion(before);
            let keys = (&*self.provider, metadata.jwks_uri.as_str());
            let (fetch, verifier) = (&self.fetch, &self.verifier);
            let claims =
                self.client.verify(token, &access_token, occasion, keys, fetch, verifier, now);
            match claims.await {
                Ok(claims) if !self.dialect.is_about(&claims, self.names(person)) => {
                    return Err(Failure::Definitive);
                }
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

    fn names<'p>(&'p self, person: &'p Person) -> (&'p str, &'p str) {
        (self.authority(person), &person.subject)
    }

    /// Revokes a refresh token, as well as that goes.
    pub async fn revoke(&self, token: &RefreshToken, now: UnixTime) {
        if let Ok(metadata) = self.provider.metadata(&self.fetch, now).await {
            self.client.revoke(&metadata, token, (&self.fetch, &self.verifier), now).await;
        }
    }
}

fn failure(not: NotRenewed) -> Failure {
    let NotRenewed::Token(error) = not else { return Failure::Definitive };
    match error {
        TokenError::Refused
        | TokenError::Misconfigured(Some(
            ErrorCode::AccessDenied | ErrorCode::LoginRequired | ErrorCode::InteractionRequired,
        )) => Failure::Definitive,
        error => refused_for(error),
    }
}

/// The same of a call for an origin's token: a no to it ends nothing but an unusable refresh token.
fn refused_for(error: TokenError) -> Failure {
    match error {
        TokenError::Refused => Failure::Definitive,
        // An operator can mend it; meanwhile nobody is signed out by it.
        TokenError::Misconfigured(_) => Failure::Refused,
        TokenError::Unavailable { retry_after } => Failure::Transient { retry_after },
    }
}
