//! The story of an account: the model of what joins grants to sessions, to the configuration, and to
//! the time for which rows are remembered. A grant's own rules are those of [`History`].

use crate::history::{CLIENT, Flaw, History, Presented, Token, scope};
use crate::run::moved;
use idp::account::Proceeded;
use idp::grant::{Facts, Policy, Redeemed, Rotation};
use serde_json::{Map, Value, json};
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

pub(crate) const FAMILIES: Policy = Policy { access_token: 100, idle: 1_000, absolute: 2_500 };
pub(crate) const SESSION_IDLE: u64 = 400;
pub(crate) const SESSION_ABSOLUTE: u64 = 1_500;
/// How long after its end a code is known as one.
const CODE_MEMORY: u64 = 600;

/// What a grant is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) client: Client,
    pub(crate) is_refreshable: bool,
    pub(crate) is_offline: bool,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    Confidential,
    Public,
    /// Confidential, and registered to send no code challenge.
    WithoutChallenge,
}

impl Kind {
    pub(crate) fn is_challenged(self) -> bool {
        self.client != Client::WithoutChallenge
    }
}

/// When something happens: after a while, or so many seconds from where something of the last
/// sign-in, code or family turns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    In(i64),
    CodeEnd(i64),
    CodeForgotten(i64),
    FamilyEnd(i64),
    IdleEnd(i64),
    SessionEnd(i64),
}

/// What the configuration says of the account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accounts {
    There,
    WithAnotherPassword,
    Gone,
}

pub(crate) fn amr() -> Vec<String> {
    vec!["pwd".into()]
}

pub(crate) fn session(number: usize) -> Uuid {
    Uuid::from_u128(1_000 + number as u128)
}

pub(crate) fn cookie(number: usize) -> Digest {
    Digest::of(format!("cookie {number}"))
}

pub(crate) fn claims(sign_in: usize) -> Map<String, Value> {
    Map::from_iter([("number".to_owned(), json!(sign_in))])
}

pub(crate) fn credential(is_another: bool) -> Digest {
    Digest::of(if is_another { "another hash" } else { "hash" })
}

/// One sign-in of one browser: a cookie.
pub(crate) struct SignedIn {
    pub(crate) session: Uuid,
    pub(crate) cookie: Digest,
    at: UnixTime,
    used_at: UnixTime,
    is_signed_out: bool,
}

impl SignedIn {
    fn ends_at(&self) -> UnixTime {
        self.at.plus(SESSION_ABSOLUTE)
    }

    fn is_on(&self, now: UnixTime) -> bool {
        !self.is_signed_out && now < self.ends_at() && now < self.used_at.plus(SESSION_IDLE)
    }
}

/// What the account is by what happened to it.
#[derive(Default)]
pub(crate) struct Story {
    /// Every sign-in; the last one of a session is the one that counts.
    pub(crate) sign_ins: Vec<SignedIn>,
    /// Every code that was issued.
    pub(crate) grants: Vec<History>,
    /// The password that the last sign-in was by.
    credential: Option<Digest>,
    pub(crate) accounts: Option<Accounts>,
}

impl Story {
    pub(crate) fn when(&self, when: When, now: UnixTime) -> UnixTime {
        let code_ends_at = self.grants.last().map(History::code_ends_at);
        let (turns_at, off) = match when {
            When::In(seconds) => (None, seconds),
            When::CodeEnd(off) => (code_ends_at, off),
            When::CodeForgotten(off) => (code_ends_at.map(|at| at.plus(CODE_MEMORY)), off),
            When::FamilyEnd(off) => (self.grants.iter().rev().find_map(History::ends_at), off),
            When::IdleEnd(off) => {
                (self.sign_ins.last().map(|last| last.used_at.plus(SESSION_IDLE)), off)
            }
            When::SessionEnd(off) => (self.sign_ins.last().map(SignedIn::ends_at), off),
        };
        moved(turns_at.unwrap_or(now), off)
    }

    /// The sign-in that a session goes by.
    fn of_session(&mut self, session: Uuid) -> Option<&mut SignedIn> {
        self.sign_ins.iter_mut().rev().find(|sign_in| sign_in.session == session)
    }

    fn is_on(&mut self, session: Uuid, now: UnixTime) -> bool {
        self.of_session(session).is_some_and(|sign_in| sign_in.is_on(now))
    }

    /// A sign-in whose cookie is the one its session goes by.
    fn with_cookie(&mut self, index: usize) -> Option<&mut SignedIn> {
        let SignedIn { session, cookie, .. } = self.sign_ins[index];
        self.of_session(session).filter(|sign_in| sign_in.cookie == cookie)
    }

    fn is_disabled(&self) -> bool {
        let now = match self.accounts {
            Some(Accounts::Gone) => None,
            Some(Accounts::WithAnotherPassword) => Some(credential(true)),
            Some(Accounts::There) | None => Some(credential(false)),
        };
        now.is_none() || now != self.credential
    }

