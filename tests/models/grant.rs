//! A grant, from the code to the last refresh token, against its [`History`].

use crate::history::{
    CLIENT, CODE_SECONDS, Flaw, History, Presented, SEED, binding, flaws, key, presented,
    redemption, scope,
};
use crate::run::{Checked, NOON, Tally, any_of, moved, run, waits, weighted};
use idp::grant::{
    Facts, Grant, Issued, Particulars, Policy, Redeemed, Redemption, Refresh, Rotation,
};
use idp::resource::Target;
use proptest::prelude::*;
use shared::time::UnixTime;
use uuid::Uuid;

/// What one grant is.
#[derive(Clone, Copy, Debug)]
struct Setup {
    is_public: bool,
    is_refreshable: bool,
    is_challenged: bool,
    key: Option<&'static str>,
    access_token: u64,
    absolute: u64,
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Redeem(Flaw),
    Refresh(Presented),
    /// The person or the client ends it.
    Revoke,
}

fn setups() -> impl Strategy<Value = Setup> {
    let mostly = || weighted(&[(9, true), (1, false)]);
    let lives = (any_of(&[300, 20]), any_of(&[2_500, 301]));
    (any::<bool>(), mostly(), mostly(), any_of(&[None, Some("a")]), lives).prop_map(
        |(is_public, is_refreshable, is_challenged, key, (access_token, absolute))| Setup {
            is_public,
            is_refreshable,
            is_challenged,
            key,
            access_token,
            absolute,
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        100 => presented().prop_map(Command::Refresh),
        4 => flaws().prop_map(Command::Redeem),
        1 => Just(Command::Revoke),
    ]
}

/// Commands, each so many seconds after the one before.
type Timed = Vec<(i64, Command)>;

/// Some commands early and some late; the code is redeemed in between.
fn sequences() -> impl Strategy<Value = (Setup, Timed, Timed)> {
    let command = prop_oneof![4 => flaws().prop_map(Command::Redeem), 1 => commands()];
    let early = (weighted(&[(12, 0), (1, 1), (1, 29), (1, 59), (1, 60), (1, -5)]), command);
    let turning = &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 4, 5, 8, 9, 10, 11, 20, 21, 29, 30, 31, 299,
        300, 301, 999, 1_000,
    ];
    let late = (waits(turning, 40), commands());
    (setups(), prop::collection::vec(early, 0..4), prop::collection::vec(late, 0..40))
}

fn named(redeemed: &Redeemed) -> &'static str {
    match redeemed {
        Redeemed::Redeemed(_) => "code redeemed",
        Redeemed::Reused => "code reused",
        Redeemed::Unknown => "code unknown",
        Redeemed::WrongClient => "code of another client",
        Redeemed::WrongRedirect => "code with another redirect URI",
        Redeemed::WrongVerifier => "code with a wrong verifier",
        Redeemed::WrongKey => "code with another key",
        Redeemed::WrongTarget => "code for another resource",
        Redeemed::Expired => "code expired",
        Redeemed::Revoked => "code of a revoked grant",
    }
}

fn called(rotation: &Rotation, is_public: bool) -> &'static str {
    match rotation {
        Rotation::Rotated(_) => "rotated",
        Rotation::Repeated(_) if is_public => "repeated to a public client",
        Rotation::Repeated(_) => "repeated",
        Rotation::Reused if is_public => "reused by a public client",
        Rotation::Reused => "reused",
        Rotation::Unknown => "unknown",
        Rotation::WrongClient => "another client's",
        Rotation::WrongKey => "another key",
        Rotation::WrongScope => "wrong scope",
        Rotation::WrongTarget => "another resource",
        Rotation::Expired => "expired",
        Rotation::Revoked => "revoked",
        Rotation::CheckFirst(_) | Rotation::Unchecked | Rotation::Ended { .. } => {
            "what only the account says"
        }
    }
}

