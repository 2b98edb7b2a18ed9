//! TI: introspection.

use http::{Method, StatusCode};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};
use shared::fetch::Response;
use tests::believe;
use tests::browser::{Browser, Reply};
use tests::client::{
    API, Ask, Auth, C1, C2, C3, C4, C6, Client, Draft, PAIR_B, RS256, SERVER, SIGNED, SignedIn,
    Tokens, json as object, offline_tokens, tokens, userinfo,
};
use tests::expect::{header, invalid_client, invalid_grant, invalid_request, no_store};
use tests::memory::Fault;
use tests::world::{Issuer, issuer, needs_clock};

const JWT: &str = "application/token-introspection+jwt";

/// What is said about a token; anything but an answer fails the test.
fn said(answer: &Response) -> Map<String, Value> {
    let told = object(answer);
    assert_eq!(answer.status(), StatusCode::OK, "{told:?}");
    assert_eq!(header(answer, "content-type"), "application/json");
    no_store(answer);
    told
}

/// Good, and what for.
fn active(issuer: &Issuer, client: Client, token: &str) -> Map<String, Value> {
    let told = said(&client.introspect(token).send(issuer));
    assert_eq!(told["active"], true, "{told:?}");
    told
}

/// Not good, and nothing else is said.
fn inactive(issuer: &Issuer, client: Client, token: &str, what: &str) {
    let answer = client.introspect(token).send(issuer);
    assert_eq!(Value::from(said(&answer)), json!({ "active": false }), "{what}");
}

/// All clients that may ask, of every kind.
const ASKERS: [Client; 5] = [C1, C2, RS256, API, PAIR_B];

fn names(told: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<_> = told.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn ti_08_only_who_proves_who_it_is_may_ask() {
    let issuer = issuer();
    let token = tokens(&issuer, C1).access;
    let asks = C1.introspect(&token);
    invalid_client(&asks.clone().auth("c1", Auth::Public).send(&issuer), false, "c1 by its name");
    invalid_client(&asks.clone().auth("c1", Auth::Basic("x")).send(&issuer), true, "wrong secret");
    invalid_client(&asks.clone().auth("no", Auth::Basic("x")).send(&issuer), true, "nobody");
    let nobody = asks.clone().without_header("authorization");
    invalid_client(&nobody.send(&issuer), false, "nobody at all");
    invalid_client(&nobody.bearer(&token).send(&issuer), true, "the token for a credential");
    for public in [C3, C4] {
        let own = offline_tokens(&issuer, public);
        for token in [own.refresh(), &own.access, "x"] {
            invalid_client(&public.introspect(token).send(&issuer), false, "a public client");
        }
        Tokens::of(&public.refresh(own.refresh()).send(&issuer));
    }
    for (wrong, what) in [
        (asks.clone().without("token"), "no token"),
        (asks.clone().set("token", ""), "an empty token"),
        (asks.clone().add("token", &token), "two tokens"),
        (asks.clone().to(&format!("/introspect?token={token}")), "in the query"),
        (asks.clone().header("content-type", "application/json"), "no form"),
    ] {
        invalid_request(&wrong.send(&issuer), what);
    }
    let get = asks.clone().by(Method::GET).send(&issuer);
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&get, "allow"), "POST");
    active(&issuer, C1, &token);
}

#[test]
fn rfc7662_2_2_a_client_is_told_what_its_access_token_says_anyway() {
    let issuer = issuer();
    for client in ASKERS {
        let signed_in =
            SignedIn::new(&issuer, Ask::of(client).set("scope", "openid profile email"));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let mut told = active(&issuer, client, &tokens.access);
        assert_eq!(told.remove("active"), Some(true.into()));
        assert_eq!(told.remove("token_type"), Some("Bearer".into()));
        let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
        assert_eq!(told, claims, "no username, and no e-mail address");
    }
}

#[test]
fn rfc7662_2_2_a_client_is_told_what_its_refresh_token_is_good_for() {
    let issuer = issuer();
    for client in ASKERS {
        let tokens = offline_tokens(&issuer, client);
        let told = active(&issuer, client, tokens.refresh());
        let wanted = [
            "active",
            "amr",
            "aud",
            "auth_time",
            "client_id",
            "exp",
            "iat",
            "iss",
            "scope",
            "sid",
            "sub",
        ];
        assert_eq!(names(&told), wanted);
        let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
        for name in ["iss", "sub", "client_id", "sid", "auth_time", "amr", "scope"] {
            assert_eq!(told[name], claims[name], "{name}");
        }
        assert_eq!(told["aud"], issuer.url());
        let seconds = told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap();
        assert_eq!(seconds, 14 * 86_400, "it idles out");
    }
}

