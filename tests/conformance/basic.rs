//! `oidcc-basic-certification-test-plan`.

use http::{Method, StatusCode};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::{Map, Value};
use shared::jose::native::Native;
use shared::rp::authorization::{Flow, Hints};
use tests::believe;
use tests::browser::{Browser, Reply, is_sign_in, posted};
use tests::client::{
    API, Ask, C1, C2, Client, Draft, KINDS, RS256, SignedIn, Tokens, WAIVED, json, tokens, userinfo,
};
use tests::expect::{back, invalid_grant, local};
use tests::people::ALICE;
use tests::world::{Issuer, issuer, needs_clock};

/// A request of the kind the plan sends.
fn plain() -> Ask {
    Ask::without_pkce(WAIVED)
}

/// The whole way from `ask` to claims: authorization, tokens, userinfo.
fn flow(issuer: &Issuer, ask: Ask) -> (Tokens, Map<String, Value>, Map<String, Value>) {
    let signed_in = SignedIn::new(issuer, ask);
    assert_eq!(signed_in.reply.get("state"), signed_in.ask.get("state"));
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    let claims = believe::id_token(issuer, &signed_in.ask, &tokens);
    let told = json(&userinfo(&tokens.access).send(issuer));
    assert_eq!(told["sub"], claims["sub"], "OpenID Connect Core §5.3.2");
    (tokens, claims, told)
}

#[test]
fn oidcc_server() {
    let issuer = issuer();
    let (_, claims, _) = flow(&issuer, plain());
    assert!(claims["sub"].as_str().is_some_and(|sub| sub.len() <= 255 && sub.is_ascii()));
    for client in KINDS {
        let (tokens, ..) = flow(&issuer, Ask::of(client));
        assert!(tokens.said["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));
    }
}

#[test]
fn oidcc_server_with_the_relying_party_of_the_gateway() {
    let issuer = issuer();
    for client in [C1, C2, RS256, API] {
        let (party, provider) = believe::relying_party(&issuer, client);
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let flow = Flow::new(Some(600), &mut rng);
        let metadata = pollster::block_on(provider.metadata(&issuer, issuer.now())).unwrap();
        let browser = Browser::new(&issuer);
        let url = flow.authorization_url(&party, &metadata, Hints::default());
        let reply = Reply::of(&browser.sign_in(&browser.get(&url), ALICE));
        let (_, query) = reply.location.split_once('?').unwrap();
        let code = flow.callback(query.as_bytes(), &metadata).unwrap();
        let now = issuer.now();
        let signed_in = party.sign_in(&code, &flow, &provider, &metadata, &issuer, &Native, now);
        let signed_in = pollster::block_on(signed_in).unwrap();
        assert!(signed_in.tokens.refresh_token.is_some());
        assert!(signed_in.claims.auth_time.is_some() && signed_in.claims.session_id.is_some());
    }
}

#[test]
fn oidcc_response_type_missing() {
    let issuer = issuer();
    let ask = plain().without("response_type");
    back(&Browser::new(&issuer).get(&ask.url(&issuer)), &issuer, &ask, "invalid_request");
}

#[test]
fn oidcc_idtoken_signature() {
    let issuer = issuer();
    for client in [WAIVED, RS256] {
        flow(&issuer, Ask::of(client));
    }
}

#[test]
fn oidcc_userinfo_get() {
    let issuer = issuer();
    let answer = userinfo(&tokens(&issuer, WAIVED).access).send(&issuer);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(json(&answer)["sub"].is_string());
}

#[test]
fn oidcc_userinfo_post_header() {
    let issuer = issuer();
    let access = tokens(&issuer, WAIVED).access;
    for draft in [userinfo(&access).by(Method::POST), Draft::post("/userinfo", &[]).bearer(&access)]
    {
        assert_eq!(draft.send(&issuer).status(), StatusCode::OK);
    }
}

#[test]
fn oidcc_userinfo_post_body() {
    let issuer = issuer();
    let access = tokens(&issuer, WAIVED).access;
    let answer = Draft::post("/userinfo", &[("access_token", &access)]).send(&issuer);
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(json(&answer)["sub"].is_string());
}

#[test]
fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let (_, claims, _) = flow(&issuer(), plain().without("nonce"));
    assert!(!claims.contains_key("nonce"));
}

/// The names of the claims that `scope` opens, but for `sub`.
fn opened(issuer: &Issuer, scope: &str) -> Vec<String> {
    let (tokens, id_token, mut told) = flow(issuer, plain().set("scope", scope));
    let mut asked: Vec<_> = scope.split(' ').collect();
    asked.sort_unstable();
    assert_eq!(tokens.scope(), asked);
    told.remove("sub");
    assert!(told.keys().all(|name| !id_token.contains_key(name)), "they are told by userinfo");
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

#[test]
fn oidcc_scope_profile() {
    assert_eq!(opened(&issuer(), "openid profile"), PROFILE);
}

#[test]
fn oidcc_scope_email() {
    assert_eq!(opened(&issuer(), "openid email"), ["email", "email_verified"]);
}

#[test]
fn oidcc_scope_address() {
    assert_eq!(opened(&issuer(), "openid address"), ["address"]);
}

#[test]
fn oidcc_scope_phone() {
    assert_eq!(opened(&issuer(), "openid phone"), ["phone_number", "phone_number_verified"]);
}

#[test]
fn oidcc_scope_all() {
    let mut all = PROFILE.to_vec();
    all.extend(["address", "email", "email_verified", "phone_number", "phone_number_verified"]);
    all.sort_unstable();
    assert_eq!(opened(&issuer(), "openid profile email address phone"), all);
}

#[test]
fn oidcc_alternate_happy_flow() {
    let mut ask = plain().set("scope", "phone email address profile openid");
    ask.parameters.reverse();
    flow(&issuer(), ask);
}

/// Parameters that may be passed over and must not be an error.
fn succeeds_with(name: &str, value: &str) {
    flow(&issuer(), plain().set(name, value));
}

#[test]
fn oidcc_display_page() {
    succeeds_with("display", "page");
}

#[test]
fn oidcc_display_popup() {
    succeeds_with("display", "popup");
}

#[test]
fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    succeeds_with("extra", "foobar");
}

#[test]
fn oidcc_ui_locales() {
    succeeds_with("ui_locales", "se");
}

#[test]
fn oidcc_claims_locales() {
    succeeds_with("claims_locales", "se");
}

#[test]
fn oidcc_ensure_request_with_acr_values_succeeds() {
    let issuer = issuer();
    for wanted in ["urn:gatelatch:pwd", "1 2"] {
        let (_, claims, _) = flow(&issuer, plain().set("acr_values", wanted));
        assert_eq!(claims["acr"], "urn:gatelatch:pwd", "what is true, whatever is wished for");
    }
}

#[test]
fn oidcc_claims_essential() {
    let claims = r#"{"userinfo":{"name":{"essential":true}}}"#;
    let (_, _, told) = flow(&issuer(), plain().set("claims", claims));
    assert_eq!(told["name"], "Alice Liddell");
}

#[test]
fn oidcc_id_token_hint() {
    let issuer = issuer();
    let first = SignedIn::new(&issuer, plain());
    let tokens = Tokens::of(&first.redeem().send(&issuer));
    let before = believe::id_token(&issuer, &first.ask, &tokens);
    let ask = plain().set("prompt", "none").set("id_token_hint", tokens.id());
    let after = claims_of(&issuer, &ask, &first.browser.get(&ask.url(&issuer)));
    assert_eq!(after["sub"], before["sub"]);
}

#[test]
fn oidcc_login_hint() {
    let issuer = issuer();
    let page = Browser::new(&issuer).get(&plain().set("login_hint", "alice").url(&issuer));
    assert!(tests::browser::text(&page).contains("name=\"username\" value=\"alice\""));
    flow(&issuer, plain().set("login_hint", "buffy@localhost"));
}

/// A second authorization in the browser of a first one; the claims of both ID tokens.
fn twice<'i>(
    issuer: &'i Issuer,
    second: &Ask,
    pause: u64,
) -> (Map<String, Value>, Response, SignedIn<'i>) {
    let first = SignedIn::new(issuer, plain());
    let tokens = Tokens::of(&first.redeem().send(issuer));
    let claims = believe::id_token(issuer, &first.ask, &tokens);
    wait(issuer, pause);
    let answer = first.browser.get(&second.url(issuer));
    (claims, answer, first)
}

