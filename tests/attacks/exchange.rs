//! Token exchange, RFC 8693: whoever exchanges a token gets one that is good for less, and nothing that
//! is not a living access token of theirs can be exchanged. What ends one is in `exchanged.rs`.

use http::StatusCode;
use serde_json::{Map, Value, json};
use shared::fetch::Response;
use tests::believe;
use tests::client::{
    ACCESS_TOKEN, API, Ask, BRIEF, C1, C2, C3, C4, C6, Client, Draft, FILES_SERVER, PAIR_B, SERVER,
    SIGNED, SignedIn, TOLD, Tokens, json as object, userinfo,
};
use tests::expect::{error, invalid_client, invalid_request, no_store};
use tests::listener::{told_at_last, unverified};
use tests::registration::{INITIAL, register, with};
use tests::world::{Issuer, issuer, needs_clock, settings, text};

pub(crate) const HOME: &str = "https://api.test";
pub(crate) const FILES: &str = "https://files.test/v1";
const MAIL: &str = "urn:test:mail";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What Alice allowed a client: everything that it may have, for these resources.
pub(crate) fn granted(issuer: &Issuer, client: Client, resources: &[&str]) -> Tokens {
    let scope = "openid profile email offline_access reports.read";
    let ask = resources.iter().fold(Ask::of(client), |ask, name| ask.add("resource", name));
    Tokens::of(&SignedIn::new(issuer, ask.set("scope", scope)).redeem().send(issuer))
}

/// The claims of an access token, whoever it is for, once another implementation has believed it.
pub(crate) fn claims(issuer: &Issuer, token: &str) -> Map<String, Value> {
    let seen = unverified(token);
    let audience = seen["aud"][0].as_str().unwrap();
    believe::access_token(issuer, token, audience).unwrap()
}

/// The new token of a good answer, which has that and nothing else in it.
pub(crate) fn exchanged(answer: &Response) -> Tokens {
    let tokens = Tokens::of(answer);
    no_store(answer);
    let names: Vec<_> = tokens.said.keys().map(String::as_str).collect();
    let wanted = ["access_token", "expires_in", "issued_token_type", "scope", "token_type"];
    assert_eq!(names, wanted, "no refresh token, and no ID token");
    assert_eq!(tokens.said["issued_token_type"], ACCESS_TOKEN);
    tokens
}

fn target(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_target", what);
}

fn scope(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_scope", what);
}

