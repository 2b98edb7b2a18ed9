//! DS and LK: too much of anything is refused cheaply, and nothing tells what is inside.

use base64::Engine;
use http::{Method, StatusCode};
use shared::fetch::Response;
use tests::browser::{Browser, is_sign_in, posted, request};
use tests::client::{Ask, C1, Draft, SignedIn, Tokens, json, tokens, userinfo};
use tests::expect::header;
use tests::world::{issuer, needs_clock};

const POSTED: [&str; 6] =
    ["/token", "/revoke", "/userinfo", "/authorize", "/sign-in", "/end_session"];

fn refused(answer: &Response, what: &str) {
    assert!(answer.status().is_client_error(), "{what}: {}", answer.status());
    assert!(!answer.headers().contains_key("location"), "{what}");
}

#[test]
fn ds_01_a_body_beyond_64_kib_is_not_read() {
    let issuer = issuer();
    let sizes = if issuer.is_inside() { vec![65_537, 4 << 20] } else { vec![65_537, 32 << 20] };
    for path in POSTED {
        for size in &sizes {
            let draft = Draft::post(path, &[]).by_client(C1);
            let body = format!("a={}", "x".repeat(*size));
            refused(&draft.body(body).send(&issuer), path);
        }
    }
}

#[test]
fn ds_02_ten_thousand_parameters_are_refused() {
    let issuer = issuer();
    let many: Vec<_> = (0..6_000).map(|number| format!("p{number}=1")).collect();
    let many = many.join("&");
    for path in POSTED {
        refused(&Draft::post(path, &[]).by_client(C1).body(many.clone()).send(&issuer), path);
    }
    let url = format!("{}&{}", Ask::of(C1).url(&issuer), &many[..20_000]);
    refused(&issuer.ask(request(Method::GET, &url)), "/authorize");
}

#[test]
fn ds_02_a_flood_of_cookies_hides_nothing_it_should_not() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for number in 0..150 {
        browser.plant("localhost", &format!("c{number}"), "x");
    }
    let answer = browser.get(&Ask::of(C1).url(&issuer));
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    // The same cookie twice: nobody can tell which is ours.
    let mut request = request(Method::GET, &Ask::of(C1).url(&issuer));
    let ours = browser.cookie("localhost", "__Host-gatelatch-sign-in").unwrap();
    let twice = format!("__Host-gatelatch-sign-in=x; __Host-gatelatch-sign-in={ours}");
    request.headers_mut().insert("cookie", twice.parse().unwrap());
    assert!(is_sign_in(&issuer.ask(request)));
}

#[test]
fn ds_03_deep_json_breaks_nothing() {
    let issuer = issuer();
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(deep);
    for token in [format!("{deep}.e30.x"), format!("eyJhbGciOiJFUzI1NiJ9.{deep}.x")] {
        assert_eq!(userinfo(&token).send(&issuer).status(), StatusCode::UNAUTHORIZED);
        assert_eq!(C1.revoke(&token).send(&issuer).status(), StatusCode::OK);
        assert_eq!(C1.introspect(&token).send(&issuer).status(), StatusCode::OK);
        let ask = Ask::of(C1).set("prompt", "none");
        Browser::new(&issuer).get(&ask.url(&issuer));
        let url = format!("{}?id_token_hint={token}", issuer.at("/end_session"));
        assert_eq!(Browser::new(&issuer).get(&url).status(), StatusCode::OK);
    }
}

#[test]
fn ds_05_long_urls_and_headers_break_nothing() {
    let issuer = issuer();
    let long = "x".repeat(if issuer.is_inside() { 60_000 } else { 30_000 });
    for path in ["/authorize", "/end_session", "/jwks", "/nothing"] {
        let answer = issuer.ask(request(Method::GET, &format!("{}?a={long}", issuer.at(path))));
        assert!(answer.status().as_u16() < 500, "{path}: {}", answer.status());
    }
    for name in ["authorization", "cookie", "origin", "x-anything", "if-none-match"] {
        for path in ["/token", "/userinfo", "/introspect", "/authorize", "/jwks"] {
            let answer = Draft::post(path, &[]).header(name, &long).send(&issuer);
            assert!(answer.status().as_u16() < 500, "{path} {name}: {}", answer.status());
        }
    }
    assert_eq!(userinfo(&tokens(&issuer, C1).access).send(&issuer).status(), StatusCode::OK);
}

