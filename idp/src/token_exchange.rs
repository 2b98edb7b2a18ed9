//! Token exchange, RFC 8693: an access token in place of another of the same grant, which is good for
//! less. Its client asks, who wants a narrower one to hand to an origin; or a resource that was shown
//! it, who wants to call another resource for the person.
//!
//! Nothing is stored, and nothing is used up: whatever ends the grant ends the new token with it.

use crate::Idp;
use crate::client::Client;
use crate::dpop::{self, Confirmation, Proof, Proved};
use crate::living::{Living, Part};
use crate::platform::Platform;
use crate::resource::{Resources, Target};
use crate::subject::exchanged_token;
use crate::token::{self, may_know};
use crate::tokens::{AccessClaims, Actor, and_userinfo};
use rand_core::CryptoRng;
use shared::error::ErrorCode;
use shared::form::Form;
use shared::jose::Alg;
use shared::scope::Scope;
use shared::secret::AccessToken;
use shared::time::UnixTime;

/// What is taken, and all that is given; and what an access token of ours may be called besides.
pub use shared::rp::wanted::{ACCESS_TOKEN, JWT};

/// Through how many hands a token goes at the most, besides those of its first client.
const MOST_ACTORS: usize = 4;

/// Why nothing was exchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// A subject token that is called something else than an access token.
    SubjectTokenType,
    /// Something else than an access token is asked for.
    RequestedTokenType,
    /// Who acts is who asks, and no other.
    ActorToken,
    /// No access token of ours, or one that is not good any more, or somebody else's.
    SubjectToken,
    /// It is bound to a key that was not proved.
    OtherKey,
    /// It went through too many hands.
    TooManyActors,
    /// More scope than it has, or than the client may have; or nothing is left.
    Scope,
}

impl Refused {
    /// What the client is told, RFC 8693 §2.2.2. Of a token that is not its own it learns nothing.
    #[must_use]
    pub const fn public(self) -> (ErrorCode, &'static str) {
        match self {
            Self::SubjectTokenType => {
                (ErrorCode::InvalidRequest, "subject_token_type must be that of an access token")
            }
            Self::RequestedTokenType => {
                (ErrorCode::InvalidRequest, "requested_token_type must be that of an access token")
            }
            Self::ActorToken => (ErrorCode::InvalidRequest, "actor_token is not supported"),
            Self::SubjectToken => (ErrorCode::InvalidRequest, "the subject_token is not valid"),
            Self::OtherKey => {
                (ErrorCode::InvalidRequest, "the key of the subject_token has to be proved")
            }
            Self::TooManyActors => {
                (ErrorCode::InvalidRequest, "the subject_token was exchanged too often")
            }
            Self::Scope => {
                (ErrorCode::InvalidScope, "scope is not within what the subject_token has")
            }
        }
    }
}

impl From<Refused> for token::Refused {
    fn from(refused: Refused) -> Self {
        Self::Exchange(refused)
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// The new token.
    pub access_token: AccessToken,
    /// What it is called.
    pub token_type: &'static str,
    /// How long it is good, in seconds.
    pub expires_in: u64,
    /// What for.
    pub scope: Scope,
}

/// A request, RFC 8693 §2.1.
struct Wanted<'f> {
    subject_token: &'f str,
    scope: Option<Scope>,
    target: Target,
}

impl<'f> Wanted<'f> {
    fn read<P: Platform>(
        idp: &Idp<'_, P>,
        form: &'f Form,
        asks: &Client,
    ) -> Result<Self, token::Refused> {
        let subject_token = form.get("subject_token");
        let subject_token =
            subject_token.ok_or(token::Refused::Missing("subject_token is required"))?;
        let kind = form.get("subject_token_type");
        let kind = kind.ok_or(token::Refused::Missing("subject_token_type is required"))?;
        if kind != ACCESS_TOKEN && kind != JWT {
            return Err(Refused::SubjectTokenType.into());
        }
        if form.get("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
            return Err(Refused::RequestedTokenType.into());
        }
        if ["actor_token", "actor_token_type"].iter().any(|name| form.get(name).is_some()) {
            return Err(Refused::ActorToken.into());
        }
        let scope = match form.get("scope") {
            None => None,
            Some(text) => Some(Scope::parse(text).ok_or(token::Refused::MalformedScope)?),
        };
        let target = Target::read_by_name(form, asks, idp.config).ok_or(token::Refused::Target)?;
        Ok(Self { subject_token, scope, target })
    }
}

