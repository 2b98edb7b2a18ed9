//! Exchanged tokens, RFC 8693: they end with the grant that they come from, are never good for more
//! than everybody was left whom they came through, and tell nobody another name of the person.

use crate::exchange::{FILES, HOME, claims, exchanged, granted};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tests::browser::Browser;
use tests::client::{
    API, Ask, C1, Client, Draft, FILES_SERVER, PAIR_B, SERVER, SignedIn, THIRD, Tokens,
    json as object, offline_tokens, userinfo,
};
use tests::expect::{error, header, invalid_client, invalid_request, unauthorized};
use tests::memory::Fault;
use tests::registration::{metadata, register};
use tests::world::{Issuer, issuer, needs_clock};

/// What is left of a token: its scope, or nothing.
fn left(issuer: &Issuer, asks: Client, token: &str) -> Option<String> {
    let told = object(&asks.introspect(token).send(issuer));
    let scope = told.get("scope").and_then(Value::as_str).map(str::to_owned);
    assert_eq!(told["active"], scope.is_some(), "{told:?}");
    scope
}

/// The token that the resource gets for another from one that it was shown.
fn pass_on(issuer: &Issuer, token: &str) -> String {
    exchanged(&SERVER.exchange(token).set("resource", FILES).send(issuer)).access
}

fn depth(claims: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = claims.get("act");
    while let Some(actor) = at {
        names.push(actor["sub"].as_str().unwrap().to_owned());
        at = actor.get("act");
    }
    names
}

#[test]
fn rfc8693_1_1_a_token_that_is_exchanged_again_only_narrows() {
    let issuer = issuer();
    let first = granted(&issuer, API, &[HOME, FILES]);
    let draft = API.exchange(&first.access).set("scope", "openid profile").set("resource", HOME);
    let second = exchanged(&draft.send(&issuer)).access;
    for wider in ["reports.read", "openid profile email", "openid profile offline_access"] {
        let answer = API.exchange(&second).set("scope", wider).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_scope", wider);
    }
    // Without a word about it, it is for whom it was for and not for all of the grant.
    let third = exchanged(&API.exchange(&second).set("scope", "profile").send(&issuer));
    let told = claims(&issuer, &third.access);
    assert_eq!((&told["aud"], &told["scope"]), (&json!([HOME]), &json!("profile")));
    let passed = pass_on(&issuer, &third.access);
    let answer = FILES_SERVER.exchange(&passed).set("scope", "openid").set("resource", HOME);
    error(&answer.send(&issuer), StatusCode::BAD_REQUEST, "invalid_scope", "openid is gone");
    let back = exchanged(&FILES_SERVER.exchange(&passed).set("resource", HOME).send(&issuer));
    assert_eq!(back.scope(), ["profile"]);
    let ends = |token: &str| claims(&issuer, token)["exp"].as_u64().unwrap();
    for token in [&second, &third.access, &passed, &back.access] {
        assert!(ends(token) <= ends(&first.access));
    }
}

#[test]
fn rfc8693_4_1_a_token_goes_through_four_hands_and_names_them_all() {
    let issuer = issuer();
    let mut token = granted(&issuer, API, &[HOME, FILES]).access;
    let mut hands = Vec::new();
    for (asks, to) in [(SERVER, FILES), (FILES_SERVER, HOME), (SERVER, FILES), (FILES_SERVER, HOME)]
    {
        token = exchanged(&asks.exchange(&token).set("resource", to).send(&issuer)).access;
        hands.insert(0, asks.id);
        assert_eq!(depth(&claims(&issuer, &token)), hands);
        assert!(left(&issuer, asks, &token).is_some());
        // Its client may narrow it as often as it likes, and stays the one who acts.
        let again = exchanged(&asks.exchange(&token).set("scope", "profile").send(&issuer));
        assert_eq!(depth(&claims(&issuer, &again.access)), hands);
    }
    let answer = SERVER.exchange(&token).set("resource", FILES).send(&issuer);
    invalid_request(&answer, "a fifth");
    exchanged(&FILES_SERVER.exchange(&token).send(&issuer));
}

