//! Routes that ask a browser to show that it is no machine's, with a stand-in for the service that says
//! so. In this process alone: over HTTP `turnstile.mjs` walks the same way.

mod counting;
mod refusals;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::fetch::Response;
use stand_in::{DUMMY, WIDGETS, Widget};
use tests::expect::header;
use tests::gate::Gate;
use tests::guest::{Guest, NAVIGATION, location};
use tests::origin::{Echo, is_echo};
use tests::pair::Pair;

const SITE_KEY: &str = WIDGETS[0].0;
const SECRET: &str = WIDGETS[0].1;
const AT: &str = "/auth/turnstile";

fn configured(gateway: &mut Map<String, Value>) {
    let origin = "http://localhost:8789";
    let asks = |prefix: &str, access: &str, action: &str| {
        json!({
            "prefix": prefix, "origin": origin, "access": access, "require": {"turnstile": action},
        })
    };
    let mut told = asks("/public/form", "public", "contact");
    told["signals"] = true.into();
    let mut claims = asks("/staff", "signed-in", "pay");
    claims["require"]["claims"] = json!({"groups": "staff"});
    let mut near = asks("/public/near", "public", "contact");
    near["require"]["edge"] = json!({"country": "CH"});
    gateway.insert(
        "ROUTES".to_owned(),
        json!([
            told,
            near,
            {"prefix": "/public", "origin": origin, "access": "public", "signals": true},
            claims,
            asks("/pay", "signed-in", "pay"),
            asks("/api/pay", "api", "pay"),
            asks("/both", "signed-in", "contact"),
            {"prefix": "/", "origin": origin, "access": "signed-in", "signals": true},
        ]),
    );
    gateway.insert("TURNSTILE_SITE_KEY".to_owned(), SITE_KEY.into());
    gateway.insert("TURNSTILE_SECRET".to_owned(), SECRET.into());
}

fn pair(mode: &'static str) -> Pair {
    Pair::in_process(mode, |_, gateway| configured(gateway))
}

/// The page that asks.
struct Page {
    body: String,
}

impl Page {
    fn of(answer: &Response) -> Self {
        assert_eq!(header(answer, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(answer, "cache-control"), "no-store");
        let policy = header(answer, "content-security-policy");
        assert!(policy.contains("frame-src https://challenges.cloudflare.com;"), "{policy}");
        let body = String::from_utf8(answer.body().clone()).unwrap();
        assert!(body.contains("class=\"cf-turnstile\""), "{body}");
        Self { body }
    }

    /// The value of an attribute, or of a hidden field.
    fn value(&self, before: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("{}", self.body));
        rest.split('"').next().unwrap().replace("&amp;", "&")
    }

    fn has_problem(&self) -> bool {
        self.body.contains("role=\"alert\"")
    }

    fn widget(&self) -> Widget {
        Widget {
            sitekey: self.value("data-sitekey=\""),
            hostname: "localhost".to_owned(),
            action: self.value("data-action=\""),
            cdata: self.value("data-cdata=\""),
        }
    }

    /// What passing its challenge gives.
    fn token(&self, pair: &Pair) -> String {
        given(pair, self.widget())
    }

    /// Its form, with a token.
    fn post(&self, guest: &Guest<'_>, token: &str) -> Response {
        let (action, to) =
            (self.value("name=\"action\" value=\""), self.value("name=\"return_to\" value=\""));
        let form = [("action", &*action), ("return_to", &to), ("cf-turnstile-response", token)];
        guest.browser.post(&guest.pair.at(AT), &form)
    }
}

fn gate(pair: &Pair) -> &Gate {
    pair.needs_clock().unwrap()
}

fn given(pair: &Pair, widget: Widget) -> String {
    gate(pair).line.turnstile().token(widget, pair.issuer.now().0)
}

/// Meets the page at `path` and passes.
fn pass(guest: &Guest<'_>, path: &str) {
    let answer = guest.navigate(path);
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    let page = Page::of(&answer);
    assert!(!page.has_problem());
    let answer = page.post(guest, &page.token(guest.pair));
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
    assert_eq!(location(&answer), path);
}

