//! PA-14: who signs out here signs out at the upstream too, and ends up where the client wants them:
//! nobody else is sent anywhere by that.

use http::StatusCode;
use serde_json::json;
use shared::fetch::Response;
use shared::form::encode;
use tests::browser::{Browser, Reply, forms, gist, is_sign_in, posted};
use tests::client::{Ask, C1, SignedIn, Tokens};
use tests::expect::page;
use tests::line::Fault as LineFault;
use tests::listener::unverified;
use tests::people::ALICE;
use tests::upstream::{Net, SIGNED_OUT, UPSTREAM, away, net, net_with, onward};
use tests::world::Issuer;

const OUT: &str = "https://app.test/out";
const SESSION: &str = "__Host-gatelatch-sign-in";
const WAITING: &str = "__Host-gatelatch-signed-out";

fn alice(net: &Net) -> (Browser<'_, Net>, Tokens) {
    let (browser, ask) = (Browser::new(net), Ask::of(C1));
    let back = browser.get(&away(&browser, net, &ask, ALICE));
    let code = Reply::of(&back).code();
    let tokens = Tokens::of(&C1.redeem(&code, &ask).send(&net.issuer));
    (browser, tokens)
}

/// The client has her signed out.
fn end(net: &Net, browser: &Browser<'_, Net>, tokens: &Tokens) -> Response {
    let query = [
        ("id_token_hint", tokens.id()),
        ("post_logout_redirect_uri", OUT),
        ("state", "the client's"),
    ];
    browser.get(&format!("{}?{}", net.issuer.at("/end_session"), encode(query)))
}

fn with_logout() -> Net {
    net_with(&json!({ "logout": true }))
}

fn is_out(net: &Net, browser: &Browser<'_, Net>) -> bool {
    browser.cookie("localhost", SESSION).is_none()
        && is_sign_in(&browser.get(&Ask::of(C1).url(&net.issuer)))
}

/// Says yes above: where that leads.
fn confirm(browser: &Browser<'_, Net>, url: &str) -> String {
    let asked = browser.get(url);
    let [form] = &forms(&asked)[..] else { panic!("not one form: {}", gist(&asked)) };
    Reply::of(&browser.submit(UPSTREAM, form, &[("confirm", "yes")])).location
}

/// Nobody is sent anywhere.
fn stays(answer: &Response, what: &str) {
    assert!(!answer.headers().contains_key("location"), "{what}");
    page(answer);
}

#[test]
fn pa_14_who_signs_out_here_signs_out_above_and_ends_up_at_the_client() {
    let net = with_logout();
    let (browser, tokens) = alice(&net);
    let there = Reply::of(&end(&net, &browser, &tokens));
    assert_eq!(there.target, format!("{UPSTREAM}/end_session"));
    assert_eq!(there.get("client_id"), Some("below"));
    assert_eq!(there.get("post_logout_redirect_uri"), Some(&*net.issuer.at(SIGNED_OUT)));
    assert!(there.get("logout_hint").is_some() && there.get("state").is_some());
    assert!(!there.location.contains("app.test"), "{}", there.location);
    // Whatever becomes of it there, here it has ended.
    assert!(is_out(&net, &browser));
    let back = confirm(&browser, &there.location);
    assert!(browser.cookie("up.test", SESSION).is_none());
    let last = Reply::of(&browser.get(&back));
    assert_eq!((last.target.as_str(), last.get("state")), (OUT, Some("the client's")));
    assert!(browser.cookie("localhost", WAITING).is_none());
    // Once.
    stays(&browser.get(&back), "again");
    let signs_in = browser.get(&Ask::of(C1).url(&net.upstream));
    assert!(is_sign_in(&signs_in), "above she has to prove who she is");
}

#[test]
fn pa_14_the_hint_names_the_session_above() {
    let net = with_logout();
    let (browser, tokens) = alice(&net);
    let ask = Ask::of(C1);
    let code = Reply::of(&browser.get(&ask.url(&net.upstream))).code();
    let above = Tokens::of(&C1.redeem(&code, &ask).send(&net.upstream));
    let sid = unverified(above.id())["sid"].clone();
    let there = Reply::of(&end(&net, &browser, &tokens));
    assert_eq!(there.get("logout_hint"), sid.as_str());
}

#[test]
fn pa_14_who_confirms_on_our_page_leaves_from_a_page() {
    let net = with_logout();
    let (browser, _) = alice(&net);
    let url = net.issuer.at("/end_session");
    let asked = browser.get(&url);
    let answer = browser.submit(net.issuer.url(), &forms(&asked)[0], &[("confirm", "yes")]);
    let there = onward(&answer);
    assert!(there.starts_with(&format!("{UPSTREAM}/end_session?")), "{there}");
    assert!(is_out(&net, &browser));
    // Nobody wanted her anywhere else.
    assert!(browser.cookie("localhost", WAITING).is_none());
    let back = confirm(&browser, &there);
    assert!(back.starts_with(&net.issuer.at(SIGNED_OUT)), "{back}");
    stays(&browser.get(&back), "no client asked");
}