#[test]
fn rfc9068_2_2_an_exchanged_token_ends_when_the_one_before_does() {
    let Some(issuer) = needs_clock() else { return };
    let shown = granted(&issuer, API, &[HOME, FILES]);
    let ends = claims(&issuer, &shown.access)["exp"].clone();
    for seconds in [0, 100, 199] {
        issuer.inside().pass(seconds);
        for draft in [API.exchange(&shown.access), SERVER.exchange(&shown.access)] {
            let new = exchanged(&draft.set("resource", FILES).send(&issuer));
            let told = claims(&issuer, &new.access);
            assert_eq!((&told["exp"], &told["iat"]), (&ends, &json!(issuer.now().0)));
            assert_eq!(new.said["expires_in"], ends.as_u64().unwrap() - issuer.now().0);
        }
    }
    let last = pass_on(&issuer, &shown.access);
    issuer.inside().pass(1);
    invalid_request(&API.exchange(&shown.access).send(&issuer), "to the second");
    assert_eq!(left(&issuer, FILES_SERVER, &last), None);
    // A clock that comes back, or an issuer that shortens the life of tokens, is no reason for more.
    let fresh = granted(&issuer, API, &[HOME, FILES]);
    issuer.inside().deploy_again(|settings| {
        settings.insert("ACCESS_TOKEN_SECONDS".into(), json!(60));
    });
    let short = exchanged(&API.exchange(&fresh.access).send(&issuer));
    assert_eq!(short.said["expires_in"], 60);
}

#[test]
fn rfc9068_2_2_an_exchanged_token_ends_when_the_grant_does() {
    let Some(issuer) = needs_clock() else { return };
    issuer.inside().deploy_again(|settings| {
        for name in ["REFRESH_ABSOLUTE_SECONDS", "REFRESH_IDLE_SECONDS"] {
            settings.insert(name.into(), json!(400));
        }
    });
    let first = granted(&issuer, API, &[HOME, FILES]);
    issuer.inside().pass(250);
    let next = Tokens::of(&API.refresh(first.refresh()).send(&issuer));
    let new = exchanged(&SERVER.exchange(&next.access).set("resource", FILES).send(&issuer));
    assert_eq!(new.said["expires_in"], 150);
}

