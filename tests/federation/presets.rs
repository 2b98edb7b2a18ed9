//! Each preset signs somebody in: what it tells, and what it was asked.

use crate::ask;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::secret::Digest;
use stand_in::{Endpoint, GATELATCH, GITHUB_APP, Home};
use tests::federation::{Arrived, Net, Preset, Visit, net, net_of, net_with};

fn sign_in(net: &Net, id: &str, person: &str) -> Arrived {
    Visit::new(net, ask()).sign_in(id, person)
}

/// The claims that the person is known by, and whether the address is verified where it is told.
fn told(arrived: &Arrived) -> Value {
    let one = |name: &str| arrived.claims.get(name).cloned().unwrap_or_default();
    json!([one("name"), one("email"), one("email_verified")])
}

#[test]
fn each_preset_signs_alice_in_with_the_claims_that_its_provider_told() {
    let net = net();
    for preset in Preset::ALL {
        let arrived = sign_in(&net, preset.id(), "alice");
        let name = arrived.text("given_name").to_owned() + " " + arrived.text("family_name");
        let whole = match preset {
            // It has no `name` of its own.
            Preset::WorkosSso => name.as_str(),
            _ => arrived.text("name"),
        };
        assert_eq!(whole, "Alice Archer", "{preset:?}");
        assert_eq!(arrived.text("email"), "alice@alpha.test", "{preset:?}");
        // Nobody at that API says so.
        let is_told = preset != Preset::WorkosSso;
        let verified = arrived.claims.get("email_verified") == Some(&true.into());
        assert_eq!(verified, is_told, "{preset:?}");
    }
}

#[test]
fn each_preset_tells_of_everybody_no_more_than_their_provider_vouches_for() {
    let net = net();
    for preset in Preset::ALL {
        let bob = told(&sign_in(&net, preset.id(), "bob"));
        assert_ne!(bob[2], true, "{preset:?}: {bob}");
        // GitHub has a primary address and does not answer for it.
        let address = if preset == Preset::GitHub { Value::Null } else { "bob@alpha.test".into() };
        assert_eq!(bob[1], address, "{preset:?}: {bob}");
    }
    // Who has no address has none here; and no home, so the two that ask for one turn her away.
    for preset in [Preset::Auth0, Preset::AuthKit, Preset::GitHub, Preset::Google, Preset::OpenId] {
        let carol = sign_in(&net, preset.id(), "carol");
        for claim in ["email", "email_verified"] {
            let none = carol.claims.get(claim).is_none_or(|told| *told == false);
            assert!(none, "{preset:?}: {:?}", carol.claims);
        }
    }
}

#[test]
fn each_authorization_request_has_pkce_state_and_the_nonce_of_those_who_speak_openid() {
    let net = net();
    for preset in Preset::ALL {
        let place = preset.place();
        sign_in(&net, preset.id(), "alice");
        sign_in(&net, preset.id(), "alice");
        let asked = net.stand_in.seen_at(&place, Endpoint::Authorize);
        let gets: Vec<_> = asked.iter().filter(|seen| seen.method == "GET").collect();
        let [first, second] = gets[..] else { panic!("{preset:?}: {} requests", gets.len()) };
        let open_id =
            matches!(preset, Preset::Auth0 | Preset::Google | Preset::Entra | Preset::OpenId);
        for seen in [first, second] {
            assert_eq!(seen.get("code_challenge_method"), Some("S256"), "{preset:?}");
            assert_eq!(seen.get("client_id"), Some(GATELATCH.id));
            assert_eq!(seen.get("response_type"), Some("code"));
            assert_eq!(seen.get("nonce").is_some(), open_id, "{preset:?}");
            let redirect = net.issuer.at(&format!("/sign-in/callback/{}", preset.id()));
            assert_eq!(seen.get("redirect_uri"), Some(&*redirect));
            let mut names: Vec<_> = seen.query.iter().map(|(name, _)| name).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "{preset:?}: each once");
        }
        for fresh in ["state", "code_challenge"] {
            assert_eq!(first.get(fresh).map(str::len), Some(43), "{preset:?} {fresh}");
            assert_ne!(first.get(fresh), second.get(fresh), "{preset:?} {fresh}");
        }
        let redeemed = net.asked(&place, Endpoint::Token);
        let verifier = redeemed.get("code_verifier").expect("a verifier");
        assert_eq!(second.get("code_challenge"), Some(&*Digest::of(verifier).to_text()));
    }
}

