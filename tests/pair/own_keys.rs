//! A gateway with keys of its own: towards its issuer, where they stand for a secret, and towards its
//! origins.

use http::StatusCode;
use pollster::block_on;
use serde_json::{Value, json};
use shared::jose::jwk::Jwk;
use shared::jose::jws::Unverified;
use shared::jose::native::Native;
use tests::guest::Guest;
use tests::line::Fault;
use tests::origin::Echo;
use tests::pair::{AUDIENCE, Pair, claims};
use tests::raw::Raw;

in_every_mode! {
    pa_16_a_gateway_that_signs_for_itself_signs_in_refreshes_and_signs_out
    pa_16_a_proof_is_fresh_after_an_answer_that_was_lost
    an_origin_is_told_who_it_is_by_a_signature_of_ours
}
in_one_mode! {
    pa_16_a_key_that_the_issuer_does_not_know_signs_nobody_in_and_ends_no_session
    dj_04_the_public_halves_are_published_and_nothing_else_of_them
    gp_01_gp_03_no_assertion_of_the_browser_reaches_an_origin
    a_caller_is_told_of_by_their_own_token_and_nobody_before_they_are_let_in
}

/// Two P-256 keys, whose secrets are the letters k and l.
const KEYS: [(&str, &str, &str, &str); 2] = [
    (
        "k",
        "ny4nmjrsKCYhFbtt-jI2vWfWMkxg35OXTW4CxGM8v7g",
        "ISAM6LQ5d5kqmOHHEv2Bh-r5VC218FJn9vzAncUjyWA",
        "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s",
    ),
    (
        "l",
        "iuYiligYKUuCEPa4jClznvnpKzlTx-Bzrjjd4Xj2AyA",
        "_JdKMRt41oIFk84Rz_HvFH3KDSkRhqRdgj7lLU-uuGE",
        "bGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGw",
    ),
];

fn public((kid, x, y, _): (&str, &str, &str, &str)) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y })
}

fn private(key: (&str, &str, &str, &str)) -> Value {
    let mut jwk = public(key);
    jwk["d"] = key.3.into();
    jwk
}

/// A pair whose gateway signs with the first key instead of having a secret.
fn signing(mode: &'static str) -> Pair {
    let [key, _] = KEYS;
    Pair::in_process(mode, |idp, gateway| {
        gateway.remove("CLIENT_SECRET");
        gateway.insert("CLIENT_AUTH".to_owned(), "private_key_jwt".into());
        gateway.insert("SIGNING_KEYS".to_owned(), json!([private(key)]));
        let client = idp["CLIENTS"][0].as_object_mut().unwrap();
        client.remove("client_secret_sha256");
        client.insert("token_endpoint_auth_method".to_owned(), "private_key_jwt".into());
        client.insert("jwks".to_owned(), json!({ "keys": [public(key)] }));
    })
}

fn pa_16_a_gateway_that_signs_for_itself_signs_in_refreshes_and_signs_out(pair: &Pair) {
    let pair = signing(pair.mode);
    let gate = pair.needs_clock().unwrap();
    let guest = Guest::signed_in(&pair);
    let first = guest.token().unwrap();
    for _ in 0..3 {
        pair.outlive_access_tokens();
        assert_ne!(guest.token().unwrap(), first);
    }
    assert_eq!(gate.line.token_calls(), 4);
    let lines = [("origin", pair.url()), ("sec-fetch-site", "same-origin")];
    let left = guest.send(&http::Method::POST, "/auth/logout", &lines);
    assert_eq!(left.status(), StatusCode::SEE_OTHER);
    gate.tasks.turn();
    assert_eq!(gate.line.calls("/revoke").len(), 1);
    // What was revoked would be refused by now.
    assert_eq!(guest.script("/echo").status(), StatusCode::UNAUTHORIZED);
}

fn pa_16_a_proof_is_fresh_after_an_answer_that_was_lost(pair: &Pair) {
    let pair = signing(pair.mode);
    let gate = pair.needs_clock().unwrap();
    let guest = Guest::signed_in(&pair);
    pair.outlive_access_tokens();
    // The issuer has seen the proof and spent its name; the second call is in the same second.
    gate.line.set(Fault::Lost(1));
    let lost = guest.script("/echo");
    assert_eq!(lost.status(), StatusCode::SERVICE_UNAVAILABLE);
    gate.line.set(Fault::Nothing);
    gate.pass(lost.headers()["retry-after"].to_str().unwrap().parse().unwrap());
    assert!(guest.token().is_some());
    assert_eq!(gate.line.token_calls(), 3);
}

fn pa_16_a_key_that_the_issuer_does_not_know_signs_nobody_in_and_ends_no_session(pair: &Pair) {
    let pair = signing(pair.mode);
    let gate = pair.needs_clock().unwrap();
    let guest = Guest::signed_in(&pair);
    pair.issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["jwks"] = json!({ "keys": [public(KEYS[1])] });
    });
    pair.outlive_access_tokens();
    assert_eq!(guest.script("/echo").status(), StatusCode::SERVICE_UNAVAILABLE);
    let stranger = Guest::bob(&pair);
    let callback = stranger.answer(&stranger.start("/"));
    let answer = stranger.navigate(callback.strip_prefix(pair.url()).unwrap());
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(stranger.token(), None);

    // Its operator mends it, and who was signed in is.
    pair.issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["jwks"] = json!({ "keys": [public(KEYS[0])] });
    });
    gate.pass(60);
    assert!(guest.token().is_some());
}

