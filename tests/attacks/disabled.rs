//! FD-25, FD-38: an account that the operator has disabled. Whatever vouches for its person, nothing
//! is done for it, and nothing but the setting enables it again. What its grants are good for stands
//! in the table of `grants.rs`.

use crate::events::{happened, only};
use crate::ways::{
    HOST, account, account_by, at_home, away, linked, local_account, page, press, with_password,
    with_upstream,
};
use http::StatusCode;
use serde_json::json;
use shared::fetch::Response;
use tests::browser::{Browser, Reply, gist, is_sign_in, sign_in_form, text};
use tests::client::{Ask, C1, Tokens};
use tests::expect::{invalid_grant, local};
use tests::people::{ALICE, BOB};
use tests::upstream::{Net, net_of_three};

fn disable(net: &Net, accounts: &[&str]) {
    net.issuer.inside().deploy_again(|settings| {
        settings.insert("DISABLED_ACCOUNTS".to_owned(), json!(accounts));
    });
}

fn refused(answer: &Response, what: &str) {
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{what}: {}", gist(answer));
    assert!(text(answer).contains("This account is disabled"), "{what}");
    local(answer, what);
}

#[test]
fn fd_25_who_is_disabled_signs_in_by_no_way_that_the_account_has() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    linked(&net, &browser, "acme", ALICE);
    disable(&net, &[&alice]);
    happened(&net.issuer);
    let event = json!({ "event": "disabled_sign_in_refused", "account": alice });
    refused(&with_password(&net, &Browser::new(&net), ALICE), "a password");
    assert_eq!(only(&net.issuer), event);
    let elsewhere = Browser::new(&net);
    for _ in 0..2 {
        refused(&with_upstream(&net, &elsewhere, "acme", ALICE), "an upstream");
        assert_eq!(only(&net.issuer), event);
        assert_eq!(account(&net, &elsewhere), None);
        happened(&net.issuer);
    }
    // For a client as well, which gets no code.
    let ask = Ask::of(C1);
    let form = sign_in_form(&elsewhere.get(&ask.url(&net.issuer)));
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    refused(&elsewhere.submit(net.issuer.url(), &form, &filled), "for a client");
    // Nobody else is.
    assert_ne!(local_account(&net, BOB), alice);
}

#[test]
fn fd_25_fd_38_who_is_signed_in_is_not_any_more_and_the_setting_alone_brings_it_back() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    let ask = Ask::of(C1).set("scope", "openid offline_access");
    let code = Reply::of(&browser.get(&ask.url(&net.issuer))).code();
    let tokens = Tokens::of(&C1.redeem(&code, &ask).send(&net.issuer));
    disable(&net, &[&alice]);
    assert!(is_sign_in(&browser.get(&ask.url(&net.issuer))), "no code");
    let silent = ask.clone().set("prompt", "none");
    let reply = Reply::of(&browser.get(&silent.url(&net.issuer)));
    assert_eq!(reply.get("error"), Some("login_required"));
    assert!(is_sign_in(&page(&net, &browser)), "no page");
    for wish in [("end", "everything"), ("link", "acme")] {
        let answer = press(&net, &browser, wish.0, wish.1);
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{wish:?}");
        assert_eq!(Reply::of(&answer).location, net.issuer.at("/account"));
    }
    invalid_grant(&C1.refresh(tokens.refresh()).send(&net.issuer), "refresh");
    refused(&with_password(&net, &browser, ALICE), "again");
    disable(&net, &[]);
    assert_eq!(account(&net, &browser), Some(alice), "nothing of it was done");
    Tokens::of(&C1.refresh(tokens.refresh()).send(&net.issuer));
}

#[test]
fn fd_25_who_is_disabled_meanwhile_adds_nothing() {
    let net = net_of_three();
    let browser = at_home(&net, ALICE);
    let alice = account(&net, &browser).unwrap();
    let callback = away(&net, &browser, "acme", ALICE);
    disable(&net, &[&alice]);
    let answer = browser.get(&callback);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{}", gist(&answer));
    assert!(browser.cookie(HOST, crate::ways::SESSION).is_some());
    disable(&net, &[]);
    assert_ne!(account_by(&net, "acme", ALICE), alice);
}

#[test]
fn fd_25_who_is_disabled_is_not_somebody_new_by_another_upstream_of_the_same_address() {
    let net = net_of_three();
    net.issuer.inside().deploy_again(|settings| {
        settings["UPSTREAMS"][0]["authoritative_for"] = json!(["people.test"]);
    });
    let alice = local_account(&net, ALICE);
    disable(&net, &[&alice]);
    refused(&with_upstream(&net, &Browser::new(&net), "acme", ALICE), "a new identity");
    disable(&net, &[]);
    assert_eq!(account_by(&net, "acme", ALICE), alice);
}

#[test]
fn an_account_is_named_by_its_subject_or_nothing_starts() {
    for wrong in [json!(["alice"]), json!("x"), json!({}), json!([""]), json!([1])] {
        let mut settings = tests::world::settings();
        settings.insert("DISABLED_ACCOUNTS".to_owned(), wrong.clone());
        let read = idp::config::Config::read(|name| tests::world::text(&settings, name));
        let problems = read.unwrap_err();
        assert!(problems.iter().any(|problem| problem.name == "DISABLED_ACCOUNTS"), "{wrong}");
    }
}
