//! The rows of the catalogue on federation, at every preset.

use crate::outcomes::ELSEWHERE;
use crate::{ask, refused};
use http::header::COOKIE;
use http::{Method, StatusCode};
use serde_json::Value;
use stand_in::{ALWAYS, Endpoint, Fault, IdTokenFault};
use tests::browser::{Browser, Reply, request, text};
use tests::expect::{local, page};
use tests::federation::{Net, Preset, Visit, configure, net};

/// Those who give an ID token.
const OPEN_ID: [Preset; 4] = [Preset::Auth0, Preset::Google, Preset::Entra, Preset::OpenId];

fn callback(visit: &Visit<'_>, preset: Preset, person: &str) -> String {
    visit.prove(&visit.leave(preset.id()).expect("the way there"), person).expect("the way back")
}

fn redeemed(net: &Net, preset: Preset) -> usize {
    net.stand_in.seen_at(&preset.place(), Endpoint::Token).len()
}

/// A query parameter of a URL.
fn parameter(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).expect("a URL");
    let mut found = url.query_pairs().filter(|(other, _)| other == name);
    found.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[test]
fn fd_01_fd_02_a_callback_without_a_state_of_ours_is_refused_at_every_path() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask());
        visit.leave(preset.id()).expect("the way there");
        for query in
            ["", "?code=x", "?code=x&state=", "?state=x&code=x", "?code=x&state=%00", "?state=%ff"]
        {
            let url = net.issuer.at(&format!("/sign-in/callback/{}{query}", preset.id()));
            local(&visit.browser.get(&url), &url);
            local(&Browser::new(&net).get(&url), &url);
        }
        assert_eq!(redeemed(&net, preset), 0, "{preset:?}");
    }
}

#[test]
fn fd_03_a_callback_of_another_browser_signs_nobody_in_and_nobody_out() {
    let net = net();
    for preset in Preset::ALL {
        let alice = Visit::new(&net, ask());
        let before = alice.sign_in(preset.id(), "alice");
        let mallory = Visit::new(&net, ask());
        let stolen = callback(&mallory, preset, "frank");
        let asked = redeemed(&net, preset);
        local(&alice.browser.get(&stolen), preset.id());
        local(&Browser::new(&net).get(&stolen), preset.id());
        assert_eq!(redeemed(&net, preset), asked, "{preset:?}: no code was shown");
        let again = Visit { net: &net, browser: alice.browser, ask: ask() };
        let still = again.arrive(&again.start());
        assert_eq!(still.text("sub"), before.text("sub"), "{preset:?}");
    }
}

#[test]
fn fd_04_fd_05_a_callback_works_once_however_many_come_at_the_same_time() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask());
        let url = callback(&visit, preset, "alice");
        let copies = (0..50).map(|_| {
            let mut copy = request(Method::GET, &url);
            let cookies = visit.browser.header("localhost").parse().expect("a header");
            copy.headers_mut().insert(COOKIE, cookies);
            copy
        });
        let answers = net.issuer.ask_all(copies.collect());
        let good = answers.iter().filter(|answer| answer.status() == StatusCode::SEE_OTHER);
        assert_eq!(good.count(), 1, "{preset:?}");
        assert_eq!(redeemed(&net, preset), 1, "{preset:?}");
        let again = visit.browser.get(&url);
        assert_eq!(again.status(), StatusCode::BAD_REQUEST, "{preset:?}");
        assert_eq!(redeemed(&net, preset), 1, "{preset:?}");
    }
}

#[test]
fn fd_06_a_state_is_good_for_the_upstream_it_was_made_for() {
    let net = net();
    for (number, preset) in Preset::ALL.into_iter().enumerate() {
        let other = Preset::ALL[(number + 1) % Preset::ALL.len()];
        let visit = Visit::new(&net, ask());
        let right = callback(&visit, preset, "alice");
        let asked = (redeemed(&net, preset), redeemed(&net, other));
        let wrong = right
            .replace(&format!("/callback/{}?", preset.id()), &format!("/callback/{}?", other.id()));
        assert_ne!(wrong, right);
        local(&visit.browser.get(&wrong), &format!("{preset:?} at {other:?}"));
        assert_eq!(
            (redeemed(&net, preset), redeemed(&net, other)),
            asked,
            "nobody was told a code"
        );
        // It is not used up by that.
        visit.arrive(&visit.browser.get(&right));
    }
}

