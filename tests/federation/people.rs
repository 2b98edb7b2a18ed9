//! Who somebody is, whatever their provider calls them, and what of it is believed.

use crate::{ask, refused};
use http::StatusCode;
use serde_json::Value;
use stand_in::{ALWAYS, Claim, Endpoint, Fault};
use tests::federation::{HOST, Net, Preset, Visit, net, net_of, net_with};

fn subject(net: &Net, id: &str, person: &str) -> String {
    Visit::new(net, ask()).sign_in(id, person).text("sub").to_owned()
}

#[test]
fn fd_14_an_address_is_verified_when_the_provider_says_true_and_nothing_like_it() {
    let odd = ["\"false\"", "\"true\"", "1", "0", "null", "[]", "false", "{}"];
    let odd = odd.map(|text| Claim::Is(serde_json::from_str(text).expect("JSON")));
    let net = net();
    for (preset, endpoint) in [
        (Preset::Auth0, Endpoint::Userinfo),
        (Preset::Google, Endpoint::Userinfo),
        (Preset::OpenId, Endpoint::Userinfo),
        (Preset::AuthKit, Endpoint::Token),
        (Preset::GitHub, Endpoint::Emails),
    ] {
        for claim in odd.iter().chain([&Claim::Absent]) {
            let fault = Fault::EmailVerified(claim.clone());
            net.stand_in.fault(&preset.place(), endpoint, fault, 1);
            let arrived = Visit::new(&net, ask()).sign_in(preset.id(), "alice");
            let told = arrived.claims.get("email_verified");
            let is_said = told.is_none_or(|told| *told == false);
            assert!(is_said, "{preset:?} {claim:?}: {told:?}");
            let address = arrived.text("email");
            let wanted = if preset == Preset::GitHub { "" } else { "alice@alpha.test" };
            assert_eq!(address, wanted, "{preset:?} {claim:?}");
        }
        net.stand_in.fault(
            &preset.place(),
            endpoint,
            Fault::EmailVerified(Claim::Is(true.into())),
            1,
        );
        let arrived = Visit::new(&net, ask()).sign_in(preset.id(), "bob");
        assert_eq!(arrived.claims.get("email_verified"), Some(&Value::from(true)), "{preset:?}");
    }
}

#[test]
fn fd_14_what_entra_says_of_an_address_does_not_verify_it_unless_the_domain_is_theirs() {
    let net = net();
    let place = Preset::Entra.place();
    net.stand_in.fault(
        &place,
        Endpoint::Token,
        Fault::EmailVerified(Claim::Is(true.into())),
        ALWAYS,
    );
    let bob = Visit::new(&net, ask()).sign_in("entra", "bob");
    assert_eq!(
        (bob.text("email"), &bob.claims["email_verified"]),
        ("bob@alpha.test", &false.into())
    );
    let alice = Visit::new(&net, ask()).sign_in("entra", "alice");
    assert_eq!(alice.claims["email_verified"], true);
}

#[test]
fn fd_19_nobody_signs_in_at_github_without_a_number_that_is_one() {
    let net = net();
    let alice = subject(&net, "github", "alice");
    for person in ["ivan", "judy", "kim", "leo"] {
        let visit = Visit::new(&net, ask());
        let answer = visit.go("github", person).expect("an answer");
        refused(&visit, &answer, person);
    }
    assert_eq!(subject(&net, "github", "alice"), alice);
}

#[test]
fn fd_20_who_takes_over_the_login_of_somebody_is_somebody_else() {
    let net = net();
    let alice = subject(&net, "github", "alice");
    // The same login, with another number behind it.
    let fault = Fault::UserinfoOtherSubject;
    net.stand_in.fault(&Preset::GitHub.place(), Endpoint::Userinfo, fault, 1);
    assert_ne!(subject(&net, "github", "alice"), alice);
    assert_eq!(subject(&net, "github", "alice"), alice);
}

#[test]
fn fd_21_the_same_subject_at_two_providers_is_two_people() {
    let net = net_with(&[
        Preset::OpenId.entry("second", "second"),
        Preset::GitHub.entry("server", "server"),
        Preset::Auth0.entry("tenant", "tenant"),
        Preset::AuthKit.entry("environment", "environment"),
        Preset::Google.entry("other", "other"),
    ]);
    for (one, other) in [
        ("openid", "second"),
        ("github", "server"),
        ("auth0", "tenant"),
        ("authkit", "environment"),
        ("google", "other"),
    ] {
        assert_ne!(subject(&net, one, "alice"), subject(&net, other, "alice"), "{one} and {other}");
        assert_eq!(subject(&net, one, "alice"), subject(&net, one, "alice"), "{one}");
    }
}

#[test]
fn fd_13_fd_15_the_same_address_at_several_providers_makes_nobody_the_same() {
    let net = net();
    let mut all: Vec<_> =
        Preset::ALL.iter().map(|preset| subject(&net, preset.id(), "alice")).collect();
    // Two who claim her address, one of them verified.
    all.push(subject(&net, "openid", "mallory"));
    all.push(subject(&net, "openid", "niaj"));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), Preset::ALL.len() + 2);
}

