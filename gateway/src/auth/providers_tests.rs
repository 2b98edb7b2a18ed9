//! Several providers: each signs its own people in, and what is one's is never another's.

use super::world::*;
use crate::fixture::{NOON, Peer, config_with, sign_by};
use crate::session::state::Person;
use http::Method;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Response};
use shared::time::UnixTime;
use std::collections::BTreeMap;
use url::Url;

const ONE: &str = "https://idp.test";
const TWO: &str = "https://two.test";
const PROVIDERS: &str = r#"[
    {"id": "one", "provider": "openid", "issuer": "https://idp.test", "client_id": "app"},
    {"id": "two", "provider": "openid", "issuer": "https://two.test", "client_id": "app"},
    {"id": "hub", "provider": "github", "client_id": "app"},
    {"id": "kit", "provider": "authkit", "client_id": "app", "base": "https://kit.test"}
]"#;
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const FROM: [(&str, &str); 1] = [("origin", "https://app.test")];

type Jar = BTreeMap<String, String>;

/// The gateway and its providers: the first is `World::peer`, and these are the others.
struct Others {
    two: Peer,
    hub: Peer,
    api: Peer,
    kit: Peer,
}

fn several(mode: &'static str) -> (World<impl Fetch>, Others) {
    several_with(mode, PROVIDERS)
}

fn several_with(mode: &'static str, providers: &'static str) -> (World<impl Fetch>, Others) {
    let short = ["ISSUER", "CLIENT_ID", "CLIENT_AUTH"].map(|name| (name, ""));
    let secrets = ["ONE", "TWO", "HUB", "KIT"].map(|id| match id {
        "ONE" => ("PROVIDER_ONE_SECRET", "secret-one"),
        "TWO" => ("PROVIDER_TWO_SECRET", "secret-two"),
        "HUB" => ("PROVIDER_HUB_SECRET", "secret-hub"),
        _ => ("PROVIDER_KIT_SECRET", "secret-kit"),
    });
    let settings = [("PROVIDERS", providers)];
    let all: Vec<_> = short.into_iter().chain(secrets).chain(settings).collect();
    let others = Others {
        two: Peer::of(TWO),
        hub: Peer::default(),
        api: Peer::default(),
        kit: Peer::of("https://kit.test"),
    };
    let hosts = vec![
        ("two.test", others.two.clone()),
        ("github.com", others.hub.clone()),
        ("api.github.com", others.api.clone()),
        ("kit.test", others.kit.clone()),
    ];
    (world_with(config_with(mode, &all), hosts), others)
}

/// Begins a sign-in; the query of the authorization request.
fn begin<F: Fetch>(world: &mut World<F>, provider: &str) -> BTreeMap<String, String> {
    let answer = world.get(&format!("/auth/login?provider={provider}&return_to=/app"), NOON);
    assert_eq!(answer.status(), 303, "{provider}");
    Url::parse(&location(&answer)).unwrap().query_pairs().into_owned().collect()
}