fn asked(guest: &Guest<'_>, path: &str) -> bool {
    let answer = guest.script(path);
    if is_echo(&answer) {
        return false;
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{body}");
    assert_eq!(body["error"], "turnstile_required");
    true
}

#[test]
fn gp_32_who_navigates_to_a_public_route_gets_the_page_and_goes_on_once_it_is_passed() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let answer = guest.navigate("/public/form/echo?a=b&c=%22");
    let page = Page::of(&answer);
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(header(&answer, "vary").contains("Cookie"));
    assert_eq!(page.value("data-sitekey=\""), SITE_KEY);
    assert_eq!(page.value("data-action=\""), "contact");
    assert_eq!(page.value("data-callback=\""), "passed");
    assert!(page.body.contains("could not load it"), "for who cannot load it");
    assert!(gate(&pair).reached().is_empty());
    // Whoever loads it again is asked as the same browser.
    let again = Page::of(&guest.navigate("/public/form/echo"));
    assert_eq!(again.value("data-cdata=\""), page.value("data-cdata=\""));
    let other = Page::of(&Guest::alice(&pair).navigate("/public/form/echo"));
    assert_ne!(other.value("data-cdata=\""), page.value("data-cdata=\""));

    let answer = page.post(&guest, &page.token(&pair));
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&answer), "/public/form/echo?a=b&c=%22");
    let echo = Echo::of(&guest.navigate(&location(&answer)));
    assert_eq!(echo.header("x-turnstile-action"), Some("contact"));
    assert_eq!(echo.header("cookie"), None, "ours stay here");
    let form = guest.browser.post(&pair.at("/public/form/echo"), &[("a", "b")]);
    assert_eq!(Echo::of(&form).method, "POST");
    assert_eq!(gate(&pair).line.turnstile().asked_of_turnstile().len(), 1);
}

