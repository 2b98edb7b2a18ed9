//! `GET /auth/callback`, or `/auth/callback/{id}` where there are several providers: the browser comes
//! back from one of them.

use super::carry;
use super::flow::{Manner, Pending, short};
use super::following;
use super::page::{self, Page};
use crate::config::{Config, Mode};
use crate::person::Noted;
use crate::policy::StepUp;
use crate::session::Sessions;
use crate::session::admission::{Authentication, Seams};
use crate::session::cookie::Contents;
use crate::session::exchange::Party;
use crate::session::place::Place;
use crate::session::roll::NotEnrolled;
use crate::session::state::{Limits, Live, Person, Renewal, Session, Tokens};
use http::HeaderMap;
use rand_core::CryptoRng;
use serde_json::{Map, Value};
use shared::agent;
use shared::cause;
use shared::error::ErrorCode;
use shared::fetch::{Fetch, Request, Response};
use shared::form::Form;
use shared::handle::{Handle, Kind};
use shared::jose::Signer;
use shared::metadata::ProviderMetadata;
use shared::respond;
use shared::rp::authorization::{CallbackRefused, Flow};
use shared::rp::dialect::{Dialect, NotVouched, Vouched};
use shared::rp::discovery::Unusable;
use shared::rp::token::TokenError;
use shared::rp::userinfo::{NoUserinfo, userinfo};
use shared::secret::{Digest, random, random_uuid};
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;

/// Claims that are kept, when they are small.
const KEPT: [&str; 9] = [
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "nickname",
    "email",
    "email_verified",
    "picture",
    "locale",
];
/// What is small: characters of JSON.
const SMALL: usize = 512;

/// Why nobody was signed in: for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failed {
    Provider(Unusable),
    Callback(CallbackRefused),
    /// The flow went to another provider than the one that answers.
    OtherProvider,
    NotVouched(NotVouched),
    Userinfo(NoUserinfo),
    NotEnough,
    /// Somebody who was followed is somebody else there, or nobody here any more.
    NotFollowed,
    Roll(NotEnrolled),
    Store,
    TooLarge,
}

impl Failed {
    /// What the browser is told.
    fn page(self) -> Page {
        match self {
            Self::Provider(_)
            | Self::NotVouched(NotVouched::Token(TokenError::Unavailable { .. })) => {
                Page::ProviderAway
            }
            Self::Callback(CallbackRefused::Provider(Some(ErrorCode::AccessDenied)))
            | Self::NotVouched(NotVouched::Elsewhere | NotVouched::Impersonated) => Page::Denied,
            Self::Callback(CallbackRefused::Provider(_)) => Page::ProviderRefused,
            Self::Callback(
                CallbackRefused::Form
                | CallbackRefused::State
                | CallbackRefused::Issuer
                | CallbackRefused::NoCode,
            )
            | Self::OtherProvider
            | Self::NotFollowed
            | Self::NotVouched(NotVouched::Token(TokenError::Refused))
            | Self::Roll(NotEnrolled::Over) => Page::Stale,
            Self::NotVouched(
                NotVouched::Token(TokenError::Misconfigured(_))
                | NotVouched::NoIdToken
                | NotVouched::IdToken(_)
                | NotVouched::Userinfo(_)
                | NotVouched::Api
                | NotVouched::NoSubject,
            )
            | Self::Userinfo(_) => Page::ProviderWrong,
            Self::NotEnough => Page::NotEnough,
            Self::Store | Self::Roll(NotEnrolled::Lost) => Page::Busy,
            Self::TooLarge => Page::TooLarge,
        }
    }

    /// Whether the provider would have had to show a page: OpenID Connect Core §3.1.2.6.
    fn wants_page(self) -> bool {
        matches!(
            self,
            Self::Callback(CallbackRefused::Provider(Some(
                ErrorCode::LoginRequired
                    | ErrorCode::InteractionRequired
                    | ErrorCode::ConsentRequired
                    | ErrorCode::AccountSelectionRequired
            )))
        )
    }

    /// Whether whoever began a sign-in in this manner goes back as they came, and sees no page of it.
    fn is_quiet(self, manner: Manner) -> bool {
        match manner {
            Manner::Shown => false,
            Manner::Silent => self.wants_page(),
            Manner::Following => true,
        }
    }
}