#[test]
fn ti_09_nobody_learns_anything_about_what_is_somebody_elses() {
    let issuer = issuer();
    for client in ASKERS {
        let tokens = offline_tokens(&issuer, client);
        for other in [C6, C1, C2, API].into_iter().filter(|other| *other != client) {
            for token in [tokens.refresh(), &tokens.access, tokens.id()] {
                inactive(&issuer, other, token, other.id);
            }
        }
        active(&issuer, client, &tokens.access);
        active(&issuer, client, tokens.refresh());
        Tokens::of(&client.refresh(tokens.refresh()).send(&issuer));
    }
}

#[test]
fn ti_09_a_resource_asks_about_access_tokens_for_it_and_about_no_others() {
    let issuer = issuer();
    for client in [API, PAIR_B] {
        let tokens = offline_tokens(&issuer, client);
        let claims = believe::access_token(&issuer, &tokens.access, "https://api.test").unwrap();
        let mut told = active(&issuer, SERVER, &tokens.access);
        told.retain(|name, _| name != "active" && name != "token_type");
        assert_eq!(told, claims);
        inactive(&issuer, SERVER, tokens.refresh(), "its refresh token");
        inactive(&issuer, SERVER, tokens.id(), "its ID token");
        let mut bent = tokens.access.clone();
        bent.truncate(bent.len() - 2);
        inactive(&issuer, SERVER, &bent, "a bent one");
        assert_eq!(client.revoke(&tokens.access).send(&issuer).status(), StatusCode::OK);
        inactive(&issuer, SERVER, &tokens.access, "revoked");
    }
    inactive(&issuer, SERVER, &tokens(&issuer, C1).access, "a token for the issuer alone");
    inactive(&issuer, C1, &tokens(&issuer, API).access, "who is no resource, and not its client");
}

#[test]
fn ti_10_what_was_revoked_is_not_active() {
    let issuer = issuer();
    for by_access in [false, true] {
        let tokens = offline_tokens(&issuer, C1);
        let next = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
        C1.revoke(if by_access { &next.access } else { next.refresh() }).send(&issuer);
        for token in [&*tokens.access, tokens.refresh(), &*next.access, next.refresh()] {
            inactive(&issuer, C1, token, "revoked");
        }
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    active(&issuer, C1, &tokens.access);
    let url = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
    signed_in.browser.get(&url);
    for token in [&*tokens.access, tokens.refresh()] {
        inactive(&issuer, C1, token, "signed out");
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    invalid_grant(&signed_in.redeem().send(&issuer), "a code twice");
    for token in [&*tokens.access, tokens.refresh()] {
        inactive(&issuer, C1, token, "of a code that came twice");
    }
}

#[test]
fn ti_10_what_has_expired_is_not_active() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let tokens = offline_tokens(&issuer, C1);
    inside.pass(299);
    let told = active(&issuer, C1, &tokens.access);
    assert_eq!(told["exp"].as_u64(), Some(issuer.now().0 + 1));
    inside.pass(1);
    inactive(&issuer, C1, &tokens.access, "to the second");
    let until = active(&issuer, C1, tokens.refresh())["exp"].as_u64().unwrap();
    inside.pass(until - issuer.now().0 - 1);
    active(&issuer, C1, tokens.refresh());
    inside.pass(1);
    inactive(&issuer, C1, tokens.refresh(), "idled out");
    invalid_grant(&C1.refresh(tokens.refresh()).send(&issuer), "and so it is");
    let bound = tests::client::tokens(&issuer, C1);
    inside.pass(8 * 3600);
    inactive(&issuer, C1, bound.refresh(), "its session has ended");
}

#[test]
fn ti_10_who_may_not_sign_in_has_no_active_token() {
    let Some(issuer) = needs_clock() else { return };
    let tokens = [C1, API].map(|client| (client, offline_tokens(&issuer, client)));
    let deploy = |name: &'static str, who: &'static str, is: &'static str| {
        issuer.inside().deploy_again(move |settings| {
            let list = settings[name].as_array_mut().unwrap();
            list.retain(|entry| entry[who] != is);
        });
    };
    deploy("CLIENTS", "client_id", "api");
    inactive(&issuer, SERVER, &tokens[1].1.access, "of a client that is gone");
    active(&issuer, C1, &tokens[0].1.access);
    deploy("ACCOUNTS", "username", "alice");
    for token in [tokens[0].1.refresh(), &*tokens[0].1.access] {
        inactive(&issuer, C1, token, "of somebody who is gone");
    }
}