/// Exchanges a token for `asks`, who has proved who it is and may do this.
///
/// # Errors
/// See [`Refused`] and [`token::Refused`].
pub(crate) async fn exchange<P: Platform>(
    idp: &Idp<'_, P>,
    form: &Form,
    asks: &Client,
    proof: Option<Proof>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Exchanged, token::Refused> {
    let Wanted { subject_token, scope, target } = Wanted::read(idp, form, asks)?;
    let signer = idp.signer(Alg::Es256, now).await?;
    let living = Living::find(idp, asks, subject_token, now).await?;
    let Living { claims, account, id, part, grant, grantee } =
        living.ok_or(Refused::SubjectToken)?;
    // Else whoever has merely seen a bound token could have one in its place that is bound to their
    // own key, or to none. So a resource that is shown one cannot pass it on.
    let shown = proof.as_ref().map(Proof::thumbprint);
    if claims.cnf.is_some_and(|cnf| shown != Some(cnf.jkt)) {
        return Err(Refused::OtherKey.into());
    }

    let act = acting(asks, part, claims.act)?;
    let left = claims.scope.and(&asks.scope);
    let scope = match scope {
        None => left,
        Some(wanted) if wanted.within(&left) => wanted,
        Some(_) => return Err(Refused::Scope.into()),
    };
    if scope.is_empty() {
        return Err(Refused::Scope.into());
    }
    // What the person allowed, as far as the operator still does.
    let granted = Target::unnamed(&grantee).within(&grant.facts.particulars.resources);
    let granted = granted.ok_or(token::Refused::Target)?.audience(&grantee).into_iter().collect();
    let before: Resources = claims.aud.into_iter().collect();
    let resources = target.of_another(&before, &granted).ok_or(token::Refused::Target)?;

    // Nothing is left to check.
    let cnf = dpop::spend(proof, idp, now).await?.map(Proved::confirmation);
    let ends = now.plus(idp.config.lifetimes.access_token).min(claims.exp).min(grant.until);
    let mut own = claims.own;
    own.retain(|name, _| may_know(name, &scope, idp.config));
    // `sub` and `sid` stay as they are, of the sector that the first client is of: whoever sees the new
    // token learns no other name of the person than whoever saw the old one (decision 18).
    let exchanged = AccessClaims {
        aud: and_userinfo(resources.audience(asks), &scope, &claims.iss),
        exp: ends,
        iat: now,
        jti: exchanged_token(account, id, idp.config, rng),
        client_id: asks.id.clone(),
        scope,
        act,
        cnf,
        own,
        iss: claims.iss,
        sub: claims.sub,
        sid: claims.sid,
        auth_time: claims.auth_time,
        amr: claims.amr,
    };
    let access_token = exchanged.sign(&signer).await?;
    let (token_type, expires_in) = (Confirmation::token_type(cnf), ends.since(now));
    Ok(Exchanged { access_token, token_type, expires_in, scope: exchanged.scope })
}

/// Who acts by the new token, if anybody does.
///
/// # Errors
/// It would have gone through too many hands.
fn acting(asks: &Client, part: Part, before: Option<Actor>) -> Result<Option<Actor>, Refused> {
    let act = match part {
        // The token was its own before: nobody else has come between the person and whom they gave
        // it to, and `client_id` says who that is.
        Part::Client => before,
        Part::Resource => Some(Actor { sub: asks.id.clone(), act: before.map(Box::new) }),
    };
    let hands = act.iter().flat_map(Actor::chain).count();
    if hands <= MOST_ACTORS { Ok(act) } else { Err(Refused::TooManyActors) }
}
