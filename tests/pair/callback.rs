//! Coming back from the issuer: only a browser that left, once, with the issuer's own answer.

use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use shared::fetch::Response;
use shared::form::{append, encode};
use tests::browser::text;
use tests::expect::header;
use tests::guest::{FLOW, Guest, SESSION, location};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    gc_02_a_callback_of_another_browser_signs_nobody_in
    gc_03_a_callback_works_once_and_its_reload_goes_on
    gc_10_a_code_of_somebody_else_is_worth_nothing
    gc_11_a_session_cookie_that_was_planted_is_never_the_session
    gc_19_what_another_site_posts_to_the_callback_changes_nothing
}
in_one_mode! {
    gc_01_a_callback_without_its_flow_is_refused_and_costs_no_token_call
    gc_03_fifty_callbacks_at_once_are_one_token_call_and_one_session
    gc_04_an_issuer_that_is_missing_or_another_is_refused
    gc_06_a_parameter_sent_twice_is_refused
    gc_07_no_word_of_the_answer_is_repeated_on_a_page
    gc_08_an_error_wins_over_a_code
    gc_17_a_flow_survives_a_new_sealing_key_and_no_more
    gc_17_a_flow_whose_key_is_gone_starts_again_cleanly
}

/// A page of the gateway that says no, sets no cookie but to delete one, and keeps its session.
fn refused(answer: &Response, status: u16, what: &str) {
    assert_eq!(answer.status(), status, "{what}");
    assert!(!answer.headers().contains_key(LOCATION), "{what}");
    assert_eq!(header(answer, "cache-control"), "no-store");
    assert!(header(answer, "content-security-policy").contains("default-src 'none'"));
    assert!(text(answer).contains("/auth/login"), "a way out: {what}");
    for line in answer.headers().get_all(SET_COOKIE) {
        assert!(line.to_str().unwrap().ends_with("Max-Age=0"), "{what}: {line:?}");
    }
}

fn token_calls(pair: &Pair) -> usize {
    pair.needs_clock().map_or(0, |gate| gate.line.token_calls())
}