fn id_token(issuer: &str, subject: &str, nonce: Option<&str>, now: UnixTime) -> String {
    let mut claims = json!({
        "iss": issuer, "sub": subject, "aud": "app", "exp": now.0 + 300, "iat": now.0,
        "name": "Alice", "sid": "s1",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    sign_by(issuer, "JWT", &claims)
}

fn tokens(peer: &Peer, number: u32, id_token: &str) {
    let answer = json!({
        "access_token": format!("a{number}"), "token_type": "Bearer", "expires_in": 300,
        "refresh_token": format!("r{number}"), "id_token": id_token,
    });
    peer.put("/token", 200, &answer.to_string());
}

fn back(provider: &str, state: &str, issuer: &str) -> String {
    format!("/auth/callback/{provider}?code=c&state={state}&iss={issuer}")
}

/// Signs alice in with a browser of her own, which then keeps this.
fn sign_in<F: Fetch>(world: &mut World<F>, peer: &Peer, provider: &str, issuer: &str) -> Jar {
    world.jar.clear();
    let asked = begin(world, provider);
    assert_eq!(asked["redirect_uri"], format!("https://app.test/auth/callback/{provider}"));
    tokens(peer, 0, &id_token(issuer, "alice", Some(&asked["nonce"]), NOON));
    let answer = world.get(&back(provider, &asked["state"], issuer), NOON);
    assert_eq!(answer.status(), 303, "{}", text(&answer));
    world.jar.clone()
}

fn is_in<F: Fetch>(world: &mut World<F>, jar: &Jar, now: UnixTime) -> bool {
    world.jar.clone_from(jar);
    world.token(now).is_some()
}

fn body(answer: &Response) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[test]
fn fd_06_gc_16_a_flow_of_one_provider_is_refused_at_the_callback_of_another() {
    let (mut world, others) = several("hybrid");
    let asked = begin(&mut world, "one");
    tokens(&others.two, 0, &id_token(TWO, "alice", Some(&asked["nonce"]), NOON));
    let answer = world.get(&back("two", &asked["state"], TWO), NOON);
    assert_eq!(answer.status(), 400);
    assert_eq!((world.peer.hits("/token"), others.two.hits("/token")), (0, 0));
    assert_eq!((world.objects.live(), world.flows()), (0, 0));
    for path in ["/auth/callback", "/auth/callback/", "/auth/callback/three", "/auth/callback/one/"]
    {
        assert!(world.unserved(&Method::GET, &format!("{path}?code=c&state=s"), NOON), "{path}");
    }
}

#[test]
fn gc_05_fd_07_rfc9700_4_4_an_answer_that_names_another_provider_costs_no_token_call() {
    let (mut world, others) = several("hybrid");
    let asked = begin(&mut world, "one");
    let answer = world.get(&back("one", &asked["state"], TWO), NOON);
    assert_eq!(answer.status(), 400);
    assert_eq!((world.peer.hits("/token"), others.two.hits("/token")), (0, 0));
}

#[test]
fn fd_10_cc_07_keys_of_the_same_name_vouch_for_their_own_provider_alone() {
    let (mut world, others) = several("hybrid");
    // Both keys have been seen, whichever way they are remembered.
    let peer = world.peer.clone();
    sign_in(&mut world, &peer, "one", ONE);
    sign_in(&mut world, &others.two, "two", TWO);
    world.jar.clear();
    let asked = begin(&mut world, "one");
    let claims = json!({
        "iss": ONE, "sub": "alice", "aud": "app", "exp": NOON.0 + 300, "iat": NOON.0,
        "nonce": asked["nonce"],
    });
    tokens(&world.peer, 0, &sign_by(TWO, "JWT", &claims));
    let answer = world.get(&back("one", &asked["state"], ONE), NOON);
    assert_eq!(answer.status(), 502);
    assert!(!world.jar.contains_key(SESSION));
}

#[test]
fn fd_21_people_of_one_name_at_two_providers_are_two() {
    let (mut world, others) = several("durable");
    let peer = world.peer.clone();
    let one = sign_in(&mut world, &peer, "one", ONE);
    let two = sign_in(&mut world, &others.two, "two", TWO);
    let mut listed = |jar: &Jar| {
        world.jar.clone_from(jar);
        let sessions = body(&world.get("/auth/sessions", NOON))["sessions"].clone();
        let ids = sessions.as_array().unwrap().iter();
        ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (of_one, of_two) = (listed(&one), listed(&two));
    assert_eq!((of_one.len(), of_two.len()), (1, 1));

    world.jar.clone_from(&one);
    let path = format!("/auth/sessions/{}", of_two[0]);
    assert_eq!(world.ask(&Method::DELETE, &path, &FROM, NOON).status(), 404);
    assert_eq!(world.ask(&Method::DELETE, "/auth/sessions", &FROM, NOON).status(), 204);
    assert!(is_in(&mut world, &two, NOON));
}

#[test]
fn gs_26_gs_27_a_provider_ends_sessions_of_its_own_people_and_no_others() {
    let (mut world, others) = several("durable");
    let peer = world.peer.clone();
    let one = sign_in(&mut world, &peer, "one", ONE);
    let two = sign_in(&mut world, &others.two, "two", TWO);
    let mut tell = |signer: &str, claims: Value| {
        let mut all = json!({
            "aud": "app", "iat": NOON.0, "exp": NOON.0 + 120, "events": { LOGOUT: {} },
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let token = sign_by(signer, "logout+jwt", &all);
        let answer = world.post("/auth/backchannel-logout", &[("logout_token", &token)], NOON);
        let in_both = [&one, &two].map(|jar| is_in(&mut world, jar, NOON));
        (answer.status().as_u16(), in_both)
    };
    // In the name of another, and of nobody whom we know.
    let forged = json!({ "iss": ONE, "sub": "alice", "jti": "1" });
    assert_eq!(tell(TWO, forged), (400, [true, true]));
    let unknown = json!({ "iss": "https://three.test", "sub": "alice", "jti": "2" });
    assert_eq!(tell(TWO, unknown), (400, [true, true]));
    let hers = json!({ "iss": TWO, "sub": "alice", "jti": "3" });
    assert_eq!(tell(TWO, hers), (200, [true, false]));
    // The session that both call the same is one's alone.
    let session = json!({ "iss": TWO, "sid": "s1", "jti": "4" });
    assert_eq!(tell(TWO, session), (200, [true, false]));
    let session = json!({ "iss": ONE, "sid": "s1", "jti": "4" });
    assert_eq!(tell(ONE, session), (200, [false, false]));
}

#[test]
fn pa_06_a_session_is_refreshed_revoked_and_signed_out_at_its_own_provider() {
    let (mut world, others) = several("sealed");
    sign_in(&mut world, &others.two, "two", TWO);
    tokens(&others.two, 1, &id_token(TWO, "alice", None, NOON.plus(299)));
    assert_eq!(world.token(NOON.plus(299)).as_deref(), Some("a1"));
    assert!(others.two.bodies("/token")[1].contains("refresh_token=r0"));
    let answer = world.ask(&Method::POST, "/auth/logout", &FROM, NOON.plus(299));
    assert!(location(&answer).starts_with("https://two.test/logout?id_token_hint="));
    assert!(others.two.bodies("/revoke")[0].contains("token=r1"));
    assert_eq!((world.peer.hits("/token"), world.peer.hits("/revoke")), (0, 0));
}

#[test]
fn a_session_of_a_provider_that_is_not_ours_any_more_is_nobodys() {
    for mode in MODES {
        let (mut world, others) = several(mode);
        let jar = sign_in(&mut world, &others.two, "two", TWO);
        assert!(is_in(&mut world, &jar, NOON));
        let (mut without, _) = several_with(
            mode,
            r#"[{"id": "one", "provider": "openid", "issuer": "https://idp.test", "client_id": "app"}]"#,
        );
        without.objects = std::mem::take(&mut world.objects);
        assert!(!is_in(&mut without, &jar, NOON), "{mode}");
        // Nor is its refresh token shown to another.
        assert!(!is_in(&mut without, &jar, NOON.plus(299)), "{mode}");
        assert_eq!(without.peer.hits("/token"), 0);
    }
}

#[test]
fn a_session_from_before_there_were_several_providers_is_of_the_first() {
    let old = json!({ "subject": "alice", "auth_time": null, "claims": {}, "flow": "f" });
    let person: Person = serde_json::from_value(old).unwrap();
    assert_eq!(serde_json::to_value(&person).unwrap().get("provider"), None);

    let mut before = world("sealed");
    before.sign_in(NOON);
    let jar = before.jar.clone();
    let (mut world, others) = several("sealed");
    tokens(&world.peer, 7, &id_token(ONE, "alice", None, NOON.plus(299)));
    world.jar.clone_from(&jar);
    assert_eq!(world.token(NOON.plus(299)).as_deref(), Some("a7"));
    assert_eq!((world.peer.hits("/token"), others.two.hits("/token")), (1, 0));
    let told = body(&world.get("/auth/session", NOON.plus(299)));
    assert_eq!(told["provider"], "one");
}

#[test]
fn who_one_is_comes_with_whose_word_that_is() {
    let (mut world, others) = several("hybrid");
    sign_in(&mut world, &others.two, "two", TWO);
    let told = body(&world.get("/auth/session", NOON));
    assert_eq!((told["provider"].as_str(), told["subject"].as_str()), (Some("two"), Some("alice")));
}

#[test]
fn pl_11_it_is_ready_when_every_provider_is() {
    let (mut world, others) = several("hybrid");
    // AuthKit's keys are where its client is.
    let keys = others.kit.answer(get("https://kit.test/jwks")).unwrap();
    others.kit.put("/sso/jwks/app", 200, &String::from_utf8(keys.into_body()).unwrap());
    let ready = body(&world.get("/auth/health", NOON));
    assert_eq!(ready, json!({ "ready": true }));
    let (mut world, others) = several("hybrid");
    others.kit.put("/sso/jwks/app", 200, r#"{"keys":[]}"#);
    others.two.put("/.well-known/openid-configuration", 503, "");
    let answer = world.get("/auth/health", NOON);
    assert_eq!(answer.status(), 503);
    assert_eq!(body(&answer), json!({ "ready": false, "missing": "metadata", "provider": "two" }));
}

fn get(url: &str) -> shared::fetch::Request {
    let mut request = shared::fetch::Request::default();
    *request.uri_mut() = url.parse().unwrap();
    request
}
