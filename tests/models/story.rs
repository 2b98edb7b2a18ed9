//! The story of an account: the model of what joins grants to sessions, to the configuration, and to
//! the time for which rows are remembered: each write sweeps away what nobody has to keep any more,
//! and a clock that comes back finds it gone. A grant's own rules are those of [`History`].

use crate::history::{CLIENT, Flaw, History, Presented, Token, scope};
use crate::run::moved;
use idp::account::{Asking, Consented, Proceeded};
use idp::grant::{Facts, Particulars, Policy, Redeemed, Rotation};
use idp::resource::Resources;
use serde_json::{Map, Value, json};
use shared::scope::Scope;
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

pub(crate) const FAMILIES: Policy = Policy { access_token: 100, idle: 1_000, absolute: 2_500 };
pub(crate) const SESSION_IDLE: u64 = 400;
pub(crate) const SESSION_ABSOLUTE: u64 = 1_500;
/// How long after its end a code is known as one.
const CODE_MEMORY: u64 = 600;
/// How long a page that asks can be answered.
pub(crate) const PAGE_SECONDS: u64 = 700;

/// What a grant is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) client: Client,
    pub(crate) is_refreshable: bool,
    pub(crate) is_offline: bool,
    pub(crate) asks: Asks,
}

/// What a grant has to do with consent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asks {
    pub(crate) consent: Agree,
    /// Whether it is for less than the others.
    pub(crate) is_narrow: bool,
}

/// How the person's consent stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Agree {
    NotNeeded,
    Remembered,
    Required,
    /// By a new page.
    Given {
        remember: bool,
    },
    /// By the page that made the last grant of all that pages made, or one before.
    Again(usize),
}

/// Whose it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    Confidential,
    Public,
    /// Confidential, and registered to send no code challenge.
    WithoutChallenge,
}

impl Asks {
    pub(crate) fn scope(self) -> Scope {
        scope(if self.is_narrow { "openid" } else { "openid profile" })
    }
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
    /// The latest time of a use, by a clock that may have gone back since.
    used_at: UnixTime,
    /// The password that it was by.
    credential: Digest,
    /// Signed out, or forgotten.
    is_gone: bool,
}

impl SignedIn {
    fn ends_at(&self) -> UnixTime {
        self.at.plus(SESSION_ABSOLUTE)
    }

    fn is_on(&self, now: UnixTime) -> bool {
        !self.is_gone && now < self.ends_at() && now < self.used_at.plus(SESSION_IDLE)
    }

    fn is_used(&mut self, now: UnixTime) {
        self.used_at = self.used_at.max(now);
    }
}

/// A grant: what happened to it, and what it has to do with the account.
pub(crate) struct Begun {
    pub(crate) history: History,
    /// What it began with.
    sign_in: usize,
    is_forgotten: bool,
    /// When the page that it was agreed to by can no longer be answered.
    page_until: Option<UnixTime>,
}

impl Begun {
    /// Until when its row has to be kept.
    fn kept_until(&self) -> UnixTime {
        match (self.history.ended_at(), self.history.ends_at()) {
            (Some(ended_at), _) => ended_at.plus(90 * 86_400),
            (None, Some(ends_at)) => ends_at,
            (None, None) => self.history.code_ends_at().plus(CODE_MEMORY),
        }
    }
}

/// What the account is by what happened to it.
#[derive(Default)]
pub(crate) struct Story {
    /// Every sign-in; the last one of a session is the one that counts.
    pub(crate) sign_ins: Vec<SignedIn>,
    /// Every code that was issued.
    pub(crate) grants: Vec<Begun>,
    pub(crate) accounts: Option<Accounts>,
    /// Each time that somebody agreed to something that counts the next time, since it was withdrawn
    /// last; the other times are those when it did count.
    pub(crate) agreed: Vec<(UnixTime, Option<Scope>)>,
}

