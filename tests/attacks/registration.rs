//! RG: clients that are registered at run time.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::browser::{Browser, text};
use tests::client::{Ask, C1, Draft, SignedIn, Tokens, json as object, userinfo};
use tests::expect::{error, header, invalid_client, local, no_store, page, unauthorized};
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::{Issuer, issuer, needs_clock};

/// The initial access token of these tests.
pub(crate) const TOKEN: &str = INITIAL[0];

pub(crate) fn refused(issuer: &Issuer, metadata: &Value, code: &str, what: &str) {
    let answer = register(TOKEN, metadata).send(issuer);
    error(&answer, StatusCode::BAD_REQUEST, code, what);
}

/// The same, and the member is named.
pub(crate) fn names(issuer: &Issuer, more: &Value, code: &str) {
    for (member, value) in more.as_object().unwrap() {
        let answer = register(TOKEN, &with(&json!({ member: value }))).send(issuer);
        let what = format!("{member} {value}");
        error(&answer, StatusCode::BAD_REQUEST, code, &what);
        let words = object(&answer)["error_description"].as_str().unwrap().to_owned();
        assert!(words.contains(member), "{what}: {words}");
    }
}

fn discovery(issuer: &Issuer) -> serde_json::Map<String, Value> {
    object(&Draft::new(Method::GET, "/.well-known/openid-configuration").send(issuer))
}

