//! Signing out: meant by the person, final, and told to the issuer.

use http::{Method, StatusCode};
use tests::browser::{Reply, text};
use tests::client::{Auth, Client};
use tests::expect::header;
use tests::guest::{Guest, SESSION, location};
use tests::line::Fault;
use tests::pair::Pair;

in_every_mode! {
    gs_11_a_cookie_that_was_kept_is_dead_after_signing_out
    gs_30_cs_07_nobody_is_signed_out_by_another_site
    lo_signing_out_goes_on_to_the_issuer_and_comes_back
    a_link_signs_out_with_the_token_of_the_session_only
    the_refresh_token_is_revoked_at_the_issuer
    gs_13_signing_out_during_a_slow_refresh_is_final
    signing_out_twice_or_without_a_session_is_harmless
    signing_out_while_the_issuer_is_away_ends_the_session_here
    gs_29_there_is_no_front_channel_logout
}
in_one_mode! {
    a_session_object_that_cannot_be_told_keeps_the_cookie
}

fn gs_11_a_cookie_that_was_kept_is_dead_after_signing_out(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let kept = guest.copy();
    assert!(kept.token().is_some());
    let answer = guest.sign_out();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(guest.session().is_empty() && guest.token().is_none());
    assert_eq!(guest.whoami()["signed_in"], false);
    match pair.mode {
        // Asked on every request: at once.
        "durable" | "postgres" => {}
        // Believed for as long as the manual says.
        "hybrid" | "kv" => pair.outlive_freshness(),
        // Nobody but the issuer knows: until the access token is over.
        _ => pair.outlive_access_tokens(),
    }
    assert!(kept.token().is_none(), "{}", pair.mode);
    assert!(kept.session().is_empty(), "what is over is cleaned up");
}

fn gs_30_cs_07_nobody_is_signed_out_by_another_site(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    for lines in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("x-csrf", "0")],
        &[],
    ] {
        let answer = guest.send(&Method::POST, "/auth/logout", lines);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{lines:?}");
        assert!(text(&answer).contains("action=\"/auth/logout\""), "a way to mean it");
        assert!(guest.token().is_some(), "{lines:?}");
    }
    for path in ["/auth/logout", "/auth/logout?token=", "/auth/logout?token=x"] {
        for lines in [&[][..], &[("sec-fetch-site", "same-origin")], &[("origin", pair.url())]] {
            let answer = guest.send(&Method::GET, path, lines);
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert!(
                text(&answer).contains("Sign out?")
                    && text(&answer).contains("<form method=\"post\"")
            );
            assert_eq!(header(&answer, "cache-control"), "no-store");
            assert_eq!(header(&answer, "x-frame-options"), "DENY");
            assert!(guest.token().is_some(), "{path}");
        }
    }
    for method in [Method::PUT, Method::DELETE, Method::HEAD] {
        let answer = guest.send(&method, "/auth/logout", &[("origin", pair.url())]);
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(guest.token().is_some());
}

fn lo_signing_out_goes_on_to_the_issuer_and_comes_back(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let reply = Reply::of(&guest.sign_out());
    assert_eq!(reply.target, pair.issuer.at("/end_session"));
    assert_eq!(reply.get("client_id"), Some("gateway"));
    assert_eq!(reply.get("post_logout_redirect_uri"), Some(pair.at("/").as_str()));
    assert!(reply.get("id_token_hint").is_some());
    let back = guest.browser.get(&reply.location);
    assert_eq!((back.status(), location(&back)), (StatusCode::SEE_OTHER, pair.at("/")));
    // Signed out there too: the next sign-in asks for the password.
    let page = guest.browser.get(&guest.start("/").url);
    assert!(tests::browser::is_sign_in(&page));
}

fn a_link_signs_out_with_the_token_of_the_session_only(pair: &Pair) {
    let (guest, other) = (Guest::signed_in(pair), Guest::signed_in(pair));
    let url = guest.whoami()["logout_url"].as_str().expect("a URL").to_owned();
    assert!(url.starts_with("/auth/logout?token="));
    assert_eq!(other.send(&Method::GET, &url, &[]).status(), StatusCode::OK, "somebody else's");
    assert!(other.token().is_some());
    let same = guest.whoami()["logout_url"].clone();
    assert_eq!(same, url, "a page may keep it for the life of the session");
    assert_eq!(guest.send(&Method::GET, &url, &[]).status(), StatusCode::SEE_OTHER);
    assert!(guest.session().is_empty() && guest.token().is_none());
    other.sign_in();
    assert_ne!(other.whoami()["logout_url"], url);
}

/// The gateway as the issuer knows it.
const GATEWAY: Client =
    Client { id: "gateway", auth: Auth::Basic("gateway-secret"), redirect_uri: "" };