#[test]
fn fd_07_an_answer_that_names_another_issuer_is_refused_before_anybody_is_told_the_code() {
    let net = net();
    for preset in Preset::ALL {
        let other = format!("https://stand-in.test/{}/", Preset::Auth0.place_of("evil"));
        for iss in [other.as_str(), "https://stand-in.test", "null"] {
            let visit = Visit::new(&net, ask());
            let right = callback(&visit, preset, "alice");
            let bare = right.split("&iss=").next().expect("a first part");
            let encoded = shared::form::encode([("iss", iss)]);
            let asked = redeemed(&net, preset);
            local(&visit.browser.get(&format!("{bare}&{encoded}")), &format!("{preset:?} {iss}"));
            local(&visit.browser.get(&format!("{bare}&iss=")), &format!("{preset:?} empty"));
            if preset == Preset::OpenId {
                local(&visit.browser.get(bare), "promised, and not there");
            }
            assert_eq!(redeemed(&net, preset), asked, "{preset:?} {iss}");
        }
    }
    assert_eq!(net.stand_in.seen(&Preset::Auth0.place_of("evil")), []);
}

#[test]
fn fd_08_a_state_is_nothing_that_anything_else_is() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask());
        let url = visit.leave(preset.id()).expect("the way there");
        let kept = visit.browser.header("localhost");
        let state = parameter(&url, "state");
        visit.browser.get(&visit.prove(&url, "alice").expect("the way back"));
        let verifier = net.asked(&preset.place(), Endpoint::Token);
        let verifier = verifier.get("code_verifier").expect("a verifier").to_owned();
        for value in [&verifier, &parameter(&url, "nonce"), &parameter(&url, "code_challenge")] {
            assert_ne!(&state, value, "{preset:?}");
        }
        for secret in [&state, &verifier] {
            assert!(!kept.contains(secret.as_str()), "{preset:?}: cookies are sealed");
        }
        assert!(!url.contains(&verifier), "{preset:?}");
        assert_ne!(visit.ask.get("state"), Some(&*state), "it is not the client's");
    }
}

/// Nobody signs in with any of these ID tokens.
fn no_id_token(faults: &[IdTokenFault]) {
    let net = net();
    for preset in OPEN_ID {
        for fault in faults {
            let place = preset.place();
            net.stand_in.fault(&place, Endpoint::Token, Fault::IdToken(*fault), 1);
            let visit = Visit::new(&net, ask());
            let answer = visit.go(preset.id(), "alice").expect("an answer");
            refused(&visit, &answer, &format!("{preset:?} {fault:?}"));
            net.issuer.inside().pass(31);
        }
        Visit::new(&net, ask()).sign_in(preset.id(), "alice");
    }
}

#[test]
fn fd_09_an_id_token_without_our_nonce_signs_nobody_in() {
    no_id_token(&[IdTokenFault::NoNonce, IdTokenFault::WrongNonce]);
}

#[test]
fn fd_10_an_id_token_that_is_wrong_in_any_way_signs_nobody_in() {
    no_id_token(&[
        IdTokenFault::Absent,
        IdTokenFault::AlgNone,
        IdTokenFault::Hs256,
        IdTokenFault::OtherKey,
        IdTokenFault::UnknownKid,
        IdTokenFault::WrongIssuer,
        IdTokenFault::WrongAudience,
        IdTokenFault::WrongAzp,
        IdTokenFault::Expired,
        IdTokenFault::FutureIat,
        IdTokenFault::NoSubject,
        IdTokenFault::EmptySubject,
    ]);
}

#[test]
fn fd_11_an_id_token_that_is_for_somebody_else_too_signs_nobody_in() {
    no_id_token(&[IdTokenFault::ExtraAudience]);
}

