//! AZ: the other parameters of an authorization request, and the interaction it leads to.

use http::{Method, StatusCode};
use shared::fetch::Response;
use shared::form::encode;
use tests::believe;
use tests::browser::{Browser, Form, Reply, is_sign_in, posted, request, sign_in_form, text};
use tests::client::{
    API, Ask, BRIEF, C1, C2, C3, C4, C6, SignedIn, Tokens, WAIVED, offline_tokens, tokens,
};
use tests::expect::{back, header, invalid_grant, local, page};
use tests::people::{ALICE, BOB};
use tests::world::{Issuer, issuer, needs_clock};

const HOST: &str = "localhost";
const SESSION: &str = "__Host-gatelatch-sign-in";

pub(crate) fn go(issuer: &Issuer, ask: &Ask) -> Response {
    Browser::new(issuer).get(&ask.url(issuer))
}

/// The request is sent back with `error`, whether or not somebody is signed in.
pub(crate) fn sent_back(issuer: &Issuer, ask: &Ask, error: &str) {
    back(&go(issuer, ask), issuer, ask, error);
    let signed_in = SignedIn::new(issuer, Ask::of(ask.client)).browser;
    back(&signed_in.get(&ask.url(issuer)), issuer, ask, error);
}

#[test]
fn az_01_an_unknown_client_sends_nobody_anywhere() {
    let issuer = issuer();
    for id in ["nope", "", "C1", "c1 ", "c1\u{0}"] {
        local(&go(&issuer, &Ask::of(C1).set("client_id", id)), id);
    }
    local(&go(&issuer, &Ask::of(C1).without("client_id")), "none");
}

#[test]
fn az_02_no_parameter_may_be_there_twice() {
    let issuer = issuer();
    for name in [
        "client_id",
        "response_type",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "prompt",
        "unknown",
    ] {
        let ask = Ask::of(C1);
        let value = ask.get(name).unwrap_or("login").to_owned();
        local(&go(&issuer, &ask.set(name, &value).add(name, &value)), name);
    }
}

#[test]
fn az_03_az_04_only_codes_are_given_here() {
    let issuer = issuer();
    let kinds =
        ["token", "id_token", "id_token token", "code id_token", "none", "code code", "CODE"];
    for kind in kinds {
        sent_back(&issuer, &Ask::of(C1).set("response_type", kind), "unsupported_response_type");
    }
    sent_back(&issuer, &Ask::of(C1).without("response_type"), "invalid_request");
    sent_back(&issuer, &Ask::of(C1).set("response_type", ""), "invalid_request");
}

#[test]
fn az_10_az_11_every_client_but_the_waived_one_sends_a_code_challenge() {
    let issuer = issuer();
    for client in [C1, C2, C3, C4, API, BRIEF] {
        sent_back(&issuer, &Ask::without_pkce(client), "invalid_request");
    }
    Tokens::of(&SignedIn::new(&issuer, Ask::without_pkce(WAIVED)).redeem().send(&issuer));
}

#[test]
fn az_12_s256_is_the_only_method_and_is_said() {
    let issuer = issuer();
    for client in [C1, C3, WAIVED] {
        for method in ["plain", "S512", "s256", "S256 ", "none", ""] {
            let ask = Ask::of(client).set("code_challenge_method", method);
            sent_back(&issuer, &ask, "invalid_request");
        }
        sent_back(&issuer, &Ask::of(client).without("code_challenge_method"), "invalid_request");
        sent_back(&issuer, &Ask::of(client).without("code_challenge"), "invalid_request");
    }
}

#[test]
fn az_13_a_code_challenge_is_the_base64url_of_32_bytes() {
    let issuer = issuer();
    let plus = format!("+/{}A", "A".repeat(40));
    let loose = format!("{}B", "A".repeat(42));
    for challenge in [
        &*"A".repeat(42),
        &*"A".repeat(44),
        &*"A".repeat(129),
        &*format!("{}=", "A".repeat(43)),
        &*plus,
        &*loose,
        " ",
        "\u{e9}",
    ] {
        for client in [C1, C4, WAIVED] {
            let ask = Ask::of(client).set("code_challenge", challenge);
            sent_back(&issuer, &ask, "invalid_request");
        }
    }
}

