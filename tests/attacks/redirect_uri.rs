//! AR: nobody is sent where a client has not registered, on no path and in no spelling.

use http::StatusCode;
use shared::form::encode;
use tests::browser::{Browser, Reply, is_sign_in, posted, request};
use tests::client::{Ask, C1, C3, C6, Client, MANY, SignedIn, Tokens};
use tests::expect::local;
use tests::people::ALICE;
use tests::world::{Issuer, issuer};

/// Every way to be answered: a page, a code, and each kind of error. None may see the URI.
fn ways(ask: &Ask) -> Vec<Ask> {
    vec![
        ask.clone(),
        ask.clone().set("prompt", "none"),
        ask.clone().set("response_type", "bogus"),
        ask.clone().set("scope", "admin"),
        ask.clone().set("response_mode", "form_post"),
        ask.clone().set("response_mode", "form_post").set("prompt", "none"),
        ask.clone().set("response_mode", "fragment"),
        ask.clone().without("code_challenge"),
        ask.clone().set("request", "x"),
    ]
}

/// Puts a URI to every way, in a browser that is signed in and in one that is not.
fn refused(issuer: &Issuer, client: Client, uris: &[&str]) {
    let signed_in = SignedIn::new(issuer, Ask::of(C1)).browser;
    for uri in uris {
        for ask in ways(&Ask::of(client).set("redirect_uri", uri)) {
            local(&Browser::new(issuer).get(&ask.url(issuer)), uri);
            local(&signed_in.get(&ask.url(issuer)), uri);
            let mut post = posted(&issuer.at("/authorize"), &ask.pairs());
            post.headers_mut().insert("origin", "https://evil.test".parse().unwrap());
            local(&Browser::new(issuer).send(post), uri);
        }
    }
}

#[test]
fn ar_01_to_ar_07_another_host_is_refused_before_anything_else() {
    let uris = [
        "https://evil.test/cb",
        "https://app.test@evil.test/cb",
        "https://app.test@@evil.test/cb",
        "https://a@app.test@evil.test/cb",
        "https://app.test%40evil.test/cb",
        "https://app.test.evil.test/cb",
        "https://evilapp.test/cb",
        "https://evil.test/https://app.test/cb",
        "https://evil.test?https://app.test/cb",
        "https://evil.test#https://app.test/cb",
        "//evil.test/cb",
        "///evil.test/cb",
        "/cb",
        "cb",
    ];
    refused(&issuer(), C1, &uris);
}

#[test]
fn ar_08_a_dot_is_a_dot() {
    refused(&issuer(), MANY, &["https://aXb.test/cb", "https://a.bXtest/cb"]);
}

#[test]
fn ar_09_to_ar_18_every_byte_counts() {
    let uris = [
        "https://app.test/cb/../evil",
        "https://app.test/cb/%2e%2e/evil",
        "https://app.test/cb/..%2f",
        "https://app.test/cb/..;/evil",
        "https://app.test/cb%252f..%252f",
        "https://app.test/./cb",
        "https://app.test/%63b",
        "https://app.test/cb;x=1",
        "https://app.test/cb%3bx",
        "https://app.test/cb/",
        "https://app.test//cb",
        "https://app.test",
        "https://app.test/",
        "HTTPS://APP.TEST/cb",
        "https://app.test/CB",
        "https://app.test./cb",
        "https://app.test:443/cb",
        "https://app.test:444/cb",
        "http://app.test/cb",
        "https://app.test/cb#x",
        "https://app.test/cb%23x",
        "https://app.test/cb#",
        "https://app.test/cb?",
        "https://app.test/cb?code=x&state=y&iss=z",
    ];
    refused(&issuer(), C1, &uris);
    let uris =
        ["https://many.test/cb?foo=1&bar=2", "https://many.test/cb", "https://many.test/cb?FOO=1"];
    refused(&issuer(), MANY, &uris);
}

#[test]
fn ar_19_to_ar_22_no_spelling_is_tidied() {
    let uris = [
        "https://app.test\\@evil.test/cb",
        "https:\\\\evil.test",
        "https:/\\evil.test/cb",
        "https://app.test\t/cb",
        "https://app.test/cb\r\nSet-Cookie: a=b",
        "https://app.test/cb ",
        " https://app.test/cb",
        "java\nscript:alert(1)",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://app.test/cb",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "blob:https://app.test/cb",
        "file:///cb",
        "view-source:https://app.test/cb",
        "about:blank",
        "https://\u{430}pp.test/cb",
        "https://xn--pp-6kc.test/cb",
        "https://app\u{3002}test/cb",
        "https://app.test\u{200b}/cb",
        "https://*.test/cb",
        "https://app.test/*",
    ];
    refused(&issuer(), C1, &uris);
}

#[test]
fn ar_23_ar_25_no_other_spelling_of_this_machine_is_loopback() {
    let uris = [
        "http://2130706433/cb",
        "http://0177.0.0.1/cb",
        "http://127.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://localhost/cb",
        "http://localhost:51004/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://localhost.evil.test/cb",
        "http://0.0.0.0:51004/cb",
        "http://127.0.0.2/cb",
        "https://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb/x",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:99999/cb",
        "http://evil.test/cb",
    ];
    refused(&issuer(), C3, &uris);
    refused(&issuer(), C1, &["https://app.test:51004/cb", "http://127.0.0.1/cb"]);
}