/// What the issuer tells its operator stands in logs, which others read.
#[test]
fn lk_01_no_secret_is_in_what_the_operator_reads() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    let code = signed_in.reply.code();
    signed_in.redeem().send(&issuer);
    C1.refresh(first.refresh()).send(&issuer);
    C1.refresh(&second.access).send(&issuer);
    C1.introspect(&second.access).send(&issuer);
    C1.introspect(second.refresh()).send(&issuer);
    C1.revoke(second.refresh()).send(&issuer);
    C1.redeem(&code, &signed_in.ask).set("code_verifier", "wrong").send(&issuer);
    C1.refresh("x").auth("c1", tests::client::Auth::Basic("a wrong secret")).send(&issuer);
    userinfo(&second.access).send(&issuer);
    let browser = Browser::new(&issuer);
    let page = browser.get(&Ask::of(C1).url(&issuer));
    let wrong = tests::people::Person { username: "alice", password: "a wrong password" };
    browser.sign_in(&page, wrong);
    browser.get(&Ask::of(C1).set("prompt", "none").url(&issuer));
    signed_in.browser.get(&Ask::of(C1).set("scope", "x").url(&issuer));
    let causes = issuer.inside().causes().join("\n");
    assert!(causes.lines().count() >= 8, "{causes}");
    for secret in [
        &code,
        &first.access,
        &second.access,
        first.refresh(),
        second.refresh(),
        first.id(),
        &signed_in.ask.verifier,
        "c1-secret",
        "a wrong secret",
        "wonderland",
        "a wrong password",
        &signed_in.browser.header("localhost"),
    ] {
        assert!(!causes.contains(secret), "{secret} in {causes}");
    }
}

#[test]
fn lk_02_lk_03_errors_say_what_is_wrong_and_nothing_of_how_it_works() {
    let issuer = issuer();
    let mark = "CANARY4711";
    let browser = Browser::new(&issuer);
    let mut answers = vec![
        Draft::post("/token", &[("grant_type", mark)]).by_client(C1).send(&issuer),
        C1.refresh(mark).send(&issuer),
        C1.redeem(mark, &Ask::of(C1)).send(&issuer),
        C1.refresh("x").set("scope", &format!("{mark}\"")).send(&issuer),
        Draft::post("/token", &[]).auth(mark, tests::client::Auth::Basic(mark)).send(&issuer),
        userinfo(mark).send(&issuer),
        browser.get(&issuer.at(&format!("/{mark}"))),
    ];
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "prompt",
        "max_age",
        "code_challenge",
    ] {
        answers.push(browser.get(&Ask::of(C1).set("state", "s").set(name, mark).url(&issuer)));
    }
    for name in ["interaction", "username"] {
        answers.push(browser.send(posted(&issuer.at("/sign-in"), &[(name, mark)])));
    }
    for answer in &answers {
        let body = String::from_utf8_lossy(answer.body());
        assert!(!body.contains(mark), "echoed: {body}");
        for word in
            ["src/", ".rs", "panicked", "SELECT", "sqlite", "worker", "stack", "wasm", "serde"]
        {
            assert!(!body.contains(word), "{word} in {body}");
        }
        for name in ["server", "x-powered-by", "via", "x-runtime"] {
            assert_eq!(header(answer, name), "", "{name}");
        }
        for value in answer.headers().values() {
            assert!(!String::from_utf8_lossy(value.as_bytes()).contains(mark), "{value:?}");
        }
        if header(answer, "content-type") == "application/json" {
            let said = json(answer);
            assert!(
                said.keys().all(|name| ["error", "error_description"].contains(&name.as_str()))
            );
        }
    }
}
