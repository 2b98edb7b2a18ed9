//! FD: whose account somebody gets by an e-mail address. Nobody's, unless the operator says that an
//! upstream decides its domain, and both who has it and who comes with it are certain of it.

use crate::events::happened;
use crate::ways::{
    account, account_by, at_home, buttons, linked, local_account, local_entry, press, says,
    unlink_upstream, ways, with_upstream,
};
use http::StatusCode;
use serde_json::{Value, json};
use tests::browser::{Browser, Reply};
use tests::client::{Ask, C1};
use tests::memory::Fault;
use tests::people::{ALICE, BOB};
use tests::upstream::{Net, net_of_three, onward, prove, to_upstream};

const HERS: &str = "alice@people.test";

/// An issuer with two upstreams, of which these are authoritative for the domain of everybody here.
fn net(authoritative: &[&str]) -> Net {
    let net = net_of_three();
    net.issuer.inside().deploy_again(|settings| {
        for upstream in settings["UPSTREAMS"].as_array_mut().unwrap() {
            if authoritative.iter().any(|id| upstream["id"] == *id) {
                upstream["authoritative_for"] = json!(["people.test"]);
            }
        }
    });
    net
}

fn say_verified(issuer: &tests::world::Issuer, verified: Option<bool>) {
    says(issuer, ALICE, |account| {
        account.remove("email_verified");
        if let Some(verified) = verified {
            account.insert("email_verified".to_owned(), verified.into());
        }
    });
}

#[test]
fn who_has_an_address_for_certain_has_the_account_of_who_had_it_for_certain() {
    // A local account, whose address the operator wrote.
    let net = net(&["acme"]);
    let alice = local_account(&net, ALICE);
    happened(&net.issuer);
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    let lines = net.issuer.inside().lines();
    assert!(!lines.iter().any(|line| line.contains("people.test")), "{lines:?}");
    let browser = at_home(&net, ALICE);
    assert_eq!(ways(&net, &browser), ["Acme", "Password"]);
    assert_ne!(account_by(&net, "acme", BOB), alice);
}

#[test]
fn fd_15_two_upstreams_agree_on_who_it_is_where_both_decide_and_nowhere_else() {
    for (authoritative, is_one) in
        [(&["acme", "other"][..], true), (&["acme"], false), (&["other"], false), (&[], false)]
    {
        let net = net(authoritative);
        let first = account_by(&net, "acme", ALICE);
        happened(&net.issuer);
        let second = account_by(&net, "other", ALICE);
        assert_eq!(second == first, is_one, "{authoritative:?}");
        let by_email: Vec<Value> = happened(&net.issuer)
            .into_iter()
            .filter(|event| event["event"] == "identity_linked_by_email")
            .collect();
        let wanted =
            json!({ "event": "identity_linked_by_email", "account": first, "upstream": "other" });
        assert_eq!(by_email, if is_one { vec![wanted] } else { vec![] }, "{authoritative:?}");
        // However it began, it stays.
        assert_eq!(account_by(&net, "acme", ALICE), first);
        assert_eq!(account_by(&net, "other", ALICE), second);
    }
}

#[test]
fn fd_13_fd_14_an_address_that_is_not_verified_is_nobodys() {
    for verified in [Some(false), None] {
        let net = net(&["acme", "other"]);
        let alice = local_account(&net, ALICE);
        say_verified(&net.upstream, verified);
        let hers = account_by(&net, "acme", ALICE);
        assert_ne!(hers, alice, "{verified:?}: who comes with it");
        let net = self::net(&["acme", "other"]);
        say_verified(&net.upstream, verified);
        let first = account_by(&net, "acme", ALICE);
        assert_ne!(account_by(&net, "other", ALICE), first, "{verified:?}: who has it");
        // A local account without a word of the operator's has none either.
        let net = self::net(&["acme"]);
        say_verified(&net.issuer, verified);
        let local = local_account(&net, ALICE);
        assert_ne!(account_by(&net, "acme", ALICE), local, "{verified:?}: of a local account");
    }
}

