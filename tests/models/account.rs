//! A whole account, over the rows of its object, against its [`Story`].

use crate::history::{
    CLIENT, CODE_SECONDS, Flaw, Presented, SEED, Token, binding, flaws, presented, redemption,
    scope, tokens,
};
use crate::run::{Checked, NOON, Tally, any_of, run, waits, weighted};
use crate::story::{
    Accounts, Client, FAMILIES, Kind, SESSION_ABSOLUTE, SESSION_IDLE, SignedIn, Story, When, amr,
    claims, cookie, credential, session,
};
use idp::account::{
    Identity, LOCAL, NewGrant, Proceed, Proceeded, Profile, Redeem, Revoke, Rotate, SignIn, SignOut,
};
use idp::config::Config;
use idp::grant::{Redeemed, Rotation};
use idp::platform::Objects as _;
use idp::rows::Unavailable;
use pollster::block_on;
use proptest::prelude::*;
use shared::time::UnixTime;
use std::fmt::Debug;
use std::rc::Rc;
use tests::memory::{Fault, Memory, Objects};
use tests::world::{settings, text};
use uuid::Uuid;

const ACCOUNT: Uuid = Uuid::nil();

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

/// A command, when it comes, and whether the answer to it arrives.
#[derive(Clone, Copy, Debug)]
struct Turn {
    when: When,
    command: Command,
    is_heard: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let clients =
        weighted(&[(4, Client::Confidential), (5, Client::Public), (1, Client::WithoutChallenge)]);
    let is_refreshable = weighted(&[(4, true), (1, false)]);
    (clients, is_refreshable, any::<bool>()).prop_map(|(client, is_refreshable, is_offline)| Kind {
        client,
        is_refreshable,
        is_offline,
    })
}

fn turns() -> impl Strategy<Value = Turn> {
    let which = || weighted(&[(10, 0), (4, 1), (1, 2)]);
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
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 5, 10, 11, 30, 31, 99, 100,
        101,
    ];
    let off = || any_of(&[0, -1, 1]);
    let whens = prop_oneof![
        40 => waits(turning, 40).prop_map(When::In),
        1 => off().prop_map(When::CodeEnd),
        1 => off().prop_map(When::CodeForgotten),
        2 => off().prop_map(When::FamilyEnd),
        1 => off().prop_map(When::IdleEnd),
        1 => off().prop_map(When::SessionEnd),
    ];
    let is_heard = weighted(&[(19, true), (1, false)]);
    (whens, command, is_heard).prop_map(|(when, command, is_heard)| Turn {
        when,
        command,
        is_heard,
    })
}

/// The password is changed, and somebody signs in with the new one.
fn changed(when: When, accounts: Accounts, earlier: Option<usize>, kind: Kind) -> Vec<Turn> {
    let turn = |when, command| Turn { when, command, is_heard: true };
    let sign_in = Command::SignIn { earlier, kind };
    vec![turn(when, Command::Configure(accounts)), turn(When::In(0), sign_in)]
}

fn sequences() -> impl Strategy<Value = Vec<Turn>> {
    let accounts = any_of(&[Accounts::WithAnotherPassword, Accounts::There]);
    let changed = (any_of(&[0, 1]), accounts, any_of(&[None, Some(0)]), kinds()).prop_map(
        |(wait, accounts, earlier, kind)| changed(When::In(wait), accounts, earlier, kind),
    );
    let part = prop_oneof![12 => turns().prop_map(|turn| vec![turn]), 1 => changed];
    prop::collection::vec(part, 1..40).prop_map(|parts| parts.concat())
}

fn grant_id(number: usize) -> Uuid {
    Uuid::from_u128(2_000 + number as u128)
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
        "of another password",
        "revoked",
        "not revoked",
        "told who",
        "not told who",
        "answer lost",
    ];
    let configs = [Accounts::There, Accounts::WithAnotherPassword, Accounts::Gone];
    let configs = configs.map(|accounts| (accounts, config(accounts)));
    run(&sequences(), &outcomes, |turns, tally| {
        let config = Rc::clone(&configs[0].1);
        let objects = Objects { memory: Memory::default(), config };
        let mut pair = Pair { objects, story: Story::default(), tally };
        pair.turn(NOON, FIRST)?;
        let mut now = NOON;
        for turn in turns {
            now = pair.story.when(turn.when, now);
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
    when: When::In(0),
    command: Command::SignIn {
        earlier: None,
        kind: Kind { client: Client::Confidential, is_refreshable: true, is_offline: false },
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

    fn agree<A: PartialEq + Debug>(
        &self,
        turn: Turn,
        answer: Result<A, Unavailable>,
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
        let mut families = families.filter(|(_, begun)| begun.history.ends_at().is_some());
        families.nth(back).map_or_else(|| self.grant_at(back), |(index, _)| index)
    }

    fn new_grant(&self, kind: Kind) -> NewGrant {
        let bound = binding(kind.is_challenged());
        NewGrant {
            id: grant_id(self.story.grants.len()),
            account: ACCOUNT,
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
                let with = redemption(flaw, self.story.grants[index].history.is_challenged);
                let command = Redeem { grant: grant_id(index), with, seed: SEED.0 };
                let answer = block_on(self.objects.redeem(ACCOUNT, command, now));
                let is_over = self.story.grants[index].history.ended_at().is_some();
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
                let refresh_token = token.map(|token| self.story.grants[index].history.name(token));
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
            grant: Some(self.new_grant(kind)),
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
        let with = self.story.grants[index].history.command(presented);
        let command = Rotate { grant: grant_id(index), with };
        let answer = block_on(self.objects.rotate(ACCOUNT, command, now));
        let answer = answer.map(|rotated| (rotated.rotation, rotated.secret));
        let is_over = self.story.grants[index].history.ended_at().is_some();
        let rotation = self.story.rotate(index, presented, now);
        let (outcome, secret) = match &rotation {
            Rotation::Rotated(answer) => ("rotated", Some(SEED.secret(answer.generation))),
            Rotation::Repeated(answer) => ("repeated", Some(SEED.secret(answer.generation))),
            Rotation::Reused => ("reused", None),
            Rotation::Expired => ("expired", None),
            Rotation::Unknown => ("unknown", None),
            Rotation::Revoked if !is_over && self.story.is_of_another_password(index) => {
                ("of another password", None)
            }
            Rotation::Revoked if !is_over => ("of a session that is over", None),
            _ => ("refused", None),
        };
        self.agree(turn, answer, &(rotation, secret), outcome)
    }
}
