//! What somebody signs in for: a client's authorization request, or something of ours.

use crate::Idp;
use crate::account::{Consent, NewGrant};
use crate::authorize::{self, AuthorizationRequest};
use crate::client::Client;
use crate::config::Config;
use crate::consent::After;
use crate::grant::Particulars;
use crate::interaction::{Here, Interaction};
use crate::linking::Linking;
use crate::page::{self, Problem};
use crate::platform::Platform;
use crate::prompt::Prompts;
use crate::sign_in::Refused;
use crate::subject::{Hint, Names};
use crate::words::{Acr, Endpoint, GrantType, Prompt};
use http::StatusCode;
use rand_core::CryptoRng;
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::Response;
use shared::handle::{Handle, Kind};
use shared::respond::see_other;
use shared::scope::Scope;
use shared::secret::{Code, Digest, random, random_uuid};
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;

/// What somebody signs in for.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A client sent them.
    Client(Box<AuthorizationRequest>),
    /// Their own page.
    OwnPage,
    /// The same, for something that wants a fresh proof.
    Again,
    /// To add a way to sign in: nobody is signed in by it.
    Link(Linking),
}

/// Whom a client means, when it means somebody.
#[derive(Clone, Debug)]
pub struct Expected {
    client: Rc<Client>,
    /// By the names that the client knows them by.
    subjects: Option<Vec<String>>,
}

impl Expected {
    /// Whether it may be this account.
    #[must_use]
    pub fn may_be(&self, account: Uuid, config: &Config) -> bool {
        let name = || Names::of(&self.client, config).name(account);
        self.subjects.as_ref().is_none_or(|subjects| subjects.contains(&name()))
    }
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

    /// What an interaction is about: with no request in it, something of ours.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn errand(&self, interaction: &Interaction) -> Result<Errand, Refused> {
        if interaction.request.is_empty() {
            return Ok(match &interaction.here {
                Here::Page => Errand::OwnPage,
                Here::Again => Errand::Again,
                Here::Link(linking) => Errand::Link(*linking),
            });
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
            Self::OwnPage | Self::Again | Self::Link(_) => None,
        }
    }

    /// The grant to be, and its code, in the account of `session`, whose person has just signed in.
    #[must_use]
    pub fn grant<P: Platform>(
        &self,
        session: Handle,
        idp: &Idp<'_, P>,
        rng: &mut impl CryptoRng,
    ) -> (Option<NewGrant>, Option<Code>) {
        let grant = |asked: &AuthorizationRequest| {
            asked.grant(session, asked.consent(After::SignIn), idp, rng)
        };
        self.asked().map(grant).unzip()
    }

    /// Sends the browser where it wanted to go.
    #[must_use]
    pub fn done<P: Platform>(&self, code: Option<&Code>, idp: &Idp<'_, P>) -> Response {
        match (self, code) {
            (Self::Client(asked), Some(code)) => asked.reply.code(code),
            _ => see_other(&idp.config.issuer.at(Endpoint::OwnPage.path())),
        }
    }

    /// What an upstream is asked to show. Who adds a way to sign in sees there who they are: another may
    /// have signed in there, in this very browser (FD-17).
    #[must_use]
    pub fn prompts(&self) -> Prompts {
        match self {
            Self::Client(asked) => asked.prompts.clone(),
            Self::OwnPage => Prompts::default(),
            Self::Again => Prompts::of(Prompt::Login),
            Self::Link(_) => Prompts::of(Prompt::SelectAccount),
        }
    }

    /// Whether somebody whom an upstream vouches for may do, as far as is known before they are back.
    #[must_use]
    pub fn takes_upstreams(&self) -> bool {
        self.takes(Acr::Upstream)
    }

    fn takes(&self, acr: Acr) -> bool {
        if matches!(self, Self::Link(_)) {
            return acr == Acr::Upstream;
        }
        let wanted = self.asked().and_then(|asked| asked.claims.acr.as_ref());
        wanted.is_none_or(|wanted| wanted.iter().any(|class| Acr::may_be(class) == acr))
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
        let host = asked.and_then(AuthorizationRequest::host);
        // Who does not say when somebody signed in there proves nothing again.
        let is_again = matches!(self, Self::Again);
        let takes = |says_when| self.takes_upstreams() && (says_when || !is_again);
        let upstreams = idp.config.upstreams.iter();
        let upstreams = upstreams.filter(|upstream| takes(upstream.way.says_when));
        let (by_domain, buttons): (Vec<_>, Vec<_>) =
            upstreams.partition(|upstream| !upstream.domains.is_empty());
        let buttons: Vec<_> =
            buttons.iter().map(|upstream| (&*upstream.id, &*upstream.label)).collect();
        let view = page::SignIn {
            client_name: asked.map_or("your account", |asked| &asked.client.name),
            client_host: host.as_deref(),
            interaction,
            username,
            problem,
            creates: asked.is_some_and(|asked| asked.prompts.wants_account()),
            local: self.takes(Acr::Password) && !idp.config.accounts.is_empty(),
            upstreams: &buttons,
            by_domain: !by_domain.is_empty(),
        };
        let leads_to = asked.map(|asked| asked.reply.redirect().as_str());
        page::respond(status, page::sign_in(&view), leads_to)
    }
}