#[test]
fn rt_01_asking_about_a_refresh_token_neither_uses_it_nor_ends_its_family() {
    let issuer = issuer();
    for client in ASKERS {
        let first = offline_tokens(&issuer, client);
        let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let before = issuer.is_inside().then(|| issuer.inside().memory.dump());
        for _ in 0..3 {
            let told = active(&issuer, client, first.refresh());
            assert!(!told.contains_key("iat"), "nobody remembers when it was made");
            active(&issuer, client, second.refresh());
        }
        assert_eq!(issuer.is_inside().then(|| issuer.inside().memory.dump()), before);
        let again = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        assert_eq!(again.refresh, second.refresh, "as good as it was told to be");
        let third = Tokens::of(&client.refresh(second.refresh()).send(&issuer));
        // Using it now would end the family (RT-01).
        inactive(&issuer, client, first.refresh(), "two generations old");
        active(&issuer, client, second.refresh());
        active(&issuer, client, third.refresh());
        Tokens::of(&client.refresh(third.refresh()).send(&issuer));
    }
}

#[test]
fn rt_04_a_used_refresh_token_is_active_as_long_as_it_is_answered() {
    let Some(issuer) = needs_clock() else { return };
    for narrow in [false, true] {
        let first = offline_tokens(&issuer, C1);
        let draft = C1.refresh(first.refresh());
        let draft = if narrow { draft.set("scope", "openid") } else { draft };
        Tokens::of(&draft.send(&issuer));
        let until = active(&issuer, C1, first.refresh())["exp"].as_u64().unwrap();
        issuer.inside().pass(until - issuer.now().0 - 1);
        active(&issuer, C1, first.refresh());
        let moment = issuer.inside().memory.moment();
        Tokens::of(&draft.send(&issuer));
        issuer.inside().memory.undo(&moment);
        issuer.inside().pass(1);
        inactive(&issuer, C1, first.refresh(), "too late");
        invalid_grant(&draft.send(&issuer), "and so it is");
    }
}

#[test]
fn ti_11_nothing_but_an_access_or_refresh_token_is_one() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(SIGNED));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let cookie = signed_in.browser.cookie("localhost", "__Host-gatelatch-sign-in").unwrap();
    let about = userinfo(&tokens.access).send(&issuer);
    let answer = SIGNED.introspect(&tokens.access).send(&issuer);
    let text = |answer: &Response| String::from_utf8(answer.body().clone()).unwrap();
    let code = signed_in.reply.code();
    let parts: Vec<_> = tokens.access.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    for wrong in [tokens.id(), &code, &cookie, &text(&about), &text(&answer), &none] {
        let answer = SIGNED.introspect(wrong).send(&issuer);
        let claims = evidence(&issuer, &answer, SIGNED, Algorithm::RS256);
        assert_eq!(claims["token_introspection"], json!({ "active": false }), "{wrong}");
    }
    for wrong in [text(&about), text(&answer)] {
        let denied = userinfo(&wrong).send(&issuer);
        assert_eq!(denied.status(), StatusCode::UNAUTHORIZED, "signed, and no access token");
        let url = format!("{}?id_token_hint={wrong}", issuer.at("/end_session"));
        let asked = signed_in.browser.get(&url);
        assert_eq!(tests::browser::forms(&asked).len(), 1, "and no ID token: the person is asked");
        let ask = Ask::of(SIGNED).set("prompt", "none").set("id_token_hint", &wrong);
        let back = Reply::of(&signed_in.browser.get(&ask.url(&issuer)));
        assert_eq!(back.get("error"), Some("invalid_request"));
    }
    assert_eq!(SIGNED.revoke(&text(&answer)).send(&issuer).status(), StatusCode::OK);
    Tokens::of(&SIGNED.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn ti_12_guesses_reach_nobody_and_are_answered_alike() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    let (refresh, access) = (tokens.refresh(), &*tokens.access);
    let many = if issuer.is_inside() { 1000 } else { 50 };
    if issuer.is_inside() {
        issuer.inside().memory.work();
    }
    for number in 0..many {
        let at = 30 + number % (refresh.len() - 30);
        let other = if refresh.as_bytes()[at] == b'A' { "B" } else { "A" };
        let bent = format!("{}{other}{}", &refresh[..at], &refresh[at + 1..]);
        for guess in [&*bent, &access[..access.len() - 1 - number % 40], &"x".repeat(number)] {
            if !guess.is_empty() {
                inactive(&issuer, C6, guess, "a guess");
                inactive(&issuer, C1, guess, "a guess");
            }
        }
    }
    if issuer.is_inside() {
        assert!(issuer.inside().memory.work().asked.is_empty(), "no object was asked");
    }
}

