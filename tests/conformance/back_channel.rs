//! `oidcc-backchannel-rp-initiated-logout-certification-test-plan`.

use http::{Method, StatusCode};
use serde_json::Value;
use shared::form::encode;
use tests::browser::is_sign_in;
use tests::client::{Ask, Draft, SignedIn, TOLD, TOLD_TOO, Tokens, json};
use tests::listener::{believe, told_at_last, unverified};
use tests::world::issuer;

#[test]
fn oidcc_backchannel_logout_discovery_endpoint_verification() {
    let issuer = issuer();
    let said = json(&Draft::new(Method::GET, "/.well-known/openid-configuration").send(&issuer));
    assert_eq!(said["backchannel_logout_supported"], Value::Bool(true));
    assert_eq!(said["backchannel_logout_session_supported"], Value::Bool(true));
    assert_eq!(said["end_session_endpoint"], issuer.at("/end_session"));
}

#[test]
fn oidcc_backchannel_rp_initiated_logout() {
    let issuer = issuer();
    for client in [TOLD, TOLD_TOO] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let claims = unverified(tokens.id());
        let text = |name: &str| claims[name].as_str().unwrap();
        let query = encode([("id_token_hint", tokens.id())]);
        let answer = signed_in.browser.get(&format!("{}?{query}", issuer.at("/end_session")));
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(is_sign_in(&signed_in.browser.get(&Ask::of(client).url(&issuer))));
        let told = told_at_last(&issuer, client, text("sid"));
        assert_eq!(told.len(), 1);
        believe(&issuer, client, &told[0], text("sub"), text("sid"));
    }
}