#[test]
fn ar_24_a_native_client_signs_in_at_any_port_of_this_machine() {
    let issuer = issuer();
    for uri in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:51004/cb"] {
        let signed_in = SignedIn::new(&issuer, Ask::of(C3).set("redirect_uri", uri));
        assert_eq!(signed_in.reply.target, uri);
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

#[test]
fn ar_27_a_redirect_uri_is_never_guessed() {
    let issuer = issuer();
    for client in [C1, MANY] {
        let ask = Ask::of(client).without("redirect_uri");
        local(&Browser::new(&issuer).get(&ask.url(&issuer)), client.id);
        local(&Browser::new(&issuer).get(&ask.set("redirect_uri", "").url(&issuer)), client.id);
    }
}

#[test]
fn ar_28_two_redirect_uris_are_none() {
    let issuer = issuer();
    for (first, second) in [
        ("https://app.test/cb", "https://evil.test/cb"),
        ("https://evil.test/cb", "https://app.test/cb"),
        ("https://app.test/cb", "https://app.test/cb"),
        ("https://app.test/cb", ""),
    ] {
        let ask = Ask::of(C1).set("redirect_uri", first).add("redirect_uri", second);
        local(&Browser::new(&issuer).get(&ask.url(&issuer)), second);
        local(&Browser::new(&issuer).send(posted(&issuer.at("/authorize"), &ask.pairs())), second);
    }
    let evil = encode([("redirect_uri", "https://evil.test/cb")]);
    let url = format!("{}?{evil}", issuer.at("/authorize"));
    for ask in [Ask::of(C1), Ask::of(C1).without("redirect_uri")] {
        local(&Browser::new(&issuer).send(posted(&url, &ask.pairs())), "query and body");
    }
}

#[test]
fn ar_29_no_length_and_no_bytes_break_it() {
    let issuer = issuer();
    let long = format!("https://app.test/cb{}", "x".repeat(40_000));
    refused(&issuer, C1, &[&long]);
    let rest = encode(Ask::of(C1).without("redirect_uri").pairs());
    for uri in ["%ff%fe", "%00", "https://app.test/cb%00", "%", "%zz"] {
        let url = format!("{}?{rest}&redirect_uri={uri}", issuer.at("/authorize"));
        local(&issuer.ask(request(http::Method::GET, &url)), uri);
    }
}

#[test]
fn ar_30_another_clients_redirect_uri_is_nobodys() {
    let issuer = issuer();
    refused(&issuer, C6, &[C1.redirect_uri, MANY.redirect_uri]);
    refused(&issuer, C1, &[C6.redirect_uri]);
}

#[test]
fn ar_31_private_use_schemes_are_exact() {
    let issuer = issuer();
    let uris =
        ["com.example.app://cb", "COM.EXAMPLE.APP:/cb", "com.example.app:/cb/", "com.example:/cb"];
    refused(&issuer, C3, &uris);
    let ask = Ask::of(C3).set("redirect_uri", "com.example.app:/cb");
    let signed_in = SignedIn::new(&issuer, ask);
    assert!(signed_in.reply.location.starts_with("com.example.app:/cb?code="));
}

#[test]
fn ar_32_after_the_password_the_browser_comes_with_get() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    let page = browser.get(&Ask::of(C1).url(&issuer));
    assert!(is_sign_in(&page));
    let answer = browser.sign_in(&page, ALICE);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.body().is_empty());
    Reply::of(&answer).code();
}

/// What open-redirect lists are made of: what a parser may take for the end of a scheme, or for the
/// beginning of a host.
const LEADS: [&str; 26] = [
    "",
    "/",
    "//",
    "///",
    "////",
    "\\",
    "\\\\",
    "/\\",
    "\\/",
    "/\t/",
    "/\n/",
    "/\u{b}/",
    "/%09/",
    "/%0a/",
    "/%0d/",
    "/%2f",
    "/%5c",
    "/.",
    "/./",
    "/../",
    "/;@",
    "/@",
    ":",
    "https:",
    "https:/",
    "http:\\\\",
];
/// Whom they lead to, and how they pretend to lead to the client.
const HOSTS: [&str; 12] = [
    "evil.test",
    "evil%E3%80%82test",
    "evil\u{3002}test",
    "app.test@evil.test",
    "evil.test#app.test",
    "evil.test?app.test",
    "evil.test\\app.test",
    "app.test.evil.test",
    "app.test:80@evil.test",
    "app.test%00.evil.test",
    "[::ffff:7f00:1]",
    "3232235777",
];

#[test]
fn ar_33_no_line_of_a_list_of_open_redirects_is_a_redirect_uri() {
    let issuer = issuer();
    let stranger = Browser::new(&issuer);
    let mut lines = 0;
    for lead in LEADS {
        for host in HOSTS {
            for tail in ["", "/cb", "/%2e%2e", "/https://app.test/cb"] {
                lines += 1;
                let uri = format!("{lead}{host}{tail}");
                let ask = Ask::of(C1).set("redirect_uri", &uri);
                let mode = ["query", "form_post", "fragment"][lines % 3];
                let prompt = ["none", "login"][lines % 2];
                let ask = ask.set("response_mode", mode).set("prompt", prompt);
                local(&stranger.get(&ask.url(&issuer)), &uri);
            }
        }
    }
    assert!(lines > 1_200);
}
