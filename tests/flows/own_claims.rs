//! Claims of the operator's own: told where the settings say, to whom they are open, and to nobody else.

use crate::issuer;
use serde_json::{Map, Value, json};
use tests::client::{Ask, C1, SignedIn, Tokens, userinfo};
use tests::pair::claims as payload;
use tests::world::{Issuer, settings};

fn deployed(settings: &mut Map<String, Value>) {
    settings.insert(
        "CLAIMS".to_owned(),
        json!({
            "team": { "in": ["id_token", "access_token", "userinfo"], "scope": "profile" },
            "groups": { "type": "list", "in": ["access_token"] },
            "secret_plan": { "in": ["userinfo"], "scope": "phone" },
        }),
    );
    let alice = settings["ACCOUNTS"][0].as_object_mut().expect("an account");
    alice.insert("team".to_owned(), "red".into());
    alice.insert("groups".to_owned(), json!(["staff", "admins"]));
    alice.insert("secret_plan".to_owned(), "gold".into());
}

fn with_claims() -> Issuer {
    let mut settings = settings();
    deployed(&mut settings);
    Issuer::in_process(&settings)
}

fn told(issuer: &Issuer, tokens: &Tokens) -> Map<String, Value> {
    tests::client::json(&userinfo(&tokens.access).send(issuer))
}

#[test]
fn an_own_claim_stands_in_each_place_that_the_settings_name() {
    let issuer = with_claims();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1).set("scope", "openid profile"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let (id, access) = (payload(tokens.id()), payload(&tokens.access));
    assert_eq!((&id["team"], id.get("groups")), (&json!("red"), None));
    assert_eq!((&access["team"], &access["groups"]), (&json!("red"), &json!(["staff", "admins"])));
    assert_eq!(told(&issuer, &tokens)["team"], "red");
    assert_eq!(told(&issuer, &tokens).get("groups"), None);
    // The next access token says the same.
    let next = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
    let access = payload(&next.access);
    assert_eq!((&access["team"], &access["groups"]), (&json!("red"), &json!(["staff", "admins"])));
    // And one that is exchanged for it, as far as its scope opens them still.
    let exchanged = |scope: &str| {
        let answer = C1.exchange(&next.access).set("scope", scope).send(&issuer);
        let access = payload(&Tokens::of(&answer).access);
        (access.contains_key("team"), access.contains_key("groups"))
    };
    assert_eq!(exchanged("openid profile"), (true, true));
    assert_eq!((exchanged("openid"), exchanged("profile")), ((false, true), (true, false)));
}

#[test]
fn an_own_claim_is_opened_by_its_scope_word_and_by_no_other() {
    let issuer = with_claims();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1).set("scope", "openid"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert_eq!(payload(tokens.id()).get("team"), None);
    assert_eq!(payload(&tokens.access).get("team"), None);
    assert_eq!(payload(&tokens.access)["groups"], json!(["staff", "admins"]));
    let told = told(&issuer, &tokens);
    assert!(told.get("team").is_none() && told.get("secret_plan").is_none(), "{told:?}");
}

#[test]
fn what_is_taken_from_a_client_is_not_told_again_though_the_grant_is_older() {
    let issuer = with_claims();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1).set("scope", "openid profile"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    issuer.inside().deploy_again(|settings| {
        deployed(settings);
        settings["CLIENTS"][0]["scope"] = "openid offline_access".into();
    });
    let next = Tokens::of(&C1.refresh(tokens.refresh()).send(&issuer));
    assert_eq!(payload(&next.access).get("team"), None);
    assert_eq!(payload(&next.access)["groups"], json!(["staff", "admins"]));
    assert_eq!(told(&issuer, &next).get("team"), None);
}

#[test]
fn without_own_claims_tokens_say_what_they_always_said() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let names: Vec<_> = payload(&tokens.access).keys().cloned().collect();
    let wanted = "amr aud auth_time client_id exp iat iss jti scope sid sub";
    assert_eq!(names.join(" "), wanted);
}
