//! Every mistake in `UPSTREAMS` is named, and what is right is read.

use super::*;
use crate::config::{Config, Problem};
use serde_json::{Value, json};
use shared::metadata::ProviderMetadata;
use shared::rp::dialect::github::GitHub;

const ALPHA: &str = "a1fa0000-0000-4000-8000-000000000001";

/// The configuration with these entries and a secret for each; or what is wrong with it.
fn read(entries: &Value) -> Result<Config, Vec<String>> {
    read_with(entries, |_| Some("an-upstream-secret".to_owned()))
}

fn read_with(
    entries: &Value,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<String>> {
    let found = |name: &str| match name {
        "ISSUER" => Some("https://idp.test".to_owned()),
        "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".to_owned()),
        "UPSTREAMS" => Some(entries.to_string()),
        name if name.starts_with("UPSTREAM_") => secret(name),
        _ => None,
    };
    let names = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.name).collect();
    Config::read(found).map_err(names)
}

/// An entry of a preset, as short as it can be, with these members besides; `null` takes one away.
fn entry(provider: &str, members: &Value) -> Value {
    let needed = match provider {
        "auth0" => json!({ "domain": "alpha.auth0.test" }),
        "workos-sso" => json!({ "organization": "org_alpha" }),
        "entra" => json!({ "tenants": [ALPHA] }),
        "openid" => json!({ "issuer": "https://up.test" }),
        _ => json!({}),
    };
    let mut entry = json!({ "id": "up", "provider": provider, "client_id": "us" });
    let both = [&needed, members].into_iter().filter_map(Value::as_object).flatten();
    for (name, value) in both {
        entry[name] = value.clone();
    }
    if let Some(entry) = entry.as_object_mut() {
        entry.retain(|_, value| !value.is_null());
    }
    entry
}

/// What is wrong with a single entry.
fn wrong(provider: &str, members: &Value) -> Vec<String> {
    read(&json!([entry(provider, members)])).map(|_| ()).err().unwrap_or_default()
}

fn only(provider: &str, members: &Value) -> Upstream {
    let config = read(&json!([entry(provider, members)])).unwrap();
    config.upstreams.into_iter().next().unwrap()
}

const PRESETS: [&str; 7] =
    ["auth0", "authkit", "workos-sso", "github", "google", "entra", "openid"];

#[test]
fn a_preset_needs_no_more_than_its_shortest_entry() {
    for provider in PRESETS {
        let upstream = only(provider, &json!({}));
        assert!(!upstream.label.is_empty(), "{provider}");
        assert_eq!(upstream.client.redirect_uri, "https://idp.test/sign-in/callback/up");
        // The secret does not print.
        assert!(!format!("{upstream:?}").contains("an-upstream-secret"), "{provider}");
    }
}

#[test]
fn a_member_that_a_preset_has_no_use_for_is_named() {
    let takes = |provider: &str| -> &[&str] {
        match provider {
            "auth0" => &["domain", "base", "audience", "connection", "organization"],
            "authkit" => &["issuer", "base", "connection", "organization"],
            "workos-sso" => &["base", "connection", "organization"],
            "github" => &["base"],
            "google" => &["base", "hosted_domain"],
            "entra" => &["base", "tenant", "tenants"],
            _ => &["issuer"],
        }
    };
    let members = [
        "issuer",
        "domain",
        "base",
        "audience",
        "connection",
        "organization",
        "hosted_domain",
        "tenant",
        "tenants",
    ];
    for provider in PRESETS {
        for member in members.iter().filter(|member| !takes(provider).contains(member)) {
            let value = if *member == "tenants" { json!([ALPHA]) } else { json!("x") };
            let problems = wrong(provider, &json!({ *member: value }));
            assert_eq!(problems, [format!("UPSTREAMS[0].{member}")], "{provider}");
        }
    }
}

