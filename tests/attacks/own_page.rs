//! The person's own page: what is ended there is over everywhere at once, and nobody else can end
//! anything.

use http::{Method, StatusCode};
use idp::account::Wish;
use idp::event::Event;
use shared::fetch::Response;
use tests::browser::{Browser, Form, forms, is_sign_in, posted, request, text};
use tests::client::{Ask, C1, C2, C3, Client, SignedIn, Tokens, userinfo};
use tests::expect::{invalid_grant, page};
use tests::memory::Fault;
use tests::people::{ALICE, BOB};
use tests::world::{Issuer, issuer, needs_clock};

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";

/// A browser in which somebody signed in for a client, and the client's tokens.
struct Device<'i> {
    browser: Browser<'i, Issuer>,
    client: Client,
    tokens: Tokens,
}

fn device<'i>(issuer: &'i Issuer, client: Client, scope: &str) -> Device<'i> {
    let signed_in = SignedIn::new(issuer, Ask::of(client).set("scope", scope));
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    Device { browser: signed_in.browser, client, tokens }
}

impl Device<'_> {
    fn own(&self, issuer: &Issuer) -> Response {
        self.browser.get(&issuer.at("/account"))
    }

    /// Presses the button of the page that has this name and value.
    fn press(&self, issuer: &Issuer, name: &str, value: &str) -> Response {
        let shown = self.own(issuer);
        let wanted = (name.to_owned(), value.to_owned());
        let button = forms(&shown).into_iter().find(|form| form.fields.contains(&wanted));
        let button: Form = button.unwrap_or_else(|| panic!("no {name}={value}: {}", text(&shown)));
        self.browser.submit(issuer.url(), &button, &[])
    }

    /// The buttons that end other sessions than this browser's.
    fn others(&self, issuer: &Issuer) -> Vec<String> {
        let all = forms(&self.own(issuer)).into_iter().flat_map(|form| form.fields);
        let all = all.filter(|(name, _)| name == "session").map(|(_, value)| value);
        all.skip(1).collect()
    }

    fn is_signed_in(&self, issuer: &Issuer) -> bool {
        !is_sign_in(&self.own(issuer))
    }

    /// Whether its tokens are good; all of them are, or none.
    fn has_tokens(&mut self, issuer: &Issuer) -> bool {
        let alive = userinfo(&self.tokens.access).send(issuer).status() == StatusCode::OK;
        let answer = self.client.refresh(self.tokens.refresh()).send(issuer);
        assert_eq!(answer.status() == StatusCode::OK, alive);
        if alive {
            self.tokens = Tokens::of(&answer);
        } else {
            invalid_grant(&answer, "an ended grant");
        }
        alive
    }
}

#[test]
fn a_stranger_signs_in_first_and_then_sees_the_page() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let asked = browser.get(&issuer.at("/account"));
    assert!(is_sign_in(&asked));
    let answer = browser.sign_in(&asked, ALICE);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"].to_str().unwrap(), issuer.at("/account"));
    let shown = browser.get(&issuer.at("/account"));
    page(&shown);
    assert!(text(&shown).contains("this browser"), "{}", text(&shown));
}

#[test]
fn ending_another_session_ends_what_it_gave_and_nothing_else() {
    let Some(issuer) = needs_clock() else { return };
    let mut here = device(&issuer, C1, "openid");
    let before = here.others(&issuer);
    let mut there = device(&issuer, C2, "openid");
    let after = here.others(&issuer);
    let new = after.iter().find(|id| !before.contains(id)).unwrap();
    assert_eq!(here.press(&issuer, "session", new).status(), StatusCode::SEE_OTHER);
    assert!(!there.is_signed_in(&issuer));
    assert!(!there.has_tokens(&issuer));
    assert!(here.is_signed_in(&issuer));
    assert!(here.has_tokens(&issuer));
}

#[test]
fn removing_an_application_revokes_every_grant_of_it_codes_too() {
    let Some(issuer) = needs_clock() else { return };
    let mut offline = device(&issuer, C1, "openid offline_access");
    let mut other = device(&issuer, C2, "openid");
    let open = SignedIn::new(&issuer, Ask::of(C1));
    assert_eq!(other.press(&issuer, "app", "c1").status(), StatusCode::SEE_OTHER);
    assert!(!offline.has_tokens(&issuer));
    invalid_grant(&open.redeem().send(&issuer), "a code");
    assert!(other.has_tokens(&issuer));
    assert!(offline.is_signed_in(&issuer), "the browser stays signed in");
    assert!(!text(&other.own(&issuer)).contains("value=\"c1\""));
}

#[test]
fn ending_the_others_leaves_this_browser_and_what_outlives_a_sign_out() {
    let Some(issuer) = needs_clock() else { return };
    let mut here = device(&issuer, C1, "openid");
    let mut there = device(&issuer, C2, "openid");
    let mut offline = device(&issuer, C3, "openid offline_access");
    assert_eq!(here.press(&issuer, "end", "others").status(), StatusCode::SEE_OTHER);
    assert!(here.is_signed_in(&issuer) && here.has_tokens(&issuer));
    assert!(!there.is_signed_in(&issuer) && !there.has_tokens(&issuer));
    assert!(!offline.is_signed_in(&issuer) && offline.has_tokens(&issuer));
    let events = issuer.inside().events();
    let ended = |event: &Event| matches!(event, Event::EndedByOwner { what: Wish::EndOthers, .. });
    assert_eq!(events.iter().filter(|event| ended(event)).count(), 1);
}

