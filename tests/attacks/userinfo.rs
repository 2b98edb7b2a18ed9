//! TI: userinfo and revocation.

use http::{Method, StatusCode};
use shared::fetch::Response;
use tests::believe;
use tests::client::{
    API, Ask, C1, C2, C4, C6, Draft, KINDS, SignedIn, Tokens, WAIVED, json, offline_tokens, tokens,
    userinfo,
};
use tests::expect::{error, header, invalid_grant, invalid_request, unauthorized};
use tests::memory::Fault;
use tests::world::{issuer, needs_clock};

fn is_good(answer: &Response) -> bool {
    answer.status() == StatusCode::OK
}

#[test]
fn ti_01_no_token_is_challenged_without_an_error() {
    let issuer = issuer();
    for draft in [
        Draft::new(Method::GET, "/userinfo"),
        Draft::new(Method::POST, "/userinfo"),
        Draft::post("/userinfo", &[("x", "y")]),
    ] {
        let answer = draft.send(&issuer);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let challenge = header(&answer, "www-authenticate");
        assert!(challenge.starts_with("Bearer") && !challenge.contains("error"), "{challenge}");
        assert!(!String::from_utf8_lossy(answer.body()).contains("invalid_token"), "RFC 6750 §3.1");
    }
}

#[test]
fn ti_01_ti_04_nothing_but_a_living_access_token_is_one() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let ours = Tokens::of(&signed_in.redeem().send(&issuer));
    let parts: Vec<_> = ours.access.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    let bare = format!("{}.{}.", parts[0], parts[1]);
    let swapped = format!("{}.{}.{}", parts[0], parts[1], ours.id().split('.').nth(2).unwrap());
    let code = signed_in.reply.code();
    let tampered = format!("{}.{}A.{}", parts[0], parts[1], parts[2]);
    for wrong in [
        "x",
        "a.b.c",
        &none,
        &bare,
        &swapped,
        &tampered,
        ours.id(),
        ours.refresh(),
        &code,
        &ours.access[..ours.access.len() - 2],
        &format!("{}A", ours.access),
    ] {
        unauthorized(&userinfo(wrong).send(&issuer), wrong);
        assert!(is_good(&C1.revoke(wrong.get(..9).unwrap_or("x")).send(&issuer)));
    }
    for line in ["Basic eDp5", "Bearer", "Bearer a b", "bearer"] {
        let draft = Draft::new(Method::GET, "/userinfo").header("authorization", line);
        assert!(draft.send(&issuer).status().is_client_error(), "{line}");
    }
    let draft = userinfo(&ours.access).more_header("authorization", b"Bearer x");
    assert!(draft.send(&issuer).status().is_client_error(), "two headers");
    let draft = Draft::new(Method::GET, "/userinfo").more_header("authorization", b"Bearer \xff");
    assert!(draft.send(&issuer).status().is_client_error(), "not ASCII");
    assert!(is_good(&userinfo(&ours.access).send(&issuer)));
}

#[test]
fn ti_01_an_access_token_ends() {
    let Some(issuer) = needs_clock() else { return };
    for client in KINDS {
        let tokens = offline_tokens(&issuer, client);
        issuer.inside().pass(299);
        assert!(is_good(&userinfo(&tokens.access).send(&issuer)));
        issuer.inside().pass(7);
        unauthorized(&userinfo(&tokens.access).send(&issuer), client.id);
    }
}

#[test]
fn ti_02_ti_03_one_token_in_one_place_and_never_in_the_query() {
    let issuer = issuer();
    let access = tokens(&issuer, C1).access;
    for draft in [
        Draft::new(Method::GET, &format!("/userinfo?access_token={access}")),
        userinfo(&access).to("/userinfo?access_token=x"),
        Draft::post("/userinfo", &[("access_token", &access)]).bearer(&access),
        Draft::post("/userinfo", &[("access_token", "x")]).bearer(&access),
    ] {
        invalid_request(&draft.send(&issuer), "RFC 6750 §2");
    }
    let twice = Draft::post("/userinfo", &[("access_token", &access)]).add("access_token", &access);
    assert!(twice.send(&issuer).status().is_client_error());
}

