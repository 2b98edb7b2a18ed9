//! What a browser gets to see: who somebody is, and never what proves it.

use http::{HeaderMap, Method, StatusCode};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use std::cell::RefCell;
use tests::browser::{Browser, sign_in_form};
use tests::expect::header;
use tests::guest::{Guest, NAVIGATION, SCRIPT, location};
use tests::origin::Echo;
use tests::pair::Pair;
use tests::people::ALICE;

in_every_mode! {
    gs_19_the_session_endpoint_tells_who_and_until_when_and_no_token
    gs_20_no_token_and_no_secret_is_in_any_byte_of_a_whole_session
    pa_01_the_token_is_for_the_origin_and_this_client
}
in_one_mode! {
    gs_19_the_session_endpoint_answers_nobody_with_nothing
}

fn gs_19_the_session_endpoint_tells_who_and_until_when_and_no_token(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let answer = guest.script("/auth/session");
    assert_eq!(header(&answer, "content-type"), "application/json");
    assert_eq!((header(&answer, "cache-control"), header(&answer, "vary")), ("no-store", "Cookie"));
    let about = guest.whoami();
    let mut names: Vec<_> = about.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "access_token_ends_at",
            "claims",
            "ends_at",
            "idle_ends_at",
            "login_url",
            "logout_url",
            "refresh_at",
            "signed_in",
            "subject",
        ]
    );
    let now = pair.issuer.now().0;
    let time = |name: &str| about[name].as_u64().unwrap();
    assert!(time("refresh_at") <= time("access_token_ends_at"));
    assert!(now < time("access_token_ends_at") && time("access_token_ends_at") < time("ends_at"));
    assert!(
        time("idle_ends_at").abs_diff(now + 3600) < 60
            && time("ends_at").abs_diff(now + 36_000) < 60
    );
    assert_eq!((&about["signed_in"], &about["login_url"]), (&true.into(), &"/auth/login".into()));
    let claims = about["claims"].as_object().unwrap();
    assert_eq!(claims["name"], "Alice Liddell");
    assert_eq!(claims["email"], "alice@people.test");
    assert!(!claims.contains_key("address") && !claims.contains_key("nonce"));
    let token = guest.token().expect("a token");
    assert_eq!(about["subject"], tests::pair::claims(&token)["sub"]);
    let text = String::from_utf8(answer.into_body()).unwrap();
    assert!(!text.contains("eyJ") && !text.contains("token\":"), "{text}");
}

fn gs_19_the_session_endpoint_answers_nobody_with_nothing(pair: &Pair) {
    let guest = Guest::alice(pair);
    let answer = guest.script("/auth/session");
    assert_eq!(answer.status(), StatusCode::OK, "a page asks in order to know");
    assert_eq!(answer.body(), br#"{"signed_in":false,"login_url":"/auth/login"}"#);
    assert!(!answer.headers().contains_key("set-cookie"));
}

/// A network that remembers every byte a browser was sent.
struct Watched<'p> {
    pair: &'p Pair,
    seen: RefCell<String>,
}

impl Watched<'_> {
    fn note(&self, headers: &HeaderMap, body: &[u8]) {
        let mut seen = self.seen.borrow_mut();
        for (name, value) in headers {
            seen.extend([name.as_str(), ": ", &String::from_utf8_lossy(value.as_bytes()), "\n"]);
        }
        seen.push_str(&String::from_utf8_lossy(body));
        seen.push('\n');
    }
}

impl Fetch for Watched<'_> {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        let answer = self.pair.fetch(request).await?;
        self.note(answer.headers(), answer.body());
        Ok(answer)
    }
}

fn gs_20_no_token_and_no_secret_is_in_any_byte_of_a_whole_session(pair: &Pair) {
    let watched = Watched { pair, seen: RefCell::default() };
    let browser = Browser::new(&watched);
    let get = |path: &str, lines: &[(&str, &str)]| {
        let mut request = tests::browser::request(Method::GET, &pair.at(path));
        request.headers_mut().extend(tests::raw::Raw::get(path).headers(lines).map());
        browser.send(request)
    };
    // From the first page to the last, by way of everything the gateway has.
    get("/public", &NAVIGATION);
    get("/api/status/200", &SCRIPT);
    let login = location(&get("/status/200", &NAVIGATION));
    let page = browser.get(&location(&get(&login, &NAVIGATION)));
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    let mut posted = browser.submit(pair.issuer.url(), &sign_in_form(&page), &filled);
    while posted.status() == StatusCode::TOO_MANY_REQUESTS {
        std::thread::sleep(std::time::Duration::from_secs(1));
        posted = browser.submit(pair.issuer.url(), &sign_in_form(&page), &filled);
    }
    let callback = location(&posted);
    let code = callback.split("code=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let before = watched.seen.take();
    assert!(before.contains(code), "the browser carries the code once");
    assert_eq!(browser.get(&callback).status(), StatusCode::SEE_OTHER);
    for path in [
        "/status/200",
        "/api/status/200",
        "/public",
        "/auth/session",
        "/status/500",
        "/auth/nothing",
    ] {
        get(path, &SCRIPT);
        get(path, &NAVIGATION);
    }
    browser.get(&callback);
    pair.outlive_access_tokens();
    get("/status/200", &SCRIPT);
    // What the origin gets is shown by an origin that shows everything, to somebody else's eyes.
    let raw = tests::raw::Raw::get("/echo").header("cookie", &browser.header("localhost"));
    let token = Echo::of(&pair.send(&raw)).token().expect("a token").to_owned();
    let after = browser.post(&pair.at("/auth/logout"), &[]);
    // The one exception: the ID token that tells the issuer whom to sign out.
    let hint = location(&after);
    let seen = watched.seen.take().replace(&hint, "");
    // What is sealed is random text, in which three letters of a JWT turn up by chance; a dot is not
    // in it.
    assert!(hint.contains(".eyJ"), "it can be found");
    assert!(!seen.contains(&token) && !(before + &seen).contains(".eyJ"), "no JWT");
    assert!(!seen.contains(code), "no code once it was redeemed");
    assert!(!hint.contains(&token));
    for secret in
        ["gateway-secret", "code_verifier", "refresh_token", "access_token\"", ALICE.password]
    {
        assert!(!seen.contains(secret), "{secret}");
    }
    if let Some(gate) = pair.needs_clock() {
        let given = gate.line.calls("/token").into_iter().filter_map(|call| call.given);
        let given: Vec<_> = given.collect();
        assert!(given.len() >= 2);
        for token in given {
            assert!(!seen.contains(&token) && !hint.contains(&token), "no refresh token");
        }
    }
}

fn pa_01_the_token_is_for_the_origin_and_this_client(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let token = guest.token().expect("a token");
    let claims = tests::believe::access_token(&pair.issuer, &token, tests::pair::AUDIENCE);
    let claims = claims.expect("a token for the origin");
    assert_eq!(
        (&claims["client_id"], &claims["iss"]),
        (&"gateway".into(), &pair.issuer.url().into())
    );
    assert!(tests::believe::access_token(&pair.issuer, &token, "gateway").is_err());
    assert!(tests::believe::access_token(&pair.issuer, &token, "https://other.test").is_err());
}
