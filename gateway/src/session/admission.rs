//! From the headers of a request to the person who sent it.

use super::cookie::{self, Contents, LogoutKey};
use super::driver::Visited;
use super::exchange::Party;
use super::opened::Opened;
use super::state::further::Lack;
use super::state::{Farewell, Session, Snapshot, Visit};
use super::turn::settle;
use super::{Lost, Sessions};
use crate::auth::flow::UsedFlows;
use crate::config::{Config, Mode};
use crate::forward::Bearer;
use crate::trail::Look;
use http::HeaderMap;
use rand_core::CryptoRng;
use shared::fetch::Fetch;
use shared::handle::{Handle, Kind};
use shared::jar;
use shared::jose::Verifier;
use shared::secret::{Digest, random};
use shared::time::UnixTime;
use std::rc::Rc;

/// Everything around a request that is not the request.
#[derive(Debug)]
pub struct Seams<'s, S, F, V> {
    /// The configuration.
    pub config: &'s Config,
    /// Us towards our provider.
    pub party: &'s Party<F, V>,
    /// The session objects.
    pub sessions: &'s S,
    /// Flows that this isolate has seen come back.
    pub used: &'s UsedFlows,
    /// Session cookies that this isolate has opened.
    pub opened: &'s Opened,
}

/// Who sent a request.
#[derive(Debug)]
pub enum Authentication {
    /// Somebody who is signed in.
    Authenticated(Box<Visitor>),
    /// Nobody we know. The `Set-Cookie` lines, if any, clean up after a session that is over.
    Anonymous(HeaderMap),
    /// Somebody who is signed in, but there is no access token to be had for now.
    Unavailable {
        /// Seconds.
        retry_after: u64,
        /// `Set-Cookie` lines for the response.
        cookies: HeaderMap,
    },
    /// Somebody who is signed in, but there is no token for the origin that they ask.
    Lacking {
        /// Why.
        lack: Lack,
        /// `Set-Cookie` lines for the response.
        cookies: HeaderMap,
    },
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Visitor {
    /// Who, with which access token, until when.
    pub snapshot: Rc<Snapshot>,
    /// The access token as origins are sent it; none when no header can hold it.
    pub bearer: Option<Bearer>,
    /// `Set-Cookie` lines for the response, which then nobody may cache.
    pub cookies: HeaderMap,
    /// What a link that signs out is made from.
    pub logout_key: LogoutKey,
    /// Where they were found.
    pub found: Look,
}

/// What a stream to somebody's browser ends with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The sealed handle of their session, where it has an object.
    pub handle: Option<String>,
    /// When it ends in any case.
    pub ends_at: UnixTime,
}

impl Visitor {
    /// What a stream to them ends with.
    #[must_use]
    pub fn bound(&self, mode: Mode) -> Bound {
        let has_object = matches!(mode, Mode::Hybrid | Mode::Durable | Mode::Kv);
        let handle = has_object.then(|| self.logout_key.as_str().to_owned());
        Bound { handle, ends_at: self.snapshot.ends_at }
    }

    fn of(snapshot: Rc<Snapshot>, cookies: HeaderMap, logout_key: LogoutKey) -> Authentication {
        let bearer = Bearer::new(&snapshot.access_token);
        let visitor = Self { snapshot, bearer, cookies, logout_key, found: Look::Store };
        Authentication::Authenticated(Box::new(visitor))
    }
}

/// One random byte.
pub(super) fn jitter(rng: &mut impl CryptoRng) -> u8 {
    let [byte] = random::<1>(rng);
    byte
}

/// Nobody, and the cookie goes.
pub(super) fn anonymous(headers: &HeaderMap) -> Authentication {
    let mut cookies = HeaderMap::new();
    // Remains of a session are cleaned up; who has none gets no `Set-Cookie` at all.
    if shared::cookie::all(headers).any(|(name, _)| name.starts_with(cookie::NAME)) {
        jar::delete(&mut cookies, headers, cookie::NAME);
    }
    Authentication::Anonymous(cookies)
}

