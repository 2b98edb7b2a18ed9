//! `oidcc-backchannel-rp-initiated-logout-certification-test-plan`.

use http::{Method, StatusCode};
use serde_json::Value;
use shared::form::encode;
use tests::browser::Reply;
use tests::client::{Ask, Draft, SignedIn, TOLD, TOLD_TOO, Tokens, json};
use tests::expect::back;
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
    for (client, out) in [(TOLD, Some("https://told.test/out")), (TOLD_TOO, None)] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let claims = unverified(tokens.id());
        let text = |name: &str| claims[name].as_str().unwrap();
        let mut parameters = vec![("id_token_hint", tokens.id()), ("state", "s")];
        parameters.extend(out.map(|uri| ("post_logout_redirect_uri", uri)));
        let url = format!("{}?{}", issuer.at("/end_session"), encode(parameters));
        let answer = signed_in.browser.get(&url);
        match out {
            Some(out) => assert_eq!(Reply::of(&answer).location, format!("{out}?state=s")),
            None => assert_eq!(answer.status(), StatusCode::OK),
        }
        let ask = Ask::of(client).set("prompt", "none");
        back(&signed_in.browser.get(&ask.url(&issuer)), &issuer, &ask, "login_required");
        let told = told_at_last(&issuer, client, text("sid"));
        assert_eq!(told.len(), 1);
        believe(&issuer, client, &told[0], text("sub"), text("sid"));
    }
}
