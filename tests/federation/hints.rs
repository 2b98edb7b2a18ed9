//! Who chooses the upstream: the person by a button or an e-mail address, or the client by a hint.

use crate::ask;
use http::StatusCode;
use serde_json::{Value, json};
use shared::fetch::Response;
use stand_in::Endpoint;
use tests::browser::{forms, gist, is_sign_in, text};
use tests::federation::{HOST, Net, Preset, Visit, location, net, net_with};
use tests::upstream::onward;

/// Every preset, and two organizations whose people are known by their domains.
fn organizations() -> Net {
    let mut alpha = Preset::OpenId.entry("alpha", "alpha");
    alpha["domains"] = json!(["alpha.test", "alpha.example"]);
    let mut beta = Preset::WorkosSso.entry("beta", "beta");
    beta["domains"] = json!(["beta.test"]);
    beta["organization"] = "org_beta".into();
    net_with(&[alpha, beta])
}

/// Types an e-mail address into the sign-in page.
fn typed(visit: &Visit<'_>, email: &str) -> Response {
    let page = visit.start();
    let asks = |form: &&tests::browser::Form| form.fields.iter().any(|(name, _)| name == "email");
    let form = forms(&page).iter().find(asks).cloned().expect("a form for an e-mail address");
    visit.browser.submit(visit.net.issuer.url(), &form, &[("email", email)])
}

fn is_at(url: &str, place: &str) -> bool {
    url.starts_with(&format!("https://{HOST}/{place}/"))
}

#[test]
fn the_chooser_has_a_button_for_everybody_but_those_who_are_found_by_domain() {
    let net = organizations();
    let visit = Visit::new(&net, ask());
    let page = visit.start();
    for preset in Preset::ALL {
        let button = format!("name=\"upstream\" value=\"{}\"", preset.id());
        assert_eq!(text(&page).matches(&button).count(), 1, "{preset:?}");
    }
    for hidden in ["value=\"alpha\"", "value=\"beta\""] {
        assert!(!text(&page).contains(hidden), "who is a customer is nobody's business");
    }
    for label in ["Auth0", "WorkOS", "GitHub", "Google", "Microsoft", "your organization"] {
        let words = [format!("<bdi>{label}</bdi>"), format!("Continue with {label}")];
        assert!(words.iter().any(|words| text(&page).contains(words.as_str())), "{label}");
    }
}

#[test]
fn the_domain_of_an_address_that_was_typed_leads_to_its_upstream() {
    let net = organizations();
    for (email, place, person) in [
        ("alice@alpha.test", "generic/alpha", "alice"),
        ("  Alice@ALPHA.Example ", "generic/alpha", "alice"),
        ("dave@beta.test", "workos/beta", "dave"),
    ] {
        let visit = Visit::new(&net, ask());
        let url = onward(&typed(&visit, email));
        assert!(is_at(&url, place), "{email}: {url}");
        let callback = visit.prove(&url, person).expect("the way back");
        visit.arrive(&visit.browser.get(&callback));
        let asked = net.asked(place, Endpoint::Authorize);
        assert_eq!(asked.get("login_hint"), Some(email.trim()), "{email}");
    }
}

#[test]
fn fd_23_an_address_that_could_be_read_in_two_ways_leads_nowhere() {
    let net = organizations();
    for email in [
        "\"erin@beta.test\"@alpha.test",
        "mallory@evil.test@alpha.test",
        "frank\u{ff20}alpha.test",
        "alice@alpha\u{3002}test",
        "alice@alpha.test.evil.test",
        "alice@evil-alpha.test",
        "alice@sub.alpha.test",
        "alice@unknown.test",
        "alpha.test",
        "@alpha.test",
    ] {
        let visit = Visit::new(&net, ask());
        let page = typed(&visit, email);
        assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{email:?}");
        assert!(text(&page).contains("no sign-in service for that e-mail address"), "{email:?}");
        assert!(is_there(&page), "{email:?}: the page is still one to sign in with");
        let visit = Visit::new(&net, ask().set("login_hint", email));
        assert!(is_sign_in(&visit.start()), "{email:?} as a hint");
    }
    // No text has a NUL in it: that is no form.
    let page = typed(&Visit::new(&net, ask()), "alice@alpha.test\0.evil.test");
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert_eq!(net.sent(), []);
}