/// Something that happens, and to whom.
type Befall<'a> = &'a dyn Fn(&Issuer, &Tokens, &Browser<'_, Issuer>);

/// What is left of a token that was passed on, once something has happened: to the resource, and at
/// userinfo.
fn after(issuer: &Issuer, befall: Befall<'_>) -> (Option<String>, StatusCode) {
    let scope = "openid profile reports.read";
    let ask = Ask::of(API).add("resource", HOME).add("resource", FILES).set("scope", scope);
    let signed_in = SignedIn::new(issuer, ask);
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    let passed = pass_on(issuer, &tokens.access);
    assert_eq!(left(issuer, FILES_SERVER, &passed).as_deref(), Some(scope));
    assert_eq!(userinfo(&passed).send(issuer).status(), StatusCode::OK);
    befall(issuer, &tokens, &signed_in.browser);
    let rest = left(issuer, FILES_SERVER, &passed);
    let told = userinfo(&passed).send(issuer);
    let next = FILES_SERVER.exchange(&passed).set("resource", HOME).send(issuer);
    assert_eq!(next.status() == StatusCode::OK, rest.is_some(), "nobody else passes it on");
    if told.status() == StatusCode::UNAUTHORIZED {
        unauthorized(&told, "no userinfo either");
    } else if let (Some(rest), StatusCode::OK) = (&rest, told.status()) {
        assert_eq!(object(&told).contains_key("name"), rest.contains("profile"), "{rest}");
    }
    (rest, told.status())
}

const ENDED: (Option<String>, StatusCode) = (None, StatusCode::UNAUTHORIZED);

#[test]
fn ti_10_whatever_ends_the_grant_ends_what_was_passed_on() {
    let issuer = issuer();
    let revoked = after(&issuer, &|issuer, tokens, _| {
        API.revoke(tokens.refresh()).send(issuer);
    });
    assert_eq!(revoked, ENDED);
    let by_access = after(&issuer, &|issuer, tokens, _| {
        API.revoke(&tokens.access).send(issuer);
    });
    assert_eq!(by_access, ENDED);
    let signed_out = after(&issuer, &|issuer, tokens, browser| {
        let url = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
        browser.get(&url);
    });
    assert_eq!(signed_out, ENDED);
    let reused = after(&issuer, &|issuer, tokens, _| {
        let next = Tokens::of(&API.refresh(tokens.refresh()).send(issuer));
        Tokens::of(&API.refresh(next.refresh()).send(issuer));
        API.refresh(tokens.refresh()).send(issuer);
    });
    assert_eq!(reused, ENDED);
}

/// Changes a member of a client in the settings.
fn deploy(issuer: &Issuer, client: Client, change: impl FnOnce(&mut Map<String, Value>)) {
    issuer.inside().deploy_again(|settings| {
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        let found = clients.iter_mut().find(|entry| entry["client_id"] == client.id).unwrap();
        change(found.as_object_mut().unwrap());
    });
}

#[test]
fn ti_10_fd_38_who_is_gone_or_disabled_has_nothing_passed_on_any_more() {
    for gone in [API, SERVER] {
        let Some(issuer) = needs_clock() else { return };
        let after = after(&issuer, &|issuer, _, _| {
            issuer.inside().deploy_again(|settings| {
                let clients = settings["CLIENTS"].as_array_mut().unwrap();
                clients.retain(|entry| entry["client_id"] != gone.id);
            });
        });
        assert_eq!(after, ENDED, "{}", gone.id);
    }
    for setting in ["DISABLED_ACCOUNTS", "ACCOUNTS"] {
        let Some(issuer) = needs_clock() else { return };
        let after = after(&issuer, &|issuer, tokens, _| {
            let sub = claims(issuer, &tokens.access)["sub"].clone();
            issuer.inside().deploy_again(|settings| {
                let value = if setting == "ACCOUNTS" { json!([]) } else { json!([sub]) };
                settings.insert(setting.into(), value);
            });
        });
        assert_eq!(after, ENDED, "{setting}");
    }
}

#[test]
fn rt_10_what_was_taken_from_anybody_on_the_way_is_taken_from_what_was_passed_on() {
    for client in [API, SERVER] {
        let Some(issuer) = needs_clock() else { return };
        let after = after(&issuer, &|issuer, _, _| {
            deploy(issuer, client, |entry| drop(entry.insert("scope".into(), json!("openid"))));
        });
        assert_eq!(after, (Some("openid".to_owned()), StatusCode::OK), "{}", client.id);
        let Some(issuer) = needs_clock() else { return };
        let after = self::after(&issuer, &|issuer, _, _| {
            deploy(issuer, client, |entry| drop(entry.insert("scope".into(), json!("profile"))));
        });
        assert_eq!(after, (Some("profile".to_owned()), StatusCode::FORBIDDEN), "{}", client.id);
    }
    // The resource was taken from either: what is left is what `openid` is good for at the issuer.
    for client in [API, SERVER] {
        let Some(issuer) = needs_clock() else { return };
        let after = after(&issuer, &|issuer, _, _| {
            deploy(issuer, client, |entry| drop(entry.remove("resources")));
            let bare = granted(issuer, API, &[HOME]);
            let answer = SERVER.exchange(&bare.access).set("resource", FILES).send(issuer);
            error(&answer, StatusCode::BAD_REQUEST, "invalid_target", client.id);
        });
        assert_eq!(after, (None, StatusCode::OK), "{}: the resource is told nothing", client.id);
    }
}

#[test]
fn rt_10_who_passed_it_on_through_others_counts_as_well() {
    let Some(issuer) = needs_clock() else { return };
    let shown = granted(&issuer, API, &[HOME, FILES]).access;
    let passed = pass_on(&issuer, &shown);
    let back = FILES_SERVER.exchange(&passed).set("resource", HOME).send(&issuer);
    let back = exchanged(&back).access;
    let scope = || left(&issuer, FILES_SERVER, &back);
    assert_eq!(scope().as_deref(), Some("openid profile reports.read"));
    deploy(&issuer, SERVER, |entry| drop(entry.insert("scope".into(), json!("openid profile"))));
    assert_eq!(scope().as_deref(), Some("openid profile"));
    issuer.inside().deploy_again(|settings| {
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        clients.retain(|entry| entry["client_id"] != SERVER.id);
    });
    assert_eq!(scope(), None);
}

#[test]
fn ui_09_withdrawing_consent_ends_what_was_exchanged_for_it() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(THIRD));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let new = exchanged(&THIRD.exchange(&tokens.access).set("scope", "openid").send(&issuer));
    assert!(left(&issuer, THIRD, &new.access).is_some());
    signed_in.browser.post(&issuer.at("/account"), &[("app", THIRD.id)]);
    assert_eq!(left(&issuer, THIRD, &new.access), None);
    unauthorized(&userinfo(&new.access).send(&issuer), "withdrawn");
    invalid_request(&THIRD.exchange(&tokens.access).send(&issuer), "withdrawn");
}

#[test]
fn rfc7009_2_2_1_a_resource_cannot_end_the_grant_of_the_client_that_called_it() {
    let issuer = issuer();
    let tokens = granted(&issuer, API, &[HOME, FILES]);
    let passed = pass_on(&issuer, &tokens.access);
    let answer = SERVER.revoke(&passed).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "unsupported_token_type", "its own");
    for other in [API, FILES_SERVER, C1] {
        assert_eq!(other.revoke(&passed).send(&issuer).status(), StatusCode::OK, "{}", other.id);
    }
    assert!(left(&issuer, FILES_SERVER, &passed).is_some(), "nothing has ended");
    Tokens::of(&API.refresh(tokens.refresh()).send(&issuer));
    // What a client got for a token of its own is such a token of its own.
    let own = exchanged(&API.exchange(&tokens.access).send(&issuer)).access;
    assert_eq!(API.revoke(&own).send(&issuer).status(), StatusCode::OK);
    assert_eq!(left(&issuer, FILES_SERVER, &passed), None);
}

