//! Signing in with the upstream: the upstream is another issuer of ours, in the same process.

use http::StatusCode;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::secret::Digest;
use std::rc::Rc;
use tests::believe::id_token;
use tests::browser::{Browser, Reply, forms, gist, sign_in_form, text};
use tests::client::{API, Ask, C1, Tokens, json as body, userinfo};
use tests::people::{ALICE, BOB, Person};
use tests::world::{Issuer, settings};

const UPSTREAM: &str = "https://up.test";
const CALLBACK: &str = "/sign-in/callback";

/// An issuer, its upstream, and the network between them and browsers.
#[derive(Debug)]
struct Net {
    issuer: Issuer,
    upstream: Rc<Issuer>,
}

impl Fetch for Net {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        let is_upstream = request.uri().host() == Some("up.test");
        Ok(if is_upstream {
            self.upstream.send(request).await
        } else {
            self.issuer.send(request).await
        })
    }
}

fn net() -> Net {
    let mut above = settings();
    let digest = Digest::of("up-secret").to_text();
    let callback = format!("{}{CALLBACK}", settings()["ISSUER"].as_str().unwrap());
    above.insert("ISSUER".to_owned(), UPSTREAM.into());
    above.insert("SEALING_KEYS".to_owned(), "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into());
    above["CLIENTS"].as_array_mut().unwrap().push(json!({
        "client_id": "below", "client_secret_sha256": digest, "redirect_uris": [callback],
    }));
    let mut below = settings();
    let upstream = json!({ "label": "Acme", "issuer": UPSTREAM, "client_id": "below" });
    below.insert("UPSTREAM".to_owned(), upstream);
    below.insert("UPSTREAM_CLIENT_SECRET".to_owned(), "up-secret".into());
    let (issuer, upstream) = (Issuer::in_process(&below), Rc::new(Issuer::in_process(&above)));
    issuer.inside().connect(Rc::clone(&upstream));
    Net { issuer, upstream }
}

/// Where the page that leads to the upstream leads.
fn onward(page: &Response) -> String {
    assert_eq!(page.status(), StatusCode::OK, "{}", gist(page));
    let (_, url) = text(page).split_once("content=\"0;url=").expect("a page that goes on");
    url.split('"').next().unwrap().replace("&amp;", "&")
}

/// A browser on its way back from the upstream: the URL it is about to ask for.
fn away(browser: &Browser<'_, Net>, net: &Net, ask: &Ask, person: Person) -> String {
    let page = browser.get(&ask.url(&net.issuer));
    let form = forms(&page).into_iter().find(|form| form.action == "/sign-in/upstream").unwrap();
    let url = onward(&browser.submit(net.issuer.url(), &form, &[]));
    assert!(url.starts_with(UPSTREAM), "{url}");
    let page = browser.get(&url);
    if page.status() == StatusCode::SEE_OTHER {
        return Reply::of(&page).location;
    }
    let filled = [("username", person.username), ("password", person.password)];
    Reply::of(&browser.submit(UPSTREAM, &sign_in_form(&page), &filled)).location
}

fn redeem(net: &Net, ask: &Ask, back: &Response) -> Tokens {
    let reply = Reply::of(back);
    let code = reply.get("code").unwrap_or_else(|| panic!("no code: {}", reply.location));
    Tokens::of(&ask.client.redeem(code, ask).send(&net.issuer))
}

fn claims(net: &Net, tokens: &Tokens) -> serde_json::Map<String, Value> {
    body(&userinfo(&tokens.access).send(&net.issuer))
}

#[test]
fn a_person_signs_in_with_the_upstream_and_brings_their_claims() {
    let net = net();
    let ask = Ask::of(C1).set("scope", "openid profile email");
    let browser = Browser::new(&net);
    let back = browser.get(&away(&browser, &net, &ask, ALICE));
    let claims = claims(&net, &redeem(&net, &ask, &back));
    assert!(claims["name"].as_str().unwrap().starts_with("Alice"), "{claims:?}");
    assert_eq!(claims["email_verified"], true);
}

#[test]
fn fd_21_a_subject_stays_the_same_person_and_is_never_a_local_account() {
    let net = net();
    let subject = |person| {
        let (browser, ask) = (Browser::new(&net), Ask::of(C1));
        let back = browser.get(&away(&browser, &net, &ask, person));
        claims(&net, &redeem(&net, &ask, &back))["sub"].clone()
    };
    let (first, again, other) = (subject(ALICE), subject(ALICE), subject(BOB));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let (browser, ask) = (Browser::new(&net), Ask::of(API));
    let page = browser.get(&ask.url(&net.issuer));
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    let back = browser.submit(net.issuer.url(), &sign_in_form(&page), &filled);
    assert_ne!(claims(&net, &redeem(&net, &ask, &back))["sub"], first);
}

#[test]
fn fd_04_fd_05_a_callback_works_once() {
    let net = net();
    let (browser, ask) = (Browser::new(&net), Ask::of(C1));
    let callback = away(&browser, &net, &ask, ALICE);
    let copies: Vec<_> = (0..20).map(|_| browser.copy()).collect();
    let answers: Vec<_> = copies.iter().map(|copy| copy.get(&callback).status()).collect();
    let signed_in = answers.iter().filter(|status| **status == StatusCode::SEE_OTHER).count();
    assert_eq!(signed_in, 1, "{answers:?}");
    assert_eq!(browser.get(&callback).status(), StatusCode::BAD_REQUEST);
}

#[test]
fn fd_01_fd_02_fd_03_a_callback_without_this_browsers_state_signs_nobody_in() {
    let net = net();
    let (browser, ask) = (Browser::new(&net), Ask::of(C1));
    let callback = away(&browser, &net, &ask, ALICE);
    let at = |query: &str| format!("{}{CALLBACK}{query}", net.issuer.url());
    for url in [at(""), at("?code=x"), at("?code=x&state="), at("?state=%ff"), callback.clone()] {
        let answer = Browser::new(&net).get(&url);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{url}");
        assert!(!answer.headers().contains_key("set-cookie"), "{url}");
    }
    assert_eq!(browser.get(&format!("{callback}&code=twice")).status(), StatusCode::BAD_REQUEST);
    // None of that used it up.
    assert_eq!(browser.get(&callback).status(), StatusCode::SEE_OTHER);
}

#[test]
fn fd_07_an_answer_of_another_issuer_or_of_none_is_refused() {
    for iss in ["https%3A%2F%2Fevil.test", ""] {
        let net = net();
        let (browser, ask) = (Browser::new(&net), Ask::of(C1));
        let callback = away(&browser, &net, &ask, ALICE);
        let mixed_up = callback.replace("iss=https%3A%2F%2Fup.test", &format!("iss={iss}"));
        assert_ne!(mixed_up, callback);
        assert_eq!(browser.get(&mixed_up).status(), StatusCode::BAD_REQUEST, "{iss}");
    }
}

#[test]
fn fd_27_a_denial_reaches_the_client_in_fixed_words_and_other_errors_a_page() {
    for (error, status) in [("access_denied", 303), ("<script>", 502), ("server_error", 502)] {
        let net = net();
        let (browser, ask) = (Browser::new(&net), Ask::of(C1));
        let callback = away(&browser, &net, &ask, ALICE);
        let (before, rest) = callback.split_once("code=").unwrap();
        let (_, rest) = rest.split_once('&').unwrap();
        let error = shared::form::encode([("error", error), ("error_description", "<b>x")]);
        let answer = browser.get(&format!("{before}{error}&{rest}"));
        assert_eq!(answer.status().as_u16(), status, "{error}");
        assert!(!text(&answer).contains("<script>") && !text(&answer).contains("<b>x"));
        if status == 303 {
            let reply = Reply::of(&answer);
            assert_eq!(reply.get("error"), Some("access_denied"));
            assert_eq!(reply.get("state"), ask.get("state"));
        }
    }
}

#[test]
fn az_18_a_fresh_sign_in_is_asked_of_the_upstream_too() {
    let net = net();
    let (browser, ask) = (Browser::new(&net), Ask::of(C1));
    browser.get(&away(&browser, &net, &ask, ALICE));
    // The browser is signed in above: it comes straight back, unless it has to prove itself again.
    let again = Ask::of(C1).set("prompt", "login");
    let page = browser.get(&again.url(&net.issuer));
    let form = forms(&page).into_iter().find(|form| form.action == "/sign-in/upstream").unwrap();
    let url = onward(&browser.submit(net.issuer.url(), &form, &[]));
    assert!(url.contains("prompt=login"), "{url}");
    assert_eq!(browser.get(&url).status(), StatusCode::OK);
}

#[test]
fn az_07_a_state_of_eight_kilobytes_survives_the_way_through_the_upstream() {
    let net = net();
    let state = "s".repeat(8192);
    let (browser, ask) = (Browser::new(&net), Ask::of(C1).set("state", &state));
    let back = browser.get(&away(&browser, &net, &ask, ALICE));
    assert_eq!(Reply::of(&back).get("state"), Some(state.as_str()));
}

#[test]
fn az_18_auth_time_is_the_upstreams_and_a_silent_upstream_is_no_fresh_sign_in() {
    let net = net();
    let browser = Browser::new(&net);
    browser.get(&away(&browser, &net, &Ask::of(C1), ALICE));
    for issuer in [&net.issuer, &*net.upstream] {
        issuer.inside().pass(100);
    }
    // Signed in above for a hundred seconds: that is what the client is told.
    let ask = Ask::of(C1);
    let other = Browser::new(&net);
    for (host, name) in
        [("up.test", "__Host-gatelatch-sign-in"), ("up.test", "__Host-gatelatch-browser")]
    {
        other.plant(host, name, &browser.cookie(host, name).unwrap_or_default());
    }
    let back = other.get(&away(&other, &net, &ask, ALICE));
    let tokens = redeem(&net, &ask, &back);
    let claims = id_token(&net.issuer, &ask, &tokens);
    assert_eq!(net.issuer.now().0 - claims["auth_time"].as_u64().unwrap(), 100);
    // Whoever takes `prompt=login` out of the address on the way is no younger for it.
    let page = browser.get(&Ask::of(C1).set("prompt", "login").url(&net.issuer));
    let form = forms(&page).into_iter().find(|form| form.action == "/sign-in/upstream").unwrap();
    let url = onward(&browser.submit(net.issuer.url(), &form, &[]));
    let url = url.replace("&prompt=login", "").replace("&max_age=0", "");
    let callback = Reply::of(&browser.get(&url)).location;
    assert_eq!(browser.get(&callback).status(), StatusCode::BAD_GATEWAY);
}