impl<S: Sessions, F: Fetch, V: Verifier> Seams<'_, S, F, V> {
    /// Who sent a request with these headers. In hybrid mode the answer is in the cookie nearly
    /// always, and nobody is asked.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let Some(opened) = self.opened.read(self.config, headers, now) else {
            return anonymous(headers);
        };
        let contents = &opened.contents;
        let logout_key = contents.logout_key();
        let before = match contents {
            Contents::Sealed { session, secret } => {
                return self.sealed(session.clone(), *secret, headers, logout_key, now, rng).await;
            }
            Contents::Hybrid { snapshot, checked_at, .. }
                if self.config.mode == Mode::Hybrid
                    && snapshot.may_be_believed(
                        *checked_at,
                        self.config.believed_seconds(),
                        now,
                    ) =>
            {
                let bearer = opened.bearer(&snapshot.access_token);
                let (snapshot, cookies) = (Rc::clone(snapshot), HeaderMap::new());
                let found = Look::Cookie;
                let visitor = Visitor { snapshot, bearer, cookies, logout_key, found };
                return Authentication::Authenticated(Box::new(visitor));
            }
            Contents::Hybrid { handle, .. } | Contents::Handle { handle, .. } => handle.clone(),
        };
        let Some(address) = contents.handle(self.config) else { return anonymous(headers) };
        let Handle { object, secret, .. } = &address;
        let secret = Digest::of(secret);
        match self.sessions.visit(*object, secret, jitter(rng), now).await {
            Ok(Visited::Present(snapshot)) => {
                let snapshot: Rc<Snapshot> = snapshot.into();
                let (handle, resealed) = self.resealed(&before, &address);
                let told = (Rc::clone(&snapshot), handle, resealed);
                let cookies = self.told_again(told, headers, now, rng);
                Visitor::of(snapshot, cookies, logout_key)
            }
            Ok(Visited::Gone) => anonymous(headers),
            Ok(Visited::Unavailable { retry_after }) => {
                Authentication::Unavailable { retry_after, cookies: HeaderMap::new() }
            }
            // Whether the session still lives is not known, so nothing is served.
            Err(Lost) => Authentication::Unavailable { retry_after: 1, cookies: HeaderMap::new() },
        }
    }

    /// The handle of a session, and whether it was sealed again under the newest key, so that an older
    /// one can be dropped.
    pub(super) fn resealed(&self, before: &str, address: &Handle) -> (String, bool) {
        if self.config.keys.is_newest(before) {
            return (before.to_owned(), false);
        }
        (address.seal(Kind::Session, &self.config.keys), true)
    }

    /// The `Set-Cookie` lines after an object has told who is there.
    pub(super) fn told_again(
        &self,
        (snapshot, handle, resealed): (Rc<Snapshot>, String, bool),
        headers: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> HeaderMap {
        let mut cookies = HeaderMap::new();
        let next = match self.config.mode {
            Mode::Hybrid => Some(Contents::Hybrid { handle, snapshot, checked_at: now }),
            Mode::Durable | Mode::Kv | Mode::Postgres => {
                resealed.then_some(Contents::Handle { handle, ends_at: snapshot.ends_at })
            }
            Mode::Sealed => None,
        };
        if let Some(next) = next {
            // It shrinks to a handle, and a handle always fits.
            let _ = next.write(self.config, (&mut cookies, headers), rng);
        }
        cookies
    }

    /// Sealed mode: the request itself makes the token call. Requests in parallel each make one,
    /// and an issuer that repeats the successor gives all of them the same.
    async fn sealed(
        &self,
        before: Session,
        secret: Digest,
        headers: &HeaderMap,
        logout_key: LogoutKey,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let (mut session, mut visit) = before.clone().visit(secret, now);
        // A second one where another's had to be repeated first.
        for _ in 0..2 {
            let (Visit::Refresh(lease, way), Session::Live(live)) = (&visit, &session) else {
                break;
            };
            let brought = self.party.call(way, live.person(), jitter(rng), now).await;
            (session, _) = settle(session, *lease, brought, now);
            (session, visit) = session.visit(secret, now);
        }
        let mut cookies = HeaderMap::new();
        if session != before && matches!(session, Session::Live(_)) {
            let next = Contents::Sealed { session, secret };
            if next.write(self.config, (&mut cookies, headers), rng).is_err() {
                return anonymous(headers);
            }
        }
        match visit {
            Visit::Serve(snapshot) | Visit::Wait(_, Some(snapshot)) => {
                Visitor::of(snapshot.into(), cookies, logout_key)
            }
            Visit::Unavailable { retry_after } => {
                Authentication::Unavailable { retry_after, cookies }
            }
            Visit::Refresh(..) | Visit::Wait(_, None) => {
                Authentication::Unavailable { retry_after: 1, cookies }
            }
            Visit::Gone => anonymous(headers),
        }
    }

    /// Ends the session of `contents`, wherever it lives.
    ///
    /// # Errors
    /// [`Lost`] when its object could not be told.
    pub async fn close(
        &self,
        contents: &Contents,
        now: UnixTime,
    ) -> Result<Option<Farewell>, Lost> {
        self.opened.remembered.forget(contents.logout_key().as_str());
        if let Contents::Sealed { session, secret } = contents {
            let (_, farewell) = session.clone().close(*secret);
            if let Some(token) = farewell.as_ref().and_then(|left| left.refresh_token.as_ref()) {
                self.party.revoke(token, now).await;
            }
            return Ok(farewell);
        }
        match contents.handle(self.config) {
            Some(Handle { object, secret, .. }) => {
                let farewell = self.sessions.close(object, Digest::of(secret), now).await?;
                if let Some(Farewell { subject, .. }) = &farewell {
                    self.strike(subject, object, now).await;
                }
                Ok(farewell)
            }
            None => Ok(None),
        }
    }
}
