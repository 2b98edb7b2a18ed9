//! Who is told of the end of a session, against the list of what happened: an account over the rows
//! of its object, its alarm, and clients that hear or do not.

use crate::history::{binding, scope};
use crate::run::{Checked, Tally, any_of, run, weighted};
use idp::account::{
    Consent, Identity, LOCAL, NewGrant, Proceed, Proceeded, SignIn, SignOut, SignedIn,
};
use idp::config::Config;
use idp::grant::Particulars;
use idp::platform::Objects as _;
use idp::proof::{How, Means, Proof};
use pollster::block_on;
use proptest::prelude::*;
use serde_json::Map;
use shared::secret::Digest;
use std::collections::BTreeSet;
use std::rc::Rc;
use tests::client::{C1, Client, TOLD, TOLD_TOO};
use tests::listener::{Answer, told};
use tests::memory::{Fault, Objects};
use tests::world::{Issuer, NOON, settings, text};
use uuid::Uuid;

const ACCOUNT: Uuid = Uuid::from_u128(7);

/// Two that are to be told, and one that is not.
const CLIENTS: [Client; 3] = [TOLD, TOLD_TOO, C1];

#[derive(Clone, Copy, Debug)]
enum Command {
    /// Somebody signs in, for a client or for none: anew, or in the browser of a session, counted
    /// back from the last.
    SignIn {
        client: Option<usize>,
        earlier: Option<usize>,
    },
    /// The browser of a session asks for a code.
    Proceed {
        session: usize,
        client: usize,
    },
    /// It signs out; the storage operation that fails meanwhile.
    SignOut {
        session: usize,
        fault: Option<u32>,
    },
    /// From now on a client answers like this.
    Answers {
        client: usize,
        answer: Answer,
    },
    /// The alarms ring whose time has come, and are put away after so many turns.
    BreakOff {
        turns: u32,
    },
    Pass {
        seconds: u64,
    },
}

/// A session as it is told.
struct Session {
    id: Uuid,
    /// Which sign-in its cookie is of.
    cookie: usize,
    clients: BTreeSet<usize>,
    is_over: bool,
}

fn sequences() -> impl Strategy<Value = Vec<Command>> {
    let which = || weighted(&[(6, 0), (3, 1), (1, 2)]);
    let client = || any_of(&[0, 1, 2]);
    let answers = any_of(&[
        Answer::Status(200),
        Answer::Unreached,
        Answer::Unheard,
        Answer::Status(500),
        Answer::Status(400),
    ]);
    let earlier = weighted(&[(3, None), (2, Some(0)), (1, Some(1))]);
    let fault = prop_oneof![3 => Just(None), 2 => (0_u32..6).prop_map(Some)];
    let command = prop_oneof![
        3 => (prop::option::weighted(0.8, client()), earlier)
            .prop_map(|(client, earlier)| Command::SignIn { client, earlier }),
        4 => (which(), client()).prop_map(|(session, client)| Command::Proceed { session, client }),
        5 => (which(), fault).prop_map(|(session, fault)| Command::SignOut { session, fault }),
        2 => (any_of(&[0, 1]), answers)
            .prop_map(|(client, answer)| Command::Answers { client, answer }),
        1 => (1_u32..12).prop_map(|turns| Command::BreakOff { turns }),
        2 => any_of(&[0, 1, 10, 60, 300]).prop_map(|seconds| Command::Pass { seconds }),
    ];
    prop::collection::vec(command, 1..14)
}

#[test]
fn lo_09_exactly_the_clients_of_a_session_that_has_ended_are_told_whatever_happens() {
    let outcomes = [
        "signed in anew",
        "signed in again",
        "joined",
        "not signed in",
        "signed out",
        "not signed out",
        "storage failed",
        "told once",
        "told again",
        "not told",
    ];
    let mut settings = settings();
    // Signing with RSA takes its time here, and shows nothing.
    for client in settings["CLIENTS"].as_array_mut().expect("a list") {
        client.as_object_mut().expect("a client").remove("id_token_signed_response_alg");
    }
    let issuer = Issuer::in_process(&settings);
    let config = Config::read(|name| text(&settings, name)).expect("settings");
    let memory = issuer.inside().memory.clone();
    let nothing = memory.moment();
    let objects = Objects { memory, config: Rc::new(config) };
    run(&sequences(), &outcomes, |commands, tally| {
        let inside = issuer.inside();
        inside.memory.undo(&nothing);
        inside.listener.forget();
        inside.rung();
        inside.jump(
            i64::try_from(NOON.0).expect("a time") - i64::try_from(issuer.now().0).expect("a time"),
        );
        let mut pair = Pair {
            issuer: &issuer,
            objects: &objects,
            sign_ins: 0,
            sessions: Vec::new(),
            is_smooth: true,
            tally,
        };
        pair.answers(Answer::Status(200));
        pair.command(Command::SignIn { client: Some(0), earlier: None })?;
        for command in commands {
            pair.command(command)?;
        }
        pair.end()
    });
}

/// The account's object, and what is told of it.
struct Pair<'t> {
    issuer: &'t Issuer,
    objects: &'t Objects,
    sign_ins: usize,
    sessions: Vec<Session>,
    /// Nothing has gone wrong yet, so nothing is said twice.
    is_smooth: bool,
    tally: &'t Tally,
}

fn cookie(sign_in: usize) -> Digest {
    Digest::of(format!("cookie {sign_in}"))
}

