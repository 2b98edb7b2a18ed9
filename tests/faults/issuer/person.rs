//! A person at the issuer, everything that they and their clients were told, and whether it holds.

use crate::{Due, Life, proper};
use http::StatusCode;
use shared::fetch::Response;
use std::iter::repeat;
use tests::assertion::Key;
use tests::browser::{Browser, Reply, is_sign_in};
use tests::client::{
    Ask, C1, C4, Client, Draft, SignedIn, Tokens, bound_userinfo, offline_tokens, tokens, userinfo,
};
use tests::dpop::Proof;
use tests::expect::invalid_grant;
use tests::people::ALICE;
use tests::registration::Registered;
use tests::world::Issuer;

/// A family of refresh tokens, as its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) client: Client,
    /// Every answer that arrived; the last one counts.
    pub(crate) told: Vec<Tokens>,
    pub(crate) life: Life,
    /// The key that it is bound to.
    key: Option<Key>,
}

/// Alice, and the browser in which the flow happens.
#[derive(Debug)]
pub(crate) struct Person<'i> {
    pub(crate) issuer: &'i Issuer,
    pub(crate) browser: Browser<'i, Issuer>,
    pub(crate) session: Life,
    /// Whether the flow has opened that.
    pub(crate) has_begun: bool,
    /// The families: [`BOUND`], [`PUBLIC`], [`OFFLINE`], of another browser, and what else comes.
    pub(crate) families: Vec<Family>,
    /// Codes that arrived and were not redeemed.
    pub(crate) codes: Vec<(Ask, String)>,
    /// A client that was registered at run time, for flows about one.
    pub(crate) registered: Option<Registered>,
    /// When the issuer's clock jumps, and how far.
    pub(crate) jump: (Due, i64),
}

/// The family that ends with the session of this browser.
pub(crate) const BOUND: usize = 0;
/// The same for a client without a secret.
pub(crate) const PUBLIC: usize = 1;
/// The family that outlives the session.
pub(crate) const OFFLINE: usize = 2;

impl Family {
    pub(crate) fn new(client: Client, tokens: Tokens) -> Self {
        Self { client, told: vec![tokens], life: Life::Alive, key: None }
    }

    /// One that is bound to a key, and outlives the session.
    pub(crate) fn proving(issuer: &Issuer, client: Client) -> Self {
        let key = Key::Ec(1);
        let ask = Ask::of(client).set("scope", "openid offline_access");
        let redeem = SignedIn::new(issuer, ask).redeem().proof(Proof::of(key));
        let tokens = Tokens::bound(&redeem.send(issuer));
        Self { key: Some(key), ..Self::new(client, tokens) }
    }

    /// What is in a good answer.
    pub(crate) fn read(&self, answer: &Response) -> Tokens {
        if self.key.is_some() { Tokens::bound(answer) } else { Tokens::of(answer) }
    }

    /// Asks for the person's claims.
    pub(crate) fn userinfo(&self) -> Draft {
        let token = &self.last().access;
        match self.key {
            Some(key) => bound_userinfo(token, Proof::with(key, token)),
            None => userinfo(token),
        }
    }

    pub(crate) fn last(&self) -> &Tokens {
        self.told.last().expect("it began with one")
    }

    pub(crate) fn refresh(&self) -> Draft {
        self.refresh_with(self.last())
    }

    fn refresh_with(&self, tokens: &Tokens) -> Draft {
        let draft = self.client.refresh(tokens.refresh());
        self.key.map_or(draft.clone(), |key| draft.proof(Proof::of(key)))
    }

    /// Tries every refresh token that was ever told, each from the same moment, and the last one
    /// twice.
    fn examine(&self, issuer: &Issuer, what: &str) {
        let memory = &issuer.inside().memory;
        let moment = memory.moment();
        let answer = |tokens: &Tokens| self.refresh_with(tokens).send(issuer);
        let successors: Vec<Option<String>> = self
            .told
            .iter()
            .map(|tokens| {
                let answer = answer(tokens);
                memory.undo(&moment);
                let good = answer.status() == StatusCode::OK;
                good.then(|| self.read(&answer).refresh().to_owned())
            })
            .collect();
        if self.life == Life::Over {
            assert!(successors.iter().all(Option::is_none), "{what}: it was ended");
            return;
        }
        let usable: Vec<_> = (0..self.told.len()).filter(|n| successors[*n].is_some()).collect();
        let last = self.told.len() - 1;
        assert!(usable.contains(&last), "{what}: the last token is dead");
        assert!(usable.iter().all(|n| n + 1 >= last), "{what}: {usable:?} of {last} are alive");
        if usable.len() == 2 {
            let current = Some(self.last().refresh().to_owned());
            assert_eq!(successors[last - 1], current, "{what}: two successors");
        }
        let twice = [self.read(&answer(self.last())), self.read(&answer(self.last()))];
        assert_eq!(twice[0].refresh(), twice[1].refresh(), "{what}: two successors");
        memory.undo(&moment);
    }
}

