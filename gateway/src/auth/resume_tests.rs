//! A form of somebody who has to sign in first: kept by their browser, and sent once.

use super::world::*;
use crate::fixture::{NOON, claims, config_with, sign};
use http::Method;
use http::header::CONTENT_SECURITY_POLICY;
use shared::fetch::{Fetch, Request, Response};
use shared::form::encode;
use shared::time::UnixTime;

const FORM: &str = "text=a+b%0D%0A%22%3C%26&text=%F0%9F%90%87&submit=x&empty=";
const OWN: [(&str, &str); 2] = [("origin", "https://app.test"), ("sec-fetch-site", "same-origin")];

/// What a page tells its script.
fn told(page: &Response, name: &str) -> Option<String> {
    let text = text(page);
    let (_, rest) = text.split_once("<script")?;
    let (_, rest) = rest.split_once(&format!(" data-{name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

/// A form that the browser keeps: where to sign in, what the tab has, and what the form is called.
fn kept<F: Fetch>(world: &mut World<F>, target: &str, now: UnixTime) -> (String, String, String) {
    let page = world.form(target, FORM, &[], now).expect("nobody is signed in");
    assert_eq!(page.status(), 401);
    let next = told(&page, "next").expect("it is kept");
    let (_, name) = next.split_once("form%3D").unwrap();
    let name = name.split('&').next().unwrap().to_owned();
    (next, told(&page, "kept").unwrap(), name)
}

/// Hands a form over, as the page does.
fn resume<F: Fetch>(world: &mut World<F>, name: &str, sealed: &str, now: UnixTime) -> Response {
    let body = encode([("form", name), ("kept", sealed)]).into_bytes();
    world.send(Request::new(body), (&Method::POST, "/auth/resume"), &OWN, now)
}

/// Signs somebody in where the page leads, and gives where that leads.
fn sign_in<F: Fetch>(world: &mut World<F>, next: &str, subject: &str, now: UnixTime) -> String {
    let url = url::Url::parse(&location(&world.get(next, now))).unwrap();
    let asked = |wanted: &str| {
        let mut found = url.query_pairs().filter(|(name, _)| name == wanted);
        found.next().expect("it is asked").1.into_owned()
    };
    world.tokens(subject, &asked("nonce"), now);
    location(&world.get(&callback(&asked("state")), now))
}

fn forms<F>(world: &World<F>) -> usize {
    world.jar.keys().filter(|name| name.starts_with("__Host-gatelatch-form-")).count()
}

#[test]
fn a_form_is_kept_across_the_sign_in_and_sent_once_to_where_it_was_sent() {
    for mode in MODES {
        let mut world = world(mode);
        let (next, sealed, name) = kept(&mut world, "/a%20b?c=d&e=%2F", NOON);
        assert!(next.starts_with("/auth/login?return_to=%2Fauth%2Fresume%3Fform%3D"), "{next}");
        assert!(next.ends_with("&for=POST+%2Fa%2520b"), "{next}");
        assert_eq!(
            sign_in(&mut world, &next, "alice", NOON.plus(500)),
            format!("/auth/resume?form={name}")
        );

        let page = world.get(&format!("/auth/resume?form={name}"), NOON);
        assert_eq!(
            (page.status(), told(&page, "name")),
            (http::StatusCode::OK, Some(format!("gatelatch-form-{name}")))
        );
        let page = resume(&mut world, &name, &sealed, NOON.plus(599));
        assert_eq!(page.status(), 200, "{mode}: {}", text(&page));
        let html = text(&page);
        assert!(html.contains("action=\"https://app.test/a%20b?c=d&amp;e=%2F\""), "{html}");
        let fields: Vec<_> =
            html.lines().filter(|line| line.starts_with("<input type=\"hidden\"")).collect();
        assert_eq!(
            fields,
            [
                "<input type=\"hidden\" name=\"text\" value=\"a b&#13;&#10;&quot;&lt;&amp;\">",
                "<input type=\"hidden\" name=\"text\" value=\"\u{1f407}\">",
                "<input type=\"hidden\" name=\"submit\" value=\"x\">",
                "<input type=\"hidden\" name=\"empty\" value=\"\">",
            ]
        );
        assert_eq!(forms(&world), 0, "its cookie is gone");
        // Nobody was signed in before, so nobody knows whose it is.
        assert_eq!(told(&page, "send").as_deref(), Some(""), "{mode}");
        assert_eq!(resume(&mut world, &name, &sealed, NOON.plus(599)).status(), 410);
        assert!(
            world.form("/a%20b?c=d&e=%2F", FORM, &[], NOON.plus(600)).is_none(),
            "it goes to the origin"
        );
    }
}

#[test]
fn a_used_form_is_not_given_again_to_who_puts_its_cookie_back() {
    let mut world = world("hybrid");
    let (next, sealed, name) = kept(&mut world, "/x", NOON);
    sign_in(&mut world, &next, "alice", NOON);
    let jar = world.jar.clone();
    assert_eq!(resume(&mut world, &name, &sealed, NOON).status(), 200);
    world.jar = jar;
    assert_eq!(resume(&mut world, &name, &sealed, NOON).status(), 410);
}

#[test]
fn it_goes_by_itself_for_whose_session_had_ended_and_is_refused_to_somebody_else() {
    for mode in ["hybrid", "sealed"] {
        for (subject, status) in [("alice", 200), ("bob", 403)] {
            let mut world = world(mode);
            world.sign_in_as("alice", None, NOON);
            let later = NOON.plus(40_000);
            let (next, sealed, name) = kept(&mut world, "/x", later);
            sign_in(&mut world, &next, subject, later);
            let page = resume(&mut world, &name, &sealed, later);
            assert_eq!(page.status(), status, "{mode} {subject}");
            assert_eq!(told(&page, "send").as_deref(), (subject == "alice").then_some("1"));
            assert!(subject == "alice" || !text(&page).contains("a b"), "nobody is shown it");
            assert_eq!(forms(&world), usize::from(subject == "bob"), "nothing was used up");
        }
    }
}

#[test]
fn nothing_opens_a_kept_form_but_its_own_browser_in_time_signed_in_from_a_page_of_ours() {
    let mut world = world("durable");
    let (next, sealed, name) = kept(&mut world, "/x", NOON);
    let (_, other, elsewhere) = kept(&mut world, "/y", NOON);
    assert_eq!(resume(&mut world, &name, &sealed, NOON).status(), 401, "nobody is signed in");
    sign_in(&mut world, &next, "alice", NOON);

    for (name, sealed) in [(&name, &other), (&elsewhere, &sealed), (&name, &"x".to_owned())] {
        assert_eq!(resume(&mut world, name, sealed, NOON).status(), 410);
    }
    assert_eq!(resume(&mut world, &name, &sealed, NOON.plus(600)).status(), 410, "too late");
    let jar = world.jar.clone();
    world.jar.retain(|cookie, _| !cookie.ends_with(&name));
    assert_eq!(resume(&mut world, &name, &sealed, NOON).status(), 410, "another browser");
    let shown = world.get(&format!("/auth/resume?form={name}"), NOON);
    assert_eq!((shown.status().as_u16(), told(&shown, "name")), (410, None));
    world.jar = jar;

    let body = encode([("form", name.as_str()), ("kept", sealed.as_str())]).into_bytes();
    for lines in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-site")],
        &[("x-csrf", "1")],
        &[],
    ] {
        let request = Request::new(body.clone());
        let answer = world.send(request, (&Method::POST, "/auth/resume"), lines, NOON);
        assert_eq!(answer.status(), 403, "{lines:?}");
    }
    world.objects.lost.set(true);
    let busy = resume(&mut world, &name, &sealed, NOON);
    assert_eq!(
        (busy.status().as_u16(), &busy.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    world.objects.lost.set(false);
    assert_eq!(resume(&mut world, &name, &sealed, NOON).status(), 200, "none of it used it up");

    // A gateway with another address, or other keys, made neither.
    world.config = config_with("durable", &[("PUBLIC_URL", "https://other.test")]);
    assert_eq!(world.get(&format!("/auth/resume?form={elsewhere}"), NOON).status(), 410);
}

#[test]
fn what_cannot_be_kept_is_refused_with_words_and_not_redirected() {
    let mut world = world("hybrid");
    let large = format!("a={}", "x".repeat(64 * 1024 - 1));
    let (fits, many) = (&large[..64 * 1024], "a=&".repeat(1001));
    let kind = "content-type";
    for (body, lines) in [
        (large.as_str(), &[][..]),
        ("a=%00", &[]),
        ("a=%ff", &[]),
        (&many, &[]),
        ("a=1", &[("content-length", "65537")]),
        ("a=1", &[("content-encoding", "gzip")]),
        ("a=1", &[(kind, "multipart/form-data; boundary=x")]),
        ("a=1", &[(kind, "application/json")]),
        ("a=1", &[(kind, "text/plain")]),
    ] {
        let page = world.form("/x?q=1", body, lines, NOON).unwrap();
        assert_eq!((page.status().as_u16(), told(&page, "kept")), (401, None), "{lines:?}");
        assert!(text(&page).contains("What you sent to <b>/x</b> was not passed on"));
        assert!(text(&page).contains("href=\"/auth/login?return_to=%2F&amp;for=POST+%2Fx\""));
        assert!(page.headers()["vary"].to_str().unwrap().contains("Cookie"));
        assert_eq!(forms(&world), 0);
    }
    assert!(told(&world.form("/x", fits, &[], NOON).unwrap(), "kept").is_some());
    let long = format!("/{}", "x".repeat(2000));
    assert!(told(&world.form(&long, "", &[], NOON).unwrap(), "kept").is_none());
    // A script, and a page of somebody who is merely trusted.
    let script = world.form("/x", "a=1", &[("sec-fetch-mode", "cors")], NOON).unwrap();
    assert!(text(&script).contains("login_required"));
    world.config = config_with("hybrid", &[("TRUSTED_ORIGINS", r#"["https://admin.test"]"#)]);
    let trusted = [("origin", "https://admin.test"), ("sec-fetch-site", "same-site")];
    let page = world.form("/x", "a=1", &trusted, NOON).unwrap();
    assert_eq!((page.status().as_u16(), told(&page, "kept")), (401, None));
    let evil = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    let page = world.form("/x", "a=1", &evil, NOON).unwrap();
    assert_eq!(page.status(), 403);
    assert!(text(&page).contains("<h1>"), "a person reads it");
}

#[test]
fn a_form_to_a_path_that_looks_like_another_host_comes_back_to_this_one() {
    let mut world = world("hybrid");
    let (next, sealed, name) = kept(&mut world, "//evil.test/x", NOON);
    sign_in(&mut world, &next, "alice", NOON);
    let page = text(&resume(&mut world, &name, &sealed, NOON));
    assert!(page.contains("action=\"https://app.test//evil.test/x\""), "{page}");
}

#[test]
fn somebody_who_lacks_a_stronger_sign_in_keeps_their_form_too() {
    let routes = r#"[{"prefix": "/", "origin": "https://s.test", "access": "signed-in",
                      "require": {"max_age": 60}}]"#;
    let mut world = world_of(config_with("durable", &[("ROUTES", routes)]));
    let asked = world.login("/app", NOON);
    let mut told_of = claims("alice", Some(&asked["nonce"]), NOON);
    told_of["auth_time"] = NOON.0.into();
    let answer = serde_json::json!({
        "access_token": "a0", "token_type": "Bearer", "expires_in": 300,
        "id_token": sign("JWT", &told_of),
    });
    world.peer.put("/token", 200, &answer.to_string());
    assert_eq!(world.get(&callback(&asked["state"]), NOON).status(), 303);
    assert!(world.form("/x", FORM, &[], NOON.plus(50)).is_none(), "it goes to the origin");
    let (next, sealed, name) = kept(&mut world, "/x", NOON.plus(100));
    assert!(location(&world.get(&next, NOON.plus(100))).contains("max_age=60"));
    // They are known, whatever their cookie says of them.
    let page = resume(&mut world, &name, &sealed, NOON.plus(101));
    assert_eq!(told(&page, "send").as_deref(), Some("1"));
}

#[test]
fn gl_09_kept_forms_are_few_and_small() {
    let mut world = world("hybrid");
    for turn in 0..20 {
        kept(&mut world, "/x", NOON.plus(turn));
        assert!(forms(&world) <= 5);
    }
    let size: usize = world.jar.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
    assert!(size < 1200, "{size}");
    kept(&mut world, "/x", NOON.plus(1000));
    assert_eq!(forms(&world), 1, "what is over goes");
}

#[test]
fn ui_06_the_pages_run_their_own_script_and_no_other() {
    let mut world = world("hybrid");
    let keep = world.form("/x", "a=1", &[], NOON).unwrap();
    let (next, sealed, name) = kept(&mut world, "/x", NOON);
    sign_in(&mut world, &next, "alice", NOON);
    let pages = [
        (keep, "'self'"),
        (world.get(&format!("/auth/resume?form={name}"), NOON), "'self'"),
        (resume(&mut world, &name, &sealed, NOON), "https:"),
    ];
    for (page, forms) in pages {
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains(&format!("; form-action {forms}; script-src 'sha256-")),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        assert_eq!(text(&page).matches("<script").count(), 1);
        assert_eq!(page.headers()["cache-control"], "no-store");
    }
}