#[test]
fn what_is_no_navigation_is_told_in_json_where_the_page_is() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let referer = pair.at("/public/there?x=1");
    let script = [("sec-fetch-mode", "cors"), ("referer", &referer)];
    let socket = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("origin", pair.url()),
    ];
    let preflight = [("origin", "https://evil.test"), ("access-control-request-method", "POST")];
    for (method, lines) in [
        (Method::GET, &script[..]),
        (Method::POST, &script),
        (Method::DELETE, &[]),
        (Method::OPTIONS, &preflight),
        (Method::GET, &socket),
    ] {
        let answer = guest.send(&method, "/public/form/echo", lines);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {lines:?}");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let to = if lines == script { "%2Fpublic%2Fthere%3Fx%3D1" } else { "%2F" };
        let url = format!("/auth/turnstile?action=contact&return_to={to}");
        assert_eq!(body, json!({"error": "turnstile_required", "url": url}), "{method}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let form = guest.send(&Method::POST, "/public/form/echo", &NAVIGATION);
    assert_eq!(form.status(), StatusCode::FORBIDDEN);
    let page = String::from_utf8(form.body().clone()).unwrap();
    assert!(page.contains("name=\"return_to\" value=\"/\""), "{page}");
    assert!(gate(&pair).reached().is_empty());
    let answer = guest.navigate("/auth/turnstile?action=contact&return_to=%2Fpublic%2Fform%2Fecho");
    assert_eq!(answer.status(), StatusCode::OK);
    let page = Page::of(&answer);
    let answer = page.post(&guest, &page.token(&pair));
    assert_eq!(location(&answer), "/public/form/echo");
    assert!(!asked(&guest, "/public/form/echo"));
}

#[test]
fn gl_01_the_way_back_stays_at_home_and_only_what_a_route_requires_is_asked() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    for to in ["https://evil.test/", "//evil.test", "/auth/logout", "\\evil.test"] {
        let form = url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>();
        let page = Page::of(&guest.navigate(&format!("{AT}?action=contact&return_to={form}")));
        assert_eq!(page.value("name=\"return_to\" value=\""), "/", "{to}");
        let token = page.token(&pair);
        let form =
            [("action", "contact"), ("return_to", to), ("cf-turnstile-response", token.as_str())];
        assert_eq!(location(&guest.browser.post(&pair.at(AT), &form)), "/", "{to}");
    }
    for query in ["", "?action=", "?action=other", "?action=Pay", "?action=pay&action=pay"] {
        let answer = guest.navigate(&format!("{AT}{query}"));
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{query}");
    }
    let other = guest.browser.post(&pair.at(AT), &[("action", "other")]);
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    let without = Pair::in_process("hybrid", |_, _| {});
    let guest = Guest::alice(&without);
    assert_eq!(guest.navigate(&format!("{AT}?action=contact")).status(), StatusCode::NOT_FOUND);
    let answer = guest.browser.post(&without.at(AT), &[("action", "contact")]);
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[test]
fn gp_03_gp_32_no_browser_says_of_itself_that_it_has_passed() {
    let pair = pair("hybrid");
    let guest = Guest::signed_in(&pair);
    let forged = [
        ("x-turnstile-action", "contact"),
        ("x_turnstile_action", "contact"),
        ("X-Turnstile.Verified", "true"),
    ];
    let cookie = [("cf-clearance", "x"), ("cookie", "cf_clearance=x")];
    for path in ["/public/echo", "/echo"] {
        let echo = Echo::of(&guest.send(&Method::GET, path, &forged));
        assert!(!echo.headers.iter().any(|(name, _)| name.contains("turnstile")), "{path}");
    }
    for lines in [&forged[..], &cookie] {
        let answer = Guest::alice(&pair).send(&Method::GET, "/public/form/echo", lines);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    pass(&guest, "/public/form/echo");
    let echo = Echo::of(&guest.send(&Method::GET, "/public/form/echo", &forged));
    let told: Vec<_> = echo.headers.iter().filter(|(name, _)| name.contains("turnstile")).collect();
    assert_eq!(told, [&("x-turnstile-action".to_owned(), "contact".to_owned())]);
}

#[test]
fn cloudflares_keys_for_tests_do_in_development_what_they_say() {
    for (secret, status) in [
        ("1x0000000000000000000000000000000AA", StatusCode::SEE_OTHER),
        ("2x0000000000000000000000000000000AA", StatusCode::FORBIDDEN),
        ("3x0000000000000000000000000000000AA", StatusCode::FORBIDDEN),
    ] {
        let pair = Pair::in_process("hybrid", |_, gateway| {
            configured(gateway);
            let site_key = "1x00000000000000000000AA";
            gateway.insert("TURNSTILE_SITE_KEY".to_owned(), site_key.into());
            gateway.insert("TURNSTILE_SECRET".to_owned(), secret.into());
        });
        // All of them give the same token.
        for _ in 0..2 {
            let guest = Guest::alice(&pair);
            let page = Page::of(&guest.navigate("/public/form/echo"));
            let token = page.token(&pair);
            assert_eq!(token, DUMMY);
            assert_eq!(page.post(&guest, &token).status(), status, "{secret}");
            assert_eq!(asked(&guest, "/public/form/echo"), status != StatusCode::SEE_OTHER);
        }
    }
}

#[test]
fn the_dry_run_names_what_is_required() {
    let pair = pair("hybrid");
    let guest = Guest::alice(&pair);
    let why = |guest: &Guest<'_>| {
        let answer = guest.script("/auth/explain?url=/public/form/echo");
        let told: Value = serde_json::from_slice(answer.body()).unwrap();
        told["decision"].clone()
    };
    assert_eq!(why(&guest)["respond"]["why"], "Turnstile");
    assert_eq!(why(&guest)["respond"]["status"], 403);
    pass(&guest, "/public/form/echo");
    assert!(why(&guest)["forward"]["to"].as_str().unwrap().ends_with("/public/form/echo"));
}