#[test]
fn rfc9700_4_14_2_a_grant_answers_any_sequence_of_commands_as_its_history_says() {
    let outcomes = [
        "code redeemed",
        "code reused",
        "code unknown",
        "code of another client",
        "code with another redirect URI",
        "code with a wrong verifier",
        "code expired",
        "code of a revoked grant",
        "rotated",
        "repeated",
        "repeated to a public client",
        "reused",
        "reused by a public client",
        "unknown",
        "another client's",
        "another key",
        "wrong scope",
        "expired",
        "revoked",
    ];
    run(&sequences(), &outcomes, |(setup, early, late), tally| {
        let redeemed = [(0, Command::Redeem(Flaw::None))];
        sequence(setup, early.into_iter().chain(redeemed).chain(late), tally)
    });
}

fn sequence(
    setup: Setup,
    commands: impl Iterator<Item = (i64, Command)>,
    tally: &Tally,
) -> Checked {
    let Setup { is_public, is_refreshable, is_challenged, key: proved, access_token, absolute } =
        setup;
    let policy = Policy { access_token, idle: 1_000, absolute };
    let facts = Facts {
        client_id: CLIENT.into(),
        scope: scope("openid profile"),
        particulars: Particulars::default(),
        acr: None,
        session: Uuid::nil(),
        auth_time: NOON,
        amr: vec!["pwd".into()],
        refreshable: is_refreshable,
        offline: false,
    };
    let (binding, expires_at) = (binding(is_challenged), NOON.plus(CODE_SECONDS));
    let mut grant = Grant::Issued(Issued { facts: facts.clone(), binding, expires_at });
    let key = proved.and_then(key);
    let mut history = History::new(facts, NOON, is_challenged, is_public, policy);
    history.key = key;
    let mut now = NOON;
    for (wait, command) in commands {
        now = moved(now, wait);
        let (before, happened) = (grant.clone(), history.len());
        match command {
            Command::Redeem(flaw) => {
                let with = redemption(flaw, is_challenged);
                let with = Redemption { is_public, key, ..with };
                let (after, redeemed) = grant.redeem(&with, now, policy);
                prop_assert_eq!(&redeemed, &history.redeem(flaw, now));
                tally.count(named(&redeemed));
                grant = after;
            }
            Command::Refresh(presented) => {
                let with = history.command(presented);
                let (after, rotation) = grant.refresh(&SEED, &with, now, policy);
                prop_assert_eq!(&rotation, &history.refresh(presented, now));
                tally.count(called(&rotation, is_public));
                grant = after;
            }
            Command::Revoke => {
                history.revoke(now);
                grant = Grant::Revoked;
            }
        }
        // A refusal changes nothing, revoked is final, and the absolute end never moves.
        prop_assert_eq!(before != grant, happened != history.len(), "changed by a refusal");
        prop_assert_eq!(grant == Grant::Revoked, history.ended_at().is_some());
        if let Grant::Live(live) = &grant {
            prop_assert_eq!(Some(live.absolute_until), history.ends_at());
            prop_assert!(live.idle_until <= live.absolute_until);
        }
    }
    at_most_one_leads_on(&grant, &history, now)
}

/// Of all tokens ever handed out at most one still leads on: the newest.
fn at_most_one_leads_on(grant: &Grant, history: &History, now: UnixTime) -> Checked {
    for generation in 0..history.newest() {
        let (secret, is_public) = (SEED.secret(generation), history.is_public);
        let client_id = CLIENT.into();
        let with = Refresh {
            generation,
            secret,
            client_id,
            is_public,
            scope: None,
            target: Target::default(),
            key: history.key,
        };
        let (_, rotation) = grant.clone().refresh(&SEED, &with, now, history.policy);
        let leads_on = matches!(rotation, Rotation::Rotated(_));
        prop_assert!(!leads_on, "token {} leads on", generation);
    }
    Ok(())
}