impl AuthorizationRequest {
    /// An error for the client, through the browser.
    #[must_use]
    pub fn refuse(&self, error: ErrorCode, words: &'static str) -> Refused {
        self.refuse_with(OAuthError::new(error, words))
    }

    /// The same in words that are ready.
    #[must_use]
    pub fn refuse_with(&self, error: OAuthError) -> Refused {
        Refused::Request(authorize::Refused::Client(self.reply.clone(), error))
    }

    /// Whether the sign-in page is shown even to somebody who is signed in.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        self.prompts.wants_sign_in() || self.max_age == Some(0)
    }

    /// Whether `acr` is a way to prove who one is that the client takes, OpenID Connect Core
    /// §5.5.1.1.
    #[must_use]
    pub fn is_met_by(&self, acr: &str) -> bool {
        self.claims.acr.as_ref().is_none_or(|wanted| wanted.iter().any(|class| class == acr))
    }

    /// What a person would have to agree to: the scope, and the words that open the claims which are
    /// asked for singly.
    #[must_use]
    pub fn reveals(&self) -> Scope {
        self.scope.or(&self.claims.claims.scope())
    }

    /// Whom the client means, by an ID token of theirs or by the value of `sub`, OpenID Connect Core
    /// §3.1.2.1 and §5.5.1: nobody else will do. A hint proves nothing and may have expired. One of
    /// a client that people are called otherwise to is none: two sectors that show each other's
    /// would learn who is the same.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn expected<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        now: UnixTime,
    ) -> Result<Expected, Refused> {
        let subjects = self.claims.subjects.as_ref().map(|subjects| {
            subjects.iter().filter_map(|subject| subject.as_str().map(str::to_owned)).collect()
        });
        let Some(text) = &self.id_token_hint else { return self.somebody(subjects) };
        let hint = Hint::read(idp, text, now).await?;
        let hint = hint.filter(|hint| hint.client.subject == self.client.subject);
        let words = "id_token_hint is not an ID token of this issuer";
        let hint = hint.ok_or_else(|| self.refuse(ErrorCode::InvalidRequest, words))?;
        let mut subjects = subjects.unwrap_or_else(|| vec![hint.subject().to_owned()]);
        subjects.retain(|subject| subject == hint.subject());
        self.somebody(Some(subjects))
    }

    /// Where nobody can be meant, nobody need sign in.
    fn somebody(&self, subjects: Option<Vec<String>>) -> Result<Expected, Refused> {
        if subjects.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.refuse(ErrorCode::LoginRequired, "nobody is whom the client means"));
        }
        Ok(Expected { client: Rc::clone(&self.client), subjects })
    }

    /// Where the answer goes, for people to read: the host of the redirect URI; none for a
    /// private-use scheme.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let origin = self.reply.redirect().origin()?;
        origin.split_once("://").map(|(_, host)| host.to_owned())
    }

    /// A grant of what was asked for, in the account of `session`, and its code.
    #[must_use]
    pub fn grant<P: Platform>(
        &self,
        session: Handle,
        consent: Consent,
        idp: &Idp<'_, P>,
        rng: &mut impl CryptoRng,
    ) -> (NewGrant, Code) {
        let (item, secret) = (random_uuid(rng), random(rng));
        let code = Handle { object: session.object, item, generation: 0, secret };
        self.grant_as(code, consent, idp)
    }

    /// The same with the name and the secret of the code.
    #[must_use]
    pub fn grant_as<P: Platform>(
        &self,
        handle: Handle,
        consent: Consent,
        idp: &Idp<'_, P>,
    ) -> (NewGrant, Code) {
        let grant = NewGrant {
            id: handle.item,
            account: handle.object,
            code: Digest::of(handle.secret),
            client_id: self.client.id.clone(),
            redirect_uri: self.reply.redirect().as_str().to_owned(),
            challenge: self.challenge,
            key: self.key,
            nonce: self.nonce.clone(),
            scope: self.scope.clone(),
            particulars: Particulars {
                claims: self.claims.claims.clone(),
                resources: self.resources.clone(),
            },
            refreshable: self.client.may(GrantType::RefreshToken),
            offline: self.scope.has("offline_access"),
            consent,
            revised_at: self.client.revised_at,
        };
        (grant, Code::new(handle.seal(Kind::Code, &idp.config.keys)))
    }
}
