//! Pairwise subjects, OpenID Connect Core §8 and §17.3: what two clients are told does not tell them
//! that it is the same person.

use http::StatusCode;
use serde_json::{Map, Value};
use tests::believe;
use tests::browser::{Browser, Reply, forms, is_sign_in};
use tests::client::{
    Ask, C1, C2, Client, PAIR_A, PAIR_A2, PAIR_B, SERVER, SignedIn, Tokens, json, offline_tokens,
    userinfo,
};
use tests::expect::back;
use tests::people::{ALICE, BOB, Person};
use tests::world::{Issuer, issuer, needs_clock};

/// Everything that one client is told about one person, in a browser where they may be signed in.
struct Told {
    tokens: Tokens,
    id: Map<String, Value>,
    access: Map<String, Value>,
    about: Map<String, Value>,
    code: String,
}

fn told<'i>(
    issuer: &'i Issuer,
    client: Client,
    browser: &Browser<'i, Issuer>,
    who: Person,
) -> Told {
    let ask = Ask::of(client).set("scope", "openid profile email offline_access");
    let page = browser.get(&ask.url(issuer));
    let reply = if is_sign_in(&page) { browser.sign_in(&page, who) } else { page };
    let code = Reply::of(&reply).code();
    let tokens = Tokens::of(&client.redeem(&code, &ask).send(issuer));
    Told {
        id: believe::id_token(issuer, &ask, &tokens),
        access: believe::access_token(issuer, &tokens.access, issuer.url()).unwrap(),
        about: json(&userinfo(&tokens.access).send(issuer)),
        tokens,
        code,
    }
}

fn sub(issuer: &Issuer, client: Client, who: Person) -> String {
    let told = told(issuer, client, &Browser::new(issuer), who);
    let sub = told.id["sub"].as_str().unwrap();
    assert!(sub.len() <= 255 && sub.is_ascii());
    assert_eq!([&told.access["sub"], &told.about["sub"]], [sub; 2], "one name for one person");
    sub.to_owned()
}

#[test]
fn oidc_core_8_1_the_subject_is_the_sectors() {
    let issuer = issuer();
    let [a, a2, b] = [PAIR_A, PAIR_A2, PAIR_B].map(|client| sub(&issuer, client, ALICE));
    assert_eq!(a, a2, "one sector");
    assert_ne!(a, b, "two sectors");
    assert_eq!(a, sub(&issuer, PAIR_A, ALICE), "and it stays");
    let public = sub(&issuer, C1, ALICE);
    assert_eq!(public, sub(&issuer, C2, ALICE));
    assert!(![&a, &b].contains(&&public));
    for client in [PAIR_A, PAIR_B, C1] {
        assert_ne!(sub(&issuer, client, BOB), sub(&issuer, client, ALICE));
    }
}

/// Every text in the values, all the way down.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
        Value::Object(members) => members.values().for_each(|value| texts(value, into)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// What a client could compare with another: everything but what is told to all (`iss`, `acr`, and as an
/// audience the issuer and the resource), what the person is known by anyway, and times.
fn comparable(told: &Told) -> Vec<String> {
    let mut found = vec![told.code.clone(), told.tokens.refresh().to_owned()];
    for claims in [&told.id, &told.access] {
        let mut claims = claims.clone();
        claims.retain(|name, _| {
            !["iss", "aud", "scope", "client_id", "acr"].contains(&name.as_str())
        });
        texts(&Value::Object(claims), &mut found);
    }
    found.push(told.about["sub"].as_str().unwrap().to_owned());
    // The signatures, and whatever else might have been added to the tokens.
    for token in [&*told.tokens.access, told.tokens.id()] {
        found.push(token.rsplit('.').next().unwrap().to_owned());
    }
    found.retain(|text| text.len() > 8);
    assert!(found.len() >= 11, "{found:?}");
    found
}

#[test]
fn oidc_core_17_3_two_sectors_are_told_nothing_that_is_the_same() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let [a, b] = [PAIR_A, PAIR_B].map(|client| {
        let first = told(&issuer, client, &browser, ALICE);
        let next = client.refresh(first.tokens.refresh()).send(&issuer);
        let tokens = Tokens::of(&next);
        let access = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
        let next = Told {
            access,
            tokens,
            id: first.id.clone(),
            about: first.about.clone(),
            code: first.code.clone(),
        };
        [comparable(&first), comparable(&next)].concat()
    });
    let public = comparable(&told(&issuer, C1, &browser, ALICE));
    for (ours, theirs) in [(&a, &b), (&a, &public), (&b, &public)] {
        for one in ours {
            for start in 0..one.len() - 8 {
                let part = &one[start..start + 9];
                assert!(!theirs.iter().any(|other| other.contains(part)), "{part} of {one}");
            }
        }
    }
    // So that this could fail: of one sector it is the same.
    let same = comparable(&told(&issuer, PAIR_A2, &browser, ALICE));
    assert!(a.iter().any(|text| same.contains(text)));
}