#[test]
fn fd_16_who_waits_with_an_address_that_is_not_theirs_gets_nobody() {
    let net = net(&["acme"]);
    // Mallory, whom an upstream that decides nothing calls Alice, was here first.
    let other = net.other.as_ref().unwrap();
    says(other, BOB, |account| {
        account.insert("email".to_owned(), HERS.into());
        account.insert("email_verified".to_owned(), true.into());
    });
    let mallory = account_by(&net, "other", BOB);
    // And added that to another account, and has a local one of that address, unverified.
    says(&net.issuer, BOB, |account| {
        account.insert("email".to_owned(), HERS.into());
        account.remove("email_verified");
    });
    let local = local_account(&net, BOB);
    let alice = account_by(&net, "acme", ALICE);
    assert!(alice != mallory && alice != local);
    // Nor afterwards.
    assert_eq!(account_by(&net, "other", BOB), mallory);
    assert_eq!(account_by(&net, "acme", ALICE), alice);
}

#[test]
fn fd_20_who_takes_over_an_address_at_its_upstream_does_not_take_over_the_account() {
    let net = net(&["acme", "other"]);
    let alice = account_by(&net, "acme", ALICE);
    // She has left, and Bob has her name and her address now.
    say_verified(&net.upstream, Some(false));
    says(&net.upstream, BOB, |account| {
        account.insert("email".to_owned(), HERS.into());
        account.insert("preferred_username".to_owned(), "alice".into());
    });
    let bob = account_by(&net, "acme", BOB);
    assert_ne!(bob, alice);
    // It is his for whoever asks next, and she is who she was.
    assert_eq!(account_by(&net, "other", ALICE), bob);
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    assert_eq!(account_by(&net, "acme", BOB), bob);
}

#[test]
fn fd_20_an_address_that_somebody_had_once_is_not_theirs_any_more() {
    let net = net(&["acme", "other"]);
    let alice = account_by(&net, "acme", ALICE);
    says(&net.upstream, ALICE, |account| {
        account.insert("email".to_owned(), "alice.liddell@people.test".into());
    });
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    assert_ne!(account_by(&net, "other", ALICE), alice, "somebody else's now");
}

#[test]
fn fd_23_an_address_is_the_same_in_capitals_and_another_in_another_domain() {
    for (address, is_one) in [
        ("ALICE@People.Test", true),
        ("alice@people.test.evil.test", false),
        ("alice@evil.test", false),
        ("\"alice@evil\"@people.test", false),
        ("alice\u{ff20}people.test", false),
        ("alice @people.test", false),
    ] {
        let net = net(&["acme"]);
        let alice = local_account(&net, ALICE);
        says(&net.upstream, ALICE, |account| {
            account.insert("email".to_owned(), address.into());
        });
        assert_eq!(account_by(&net, "acme", ALICE) == alice, is_one, "{address}");
    }
}

#[test]
fn fd_18_what_was_taken_off_does_not_come_back_by_its_address() {
    let net = net(&["acme"]);
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    assert_eq!(account_by(&net, "acme", ALICE), alice);
    assert_eq!(unlink_upstream(&net, &browser, ALICE).status(), StatusCode::SEE_OTHER);
    let fresh = account_by(&net, "acme", ALICE);
    assert_ne!(fresh, alice);
    assert_eq!(account_by(&net, "acme", ALICE), fresh);
}

#[test]
fn fd_18_who_was_taken_off_does_not_vouch_any_more_for_who_comes_next() {
    let net = net(&["acme", "other"]);
    // Bob's account, and Alice is one of its ways in for a while.
    let browser = at_home(&net, BOB);
    let bob = account(&net, &browser).unwrap();
    linked(&net, &browser, "acme", ALICE);
    assert_eq!(account_by(&net, "acme", ALICE), bob);
    let mine = local_entry(BOB);
    let hers = buttons(&net, &browser).into_iter().find(|entry| *entry != mine).unwrap();
    assert_eq!(press(&net, &browser, "unlink", &hers).status(), StatusCode::SEE_OTHER);
    assert_ne!(account_by(&net, "other", ALICE), bob);
}

