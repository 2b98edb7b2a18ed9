//! FD-18: taking a way to sign in off one's account. What it brought is over, and somebody can always
//! get in by another.

use crate::events::{happened, only};
use crate::linking::{refused, tokens};
use crate::ways::{
    HOST, SESSION, account, account_by, at_home, buttons, link, linked, local_account, local_entry,
    press, unlink_upstream, ways, with_upstream,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tests::browser::{Browser, Reply, gist, posted};
use tests::client::{Ask, C1, TOLD, Tokens, userinfo};
use tests::expect::invalid_grant;
use tests::listener::{told_at_last, unverified};
use tests::memory::Fault;
use tests::people::{ALICE, BOB};
use tests::upstream::net_of_three;

#[test]
fn fd_18_what_is_taken_off_brings_nothing_any_more() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    linked(&net, &browser, "acme", ALICE);
    let theirs = Browser::new(&net);
    with_upstream(&net, &theirs, "acme", ALICE);
    let bound = tokens(&net, &theirs, TOLD, "openid");
    let sid = unverified(bound.id())["sid"].as_str().unwrap().to_owned();
    let offline = tokens(&net, &theirs, C1, "openid offline_access");
    let ours = tokens(&net, &browser, C1, "openid offline_access");
    let waiting = Ask::of(C1);
    let code = Reply::of(&theirs.get(&waiting.url(&net.issuer))).code();
    happened(&net.issuer);
    let answer = unlink_upstream(&net, &browser, ALICE);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let wanted = json!({ "event": "identity_unlinked", "account": alice, "upstream": "acme" });
    assert_eq!(only(&net.issuer), wanted);

    assert_eq!(account(&net, &theirs), None, "its sessions have ended");
    for (client, tokens) in [(TOLD, &bound), (C1, &offline)] {
        invalid_grant(&client.refresh(tokens.refresh()).send(&net.issuer), client.id);
        let told = userinfo(&tokens.access).send(&net.issuer);
        assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
    }
    invalid_grant(&C1.redeem(&code, &waiting).send(&net.issuer), "a code");
    assert_eq!(told_at_last(&net.issuer, TOLD, &sid).len(), 1, "its client was told");
    // What began by another way goes on.
    Tokens::of(&C1.refresh(ours.refresh()).send(&net.issuer));
    assert_eq!(account(&net, &browser).as_ref(), Some(&alice));
    assert_eq!(ways(&net, &browser), ["Password"]);

    // The identity is free: a new person's, until somebody adds it again.
    let fresh = account_by(&net, "acme", ALICE);
    assert_ne!(fresh, alice);
    assert_eq!(account_by(&net, "acme", ALICE), fresh);
    refused(&link(&net, &browser, "acme", ALICE), StatusCode::CONFLICT, "it is somebody's");
}

#[test]
fn what_was_taken_off_can_be_added_again() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    for _ in 0..2 {
        linked(&net, &browser, "acme", ALICE);
        assert_eq!(account_by(&net, "acme", ALICE), alice);
        assert_eq!(unlink_upstream(&net, &browser, ALICE).status(), StatusCode::SEE_OTHER);
        assert_eq!(ways(&net, &browser), ["Password"]);
    }
}

#[test]
fn who_takes_off_the_way_they_came_by_is_signed_out() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    linked(&net, &browser, "acme", ALICE);
    let answer = press(&net, &browser, "unlink", &local_entry(ALICE));
    assert_eq!(answer.status(), StatusCode::OK, "{}", gist(&answer));
    assert_eq!(browser.cookie(HOST, SESSION), None);
    assert_eq!(account(&net, &browser), None);
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    assert_ne!(local_account(&net, ALICE), alice, "a password is taken off like any other");
}

