//! TC: `POST /token` with a code, and what holds for every request to it.

use http::{Method, StatusCode};
use serde_json::Value;
use tests::believe;
use tests::browser::{Browser, Reply};
use tests::client::{
    API, Ask, Auth, BRIEF, C1, C2, C3, C4, C6, Draft, KINDS, SignedIn, Tokens, WAIVED, fresh, json,
    offline_tokens, userinfo,
};
use tests::expect::{error, header, invalid_client, invalid_grant, invalid_request};
use tests::memory::Fault;
use tests::world::{Issuer, issuer, needs_clock};

/// A request of each kind that clients send, none of which changes anything by itself.
fn siblings(issuer: &Issuer) -> [Draft; 3] {
    let signed_in = SignedIn::new(issuer, Ask::of(C1));
    [signed_in.redeem(), C1.refresh(offline_tokens(issuer, C1).refresh()), C1.revoke("x")]
}

fn dead(issuer: &Issuer, client: tests::client::Client, tokens: &Tokens) {
    let answer = userinfo(&tokens.access).send(issuer);
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "the access token");
    if let Some(token) = &tokens.refresh {
        invalid_grant(&client.refresh(token).send(issuer), "the refresh token");
    }
}

#[test]
fn tc_01_a_code_that_comes_again_ends_what_it_gave() {
    let issuer = issuer();
    for client in [C1, C2, C3, C4, WAIVED, BRIEF] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        invalid_grant(&signed_in.redeem().send(&issuer), client.id);
        dead(&issuer, client, &tokens);
        invalid_grant(&signed_in.redeem().send(&issuer), "and again");
    }
}

#[test]
fn tc_02_of_many_who_redeem_at_the_same_time_one_succeeds_at_most() {
    let issuer = issuer();
    for client in [C1, C3] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let many = if issuer.is_inside() { 100 } else { 20 };
        let draft = signed_in.redeem();
        let answers = issuer.ask_all((0..many).map(|_| draft.request(&issuer)).collect());
        let good: Vec<_> =
            answers.iter().filter(|answer| answer.status() == StatusCode::OK).collect();
        assert_eq!(good.len(), 1, "{}", client.id);
        for answer in answers.iter().filter(|answer| answer.status() != StatusCode::OK) {
            invalid_grant(answer, client.id);
        }
        // There were others, so what the one got is dead.
        dead(&issuer, client, &Tokens::of(good[0]));
    }
}

