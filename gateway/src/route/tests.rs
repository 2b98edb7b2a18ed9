use super::*;
use crate::config::tests::{mistakes, with};
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
    let sites = Routes::read(&mut settings, &[Origin::parse("https://app.test").unwrap()], None);
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
