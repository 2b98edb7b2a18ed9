//! A form that was sent without a session: kept across the sign-in, and sent once.

use http::{Method, StatusCode};
use shared::fetch::Response;
use tests::browser::{Form, forms, gist, text};
use tests::expect::header;
use tests::guest::{Guest, NAVIGATION, SESSION, location};
use tests::origin::{Echo, sha256};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    s14_a_form_is_kept_across_the_sign_in_and_arrives_once
    s14_somebody_else_does_not_send_it
    s14_what_cannot_be_kept_is_refused_with_words
}

const FORM: &str = "text=Zeile+eins%0D%0A%22zwei%22&a=1&a=2&submit=";
const PATH: &str = "/echo?from=a%20form";

/// Sends a form as a page of ours does.
fn post(guest: &Guest<'_>, body: &str, kind: &str) -> Response {
    let [accept, dest, mode, _] = NAVIGATION;
    let lines = [
        accept,
        dest,
        mode,
        ("sec-fetch-site", "same-origin"),
        ("origin", guest.pair.url()),
        ("content-type", kind),
        ("cookie", &guest.cookies()),
    ];
    let answer = guest.pair.send(&Raw::new("POST", PATH).headers(&lines).body(body));
    guest.browser.take("localhost", &answer);
    answer
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// What a page tells its script.
fn told(page: &Response, name: &str) -> Option<String> {
    let (_, rest) = text(page).split_once(&format!(" data-{name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

/// Does what the page's script does, signs in, and hands over what the tab has kept.
fn resume(guest: &Guest<'_>, kept: &Response) -> Response {
    assert_eq!(kept.status(), StatusCode::UNAUTHORIZED, "{}", gist(kept));
    let sealed = told(kept, "kept").expect("it is kept");
    let login = guest.browser.get(&guest.pair.at(&told(kept, "next").unwrap()));
    let callback = guest.answer(&tests::guest::Flow::of(&login));
    let back = location(&guest.browser.get(&callback));
    let page = guest.browser.get(&guest.pair.at(&back));
    assert_eq!(page.status(), StatusCode::OK, "{}", gist(&page));
    let [form] = &forms(&page)[..] else { panic!("not one form: {}", gist(&page)) };
    guest.browser.submit(guest.pair.url(), form, &[("kept", &sealed)])
}

fn s14_a_form_is_kept_across_the_sign_in_and_arrives_once(pair: &Pair) {
    let guest = Guest::alice(pair);
    let kept = post(&guest, FORM, URLENCODED);
    assert!(!text(&kept).contains("Zeile"), "it is sealed");
    assert!(!told(&kept, "next").unwrap().contains("Zeile"));
    let page = resume(&guest, &kept);
    assert_eq!(page.status(), StatusCode::OK, "{}", gist(&page));
    assert_eq!(header(&page, "cache-control"), "no-store");
    let Form { action, fields } = forms(&page).remove(0);
    assert_eq!(action, pair.at(PATH));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let again = shared::form::encode(fields);
    assert_eq!(again, FORM);
    let echo = Echo::of(&post(&guest, &again, URLENCODED));
    assert_eq!(echo.body.sha256.as_str(), sha256(FORM.as_bytes()));
    assert_eq!(echo.url, PATH);
    assert!(echo.token().is_some());

    // A second time, as somebody does who goes back.
    let sealed = told(&kept, "kept").unwrap();
    let (_, name) = told(&kept, "next")
        .unwrap()
        .split_once("form%3D")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let name = name.split('&').next().unwrap();
    let again = guest.browser.post(&pair.at("/auth/resume"), &[("form", name), ("kept", &sealed)]);
    assert_eq!(again.status(), StatusCode::GONE, "{}", gist(&again));
}

fn s14_somebody_else_does_not_send_it(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.pass(40_000);
    let kept = post(&guest, FORM, URLENCODED);
    // Another person at the same browser, whose session at the issuer is over as well.
    let bob = Guest { person: tests::people::BOB, ..guest.copy() };
    let page = resume(&bob, &kept);
    // Where the browser has but a handle nobody knows whose it was: then nothing goes by itself.
    if pair.has_handles() {
        assert_eq!((page.status(), told(&page, "send").as_deref()), (StatusCode::OK, Some("")));
    } else {
        assert_eq!(page.status(), StatusCode::FORBIDDEN, "{}", gist(&page));
        assert!(!text(&page).contains("Zeile"));
    }
    assert!(!bob.cookies_like(SESSION).is_empty(), "they are signed in all the same");
}

fn s14_what_cannot_be_kept_is_refused_with_words(pair: &Pair) {
    let guest = Guest::alice(pair);
    let large = "x".repeat(64 * 1024 + 1);
    for (body, kind) in [
        (large.as_str(), URLENCODED),
        ("a=%00", URLENCODED),
        ("a=1", "multipart/form-data; boundary=x"),
        ("{}", "application/json"),
    ] {
        let page = post(&guest, body, kind);
        assert_eq!((page.status(), told(&page, "kept")), (StatusCode::UNAUTHORIZED, None));
        assert!(text(&page).contains("was not passed on"), "{kind}");
    }
    let script = guest.send(&Method::POST, PATH, &[("origin", pair.url())]);
    assert!(text(&script).contains("login_required"));
    assert_eq!(post(&guest, &large[1..], URLENCODED).status(), StatusCode::UNAUTHORIZED);
}