#[test]
fn each_presets_own_mistakes_are_named() {
    for (provider, members, named) in [
        ("auth0", json!({ "domain": null }), "domain"),
        ("auth0", json!({ "base": "https://x.test" }), "domain"),
        ("auth0", json!({ "domain": "a b" }), "domain"),
        ("auth0", json!({ "domain": "" }), "domain"),
        ("auth0", json!({ "domain": null, "base": "https://x.test/" }), "base"),
        ("authkit", json!({ "connection": "c", "organization": "o" }), "connection"),
        ("authkit", json!({ "base": "http://api.workos.test" }), "base"),
        ("workos-sso", json!({ "organization": null }), "organization"),
        ("workos-sso", json!({ "connection": "conn_alpha" }), "organization"),
        ("github", json!({ "base": "https://github.test/" }), "base"),
        ("github", json!({ "base": "github.test" }), "base"),
        ("github", json!({ "base": "https://octo.ghe.com/login" }), "base"),
        ("github", json!({ "base": "https://octo.ghe.com:8443" }), "base"),
        ("github", json!({ "base": "https://api.octo.ghe.com" }), "base"),
        ("github", json!({ "base": "https://OCTO.GHE.COM" }), "base"),
        ("github", json!({ "base": "https://.ghe.com" }), "base"),
        ("github", json!({ "base": "http://octo.ghe.com" }), "base"),
        ("github", json!({ "scope": "openid" }), "scope"),
        ("google", json!({ "base": "javascript:alert(1)" }), "base"),
        ("google", json!({ "scope": "email" }), "scope"),
        ("entra", json!({ "tenants": null }), "tenants"),
        ("entra", json!({ "tenants": [] }), "tenants"),
        ("entra", json!({ "tenants": ["alpha.test"] }), "tenants"),
        ("entra", json!({ "tenants": [ALPHA.to_ascii_uppercase()] }), "tenants"),
        ("entra", json!({ "tenant": ALPHA }), "tenants"),
        ("entra", json!({ "tenant": "consumers" }), "tenant"),
        ("entra", json!({ "tenant": "common", "tenants": null }), "tenants"),
        ("openid", json!({ "issuer": null }), "issuer"),
        ("openid", json!({ "issuer": "http://up.test" }), "issuer"),
        ("openid", json!({ "issuer": "https://up.test?x" }), "issuer"),
        ("openid", json!({ "issuer": "https://up.test#x" }), "issuer"),
        ("openid", json!({ "issuer": "https://u:p@up.test" }), "issuer"),
        ("openid", json!({ "scope": "email" }), "scope"),
    ] {
        let problems = wrong(provider, &members);
        assert_eq!(problems, [format!("UPSTREAMS[0].{named}")], "{provider} {members}");
    }
}

#[test]
fn what_every_entry_has_is_checked_in_each_preset() {
    for provider in PRESETS {
        for (members, named) in [
            (json!({ "id": "" }), "id"),
            (json!({ "id": "Up" }), "id"),
            (json!({ "id": "a/b" }), "id"),
            (json!({ "id": "x".repeat(33) }), "id"),
            (json!({ "domains": ["Alpha.test"] }), "domains"),
            (json!({ "domains": ["alpha"] }), "domains"),
            (json!({ "domains": ["*.alpha.test"] }), "domains"),
            (json!({ "domains": ["alice@alpha.test"] }), "domains"),
            (
                json!({ "token_endpoint_auth_method": "private_key_jwt" }),
                "token_endpoint_auth_method",
            ),
        ] {
            let problems = wrong(provider, &members);
            assert_eq!(problems, [format!("UPSTREAMS[0].{named}")], "{provider} {members}");
        }
        // What is no entry at all is told once.
        for odd in [json!({ "extra": 1 }), json!({ "client_id": null }), json!({ "provider": "x" })]
        {
            assert_eq!(wrong(provider, &odd), ["UPSTREAMS"], "{provider} {odd}");
        }
    }
}

#[test]
fn a_secret_is_there_for_who_has_one_and_absent_for_who_has_none() {
    for provider in PRESETS {
        let with = |members: Value, secret: Option<&str>| {
            let entries = json!([entry(provider, &members)]);
            read_with(&entries, |name| {
                secret.filter(|_| name == "UPSTREAM_UP_SECRET").map(str::to_owned)
            })
        };
        assert_eq!(with(json!({}), None).unwrap_err(), ["UPSTREAM_UP_SECRET"], "{provider}");
        let public = json!({ "token_endpoint_auth_method": "none" });
        assert!(with(public.clone(), None).is_ok(), "{provider}");
        assert_eq!(with(public, Some("s")).unwrap_err(), ["UPSTREAM_UP_SECRET"], "{provider}");
    }
    // Its name is the id's, in capitals.
    let entries = json!([entry("github", &json!({ "id": "git-hub-2" }))]);
    assert!(
        read_with(&entries, |name| (name == "UPSTREAM_GIT_HUB_2_SECRET").then(|| "s".to_owned()))
            .is_ok()
    );
}

