//! DJ: metadata and keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::Value;
use tests::believe;
use tests::browser::Browser;
use tests::client::{Ask, C1, Draft, SignedIn, Tokens, json, tokens};
use tests::expect::{back, header, local};
use tests::world::{issuer, needs_clock};

const PATHS: [&str; 3] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"];

fn get(path: &str) -> Draft {
    Draft::new(Method::GET, path)
}

#[test]
fn dj_01_dj_02_dj_03_no_header_changes_who_we_are() {
    let issuer = issuer();
    for path in PATHS {
        let clean = get(path).send(&issuer);
        for (name, value) in [
            ("host", "evil.test"),
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/evil"),
            ("x-forwarded-port", "444"),
            ("forwarded", "host=evil.test;proto=https"),
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
            ("x-host", "evil.test"),
        ] {
            let answer = get(path).header(name, value).send(&issuer);
            if answer.status() == StatusCode::OK {
                assert_eq!(answer.body(), clean.body(), "{name}");
            } else {
                assert!(answer.status().is_client_error(), "{name}");
            }
            assert_eq!(get(path).send(&issuer).body(), clean.body(), "afterwards");
        }
    }
    let ask = Ask::of(C1).set("prompt", "none");
    let mut request = tests::browser::request(Method::GET, &ask.url(&issuer));
    request.headers_mut().insert("x-forwarded-host", "evil.test".parse().unwrap());
    back(&Browser::new(&issuer).send(request), &issuer, &ask, "login_required");
}

#[test]
fn dj_04_dj_05_only_public_parts_of_strong_keys_are_published() {
    let issuer = issuer();
    let keys = json(&get("/jwks").send(&issuer));
    let keys = keys["keys"].as_array().unwrap();
    assert!(keys.len() >= 3);
    let mut kids = Vec::new();
    for key in keys {
        let key = key.as_object().unwrap();
        let mut names: Vec<_> = key.keys().map(String::as_str).collect();
        names.sort_unstable();
        let length =
            |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap().len();
        match key["kty"].as_str().unwrap() {
            "EC" => {
                assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
                assert_eq!((length("x"), length("y")), (32, 32));
                assert_eq!(key["alg"], "ES256");
            }
            "RSA" => {
                assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
                assert!(length("n") >= 256, "2048 bits");
                assert_eq!((&key["alg"], &key["e"]), (&Value::from("RS256"), &"AQAB".into()));
            }
            "OKP" => {
                assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
                assert_eq!((&key["alg"], &key["crv"]), (&Value::from("EdDSA"), &"Ed25519".into()));
                assert_eq!(length("x"), 32);
            }
            other => panic!("{other}"),
        }
        assert_eq!(key["use"], "sig");
        kids.push(key["kid"].as_str().unwrap());
    }
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len());
}

#[test]
fn dj_06_dj_07_what_is_advertised_is_there_and_nothing_else_is() {
    let issuer = issuer();
    let said = json(&get(PATHS[0]).send(&issuer));
    for (name, value) in &said {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = value.as_str().unwrap().strip_prefix(issuer.url()).unwrap();
            let answer = get(path).send(&issuer);
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{name}");
        }
        if name.contains("alg_values") {
            assert!(!value.to_string().to_lowercase().contains("none"), "{name}");
            assert!(!value.to_string().contains("HS"), "{name}");
        }
    }
    for absent in [
        "device_authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "check_session_iframe",
        "frontchannel_logout_supported",
    ] {
        assert!(!said.contains_key(absent), "{absent}");
    }
    for path in [
        "/registration",
        "/device",
        "/par",
        "/admin",
        "/.env",
        "/token/",
        "/TOKEN",
        "//token",
        "/authorize/",
        "/jwks.json",
        "/.well-known/openid-configuration/",
        "/.well-known/openid-configuration/x",
        "/%74oken",
        "/sign-in/",
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = Draft::new(method, path).send(&issuer);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            local(&answer, path);
        }
    }
}

#[test]
fn dj_08_dj_12_public_documents_are_cached_for_minutes_and_read_by_all() {
    let issuer = issuer();
    for path in PATHS {
        let answer = get(path).header("origin", "https://anybody.test").send(&issuer);
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=300");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert!(!answer.headers().contains_key("set-cookie"));
        let tag = header(&answer, "etag").to_owned();
        let again = get(path).header("if-none-match", &tag).send(&issuer);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.body().is_empty());
        let other = get(path).header("if-none-match", "\"x\"").send(&issuer);
        assert_eq!(other.body(), answer.body());
    }
}

#[test]
fn rfc9110_9_3_2_head_of_a_public_document_is_get_without_the_body() {
    let issuer = issuer();
    for path in PATHS {
        let whole = get(path).send(&issuer);
        let head = get(path).by(Method::HEAD).send(&issuer);
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert!(head.body().is_empty());
        for name in ["content-type", "cache-control", "etag"] {
            assert_eq!(header(&head, name), header(&whole, name), "{name}");
        }
    }
}

#[test]
fn dj_09_the_issuer_is_the_same_text_everywhere() {
    let issuer = issuer();
    assert!(!issuer.url().ends_with('/'));
    for path in &PATHS[..2] {
        assert_eq!(json(&get(path).send(&issuer))["issuer"], issuer.url());
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    assert_eq!(signed_in.reply.get("iss"), Some(issuer.url()));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
    assert_eq!(claims["iss"], issuer.url());
}

#[test]
fn dj_10_a_copy_of_the_keys_that_may_be_kept_knows_every_key_that_signs() {
    let Some(issuer) = needs_clock() else { return };
    let published = || json(&get("/jwks").send(&issuer))["keys"].to_string();
    let signer = || jsonwebtoken::decode_header(tokens(&issuer, C1).id()).unwrap().kid.unwrap();
    let first = signer();
    // A month in steps of six hours, up to ten minutes before the rotation.
    for _ in 0..120 {
        issuer.inside().pass(21_595);
        published();
    }
    let mut copy = published();
    for minute in 1..=30 {
        issuer.inside().pass(60);
        let kid = signer();
        assert!(copy.contains(&kid), "minute {minute}");
        assert_eq!(kid == first, minute < 10, "minute {minute}");
        if minute % 5 == 0 {
            copy = published();
        }
    }
}