fn the_refresh_token_is_revoked_at_the_issuer(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    let first = gate.line.calls("/token")[0].given.clone().expect("a refresh token");
    gate.pass(300);
    let token = guest.token().expect("refreshed");
    let second = gate.line.calls("/token")[1].given.clone().expect("a refresh token");
    assert!(tests::client::userinfo(&token).send(&pair.issuer).status().is_success());
    guest.sign_out();
    let revoked: Vec<_> = gate.line.calls("/revoke").into_iter().map(|call| call.token).collect();
    assert_eq!(revoked, [Some(second.clone())]);
    for dead in [first, second] {
        let answer = GATEWAY.refresh(&dead).send(&pair.issuer);
        tests::expect::invalid_grant(&answer, "revoked");
    }
    let answer = tests::client::userinfo(&token).send(&pair.issuer);
    tests::expect::unauthorized(&answer, "the access token of that grant");
}

fn gs_13_signing_out_during_a_slow_refresh_is_final(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    let kept = guest.copy();
    gate.pass(300);
    gate.line.set(Fault::Slow(200));
    let out = guest.raw("POST", "/auth/logout").header("origin", pair.url());
    let visit = guest.raw("GET", "/echo");
    let answers = pair.send_all(&[visit.clone(), out, visit]);
    gate.line.set(Fault::Nothing);
    assert_eq!(answers[1].status(), StatusCode::SEE_OTHER);
    let given = gate.line.calls("/token").into_iter().filter_map(|call| call.given).next_back();
    if pair.mode == "sealed" {
        // What a late answer puts back into the browser is worth nothing at the issuer.
        let line = answers[0].headers()["set-cookie"].to_str().unwrap();
        let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
        kept.browser.plant("localhost", name, value);
        gate.pass(300);
    } else {
        assert_eq!(answers[0].status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answers[2].status(), StatusCode::UNAUTHORIZED);
        let revoked: Vec<_> =
            gate.line.calls("/revoke").into_iter().map(|call| call.token).collect();
        assert!(revoked.contains(&given), "the fresh one was revoked too");
        for answer in [&answers[0], &answers[2]] {
            for line in answer.headers().get_all("set-cookie") {
                assert!(line.to_str().unwrap().ends_with("Max-Age=0"), "nothing revives it");
            }
        }
    }
    assert!(kept.token().is_none(), "{}", pair.mode);
    let answer = GATEWAY.refresh(&given.expect("a refresh token")).send(&pair.issuer);
    tests::expect::invalid_grant(&answer, "the fresh one");
}

fn signing_out_twice_or_without_a_session_is_harmless(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let again = guest.copy();
    guest.sign_out();
    for one in [guest, again, Guest::alice(pair)] {
        let answer = one.sign_out();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let next = location(&answer);
        assert!(next == "/" || next.starts_with(&pair.issuer.at("/end_session?")), "{next}");
        assert!(one.session().is_empty());
    }
}

fn signing_out_while_the_issuer_is_away_ends_the_session_here(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    let kept = guest.copy();
    gate.line.set(Fault::Down);
    assert_eq!(guest.sign_out().status(), StatusCode::SEE_OTHER);
    assert!(guest.token().is_none());
    gate.line.set(Fault::Nothing);
    if pair.mode != "sealed" {
        gate.pass(300);
        assert!(kept.token().is_none(), "{}", pair.mode);
    }
}

fn a_session_object_that_cannot_be_told_keeps_the_cookie(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.objects.lose(true);
    let answer = guest.sign_out();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!header(&answer, "retry-after").is_empty());
    assert!(guest.session().starts_with(SESSION), "so that trying again can end it");
    gate.objects.lose(false);
    assert_eq!(guest.sign_out().status(), StatusCode::SEE_OTHER);
    assert!(guest.token().is_none());
}

fn gs_29_there_is_no_front_channel_logout(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let before = guest.session();
    let query = format!("iss={}&sid=x", pair.issuer.url());
    let image = [
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "image"),
        ("sec-fetch-site", "cross-site"),
    ];
    for path in ["frontchannel-logout", "front-channel-logout", "frontchannel_logout", "logout/x"] {
        let answer = guest.send(&Method::GET, &format!("/auth/{path}?{query}"), &image);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.headers().contains_key("set-cookie"), "{path}");
    }
    // The one way out asks first when it is another site that goes it.
    let answer = guest.send(&Method::GET, &format!("/auth/logout?{query}"), &image);
    assert_eq!((answer.status(), guest.session()), (StatusCode::OK, before));
    assert!(guest.token().is_some());
    let metadata = guest.browser.get(&pair.issuer.at("/.well-known/openid-configuration"));
    assert!(!text(&metadata).contains("frontchannel"));
}