#[test]
fn each_provider_is_shown_the_secret_in_its_own_way_and_nobody_else_sees_it() {
    let net = net();
    for preset in Preset::ALL {
        let place = preset.place();
        net.sent();
        sign_in(&net, preset.id(), "alice");
        let redeemed = net.asked(&place, Endpoint::Token);
        let header = redeemed.headers.get("authorization").map(String::as_str);
        match preset {
            Preset::OpenId => {
                let pair = format!("{}:{}", GATELATCH.id, preset.secret());
                assert_eq!(header, Some(&*format!("Basic {}", STANDARD.encode(pair))));
                assert_eq!(redeemed.get("client_secret"), None);
            }
            Preset::AuthKit => {
                let body = redeemed.json.as_ref().expect("JSON");
                assert_eq!((header, body["client_secret"].as_str()), (None, Some(preset.secret())));
            }
            Preset::Auth0 | Preset::WorkosSso | Preset::GitHub | Preset::Google | Preset::Entra => {
                assert!(redeemed.form.is_some(), "{preset:?}");
                assert_eq!((header, redeemed.get("client_secret")), (None, Some(preset.secret())));
            }
        }
        let path = format!("https://stand-in.test/{place}{}", redeemed.path);
        let encoded = STANDARD.encode(format!("{}:{}", GATELATCH.id, preset.secret()));
        for sent in net.sent() {
            let shows = |text: &str| text.contains(preset.secret()) || text.contains(&encoded);
            assert!(!shows(&sent.url), "{}", sent.url);
            assert_eq!(shows(&sent.told), sent.url == path, "{preset:?} {}", sent.url);
        }
    }
}

#[test]
fn github_is_told_who_asks_and_in_which_form_it_should_answer() {
    let net = net();
    sign_in(&net, "github", "alice");
    let place = Preset::GitHub.place();
    let token = net.asked(&place, Endpoint::Token);
    assert_eq!(token.headers["accept"], "application/json");
    for endpoint in [Endpoint::Userinfo, Endpoint::Emails] {
        let asked = net.asked(&place, endpoint);
        assert_eq!(asked.headers["user-agent"], "gatelatch");
        assert_eq!(asked.headers["accept"], "application/vnd.github+json");
        assert!(asked.headers["authorization"].starts_with("Bearer gho_"), "{endpoint:?}");
    }
    let asked = net.asked(&place, Endpoint::Authorize);
    assert_eq!(asked.get("scope"), Some("read:user user:email"));
}

#[test]
fn a_github_app_signs_people_in_as_well() {
    let mut entry = Preset::GitHub.entry("app", "app");
    entry["client_id"] = GITHUB_APP.id.into();
    let net = net_of(&[entry]);
    let arrived = sign_in(&net, "app", "alice");
    assert_eq!(told(&arrived), json!(["Alice Archer", "alice@alpha.test", true]));
    let token = &net.asked("github/app", Endpoint::Userinfo).headers["authorization"];
    assert!(token.starts_with("Bearer ghu_"), "{token}");
}

