//! Where a browser goes after signing in: to a path of the gateway, whatever was asked for.

use http::StatusCode;
use std::fmt::Write;
use tests::guest::{Guest, location};
use tests::pair::Pair;
use tests::raw::Raw;
use url::Url;

in_one_mode! {
    gl_01_a_browser_never_leaves_the_gateway_by_return_to
    gl_01_a_path_of_the_gateway_is_returned_to_as_it_was
    gl_02_nothing_made_of_known_tricks_leads_away
    gl_04_gl_06_odd_and_huge_paths_make_no_odd_answer
    gl_05_no_path_of_the_gateways_own_is_returned_to
}

/// Where a sign-in that was started with this query comes to its end.
///
/// The second of two callbacks at the same time goes on to where the first one goes, also when the
/// first one failed: so no code is needed, and a thousand of these take a second.
fn destination(guest: &Guest<'_>, query: &str) -> String {
    let flow =
        tests::guest::Flow::of(&guest.browser.get(&guest.pair.at(&format!("/auth/login?{query}"))));
    let (first, second) = (guest.copy(), guest.copy());
    let callback = guest.pair.at(&format!("/auth/callback?state={}", flow.state()));
    assert_eq!(first.browser.get(&callback).status(), StatusCode::BAD_REQUEST);
    let answer = second.browser.get(&callback);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    location(&answer)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

/// A path of the gateway for a browser, and for whoever undoes its escapes before looking at it.
fn assert_at_home(pair: &Pair, asked: &str, destination: &str) {
    let base = Url::parse(pair.url()).unwrap();
    let mut read = destination.to_owned();
    for _ in 0..2 {
        let url = base.join(&read).unwrap_or_else(|_| panic!("{asked:?} led to {destination:?}"));
        assert_eq!(url.origin(), base.origin(), "{asked:?} led to {destination:?}");
        assert!(read.starts_with('/') && !read.starts_with("//"), "{asked:?}: {destination:?}");
        assert!(!read.contains('\\'), "{asked:?}: {destination:?}");
        let bytes = url::form_urlencoded::parse(url.path().as_bytes()).next();
        read = bytes.map(|(text, _)| text.into_owned()).unwrap_or_default();
        if !read.starts_with('/') {
            break;
        }
    }
}

const AWAY: [&str; 45] = [
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\/evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    "/%09/evil.test",
    "/%0a/evil.test",
    "/%5cevil.test",
    "/%2fevil.test",
    "/%2f%2fevil.test",
    "/./\\evil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/x/..//evil.test",
    "/x/%2e%2e//evil.test",
    "/%2e//evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https://evil.test",
    "https:///evil.test",
    "http:evil.test",
    "http:/evil.test",
    "HTTPS://evil.test",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://evil.test/x",
    "@evil.test",
    ".evil.test",
    ":80@evil.test",
    "evil.test",
    "?x=//evil.test",
    "#//evil.test",
    "http://localhost:8788.evil.test/",
    "http://localhost:8788@evil.test/",
    "http://localhost:8788\\@evil.test/",
    " //evil.test",
    "\u{feff}//evil.test",
];

fn gl_01_a_browser_never_leaves_the_gateway_by_return_to(pair: &Pair) {
    let guest = Guest::alice(pair);
    for asked in AWAY {
        let reached = destination(&guest, &format!("return_to={}", encoded(asked)));
        assert_at_home(pair, asked, &reached);
        assert_eq!(reached, "/", "{asked:?}");
    }
    // Once by the whole way, too.
    for asked in ["//evil.test", "/\\evil.test"] {
        let back = guest.browser.get(&guest.answer(&guest.start(asked)));
        assert_eq!((back.status(), location(&back)), (StatusCode::SEE_OTHER, "/".to_owned()));
    }
}

fn gl_01_a_path_of_the_gateway_is_returned_to_as_it_was(pair: &Pair) {
    let guest = Guest::alice(pair);
    for path in [
        "/",
        "/a",
        "/a/",
        "/a?b=c&d=%2F%2Fevil.test",
        "/a?next=https://evil.test/&x=//y",
        "/a%20b/%C3%A9",
        "/a;b=c,d",
        "/authors",
        "/a//b",
        "/a?b#c",
        "/@evil.test",
        "/a:80@b",
    ] {
        assert_eq!(destination(&guest, &format!("return_to={}", encoded(path))), path);
    }
    assert_eq!(destination(&guest, ""), "/");
    assert_eq!(destination(&guest, "return_to="), "/");
    assert_eq!(destination(&guest, "return_to=/a&return_to=/b"), "/");
}

fn gl_02_nothing_made_of_known_tricks_leads_away(pair: &Pair) {
    let starts = [
        "",
        "/",
        "//",
        "///",
        "/\\",
        "\\/",
        "\\",
        "/\t/",
        "/%09/",
        "/%5c",
        "/%5C/",
        "/%2f",
        "/%252f",
        "/./",
        "/.//",
        "/..//",
        "/;/",
        "/;//",
        "https:",
        "https:/",
        "https://",
        "http:////",
        "javascript:",
        "data:",
        "//%0d%0a",
        "/\u{0}/",
        "/%00/",
        " /",
        "/ /",
        "/%20//",
        "/\u{2028}/",
        "/\u{a0}/",
        "/\u{3000}/",
        "/..;//",
        "/%2e%2e%2f/",
        "@",
        "/@",
        "//@",
        "/.\\/",
        "/\r/",
        "/x/..\\..\\",
        "/%c0%af",
        "/%ff",
        "/%",
        "/%zz",
    ];
    let hosts = ["evil.test", "x@evil.test", "evil.test:80", "[::1]"];
    let ends = ["", "/..", "?x=//evil.test", "#@localhost:8788"];
    let guest = Guest::alice(pair);
    let mut count = 0;
    for start in starts {
        for host in hosts {
            for end in ends {
                let asked = format!("{start}{host}{end}");
                let reached = destination(&guest, &format!("return_to={}", encoded(&asked)));
                assert_at_home(pair, &asked, &reached);
                // As it may come when nobody encodes.
                if asked.bytes().all(|byte| byte.is_ascii_graphic() && !b"&#+%\\".contains(&byte)) {
                    let reached = destination(&guest, &format!("return_to={asked}"));
                    assert_at_home(pair, &asked, &reached);
                }
                count += 1;
            }
        }
    }
    assert!(count > 700);
}

fn gl_04_gl_06_odd_and_huge_paths_make_no_odd_answer(pair: &Pair) {
    let guest = Guest::alice(pair);
    for asked in ["/x\r\nSet-Cookie: a=b", "/x\n\nbody", "/x\u{0}", "/x\u{85}y"] {
        let query = format!("return_to={}", encoded(asked));
        assert_eq!(destination(&guest, &query), "/", "{asked:?}");
        let answer = pair.send(&Raw::get(&format!("/auth/login?{query}")));
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 1);
        assert!(answer.body().is_empty());
    }
    // Escapes that stay escapes are harmless in a header, and are not made into anything else.
    let kept = destination(&guest, "return_to=/x%253Cscript%253E");
    assert_eq!(kept, "/x%3Cscript%3E");
    for length in [2049, 4096, 12_000] {
        let query = format!("return_to=/{}", "x".repeat(length));
        assert_eq!(destination(&guest, &query), "/", "{length}");
        let answer = pair.send(&Raw::get(&format!("/auth/login?{query}")));
        assert!(answer.headers()["set-cookie"].len() < 4096);
    }
}

fn gl_05_no_path_of_the_gateways_own_is_returned_to(pair: &Pair) {
    let guest = Guest::alice(pair);
    for path in [
        "/auth",
        "/auth/",
        "/auth/login",
        "/auth/logout",
        "/auth/callback?code=x",
        "/%61uth/login",
        "/x/../auth/login",
        "/./auth/logout",
        "/auth%2flogin",
    ] {
        assert_eq!(destination(&guest, &format!("return_to={}", encoded(path))), "/", "{path}");
    }
}
