//! RG: the addresses that a client names when it registers at run time.

use super::registration::{TOKEN, names, refused};
use serde_json::json;
use tests::registration::{Registered, register, with};
use tests::site::Site;
use tests::world::{Issuer, issuer, needs_clock, settings};

#[test]
fn rg_03_a_dangerous_redirect_uri_is_not_registered() {
    let issuer = issuer();
    for bad in [
        "http://dyn.test/cb",
        "https://*.dyn.test/cb",
        "https://dyn.test/cb#x",
        "https://u:p@dyn.test/cb",
        "https://u@dyn.test/cb",
        "https://dyn.test/a/../cb",
        "https://dyn.test\\@evil.test/cb",
        "https://dyn.test/cb\t",
        "https://dyn.test /cb",
        "HTTPS://dyn.test/cb",
        "https://d\u{fc}n.test/cb",
        "com.example.app:/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "blob:https://dyn.test/x",
        "urn:ietf:wg:oauth:2.0:oob",
        "//dyn.test/cb",
        "/cb",
        "cb",
        "",
    ] {
        let one = with(&json!({ "redirect_uris": ["https://dyn.test/good", bad] }));
        refused(&issuer, &one, "invalid_redirect_uri", bad);
        let out = with(&json!({ "post_logout_redirect_uris": [bad] }));
        refused(&issuer, &out, "invalid_client_metadata", bad);
    }
    for bad in
        ["myapp://cb", "javascript:alert(1)", "http://dyn.test/cb", "http://127.0.0.1.evil.test/"]
    {
        let native = with(&json!({ "application_type": "native", "redirect_uris": [bad] }));
        refused(&issuer, &native, "invalid_redirect_uri", bad);
    }
    let many: Vec<_> = (0..17).map(|n| format!("https://dyn.test/{n}")).collect();
    for bad in
        [json!([]), json!("https://dyn.test/cb"), json!([7]), json!(null), json!({}), json!(many)]
    {
        let metadata = with(&json!({ "redirect_uris": bad }));
        refused(&issuer, &metadata, "invalid_redirect_uri", &bad.to_string());
    }
    let flood: Vec<_> = (0..10_000).map(|n| format!("https://dyn.test/{n}")).collect();
    let answer = register(TOKEN, &with(&json!({ "redirect_uris": flood }))).send(&issuer);
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[test]
fn rg_03_plain_http_is_for_native_applications_where_the_issuer_is_deployed() {
    let Some(issuer) = deployed() else { return };
    let http = json!({ "redirect_uris": ["http://127.0.0.1/cb"] });
    refused(&issuer, &with(&http), "invalid_redirect_uri", "a web application");
    let native = json!({ "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"],
        "application_type": "native", "token_endpoint_auth_method": "none" });
    Registered::new(&issuer, TOKEN, &with(&native));
}

/// The members that are addresses, all of which we might go to or lead to.
const ADDRESSES: [&str; 8] = [
    "backchannel_logout_uri",
    "client_uri",
    "initiate_login_uri",
    "jwks_uri",
    "logo_uri",
    "policy_uri",
    "sector_identifier_uri",
    "tos_uri",
];

/// An issuer that is no developer's. Its settings have no secret of the documentation.
fn deployed() -> Option<Issuer> {
    needs_clock()?;
    let mut settings = settings();
    settings.insert("ISSUER".to_owned(), "https://id.test".into());
    settings
        .insert("SEALING_KEYS".to_owned(), "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into());
    settings
        .insert("PAIRWISE_SECRET".to_owned(), "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA".into());
    Some(Issuer::in_process(&settings))
}

#[test]
fn rg_04_an_address_inside_of_a_network_is_neither_registered_nor_asked() {
    let issuer = issuer();
    for address in [
        "http://dyn.test/x",
        "https://10.0.0.1/x",
        "https://172.16.0.1/x",
        "https://192.168.0.1/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://167772161/",
        "https://metadata.google.internal/",
        "https://metadata/",
        "https://dyn.test:22/",
        "https://u:p@dyn.test/",
        "ftp://dyn.test/x",
        "file:///etc/passwd",
        "gopher://dyn.test/",
        "javascript:alert(1)",
        "data:application/json,[]",
        "",
    ] {
        for member in ADDRESSES {
            names(&issuer, &json!({ member: address }), "invalid_client_metadata");
        }
    }
}

#[test]
fn rg_04_this_very_machine_is_not_asked_where_the_issuer_is_deployed() {
    let Some(issuer) = deployed() else { return };
    let site = Site::default();
    let port = site.at("").rsplit(':').next().unwrap().to_owned();
    for scheme in ["http", "https"] {
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "2130706433",
            "0x7f000001",
            "127.1",
            "[::ffff:127.0.0.1]",
            "localhost.",
        ] {
            for member in ADDRESSES {
                let address = format!("{scheme}://{host}:{port}/x");
                names(&issuer, &json!({ member: address }), "invalid_client_metadata");
            }
        }
    }
    assert_eq!(site.hits(), 0);
}

#[test]
fn rg_04_a_redirect_is_not_followed_and_the_rest_is_not_fetched_at_registration() {
    let issuer = issuer();
    let (outside, inside) = (Site::default(), Site::default());
    let list = inside.publish("/list", "[\"https://dyn.test/cb\"]");
    let sector = outside.put("/", "302 Found", &format!("Location: {list}"), "");
    names(&issuer, &json!({ "sector_identifier_uri": sector }), "invalid_client_metadata");
    assert_eq!((outside.hits(), inside.hits()), (1, 0));
    let more = json!({ "logo_uri": inside.at("/logo"), "jwks_uri": inside.at("/jwks"),
        "policy_uri": inside.at("/p"), "tos_uri": inside.at("/t"), "client_uri": inside.at("/c"),
        "initiate_login_uri": inside.at("/i"), "backchannel_logout_uri": inside.at("/b") });
    Registered::new(&issuer, TOKEN, &with(&more));
    assert_eq!(inside.hits(), 0);
}

#[test]
fn rg_04_request_uris_are_not_even_kept() {
    let issuer = issuer();
    let more =
        json!({ "request_uris": ["http://169.254.169.254/"], "x_mine": "https://10.0.0.1/" });
    let registered = Registered::new(&issuer, TOKEN, &with(&more));
    assert!(!registered.said.contains_key("request_uris"));
    assert!(!registered.said.contains_key("x_mine"));
}