fn gc_01_a_callback_without_its_flow_is_refused_and_costs_no_token_call(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let (calls, token) = (token_calls(pair), guest.token());
    let flow = guest.start("/");
    let good = guest.answer(&flow);
    let code = good.split("code=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let iss = encode([("iss", pair.issuer.url())]);
    for query in [
        String::new(),
        "?".to_owned(),
        format!("?code={code}"),
        format!("?code={code}&state="),
        format!("?code={code}&state=x&{iss}"),
        format!("?code={code}&state={}x&{iss}", flow.state()),
        format!("?code={code}&State={}&{iss}", flow.state()),
        "?%ff&&&==&%00".to_owned(),
        format!("?{}", "state=x&".repeat(70)),
        "?code=&state=&iss=&error=".to_owned(),
    ] {
        let answer = guest.browser.get(&pair.at(&format!("/auth/callback{query}")));
        refused(&answer, 400, &query);
    }
    // An empty state has no cookie, whatever a browser sends.
    let empty =
        Raw::get("/auth/callback?code=c&state=").header("cookie", &format!("{FLOW}=; {FLOW}"));
    refused(&pair.send(&empty), 400, "empty = empty");
    assert_eq!(token_calls(pair), calls);
    assert_eq!(guest.token(), token, "the session is as it was");
    assert_eq!(guest.browser.get(&good).status(), StatusCode::SEE_OTHER, "and so is the flow");
}

fn gc_02_a_callback_of_another_browser_signs_nobody_in(pair: &Pair) {
    let (alice, mallory) = (Guest::signed_in(pair), Guest::bob(pair));
    let before = alice.whoami();
    let trap = mallory.answer(&mallory.start("/"));
    let calls = token_calls(pair);
    refused(&alice.browser.get(&trap), 400, "signed in");
    refused(&Guest::alice(pair).browser.get(&trap), 400, "never here");
    assert_eq!(token_calls(pair), calls);
    assert_eq!(alice.whoami()["subject"], before["subject"]);
    // With a flow of her own under way it is still not hers.
    alice.start("/");
    refused(&alice.browser.get(&trap), 400, "another flow");
    assert_eq!(mallory.browser.get(&trap).status(), StatusCode::SEE_OTHER, "no side effect");
}

fn gc_03_a_callback_works_once_and_its_reload_goes_on(pair: &Pair) {
    let guest = Guest::alice(pair);
    let callback = guest.answer(&guest.start("/after"));
    let stolen = guest.copy();
    assert_eq!(location(&guest.browser.get(&callback)), "/after");
    let (session, calls) = (guest.session(), token_calls(pair));
    let reload = guest.browser.get(&callback);
    assert_eq!((reload.status(), location(&reload)), (StatusCode::SEE_OTHER, "/".to_owned()));
    // Who kept the flow's cookie is sent on, and is not signed in.
    let again = stolen.browser.get(&callback);
    assert!(again.status() == 303 || again.status() == 400, "{}", again.status());
    assert!(stolen.session().is_empty() && stolen.token().is_none());
    assert_eq!((guest.session(), token_calls(pair)), (session, calls));
    assert!(guest.token().is_some(), "the code was not redeemed twice");
}

fn gc_03_fifty_callbacks_at_once_are_one_token_call_and_one_session(pair: &Pair) {
    let guest = Guest::alice(pair);
    let callback = guest.answer(&guest.start("/after"));
    let target = callback.strip_prefix(pair.url()).unwrap();
    let raw = Raw::get(target).header("cookie", &guest.cookies());
    let answers = pair.send_all(&vec![raw; 50]);
    let opened = answers.iter().filter(|answer| {
        let mut lines = answer.headers().get_all(SET_COOKIE).iter();
        lines.any(|line| line.to_str().unwrap().starts_with(&format!("{SESSION}=")))
    });
    assert_eq!(opened.count(), 1);
    assert!(answers.iter().all(|answer| answer.status() == 303 && location(answer) == "/after"));
    if let Some(gate) = pair.needs_clock() {
        assert_eq!((gate.line.token_calls(), gate.objects.live()), (1, 1));
    }
}

/// The answers of a fresh flow whose callback is `change`d, and what it cost.
fn changed(pair: &Pair, change: impl Fn(&str) -> String) -> (Response, usize) {
    let guest = Guest::alice(pair);
    let good = guest.answer(&guest.start("/"));
    let calls = token_calls(pair);
    let answer = guest.browser.get(&change(&good));
    assert!(guest.session().is_empty() && guest.cookies_like(FLOW).is_empty());
    (answer, token_calls(pair) - calls)
}

/// A URL without its `iss`.
fn without_issuer(url: &str) -> String {
    let (target, query) = url.split_once('?').unwrap();
    let rest: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("iss=")).collect();
    assert!(rest.len() < query.split('&').count());
    format!("{target}?{}", rest.join("&"))
}

fn gc_04_an_issuer_that_is_missing_or_another_is_refused(pair: &Pair) {
    let issuer = pair.issuer.url();
    let others = ["", "https://evil.test", &format!("{issuer}/"), &issuer.to_uppercase()];
    for iss in others {
        let (answer, calls) = changed(pair, |url| append(&without_issuer(url), [("iss", iss)]));
        refused(&answer, 400, iss);
        assert_eq!(calls, 0, "{iss}");
    }
    let (answer, calls) = changed(pair, without_issuer);
    refused(&answer, 400, "missing");
    assert_eq!(calls, 0);
}

fn gc_06_a_parameter_sent_twice_is_refused(pair: &Pair) {
    let issuer = encode([("iss", pair.issuer.url())]);
    let guest = Guest::alice(pair);
    let good = guest.answer(&guest.start("/"));
    for twice in ["code=x", "state=x", &issuer, "unknown=1&unknown=2"] {
        refused(&guest.browser.get(&format!("{good}&{twice}")), 400, twice);
        assert_eq!(token_calls(pair), 0, "{twice}");
    }
    // What belongs to no flow uses none up.
    assert_eq!(guest.browser.get(&good).status(), StatusCode::SEE_OTHER);
}

fn gc_07_no_word_of_the_answer_is_repeated_on_a_page(pair: &Pair) {
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    for (name, status) in [("error", 400), ("code", 400), ("iss", 400)] {
        let (answer, _) = changed(pair, |url| {
            let url = if name == "iss" { without_issuer(url) } else { url.to_owned() };
            let url = if name == "code" { url.replace("code=", "was=") } else { url };
            append(&url, [(name, attack), ("error_description", attack), ("error_uri", attack)])
        });
        refused(&answer, status, name);
        for word in ["<script", "<img", "alert(1)", "onerror"] {
            assert!(!text(&answer).contains(word), "{name}: {word}");
        }
        assert!(!header(&answer, "content-security-policy").contains("unsafe"));
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    }
}

