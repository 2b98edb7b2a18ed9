//! `POST /token`, RFC 6749 §3.2: a code, a refresh token or an access token for fresh tokens.

use crate::account::{Redeem, Rotate};
use crate::claims::opening;
use crate::client_auth::{self, Authenticated, authenticate};
use crate::config::Config;
use crate::dpop::{self, Confirmation, Proof, Proved};
use crate::event::{self, Event};
use crate::grant::{Answer, Begun, Redeemed, Redemption, Refresh, Rotation, Seed};
use crate::platform::{Keys, Objects, Platform};
use crate::resource::{NO_TARGET, RESOURCE, Target};
use crate::rows::Unavailable;
use crate::token_exchange::{self, Exchanged};
use crate::tokens::{Subject, TokenId};
use crate::words::{Endpoint, GrantType, ScopeWord};
use crate::{Idp, ask, upstream};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::Map;
use shared::cause;
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::form::Form;
use shared::handle::{Handle, Kind};
use shared::jose::Alg;
use shared::respond;
use shared::scope::Scope;
use shared::secret::{AccessToken, Bits, Digest, IdToken, RefreshToken, Verifier, random};
use shared::time::UnixTime;

/// Why no tokens were issued; one variant a cause, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The request is no form.
    Form(ask::NoForm),
    /// The client is not who it says.
    Client(client_auth::Refused),
    /// What is wrong with its proof of a key.
    Proof(dpop::Refused),
    /// No `grant_type`.
    NoGrantType,
    /// A grant that nobody may use here.
    UnknownGrantType,
    /// A grant that this client may not use.
    GrantNotAllowed,
    /// A parameter that the grant needs is not there.
    Missing(&'static str),
    /// `scope` is no scope.
    MalformedScope,
    /// A resource indicator that names nothing we issue tokens for, RFC 8707 §2.
    Target,
    /// Not a handle of ours: garbage, or of another kind.
    NotAHandle,
    /// What became of the code.
    Code(CodeRefused),
    /// What became of the refresh token.
    RefreshToken(RefreshRefused),
    /// What was wrong with an exchange.
    Exchange(token_exchange::Refused),
    /// An exchanged token, which nobody can revoke without its grant.
    Exchanged,
    /// The upstream that vouched for the person could not be asked for too long. Nothing is used up.
    Unchecked,
    /// Storage or keys did not answer.
    Unavailable,
}

/// The ways a code is refused, without what the grant says when it is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the variant of Redeemed of the same name")]
pub enum CodeRefused {
    Reused,
    Unknown,
    WrongClient,
    WrongRedirect,
    WrongVerifier,
    WrongKey,
    WrongTarget,
    Expired,
    Revoked,
}

