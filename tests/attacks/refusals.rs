//! FD-36: a sign-in that is refused is an event, whatever the cause, under the reference that the
//! person was shown.

use super::events::{happened, only};
use serde_json::{Value, json};
use shared::fetch::{Fetch, Response};
use tests::browser::{Browser, Form, Reply, is_sign_in, sign_in_form, text};
use tests::client::{Ask, C1, SignedIn, Tokens};
use tests::line::{Fault, Trouble};
use tests::people::{ALICE, BOB, Person};
use tests::upstream::{CALLBACK, Net, away, net, onward, to_upstream};
use tests::world::{Issuer, needs_clock};

/// The only event, and all of it: why. Whoever sees a page sees its reference.
fn refused(issuer: &Issuer, answer: &Response, reason: &str) {
    let reference = issuer.inside().reference();
    assert_eq!(only(issuer), json!({ "event": "sign_in_refused", "reason": reason }));
    if text(answer).contains("<code>") {
        assert!(text(answer).contains(&format!("<code>{reference}</code>")), "{}", text(answer));
    }
}

fn fill_in<N: Fetch>(
    browser: &Browser<'_, N>,
    issuer: &Issuer,
    form: &Form,
    person: Person,
) -> Response {
    let filled = [("username", person.username), ("password", person.password)];
    browser.submit(issuer.url(), form, &filled)
}

#[test]
fn fd_36_a_wrong_name_a_wrong_password_and_too_many_of_them_are_events() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let form = sign_in_form(&browser.get(&Ask::of(C1).url(&issuer)));
    let nobody = Person { username: "nobody-at-all", password: "wrong-password" };
    for person in [nobody, Person { username: ALICE.username, ..nobody }] {
        let answer = fill_in(&browser, &issuer, &form, person);
        refused(&issuer, &answer, "wrong credentials");
    }
    loop {
        let answer = fill_in(&browser, &issuer, &form, nobody);
        if answer.status().as_u16() == 429 {
            refused(&issuer, &answer, "too many tries");
            break;
        }
        refused(&issuer, &answer, "wrong credentials");
    }
}

#[test]
fn fd_39_more_sign_ins_at_once_than_can_be_hashed_are_events() {
    let Some(issuer) = needs_clock() else { return };
    issuer.inside().deploy_again(|settings| {
        let hash = settings["ACCOUNTS"][0]["password"].as_str().unwrap();
        let dear = hash.replace("m=1024,t=1", "m=65536,t=10");
        assert_ne!(dear, hash);
        settings["ACCOUNTS"][0]["password"] = dear.into();
    });
    let browser = Browser::new(&issuer);
    let form = sign_in_form(&browser.get(&Ask::of(C1).url(&issuer)));
    // What is too long to be a password is not hashed, and counted all the same.
    let long: &str = "x".repeat(600).leak();
    for username in ["anna-anna", "berta-berta"] {
        let answer = fill_in(&browser, &issuer, &form, Person { username, password: long });
        refused(&issuer, &answer, "wrong credentials");
    }
    let answer = fill_in(&browser, &issuer, &form, ALICE);
    refused(&issuer, &answer, "too many at once");
}

#[test]
fn fd_36_a_sign_in_from_somebody_elses_page_is_an_event() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let form = sign_in_form(&browser.get(&Ask::of(C1).url(&issuer)));
    let mut fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("username", ALICE.username), ("password", ALICE.password)]);
    let answer = browser.post_from("https://evil.test", &issuer.at("/sign-in"), &fields);
    refused(&issuer, &answer, "posted from somebody else's page");
    // Another browser's page, one that is no page of ours, and one that was open for too long.
    let other = Browser::new(&issuer);
    refused(&issuer, &fill_in(&other, &issuer, &form, ALICE), "not on a page of ours");
    let made_up = Form {
        action: form.action.clone(),
        fields: vec![("interaction".to_owned(), "made-up-page".to_owned())],
    };
    refused(&issuer, &fill_in(&browser, &issuer, &made_up, ALICE), "not on a page of ours");
    issuer.inside().pass(1800);
    refused(&issuer, &fill_in(&browser, &issuer, &form, ALICE), "not on a page of ours");
}

#[test]
fn az_21_somebody_else_than_was_meant_is_an_event_and_opens_no_session() {
    let Some(issuer) = needs_clock() else { return };
    let bobs = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let bobs = Tokens::of(&bobs.redeem().send(&issuer));
    happened(&issuer);
    let browser = Browser::new(&issuer);
    let ask = Ask::of(C1).set("id_token_hint", bobs.id());
    let answer = browser.sign_in(&browser.get(&ask.url(&issuer)), ALICE);
    assert_eq!(Reply::of(&answer).get("error"), Some("login_required"));
    refused(&issuer, &answer, "another person than will do");
    assert!(is_sign_in(&browser.get(&Ask::of(C1).url(&issuer))));
}