#[test]
fn the_last_way_in_stays_and_one_that_leads_nowhere_is_none() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    assert!(buttons(&net, &browser).is_empty());
    let mine = local_entry(ALICE);
    refused(&press(&net, &browser, "unlink", &mine), StatusCode::CONFLICT, "the only one");
    linked(&net, &browser, "other", ALICE);
    let theirs = buttons(&net, &browser).into_iter().find(|entry| *entry != mine).unwrap();
    net.issuer.inside().deploy_again(|settings| {
        settings["UPSTREAMS"].as_array_mut().unwrap().remove(1);
    });
    assert_eq!(buttons(&net, &browser), std::slice::from_ref(&theirs));
    refused(&press(&net, &browser, "unlink", &mine), StatusCode::CONFLICT, "the other is gone");
    assert_eq!(local_account(&net, ALICE), alice);
    assert_eq!(press(&net, &browser, "unlink", &theirs).status(), StatusCode::SEE_OTHER);
    // What is not hers is not touched, and what is nothing is refused.
    assert_eq!(press(&net, &browser, "unlink", &local_entry(BOB)).status(), StatusCode::SEE_OTHER);
    assert_eq!(press(&net, &browser, "unlink", "x").status(), StatusCode::BAD_REQUEST);
    assert_eq!(local_account(&net, ALICE), alice);
}

#[test]
fn two_ways_that_are_taken_off_at_once_leave_one_of_them() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    linked(&net, &browser, "acme", ALICE);
    let (cookies, url) = (browser.header(HOST), net.issuer.at("/account"));
    let both = buttons(&net, &browser).into_iter().map(|entry| {
        let mut post = posted(&url, &[("unlink", &entry)]);
        post.headers_mut().insert("cookie", HeaderValue::from_str(&cookies).unwrap());
        let origin = HeaderValue::from_str(net.issuer.url()).unwrap();
        post.headers_mut().insert("origin", origin);
        post
    });
    net.issuer.ask_all(both.collect());
    let left = [local_account(&net, ALICE), account_by(&net, "acme", ALICE)];
    assert_eq!(left.iter().filter(|account| **account == alice).count(), 1, "{left:?}");
}

#[test]
fn what_was_taken_off_by_half_is_shown_and_can_be_asked_again() {
    let faults = (0..60).map(Fault::Storage);
    let faults = faults.chain((0..6).map(Fault::Command)).chain((0..6).map(Fault::Answer));
    let mut failed = 0;
    for fault in faults {
        let net = net_of_three();
        let browser = at_home(&net, ALICE);
        let alice = account(&net, &browser).unwrap();
        linked(&net, &browser, "acme", ALICE);
        let theirs = Browser::new(&net);
        with_upstream(&net, &theirs, "acme", ALICE);
        let entries = buttons(&net, &browser);
        let entry = entries.iter().find(|entry| **entry != local_entry(ALICE)).unwrap();
        let memory = &net.issuer.inside().memory;
        memory.fail(fault);
        let answer = press(&net, &browser, "unlink", entry);
        if memory.is_failing() {
            continue;
        }
        failed += 1;
        if answer.status() == StatusCode::SEE_OTHER {
            // What only tidies up may fail, and then everything has been done.
            assert_eq!(ways(&net, &browser), ["Password"], "{fault:?}");
        } else {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        }
        // Whoever signs in meanwhile gets in, here or as somebody new.
        let meanwhile = account_by(&net, "acme", ALICE);
        assert_eq!(local_account(&net, ALICE), alice, "{fault:?}: there is a way in");
        let answer = press(&net, &browser, "unlink", entry);
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{fault:?}: {}", gist(&answer));
        assert_eq!(ways(&net, &browser), ["Password"], "{fault:?}");
        assert_eq!(account(&net, &theirs), None, "{fault:?}");
        let fresh = account_by(&net, "acme", ALICE);
        assert_ne!(fresh, alice, "{fault:?}");
        assert!(meanwhile == alice || meanwhile == fresh, "{fault:?}");
    }
    assert!(failed > 15, "{failed}");
}

#[test]
fn a_profile_is_of_somebody_who_is_still_here() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let tokens = tokens(&net, &browser, C1, "openid email offline_access");
    let email = || -> Value {
        let told = userinfo(&tokens.access).send(&net.issuer);
        tests::client::json(&told)["email"].clone()
    };
    linked(&net, &browser, "acme", BOB);
    assert_eq!(email(), "alice@people.test");
    account_by(&net, "acme", BOB);
    assert_eq!(email(), "bob@people.test", "as last seen");
    unlink_upstream(&net, &browser, ALICE);
    assert_eq!(email(), "alice@people.test");
}