#[test]
fn oidc_core_8_1_the_claims_have_the_same_names_for_every_kind_of_client() {
    let issuer = issuer();
    let [public, pairwise] = [C1, PAIR_A].map(|client| {
        let told = told(&issuer, client, &Browser::new(&issuer), ALICE);
        [told.id, told.access].map(|claims| claims.keys().cloned().collect::<Vec<_>>())
    });
    assert_eq!(public, pairwise);
}

#[test]
fn a_pairwise_token_leads_back_to_its_account() {
    let issuer = issuer();
    for client in [PAIR_A, PAIR_B] {
        let first = offline_tokens(&issuer, client);
        let draft = client.refresh(first.refresh());
        let [one, two] =
            [draft.send(&issuer), draft.send(&issuer)].map(|answer| Tokens::of(&answer));
        let jti = |tokens: &Tokens| {
            believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap()["jti"].clone()
        };
        assert_eq!(jti(&one), jti(&two), "a repeated answer");
        assert_ne!(jti(&one), jti(&first));
        assert_eq!(json(&client.introspect(&one.access).send(&issuer))["active"], true);
        assert_eq!(json(&client.introspect(one.refresh()).send(&issuer))["active"], true);
        assert_eq!(client.revoke(&two.access).send(&issuer).status(), StatusCode::OK);
        for token in [&one.access, &two.access, &first.access] {
            assert_eq!(userinfo(token).send(&issuer).status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[test]
fn a_resource_is_told_the_subject_that_is_in_the_token() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, PAIR_B);
    let claims = believe::access_token(&issuer, &tokens.access, "https://api.test").unwrap();
    let told = json(&SERVER.introspect(&tokens.access).send(&issuer));
    for name in ["sub", "sid", "jti"] {
        assert_eq!(told[name], claims[name], "{name}");
    }
    let told = json(&PAIR_B.introspect(tokens.refresh()).send(&issuer));
    assert_eq!([&told["sub"], &told["sid"]], [&claims["sub"], &claims["sid"]]);
}

#[test]
fn az_21_a_pairwise_hint_says_whom_its_client_means() {
    let issuer = issuer();
    let alice = SignedIn::by(&issuer, Ask::of(PAIR_A), ALICE);
    let alices = Tokens::of(&alice.redeem().send(&issuer));
    let bobs = Tokens::of(&SignedIn::by(&issuer, Ask::of(PAIR_A), BOB).redeem().send(&issuer));
    let silent = |client: Client, hint: &str| {
        Ask::of(client).set("prompt", "none").set("id_token_hint", hint)
    };
    for client in [PAIR_A, PAIR_A2] {
        let ask = silent(client, alices.id());
        Reply::of(&alice.browser.get(&ask.url(&issuer))).code();
        let ask = silent(client, bobs.id());
        back(&alice.browser.get(&ask.url(&issuer)), &issuer, &ask, "login_required");
    }
    let ask = Ask::of(PAIR_A).set("id_token_hint", bobs.id());
    let page = alice.browser.get(&ask.url(&issuer));
    back(&alice.browser.sign_in(&page, ALICE), &issuer, &ask, "login_required");
}

/// One shows the other's ID token, and would learn from a code that it is the same person.
#[test]
fn oidc_core_17_3_a_hint_of_another_sector_is_none() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let [a, b, public] =
        [PAIR_A, PAIR_B, C1].map(|client| told(&issuer, client, &browser, ALICE).tokens);
    for (client, hints) in [(PAIR_A, [&b, &public]), (PAIR_B, [&a, &public]), (C1, [&a, &b])] {
        for hint in hints {
            for prompt in ["none", "login"] {
                let ask = Ask::of(client).set("prompt", prompt).set("id_token_hint", hint.id());
                back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "invalid_request");
            }
        }
    }
    let ask = Ask::of(C2).set("prompt", "none").set("id_token_hint", public.id());
    Reply::of(&browser.get(&ask.url(&issuer))).code();
}