/// Signs somebody in whom `party` vouches for, or says why not. A flow is used up either way.
pub async fn callback<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    party: &Party<F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let form = Form::parse(query).unwrap_or_default();
    let state = form.get("state").unwrap_or_default();
    let pending = Pending::find(seams.config, request.headers(), state, now);
    let Some(pending) = pending else { return unknown(seams, request, state, now, rng).await };
    let mut response = if seams.used.claim(&pending, now) {
        match complete(seams, party, request, &pending, now, rng).await {
            Ok(cookies) => {
                let mut response = respond::see_other(&pending.return_to);
                carry(&mut response, &cookies);
                response
            }
            Err(failed) if failed.is_quiet(pending.manner) => {
                let mut response = respond::see_other(&pending.return_to);
                if !failed.wants_page() {
                    response = cause::note(response, &failed);
                }
                if pending.manner == Manner::Following {
                    let cookies = (response.headers_mut(), request.headers());
                    following::remember(seams, cookies, now, rng);
                }
                response
            }
            Err(failed) => {
                let page = page::again(failed.page(), &pending.return_to);
                cause::note(page, &failed)
            }
        }
    } else {
        // The same callback a second time while the first is under way, or after its answer was
        // lost: go on, and be asked to sign in again if it came to nothing.
        respond::see_other(&pending.return_to)
    };
    pending.delete(response.headers_mut());
    response
}

/// A response to nothing that this browser started. Somebody who reloads the callback that signed
/// them in is sent on; everybody else is told, and no token call is made.
async fn unknown<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    state: &str,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    match seams.authenticate(request.headers(), now, rng).await {
        Authentication::Authenticated(visitor) if visitor.snapshot.person.flow == short(state) => {
            let mut response = respond::see_other("/");
            carry(&mut response, &visitor.cookies);
            response
        }
        _ => cause::note(page::page(Page::Stale), &CallbackRefused::State),
    }
}

async fn complete<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    party: &Party<F, V>,
    request: &Request,
    pending: &Pending,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<HeaderMap, Failed> {
    let flow = &pending.flow;
    // Before anything that came along is sent to anybody (RFC 9700 §4.4.2).
    if pending.provider != party.id {
        return Err(Failed::OtherProvider);
    }
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let metadata = party.provider.metadata(&party.fetch, now).await.map_err(Failed::Provider)?;
    let code = flow.callback(query, &metadata).map_err(Failed::Callback)?;
    let followed = match pending.manner {
        Manner::Shown | Manner::Silent => None,
        Manner::Following => {
            let whom = following::whom(seams, request.headers(), now, rng).await;
            Some(whom.ok_or(Failed::NotFollowed)?)
        }
    };
    let vouched = party.dialect.vouch(&party.desk(&metadata, now), &code, flow).await;
    let vouched = vouched.map_err(Failed::NotVouched)?;
    if followed.is_some_and(|whom| whom != (party.id.clone(), vouched.subject.clone())) {
        if let Some(token) = &vouched.tokens.refresh_token {
            party.revoke(token, now).await;
        }
        return Err(Failed::NotFollowed);
    }
    let told = claims(seams.config, party, &vouched, &metadata).await?;
    let acr = told.get("acr").and_then(Value::as_str);
    // A provider may ignore what it was asked for: coming back without it, one would go round for ever.
    let says_when = flow.max_age.is_none() || vouched.auth_time.is_some();
    if !(StepUp { acr: pending.acr.clone(), max_age: None }).is_met_by(acr, None, now) || !says_when
    {
        return Err(Failed::NotEnough);
    }
    let sid = vouched.session_id.clone();
    let live = live(seams, party, vouched, told, flow, now, rng);
    let place = following::place(seams.config, request, pending.manner, now);
    let cookies = open(seams, request, live, (sid.as_deref(), place), now, rng).await?;
    // Only now: a sign-in that fails leaves the old session alone.
    if let Some(old) = Contents::read(seams.config, request.headers(), now) {
        // It is replaced in the browser whether or not its object can be told.
        let _ = seams.close(&old, now).await;
    }
    Ok(cookies)
}

