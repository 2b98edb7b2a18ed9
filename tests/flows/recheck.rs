//! The upstream that vouched for somebody is asked again when a client refreshes: often enough, not
//! too often, and not in vain.

use http::StatusCode;
use serde_json::json;
use tests::browser::{Browser, Reply, gist, is_sign_in};
use tests::client::{Ask, C1, Tokens, json as body, userinfo};
use tests::expect::invalid_grant;
use tests::line::Fault as LineFault;
use tests::memory::{Fault, Work};
use tests::people::{ALICE, BOB, Person};
use tests::upstream::{Net, away, net, net_with};

const EVERY: u64 = 600;
const STALE: u64 = 3_600;

fn checked() -> Net {
    net_with(&json!({ "recheck_seconds": EVERY, "stale_seconds": STALE }))
}

/// Somebody who came by the upstream, with a grant that outlives the session and one that does not.
struct There<'n> {
    browser: Browser<'n, Net>,
    offline: Tokens,
    bound: Tokens,
}

fn sign_in(net: &Net, person: Person) -> There<'_> {
    let browser = Browser::new(net);
    let ask = Ask::of(C1).set("scope", "openid offline_access");
    let back = browser.get(&away(&browser, net, &ask, person));
    let redeem = |ask: &Ask, code: &str| Tokens::of(&C1.redeem(code, ask).send(&net.issuer));
    let offline = redeem(&ask, &Reply::of(&back).code());
    let ask = Ask::of(C1);
    let bound = redeem(&ask, &Reply::of(&browser.get(&ask.url(&net.issuer))).code());
    There { browser, offline, bound }
}

fn pass(net: &Net, seconds: u64) {
    for issuer in [&net.issuer, &*net.upstream] {
        issuer.inside().pass(seconds);
    }
}

fn refresh(net: &Net, tokens: &Tokens) -> Tokens {
    Tokens::of(&C1.refresh(tokens.refresh()).send(&net.issuer))
}

/// How often the upstream's token endpoint was asked.
fn asked(net: &Net) -> usize {
    net.line.token_calls()
}

#[test]
fn the_upstream_is_asked_once_an_interval_and_takes_no_more_requests_than_that() {
    let net = checked();
    let mut alice = sign_in(&net, ALICE);
    let memory = &net.issuer.inside().memory;
    for round in 0..5 {
        let before = asked(&net);
        assert_eq!(before, round + 1);
        memory.work();
        pass(&net, EVERY);
        alice.offline = refresh(&net, &alice.offline);
        alice.bound = refresh(&net, &alice.bound);
        let Work { asked: objects, .. } = memory.work();
        assert_eq!((asked(&net), objects.len()), (before, 2), "not older than the interval");
        pass(&net, 1);
        alice.offline = refresh(&net, &alice.offline);
        assert_eq!((asked(&net), memory.work().asked.len()), (before + 1, 2), "asked");
        alice.bound = refresh(&net, &alice.bound);
        assert_eq!((asked(&net), memory.work().asked.len()), (before + 1, 1), "by the other one");
    }
}

#[test]
fn each_session_at_the_upstream_is_asked_about_by_itself() {
    let net = checked();
    let (here, there) = (sign_in(&net, ALICE), sign_in(&net, ALICE));
    pass(&net, EVERY + 1);
    let before = asked(&net);
    refresh(&net, &here.offline);
    refresh(&net, &there.offline);
    assert_eq!(asked(&net), before + 2);
}

#[test]
fn what_has_rotated_above_is_what_is_asked_with_next() {
    let net = checked();
    let mut alice = sign_in(&net, ALICE);
    for _ in 0..4 {
        pass(&net, EVERY + 1);
        alice.offline = refresh(&net, &alice.offline);
    }
    let calls = net.line.calls("/token");
    assert_eq!(calls.len(), 5);
    for pair in calls.windows(2) {
        assert!(pair[0].given.is_some());
        assert_eq!(pair[0].given, pair[1].token);
    }
}

