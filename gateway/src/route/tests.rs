use super::*;
use crate::config::tests::{mistakes, with};
use crate::own_keys::OwnKeys;
use crate::own_keys::tests::KEYS;
use proptest::prelude::*;
use shared::settings::Settings;

fn routes() -> Routes {
    let text = r#"[
        {"prefix": "/public", "origin": "https://site.test", "access": "public"},
        {"prefix": "/admin/api", "origin": "https://api.test", "access": "api"},
        {"prefix": "/admin", "origin": "https://admin.test", "access": "signed-in"},
        {"prefix": "/", "origin": "https://site.test", "access": "public"}
    ]"#;
    let mut settings = Settings::new(|_: &str| Some(text.to_owned()));
    let site = [Origin::parse("https://app.test").unwrap()];
    let sites = Routes::read(&mut settings, &site, None, &OwnKeys::default());
    settings.finish(sites.into_iter().next()).unwrap()
}

fn prefix(path: &str) -> Result<String, u16> {
    let refused = |refused: Refused| refused.response(false).status().as_u16();
    let target = Target::read(path).map_err(|why| refused(Refused::Path(why)))?;
    match routes().find(&Method::GET, &target).map_err(refused)? {
        Owner::Route(route) => Ok(route.prefix.clone()),
        Owner::Ours => Ok("ours".to_owned()),
        Owner::Nobody => Err(404),
    }
}

#[test]
fn the_first_prefix_of_whole_segments_decides() {
    for (path, found) in [
        ("/", "/"),
        ("/x", "/"),
        ("/administrator", "/"),
        ("/admin", "/admin"),
        ("/admin/", "/admin"),
        ("/admin/apis", "/admin"),
        ("/admin/api/x?y", "/admin/api"),
        ("/auth", "ours"),
        ("/auth/login", "ours"),
        ("/authors", "/"),
    ] {
        assert_eq!(prefix(path).as_deref(), Ok(found), "{path}");
    }
}

#[test]
fn gp_09_neither_query_nor_fragment_makes_a_path_public() {
    assert_eq!(prefix("/admin?x=/public").as_deref(), Ok("/admin"));
    assert_eq!(prefix("/admin#/public").as_deref(), Ok("/admin"));
    assert_eq!(prefix("/admin%23/public"), Err(400));
}

#[test]
fn gp_10_no_spelling_of_a_protected_path_is_public() {
    for path in ["/public/../admin", "/public/%2e%2e/admin", "/./admin", "/%61dmin", "/admin/"] {
        assert_eq!(prefix(path).as_deref(), Ok("/admin"), "{path}");
    }
    for path in [
        "/public/..%2fadmin",
        "/public/..;/admin",
        "//admin",
        "/ADMIN",
        "/public/..%2FADMIN",
        "/admin;x",
        "/admin%3bx",
        "/public%5c..%5cadmin",
        "/public/%252e%252e/admin",
        "/public\\..\\admin",
    ] {
        assert_eq!(prefix(path), Err(400), "{path}");
    }
}

#[test]
fn a_path_that_is_odd_but_the_same_routes_in_every_reading_passes() {
    for path in ["/admin/a%2Fb", "/admin/x;v=1", "/admin//x", "/admin/X%20Y", "/a%252Fb"] {
        assert!(prefix(path).is_ok(), "{path}");
    }
}

#[test]
fn gp_11_the_host_is_the_routes_whatever_the_path_says() {
    let route = Route {
        position: 0,
        prefix: "/".to_owned(),
        methods: Vec::new(),
        requirement: Requirement::default(),
        told: Told::default(),
        assertion: None,
        signals: false,
        provider: None,
        bearer: None,
        token: Token::Session,
        origin: Origin::parse("https://site.test").unwrap(),
        access: Access::Public,
    };
    for path in ["//evil.test/x", "/http://evil.test", "/@evil.test", "/:80@evil.test"] {
        let url = route.url(&Target::read(path).unwrap());
        assert_eq!(url::Url::parse(&url).unwrap().host_str(), Some("site.test"), "{url}");
    }
}

#[test]
fn gp_36_our_paths_are_nobody_elses_in_any_reading() {
    for path in ["/auth%2flogin", "/AUTH/login", "//auth/login", "/x/..%2fauth", "/auth;x/login"] {
        assert_eq!(prefix(path), Err(400), "{path}");
    }
    assert_eq!(prefix("/x/../auth/login").as_deref(), Ok("ours"));
}

const REST: &str = r#""origin": "https://site.test", "access": "signed-in""#;