#[test]
fn tc_04_tc_05_a_code_is_its_clients_alone_and_stays_good() {
    let issuer = issuer();
    for client in KINDS {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        for other in [C6, C2, C4, BRIEF].into_iter().filter(|other| *other != client) {
            let draft = signed_in.redeem().by_client(other);
            invalid_grant(&draft.send(&issuer), "with the redirect URI of the request");
            let draft = draft.set("redirect_uri", other.redirect_uri);
            invalid_grant(&draft.send(&issuer), "with its own redirect URI");
        }
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

#[test]
fn tc_06_tc_10_no_other_text_is_the_code_and_trying_harms_nobody() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let code = signed_in.reply.code();
    let other = Reply::of(&signed_in.browser.get(&Ask::of(C1).url(&issuer))).code();
    let half = code.len() / 2;
    let spliced = format!("{}{}", &code[..half], &other[half..]);
    let mixed = format!("{}{}", &code[..half], "A".repeat(code.len() - half));
    for wrong in [
        &code[..code.len() - 1],
        &code[1..],
        &*format!("{code}A"),
        &*format!("{code} "),
        &*format!(" {code}"),
        &*format!("{code}="),
        &*code.to_lowercase(),
        &*code.to_uppercase(),
        &*spliced,
        &*mixed,
        "x",
        &*"A".repeat(200),
        &*"A".repeat(20_000),
    ] {
        invalid_grant(&signed_in.redeem().set("code", wrong).send(&issuer), wrong);
    }
    invalid_request(&signed_in.redeem().set("code", &format!("{code}\u{0}")).send(&issuer), "NUL");
    invalid_request(&signed_in.redeem().set("code", "").send(&issuer), "empty");
    invalid_request(&signed_in.redeem().without("code").send(&issuer), "none");
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn tc_07_the_redirect_uri_is_the_one_of_the_request() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    for wrong in [
        "https://app.test/cb/",
        "https://app.test/cb?",
        "https%3A%2F%2Fapp.test%2Fcb",
        "HTTPS://app.test/cb",
        "https://evil.test/cb",
    ] {
        invalid_grant(&signed_in.redeem().set("redirect_uri", wrong).send(&issuer), wrong);
    }
    for draft in
        [signed_in.redeem().without("redirect_uri"), signed_in.redeem().set("redirect_uri", "")]
    {
        invalid_request(&draft.send(&issuer), "missing");
    }
    Tokens::of(&signed_in.redeem().send(&issuer));

    // The port of a native client's is part of it too.
    let ask = Ask::of(C3).set("redirect_uri", "http://127.0.0.1:51004/cb");
    let signed_in = SignedIn::new(&issuer, ask);
    let draft = signed_in.redeem().set("redirect_uri", "http://127.0.0.1:51005/cb");
    invalid_grant(&draft.send(&issuer), "another port");
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn tc_08_nothing_that_fails_uses_the_code_up() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let wrong = Auth::Basic("wrong");
    invalid_client(&signed_in.redeem().auth("c1", wrong).send(&issuer), true, "wrong secret");
    let draft = signed_in.redeem().set("redirect_uri", "https://evil.test/cb");
    invalid_grant(&draft.send(&issuer), "wrong redirect URI");
    let draft = signed_in.redeem().set("resource", "https://other.test");
    error(&draft.send(&issuer), StatusCode::BAD_REQUEST, "invalid_target", "wrong resource");
    let draft = signed_in.redeem().set("code_verifier", &fresh("another"));
    invalid_grant(&draft.send(&issuer), "wrong verifier");
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn tc_08_a_code_survives_storage_that_fails() {
    let Some(issuer) = needs_clock() else { return };
    for operation in 0.. {
        let signed_in = SignedIn::new(&issuer, Ask::of(C1));
        issuer.inside().memory.fail(Fault::Storage(operation));
        let answer = signed_in.redeem().send(&issuer);
        if issuer.inside().memory.is_failing() {
            assert!(operation >= 2, "there is storage to fail");
            issuer.inside().memory.mend();
            break;
        }
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(json(&answer)["error"], "temporarily_unavailable");
        assert_eq!(header(&answer, "retry-after"), "1");
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

#[test]
fn tc_09_a_code_is_good_for_a_minute() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    issuer.inside().pass(60);
    invalid_grant(&signed_in.redeem().send(&issuer), "60 s");
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    issuer.inside().pass(59);
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn tc_11_a_code_dies_with_its_session_and_its_client() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let browser = &signed_in.browser;
    let page = browser.get(&issuer.at("/end_session"));
    browser.submit(issuer.url(), &tests::browser::forms(&page)[0], &[]);
    invalid_grant(&signed_in.redeem().send(&issuer), "signed out");

    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    issuer.inside().deploy_again(|settings| {
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        clients.retain(|client| client["client_id"] != "c1");
    });
    invalid_client(&signed_in.redeem().send(&issuer), true, "a client that is gone");
}

#[test]
fn tc_12_tc_13_no_parameter_is_there_twice_and_none_in_the_query() {
    let issuer = issuer();
    for draft in siblings(&issuer) {
        for (name, value) in [
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("refresh_token", "x"),
            ("token", "x"),
            ("client_id", "c1"),
            ("unknown", "x"),
        ] {
            let twice = draft.clone().set(name, value).add(name, value);
            invalid_request(&twice.send(&issuer), name);
        }
        for query in ["grant_type=authorization_code", "client_secret=c1-secret", "x"] {
            for path in ["/token", "/revoke"] {
                invalid_request(&draft.clone().to(&format!("{path}?{query}")).send(&issuer), query);
            }
        }
    }
}

#[test]
fn tc_14_other_methods_are_told_which_one() {
    let issuer = issuer();
    for path in ["/token", "/revoke"] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::PATCH] {
            let answer = Draft::new(method.clone(), path).send(&issuer);
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(header(&answer, "allow"), "POST");
        }
    }
}

#[test]
fn tc_15_a_form_is_the_only_body() {
    let issuer = issuer();
    for draft in siblings(&issuer) {
        for kind in [
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/x-www-form-urlencodedx",
            "application/json, application/x-www-form-urlencoded",
            "",
        ] {
            invalid_request(&draft.clone().header("content-type", kind).send(&issuer), kind);
        }
        let bytes = draft.clone().without_header("content-type");
        let bytes = bytes.more_header("content-type", b"\xff\xfe");
        invalid_request(&bytes.send(&issuer), "not even ASCII");
        let answer = draft.clone().without_header("content-type").body("a=b").send(&issuer);
        invalid_request(&answer, "none");
    }
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let kind = "Application/X-WWW-Form-URLencoded; charset=junk";
    Tokens::of(&signed_in.redeem().header("content-type", kind).send(&issuer));
}

#[test]
fn tc_16_garbled_forms_are_refused() {
    let issuer = issuer();
    for path in ["/token", "/revoke"] {
        let draft = Draft::post(path, &[]).by_client(C1);
        let many: Vec<_> = (0..6_000).map(|number| format!("a{number}=1")).collect();
        let many = many.join("&");
        for body in ["%ff=1", "grant_type=%ff%fe", "a=%00", "&", "", "=", "%zz", &many] {
            invalid_request(
                &draft.clone().body(body).send(&issuer),
                body.get(..20).unwrap_or(body),
            );
        }
        let huge = draft.body(format!("{}=1", "a".repeat(1 << 20))).send(&issuer);
        assert!(huge.status().is_client_error(), "{}", huge.status());
    }
}

#[test]
fn tc_17_tc_18_only_the_grants_that_there_are_and_only_for_who_may() {
    let issuer = issuer();
    for grant in [
        "password",
        "implicit",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:device_code",
        "AUTHORIZATION_CODE",
        "authorization_code ",
    ] {
        for client in [C1, C4] {
            let answer = Draft::post("/token", &[("grant_type", grant)]).by_client(client);
            let answer = answer.send(&issuer);
            error(&answer, StatusCode::BAD_REQUEST, "unsupported_grant_type", grant);
        }
    }
    invalid_request(&Draft::post("/token", &[("code", "x")]).by_client(C1).send(&issuer), "none");

    let signed_in = SignedIn::new(&issuer, Ask::of(BRIEF).set("scope", "openid offline_access"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert_eq!((tokens.refresh.as_deref(), tokens.scope()), (None, vec!["openid"]));
    let other = offline_tokens(&issuer, C1);
    let answer = BRIEF.refresh(other.refresh()).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "unauthorized_client", "refresh");
    Tokens::of(&C1.refresh(other.refresh()).send(&issuer));
}

#[test]
fn tc_19_good_answers_are_kept_by_nobody() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let answer = signed_in.redeem().send(&issuer);
    let refreshed = C1.refresh(Tokens::of(&answer).refresh()).send(&issuer);
    let told = userinfo(&Tokens::of(&refreshed).access).send(&issuer);
    for answer in [answer, refreshed, told] {
        for (name, value) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("pragma", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("set-cookie", ""),
        ] {
            assert_eq!(header(&answer, name), value, "{name}");
        }
    }
}

#[test]
fn tc_20_scripts_read_answers_only_where_a_client_has_its_origin() {
    let issuer = issuer();
    let paths = ["/token", "/revoke", "/userinfo"];
    for path in paths {
        for (origin, allowed) in [
            ("https://spa.test", "https://spa.test"),
            ("https://evil.test", ""),
            ("https://spa.test.evil.test", ""),
            ("https://SPA.test", ""),
            ("http://spa.test", ""),
            ("null", ""),
        ] {
            let preflight = Draft::new(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .send(&issuer);
            assert!(preflight.status().is_success());
            let asked = Draft::post(path, &[]).header("origin", origin).send(&issuer);
            for answer in [preflight, asked] {
                let name = "access-control-allow-origin";
                assert_eq!(header(&answer, name), allowed, "{path} {origin}");
                assert_eq!(header(&answer, "access-control-allow-credentials"), "");
                assert!(header(&answer, "vary").to_ascii_lowercase().contains("origin"));
                assert!(answer.body().is_empty() || json(&answer).contains_key("error"));
            }
        }
    }
    for path in ["/authorize", "/sign-in", "/end_session"] {
        let answer = Draft::new(Method::OPTIONS, path).header("origin", "https://spa.test");
        assert_eq!(header(&answer.send(&issuer), "access-control-allow-origin"), "", "{path}");
    }
}

#[test]
fn tc_20_the_code_of_a_client_in_a_browser_is_redeemed_from_its_origin() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C4));
    let answer = signed_in.redeem().header("origin", "https://spa.test").send(&issuer);
    assert_eq!(header(&answer, "access-control-allow-origin"), "https://spa.test");
    Tokens::of(&answer);
}

