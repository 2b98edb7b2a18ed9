//! `oidcc-rp-initiated-logout-certification-test-plan`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use shared::form::encode;
use shared::jose::jws::compact;
use shared::jose::native::SigningKey;
use tests::assertion::Key;
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

/// Whether nobody is signed in at the browser any more: a silent request fails, as the modules have
/// it, and one that may show something shows the sign-in page.
fn is_out(issuer: &Issuer, browser: &Browser<'_, Issuer>) -> bool {
    let silent = Reply::of(&browser.get(&Ask::of(C1).set("prompt", "none").url(issuer)));
    let out = is_sign_in(&browser.get(&Ask::of(C1).url(issuer)));
    assert_eq!(silent.get("error"), out.then_some("login_required"));
    assert_eq!(silent.get("code").is_some(), !out);
    out
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

/// The hint with another header, and signed by somebody else or by nobody.
fn forged(hint: &str, header: &str, key: Option<&SigningKey>) -> String {
    let payload = hint.split('.').nth(1).unwrap();
    let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let signature = key.map_or_else(Vec::new, |key| key.sign(input.as_bytes()).unwrap());
    compact(&input, &signature)
}

#[test]
fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let issuer = issuer();
    let (_, hint) = signed_in(&issuer);
    let hint = forged(&hint, r#"{"alg":"none"}"#, None);
    asked(&issuer, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]);
}

#[test]
fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let issuer = issuer();
    let (_, hint) = signed_in(&issuer);
    let header = URL_SAFE_NO_PAD.decode(hint.split('.').next().unwrap()).unwrap();
    let header = String::from_utf8(header).unwrap();
    // By its header it is signed by the key that the issuer signs with.
    let hint = forged(&hint, &header, Some(&Key::Ec(0xba).private()));
    asked(&issuer, &[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]);
}
