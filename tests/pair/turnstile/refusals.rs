//! Every token that does not count, and every answer that leaves it open whether one does.

use super::{AT, Page, asked, gate, given, pair};
use gateway::turnstile::clearance::NAME;
use http::{Method, StatusCode};
use serde_json::json;
use stand_in::{DUMMY, Fault, WIDGETS, Widget};
use tests::expect::header;
use tests::guest::{Guest, location};

/// A token for `page`, or for something else that a stranger was asked.
type Make = fn(&Guest<'_>, &Page, &Widget) -> String;

/// The token of a widget that differs from that of the page.
fn changed(guest: &Guest<'_>, page: &Page, change: fn(&mut Widget)) -> String {
    let mut widget = page.widget();
    change(&mut widget);
    given(guest.pair, widget)
}

fn used(guest: &Guest<'_>, page: &Page, _: &Widget) -> String {
    let token = page.token(guest.pair);
    assert_eq!(page.post(&guest.copy(), &token).status(), StatusCode::SEE_OTHER);
    token
}

fn old(guest: &Guest<'_>, page: &Page, _: &Widget) -> String {
    let token = page.token(guest.pair);
    gate(guest.pair).pass(301);
    token
}

/// What is brought, whether the service is asked about it, and where it comes from.
const TABLE: [(&str, bool, Make); 13] = [
    ("none", false, |_, _, _| String::new()),
    ("one that is too long", false, |at, page, _| page.token(at.pair) + &"x".repeat(2048)),
    ("one with spaces", false, |at, page, _| page.token(at.pair) + " x"),
    ("garbage", true, |_, _, _| "garbage".to_owned()),
    ("Cloudflare's dummy", true, |_, _, _| DUMMY.to_owned()),
    ("one of another widget", true, |at, page, _| {
        changed(at, page, |widget| widget.sitekey = WIDGETS[1].0.into())
    }),
    ("one of another site", true, |at, page, _| {
        changed(at, page, |widget| widget.hostname = "evil.test".into())
    }),
    ("one with a port", true, |at, page, _| {
        changed(at, page, |widget| widget.hostname = "localhost:8788".into())
    }),
    ("one for something else", true, |at, page, _| {
        changed(at, page, |widget| widget.action = "pay".into())
    }),
    ("one without an action", true, |at, page, _| {
        changed(at, page, |widget| widget.action = String::new())
    }),
    ("one of another browser", true, |at, _, stranger| given(at.pair, stranger.clone())),
    ("one that was used", true, used),
    ("one that is old", true, old),
];

#[test]
fn a_token_that_does_not_count_gets_the_page_again_and_no_clearance() {
    let pair = pair("hybrid");
    let turnstile = gate(&pair).line.turnstile();
    let stranger = Page::of(&Guest::alice(&pair).navigate("/public/form/echo")).widget();
    for (what, is_asked, make) in TABLE {
        let guest = Guest::alice(&pair);
        let page = Page::of(&guest.navigate("/public/form/echo"));
        let token = make(&guest, &page, &stranger);
        let before = turnstile.asked_of_turnstile().len();
        let answer = page.post(&guest, &token);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{what}");
        let again = Page::of(&answer);
        assert!(again.has_problem(), "{what}");
        let questions = turnstile.asked_of_turnstile().len() - before;
        assert_eq!(questions == 1, is_asked, "{what}");
        assert!(asked(&guest, "/public/form/echo"), "{what}");
        // And from that page it goes on.
        let answer = again.post(&guest, &again.token(&pair));
        assert_eq!(location(&answer), "/public/form/echo", "{what}");
        assert!(!asked(&guest, "/public/form/echo"), "{what}");
    }
}

#[test]
fn who_has_lost_the_cookie_is_asked_again_and_the_service_is_not() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let page = Page::of(&guest.navigate("/public/form/echo"));
    let token = page.token(&pair);
    for cookie in ["", "garbage"] {
        let other = Guest::alice(&pair);
        other.browser.plant("localhost", NAME, cookie);
        let answer = page.post(&other, &token);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(Page::of(&answer).has_problem() && asked(&other, "/public/form/echo"));
    }
    assert!(gate(&pair).line.turnstile().asked_of_turnstile().is_empty());
    assert_eq!(page.post(&guest, &token).status(), StatusCode::SEE_OTHER, "it was not used");
}