#[test]
fn tc_21_tc_22_a_token_request_widens_nothing() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let draft = signed_in.redeem().set("scope", "openid profile email");
    assert_eq!(Tokens::of(&draft.send(&issuer)).scope(), ["openid"], "RFC 6749 has no scope here");

    let signed_in = SignedIn::new(&issuer, Ask::of(API));
    for resource in ["https://other.test", "relative", "https://api.test/", "https://api.test#x"] {
        let answer = signed_in.redeem().set("resource", resource).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_target", resource);
    }
    let tokens = Tokens::of(&signed_in.redeem().set("resource", "https://api.test").send(&issuer));
    let answer = API.refresh(tokens.refresh()).set("resource", "https://other.test").send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_target", "before it is rotated");
    Tokens::of(&API.refresh(tokens.refresh()).send(&issuer));
}

#[test]
fn tc_23_tc_25_tokens_say_what_they_have_to() {
    let issuer = issuer();
    let mut seen = Vec::new();
    for client in KINDS {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
        let id = believe::id_token(&issuer, &signed_in.ask, &tokens);
        assert!(id["exp"].as_u64().unwrap() - id["iat"].as_u64().unwrap() <= 300);
        assert!(id["auth_time"].as_u64() <= id["iat"].as_u64());

        let access = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
        assert_eq!(access["client_id"], client.id);
        assert_eq!(access["sub"], id["sub"]);
        assert_eq!(access["scope"], "openid");
        assert_eq!(
            access["exp"].as_u64().unwrap() - access["iat"].as_u64().unwrap(),
            tokens.said["expires_in"].as_u64().unwrap()
        );
        let next = Tokens::of(&client.refresh(tokens.refresh()).send(&issuer));
        let next = believe::access_token(&issuer, &next.access, issuer.url()).unwrap();
        seen.extend([access["jti"].clone(), next["jti"].clone()]);
    }
    let all = seen.len();
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), all, "every jti is another");

    let signed_in = SignedIn::new(&issuer, Ask::of(API));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert!(believe::access_token(&issuer, &tokens.access, "https://api.test").is_ok());
    assert!(believe::access_token(&issuer, &tokens.access, "https://other.test").is_err());
}

