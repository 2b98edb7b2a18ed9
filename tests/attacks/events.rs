//! LK: what stands in the log: what happened, under the reference that the person was shown, and
//! nothing that would let a reader of it be somebody else.

use http::{Method, StatusCode};
use idp::log;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::browser::{Browser, Reply, text};
use tests::client::{Ask, Auth, C1, Draft, SignedIn, THIRD, Tokens, json as object, userinfo};
use tests::listener::unverified;
use tests::people::{ALICE, BOB};
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::{Issuer, needs_clock};

const SESSION: &str = "__Host-gatelatch-sign-in";
const DAY: u64 = 86_400;

/// What happened since the last time, as it stands in the log; every line is an object of two
/// members when it is about that.
pub(crate) fn happened(issuer: &Issuer) -> Vec<Value> {
    let mut happened = Vec::new();
    for line in issuer.inside().lines() {
        let Value::Object(mut line) = serde_json::from_str(&line).unwrap() else {
            panic!("a line is an object")
        };
        assert!(line.remove("correlation_id").is_some(), "{line:?}");
        let Some(event) = line.remove("security") else { continue };
        assert!(line.is_empty(), "{line:?}");
        happened.push(event);
    }
    happened
}

/// What happened in the last request, and nothing else has since the last time: one event, under the
/// name of that request.
pub(crate) fn only(issuer: &Issuer) -> Value {
    let lines = issuer.inside().lines();
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().filter(|line| line.get("security").is_some()).collect();
    let [event] = events[..] else { panic!("not one event: {lines:?}") };
    assert_eq!(event["correlation_id"], issuer.inside().reference());
    event["security"].clone()
}

/// The words of what happened since the last time.
fn words(issuer: &Issuer) -> Vec<String> {
    let word = |event: &Value| event["event"].as_str().unwrap().to_owned();
    happened(issuer).iter().map(word).collect()
}

/// Whom an ID token is about, and which sign-in session.
fn subject(tokens: &Tokens) -> (Value, Value) {
    let claims = unverified(tokens.id());
    (claims["sub"].clone(), claims["sid"].clone())
}

#[test]
fn every_security_event_is_told_once_and_by_its_name() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    assert_eq!(words(&issuer), ["signed_in"]);
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    assert!(words(&issuer).is_empty(), "what goes well is no event");
    signed_in.redeem().send(&issuer);
    assert_eq!(words(&issuer), ["code_reused"]);

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
    Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
    words(&issuer);
    C1.refresh(tokens.refresh()).send(&issuer);
    assert_eq!(words(&issuer), ["family_reused"]);

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    words(&issuer);
    C1.revoke(tokens.refresh()).send(&issuer);
    assert_eq!(words(&issuer), ["family_revoked"]);
    C1.revoke(first.refresh()).send(&issuer);
    assert!(words(&issuer).is_empty(), "it was gone already");
    let end = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
    signed_in.browser.get(&end);
    assert_eq!(words(&issuer), ["signed_out"]);
}

#[test]
fn a_sign_in_and_its_end_name_the_account_and_the_session() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let event = only(&issuer);
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let (account, session) = subject(&tokens);
    let amr = ["pwd"];
    let wanted =
        json!({ "event": "signed_in", "account": account, "session": session, "amr": amr });
    assert_eq!(event, wanted);

    let copy = signed_in.browser.copy();
    let end = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
    signed_in.browser.get(&end);
    let wanted = json!({ "event": "signed_out", "account": account, "session": session });
    assert_eq!(only(&issuer), wanted);
    assert_eq!(copy.get(&end).status(), StatusCode::OK);
    assert!(happened(&issuer).is_empty(), "who is signed out does not sign out");
}

#[test]
fn fd_33_who_is_overwritten_by_somebody_else_has_signed_out_and_that_is_an_event() {
    let Some(issuer) = needs_clock() else { return };
    let alices = SignedIn::new(&issuer, Ask::of(C1));
    let (alice, session) = subject(&Tokens::of(&alices.redeem().send(&issuer)));
    happened(&issuer);
    let page = alices.browser.get(&Ask::of(C1).set("prompt", "login").url(&issuer));
    Reply::of(&alices.browser.sign_in(&page, BOB)).code();
    let events = happened(&issuer);
    let wanted = json!({ "event": "signed_out", "account": alice, "session": session });
    assert_eq!(events[0], wanted);
    assert_eq!((events.len(), &events[1]["event"]), (2, &json!("signed_in")));
    assert_ne!(events[1]["account"], alice);
}

