//! Signing in with the upstream: the upstream is another issuer of ours, in the same process.

use http::StatusCode;
use serde_json::Value;
use shared::fetch::Response;
use tests::believe::id_token;
use tests::browser::{Browser, Reply, forms, sign_in_form, text};
use tests::client::{API, Ask, C1, Tokens, json as body, userinfo};
use tests::people::{ALICE, BOB};
use tests::upstream::{CALLBACK, Net, away, net, onward, prove, to_upstream};

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
fn fd_27_what_the_upstream_refuses_reaches_the_client_in_fixed_words() {
    for (error, told) in [
        ("access_denied", "access_denied"),
        ("login_required", "login_required"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("<script>", "server_error"),
        ("unauthorized_client", "server_error"),
        ("server_error", "server_error"),
    ] {
        let net = net();
        let (browser, ask) = (Browser::new(&net), Ask::of(C1));
        let callback = away(&browser, &net, &ask, ALICE);
        let (before, rest) = callback.split_once("code=").unwrap();
        let (_, rest) = rest.split_once('&').unwrap();
        let error = shared::form::encode([("error", error), ("error_description", "<b>x")]);
        let answer = browser.get(&format!("{before}{error}&{rest}"));
        let reply = Reply::of(&answer);
        assert_eq!(reply.get("error"), Some(told));
        assert_eq!(reply.get("state"), ask.get("state"));
        assert!(!reply.location.contains("%3C"), "{}", reply.location);
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
    let url = onward(&browser.submit(net.issuer.url(), &to_upstream(&page), &[]));
    assert!(url.contains("prompt=login"), "{url}");
    assert_eq!(browser.get(&url).status(), StatusCode::OK);
}

#[test]
fn initiating_registration_4_1_who_is_to_make_an_account_is_led_to_the_upstream_first() {
    let net = net();
    let browser = Browser::new(&net);
    browser.get(&away(&browser, &net, &Ask::of(C1), ALICE));
    // Somebody is signed in, and sees the page all the same.
    let ask = Ask::of(C1).set("prompt", "create");
    let page = browser.get(&ask.url(&net.issuer));
    assert!(text(&page).contains("<h1>Create an account for "), "{}", text(&page));
    let url = onward(&browser.submit(net.issuer.url(), &to_upstream(&page), &[]));
    // The one above has no upstream of its own, and does not say that it knows the word.
    assert!(!url.contains("prompt="), "{url}");
    let back = browser.get(&Reply::of(&browser.get(&url)).location);
    redeem(&net, &ask, &back);
    let metadata = net.issuer.at("/.well-known/openid-configuration");
    let listed = body(&browser.get(&metadata))["prompt_values_supported"].clone();
    assert!(listed.as_array().unwrap().contains(&"create".into()), "{listed}");
}

#[test]
fn az_18_whoever_chooses_an_account_chooses_it_above_as_well() {
    let net = net();
    let (browser, ask) = (Browser::new(&net), Ask::of(C1).set("prompt", "select_account"));
    browser.get(&away(&browser, &net, &Ask::of(C1), ALICE));
    let page = browser.get(&ask.url(&net.issuer));
    let url = onward(&browser.submit(net.issuer.url(), &to_upstream(&page), &[]));
    assert!(url.contains("prompt=select_account") && !url.contains("max_age"), "{url}");
    let back = browser.get(&prove(&browser, &url, BOB));
    let claims = claims(&net, &redeem(&net, &ask, &back));
    assert!(claims.contains_key("sub"));
}

#[test]
fn core_5_5_1_1_who_signed_in_another_way_than_will_do_gets_no_code() {
    let net = net();
    let browser = Browser::new(&net);
    let acr = |word: &str| {
        let acr = serde_json::json!({ "essential": true, "value": word });
        let claims = serde_json::json!({ "id_token": { "acr": acr } });
        Ask::of(C1).set("claims", &claims.to_string())
    };
    let (here, above) = (acr("urn:gatelatch:pwd"), acr("urn:gatelatch:fed"));
    let page = browser.get(&here.url(&net.issuer));
    assert!(forms(&page).iter().all(|form| form.action == "/sign-in"), "there is one way");
    let back = browser.get(&away(&browser, &net, &above, ALICE));
    let claims = id_token(&net.issuer, &above, &redeem(&net, &above, &back));
    assert_eq!(claims["acr"], "urn:gatelatch:fed");

    // Signed in, but not so.
    let silent = here.clone().set("prompt", "none");
    assert_eq!(
        Reply::of(&browser.get(&silent.url(&net.issuer))).get("error"),
        Some("login_required")
    );
    let page = browser.get(&here.url(&net.issuer));
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    let back = browser.submit(net.issuer.url(), &sign_in_form(&page), &filled);
    let claims = id_token(&net.issuer, &here, &redeem(&net, &here, &back));
    assert_eq!(claims["acr"], "urn:gatelatch:pwd");

    // Whoever takes the other way all the same, by a form of another page, is told at the client.
    let other = Browser::new(&net);
    let mut form = to_upstream(&other.get(&Ask::of(C1).url(&net.issuer)));
    form.fields = sign_in_form(&other.get(&here.url(&net.issuer))).fields;
    form.fields.retain(|(name, _)| name == "interaction");
    let url = onward(&other.submit(net.issuer.url(), &form, &[("upstream", "acme")]));
    let reply = Reply::of(&other.get(&prove(&other, &url, ALICE)));
    assert_eq!(reply.get("error"), Some("unmet_authentication_requirements"));
}

#[test]
fn az_06_a_refusal_of_the_upstream_is_posted_to_a_client_that_asked_for_it() {
    let net = net();
    let (browser, ask) = (Browser::new(&net), Ask::of(C1).set("response_mode", "form_post"));
    let callback = away(&browser, &net, &ask, ALICE);
    let (before, rest) = callback.split_once("code=").unwrap();
    let (_, rest) = rest.split_once('&').unwrap();
    let answer = browser.get(&format!("{before}error=access_denied&{rest}"));
    let reply = Reply::posted(&answer);
    assert_eq!(reply.get("error"), Some("access_denied"));
    assert_eq!(reply.get("state"), ask.get("state"));
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
    let url = onward(&browser.submit(net.issuer.url(), &to_upstream(&page), &[]));
    let url = url.replace("&prompt=login", "").replace("&max_age=0", "");
    let callback = Reply::of(&browser.get(&url)).location;
    assert_eq!(browser.get(&callback).status(), StatusCode::BAD_GATEWAY);
}