#[test]
fn az_14_nobody_gets_more_scope_than_the_client_may_have() {
    let issuer = issuer();
    let ask = Ask::of(C2).set("scope", "openid address phone admin email");
    let tokens = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer));
    assert_eq!(tokens.scope(), ["email", "openid"], "and is told what was granted");
    let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
    assert_eq!(claims["scope"], "email openid");

    sent_back(&issuer, &Ask::of(C2).set("scope", "admin"), "invalid_scope");
    sent_back(&issuer, &Ask::of(C2).without("scope"), "invalid_scope");
    // Offline access is for those who may refresh.
    sent_back(&issuer, &Ask::of(BRIEF).set("scope", "offline_access"), "invalid_scope");
}

#[test]
fn az_15_a_flood_of_scope_is_refused() {
    let issuer = issuer();
    let words: Vec<_> = (0..3000).map(|number| format!("w{number}")).collect();
    sent_back(&issuer, &Ask::of(C1).set("scope", &words.join(" ")), "invalid_scope");
    sent_back(&issuer, &Ask::of(C1).set("scope", "openid \"x\""), "invalid_scope");
}

#[test]
fn az_22_az_23_az_24_request_objects_are_not_taken() {
    let issuer = issuer();
    for uri in ["http://127.0.0.1:9/x", "http://169.254.169.254", "urn:x", ""] {
        sent_back(&issuer, &Ask::of(C1).set("request_uri", uri), "request_uri_not_supported");
    }
    for object in ["eyJhbGciOiJub25lIn0.e30.", "x", ""] {
        sent_back(&issuer, &Ask::of(C1).set("request", object), "request_not_supported");
    }
    sent_back(&issuer, &Ask::of(C1).set("registration", "{}"), "registration_not_supported");
}

#[test]
fn az_26_junk_for_people_is_passed_over() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let long = "a".repeat(20_000);
    let many: Vec<_> = (0..4000).map(|number| format!("x{number}")).collect();
    let many = many.join(" ");
    for name in ["ui_locales", "claims_locales", "acr_values", "display"] {
        for value in [&*long, &*many, "\"><script>", "x"] {
            let ask = Ask::of(C1).set(name, value);
            let answer = go(&issuer, &ask);
            assert!(is_sign_in(&answer), "{name}");
            assert!(!text(&answer).contains("<script>"), "{name}");
            Reply::of(&signed_in.get(&ask.url(&issuer))).code();
        }
    }
}

#[test]
fn az_27_a_login_hint_is_text_and_tells_nothing() {
    let issuer = issuer();
    let answer = go(&issuer, &Ask::of(C1).set("login_hint", "\"><svg onload=alert(1)>"));
    page(&answer);
    assert!(is_sign_in(&answer) && !text(&answer).contains("<svg onload"));
    let shown = |hint: &str| {
        let answer = go(&issuer, &Ask::of(C1).set("login_hint", hint));
        let interaction = sign_in_form(&answer).fields[0].1.clone();
        text(&answer).replace(&interaction, "").replace(hint, "")
    };
    assert_eq!(shown("alice"), shown("nobody"), "known and unknown");
}

#[test]
fn az_28_other_methods_do_nothing() {
    let issuer = issuer();
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::HEAD] {
        let answer = browser.send(request(method.clone(), &Ask::of(C1).url(&issuer)));
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert!(!answer.headers().contains_key("location"), "{method}");
        assert_eq!(header(&answer, "allow"), "GET, POST", "{method}");
    }
}

#[test]
fn az_29_a_request_posted_from_elsewhere_only_starts() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let before = signed_in.browser.cookie(HOST, SESSION);
    let ask = Ask::of(C1);
    let url = issuer.at("/authorize");
    let answer = signed_in.browser.post_from("https://evil.test", &url, &ask.pairs());
    // The browser is sent to ask again by GET, with its cookies, as a link would have done.
    let again = Reply::of(&answer);
    assert_eq!(again.target, "/authorize");
    assert_eq!(signed_in.browser.cookie(HOST, SESSION), before);
    Reply::of(&signed_in.browser.get(&issuer.at(&again.location))).code();
}

#[test]
fn az_29_a_request_posted_from_elsewhere_disturbs_no_sign_in_that_was_begun() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let form = begun(&issuer, &browser);
    browser.post_from("https://evil.test", &issuer.at("/authorize"), &Ask::of(C6).pairs());
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    Reply::of(&browser.submit(issuer.url(), &form, &filled)).code();
}