impl Story {
    pub(crate) fn when(&self, when: When, now: UnixTime) -> UnixTime {
        let histories = || self.grants.iter().rev().map(|begun| &begun.history);
        let code_ends_at = histories().next().map(History::code_ends_at);
        let (turns_at, off) = match when {
            When::In(seconds) => (None, seconds),
            When::CodeEnd(off) => (code_ends_at, off),
            When::CodeForgotten(off) => (code_ends_at.map(|at| at.plus(CODE_MEMORY)), off),
            When::FamilyEnd(off) => (histories().find_map(History::ends_at), off),
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

    /// Whether a sign-in is one that could be made now as it was made then. Another one since, with
    /// another password, says nothing of it.
    fn is_honoured(&self, sign_in: usize) -> bool {
        let is_another = match self.accounts {
            Some(Accounts::Gone) => return false,
            Some(Accounts::WithAnotherPassword) => true,
            Some(Accounts::There) | None => false,
        };
        self.sign_ins[sign_in].credential == credential(is_another)
    }

    /// Whether it is only its own sign-in that is not honoured: the last one is.
    pub(crate) fn is_of_another_password(&self, index: usize) -> bool {
        let is_welcome = self.is_honoured(self.sign_ins.len() - 1);
        is_welcome && !self.is_honoured(self.grants[index].sign_in)
    }

    /// The grant, while its row is remembered.
    fn grant(&self, index: usize, now: UnixTime) -> Option<&History> {
        let begun = &self.grants[index];
        (!begun.is_forgotten && now <= begun.kept_until()).then_some(&begun.history)
    }

    /// Something was written.
    fn sweep(&mut self, now: UnixTime) {
        for begun in &mut self.grants {
            begun.is_forgotten |= begun.kept_until() < now;
        }
        for begun in &mut self.grants {
            begun.page_until = begun.page_until.filter(|until| now <= *until);
        }
        for sign_in in &mut self.sign_ins {
            sign_in.is_gone |= sign_in.ends_at() < now;
        }
    }

    fn is_live(&self, index: usize, now: UnixTime) -> bool {
        let live = |history: &History| history.ended_at().is_none() && history.ends_at().is_some();
        self.grant(index, now).is_some_and(live)
    }

    /// What was looked up has happened; what comes to nothing is not written.
    fn happened(&mut self, index: usize, history: History, now: UnixTime) {
        let before = std::mem::replace(&mut self.grants[index].history, history);
        if self.grants[index].history.len() > before.len() {
            self.sweep(now);
        }
    }

    fn issue(&mut self, kind: Kind, sign_in: usize, now: UnixTime) {
        let SignedIn { session, at: auth_time, .. } = self.sign_ins[sign_in];
        let facts = Facts {
            client_id: CLIENT.into(),
            scope: kind.asks.scope(),
            particulars: Particulars::default(),
            acr: Some("urn:gatelatch:pwd".into()),
            session,
            auth_time,
            amr: amr(),
            refreshable: kind.is_refreshable,
            offline: kind.is_offline,
        };
        let (is_challenged, is_public) = (kind.is_challenged(), kind.client == Client::Public);
        let history = History::new(facts, now, is_challenged, is_public, FAMILIES);
        let page = matches!(kind.asks.consent, Agree::Given { .. });
        let page_until = page.then(|| now.plus(PAGE_SECONDS));
        self.grants.push(Begun { history, sign_in, is_forgotten: false, page_until });
        self.sweep(now);
    }

    /// What was agreed to and not withdrawn.
    pub(crate) fn consent(&self) -> Option<Scope> {
        let scopes = self.agreed.iter().filter_map(|(_, scope)| scope.as_ref());
        scopes.cloned().reduce(|all, scope| all.or(&scope))
    }

    /// Issues a code, unless somebody has to be asked.
    fn issue_if_agreed(&mut self, kind: Kind, sign_in: usize, now: UnixTime) -> Option<Asking> {
        let agreed = self.consent();
        let scope = kind.asks.scope();
        let is_agreed = agreed.as_ref().is_some_and(|agreed| scope.within(agreed));
        let agreed = agreed.map(|agreed| (agreed, Resources::default()));
        match kind.asks.consent {
            Agree::Required => return Some(Asking { name: "alice".into(), agreed }),
            Agree::Remembered if !is_agreed => {
                return Some(Asking { name: "alice".into(), agreed });
            }
            Agree::Remembered => self.agreed.push((now, None)),
            Agree::Given { remember: true } => self.agreed.push((now, Some(scope))),
            Agree::Given { remember: false } | Agree::NotNeeded | Agree::Again(_) => {}
        }
        self.issue(kind, sign_in, now);
        None
    }

    /// One of the pages that were answered and would still be taken, counted back from the last: the
    /// grant it made, and until when.
    pub(crate) fn page(&self, back: usize, now: UnixTime) -> Option<(usize, UnixTime)> {
        let until = |index: usize| self.grants[index].page_until.filter(|until| now <= *until);
        let pages = (0..self.grants.len()).filter_map(|index| Some((index, until(index)?)));
        pages.rev().nth(back)
    }

    /// Whether a browser is let in to the person's own page.
    pub(crate) fn own(&mut self, index: usize, now: UnixTime) -> bool {
        let is_honoured = self.is_honoured(index);
        let sign_in = self.with_cookie(index).filter(|sign_in| sign_in.is_on(now));
        let Some(sign_in) = sign_in.filter(|_| is_honoured) else { return false };
        sign_in.is_used(now);
        self.sweep(now);
        true
    }

    /// What the person's own page says of consent.
    pub(crate) fn consented(&self) -> Option<Consented> {
        let (first, last) = self.agreed.first().zip(self.agreed.last())?;
        Some(Consented {
            scope: self.consent()?,
            resources: Resources::default(),
            since: first.0,
            last: last.0,
        })
    }

    /// Withdraws what was agreed to, and ends everything that came of it or of anything else.
    pub(crate) fn withdraw(&mut self, now: UnixTime) {
        let alive: Vec<_> = (0..self.grants.len())
            .filter(|index| {
                self.grant(*index, now).is_some_and(|history| history.ended_at().is_none())
            })
            .collect();
        for index in alive {
            let mut history = self.grants[index].history.clone();
            history.revoke(now);
            self.happened(index, history, now);
        }
        self.agreed.clear();
    }

    /// Returns the session, and what has to be asked first.
    pub(crate) fn sign_in(
        &mut self,
        earlier: Option<usize>,
        kind: Kind,
        now: UnixTime,
    ) -> (Uuid, Option<Asking>) {
        let number = self.sign_ins.len();
        let kept = earlier.and_then(|index| self.with_cookie(index));
        let kept = kept.filter(|sign_in| sign_in.is_on(now)).map(|sign_in| sign_in.session);
        let session = kept.unwrap_or_else(|| session(number));
        let cookie = cookie(number);
        let credential = credential(self.accounts == Some(Accounts::WithAnotherPassword));
        let (at, used_at, is_gone) = (now, now, false);
        self.sign_ins.push(SignedIn { session, cookie, at, used_at, credential, is_gone });
        let asking = self.issue_if_agreed(kind, number, now);
        self.sweep(now);
        (session, asking)
    }

    pub(crate) fn proceed(
        &mut self,
        index: usize,
        max_age: Option<u64>,
        kind: Kind,
        now: UnixTime,
    ) -> Proceeded {
        let is_honoured = self.is_honoured(index);
        let sign_in = self.with_cookie(index).filter(|sign_in| sign_in.is_on(now));
        let Some(sign_in) = sign_in.filter(|_| is_honoured) else { return Proceeded::SignedOut };
        if max_age.is_some_and(|max_age| now > sign_in.at.plus(max_age)) {
            return Proceeded::TooLongAgo;
        }
        if let Agree::Again(back) = kind.asks.consent
            && let Some((earlier, _)) = self.page(back, now)
        {
            let history = self.grant(earlier, now);
            let is_good = history.is_some_and(|history| history.is_waiting(now));
            if !is_good {
                return Proceeded::Finished;
            }
            if let Some(sign_in) = self.with_cookie(index) {
                sign_in.is_used(now);
            }
            self.sweep(now);
            return Proceeded::Issued;
        }
        if let Some(asking) = self.issue_if_agreed(kind, index, now) {
            return Proceeded::ConsentNeeded(asking);
        }
        if let Some(sign_in) = self.with_cookie(index) {
            sign_in.is_used(now);
        }
        Proceeded::Issued
    }

    /// Also a session that idled out can be ended, as long as it is remembered.
    pub(crate) fn sign_out(&mut self, index: usize, now: UnixTime) -> bool {
        let sign_in = self.with_cookie(index).filter(|sign_in| now <= sign_in.ends_at());
        let Some(sign_in) = sign_in.filter(|sign_in| !sign_in.is_gone) else { return false };
        sign_in.is_gone = true;
        self.sweep(now);
        true
    }

    pub(crate) fn redeem(&mut self, index: usize, flaw: Flaw, now: UnixTime) -> Redeemed {
        let Some(mut history) = self.grant(index, now).cloned() else { return Redeemed::Unknown };
        let redeemed = history.redeem(flaw, now);
        let is_honoured = self.is_honoured(self.grants[index].sign_in);
        let is_allowed = self.is_on(history.facts.session, now) && is_honoured;
        if matches!(redeemed, Redeemed::Redeemed { .. }) && !is_allowed {
            return Redeemed::Revoked;
        }
        self.happened(index, history, now);
        redeemed
    }

    pub(crate) fn rotate(&mut self, index: usize, presented: Presented, now: UnixTime) -> Rotation {
        let Some(mut history) = self.grant(index, now).cloned() else { return Rotation::Unknown };
        // A code that was never redeemed has no tokens, also when it is revoked.
        if history.ends_at().is_none() {
            return Rotation::Unknown;
        }
        let rotation = history.refresh(presented, now);
        let Facts { session, offline, .. } = history.facts;
        if matches!(rotation, Rotation::Rotated(_) | Rotation::Repeated(_)) {
            let is_honoured = self.is_honoured(self.grants[index].sign_in);
            if !is_honoured || !(offline || self.is_on(session, now)) {
                return Rotation::Revoked;
            }
            // Using a grant that ends with its session keeps that from idling out.
            if let Some(sign_in) = self.of_session(session).filter(|_| !offline) {
                sign_in.is_used(now);
            }
        }
        self.happened(index, history, now);
        rotation
    }

    pub(crate) fn revoke(
        &mut self,
        index: usize,
        token: Option<Token>,
        is_clients: bool,
        now: UnixTime,
    ) -> bool {
        let mut history = self.grants[index].history.clone();
        let is_known = token.is_none_or(|token| history.number(token).is_some());
        let revokes = self.is_live(index, now) && is_known && is_clients;
        if revokes {
            history.revoke(now);
            self.happened(index, history, now);
        }
        revokes
    }

    pub(crate) fn userinfo(&mut self, index: usize, now: UnixTime) -> Option<Map<String, Value>> {
        let (history, is_live) = (self.grants[index].history.clone(), self.is_live(index, now));
        let Facts { session, offline, .. } = history.facts;
        let in_time = history.ends_at().is_some_and(|ends_at| now < ends_at);
        let is_honoured = self.is_honoured(self.grants[index].sign_in);
        let is_allowed = is_honoured && (offline || self.is_on(session, now));
        (is_live && in_time && is_allowed).then(|| claims(self.sign_ins.len() - 1))
    }

    /// A token is good as long as its account says who it is about; asking changes nothing.
    pub(crate) fn introspect(
        &mut self,
        index: usize,
        token: Option<Token>,
        is_clients: bool,
        now: UnixTime,
    ) -> bool {
        let is_told = self.userinfo(index, now).is_some();
        let history = &self.grants[index].history;
        is_told && is_clients && token.is_none_or(|token| history.is_good(token, now))
    }
}
