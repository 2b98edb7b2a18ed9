//! When sessions end: idle, and in any case.

use tests::guest::Guest;
use tests::pair::Pair;

in_every_mode! {
    gs_12_a_session_ends_when_nobody_comes
    gs_12_a_session_ends_in_any_case_and_no_refresh_moves_that
    gs_12_whoever_comes_keeps_the_session_alive
    a_person_who_comes_back_signs_in_without_a_password
}

fn gs_12_a_session_ends_when_nobody_comes(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.pass(3599);
    let idle = guest.copy();
    assert!(guest.token().is_some(), "a second before");
    gate.pass(3570);
    assert!(guest.token().is_some(), "who came is there");
    if pair.mode == "sealed" {
        // The kept cookie has nobody to ask but itself, and it is over.
        assert!(idle.token().is_none());
    }
    gate.pass(3601);
    assert!(guest.token().is_none() && idle.token().is_none(), "{}", pair.mode);
    assert!(guest.session().is_empty());
}

fn gs_12_whoever_comes_keeps_the_session_alive(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    for _ in 0..9 {
        gate.pass(3540);
        assert!(guest.token().is_some());
        let idle = guest.whoami()["idle_ends_at"].as_u64().unwrap();
        assert!(idle.abs_diff(pair.issuer.now().0 + 3600) <= 30, "to half a minute");
    }
}

fn gs_12_a_session_ends_in_any_case_and_no_refresh_moves_that(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    let ends = guest.whoami()["ends_at"].as_u64().unwrap();
    assert_eq!(ends, pair.issuer.now().0 + 36_000);
    for _ in 0..35 {
        gate.pass(1000);
        assert!(guest.token().is_some());
        assert_eq!(guest.whoami()["ends_at"], ends);
    }
    gate.pass(999);
    let last = guest.copy();
    assert!(last.token().is_some(), "a second before");
    gate.pass(1);
    assert!(guest.token().is_none() && last.token().is_none());
    assert_eq!(guest.whoami()["signed_in"], false);
    assert!(guest.session().is_empty(), "and the cookie is taken back");
}

fn a_person_who_comes_back_signs_in_without_a_password(pair: &Pair) {
    let Some(gate) = pair.needs_clock() else { return };
    let guest = Guest::signed_in(pair);
    gate.pass(7200);
    assert!(guest.token().is_none());
    // The issuer knows the browser for eight hours.
    let flow = guest.start("/");
    assert_eq!(guest.browser.get(&flow.url).status(), 303, "no page");
    assert!(guest.browser.get(&guest.answer(&flow)).status() == 303 && guest.token().is_some());
}
