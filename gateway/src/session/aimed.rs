//! From the headers of a request to the person who sent it and the token of the origin that they ask,
//! where that has tokens of its own.

use super::admission::{Authentication, Seams, Visitor, anonymous, jitter};
use super::cookie::{Contents, LogoutKey};
use super::driver::Provided;
use super::remembered::Known;
use super::state::Session;
use super::state::further::{Aim, Lack, Supply};
use super::turn::settle;
use super::{Lost, Sessions};
use crate::config::Mode;
use crate::trail::Look;
use http::HeaderMap;
use rand_core::CryptoRng;
use shared::fetch::Fetch;
use shared::handle::Handle;
use shared::jose::Signer;
use shared::secret::Digest;
use shared::time::UnixTime;

/// How many token calls one request makes where nobody else could make them: the session's own, one
/// that has to be repeated first, and the origin's.
const MOST_CALLS: usize = 3;

impl Visitor {
    fn with(
        known: Known,
        cookies: HeaderMap,
        logout_key: LogoutKey,
        found: Look,
    ) -> Authentication {
        let Known { snapshot, bearer, .. } = known;
        let visitor = Self { snapshot, bearer, cookies, logout_key, found, refresh: None };
        Authentication::Authenticated(Box::new(visitor))
    }
}

impl<S: Sessions, F: Fetch, V: Signer> Seams<'_, S, F, V> {
    /// Who sent a request with these headers, with the token that `aim` asks for. Where a cookie is
    /// believed, so is what this isolate remembers, and then nobody is asked.
    pub async fn authenticate_for(
        &self,
        aim: &Aim,
        headers: &HeaderMap,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let Some(opened) = self.opened.read(self.config, headers, now) else {
            return anonymous(headers, None);
        };
        let contents = &opened.contents;
        let before = match contents {
            Contents::Sealed { session, secret } => {
                let (session, secret) = (session.clone(), *secret);
                let logout_key = contents.logout_key();
                return self
                    .sealed_for(aim, (session, secret), headers, logout_key, now, rng)
                    .await;
            }
            Contents::Hybrid { handle, .. } | Contents::Handle { handle, .. } => handle,
        };
        let remembers = matches!(self.config.mode, Mode::Hybrid | Mode::Kv);
        let remembered = &self.opened.remembered;
        let seconds = if remembers { self.config.believed_seconds() } else { 0 };
        if let Some(known) = remembered.find(before, aim.key(), seconds, now) {
            return Visitor::with(known, HeaderMap::new(), contents.logout_key(), Look::Isolate);
        }
        let Some(address) = contents.handle(self.config) else { return anonymous(headers, None) };
        let Handle { object, secret, .. } = &address;
        let secret = Digest::of(secret);
        match self.sessions.visit_for(*object, secret, aim, jitter(rng), now).await {
            Ok(Provided::Present(supplied)) if !self.vouched_for(&supplied.snapshot) => {
                anonymous(headers, None)
            }
            Ok(Provided::Present(supplied)) => {
                let known = Known::new(*supplied, aim, now);
                let (handle, resealed) = self.resealed(before, &address);
                // A cookie with an access token that is to be renewed is not worth sending.
                let is_young = now < known.snapshot.refresh_at;
                let mut cookies = HeaderMap::new();
                if is_young || resealed {
                    let told = (known.snapshot.clone(), handle.clone(), resealed);
                    cookies = self.told_again(told, contents, headers, now, rng);
                }
                if seconds > 0 {
                    remembered.keep(&handle, known.clone());
                }
                Visitor::with(known, cookies, contents.logout_key(), Look::Store)
            }
            Ok(Provided::Lacking(lack)) => {
                Authentication::Lacking { lack, cookies: HeaderMap::new() }
            }
            Ok(Provided::Gone) => {
                remembered.forget(before);
                anonymous(headers, None)
            }
            Ok(Provided::Unavailable { retry_after }) => Authentication::Unavailable {
                retry_after,
                cookies: HeaderMap::new(),
                refresh: None,
            },
            // Whether the session still lives is not known, so nothing is served.
            Err(Lost) => {
                let cookies = HeaderMap::new();
                Authentication::Unavailable { retry_after: 1, cookies, refresh: None }
            }
        }
    }

    /// Sealed mode: the request itself makes the calls, as in [`Self::authenticate`]. What the cookie
    /// had no room for is remembered, or every request would make one.
    async fn sealed_for(
        &self,
        aim: &Aim,
        (told, secret): (Session, Digest),
        headers: &HeaderMap,
        logout_key: LogoutKey,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Authentication {
        let before = self.opened.unwritten.since(logout_key.as_str(), &told);
        let (mut quiet, mut calls) = (before != told, 0);
        let (mut session, mut supply) = before.visit_for(secret, aim, now);
        let (remembered, seconds) = (&self.opened.remembered, self.config.believed_seconds());
        if matches!(supply, Supply::Call(..))
            && let Some(known) = remembered.find(logout_key.as_str(), aim.key(), seconds, now)
        {
            return Visitor::with(known, HeaderMap::new(), logout_key, Look::Isolate);
        }
        while calls < MOST_CALLS {
            let (Supply::Call(lease, way, _), Session::Live(live)) = (&supply, &session) else {
                break;
            };
            let brought = self.parties.call(way, live.person(), jitter(rng), now).await;
            quiet = brought.is_nothing() && (quiet || calls == 0);
            calls += 1;
            (session, _) = settle(session, *lease, brought, now);
            (session, supply) = session.visit_for(secret, aim, now);
        }
        if matches!(&session, Session::Live(live) if self.parties.of(live.person()).is_none()) {
            return anonymous(headers, None);
        }
        let Some(cookies) = self.written((told, session, secret), quiet, headers, &logout_key, rng)
        else {
            return anonymous(headers, None);
        };
        match supply {
            Supply::Serve(supplied)
            | Supply::Wait(_, Some(supplied))
            | Supply::Call(.., Some(supplied)) => {
                let known = Known::new(*supplied, aim, now);
                if !cookies.is_empty() {
                    remembered.keep(logout_key.as_str(), known.clone());
                }
                Visitor::with(known, cookies, logout_key, Look::Cookie)
            }
            Supply::Lacking(lack) => Authentication::Lacking { lack, cookies },
            Supply::Call(.., None) | Supply::Wait(_, None) => {
                let lack = Lack { refused: false, retry_after: 1 };
                Authentication::Lacking { lack, cookies }
            }
            Supply::Gone => anonymous(headers, None),
        }
    }
}