#[test]
fn fd_12_userinfo_of_somebody_else_signs_nobody_in() {
    let net = net();
    for preset in [Preset::Auth0, Preset::Google, Preset::OpenId] {
        let (place, fault) = (preset.place(), Fault::UserinfoOtherSubject);
        net.stand_in.fault(&place, Endpoint::Userinfo, fault, 1);
        let visit = Visit::new(&net, ask());
        refused(&visit, &visit.go(preset.id(), "alice").expect("an answer"), preset.id());
    }
}

#[test]
fn fd_26_an_upstream_that_is_gone_signs_nobody_in_and_vouches_for_nobody() {
    for preset in Preset::ALL {
        let net = net();
        let (signed_in, away) = (Visit::new(&net, ask()), Visit::new(&net, ask()));
        let arrived = signed_in.sign_in(preset.id(), "alice");
        assert!(!arrived.text("sub").is_empty());
        let url = callback(&away, preset, "alice");
        let asked = redeemed(&net, preset);
        let rest = Preset::ALL.iter().filter(|other| **other != preset);
        let rest: Vec<Value> = rest.map(|other| other.entry(other.id(), other.id())).collect();
        net.issuer.inside().deploy_again(|settings| configure(settings, &rest));
        let answer = away.browser.get(&url);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{preset:?}");
        assert!(!away.is_signed_in(), "{preset:?}");
        assert_eq!(redeemed(&net, preset), asked, "{preset:?}");
        // Whoever signed in by it is asked again.
        let silent = ask().set("prompt", "none");
        let reply = Reply::of(&signed_in.browser.get(&silent.url(&net.issuer)));
        assert_eq!(reply.get("error"), Some("login_required"), "{preset:?}");
    }
}

/// What a provider might say in the place of a code.
const SCRIPT: &str = "<script>alert(1)</script>";

/// A callback in which the provider says no, in these words.
fn error(url: &str, word: &str) -> String {
    let (before, _) = url.split_once("code=").expect("a code");
    let state = parameter(url, "state");
    let mut pairs = vec![
        ("error", word),
        ("error_description", SCRIPT),
        ("error_uri", "javascript:alert(1)"),
        ("state", &state),
    ];
    let iss = parameter(url, "iss");
    if !iss.is_empty() {
        pairs.push(("iss", &iss));
    }
    before.to_owned() + &shared::form::encode(pairs)
}

#[test]
fn fd_27_what_a_provider_calls_its_refusal_is_shown_to_nobody() {
    let net = net();
    for preset in Preset::ALL {
        for (word, told) in [
            (SCRIPT, "server_error"),
            ("", "server_error"),
            ("access_denied", "access_denied"),
            ("login_required", "login_required"),
            ("invalid_request", "server_error"),
        ] {
            // For a client.
            let visit = Visit::new(&net, ask());
            let answer = visit.browser.get(&error(&callback(&visit, preset, "alice"), word));
            let reply = Reply::of(&answer);
            assert_eq!(reply.get("error"), Some(told), "{preset:?} {word}");
            assert_eq!(reply.get("state"), visit.ask.get("state"));
            for theirs in ["%3Cscript", "javascript", "%3C", "alert"] {
                assert!(!reply.location.contains(theirs), "{preset:?} {}", reply.location);
            }
            assert!(!visit.is_signed_in(), "{preset:?} {word}");

            // And for somebody on the way to their own page, who is told here.
            let own = net.issuer.at("/account");
            let away = visit.choose(&visit.browser.get(&own), preset.id());
            let url = visit.prove(&tests::upstream::onward(&away), "alice").expect("the way back");
            let answer = visit.browser.get(&error(&url, word));
            if word == "access_denied" {
                assert_eq!(Reply::of(&answer).target, own, "{preset:?}");
                continue;
            }
            page(&answer);
            for theirs in ["alert(1)", "javascript:"] {
                assert!(!text(&answer).contains(theirs), "{preset:?} {word}");
            }
            assert!(!visit.is_signed_in(), "{preset:?} {word}");
        }
    }
}

#[test]
fn fd_27_who_says_no_at_their_provider_has_denied_it_to_the_client() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask());
        let url = visit.leave(preset.id()).expect("the way there");
        let answer = visit.browser.get(&visit.deny(&url).expect("the way back"));
        assert_eq!(Reply::of(&answer).get("error"), Some("access_denied"), "{preset:?}");
        assert!(!visit.is_signed_in(), "{preset:?}");
        assert_eq!(redeemed(&net, preset), 0, "{preset:?}");
    }
}

