//! Who may change a registration, and how: RFC 7592, and administrators.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::{Ask, C1, Client, Draft, SignedIn, Tokens, json as object, userinfo};
use tests::expect::{error, header, invalid_client, unauthorized};
use tests::people::{ALICE, BOB, Person};
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::{Issuer, issuer, needs_clock};

const TOKEN: &str = INITIAL[0];
const ADMIN_SCOPE: &str = "openid gatelatch:clients";

/// An issuer whose administrator is Alice, and whose client C1 may ask for the scope.
fn with_admin() -> Option<Issuer> {
    let issuer = needs_clock()?;
    let tokens = Tokens::of(&SignedIn::new(&issuer, Ask::of(C1)).redeem().send(&issuer));
    let claims = object(&userinfo(&tokens.access).send(&issuer));
    issuer.inside().deploy_again(|settings| {
        settings.insert("ADMINS".to_owned(), json!([claims["sub"]]));
        settings["CLIENTS"][0]["scope"] = format!("{ADMIN_SCOPE} offline_access").into();
    });
    Some(issuer)
}

fn access(issuer: &Issuer, client: Client, person: Person, scope: &str) -> Tokens {
    let ask = Ask::of(client).set("scope", scope);
    Tokens::of(&SignedIn::by(issuer, ask, person).redeem().send(issuer))
}

fn insufficient(draft: &Draft, issuer: &Issuer, what: &str) {
    let answer = draft.send(issuer);
    error(&answer, StatusCode::FORBIDDEN, "insufficient_scope", what);
    let challenge = header(&answer, "www-authenticate");
    assert!(challenge.contains("insufficient_scope") && challenge.contains("gatelatch:clients"));
}

#[test]
fn an_administrator_registers_reads_changes_and_removes_clients() {
    let Some(issuer) = with_admin() else { return };
    let admin = access(&issuer, C1, ALICE, ADMIN_SCOPE).access;
    let registered = Registered::new(&issuer, &admin, &metadata());
    let path = format!("/register/{}", registered.id());
    let read = Draft::new(Method::GET, &path).bearer(&admin);
    let said = object(&read.send(&issuer));
    assert_eq!(said["client_id"], registered.id());
    // An administrator sees everything but the credentials.
    for secret in ["client_secret", "registration_access_token"] {
        assert!(!said.contains_key(secret), "{secret}");
    }
    let changed = registered.put(&with(&json!({ "client_name": "Other" }))).bearer(&admin);
    assert_eq!(object(&changed.send(&issuer))["client_name"], "Other");
    let remove = Draft::new(Method::DELETE, &path).bearer(&admin);
    assert_eq!(remove.send(&issuer).status(), StatusCode::NO_CONTENT);
    let gone = read.send(&issuer);
    error(&gone, StatusCode::NOT_FOUND, "invalid_request", "it is gone");
    let configured = Draft::new(Method::DELETE, "/register/c1").bearer(&admin).send(&issuer);
    error(&configured, StatusCode::NOT_FOUND, "invalid_request", "of the configuration");
}

