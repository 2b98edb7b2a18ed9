//! The history of a grant: the model of its rules.
//!
//! It keeps no state but a list of what was handed out and when, and looks every answer up in it:
//! which tokens there are, which is the newest, how long ago it came, how often that was repeated.

use crate::run::{any_of, weighted};
use idp::dpop::Thumbprint;
use idp::grant::{
    Answer, Begun, Binding, Facts, Policy, Redeemed, Redemption, Refresh, Rotation, Seed,
};
use idp::resource::{Resources, Target};
use proptest::prelude::*;
use serde_json::Map;
use shared::pkce::Challenge;
use shared::scope::Scope;
use shared::secret::{Bits, Digest, Verifier};
use shared::time::UnixTime;

/// Of every family.
pub(crate) const SEED: Seed = Seed(Bits::new([7; 32]));
/// The client of every grant.
pub(crate) const CLIENT: &str = "app";
/// How long a code is good.
pub(crate) const CODE_SECONDS: u64 = 60;

const REDIRECT: &str = "https://app.test/cb";

/// What is wrong about a redemption.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    None,
    Code,
    Client,
    Redirect,
    /// There is none where it is asked for, or one where nobody asked.
    VerifierAmiss,
    OtherVerifier,
}

/// What is presented to refresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub(crate) token: Token,
    pub(crate) is_clients: bool,
    is_keys: bool,
    asked: Asked,
}

/// Which token is presented.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    /// One of those handed out, counted back from the newest.
    Issued(usize),
    /// One that would be handed out later.
    Future(u32),
    /// The newest one's name with the secret of its successor.
    Mixed,
    /// The name of one of those handed out, and a secret from nowhere.
    Forged(usize),
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Everything,
    Narrow,
    TooMuch,
}

pub(crate) fn flaws() -> impl Strategy<Value = Flaw> {
    use Flaw::{Client, Code, None, OtherVerifier, Redirect, VerifierAmiss};
    any_of(&[None, Code, Client, Redirect, VerifierAmiss, OtherVerifier])
}

pub(crate) fn tokens() -> impl Strategy<Value = Token> {
    use Token::{Forged, Future, Issued, Mixed};
    weighted(&[
        (20, Issued(0)),
        (10, Issued(1)),
        (1, Issued(2)),
        (1, Issued(7)),
        (1, Future(1)),
        (1, Future(4)),
        (1, Mixed),
        (1, Forged(0)),
        (1, Forged(1)),
    ])
}

pub(crate) fn presented() -> impl Strategy<Value = Presented> {
    let is_clients = weighted(&[(20, true), (1, false)]);
    let asked = weighted(&[(14, Asked::Everything), (2, Asked::Narrow), (1, Asked::TooMuch)]);
    let is_keys = weighted(&[(20, true), (1, false)]);
    (tokens(), is_clients, is_keys, asked).prop_map(|(token, is_clients, is_keys, asked)| {
        Presented { token, is_clients, is_keys, asked }
    })
}

/// The thumbprint of one of the keys there are.
pub(crate) fn key(name: &str) -> Option<Thumbprint> {
    Thumbprint::parse(&Digest::of(name).to_text())
}

/// A scope of these words.
pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

fn verifier(letter: &str) -> Verifier {
    Verifier::new(letter.repeat(43))
}

/// The binding of every code.
pub(crate) fn binding(is_challenged: bool) -> Binding {
    Binding {
        code: Digest::of("code"),
        redirect_uri: REDIRECT.into(),
        challenge: is_challenged.then(|| Challenge::of(&verifier("v"))),
        nonce: Some("n".into()),
        key: None,
    }
}

/// A redemption with this flaw.
pub(crate) fn redemption(flaw: Flaw, is_challenged: bool) -> Redemption {
    let verifier_if = |wanted: bool| wanted.then(|| verifier("v"));
    let right = Redemption {
        code: Digest::of("code"),
        client_id: CLIENT.into(),
        redirect_uri: REDIRECT.into(),
        verifier: verifier_if(is_challenged),
        target: Target::default(),
        is_public: false,
        key: None,
    };
    match flaw {
        Flaw::None => right,
        Flaw::Code => Redemption { code: Digest::of("guess"), ..right },
        Flaw::Client => Redemption { client_id: "evil".into(), ..right },
        Flaw::Redirect => Redemption { redirect_uri: format!("{REDIRECT}/"), ..right },
        Flaw::VerifierAmiss => Redemption { verifier: verifier_if(!is_challenged), ..right },
        Flaw::OtherVerifier => Redemption { verifier: Some(verifier("w")), ..right },
    }
}