#[test]
fn fd_22_github_without_a_verified_primary_address_tells_none() {
    let net = net();
    for person in ["heidi", "carol", "bob"] {
        let arrived = Visit::new(&net, ask()).sign_in("github", person);
        assert!(!arrived.claims.contains_key("email"), "{person}: {:?}", arrived.claims);
        assert!(!arrived.claims.contains_key("email_verified"), "{person}");
    }
    for status in [403, 404] {
        let fault = Fault::Status(status);
        net.stand_in.fault(&Preset::GitHub.place(), Endpoint::Emails, fault, 1);
        let arrived = Visit::new(&net, ask()).sign_in("github", "alice");
        assert!(!arrived.claims.contains_key("email"), "{status}: {:?}", arrived.claims);
    }
    let mut entry = Preset::GitHub.entry("narrow", "narrow");
    entry["scope"] = "read:user".into();
    let net = net_of(&[entry]);
    let arrived = Visit::new(&net, ask()).sign_in("narrow", "alice");
    assert!(!arrived.claims.contains_key("email"), "{:?}", arrived.claims);
}

#[test]
fn fd_24_what_was_asked_for_is_checked_in_what_comes_back() {
    let with = |preset: Preset, member: &str, value: &str| {
        let mut entry = preset.entry("strict", "strict");
        entry[member] = value.into();
        entry
    };
    for (preset, entry, asked, asks) in [
        (Preset::Google, with(Preset::Google, "hosted_domain", "alpha.test"), "hd=alpha.test", ""),
        (
            Preset::Auth0,
            with(Preset::Auth0, "organization", "org_alpha"),
            "organization=org_alpha",
            "organization=org_beta",
        ),
        (
            Preset::Auth0,
            with(Preset::Auth0, "organization", "org_alpha"),
            "organization=org_alpha",
            "",
        ),
        (
            Preset::AuthKit,
            with(Preset::AuthKit, "organization", "org_alpha"),
            "organization_id=org_alpha",
            "organization_id=org_beta",
        ),
        (
            Preset::AuthKit,
            with(Preset::AuthKit, "organization", "org_alpha"),
            "organization_id=org_alpha",
            "provider=authkit",
        ),
        (
            Preset::WorkosSso,
            with(Preset::WorkosSso, "organization", "org_alpha"),
            "organization=org_alpha",
            "organization=org_beta",
        ),
        (
            Preset::WorkosSso,
            with(Preset::WorkosSso, "organization", "org_alpha"),
            "organization=org_alpha",
            "provider=GoogleOAuth",
        ),
        (Preset::Entra, Preset::Entra.entry("strict", "strict"), "", ""),
    ] {
        let net = net_of(&[entry]);
        subject(&net, "strict", "alice");
        let visit = Visit::new(&net, ask());
        let url = visit.leave("strict").expect("the way there");
        assert!(url.contains(asked), "{preset:?}: {url}");
        // Dave is of another organization, domain and tenant, and knows how to change an address.
        let changed = url.replace(asked, asks);
        let callback = visit.prove(&changed, "dave").expect("the provider takes him");
        refused(&visit, &visit.browser.get(&callback), &format!("{preset:?} {asks}"));
    }
}

#[test]
fn fd_24_an_organization_of_auth0_that_is_named_is_checked_by_its_name() {
    for name in ["alpha", "Alpha"] {
        let mut entry = Preset::Auth0.entry("named", "named");
        entry["organization"] = name.into();
        let net = net_of(&[entry]);
        subject(&net, "named", "alice");
        let asked = format!("organization={name}");
        for (asks, what) in [
            ("organization=beta", "another one"),
            ("organization=org_alpha", "the same by its id, so that the token has no name"),
            ("", "none"),
        ] {
            let person = if asks == "organization=beta" { "dave" } else { "alice" };
            let visit = Visit::new(&net, ask());
            let url = visit.leave("named").expect("the way there");
            assert!(url.contains(&asked), "{url}");
            let callback = visit.prove(&url.replace(&asked, asks), person);
            let callback = callback.expect("the provider takes them");
            refused(&visit, &visit.browser.get(&callback), &format!("{name}: {what}"));
        }
    }
}

#[test]
fn whoever_works_at_workos_and_acts_as_somebody_is_not_let_in() {
    let net = net();
    net.change("/user_management/authenticate", |told| {
        told["impersonator"] = serde_json::json!({ "email": "help@workos.test", "reason": null });
    });
    let visit = Visit::new(&net, ask());
    refused(&visit, &visit.go("authkit", "alice").expect("an answer"), "impersonated");
    net.change("/user_management/authenticate", |told| told["impersonator"] = Value::Null);
    subject(&net, "authkit", "alice");
}

#[test]
fn github_may_not_answer_in_a_form_when_json_was_asked_for() {
    let net = net();
    let visit = Visit::new(&net, ask());
    let callback = visit.prove(&visit.leave("github").expect("the way"), "alice").expect("a way");
    let url = format!("https://{HOST}/{}/login/oauth/access_token", Preset::GitHub.place());
    let form = "access_token=gho_from_a_form&scope=read%3Auser&token_type=bearer";
    net.issuer.inside().elsewhere.put(&url, StatusCode::OK, form);
    refused(&visit, &visit.browser.get(&callback), "a form");
    assert_eq!(net.stand_in.seen_at(&Preset::GitHub.place(), Endpoint::Userinfo).len(), 0);
}

#[test]
fn an_error_of_github_that_says_200_signs_nobody_in() {
    let net = net();
    for error in [
        "incorrect_client_credentials",
        "redirect_uri_mismatch",
        "bad_verification_code",
        "unverified_user_email",
    ] {
        let fault = Fault::Error { status: 200, error: error.to_owned() };
        net.stand_in.fault(&Preset::GitHub.place(), Endpoint::Token, fault, 1);
        let visit = Visit::new(&net, ask());
        refused(&visit, &visit.go("github", "alice").expect("an answer"), error);
    }
}