#[test]
fn ui_an_address_that_was_not_typed_is_asked_for_again() {
    let net = organizations();
    for email in ["", " ", "\t \n"] {
        let page = typed(&Visit::new(&net, ask()), email);
        assert_eq!(page.status(), StatusCode::BAD_REQUEST, "{email:?}: {}", gist(&page));
        let shown = text(&page);
        assert!(shown.contains("Type your e-mail address at work"), "{email:?}");
        assert!(
            shown.contains("name@example.com") && shown.contains("<title>Error: "),
            "{email:?}"
        );
        // Whoever does not see the page is told which field is meant, and is in it.
        let (_, field) = shown.split_once("<input id=\"email\"").expect("the field");
        let (field, _) = field.split_once('>').expect("its end");
        for member in ["aria-invalid=\"true\"", "aria-describedby=\"problem\"", "autofocus"] {
            assert!(field.contains(member), "{email:?}: {field}");
        }
        assert_eq!(shown.matches("autofocus").count(), 1, "{email:?}");
        // What was waiting still waits.
        let visit = Visit::new(&net, ask());
        let page = typed(&visit, email);
        let asks =
            |form: &tests::browser::Form| form.fields.iter().any(|(name, _)| name == "email");
        let form = forms(&page).into_iter().find(asks).expect("the form");
        let filled = [("email", "alice@alpha.test")];
        let url = onward(&visit.browser.submit(net.issuer.url(), &form, &filled));
        visit.arrive(&visit.browser.get(&visit.prove(&url, "alice").expect("the way back")));
    }
}

fn is_there(page: &Response) -> bool {
    text(page).contains("action=\"/sign-in\"")
}

#[test]
fn the_domain_of_a_login_hint_leads_straight_to_its_upstream() {
    let net = organizations();
    let visit = Visit::new(&net, ask().set("login_hint", "alice@alpha.test"));
    let answer = visit.start();
    let url = location(&answer).expect("a redirect").to_owned();
    assert!(is_at(&url, "generic/alpha") && url.contains("login_hint=alice%40alpha.test"), "{url}");
    let callback = visit.prove(&url, "alice").expect("the way back");
    assert_eq!(visit.arrive(&visit.browser.get(&callback)).text("email"), "alice@alpha.test");
}

#[test]
fn a_client_that_names_an_upstream_has_everybody_go_straight_there() {
    let net = organizations();
    for parameter in ["idp_hint", "connection"] {
        for preset in Preset::ALL {
            let visit = Visit::new(&net, ask().set(parameter, preset.id()));
            let answer = visit.start();
            let url = location(&answer).expect("a redirect").to_owned();
            assert!(is_at(&url, &preset.place()), "{parameter}={}: {url}", preset.id());
            let callback = visit.prove(&url, "alice").expect("the way back");
            visit.arrive(&visit.browser.get(&callback));
        }
        // Those who are found by domain have names as well.
        let visit = Visit::new(&net, ask().set(parameter, "alpha"));
        assert!(is_at(location(&visit.start()).expect("a redirect"), "generic/alpha"));
    }
}

#[test]
fn a_hint_that_names_nobody_shows_the_chooser() {
    let net = organizations();
    for hint in
        ["unknown", "AUTH0", "auth0 ", "https://stand-in.test/generic/openid", "", "../github"]
    {
        for parameter in ["idp_hint", "connection"] {
            let visit = Visit::new(&net, ask().set(parameter, hint));
            assert!(is_sign_in(&visit.start()), "{parameter}={hint:?}");
        }
    }
    assert_eq!(net.sent(), []);
}

#[test]
fn a_hint_shows_nobody_anything_who_may_see_nothing_and_sends_nobody_who_is_signed_in() {
    let net = net();
    let silent = ask().set("prompt", "none").set("idp_hint", "github");
    let visit = Visit::new(&net, silent);
    let answer = visit.start();
    assert_eq!(visit.ask.reply(&answer).get("error"), Some("login_required"));
    let visit = Visit::new(&net, ask().set("idp_hint", "github"));
    let url = location(&visit.start()).expect("a redirect").to_owned();
    visit.arrive(&visit.browser.get(&visit.prove(&url, "alice").expect("the way back")));
    let again = Visit { net: &net, browser: visit.browser, ask: ask().set("idp_hint", "github") };
    again.arrive(&again.start());
}

#[test]
fn an_upstream_that_a_hint_named_and_that_is_in_trouble_can_be_tried_again() {
    let net = net();
    let fault = stand_in::Fault::Status(503);
    net.stand_in.fault(&Preset::OpenId.place(), Endpoint::Discovery, fault, 1);
    let visit = Visit::new(&net, ask().set("idp_hint", "openid"));
    let page = visit.start();
    crate::refused(&visit, &page, "straight on");
    let url = onward(&visit.choose(&page, "openid"));
    visit.arrive(&visit.browser.get(&visit.prove(&url, "alice").expect("the way back")));
}

#[test]
fn a_form_that_names_an_upstream_that_is_not_there_leads_nowhere() {
    let net = net();
    let visit = Visit::new(&net, ask());
    let page = visit.start();
    let form = forms(&page).into_iter().find(|form| form.action == "/sign-in/upstream");
    let form = form.expect("the buttons");
    for id in ["unknown", "", "AUTH0"] {
        let answer = visit.browser.submit(net.issuer.url(), &form, &[("upstream", id)]);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id:?}");
    }
    let answer = visit.browser.get(&net.issuer.at("/sign-in/callback/unknown?code=x&state=x"));
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(Value::from(net.sent().len()), 0);
}
