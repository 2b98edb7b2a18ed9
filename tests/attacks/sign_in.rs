//! FD: signing in with a password.

use http::StatusCode;
use shared::fetch::Response;
use tests::browser::{Browser, Reply, is_sign_in, sign_in_form, text};
use tests::client::{Ask, C1, SignedIn, Tokens, fresh, userinfo};
use tests::expect::{header, invalid_grant, page};
use tests::people::{ALICE, BOB, CAROL, DAVE, Person};
use tests::world::{Issuer, issuer, needs_clock};

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";

/// One try in a new browser.
fn attempt(issuer: &Issuer, username: &str, password: &str) -> Response {
    let browser = Browser::new(issuer);
    let form = sign_in_form(&browser.get(&Ask::of(C1).url(issuer)));
    browser.submit(issuer.url(), &form, &[("username", username), ("password", password)])
}

fn refused(answer: &Response, what: &str) {
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{what}");
    assert!(!answer.headers().contains_key("location"), "{what}");
    assert!(!answer.headers().contains_key("set-cookie"), "{what}");
    page(answer);
}

#[test]
fn fd_32_no_page_can_be_framed() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    page(&browser.get(&Ask::of(C1).url(&issuer)));
    page(&attempt(&issuer, &fresh("name"), "x"));
    page(&browser.get(&issuer.at("/sign-in/nowhere")));
}

#[test]
fn fd_33_signing_in_gives_a_new_cookie_and_ends_the_old_one() {
    let issuer = issuer();
    // A cookie planted by somebody else is nobody's and does not stay.
    let browser = Browser::new(&issuer);
    let mallorys = SignedIn::by(&issuer, Ask::of(C1), BOB).browser;
    let planted = mallorys.cookie(HOST, SESSION).unwrap();
    browser.plant(HOST, SESSION, &planted);
    let ask = Ask::of(C1).set("prompt", "login");
    let page = browser.get(&ask.url(&issuer));
    Reply::of(&browser.sign_in(&page, ALICE)).code();
    let alices = browser.cookie(HOST, SESSION).unwrap();
    assert_ne!(alices, planted);

    // The same person again: the older cookie of the same session is dead.
    let before = browser.copy();
    let page = browser.get(&ask.url(&issuer));
    Reply::of(&browser.sign_in(&page, ALICE)).code();
    assert_ne!(browser.cookie(HOST, SESSION).unwrap(), alices);
    assert!(is_sign_in(&before.get(&Ask::of(C1).url(&issuer))));
    Reply::of(&browser.get(&Ask::of(C1).url(&issuer))).code();
}

#[test]
fn fd_33_whoever_signs_in_over_somebody_else_signs_them_out() {
    let issuer = issuer();
    let signed_in = SignedIn::by(&issuer, Ask::of(C1), BOB);
    let before = signed_in.browser.copy();
    let page = signed_in.browser.get(&Ask::of(C1).set("prompt", "login").url(&issuer));
    Reply::of(&signed_in.browser.sign_in(&page, ALICE)).code();
    assert!(is_sign_in(&before.get(&Ask::of(C1).url(&issuer))), "bob is out");
}

#[test]
fn fd_34_a_password_posted_from_elsewhere_is_not_looked_at() {
    let issuer = issuer();
    let (url, ask) = (issuer.at("/sign-in"), Ask::of(C1));
    let browser = Browser::new(&issuer);
    let form = sign_in_form(&browser.get(&ask.url(&issuer)));
    let interaction = form.fields[0].1.clone();
    let fields = [
        ("interaction", &*interaction),
        ("username", ALICE.username),
        ("password", ALICE.password),
    ];
    for origin in ["https://evil.test", "null", "http://localhost", "http://localhost:1"] {
        let mut request = tests::browser::posted(&url, &fields);
        request.headers_mut().insert("origin", origin.parse().unwrap());
        // Even with the cookies, as an old browser would send them.
        let answer = browser.send(request);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    for site in ["cross-site", "same-site"] {
        let mut request = tests::browser::posted(&url, &fields);
        request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(browser.send(request).status(), StatusCode::FORBIDDEN, "{site}");
    }
    assert!(is_sign_in(&browser.get(&ask.url(&issuer))));
}

#[test]
fn fd_35_a_wrong_password_and_an_unknown_name_read_the_same() {
    let issuer = issuer();
    // DAVE is signed in to by this process alone; over HTTP two failures delay nobody.
    let strip = |answer: &Response, name: &str| {
        let interaction = sign_in_form(answer).fields[0].1.clone();
        text(answer).replace(&interaction, "").replace(name, "")
    };
    let name = fresh("name");
    let (known, unknown) = (attempt(&issuer, "dave", "wrong"), attempt(&issuer, &name, "wrong"));
    refused(&known, "known");
    refused(&unknown, "unknown");
    assert_eq!(strip(&known, "dave"), strip(&unknown, &name));
    let names = |answer: &Response| {
        answer.headers().keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
}

/// Guesses until the brake is on; how many guesses that took.
fn guess_until_braked(issuer: &Issuer, username: &str) -> usize {
    for number in 0..21 {
        let answer = attempt(issuer, username, &format!("guess {number}"));
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = header(&answer, "retry-after").parse().unwrap();
            assert!((1..=300).contains(&wait));
            assert!(text(&answer).contains("Too many tries"));
            assert!(!answer.headers().contains_key("location"));
            return number;
        }
        refused(&answer, "a guess");
    }
    panic!("21 guesses at {username}")
}

#[test]
fn fd_36_fd_37_fd_38_guessing_is_braked_for_whoever_guesses_and_ends_no_session() {
    let issuer = issuer();
    let ask = Ask::of(C1).set("scope", "openid offline_access");
    let signed_in = SignedIn::by(&issuer, ask, CAROL);
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));

    assert!(guess_until_braked(&issuer, CAROL.username) <= 6);
    // Not even the right password is looked at now, and nothing about it is told.
    let right = attempt(&issuer, CAROL.username, CAROL.password);
    if issuer.is_inside() {
        assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    }

    // The one who is signed in stays so, on every way.
    Reply::of(&signed_in.browser.get(&Ask::of(C1).url(&issuer))).code();
    assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::OK);
    Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn fd_35_fd_36_names_without_an_account_are_braked_too() {
    let issuer = issuer();
    assert!(guess_until_braked(&issuer, &fresh("nobody")) <= 6);
}

