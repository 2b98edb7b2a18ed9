//! `oidcc-dynamic-certification-test-plan`, but for what is in `registration.rs`.

use crate::registration::{registers, signs, works};
use http::{Method, StatusCode};
use jsonwebtoken::Algorithm::RS256 as RS;
use serde_json::{Value, json};
use tests::assertion::{Assertion, Key, jwks};
use tests::believe;
use tests::browser::Browser;
use tests::client::{
    Ask, Auth, C1, C5, Client, Draft, EDDSA, MANY, RS256, SIGNED, SignedIn, Tokens, json as object,
    offline_tokens, tokens, userinfo,
};
use tests::expect::{header, invalid_client, local, no_store};
use tests::listener::unverified;
use tests::site::Site;
use tests::world::{Issuer, issuer, needs_clock};

#[test]
fn oidcc_idtoken_rs256() {
    let issuer = issuer();
    works(&issuer, &json!({ "id_token_signed_response_alg": "RS256" }));
    // And for a client that the operator has registered.
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

/// A client of those redirect URIs.
fn at(issuer: &Issuer, uris: &[&str]) -> Client {
    registers(issuer, &json!({ "redirect_uris": uris })).client()
}

#[test]
fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let issuer = issuer();
    let two = at(&issuer, &["https://dyn.test/cb", "https://dyn.test/other"]);
    for client in [MANY, two] {
        let ask = Ask::of(client).without("redirect_uri");
        local(&Browser::new(&issuer).get(&ask.url(&issuer)), "two and none is named");
    }
}

#[test]
fn oidcc_redirect_uri_query_ok() {
    let issuer = issuer();
    let with_query = at(&issuer, &["https://dyn.test/cb?foo=1"]);
    for ask in
        [Ask::of(MANY).set("redirect_uri", "https://many.test/cb?foo=1"), Ask::of(with_query)]
    {
        let signed_in = SignedIn::new(&issuer, ask);
        assert_eq!(signed_in.reply.get("foo"), Some("1"));
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

/// The person is told here, for each of those redirect URIs that are not the client's.
fn refuses(issuer: &Issuer, client: Client, uris: &[&str]) {
    for uri in uris {
        let ask = Ask::of(client).set("redirect_uri", uri);
        local(&Browser::new(issuer).get(&ask.url(issuer)), uri);
    }
}

#[test]
fn oidcc_redirect_uri_query_mismatch() {
    let issuer = issuer();
    let client = at(&issuer, &["https://dyn.test/cb?foo=1"]);
    let wrong = ["https://dyn.test/cb?foo=2", "https://dyn.test/cb", "https://dyn.test/cb?"];
    refuses(&issuer, client, &wrong);
    let wrong = ["https://many.test/cb?foo=2", "https://many.test/cb", "https://many.test/cb?"];
    refuses(&issuer, MANY, &wrong);
}

#[test]
fn oidcc_redirect_uri_query_added() {
    let issuer = issuer();
    refuses(&issuer, at(&issuer, &["https://dyn.test/cb"]), &["https://dyn.test/cb?foo=1"]);
    refuses(&issuer, C1, &["https://app.test/cb?foo=1"]);
    let wrong = ["https://many.test/cb?foo=1&bar=2", "https://many.test/cb?bar=2&foo=1"];
    refuses(&issuer, MANY, &wrong);
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
    let issuer = issuer();
    let site = Site::default();
    let keys = site.publish("/jwks", &jwks(&[Key::Ec(0xc5)]));
    let client = registers(&issuer, &signs(&keys)).client();
    let first = offline_tokens(&issuer, client);
    site.publish("/jwks", &jwks(&[Key::Ec(0xc6)]));
    let draft = client.refresh(first.refresh());
    Tokens::of(&draft.clone().auth(client.id, Auth::PrivateKeyJwt(Key::Ec(0xc6))).send(&issuer));
    invalid_client(&draft.send(&issuer), false, "the key before");
}

#[test]
fn oidcc_userinfo_rs256() {
    let issuer = issuer();
    let registered = registers(&issuer, &json!({ "userinfo_signed_response_alg": "RS256" }));
    for client in [SIGNED, registered.client()] {
        is_told_signed_claims(&issuer, client);
    }
    let refused = userinfo("x").send(&issuer);
    assert_eq!(header(&refused, "content-type"), "application/json", "an error is JSON");
    let plain = userinfo(&tokens(&issuer, C1).access).send(&issuer);
    assert_eq!(header(&plain, "content-type"), "application/json", "nobody else asked for it");
}

fn is_told_signed_claims(issuer: &Issuer, client: Client) {
    let ask = Ask::of(client).set("scope", "openid profile email");
    let tokens = Tokens::of(&SignedIn::new(issuer, ask).redeem().send(issuer));
    let claims = unverified(tokens.id());
    let post = Draft::post("/userinfo", &[("access_token", &tokens.access)]);
    for answer in [userinfo(&tokens.access).send(issuer), post.send(issuer)] {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "content-type"), "application/jwt");
        no_store(&answer);
        let token = std::str::from_utf8(answer.body()).unwrap();
        let required = ["iss", "aud", "sub"];
        let told = believe::signed(issuer, token, RS, "JWT", client.id, &required).unwrap();
        assert_eq!(told["sub"], claims["sub"]);
        assert_eq!(told["aud"], client.id, "OpenID Connect Core §5.3.2");
        assert!(told["email"].is_string() && told["name"].is_string());
        // What could be taken for an ID token has these.
        assert!(["exp", "nonce", "sid", "at_hash"].iter().all(|name| !told.contains_key(*name)));
    }
}

fn kids(issuer: &Issuer) -> Vec<Value> {
    let keys = object(&Draft::new(Method::GET, "/jwks").send(issuer));
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
