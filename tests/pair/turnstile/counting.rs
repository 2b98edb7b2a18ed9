//! Where what was passed counts, and for how long.

use super::{asked, gate, pair, pass};
use gateway::turnstile::clearance::NAME;
use http::{Method, StatusCode};
use tests::guest::{Guest, location};

/// What seals after a deployment with new keys.
const NEW_KEY: &str = "bmV3LWtleS1vZi10aGUtZ2F0ZXdheS1mb3ItdGVzdHM";

#[test]
fn nobody_is_asked_who_may_not_pass_anyway() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let answer = guest.navigate("/pay/echo");
    assert_eq!(answer.status(), StatusCode::FOUND, "to sign in first");
    assert!(location(&answer).starts_with("/auth/login?"));
    assert_eq!(guest.script("/api/pay/echo").status(), StatusCode::UNAUTHORIZED);
    let near = guest.script("/public/near/echo");
    assert!(String::from_utf8_lossy(near.body()).contains("access_denied"), "edge signals first");

    guest.sign_in();
    let staff = guest.script("/staff/echo");
    assert!(String::from_utf8_lossy(staff.body()).contains("access_denied"), "claims first");
    let cross = guest.send(&Method::POST, "/pay/echo", &[("origin", "https://evil.test")]);
    assert!(String::from_utf8_lossy(cross.body()).contains("cross_site_request"), "CSRF first");
    assert!(asked(&guest, "/pay/echo") && asked(&guest, "/api/pay/echo"));
}

#[test]
fn what_was_passed_in_one_session_counts_in_no_other_wherever_sessions_live() {
    for mode in ["hybrid", "durable", "kv", "postgres", "sealed"] {
        let pair = pair(mode);
        let guest = Guest::signed_in(&pair);
        pass(&guest, "/pay/echo");
        assert!(!asked(&guest, "/pay/echo") && !asked(&guest, "/api/pay/echo"), "{mode}");
        assert!(asked(&guest, "/both/echo"), "{mode}: it was another challenge");
        assert!(guest.echo().header("x-turnstile-action").is_none(), "{mode}: none is required");

        // Its tokens are renewed, and it is the same session.
        pair.outlive_access_tokens();
        assert!(!asked(&guest, "/pay/echo"), "{mode}");
        gate(&pair).deploy_again(|settings| {
            let old = settings["SEALING_KEYS"].as_str().unwrap();
            let keys = format!("{NEW_KEY},{old}");
            settings.insert("SEALING_KEYS".to_owned(), keys.into());
        });
        pair.outlive_freshness();
        assert!(!asked(&guest, "/pay/echo") && !asked(&guest, "/pay/echo"), "{mode}: new keys");

        let [(_, clearance)] = &guest.cookies_like(NAME)[..] else { panic!("{mode}") };
        let thief = Guest::signed_in(&pair);
        thief.browser.plant("localhost", NAME, clearance);
        assert!(asked(&thief, "/pay/echo"), "{mode}: another session");
        guest.sign_in();
        assert!(asked(&guest, "/pay/echo"), "{mode}: signed in anew");
        pass(&guest, "/pay/echo");
        assert!(!asked(&guest, "/pay/echo"), "{mode}");
        guest.sign_out();
        assert_eq!(guest.script("/pay/echo").status(), StatusCode::UNAUTHORIZED, "{mode}");
    }
}

#[test]
fn what_was_passed_by_nobody_counts_on_public_routes_alone() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    pass(&guest, "/public/form/echo");
    guest.sign_in();
    assert!(!asked(&guest, "/public/form/echo"), "it is the same browser");
    assert!(asked(&guest, "/both/echo"), "the same challenge, in a session");
    pass(&guest, "/both/echo");
    assert!(!asked(&guest, "/both/echo") && !asked(&guest, "/public/form/echo"));
    guest.sign_out();
    assert!(!asked(&guest, "/public/form/echo"));
}

#[test]
fn a_clearance_ends() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    pass(&guest, "/public/form/echo");
    gate(&pair).pass(1799);
    assert!(!asked(&guest, "/public/form/echo"));
    gate(&pair).pass(1);
    assert!(asked(&guest, "/public/form/echo"));
    pass(&guest, "/public/form/echo");
    assert!(!asked(&guest, "/public/form/echo"));
}