#[test]
fn tc_26_every_refused_grant_reads_the_same() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let unknown = signed_in.redeem().set("code", "x").send(&issuer);
    let others = signed_in.redeem().by_client(C6).send(&issuer);
    let verifier = signed_in.redeem().set("code_verifier", &fresh("v")).send(&issuer);
    Tokens::of(&signed_in.redeem().send(&issuer));
    let again = signed_in.redeem().send(&issuer);
    let tokens = offline_tokens(&issuer, C1);
    let foreign = C6.refresh(tokens.refresh()).send(&issuer);
    let garbage = C1.refresh("x").send(&issuer);
    for answer in [&others, &verifier, &again, &foreign, &garbage] {
        invalid_grant(answer, "refused");
        assert_eq!(answer.body(), unknown.body());
    }
}

#[test]
fn pl_who_forges_no_handle_creates_no_object() {
    let Some(issuer) = needs_clock() else { return };
    for client in KINDS {
        let garbage = "A".repeat(150);
        client.refresh(&garbage).send(&issuer);
        client.revoke(&garbage).send(&issuer);
        client.redeem(&garbage, &Ask::of(client)).send(&issuer);
        let browser = Browser::new(&issuer);
        browser.plant("localhost", "__Host-gatelatch-sign-in", &garbage);
        browser.get(&Ask::of(client).url(&issuer));
    }
    // But for the marks that assertions leave, by which their clients proved who they are.
    let marks = issuer.inside().memory.dump().matches("\"spent\"").count();
    let signing = KINDS.into_iter().filter(|kind| matches!(kind.auth, Auth::PrivateKeyJwt(_)));
    assert_eq!(marks, 3 * signing.count());
    assert_eq!(issuer.inside().memory.len(), marks);
}