/// Alice on her way back from the upstream, and everything before that forgotten.
fn returning(net: &Net) -> (Browser<'_, Net>, String) {
    let browser = Browser::new(net);
    let callback = away(&browser, net, &Ask::of(C1), ALICE);
    assert!(happened(&net.issuer).is_empty());
    (browser, callback)
}

fn with_error(callback: &str, error: &str) -> String {
    let (before, rest) = callback.split_once("code=").unwrap();
    let (_, rest) = rest.split_once('&').unwrap();
    format!("{before}error={error}&{rest}")
}

#[test]
fn fd_01_fd_05_fd_07_a_callback_that_is_none_of_ours_is_an_event() {
    let net = net();
    let (browser, callback) = returning(&net);
    for url in [callback.clone(), format!("{}{CALLBACK}", net.issuer.url())] {
        let answer = Browser::new(&net).get(&url);
        refused(&net.issuer, &answer, "no browser of ours left for it");
    }
    let answer =
        browser.get(&callback.replace("iss=https%3A%2F%2Fup.test", "iss=https://evil.test"));
    refused(&net.issuer, &answer, "what came back is no answer of the upstream's");
    let copy = browser.copy();
    Reply::of(&browser.get(&callback)).code();
    assert_eq!(only(&net.issuer)["event"], "signed_in");
    refused(&net.issuer, &copy.get(&callback), "it came back before");
}

#[test]
fn fd_27_what_the_upstream_refuses_is_an_event() {
    for (error, reason) in [
        ("access_denied", "denied at the upstream"),
        ("server_error", "the upstream refused us"),
        ("login_required", "the upstream wants something else"),
        ("%3Cscript%3E", "the upstream refused us"),
    ] {
        let net = net();
        let (browser, callback) = returning(&net);
        let answer = browser.get(&with_error(&callback, error));
        refused(&net.issuer, &answer, reason);
    }
}

#[test]
fn fd_36_an_upstream_that_cannot_be_believed_is_an_event() {
    // Its token endpoint, then its keys, then its userinfo: three calls when somebody comes back.
    let mut reasons: Vec<String> = Vec::new();
    for place in 0.. {
        let net = net();
        let (browser, callback) = returning(&net);
        net.line.set(Fault::Once(Trouble::Cut, place));
        let answer = browser.get(&callback);
        if net.line.is_failing() {
            break;
        }
        let event = only(&net.issuer);
        assert_eq!(event["event"], "sign_in_refused", "{place}");
        assert_eq!(answer.status().as_u16(), 502, "{place}");
        reasons.extend(event["reason"].as_str().map(str::to_owned));
    }
    let wanted = [
        "its token endpoint gave no tokens",
        "no ID token that can be believed",
        "no userinfo that can be believed",
    ];
    assert_eq!(reasons, wanted);
}

#[test]
fn fd_36_that_nobody_can_leave_for_the_upstream_is_an_event() {
    let net = net();
    let browser = Browser::new(&net);
    let leave = |ask: &Ask| {
        let page = browser.get(&ask.url(&net.issuer));
        browser.submit(net.issuer.url(), &to_upstream(&page), &[])
    };
    net.line.set(Fault::Down);
    refused(&net.issuer, &leave(&Ask::of(C1)), "its metadata cannot be used");
    net.line.set(Fault::Nothing);
    net.issuer.inside().pass(3600);
    let large = Ask::of(C1).set("state", &"s".repeat(30_000));
    refused(&net.issuer, &leave(&large), "the request is too large to come back");
    onward(&leave(&Ask::of(C1)));
    assert!(happened(&net.issuer).is_empty());
}

#[test]
fn core_5_5_1_1_another_way_than_will_do_is_an_event_and_opens_no_session() {
    let net = net();
    let browser = Browser::new(&net);
    let acr = json!({ "essential": true, "value": "urn:gatelatch:pwd" });
    let claims: Value = json!({ "id_token": { "acr": acr } });
    let insists = Ask::of(C1).set("claims", &claims.to_string());
    // The page of one that insists on a password has no way to the upstream; another's has.
    let mut form = to_upstream(&browser.get(&Ask::of(C1).url(&net.issuer)));
    form.fields = sign_in_form(&browser.get(&insists.url(&net.issuer))).fields;
    form.fields.retain(|(name, _)| name == "interaction");
    let url = onward(&browser.submit(net.issuer.url(), &form, &[("upstream", "acme")]));
    let answer = browser.get(&tests::upstream::prove(&browser, &url, ALICE));
    assert_eq!(Reply::of(&answer).get("error"), Some("unmet_authentication_requirements"));
    refused(&net.issuer, &answer, "another way than will do");
    assert!(is_sign_in(&browser.get(&Ask::of(C1).url(&net.issuer))));
}
