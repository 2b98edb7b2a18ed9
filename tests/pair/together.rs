//! What only the two of them together can get wrong: PA of the catalogue, where no other file has it.

use http::StatusCode;
use tests::browser::{Browser, is_sign_in};
use tests::guest::{Guest, location};
use tests::pair::Pair;

in_every_mode! {
    pa_05_signing_out_at_the_gateway_leaves_nothing_of_the_session_at_the_issuer
    pa_07_an_account_that_is_taken_away_gets_no_new_token_and_is_gone_when_the_last_one_ends
}

in_one_mode! {
    pa_04_an_issuer_that_is_spelled_otherwise_signs_nobody_in
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
