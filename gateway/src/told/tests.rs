use super::*;
use crate::config::Config;
use crate::config::tests::{mistakes, with};
use crate::forward::Bearer;
use crate::next::{Arrival, Incoming, Next, arrive};
use crate::signals::Edge;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;
use shared::secret::AccessToken;
use shared::time::UnixTime;

const HEADERS: &str = r#"{
    "X-User-Id": "sub", "X-User-Email": "email", "X-User-Name": "name",
    "X-User-Groups": {"claim": "groups", "join": ","}, "Remote-Groups": {"claim": "groups", "join": "; "},
    "X-Team": "groups", "X-Staff": "staff"
}"#;

fn routes(headers: &str) -> String {
    format!(
        r#"[{{"prefix": "/open", "origin": "https://o.test", "access": "public"}},
            {{"prefix": "/api", "origin": "https://p.test", "access": "api"}},
            {{"prefix": "/", "origin": "https://a.test", "access": "signed-in", "headers": {headers}}}]"#
    )
}

fn person(config: &Config, claims: &Value) -> Person {
    Person {
        subject: "alice".to_owned(),
        told: config.routes.tell(claims.as_object().unwrap()),
        ..Person::default()
    }
}

/// The headers that reach an origin from somebody with these claims.
fn sent(path: &str, claims: &Value, lines: &[(&str, &str)]) -> HeaderMap {
    let config = with(&[("ROUTES", &routes(HEADERS))]).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (method, url) = (Method::GET, path);
    let incoming = Incoming {
        method: &method,
        url,
        headers: &headers,
        client_ip: None,
        edge: &Edge::default(),
    };
    let next = match arrive(&config, incoming) {
        Arrival::Caller(_) => panic!("no route takes a token"),
        Arrival::Browser(_) => panic!("no route requires a challenge"),
        Arrival::Gate(gate) => {
            let bearer = Bearer::new(&AccessToken::new("at-1"));
            gate.admit(&person(&config, claims), bearer.as_ref(), UnixTime(1_800_000_000))
        }
        Arrival::Next(next) => next,
        Arrival::Ours(_) => panic!("ours"),
    };
    let Next::Forward(forward) = next else { panic!("{next:?}") };
    forward.edits.apply(&mut headers);
    headers
}