#[test]
fn rfc8693_2_2_1_a_client_gets_a_narrower_token_to_hand_to_one_origin() {
    let issuer = issuer();
    let all = granted(&issuer, API, &[HOME, FILES]);
    let draft = API.exchange(&all.access).set("resource", FILES).set("scope", "reports.read");
    let less = exchanged(&draft.send(&issuer));
    assert_eq!(less.scope(), ["reports.read"]);
    let (before, after) = (claims(&issuer, &all.access), claims(&issuer, &less.access));
    assert_eq!(after["aud"], json!([FILES]), "neither for the other origin nor for userinfo");
    assert_eq!(after["scope"], "reports.read");
    assert_ne!(after["jti"], before["jti"]);
    for name in ["iss", "sub", "sid", "client_id", "auth_time", "amr"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert!(!after.contains_key("act"), "nobody acts for anybody");
    let names = |claims: &Map<String, Value>| claims.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    // Without anything named it is as good as before, and another one.
    let same = exchanged(&API.exchange(&all.access).send(&issuer));
    assert_eq!(same.scope(), all.scope());
    let same = claims(&issuer, &same.access);
    assert_eq!(same["aud"], before["aud"]);
    assert_ne!(same["jti"], before["jti"]);
}

#[test]
fn rfc8693_4_1_a_resource_calls_another_for_the_person_and_the_token_says_so() {
    let issuer = issuer();
    let shown = granted(&issuer, API, &[HOME, FILES]);
    let draft = SERVER.exchange(&shown.access).set("resource", FILES);
    let passed = exchanged(&draft.clone().set("scope", "reports.read").send(&issuer));
    let told = claims(&issuer, &passed.access);
    assert_eq!(told["aud"], json!([FILES]));
    assert_eq!(told["client_id"], SERVER.id);
    assert_eq!(told["act"], json!({ "sub": SERVER.id }));
    let before = claims(&issuer, &shown.access);
    assert_eq!([&told["sub"], &told["sid"]], [&before["sub"], &before["sid"]]);
    for asks in [SERVER, FILES_SERVER] {
        let said = object(&asks.introspect(&passed.access).send(&issuer));
        assert_eq!((&said["active"], &said["act"]), (&json!(true), &told["act"]), "{}", asks.id);
    }
    // It is no business of the client that had the first one.
    let said = object(&API.introspect(&passed.access).send(&issuer));
    assert_eq!(Value::from(said), json!({ "active": false }));
    // With everything that it may have: what the client has and the resource has not is left out.
    let most = exchanged(&draft.send(&issuer));
    assert_eq!(most.scope(), ["email", "openid", "profile", "reports.read"]);
}

#[test]
fn rfc8693_2_1_whoever_is_called_may_be_named_as_resource_or_by_name() {
    let issuer = issuer();
    let shown = granted(&issuer, API, &[HOME, FILES]);
    let draft = SERVER.exchange(&shown.access).set("scope", "reports.read");
    for (named, value) in [("resource", FILES), ("audience", FILES), ("audience", "files")] {
        let passed = exchanged(&draft.clone().set(named, value).send(&issuer));
        assert_eq!(claims(&issuer, &passed.access)["aud"], json!([FILES]), "{named}={value}");
    }
    let both = API.exchange(&shown.access).set("resource", HOME).set("audience", "files");
    let both = exchanged(&both.set("scope", "profile").send(&issuer));
    assert_eq!(claims(&issuer, &both.access)["aud"], json!([HOME, FILES]));
    for wrong in ["api", "nobody", "rs", "c3", "https://files.test", issuer.url()] {
        let draft = draft.clone().set("audience", wrong);
        target(&draft.send(&issuer), wrong);
    }
    let half = draft.clone().set("resource", FILES).set("audience", "rs");
    target(&half.send(&issuer), "a good one beside it");
}

#[test]
fn rfc8693_2_1_nobody_gets_more_scope_than_the_token_has_and_the_client_may_have() {
    let issuer = issuer();
    let ask = Ask::of(API).add("resource", HOME).add("resource", FILES);
    let ask = ask.set("scope", "openid profile offline_access");
    let some = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer));
    for wrong in ["reports.read", "profile email", "openid profile offline_access reports.read"] {
        let draft = API.exchange(&some.access).set("scope", wrong);
        scope(&draft.send(&issuer), wrong);
    }
    scope(&API.exchange(&some.access).set("scope", "a\"b").send(&issuer), "no scope");
    // The token has it, and the resource may not.
    let passing = SERVER.exchange(&some.access).set("resource", FILES);
    for wrong in ["offline_access", "openid offline_access"] {
        scope(&passing.clone().set("scope", wrong).send(&issuer), wrong);
    }
    // Nothing is left for it.
    let ask = Ask::of(API).add("resource", HOME).add("resource", FILES);
    let ask = ask.set("scope", "offline_access");
    let little = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer));
    scope(&SERVER.exchange(&little.access).set("resource", FILES).send(&issuer), "nothing");
    exchanged(&API.exchange(&some.access).set("scope", "profile").send(&issuer));
    exchanged(&passing.send(&issuer));
}

#[test]
fn rfc8693_2_1_nobody_gets_a_token_for_whom_the_person_or_the_operator_left_out() {
    let issuer = issuer();
    let shown = granted(&issuer, API, &[HOME, FILES]);
    for wrong in [MAIL, issuer.url(), "https://other.test", "relative", "https://files.test/v1#x"] {
        let draft = API.exchange(&shown.access).set("resource", FILES).add("resource", wrong);
        target(&draft.send(&issuer), wrong);
    }
    // The person's grant has it, and the resource may not.
    for wrong in [HOME, MAIL, issuer.url()] {
        target(&SERVER.exchange(&shown.access).set("resource", wrong).send(&issuer), wrong);
    }
    let itself = Tokens::of(&API.refresh(shown.refresh()).set("resource", HOME).send(&issuer));
    let passing = SERVER.exchange(&itself.access);
    target(&passing.send(&issuer), "it is for the resource alone");
    exchanged(&passing.set("resource", FILES).send(&issuer));
    // The resource may have it, and the person's grant has not.
    let home = granted(&issuer, API, &[HOME]);
    target(&SERVER.exchange(&home.access).set("resource", FILES).send(&issuer), "not granted");
    let unnamed = granted(&issuer, API, &[]);
    target(&SERVER.exchange(&unnamed.access).set("resource", FILES).send(&issuer), "unnamed");
    target(&API.exchange(&unnamed.access).set("resource", FILES).send(&issuer), "its own");
    exchanged(&API.exchange(&unnamed.access).set("resource", HOME).send(&issuer));
    exchanged(&API.exchange(&shown.access).set("resource", FILES).send(&issuer));
}

