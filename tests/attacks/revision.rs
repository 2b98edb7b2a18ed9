//! RG-09: a client that registered at run time, and becomes another.

use http::StatusCode;
use serde_json::{Value, json};
use tests::believe;
use tests::browser::{Browser, Reply, is_consent};
use tests::client::{Ask, C1, PAIR_A, SignedIn, Tokens, json as object};
use tests::expect::{error, local, page};
use tests::registration::{INITIAL, Registered, metadata, with};
use tests::world::{Issuer, issuer};

/// The initial access token of these tests.
const TOKEN: &str = INITIAL[0];

/// A moment, so that what was agreed to and what was changed are not of one second.
fn a_second(issuer: &Issuer) {
    if issuer.is_inside() {
        issuer.inside().pass(2);
    } else {
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }
}

#[test]
fn rg_09_a_client_that_changes_leads_nowhere_that_was_not_agreed_to() {
    let issuer = issuer();
    let registered = Registered::new(&issuer, TOKEN, &metadata());
    let client = registered.client();
    let tokens = Tokens::of(
        &SignedIn::new(&issuer, Ask::of(client).set("scope", "openid email offline_access"))
            .redeem()
            .send(&issuer),
    );
    let waiting = SignedIn::new(&issuer, Ask::of(client));
    let swapped = with(
        &json!({ "redirect_uris": ["https://evil.test/cb"], "scope": "openid offline_access" }),
    );
    assert_eq!(registered.put(&swapped).send(&issuer).status(), StatusCode::OK);
    local(&Browser::new(&issuer).get(&Ask::of(client).url(&issuer)), "the old redirect URI");
    // A code that waits is for the URI that it was sent to.
    let stolen = waiting.redeem().set("redirect_uri", "https://evil.test/cb").send(&issuer);
    error(&stolen, StatusCode::BAD_REQUEST, "invalid_grant", "the new one");
    // And what it may not have any more, an old grant does not give.
    let refreshed = Tokens::of(&client.refresh(tokens.refresh()).send(&issuer));
    assert_eq!(refreshed.scope(), ["offline_access", "openid"]);
}

#[test]
fn rg_09_ui_10_whoever_agreed_to_what_a_client_was_is_asked_again_when_it_is_another() {
    let issuer = issuer();
    let registered = Registered::new(&issuer, TOKEN, &metadata());
    let ask = || Ask::of(registered.client()).url(&issuer);
    a_second(&issuer);
    let browser = SignedIn::new(&issuer, Ask::of(registered.client())).browser;
    let silent = |browser: &Browser<'_, Issuer>| browser.get(&ask()).status();
    assert_eq!(silent(&browser), StatusCode::SEE_OTHER, "that was remembered");
    // New keys are nobody's business.
    let keys = with(&json!({ "contacts": ["a@dyn.test"], "jwks": { "keys": [] } }));
    assert_eq!(registered.put(&keys).send(&issuer).status(), StatusCode::OK);
    assert_eq!(silent(&browser), StatusCode::SEE_OTHER, "it is what it was");
    for more in [
        json!({ "client_name": "Your bank" }),
        json!({ "logo_uri": "https://bank.test/logo.png" }),
        json!({ "redirect_uris": ["https://dyn.test/cb", "https://evil.test/cb"] }),
        json!({ "scope": "openid email" }),
    ] {
        a_second(&issuer);
        assert_eq!(registered.put(&with(&more)).send(&issuer).status(), StatusCode::OK);
        let page = browser.get(&ask());
        assert!(is_consent(&page), "{more}");
        a_second(&issuer);
        let page = browser.get(&ask());
        browser.decide(issuer.url(), &page, "allow");
        assert_eq!(silent(&browser), StatusCode::SEE_OTHER, "{more}");
    }
}

#[test]
fn rg_09_ui_03_a_page_that_was_shown_before_the_client_changed_allows_nothing() {
    let issuer = issuer();
    for more in [
        json!({ "client_name": "Your bank" }),
        json!({ "tos_uri": "https://dyn.test/terms" }),
        json!({ "redirect_uris": ["https://dyn.test/cb", "https://evil.test/cb"] }),
    ] {
        let registered = Registered::new(&issuer, TOKEN, &metadata());
        let ask = Ask::of(registered.client()).url(&issuer);
        let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
        let shown = browser.get(&ask);
        assert!(is_consent(&shown));
        a_second(&issuer);
        assert_eq!(registered.put(&with(&more)).send(&issuer).status(), StatusCode::OK);
        let answer = browser.decide(issuer.url(), &shown, "allow");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{more}");
        page(&answer);
        // Whoever is shown what it is now may agree to that.
        let shown = browser.get(&ask);
        assert!(is_consent(&shown), "{more}");
        Reply::of(&browser.decide(issuer.url(), &shown, "allow")).code();
    }
}

#[test]
fn oidc_core_8_1_12_2_a_client_that_changes_is_of_the_sector_that_it_was_of() {
    let issuer = issuer();
    let pairwise = |uri: &str| {
        with(&json!({ "subject_type": "pairwise", "redirect_uris": [uri],
            "id_token_signed_response_alg": "ES256" }))
    };
    let registered = Registered::new(&issuer, TOKEN, &pairwise("https://dyn.test/cb"));
    let ask = Ask::of(registered.client()).set("scope", "openid offline_access");
    let tokens = Tokens::of(&SignedIn::new(&issuer, ask.clone()).redeem().send(&issuer));
    let first = believe::id_token(&issuer, &ask, &tokens);

    // What people are called at somebody else's, or to everybody.
    let elsewhere = pairwise(PAIR_A.redirect_uri);
    let public: Value = metadata();
    for (changed, member) in [(&elsewhere, "sector_identifier_uri"), (&public, "subject_type")] {
        let answer = registered.put(changed).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", member);
        let words = object(&answer)["error_description"].to_string();
        assert!(words.contains(member), "{words}");
    }
    let refreshed = Tokens::of(&registered.client().refresh(tokens.refresh()).send(&issuer));
    let second = believe::refreshed_id_token(&issuer, registered.client(), &refreshed, &first);
    assert_eq!((&first["sub"], &first["sid"]), (&second["sub"], &second["sid"]));

    // Another address of the same host is its own business.
    let same = registered.put(&pairwise("https://dyn.test/other")).send(&issuer);
    assert_eq!(same.status(), StatusCode::OK);
}
