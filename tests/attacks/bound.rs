//! PX: what is bound to a key, RFC 9449: which token is good for whom, at every endpoint.

use super::dpop::{KEY, OTHER, bound, good, invalid_proof, is_good, jkt};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{
    API, Ask, Auth, C1, C2, C3, C4, Draft, SERVER, SignedIn, Tokens, bound_userinfo,
    json as object, offline_tokens, userinfo,
};
use tests::dpop::{Proof, thumbprint};
use tests::expect::{error, header, invalid_client, invalid_grant, invalid_request, unauthorized};
use tests::listener::unverified;
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::{issuer, needs_clock};

#[test]
fn without_a_proof_a_token_is_of_whoever_bears_it() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    assert!(!unverified(&tokens.access).contains_key("cnf"));
    let said = object(&C1.introspect(&tokens.access).send(&issuer));
    assert_eq!(said["token_type"], "Bearer");
    assert!(!said.contains_key("cnf"));
}

#[test]
fn px_13_a_bound_token_is_good_with_its_key_alone_and_never_as_bearer() {
    let issuer = issuer();
    for client in [C1, C4] {
        let tokens = bound(&issuer, client);
        let token = &tokens.access;
        unauthorized(&userinfo(token).send(&issuer), "as bearer");
        let answer = userinfo(token).proof(Proof::with(KEY, token)).send(&issuer);
        unauthorized(&answer, "as bearer, with the proof");
        let posted = Draft::post("/userinfo", &[("access_token", token)]);
        let proof = Proof::with(KEY, token).set("htm", "POST");
        unauthorized(&posted.proof(proof).send(&issuer), "in a form");
        for (proof, told) in [
            (Proof::with(OTHER, token), "invalid_token"),
            (Proof::with(KEY, "other"), "invalid_dpop_proof"),
            (Proof::with(KEY, token).set("ath", Value::Null), "invalid_dpop_proof"),
            (Proof::with(KEY, token).set("htm", "POST"), "invalid_dpop_proof"),
            (Proof::with(KEY, token).set("htu", issuer.at("/token")), "invalid_dpop_proof"),
        ] {
            let answer = bound_userinfo(token, proof.clone()).send(&issuer);
            error(&answer, StatusCode::UNAUTHORIZED, told, &format!("{proof:?}"));
            let challenge = header(&answer, "www-authenticate");
            let wanted = format!("DPoP error=\"{told}\", algs=\"ES256 RS256 EdDSA\"");
            assert_eq!(challenge, wanted);
        }
        let bare = Draft::new(Method::GET, "/userinfo");
        let bare = bare.header("authorization", &format!("DPoP {token}")).send(&issuer);
        error(&bare, StatusCode::UNAUTHORIZED, "invalid_dpop_proof", "without a proof");
        assert!(is_good(&bound_userinfo(token, Proof::with(KEY, token)).send(&issuer)));
        let posting = bound_userinfo(token, Proof::with(KEY, token).set("htm", "POST"));
        assert!(is_good(&posting.by(Method::POST).send(&issuer)));
    }
}

#[test]
fn px_13_a_token_of_its_bearer_is_none_of_a_key() {
    let issuer = issuer();
    let token = offline_tokens(&issuer, C1).access;
    let answer = bound_userinfo(&token, Proof::with(KEY, &token)).send(&issuer);
    error(&answer, StatusCode::UNAUTHORIZED, "invalid_token", "by the other scheme");
    assert!(is_good(&userinfo(&token).proof(good()).send(&issuer)), "nobody reads the proof");
}

