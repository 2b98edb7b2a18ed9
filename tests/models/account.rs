//! A whole account, over the rows of its object, against lists of its sign-ins and its grants.
//!
//! A grant's own rules are those of [`History`]; here is what joins grants to sessions, to the
//! configuration, and to the time for which rows are remembered.

use crate::history::{
    CLIENT, CODE_SECONDS, Flaw, History, Presented, SEED, Token, binding, flaws, presented,
    redemption, scope, tokens,
};
use crate::run::{Checked, NOON, Tally, moved, run, waits, weighted};
use idp::account::{
    Identity, LOCAL, NewGrant, Proceed, Proceeded, Profile, Redeem, Revoke, Rotate, SignIn, SignOut,
};
use idp::config::Config;
use idp::grant::{Facts, Policy, Redeemed, Rotation};
use idp::platform::Objects as _;
use pollster::block_on;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use shared::secret::Digest;
use shared::time::UnixTime;
use std::rc::Rc;
use tests::memory::{Fault, Memory, Objects};
use tests::world::{settings, text};
use uuid::Uuid;

const ACCOUNT: Uuid = Uuid::nil();
const FAMILIES: Policy = Policy { access_token: 100, idle: 1_000, absolute: 2_500 };
const SESSION_IDLE: u64 = 400;
const SESSION_ABSOLUTE: u64 = 1_500;
/// How long after its end a code is known as one.
const CODE_MEMORY: u64 = 600;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// Somebody signs in, with the cookie of an earlier sign-in in the browser.
    SignIn {
        earlier: Option<usize>,
        kind: Kind,
    },
    /// The browser of a sign-in, counted back from the last, asks for another code.
    Proceed {
        sign_in: usize,
        max_age: Option<u64>,
        kind: Kind,
    },
    SignOut {
        sign_in: usize,
    },
    /// And to one of the grants, counted back from the last.
    Redeem {
        grant: usize,
        flaw: Flaw,
    },
    Rotate {
        grant: usize,
        presented: Presented,
    },
    /// By a refresh token, or by an access token.
    Revoke {
        grant: usize,
        token: Option<Token>,
        is_clients: bool,
    },
    Userinfo {
        grant: usize,
    },
    /// The operator changes the accounts.
    Configure(Accounts),
}

/// What a grant is.
#[derive(Clone, Copy, Debug)]
struct Kind {
    is_public: bool,
    is_refreshable: bool,
    is_offline: bool,
    is_challenged: bool,
}

/// What the configuration says of the account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Accounts {
    There,
    WithAnotherPassword,
    Gone,
}

/// A command, when it comes, and whether the answer to it arrives.
#[derive(Clone, Copy, Debug)]
struct Turn {
    wait: i64,
    command: Command,
    is_heard: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let mostly = || weighted(&[(9, true), (1, false)]);
    (any::<bool>(), mostly(), any::<bool>(), mostly()).prop_map(
        |(is_public, is_refreshable, is_offline, is_challenged)| Kind {
            is_public,
            is_refreshable,
            is_offline,
            is_challenged,
        },
    )
}

fn turns() -> impl Strategy<Value = Turn> {
    let which = || weighted(&[(12, 0), (3, 1), (1, 2)]);
    let earlier = weighted(&[(2, None), (2, Some(0)), (1, Some(1))]);
    let max_age = weighted(&[(4, None), (1, Some(0)), (1, Some(200))]);
    let flaw = prop_oneof![6 => Just(Flaw::None), 1 => flaws()];
    let by = prop::option::weighted(0.7, tokens());
    let is_clients = weighted(&[(6, true), (1, false)]);
    let accounts =
        weighted(&[(4, Accounts::There), (1, Accounts::WithAnotherPassword), (1, Accounts::Gone)]);
    let command = prop_oneof![
        3 => (earlier, kinds()).prop_map(|(earlier, kind)| Command::SignIn { earlier, kind }),
        6 => (which(), max_age, kinds()).prop_map(|(sign_in, max_age, kind)| {
            Command::Proceed { sign_in, max_age, kind }
        }),
        1 => which().prop_map(|sign_in| Command::SignOut { sign_in }),
        10 => (which(), flaw).prop_map(|(grant, flaw)| Command::Redeem { grant, flaw }),
        30 => (which(), presented()).prop_map(|(grant, presented)| {
            Command::Rotate { grant, presented }
        }),
        1 => (which(), by, is_clients).prop_map(|(grant, token, is_clients)| {
            Command::Revoke { grant, token, is_clients }
        }),
        5 => which().prop_map(|grant| Command::Userinfo { grant }),
        1 => accounts.prop_map(Command::Configure),
    ];
    let turning = &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 5, 10, 11, 30, 31, 59, 60,
        99, 100, 101, 399, 400, 1_000,
    ];
    let is_heard = weighted(&[(19, true), (1, false)]);
    (waits(turning, 40), command, is_heard).prop_map(|(wait, command, is_heard)| Turn {
        wait,
        command,
        is_heard,
    })
}