#[test]
fn rg_02_rg_06_an_access_token_is_an_administrators_with_the_scope_and_alive() {
    let Some(issuer) = with_admin() else { return };
    let draft = |token: &str| register(token, &metadata());
    let admin = access(&issuer, C1, ALICE, "openid gatelatch:clients offline_access");
    Registered::of(&draft(&admin.access).send(&issuer));
    insufficient(&draft(&access(&issuer, C1, BOB, ADMIN_SCOPE).access), &issuer, "not an admin");
    insufficient(&draft(&access(&issuer, C1, ALICE, "openid").access), &issuer, "no scope");
    // Another client gets the word for nobody.
    let other = access(&issuer, tests::client::C2, ALICE, ADMIN_SCOPE);
    assert_eq!(other.scope(), ["openid"]);
    insufficient(&draft(&other.access), &issuer, "another client");
    for wrong in [admin.id(), admin.refresh(), &admin.access[..admin.access.len() - 1], "a.b.c"] {
        unauthorized(&draft(wrong).send(&issuer), wrong);
    }
    // Scope and office are looked at now and not when the token was issued.
    let settings = |issuer: &Issuer, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        issuer.inside().deploy_again(|settings| change(settings));
    };
    settings(&issuer, &|settings| settings["CLIENTS"][0]["scope"] = "openid offline_access".into());
    insufficient(&draft(&admin.access), &issuer, "the client may not any more");
    settings(&issuer, &|settings| {
        settings["CLIENTS"][0]["scope"] = format!("{ADMIN_SCOPE} offline_access").into();
    });
    Registered::of(&draft(&admin.access).send(&issuer));
    C1.revoke(admin.refresh()).send(&issuer);
    unauthorized(&draft(&admin.access).send(&issuer), "revoked");
    let admin = access(&issuer, C1, ALICE, ADMIN_SCOPE);
    let resigned = json!(["00000000-0000-4000-8000-000000000000"]);
    settings(&issuer, &|settings| settings["ADMINS"] = resigned.clone());
    insufficient(&draft(&admin.access), &issuer, "not in office any more");
    issuer.inside().pass(400);
    unauthorized(&draft(&admin.access).send(&issuer), "expired");
}

#[test]
fn rg_06_ti_06_an_administrators_token_that_somebody_else_is_shown_too_is_not_good_here() {
    let Some(issuer) = with_admin() else { return };
    let api = "https://api.test";
    issuer.inside().deploy_again(|settings| settings["CLIENTS"][0]["resources"] = json!([api]));
    let ask = Ask::of(C1).set("scope", ADMIN_SCOPE).set("resource", api);
    let shown = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer)).access;
    unauthorized(&register(&shown, &metadata()).send(&issuer), "the API may pass it on");
    let registered = Registered::new(&issuer, TOKEN, &metadata());
    unauthorized(&registered.manage(Method::DELETE).bearer(&shown).send(&issuer), "manages");
    // It is good for what it is for here, and one for us alone is for the rest.
    assert_eq!(userinfo(&shown).send(&issuer).status(), StatusCode::OK);
    let ours = access(&issuer, C1, ALICE, ADMIN_SCOPE).access;
    Registered::of(&register(&ours, &metadata()).send(&issuer));
}

#[test]
fn the_scope_of_administrators_is_there_when_they_are() {
    let Some(issuer) = needs_clock() else { return };
    let metadata = Draft::new(Method::GET, "/.well-known/openid-configuration");
    let has = |issuer: &Issuer| {
        let said = object(&metadata.send(issuer));
        said["scopes_supported"].as_array().unwrap().contains(&"gatelatch:clients".into())
    };
    assert!(!has(&issuer));
    assert!(has(&with_admin().unwrap()));
}

#[test]
fn rfc7592_2_2_a_client_says_everything_anew_under_its_own_name() {
    let issuer = issuer();
    let more = json!({ "client_uri": "https://dyn.test/", "contacts": ["a@dyn.test"] });
    let registered = Registered::new(&issuer, TOKEN, &with(&more));
    let changed = registered.put(&with(&json!({ "client_name": "Other", "contacts": null })));
    let said = object(&changed.send(&issuer));
    assert_eq!(said["client_name"], "Other");
    // What is not said again, or null, is gone.
    for member in ["client_uri", "contacts"] {
        assert!(!said.contains_key(member), "{member}");
    }
    for same in
        ["client_id", "client_id_issued_at", "registration_client_uri", "registration_access_token"]
    {
        assert_eq!(said[same], registered.said[same], "{same}");
    }
    let secret = with(&json!({ "client_secret": registered.text("client_secret") }));
    assert_eq!(registered.put(&secret).send(&issuer).status(), StatusCode::OK);

    let before = object(&registered.manage(Method::GET).send(&issuer));
    for bad in [
        json!({ "client_id": "c1" }),
        json!({ "client_id": 7 }),
        json!({ "client_secret": "mine" }),
        json!({ "client_secret": ["x"] }),
        json!({ "registration_access_token": registered.token() }),
        json!({ "registration_client_uri": "https://evil.test/" }),
        json!({ "client_secret_expires_at": 0 }),
        json!({ "client_id_issued_at": 0 }),
        json!({ "scope": "admin" }),
        json!({ "first_party": true }),
        json!({ "jwks_uri": "https://10.0.0.1/" }),
    ] {
        let answer = registered.put(&with(&bad)).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", &bad.to_string());
    }
    let nowhere = registered.put(&with(&json!({ "redirect_uris": ["http://evil.test/"] })));
    let answer = nowhere.send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_redirect_uri", "PUT");
    let stated = registered.put(&with(&json!({ "software_statement": "x" }))).send(&issuer);
    error(&stated, StatusCode::BAD_REQUEST, "invalid_software_statement", "PUT");
    assert_eq!(object(&registered.manage(Method::GET).send(&issuer)), before, "nothing changed");
}