fn gc_08_an_error_wins_over_a_code(pair: &Pair) {
    for (error, status) in
        [("access_denied", 403), ("server_error", 400), ("<odd>", 400), ("", 400)]
    {
        let (answer, calls) = changed(pair, |url| append(url, [("error", error)]));
        refused(&answer, status, error);
        assert_eq!(calls, 0, "{error}");
    }
}

fn gc_10_a_code_of_somebody_else_is_worth_nothing(pair: &Pair) {
    let (alice, mallory) = (Guest::alice(pair), Guest::bob(pair));
    let stolen = alice.answer(&alice.start("/"));
    let code = |url: &str| url.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let own = mallory.answer(&mallory.start("/"));
    let injected = own.replace(&code(&own), &code(&stolen));
    assert_ne!(own, injected);
    refused(&mallory.browser.get(&injected), 400, "injected");
    assert!(mallory.session().is_empty() && mallory.token().is_none());
    assert_eq!(alice.browser.get(&stolen).status(), StatusCode::SEE_OTHER, "no side effect");
}

fn gc_11_a_session_cookie_that_was_planted_is_never_the_session(pair: &Pair) {
    let mallory = Guest::bob(pair);
    mallory.sign_in();
    let planted = mallory.cookies_like(SESSION);
    let alice = Guest::alice(pair);
    for (name, value) in &planted {
        alice.browser.plant("localhost", name, value);
    }
    alice.sign_in();
    assert!(alice.cookies_like(SESSION).iter().all(|one| !planted.contains(one)));
    assert_eq!(alice.whoami()["claims"]["name"], "Alice Liddell");
    let invented = Guest::alice(pair);
    invented.browser.plant("localhost", SESSION, "invented");
    assert!(invented.token().is_none());
    invented.browser.plant("localhost", SESSION, "invented");
    invented.sign_in();
    assert!(!invented.session().contains("invented") && invented.token().is_some());
}

/// Some other sealing key.
const KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";

fn gc_17_a_flow_survives_a_new_sealing_key_and_no_more(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::alice(pair);
    let callback = guest.answer(&guest.start("/"));
    gate.deploy_again(|settings| {
        let old = settings["SEALING_KEYS"].as_str().unwrap().to_owned();
        settings.insert("SEALING_KEYS".to_owned(), format!("{KEY},{old}").into());
    });
    assert_eq!(guest.browser.get(&callback).status(), StatusCode::SEE_OTHER);
    assert!(guest.token().is_some());
}

fn gc_17_a_flow_whose_key_is_gone_starts_again_cleanly(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let (guest, before) = (Guest::alice(pair), Guest::signed_in(pair));
    let callback = guest.answer(&guest.start("/"));
    gate.deploy_again(|settings| {
        settings.insert("SEALING_KEYS".to_owned(), KEY.into());
    });
    refused(&guest.browser.get(&callback), 400, "the key is gone");
    assert!(before.token().is_none(), "and sessions with it");
    assert!(before.session().is_empty(), "what cannot be read is cleaned up");
    for guest in [guest, before] {
        guest.sign_in();
        assert!(guest.token().is_some() && guest.cookies_like(FLOW).is_empty());
    }
}

fn gc_19_what_another_site_posts_to_the_callback_changes_nothing(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let good = guest.answer(&guest.start("/"));
    let (target, cookies, calls) =
        (good.replacen(pair.url(), "", 1), guest.cookies(), token_calls(pair));
    let (path, query) = target.split_once('?').unwrap();
    for origin in ["null", "https://evil.test", pair.issuer.url(), pair.url()] {
        for (target, body) in [(path, query), (&target, "")] {
            let lines = [
                ("cookie", cookies.as_str()),
                ("origin", origin),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let answer = pair.send(&Raw::new("POST", target).headers(&lines).body(body));
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{origin}");
            assert_eq!(header(&answer, "allow"), "GET");
            assert!(!answer.headers().contains_key(SET_COOKIE), "{origin}");
        }
    }
    assert_eq!(token_calls(pair), calls);
    assert!(guest.token().is_some() && guest.cookies() == cookies);
    // The flow is not used up.
    assert_eq!(guest.browser.get(&good).status(), StatusCode::SEE_OTHER);
}
