//! AZ-34, TC-22, RT-10: resource indicators, RFC 8707. A token is for nobody whom the operator, the
//! person's grant or the client itself has left out.

use crate::authorize::sent_back;
use http::StatusCode;
use shared::fetch::Response;
use tests::believe;
use tests::client::{API, Ask, C1, C3, Draft, SignedIn, Tokens, userinfo};
use tests::expect::error;
use tests::world::{Issuer, issuer};

const HOME: &str = "https://api.test";
const FILES: &str = "https://files.test/v1";
const MAIL: &str = "urn:test:mail";

/// Wrong in every way: unknown, relative, of another spelling.
const WRONG: [&str; 8] = [
    "https://other.test",
    "relative",
    "https://api.test#x",
    "https://api.test/",
    "HTTPS://API.TEST",
    "https://files.test/v1/",
    "https://files.test",
    "https://files.test/v1?x",
];

fn asked(resources: &[&str]) -> Ask {
    resources.iter().fold(Ask::of(API), |ask, resource| ask.add("resource", resource))
}

fn naming(draft: Draft, resources: &[&str]) -> Draft {
    resources.iter().fold(draft, |draft, resource| draft.add("resource", resource))
}

/// Whom an answer's access token is for, but for the issuer.
fn audience(issuer: &Issuer, answer: &Response) -> Vec<String> {
    let tokens = Tokens::of(answer);
    let claims = believe::access_token(issuer, &tokens.access, issuer.url()).unwrap();
    let audience = claims["aud"].as_array().unwrap().iter();
    let audience = audience.map(|one| one.as_str().unwrap().to_owned());
    audience.filter(|one| one != issuer.url()).collect()
}

fn refused(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_target", what);
}

#[test]
fn az_34_a_resource_that_the_client_may_not_have_is_refused_at_once() {
    let issuer = issuer();
    for resource in WRONG {
        sent_back(&issuer, &asked(&[resource]), "invalid_target");
        sent_back(&issuer, &asked(&[HOME, resource]), "invalid_target");
        sent_back(&issuer, &asked(&[resource, FILES]), "invalid_target");
    }
    sent_back(&issuer, &Ask::of(C1).set("resource", HOME), "invalid_target");
    let flood: Vec<_> = (0..40).map(|number| format!("https://r{number}.test")).collect();
    let flood: Vec<_> = flood.iter().map(String::as_str).collect();
    sent_back(&issuer, &asked(&flood), "invalid_target");
}

#[test]
fn az_34_rfc8707_2_tokens_are_for_every_resource_that_was_named() {
    let issuer = issuer();
    for (named, audience_wanted) in [
        (&[][..], &[HOME][..]),
        (&[""], &[HOME]),
        (&[HOME], &[HOME]),
        (&[FILES], &[FILES]),
        (&[MAIL, FILES], &[FILES, MAIL]),
        (&[FILES, FILES], &[FILES]),
        (&[FILES, MAIL, HOME], &[HOME, FILES, MAIL]),
    ] {
        let signed_in = SignedIn::new(&issuer, asked(named));
        let answer = signed_in.redeem().send(&issuer);
        assert_eq!(audience(&issuer, &answer), audience_wanted, "{named:?}");
        let tokens = Tokens::of(&answer);
        assert_eq!(userinfo(&tokens.access).send(&issuer).status(), StatusCode::OK);
        let answer = API.refresh(tokens.refresh()).send(&issuer);
        assert_eq!(audience(&issuer, &answer), audience_wanted, "{named:?}");
    }
    // Without openid it is not for us.
    let signed_in = SignedIn::new(&issuer, asked(&[FILES]).set("scope", "profile"));
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    let claims = believe::access_token(&issuer, &tokens.access, FILES).unwrap();
    assert_eq!(claims["aud"], serde_json::json!([FILES]));
}