#[test]
fn ti_16_what_nobody_could_ask_about_is_neither() {
    let Some(issuer) = needs_clock() else { return };
    let memory = &issuer.inside().memory;
    let tokens = offline_tokens(&issuer, C1);
    for token in [&*tokens.access, tokens.refresh()] {
        for operation in 0.. {
            memory.fail(Fault::Storage(operation));
            let answer = C1.introspect(token).send(&issuer);
            if memory.is_failing() {
                assert!(operation >= 2);
                memory.mend();
                assert_eq!(said(&answer)["active"], true);
                break;
            }
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(header(&answer, "retry-after"), "1");
        }
        memory.fail(Fault::Answer(0));
        let answer = C1.introspect(token).send(&issuer);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let keys = &issuer.inside().keys;
        for failure in 0.. {
            keys.fail(failure);
            let answer = C1.introspect(token).header("accept", JWT).send(&issuer);
            if keys.is_failing() {
                assert!(failure >= 2);
                keys.mend();
                assert_eq!(answer.status(), StatusCode::OK);
                break;
            }
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}

#[test]
fn ti_18_the_kind_of_token_is_told_by_the_token() {
    let issuer = issuer();
    let tokens = offline_tokens(&issuer, C1);
    for hint in ["access_token", "refresh_token", "id_token", "", "\u{e9}"] {
        for token in [tokens.refresh(), &*tokens.access] {
            let draft = C1.introspect(token).set("token_type_hint", hint);
            assert_eq!(said(&draft.send(&issuer))["active"], true, "{hint}");
        }
    }
}

#[test]
fn ti_19_no_script_reads_an_answer() {
    let issuer = issuer();
    let token = tokens(&issuer, C4).access;
    let answer = C1.introspect(&token).header("origin", "https://spa.test").send(&issuer);
    assert_eq!(header(&answer, "access-control-allow-origin"), "");
    let preflight = Draft::new(Method::OPTIONS, "/introspect").header("origin", "https://spa.test");
    let answer = preflight.send(&issuer);
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&answer, "access-control-allow-origin"), "");
}

/// The claims of a signed answer.
fn evidence(
    issuer: &Issuer,
    answer: &Response,
    client: Client,
    alg: Algorithm,
) -> Map<String, Value> {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(answer, "content-type"), JWT);
    no_store(answer);
    let token = std::str::from_utf8(answer.body()).unwrap();
    let typ = "token-introspection+jwt";
    let claims = believe::signed(issuer, token, alg, typ, client.id, &["iss", "aud"]).unwrap();
    assert_eq!(names(&claims), ["aud", "iat", "iss", "token_introspection"], "no sub and no exp");
    let made = claims["iat"].as_u64().unwrap();
    assert!(made.abs_diff(issuer.now().0) <= 5);
    claims
}

#[test]
fn rfc9701_5_whoever_asks_for_it_gets_a_signed_answer() {
    let issuer = issuer();
    for (client, alg) in [(C1, Algorithm::ES256), (SIGNED, Algorithm::RS256)] {
        let tokens = tokens(&issuer, client);
        for token in [&*tokens.access, tokens.refresh(), tokens.id(), "x"] {
            let plain = C1.introspect(token).header("accept", "application/json").send(&issuer);
            let signed = client.introspect(token).header("accept", JWT).send(&issuer);
            let claims = evidence(&issuer, &signed, client, alg);
            let told = &claims["token_introspection"];
            if client == C1 {
                assert_eq!(*told, Value::from(said(&plain)), "the same in either form");
            }
            assert_eq!(told["active"], token == tokens.access || token == tokens.refresh());
        }
    }
    let of_another = tokens(&issuer, C2).access;
    let signed = SERVER.introspect(&of_another).header("accept", JWT).send(&issuer);
    let claims = evidence(&issuer, &signed, SERVER, Algorithm::ES256);
    assert_eq!(claims["token_introspection"], json!({ "active": false }));
}

#[test]
fn rfc9701_6_whoever_registered_an_algorithm_gets_every_answer_signed() {
    let issuer = issuer();
    let access = tokens(&issuer, SIGNED).access;
    let answer = SIGNED.introspect(&access).send(&issuer);
    let claims = evidence(&issuer, &answer, SIGNED, Algorithm::RS256);
    assert_eq!(claims["token_introspection"]["active"], true);
    let refused = SIGNED.introspect(&access).without("token").send(&issuer);
    invalid_request(&refused, "an error is JSON");
}

#[test]
fn a_client_that_sends_nobody_to_sign_in_cannot_be_signed_in_to() {
    let issuer = issuer();
    for redirect_uri in ["", "https://api.test", "https://evil.test/cb"] {
        let ask = Ask::of(SERVER).set("redirect_uri", redirect_uri);
        tests::expect::local(&Browser::new(&issuer).get(&ask.url(&issuer)), redirect_uri);
    }
}