#[test]
fn rfc8693_2_2_2_somebody_elses_token_is_not_exchanged() {
    let issuer = issuer();
    let shown = granted(&issuer, API, &[HOME, FILES]);
    let files = granted(&issuer, API, &[FILES]);
    let ours = tests::client::tokens(&issuer, C1);
    for (asks, token, what) in [
        (C6, &shown.access, "a stranger"),
        (C6, &ours.access, "a stranger"),
        (C1, &shown.access, "another client"),
        (SERVER, &files.access, "a resource that it is not for"),
        (SERVER, &ours.access, "a resource that it is not for"),
        (API, &ours.access, "a client that could have one like it"),
    ] {
        invalid_request(&asks.exchange(token).send(&issuer), what);
    }
    // What was passed on is its client's and its resource's, and not the first client's any more.
    let passed = SERVER.exchange(&shown.access).set("resource", FILES).send(&issuer);
    let passed = exchanged(&passed).access;
    for asks in [API, C6] {
        invalid_request(&asks.exchange(&passed).send(&issuer), asks.id);
    }
    exchanged(&C1.exchange(&ours.access).send(&issuer));
    exchanged(&FILES_SERVER.exchange(&passed).set("resource", HOME).send(&issuer));
}

#[test]
fn rfc8693_2_2_2_nothing_but_a_living_access_token_is_exchanged() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1).set("scope", "openid offline_access"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let cookie = signed_in.browser.cookie("localhost", "__Host-gatelatch-sign-in").unwrap();
    let theirs = tests::client::tokens(&issuer, SIGNED).access;
    let text = |answer: &Response| String::from_utf8(answer.body().clone()).unwrap();
    let about = text(&userinfo(&theirs).send(&issuer));
    let evidence = text(&SIGNED.introspect(&theirs).send(&issuer));
    let parts: Vec<_> = tokens.access.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    let bent = format!("{}A", &tokens.access[..tokens.access.len() - 2]);
    let code = signed_in.reply.code();
    for (wrong, what) in [
        (tokens.id(), "an ID token"),
        (tokens.refresh(), "a refresh token"),
        (&about, "a signed userinfo answer"),
        (&evidence, "a signed introspection answer"),
        (&none, "a token that nobody signed"),
        (&bent, "a bent token"),
        (&code, "a code"),
        (&cookie, "a cookie"),
        ("x", "garbage"),
        ("a.b.c", "garbage"),
        ("\u{e9}", "garbage"),
    ] {
        for kind in ["access_token", "jwt"] {
            let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
            let draft = C1.exchange(wrong).set("subject_token_type", &kind);
            invalid_request(&draft.send(&issuer), what);
        }
    }
    // Told by its right name it is none that can be exchanged either.
    for (wrong, kind) in [
        (tokens.id(), "id_token"),
        (tokens.refresh(), "refresh_token"),
        (&*tokens.access, "refresh_token"),
        (&tokens.access, "id_token"),
        (&tokens.access, "saml2"),
    ] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let draft = C1.exchange(wrong).set("subject_token_type", &kind);
        invalid_request(&draft.send(&issuer), &kind);
    }
    let jwt = C1.exchange(&tokens.access);
    let jwt = jwt.set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    exchanged(&jwt.send(&issuer));
    Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn rfc8693_2_2_2_a_token_of_another_issuer_is_not_exchanged() {
    let Some(issuer) = needs_clock() else { return };
    let mut elsewhere = settings();
    elsewhere.insert("ISSUER".to_owned(), "http://localhost:8788".into());
    let theirs = Issuer::in_process(&elsewhere);
    invalid_request(
        &C1.exchange(&tests::client::tokens(&theirs, C1).access).send(&issuer),
        "another",
    );
    // One of the same name that signs with the same keys, and knows other people.
    let twin = Issuer::in_process(&settings());
    let token = tests::client::tokens(&twin, C1).access;
    tests::client::tokens(&issuer, C1);
    invalid_request(&C1.exchange(&token).send(&issuer), "nobody's grant");
}