    /// The grant, while its row is remembered.
    fn grant(&self, index: usize, now: UnixTime) -> Option<&History> {
        let history = &self.grants[index];
        let until = match (history.ended_at(), history.ends_at()) {
            (Some(ended_at), _) => ended_at.plus(90 * 86_400),
            (None, Some(ends_at)) => ends_at,
            (None, None) => history.code_ends_at().plus(CODE_MEMORY),
        };
        (now <= until).then_some(history)
    }

    fn is_live(&self, index: usize, now: UnixTime) -> bool {
        let live = |history: &History| history.ended_at().is_none() && history.ends_at().is_some();
        self.grant(index, now).is_some_and(live)
    }

    fn issue(&mut self, kind: Kind, session: Uuid, now: UnixTime) {
        let facts = Facts {
            client_id: CLIENT.into(),
            scope: scope("openid profile"),
            session,
            auth_time: self.of_session(session).expect("signed in").at,
            amr: amr(),
            refreshable: kind.is_refreshable,
            offline: kind.is_offline,
        };
        let (is_challenged, is_public) = (kind.is_challenged(), kind.client == Client::Public);
        self.grants.push(History::new(facts, now, is_challenged, is_public, FAMILIES));
    }

    /// Returns the session.
    pub(crate) fn sign_in(&mut self, earlier: Option<usize>, kind: Kind, now: UnixTime) -> Uuid {
        let number = self.sign_ins.len();
        let kept = earlier.and_then(|index| self.with_cookie(index));
        let kept = kept.filter(|sign_in| sign_in.is_on(now)).map(|sign_in| sign_in.session);
        let session = kept.unwrap_or_else(|| session(number));
        let cookie = cookie(number);
        let is_signed_out = false;
        self.sign_ins.push(SignedIn { session, cookie, at: now, used_at: now, is_signed_out });
        self.credential = Some(credential(self.accounts == Some(Accounts::WithAnotherPassword)));
        self.issue(kind, session, now);
        session
    }

    pub(crate) fn proceed(
        &mut self,
        index: usize,
        max_age: Option<u64>,
        kind: Kind,
        now: UnixTime,
    ) -> Proceeded {
        let is_disabled = self.is_disabled();
        let sign_in = self.with_cookie(index).filter(|sign_in| sign_in.is_on(now));
        let Some(sign_in) = sign_in.filter(|_| !is_disabled) else { return Proceeded::SignedOut };
        if max_age.is_some_and(|max_age| now > sign_in.at.plus(max_age)) {
            return Proceeded::TooLongAgo;
        }
        sign_in.used_at = now;
        let session = sign_in.session;
        self.issue(kind, session, now);
        Proceeded::Issued
    }

    /// Also a session that idled out can be ended, as long as it is remembered.
    pub(crate) fn sign_out(&mut self, index: usize, now: UnixTime) -> bool {
        let sign_in = self.with_cookie(index).filter(|sign_in| now <= sign_in.ends_at());
        let sign_in = sign_in.filter(|sign_in| !sign_in.is_signed_out);
        sign_in.map(|sign_in| sign_in.is_signed_out = true).is_some()
    }

    pub(crate) fn redeem(&mut self, index: usize, flaw: Flaw, now: UnixTime) -> Redeemed {
        let Some(mut history) = self.grant(index, now).cloned() else { return Redeemed::Unknown };
        let redeemed = history.redeem(flaw, now);
        let is_allowed = self.is_on(history.facts.session, now) && !self.is_disabled();
        if matches!(redeemed, Redeemed::Redeemed { .. }) && !is_allowed {
            return Redeemed::Revoked;
        }
        self.grants[index] = history;
        redeemed
    }

    pub(crate) fn rotate(&mut self, index: usize, presented: Presented, now: UnixTime) -> Rotation {
        let Some(mut history) = self.grant(index, now).cloned() else { return Rotation::Unknown };
        let rotation = history.refresh(presented, now);
        let Facts { session, offline, .. } = history.facts;
        if matches!(rotation, Rotation::Rotated(_) | Rotation::Repeated(_)) {
            if self.is_disabled() || !(offline || self.is_on(session, now)) {
                return Rotation::Revoked;
            }
            // Using a grant that ends with its session keeps that from idling out.
            if let Some(sign_in) = self.of_session(session).filter(|_| !offline) {
                sign_in.used_at = now;
            }
        }
        self.grants[index] = history;
        rotation
    }

    pub(crate) fn revoke(
        &mut self,
        index: usize,
        token: Option<Token>,
        is_clients: bool,
        now: UnixTime,
    ) -> bool {
        let is_known = token.is_none_or(|token| self.grants[index].number(token).is_some());
        let revokes = self.is_live(index, now) && is_known && is_clients;
        if revokes {
            self.grants[index].revoke(now);
        }
        revokes
    }

    pub(crate) fn userinfo(&mut self, index: usize, now: UnixTime) -> Option<Map<String, Value>> {
        let (history, is_live) = (self.grants[index].clone(), self.is_live(index, now));
        let Facts { session, offline, .. } = history.facts;
        let in_time = history.ends_at().is_some_and(|ends_at| now < ends_at);
        let is_allowed = (offline || self.is_on(session, now)) && !self.is_disabled();
        (is_live && in_time && is_allowed).then(|| claims(self.sign_ins.len() - 1))
    }
}