#[test]
fn px_13_an_administrators_bound_token_does_not_do_as_bearer() {
    let Some(issuer) = needs_clock() else { return };
    let alice = unverified(&offline_tokens(&issuer, C1).access)["sub"].clone();
    issuer.inside().deploy_again(|settings| {
        settings.insert("ADMINS".to_owned(), json!([alice]));
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        clients[0]["scope"] = "openid gatelatch:clients".into();
    });
    let ask = || Ask::of(C1).set("scope", "openid gatelatch:clients");
    let redeem = || SignedIn::new(&issuer, ask()).redeem();
    let register = |token: &str| register(token, &metadata()).send(&issuer);
    let tokens = Tokens::of(&redeem().send(&issuer));
    assert_eq!(register(&tokens.access).status(), StatusCode::CREATED);
    let tokens = Tokens::bound(&redeem().proof(good()).send(&issuer));
    unauthorized(&register(&tokens.access), "bound");
}

#[test]
fn px_14_a_public_client_refreshes_with_the_key_that_it_began_with() {
    let issuer = issuer();
    for client in [C3, C4] {
        let family = bound(&issuer, client);
        let draft = client.refresh(family.refresh());
        invalid_grant(&draft.send(&issuer), "without a proof");
        let other = draft.clone().proof(Proof::of(OTHER)).send(&issuer);
        invalid_grant(&other, "with another key");
        let next = Tokens::bound(&draft.proof(good()).send(&issuer));
        // Whoever has seen them all can neither use nor end it.
        let last = client.refresh(next.refresh()).proof(good());
        let last = Tokens::bound(&last.send(&issuer));
        for old in [&family, &next, &last] {
            invalid_grant(&client.refresh(old.refresh()).send(&issuer), "a thief");
        }
        Tokens::bound(&client.refresh(last.refresh()).proof(good()).send(&issuer));
        // And with the key it is a replay as ever.
        let replay = client.refresh(family.refresh()).proof(good());
        invalid_grant(&replay.send(&issuer), "an old token");
        invalid_grant(&client.refresh(last.refresh()).proof(good()).send(&issuer), "dead");
    }
}

#[test]
fn px_14_a_family_that_began_without_a_key_is_not_made_anybodys() {
    let issuer = issuer();
    for client in [C3, C4] {
        let family = offline_tokens(&issuer, client);
        let draft = client.refresh(family.refresh());
        invalid_grant(&draft.clone().proof(good()).send(&issuer), client.id);
        Tokens::of(&draft.send(&issuer));
    }
}

#[test]
fn rfc9449_5_a_client_that_authenticates_says_each_time_whose_its_token_is() {
    let issuer = issuer();
    for client in [C1, C2] {
        let first = bound(&issuer, client);
        let second = client.refresh(first.refresh()).proof(Proof::of(OTHER));
        let second = Tokens::bound(&second.send(&issuer));
        assert_eq!(jkt(&second.access), thumbprint(OTHER));
        let third = Tokens::of(&client.refresh(second.refresh()).send(&issuer));
        assert_eq!(jkt(&third.access), Value::Null);
        assert!(is_good(&userinfo(&third.access).send(&issuer)));
    }
}

#[test]
fn rt_05_an_answer_is_repeated_to_the_key_that_asks_and_to_a_public_client_of_no_other() {
    let issuer = issuer();
    let first = bound(&issuer, C1);
    let draft = C1.refresh(first.refresh());
    let second = Tokens::bound(&draft.clone().proof(good()).send(&issuer));
    let again = Tokens::bound(&draft.clone().proof(Proof::of(OTHER)).send(&issuer));
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(jkt(&again.access), thumbprint(OTHER));
    Tokens::bound(&C1.refresh(second.refresh()).proof(good()).send(&issuer));

    let first = bound(&issuer, C4);
    let draft = C4.refresh(first.refresh());
    let second = Tokens::bound(&draft.clone().proof(good()).send(&issuer));
    invalid_grant(&draft.clone().proof(Proof::of(OTHER)).send(&issuer), "another key");
    invalid_grant(&draft.send(&issuer), "no key");
    let again = Tokens::bound(&draft.proof(good()).send(&issuer));
    assert_eq!(again.refresh, second.refresh);
    Tokens::bound(&C4.refresh(second.refresh()).proof(good()).send(&issuer));
}