#[test]
fn fd_28_what_a_provider_tells_of_somebody_is_passed_on_and_never_fetched() {
    let net = net();
    for preset in Preset::ALL {
        net.sent();
        let arrived = Visit::new(&net, ask()).sign_in(preset.id(), "grace");
        let place = format!("https://stand-in.test/{}/", preset.place());
        let sent = net.sent();
        assert!(sent.iter().all(|sent| sent.url.starts_with(&place)), "{preset:?} {sent:?}");
        let known = net.stand_in.seen(&preset.place());
        assert!(known.iter().all(|seen| seen.endpoint.is_some()), "{preset:?}");
        if preset == Preset::Auth0 || preset == Preset::GitHub {
            assert!(arrived.text("picture").starts_with("https://"), "{:?}", arrived.claims);
        }
        // As it was told: whoever shows it escapes it.
        let names = [arrived.text("name"), arrived.text("family_name")];
        assert!(names.iter().any(|name| name.contains("<b>Glover</b>")), "{preset:?} {names:?}");
    }
}

#[test]
fn fd_29_nobody_is_followed_elsewhere_and_no_secret_goes_there() {
    for preset in Preset::ALL {
        let net = net();
        let endpoints = preset.endpoints().iter().filter(|at| **at != Endpoint::Authorize);
        for endpoint in endpoints {
            for status in [301, 302, 303, 307, 308] {
                net.forget();
                let fault = Fault::Redirect { status, to: ELSEWHERE.to_owned() };
                net.stand_in.fault(&preset.place(), *endpoint, fault, 1);
                let visit = Visit::new(&net, ask());
                let answer = visit.go(preset.id(), "alice").unwrap_or_else(|page| page);
                refused(&visit, &answer, &format!("{preset:?} {endpoint:?} {status}"));
                net.stand_in.clear_faults(&preset.place());
            }
        }
        assert_eq!(net.stand_in.seen("generic/elsewhere"), [], "{preset:?}");
    }
}

#[test]
fn fd_30_metadata_of_another_issuer_or_keys_without_tls_send_nobody_anywhere() {
    let net = net();
    for preset in OPEN_ID {
        for fault in [Fault::OtherDiscoveryIssuer, Fault::HttpJwksUri] {
            net.forget();
            net.stand_in.fault(&preset.place(), Endpoint::Discovery, fault.clone(), 1);
            let visit = Visit::new(&net, ask());
            let page = visit.leave(preset.id()).expect_err("nobody is sent there");
            refused(&visit, &page, &format!("{preset:?} {fault:?}"));
            assert_eq!(net.stand_in.seen_at(&preset.place(), Endpoint::Authorize), []);
        }
    }
}

#[test]
fn fd_31_an_answer_that_is_none_signs_nobody_in_and_the_next_one_does() {
    let net = net();
    for preset in Preset::ALL {
        for fault in [
            Fault::ErrorWith200,
            Fault::Html200,
            Fault::Empty200,
            Fault::TenMegabytes,
            Fault::DeepJson,
            Fault::GzipBomb,
            Fault::Never,
            Fault::Trickle,
        ] {
            net.stand_in.fault(&preset.place(), Endpoint::Token, fault.clone(), ALWAYS);
            let visit = Visit::new(&net, ask());
            let answer = visit.go(preset.id(), "alice").expect("an answer");
            refused(&visit, &answer, &format!("{preset:?} {fault:?}"));
            net.stand_in.clear_faults(&preset.place());
            Visit::new(&net, ask()).sign_in(preset.id(), "alice");
        }
    }
}

#[test]
fn fd_32_the_page_of_trouble_is_in_nobodys_frame() {
    let net = net();
    for preset in Preset::ALL {
        net.stand_in.fault(&preset.place(), Endpoint::Token, Fault::Status(500), 1);
        let answer = Visit::new(&net, ask()).go(preset.id(), "alice").expect("an answer");
        page(&answer);
    }
}
