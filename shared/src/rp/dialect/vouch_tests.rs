//! Whom a provider vouches for by a signed token: what has to be in it, and what must not.

use super::authkit::AuthKit;
use super::open_id::{OpenId, Required};
use super::*;
use crate::jose::native::Native;
use crate::rp::fixture::{NOON, Peer, claims, client, metadata, provider, sign};
use pollster::block_on;
use serde_json::json;

fn vouch(dialect: &Dialect, answer: &Value) -> Result<Vouched, NotVouched> {
    let (peer, fetch) = Peer::with_fetch();
    peer.put("/token", 200, &answer.to_string());
    let (party, provider, verifier) = (client(), provider(), Native);
    let metadata = ProviderMetadata { userinfo_endpoint: None, ..metadata() };
    let at = Desk {
        party: &party,
        provider: &provider,
        metadata: &metadata,
        fetch: &fetch,
        verifier: &verifier,
        now: NOON,
    };
    let flow = Flow {
        state: "s".to_owned(),
        nonce: "n".to_owned(),
        verifier: crate::secret::Verifier::new("v".repeat(43)),
        max_age: None,
        resource: None,
    };
    block_on(dialect.vouch(&at, &Code::new("c"), &flow))
}

/// An answer of `AuthKit`'s, with these claims in its token besides.
fn authkit(more: &Value) -> Result<Vouched, NotVouched> {
    let mut claims = json!({
        "iss": "https://api.workos.test", "sub": "user_1", "sid": "session_1", "jti": "1",
        "iat": NOON.0, "exp": NOON.0 + 300,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let dialect = AuthKit { issuers: vec!["https://api.workos.test".into()], organization: None };
    let answer = json!({ "user": { "id": "user_1" }, "access_token": sign(&claims) });
    vouch(&Dialect::AuthKit(dialect), &answer)
}

fn refused(answer: &Result<Vouched, NotVouched>, why: IdTokenRefused) -> bool {
    answer.as_ref().err() == Some(&NotVouched::IdToken(why))
}

#[test]
fn fd_10_fd_11_a_token_of_authkit_names_no_client_or_this_one() {
    // As a rule it names nobody; a template of the operator's may name us, and APIs besides.
    for good in [
        json!({}),
        json!({ "aud": "app" }),
        json!({ "aud": ["app"] }),
        json!({ "aud": ["https://api.test", "app"] }),
        json!({ "client_id": "app", "azp": "app" }),
    ] {
        assert!(authkit(&good).is_ok(), "{good}");
    }
    for bad in [
        json!({ "aud": "other" }),
        json!({ "aud": ["other", "https://api.test"] }),
        json!({ "aud": [] }),
        json!({ "aud": "" }),
        json!({ "aud": null }),
        json!({ "aud": 1 }),
        json!({ "aud": { "app": true } }),
        json!({ "aud": "App" }),
        json!({ "client_id": "other" }),
        json!({ "client_id": ["app"] }),
        json!({ "aud": "app", "client_id": "other" }),
        json!({ "azp": "other" }),
    ] {
        assert!(refused(&authkit(&bad), IdTokenRefused::Audience), "{bad}");
    }
}

#[test]
fn fd_10_a_token_of_authkit_was_not_made_in_the_future() {
    let at = |seconds: i64| json!(NOON.0.saturating_add_signed(seconds));
    for good in [
        json!({ "iat": at(60) }),
        json!({ "iat": at(-86_400) }),
        json!({ "nbf": at(60) }),
        json!({ "exp": at(-4) }),
        json!({ "iat": 1_800_000_000.5 }),
    ] {
        assert!(authkit(&good).is_ok(), "{good}");
    }
    for bad in [
        json!({ "iat": at(61) }),
        json!({ "iat": at(3_600), "exp": at(7_200) }),
        json!({ "iat": "now" }),
        json!({ "iat": null }),
        json!({ "nbf": at(61) }),
        json!({ "exp": at(-5) }),
        json!({ "exp": null }),
    ] {
        assert!(refused(&authkit(&bad), IdTokenRefused::Time), "{bad}");
    }
}

#[test]
fn whoever_acts_as_somebody_is_told_by_the_token_of_authkit_too() {
    let by = json!({ "act": { "sub": "help@workos.test" } });
    assert_eq!(authkit(&by).err(), Some(NotVouched::Impersonated));
    assert!(authkit(&json!({ "act": null })).is_ok());
}

/// Somebody of Auth0 comes for an organization, and this is in the ID token.
fn organization(wanted: &str, claim: &str, is_name: bool, there: &Value) -> Option<NotVouched> {
    let required = Required { claim: claim.into(), value: wanted.into(), is_name };
    let dialect = Dialect::OpenId(OpenId { required: vec![required], ..OpenId::default() });
    let mut claims = claims();
    claims.as_object_mut().unwrap().extend(there.as_object().unwrap().clone());
    let answer = json!({ "access_token": "a", "token_type": "bearer", "id_token": sign(&claims) });
    vouch(&dialect, &answer).err()
}

#[test]
fn fd_24_the_name_of_an_organization_is_the_same_in_capitals() {
    let id = "org_alpha";
    for (wanted, there) in [("alpha", "alpha"), ("alpha", "Alpha"), ("ALPHA", "alpha")] {
        let told = json!({ "org_id": id, "org_name": there });
        assert_eq!(organization(wanted, "org_name", true, &told), None, "{wanted} {there}");
    }
}

#[test]
fn fd_24_the_name_of_an_organization_that_is_wrong_absent_or_another_lets_nobody_in() {
    for there in [
        json!("beta"),
        json!("alphabet"),
        json!("alph"),
        json!("alpha "),
        json!("\u{ff41}lpha"),
        json!(""),
        json!(["alpha"]),
        json!({ "alpha": true }),
        json!(true),
        json!(null),
    ] {
        let told = json!({ "org_name": there });
        let refused = organization("alpha", "org_name", true, &told);
        assert_eq!(refused, Some(NotVouched::Elsewhere), "{there}");
    }
    // Its id does not stand in for its name, nor what somebody calls themselves.
    for told in [json!({}), json!({ "org_id": "alpha" }), json!({ "name": "alpha" })] {
        let refused = organization("alpha", "org_name", true, &told);
        assert_eq!(refused, Some(NotVouched::Elsewhere), "{told}");
    }
}

#[test]
fn fd_24_the_id_of_an_organization_is_compared_byte_for_byte() {
    let told = |there: Value| json!({ "org_id": there, "org_name": "alpha" });
    assert_eq!(organization("org_aB1", "org_id", false, &told(json!("org_aB1"))), None);
    for there in
        [json!("org_ab1"), json!("ORG_AB1"), json!("org_other"), json!(["org_aB1"]), json!(null)]
    {
        let refused = organization("org_aB1", "org_id", false, &told(there.clone()));
        assert_eq!(refused, Some(NotVouched::Elsewhere), "{there}");
    }
}
