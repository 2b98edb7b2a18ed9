//! The session cookie: sealed, whole, for one purpose, and nobody else's.

use http::StatusCode;
use http::header::SET_COOKIE;
use std::collections::BTreeMap;
use tests::guest::{FLOW, Guest, NAVIGATION, SESSION};
use tests::pair::Pair;
use tests::raw::Raw;

in_every_mode! {
    gs_01_the_session_cookie_has_every_attribute_and_ends_with_the_browser
    gs_02_a_flipped_bit_signs_nobody_in
    gs_03_gs_06_a_part_of_the_cookie_is_no_cookie
    gs_04_gs_05_a_cookie_is_good_for_its_own_purpose_only
    gs_07_gs_08_a_large_session_comes_in_chunks_and_a_small_one_leaves_none
    gs_09_a_cookie_sent_twice_is_nobodys
    gs_14_an_old_cookie_that_comes_late_costs_a_new_sign_in_at_most
    gs_10_no_cookie_header_breaks_anything
    gs_16_a_cookie_of_another_mode_or_gateway_is_nothing
    gs_25_every_cookie_of_ours_goes_to_this_host_alone_and_never_in_the_clear
}
in_one_mode! {
    gs_15_a_guess_reaches_no_session_object
    gs_21_a_session_that_was_used_under_a_new_sealing_key_outlives_the_old_one
    gc_18_settings_that_cannot_be_used_open_nothing
}

/// What an answer says about who sent the request: 200 to somebody, 401 to nobody.
fn status(pair: &Pair, cookies: &str) -> u16 {
    pair.send(&Raw::get("/echo").header("cookie", cookies)).status().as_u16()
}

fn gs_01_the_session_cookie_has_every_attribute_and_ends_with_the_browser(pair: &Pair) {
    let guest = Guest::alice(pair);
    let answer = guest.sign_in();
    let lines = answer.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
    let ours: Vec<_> = lines.filter(|line| line.starts_with(SESSION)).collect();
    assert!(!ours.is_empty() && ours.len() <= 5);
    for line in ours {
        assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
        let value = line.split(['=', ';']).nth(1).unwrap();
        assert!(!value.contains(".eyJ"), "a token can be seen");
    }
}

fn gs_02_a_flipped_bit_signs_nobody_in(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let (name, value) = guest.cookies_like(SESSION).remove(0);
    let others: Vec<_> = guest.cookies_like(SESSION)[1..].to_vec();
    let nobody = pair.send(&Raw::get("/echo"));
    let start = if name == SESSION { 0 } else { "0.2.".len() };
    let mut bodies = BTreeMap::new();
    for place in start..value.len().min(start + 128) {
        let mut flipped = value.clone().into_bytes();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.iter().position(|letter| *letter == flipped[place]).expect("base64url");
        flipped[place] = alphabet[at ^ (1 << (place % 6))];
        let mut cookies = format!("{name}={}", String::from_utf8(flipped).unwrap());
        for (name, value) in &others {
            cookies.extend(["; ", name, "=", value]);
        }
        let answer = pair.send(&Raw::get("/echo").header("cookie", &cookies));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{place}");
        bodies.insert(answer.into_body(), place);
    }
    assert_eq!(bodies.into_keys().collect::<Vec<_>>(), [nobody.into_body()], "one kind of error");
    assert_eq!(status(pair, &guest.session()), 200);
}