#[test]
fn reuse_and_revocation_name_the_account_and_the_client() {
    let Some(issuer) = needs_clock() else { return };
    let event =
        |word: &str, account: &Value| json!({ "event": word, "account": account, "client": "c1" });
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let (alice, _) = subject(&tokens);
    happened(&issuer);
    C1.revoke(tokens.refresh()).send(&issuer);
    assert_eq!(only(&issuer), event("family_revoked", &alice));
    // By an access token it is the same.
    let tokens = tests::client::tokens(&issuer, C1);
    happened(&issuer);
    C1.revoke(&tokens.access).send(&issuer);
    assert_eq!(only(&issuer), event("family_revoked", &alice));

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
    happened(&issuer);
    C1.refresh(first.refresh()).send(&issuer);
    assert_eq!(only(&issuer), event("family_reused", &alice));

    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    Tokens::of(&signed_in.redeem().send(&issuer));
    happened(&issuer);
    signed_in.redeem().send(&issuer);
    assert_eq!(only(&issuer), event("code_reused", &alice));
}

#[test]
fn consent_that_is_given_or_withdrawn_is_an_event() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let ask = Ask::of(THIRD).set("scope", "openid email");
    let page = browser.sign_in(&browser.get(&ask.url(&issuer)), ALICE);
    happened(&issuer);
    Reply::of(&browser.decide(issuer.url(), &page, "deny"));
    assert!(happened(&issuer).is_empty(), "nothing was given");
    let page = browser.get(&ask.url(&issuer));
    let code = Reply::of(&browser.decide(issuer.url(), &page, "allow")).code();
    let given = only(&issuer);
    let (alice, _) = subject(&Tokens::of(&THIRD.redeem(&code, &ask).send(&issuer)));
    assert_eq!(given, json!({ "event": "consent_given", "account": alice, "client": "third" }));
    // What is remembered is not given again.
    Reply::of(&browser.get(&ask.url(&issuer))).code();
    assert!(happened(&issuer).is_empty());

    browser.post(&issuer.at("/account"), &[("app", THIRD.id)]);
    let what = json!({ "Remove": "third" });
    let withdrawn = json!({ "event": "ended_by_owner", "account": alice, "what": what });
    assert_eq!(only(&issuer), withdrawn);
}

#[test]
fn what_a_person_ends_on_their_own_page_is_an_event() {
    let Some(issuer) = needs_clock() else { return };
    let there = SignedIn::new(&issuer, Ask::of(C1));
    let (alice, session) = subject(&Tokens::of(&there.redeem().send(&issuer)));
    let here = SignedIn::new(&issuer, Ask::of(C1));
    happened(&issuer);
    let session = session.as_str().unwrap();
    for (name, value, what) in [
        ("session", session, json!({ "EndSession": session })),
        ("end", "others", json!("EndOthers")),
        ("end", "everything", json!("EndEverything")),
    ] {
        here.browser.post(&issuer.at("/account"), &[(name, value)]);
        let wanted = json!({ "event": "ended_by_owner", "account": alice, "what": what });
        assert_eq!(only(&issuer), wanted);
    }
}

#[test]
fn a_client_that_is_registered_revised_or_removed_at_run_time_is_an_event() {
    let Some(issuer) = needs_clock() else { return };
    let changed = |id: &str, what: &str, admin: &Value| json!({ "event": "client_changed", "client": id, "what": what, "admin": admin });
    let alice = SignedIn::new(&issuer, Ask::of(C1));
    let (alice, _) = subject(&Tokens::of(&alice.redeem().send(&issuer)));
    issuer.inside().deploy_again(|settings| {
        settings.insert("ADMINS".to_owned(), json!([alice]));
        settings["CLIENTS"][0]["scope"] = "openid gatelatch:clients".into();
    });
    let ask = Ask::of(C1).set("scope", "openid gatelatch:clients");
    let admin = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer)).access;
    happened(&issuer);
    let other = with(&json!({ "client_name": "Other" }));

    for (token, who) in [(INITIAL[0], Value::Null), (&*admin, alice)] {
        let client = Registered::new(&issuer, token, &metadata());
        assert_eq!(only(&issuer), changed(client.id(), "registered", &who));
        // By itself, or by the administrator.
        let theirs = |draft: Draft| if who.is_null() { draft } else { draft.bearer(&admin) };
        assert_eq!(theirs(client.manage(Method::GET)).send(&issuer).status(), StatusCode::OK);
        assert!(happened(&issuer).is_empty(), "reading changes nothing");
        assert_eq!(theirs(client.put(&other)).send(&issuer).status(), StatusCode::OK);
        assert_eq!(only(&issuer), changed(client.id(), "revised", &who));
        for refused in [
            client.manage(Method::DELETE).bearer("somebody-elses-token"),
            theirs(client.put(&with(&json!({ "redirect_uris": ["javascript:x"] })))),
            register("no-initial-token", &metadata()),
        ] {
            assert!(refused.send(&issuer).status().is_client_error());
            assert!(happened(&issuer).is_empty(), "nothing was changed");
        }
        theirs(client.manage(Method::DELETE)).send(&issuer);
        assert_eq!(only(&issuer), changed(client.id(), "removed", &who));
    }
}