#[test]
fn pa_14_the_way_back_sends_nobody_anywhere_who_did_not_leave() {
    let net = with_logout();
    let (browser, tokens) = alice(&net);
    let back = confirm(&browser, &Reply::of(&end(&net, &browser, &tokens)).location);
    let at = |rest: &str| net.issuer.at(&format!("{SIGNED_OUT}{rest}"));
    for url in [
        back.clone(),
        at(""),
        at("?state="),
        at("?post_logout_redirect_uri=https%3A%2F%2Fevil.test&state=x"),
    ] {
        stays(&Browser::new(&net).get(&url), &url);
    }
    // In her own browser it takes the state.
    for url in [at(""), at("?state=x"), format!("{back}&state=x"), at("?state=%ff")] {
        stays(&browser.get(&url), &url);
    }
    // A cookie that is none of ours, or that was sealed for something else.
    let sealed = browser.cookie("localhost", WAITING).unwrap();
    let other = browser.copy();
    for value in ["x", "", &sealed[1..], &format!("{sealed}A")] {
        other.plant("localhost", WAITING, value);
        stays(&other.get(&back), value);
    }
    let unknown = net.issuer.ask(tests::browser::request(
        http::Method::GET,
        &net.issuer.at("/sign-in/signed-out/other"),
    ));
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    // None of that used it up, but it does not wait for ever.
    assert_eq!(Reply::of(&browser.copy().get(&back)).target, OUT);
    net.issuer.inside().pass(600);
    stays(&browser.get(&back), "too late");
}

#[test]
fn lo_01_what_the_client_has_not_registered_is_not_carried_along() {
    let net = with_logout();
    let (browser, tokens) = alice(&net);
    let query = [
        ("id_token_hint", tokens.id()),
        ("post_logout_redirect_uri", "https://evil.test/out"),
        ("state", "x"),
    ];
    let answer = browser.get(&format!("{}?{}", net.issuer.at("/end_session"), encode(query)));
    let there = Reply::of(&answer);
    assert!(there.location.starts_with(UPSTREAM) && !there.location.contains("evil"));
    stays(&browser.get(&confirm(&browser, &there.location)), "nowhere");
}

#[test]
fn pa_14_whoever_is_not_signed_in_by_an_upstream_goes_straight_to_the_client() {
    let straight = |net: &Net, browser: &Browser<'_, Net>, tokens: &Tokens, what: &str| {
        let reply = Reply::of(&end(net, browser, tokens));
        assert_eq!(
            (reply.target.as_str(), reply.get("state")),
            (OUT, Some("the client's")),
            "{what}"
        );
    };
    // The operator does not want it.
    let off = net();
    let (browser, tokens) = alice(&off);
    straight(&off, &browser, &tokens, "off");
    let answer =
        off.issuer.ask(tests::browser::request(http::Method::GET, &off.issuer.at(SIGNED_OUT)));
    assert_eq!(answer.status(), StatusCode::NOT_FOUND, "off");

    // It is not there: nobody is held up by that.
    let net = with_logout();
    let (browser, tokens) = alice(&net);
    net.issuer.inside().deploy_again(|_| ());
    net.line.set(LineFault::Down);
    straight(&net, &browser, &tokens, "down");
    net.line.set(LineFault::Nothing);

    // A password, here.
    let signed_in = SignedIn::new(&net.issuer, Ask::of(C1));
    let local = Tokens::of(&signed_in.redeem().send(&net.issuer));
    let query = encode([("id_token_hint", local.id()), ("post_logout_redirect_uri", OUT)]);
    let url = format!("{}?{query}", net.issuer.at("/end_session"));
    assert_eq!(Reply::of(&signed_in.browser.get(&url)).location, OUT);

    // The session had ended before.
    let (browser, tokens) = alice(&net);
    let stolen = browser.copy();
    assert!(Reply::of(&end(&net, &browser, &tokens)).location.starts_with(UPSTREAM));
    straight(&net, &stolen, &tokens, "ended");
}

#[test]
fn lo_02_somebody_elses_page_sends_nobody_above() {
    let net = with_logout();
    let (browser, _) = alice(&net);
    let url = net.issuer.at("/end_session");
    browser.post_from("https://evil.test", &url, &[("confirm", "yes")]);
    let mut request = posted(&url, &[("confirm", "yes")]);
    request.headers_mut().insert("origin", "https://evil.test".parse().unwrap());
    stays(&browser.send(request), "asked");
    let issuer: &Issuer = &net.issuer;
    assert!(!is_sign_in(&browser.get(&Ask::of(C1).url(issuer))));
}
