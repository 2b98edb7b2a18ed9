use super::*;

const GOOD: [(&str, &str); 6] = [
    ("PUBLIC_URL", "https://app.test"),
    ("ISSUER", "https://issuer.test/"),
    ("CLIENT_ID", "gateway"),
    ("CLIENT_SECRET", "s3cret"),
    ("SEALING_KEYS", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"),
    (
        "ROUTES",
        r#"[{"prefix": "/open", "origin": "https://site.test", "access": "public"},
            {"prefix": "/api", "origin": "https://api.test", "access": "api"},
            {"prefix": "/", "origin": "https://site.test", "access": "signed-in"}]"#,
    ),
];

/// `GOOD`, with some settings in place of it; an empty one is absent.
pub(crate) fn with(changes: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    Config::read(|name| {
        let found = changes.iter().chain(&GOOD).find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

pub(crate) fn mistakes(changes: &[(&str, &str)]) -> Vec<String> {
    let problems = with(changes).err().unwrap_or_default();
    problems.into_iter().map(|problem| problem.name).collect()
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let config = with(&[]).unwrap();
    assert_eq!(config.mode, Mode::Hybrid);
    assert_eq!(
        config.providers.first().client.scope.to_string(),
        "email offline_access openid profile"
    );
    assert_eq!(
        config.providers.first().client.auth,
        ClientAuth::Basic(ClientSecret::new("s3cret"))
    );
    assert_eq!((config.idle_seconds, config.absolute_seconds), (3600, 36_000));
    assert_eq!((config.freshness_seconds, config.trusted_origins.len()), (30, 0));
    assert_eq!((config.sessions_per_person, config.hsts_seconds), (64, 31_536_000));
    let public = with(&[("CLIENT_SECRET", "")]).unwrap();
    assert_eq!(public.providers.first().client.auth, ClientAuth::None);
}

#[test]
fn one_failed_start_names_every_mistake() {
    let all = Config::read(|name| match name {
        "SESSION_MODE" => Some("redis".to_owned()),
        "SCOPE" => Some("profile".to_owned()),
        "CLIENT_AUTH" => Some("client_secret_post".to_owned()),
        "FRESHNESS_SECONDS" => Some("-1".to_owned()),
        "TRUSTED_ORIGINS" => Some(r#"["https://a.test/", "*"]"#.to_owned()),
        _ => None,
    });
    let names: Vec<_> = all.unwrap_err().into_iter().map(|problem| problem.name).collect();
    let wanted = [
        "PUBLIC_URL",
        "ROUTES",
        "ISSUER",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "SCOPE",
        "SESSION_MODE",
        "SEALING_KEYS",
        "FRESHNESS_SECONDS",
        "TRUSTED_ORIGINS[0]",
        "TRUSTED_ORIGINS[1]",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn a_setting_that_is_wrong_alone_is_named_alone() {
    for (name, value) in [
        ("PUBLIC_URL", "http://app.test"),
        ("PUBLIC_URL", "https://app.test/"),
        ("ISSUER", "issuer.test"),
        ("CLIENT_ID", "caf\u{e9}"),
        ("CLIENT_AUTH", "client_secret_jwt"),
        ("SCOPE", "profile email"),
        ("SESSION_MODE", "Hybrid"),
        ("SEALING_KEYS", "c2hvcnQ"),
        ("SESSION_IDLE_SECONDS", "0"),
        ("SESSION_ABSOLUTE_SECONDS", "9999999999"),
        ("SESSIONS_PER_PERSON", "0"),
        ("SESSIONS_PER_PERSON", "501"),
        ("ROUTES", ""),
        ("ROUTES", "[]"),
        ("ROUTES", "{}"),
        ("ROUTES", r#"[{"prefix": "/", "origin": "https://a.test"}]"#),
        (
            "ROUTES",
            r#"[{"prefix": "/", "origin": "https://a.test", "access": "public", "auth": 1}]"#,
        ),
        ("TRUSTED_ORIGINS", "https://a.test"),
    ] {
        assert_eq!(mistakes(&[(name, value)]), [name], "{value}");
    }
    assert_eq!(mistakes(&[("CLIENT_AUTH", "none")]), ["CLIENT_SECRET"]);
    assert_eq!(mistakes(&[("CLIENT_AUTH", "private_key_jwt")]), ["CLIENT_SECRET"]);
    let signing = [("CLIENT_AUTH", "private_key_jwt"), ("CLIENT_SECRET", "")];
    assert_eq!(mistakes(&signing), ["SIGNING_KEYS"]);
    assert_eq!(mistakes(&[("SESSION_IDLE_SECONDS", "40000")]), ["SESSION_IDLE_SECONDS"]);
}

#[test]
fn a_route_is_refused_by_its_place_and_member() {
    for (prefix, origin, access, member) in [
        ("api", "https://a.test", "api", "prefix"),
        ("/api/", "https://a.test", "api", "prefix"),
        ("/a//b", "https://a.test", "api", "prefix"),
        ("/a/../b", "https://a.test", "api", "prefix"),
        ("/%61", "https://a.test", "api", "prefix"),
        ("/a%20b", "https://a.test", "api", "prefix"),
        ("/a;b", "https://a.test", "api", "prefix"),
        ("/a?b", "https://a.test", "api", "prefix"),
        ("/a#b", "https://a.test", "api", "prefix"),
        ("/auth", "https://a.test", "api", "prefix"),
        ("/Auth/x", "https://a.test", "api", "prefix"),
        ("/A", "https://a.test", "api", "prefix"),
        ("/b", "http://a.test", "api", "origin"),
        ("/b", "https://a.test/path", "api", "origin"),
        ("/b", "https://app.test", "api", "origin"),
        ("/b", "https://a.test", "Public", "access"),
    ] {
        let first = r#"{"prefix": "/a", "origin": "http://127.0.0.1:1", "access": "public"}"#;
        let second =
            format!(r#"{{"prefix": "{prefix}", "origin": "{origin}", "access": "{access}"}}"#);
        let routes = format!("[{first}, {second}]");
        assert_eq!(mistakes(&[("ROUTES", &routes)]), [format!("ROUTES[1].{member}")], "{second}");
    }
}

#[test]
fn each_public_url_is_a_site_with_the_routes_of_its_host() {
    let routes = r#"[
        {"prefix": "/a", "host": "one.test", "origin": "https://a.test", "access": "api"},
        {"prefix": "/a", "host": "two.test:8443", "origin": "https://b.test", "access": "api"},
        {"prefix": "/", "origin": "https://c.test", "access": "public"}
    ]"#;
    let urls = "https://one.test, https://two.test:8443";
    let settings = [("PUBLIC_URL", urls), ("ROUTES", routes)];
    let sites = Sites::read(|name| {
        let found = settings.iter().chain(&GOOD).find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let sites = sites.unwrap().into_configs();
    let found = |url: &str| {
        let site = site(&sites, |site| site, url)?;
        let positions = site.routes.iter().map(|route| route.position).collect::<Vec<_>>();
        Some((site.public_url.as_str(), positions))
    };
    assert_eq!(found("https://one.test/a"), Some(("https://one.test", vec![0, 2])));
    assert_eq!(found("https://TWO.test:8443"), Some(("https://two.test:8443", vec![1, 2])));
    for url in ["https://two.test/", "https://one.test.evil/", "https://evil.test/one.test", "/"] {
        assert_eq!(found(url), None, "{url}");
    }
    let [first, ..] = &sites[..] else { panic!() };
    assert!(site(std::slice::from_ref(first), |site| site, "https://any.test/").is_some());
    for urls in ["https://a.test,https://a.test", "https://a.test,", "https://a.test http://b"] {
        assert!(mistakes(&[("PUBLIC_URL", urls)]).contains(&"PUBLIC_URL".to_owned()), "{urls}");
    }
}

#[test]
fn an_example_key_is_for_development_only() {
    let example = ("SEALING_KEYS", "Z2F0ZWxhdGNoLWV4YW1wbGUtYWFhYWFhYWFhYWFhYWE");
    assert_eq!(mistakes(&[example]), ["SEALING_KEYS"]);
    assert!(with(&[example, ("PUBLIC_URL", "http://localhost:8788")]).is_ok());
    for sites in ["http://localhost:8788,https://a.test", "https://a.test,http://localhost:8788"] {
        assert_eq!(mistakes(&[example, ("PUBLIC_URL", sites)]), ["SEALING_KEYS"], "{sites}");
    }
}

#[test]
fn no_problem_repeats_a_value() {
    let problems = with(&[("SEALING_KEYS", "hunter2"), ("CLIENT_AUTH", "hunter2")]).unwrap_err();
    assert!(problems.iter().all(|problem| !problem.to_string().contains("hunter2")));
    assert!(!format!("{:?}", with(&[]).unwrap()).contains("s3cret"));
}

#[test]
fn a_database_is_asked_for_where_sessions_live_in_one_and_its_url_is_not_repeated() {
    let postgres = ("SESSION_MODE", "postgres");
    assert_eq!(mistakes(&[postgres]), ["DATABASE_URL"]);
    let problems = with(&[postgres, ("DATABASE_URL", "mysql://bob:hunter2@db.test/shop")]);
    let problem = problems.unwrap_err().remove(0);
    assert!(problem.name == "DATABASE_URL" && !problem.to_string().contains("hunter2"));
    let url = ("DATABASE_URL", "postgres://bob:hunter2@db.test/shop");
    let config = with(&[postgres, url]).unwrap();
    assert_eq!(config.database.as_ref().unwrap().host, "db.test");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(with(&[url]).unwrap().database.is_none());
}

#[test]
fn copies_need_a_place() {
    let kv = ("SESSION_MODE", "kv");
    assert_eq!(mistakes(&[kv]), ["SESSIONS"]);
    assert_eq!(with(&[kv, ("SESSIONS", "{}")]).unwrap().mode, Mode::Kv);
}

#[test]
fn sealed_sessions_are_refused_with_refresh_tokens_that_work_once_or_of_which_nothing_is_said() {
    let sealed = ("SESSION_MODE", "sealed");
    for said in ["", "once", "never", "Repeated"] {
        let problems = with(&[sealed, ("REFRESH_TOKENS", said)]).unwrap_err();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("REFRESH_TOKENS: must be "), "{lines:?}");
        let is_word = ["", "once"].contains(&said);
        assert_eq!(lines[0].contains("take SESSION_MODE hybrid"), is_word, "{lines:?}");
    }
    for said in ["repeated", "reusable"] {
        assert_eq!(with(&[sealed, ("REFRESH_TOKENS", said)]).unwrap().mode, Mode::Sealed);
    }
}

#[test]
fn other_sessions_take_refresh_tokens_of_every_kind() {
    for mode in ["hybrid", "durable"] {
        for said in ["", "once", "repeated", "reusable"] {
            let settings = [("SESSION_MODE", mode), ("REFRESH_TOKENS", said)];
            assert!(with(&settings).is_ok(), "{mode} {said}");
        }
        assert_eq!(mistakes(&[("REFRESH_TOKENS", "rotating")]), ["REFRESH_TOKENS"]);
    }
}

#[test]
fn only_sessions_in_objects_can_follow_their_person() {
    let follow = ("FOLLOW_REGION", "true");
    let (kv, copies) = (("SESSION_MODE", "kv"), ("SESSIONS", "{}"));
    let url = ("DATABASE_URL", "postgres://bob:hunter2@db.test/shop");
    assert!(!with(&[]).unwrap().follow_region && !with(&[]).unwrap().looks_at_edge());
    for changes in [&[follow][..], &[follow, ("SESSION_MODE", "durable")], &[follow, kv, copies]] {
        let config = with(changes).unwrap();
        assert!(config.follow_region && config.looks_at_edge(), "{changes:?}");
    }
    assert_eq!(mistakes(&[follow, ("SESSION_MODE", "postgres"), url]), ["FOLLOW_REGION"]);
    let sealed = [("SESSION_MODE", "sealed"), ("REFRESH_TOKENS", "repeated")];
    assert_eq!(mistakes(&[follow, sealed[0], sealed[1]]), ["FOLLOW_REGION"]);
    assert!(with(&[("FOLLOW_REGION", "false"), sealed[0], sealed[1]]).is_ok());
    assert_eq!(mistakes(&[("FOLLOW_REGION", "yes")]), ["FOLLOW_REGION"]);
}