#[test]
fn rfc7592_2_2_a_secret_comes_and_goes_with_the_method_that_needs_it() {
    let issuer = issuer();
    let method = |name: &str| with(&json!({ "token_endpoint_auth_method": name }));
    let registered = Registered::new(&issuer, TOKEN, &method("client_secret_basic"));
    let first = registered.client();
    let tokens = |client: Client| {
        let ask = Ask::of(client).set("scope", "openid offline_access");
        Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer))
    };
    tokens(first);

    // The same secret, sent in another way.
    let said = object(&registered.put(&method("client_secret_post")).send(&issuer));
    assert!(!said.contains_key("client_secret"));
    let tests::client::Auth::Basic(secret) = first.auth else { panic!("Basic") };
    let posted = Client { auth: tests::client::Auth::Post(secret), ..first };
    let family = tokens(posted);
    invalid_client(&first.refresh(family.refresh()).send(&issuer), true, "the former method");

    let said = object(&registered.put(&method("none")).send(&issuer));
    assert!(!said.contains_key("client_secret"));
    let public = Client { auth: tests::client::Auth::Public, ..first };
    tokens(public);
    invalid_client(&posted.refresh(family.refresh()).send(&issuer), false, "the former method");

    let said = object(&registered.put(&method("client_secret_basic")).send(&issuer));
    let fresh = said["client_secret"].as_str().unwrap().to_owned();
    assert_ne!(fresh, secret, "what was thrown away does not come back");
    assert_eq!(said["client_secret_expires_at"], 0);
    let fresh: &'static str = Box::leak(fresh.into_boxed_str());
    tokens(Client { auth: tests::client::Auth::Basic(fresh), ..first });
}

#[test]
fn two_that_register_anew_at_the_same_time_leave_one_of_them_whole() {
    let issuer = issuer();
    let registered = Registered::new(&issuer, TOKEN, &metadata());
    let names: Vec<_> = (0..20).map(|n| format!("Name {n}")).collect();
    let drafts = names.iter().map(|name| {
        let uri = format!("https://dyn.test/{}", &name[5..]);
        registered.put(&with(&json!({ "client_name": name, "redirect_uris": [uri] })))
    });
    let answers = issuer.ask_all(drafts.map(|draft| draft.request(&issuer)).collect());
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    let said = object(&registered.manage(Method::GET).send(&issuer));
    let name = said["client_name"].as_str().unwrap();
    assert!(names.iter().any(|known| known == name));
    let uri = said["redirect_uris"][0].as_str().unwrap();
    assert_eq!(uri, format!("https://dyn.test/{}", &name[5..]));
}

#[test]
fn a_client_that_is_removed_while_it_registers_anew_stays_removed() {
    let issuer = issuer();
    for _ in 0..5 {
        let registered = Registered::new(&issuer, TOKEN, &metadata());
        let remove = registered.manage(Method::DELETE).request(&issuer);
        let anew = registered.put(&metadata()).request(&issuer);
        let answers = issuer.ask_all(vec![anew, remove]);
        assert_eq!(answers[1].status(), StatusCode::NO_CONTENT);
        unauthorized(&registered.manage(Method::GET).send(&issuer), "it is gone");
    }
}