type Response = shared::fetch::Response;

/// Lets time pass, on whichever clock the issuer goes by.
fn wait(issuer: &Issuer, seconds: u64) {
    if issuer.is_inside() {
        issuer.inside().pass(seconds);
    } else {
        std::thread::sleep(std::time::Duration::from_secs(seconds));
    }
}

/// The claims that the code in `answer` leads to.
fn claims_of(issuer: &Issuer, ask: &Ask, answer: &Response) -> Map<String, Value> {
    let code = Reply::of(answer).code();
    let tokens = Tokens::of(&ask.client.redeem(&code, ask).send(issuer));
    believe::id_token(issuer, ask, &tokens)
}

#[test]
fn oidcc_prompt_login() {
    let issuer = issuer();
    let ask = plain().set("prompt", "login");
    let (first, page, signed_in) = twice(&issuer, &ask, 1);
    assert!(is_sign_in(&page), "the person has to sign in again");
    let second = claims_of(&issuer, &ask, &signed_in.browser.sign_in(&page, ALICE));
    assert_eq!(second["sub"], first["sub"]);
    assert!(second["auth_time"].as_u64() > first["auth_time"].as_u64());
}

#[test]
fn oidcc_prompt_none_not_logged_in() {
    let issuer = issuer();
    let ask = plain().set("prompt", "none");
    back(&Browser::new(&issuer).get(&ask.url(&issuer)), &issuer, &ask, "login_required");
}

