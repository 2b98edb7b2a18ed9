//! Modules that come back to a browser in which somebody has signed in, or has not.

use super::{Mode, wait};
use serde_json::{Map, Value};
use shared::fetch::Response;
use tests::believe;
use tests::browser::{Browser, is_sign_in};
use tests::client::{Ask, SignedIn, Tokens};
use tests::people::ALICE;
use tests::world::{Issuer, issuer};

/// A browser in which Alice has signed in.
struct First<'i> {
    browser: Browser<'i, Issuer>,
    tokens: Tokens,
    claims: Map<String, Value>,
}

impl<'i> First<'i> {
    /// And `pause` seconds have passed since.
    fn new(issuer: &'i Issuer, ask: Ask, pause: u64) -> Self {
        let signed_in = SignedIn::new(issuer, ask);
        let tokens = Tokens::of(&signed_in.redeem().send(issuer));
        let claims = believe::id_token(issuer, &signed_in.ask, &tokens);
        wait(issuer, pause);
        Self { browser: signed_in.browser, tokens, claims }
    }

    /// `ask` is answered, and nobody has signed in again.
    fn silently(&self, issuer: &Issuer, mode: Mode, ask: &Ask) {
        let again = mode.claims_of(issuer, ask, &self.browser.get(&ask.url(issuer)));
        for name in ["sub", "auth_time"] {
            assert_eq!(again[name], self.claims[name], "{name}");
        }
    }

    /// The page that `ask` leads to is for signing in, and doing so makes all the difference.
    fn anew(&self, issuer: &Issuer, mode: Mode, ask: &Ask) {
        let page: Response = self.browser.get(&ask.url(issuer));
        assert!(is_sign_in(&page), "the person has to sign in again");
        let again = mode.claims_of(issuer, ask, &self.browser.sign_in(&page, ALICE));
        assert_eq!(again["sub"], self.claims["sub"]);
        assert!(again["auth_time"].as_u64() > self.claims["auth_time"].as_u64());
    }
}

pub(crate) fn oidcc_prompt_login(mode: Mode) {
    let issuer = issuer();
    let first = First::new(&issuer, mode.plain(), 1);
    first.anew(&issuer, mode, &mode.plain().set("prompt", "login"));
}

pub(crate) fn oidcc_prompt_none_not_logged_in(mode: Mode) {
    let issuer = issuer();
    let ask = mode.plain().set("prompt", "none");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    mode.refused(&answer, &issuer, &ask, "login_required");
}

pub(crate) fn oidcc_prompt_none_logged_in(mode: Mode) {
    let issuer = issuer();
    let first = First::new(&issuer, mode.plain(), 1);
    first.silently(&issuer, mode, &mode.plain().set("prompt", "none"));
}

pub(crate) fn oidcc_max_age_1(mode: Mode) {
    let issuer = issuer();
    let first = First::new(&issuer, mode.plain(), 3);
    first.anew(&issuer, mode, &mode.plain().set("max_age", "1"));
}

pub(crate) fn oidcc_max_age_10000(mode: Mode) {
    let issuer = issuer();
    let ask = || mode.plain().set("max_age", "10000");
    let first = First::new(&issuer, ask(), 1);
    first.silently(&issuer, mode, &ask());
}

pub(crate) fn oidcc_id_token_hint(mode: Mode) {
    let issuer = issuer();
    let first = First::new(&issuer, mode.plain(), 1);
    let ask = mode.plain().set("prompt", "none").set("id_token_hint", first.tokens.id());
    first.silently(&issuer, mode, &ask);
}
