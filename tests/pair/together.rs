//! What only the two of them together can get wrong: PA of the catalogue, where no other file has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, StatusCode};
use shared::form;
use tests::browser::{Browser, is_sign_in, posted, request};
use tests::client::json as object;
use tests::guest::{Guest, location};
use tests::pair::{AUDIENCE, Pair, claims};

in_every_mode! {
    pa_05_signing_out_at_the_gateway_leaves_nothing_of_the_session_at_the_issuer
    pa_07_an_account_that_is_taken_away_gets_no_new_token_and_is_gone_when_the_last_one_ends
    pa_09_whichever_way_the_gateway_reaches_its_issuer_the_issuer_has_its_public_name
}

in_one_mode! {
    pa_04_an_issuer_that_is_spelled_otherwise_signs_nobody_in
    pa_09_what_objects_are_asked_cannot_be_asked_from_outside
    pa_10_the_gateways_secret_alone_makes_nothing_of_a_stolen_code
    pa_12_a_browser_that_keeps_no_cookies_is_told_and_not_sent_in_circles
}

fn pa_04_an_issuer_that_is_spelled_otherwise_signs_nobody_in(_: &Pair) {
    let other = Pair::in_process("hybrid", |_, gateway| {
        let issuer = format!("{}/", gateway["ISSUER"].as_str().expect("text"));
        gateway.insert("ISSUER".to_owned(), issuer.into());
    });
    let guest = Guest::alice(&other);
    let answer = guest.browser.get(&other.at("/auth/login?return_to=/echo"));
    // What the issuer calls itself is not what we were told, byte for byte: nobody is sent there.
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(!answer.headers().contains_key("location"));
}

fn pa_05_signing_out_at_the_gateway_leaves_nothing_of_the_session_at_the_issuer(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let kept = guest.copy();
    let chain = location(&guest.sign_out());
    assert_eq!(guest.browser.get(&chain).status(), StatusCode::SEE_OTHER);
    assert_eq!((guest.token(), guest.session()), (None, String::new()));
    // Neither here nor with what another copy of the browser kept is anybody signed in there.
    for browser in [&guest.browser, &kept.browser] {
        assert!(is_sign_in(&browser.get(&guest.start("/").url)));
        let page = browser.get(&pair.issuer.at("/account"));
        assert!(is_sign_in(&page), "their own page asks who they are");
    }
    pair.outlive_freshness();
    pair.outlive_access_tokens();
    assert_eq!(kept.token(), None);
}

fn pa_07_an_account_that_is_taken_away_gets_no_new_token_and_is_gone_when_the_last_one_ends(
    pair: &Pair,
) {
    let Some(gate) = pair.needs_clock() else { return };
    let (alice, bob) = (Guest::signed_in(pair), Guest::bob(pair));
    bob.sign_in();
    pair.issuer.inside().deploy_again(|settings| {
        settings["ACCOUNTS"].as_array_mut().expect("a list").remove(0);
    });
    let fresh = Guest::alice(pair);
    let page = fresh.browser.get(&fresh.start("/").url);
    let form = tests::browser::sign_in_form(&page);
    let filled = [("username", fresh.person.username), ("password", fresh.person.password)];
    let answer = fresh.browser.submit(pair.issuer.url(), &form, &filled);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "nobody of that name");
    // The access token that she has is good for five minutes, and is her last.
    gate.pass(301);
    assert_eq!(alice.token(), None);
    assert!(bob.token().is_some(), "and nobody else's is gone");
}

fn pa_09_whichever_way_the_gateway_reaches_its_issuer_the_issuer_has_its_public_name(pair: &Pair) {
    // Over HTTP it is reached by a service binding in three runs, and by its address in the fourth.
    let guest = Guest::signed_in(pair);
    let issuer = pair.issuer.url();
    let of = |path: &str| object(&pair.issuer.ask(request(Method::GET, &pair.issuer.at(path))));
    let metadata = of("/.well-known/openid-configuration");
    assert_eq!(metadata["issuer"], issuer);
    for (name, url) in &metadata {
        let is_endpoint = name.ends_with("_endpoint") || name == "jwks_uri";
        let url = url.as_str().filter(|_| is_endpoint);
        assert!(url.is_none_or(|url| url.starts_with(&format!("{issuer}/"))), "{name}: {url:?}");
    }
    let audience = serde_json::json!([AUDIENCE, issuer]);
    let first = claims(&guest.token().expect("a token"));
    assert_eq!((&first["iss"], &first["aud"]), (&issuer.into(), &audience));
    assert_eq!(first["client_id"], "gateway");
    // Also of a token that the gateway fetched by itself.
    pair.outlive_access_tokens();
    if let Some(token) = guest.token() {
        let later = claims(&token);
        assert_eq!((&later["iss"], &later["aud"]), (&issuer.into(), &audience));
    }
}