#[test]
fn oidcc_prompt_none_logged_in() {
    let issuer = issuer();
    let ask = plain().set("prompt", "none");
    let (first, answer, _) = twice(&issuer, &ask, 1);
    let second = claims_of(&issuer, &ask, &answer);
    assert_eq!(second["sub"], first["sub"]);
    assert_eq!(second["auth_time"], first["auth_time"], "nobody signed in again");
}

#[test]
fn oidcc_max_age_1() {
    let issuer = issuer();
    let ask = plain().set("max_age", "1");
    let (first, page, signed_in) = twice(&issuer, &ask, 3);
    assert!(is_sign_in(&page), "the person has to sign in again");
    let second = claims_of(&issuer, &ask, &signed_in.browser.sign_in(&page, ALICE));
    assert!(second["auth_time"].as_u64() > first["auth_time"].as_u64());
}

#[test]
fn oidcc_max_age_10000() {
    let issuer = issuer();
    let ask = plain().set("max_age", "10000");
    let (first, answer, _) = twice(&issuer, &ask, 1);
    assert_eq!(claims_of(&issuer, &ask, &answer)["auth_time"], first["auth_time"]);
}

fn code_reuse(issuer: &Issuer, pause: u64) {
    let signed_in = SignedIn::new(issuer, plain());
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    wait(issuer, pause);
    invalid_grant(&signed_in.redeem().send(issuer), "the second time");
    let answer = userinfo(&tokens.access).send(issuer);
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "RFC 6749 §4.1.2");
    invalid_grant(&WAIVED.refresh(tokens.refresh()).send(issuer), "what the code gave is revoked");
}

#[test]
fn oidcc_codereuse() {
    code_reuse(&issuer(), 0);
}

#[test]
fn oidcc_codereuse_30seconds() {
    let Some(issuer) = needs_clock() else { return };
    code_reuse(&issuer, 30);
}

#[test]
fn oidcc_ensure_registered_redirect_uri() {
    let issuer = issuer();
    let ask = plain().set("redirect_uri", "https://waived.test/cb/other");
    local(&Browser::new(&issuer).get(&ask.url(&issuer)), "an unregistered redirect URI");
}

#[test]
fn oidcc_ensure_post_request_succeeds() {
    let issuer = issuer();
    let browser = Browser::new(&issuer);
    for ask in [plain(), Ask::of(C1)] {
        // A browser that was never here posts from the client's page.
        let mut page = browser.send(posted(&issuer.at("/authorize"), &ask.pairs()));
        if page.status() == StatusCode::SEE_OTHER {
            page = browser.get(&issuer.at(&Reply::of(&page).location));
        }
        let reply = Reply::of(&browser.sign_in(&page, ALICE));
        Tokens::of(&ask.client.redeem(&reply.code(), &ask).send(&issuer));
        browser.plant("localhost", "__Host-gatelatch-sign-in", "");
    }
}

#[test]
fn oidcc_server_client_secret_post() {
    flow(&issuer(), Ask::of(C2));
}

#[test]
fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let issuer = issuer();
    let ask = plain().set("request_uri", "https://waived.test/request.jwt");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    back(&answer, &issuer, &ask, "request_uri_not_supported");
}

/// A request object that nobody signed.
const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.";

#[test]
fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let issuer = issuer();
    let ask = plain().set("request", UNSIGNED);
    back(&Browser::new(&issuer).get(&ask.url(&issuer)), &issuer, &ask, "request_not_supported");
}

#[test]
fn oidcc_ensure_request_object_with_redirect_uri() {
    let issuer = issuer();
    let ask = plain().set("request", UNSIGNED).set("redirect_uri", "https://other.test/cb");
    local(&Browser::new(&issuer).get(&ask.url(&issuer)), "a redirect URI beside a request object");
}

fn refreshes(issuer: &Issuer, client: Client, other: Client) {
    let ask = Ask::of(client).set("scope", "openid offline_access");
    let signed_in = SignedIn::new(issuer, ask);
    let first = Tokens::of(&signed_in.redeem().send(issuer));
    let before = believe::id_token(issuer, &signed_in.ask, &first);

    invalid_grant(&other.refresh(first.refresh()).send(issuer), "by another client");
    let second = Tokens::of(&client.refresh(first.refresh()).send(issuer));
    assert_ne!(second.access, first.access);
    assert_ne!(second.refresh, first.refresh, "rotated");
    let after = believe::refreshed_id_token(issuer, client, &second, &before);
    for name in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(after[name], before[name], "{name}, OpenID Connect Core §12.2");
    }
    assert!(!after.contains_key("nonce") || after["nonce"] == before["nonce"]);
    let told = json(&userinfo(&second.access).send(issuer));
    assert_eq!(told["sub"], before["sub"]);
}

#[test]
fn oidcc_refresh_token() {
    let issuer = issuer();
    for client in KINDS {
        let other = if client == C1 { C2 } else { C1 };
        refreshes(&issuer, client, other);
    }
}

#[test]
fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    flow(&issuer(), Ask::of(WAIVED));
}