#[test]
fn fd_36_the_wait_ends_by_itself_and_a_right_password_forgets_the_failures() {
    let Some(issuer) = needs_clock() else { return };
    assert_eq!(guess_until_braked(&issuer, "alice"), 5 + 1 - 1);
    issuer.inside().pass(300);
    Reply::of(&attempt(&issuer, ALICE.username, ALICE.password)).code();
    assert_eq!(guess_until_braked(&issuer, "alice"), 5);
}

#[test]
fn fd_39_a_password_beyond_512_bytes_is_refused_whosever_it_is() {
    let issuer = issuer();
    let name = fresh("name");
    for length in [513, 1024, 20_000] {
        refused(&attempt(&issuer, &name, &"x".repeat(length)), "long");
    }
    let huge = attempt(&issuer, &name, &"x".repeat(1 << 20));
    assert!(huge.status().is_client_error());
}

#[test]
fn fd_40_every_byte_of_a_password_counts() {
    let issuer = issuer();
    Reply::of(&attempt(&issuer, DAVE.username, DAVE.password)).code();
    let trimmed = DAVE.password.trim().to_owned();
    let lower = DAVE.password.to_lowercase();
    let decomposed = DAVE.password.replace('\u{e4}', "a\u{308}");
    for wrong in [&*trimmed, &*lower, &*decomposed] {
        refused(&attempt(&issuer, DAVE.username, wrong), wrong);
    }
    Reply::of(&attempt(&issuer, DAVE.username, DAVE.password)).code();
    for name in ["Dave", "dave ", " dave"] {
        refused(&attempt(&issuer, name, DAVE.password), name);
    }
    for empty in ["", "null", "undefined"] {
        refused(&attempt(&issuer, &fresh("name"), empty), empty);
    }
}

#[test]
fn fd_41_no_header_makes_a_guesser_somebody_else() {
    let issuer = issuer();
    let name = fresh("name");
    let guess = |number: usize| {
        let browser = Browser::new(&issuer);
        let form = sign_in_form(&browser.get(&Ask::of(C1).url(&issuer)));
        let interaction = form.fields[0].1.clone();
        let fields = [("interaction", &*interaction), ("username", &*name), ("password", "x")];
        let mut request = tests::browser::posted(&issuer.at("/sign-in"), &fields);
        for header in ["x-forwarded-for", "cf-connecting-ip", "x-real-ip", "true-client-ip"] {
            let address = format!("192.0.2.{number}").parse().unwrap();
            request.headers_mut().insert(header, address);
        }
        browser.send(request).status()
    };
    let seen: Vec<_> = (0..12).map(guess).collect();
    assert!(seen.contains(&StatusCode::TOO_MANY_REQUESTS), "{seen:?}");
}

#[test]
fn rt_13_fd_25_somebody_who_was_taken_off_the_list_gets_nothing_more() {
    let Some(issuer) = needs_clock() else { return };
    let ask = Ask::of(C1).set("scope", "openid offline_access");
    let signed_in = SignedIn::by(&issuer, ask, BOB);
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let waiting = Reply::of(&signed_in.browser.get(&signed_in.ask.url(&issuer))).code();
    issuer.inside().deploy_again(|settings| {
        let accounts = settings["ACCOUNTS"].as_array_mut().unwrap();
        accounts.retain(|account| account["username"] != "bob");
    });
    invalid_grant(&C1.redeem(&waiting, &signed_in.ask).send(&issuer), "a code");
    invalid_grant(&C1.refresh(tokens.refresh()).send(&issuer), "a refresh token");
    assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::UNAUTHORIZED);
    assert!(is_sign_in(&signed_in.browser.get(&Ask::of(C1).url(&issuer))));
    refused(&attempt(&issuer, BOB.username, BOB.password), "the password");
}

#[test]
fn a_session_ends_idle_and_in_the_end() {
    let Some(issuer) = needs_clock() else { return };
    let visit = |browser: &Browser<'_, Issuer>| is_sign_in(&browser.get(&Ask::of(C1).url(&issuer)));
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    issuer.inside().pass(28_799);
    assert!(!visit(&browser));
    issuer.inside().pass(28_800);
    assert!(visit(&browser), "8 hours of silence");
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let hours = (1..=200).find(|_| {
        issuer.inside().pass(3600);
        visit(&browser)
    });
    assert_eq!(hours, Some(168), "7 days at the most");
}

#[test]
fn two_people_are_two_subjects_and_one_is_always_the_same() {
    let issuer = issuer();
    let subject = |person: Person| {
        let signed_in = SignedIn::by(&issuer, Ask::of(C1), person);
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let told = tests::client::json(&userinfo(&tokens.access).send(&issuer));
        told["sub"].as_str().unwrap().to_owned()
    };
    assert_eq!(subject(ALICE), subject(ALICE));
    assert_ne!(subject(ALICE), subject(BOB));
}
