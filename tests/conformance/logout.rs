//! `oidcc-rp-initiated-logout-certification-test-plan`.

use http::{Method, StatusCode};
use shared::form::encode;
use tests::browser::{Browser, Reply, forms, is_sign_in, text};
use tests::client::{Ask, C1, Draft, SignedIn, Tokens, json};
use tests::expect::page;
use tests::world::{Issuer, issuer};

const OUT: &str = "https://app.test/out";

/// Alice, signed in, and her ID token.
fn signed_in(issuer: &Issuer) -> (Browser<'_, Issuer>, String) {
    let signed_in = SignedIn::new(issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    (signed_in.browser, tokens.id().to_owned())
}

fn url(issuer: &Issuer, parameters: &[(&str, &str)]) -> String {
    format!("{}?{}", issuer.at("/end_session"), encode(parameters.iter().copied()))
}

/// Whether nobody is signed in at the browser any more.
fn is_out(issuer: &Issuer, browser: &Browser<'_, Issuer>) -> bool {
    is_sign_in(&browser.get(&Ask::of(C1).url(issuer)))
}

/// The person is asked, says yes, and is out; returns what came of the yes.
fn asked(issuer: &Issuer, parameters: &[(&str, &str)]) -> tests::browser::Form {
    let (browser, _) = signed_in(issuer);
    let answer = browser.get(&url(issuer, parameters));
    assert_eq!(answer.status(), StatusCode::OK);
    page(&answer);
    assert!(!is_out(issuer, &browser), "not before the person has agreed");
    let form = forms(&answer).remove(0);
    let answer = browser.submit(issuer.url(), &form, &[]);
    assert_eq!(answer.status(), StatusCode::OK, "nowhere to go");
    assert!(text(&answer).contains("signed out"));
    assert!(is_out(issuer, &browser));
    form
}

#[test]
fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let issuer = issuer();
    let said = json(&Draft::new(Method::GET, "/.well-known/openid-configuration").send(&issuer));
    assert_eq!(said["end_session_endpoint"], issuer.at("/end_session"));
}

#[test]
fn oidcc_rp_initiated_logout() {
    let issuer = issuer();
    for post in [false, true] {
        let (browser, hint) = signed_in(&issuer);
        let parameters =
            [("id_token_hint", &*hint), ("post_logout_redirect_uri", OUT), ("state", "s t&1")];
        let answer = if post {
            browser.post(&issuer.at("/end_session"), &parameters)
        } else {
            browser.get(&url(&issuer, &parameters))
        };
        let reply = Reply::of(&answer);
        assert_eq!(reply.target, OUT);
        assert_eq!(reply.parameters, [("state".to_owned(), "s t&1".to_owned())]);
        assert!(is_out(&issuer, &browser));
    }
}

#[test]
fn oidcc_rp_initiated_logout_no_state() {
    let issuer = issuer();
    let (browser, hint) = signed_in(&issuer);
    let parameters = [("id_token_hint", &*hint), ("post_logout_redirect_uri", OUT)];
    let reply = Reply::of(&browser.get(&url(&issuer, &parameters)));
    assert_eq!(reply.location, OUT);
}

#[test]
fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let issuer = issuer();
    let (browser, hint) = signed_in(&issuer);
    let answer = browser.get(&url(&issuer, &[("id_token_hint", &hint), ("state", "s")]));
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(text(&answer).contains("signed out"));
    assert!(is_out(&issuer, &browser));
}

#[test]
fn oidcc_rp_initiated_logout_no_params() {
    asked(&issuer(), &[]);
}

#[test]
fn oidcc_rp_initiated_logout_only_state() {
    let form = asked(&issuer(), &[("state", "s")]);
    assert!(form.fields.contains(&("state".to_owned(), "s".to_owned())));
}

#[test]
fn oidcc_rp_initiated_logout_no_id_token_hint() {
    asked(&issuer(), &[("post_logout_redirect_uri", OUT), ("state", "s")]);
}

#[test]
fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let issuer = issuer();
    for uri in ["https://evil.test/out", "https://app.test/out?foo=bar", "https://app.test/cb"] {
        let (browser, hint) = signed_in(&issuer);
        let parameters = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)];
        let answer = browser.get(&url(&issuer, &parameters));
        assert_eq!(answer.status(), StatusCode::OK, "{uri}");
        page(&answer);
        assert!(!text(&answer).contains("app.test/out?") && !text(&answer).contains("evil.test"));
    }
}

#[test]
fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let issuer = issuer();
    let (browser, hint) = signed_in(&issuer);
    let added = format!("{OUT}?foo=bar");
    let parameters = [("id_token_hint", &*hint), ("post_logout_redirect_uri", &added)];
    assert_eq!(browser.get(&url(&issuer, &parameters)).status(), StatusCode::OK);
}

/// The hint with another header or another signature.
fn forged(hint: &str, header: Option<&str>) -> String {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let parts: Vec<_> = hint.split('.').collect();
    match header {
        Some(header) => format!("{}.{}.", encode(header), parts[1]),
        None => format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)),
    }
}

#[test]
fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let issuer = issuer();
    let (_, hint) = signed_in(&issuer);
    let hint = forged(&hint, Some(r#"{"alg":"none"}"#));
    asked(&issuer, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]);
}

#[test]
fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let issuer = issuer();
    let (_, hint) = signed_in(&issuer);
    let hint = forged(&hint, None);
    asked(&issuer, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]);
}
