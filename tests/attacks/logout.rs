//! LO: signing out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use shared::fetch::Response;
use shared::form::encode;
use tests::browser::{Browser, Reply, forms, is_sign_in, posted, text};
use tests::client::{Ask, C1, SignedIn, Tokens, tokens, userinfo};
use tests::expect::{invalid_grant, page};
use tests::memory::Fault;
use tests::people::{ALICE, BOB};
use tests::world::{Issuer, issuer, needs_clock};

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";
const OUT: &str = "https://app.test/out";

fn end(issuer: &Issuer, browser: &Browser<'_, Issuer>, parameters: &[(&str, &str)]) -> Response {
    let query = encode(parameters.iter().copied());
    browser.get(&format!("{}?{query}", issuer.at("/end_session")))
}

fn is_in(issuer: &Issuer, browser: &Browser<'_, Issuer>) -> bool {
    !is_sign_in(&browser.get(&Ask::of(C1).url(issuer)))
}

/// Nobody is sent anywhere: a page, which may ask.
fn stays(answer: &Response, what: &str) {
    assert!(!answer.headers().contains_key("location"), "{what}");
    page(answer);
}

fn alice(issuer: &Issuer) -> (Browser<'_, Issuer>, Tokens) {
    let signed_in = SignedIn::new(issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    (signed_in.browser, tokens)
}

#[test]
fn lo_01_nobody_is_sent_where_the_client_has_not_registered() {
    let issuer = issuer();
    let hint = tokens(&issuer, C1).id().to_owned();
    let long = format!("{OUT}{}", "x".repeat(10_000));
    for uri in [
        "https://evil.test/out",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.test/out/",
        "https://app.test/out?x=1",
        "https://app.test/out#x",
        "https://app.test/out/../evil",
        "https://app.test@evil.test/out",
        "https://app.test.evil.test/out",
        "HTTPS://app.test/out",
        "http://app.test/out",
        "https://app.test/cb",
        "https://post.test/out",
        &long,
    ] {
        // In a browser where nobody is signed in there is nothing to confirm either.
        for parameters in [
            vec![("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)],
            vec![("client_id", "c1"), ("post_logout_redirect_uri", uri)],
            vec![("post_logout_redirect_uri", uri)],
        ] {
            let answer = end(&issuer, &Browser::new(&issuer), &parameters);
            stays(&answer, uri);
            assert!(!text(&answer).contains("evil.test"), "{uri}");
        }
    }
    let unknown = [("post_logout_redirect_uri", OUT)];
    stays(&end(&issuer, &Browser::new(&issuer), &unknown), "nobody says whose it is");
}

#[test]
fn lo_02_nobody_is_signed_out_without_having_been_asked() {
    let issuer = issuer();
    let (browser, _) = alice(&issuer);
    let url = issuer.at("/end_session");
    for parameters in [
        vec![],
        vec![("client_id", "c1"), ("post_logout_redirect_uri", OUT)],
        vec![("confirm", "yes")],
        vec![("id_token_hint", "x")],
    ] {
        let answer = end(&issuer, &browser, &parameters);
        assert_eq!(answer.status(), StatusCode::OK);
        stays(&answer, "asked");
        assert_eq!(forms(&answer).len(), 1);
        assert!(is_in(&issuer, &browser));
    }
    // A yes counts only from our own page, even if the cookies come along.
    for origin in [Some("https://evil.test"), Some("null"), None] {
        let mut request = posted(&url, &[("confirm", "yes")]);
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        stays(&browser.send(request), "a yes from elsewhere");
        assert!(is_in(&issuer, &browser), "{origin:?}");
    }
    browser.post(&url, &[("confirm", "yes")]);
    assert!(!is_in(&issuer, &browser));
}

/// The cookies stay behind, but what such a navigation sets or deletes, browsers obey.
#[test]
fn lo_02_a_post_from_elsewhere_takes_no_cookie_away() {
    let issuer = issuer();
    let (browser, tokens) = alice(&issuer);
    for parameters in [
        vec![("confirm", "yes")],
        vec![],
        vec![("client_id", "c6"), ("post_logout_redirect_uri", "https://evil.test/out")],
    ] {
        let url = issuer.at("/end_session");
        browser.post_from("https://evil.test", &url, &parameters);
        assert!(is_in(&issuer, &browser), "{parameters:?}");
    }
    Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn lo_03_a_hint_that_is_not_ours_is_none() {
    let issuer = issuer();
    let (browser, tokens) = alice(&issuer);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let parts: Vec<_> = tokens.id().split('.').collect();
    let none = format!("{}.{}.", encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1]);
    let none = &none;
    let swapped = format!("{}.{}.{}", parts[0], parts[1], tokens.access.split('.').nth(2).unwrap());
    for hint in [none, &swapped, &tokens.access, tokens.refresh(), "x", "..", &"A".repeat(20_000)] {
        let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", OUT)];
        stays(&end(&issuer, &browser, &parameters), "asked");
        assert!(is_in(&issuer, &browser));
        stays(&end(&issuer, &Browser::new(&issuer), &parameters), "and nobody knows whose it is");
    }
}

#[test]
fn lo_03_a_hint_of_another_client_than_the_one_that_asks_redirects_nobody() {
    let issuer = issuer();
    let (browser, tokens) = alice(&issuer);
    let parameters = [
        ("id_token_hint", tokens.id()),
        ("client_id", "c2"),
        ("post_logout_redirect_uri", "https://post.test/out"),
    ];
    stays(&end(&issuer, &browser, &parameters), "signed in");
    assert!(is_in(&issuer, &browser));
    stays(&end(&issuer, &Browser::new(&issuer), &parameters), "signed out");
}

#[test]
fn lo_03_a_hint_may_have_expired() {
    let Some(issuer) = needs_clock() else { return };
    let (browser, tokens) = alice(&issuer);
    issuer.inside().pass(7200);
    let parameters = [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", OUT)];
    assert_eq!(Reply::of(&end(&issuer, &browser, &parameters)).location, OUT);
    assert!(!is_in(&issuer, &browser));
}

#[test]
fn lo_04_somebody_elses_hint_signs_nobody_out_silently() {
    let issuer = issuer();
    let (browser, _) = alice(&issuer);
    let others = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let others = Tokens::of(&others.redeem().send(&issuer));
    let same_person = Tokens::of(&SignedIn::by(&issuer, Ask::of(C1), ALICE).redeem().send(&issuer));
    for hint in [others.id(), same_person.id()] {
        let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", OUT)];
        let answer = end(&issuer, &browser, &parameters);
        stays(&answer, "asked");
        assert_eq!(forms(&answer).len(), 1);
        assert!(is_in(&issuer, &browser));
    }
}

#[test]
fn lo_05_state_comes_back_once_and_as_it_was() {
    let issuer = issuer();
    for state in ["a\r\nSet-Cookie: b=c", "&x=y#z", "\"><script>", "\u{e9}\u{1f511}"] {
        let (browser, tokens) = alice(&issuer);
        let parameters =
            [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", OUT), ("state", state)];
        let reply = Reply::of(&end(&issuer, &browser, &parameters));
        assert_eq!(reply.parameters, [("state".to_owned(), state.to_owned())]);
        assert_eq!(reply.target, OUT);
    }
    // And on the page that asks, it is text.
    let (browser, _) = alice(&issuer);
    let answer = end(&issuer, &browser, &[("state", "\"><script>alert(1)</script>")]);
    stays(&answer, "asked");
    let fields = &forms(&answer)[0].fields;
    assert!(fields.contains(&("state".into(), "\"><script>alert(1)</script>".into())));
}

#[test]
fn lo_06_lo_10_lo_12_signing_out_kills_the_cookie_the_code_and_the_family() {
    let issuer = issuer();
    let (browser, tokens) = alice(&issuer);
    let stolen = browser.copy();
    let ask = Ask::of(C1);
    let code = Reply::of(&browser.get(&ask.url(&issuer))).code();
    let parameters = [("id_token_hint", tokens.id()), ("post_logout_redirect_uri", OUT)];
    for _ in 0..2 {
        assert_eq!(Reply::of(&end(&issuer, &browser, &parameters)).location, OUT, "idempotent");
        assert_eq!(browser.cookie(HOST, SESSION), None);
    }
    assert!(!is_in(&issuer, &stolen), "the cookie is dead, not only deleted");
    invalid_grant(&C1.redeem(&code, &ask).send(&issuer), "a code");
    invalid_grant(&C1.refresh(tokens.refresh()).send(&issuer), "a refresh token");
    assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::UNAUTHORIZED);
    // With the dead cookie there is still nobody to sign out.
    assert_eq!(Reply::of(&end(&issuer, &stolen, &parameters)).location, OUT);
}

#[test]
fn lo_09_who_may_still_be_signed_in_is_not_told_otherwise() {
    let Some(issuer) = needs_clock() else { return };
    let (browser, tokens) = alice(&issuer);
    for operation in 0..2 {
        issuer.inside().memory.fail(Fault::Storage(operation));
        let answer = end(&issuer, &browser, &[("id_token_hint", tokens.id())]);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(browser.cookie(HOST, SESSION).is_some(), "so that it can be tried again");
        assert!(is_in(&issuer, &browser));
    }
}