#[test]
fn rg_01_without_anybody_who_may_register_the_endpoints_are_not_there() {
    let Some(issuer) = needs_clock() else { return };
    let known = Registered::new(&issuer, TOKEN, &metadata());
    assert_eq!(discovery(&issuer)["registration_endpoint"], issuer.at("/register"));
    issuer.inside().deploy_again(|settings| drop(settings.remove("INITIAL_ACCESS_TOKENS")));
    assert!(!discovery(&issuer).contains_key("registration_endpoint"));
    for method in [Method::POST, Method::GET, Method::OPTIONS] {
        let draft = register(TOKEN, &metadata()).by(method);
        assert_eq!(draft.send(&issuer).status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(known.manage(Method::GET).send(&issuer).status(), StatusCode::NOT_FOUND);
    // Who is in stays: closing the door ends nothing.
    Tokens::of(&SignedIn::new(&issuer, Ask::of(known.client())).redeem().send(&issuer));
}

#[test]
fn rg_02_a_stranger_registers_nothing() {
    let issuer = issuer();
    let good = register(TOKEN, &metadata());
    let none = good.clone().without_header("authorization").send(&issuer);
    error(&none, StatusCode::UNAUTHORIZED, "invalid_token", "no token");
    assert_eq!(header(&none, "www-authenticate"), "Bearer");
    let access = Tokens::of(&SignedIn::new(&issuer, Ask::of(C1)).redeem().send(&issuer)).access;
    let digest = shared::secret::Digest::of(TOKEN).to_text();
    for wrong in ["x", &TOKEN[1..], &format!("{TOKEN}x"), &TOKEN.to_uppercase(), &digest, &access] {
        unauthorized(&good.clone().bearer(wrong).send(&issuer), wrong);
    }
    for line in [format!("Basic {TOKEN}"), TOKEN.to_owned(), format!("Bearer {TOKEN} x")] {
        unauthorized(&good.clone().header("authorization", &line).send(&issuer), &line);
    }
    let two = good.more_header("authorization", format!("Bearer {TOKEN}").as_bytes());
    unauthorized(&two.send(&issuer), "two headers");
    let query = register(TOKEN, &metadata()).without_header("authorization");
    let query = query.to(&format!("/register?access_token={TOKEN}"));
    assert_eq!(query.send(&issuer).status(), StatusCode::UNAUTHORIZED);
    if issuer.is_inside() {
        assert!(!issuer.inside().memory.dump().contains("Made at run time"));
    }
}

#[test]
fn rg_05_private_symmetric_and_weak_keys_are_refused() {
    let issuer = issuer();
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let weak =
        "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqw";
    for key in [
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x, "d": x }),
        json!({ "kty": "oct", "k": x }),
        json!({ "kty": "RSA", "n": weak, "e": "AQAB" }),
        json!({ "kty": "RSA", "n": weak, "e": "AQAB", "p": x }),
        json!("key"),
    ] {
        for method in ["private_key_jwt", "client_secret_basic"] {
            let more = json!({ "jwks": { "keys": [key] }, "token_endpoint_auth_method": method });
            let answer = register(TOKEN, &with(&more)).send(&issuer);
            error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", &key.to_string());
        }
    }
    let set = json!({ "keys": [] });
    names(&issuer, &json!({ "jwks": "x" }), "invalid_client_metadata");
    for more in [
        json!({ "jwks": set, "jwks_uri": "https://dyn.test/jwks" }),
        json!({ "jwks": set, "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
    ] {
        refused(&issuer, &with(&more), "invalid_client_metadata", &more.to_string());
    }
}

#[test]
fn rg_06_nobody_makes_themselves_more_than_they_may_be() {
    let issuer = issuer();
    names(
        &issuer,
        &json!({
            "first_party": true, "require_pkce": false, "audience": "https://api.test",
            "resources": ["https://api.test"], "resource_server": ["https://api.test"], "allowed_origins": ["https://dyn.test"],
            "client_secret_sha256": "FP2TJK80zYvxpa7ccczhshaUszB_qQ9AFT6lqamM0AA",
            "grant_types": ["authorization_code", "client_credentials"],
            "scope": "openid admin", "response_types": ["token"],
            "token_endpoint_auth_method": "client_secret_jwt",
            "id_token_signed_response_alg": "none",
        }),
        "invalid_client_metadata",
    );
    for bad in [json!(["password"]), json!(["implicit"]), json!(["refresh_token"]), json!([])] {
        names(&issuer, &json!({ "grant_types": bad }), "invalid_client_metadata");
    }
    for bad in ["gatelatch:clients", "openid gatelatch:clients", "\"", "openid\u{e9}"] {
        names(&issuer, &json!({ "scope": bad }), "invalid_client_metadata");
    }
    for bad in ["HS256", "none", "ES384", "", "es256"] {
        names(
            &issuer,
            &json!({ "id_token_signed_response_alg": bad, "userinfo_signed_response_alg": bad }),
            "invalid_client_metadata",
        );
    }
    let said = json!({ "client_id": "c1", "client_secret": "mine", "trusted": true,
        "skip_consent": true, "is_admin": true, "client_secret_expires_at": 0 });
    let registered = Registered::new(&issuer, TOKEN, &with(&said));
    assert_ne!(registered.id(), "c1");
    assert_ne!(registered.text("client_secret"), "mine");
    for member in ["trusted", "skip_consent", "is_admin", "first_party"] {
        assert!(!registered.said.contains_key(member), "{member}");
    }
    // PKCE is asked of it whatever it is.
    let ask = Ask::without_pkce(registered.client());
    let reply = tests::browser::Reply::of(&Browser::new(&issuer).get(&ask.url(&issuer)));
    assert_eq!(reply.get("error"), Some("invalid_request"));
}

#[test]
fn rg_06_the_operators_own_scopes_are_not_to_be_had() {
    let issuer = issuer();
    names(&issuer, &json!({ "scope": "openid reports" }), "invalid_client_metadata");
}

#[test]
fn rg_07_secrets_are_told_once_and_kept_by_nobody() {
    let issuer = issuer();
    let answer = register(TOKEN, &metadata()).send(&issuer);
    no_store(&answer);
    assert_eq!(header(&answer, "pragma"), "no-cache");
    let registered = Registered::of(&answer);
    let (secret, token) = (registered.text("client_secret"), registered.token());
    assert!(secret.len() >= 43 && token.len() >= 43 && secret != token);
    assert_eq!(registered.said["client_secret_expires_at"], 0);
    let read = registered.manage(Method::GET).send(&issuer);
    no_store(&read);
    let read = object(&read);
    assert!(!read.contains_key("client_secret"));
    let again = object(&registered.put(&metadata()).send(&issuer));
    assert!(!again.contains_key("client_secret"));
    if issuer.is_inside() {
        let stored = issuer.inside().memory.dump();
        assert!(stored.contains(registered.id()));
        assert!(!stored.contains(secret) && !stored.contains(token) && !stored.contains(TOKEN));
        assert!(issuer.inside().causes().iter().all(|cause| !cause.contains(token)));
    }
    let other = Registered::new(&issuer, TOKEN, &metadata());
    assert_ne!(other.text("client_secret"), secret);
    assert_ne!(other.token(), token);
    assert_ne!(other.id(), registered.id());
}

#[test]
fn rg_08_a_registration_is_managed_with_its_own_token_alone() {
    let issuer = issuer();
    let mine = Registered::new(&issuer, TOKEN, &metadata());
    let other = Registered::new(&issuer, TOKEN, &metadata());
    let gone = Registered::new(&issuer, TOKEN, &metadata());
    assert_eq!(gone.manage(Method::DELETE).send(&issuer).status(), StatusCode::NO_CONTENT);
    let wrong = |id: &str, method: Method, token: &str| {
        let draft = Draft::new(method, &format!("/register/{id}")).bearer(token);
        draft.header("content-type", "application/json").body(metadata().to_string())
    };
    let made_up = format!("dcr-{}", "A".repeat(43));
    let mut bodies = Vec::new();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        // A GET with a body is no request to the runtime.
        let bare = |draft: Draft| if method == Method::GET { draft.body("") } else { draft };
        for (id, token) in [
            (mine.id(), other.token()),
            (mine.id(), TOKEN),
            (mine.id(), mine.text("client_secret")),
            (mine.id(), "x"),
            (gone.id(), gone.token()),
            (gone.id(), mine.token()),
            (&made_up, mine.token()),
            ("c1", mine.token()),
            ("", mine.token()),
            ("../register", mine.token()),
            ("%2e%2e", mine.token()),
            (&mine.id()[..20], mine.token()),
        ] {
            if id.contains("..") && !issuer.is_inside() {
                continue;
            }
            let answer = bare(wrong(id, method.clone(), token)).send(&issuer);
            unauthorized(&answer, &format!("{method} {id}"));
            bodies.push(answer.into_body());
        }
        let none = bare(wrong(mine.id(), method.clone(), "x")).without_header("authorization");
        error(&none.send(&issuer), StatusCode::UNAUTHORIZED, "invalid_token", "no token");
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nobody can tell who is there");
    assert_eq!(object(&mine.manage(Method::GET).send(&issuer))["client_id"], mine.id());
    let post = wrong(mine.id(), Method::POST, mine.token()).send(&issuer);
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&post, "allow"), "GET, PUT, DELETE");
}

