//! `oidcc-dynamic-certification-test-plan`, with clients that are registered already.

use http::{Method, StatusCode};
use jsonwebtoken::Algorithm::RS256 as RS;
use serde_json::Value;
use tests::assertion::{self, Assertion, Key};
use tests::believe;
use tests::browser::Browser;
use tests::client::{
    AFAR, Ask, Auth, C1, C5, Draft, EDDSA, MANY, RS256, SIGNED, SignedIn, Tokens, json,
    offline_tokens, tokens, userinfo,
};
use tests::expect::{header, invalid_client, local, no_store};
use tests::world::{Issuer, issuer, needs_clock};

#[test]
fn oidcc_idtoken_rs256() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(RS256));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    believe::id_token(&issuer, &signed_in.ask, &tokens);
}

#[test]
fn rfc8037_an_id_token_is_signed_with_eddsa_for_who_asks_for_it() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(EDDSA));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    believe::id_token(&issuer, &signed_in.ask, &tokens);
}

#[test]
fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let issuer = issuer();
    let ask = Ask::of(MANY).without("redirect_uri");
    local(&Browser::new(&issuer).get(&ask.url(&issuer)), "two are registered and none is named");
}

const WITH_QUERY: &str = "https://many.test/cb?foo=1";

#[test]
fn oidcc_redirect_uri_query_ok() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(MANY).set("redirect_uri", WITH_QUERY));
    assert_eq!(signed_in.reply.get("foo"), Some("1"));
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn oidcc_redirect_uri_query_mismatch() {
    let issuer = issuer();
    for uri in ["https://many.test/cb?foo=2", "https://many.test/cb", "https://many.test/cb?"] {
        let ask = Ask::of(MANY).set("redirect_uri", uri);
        local(&Browser::new(&issuer).get(&ask.url(&issuer)), uri);
    }
}

#[test]
fn oidcc_redirect_uri_query_added() {
    let issuer = issuer();
    for (client, uri) in [
        (C1, "https://app.test/cb?foo=1"),
        (MANY, "https://many.test/cb?foo=1&bar=2"),
        (MANY, "https://many.test/cb?bar=2&foo=1"),
    ] {
        let ask = Ask::of(client).set("redirect_uri", uri);
        local(&Browser::new(&issuer).get(&ask.url(&issuer)), uri);
    }
}

#[test]
fn oidcc_ensure_client_assertion_with_iss_aud_succeeds() {
    let issuer = issuer();
    for aud in [issuer.url(), &issuer.at("/token")] {
        let assertion = Assertion::of(C5.id, Key::Ec(0xc5)).set("aud", aud);
        let signed_in = SignedIn::new(&issuer, Ask::of(C5));
        Tokens::of(&signed_in.redeem().assertion(assertion).send(&issuer));
    }
}

#[test]
fn oidcc_refresh_token_rp_key_rotation() {
    let Some(issuer) = needs_clock() else { return };
    let first = offline_tokens(&issuer, AFAR);
    let elsewhere = &issuer.inside().elsewhere;
    elsewhere.put(assertion::AFAR, StatusCode::OK, &assertion::jwks(&[Key::Ec(0xc6)]));
    let draft = AFAR.refresh(first.refresh());
    Tokens::of(&draft.clone().auth(AFAR.id, Auth::PrivateKeyJwt(Key::Ec(0xc6))).send(&issuer));
    invalid_client(&draft.send(&issuer), false, "the key before");
}

#[test]
fn oidcc_userinfo_rs256() {
    let issuer = issuer();
    let ask = Ask::of(SIGNED).set("scope", "openid profile email");
    let signed_in = SignedIn::new(&issuer, ask);
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let claims = believe::id_token(&issuer, &signed_in.ask, &tokens);
    let post = Draft::post("/userinfo", &[("access_token", &tokens.access)]);
    for answer in [userinfo(&tokens.access).send(&issuer), post.send(&issuer)] {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "content-type"), "application/jwt");
        no_store(&answer);
        let token = std::str::from_utf8(answer.body()).unwrap();
        let required = ["iss", "aud", "sub"];
        let told = believe::signed(&issuer, token, RS, "JWT", SIGNED.id, &required).unwrap();
        assert_eq!(told["sub"], claims["sub"]);
        assert_eq!(told["aud"], SIGNED.id, "OpenID Connect Core §5.3.2");
        assert!(told["email"].is_string() && told["name"].is_string());
        // What could be taken for an ID token has these.
        assert!(["exp", "nonce", "sid", "at_hash"].iter().all(|name| !told.contains_key(*name)));
    }
    let refused = userinfo("x").send(&issuer);
    assert_eq!(header(&refused, "content-type"), "application/json", "an error is JSON");
    let plain = userinfo(&tests::client::tokens(&issuer, C1).access).send(&issuer);
    assert_eq!(header(&plain, "content-type"), "application/json", "nobody else asked for it");
}

fn kids(issuer: &Issuer) -> Vec<Value> {
    let keys = json(&Draft::new(Method::GET, "/jwks").send(issuer));
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

#[test]
fn oidcc_server_rotate_keys() {
    let Some(issuer) = needs_clock() else { return };
    let before = kids(&issuer);
    // Somebody looks at the keys every hour, as somebody does.
    let mut rotated = false;
    for _ in 0..31 * 24 {
        issuer.inside().pass(3600);
        let now = kids(&issuer);
        assert!(now.len() <= 6);
        if now.iter().any(|kid| !before.contains(kid)) && !rotated {
            rotated = true;
            assert!(before.iter().all(|kid| now.contains(kid)), "the old ones stay for a while");
        }
    }
    assert!(rotated);
    let after = kids(&issuer);
    assert!(before.iter().all(|kid| !after.contains(kid)), "and go in the end");
    let answer = tokens(&issuer, RS256);
    believe::access_token(&issuer, &answer.access, issuer.url()).unwrap();
}