impl<'i> Person<'i> {
    /// With a session in one browser, and a family of every kind.
    pub(crate) fn new(issuer: &'i Issuer) -> Self {
        let browser = Browser::new(issuer);
        let elsewhere = Family::new(C1, tokens(issuer, C1));
        let offline = Family::new(C1, offline_tokens(issuer, C1));
        let ask = Ask::of(C1);
        let page = browser.get(&ask.url(issuer));
        let code = Reply::of(&browser.sign_in(&page, ALICE)).code();
        let bound = Family::new(C1, Tokens::of(&C1.redeem(&code, &ask).send(issuer)));
        let ask = Ask::of(C4);
        let code = Reply::of(&browser.get(&ask.url(issuer))).code();
        let public = Family::new(C4, Tokens::of(&C4.redeem(&code, &ask).send(issuer)));
        let families = vec![bound, public, offline, elsewhere];
        let (session, has_begun, codes) = (Life::Alive, false, Vec::new());
        let (registered, jump) = (None, Default::default());
        Self { issuer, browser, session, has_begun, families, codes, registered, jump }
    }

    pub(crate) fn copy(&self) -> Self {
        let (families, codes) = (self.families.clone(), self.codes.clone());
        let (browser, registered) = (self.browser.copy(), self.registered.clone());
        Self { browser, families, codes, registered, jump: Default::default(), ..*self }
    }

    /// Time for a clock to jump.
    pub(crate) fn pause(&self) {
        if self.jump.0.is_now() {
            self.issuer.inside().jump(self.jump.1);
        }
    }

    /// A code for a browser that is signed in; the answer, when it is another.
    pub(crate) fn pass(&mut self, ask: Ask) -> Result<(), Response> {
        let answer = self.browser.get(&ask.url(self.issuer));
        self.receive(ask, answer)
    }

    /// Takes a code down, if that is what the answer brings.
    pub(crate) fn receive(&mut self, ask: Ask, answer: Response) -> Result<(), Response> {
        if answer.status() != StatusCode::SEE_OTHER {
            return Err(answer);
        }
        let Some(code) = Reply::of(&answer).get("code").map(str::to_owned) else {
            return Err(answer);
        };
        self.codes.push((ask, code));
        Ok(())
    }

    /// Everything that was told holds. Nothing is changed by looking.
    pub(crate) fn examine(&self, what: &str) {
        self.examine_what_lasts(what);
        self.examine_what_passes(what);
    }

    /// Sessions and families.
    pub(crate) fn examine_what_lasts(&self, what: &str) {
        let memory = &self.issuer.inside().memory;
        let moment = memory.moment();
        let kinds = ["bound", "public", "offline", "elsewhere"].into_iter().chain(repeat("new"));
        for (kind, family) in kinds.zip(&self.families) {
            if family.life == Life::Ending {
                continue;
            }
            family.examine(self.issuer, &format!("{what}, the {kind} family"));
        }
        if self.session != Life::Ending {
            let answer = self.browser.copy().get(&Ask::of(C1).url(self.issuer));
            let alive = answer.status() == StatusCode::SEE_OTHER;
            assert!(alive || is_sign_in(&answer), "{what}: {}", answer.status());
            assert_eq!(alive, self.session == Life::Alive, "{what}: the session of the browser");
        }
        memory.undo(&moment);
    }

    /// Access tokens and codes.
    fn examine_what_passes(&self, what: &str) {
        let memory = &self.issuer.inside().memory;
        let moment = memory.moment();
        for family in self.families.iter().filter(|family| family.life != Life::Ending) {
            let answer = family.userinfo().send(self.issuer);
            let alive = answer.status() == StatusCode::OK;
            assert_eq!(alive, family.life == Life::Alive, "{what}: an access token");
        }
        for (ask, code) in &self.codes {
            let draft = ask.client.redeem(code, ask);
            let tokens = Tokens::of(&draft.send(self.issuer));
            let answer = userinfo(&tokens.access).send(self.issuer);
            assert_eq!(answer.status(), StatusCode::OK, "{what}: what the code gave");
            invalid_grant(&draft.send(self.issuer), what);
        }
        memory.undo(&moment);
    }

    /// What holds for a refusal because something is broken.
    pub(crate) fn excuse(&self, answer: &Response, what: &str) {
        proper(answer, &[], what);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}");
        assert!(!answer.headers().contains_key("set-cookie"), "{what}: nothing was acknowledged");
        let body = String::from_utf8_lossy(answer.body());
        let secrets = self.families.iter().map(|family| family.last().refresh());
        let secrets = secrets.chain(self.codes.iter().map(|(_, code)| code.as_str()));
        for secret in secrets {
            assert!(!body.contains(secret), "{what}: {body}");
        }
    }
}
