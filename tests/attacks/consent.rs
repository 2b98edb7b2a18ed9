//! UI: a person is asked whether a client may have what it asks for: who may answer, and what an
//! answer is good for.

use http::{Method, StatusCode};
use shared::fetch::{Request, Response};
use tests::browser::{
    Browser, Form, Reply, forms, is_consent, is_sign_in, posted, sign_in_form, text,
};
use tests::client::{
    Ask, C1, C3, Client, SignedIn, THIRD, THIRD_NATIVE, Tokens, json, offline_tokens, userinfo,
};
use tests::expect::{back, invalid_grant, page};
use tests::people::{ALICE, BOB};
use tests::world::{Issuer, issuer, needs_clock};

const HOST: &str = "localhost";
const BROWSER: &str = "__Host-gatelatch-browser";

/// A request of `client` that asks in any case, whatever other tests have agreed to.
pub(crate) fn asking(client: Client) -> Ask {
    Ask::of(client).set("scope", "openid email").set("prompt", "consent")
}

/// Alice is signed in, and `ask` has led to the page.
pub(crate) fn shown<'i>(issuer: &'i Issuer, ask: &Ask) -> (Browser<'i, Issuer>, Response) {
    let browser = SignedIn::new(issuer, Ask::of(C1)).browser;
    let page = browser.get(&ask.url(issuer));
    assert!(is_consent(&page), "{} {}", page.status(), tests::browser::gist(&page));
    (browser, page)
}

/// The form with the buttons that decide.
pub(crate) fn form(page: &Response) -> Form {
    forms(page).into_iter().next_back().unwrap()
}

pub(crate) fn decide(
    browser: &Browser<'_, Issuer>,
    issuer: &Issuer,
    form: &Form,
    decision: &str,
) -> Response {
    browser.submit(issuer.url(), form, &[("decision", decision)])
}

pub(crate) fn refused(answer: &Response, status: StatusCode, what: &str) {
    assert_eq!(answer.status(), status, "{what}");
    assert!(!answer.headers().contains_key("location"), "{what}");
    page(answer);
}

/// The subject of whoever an access token is about.
fn subject(issuer: &Issuer, tokens: &Tokens) -> String {
    let told = json(&userinfo(&tokens.access).send(issuer));
    told.get("sub").unwrap().to_string()
}