/// One sign-in of one browser: a cookie.
struct SignedIn {
    session: Uuid,
    cookie: Digest,
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
struct Story {
    /// Every sign-in; the last one of a session is the one that counts.
    sign_ins: Vec<SignedIn>,
    /// Every code that was issued.
    grants: Vec<History>,
    /// The password that the last sign-in was by.
    credential: Option<Digest>,
    accounts: Option<Accounts>,
}

impl Story {
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
        let (is_challenged, is_public) = (kind.is_challenged, kind.is_public);
        self.grants.push(History::new(facts, now, is_challenged, is_public, FAMILIES));
    }

    /// Returns the session.
    fn sign_in(&mut self, earlier: Option<usize>, kind: Kind, now: UnixTime) -> Uuid {
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

    fn proceed(
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
    fn sign_out(&mut self, index: usize, now: UnixTime) -> bool {
        let sign_in = self.with_cookie(index).filter(|sign_in| now <= sign_in.ends_at());
        let sign_in = sign_in.filter(|sign_in| !sign_in.is_signed_out);
        sign_in.map(|sign_in| sign_in.is_signed_out = true).is_some()
    }

    fn redeem(&mut self, index: usize, flaw: Flaw, now: UnixTime) -> Redeemed {
        let Some(mut history) = self.grant(index, now).cloned() else { return Redeemed::Unknown };
        let redeemed = history.redeem(flaw, now);
        let is_allowed = self.is_on(history.facts.session, now) && !self.is_disabled();
        if matches!(redeemed, Redeemed::Redeemed { .. }) && !is_allowed {
            return Redeemed::Revoked;
        }
        self.grants[index] = history;
        redeemed
    }

    fn rotate(&mut self, index: usize, presented: Presented, now: UnixTime) -> Rotation {
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

    fn revoke(
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

    fn userinfo(&mut self, index: usize, now: UnixTime) -> Option<Map<String, Value>> {
        let (history, is_live) = (self.grants[index].clone(), self.is_live(index, now));
        let Facts { session, offline, .. } = history.facts;
        let in_time = history.ends_at().is_some_and(|ends_at| now < ends_at);
        let is_allowed = (offline || self.is_on(session, now)) && !self.is_disabled();
        (is_live && in_time && is_allowed).then(|| claims(self.sign_ins.len() - 1))
    }
}

fn amr() -> Vec<String> {
    vec!["pwd".into()]
}

fn session(number: usize) -> Uuid {
    Uuid::from_u128(1_000 + number as u128)
}

fn grant_id(number: usize) -> Uuid {
    Uuid::from_u128(2_000 + number as u128)
}

fn cookie(number: usize) -> Digest {
    Digest::of(format!("cookie {number}"))
}

fn claims(sign_in: usize) -> Map<String, Value> {
    Map::from_iter([("number".to_owned(), json!(sign_in))])
}

fn credential(is_another: bool) -> Digest {
    Digest::of(if is_another { "another hash" } else { "hash" })
}

/// The configuration, with one account or none.
fn config(accounts: Accounts) -> Rc<Config> {
    let settings = settings();
    let mut config = Config::read(|name| text(&settings, name)).expect("settings");
    config.accounts.retain(|account| account.username == "alice" && accounts != Accounts::Gone);
    for account in &mut config.accounts {
        let is_another = accounts == Accounts::WithAnotherPassword;
        account.password = if is_another { "another hash" } else { "hash" }.into();
    }
    let lifetimes = &mut config.lifetimes;
    lifetimes.code = CODE_SECONDS;
    lifetimes.access_token = FAMILIES.access_token;
    lifetimes.refresh_idle = FAMILIES.idle;
    lifetimes.refresh_absolute = FAMILIES.absolute;
    lifetimes.session_idle = SESSION_IDLE;
    lifetimes.session_absolute = SESSION_ABSOLUTE;
    Rc::new(config)
}

#[test]
fn tc_11_rt_13_rt_14_an_account_answers_any_sequence_of_commands_as_its_story_says() {
    let outcomes = [
        "signed in anew",
        "signed in again",
        "issued",
        "too long ago",
        "not signed in",
        "signed out",
        "not signed out",
        "redeemed",
        "code reused",
        "code unknown",
        "code expired",
        "code of somebody signed out",
        "rotated",
        "repeated",
        "reused",
        "expired",
        "unknown",
        "of a session that is over",
        "revoked",
        "not revoked",
        "told who",
        "not told who",
        "answer lost",
    ];
    use Accounts::{Gone, There, WithAnotherPassword};
    let configs = [There, WithAnotherPassword, Gone].map(|accounts| (accounts, config(accounts)));
    run(&prop::collection::vec(turns(), 1..40), &outcomes, |turns, tally| {
        let config = Rc::clone(&configs[0].1);
        let objects = Objects { memory: Memory::default(), config };
        let mut pair = Pair { objects, story: Story::default(), tally };
        pair.turn(NOON, FIRST)?;
        let mut now = NOON;
        for turn in turns {
            now = moved(now, turn.wait);
            if let Command::Configure(accounts) = turn.command {
                let (_, config) = configs.iter().find(|(of, _)| *of == accounts).expect("each");
                pair.objects.config = Rc::clone(config);
                pair.story.accounts = Some(accounts);
            }
            pair.turn(now, turn)?;
        }
        Ok(())
    });
}

/// Every story begins with somebody who signs in.
const FIRST: Turn = Turn {
    wait: 0,
    command: Command::SignIn {
        earlier: None,
        kind: Kind {
            is_public: false,
            is_refreshable: true,
            is_offline: false,
            is_challenged: true,
        },
    },
    is_heard: true,
};

/// The account's object and its model.
struct Pair<'t> {
    objects: Objects,
    story: Story,
    tally: &'t Tally,
}

impl Pair<'_> {
    /// One command to both. An answer that is lost on its way changes nothing of what was done.
    fn turn(&mut self, now: UnixTime, turn: Turn) -> Checked {
        if !turn.is_heard {
            self.objects.memory.fail(Fault::Answer(0));
        }
        let checked = self.command(now, turn);
        self.objects.memory.mend();
        checked
    }

    fn agree<A: PartialEq + std::fmt::Debug>(
        &self,
        turn: Turn,
        answer: Result<A, idp::rows::Unavailable>,
        expected: &A,
        outcome: &'static str,
    ) -> Checked {
        match answer {
            Ok(answer) => {
                prop_assert_eq!(&answer, expected);
                self.tally.count(outcome);
            }
            Err(unavailable) => {
                prop_assert!(!turn.is_heard, "{:?}", unavailable);
                self.tally.count("answer lost");
            }
        }
        Ok(())
    }

    fn sign_in_at(&self, back: usize) -> usize {
        (self.story.sign_ins.len() - 1).saturating_sub(back)
    }

    fn grant_at(&self, back: usize) -> usize {
        (self.story.grants.len() - 1).saturating_sub(back)
    }

    /// The same among the families, as long as there are so many.
    fn family_at(&self, back: usize) -> usize {
        let families = self.story.grants.iter().enumerate().rev();
        let mut families = families.filter(|(_, history)| history.ends_at().is_some());
        families.nth(back).map_or_else(|| self.grant_at(back), |(index, _)| index)
    }

    fn new_grant(&self, kind: Kind) -> NewGrant {
        let bound = binding(kind.is_challenged);
        NewGrant {
            id: grant_id(self.story.grants.len()),
            code: bound.code,
            client_id: CLIENT.into(),
            redirect_uri: bound.redirect_uri,
            challenge: bound.challenge,
            nonce: bound.nonce,
            scope: scope("openid profile"),
            refreshable: kind.is_refreshable,
            offline: kind.is_offline,
        }
    }

    fn command(&mut self, now: UnixTime, turn: Turn) -> Checked {
        match turn.command {
            Command::SignIn { earlier, kind } => {
                let earlier = earlier.map(|back| self.sign_in_at(back));
                self.sign_in(earlier, kind, now, turn)
            }
            Command::Proceed { sign_in, max_age, kind } => {
                let index = self.sign_in_at(sign_in);
                let SignedIn { session, cookie, .. } = self.story.sign_ins[index];
                let grant = self.new_grant(kind);
                let command = Proceed { session, cookie, max_age, grant };
                let answer = block_on(self.objects.proceed(ACCOUNT, command, now));
                let expected = self.story.proceed(index, max_age, kind, now);
                let outcome = match expected {
                    Proceeded::Issued => "issued",
                    Proceeded::TooLongAgo => "too long ago",
                    Proceeded::SignedOut => "not signed in",
                };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::SignOut { sign_in } => {
                let index = self.sign_in_at(sign_in);
                let SignedIn { session, cookie, .. } = self.story.sign_ins[index];
                let command = SignOut { session, cookie };
                let answer = block_on(self.objects.sign_out(ACCOUNT, command, now));
                let expected = self.story.sign_out(index, now);
                let outcome = if expected { "signed out" } else { "not signed out" };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Redeem { grant, flaw } => {
                let index = self.grant_at(grant);
                let with = redemption(flaw, self.story.grants[index].is_challenged);
                let command = Redeem { grant: grant_id(index), with, seed: SEED.0 };
                let answer = block_on(self.objects.redeem(ACCOUNT, command, now));
                let is_over = self.story.grants[index].ended_at().is_some();
                let expected = self.story.redeem(index, flaw, now);
                let outcome = match expected {
                    Redeemed::Redeemed { .. } => "redeemed",
                    Redeemed::Reused => "code reused",
                    Redeemed::Unknown => "code unknown",
                    Redeemed::Expired => "code expired",
                    Redeemed::Revoked if !is_over => "code of somebody signed out",
                    _ => "code refused",
                };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Rotate { grant, presented } => self.rotate(grant, presented, now, turn),
            Command::Revoke { grant, token, is_clients } => {
                let index = self.family_at(grant);
                let refresh_token = token.map(|token| self.story.grants[index].name(token));
                let client_id = if is_clients { CLIENT } else { "evil" }.into();
                let command = Revoke { grant: grant_id(index), client_id, refresh_token };
                let answer = block_on(self.objects.revoke(ACCOUNT, command, now));
                let expected = self.story.revoke(index, token, is_clients, now);
                let outcome = if expected { "revoked" } else { "not revoked" };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Userinfo { grant } => {
                let index = self.family_at(grant);
                let answer = block_on(self.objects.userinfo(ACCOUNT, grant_id(index), now));
                let expected = self.story.userinfo(index, now);
                let outcome = if expected.is_some() { "told who" } else { "not told who" };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Configure(_) => Ok(()),
        }
    }

    fn sign_in(
        &mut self,
        earlier: Option<usize>,
        kind: Kind,
        now: UnixTime,
        turn: Turn,
    ) -> Checked {
        let number = self.story.sign_ins.len();
        let previous = earlier.map(|index| &self.story.sign_ins[index]);
        let is_another = self.story.accounts == Some(Accounts::WithAnotherPassword);
        let identity = Identity { upstream: LOCAL.into(), subject: "alice".into() };
        let credential = Some(credential(is_another));
        let command = SignIn {
            profile: Profile { identity, credential, claims: claims(number) },
            auth_time: now,
            amr: amr(),
            cookie: cookie(number),
            previous: previous.map(|sign_in| (sign_in.session, sign_in.cookie)),
            session: session(number),
            grant: self.new_grant(kind),
        };
        let answer = block_on(self.objects.sign_in(ACCOUNT, command, now));
        let expected = self.story.sign_in(earlier, kind, now);
        let is_new = expected == session(number);
        self.agree(
            turn,
            answer,
            &expected,
            if is_new { "signed in anew" } else { "signed in again" },
        )
    }

    fn rotate(&mut self, grant: usize, presented: Presented, now: UnixTime, turn: Turn) -> Checked {
        let index = self.family_at(grant);
        let with = self.story.grants[index].command(presented);
        let command = Rotate { grant: grant_id(index), with };
        let answer = block_on(self.objects.rotate(ACCOUNT, command, now));
        let answer = answer.map(|rotated| (rotated.rotation, rotated.secret));
        let is_over = self.story.grants[index].ended_at().is_some();
        let rotation = self.story.rotate(index, presented, now);
        let (outcome, secret) = match &rotation {
            Rotation::Rotated(answer) => ("rotated", Some(SEED.secret(answer.generation))),
            Rotation::Repeated(answer) => ("repeated", Some(SEED.secret(answer.generation))),
            Rotation::Reused => ("reused", None),
            Rotation::Expired => ("expired", None),
            Rotation::Unknown => ("unknown", None),
            Rotation::Revoked if !is_over => ("of a session that is over", None),
            _ => ("refused", None),
        };
        self.agree(turn, answer, &(rotation, secret), outcome)
    }
}