#[test]
fn every_step_of_a_signing_key_is_an_event_from_the_first_to_the_last() {
    let Some(issuer) = needs_clock() else { return };
    let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut look = || {
        let published = object(&Draft::new(Method::GET, "/jwks").send(&issuer));
        for event in issuer.inside().keys.events() {
            let line: Value = serde_json::from_str(&log::of_event("key ring", &event)).unwrap();
            assert_eq!(line["correlation_id"], "key ring");
            let event = line["security"].as_object().unwrap();
            assert_eq!(event.keys().collect::<Vec<_>>(), ["event", "kid", "what"]);
            assert_eq!(event["event"], "key_changed");
            let text = |member: &str| event[member].as_str().unwrap().to_owned();
            steps.entry(text("kid")).or_default().push(text("what"));
        }
        // What is published is what was told to be: no more keys, and no fewer.
        let ended = ["gone", "dropped"];
        let mut told: Vec<_> = steps
            .iter()
            .filter(|(_, steps)| !ended.contains(&&**steps.last().unwrap()))
            .map(|(kid, _)| kid.clone())
            .collect();
        let keys = published["keys"].as_array().unwrap().iter();
        let mut kids: Vec<_> = keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        told.sort();
        kids.sort();
        assert_eq!(told, kids);
        (steps.clone(), kids)
    };
    let (steps, first) = look();
    assert!(steps.values().all(|steps| steps == &["active"]), "{steps:?}");
    // The tests have three keys for RSA, and the fourth would be the first again.
    for _ in 0..170 {
        issuer.inside().pass(DAY / 2);
        look();
    }
    let (steps, kids) = look();
    let whole = ["next", "active", "retiring", "gone"];
    for (kid, steps) in &steps {
        let whole = if first.contains(kid) { &whole[1..] } else { &whole[..] };
        assert_eq!(steps[..], whole[..steps.len()], "{kid}");
    }
    assert!(steps.values().filter(|steps| **steps == whole).count() >= 3, "{steps:?}");

    // Any of them may be dropped.
    let dropped = kids[0].clone();
    issuer.inside().deploy_again(|settings| {
        settings.insert("DROPPED_KEYS".to_owned(), dropped.clone().into());
    });
    let (steps, _) = look();
    assert_eq!(steps[&dropped].last().unwrap(), "dropped");
}

#[test]
fn lk_01_no_line_has_a_token_a_code_a_secret_a_cookie_or_an_address_in_it() {
    let Some(issuer) = needs_clock() else { return };
    let ask = Ask::of(C1).set("scope", "openid email offline_access");
    let signed_in = SignedIn::new(&issuer, ask);
    let code = signed_in.reply.code();
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    let third = Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
    let cookie = signed_in.browser.cookie("localhost", SESSION).unwrap();
    // Everything once more, and wrong.
    signed_in.redeem().auth("c1", Auth::Basic("not-the-secret")).send(&issuer);
    signed_in.redeem().set("code_verifier", "not-the-verifier").send(&issuer);
    C1.refresh(first.refresh()).send(&issuer);
    signed_in.redeem().send(&issuer);
    userinfo(&third.access).send(&issuer);
    C1.introspect(&second.access).send(&issuer);
    C1.revoke(third.refresh()).send(&issuer);
    signed_in.browser.post(&issuer.at("/account"), &[("end", "everything")]);
    signed_in.browser.get(&format!("{}?id_token_hint={}x", issuer.at("/end_session"), third.id()));
    let lines = issuer.inside().lines().join("\n");
    assert!(lines.contains("family_reused"), "{lines}");
    let tokens =
        [&first, &second, &third].map(|tokens| [&tokens.access, tokens.id.as_ref().unwrap()]);
    let tokens = tokens.iter().flatten().map(|token| token.as_str());
    let refresh = [first.refresh(), second.refresh(), third.refresh()];
    let others = [
        code.as_str(),
        cookie.as_str(),
        signed_in.ask.verifier.as_str(),
        "not-the-secret",
        "not-the-verifier",
        "c1-secret",
        ALICE.password,
        ALICE.username,
        "@people.test",
        ".eyJ",
    ];
    for secret in tokens.chain(refresh).chain(others) {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

#[test]
fn lk_02_the_reference_on_a_problem_page_is_that_of_the_line() {
    let Some(issuer) = needs_clock() else { return };
    let page =
        Browser::new(&issuer).get(&Ask::of(C1).set("redirect_uri", "https://x.test").url(&issuer));
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    // In this process a request is called by its number.
    assert!(text(&page).contains("<code>request-0</code>"), "{}", text(&page));
}