#[test]
fn jv_17_a_logout_token_is_not_exchanged() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(TOLD));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let sid = unverified(tokens.id())["sid"].as_str().unwrap().to_owned();
    let url = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
    signed_in.browser.get(&url);
    let token = told_at_last(&issuer, TOLD, &sid).remove(0);
    invalid_request(&C1.exchange(&token).send(&issuer), "a logout token");
}

#[test]
fn rfc8693_2_1_a_request_that_is_none_exchanges_nothing() {
    let issuer = issuer();
    let token = tests::client::tokens(&issuer, C1).access;
    let other = tests::client::tokens(&issuer, C1).access;
    let good = C1.exchange(&token);
    let kind = |kind: &str| format!("urn:ietf:params:oauth:token-type:{kind}");
    for (wrong, what) in [
        (good.clone().without("subject_token"), "no token"),
        (good.clone().set("subject_token", ""), "an empty token"),
        (good.clone().add("subject_token", &other), "two tokens"),
        (good.clone().add("subject_token", &token), "one token twice"),
        (good.clone().without("subject_token_type"), "a token of no type"),
        (good.clone().set("subject_token_type", "access_token"), "of no type that there is"),
        (good.clone().set("requested_token_type", &kind("refresh_token")), "a refresh token"),
        (good.clone().set("requested_token_type", &kind("id_token")), "an ID token"),
        (good.clone().set("requested_token_type", &kind("jwt")), "a JWT of any kind"),
        (good.clone().set("actor_token", &other), "an actor"),
        (good.clone().set("actor_token_type", ACCESS_TOKEN), "an actor's type"),
        (
            good.clone().set("actor_token", &other).set("actor_token_type", ACCESS_TOKEN),
            "an actor of that type",
        ),
        (good.clone().set("audience", "c1").add("audience", "c2"), "two names"),
        (good.clone().to(&format!("/token?subject_token={token}")), "in the query"),
    ] {
        invalid_request(&wrong.send(&issuer), what);
    }
    let asked = good.set("requested_token_type", ACCESS_TOKEN).set("actor_token", "");
    exchanged(&asked.send(&issuer));
}

#[test]
fn rfc8693_5_nobody_exchanges_who_proves_nothing_or_is_not_registered_for_it() {
    let issuer = issuer();
    for client in [C2, C3, C4, BRIEF, PAIR_B] {
        let own = tests::client::tokens(&issuer, client).access;
        let answer = client.exchange(&own).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "unauthorized_client", client.id);
    }
    let own = tests::client::tokens(&issuer, C1).access;
    let bare = C1.exchange(&own).auth("c1", tests::client::Auth::Public);
    invalid_client(&bare.send(&issuer), false, "its name and nothing else");
    let wrong = C1.exchange(&own).auth("c1", tests::client::Auth::Basic("x"));
    invalid_client(&wrong.send(&issuer), true, "a wrong secret");
    // Whoever registers itself may not be registered for it.
    let asked = with(&json!({ "grant_types": ["authorization_code", EXCHANGE] }));
    let answer = register(INITIAL[2], &asked).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", "at run time");
    assert!(object(&answer)["error_description"].as_str().unwrap().contains("grant_types"));
}

#[test]
fn a_public_client_that_may_exchange_stops_the_deployment() {
    let mut settings = settings();
    let clients = settings["CLIENTS"].as_array_mut().unwrap();
    let public = clients.iter_mut().find(|client| client["client_id"] == "c4").unwrap();
    public["grant_types"] = json!(["authorization_code", EXCHANGE]);
    let problems = idp::config::Config::read(|name| text(&settings, name)).unwrap_err();
    let names: Vec<_> = problems.iter().map(|problem| &*problem.name).collect();
    assert_eq!(names, ["CLIENTS[c4].grant_types"]);
}

#[test]
fn tc_12_nobody_exchanges_by_a_draft_of_another_grant() {
    let issuer = issuer();
    let token = tests::client::tokens(&issuer, C1).access;
    let twice = C1.exchange(&token).add("grant_type", "refresh_token");
    invalid_request(&twice.send(&issuer), "two grants");
    let refresh = Draft::post("/token", &[("grant_type", "refresh_token")]).by_client(C1);
    let answer = refresh.set("refresh_token", &token).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_grant", "an access token to refresh with");
}