/// The settings `ROUTES`, each given by what it has besides an origin.
fn written(routes: &[&str]) -> String {
    let routes: Vec<_> = routes.iter().map(|route| format!("{{{route}, {REST}}}")).collect();
    format!("[{}]", routes.join(", "))
}

/// Which route of these a request is.
fn place(routes: &[&str], method: &str, path: &str) -> Option<usize> {
    let config = with(&[("ROUTES", &written(routes))]).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match config.routes.find(&method, &Target::read(path).unwrap()) {
        Ok(Owner::Route(route)) => Some(route.position),
        _ => None,
    }
}

#[test]
fn the_first_route_decides_that_has_the_method_and_what_none_has_is_nobodys() {
    let routes = [
        r#""prefix": "/a", "methods": ["POST"]"#,
        r#""prefix": "/a/b", "methods": ["GET"]"#,
        r#""prefix": "/a", "methods": ["GET", "DELETE"]"#,
    ];
    for (method, path, found) in [
        ("POST", "/a/b", Some(0)),
        ("GET", "/a/b", Some(1)),
        ("HEAD", "/a/b", Some(1)),
        ("DELETE", "/a/b", Some(2)),
        ("GET", "/a", Some(2)),
        ("PUT", "/a", None),
        ("OPTIONS", "/a", None),
        ("get", "/a", None),
        ("GET", "/", None),
    ] {
        assert_eq!(place(&routes, method, path), found, "{method} {path}");
    }
}