fn gs_03_gs_06_a_part_of_the_cookie_is_no_cookie(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let pairs = guest.cookies_like(SESSION);
    let whole: String = pairs.iter().map(|(_, value)| value.as_str()).collect();
    for cut in [1, 2, 3, 4, 16, 31, whole.len() / 2, whole.len() - 1] {
        let (name, value) = &pairs[0];
        let cut = cut.min(value.len() - 1);
        assert_eq!(status(pair, &format!("{name}={}", &value[cut..])), 401, "from {cut}");
        assert_eq!(status(pair, &format!("{name}={}", &value[..cut])), 401, "to {cut}");
    }
    let (one, other) = whole.split_at(whole.len() / 2);
    let flood: Vec<_> = (0..100).map(|n| format!("{SESSION}.{n}={n}.100.x")).collect();
    for cookies in [
        format!("{SESSION}.0=0.2.{one}"),
        format!("{SESSION}.1=1.2.{other}"),
        format!("{SESSION}.0=0.2.{other}; {SESSION}.1=1.2.{one}"),
        format!("{SESSION}.0=0.1.{whole}; {SESSION}.1=1.2.x"),
        format!("{SESSION}.0=0.3.{one}; {SESSION}.1=1.3.{other}"),
        format!("{}; {SESSION}.7=7.1.x", guest.session()),
        format!("{}; {SESSION}.5=x", guest.session()),
        format!("{SESSION}.00={whole}"),
        format!("{SESSION}.-1={whole}"),
        flood.join("; "),
        format!("{SESSION}={whole}AAAA"),
        format!("{SESSION}={whole}=="),
        format!("{SESSION}=\"{whole}\""),
        format!("{SESSION}= {whole}"),
    ] {
        assert_eq!(status(pair, &cookies), 401, "{}", &cookies[..cookies.len().min(60)]);
    }
    assert_eq!(status(pair, &guest.session()), 200, "all of it is good");
}

fn gs_04_gs_05_a_cookie_is_good_for_its_own_purpose_only(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let flow = guest.start("/");
    let callback = guest.answer(&flow);
    let target = callback.strip_prefix(pair.url()).unwrap();
    let (flow_name, flow_value) = guest.cookies_like(FLOW).remove(0);
    assert_eq!(status(pair, &format!("{SESSION}={flow_value}")), 401, "a flow is no session");
    let session = guest.cookies_like(SESSION).remove(0).1;
    for (name, value) in [(&flow_name, &session), (&format!("{FLOW}x"), &flow_value)] {
        let raw = Raw::get(target).header("cookie", &format!("{name}={value}"));
        assert_eq!(pair.send(&raw).status(), StatusCode::BAD_REQUEST, "a session is no flow");
    }
    // Nor is one flow another, or the issuer's cookie ours.
    let other = guest.start("/");
    let (_, other_value) =
        guest.cookies_like(FLOW).into_iter().find(|(name, _)| *name != flow_name).unwrap();
    assert_ne!(flow.state(), other.state());
    let raw = Raw::get(target).header("cookie", &format!("{flow_name}={other_value}"));
    assert_eq!(pair.send(&raw).status(), StatusCode::BAD_REQUEST);
    let ours = guest.cookies_like("__Host-gatelatch");
    let issuers =
        ours.iter().filter(|(name, _)| !name.starts_with(SESSION) && !name.starts_with(FLOW));
    for (name, value) in issuers {
        assert_eq!(status(pair, &format!("{SESSION}={value}")), 401, "{name}");
    }
    assert_eq!(guest.browser.get(&callback).status(), StatusCode::SEE_OTHER, "no side effect");
}

fn gs_07_gs_08_a_large_session_comes_in_chunks_and_a_small_one_leaves_none(pair: &Pair) {
    let Some(_) = pair.needs_clock() else { return };
    let long = "x".repeat(500);
    let pair = Pair::in_process(pair.mode, |idp, _| {
        for name in ["name", "given_name", "family_name", "nickname", "locale"] {
            idp["ACCOUNTS"][0][name] = long.as_str().into();
        }
    });
    let guest = Guest::signed_in(&pair);
    assert!(guest.token().is_some());
    let chunks = guest.cookies_like(SESSION);
    assert_eq!(chunks.len() > 1, !pair.has_handles(), "{} {}", pair.mode, chunks.len());
    assert!(guest.session().len() < 7500);
    if let Some((first, rest)) = chunks.split_first().filter(|(_, rest)| !rest.is_empty()) {
        let dropped: Vec<_> = rest.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(status(&pair, &dropped.join("; ")), 401, "without {}", first.0);
        let swapped = format!("{}={}; {}={}", first.0, rest[0].1, rest[0].0, first.1);
        assert_eq!(status(&pair, &swapped), 401);
        let doubled = format!("{}; {}={}", guest.session(), first.0, first.1);
        assert_eq!(status(&pair, &doubled), 401);
        let other = Guest::signed_in(&pair);
        let others = other.cookies_like(SESSION);
        let mixed = format!("{}={}; {}={}", first.0, first.1, others[1].0, others[1].1);
        assert_eq!(status(&pair, &mixed), 401, "chunks of two sessions");
    }
    // What is too much altogether is left out, and the sign-in still works.
    pair.issuer.inside().deploy_again(|idp| {
        idp["ACCOUNTS"][0]["name"] = "x".repeat(20_000).into();
    });
    guest.sign_in();
    assert!(
        guest.token().is_some() && !guest.whoami()["claims"].to_string().contains(&"x".repeat(513))
    );
    pair.issuer.inside().deploy_again(|idp| {
        for name in ["name", "given_name", "family_name", "nickname", "locale"] {
            idp["ACCOUNTS"][0][name] = "A".into();
        }
    });
    guest.browser.plant("localhost", &format!("{SESSION}.4"), "4.5.stale");
    guest.sign_out();
    guest.sign_in();
    assert!(guest.token().is_some(), "no stale chunk is left beside it");
    assert_eq!(guest.cookies_like(&format!("{SESSION}.4")), []);
}