fn pa_09_what_objects_are_asked_cannot_be_asked_from_outside(pair: &Pair) {
    // As objects are asked: the function's name in a line of its own, or as a path.
    let functions = ["sign_in", "own", "claim", "release", "whose", "spend", "rotate", "session"];
    for function in functions {
        for path in [format!("/{function}"), format!("/account/{function}"), "/".to_owned()] {
            let mut asked = request(Method::POST, &pair.issuer.at(&path));
            *asked.body_mut() = format!("{function}\n{{}}").into_bytes();
            // What a Worker says of itself, and what only looks like it.
            for (name, value) in [("cf-worker", "gateway"), ("x-forwarded-host", "idp")] {
                asked.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            let answer = pair.issuer.ask(asked);
            let is_no =
                [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::FORBIDDEN];
            assert!(is_no.contains(&answer.status()), "{path} {function}: {}", answer.status());
        }
    }
    // Nor does the host that a request names make the issuer another.
    let url = pair.issuer.at("/.well-known/openid-configuration");
    let mut asked = request(Method::GET, &url);
    for name in ["x-forwarded-host", "x-original-host", "forwarded"] {
        asked.headers_mut().insert(name, HeaderValue::from_static("idp.internal"));
    }
    assert_eq!(object(&pair.issuer.ask(asked))["issuer"], pair.issuer.url());
}

fn pa_10_the_gateways_secret_alone_makes_nothing_of_a_stolen_code(pair: &Pair) {
    let guest = Guest::alice(pair);
    let callback = guest.answer(&guest.start("/echo"));
    let url = url::Url::parse(&callback).expect("a URL");
    let code = url.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let redirect = pair.at("/auth/callback");
    let elsewhere = pair.at("/auth/callback/");
    let own = "a-verifier-of-the-thief-which-is-long-enough-for-rfc-7636";
    for (redirect, verifier) in [
        (Some(&*redirect), None),
        (Some(&*redirect), Some(own)),
        (Some(&*redirect), Some("")),
        (None, Some(own)),
        (Some(&*elsewhere), None),
        (Some("https://evil.test/callback"), Some(own)),
    ] {
        let mut form = vec![("grant_type", "authorization_code"), ("code", &code)];
        form.extend(redirect.map(|redirect| ("redirect_uri", redirect)));
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let mut stolen = posted(&pair.issuer.at("/token"), &form);
        let leaked = format!("Basic {}", STANDARD.encode("gateway:gateway-secret"));
        stolen.headers_mut().insert("authorization", leaked.parse().expect("a header"));
        let answer = pair.issuer.ask(stolen);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{redirect:?} {verifier:?}");
        let error = &object(&answer)["error"];
        assert!(error == "invalid_grant" || error == "invalid_request", "{error}");
    }
    // No code of hers goes anywhere but to the gateway, and none without a challenge.
    let start = guest.start("/echo").url;
    let (there, _) = start.split_once('?').expect("a query");
    let challenge = tests::client::challenge(own);
    for to in ["https://evil.test/callback", &elsewhere, &format!("{redirect}?x=1"), &pair.at("/")]
    {
        let query = form::encode([
            ("response_type", "code"),
            ("client_id", "gateway"),
            ("redirect_uri", to),
            ("scope", "openid"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let answer = guest.browser.get(&format!("{there}?{query}"));
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{to}");
        assert!(!answer.headers().contains_key("location"), "{to}");
    }
    let bare = [("response_type", "code"), ("client_id", "gateway"), ("redirect_uri", &*redirect)];
    let answer = guest.browser.get(&format!("{there}?{}", form::encode(bare)));
    assert!(location(&answer).contains("error=invalid_request"), "{}", location(&answer));
    // The code is hers still.
    assert_eq!(guest.browser.get(&callback).status(), StatusCode::SEE_OTHER);
    assert!(guest.token().is_some());
}

fn pa_12_a_browser_that_keeps_no_cookies_is_told_and_not_sent_in_circles(pair: &Pair) {
    let guest = Guest::alice(pair);
    let callback = guest.answer(&guest.start("/echo"));
    // The gateway's cookie did not come back; the issuer's did.
    let forgetful = Browser::new(pair);
    let answer = forgetful.get(&callback);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(!answer.headers().contains_key("location"), "it goes nowhere by itself");
    let page = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(page.contains("ookie"), "and says what it takes: {page}");
}
