//! With whom somebody signs in: their choice, or the route's.

use super::several::*;
use super::world::*;
use crate::config::tests::mistakes;
use crate::fixture::{NOON, Peer};
use serde_json::{Value, json};
use shared::fetch::Fetch;

const ROUTES: &str = r#"[
    {"prefix": "/two", "origin": "https://o.test", "access": "signed-in", "provider": "two"},
    {"prefix": "/api", "origin": "https://o.test", "access": "api", "provider": "two"},
    {"prefix": "/", "origin": "https://o.test", "access": "signed-in",
     "headers": {"X-User-Id": "sub", "X-User-Issuer": "iss"}}
]"#;

fn bound() -> (World<impl Fetch>, Others) {
    several_of("hybrid", &[("ROUTES", ROUTES)])
}

fn respond<'v>(told: &'v Value, name: &str) -> &'v Value {
    &told["decision"]["respond"][name]
}

#[test]
fn without_a_word_the_person_chooses_on_a_page_that_leads_back() {
    let (mut world, _) = bound();
    let answer = world.get("/auth/login?return_to=/x%3Fa%3Db%26c&for=POST+/y", NOON);
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"));
    assert_eq!((world.jar.len(), world.peer.hits("/.well-known/openid-configuration")), (0, 0));
    let page = text(&answer);
    for (id, label) in [("one", "your organization"), ("hub", "GitHub"), ("kit", "WorkOS")] {
        let link = format!(
            "<a class=\"button\" href=\"/auth/login?provider={id}&amp;return_to=%2Fx%3Fa%3Db%26c\
             &amp;for=POST+%2Fy\">Continue with {label}</a>"
        );
        assert!(page.contains(&link), "{page}");
    }
}

#[test]
fn ui_02_a_label_is_text_and_an_id_that_could_be_more_is_none() {
    let odd = r#"[{"id": "a", "provider": "github", "client_id": "x", "label": "<b>&\"'"},
                  {"id": "b", "provider": "github", "client_id": "x"}]"#;
    let secrets = [("PROVIDER_A_SECRET", "s"), ("PROVIDER_B_SECRET", "s"), ("PROVIDERS", odd)];
    let (mut world, _) = several_of("hybrid", &secrets);
    let page = text(&world.get("/auth/login", NOON));
    assert!(page.contains("Continue with &lt;b&gt;&amp;") && !page.contains("<b>"), "{page}");
}

#[test]
fn gl_03_a_provider_that_is_not_ours_is_400() {
    let (mut world, _) = bound();
    for wanted in ["three", "", "ONE", "one/", "https://evil.test"] {
        let answer = world.get(&format!("/auth/login?provider={wanted}"), NOON);
        assert_eq!(answer.status(), 400, "{wanted}");
        assert!(!text(&answer).contains("evil") && world.jar.is_empty());
    }
    let mut alone = crate::auth::world::world("hybrid");
    assert_eq!(alone.get("/auth/login?provider=one", NOON).status(), 400);
}

#[test]
fn a_route_of_one_provider_sends_there_who_comes_without_a_session() {
    let (mut world, _) = bound();
    let told = explained(&mut world, "/two/x", NOON);
    assert_eq!(told["rule"]["provider"], "two");
    assert_eq!(respond(&told, "status"), 302);
    let login = respond(&told, "location").as_str().unwrap().to_owned();
    assert_eq!(login, "/auth/login?return_to=%2Ftwo%2Fx&provider=two");
    // Also for who only says where to return to.
    for login in [login.as_str(), "/auth/login?return_to=/two/x", "/auth/login?for=GET+/api/x"] {
        let away = world.get(login, NOON);
        assert!(location(&away).starts_with("https://two.test/authorize?"), "{login}");
    }
    let told = explained(&mut world, "/api/x", NOON);
    assert_eq!(respond(&told, "status"), 401);
    assert_eq!(respond(&told, "location"), "/auth/login?return_to=%2F&provider=two");
}

#[test]
fn a_session_of_another_provider_does_not_satisfy_it_and_is_replaced() {
    let (mut world, others) = bound();
    let peer = world.peer.clone();
    let one = sign_in(&mut world, &peer, "one", ONE);
    assert_eq!(explained(&mut world, "/x", NOON)["decision"]["forward"]["authenticated"], true);
    for (path, status) in [("/two/x", 302), ("/api/x", 401)] {
        let told = explained(&mut world, path, NOON);
        assert_eq!(told["provider"], "one");
        assert_eq!(respond(&told, "why"), "OtherProvider", "{path}");
        assert_eq!(respond(&told, "status"), status);
    }
    let asked = begin(&mut world, "two");
    tokens(&others.two, 0, &id_token(TWO, "alice", Some(&asked["nonce"]), NOON));
    assert_eq!(world.get(&back("two", &asked["state"], TWO), NOON).status(), 303);
    for path in ["/two/x", "/api/x", "/x"] {
        let told = explained(&mut world, path, NOON);
        assert_eq!(told["decision"]["forward"]["authenticated"], true, "{path}");
        assert_eq!(told["provider"], "two");
    }
    assert_eq!(world.objects.live(), 1);
    assert!(!is_in(&mut world, &one, NOON.plus(60)));
}

#[test]
fn the_first_provider_satisfies_a_route_of_it_with_a_session_from_before() {
    let routes = r#"[{"prefix": "/", "origin": "https://o.test", "access": "signed-in",
                      "provider": "one"}]"#;
    let mut before = world("sealed");
    before.sign_in(NOON);
    let (mut world, _) = several_of("sealed", &[("ROUTES", routes)]);
    world.jar.clone_from(&before.jar);
    assert_eq!(explained(&mut world, "/x", NOON)["decision"]["forward"]["authenticated"], true);
}

