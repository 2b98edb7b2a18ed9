//! A whole account, over the rows of its object, against its [`Story`].

use crate::history::{CLIENT, CODE_SECONDS, Presented, SEED, binding, redemption};
use crate::run::{Checked, NOON, Tally, run};
use crate::story::{
    Accounts, Agree, Asks, Client, FAMILIES, Kind, PAGE_SECONDS, SESSION_ABSOLUTE, SESSION_IDLE,
    SignedIn, Story, When, amr, claims, cookie, credential, session,
};
use crate::turns::{Command, Turn, Wishes, sequences};
use idp::account::{
    self, Consent, Identity, Introspect, LOCAL, NewGrant, Overview, Own, Proceed, Proceeded,
    Redeem, Revoke, Rotate, SignIn, SignOut, Wish,
};
use idp::config::Config;
use idp::grant::{Particulars, Redeemed, Rotation};
use idp::platform::Objects as _;
use idp::proof::{How, Means, Proof};
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
        "asked at sign-in",
        "issued",
        "issued as agreed before",
        "agreed",
        "agreed again",
        "agreed too late",
        "asked",
        "asked for more",
        "withdrawn",
        "listed",
        "nothing to list",
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
        "active",
        "not active",
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

const NOT_NEEDED: Asks = Asks { consent: Agree::NotNeeded, is_narrow: false };