#[test]
fn ti_05_scope_decides_what_is_told() {
    let issuer = issuer();
    for (scope, wanted) in [
        ("openid", vec!["sub"]),
        ("openid email", vec!["email", "email_verified", "sub"]),
        ("openid phone", vec!["phone_number", "phone_number_verified", "sub"]),
    ] {
        let signed_in = SignedIn::new(&issuer, Ask::of(WAIVED).set("scope", scope));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let told = json(&userinfo(&tokens.access).send(&issuer));
        let mut names: Vec<_> = told.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, wanted);
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(WAIVED).set("scope", "profile"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert_eq!(tokens.id, None, "no openid, no ID token");
    let answer = userinfo(&tokens.access).send(&issuer);
    error(&answer, StatusCode::FORBIDDEN, "insufficient_scope", "no openid");
}

#[test]
fn ti_06_a_token_for_somebody_else_is_not_for_us() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(API).set("scope", "profile"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let claims = believe::access_token(&issuer, &tokens.access, "https://api.test").unwrap();
    assert_eq!(claims["aud"], serde_json::json!(["https://api.test"]));
    unauthorized(&userinfo(&tokens.access).send(&issuer), "aud is the API alone");
}

#[test]
fn ti_13_nobody_revokes_what_is_not_theirs_and_all_are_told_the_same() {
    let issuer = issuer();
    for client in KINDS {
        let tokens = offline_tokens(&issuer, client);
        for other in [C6, C2, C4].into_iter().filter(|other| *other != client) {
            for token in [tokens.refresh(), &*tokens.access, tokens.id()] {
                let answer = other.revoke(token).send(&issuer);
                assert!(is_good(&answer) && answer.body().is_empty());
            }
        }
        assert!(is_good(&userinfo(&tokens.access).send(&issuer)));
        Tokens::of(&client.refresh(tokens.refresh()).send(&issuer));
    }
}

#[test]
fn ti_14_revoking_what_nobody_knows_is_no_error() {
    let issuer = issuer();
    for client in KINDS {
        for token in ["x", "a.b.c", &"A".repeat(150), &"A".repeat(20_000)] {
            assert!(is_good(&client.revoke(token).send(&issuer)));
        }
        invalid_request(&client.revoke("").send(&issuer), "no token");
    }
    let tokens = offline_tokens(&issuer, C1);
    let bent = &tokens.refresh()[..tokens.refresh().len() - 1];
    assert!(is_good(&C1.revoke(bent).send(&issuer)));
    Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn ti_15_ti_18_revoking_ends_everything_whatever_the_hint_says() {
    let issuer = issuer();
    for hint in ["access_token", "refresh_token", "unknown", ""] {
        let tokens = offline_tokens(&issuer, C1);
        for _ in 0..2 {
            let draft = C1.revoke(tokens.refresh()).set("token_type_hint", hint);
            assert!(is_good(&draft.send(&issuer)));
        }
        unauthorized(&userinfo(&tokens.access).send(&issuer), hint);
        invalid_grant(&C1.refresh(tokens.refresh()).send(&issuer), hint);
    }
}

#[test]
fn ti_15_revoking_a_code_that_was_not_redeemed_is_not_its_use() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    assert!(is_good(&C1.revoke(&signed_in.reply.code()).send(&issuer)));
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn ti_16_what_may_be_alive_still_is_not_called_revoked() {
    let Some(issuer) = needs_clock() else { return };
    let memory = &issuer.inside().memory;
    for by_access in [false, true] {
        let tokens = offline_tokens(&issuer, C1);
        let token = if by_access { &*tokens.access } else { tokens.refresh() };
        for operation in 0.. {
            memory.fail(Fault::Storage(operation));
            let answer = C1.revoke(token).send(&issuer);
            if memory.is_failing() {
                assert!(operation >= 2 && is_good(&answer));
                memory.mend();
                break;
            }
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(is_good(&userinfo(&tokens.access).send(&issuer)));
        }
        unauthorized(&userinfo(&tokens.access).send(&issuer), "now it is");
    }
    let tokens = offline_tokens(&issuer, C1);
    memory.fail(Fault::Answer(0));
    let answer = C1.revoke(tokens.refresh()).send(&issuer);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "nobody knows");
}

#[test]
fn ti_19_a_preflight_tells_nothing() {
    let issuer = issuer();
    let answer = Draft::new(Method::OPTIONS, "/userinfo")
        .header("origin", "https://spa.test")
        .header("access-control-request-headers", "authorization")
        .send(&issuer);
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&answer, "access-control-allow-origin"), "https://spa.test");
    assert!(header(&answer, "access-control-allow-headers").contains("authorization"));
    assert!(answer.body().is_empty());
}

#[test]
fn tc_27_an_id_token_opens_nothing_and_an_access_token_identifies_nobody() {
    let issuer = issuer();
    for client in KINDS {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let mut tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        unauthorized(&userinfo(tokens.id()).send(&issuer), client.id);
        assert!(is_good(&client.revoke(tokens.id()).send(&issuer)));
        assert!(is_good(&userinfo(&tokens.access).send(&issuer)), "an ID token revokes nothing");
        tokens.id = Some(tokens.access.clone());
        let nonce = signed_in.ask.get("nonce").unwrap();
        let occasion = shared::rp::id_token::Occasion::SignIn { nonce, max_age: None };
        assert!(believe::by_our_own(&issuer, client, &tokens, occasion).is_err());
    }
}
