//! From the headers of a request to the person who sent it.

use super::cookie::{self, Contents, LogoutKey};
use super::driver::{Refreshed, Visited};
use super::opened::Opened;
use super::parties::Parties;
use super::state::further::Lack;
use super::state::{Farewell, Session, Snapshot, Visit};
use super::turn::settle;
use super::{Lost, Sessions};
use crate::assertion::Whose;
use crate::auth::flow::UsedFlows;
use crate::config::{Config, Mode};
use crate::forward::Bearer;
use crate::trail::Look;
use http::HeaderMap;
use rand_core::CryptoRng;
use shared::fetch::Fetch;
use shared::handle::{Handle, Kind};
use shared::jar;
use shared::jose::Signer;
use shared::secret::{Digest, random};
use shared::time::UnixTime;
use std::rc::Rc;

/// Everything around a request that is not the request.
#[derive(Debug)]
pub struct Seams<'s, S, F, V> {
    /// The configuration.
    pub config: &'s Config,
    /// Us towards our providers.
    pub parties: &'s Parties<F, V>,
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
    /// Nobody we know. The `Set-Cookie` lines, if any, clean up after a session that is over; and what
    /// came of a token call, if that is why.
    Anonymous(HeaderMap, Option<Refreshed>),
    /// Somebody who is signed in, but there is no access token to be had for now.
    Unavailable {
        /// Seconds.
        retry_after: u64,
        /// `Set-Cookie` lines for the response.
        cookies: HeaderMap,
        /// What came of a token call, if that is why.
        refresh: Option<Refreshed>,
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
    /// What came of the token call that this request caused or waited for.
    pub refresh: Option<Refreshed>,
}

/// What a stream to somebody's browser ends with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The sealed handle of their session, where it has an object, be it for a bell.
    pub handle: Option<String>,
    /// When it ends in any case.
    pub ends_at: UnixTime,
}

impl Visitor {
    /// What a stream to them ends with.
    #[must_use]
    pub fn bound(&self, mode: Mode) -> Bound {
        let has_object = mode != Mode::Sealed;
        let handle = has_object.then(|| self.logout_key.as_str().to_owned());
        Bound { handle, ends_at: self.snapshot.ends_at }
    }

    /// Whose identity an origin is told.
    #[must_use]
    pub fn whose(&self) -> Whose<'_> {
        let Snapshot { person, idle_ends_at, ends_at, .. } = &*self.snapshot;
        let ends_at = Some(*idle_ends_at.min(ends_at));
        Whose { person, session: self.logout_key.as_str(), ends_at }
    }

    fn of(
        snapshot: Rc<Snapshot>,
        cookies: HeaderMap,
        logout_key: LogoutKey,
        refresh: Option<Refreshed>,
    ) -> Authentication {
        let bearer = Bearer::new(&snapshot.access_token);
        let visitor = Self { snapshot, bearer, cookies, logout_key, found: Look::Store, refresh };
        Authentication::Authenticated(Box::new(visitor))
    }
}

/// One random byte.
pub(super) fn jitter(rng: &mut impl CryptoRng) -> u8 {
    let [byte] = random::<1>(rng);
    byte
}

/// Nobody, and the cookie goes.
pub(super) fn anonymous(headers: &HeaderMap, refresh: Option<Refreshed>) -> Authentication {
    let mut cookies = HeaderMap::new();
    // Remains of a session are cleaned up; who has none gets no `Set-Cookie` at all.
    if shared::cookie::all(headers).any(|(name, _)| name.starts_with(cookie::NAME)) {
        jar::delete(&mut cookies, headers, cookie::NAME);
    }
    Authentication::Anonymous(cookies, refresh)
}