/// The ways a refresh token is refused, without what the grant says when it is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the variant of Rotation of the same name")]
pub enum RefreshRefused {
    Reused,
    Unknown,
    WrongClient,
    WrongKey,
    Expired,
    Revoked,
    WrongScope,
    WrongTarget,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<dpop::Refused> for Refused {
    fn from(refused: dpop::Refused) -> Self {
        Self::Proof(refused)
    }
}

impl Refused {
    /// What the client is told. A code or a refresh token that is refused is refused in the same
    /// words whatever the cause (TC-26).
    #[must_use]
    pub const fn public(self) -> (StatusCode, OAuthError) {
        let (error, words) = match self {
            Self::Form(refused) => return (StatusCode::BAD_REQUEST, refused.public()),
            Self::Client(refused) => {
                let (status, error, _) = refused.public();
                return (status, error);
            }
            Self::Proof(refused) => return refused.public(),
            Self::NoGrantType => (ErrorCode::InvalidRequest, "grant_type is required"),
            Self::UnknownGrantType => {
                (ErrorCode::UnsupportedGrantType, "grant_type is not one of this issuer's")
            }
            Self::GrantNotAllowed => {
                (ErrorCode::UnauthorizedClient, "the client may not use this grant")
            }
            Self::Missing(words) => (ErrorCode::InvalidRequest, words),
            Self::MalformedScope => (ErrorCode::InvalidScope, "scope is malformed"),
            Self::RefreshToken(RefreshRefused::WrongScope) => {
                (ErrorCode::InvalidScope, "scope is not within what was granted")
            }
            Self::Exchange(refused) => refused.public(),
            Self::Exchanged => {
                (ErrorCode::UnsupportedTokenType, "an exchanged token ends by itself")
            }
            Self::Target
            | Self::Code(CodeRefused::WrongTarget)
            | Self::RefreshToken(RefreshRefused::WrongTarget) => {
                (ErrorCode::InvalidTarget, NO_TARGET)
            }
            Self::NotAHandle | Self::Code(_) | Self::RefreshToken(_) => {
                (ErrorCode::InvalidGrant, "the code or refresh token is not valid")
            }
            Self::Unchecked | Self::Unavailable => {
                let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again");
                return (StatusCode::SERVICE_UNAVAILABLE, error);
            }
        };
        (StatusCode::BAD_REQUEST, OAuthError::new(error, words))
    }
}

/// A successful token response, RFC 6749 §5.1, OpenID Connect Core §3.1.3.3 and RFC 8693 §2.2.1.
#[derive(Debug, Serialize)]
struct Granted {
    access_token: AccessToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    expires_in: u64,
    scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<IdToken>,
}

/// Runs the endpoint and renders what it said.
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let mut happened = None;
    let mut response = match grant(idp, request, &mut happened, now, rng).await {
        Ok(granted) => respond::json(StatusCode::OK, &granted),
        Err(refused) => refuse(refused),
    };
    if let Some(event) = happened {
        event::tell(&mut response, event);
    }
    response
}

/// Renders a refusal of this endpoint and of those that authenticate clients the same way.
pub(crate) fn refuse(refused: Refused) -> Response {
    let (status, error) = refused.public();
    let mut response = respond::json(status, &error);
    if matches!(refused, Refused::Client(refused) if refused.public().2) {
        respond::put(&mut response, WWW_AUTHENTICATE, "Basic realm=\"token\", charset=\"UTF-8\"");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // The upstream is left alone for a while.
        let wait = if refused == Refused::Unchecked { "30" } else { "1" };
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(wait));
    }
    cause::note(response, &refused)
}

async fn grant<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    happened: &mut Option<Event>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Granted, Refused> {
    let form = ask::form_repeating(request, Some(RESOURCE)).map_err(Refused::Form)?;
    let client = authenticate(idp, request.headers(), &form, now).await;
    let client = client.map_err(Refused::Client)?;
    // Before the grant is looked at: a bad proof uses up no code, and rotates nothing.
    let proof = Proof::read(idp, Endpoint::Token, request, now).await?;
    if proof.is_none() && client.client().bound_tokens_only {
        return Err(Refused::Proof(dpop::Refused::Missing));
    }
    let kind = form.get("grant_type").ok_or(Refused::NoGrantType)?;
    let kind = GrantType::parse(kind).ok_or(Refused::UnknownGrantType)?;
    if !client.client().may(kind) {
        return Err(Refused::GrantNotAllowed);
    }
    match kind {
        GrantType::AuthorizationCode => {
            redeem(idp, &form, &client, proof, happened, now, rng).await
        }
        GrantType::RefreshToken => refresh(idp, &form, &client, proof, happened, now).await,
        GrantType::TokenExchange => {
            let client = client.client();
            let exchanged = token_exchange::exchange(idp, &form, client, proof, now, rng).await?;
            let Exchanged { access_token, token_type, expires_in, scope } = exchanged;
            Ok(Granted {
                access_token,
                issued_token_type: Some(token_exchange::ACCESS_TOKEN),
                token_type,
                expires_in,
                scope,
                refresh_token: None,
                id_token: None,
            })
        }
    }
}

