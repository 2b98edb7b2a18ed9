//! What is put to an account and to its story: commands, in sequences that make what is rare happen.

use crate::history::{Flaw, Presented, Token, flaws, presented, tokens};
use crate::run::{any_of, waits, weighted};
use crate::story::{Accounts, Agree, Asks, Client, Kind, When};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
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
    /// About a refresh token, or an access token.
    Introspect {
        grant: usize,
        token: Option<Token>,
        is_clients: bool,
    },
    /// The browser of a sign-in opens the person's own page.
    Own {
        sign_in: usize,
        wish: Wishes,
    },
    /// The operator changes the accounts.
    Configure(Accounts),
}

/// What is wished for on the person's own page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wishes {
    Look,
    /// The end of everything of the client, or of another.
    Remove {
        is_clients: bool,
    },
}

/// A command, when it comes, and whether the answer to it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) when: When,
    pub(crate) command: Command,
    pub(crate) is_heard: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let clients =
        weighted(&[(4, Client::Confidential), (5, Client::Public), (1, Client::WithoutChallenge)]);
    let is_refreshable = weighted(&[(4, true), (1, false)]);
    let consent = weighted(&[
        (5, Agree::NotNeeded),
        (9, Agree::Remembered),
        (1, Agree::Required),
        (6, Agree::Given { remember: true }),
        (2, Agree::Given { remember: false }),
        (3, Agree::Again(0)),
        (1, Agree::Again(1)),
    ]);
    let asks = (consent, any::<bool>());
    let asks = asks.prop_map(|(consent, is_narrow)| Asks { consent, is_narrow });
    (clients, is_refreshable, any::<bool>(), asks).prop_map(
        |(client, is_refreshable, is_offline, asks)| Kind {
            client,
            is_refreshable,
            is_offline,
            asks,
        },
    )
}

fn turns() -> impl Strategy<Value = Turn> {
    let which = || weighted(&[(10, 0), (4, 1), (1, 2)]);
    let earlier = weighted(&[(2, None), (2, Some(0)), (1, Some(1))]);
    let max_age = weighted(&[(4, None), (1, Some(0)), (1, Some(200))]);
    let flaw = prop_oneof![6 => Just(Flaw::None), 1 => flaws()];
    let by = || prop::option::weighted(0.7, tokens());
    let is_clients = || weighted(&[(6, true), (1, false)]);
    let wish = weighted(&[
        (6, Wishes::Look),
        (3, Wishes::Remove { is_clients: true }),
        (1, Wishes::Remove { is_clients: false }),
    ]);
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
        1 => (which(), by(), is_clients()).prop_map(|(grant, token, is_clients)| {
            Command::Revoke { grant, token, is_clients }
        }),
        5 => (which(), by(), is_clients()).prop_map(|(grant, token, is_clients)| {
            Command::Introspect { grant, token, is_clients }
        }),
        5 => which().prop_map(|grant| Command::Userinfo { grant }),
        3 => (which(), wish).prop_map(|(sign_in, wish)| Command::Own { sign_in, wish }),
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

pub(crate) fn sequences() -> impl Strategy<Value = Vec<Turn>> {
    let accounts = any_of(&[Accounts::WithAnotherPassword, Accounts::There]);
    let changed = (any_of(&[0, 1]), accounts, any_of(&[None, Some(0)]), kinds()).prop_map(
        |(wait, accounts, earlier, kind)| changed(When::In(wait), accounts, earlier, kind),
    );
    let part = prop_oneof![12 => turns().prop_map(|turn| vec![turn]), 1 => changed];
    prop::collection::vec(part, 1..40).prop_map(|parts| parts.concat())
}