/// The claims of the ID token; and of userinfo, where the token has neither name nor e-mail, or lacks
/// one that a route looks at.
async fn claims<F: Fetch, V: Signer>(
    config: &Config,
    party: &Party<F, V>,
    vouched: &Vouched,
    metadata: &ProviderMetadata,
) -> Result<Map<String, Value>, Failed> {
    let mut claims = vouched.claims.clone();
    let told = ["name", "email"].iter().any(|name| claims.contains_key(*name))
        && !config.routes.miss(&claims);
    let asks = party.asks_userinfo && !told;
    if let Some(endpoint) = metadata.userinfo_endpoint.as_deref().filter(|_| asks) {
        let access_token = &vouched.tokens.access_token;
        match userinfo(endpoint, access_token, &vouched.subject, &party.fetch).await {
            Ok(more) => {
                for (name, value) in more {
                    // What is signed goes first.
                    claims.entry(name).or_insert(value);
                }
            }
            // Names are not worth failing a sign-in; another person's names are (FD-12).
            Err(NoUserinfo::Unavailable | NoUserinfo::Malformed) => {}
            Err(refused @ NoUserinfo::OtherSubject) => return Err(Failed::Userinfo(refused)),
        }
    }
    Ok(claims)
}

fn live<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    party: &Party<F, V>,
    vouched: Vouched,
    mut claims: Map<String, Value>,
    flow: &Flow,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> (Live, [u8; 32]) {
    let limits =
        Limits { idle: seams.config.idle_seconds, absolute: seams.config.absolute_seconds };
    let secret: [u8; 32] = random(rng);
    let [jitter] = random::<1>(rng);
    let Vouched { authority, subject, auth_time, session_id, tokens, .. } = vouched;
    let routes = &seams.config.routes;
    let (weighed, told) = (routes.weigh(&claims), routes.tell(&claims));
    let acr = claims.get("acr").and_then(Value::as_str).map(str::to_owned);
    claims.retain(|name, value| KEPT.contains(&name.as_str()) && value.to_string().len() <= SMALL);
    // Without a word about it, RFC 6749 §5.1: what was asked for.
    let scope = tokens.scope.unwrap_or_else(|| party.client.scope.clone());
    let provider = party.id.clone();
    let authority = Some(authority).filter(|name| name != party.client.issuer.as_str());
    // Others are hinted with an ID token, or with nothing.
    let sid = session_id.filter(|_| matches!(party.dialect, Dialect::AuthKit(_)));
    let (flow, nonce) = (short(&flow.state), Some(Digest::of(&flow.nonce)));
    let person = Person {
        subject,
        auth_time,
        acr,
        scope,
        claims,
        weighed,
        told,
        provider,
        authority,
        sid,
        flow,
        nonce,
    };
    let renewal = Renewal {
        access_token: tokens.access_token,
        expires_in: tokens.expires_in,
        refresh_token: tokens.refresh_token,
        id_token: tokens.id_token,
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter,
    };
    let tokens = Tokens::received(renewal, limits.absolute, now);
    (Live::open(Digest::of(secret), person, tokens, limits, now), secret)
}

/// Puts the session where the mode keeps it, and where there is an object on the roll of its person.
/// Its name and secret are always new (GC-11).
async fn open<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    (live, secret): (Live, [u8; 32]),
    (sid, place): (Option<&str>, Option<Place>),
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<HeaderMap, Failed> {
    let config = seams.config;
    let mut cookies = HeaderMap::new();
    let both = (&mut cookies, request.headers());
    if config.mode == Mode::Sealed {
        let secret = Digest::of(secret);
        let contents = Contents::Sealed { session: Session::Live(Box::new(live)), secret };
        contents.write(config, both, rng).map_err(|_| Failed::TooLarge)?;
        return Ok(cookies);
    }
    let object = random_uuid(rng);
    let handle = Handle { object, item: Uuid::nil(), generation: 0, secret };
    let handle = handle.seal(Kind::Session, &config.keys);
    let (snapshot, ends_at) = (Rc::new(live.snapshot()), live.ends_at());
    let noted = Noted {
        object,
        sid: sid.map(Digest::of),
        opened_at: now,
        until: ends_at,
        agent: agent::describe(request.headers()),
    };
    let crowded = seams.enrol(&snapshot.person, sid, noted, now).await.map_err(Failed::Roll)?;
    match seams.sessions.open(object, live).await {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(Failed::Store),
    }
    // One that cannot be told now goes on until its own end.
    let _ = seams.tell(crowded, now).await;
    let contents = match config.mode {
        Mode::Hybrid => Contents::Hybrid { handle, snapshot, checked_at: now, place },
        Mode::Durable | Mode::Kv | Mode::Postgres | Mode::Sealed => {
            Contents::Handle { handle, ends_at, place }
        }
    };
    contents.write(config, both, rng).map_err(|_| Failed::TooLarge)?;
    Ok(cookies)
}