/// Every story begins with somebody who signs in.
const FIRST: Turn = Turn {
    when: When::In(0),
    command: Command::SignIn {
        earlier: None,
        kind: Kind {
            client: Client::Confidential,
            is_refreshable: true,
            is_offline: false,
            asks: NOT_NEEDED,
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

    fn new_grant(&self, kind: Kind, now: UnixTime) -> NewGrant {
        let bound = binding(kind.is_challenged());
        let new = self.story.grants.len();
        let given = |remember, until| Consent::Given { remember, until };
        let (number, consent) = match kind.asks.consent {
            Agree::NotNeeded => (new, Consent::NotNeeded),
            Agree::Remembered => (new, Consent::Remembered),
            Agree::Required => (new, Consent::Required),
            Agree::Given { remember } => (new, given(remember, now.plus(PAGE_SECONDS))),
            Agree::Again(back) => match self.story.page(back, now) {
                Some((number, until)) => (number, given(true, until)),
                // There is no such page, and nobody is asked.
                None => (new, Consent::NotNeeded),
            },
        };
        NewGrant {
            id: grant_id(number),
            account: ACCOUNT,
            consent,
            code: bound.code,
            client_id: CLIENT.into(),
            redirect_uri: bound.redirect_uri,
            challenge: bound.challenge,
            nonce: bound.nonce,
            key: bound.key,
            scope: kind.asks.scope(),
            particulars: Particulars::default(),
            refreshable: kind.is_refreshable,
            offline: kind.is_offline,
            revised_at: None,
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
                let grant = self.new_grant(kind, now);
                let agreed_before = self.story.consent().is_some();
                let command = Proceed { session, cookie, max_age, acr: None, grant };
                let answer = block_on(self.objects.proceed(ACCOUNT, command, now));
                let expected = self.story.proceed(index, max_age, kind, now);
                let outcome = match expected {
                    Proceeded::Issued => match kind.asks.consent {
                        Agree::Remembered => "issued as agreed before",
                        Agree::Given { .. } => "agreed",
                        Agree::Again(_) => "agreed again",
                        Agree::NotNeeded | Agree::Required => "issued",
                    },
                    Proceeded::Finished => "agreed too late",
                    Proceeded::ConsentNeeded(_) if agreed_before => "asked for more",
                    Proceeded::ConsentNeeded(_) => "asked",
                    Proceeded::TooLongAgo => "too long ago",
                    Proceeded::OtherWay => "in another way",
                    Proceeded::SignedOut => "not signed in",
                };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::SignOut { sign_in } => {
                let index = self.sign_in_at(sign_in);
                let SignedIn { session, cookie, .. } = self.story.sign_ins[index];
                let command = SignOut { session, cookie };
                let answer = block_on(self.objects.sign_out(ACCOUNT, command, now));
                let answer = answer.map(|means| means.is_some());
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
                    Redeemed::Redeemed(_) => "redeemed",
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
                let answer = answer.map(|told| told.map(|told| told.claims));
                let expected = self.story.userinfo(index, now);
                let outcome = if expected.is_some() { "told who" } else { "not told who" };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Introspect { grant, token, is_clients } => {
                let index = self.family_at(grant);
                let refresh_token = token.map(|token| self.story.grants[index].history.name(token));
                let client_id = Some(if is_clients { CLIENT } else { "evil" }.into());
                let command = Introspect { grant: grant_id(index), client_id, refresh_token };
                let answer = block_on(self.objects.introspect(ACCOUNT, command, now));
                let answer = answer.map(|found| found.is_some());
                let expected = self.story.introspect(index, token, is_clients, now);
                let outcome = if expected { "active" } else { "not active" };
                self.agree(turn, answer, &expected, outcome)
            }
            Command::Own { sign_in, wish } => self.own(sign_in, wish, now, turn),
            Command::Configure(_) => Ok(()),
        }
    }

    fn own(&mut self, sign_in: usize, wish: Wishes, now: UnixTime, turn: Turn) -> Checked {
        let index = self.sign_in_at(sign_in);
        let SignedIn { session, cookie, .. } = self.story.sign_ins[index];
        let wish = match wish {
            Wishes::Look => Wish::Look,
            Wishes::Remove { is_clients: true } => Wish::Remove(CLIENT.into()),
            Wishes::Remove { is_clients: false } => Wish::Remove("evil".into()),
        };
        let is_removed = wish == Wish::Remove(CLIENT.into());
        let command = Own { session, cookie, wish };
        let answer = block_on(self.objects.own(ACCOUNT, command, now));
        let consents = |overview: Overview| -> Vec<_> {
            let apps = overview.apps.into_iter();
            apps.filter_map(|app| Some((app.client_id, app.consent?))).collect()
        };
        let answer = answer.map(|overview| overview.map(consents));
        let before = self.story.consented();
        let is_let_in = self.story.own(index, now);
        if is_let_in && is_removed {
            self.story.withdraw(now);
        }
        let consented = self.story.consented().map(|consented| (CLIENT.to_owned(), consented));
        let outcome = match (is_let_in, &consented) {
            (false, _) => "not signed in",
            (true, Some(_)) => "listed",
            (true, None) if before.is_some() => "withdrawn",
            (true, None) => "nothing to list",
        };
        self.agree(turn, answer, &is_let_in.then(|| Vec::from_iter(consented)), outcome)
    }

    fn sign_in(
        &mut self,
        earlier: Option<usize>,
        kind: Kind,
        now: UnixTime,
        turn: Turn,
    ) -> Checked {
        // Whoever signs in has seen no page that asks.
        let is_asked = matches!(kind.asks.consent, Agree::Remembered | Agree::Required);
        let kind = if is_asked { kind } else { Kind { asks: NOT_NEEDED, ..kind } };
        let number = self.story.sign_ins.len();
        let previous = earlier.map(|index| &self.story.sign_ins[index]);
        let is_another = self.story.accounts == Some(Accounts::WithAnotherPassword);
        let identity = Identity { upstream: LOCAL.into(), subject: "alice".into() };
        let means = Means { identity, how: How::Password(credential(is_another)) };
        let command = SignIn {
            proof: Proof { means, auth_time: now, says_when: true, amr: amr() },
            claims: claims(number),
            round: 0,
            cookie: cookie(number),
            previous: previous.map(|sign_in| (sign_in.session, sign_in.cookie)),
            session: session(number),
            agent: "A browser".to_owned(),
            grant: Some(self.new_grant(kind, now)),
            kept: None,
        };
        let answer = block_on(self.objects.sign_in(ACCOUNT, command, now));
        let (expected, asking) = self.story.sign_in(earlier, kind, now);
        let outcome = match &asking {
            Some(_) => "asked at sign-in",
            None if expected == session(number) => "signed in anew",
            None => "signed in again",
        };
        self.agree(turn, answer, &account::SignedIn::In { session: expected, asking }, outcome)
    }

    fn rotate(&mut self, grant: usize, presented: Presented, now: UnixTime, turn: Turn) -> Checked {
        let index = self.family_at(grant);
        let with = self.story.grants[index].history.command(presented);
        let command = Rotate { grant: grant_id(index), with, checked: None };
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