#[test]
fn ui_01_consent_that_is_posted_from_elsewhere_is_none() {
    let issuer = issuer();
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let url = issuer.at("/consent");
    let interaction = form(&shown).fields[0].1.clone();
    for interaction in [&*interaction, "guessed", ""] {
        let fields = [("interaction", interaction), ("decision", "allow")];
        let from = |headers: &[(&'static str, &str)]| {
            let mut request = posted(&url, &fields);
            for (name, value) in headers {
                request.headers_mut().insert(*name, value.parse().unwrap());
            }
            // Even with the cookies, as an old browser would send them.
            browser.send(request)
        };
        let ours = ("origin", issuer.url());
        for headers in [
            &[("origin", "https://evil.test")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost")],
            &[ours, ("sec-fetch-site", "cross-site")],
            &[ours, ("sec-fetch-site", "same-site")],
            &[],
        ] {
            let answer = from(headers);
            refused(&answer, StatusCode::FORBIDDEN, &format!("{headers:?}"));
        }
        let foreign = browser.post_from("https://evil.test", &url, &fields);
        refused(&foreign, StatusCode::FORBIDDEN, "without the cookies");
    }
    let by_link = browser.send(tests::browser::request(Method::GET, &url));
    assert_eq!(by_link.status(), StatusCode::METHOD_NOT_ALLOWED);
    Reply::of(&decide(&browser, &issuer, &form(&shown), "allow")).code();
}

#[test]
fn ui_02_ui_09_whoever_allows_twice_has_one_code() {
    let issuer = issuer();
    let ask = asking(THIRD);
    let (browser, shown) = shown(&issuer, &ask);
    let form = form(&shown);
    let cookies = browser.header(HOST);
    let request = || -> Request {
        let fields = [("interaction", &*form.fields[0].1), ("decision", "allow")];
        let mut request = posted(&issuer.at("/consent"), &fields);
        request.headers_mut().insert("origin", issuer.url().parse().unwrap());
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
        request
    };
    let answers = issuer.ask_all((0..8).map(|_| request()).collect());
    let mut codes: Vec<_> = answers.iter().map(|answer| Reply::of(answer).code()).collect();
    codes.dedup();
    assert_eq!(codes.len(), 1);

    // Once the code is used, there is nothing more to be had of the page.
    Tokens::of(&THIRD.redeem(&codes[0], &ask).send(&issuer));
    for answer in issuer.ask_all(vec![request(), request()]) {
        refused(&answer, StatusCode::BAD_REQUEST, "again");
    }
}

#[test]
fn ui_02_a_page_that_was_answered_is_never_good_for_a_second_code() {
    let Some(issuer) = needs_clock() else { return };
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let form = form(&shown);
    Reply::of(&decide(&browser, &issuer, &form, "allow")).code();
    for seconds in [61, 600, 700, 400] {
        issuer.inside().pass(seconds);
        let answer = decide(&browser, &issuer, &form, "allow");
        refused(&answer, StatusCode::BAD_REQUEST, "later");
    }
}

#[test]
fn ui_03_what_was_not_agreed_to_is_asked_for_and_marked() {
    let Some(issuer) = needs_clock() else { return };
    let scope = |words: &str| Ask::of(THIRD).set("scope", words);
    let (browser, first) = shown(&issuer, &scope("openid email"));
    assert!(!text(&first).contains("class=\"new\""), "everything is new");
    let silent = |words: &str| browser.get(&scope(words).set("prompt", "none").url(&issuer));
    let ask = scope("openid").set("prompt", "none");
    back(&browser.get(&ask.url(&issuer)), &issuer, &ask, "consent_required");
    Reply::of(&decide(&browser, &issuer, &form(&first), "allow")).code();

    // It is remembered, for that and for less.
    for words in ["openid email", "openid", "email"] {
        Reply::of(&browser.get(&scope(words).url(&issuer))).code();
        Reply::of(&silent(words)).code();
    }
    let more = "openid email profile reports.read";
    assert_eq!(Reply::of(&silent(more)).get("error"), Some("consent_required"));
    let second = browser.get(&scope(more).url(&issuer));
    assert_eq!(text(&second).matches("class=\"new\"").count(), 2);
    assert!(text(&second).contains("Read your reports</bdi> <strong"));

    // Turning back leaves it as it was.
    let answer = decide(&browser, &issuer, &form(&second), "deny");
    assert_eq!(Reply::of(&answer).get("error"), Some("access_denied"));
    assert_eq!(Reply::of(&silent(more)).get("error"), Some("consent_required"));
    Reply::of(&silent("openid email")).code();

    let second = browser.get(&scope(more).url(&issuer));
    Reply::of(&decide(&browser, &issuer, &form(&second), "allow")).code();
    Reply::of(&silent(more)).code();
    // `prompt=consent` asks all the same.
    let third = browser.get(&scope(more).set("prompt", "consent").url(&issuer));
    assert!(is_consent(&third) && !text(&third).contains("class=\"new\""));
}

#[test]
fn ui_03_a_first_party_client_is_not_asked_about_unless_it_wants_that() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    Reply::of(&browser.get(&Ask::of(C1).set("prompt", "none").url(&issuer))).code();
    let page = browser.get(&asking(C1).url(&issuer));
    Reply::of(&browser.decide(issuer.url(), &page, "allow")).code();
}

#[test]
fn turning_back_tells_the_client_and_stores_nothing() {
    let issuer = issuer();
    let ask = asking(THIRD);
    let (browser, shown) = shown(&issuer, &ask);
    let before = issuer.is_inside().then(|| issuer.inside().memory.dump());
    back(&decide(&browser, &issuer, &form(&shown), "deny"), &issuer, &ask, "access_denied");
    if let Some(before) = before {
        assert_eq!(issuer.inside().memory.dump(), before);
    }
}

#[test]
fn signing_in_for_somebody_elses_client_opens_the_session_and_asks() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let page = browser.get(&asking(THIRD).url(&issuer));
    assert!(is_sign_in(&page));
    let asks = browser.sign_in(&page, ALICE);
    assert!(is_consent(&asks) && text(&asks).contains("<bdi>alice</bdi>"));
    assert!(browser.cookie(HOST, "__Host-gatelatch-sign-in").is_some());
    Reply::of(&decide(&browser, &issuer, &form(&asks), "deny"));
    Reply::of(&browser.get(&Ask::of(C1).set("prompt", "none").url(&issuer))).code();
}