/// RFC 6749 §4.1.3.
async fn redeem<P: Platform>(
    idp: &Idp<'_, P>,
    form: &Form,
    client: &Authenticated,
    proof: Option<Proof>,
    happened: &mut Option<Event>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Granted, Refused> {
    let target = Target::read(form, client.client()).ok_or(Refused::Target)?;
    let code = form.get("code").ok_or(Refused::Missing("code is required"))?;
    let redirect_uri = form.get("redirect_uri");
    let redirect_uri = redirect_uri.ok_or(Refused::Missing("redirect_uri is required"))?;
    let handle = Handle::open(Kind::Code, code, &idp.config.keys).ok_or(Refused::NotAHandle)?;
    let signers = Signers::ready(idp, client, now).await?;
    let proved = dpop::spend(proof, idp, now).await?;

    let seed = Bits::new(random(rng));
    let command = Redeem {
        grant: handle.item,
        with: Redemption {
            code: Digest::of(handle.secret),
            client_id: client.client().id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            verifier: form.get("code_verifier").map(Verifier::new),
            target,
            is_public: client.client().is_public(),
            key: proved.map(Proved::thumbprint),
        },
        seed,
    };
    let begun = match idp.objects.redeem(handle.object, command, now).await? {
        Redeemed::Redeemed(begun) => *begun,
        Redeemed::Reused => {
            let client = client.client().id.clone();
            *happened = Some(Event::CodeReused { account: handle.object, client });
            return Err(Refused::Code(CodeRefused::Reused));
        }
        Redeemed::Unknown => return Err(Refused::Code(CodeRefused::Unknown)),
        Redeemed::WrongClient => return Err(Refused::Code(CodeRefused::WrongClient)),
        Redeemed::WrongRedirect => return Err(Refused::Code(CodeRefused::WrongRedirect)),
        Redeemed::WrongVerifier => return Err(Refused::Code(CodeRefused::WrongVerifier)),
        Redeemed::WrongKey => return Err(Refused::Code(CodeRefused::WrongKey)),
        Redeemed::WrongTarget => return Err(Refused::Code(CodeRefused::WrongTarget)),
        Redeemed::Expired => return Err(Refused::Code(CodeRefused::Expired)),
        Redeemed::Revoked => return Err(Refused::Code(CodeRefused::Revoked)),
    };
    let Begun { facts, nonce, resources, mut claims, own } = begun;
    // What the operator has taken from the client since the code was issued is not given.
    let may_have = &client.client().scope;
    let scope = facts.scope.and(may_have);
    claims.retain(|name, _| may_know(name, may_have, idp.config));
    let mut own = own;
    own.retain(|name, _| may_know(name, may_have, idp.config));
    let refresh_token = facts.refreshable.then(|| {
        let secret = Seed(seed).secret(0).expose();
        Handle { generation: 0, secret, ..handle }
    });
    let subject = Subject {
        account: handle.object,
        id: TokenId { grant: handle.item, generation: 0 },
        facts: &facts,
        scope: &scope,
        resources: &resources,
        claims: &claims,
        own: &own,
        cnf: proved.map(Proved::confirmation),
        nonce: nonce.as_deref(),
        issued_at: now,
    };
    signers.sign(idp, client, subject, refresh_token).await
}

/// RFC 6749 §6.
async fn refresh<P: Platform>(
    idp: &Idp<'_, P>,
    form: &Form,
    client: &Authenticated,
    proof: Option<Proof>,
    happened: &mut Option<Event>,
    now: UnixTime,
) -> Result<Granted, Refused> {
    let target = Target::read(form, client.client()).ok_or(Refused::Target)?;
    let token = form.get("refresh_token");
    let token = token.ok_or(Refused::Missing("refresh_token is required"))?;
    let scope = match form.get("scope") {
        None => None,
        Some(text) => Some(Scope::parse(text).ok_or(Refused::MalformedScope)?),
    };
    let handle = Handle::open(Kind::RefreshToken, token, &idp.config.keys);
    let handle = handle.ok_or(Refused::NotAHandle)?;
    let signers = Signers::ready(idp, client, now).await?;
    let proved = dpop::spend(proof, idp, now).await?;

    let command = Rotate {
        grant: handle.item,
        with: Refresh {
            generation: handle.generation,
            secret: Bits::new(handle.secret),
            client_id: client.client().id.clone(),
            is_public: client.client().is_public(),
            scope,
            target,
            key: proved.map(Proved::thumbprint),
        },
        checked: None,
    };
    let rotated = upstream::rotate(idp, handle.object, command, now).await?;
    let answer = match rotated.rotation {
        Rotation::Rotated(answer) | Rotation::Repeated(answer) => answer,
        Rotation::Reused => {
            let client = client.client().id.clone();
            *happened = Some(Event::FamilyReused { account: handle.object, client });
            return Err(Refused::RefreshToken(RefreshRefused::Reused));
        }
        Rotation::Unknown => return Err(Refused::RefreshToken(RefreshRefused::Unknown)),
        Rotation::WrongClient => return Err(Refused::RefreshToken(RefreshRefused::WrongClient)),
        Rotation::WrongKey => return Err(Refused::RefreshToken(RefreshRefused::WrongKey)),
        Rotation::Expired => return Err(Refused::RefreshToken(RefreshRefused::Expired)),
        Rotation::Revoked => return Err(Refused::RefreshToken(RefreshRefused::Revoked)),
        Rotation::WrongTarget => return Err(Refused::RefreshToken(RefreshRefused::WrongTarget)),
        Rotation::WrongScope => return Err(Refused::RefreshToken(RefreshRefused::WrongScope)),
        Rotation::CheckFirst(_) | Rotation::Unchecked => return Err(Refused::Unchecked),
        Rotation::Ended { upstream, sessions } => {
            let (account, reason) = (handle.object, "it vouches no more");
            *happened = Some(Event::EndedByUpstream { account, upstream, reason, sessions });
            return Err(Refused::RefreshToken(RefreshRefused::Revoked));
        }
    };
    let Answer { facts, scope, resources, generation } = answer;
    let mut own = rotated.claims;
    own.retain(|name, _| may_know(name, &client.client().scope, idp.config));
    // What the operator has taken from the client since is not given again.
    let scope = scope.and(&client.client().scope);
    let refresh_token =
        rotated.secret.map(|secret| Handle { generation, secret: secret.expose(), ..handle });
    let subject = Subject {
        account: handle.object,
        id: TokenId { grant: handle.item, generation },
        facts: &facts,
        scope: &scope,
        resources: &resources,
        claims: &Map::new(),
        own: &own,
        cnf: proved.map(Proved::confirmation),
        nonce: None,
        issued_at: now,
    };
    signers.sign(idp, client, subject, refresh_token).await
}

/// Whether a client with this scope may know a claim.
pub(crate) fn may_know(name: &str, scope: &Scope, config: &Config) -> bool {
    let word = opening(name).map(ScopeWord::as_str);
    word.or_else(|| config.own_claims.scope(name)).is_some_and(|word| scope.has(word))
}

/// The keys that an answer takes, fetched before anything is consumed.
struct Signers<S> {
    access: S,
    id: S,
}

impl<S: crate::platform::Signer> Signers<S> {
    async fn ready<P: Platform<Keys: Keys<Signer = S>>>(
        idp: &Idp<'_, P>,
        client: &Authenticated,
        now: UnixTime,
    ) -> Result<Self, Unavailable> {
        let access = idp.signer(Alg::Es256, now).await?;
        let id = idp.signer(client.client().id_token_alg, now).await?;
        Ok(Self { access, id })
    }

    async fn sign<P: Platform>(
        &self,
        idp: &Idp<'_, P>,
        client: &Authenticated,
        subject: Subject<'_>,
        refresh_token: Option<Handle>,
    ) -> Result<Granted, Refused> {
        let (config, client) = (idp.config, client.client());
        let access_token = subject.access_token(config, client, &self.access).await?;
        let id_token = if subject.scope.has("openid") {
            Some(subject.id_token(config, client, &access_token, &self.id).await?)
        } else {
            None
        };
        let refresh_token = refresh_token
            .map(|handle| RefreshToken::new(handle.seal(Kind::RefreshToken, &config.keys)));
        Ok(Granted {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(subject.cnf),
            expires_in: config.lifetimes.access_token,
            scope: subject.scope.clone(),
            refresh_token,
            id_token,
        })
    }
}