#[test]
fn fd_25_who_is_not_there_any_more_loses_everything_that_began_there() {
    let net = checked();
    let [here, there] = [sign_in(&net, ALICE), sign_in(&net, ALICE)];
    let bob = sign_in(&net, BOB);
    net.upstream.inside().deploy_again(|settings| {
        let accounts = settings["ACCOUNTS"].as_array_mut().expect("a list");
        accounts.retain(|account| account["username"] != ALICE.username);
    });
    pass(&net, EVERY);
    let offline = refresh(&net, &here.offline);
    pass(&net, 1);
    net.issuer.inside().events();
    invalid_grant(&C1.refresh(offline.refresh()).send(&net.issuer), "she is gone");
    let events = net.issuer.inside().events();
    let [event] = &events[..] else { panic!("not one event: {events:?}") };
    let event = serde_json::to_value(event).expect("JSON");
    assert_eq!(event["event"], "ended_by_upstream");
    assert_eq!(event["reason"], "it vouches no more");
    assert_eq!(event["sessions"].as_array().map(Vec::len), Some(2));
    for person in [&here, &there] {
        assert!(is_sign_in(&person.browser.get(&Ask::of(C1).url(&net.issuer))));
        for tokens in [&person.offline, &person.bound] {
            invalid_grant(&C1.refresh(tokens.refresh()).send(&net.issuer), "with everything");
            let status = userinfo(&tokens.access).send(&net.issuer).status();
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
    }
    refresh(&net, &bob.bound);
    // Nothing is kept of her that could be asked with, and nobody is asked again.
    let before = asked(&net);
    pass(&net, EVERY + 1);
    invalid_grant(&C1.refresh(there.offline.refresh()).send(&net.issuer), "still");
    assert_eq!(asked(&net), before);
}

#[test]
fn trouble_above_ends_nobody_and_after_too_long_it_is_503_and_nothing_is_used_up() {
    for fault in [LineFault::Down, LineFault::Status(503), LineFault::Status(429)] {
        let net = checked();
        let mut alice = sign_in(&net, ALICE);
        net.line.set(fault);
        for _ in 0..5 {
            pass(&net, EVERY);
            alice.offline = refresh(&net, &alice.offline);
        }
        pass(&net, STALE - 5 * EVERY);
        alice.offline = refresh(&net, &alice.offline);
        pass(&net, 1);
        for _ in 0..3 {
            let answer = C1.refresh(alice.offline.refresh()).send(&net.issuer);
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", gist(&answer));
            assert_eq!(body(&answer)["error"], "temporarily_unavailable");
            assert_eq!(answer.headers()["retry-after"], "30");
            pass(&net, 30);
        }
        // Her session is there, and the same token is good when somebody answers.
        assert!(!is_sign_in(&alice.browser.get(&Ask::of(C1).url(&net.issuer))));
        net.line.set(LineFault::Nothing);
        pass(&net, 60);
        alice.offline = refresh(&net, &alice.offline);
        refresh(&net, &alice.offline);
    }
}

#[test]
fn while_nobody_answers_the_upstream_is_asked_once_a_minute() {
    let net = checked();
    let mut alice = sign_in(&net, ALICE);
    pass(&net, EVERY + 1);
    net.line.set(LineFault::Status(503));
    let before = asked(&net);
    for minute in 1..4 {
        for _ in 0..6 {
            alice.offline = refresh(&net, &alice.offline);
            pass(&net, 9);
        }
        assert_eq!(asked(&net), before + minute);
        pass(&net, 6);
    }
}

#[test]
fn of_any_number_of_refreshes_at_once_one_asks() {
    let net = checked();
    let alice = sign_in(&net, ALICE);
    pass(&net, EVERY + 1);
    net.line.set(LineFault::Slow(50));
    let before = asked(&net);
    let drafts = [&alice.offline, &alice.bound, &alice.offline, &alice.bound, &alice.offline];
    let requests = drafts.map(|tokens| C1.refresh(tokens.refresh()).request(&net.issuer));
    let answers = net.issuer.ask_all(requests.to_vec());
    for answer in &answers {
        assert_eq!(answer.status(), StatusCode::OK, "{}", gist(answer));
    }
    assert_eq!(asked(&net), before + 1);
}

#[test]
fn a_token_that_is_not_good_asks_nobody() {
    let net = checked();
    let alice = sign_in(&net, ALICE);
    let fresh = refresh(&net, &alice.offline);
    pass(&net, EVERY + 1);
    let before = asked(&net);
    let bent = format!("{}A", &fresh.refresh()[..fresh.refresh().len() - 2]);
    invalid_grant(&C1.refresh(&bent).send(&net.issuer), "bent");
    invalid_grant(
        &tests::client::C2.refresh(fresh.refresh()).send(&net.issuer),
        "another client's",
    );
    // One that was replaced long ago ends its family, whatever is said above.
    let last = refresh(&net, &fresh);
    assert_eq!(asked(&net), before + 1);
    pass(&net, EVERY + 1);
    invalid_grant(&C1.refresh(alice.offline.refresh()).send(&net.issuer), "reused");
    invalid_grant(&C1.refresh(last.refresh()).send(&net.issuer), "its family");
    assert_eq!(asked(&net), before + 1);
}

#[test]
fn whatever_fails_the_refresh_can_be_done_again() {
    for (what, fault) in [
        ("storage", Fault::Storage as fn(u32) -> Fault),
        ("command", Fault::Command),
        ("answer", Fault::Answer),
    ] {
        for place in 0.. {
            let net = checked();
            let alice = sign_in(&net, ALICE);
            pass(&net, EVERY + 1);
            net.issuer.inside().memory.fail(fault(place));
            let answer = C1.refresh(alice.offline.refresh()).send(&net.issuer);
            let happened = !net.issuer.inside().memory.is_failing();
            net.issuer.inside().memory.mend();
            if !happened {
                assert!(place >= 2, "{what}: only {place} places");
                break;
            }
            if answer.status() != StatusCode::OK {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{what} {place}");
                refresh(&net, &alice.offline);
            }
            // And what was brought from above was not lost.
            pass(&net, EVERY + 61);
            let fresh = refresh(&net, &alice.bound);
            pass(&net, EVERY + 61);
            refresh(&net, &fresh);
        }
    }
}

#[test]
fn what_is_asked_with_is_kept_sealed_and_no_longer_than_it_is_needed() {
    let net = checked();
    let alice = sign_in(&net, ALICE);
    let memory = &net.issuer.inside().memory;
    let above = net.line.calls("/token")[0].given.clone().expect("a refresh token");
    assert!(memory.dump().contains("\"upstream\"") && !memory.dump().contains(&above));
    // What outlives the session is asked about after it.
    let out = format!("{}?id_token_hint={}", net.issuer.at("/end_session"), alice.bound.id());
    assert_eq!(alice.browser.get(&out).status(), StatusCode::OK);
    assert!(memory.dump().contains("\"upstream\""));
    pass(&net, EVERY + 1);
    refresh(&net, &alice.offline);
    // What does not, is not.
    let browser = Browser::new(&net);
    let bob = Ask::of(C1);
    let back = browser.get(&away(&browser, &net, &bob, BOB));
    let bobs = Tokens::of(&C1.redeem(&Reply::of(&back).code(), &bob).send(&net.issuer));
    let count = || memory.dump().matches("\"upstream\"").count();
    let before = count();
    let out = format!("{}?id_token_hint={}", net.issuer.at("/end_session"), bobs.id());
    browser.get(&out);
    assert_eq!(count(), before - 1);
}

#[test]
fn where_it_is_off_nothing_is_kept_and_nobody_is_asked() {
    let net = net();
    let alice = sign_in(&net, ALICE);
    assert!(!net.issuer.inside().memory.dump().contains("\"upstream\""));
    pass(&net, 86_400);
    let before = asked(&net);
    let fresh = refresh(&net, &alice.offline);
    assert_eq!(asked(&net), before);
    // Switched on, it asks about those who come from then on; the others are good for a while.
    net.issuer.inside().deploy_again(|settings| {
        let entry = &mut settings["UPSTREAMS"][0];
        entry["recheck_seconds"] = EVERY.into();
        entry["stale_seconds"] = (2 * 86_400).into();
    });
    let fresh = refresh(&net, &fresh);
    pass(&net, 86_400);
    let fresh = refresh(&net, &fresh);
    pass(&net, 1);
    invalid_grant(&C1.refresh(fresh.refresh()).send(&net.issuer), "nobody can be asked");
    assert_eq!(asked(&net), before);
}

#[test]
fn an_upstream_that_gives_nothing_to_ask_with_signs_nobody_in() {
    let net = checked();
    net.upstream.inside().deploy_again(|settings| {
        let clients = settings["CLIENTS"].as_array_mut().expect("a list");
        let below = clients.iter_mut().find(|client| client["client_id"] == "below");
        below.expect("us")["grant_types"] = json!(["authorization_code"]);
    });
    let browser = Browser::new(&net);
    let answer = browser.get(&away(&browser, &net, &Ask::of(C1), ALICE));
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(is_sign_in(&browser.get(&Ask::of(C1).url(&net.issuer))));
}
