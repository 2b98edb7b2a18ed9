//! Somebody at the gateway, what they were told, and whether it holds.

use super::clock::Whose;
use crate::{Due, Life, proper};
use gateway::session::state::LEASE_SECONDS;
use http::header::RETRY_AFTER;
use http::{Method, StatusCode};
use shared::fetch::Response;
use std::collections::BTreeSet;
use tests::client::{Auth, Client, Tokens, json, userinfo};
use tests::gate::Gate;
use tests::guest::{Guest, SESSION, location};
use tests::memory;
use tests::objects;
use tests::origin::Echo;
use tests::pair::Pair;

/// The gateway as the issuer knows it.
const GATEWAY: Client =
    Client { id: "gateway", auth: Auth::Basic("gateway-secret"), redirect_uri: "" };
/// Longer than any pause that is asked for.
const LONG: u64 = 60;
/// More turns than anything takes that waits for nobody who is away.
const MOST_TURNS: usize = objects::PATIENCE;

/// How often somebody comes back who is told to. The lease of an isolate that was put away runs out
/// by its time where sessions are in a database: nobody there can know that it is gone.
pub(crate) fn patience(pair: &Pair) -> u64 {
    if pair.mode == "postgres" { LEASE_SECONDS } else { 3 }
}

/// Alice, in the browser of the flow and in another one.
#[derive(Debug)]
pub(crate) struct Visitor<'p> {
    pub(crate) guest: Guest<'p>,
    /// None at a gateway where nobody ever was.
    elsewhere: Option<Guest<'p>>,
    pub(crate) life: Life,
    /// Whoever kept the cookies of a session that was ended.
    pub(crate) kept: Option<Guest<'p>>,
    /// The token that an origin got last.
    pub(crate) served: Option<String>,
    /// When whose clock jumps, and how far.
    pub(crate) jump: (Due, Whose, i64),
}

/// Everything that a run changes.
#[derive(Debug)]
pub(crate) struct Moment {
    memory: memory::Moment,
    objects: objects::Moment,
    calls: usize,
    now: u64,
}

/// The gateway in this process.
pub(crate) fn gate(pair: &Pair) -> &Gate {
    pair.needs_clock().expect("these tests are for one process")
}

impl Moment {
    pub(crate) fn of(pair: &Pair) -> Self {
        let (gate, inside) = (gate(pair), pair.issuer.inside());
        let (memory, objects) = (inside.memory.moment(), gate.objects.moment());
        Self { memory, objects, calls: gate.line.len(), now: pair.issuer.now().0 }
    }

    pub(crate) fn undo(&self, pair: &Pair) {
        let (gate, inside) = (gate(pair), pair.issuer.inside());
        inside.memory.undo(&self.memory);
        gate.objects.undo(&self.objects);
        gate.line.forget_after(self.calls);
        // What an isolate knows of a cookie has not happened yet either.
        gate.forget_cookies();
        set(pair, self.now);
    }
}

/// What holds for a refusal because something is broken: whoever was signed in still is, and
/// whoever was not is not.
pub(crate) fn excuse(answer: &Response, also: &[u16], what: &str) {
    proper(answer, also, what);
    assert!(answer.status().is_server_error(), "{what}: {}", answer.status());
    for line in answer.headers().get_all("set-cookie") {
        let line = line.to_str().unwrap();
        assert!(!line.starts_with(SESSION), "{what}: {line}");
    }
}

/// Sets the issuer's clock.
pub(crate) fn set(pair: &Pair, now: u64) {
    let by = i64::try_from(now).unwrap() - i64::try_from(pair.issuer.now().0).unwrap();
    pair.issuer.inside().jump(by);
}

impl<'p> Visitor<'p> {
    /// Somebody who is signed in, here and in another browser.
    pub(crate) fn signed_in(pair: &'p Pair) -> Self {
        let elsewhere = Some(Guest::signed_in(pair));
        let guest = Guest::signed_in(pair);
        Self {
            guest,
            elsewhere,
            life: Life::Alive,
            kept: None,
            served: None,
            jump: Default::default(),
        }
    }

    /// The first person ever.
    pub(crate) fn first(pair: &'p Pair) -> Self {
        let guest = Guest::alice(pair);
        Self {
            guest,
            elsewhere: None,
            life: Life::Ending,
            kept: None,
            served: None,
            jump: Default::default(),
        }
    }

    pub(crate) fn copy(&self) -> Self {
        Self {
            guest: self.guest.copy(),
            elsewhere: self.elsewhere.as_ref().map(Guest::copy),
            life: self.life,
            kept: self.kept.as_ref().map(Guest::copy),
            served: self.served.clone(),
            jump: Default::default(),
        }
    }

