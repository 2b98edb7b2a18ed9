//! Modules in which everything goes well.

use super::{Flow, Mode, flow};
use http::{Method, StatusCode};
use tests::browser::{Browser, is_sign_in, posted, text};
use tests::client::{Ask, C1, C2, Draft, KINDS, RS256, SignedIn, Tokens, WAIVED, json, userinfo};
use tests::expect::no_store;
use tests::people::ALICE;
use tests::world::{Issuer, issuer};

pub(crate) fn oidcc_server(mode: Mode) {
    let issuer = issuer();
    let Flow { claims, .. } = flow(&issuer, mode.plain());
    assert!(claims["sub"].as_str().is_some_and(|sub| sub.len() <= 255 && sub.is_ascii()));
    for client in KINDS {
        let Flow { tokens, .. } = flow(&issuer, mode.by(client));
        assert!(tokens.said["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));
    }
}

pub(crate) fn oidcc_server_client_secret_post(mode: Mode) {
    flow(&issuer(), mode.by(C2));
}

pub(crate) fn oidcc_idtoken_signature(mode: Mode) {
    let issuer = issuer();
    for client in [WAIVED, RS256] {
        flow(&issuer, mode.by(client));
    }
}

pub(crate) fn oidcc_ensure_request_with_valid_pkce_succeeds(mode: Mode) {
    flow(&issuer(), mode.by(WAIVED));
}

/// An access token of the flow that the plans go.
fn access(issuer: &Issuer, mode: Mode) -> String {
    let signed_in = SignedIn::new(issuer, mode.plain());
    let answer = signed_in.redeem().send(issuer);
    // RFC 6749 §5.1.
    no_store(&answer);
    Tokens::of(&answer).access
}

fn tells(issuer: &Issuer, draft: &Draft) {
    let answer = draft.send(issuer);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(json(&answer)["sub"].is_string());
}

pub(crate) fn oidcc_userinfo_get(mode: Mode) {
    let issuer = issuer();
    tells(&issuer, &userinfo(&access(&issuer, mode)));
}

pub(crate) fn oidcc_userinfo_post_header(mode: Mode) {
    let issuer = issuer();
    let access = access(&issuer, mode);
    tells(&issuer, &userinfo(&access).by(Method::POST));
    tells(&issuer, &Draft::post("/userinfo", &[]).bearer(&access));
}

pub(crate) fn oidcc_userinfo_post_body(mode: Mode) {
    let issuer = issuer();
    let access = access(&issuer, mode);
    tells(&issuer, &Draft::post("/userinfo", &[("access_token", &access)]));
}

pub(crate) fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(mode: Mode) {
    let Flow { claims, .. } = flow(&issuer(), mode.plain().without("nonce"));
    assert!(!claims.contains_key("nonce"));
}

/// The names of the claims that `scope` opens, but for `sub`.
fn opened(issuer: &Issuer, mode: Mode, scope: &str) -> Vec<String> {
    let Flow { tokens, claims, mut told } = flow(issuer, mode.plain().set("scope", scope));
    let mut asked: Vec<_> = scope.split(' ').collect();
    asked.sort_unstable();
    assert_eq!(tokens.scope(), asked);
    told.remove("sub");
    assert!(told.keys().all(|name| !claims.contains_key(name)), "they are told by userinfo");
    for (name, value) in &told {
        let right = match name.as_str() {
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            "updated_at" => value.is_u64(),
            "address" => value.is_object(),
            _ => value.is_string(),
        };
        assert!(right, "{name} is {value}");
    }
    told.into_iter().map(|(name, _)| name).collect()
}

const PROFILE: [&str; 14] = [
    "birthdate",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
];

pub(crate) fn oidcc_scope_profile(mode: Mode) {
    assert_eq!(opened(&issuer(), mode, "openid profile"), PROFILE);
}

pub(crate) fn oidcc_scope_email(mode: Mode) {
    assert_eq!(opened(&issuer(), mode, "openid email"), ["email", "email_verified"]);
}

pub(crate) fn oidcc_scope_address(mode: Mode) {
    assert_eq!(opened(&issuer(), mode, "openid address"), ["address"]);
}

pub(crate) fn oidcc_scope_phone(mode: Mode) {
    let wanted = ["phone_number", "phone_number_verified"];
    assert_eq!(opened(&issuer(), mode, "openid phone"), wanted);
}

pub(crate) fn oidcc_scope_all(mode: Mode) {
    let mut all = PROFILE.to_vec();
    all.extend(["address", "email", "email_verified", "phone_number", "phone_number_verified"]);
    all.sort_unstable();
    assert_eq!(opened(&issuer(), mode, "openid profile email address phone"), all);
}

pub(crate) fn oidcc_alternate_happy_flow(mode: Mode) {
    let mut ask = mode.plain().set("scope", "phone email address profile openid");
    ask.parameters.reverse();
    flow(&issuer(), ask);
}

/// Parameters that may be passed over and must not be an error.
fn succeeds_with(mode: Mode, name: &str, value: &str) {
    flow(&issuer(), mode.plain().set(name, value));
}

pub(crate) fn oidcc_display_page(mode: Mode) {
    succeeds_with(mode, "display", "page");
}

pub(crate) fn oidcc_display_popup(mode: Mode) {
    succeeds_with(mode, "display", "popup");
}

pub(crate) fn oidcc_ensure_request_with_unknown_parameter_succeeds(mode: Mode) {
    succeeds_with(mode, "extra", "foobar");
}

pub(crate) fn oidcc_ui_locales(mode: Mode) {
    succeeds_with(mode, "ui_locales", "se");
}

pub(crate) fn oidcc_claims_locales(mode: Mode) {
    succeeds_with(mode, "claims_locales", "se");
}

pub(crate) fn oidcc_ensure_request_with_acr_values_succeeds(mode: Mode) {
    let issuer = issuer();
    let said = json(&Draft::new(Method::GET, "/.well-known/openid-configuration").send(&issuer));
    let offered = said["acr_values_supported"].as_array().unwrap().iter();
    let offered: Vec<_> = offered.map(|acr| acr.as_str().unwrap()).collect();
    // All that is advertised, and what the module sends where nothing is.
    for wanted in [&*offered.join(" "), "1 2"] {
        let Flow { claims, .. } = flow(&issuer, mode.plain().set("acr_values", wanted));
        assert_eq!(claims["acr"], "urn:gatelatch:pwd", "what is true, whatever is wished for");
    }
}

pub(crate) fn oidcc_claims_essential(mode: Mode) {
    let claims = r#"{"userinfo":{"name":{"essential":true}}}"#;
    let Flow { told, .. } = flow(&issuer(), mode.plain().set("claims", claims));
    assert_eq!(told["name"], "Alice Liddell");
    assert!(!told.contains_key("nickname"), "and nothing that nobody asked for");
}

pub(crate) fn oidcc_login_hint(mode: Mode) {
    let issuer = issuer();
    let ask = mode.plain().set("login_hint", "alice");
    let page = Browser::new(&issuer).get(&ask.url(&issuer));
    assert!(text(&page).contains("name=\"username\" value=\"alice\""));
    flow(&issuer, mode.plain().set("login_hint", "buffy@localhost"));
}

pub(crate) fn oidcc_ensure_post_request_succeeds(mode: Mode) {
    let issuer = issuer();
    for ask in [mode.plain(), mode.by(C1)] {
        posts_its_request(&issuer, mode, &ask);
    }
}

/// A browser that was never here posts from the client's page.
fn posts_its_request(issuer: &Issuer, mode: Mode, ask: &Ask) {
    let browser = Browser::new(issuer);
    let mut page = browser.send(posted(&issuer.at("/authorize"), &ask.pairs()));
    if page.status() == StatusCode::SEE_OTHER {
        let location = page.headers()["location"].to_str().unwrap();
        page = browser.get(&issuer.at(location));
    }
    assert!(is_sign_in(&page));
    mode.claims_of(issuer, ask, &browser.sign_in(&page, ALICE));
}