#[test]
fn px_16_a_code_that_was_asked_for_with_a_key_is_redeemed_with_it_alone() {
    let issuer = issuer();
    for client in [C1, C4] {
        let ask = Ask::of(client).set("dpop_jkt", &thumbprint(KEY));
        let redeem = SignedIn::new(&issuer, ask).redeem();
        invalid_grant(&redeem.send(&issuer), "no key");
        invalid_grant(&redeem.clone().proof(Proof::of(OTHER)).send(&issuer), "another key");
        let tokens = Tokens::bound(&redeem.proof(good()).send(&issuer));
        assert_eq!(jkt(&tokens.access), thumbprint(KEY), "{}", client.id);
    }
    let short = &thumbprint(KEY)[1..];
    for bad in ["", "x", short, &format!("{}=", thumbprint(KEY))] {
        let ask = Ask::of(C1).set("dpop_jkt", bad);
        let answer = issuer.ask(tests::browser::request(Method::GET, &ask.url(&issuer)));
        // An empty parameter is as if it were not there, RFC 6749 §3.1.
        let told = (!bad.is_empty()).then_some("invalid_request");
        let is_sent_back = answer.status() == StatusCode::SEE_OTHER;
        let error = is_sent_back.then(|| ask.reply(&answer).get("error").map(str::to_owned));
        assert_eq!(error.flatten().as_deref(), told, "{bad}");
    }
}

#[test]
fn a_bound_token_is_exchanged_by_who_proves_its_key() {
    let issuer = issuer();
    let (home, files) = ("https://api.test", "https://files.test/v1");
    let ask = Ask::of(API).add("resource", home).add("resource", files);
    let redeem = SignedIn::new(&issuer, ask.set("scope", "openid reports.read")).redeem();
    let tokens = Tokens::bound(&redeem.proof(good()).send(&issuer));
    for client in [API, SERVER] {
        let draft = client.exchange(&tokens.access).set("resource", files);
        invalid_request(&draft.send(&issuer), "without a proof");
        invalid_request(&draft.clone().proof(Proof::of(OTHER)).send(&issuer), "another key");
        let narrow = Tokens::bound(&draft.proof(good()).send(&issuer));
        assert_eq!(jkt(&narrow.access), thumbprint(KEY));
        let said = object(&client.introspect(&narrow.access).send(&issuer));
        assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("DPoP")));
    }
    // One of its bearer may become one of a key.
    let free = offline_tokens(&issuer, C1);
    let draft = C1.exchange(&free.access);
    assert_eq!(jkt(&Tokens::of(&draft.send(&issuer)).access), Value::Null);
    let bound = Tokens::bound(&draft.proof(good()).send(&issuer));
    assert_eq!(jkt(&bound.access), thumbprint(KEY));
}

#[test]
fn rfc9449_5_2_a_client_may_have_bound_tokens_and_no_others() {
    let issuer = issuer();
    let metadata = with(&json!({
        "dpop_bound_access_tokens": true,
        "scope": "openid offline_access",
        "grant_types": ["authorization_code", "refresh_token"],
    }));
    let registered = Registered::new(&issuer, INITIAL[0], &metadata);
    assert_eq!(registered.said["dpop_bound_access_tokens"], true);
    let client = registered.client();
    let redeem = SignedIn::new(&issuer, Ask::of(client)).redeem();
    invalid_proof(&redeem.send(&issuer), "a code");
    let tokens = Tokens::bound(&redeem.proof(good()).send(&issuer));
    let refresh = client.refresh(tokens.refresh());
    invalid_proof(&refresh.send(&issuer), "a refresh token");
    Tokens::bound(&refresh.proof(good()).send(&issuer));
    let nobody = client.refresh("x").auth(client.id, Auth::Basic("x"));
    invalid_client(&nobody.send(&issuer), true, "the client comes first");
}
