//! `POST /auth/backchannel-logout`: the provider says that somebody has signed out there, OpenID
//! Connect Back-Channel Logout 1.0 §2.5. Their sessions here end, in whichever browser they are.
//!
//! It comes from the provider's server: no cookie is looked at, and nothing but the signature is
//! believed.

use crate::person::{Name, Which, Word};
use crate::session::admission::Seams;
use crate::session::exchange::Party;
use crate::session::{Lost, Sessions};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Fetch, Request, Response};
use shared::jose::Signer;
use shared::jose::jws::Unverified;
use shared::posted::{self, NoForm};
use shared::rp::dialect::Ended;
use shared::rp::keys::NoKey;
use shared::rp::logout_token::LogoutRefused;
use shared::secret::Digest;
use shared::time::UnixTime;
use shared::{cause, respond};

/// Why nothing was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    /// The request is no form.
    Form(NoForm),
    /// There is no `logout_token` in it.
    NoToken,
    /// It is not to be believed.
    Token(LogoutRefused),
    /// It was used before.
    Replayed,
    /// The provider's keys, or our objects, were out of reach.
    Unavailable,
}

impl From<Lost> for Refused {
    fn from(_: Lost) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    const fn public(self) -> (StatusCode, OAuthError) {
        let words = match self {
            Self::Form(refused) => return (StatusCode::BAD_REQUEST, refused.public()),
            Self::NoToken => "logout_token is required",
            Self::Token(_) | Self::Replayed => "logout_token is not valid",
            // §2.8 knows `400` alone, which providers take for a final no; after a 5xx they come again.
            Self::Unavailable => {
                let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again");
                return (StatusCode::SERVICE_UNAVAILABLE, error);
            }
        };
        (StatusCode::BAD_REQUEST, OAuthError::new(ErrorCode::InvalidRequest, words))
    }
}

/// Ends what a logout token says has ended: `200` also when there was nothing to end.
pub async fn told<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
) -> Response {
    let Err(refused) = end(seams, request, now).await else {
        return respond::empty(StatusCode::OK);
    };
    let (status, error) = refused.public();
    let mut response = respond::json(status, &error);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    cause::note(response, &refused)
}

async fn end<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
) -> Result<usize, Refused> {
    let form = posted::form(request).map_err(Refused::Form)?;
    let token = form.get("logout_token").ok_or(Refused::NoToken)?;
    let (party, told) = believe(seams, token, now).await?;

    let Ended { identity, session_id: sid, token_id, until } = told;
    let which = sid.as_ref().map_or(Which::All, |sid| Which::Of(Digest::of(sid)));
    let word = Word { token: Digest::of(&token_id), until };
    let names: Vec<Name> = match (&identity, &sid) {
        (Some((authority, subject)), _) => seams.named(authority, subject),
        (None, Some(sid)) => seams.whose(party, sid, now).await?,
        (None, None) => Vec::new(),
    };
    seams.end(&names, which, Some(word), now).await?.ok_or(Refused::Replayed)
}

/// What the token says, by the word of the provider that it says it is from: of no other a key is
/// looked at. Several may be one issuer, which knows us by several names.
async fn believe<'p, S, F: Fetch, V: Signer>(
    seams: &Seams<'p, S, F, V>,
    token: &str,
    now: UnixTime,
) -> Result<(&'p Party<F, V>, Ended), Refused> {
    let issuer = Unverified::parse(token).ok().and_then(|token| token.claimed_issuer());
    let issuer = issuer.unwrap_or_default();
    let mut refused = Refused::Token(LogoutRefused::Issuer);
    for party in seams.parties.from(&issuer) {
        let metadata = party.provider.metadata(&party.fetch, now).await;
        let metadata = metadata.map_err(|_| Refused::Unavailable)?;
        match party.dialect.ended(&party.desk(&metadata, now), token).await {
            Ok(told) => return Ok((party, told)),
            Err(LogoutRefused::Key(NoKey::Unavailable)) => return Err(Refused::Unavailable),
            Err(why) => refused = Refused::Token(why),
        }
    }
    Err(refused)
}