#[test]
fn fd_26_an_upstream_that_is_gone_or_decides_nothing_any_more_vouches_for_no_address() {
    for take in ["authoritative_for", "all of it"] {
        let net = net(&["acme", "other"]);
        let first = account_by(&net, "acme", ALICE);
        net.issuer.inside().deploy_again(|settings| {
            let upstreams = settings["UPSTREAMS"].as_array_mut().unwrap();
            if take == "all of it" {
                upstreams.remove(0);
            } else {
                upstreams[0].as_object_mut().unwrap().remove(take);
            }
        });
        assert_ne!(account_by(&net, "other", ALICE), first, "{take}");
    }
}

/// Alice has an account by `acme`, and by `other` would get it too.
fn about_to_be_one() -> (Net, String) {
    let net = net(&["acme", "other"]);
    let alice = account_by(&net, "acme", ALICE);
    happened(&net.issuer);
    (net, alice)
}

fn by_email(net: &Net) -> usize {
    let events = happened(&net.issuer);
    events.iter().filter(|event| event["event"] == "identity_linked_by_email").count()
}

/// Whether the identity is that account's, by the directory alone: no address leads anywhere.
fn is_linked(net: &Net, account: &str) -> bool {
    net.issuer.inside().deploy_again(|settings| {
        for upstream in settings["UPSTREAMS"].as_array_mut().unwrap() {
            upstream.as_object_mut().unwrap().remove("authoritative_for");
        }
    });
    account_by(net, "other", ALICE) == account
}

#[test]
fn fd_15_who_is_not_whom_the_client_means_adds_nothing_by_an_address() {
    let (net, alice) = about_to_be_one();
    let bob = local_account(&net, BOB);
    happened(&net.issuer);
    let wanted = json!({ "id_token": { "sub": { "value": bob } } }).to_string();
    let ask = Ask::of(C1).set("claims", &wanted);
    let browser = Browser::new(&net);
    let form = to_upstream(&browser.get(&ask.url(&net.issuer)));
    let url = onward(&browser.submit(net.issuer.url(), &form, &[("upstream", "other")]));
    let reply = Reply::of(&browser.get(&prove(&browser, &url, ALICE)));
    assert_eq!(reply.get("error"), Some("login_required"));
    assert_eq!(by_email(&net), 0);
    assert!(!is_linked(&net, &alice));
}

#[test]
fn fd_15_fd_25_who_is_disabled_gets_nothing_added_by_an_address() {
    let (net, alice) = about_to_be_one();
    let disable = |accounts: &[&str]| {
        net.issuer.inside().deploy_again(|settings| {
            settings.insert("DISABLED_ACCOUNTS".to_owned(), json!(accounts));
        });
    };
    disable(&[&alice]);
    let answer = with_upstream(&net, &Browser::new(&net), "other", ALICE);
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(by_email(&net), 0);
    disable(&[]);
    assert!(!is_linked(&net, &alice));
}

#[test]
fn fd_15_what_was_added_by_an_address_is_told_also_when_the_sign_in_failed() {
    let faults = (0..40).map(Fault::Storage);
    let faults = faults.chain((0..12).map(Fault::Command)).chain((0..12).map(Fault::Answer));
    let (mut failed, mut linked) = (0, 0);
    for fault in faults {
        let (net, alice) = about_to_be_one();
        let browser = Browser::new(&net);
        let form = to_upstream(&browser.get(&net.issuer.at("/account")));
        let url = onward(&browser.submit(net.issuer.url(), &form, &[("upstream", "other")]));
        let callback = prove(&browser, &url, ALICE);
        let memory = &net.issuer.inside().memory;
        memory.fail(fault);
        let answer = browser.get(&callback);
        if memory.is_failing() || answer.status() == StatusCode::SEE_OTHER {
            memory.mend();
            continue;
        }
        failed += 1;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        let is_told = by_email(&net) == 1;
        let is_linked = is_linked(&net, &alice);
        assert!(is_told || !is_linked, "{fault:?}");
        linked += u32::from(is_linked);
    }
    assert!(failed > 5 && linked > 2, "{failed} {linked}");
}
