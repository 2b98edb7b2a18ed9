//! `POST /sign-in/logout/ID`: an upstream says that somebody has signed out there, OpenID Connect
//! Back-Channel Logout 1.0 §2.5. What began by its word ends, and our own clients are told in turn.

use crate::account::{Began, EndUpstream};
use crate::config::Upstream;
use crate::event::{self, Event};
use crate::platform::{Objects, Platform};
use crate::proof::{How, Identity, Means};
use crate::rows::Unavailable;
use crate::words::Endpoint;
use crate::{Idp, ask, directory, ledger, sign_in};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::rp::dialect::{Desk, Ended};
use shared::rp::discovery::Provider;
use shared::rp::keys::NoKey;
use shared::rp::logout_token::LogoutRefused;
use shared::time::UnixTime;
use shared::{cause, respond};
use uuid::Uuid;

/// What a used token is filed under.
const PURPOSE: &str = "logout token";

/// Why nothing was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    /// The request is no form.
    Form(ask::NoForm),
    /// There is no `logout_token` in it.
    NoToken,
    /// It is not to be believed.
    Token(LogoutRefused),
    /// It was used before.
    Replayed,
    /// The upstream's keys, or storage, were out of reach.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    const fn public(self) -> (StatusCode, OAuthError) {
        let words = match self {
            Self::Form(refused) => return (StatusCode::BAD_REQUEST, refused.public()),
            Self::NoToken => "logout_token is required",
            Self::Token(_) | Self::Replayed => "logout_token is not valid",
            // §2.8 knows no such answer; whoever sends tokens again does so after a 5xx.
            Self::Unavailable => {
                let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again");
                return (StatusCode::SERVICE_UNAVAILABLE, error);
            }
        };
        (StatusCode::BAD_REQUEST, OAuthError::new(ErrorCode::InvalidRequest, words))
    }
}

/// Runs the endpoint and renders what it said: `200` also when there was nothing to end.
///
/// # Errors
/// [`sign_in::Refused::Off`] where no upstream sends such tokens.
pub async fn signed_out_there<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<Response, sign_in::Refused> {
    let id = request.uri().path().strip_prefix(Endpoint::UpstreamLogout.path());
    let found = id.and_then(|id| idp.upstream(id));
    let found = found.filter(|(chosen, _)| chosen.dialect().tells_of_logouts());
    let (chosen, provider) = found.ok_or(sign_in::Refused::Off)?;
    let refused = match end(idp, request, (chosen, provider), now).await {
        Ok(None) => return Ok(respond::empty(StatusCode::OK)),
        Ok(Some(event)) => return Ok(event::note(respond::empty(StatusCode::OK), event)),
        Err(refused) => refused,
    };
    let (status, error) = refused.public();
    let mut response = respond::json(status, &error);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(cause::note(response, &refused))
}

/// What happened, if anything did.
async fn end<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    (chosen, provider): (&Upstream, &Provider),
    now: UnixTime,
) -> Result<Option<Event>, Refused> {
    let form = ask::form(request).map_err(Refused::Form)?;
    let token = form.get("logout_token").ok_or(Refused::NoToken)?;
    let (fetch, verifier) = (&idp.fetch, &idp.verifier);
    let metadata = provider.metadata(fetch, now).await.map_err(|_| Refused::Unavailable)?;
    let (party, metadata) = (&chosen.client, &*metadata);
    let desk = Desk { party, provider, metadata, fetch, verifier, now };
    let told = chosen.dialect().ended(&desk, token).await.map_err(|refused| match refused {
        LogoutRefused::Key(NoKey::Unavailable) => Refused::Unavailable,
        refused => Refused::Token(refused),
    })?;

    // Whom we never saw has nothing here to end, and no account is made for them.
    let Ended { identity, session_id: sid, token_id, until } = told;
    let identity = identity.map(|(upstream, subject)| Identity { upstream, subject });
    let upstream = chosen.id.clone();
    let Some(account) = find(idp, identity.as_ref(), sid.as_deref(), &upstream).await? else {
        return Ok(None);
    };
    let token = ledger::Entry::single_use(PURPOSE, &format!("{upstream} {token_id}"));
    let began = Began { upstream: upstream.clone(), identity, sid };
    let command = EndUpstream { began, token, until };
    let ended = idp.objects.end_upstream(account, command, now).await?.ok_or(Refused::Replayed)?;
    if ended.sessions.is_empty() && ended.grants == 0 {
        return Ok(None);
    }
    let (reason, sessions) = ("signed out there", ended.sessions);
    Ok(Some(Event::EndedByUpstream { account, upstream, reason, sessions }))
}

/// Whose account it is about: by the name that the upstream has for them, or by its session.
async fn find<P: Platform>(
    idp: &Idp<'_, P>,
    identity: Option<&Identity>,
    sid: Option<&str>,
    upstream: &str,
) -> Result<Option<Uuid>, Unavailable> {
    match (identity, sid) {
        (Some(identity), _) => idp.objects.find(directory::Entry::of(identity)).await,
        (None, Some(sid)) => idp.objects.find(directory::Entry::of_session(upstream, sid)).await,
        (None, None) => Ok(None),
    }
}

/// Somebody is about to sign in: where their upstream may end its session by the name of that alone,
/// the directory learns whose it is.
///
/// # Errors
/// [`Unavailable`].
pub async fn note<P: Platform>(
    idp: &Idp<'_, P>,
    means: &Means,
    account: Uuid,
    now: UnixTime,
) -> Result<(), Unavailable> {
    let How::Upstream { id, sid: Some(sid), .. } = &means.how else { return Ok(()) };
    let upstream = idp.config.upstream(id);
    if !upstream.is_some_and(|upstream| upstream.dialect().tells_of_logouts()) {
        return Ok(());
    }
    let lifetimes = &idp.config.lifetimes;
    let until = now.plus(lifetimes.session_absolute.max(lifetimes.refresh_absolute));
    idp.objects.note(directory::Entry::of_session(id, sid), account, until, now).await
}