#[test]
fn a_token_works_once_whatever_the_service_says() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let page = Page::of(&guest.navigate("/public/form/echo"));
    let before = guest.copy();
    let token = page.token(&pair);
    assert_eq!(page.post(&guest, &token).status(), StatusCode::SEE_OTHER);
    gate(&pair).line.turnstile().say_of_turnstile(json!({
        "success": true, "error-codes": [], "hostname": "localhost", "action": "contact",
        "cdata": page.value("data-cdata=\""), "challenge_ts": "2200-01-01T00:00:00Z",
    }));
    let now = pair.issuer.now().0;
    let answer = page.post(&before, &token);
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "a time to come");
    // The same with the right time, so that nothing but its use is wrong with it.
    let (days, seconds) = (now / 86_400, now % 86_400);
    assert_eq!((days, seconds / 3600), (1_800_000_000 / 86_400, 8), "noon of the tests");
    let at = format!("2027-01-15T08:{:02}:{:02}Z", seconds / 60 % 60, seconds % 60);
    gate(&pair).line.turnstile().say_of_turnstile(json!({
        "success": true, "error-codes": [], "hostname": "localhost", "action": "contact",
        "cdata": page.value("data-cdata=\""), "challenge_ts": at,
    }));
    assert_eq!(page.post(&before, &token).status(), StatusCode::FORBIDDEN, "it was used");
    assert!(asked(&before, "/public/form/echo"));
}

#[test]
fn while_the_service_gives_no_answer_nobody_passes() {
    let pair = pair("hybrid");
    let turnstile = gate(&pair).line.turnstile();
    let guest = Guest::alice(&pair);
    for fault in [
        Fault::RefuseConnection,
        Fault::Never,
        Fault::Empty200,
        Fault::Html200,
        Fault::BadJson,
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Redirect { status: 302, to: "https://evil.test/".to_owned() },
        Fault::DuplicateKeys,
    ] {
        let page = Page::of(&guest.navigate("/public/form/echo"));
        turnstile.fault_of_turnstile(fault.clone());
        let answer = page.post(&guest, &page.token(&pair));
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert_eq!(header(&answer, "retry-after"), "5");
        assert!(Page::of(&answer).has_problem() && asked(&guest, "/public/form/echo"), "{fault:?}");
    }
    for said in [
        json!({"success": false, "error-codes": ["internal-error"]}),
        json!({"success": "true"}),
        json!(true),
    ] {
        let page = Page::of(&guest.navigate("/public/form/echo"));
        turnstile.say_of_turnstile(said.clone());
        let answer = page.post(&guest, &page.token(&pair));
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{said}");
    }
    gate(&pair).deploy_again(|settings| {
        settings.insert("TURNSTILE_SECRET".to_owned(), "0x4AAAAAAAforgotten".into());
    });
    let page = Page::of(&guest.navigate("/public/form/echo"));
    let answer = page.post(&guest, &page.token(&pair));
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "another secret");
    assert!(asked(&guest, "/public/form/echo"));
}

#[test]
fn cs_01_another_site_posts_nothing_and_the_service_is_not_asked() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let page = Page::of(&guest.navigate("/public/form/echo"));
    let token = page.token(&pair);
    let form = [("action", "contact"), ("return_to", "/"), ("cf-turnstile-response", &token)];
    let url = pair.at(AT);
    for origin in ["https://evil.test", "http://localhost:1"] {
        let answer = guest.browser.post_from(origin, &url, &form);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let kind = [("content-type", "text/plain"), ("origin", pair.url())];
    assert_eq!(guest.send(&Method::POST, AT, &kind).status(), StatusCode::BAD_REQUEST);
    assert_eq!(guest.send(&Method::PUT, AT, &[]).status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(gate(&pair).line.turnstile().asked_of_turnstile().is_empty());
    assert!(asked(&guest, "/public/form/echo"));
}
