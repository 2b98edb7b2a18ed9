//! Adding a way to sign in at every kind of provider: what counts as a fresh proof, and what as somebody.

use crate::ask;
use http::StatusCode;
use shared::fetch::Response;
use stand_in::{Endpoint, Fault, IdTokenFault};
use tests::browser::{forms, gist, is_sign_in, text};
use tests::federation::{Net, Preset, Visit, net, net_with};
use tests::upstream::onward;

/// Presses "Add" on the person's own page.
fn add(visit: &Visit<'_>, id: &str) -> Response {
    visit.browser.post(&visit.net.issuer.at("/account"), &[("link", id)])
}

/// Goes there, and comes back.
fn added(visit: &Visit<'_>, page: &Response, person: &str) -> Response {
    let callback = visit.prove(&onward(page), person);
    visit.browser.get(&callback.expect("the way back"))
}

/// How many ways to sign in the person's own page lists.
fn ways(visit: &Visit<'_>) -> usize {
    let page = visit.browser.get(&visit.net.issuer.at("/account"));
    let shown = text(&page);
    let (_, section) = shown.split_once("<h2>Ways to sign in</h2>").expect("the section");
    section.split("<h2>").next().unwrap_or_default().matches("<li>").count()
}

fn subject(net: &Net, id: &str, person: &str) -> String {
    Visit::new(net, ask()).sign_in(id, person).text("sub").to_owned()
}

fn nothing_was_added(answer: &Response, what: &str) {
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{what}: {}", gist(answer));
    assert!(text(answer).contains("Nothing was added"), "{what}: {}", gist(answer));
    assert!(text(answer).contains("tell us when"), "{what}: {}", gist(answer));
}

#[test]
fn fd_18_who_was_let_in_without_a_time_has_not_proved_lately_who_they_are() {
    for preset in Preset::ALL {
        let net = net_with(&[Preset::OpenId.entry("second", "second")]);
        let visit = Visit::new(&net, ask());
        let hers = visit.sign_in(preset.id(), "alice").text("sub").to_owned();
        let what = format!("{preset:?}");
        let answer = add(&visit, "second");
        let linked = match preset {
            // It says when, and that was a moment ago.
            Preset::OpenId => {
                added(&visit, &answer, "alice");
                true
            }
            // They may say when, if they are asked: so she proves it once more.
            Preset::Auth0 | Preset::Entra => {
                assert!(is_sign_in(&answer), "{what}: {}", gist(&answer));
                let url = onward(&visit.choose(&answer, preset.id()));
                assert!(url.contains("prompt=login") && url.contains("max_age=0"), "{what}: {url}");
                let back = visit.browser.get(&visit.prove(&url, "alice").expect("the way back"));
                if preset == Preset::Auth0 {
                    assert_eq!(back.status(), StatusCode::SEE_OTHER, "{what}: {}", gist(&back));
                    added(&visit, &add(&visit, "second"), "alice");
                    true
                } else {
                    nothing_was_added(&back, &what);
                    false
                }
            }
            Preset::AuthKit | Preset::WorkosSso | Preset::GitHub | Preset::Google => {
                nothing_was_added(&answer, &what);
                false
            }
        };
        assert_eq!(ways(&visit), if linked { 2 } else { 1 }, "{what}");
        assert_eq!(subject(&net, "second", "alice") == hers, linked, "{what}");
    }
}

#[test]
fn fd_18_who_proves_it_again_is_offered_those_who_say_when() {
    let net = net();
    let visit = Visit::new(&net, ask());
    visit.sign_in("openid", "alice");
    net.issuer.inside().pass(901);
    let page = add(&visit, "github");
    assert!(is_sign_in(&page), "{}", gist(&page));
    let offered = forms(&page).into_iter().flat_map(|form| form.fields);
    let offered = offered.filter(|(name, _)| name == "upstream").map(|(_, id)| id);
    let mut offered: Vec<_> = offered.collect();
    offered.sort();
    assert_eq!(offered, ["auth0", "entra", "openid"]);
    // Another one is not taken, were it asked for.
    let mut form = forms(&page).into_iter().find(|form| form.action == "/sign-in/upstream");
    let form = form.as_mut().expect("the buttons");
    form.fields.retain(|(name, _)| name != "upstream");
    let onward_ = visit.browser.submit(net.issuer.url(), form, &[("upstream", "github")]);
    let callback = visit.prove(&onward(&onward_), "alice").expect("the way back");
    visit.browser.get(&callback);
    assert!(is_sign_in(&add(&visit, "github")), "that was no proof");
}

#[test]
fn fd_19_nobody_is_added_whom_the_provider_does_not_name() {
    let net = net();
    let visit = Visit::new(&net, ask());
    let hers = visit.sign_in("openid", "alice").text("sub").to_owned();
    // `null`, none, 0, and the digits of somebody's number as a text.
    for person in ["ivan", "judy", "kim", "leo"] {
        let answer = added(&visit, &add(&visit, "github"), person);
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{person}: {}", gist(&answer));
        assert_eq!(ways(&visit), 1, "{person}");
    }
    for fault in [IdTokenFault::NoSubject, IdTokenFault::EmptySubject] {
        let place = Preset::Auth0.place();
        net.stand_in.fault(&place, Endpoint::Token, Fault::IdToken(fault), 1);
        let answer = added(&visit, &add(&visit, "auth0"), "alice");
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{fault:?}: {}", gist(&answer));
        assert_eq!(ways(&visit), 1, "{fault:?}");
    }
    // Whoever has a number is added, and the same digits as a text are still nobody: not her either.
    let answer = added(&visit, &add(&visit, "github"), "alice");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", gist(&answer));
    assert_eq!((ways(&visit), subject(&net, "github", "alice")), (2, hers));
    let stranger = Visit::new(&net, ask());
    let answer = stranger.go("github", "leo").expect("an answer");
    crate::refused(&stranger, &answer, "the digits as a text");
}

#[test]
fn az_18_a_session_of_nobody_knows_when_is_no_answer_to_max_age() {
    let net = net();
    for preset in Preset::ALL {
        let first = Visit::new(&net, ask());
        first.sign_in(preset.id(), "alice");
        let silent = ask().set("max_age", "3600").set("prompt", "none");
        let visit = Visit { net: &net, browser: first.browser, ask: silent };
        let answer = visit.start();
        let error = visit.ask.reply(&answer).get("error").map(str::to_owned);
        let wanted = (preset != Preset::OpenId).then(|| "login_required".to_owned());
        assert_eq!(error, wanted, "{preset:?}");
    }
}