#[test]
fn rg_10_a_name_is_text_wherever_it_is_shown() {
    let issuer = issuer();
    let markup = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>";
    let registered = Registered::new(&issuer, TOKEN, &with(&json!({ "client_name": markup })));
    let shown = Browser::new(&issuer).get(&Ask::of(registered.client()).url(&issuer));
    page(&shown);
    assert!(!text(&shown).contains("<img src=x") && !text(&shown).contains("<script>"));
    for bad in ["", "a\u{0}b", "a\nb", "\u{7f}", &"x".repeat(101)] {
        names(&issuer, &json!({ "client_name": bad }), "invalid_client_metadata");
    }
}

#[test]
fn rg_18_what_a_client_is_called_in_other_languages_is_passed_over_and_shown_nowhere() {
    let issuer = issuer();
    let more = json!({
        "client_name": "Plain",
        "client_name#ja": "<script>alert(1)</script>",
        "logo_uri#ja": "javascript:alert(1)",
        "client_uri#ja": "data:text/html,x",
    });
    let answer = register(TOKEN, &with(&more)).send(&issuer);
    assert!(object(&answer).keys().all(|name| !name.contains('#')));
    let url = Ask::of(Registered::of(&answer).client()).url(&issuer);
    let shown = Browser::new(&issuer).get(&format!("{url}&ui_locales=ja"));
    page(&shown);
    for part in ["alert(1)", "javascript:", "data:text"] {
        assert!(!text(&shown).contains(part), "{part}");
    }
}