#[test]
fn tc_22_a_resource_that_was_not_granted_leaves_the_code_as_it_is() {
    let issuer = issuer();
    for (granted, wrong) in [
        (&[FILES, MAIL][..], &[HOME][..]),
        (&[FILES, MAIL], &[FILES, HOME]),
        (&[FILES], &[MAIL]),
        (&[], &[FILES]),
        (&[], &[HOME, FILES]),
        (&[HOME], &[FILES]),
    ] {
        let signed_in = SignedIn::new(&issuer, asked(granted));
        for resource in WRONG {
            refused(&naming(signed_in.redeem(), &[resource]).send(&issuer), resource);
        }
        refused(&naming(signed_in.redeem(), wrong).send(&issuer), "not granted");
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

#[test]
fn tc_22_rt_10_each_token_is_for_the_part_that_it_was_asked_for() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, asked(&[FILES, MAIL]));
    let first = naming(signed_in.redeem(), &[MAIL]).send(&issuer);
    assert_eq!(audience(&issuer, &first), [MAIL]);
    let refresh = |tokens: &Tokens| API.refresh(tokens.refresh());
    let first = Tokens::of(&first);
    for wrong in [&[HOME][..], &[MAIL, HOME], &["relative"]] {
        refused(&naming(refresh(&first), wrong).send(&issuer), "before it is rotated");
    }
    let second = naming(refresh(&first), &[FILES]).send(&issuer);
    assert_eq!(audience(&issuer, &second), [FILES], "what was granted, not what was asked last");
    let third = refresh(&Tokens::of(&second)).send(&issuer);
    assert_eq!(audience(&issuer, &third), [FILES, MAIL]);
}

#[test]
fn rt_10_an_answer_is_repeated_for_the_same_resources_alone() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, asked(&[FILES, MAIL]));
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let refresh = |named: &[&str]| naming(API.refresh(first.refresh()), named).send(&issuer);
    let answer = Tokens::of(&refresh(&[FILES]));
    refused(&refresh(&[MAIL]), "another resource");
    refused(&refresh(&[]), "more than before");
    let again = Tokens::of(&refresh(&[FILES]));
    assert_eq!(again.refresh, answer.refresh);
}

#[test]
fn tc_12_az_02_nothing_but_the_resource_may_be_repeated() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, asked(&[FILES]));
    let twice = naming(signed_in.redeem(), &[FILES, FILES]).add("grant_type", "authorization_code");
    error(&twice.send(&issuer), StatusCode::BAD_REQUEST, "invalid_request", "grant_type");
    let revoke = naming(API.revoke("x"), &[FILES, FILES]).send(&issuer);
    error(&revoke, StatusCode::BAD_REQUEST, "invalid_request", "there is none at /revoke");
    Tokens::of(&naming(signed_in.redeem(), &[FILES, FILES]).send(&issuer));
}

#[test]
fn az_14_words_of_the_operators_own_are_granted_to_whom_they_are_registered() {
    let issuer = issuer();
    let ask = Ask::of(API).set("scope", "openid reports.read other.word");
    let signed_in = SignedIn::new(&issuer, ask);
    let tokens = Tokens::of(&signed_in.redeem().send(&issuer));
    assert_eq!(tokens.scope(), ["openid", "reports.read"]);
    let claims = believe::access_token(&issuer, &tokens.access, HOME).unwrap();
    assert_eq!(claims["scope"], "openid reports.read");
    let narrow = API.refresh(tokens.refresh()).set("scope", "reports.read").send(&issuer);
    assert_eq!(Tokens::of(&narrow).scope(), ["reports.read"]);

    for client in [C1, C3] {
        sent_back(&issuer, &Ask::of(client).set("scope", "reports.read"), "invalid_scope");
    }
    let reply = SignedIn::new(&issuer, Ask::of(C1).set("scope", "openid reports.read"));
    assert_eq!(Tokens::of(&reply.redeem().send(&issuer)).scope(), ["openid"]);
    let listed = Draft::new(http::Method::GET, "/.well-known/openid-configuration").send(&issuer);
    let listed = tests::client::json(&listed);
    assert!(listed["scopes_supported"].as_array().unwrap().contains(&"reports.read".into()));
}