fn dj_04_the_public_halves_are_published_and_nothing_else_of_them(pair: &Pair) {
    assert_eq!(pair.send(&Raw::get("/auth/jwks")).status(), StatusCode::NOT_FOUND);
    let pair = signing(pair.mode);
    pair.needs_clock().unwrap().deploy_again(|settings| {
        settings.insert("SIGNING_KEYS".to_owned(), json!([private(KEYS[1]), private(KEYS[0])]));
    });
    let answer = pair.send(&Raw::get("/auth/jwks"));
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    let set: Value = serde_json::from_slice(answer.body()).unwrap();
    let with = |mut jwk: Value| {
        jwk["use"] = "sig".into();
        jwk["alg"] = "ES256".into();
        jwk
    };
    assert_eq!(set, json!({ "keys": [with(public(KEYS[1])), with(public(KEYS[0]))] }));
}

/// A pair that tells its origins who somebody is, in two ways on two routes.
fn asserting(mode: &'static str) -> Pair {
    Pair::in_process(mode, |_, gateway| {
        gateway.insert("SIGNING_KEYS".to_owned(), json!([private(KEYS[0])]));
        for route in gateway["ROUTES"].as_array_mut().unwrap() {
            if route["access"] != "public" {
                let audience = format!("https://{}.internal", route["access"].as_str().unwrap());
                route["assertion"] = json!({ "audience": audience, "claims": ["email"] });
                route["bearer"] = json!({ "audience": AUDIENCE });
            }
        }
    })
}

/// The claims of the assertion that an origin got, if it got one.
fn asserted(echo: &Echo) -> Option<Value> {
    let token = Unverified::parse(echo.header("x-identity-assertion")?).unwrap();
    assert_eq!(token.typ().as_deref(), Some("identity-assertion+jwt"));
    let mut key: Jwk = serde_json::from_value(public(KEYS[0])).unwrap();
    assert_eq!(token.key_id(), key.kid.as_deref());
    key.alg = None;
    Some(block_on(token.verify(&key, &Native)).unwrap())
}

fn an_origin_is_told_who_it_is_by_a_signature_of_ours(pair: &Pair) {
    let pair = asserting(pair.mode);
    let gate = pair.needs_clock().unwrap();
    let (alice, bob) = (Guest::signed_in(&pair), Guest::bob(&pair));
    bob.sign_in();
    let of = |guest: &Guest<'_>, path: &str| asserted(&Echo::of(&guest.script(path))).unwrap();
    let first = of(&alice, "/echo");
    assert_eq!(first["iss"], pair.url());
    assert_eq!(first["idp"], pair.issuer.url());
    assert_eq!(first["sub"], claims(&alice.token().unwrap())["sub"]);
    assert_eq!(first["email"], "alice@people.test");
    assert!(first["auth_time"].is_u64());
    assert_eq!(first["exp"].as_u64().unwrap() - first["iat"].as_u64().unwrap(), 60);

    // The same one again, for another origin another, and nobody gets somebody else's.
    assert_eq!(of(&alice, "/echo"), first);
    assert_ne!(of(&alice, "/api/echo")["aud"], first["aud"]);
    assert_ne!(of(&bob, "/echo")["sub"], first["sub"]);
    gate.pass(20);
    assert_ne!(of(&alice, "/echo")["jti"], first["jti"]);
    pair.outlive_access_tokens();
    assert_eq!(of(&alice, "/echo")["sub"], first["sub"]);
}

fn gp_01_gp_03_no_assertion_of_the_browser_reaches_an_origin(pair: &Pair) {
    let plain = Guest::signed_in(pair);
    let pair_that_signs = asserting(pair.mode);
    let signs = Guest::signed_in(&pair_that_signs);
    for name in ["X-Identity-Assertion", "x_identity_assertion", "X-IDENTITY_ASSERTION"] {
        for (pair, guest, path) in [
            (pair, &plain, "/echo"),
            (pair, &plain, "/public/echo"),
            (&pair_that_signs, &signs, "/public/echo"),
            (&pair_that_signs, &signs, "/echo"),
        ] {
            let answer = pair.send(&guest.raw("GET", path).header(name, "forged"));
            let echo = Echo::of(&answer);
            assert_ne!(echo.header("x-identity-assertion"), Some("forged"), "{name} {path}");
            assert_eq!(echo.header("x_identity_assertion"), None, "{name} {path}");
            assert_eq!(echo.header("x-identity_assertion"), None, "{name} {path}");
        }
    }
}

fn a_caller_is_told_of_by_their_own_token_and_nobody_before_they_are_let_in(pair: &Pair) {
    let pair = asserting(pair.mode);
    let guest = Guest::signed_in(&pair);
    let token = guest.token().unwrap();
    let answer =
        pair.send(&Raw::get("/api/echo").header("authorization", &format!("Bearer {token}")));
    let said = asserted(&Echo::of(&answer)).unwrap();
    assert_eq!(said["sub"], claims(&token)["sub"]);
    assert!(said["exp"].as_u64() <= claims(&token)["exp"].as_u64());
    assert_eq!(pair.send(&Raw::get("/api/echo")).status(), StatusCode::UNAUTHORIZED);
}