#[test]
fn rg_11_a_flood_of_registrations_is_held_up_and_one_that_nobody_uses_goes() {
    let Some(issuer) = needs_clock() else { return };
    let first = Registered::new(&issuer, TOKEN, &metadata());
    let mut registered = 1;
    for _ in 0..5_000 {
        let answer = register(TOKEN, &metadata()).send(&issuer);
        if answer.status() == StatusCode::CREATED {
            registered += 1;
            continue;
        }
        error(&answer, StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "a flood");
        assert_eq!(header(&answer, "retry-after"), "60");
    }
    assert_eq!(registered, 50);
    // Somebody else is not held up, and mistakes cost nothing.
    Registered::new(&issuer, INITIAL[1], &metadata());
    names(&issuer, &json!({ "scope": "admin" }), "invalid_client_metadata");
    issuer.inside().pass(60);
    Registered::new(&issuer, TOKEN, &metadata());

    // Used every two months it stays; the others are gone after three.
    let used = Registered::new(&issuer, INITIAL[1], &metadata());
    for _ in 0..3 {
        issuer.inside().pass(60 * 86_400);
        Tokens::of(&SignedIn::new(&issuer, Ask::of(used.client())).redeem().send(&issuer));
    }
    unauthorized(&first.manage(Method::GET).send(&issuer), "unused");
    local(&Browser::new(&issuer).get(&Ask::of(first.client()).url(&issuer)), "unused");
}

#[test]
fn rg_11_a_body_beyond_64_kib_and_one_that_is_no_object_are_refused() {
    let issuer = issuer();
    let long = with(&json!({ "client_uri": format!("https://dyn.test/{}", "x".repeat(70_000)) }));
    let answer = register(TOKEN, &long).send(&issuer);
    assert!(answer.status().is_client_error());
    let deep = format!("{{\"jwks\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for body in [
        "",
        "[]",
        "null",
        "7",
        "{",
        "\u{feff}{}",
        &deep,
        r#"{"redirect_uris":["https://a.test/"],"redirect_uris":["https://evil.test/"]}"#,
    ] {
        let answer = register(TOKEN, &metadata()).body(body).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", body);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let draft = register(TOKEN, &metadata()).header("content-type", kind);
        error(&draft.send(&issuer), StatusCode::BAD_REQUEST, "invalid_client_metadata", kind);
    }
    let kind = "Application/JSON; charset=utf-8";
    Registered::of(&register(TOKEN, &metadata()).header("content-type", kind).send(&issuer));
}

#[test]
fn rg_12_no_software_statement_is_believed() {
    let issuer = issuer();
    for statement in ["eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", "x", ""] {
        let metadata = with(&json!({ "software_statement": statement }));
        refused(&issuer, &metadata, "invalid_software_statement", statement);
    }
}

#[test]
fn tc_11_rt_23_of_a_client_that_is_gone_nothing_is_good_any_more() {
    let issuer = issuer();
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let metadata = with(&json!({ "token_endpoint_auth_method": method }));
        let registered = Registered::new(&issuer, TOKEN, &metadata);
        let client = registered.client();
        let ask = Ask::of(client).set("scope", "openid offline_access");
        let tokens = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer));
        let waiting = SignedIn::new(&issuer, Ask::of(client));
        let browser = Browser::new(&issuer);
        let shown = browser.get(&Ask::of(client).url(&issuer));
        assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::OK);

        let gone = registered.manage(Method::DELETE).send(&issuer);
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        let basic = method == "client_secret_basic";
        invalid_client(&client.refresh(tokens.refresh()).send(&issuer), basic, "refresh");
        invalid_client(&waiting.redeem().send(&issuer), basic, "redemption");
        invalid_client(&client.revoke(tokens.refresh()).send(&issuer), basic, "revocation");
        unauthorized(&userinfo(&tokens.access).send(&issuer), "userinfo");
        local(&Browser::new(&issuer).get(&Ask::of(client).url(&issuer)), "a new request");
        local(&browser.sign_in(&shown, tests::people::ALICE), "a page that was open");
        unauthorized(&registered.manage(Method::GET).send(&issuer), "its own endpoint");
        unauthorized(&registered.put(&metadata).send(&issuer), "its own endpoint");
    }
}