/// What happened to a grant that was worth a note.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// The code was redeemed: token 0 came of it.
    Redeemed,
    /// The newest token was used: the next one came of it, in an answer with this scope.
    Rotated(Scope),
    /// The last answer was given again.
    Repeated,
    /// Nothing of this grant is good any more.
    Ended,
}

/// Everything that ever happened to a grant.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) facts: Facts,
    pub(crate) issued_at: UnixTime,
    pub(crate) is_challenged: bool,
    pub(crate) is_public: bool,
    pub(crate) policy: Policy,
    /// What was proved when the code was redeemed.
    pub(crate) key: Option<Thumbprint>,
    events: Vec<(UnixTime, Event)>,
}

impl History {
    pub(crate) fn new(
        facts: Facts,
        issued_at: UnixTime,
        is_challenged: bool,
        is_public: bool,
        policy: Policy,
    ) -> Self {
        let (key, events) = (None, Vec::new());
        Self { facts, issued_at, is_challenged, is_public, policy, key, events }
    }

    /// How much happened.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    fn when(&self, what: &Event) -> Option<UnixTime> {
        self.events.iter().find(|(_, event)| event == what).map(|(at, _)| *at)
    }

    pub(crate) fn ended_at(&self) -> Option<UnixTime> {
        self.when(&Event::Ended)
    }

    /// When the family ends whatever happens, if there is one; without refresh tokens, when its
    /// only access token does.
    pub(crate) fn ends_at(&self) -> Option<UnixTime> {
        let Policy { absolute, access_token, .. } = self.policy;
        let life = if self.facts.refreshable { absolute } else { access_token };
        self.when(&Event::Redeemed).map(|at| at.plus(life))
    }

    /// Whether the code can still be redeemed.
    pub(crate) fn is_waiting(&self, now: UnixTime) -> bool {
        self.events.is_empty() && now < self.code_ends_at()
    }

    /// When the code stops being good.
    pub(crate) fn code_ends_at(&self) -> UnixTime {
        self.issued_at.plus(CODE_SECONDS)
    }

    /// The answers that had a new refresh token in them, each with its time and scope.
    fn answers(&self) -> Vec<(UnixTime, Scope)> {
        let answers = self.events.iter().filter_map(|(at, event)| match event {
            Event::Redeemed => Some((*at, self.facts.scope.clone())),
            Event::Rotated(scope) => Some((*at, scope.clone())),
            Event::Repeated | Event::Ended => None,
        });
        answers.collect()
    }

    /// The number of the newest refresh token.
    pub(crate) fn newest(&self) -> u32 {
        u32::try_from(self.answers().len().saturating_sub(1)).expect("few")
    }

    fn repeats_of_the_last_answer(&self) -> usize {
        let events = self.events.iter().rev();
        events.take_while(|(_, event)| *event == Event::Repeated).count()
    }

    /// The person or the client ends it.
    pub(crate) fn revoke(&mut self, now: UnixTime) {
        if self.ended_at().is_none() {
            self.events.push((now, Event::Ended));
        }
    }

    pub(crate) fn redeem(&mut self, flaw: Flaw, now: UnixTime) -> Redeemed {
        match flaw {
            _ if self.ended_at().is_some() => Redeemed::Revoked,
            Flaw::Code => Redeemed::Unknown,
            Flaw::Client => Redeemed::WrongClient,
            Flaw::Redirect => Redeemed::WrongRedirect,
            Flaw::VerifierAmiss | Flaw::OtherVerifier => Redeemed::WrongVerifier,
            Flaw::None if self.when(&Event::Redeemed).is_some() => {
                self.events.push((now, Event::Ended));
                Redeemed::Reused
            }
            Flaw::None if now >= self.code_ends_at() => Redeemed::Expired,
            Flaw::None => {
                self.events.push((now, Event::Redeemed));
                let nonce = Some("n".into());
                let (facts, resources) = (self.facts.clone(), Resources::default());
                Redeemed::Redeemed(Box::new(Begun {
                    facts,
                    nonce,
                    resources,
                    claims: Map::new(),
                    own: Map::new(),
                }))
            }
        }
    }

    /// The name and secret of a token.
    pub(crate) fn name(&self, token: Token) -> (u32, Bits) {
        let newest = self.newest();
        let back = |by: usize| newest.saturating_sub(u32::try_from(by).expect("few"));
        match token {
            Token::Issued(by) => (back(by), SEED.secret(back(by))),
            Token::Future(ahead) => (newest + ahead, SEED.secret(newest + ahead)),
            Token::Mixed => (newest, SEED.secret(newest + 1)),
            Token::Forged(by) => (back(by), Bits::new([1; 32])),
        }
    }

    /// The number of a token that was handed out.
    pub(crate) fn number(&self, token: Token) -> Option<u32> {
        let is_real = matches!(token, Token::Issued(_)) && !self.answers().is_empty();
        is_real.then(|| self.name(token).0)
    }

    /// The command that presents it.
    pub(crate) fn command(&self, presented: Presented) -> Refresh {
        let Presented { token, is_clients, is_keys, asked } = presented;
        let (generation, secret) = self.name(token);
        let client_id = if is_clients { CLIENT } else { "evil" }.into();
        let scope = match asked {
            Asked::Everything => None,
            Asked::Narrow => Some(scope("openid")),
            Asked::TooMuch => Some(scope("openid email")),
        };
        let (is_public, target) = (self.is_public, Target::default());
        let other = if self.key.is_some() { None } else { key("other") };
        let key = if is_keys { self.key } else { other };
        Refresh { generation, secret, client_id, is_public, scope, target, key }
    }

    /// Whether a client that authenticates would get tokens for it, in one scope or the other.
    pub(crate) fn is_good(&self, token: Token, now: UnixTime) -> bool {
        [Asked::Everything, Asked::Narrow].into_iter().any(|asked| {
            let mut history = Self { is_public: false, ..self.clone() };
            let answer =
                history.refresh(Presented { token, is_clients: true, is_keys: true, asked }, now);
            matches!(answer, Rotation::Rotated(_) | Rotation::Repeated(_))
        })
    }

    /// Rules (i) to (v).
    pub(crate) fn refresh(&mut self, presented: Presented, now: UnixTime) -> Rotation {
        if self.ended_at().is_some() {
            return Rotation::Revoked;
        }
        let number = self.number(presented.token).filter(|_| self.facts.refreshable);
        let (Some(ends_at), Some(number)) = (self.ends_at(), number) else {
            return Rotation::Unknown;
        };
        if !presented.is_clients {
            return Rotation::WrongClient;
        }
        if self.is_public && !presented.is_keys {
            return Rotation::WrongKey;
        }
        let (last, answered) = self.answers().last().expect("redeemed").clone();
        // Any token that came of it keeps it from idling out, also one by a clock that was ahead.
        let answers = self.answers();
        let is_idle = answers.iter().all(|(at, _)| now >= at.plus(self.policy.idle));
        if now >= ends_at || is_idle {
            return Rotation::Expired;
        }
        let asked = self.command(presented).scope.unwrap_or_else(|| self.facts.scope.clone());
        if !asked.within(&self.facts.scope) {
            return Rotation::WrongScope;
        }
        if number == self.newest() {
            self.events.push((now, Event::Rotated(asked.clone())));
            return Rotation::Rotated(self.answer(asked));
        }
        let age = now.since(last);
        let is_in_time = if self.is_public {
            age <= 10 && self.repeats_of_the_last_answer() < 2
        } else {
            age <= 30 || age <= self.policy.access_token
        };
        if number + 1 < self.newest() || !is_in_time {
            self.events.push((now, Event::Ended));
            return Rotation::Reused;
        }
        if asked != answered {
            return Rotation::WrongScope;
        }
        self.events.push((now, Event::Repeated));
        Rotation::Repeated(self.answer(asked))
    }

    fn answer(&self, scope: Scope) -> Answer {
        let (facts, resources) = (self.facts.clone(), Resources::default());
        Answer { facts, scope, resources, generation: self.newest() }
    }
}
