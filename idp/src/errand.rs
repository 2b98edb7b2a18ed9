//! What somebody signs in for: a client's authorization request, or their own page here.

use crate::Idp;
use crate::account::NewGrant;
use crate::authorize::{self, AuthorizationRequest};
use crate::interaction::Interaction;
use crate::page::{self, Problem};
use crate::platform::{Keys, Platform};
use crate::sign_in::Refused;
use crate::tokens::read_id_token_hint;
use crate::words::{Endpoint, GrantType};
use http::StatusCode;
use rand_core::CryptoRng;
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::Response;
use shared::handle::{Handle, Kind};
use shared::respond::see_other;
use shared::secret::{Code, Digest, random, random_uuid};
use shared::time::UnixTime;
use uuid::Uuid;

/// What somebody signs in for.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A client sent them.
    Client(Box<AuthorizationRequest>),
    /// Their own page.
    OwnPage,
}

impl<P: Platform> Idp<'_, P> {
    /// Reads an authorization request, now or again.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn read(&self, encoded: &[u8]) -> Result<AuthorizationRequest, Refused> {
        let form = authorize::decode(encoded).map_err(Refused::Request)?;
        let client = match form.get("client_id") {
            Some(id) => self.client(id).await?,
            None => None,
        };
        authorize::read(&form, client, self.config).map_err(Refused::Request)
    }

    /// What an interaction is about: with no request in it, the person's own page.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn errand(&self, interaction: &Interaction) -> Result<Errand, Refused> {
        if interaction.request.is_empty() {
            return Ok(Errand::OwnPage);
        }
        let asked = self.read(interaction.request.as_bytes()).await?;
        Ok(Errand::Client(Box::new(asked)))
    }
}

impl Errand {
    /// The authorization request, if it is one.
    #[must_use]
    pub fn asked(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::Client(asked) => Some(asked),
            Self::OwnPage => None,
        }
    }

    /// The grant to be, and its code, in the account of `session`.
    #[must_use]
    pub fn grant<P: Platform>(
        &self,
        session: Handle,
        idp: &Idp<'_, P>,
        rng: &mut impl CryptoRng,
    ) -> (Option<NewGrant>, Option<Code>) {
        self.asked().map(|asked| asked.grant(session, idp, rng)).unzip()
    }

    /// Sends the browser where it wanted to go.
    #[must_use]
    pub fn done<P: Platform>(&self, code: Option<&Code>, idp: &Idp<'_, P>) -> Response {
        match (self, code) {
            (Self::Client(asked), Some(code)) => asked.reply.code(code),
            (Self::Client(_) | Self::OwnPage, _) => {
                see_other(&idp.config.issuer.at(Endpoint::OwnPage.path()))
            }
        }
    }

    /// The sign-in page for it.
    #[must_use]
    pub fn page<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        interaction: &str,
        username: &str,
        status: StatusCode,
        problem: Option<Problem>,
    ) -> Response {
        let asked = self.asked();
        let host = asked.and_then(|asked| asked.reply.redirect().origin());
        let host = host.as_deref().and_then(|origin| origin.split_once("://"));
        let view = page::SignIn {
            client_name: asked.map_or("your account", |asked| &asked.client.name),
            client_host: host.map(|(_, host)| host),
            interaction,
            username,
            problem,
            local: !idp.config.accounts.is_empty(),
            upstream: idp.config.upstream.as_ref().map(|upstream| upstream.label.as_str()),
        };
        let leads_to = asked.map(|asked| asked.reply.redirect().as_str());
        page::respond(status, page::sign_in(&view), leads_to)
    }
}

impl AuthorizationRequest {
    /// An error for the client, through the browser.
    #[must_use]
    pub fn refuse(&self, error: ErrorCode, words: &'static str) -> Refused {
        let error = OAuthError::new(error, words);
        Refused::Request(authorize::Refused::Client(self.reply.clone(), error))
    }

    /// Whose ID token the request hints at, OpenID Connect Core §3.1.2.1: nobody else will do. The
    /// hint proves nothing and may have expired.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn expected<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        now: UnixTime,
    ) -> Result<Option<Uuid>, Refused> {
        let Some(text) = &self.id_token_hint else { return Ok(None) };
        let keys = idp.keys.published(now).await?;
        let hint = read_id_token_hint(text, idp.config, &keys, &idp.verifier).await;
        let words = "id_token_hint is not an ID token of this issuer";
        hint.map(|hint| Some(hint.sub)).ok_or_else(|| self.refuse(ErrorCode::InvalidRequest, words))
    }

    /// Whether whoever listens at the redirect URI may be another program than the client, RFC 8252
    /// §8.6: a native application without a domain of its own to answer at.
    #[must_use]
    pub fn may_be_anybodys(&self) -> bool {
        let https = self.reply.redirect().as_str().starts_with("https:");
        self.client.is_native && self.client.is_public() && !https
    }

    /// A grant of what was asked for, in the account of `session`, and its code.
    #[must_use]
    pub fn grant<P: Platform>(
        &self,
        session: Handle,
        idp: &Idp<'_, P>,
        rng: &mut impl CryptoRng,
    ) -> (NewGrant, Code) {
        let handle = Handle {
            object: session.object,
            item: random_uuid(rng),
            generation: 0,
            secret: random(rng),
        };
        let grant = NewGrant {
            id: handle.item,
            account: handle.object,
            code: Digest::of(handle.secret),
            client_id: self.client.id.clone(),
            redirect_uri: self.reply.redirect().as_str().to_owned(),
            challenge: self.challenge,
            nonce: self.nonce.clone(),
            scope: self.scope.clone(),
            refreshable: self.client.may(GrantType::RefreshToken),
            offline: self.scope.has("offline_access"),
        };
        (grant, Code::new(handle.seal(Kind::Code, &idp.config.keys)))
    }
}