/// What an origin is told of a claim in one of these headers.
fn told(name: &str, claims: &Value) -> Option<String> {
    sent("/", claims, &[]).get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// What an origin does to have the text back.
fn decoded(value: &str) -> String {
    let form = value.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs.next().map_or(String::new(), |(text, _)| text.into_owned())
}

#[test]
fn an_origin_is_told_the_claims_that_its_route_names() {
    let claims = json!({
        "email": "alice@a.test", "name": "Liddell, Alice", "groups": ["staff", "x y"], "staff": true,
    });
    for (name, value) in [
        ("x-user-id", "alice"),
        ("x-user-email", "alice@a.test"),
        ("x-user-name", "Liddell, Alice"),
        ("x-user-groups", "staff,x y"),
        ("remote-groups", "staff; x%20y"),
        ("x-staff", "true"),
    ] {
        assert_eq!(told(name, &claims).as_deref(), Some(value), "{name}");
    }
    // A list without a word about what to join it with is not told.
    assert_eq!(told("x-team", &claims), None);
    for path in ["/open", "/api"] {
        let sent = sent(path, &claims, &[]);
        assert!(!sent.contains_key("x-user-id") && !sent.contains_key("x-user-email"), "{path}");
    }
}

#[test]
fn gp_01_gp_03_gp_04_no_spelling_of_a_told_header_passes_on_any_route() {
    for path in ["/", "/api", "/open"] {
        for name in
            ["X-Team", "x_team", "X.TEAM", "X_Staff", "x-user_groups", "Remote_Groups", "x-user-id"]
        {
            let lines = [(name, "forged"), (name, "forged, too"), ("connection", "X-User-Id")];
            let sent = sent(path, &json!({"staff": 1}), &lines);
            assert!(
                sent.values().all(|value| !value.to_str().unwrap().contains("forged")),
                "{name}"
            );
            let ids = usize::from(path == "/");
            assert_eq!(sent.get_all("x-user-id").iter().count(), ids, "{path} {name}");
            assert_eq!(sent.get_all("x-staff").iter().count(), ids, "{path} {name}");
        }
    }
}

#[test]
fn gp_18_a_value_is_printable_ascii_and_one_header_whatever_the_claim_is() {
    for (name, value) in [
        ("Zo\u{eb}", "Zo%C3%AB"),
        ("\u{7231}\u{4e3d}\u{4e1d}", "%E7%88%B1%E4%B8%BD%E4%B8%9D"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("a\0\t\u{7f}\u{85}", "a%00%09%7F%C2%85"),
        ("100%", "100%25"),
        ("%0D", "%250D"),
        (" Alice ", "%20Alice%20"),
        (" ", "%20"),
    ] {
        let sent = sent("/", &json!({"name": name}), &[]);
        assert_eq!(sent["x-user-name"], value, "{name:?}");
        assert_eq!(decoded(value), name);
        assert!(!sent.contains_key("x-admin"));
    }
}

#[test]
fn gp_18_no_member_of_a_list_passes_for_two() {
    let claims = json!({"groups": ["a,admin", "b;admin", "", 7, false]});
    assert_eq!(told("x-user-groups", &claims).as_deref(), Some("a%2Cadmin,b;admin,7,false"));
    assert_eq!(told("remote-groups", &claims).as_deref(), Some("a,admin; b%3Badmin; 7; false"));
    let one = json!({"groups": "a,admin"});
    assert_eq!(told("x-user-groups", &one).as_deref(), Some("a%2Cadmin"));
}

#[test]
fn gp_19_what_is_absent_empty_or_no_text_gives_no_header() {
    for claims in [
        json!({}),
        json!({"email": "", "groups": []}),
        json!({"email": null, "groups": [""]}),
        json!({"email": {"address": "a@a.test"}, "groups": {"staff": true}}),
        json!({"email": ["a@a.test"], "groups": ["staff", {"admin": true}]}),
        json!({"email": ["a@a.test"], "groups": [["staff"]]}),
    ] {
        for name in ["x-user-email", "x-user-groups"] {
            assert_eq!(told(name, &claims), None, "{name} {claims}");
        }
        assert_eq!(told("x-user-id", &claims).as_deref(), Some("alice"));
    }
}

#[test]
fn gp_18_a_claim_or_a_value_that_is_too_long_is_left_out() {
    for (text, wanted) in [("x".repeat(510), true), ("x".repeat(511), false)] {
        assert_eq!(told("x-user-name", &json!({"name": text})).is_some(), wanted);
    }
    // Short enough to be kept, and three times as long when it is encoded.
    for (text, wanted) in [("\u{eb}".repeat(170), true), ("\u{eb}".repeat(171), false)] {
        assert_eq!(told("x-user-name", &json!({"name": text})).is_some(), wanted);
    }
}

#[test]
fn a_claim_that_became_too_large_ends_the_one_before() {
    let config = with(&[("ROUTES", &routes(HEADERS))]).unwrap();
    let mut person = person(&config, &json!({"name": "Alice", "email": "a@a.test"}));
    let news = json!({"name": "x".repeat(600), "nickname": "A"});
    person.told.extend(config.routes.tell(news.as_object().unwrap()));
    assert_eq!(Value::from(person.told), json!({"name": null, "email": "a@a.test"}));
}

#[test]
fn headers_for_an_origin_are_refused_by_their_member() {
    for name in [
        "Authorization",
        "Cookie",
        "Host",
        "Content-Type",
        "Connection",
        "Proxy-Authorization",
        "Accept",
        "X_User",
        "X User",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "X-CSRF",
        "X-Requested-With",
        "X-Geo-Country",
        "X-Edge-Asn",
        "Remote-Addr",
        "X-Gatelatch-Identity",
        "",
    ] {
        let routes = routes(&format!(r#"{{"{name}": "sub"}}"#));
        let named = format!("ROUTES[2].headers.{name}");
        assert_eq!(mistakes(&[("ROUTES", &routes)]), [named], "{name}");
    }
    for entry in [
        r#""""#,
        "1",
        "null",
        r#"["sub"]"#,
        r#"{"claim": "groups"}"#,
        r#"{"claim": "groups", "join": ""}"#,
        r#"{"claim": "groups", "join": "x"}"#,
        r#"{"claim": "groups", "join": "%"}"#,
        r#"{"claim": "groups", "join": "\n"}"#,
        r#"{"claim": "groups", "join": ",,,,"}"#,
        r#"{"claim": "groups", "join": ",", "else": 1}"#,
    ] {
        let routes = routes(&format!(r#"{{"X-User": {entry}}}"#));
        assert_eq!(mistakes(&[("ROUTES", &routes)]), ["ROUTES[2].headers.X-User"], "{entry}");
    }
    let twice = routes(r#"{"X-User": "sub", "x-user": "sub"}"#);
    assert_eq!(mistakes(&[("ROUTES", &twice)]), ["ROUTES[2].headers.x-user"]);
    let many: Vec<_> = (0..33).map(|n| format!(r#""X-{n}": "sub""#)).collect();
    let many = routes(&format!("{{{}}}", many.join(",")));
    assert_eq!(mistakes(&[("ROUTES", &many)]), ["ROUTES[2].headers"]);
    let public = routes(HEADERS).replace("signed-in", "public");
    assert_eq!(mistakes(&[("ROUTES", &public)]), ["ROUTES[2].headers"]);
    for name in ["X-Forwarded-User", "Remote-User", "OIDC-Sub", "X-Auth-Request-Email"] {
        assert!(with(&[("ROUTES", &routes(&format!(r#"{{"{name}": "sub"}}"#)))]).is_ok(), "{name}");
    }
}

proptest! {
    #[test]
    fn gp_18_whatever_a_claim_is_it_can_be_had_back_and_never_leaves_its_header(
        text in ".{1,40}", joined in prop::collection::vec("[a-z,; %\u{e9}\n]{1,6}", 1..5),
    ) {
        let claims = json!({"name": text, "groups": joined});
        let value = told("x-user-name", &claims).unwrap();
        prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(value.trim(), value.as_str());
        prop_assert_eq!(decoded(&value.replace('&', "%26").replace('=', "%3D")), text);
        let groups = told("x-user-groups", &claims).unwrap();
        let groups: Vec<_> = groups.split(',').map(decoded).collect();
        prop_assert_eq!(groups, joined);
    }
}