impl<S: Sessions, F: Fetch, V: Signer> Seams<'_, S, F, V> {
    /// Who sent a request with these headers. In hybrid mode the answer is in the cookie nearly
    /// always, and nobody is asked.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let Some(opened) = self.opened.read(self.config, headers, now) else {
            return anonymous(headers, None);
        };
        let contents = &opened.contents;
        let logout_key = contents.logout_key();
        let before = match contents {
            Contents::Sealed { session, secret } => {
                return self.sealed(session.clone(), *secret, headers, logout_key, now, rng).await;
            }
            Contents::Hybrid { snapshot, checked_at, .. }
                if self.config.mode == Mode::Hybrid
                    && self.vouched_for(snapshot)
                    && snapshot.may_be_believed(
                        *checked_at,
                        self.config.believed_seconds(),
                        now,
                    ) =>
            {
                let bearer = opened.bearer(&snapshot.access_token);
                let (snapshot, cookies) = (Rc::clone(snapshot), HeaderMap::new());
                let (found, refresh) = (Look::Cookie, None);
                let visitor = Visitor { snapshot, bearer, cookies, logout_key, found, refresh };
                return Authentication::Authenticated(Box::new(visitor));
            }
            Contents::Hybrid { handle, .. } | Contents::Handle { handle, .. } => handle.clone(),
        };
        let Some(address) = contents.handle(self.config) else { return anonymous(headers, None) };
        let Handle { object, secret, .. } = &address;
        let secret = Digest::of(secret);
        match self.sessions.visit(*object, secret, jitter(rng), now).await {
            Ok(Visited::Present(snapshot, refresh)) if !self.vouched_for(&snapshot) => {
                anonymous(headers, refresh)
            }
            Ok(Visited::Present(snapshot, refresh)) => {
                let snapshot: Rc<Snapshot> = snapshot.into();
                let (handle, resealed) = self.resealed(&before, &address);
                let told = (Rc::clone(&snapshot), handle, resealed);
                let cookies = self.told_again(told, contents, headers, now, rng);
                Visitor::of(snapshot, cookies, logout_key, refresh)
            }
            Ok(Visited::Refused) => anonymous(headers, Some(Refreshed::Refused)),
            Ok(Visited::Gone) => anonymous(headers, None),
            Ok(Visited::Unavailable { retry_after }) => {
                let (cookies, refresh) = (HeaderMap::new(), Some(Refreshed::Unavailable));
                Authentication::Unavailable { retry_after, cookies, refresh }
            }
            // Whether the session still lives is not known, so nothing is served.
            Err(Lost) => {
                let cookies = HeaderMap::new();
                Authentication::Unavailable { retry_after: 1, cookies, refresh: None }
            }
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
        contents: &Contents,
        headers: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> HeaderMap {
        let (mut cookies, place) = (HeaderMap::new(), contents.place().cloned());
        let next = match self.config.mode {
            Mode::Hybrid => Some(Contents::Hybrid { handle, snapshot, checked_at: now, place }),
            Mode::Durable | Mode::Kv | Mode::Postgres => {
                let ends_at = snapshot.ends_at;
                resealed.then_some(Contents::Handle { handle, ends_at, place })
            }
            Mode::Sealed => None,
        };
        if let Some(next) = next {
            // It shrinks to a handle, and a handle always fits.
            let _ = next.write(self.config, (&mut cookies, headers), rng);
        }
        cookies
    }

    /// Whether we are still a client of the provider that said who it is.
    pub(super) fn vouched_for(&self, snapshot: &Snapshot) -> bool {
        self.parties.of(&snapshot.person).is_some()
    }

    /// Sealed mode: the request itself makes the token call. Requests in parallel each make one,
    /// and an issuer that repeats the successor gives all of them the same.
    async fn sealed(
        &self,
        told: Session,
        secret: Digest,
        headers: &HeaderMap,
        logout_key: LogoutKey,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let before = self.opened.unwritten.since(logout_key.as_str(), &told);
        // Whether there is anything that the browser is not to be told.
        let mut quiet = before != told;
        let (mut session, mut visit) = before.visit(secret, now);
        let mut refresh = None;
        // A second one where another's had to be repeated first.
        for _ in 0..2 {
            let (Visit::Refresh(lease, way), Session::Live(live)) = (&visit, &session) else {
                break;
            };
            let brought = self.parties.call(way, live.person(), jitter(rng), now).await;
            quiet = brought.is_nothing() && (quiet || refresh.is_none());
            refresh = Some(brought.refreshed());
            (session, _) = settle(session, *lease, brought, now);
            (session, visit) = session.visit(secret, now);
        }
        let Some(cookies) = self.written((told, session, secret), quiet, headers, &logout_key, rng)
        else {
            return anonymous(headers, refresh);
        };
        match visit {
            Visit::Serve(snapshot) | Visit::Wait(_, Some(snapshot))
                if !self.vouched_for(&snapshot) =>
            {
                anonymous(headers, refresh)
            }
            Visit::Serve(snapshot) | Visit::Wait(_, Some(snapshot)) => {
                Visitor::of(snapshot.into(), cookies, logout_key, refresh)
            }
            Visit::Unavailable { retry_after } => {
                // Perhaps the provider is being left alone.
                let refresh = Some(Refreshed::Unavailable);
                Authentication::Unavailable { retry_after, cookies, refresh }
            }
            Visit::Refresh(..) | Visit::Wait(_, None) => {
                Authentication::Unavailable { retry_after: 1, cookies, refresh }
            }
            Visit::Gone => anonymous(headers, refresh),
        }
    }

    /// The `Set-Cookie` lines that tell a browser what has become of the session that it `told` us of,
    /// unless this isolate keeps that to itself. None when no cookie can hold it.
    pub(super) fn written(
        &self,
        (told, session, secret): (Session, Session, Digest),
        quiet: bool,
        headers: &HeaderMap,
        logout_key: &LogoutKey,
        rng: &mut impl CryptoRng,
    ) -> Option<HeaderMap> {
        let mut cookies = HeaderMap::new();
        if session == told || !matches!(session, Session::Live(_)) {
            return Some(cookies);
        }
        if quiet {
            self.opened.unwritten.keep(logout_key.as_str(), told, session);
            return Some(cookies);
        }
        let next = Contents::Sealed { session, secret };
        next.write(self.config, (&mut cookies, headers), rng).ok()?;
        Some(cookies)
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
            if let Some(Farewell { refresh_token: Some(token), person, .. }) = &farewell {
                self.parties.revoke(token, person, now).await;
            }
            return Ok(farewell);
        }
        match contents.handle(self.config) {
            Some(Handle { object, secret, .. }) => {
                let farewell = self.sessions.close(object, Digest::of(secret), now).await?;
                if let Some(Farewell { person, .. }) = &farewell {
                    self.strike(person, object, now).await;
                }
                Ok(farewell)
            }
            None => Ok(None),
        }
    }
}
