//! The issuer tells the gateway that somebody has signed out.

use http::{Method, StatusCode};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::form::append;
use tests::browser::{Browser, is_sign_in, posted, sign_in_form};
use tests::guest::{Guest, location};
use tests::line::Fault;
use tests::pair::{Pair, told};
use tests::people::ALICE;
use tests::raw::Raw;

where_sessions_are_objects! {
    gs_26_signing_out_at_the_issuer_ends_the_session_at_the_gateway
    gs_26_signing_out_at_one_gateway_ends_the_session_at_the_other
    gs_27_what_anybody_can_post_ends_nothing
    gs_13_an_end_that_comes_during_a_slow_refresh_is_final
}

mod sealed {
    #[test]
    fn nobody_can_be_told_where_sessions_live_in_the_cookie() {
        tests::pair::Pair::with("sealed", super::nobody_can_be_told);
    }
}

const TOLD: &str = "/auth/backchannel-logout";

fn sign_out_there(guest: &Guest<'_>) {
    let url = guest.pair.issuer.at("/end_session");
    guest.browser.post(&url, &[("confirm", "yes")]);
    assert!(is_sign_in(&guest.browser.get(&guest.pair.issuer.at("/account"))));
}

fn gs_26_signing_out_at_the_issuer_ends_the_session_at_the_gateway(pair: &Pair) {
    let (guest, elsewhere) = (Guest::signed_in(pair), Guest::signed_in(pair));
    sign_out_there(&guest);
    pair.hear();
    pair.outlive_freshness();
    assert!(pair.at_last(|| guest.token().is_none()), "it is over");
    assert!(guest.session().is_empty(), "and cleaned up");
    assert_eq!(guest.whoami()["signed_in"], false);
    assert!(elsewhere.token().is_some(), "the same person in another browser");
}

/// Two gateways and their issuer.
struct Both<'p>(&'p Pair, &'p Pair);

impl Fetch for Both<'_> {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        let is_second = request.uri().to_string().starts_with(self.1.url());
        if is_second { self.1.fetch(request).await } else { self.0.fetch(request).await }
    }
}

/// Signs Alice in at a gateway, asking her who she is if the issuer does.
fn sign_in(browser: &Browser<'_, Both<'_>>, pair: &Pair) -> bool {
    let start = browser.get(&append(&pair.at("/auth/login"), [("return_to", "/")]));
    let mut answer = browser.get(&location(&start));
    let asked = is_sign_in(&answer);
    while answer.status() != StatusCode::SEE_OTHER {
        // Over HTTP other tests sign in as the same person at the same time.
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            std::thread::sleep(std::time::Duration::from_secs(1));
            answer = browser.get(&location(&start));
        }
        let filled = [("username", ALICE.username), ("password", ALICE.password)];
        let form = sign_in_form(&answer);
        answer = browser.submit(pair.issuer.url(), &form, &filled);
    }
    assert_eq!(browser.get(&location(&answer)).status(), StatusCode::SEE_OTHER);
    asked
}

fn is_in(browser: &Browser<'_, Both<'_>>, pair: &Pair) -> bool {
    let answer = browser.get(&pair.at("/auth/session"));
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    // Asking for a page is what tells it of a cookie that is believed for a while.
    body["signed_in"] == true
}

fn gs_26_signing_out_at_one_gateway_ends_the_session_at_the_other(pair: &Pair) {
    let second = pair.second();
    let both = Both(pair, &second);
    let browser = Browser::new(&both);
    assert!(sign_in(&browser, pair), "she says who she is");
    assert!(!sign_in(&browser, &second), "and is known at the next");
    assert!(is_in(&browser, pair) && is_in(&browser, &second));

    let chain = location(&browser.post(&pair.at("/auth/logout"), &[]));
    assert_eq!(browser.get(&chain).status(), StatusCode::SEE_OTHER);
    assert!(!is_in(&browser, pair));
    for gateway in [pair, &second] {
        gateway.hear();
    }
    second.outlive_freshness();
    assert!(second.at_last(|| !is_in(&browser, &second)), "it has heard");
    assert!(sign_in(&browser, &second), "she has to say again who she is");
}

fn gs_27_what_anybody_can_post_ends_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let post = |form: &[(&str, &str)]| {
        let request = posted(&pair.at(TOLD), form);
        pollster::block_on(pair.fetch(request)).unwrap()
    };
    for form in [&[][..], &[("logout_token", "x")], &[("logout_token", "a.b.c"), ("sub", "x")]] {
        let answer = post(form);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let token = guest.token().unwrap();
    assert_eq!(post(&[("logout_token", &token)]).status(), StatusCode::BAD_REQUEST);
    let much = "x".repeat(100_000);
    assert_eq!(post(&[("logout_token", &much)]).status(), StatusCode::PAYLOAD_TOO_LARGE);
    for method in [Method::GET, Method::PUT] {
        let answer = guest.send(&method, TOLD, &[("origin", pair.url())]);
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(guest.token().is_some());
}

fn gs_13_an_end_that_comes_during_a_slow_refresh_is_final(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.pass(290);
    sign_out_there(&guest);
    let inside = pair.issuer.inside();
    inside.ring_alarms();
    let posts = inside.listener.take(&pair.at(TOLD));
    assert_eq!(posts.len(), 1);
    gate.pass(10);
    gate.line.set(Fault::Slow(200));
    let visit = guest.raw("GET", "/echo");
    let out = told(posts[0].clone());
    let answers = pair.send_all(&[visit.clone(), out, visit]);
    gate.line.set(Fault::Nothing);
    assert_eq!(answers[1].status(), StatusCode::OK);
    for answer in [&answers[0], &answers[2]] {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        for line in answer.headers().get_all("set-cookie") {
            assert!(line.to_str().unwrap().ends_with("Max-Age=0"), "nothing revives it");
        }
    }
    let given = gate.line.calls("/token").into_iter().filter_map(|call| call.given).next_back();
    let revoked: Vec<_> = gate.line.calls("/revoke").into_iter().map(|call| call.token).collect();
    assert!(revoked.contains(&given), "the fresh one was revoked");
    assert!(guest.token().is_none());
}

fn nobody_can_be_told(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for (method, path) in [("POST", TOLD), ("GET", TOLD), ("GET", "/auth/sessions")] {
        let answer = pair.send(&Raw::new(method, path).header("origin", pair.url()));
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
    }
    assert!(guest.token().is_some());
}