fn gs_14_an_old_cookie_that_comes_late_costs_a_new_sign_in_at_most(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let late = guest.copy();
    pair.outlive_freshness();
    pair.outlive_access_tokens();
    assert!(late.token().is_some(), "an answer to this is still on its way");
    guest.sign_in();
    for (name, value) in late.cookies_like(SESSION) {
        guest.browser.plant("localhost", &name, &value);
    }
    pair.outlive_freshness();
    pair.outlive_access_tokens();
    assert!(guest.token().is_none() && guest.session().is_empty(), "the old session is over");
    guest.sign_in();
    assert!(guest.token().is_some());
}

fn gs_09_a_cookie_sent_twice_is_nobodys(pair: &Pair) {
    let guest = Guest::signed_in(pair);
    let session = guest.session();
    let (name, _) = guest.cookies_like(SESSION).remove(0);
    for cookies in [
        format!("{name}=evil; {session}"),
        format!("{session}; {name}=evil"),
        format!("{session}; {session}"),
        session.replace("__Host-", ""),
        session.replace("__Host-", "__host-"),
        session.replace("__Host-gatelatch-session", "__Host-gatelatch-SESSION"),
        session.replace("__Host-", "__Secure-"),
    ] {
        assert_eq!(status(pair, &cookies), 401, "{}", &cookies[..60]);
    }
    // Others' cookies, however they look, do not matter.
    for cookies in [
        format!("$Version=1; {session}; a=\"; __Host-x=\""),
        format!("gatelatch-session=evil; {session}"),
        format!("__Host-gatelatch-sessions=evil; {session}"),
        format!("__Host-GATELATCH-session=evil; {session}"),
    ] {
        assert_eq!(status(pair, &cookies), 200, "{}", &cookies[..60]);
    }
}

fn gs_10_no_cookie_header_breaks_anything(pair: &Pair) {
    for cookies in [
        "",
        ";",
        "=",
        ";;==;",
        SESSION,
        "__Host-gatelatch-session=",
        "__Host-gatelatch-session==",
        "__Host-gatelatch-session.=x",
        "__Host-gatelatch-session.99999999999999999999=x",
        "__Host-gatelatch-session=\u{e9}\u{e9}",
        "__Host-gatelatch-flow-=x; __Host-gatelatch-flow-\u{e9}=x",
        &"a=b; ".repeat(1500),
        &format!("{SESSION}={}", "A".repeat(6000)),
    ] {
        for (path, wanted) in
            [("/echo", 401), ("/public/echo", 200), ("/auth/session", 200), ("/auth/login", 303)]
        {
            let answer = pair.send(&Raw::get(path).header("cookie", cookies));
            assert_eq!(
                answer.status(),
                wanted,
                "{path}: {}",
                cookies.chars().take(60).collect::<String>()
            );
        }
        let sent = pair.send(&Raw::get("/echo").headers(&NAVIGATION).header("cookie", cookies));
        assert_eq!(sent.status(), StatusCode::FOUND);
    }
}