#[test]
fn lo_04_a_pairwise_hint_signs_out_its_own_session_and_no_other() {
    let issuer = issuer();
    let end = |browser: &Browser<'_, Issuer>, hint: &str| {
        browser.get(&format!("{}?id_token_hint={hint}", issuer.at("/end_session")))
    };
    let [alice, elsewhere] = [(); 2].map(|()| {
        let signed_in = SignedIn::by(&issuer, Ask::of(PAIR_A), ALICE);
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        (signed_in.browser, tokens)
    });
    let bobs = Tokens::of(&SignedIn::by(&issuer, Ask::of(PAIR_A), BOB).redeem().send(&issuer));
    for hint in [elsewhere.1.id(), bobs.id()] {
        assert_eq!(forms(&end(&alice.0, hint)).len(), 1, "the person is asked");
        assert!(!is_sign_in(&alice.0.get(&Ask::of(PAIR_A).url(&issuer))));
    }
    assert!(forms(&end(&alice.0, alice.1.id())).is_empty(), "at once");
    assert!(is_sign_in(&alice.0.get(&Ask::of(PAIR_A).url(&issuer))));
    assert!(!is_sign_in(&elsewhere.0.get(&Ask::of(PAIR_A).url(&issuer))));
}

#[test]
fn oidc_core_8_1_subjects_survive_new_sealing_keys_and_a_change_of_type() {
    let Some(issuer) = needs_clock() else { return };
    let before = sub(&issuer, PAIR_A, ALICE);
    let tokens = offline_tokens(&issuer, PAIR_A);
    let told = || json(&userinfo(&tokens.access).send(&issuer))["sub"].clone();
    issuer.inside().deploy_again(|settings| {
        let keys = settings["SEALING_KEYS"].as_str().unwrap().to_owned();
        let keys = format!("YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI,{keys}");
        settings.insert("SEALING_KEYS".into(), keys.into());
    });
    assert_eq!(told(), *before);
    let next = Tokens::of(&PAIR_A.refresh(tokens.refresh()).send(&issuer));
    assert_eq!(sub(&issuer, PAIR_A, ALICE), before);
    issuer.inside().deploy_again(|settings| {
        for client in settings["CLIENTS"].as_array_mut().unwrap() {
            client.as_object_mut().unwrap().remove("subject_type");
        }
    });
    assert_eq!(told(), *before, "what a token says of itself stays true");
    assert_ne!(sub(&issuer, PAIR_A, ALICE), before);
    for token in [&tokens.access, &next.access] {
        assert_eq!(json(&PAIR_A.introspect(token).send(&issuer))["sub"], *before);
    }
    assert_eq!(PAIR_A.revoke(&tokens.access).send(&issuer).status(), StatusCode::OK);
    assert_eq!(userinfo(&next.access).send(&issuer).status(), StatusCode::UNAUTHORIZED);
}