#[test]
fn fd_21_origins_are_told_whose_word_a_subject_is() {
    let (mut world, others) = bound();
    let peer = world.peer.clone();
    for (peer, id, issuer) in [(&peer, "one", ONE), (&others.two, "two", TWO)] {
        let _: &Peer = peer;
        sign_in(&mut world, peer, id, issuer);
        let person = match world.authenticate(NOON) {
            crate::session::admission::Authentication::Authenticated(visitor) => {
                visitor.snapshot.person.clone()
            }
            other => panic!("{other:?}"),
        };
        let route = world.config.routes.iter().last().unwrap();
        let told: Vec<_> = route.told.lines(&person).collect();
        let told: Value = told
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        assert_eq!(told, json!({ "x-user-id": "alice", "x-user-issuer": issuer }));
    }
}

const TWO_PROVIDERS: &str = r#"[
    {"id": "a", "provider": "openid", "issuer": "https://a.test", "client_id": "x",
     "token_endpoint_auth_method": "none"},
    {"id": "hub", "provider": "github", "client_id": "x"}
]"#;

/// What is wrong with these settings in place of the short form.
fn wrong(changes: &[(&str, &str)]) -> Vec<String> {
    let short = ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"].map(|name| (name, ""));
    let rest = [("PROVIDERS", TWO_PROVIDERS), ("PROVIDER_HUB_SECRET", "s")];
    mistakes(&changes.iter().copied().chain(short).chain(rest).collect::<Vec<_>>())
}

#[test]
fn every_mistake_in_providers_is_named() {
    let none: [&str; 0] = [];
    assert_eq!(wrong(&[]), none);
    for name in ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_AUTH", "SCOPE"] {
        let value = if name == "ISSUER" { "https://a.test" } else { "none" };
        assert_eq!(wrong(&[(name, value)]), [name]);
    }
    assert_eq!(wrong(&[("PROVIDER_HUB_SECRET", "")]), ["PROVIDER_HUB_SECRET"]);
    assert_eq!(wrong(&[("PROVIDER_A_SECRET", "s")]), ["PROVIDER_A_SECRET"]);
    let github = r#""provider": "github", "client_id": "x""#;
    for (entries, names) in [
        ("[]".to_owned(), vec!["PROVIDERS"]),
        ("{}".to_owned(), vec!["PROVIDERS"]),
        (format!(r#"[{{"id": "hub", {github}, "domains": []}}]"#), vec!["PROVIDERS"]),
        (format!(r#"[{{"id": "Hub", {github}}}]"#), vec!["PROVIDERS[0].id"]),
        (format!(r#"[{{"id": "hub", {github}, "issuer": "x"}}]"#), vec!["PROVIDERS[0].issuer"]),
        (format!(r#"[{{"id": "hub", {github}, "scope": "openid"}}]"#), vec!["PROVIDERS[0].scope"]),
        (
            format!(r#"[{{"id": "hub", {github}}}, {{"id": "hub", {github}}}]"#),
            vec!["PROVIDERS[1].id"],
        ),
    ] {
        assert_eq!(wrong(&[("PROVIDERS", &entries)]), names, "{entries}");
    }
}

#[test]
fn every_mistake_of_a_route_about_providers_is_named() {
    let with = |members: &str, access: &str| {
        let routes = format!(
            r#"[{{"prefix": "/", "origin": "https://o.test", "access": "{access}", {members}}}]"#
        );
        wrong(&[("ROUTES", &routes)])
    };
    let none: [&str; 0] = [];
    for (members, access, named) in [
        (r#""provider": "hub""#, "api", &none[..]),
        (r#""provider": "three""#, "api", &["ROUTES[0].provider"]),
        (r#""provider": "hub""#, "public", &["ROUTES[0].provider"]),
        (r#""headers": {"X-User": "sub"}"#, "api", &["ROUTES[0].headers"]),
        (r#""headers": {"X-User": "sub", "X-Iss": "iss"}"#, "api", &none),
        (r#""headers": {"X-User": "sub"}, "provider": "a""#, "api", &none),
        (r#""headers": {"X-Mail": "email"}"#, "api", &none),
        (r#""bearer": {"audience": "x"}"#, "api", &none),
        (r#""bearer": {"audience": "x", "opaque": true}"#, "api", &["ROUTES[0].bearer.opaque"]),
        (r#""bearer": {"audience": "x"}, "provider": "hub""#, "api", &["ROUTES[0].bearer"]),
        (r#""bearer": {"audience": "x"}, "provider": "a""#, "api", &none),
        (r#""token": {"audience": "x"}, "provider": "hub""#, "api", &["ROUTES[0].token"]),
        (r#""token": "none", "provider": "hub""#, "api", &none),
        (r#""token": {"audience": "x"}, "provider": "a""#, "api", &none),
        // We have no secret there to ask with.
        (
            r#""bearer": {"audience": "x", "opaque": true}, "provider": "a""#,
            "api",
            &["ROUTES[0].bearer.opaque"],
        ),
    ] {
        assert_eq!(with(members, access), named, "{members}");
    }
    let alone =
        r#"[{"prefix": "/", "origin": "https://o.test", "access": "api", "provider": "a"}]"#;
    assert_eq!(mistakes(&[("ROUTES", alone)]), ["ROUTES[0].provider"]);
}
