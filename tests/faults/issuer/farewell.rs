//! Signing out, and telling the clients: what goes wrong at every place of either, with the clients
//! themselves as one of the places. What was acknowledged is told to everybody, at least once; what
//! was not is told to nobody.

use super::issuer;
use crate::at_every_place;
use http::StatusCode;
use shared::form::append;
use shared::time::UnixTime;
use std::collections::BTreeSet;
use tests::browser::{Browser, Reply, is_sign_in};
use tests::client::{Ask, TOLD, TOLD_TOO, Tokens};
use tests::listener::{Answer, told, unverified};
use tests::memory::{Fault, Moment};
use tests::people::ALICE;
use tests::world::Issuer;

/// Alice, signed in to two clients that want to be told, and what was stored then.
struct Alice<'i> {
    issuer: &'i Issuer,
    browser: Browser<'i, Issuer>,
    tokens: Tokens,
    sid: String,
    then: (Moment, UnixTime),
}

impl<'i> Alice<'i> {
    fn new(issuer: &'i Issuer) -> Self {
        let browser = Browser::new(issuer);
        let mut tokens = Vec::new();
        for client in [TOLD, TOLD_TOO] {
            let ask = Ask::of(client);
            let mut answer = browser.get(&ask.url(issuer));
            if is_sign_in(&answer) {
                answer = browser.sign_in(&answer, ALICE);
            }
            let code = Reply::of(&answer).code();
            tokens.push(Tokens::of(&client.redeem(&code, &ask).send(issuer)));
        }
        let tokens = tokens.remove(0);
        let claims = unverified(tokens.id());
        let sid = claims["sid"].as_str().unwrap().to_owned();
        let then = (issuer.inside().memory.moment(), issuer.now());
        Self { issuer, browser, tokens, sid, then }
    }

    /// Everything is as it was, the time too.
    fn back(&self) {
        let inside = self.issuer.inside();
        let (moment, then) = &self.then;
        inside.memory.undo(moment);
        inside.listener.forget();
        let away = self.issuer.now().since(*then);
        inside.jump(-i64::try_from(away).expect("hours"));
    }

    /// Signs out while something goes wrong, and lets a day pass. Says whether it did.
    fn run(&self, what: &str, fails: impl FnOnce(), happened: impl FnOnce() -> bool) -> bool {
        let inside = self.issuer.inside();
        self.back();
        fails();
        let url = self.issuer.at("/end_session");
        let there = append(&url, [("id_token_hint", self.tokens.id())]);
        let answer = self.browser.copy().get(&there);
        let acknowledged = answer.status() == StatusCode::OK;
        inside.ring_alarms();
        let happened = happened();
        inside.memory.mend();
        inside.keys.mend();
        let is_over = is_sign_in(&self.browser.copy().get(&Ask::of(TOLD).url(self.issuer)));
        assert!(is_over || !acknowledged, "{what}: the session is alive");
        inside.pass(86_400);
        for client in [TOLD, TOLD_TOO] {
            let tokens = told(self.issuer, client, &self.sid);
            assert_eq!(is_over, !tokens.is_empty(), "{what}: {} and {is_over}", client.id);
            let jtis: BTreeSet<_> =
                tokens.iter().map(|token| unverified(token)["jti"].to_string()).collect();
            assert_eq!(jtis.len(), tokens.len(), "{what}: each try has a token of its own");
        }
        assert_eq!(inside.memory.first_alarm(), None, "{what}: nothing is left to do");
        happened
    }
}

#[test]
fn lo_09_whichever_storage_operation_fails_who_has_signed_out_is_told_of_and_nobody_else() {
    let issuer = issuer();
    let alice = Alice::new(&issuer);
    let memory = &issuer.inside().memory;
    let places = at_every_place(9, "storage operation", |place| {
        let fails = || memory.fail(Fault::Storage(place));
        alice.run(&format!("storage operation {place}"), fails, || !memory.is_failing())
    });
    println!("{places} places");
}

#[test]
fn lo_09_whichever_command_or_answer_is_lost_who_has_signed_out_is_told_of_and_nobody_else() {
    let issuer = issuer();
    let alice = Alice::new(&issuer);
    let memory = &issuer.inside().memory;
    for fault in [Fault::Command as fn(u32) -> Fault, Fault::Answer] {
        at_every_place(1, "command", |place| {
            let fails = || memory.fail(fault(place));
            alice.run(&format!("{:?}", fault(place)), fails, || !memory.is_failing())
        });
    }
}

#[test]
fn lo_08_whenever_a_key_cannot_be_used_all_are_told_later() {
    let issuer = issuer();
    let alice = Alice::new(&issuer);
    let keys = &issuer.inside().keys;
    // The keys that the hint is checked with are one use; then two of each client.
    at_every_place(5, "use of a key", |place| {
        alice.run(&format!("use {place}"), || keys.fail(place), || !keys.is_failing())
    });
}

#[test]
fn lo_08_whichever_client_does_not_hear_the_other_does() {
    let issuer = issuer();
    let alice = Alice::new(&issuer);
    let inside = issuer.inside();
    for client in [TOLD, TOLD_TOO] {
        for answer in [Answer::Unheard, Answer::Status(500), Answer::Slow(50)] {
            let fails = || inside.listener.answer(client, answer);
            alice.run(&format!("{}, {answer:?}", client.id), fails, || true);
            inside.listener.answer(client, Answer::Status(200));
        }
    }
}

/// The object is put away in the middle of its alarm.
#[test]
fn lo_08_whenever_the_alarm_breaks_off_it_rings_again_and_all_are_told() {
    let issuer = issuer();
    let alice = Alice::new(&issuer);
    let inside = issuer.inside();
    let there = append(&issuer.at("/end_session"), [("id_token_hint", alice.tokens.id())]);
    let turns = at_every_place(3, "turn", |turn| {
        alice.back();
        assert_eq!(alice.browser.copy().get(&there).status(), StatusCode::OK);
        let is_through = inside.ring_alarms_for(turn);
        inside.pass(60);
        for client in [TOLD, TOLD_TOO] {
            let tokens = told(&issuer, client, &alice.sid);
            assert!((1..=2).contains(&tokens.len()), "turn {turn}: {}", tokens.len());
            if is_through {
                assert_eq!(tokens.len(), 1);
            }
        }
        assert_eq!(inside.memory.first_alarm(), None);
        !is_through
    });
    println!("{turns} turns");
}
