//! Providers of other kinds than OpenID Connect: who somebody is they say in their own ways.

use super::several::*;
use super::world::*;
use crate::fixture::{NOON, sign_by};
use http::Method;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Response};
use shared::time::UnixTime;

const HUB_TOKEN: &str = "/login/oauth/access_token";
const KIT: &str = "https://kit.test";
const KIT_TOKEN: &str = "/user_management/authenticate";
const LATE: UnixTime = NOON.plus(299);

/// Signs alice in at GitHub, whose answer to the code this is.
fn at_github<F: Fetch>(world: &mut World<F>, others: &Others, answer: &Value) -> Response {
    others.hub.put(HUB_TOKEN, 200, &answer.to_string());
    others.api.put("/user", 200, r#"{"id":42,"login":"alice","name":"Alice"}"#);
    let emails = r#"[{"email":"alice@hub.test","primary":true,"verified":true}]"#;
    others.api.put("/user/emails", 200, emails);
    let asked = begin(world, "hub");
    assert!(!asked.contains_key("nonce") && asked.contains_key("code_challenge"));
    assert_eq!(asked["scope"], "read:user user:email");
    world.get(&back("hub", &asked["state"], "https://github.com/login/oauth"), NOON)
}

fn for_ever() -> Value {
    json!({ "access_token": "gho_1", "token_type": "bearer", "scope": "read:user,user:email" })
}

#[test]
fn fd_19_github_signs_somebody_in_by_their_number_with_a_token_that_does_not_end() {
    for mode in MODES {
        let (mut world, others) = several(mode);
        assert_eq!(at_github(&mut world, &others, &for_ever()).status(), 303, "{mode}");
        let told = body(&world.get("/auth/session", NOON));
        assert_eq!(
            (told["provider"].as_str(), told["subject"].as_str()),
            (Some("hub"), Some("42"))
        );
        assert_eq!(told["claims"]["email"], "alice@hub.test");
        // As long as the session, and nobody is asked for another.
        for seconds in [0, 3000, 6000, 9000] {
            assert_eq!(world.token(NOON.plus(seconds)).as_deref(), Some("gho_1"), "{mode}");
        }
        assert_eq!(others.hub.hits(HUB_TOKEN), 1);
        // There is nowhere to go on to.
        let answer = world.ask(&Method::POST, "/auth/logout", &FROM, NOON.plus(9000));
        assert_eq!(answer.status(), 200);
        assert!(text(&answer).contains("You are signed out"));
    }
}

#[test]
fn github_grants_scope_with_commas_and_a_route_may_ask_for_a_word_of_it() {
    let routes = r#"[{"prefix": "/", "origin": "https://o.test", "access": "signed-in",
                      "require": {"scope": "user:email"}}]"#;
    let (mut world, others) = several_of("durable", &[("ROUTES", routes)]);
    at_github(&mut world, &others, &for_ever());
    assert_eq!(explained(&mut world, "/x", NOON)["decision"]["forward"]["authenticated"], true);
}