/// An interaction of `browser`, ready to be posted with a password.
fn begun(issuer: &Issuer, browser: &Browser<'_, Issuer>) -> Form {
    sign_in_form(&browser.get(&Ask::of(C1).url(issuer)))
}

#[test]
fn az_30_no_other_browser_finishes_an_interaction() {
    let issuer = issuer();
    let (alices, mallorys) = (Browser::new(&issuer), Browser::new(&issuer));
    let form = begun(&issuer, &alices);
    begun(&issuer, &mallorys);
    let filled = [("username", BOB.username), ("password", BOB.password)];
    for browser in [&mallorys, &Browser::new(&issuer)] {
        let answer = browser.submit(issuer.url(), &form, &filled);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key("location"));
        page(&answer);
    }
    let answer = alices.submit(issuer.url(), &form, &filled);
    Reply::of(&answer).code();
}

#[test]
fn az_31_az_33_an_interaction_cannot_be_forged() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let form = begun(&issuer, &browser);
    let sealed = form.fields[0].1.clone();
    let mut bent = sealed.clone().into_bytes();
    let middle = bent.len() / 2;
    bent[middle] = if bent[middle] == b'A' { b'B' } else { b'A' };
    let plain = encode(Ask::of(C1).pairs());
    for interaction in
        ["", "x", &sealed[1..], &format!("{sealed}A"), std::str::from_utf8(&bent).unwrap(), &plain]
    {
        let filled = [
            ("interaction", interaction),
            ("username", ALICE.username),
            ("password", ALICE.password),
            ("postLogin", "true"),
            ("sub", "alice"),
        ];
        let answer = browser.submit(issuer.url(), &form, &filled);
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{interaction}");
        assert!(!answer.headers().contains_key("location"));
    }
}

#[test]
fn az_31_an_interaction_that_took_too_long_is_over() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    let form = begun(&issuer, &browser);
    issuer.inside().pass(1801);
    let filled = [("username", ALICE.username), ("password", ALICE.password)];
    let answer = browser.submit(issuer.url(), &form, &filled);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn az_32_pa_15_nothing_of_another_kind_is_a_code() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let ours = offline_tokens(&issuer, C1);
    let browser = Browser::new(&issuer);
    let interaction = begun(&issuer, &browser).fields[0].1.clone();
    let session = signed_in.browser.cookie(HOST, SESSION).unwrap();
    for other in [ours.refresh(), &ours.access, ours.id(), &interaction, &session] {
        invalid_grant(&C1.redeem(other, &signed_in.ask).send(&issuer), "as a code");
    }
    // Nor is anything of another kind a session.
    let code = signed_in.reply.code();
    for other in [&*code, ours.refresh(), &ours.access, &interaction] {
        let browser = Browser::new(&issuer);
        browser.plant(HOST, SESSION, other);
        assert!(is_sign_in(&browser.get(&Ask::of(C1).url(&issuer))));
    }
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn az_35_no_page_says_where_the_browser_came_from() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    for url in
        [Ask::of(C1).url(&issuer), issuer.at("/"), issuer.at("/nothing"), issuer.at("/end_session")]
    {
        page(&browser.get(&url));
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let answer = signed_in.get(&Ask::of(C1).url(&issuer));
    assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
}

#[test]
fn az_36_codes_have_no_part_in_common_and_tell_nothing() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
    let many = if issuer.is_inside() { 500 } else { 50 };
    let code = |_| Reply::of(&signed_in.browser.get(&Ask::of(C1).url(&issuer))).code();
    let codes: Vec<_> = (0..many).map(code).collect();
    let mut starts: Vec<_> = codes.iter().map(|code| &code[..8]).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), codes.len(), "48 bits, no two alike");
    let sub = claims["sub"].as_str().unwrap();
    assert!(codes.iter().all(|code| !code.contains(sub) && (64..=200).contains(&code.len())));
}

#[test]
fn an_authorization_request_stores_nothing_and_sets_one_cookie() {
    let Some(issuer) = needs_clock() else { return };
    let browser = Browser::new(&issuer);
    for _ in 0..3 {
        browser.get(&Ask::of(C1).url(&issuer));
        browser.send(posted(&issuer.at("/authorize"), &Ask::of(C1).pairs()));
    }
    assert!(issuer.inside().memory.is_empty());
    assert_eq!(browser.header(HOST).matches('=').count(), 1);
    tokens(&issuer, C1);
    assert!(!issuer.inside().memory.is_empty());
}