#[test]
fn two_entries_share_no_id_and_no_domain_and_every_mistake_is_named_at_once() {
    let with = |id: &str, domain: &str| entry("github", &json!({ "id": id, "domains": [domain] }));
    assert!(read(&json!([with("a", "a.test"), with("b", "b.test")])).is_ok());
    let problems = read(&json!([with("a", "a.test"), with("a", "b.test")])).unwrap_err();
    assert_eq!(problems, ["UPSTREAMS[1].id"]);
    let problems = read(&json!([with("a", "a.test"), with("b", "a.test")])).unwrap_err();
    assert_eq!(problems, ["UPSTREAMS[1].domains"]);
    let all = json!([
        entry("entra", &json!({ "tenants": [] })),
        with("a", "A"),
        entry("openid", &json!({ "issuer": "x" }))
    ]);
    let problems = read(&all).unwrap_err();
    assert_eq!(problems, ["UPSTREAMS[0].tenants", "UPSTREAMS[1].domains", "UPSTREAMS[2].issuer"]);
}

#[test]
fn an_entry_of_a_known_provider_is_where_everybodys_is() {
    for (provider, issuer) in [
        ("auth0", "https://alpha.auth0.test/"),
        ("authkit", "https://api.workos.com"),
        ("workos-sso", "https://api.workos.com/sso"),
        ("github", "https://github.com"),
        ("google", "https://accounts.google.com"),
        ("entra", "https://login.microsoftonline.com/{tenantid}/v2.0"),
        ("openid", "https://up.test"),
    ] {
        assert_eq!(only(provider, &json!({})).client.issuer.as_str(), issuer);
    }
    let endpoints = |provider| {
        let metadata: ProviderMetadata = only(provider, &json!({})).way.metadata.unwrap();
        [metadata.authorization_endpoint, metadata.token_endpoint]
    };
    let github =
        ["https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token"];
    assert_eq!(endpoints("github"), github);
    let authkit = [
        "https://api.workos.com/user_management/authorize",
        "https://api.workos.com/user_management/authenticate",
    ];
    assert_eq!(endpoints("authkit"), authkit);
    let sso = ["https://api.workos.com/sso/authorize", "https://api.workos.com/sso/token"];
    assert_eq!(endpoints("workos-sso"), sso);
}

#[test]
fn googles_two_issuers_are_its_own_and_no_third_is() {
    let google = only("google", &json!({})).client;
    for (issuer, is_its) in [
        ("https://accounts.google.com", true),
        ("accounts.google.com", true),
        ("http://accounts.google.com", false),
        ("https://accounts.google.com/", false),
        ("accounts.google.com.evil.test", false),
    ] {
        assert_eq!(google.is_from(issuer, None), is_its, "{issuer}");
    }
}

#[test]
fn of_several_tenants_of_entra_those_on_the_list_are_let_in_by_their_own_issuer() {
    let beta = "be7a0000-0000-4000-8000-000000000002";
    let entra = only("entra", &json!({})).client;
    let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    for (issuer, tenant, is_its) in [
        (of(ALPHA), Some(ALPHA), true),
        (of(beta), Some(beta), false),
        (of(beta), Some(ALPHA), false),
        (of(ALPHA), Some(beta), false),
        (of(ALPHA), None, false),
        (of("{tenantid}"), Some("{tenantid}"), false),
    ] {
        assert_eq!(entra.is_from(&issuer, tenant), is_its, "{issuer} {tenant:?}");
    }
}

#[test]
fn github_has_its_api_beside_it_in_the_cloud_and_below_it_on_ones_own_server() {
    for (base, here, api) in [
        (json!(null), "https://github.com", "https://api.github.com"),
        (json!("https://github.com"), "https://github.com", "https://api.github.com"),
        (json!("https://octo.ghe.com"), "https://octo.ghe.com", "https://api.octo.ghe.com"),
        (
            json!("https://github.octo.test"),
            "https://github.octo.test",
            "https://github.octo.test/api/v3",
        ),
        // Whose names only end alike.
        (json!("https://octoghe.com"), "https://octoghe.com", "https://octoghe.com/api/v3"),
        (
            json!("https://octo.ghe.com.evil.test"),
            "https://octo.ghe.com.evil.test",
            "https://octo.ghe.com.evil.test/api/v3",
        ),
        (
            json!("http://localhost:4000/hub"),
            "http://localhost:4000/hub",
            "http://localhost:4000/hub/api/v3",
        ),
    ] {
        let Upstream { client, way, .. } = only("github", &json!({ "base": base }));
        let metadata = way.metadata.unwrap();
        assert_eq!(client.issuer.as_str(), here);
        assert_eq!(metadata.issuer, format!("{here}/login/oauth"));
        assert_eq!(metadata.authorization_endpoint, format!("{here}/login/oauth/authorize"));
        assert_eq!(metadata.token_endpoint, format!("{here}/login/oauth/access_token"));
        assert_eq!(way.dialect, Dialect::GitHub(GitHub { api: api.to_owned() }), "{here}");
    }
}