#[test]
fn pa_07_a_token_of_github_that_ends_is_renewed_and_a_no_with_200_ends_the_session() {
    let (mut world, others) = several("sealed");
    let ends = |number: u32| {
        json!({
            "access_token": format!("ghu_{number}"), "token_type": "bearer", "scope": "",
            "expires_in": 300, "refresh_token": format!("ghr_{number}"),
        })
    };
    assert_eq!(at_github(&mut world, &others, &ends(1)).status(), 303);
    others.hub.put(HUB_TOKEN, 200, &ends(2).to_string());
    assert_eq!(world.token(LATE).as_deref(), Some("ghu_2"));
    assert!(others.hub.bodies(HUB_TOKEN)[1].contains("refresh_token=ghr_1"));
    others.hub.put(HUB_TOKEN, 200, r#"{"error":"bad_refresh_token"}"#);
    assert_eq!(world.token(LATE.plus(299)), None);
    assert!(!world.jar.contains_key(SESSION));
}

#[test]
fn fd_19_pa_07_what_github_does_not_say_signs_nobody_in() {
    let no = json!({ "error": "bad_verification_code" });
    let wrong = json!({ "error": "incorrect_client_credentials" });
    for (answer, status) in [(no, 400), (wrong, 502)] {
        let (mut world, others) = several("hybrid");
        assert_eq!(at_github(&mut world, &others, &answer).status().as_u16(), status);
        assert!(!world.jar.contains_key(SESSION));
    }
    for user in [r#"{"login":"alice"}"#, r#"{"id":"42"}"#, r#"{"id":0}"#, "[]"] {
        let (mut world, others) = several("hybrid");
        at_github(&mut world, &others, &for_ever());
        world.jar.clear();
        others.api.put("/user", 200, user);
        let asked = begin(&mut world, "hub");
        let answer =
            world.get(&back("hub", &asked["state"], "https://github.com/login/oauth"), NOON);
        assert_eq!(answer.status(), 502, "{user}");
        assert!(!world.jar.contains_key(SESSION));
    }
}

#[test]
fn who_never_says_when_somebody_signed_in_is_not_asked_again_and_again() {
    let routes = r#"[{"prefix": "/", "origin": "https://o.test", "access": "signed-in",
                      "require": {"max_age": 60}}]"#;
    let (mut world, others) = several_of("hybrid", &[("ROUTES", routes)]);
    let answer = at_github(&mut world, &others, &for_ever());
    assert_eq!(answer.status(), 403);
    assert!(text(&answer).contains("A stronger sign-in is needed"));
}

/// What `AuthKit` answers, with a token about this person.
fn authkit(user: &str, subject: &str, number: u32, now: UnixTime) -> Value {
    let claims = json!({
        "iss": format!("{KIT}/"), "sub": subject, "sid": "session_1", "iat": now.0,
        "exp": now.0 + 300,
    });
    json!({
        "user": { "id": user, "email": "alice@kit.test", "email_verified": true },
        "access_token": sign_by(KIT, "JWT", &claims), "refresh_token": format!("r{number}"),
    })
}

fn at_authkit<F: Fetch>(world: &mut World<F>, others: &Others) -> Response {
    publish(&others.kit);
    let answer = authkit("user_1", "user_1", 1, NOON);
    others.kit.put(KIT_TOKEN, 200, &answer.to_string());
    let asked = begin(world, "kit");
    assert_eq!(asked["provider"], "authkit");
    world.get(&format!("/auth/callback/kit?code=c&state={}", asked["state"]), NOON)
}

#[test]
fn pa_14_authkit_signs_in_renews_and_signs_out_in_its_own_way() {
    let (mut world, others) = several("sealed");
    assert_eq!(at_authkit(&mut world, &others).status(), 303);
    let told = body(&world.get("/auth/session", NOON));
    assert_eq!(
        (told["subject"].as_str(), told["provider"].as_str()),
        (Some("user_1"), Some("kit"))
    );
    assert_eq!(told["access_token_ends_at"], NOON.0 + 300);
    let renewed = authkit("user_1", "user_1", 2, LATE);
    others.kit.put(KIT_TOKEN, 200, &renewed.to_string());
    assert_eq!(world.token(LATE).as_deref(), renewed["access_token"].as_str());
    let sent: Value = serde_json::from_str(&others.kit.bodies(KIT_TOKEN)[1]).unwrap();
    let wanted = [("grant_type", "refresh_token"), ("refresh_token", "r1"), ("client_id", "app")];
    assert!(wanted.iter().all(|(name, value)| sent[name] == *value), "{sent}");
    let answer = world.ask(&Method::POST, "/auth/logout", &FROM, LATE);
    let out = "https://kit.test/user_management/sessions/logout?session_id=session_1&return_to=";
    assert_eq!(location(&answer), format!("{out}https%3A%2F%2Fapp.test%2F"));
}

#[test]
fn gr_09_a_renewal_of_authkit_about_somebody_else_ends_the_session() {
    for (user, subject) in [("user_2", "user_2"), ("user_1", "user_2"), ("user_2", "user_1")] {
        let (mut world, others) = several("sealed");
        at_authkit(&mut world, &others);
        let answer = authkit(user, subject, 2, LATE);
        others.kit.put(KIT_TOKEN, 200, &answer.to_string());
        assert_eq!(world.token(LATE), None, "{user} {subject}");
        assert!(!world.jar.contains_key(SESSION));
    }
}