impl Pair<'_> {
    fn answers(&self, answer: Answer) {
        for client in [TOLD, TOLD_TOO] {
            self.issuer.inside().listener.answer(client, answer);
        }
    }

    fn at(&self, back: usize) -> usize {
        (self.sessions.len() - 1).saturating_sub(back)
    }

    fn grant(&self, client: usize) -> NewGrant {
        let bound = binding(true);
        NewGrant {
            id: Uuid::from_u128(2_000 + self.sign_ins as u128),
            account: ACCOUNT,
            code: bound.code,
            client_id: CLIENTS[client].id.into(),
            redirect_uri: bound.redirect_uri,
            challenge: bound.challenge,
            nonce: bound.nonce,
            key: bound.key,
            scope: scope("openid"),
            refreshable: true,
            offline: false,
            particulars: Particulars::default(),
            consent: Consent::NotNeeded,
            revised_at: None,
        }
    }

    fn command(&mut self, command: Command) -> Checked {
        let (inside, now) = (self.issuer.inside(), self.issuer.now());
        match command {
            Command::SignIn { client, earlier } => self.sign_in(client, earlier),
            Command::Proceed { session, client } => {
                let index = self.at(session);
                let Session { id, cookie: of, is_over, .. } = self.sessions[index];
                let (cookie, grant) = (cookie(of), self.grant(client));
                let command = Proceed { session: id, cookie, max_age: None, acr: None, grant };
                let answer = block_on(self.objects.proceed(ACCOUNT, command, now));
                let expected = if is_over { Proceeded::SignedOut } else { Proceeded::Issued };
                prop_assert_eq!(answer, Ok(expected));
                if is_over {
                    self.tally.count("not signed in");
                } else {
                    self.sessions[index].clients.insert(client);
                    self.tally.count("joined");
                }
                Ok(())
            }
            Command::SignOut { session, fault } => {
                let index = self.at(session);
                let session = &mut self.sessions[index];
                if let Some(operation) = fault {
                    inside.memory.fail(Fault::Storage(operation));
                }
                let command = SignOut { session: session.id, cookie: cookie(session.cookie) };
                let answer = block_on(self.objects.sign_out(ACCOUNT, command, now));
                let answer = answer.map(|means| means.is_some());
                let failed = fault.is_some() && !inside.memory.is_failing();
                inside.memory.mend();
                if failed {
                    prop_assert!(answer.is_err());
                    self.tally.count("storage failed");
                } else {
                    prop_assert_eq!(answer, Ok(!session.is_over));
                    self.tally.count(if session.is_over { "not signed out" } else { "signed out" });
                    session.is_over = true;
                }
                Ok(())
            }
            Command::Answers { client, answer } => {
                self.is_smooth &= matches!(answer, Answer::Status(200 | 400));
                inside.listener.answer(CLIENTS[client], answer);
                Ok(())
            }
            Command::BreakOff { turns } => {
                self.is_smooth &= inside.ring_alarms_for(turns);
                Ok(())
            }
            Command::Pass { seconds } => {
                inside.pass(seconds);
                Ok(())
            }
        }
    }

    fn sign_in(&mut self, client: Option<usize>, earlier: Option<usize>) -> Checked {
        let (number, now) = (self.sign_ins, self.issuer.now());
        self.sign_ins += 1;
        let earlier = earlier.filter(|_| !self.sessions.is_empty()).map(|back| self.at(back));
        let previous = earlier.map(|index| &self.sessions[index]);
        let fresh = Uuid::from_u128(1_000 + number as u128);
        let account = self.objects.config.accounts.first().expect("an account");
        let identity = Identity { upstream: LOCAL.into(), subject: "alice".into() };
        let means = Means { identity, how: How::Password(account.credential()) };
        let command = SignIn {
            proof: Proof { means, auth_time: now, says_when: true, amr: vec!["pwd".into()] },
            claims: Map::new(),
            round: 0,
            cookie: cookie(number),
            previous: previous.map(|session| (session.id, cookie(session.cookie))),
            session: fresh,
            agent: "A browser".into(),
            grant: client.map(|client| self.grant(client)),
            kept: None,
        };
        let goes_on = previous.filter(|session| !session.is_over).map(|session| session.id);
        let answer = block_on(self.objects.sign_in(ACCOUNT, command, now));
        let session = goes_on.unwrap_or(fresh);
        prop_assert_eq!(answer, Ok(SignedIn::In { session, asking: None }));
        if let (Some(_), Some(index)) = (goes_on, earlier) {
            self.sessions[index].cookie = number;
            self.sessions[index].clients.extend(client);
            self.tally.count("signed in again");
        } else {
            let (cookie, clients) = (number, client.into_iter().collect());
            self.sessions.push(Session { id: fresh, cookie, clients, is_over: false });
            self.tally.count("signed in anew");
        }
        Ok(())
    }

    /// All clients hear in the end, and a day later each has heard what concerns it, and nothing
    /// else.
    fn end(&self) -> Checked {
        let inside = self.issuer.inside();
        self.answers(Answer::Status(200));
        inside.pass(86_400);
        prop_assert_eq!(inside.memory.first_alarm(), None);
        for session in &self.sessions {
            for (index, client) in CLIENTS.into_iter().enumerate() {
                let times = told(self.issuer, client, &session.id.to_string()).len();
                let concerned = session.is_over && client != C1 && session.clients.contains(&index);
                prop_assert_eq!(times > 0, concerned, "{}: {} times", client.id, times);
                prop_assert!(times <= 1 || !self.is_smooth, "{}: {} times", client.id, times);
                self.tally.count(match times {
                    0 => "not told",
                    1 => "told once",
                    _ => "told again",
                });
            }
        }
        Ok(())
    }
}