    fn pair(&self) -> &'p Pair {
        self.guest.pair
    }

    /// Time for a clock to jump.
    pub(crate) fn pause(&self) {
        let (due, whose, by) = &self.jump;
        if due.is_now() {
            whose.jump(self.pair(), *by);
        }
    }

    /// Goes through a sign-in; the answer that stands in its way, if one does.
    pub(crate) fn sign_in(&mut self) -> Result<(), Response> {
        let redirects = |answer: Response| {
            if answer.status().is_redirection() { Ok(location(&answer)) } else { Err(answer) }
        };
        let browser = &self.guest.browser;
        let there = redirects(browser.get(&self.pair().at("/auth/login?return_to=%2F")))?;
        self.pause();
        let mut answer = browser.get(&there);
        if answer.status() == StatusCode::OK {
            self.pause();
            let form = tests::browser::sign_in_form(&answer);
            let person = self.guest.person;
            let filled = [("username", person.username), ("password", person.password)];
            answer = browser.submit(self.pair().issuer.url(), &form, &filled);
        }
        let callback = redirects(answer)?;
        self.pause();
        let answer = browser.get(&callback);
        if answer.status() != StatusCode::SEE_OTHER {
            return Err(answer);
        }
        assert_eq!(location(&answer), "/");
        assert!(!self.guest.session().is_empty(), "signed in, with nothing to show for it");
        self.life = Life::Alive;
        Ok(())
    }

    /// A page of ours fetches something from the origin.
    pub(crate) fn fetch(&mut self) -> Result<(), Response> {
        let answer = self.guest.script("/echo");
        if answer.status() != StatusCode::OK {
            return Err(answer);
        }
        self.served = Echo::of(&answer).token().map(str::to_owned);
        assert!(self.served.is_some(), "the origin got no token");
        Ok(())
    }

    /// The same three times at once.
    pub(crate) fn fetch_three(&mut self) -> Result<(), Response> {
        let raw = self.guest.raw("GET", "/echo");
        let answers = self.pair().send_all(&[raw.clone(), raw.clone(), raw]);
        for answer in &answers {
            self.guest.browser.take("localhost", answer);
        }
        let refused = answers.into_iter().find(|answer| answer.status() != StatusCode::OK);
        refused.map_or(Ok(()), Err)
    }

    /// It asks who is signed in.
    pub(crate) fn ask_who(&mut self) -> Result<(), Response> {
        let answer = self.guest.send(&Method::GET, "/auth/session", &tests::guest::SCRIPT);
        let good = answer.status() == StatusCode::OK;
        if good && json(&answer)["signed_in"] == (self.life == Life::Alive) {
            Ok(())
        } else {
            Err(answer)
        }
    }

    /// The button.
    pub(crate) fn sign_out(&mut self) -> Result<(), Response> {
        self.life = Life::Ending;
        let kept = self.guest.copy();
        let answer = self.guest.sign_out();
        if answer.status() != StatusCode::SEE_OTHER && answer.status() != StatusCode::OK {
            return Err(answer);
        }
        assert!(self.guest.session().is_empty(), "signed out, and the cookie is there");
        self.life = Life::Over;
        self.kept = Some(kept);
        Ok(())
    }

    /// Waits as long as `answer` says, or as long as anybody would.
    pub(crate) fn wait(&self, answer: &Response) {
        let wait = answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
        gate(self.pair()).pass(wait.map_or(5, |seconds| seconds.parse().unwrap()).min(LONG));
    }

    /// Everything that was told holds, once nothing is wrong any more.
    pub(crate) fn examine(&mut self, what: &str) {
        let pair = self.pair();
        self.examine_families(what);
        let (longest, waits) = (gate(pair).tasks.longest(), pair.mode == "postgres");
        assert!(longest < MOST_TURNS || waits, "{what}: {longest} turns");
        if let Some(other) = &self.elsewhere {
            assert_eq!(other.whoami()["signed_in"], true, "{what}: the other browser");
        }
        match self.life {
            Life::Alive => {
                self.examine_session(what);
                self.examine_token(what);
                self.examine_families(what);
            }
            Life::Over => assert_eq!(self.guest.token(), None, "{what}: signed out"),
            Life::Ending => {}
        }
        if let Some(kept) = self.kept.as_ref().filter(|_| pair.mode != "sealed") {
            pair.outlive_freshness();
            assert_eq!(kept.token(), None, "{what}: a cookie that was kept");
        }
    }

    /// The session serves, now or when we have waited as we were told.
    pub(crate) fn examine_session(&mut self, what: &str) {
        let served = (0..patience(self.pair())).any(|_| match self.fetch() {
            Ok(()) => true,
            Err(answer) => {
                excuse(&answer, &[], what);
                self.wait(&answer);
                false
            }
        });
        assert!(served, "{what}: the session is gone");
    }

    /// What the origin got is good.
    pub(crate) fn examine_token(&self, what: &str) {
        let answer = userinfo(self.served.as_ref().unwrap()).send(&self.pair().issuer);
        assert_eq!(answer.status(), StatusCode::OK, "{what}: the token is dead");
    }

    /// Of all refresh tokens that the issuer ever gave, at most the last of each family can be used,
    /// and the one before it, which gives the last one again.
    pub(crate) fn examine_families(&self, what: &str) {
        let (pair, memory) = (self.pair(), &self.pair().issuer.inside().memory);
        let calls = gate(pair).line.calls("/token");
        let given: BTreeSet<_> = calls.iter().filter_map(|call| call.given.clone()).collect();
        let moment = memory.moment();
        let successor = |token: &String| {
            let answer = GATEWAY.refresh(token).send(&pair.issuer);
            memory.undo(&moment);
            let good = answer.status() == StatusCode::OK;
            good.then(|| (token.clone(), Tokens::of(&answer).refresh().to_owned()))
        };
        let usable: Vec<_> = given.iter().filter_map(successor).collect();
        let is_last = |next: &String| !given.contains(next);
        let last: BTreeSet<_> =
            usable.iter().filter(|(_, next)| is_last(next)).map(|(token, _)| token).collect();
        for (_, next) in usable.iter().filter(|(_, next)| !is_last(next)) {
            assert!(last.contains(next), "{what}: two generations before the last");
        }
        let begun = calls.iter().filter(|call| call.token.is_none() && call.given.is_some());
        assert!(last.len() <= begun.count(), "{what}: two successors");
    }
}