#[test]
fn oidc_core_17_3_nobody_learns_another_name_of_the_person_by_exchanging() {
    let issuer = issuer();
    let public = claims(&issuer, &offline_tokens(&issuer, API).access)["sub"].clone();
    let first = granted(&issuer, PAIR_B, &["https://api.test", FILES]).access;
    let passed = pass_on(&issuer, &first);
    let back = FILES_SERVER.exchange(&passed).set("resource", HOME).send(&issuer);
    let back = exchanged(&back).access;
    let before = claims(&issuer, &first);
    for token in [&passed, &back] {
        let told = claims(&issuer, token);
        assert_eq!([&told["sub"], &told["sid"]], [&before["sub"], &before["sid"]]);
        assert!(!format!("{told:?}").contains(public.as_str().unwrap()));
        let about = object(&userinfo(token).send(&issuer));
        assert_eq!(about["sub"], before["sub"]);
        assert!(left(&issuer, FILES_SERVER, token).is_some(), "it leads back to the account");
    }
    // A pairwise resource learns of a public client's token no name of its own either.
    let shown = granted(&issuer, API, &[HOME, FILES]).access;
    let passed = pass_on(&issuer, &shown);
    let told = exchanged(&FILES_SERVER.exchange(&passed).set("resource", HOME).send(&issuer));
    assert_eq!(claims(&issuer, &told.access)["sub"], public);
}

#[test]
fn oidc_core_5_5_what_the_client_asked_for_singly_is_not_told_to_a_resource() {
    let issuer = issuer();
    let ask = Ask::of(API).add("resource", HOME).add("resource", FILES);
    let ask = ask.set("claims", r#"{"userinfo":{"email":null}}"#);
    let shown = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer)).access;
    let about = |token: &str| object(&userinfo(token).send(&issuer));
    assert!(about(&shown).contains_key("email"));
    let passed = pass_on(&issuer, &shown);
    assert_eq!(about(&passed).keys().collect::<Vec<_>>(), ["sub"]);
}

#[test]
fn rg_08_a_resource_registers_nobody_by_what_an_administrator_showed_it() {
    let Some(issuer) = needs_clock() else { return };
    let alice = claims(&issuer, &offline_tokens(&issuer, C1).access)["sub"].clone();
    let scope = "openid gatelatch:clients";
    issuer.inside().deploy_again(|settings| drop(settings.insert("ADMINS".into(), json!([alice]))));
    deploy(&issuer, API, |entry| {
        entry.insert("scope".into(), json!(scope));
        entry.insert("resources".into(), json!([issuer.url()]));
    });
    deploy(&issuer, SERVER, |entry| drop(entry.insert("scope".into(), json!(scope))));
    let ask = Ask::of(API).add("resource", HOME).add("resource", issuer.url()).set("scope", scope);
    let shown = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer)).access;
    let narrow = |client: Client| {
        let draft = client.exchange(&shown).set("resource", issuer.url());
        exchanged(&draft.send(&issuer)).access
    };
    let theirs = narrow(SERVER);
    assert_eq!(claims(&issuer, &theirs)["aud"], json!([issuer.url()]));
    unauthorized(&register(&theirs, &metadata()).send(&issuer), "a resource");
    let own = narrow(API);
    assert_eq!(register(&own, &metadata()).send(&issuer).status(), StatusCode::CREATED);
}

#[test]
fn ti_16_what_nobody_could_find_out_about_is_not_exchanged_and_nothing_is_stored() {
    let Some(issuer) = needs_clock() else { return };
    let (memory, keys) = (&issuer.inside().memory, &issuer.inside().keys);
    let shown = granted(&issuer, API, &[HOME, FILES]).access;
    let before = memory.dump();
    let draft = SERVER.exchange(&shown).set("resource", FILES);
    let unavailable = |draft: &Draft| {
        let answer = draft.send(&issuer);
        error(&answer, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "a fault");
        assert_eq!(header(&answer, "retry-after"), "1");
    };
    for operation in 0..2 {
        memory.fail(Fault::Storage(operation));
        unavailable(&draft);
        assert!(!memory.is_failing());
    }
    for fault in [Fault::Command(0), Fault::Answer(0)] {
        memory.fail(fault);
        unavailable(&draft);
        assert!(!memory.is_failing());
    }
    for use_of_a_key in 0..3 {
        keys.fail(use_of_a_key);
        unavailable(&draft);
        assert!(!keys.is_failing());
    }
    exchanged(&draft.send(&issuer));
    let wrong = draft.clone().auth("rs", tests::client::Auth::Basic("x"));
    invalid_client(&wrong.send(&issuer), true, "a wrong secret");
    assert_eq!(memory.dump(), before);
}