#[test]
fn ui_11_rfc8252_8_6_who_could_be_anybody_is_asked_about_each_time() {
    let issuer = issuer();
    for client in [C3, THIRD_NATIVE] {
        let ask =
            || Ask::of(client).set("redirect_uri", &client.redirect_uri.replace("1/", "1:5/"));
        let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
        for _ in 0..2 {
            let page = browser.get(&ask().url(&issuer));
            assert!(text(&page).contains("127.0.0.1:5</bdi></b>, a program on this device"));
            Reply::of(&browser.decide(issuer.url(), &page, "allow")).code();
        }
        let silent = ask().set("prompt", "none");
        back(&browser.get(&silent.url(&issuer)), &issuer, &silent, "interaction_required");
    }
    // The sign-in page names the operator's own application; another's is asked about besides.
    let signed_in = |client| {
        let browser = Browser::new(&issuer);
        let page = browser.get(&Ask::of(client).url(&issuer));
        browser.sign_in(&page, ALICE)
    };
    Reply::of(&signed_in(C3)).code();
    assert!(is_consent(&signed_in(THIRD_NATIVE)));
}

#[test]
fn az_30_no_other_browser_answers_the_page() {
    let issuer = issuer();
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let form = form(&shown);
    let mallorys = SignedIn::by(&issuer, Ask::of(C1), BOB).browser;
    // Another browser of Alice's own is another browser as well.
    let alices = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for other in [&mallorys, &alices, &Browser::new(&issuer)] {
        for decision in ["allow", "deny", "somebody-else"] {
            refused(&decide(other, &issuer, &form, decision), StatusCode::BAD_REQUEST, decision);
        }
    }
    Reply::of(&decide(&browser, &issuer, &form, "allow")).code();
}

#[test]
fn az_30_az_31_whoever_signs_in_between_has_agreed_to_nothing() {
    let issuer = issuer();
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let form = form(&shown);
    let page = browser.get(&Ask::of(C1).set("prompt", "login").url(&issuer));
    Reply::of(&browser.sign_in(&page, BOB)).code();
    refused(&decide(&browser, &issuer, &form, "allow"), StatusCode::BAD_REQUEST, "bob");
    // Nor has anybody whose session somebody else planted here.
    let (alices, page) = self::shown(&issuer, &asking(THIRD));
    let bobs = SignedIn::by(&issuer, Ask::of(C1), BOB).browser;
    bobs.plant(HOST, BROWSER, &alices.cookie(HOST, BROWSER).unwrap());
    refused(
        &decide(&bobs, &issuer, &self::form(&page), "allow"),
        StatusCode::BAD_REQUEST,
        "planted",
    );
}

#[test]
fn az_31_az_33_the_page_cannot_be_forged() {
    let issuer = issuer();
    let ask = asking(THIRD);
    let (browser, shown) = shown(&issuer, &ask);
    let form = form(&shown);
    let sealed = form.fields[0].1.clone();
    // What the sign-in page holds was never shown as a question.
    let page = browser.get(&asking(THIRD).set("prompt", "login consent").url(&issuer));
    let begun = sign_in_form(&page).fields[0].1.clone();
    for interaction in ["", "x", &sealed[1..], &format!("{sealed}A"), &begun] {
        let filled = [
            ("interaction", interaction),
            ("decision", "allow"),
            ("consent", "true"),
            ("postLogin", "true"),
            ("sub", "alice"),
        ];
        let answer = browser.submit(issuer.url(), &form, &filled);
        refused(&answer, StatusCode::BAD_REQUEST, interaction);
    }
    // Nor is the question a place to sign in from.
    let filled = [("interaction", &*sealed), ("username", "alice"), ("password", "wonderland")];
    let answer = browser.submit(issuer.url(), &sign_in_form(&page), &filled);
    refused(&answer, StatusCode::BAD_REQUEST, "as an interaction");
    // More than was shown cannot be allowed.
    let filled = [("decision", "allow"), ("scope", "openid email profile")];
    let code = Reply::of(&browser.submit(issuer.url(), &form, &filled)).code();
    let tokens = Tokens::of(&THIRD.redeem(&code, &ask).send(&issuer));
    assert_eq!(tokens.scope(), ["email", "openid"]);
}

