//! `oidcc-formpost-basic-certification-test-plan`: what differs from the basic plan.

use tests::believe;
use tests::browser::{Browser, Reply};
use tests::client::{Ask, C1, C2, KINDS, Tokens, WAIVED, json, userinfo};
use tests::expect::{form_post, posted_back};
use tests::people::ALICE;
use tests::world::issuer;

fn posting(ask: Ask) -> Ask {
    ask.set("response_mode", "form_post")
}

#[test]
fn oidcc_server_by_form_post() {
    let issuer = issuer();
    let asks = KINDS.iter().map(|client| Ask::of(*client)).chain([Ask::without_pkce(WAIVED)]);
    for ask in asks.map(posting) {
        let browser = Browser::new(&issuer);
        let page = browser.get(&ask.url(&issuer));
        let answer = browser.sign_in(&page, ALICE);
        form_post(&answer);
        let reply = Reply::posted(&answer);
        let tokens = Tokens::of(&ask.client.redeem(&reply.code(), &ask).send(&issuer));
        let claims = believe::id_token(&issuer, &ask, &tokens);
        assert_eq!(json(&userinfo(&tokens.access).send(&issuer))["sub"], claims["sub"]);
    }
}

#[test]
fn oidcc_response_type_missing_by_form_post() {
    let issuer = issuer();
    let ask = posting(Ask::of(C1)).without("response_type");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    posted_back(&answer, &issuer, &ask, "invalid_request");
}

#[test]
fn oidcc_prompt_none_not_logged_in_by_form_post() {
    let issuer = issuer();
    let ask = posting(Ask::of(C2)).set("prompt", "none");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    posted_back(&answer, &issuer, &ask, "login_required");
}