#[test]
fn ending_everything_leaves_nothing() {
    let Some(issuer) = needs_clock() else { return };
    let mut here = device(&issuer, C1, "openid offline_access");
    let mut there = device(&issuer, C2, "openid");
    let bob = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let answer = here.press(&issuer, "end", "everything");
    assert_eq!(answer.status(), StatusCode::OK);
    page(&answer);
    assert_eq!(here.browser.cookie(HOST, SESSION), None);
    assert!(!here.is_signed_in(&issuer) && !here.has_tokens(&issuer));
    assert!(!there.is_signed_in(&issuer) && !there.has_tokens(&issuer));
    Tokens::of(&bob.redeem().send(&issuer));
}

#[test]
fn ui_01_nobody_elses_page_can_end_anything() {
    let issuer = issuer();
    let here = device(&issuer, C1, "openid");
    let url = issuer.at("/account");
    let wish = [("end", "everything")];
    let cross = here.browser.post_from("https://evil.test", &url, &wish);
    assert_eq!(cross.status(), StatusCode::FORBIDDEN);
    // With the cookie, from another page or from nobody who says so.
    for origin in [None, Some("https://evil.test"), Some("null")] {
        let mut post = posted(&url, &wish);
        if let Some(origin) = origin {
            post.headers_mut().insert("origin", origin.parse().unwrap());
        }
        assert_eq!(here.browser.send(post).status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert!(here.is_signed_in(&issuer));
}

#[test]
fn pa_06_what_is_not_ones_own_is_not_touched_whatever_is_posted() {
    let issuer = issuer();
    let here = device(&issuer, C1, "openid");
    let bob = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let bobs =
        forms(&bob.browser.get(&issuer.at("/account"))).into_iter().flat_map(|form| form.fields);
    let bobs: Vec<_> = bobs.filter(|(name, _)| name == "session").map(|(_, value)| value).collect();
    let url = issuer.at("/account");
    for id in &bobs {
        assert_eq!(here.browser.post(&url, &[("session", id)]).status(), StatusCode::SEE_OTHER);
    }
    assert!(!is_sign_in(&bob.browser.get(&url)), "bob is signed in as before");
    for garbage in [
        &[("session", "x")][..],
        &[("session", "")],
        &[("end", "all")],
        &[("app", "c1"), ("end", "others")],
        &[],
    ] {
        let answer = here.browser.post(&url, garbage);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{garbage:?}");
        page(&answer);
    }
    assert_eq!(here.browser.post(&url, &[("app", "nobody")]).status(), StatusCode::SEE_OTHER);
    assert!(here.is_signed_in(&issuer));
}

#[test]
fn fd_33_an_old_cookie_sees_nothing_and_ends_nothing() {
    let issuer = issuer();
    let here = device(&issuer, C1, "openid");
    let old = here.browser.copy();
    let page = here.browser.get(&Ask::of(C1).set("prompt", "login").url(&issuer));
    here.browser.sign_in(&page, ALICE);
    assert!(is_sign_in(&old.get(&issuer.at("/account"))));
    let answer = old.post(&issuer.at("/account"), &[("end", "everything")]);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(here.is_signed_in(&issuer));
}

#[test]
fn ui_07_a_browsers_own_words_do_not_reach_the_page() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let shown = browser.get(&issuer.at("/account"));
    let form = tests::browser::sign_in_form(&shown);
    let mut fields: Vec<(&str, &str)> =
        form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.retain(|(name, _)| *name != "username" && *name != "password");
    fields.extend([("username", BOB.username), ("password", BOB.password)]);
    let mut post = posted(&issuer.at("/sign-in"), &fields);
    post.headers_mut().insert("user-agent", "<script>alert(1)</script> Firefox/1".parse().unwrap());
    let answer = browser.send(post);
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    let shown = browser.get(&issuer.at("/account"));
    assert!(text(&shown).contains("<b>Firefox</b>"), "{}", text(&shown));
    page(&shown);
}

#[test]
fn what_could_not_be_ended_is_not_said_to_be() {
    let Some(issuer) = needs_clock() else { return };
    let mut here = device(&issuer, C1, "openid");
    for left in 0..20 {
        let memory = &issuer.inside().memory;
        memory.fail(Fault::Storage(left));
        let answer = here.browser.post(&issuer.at("/account"), &[("end", "everything")]);
        if !memory.is_failing() {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{left}");
            assert_eq!(answer.headers()["retry-after"], "1");
            continue;
        }
        memory.mend();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!here.has_tokens(&issuer));
        return;
    }
    panic!("it took more than twenty operations");
}

#[test]
fn the_page_takes_get_and_post_alone() {
    let issuer = issuer();
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = issuer.ask(request(method, &issuer.at("/account")));
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