fn gs_16_a_cookie_of_another_mode_or_gateway_is_nothing(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    let other = if pair.mode == "sealed" { "hybrid" } else { "sealed" };
    gate.deploy_again(|settings| {
        settings.insert("SESSION_MODE".to_owned(), other.into());
    });
    assert!(guest.token().is_none(), "{} is not {other}", pair.mode);
    guest.sign_in();
    assert!(guest.token().is_some(), "and signing in again is all it takes");
    let elsewhere = Pair::in_process(pair.mode, |idp, gateway| {
        gateway.insert("PUBLIC_URL".into(), "http://localhost:8780".into());
        idp["CLIENTS"][0]["redirect_uris"] =
            serde_json::json!(["http://localhost:8780/auth/callback"]);
    });
    let there = Guest::signed_in(&elsewhere);
    let here = Pair::in_process(pair.mode, |_, _| {});
    assert_eq!(status(&elsewhere, &there.session()), 200);
    assert_eq!(status(&here, &there.session()), 401, "the same keys, another gateway");
}

fn gs_15_a_guess_reaches_no_session_object(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let signed_in = Guest::signed_in(pair);
    let (asked, kept) = (gate.objects.asked(), gate.objects.len());
    for n in 0..1000 {
        let guess = tests::client::fresh(&n.to_string()).repeat(10);
        assert_eq!(status(pair, &format!("{SESSION}={guess}")), 401);
    }
    assert_eq!((gate.objects.asked(), gate.objects.len()), (asked, kept));
    assert!(signed_in.token().is_some());
}

/// Some other sealing key.
const KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";

fn gs_21_a_session_that_was_used_under_a_new_sealing_key_outlives_the_old_one(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    for mode in ["hybrid", "durable", "kv", "postgres", "sealed"] {
        let pair = Pair::in_process(mode, |_, _| {});
        let Some(gate) = pair.needs_clock() else { return };
        let guest = Guest::signed_in(&pair);
        let away = guest.copy();
        gate.deploy_again(|settings| {
            let old = settings["SEALING_KEYS"].as_str().unwrap().to_owned();
            settings.insert("SEALING_KEYS".to_owned(), format!("{KEY},{old}").into());
        });
        assert!(guest.token().is_some(), "{mode}: the old key still opens");
        gate.pass(400);
        assert!(guest.token().is_some(), "{mode}: also for a refresh");
        gate.deploy_again(|settings| {
            settings.insert("SEALING_KEYS".to_owned(), KEY.into());
        });
        assert!(guest.token().is_some(), "{mode}");
        gate.pass(400);
        assert!(guest.token().is_some(), "{mode}: also for a refresh");
        // Whoever was away meanwhile ends cleanly.
        assert!(away.token().is_none(), "{mode}");
        assert!(away.session().is_empty(), "{mode}");
    }
}

fn gc_18_settings_that_cannot_be_used_open_nothing(pair: &Pair) {
    if pair.needs_clock().is_none() {
        return;
    }
    let read = |name: &str, value: &str| {
        gateway::config::Config::read(|asked| (asked == name).then(|| value.to_owned()))
    };
    assert!(read("SESSION_MODE", "hybrid").is_err(), "nothing else is set");
    assert!(read("ISSUER", "http://localhost:8787").is_err());
}

fn gs_25_every_cookie_of_ours_goes_to_this_host_alone_and_never_in_the_clear(pair: &Pair) {
    let guest = Guest::alice(pair);
    let login = pair.send(&Raw::get("/auth/login"));
    let sign_in = guest.sign_in();
    let sign_out = guest.sign_out();
    let leftover = pair.send(&Raw::get("/echo").header("cookie", &format!("{SESSION}=x")));
    for (what, answer, least) in [
        ("begun", login, 1),
        ("signed in", sign_in, 2),
        ("signed out", sign_out, 1),
        ("cleaned up", leftover, 1),
    ] {
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
        assert!(lines.len() >= least, "{what}: {lines:?}");
        for line in lines {
            let mut parts = line.to_str().unwrap().split(';').map(str::trim);
            assert!(parts.next().unwrap().starts_with("__Host-"), "{what}: {line:?}");
            let attributes: Vec<_> = parts.collect();
            for wanted in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"] {
                assert!(attributes.contains(&wanted), "{what}: {line:?}");
            }
            let is_domain = |one: &&str| one.to_ascii_lowercase().starts_with("domain");
            assert!(!attributes.iter().any(is_domain), "{what}: {line:?}");
        }
    }
}
