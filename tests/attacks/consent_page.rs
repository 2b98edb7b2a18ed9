//! UI: the page that asks a person whether a client may have what it asks for: what stands on it.

use super::consent::{asking, decide, form, refused, shown};
use http::StatusCode;
use tests::browser::{Reply, is_consent, text};
use tests::client::{Ask, C1, C3, SignedIn, THIRD};
use tests::expect::{back, header, page};
use tests::world::{issuer, needs_clock};

#[test]
fn ui_04_ui_07_ui_13_what_a_client_says_of_itself_is_text() {
    let Some(issuer) = needs_clock() else { return };
    let browser = SignedIn::new(&issuer, Ask::of(C1)).browser;
    let with_name = |name: &str| {
        issuer.inside().deploy_again(|settings| {
            let clients = settings["CLIENTS"].as_array_mut().unwrap();
            let third = clients.iter_mut().find(|client| client["client_id"] == "third").unwrap();
            third["client_name"] = name.into();
            settings["SCOPES"]["reports.read"]["description"] = name.into();
        });
        let page = browser.get(&asking(THIRD).set("scope", "openid reports.read").url(&issuer));
        assert!(is_consent(&page));
        text(&page).to_owned()
    };
    let shape = |page: &str| (page.matches('<').count(), page.matches('"').count());
    let twin = shape(&with_name("x"));
    for name in [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "' autofocus onfocus='alert(1)",
        "</title><svg onload=alert(1)>",
        "</bdi></h1>",
    ] {
        assert_eq!(shape(&with_name(name)), twin, "{name}");
    }
    let page = with_name("Pay\u{202e}\u{200b}\u{2066}\u{7}Pal");
    assert!(page.contains("<h1>Allow <bdi>PayPal</bdi>?</h1>"));
    assert!(with_name("\u{200b}\u{202e}").contains("<h1>Allow the application?</h1>"));
}

#[test]
fn ui_04_ui_05_links_and_the_picture_are_https_and_nobody_else_can_be_shown() {
    let issuer = issuer();
    let (_, shown) = shown(&issuer, &asking(THIRD));
    let page = text(&shown);
    for link in ["https://third.test/", "https://third.test/privacy"] {
        let link = format!("<a href=\"{link}\" rel=\"noopener noreferrer\">");
        assert_eq!(page.matches(&link).count(), 1, "{link}");
    }
    // Its terms are registered with http on this machine.
    assert_eq!(page.matches("<a ").count(), 2);
    assert_eq!(page.matches(" src=").count(), 1);
    assert!(page.contains("<img class=\"logo\" src=\"https://pictures.third.test/logo.png\" alt="));
    let policy = header(&shown, "content-security-policy");
    assert!(policy.contains("; img-src data: https://pictures.third.test; "), "{policy}");
}

#[test]
fn ui_06_ui_12_fd_32_the_page_cannot_be_framed_and_nothing_in_it_runs() {
    let issuer = issuer();
    let (_, without_picture) = shown(&issuer, &Ask::of(C3));
    page(&without_picture);
    let (_, shown) = shown(&issuer, &asking(THIRD));
    let policy = header(&shown, "content-security-policy");
    for wanted in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self' https:",
    ] {
        assert!(policy.contains(wanted), "{wanted} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(header(&shown, name), value, "{name}");
    }
    assert!(!text(&shown).contains("<script"));
}

#[test]
fn ui_07_nothing_that_is_posted_comes_back() {
    let issuer = issuer();
    let (browser, shown) = shown(&issuer, &asking(THIRD));
    let form = form(&shown);
    for payload in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "'-alert(1)-'",
        "{{7*7}}",
        "%3Cscript%3E",
    ] {
        for field in ["interaction", "decision", payload] {
            let answer = browser.submit(issuer.url(), &form, &[(field, payload)]);
            refused(&answer, StatusCode::BAD_REQUEST, payload);
            assert!(!text(&answer).contains(payload), "{payload}");
        }
    }
}

#[test]
fn ui_10_the_page_says_where_the_way_leads_and_for_whom() {
    let issuer = issuer();
    let (_, shown) = shown(&issuer, &asking(THIRD));
    let page = text(&shown);
    for said in ["<bdi>Third-party calendar</bdi>", "<bdi>third.test</bdi>", "<bdi>alice</bdi>"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(page.contains("See your email address"));
}

#[test]
fn ui_03_single_claims_and_resources_are_asked_about_like_words_of_the_scope() {
    let Some(issuer) = needs_clock() else { return };
    let plain = || Ask::of(THIRD).set("scope", "openid");
    let browser = SignedIn::new(&issuer, plain()).browser;
    Reply::of(&browser.get(&plain().url(&issuer))).code();
    for (ask, words) in [
        (plain().set("claims", r#"{"userinfo":{"email":null}}"#), "See your email address"),
        (plain().set("resource", "https://files.test"), "Act for you at https://files.test"),
    ] {
        let silent = ask.clone().set("prompt", "none");
        back(&browser.get(&silent.url(&issuer)), &issuer, &silent, "consent_required");
        let page = browser.get(&ask.url(&issuer));
        assert!(text(&page).contains(&format!("{words}</bdi> <strong")), "{words}");
        Reply::of(&decide(&browser, &issuer, &form(&page), "allow")).code();
        Reply::of(&browser.get(&silent.url(&issuer))).code();
    }
}