#[test]
fn az_31_a_page_that_took_too_long_is_over() {
    let Some(issuer) = needs_clock() else { return };
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    issuer.inside().pass(1_801);
    let answer = decide(&browser, &issuer, &form(&shown), "allow");
    refused(&answer, StatusCode::BAD_REQUEST, "too late");
}

#[test]
fn az_19_reading_the_page_does_not_make_a_proof_too_old() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let page = browser.get(&asking(THIRD).set("max_age", "0").url(&issuer));
    let asks = browser.sign_in(&page, ALICE);
    issuer.inside().pass(1_000);
    Reply::of(&decide(&browser, &issuer, &form(&asks), "allow")).code();
}

#[test]
fn az_20_whoever_is_asked_can_be_somebody_else() {
    let issuer = issuer();
    let ask = asking(THIRD);
    let (browser, shown) = shown(&issuer, &ask);
    let page = decide(&browser, &issuer, &form(&shown), "somebody-else");
    assert!(is_sign_in(&page));
    let asks = browser.sign_in(&page, BOB);
    assert!(text(&asks).contains("<bdi>bob</bdi>"));
    let code = Reply::of(&decide(&browser, &issuer, &form(&asks), "allow")).code();
    let tokens = Tokens::of(&THIRD.redeem(&code, &ask).send(&issuer));
    let bobs = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let bobs = Tokens::of(&bobs.redeem().send(&issuer));
    assert_eq!(subject(&issuer, &tokens), subject(&issuer, &bobs));
}

#[test]
fn tc_11_whoever_signed_out_meanwhile_signs_in_first() {
    let issuer = issuer();
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let left = browser.copy();
    browser.post(&issuer.at("/end_session"), &[("confirm", "yes")]);
    for browser in [&browser, &left] {
        let page = decide(browser, &issuer, &form(&shown), "allow");
        assert!(is_sign_in(&page) && !page.headers().contains_key("location"));
    }
}

#[test]
fn ui_03_what_was_shown_is_what_is_granted_whatever_the_operator_changes_meanwhile() {
    let Some(issuer) = needs_clock() else { return };
    let allow = |scope: &str| {
        issuer.inside().deploy_again(|settings| {
            let clients = settings["CLIENTS"].as_array_mut().unwrap();
            let third = clients.iter_mut().find(|client| client["client_id"] == "third").unwrap();
            third["scope"] = scope.into();
        });
    };
    allow("openid");
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    allow("openid email");
    let answer = decide(&browser, &issuer, &form(&shown), "allow");
    refused(&answer, StatusCode::BAD_REQUEST, "more than was shown");
    allow("openid");
    Reply::of(&decide(&browser, &issuer, &form(&shown), "allow")).code();
}

#[test]
fn rt_13_who_withdraws_consent_ends_everything_that_came_of_it_at_once() {
    let Some(issuer) = needs_clock() else { return };
    let ours = offline_tokens(&issuer, C1);
    let offline = offline_tokens(&issuer, THIRD);
    let ask = Ask::of(THIRD).set("scope", "openid email");
    let bound = SignedIn::new(&issuer, ask.clone());
    let waiting = Reply::of(&bound.browser.get(&ask.url(&issuer))).code();
    let bound_tokens = Tokens::of(&bound.redeem().send(&issuer));
    let bobs = Tokens::of(&SignedIn::by(&issuer, Ask::of(THIRD), BOB).redeem().send(&issuer));

    let own = issuer.at("/account");
    assert!(text(&bound.browser.get(&own)).contains("Allowed just now."));
    assert_eq!(Reply::of(&bound.browser.post(&own, &[("app", THIRD.id)])).target, own);
    assert!(!text(&bound.browser.get(&own)).contains(THIRD.id));
    invalid_grant(&THIRD.redeem(&waiting, &ask).send(&issuer), "a code");
    for tokens in [&offline, &bound_tokens] {
        invalid_grant(&THIRD.refresh(tokens.refresh()).send(&issuer), "a refresh token");
        let answer = userinfo(&tokens.access).send(&issuer);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "an access token");
    }
    assert!(is_consent(&bound.browser.get(&ask.url(&issuer))), "it is asked again");

    // Other clients, and other people's consent to this one, stay.
    Tokens::of(&C1.refresh(ours.refresh()).send(&issuer));
    Tokens::of(&THIRD.refresh(bobs.refresh()).send(&issuer));
}