#[test]
fn each_provider_is_asked_for_what_its_entry_says_by_its_own_names() {
    let with = |preset: Preset, members: Value| {
        let mut entry = preset.entry("more", "more");
        for (name, value) in members.as_object().expect("members") {
            entry[name] = value.clone();
        }
        entry
    };
    let alone = |preset: Preset, member: &str, value: &str| {
        let mut entry = preset.entry("more", "more");
        entry.as_object_mut().expect("an entry").remove("organization");
        entry[member] = value.into();
        entry
    };
    for (preset, entry, wanted) in [
        (
            Preset::Auth0,
            with(
                Preset::Auth0,
                json!({ "audience": "https://api.alpha.test", "connection": "google-oauth2",
                    "organization": "org_alpha" }),
            ),
            &[
                ("audience", "https://api.alpha.test"),
                ("connection", "google-oauth2"),
                ("organization", "org_alpha"),
            ][..],
        ),
        (
            Preset::Google,
            with(Preset::Google, json!({ "hosted_domain": "alpha.test" })),
            &[("hd", "alpha.test")],
        ),
        (Preset::AuthKit, Preset::AuthKit.entry("more", "more"), &[("provider", "authkit")]),
        (
            Preset::AuthKit,
            alone(Preset::AuthKit, "organization", "org_alpha"),
            &[("organization_id", "org_alpha")],
        ),
        (
            Preset::AuthKit,
            alone(Preset::AuthKit, "connection", "conn_alpha"),
            &[("connection_id", "conn_alpha")],
        ),
        (
            Preset::WorkosSso,
            Preset::WorkosSso.entry("more", "more"),
            &[("organization", "org_alpha")],
        ),
        (
            Preset::WorkosSso,
            alone(Preset::WorkosSso, "connection", "conn_alpha"),
            &[("connection", "conn_alpha")],
        ),
    ] {
        let net = net_of(&[entry]);
        sign_in(&net, "more", "alice");
        let asked = net.asked(&preset.place_of("more"), Endpoint::Authorize);
        for (name, value) in wanted {
            assert_eq!(asked.get(name), Some(*value), "{preset:?} {name}");
        }
        if preset == Preset::AuthKit || preset == Preset::WorkosSso {
            let kinds =
                ["provider", "connection", "connection_id", "organization", "organization_id"];
            let there = kinds.iter().filter(|name| asked.get(name).is_some()).count();
            assert_eq!(there, 1, "{preset:?}: exactly one says where to");
        }
    }
}

#[test]
fn who_is_to_make_an_account_is_asked_so_where_there_is_a_word_for_it() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask().set("prompt", "create"));
        visit.sign_in(preset.id(), "alice");
        let asked = net.asked(&preset.place(), Endpoint::Authorize);
        let wanted = match preset {
            Preset::Auth0 => Some("signup"),
            Preset::AuthKit => Some("sign-up"),
            Preset::WorkosSso
            | Preset::GitHub
            | Preset::Google
            | Preset::Entra
            | Preset::OpenId => None,
        };
        assert_eq!(asked.get("screen_hint"), wanted, "{preset:?}");
        sign_in(&net, preset.id(), "alice");
        let asked = net.asked(&preset.place(), Endpoint::Authorize);
        assert_eq!(asked.get("screen_hint"), None, "{preset:?}");
    }
}

#[test]
fn one_tenant_of_entra_signs_its_people_in_by_its_own_issuer() {
    let mut entry = Preset::Entra.entry("alpha", "alpha");
    entry["tenant"] = Home::Alpha.tenant().into();
    entry.as_object_mut().expect("an entry").remove("tenants");
    let net = net_of(&[entry]);
    assert_eq!(sign_in(&net, "alpha", "alice").text("name"), "Alice Archer");
    let asked = net.asked("entra/alpha", Endpoint::Discovery);
    assert!(asked.path.starts_with(&format!("/{}/", Home::Alpha.tenant())), "{}", asked.path);
}

#[test]
fn a_workos_connect_domain_is_an_openid_provider() {
    let net = net_with(&[Preset::OpenId.entry("connect", "connect")]);
    assert_eq!(sign_in(&net, "connect", "alice").text("email"), "alice@alpha.test");
}