#[test]
fn a_route_that_could_never_be_reached_is_refused_by_name() {
    for (routes, named) in [
        (&[r#""prefix": "/""#, r#""prefix": "/a""#][..], "ROUTES[1]"),
        (&[r#""prefix": "/a""#, r#""prefix": "/a""#], "ROUTES[1]"),
        (&[r#""prefix": "/a""#, r#""prefix": "/a/b", "methods": ["GET"]"#], "ROUTES[1]"),
        (
            &[
                r#""prefix": "/a", "methods": ["GET", "POST"]"#,
                r#""prefix": "/a", "methods": ["POST"]"#,
            ],
            "ROUTES[1]",
        ),
        (
            &[r#""prefix": "/a""#, r#""prefix": "/b""#, r#""prefix": "/a", "host": "app.test""#],
            "ROUTES[2]",
        ),
        (&[r#""prefix": "/a""#, r#""prefix": "/A""#], "ROUTES[1].prefix"),
    ] {
        assert_eq!(mistakes(&[("ROUTES", &written(routes))]), [named], "{routes:?}");
    }
    for routes in [
        &[r#""prefix": "/a""#, r#""prefix": "/""#][..],
        &[r#""prefix": "/", "methods": ["POST"]"#, r#""prefix": "/""#],
        &[r#""prefix": "/a""#, r#""prefix": "/ab""#],
    ] {
        assert!(mistakes(&[("ROUTES", &written(routes))]).is_empty(), "{routes:?}");
    }
}

#[test]
fn the_methods_and_the_host_of_a_route_are_refused_by_name() {
    for (route, named) in [
        (r#""prefix": "/a", "methods": []"#, "ROUTES[0].methods"),
        (r#""prefix": "/a", "methods": ["get"]"#, "ROUTES[0].methods"),
        (r#""prefix": "/a", "methods": ["GET", "GET"]"#, "ROUTES[0].methods"),
        (r#""prefix": "/a", "methods": ["G T"]"#, "ROUTES[0].methods"),
        (r#""prefix": "/a", "host": "other.test""#, "ROUTES[0].host"),
        (r#""prefix": "/a", "host": "https://app.test""#, "ROUTES[0].host"),
    ] {
        assert_eq!(mistakes(&[("ROUTES", &written(&[route]))]), [named], "{route}");
    }
}

proptest! {
    #[test]
    fn gp_10_the_path_that_is_sent_selects_the_route_that_policy_chose(
        raw in "/(public|admin|api|auth|ADMIN|\\.\\.|\\.|/|%2[eEfF5]|%5c|;|x|%61){0,12}",
    ) {
        let (routes, target) = (routes(), Target::read(&raw));
        if let Ok(Ok(Owner::Route(route))) = target.as_ref().map(|target| routes.find(&Method::GET, target)) {
            let sent = url::Url::parse(&route.url(target.as_ref().unwrap())).unwrap();
            let again = Target::read(sent.path()).unwrap();
            prop_assert_eq!(routes.find(&Method::GET, &again), Ok(Owner::Route(route)));
            prop_assert_eq!(Some(&again), target.as_ref().ok());
        }
    }
}

/// The mistakes of settings whose routes are sent these tokens, with this of `RESOURCE`.
fn tokens(access: &str, tokens: &[&str], resource: &str) -> Vec<String> {
    let route = |(number, token): (usize, &&str)| {
        let token = if token.is_empty() { String::new() } else { format!(r#","token": {token}"#) };
        let origin = "https://site.test";
        format!(r#"{{"prefix": "/{number}", "origin": "{origin}", "access": "{access}"{token}}}"#)
    };
    let routes: Vec<_> = tokens.iter().enumerate().map(route).collect();
    mistakes(&[("ROUTES", &format!("[{}]", routes.join(","))), ("RESOURCE", resource)])
}

#[test]
fn gp_24_a_route_says_whom_its_token_is_for() {
    for good in [
        r#""none""#,
        r#"{"resource": "https://orders.test"}"#,
        r#"{"audience": "orders", "by": "exchange"}"#,
        r#"{"resource": "urn:orders", "audience": "orders", "scope": "a b", "by": "refresh"}"#,
        r#"{"audience": "orders", "opaque": true}"#,
    ] {
        assert!(tokens("api", &[good], "").is_empty(), "{good}");
        assert_eq!(tokens("public", &[good], ""), ["ROUTES[0].token"], "{good}");
    }
    for (bad, member) in [
        (r#""session""#, "ROUTES[0].token"),
        (r#"{"scope": "a"}"#, "ROUTES[0].token"),
        (r#"{"resource": "orders"}"#, "ROUTES[0].token.resource"),
        (r#"{"resource": "https://orders.test/#a"}"#, "ROUTES[0].token.resource"),
        (r#"{"audience": ""}"#, "ROUTES[0].token.audience"),
        (r#"{"audience": "a b"}"#, "ROUTES[0].token.audience"),
        (r#"{"audience": "a", "scope": ""}"#, "ROUTES[0].token.scope"),
        (r#"{"audience": "a", "scope": "\"" }"#, "ROUTES[0].token.scope"),
    ] {
        assert_eq!(tokens("api", &[bad], ""), [member], "{bad}");
    }
    for bad in [r#"{"audience": "a", "by": "magic"}"#, r#"{"audience": "a", "x": 1}"#, "true"] {
        assert_eq!(tokens("api", &[bad], "").first().map(String::as_str), Some("ROUTES"), "{bad}");
    }
}

#[test]
fn gp_24_no_origin_is_sent_a_token_that_is_good_for_others_by_mistake() {
    let own = r#"{"resource": "https://orders.test"}"#;
    assert_eq!(tokens("api", &[own, ""], ""), ["RESOURCE"]);
    assert!(tokens("api", &[own, ""], "https://own.test").is_empty());
    assert!(tokens("api", &[own, r#""none""#], "").is_empty());
    // What is asked by name is not named at the sign-in.
    assert!(tokens("api", &[r#"{"audience": "orders"}"#, ""], "").is_empty());
    assert_eq!(tokens("api", &[""], "own"), ["RESOURCE"]);
}

#[test]
fn there_are_no_more_different_tokens_than_a_session_has_room_for() {
    let all: Vec<_> = (0..17).map(|n| format!(r#"{{"audience": "{n}"}}"#)).collect();
    let mut all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(tokens("api", &all, ""), ["ROUTES"]);
    all[16] = all[0];
    assert!(tokens("api", &all, "").is_empty());
}

#[test]
fn a_token_is_bound_to_a_key_of_ours_where_there_is_one_and_the_refresh_token_is_not() {
    let mistakes = |by: &str, more: &[(&str, &str)]| {
        let token = format!(r#"{{"resource": "urn:a", "by": "{by}", "dpop": true}}"#);
        let routes = format!(
            r#"[{{"prefix": "/", "origin": "https://a.test", "access": "api", "token": {token}}}]"#
        );
        let mut settings = vec![("ROUTES", routes.as_str()), ("RESOURCE", "urn:own")];
        settings.extend(more);
        mistakes(&settings)
    };
    let (keys, public) = (("SIGNING_KEYS", KEYS), [("CLIENT_SECRET", ""), ("CLIENT_AUTH", "none")]);
    let member = ["ROUTES[0].token.dpop"];
    assert_eq!(mistakes("exchange", &[]), member);
    assert_eq!(mistakes("exchange", &[keys]), [""; 0]);
    assert_eq!(mistakes("refresh", &[keys]), [""; 0]);
    assert_eq!(mistakes("refresh", &[keys, public[0], public[1]]), member);
    assert_eq!(mistakes("exchange", &[keys, public[0], public[1]]), [""; 0]);
}
