//! AZ: how an authorization response travels: in the query, or in a form that the browser posts.

use crate::authorize::{go, sent_back};
use http::StatusCode;
use tests::browser::{Browser, Reply};
use tests::client::{Ask, C1, C3, C4, MANY, SignedIn, Tokens};
use tests::expect::{back, form_post, local, posted_back};
use tests::people::ALICE;
use tests::world::issuer;

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";

#[test]
fn az_05_a_response_mode_that_nobody_knows_is_refused_in_the_query() {
    let issuer = issuer();
    for mode in ["fragment", "form_post.jwt", "query.jwt", "web_message", "FORM_POST", "bogus"] {
        sent_back(&issuer, &Ask::of(C1).set("response_mode", mode), "invalid_request");
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1).set("response_mode", "query"));
    signed_in.reply.code();
}

#[test]
fn az_05_az_06_what_is_asked_for_by_form_post_comes_by_form_post_errors_too() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    for client in [C1, C3, C4] {
        let ask = Ask::of(client).set("response_mode", "form_post");
        for (ask, error) in [
            (ask.clone().set("prompt", "none"), "login_required"),
            (ask.clone().set("prompt", "none login"), "invalid_request"),
            (ask.clone().set("response_type", "token"), "unsupported_response_type"),
            (ask.clone().set("scope", "admin"), "invalid_scope"),
            (ask.clone().without("code_challenge"), "invalid_request"),
            (ask.clone().set("request", "x"), "request_not_supported"),
        ] {
            posted_back(&Browser::new(&issuer).get(&ask.url(&issuer)), &issuer, &ask, error);
        }
        let answer = Browser::new(&issuer).get(&ask.url(&issuer));
        let answer = browser.sign_in(&answer, ALICE).status();
        assert_eq!(answer, StatusCode::BAD_REQUEST, "begun in another browser");
        let answer = browser.sign_in(&browser.get(&ask.url(&issuer)), ALICE);
        form_post(&answer);
        let reply = Reply::posted(&answer);
        assert_eq!(reply.location, client.redirect_uri);
        assert_eq!((reply.get("iss"), reply.get("state")), (Some(issuer.url()), ask.get("state")));
        let names: Vec<_> = reply.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "state", "iss"]);
        Tokens::of(&client.redeem(&reply.code(), &ask).send(&issuer));
        browser.plant(HOST, SESSION, "");
    }
}

#[test]
fn az_06_nothing_in_a_form_post_becomes_markup_and_the_form_leads_to_the_client_alone() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for state in ["\"><script>alert(1)</script>", "</form><form action=\"//evil.test\">", "'&quot;"]
    {
        let ask = Ask::of(C1).set("response_mode", "form_post").set("state", state);
        let answer = browser.get(&ask.url(&issuer));
        form_post(&answer);
        let reply = Reply::posted(&answer);
        assert_eq!(reply.get("state"), Some(state));
        assert_eq!(reply.location, C1.redirect_uri);
        reply.code();
    }
    // The name of this client is markup.
    let browser = SignedIn::new(&issuer, Ask::of(MANY)).browser;
    form_post(&browser.get(&Ask::of(MANY).set("response_mode", "form_post").url(&issuer)));
}

#[test]
fn az_07_az_09_state_comes_back_once_and_as_it_was_and_so_does_iss() {
    let issuer = issuer();
    let long = "s".repeat(8 * 1024);
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for state in [
        &*long,
        "a\r\nSet-Cookie: b=c",
        "\u{1f511} \u{e9}",
        "&code=x&iss=https://evil.test",
        "\"><script>alert(1)</script>",
        "+ %2B %",
        "#",
    ] {
        let ask = Ask::of(C1).set("state", state);
        let answer = browser.get(&ask.url(&issuer));
        let reply = Reply::of(&answer);
        assert_eq!(reply.get("state"), Some(state));
        assert_eq!(reply.get("iss"), Some(issuer.url()));
        reply.code();
        assert!(!answer.headers().contains_key("set-cookie"));
        let names: Vec<_> = reply.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "state", "iss"]);
        let posted = browser.get(&ask.clone().set("response_mode", "form_post").url(&issuer));
        assert_eq!(Reply::posted(&posted).get("state"), Some(state));
        back(&go(&issuer, &ask.clone().set("prompt", "none")), &issuer, &ask, "login_required");
    }
    // A NUL is in no honest request.
    local(&go(&issuer, &Ask::of(C1).set("state", "a\u{0}b")), "NUL");
}

#[test]
fn az_08_without_a_state_there_is_none_in_the_answer() {
    let issuer = issuer();
    for ask in [Ask::of(C1).without("state"), Ask::of(C1).set("state", "")] {
        let signed_in = SignedIn::new(&issuer, ask);
        assert_eq!(signed_in.reply.get("state"), None);
        assert_eq!(signed_in.reply.get("iss"), Some(issuer.url()));
    }
}
