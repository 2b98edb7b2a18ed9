use super::*;
use crate::config::tests::{mistakes, with};
use crate::forward::Bearer;
use crate::next::{Arrival, Incoming, Next, arrive};
use crate::refused::{Refused, Why};
use crate::session::state::Person;
use http::{HeaderMap, Method};
use serde_json::json;
use shared::secret::AccessToken;
use shared::time::UnixTime;

const HERE: &str = r#"{
    "country": "CH", "region": "Z\u00fcrich", "city": "Z\u00fcrich", "continent": "EU", "asn": 13335,
    "timezone": "Europe/Zurich", "latitude": "47.36", "longitude": "8.55", "colo": "ZRH",
    "botManagement": {"score": 30, "verifiedBot": false},
    "tlsClientAuth": {"certPresented": "1", "certVerified": "SUCCESS", "certRevoked": "0",
                      "certFingerprintSHA256": "ab12", "certSubjectDN": "CN=Zo\u00eb,O=A"}
}"#;

/// `HERE` with something else at some places.
fn changed(changes: &[(&str, Value)]) -> String {
    let mut cf: Value = serde_json::from_str(HERE).unwrap();
    for (place, value) in changes {
        *cf.pointer_mut(place).unwrap() = value.clone();
    }
    cf.to_string()
}

fn route(access: &str, more: &str) -> String {
    format!(r#"[{{"prefix": "/", "origin": "https://a.test", "access": "{access}", {more}}}]"#)
}

/// What becomes of a request from there, of somebody signed in where that matters.
fn next(
    access: &str,
    more: &str,
    cf: &str,
    lines: &[(&str, &str)],
) -> Result<HeaderMap, Option<Why>> {
    let config = with(&[("ROUTES", &route(access, more))]).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (method, edge) = (Method::GET, Edge::read(cf));
    let incoming =
        Incoming { method: &method, url: "/", headers: &headers, client_ip: None, edge: &edge };
    let next = match arrive(&config, incoming) {
        Arrival::Caller(_) => panic!("no route takes a token"),
        Arrival::Browser(_) => panic!("no route requires a challenge"),
        Arrival::Gate(gate) => {
            let bearer = Bearer::new(&AccessToken::new("at-1"));
            gate.admit(&Person::default(), bearer.as_ref(), UnixTime(1_800_000_000))
        }
        Arrival::Next(next) => next,
        Arrival::Ours(_) => panic!("ours"),
    };
    match next {
        Next::Forward(forward) => {
            forward.edits.apply(&mut headers);
            Ok(headers)
        }
        Next::Respond(response) => {
            assert_eq!(response.status(), 403);
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["error"], "access_denied");
            Err(response.extensions().get().copied())
        }
    }
}

const ACCESS: [&str; 3] = ["public", "signed-in", "api"];

#[test]
fn gp_32_an_origin_is_told_what_the_platform_says_and_nothing_that_a_browser_says() {
    let forged = SIGNALS.map(|(_, _, name)| name);
    let spellings = forged.iter().flat_map(|name| {
        [name.to_string(), name.as_str().replace('-', "_"), name.as_str().replace('-', ".")]
    });
    let spellings: Vec<_> = spellings.collect();
    let lines: Vec<_> = spellings.iter().map(|name| (name.as_str(), "forged")).collect();
    for access in ACCESS {
        let sent = next(access, r#""signals": true"#, HERE, &lines).unwrap();
        for (name, value) in [
            ("x-geo-country", "CH"),
            ("x-geo-region", "Z%C3%BCrich"),
            ("x-geo-city", "Z%C3%BCrich"),
            ("x-geo-continent", "EU"),
            ("x-geo-timezone", "Europe/Zurich"),
            ("x-geo-latitude", "47.36"),
            ("x-geo-longitude", "8.55"),
            ("x-edge-asn", "13335"),
            ("x-edge-colo", "ZRH"),
            ("x-bot-score", "30"),
            ("x-bot-verified", "false"),
            ("x-client-cert-verified", "SUCCESS"),
            ("x-client-cert-sha256", "ab12"),
            ("x-client-cert-subject", "CN=Zo%C3%AB,O=A"),
        ] {
            assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [value], "{access} {name}");
        }
        assert!(sent.values().all(|value| value != "forged"));
        // Where the route does not say so, and where there is nothing to say, there is none.
        for (more, cf) in [
            (r#""signals": false"#, HERE),
            (r#""signals": true"#, ""),
            (r#""signals": true"#, "{}"),
        ] {
            let sent = next(access, more, cf, &lines).unwrap();
            assert!(forged.iter().all(|name| !sent.contains_key(name)), "{access} {more} {cf}");
            assert!(sent.values().all(|value| value != "forged"), "{access} {more} {cf}");
        }
    }
}

#[test]
fn gp_18_a_signal_is_one_header_of_printable_ascii_or_none() {
    for (value, sent) in [
        (json!("a\r\nX-Admin: 1"), Some("a%0D%0AX-Admin: 1")),
        (json!("a\ncountry,CH"), Some("a%0Acountry,CH")),
        (json!(""), None),
        (json!(null), None),
        (json!(["CH"]), None),
        (json!({"x": 1}), None),
        (json!("x".repeat(1025)), None),
    ] {
        let cf = changed(&[("/city", value.clone())]);
        let headers = next("public", r#""signals": true"#, &cf, &[]).unwrap();
        assert_eq!(headers.get("x-geo-city").map(|city| city.to_str().unwrap()), sent, "{value}");
        assert_eq!(headers["x-geo-country"], "CH");
    }
}

#[test]
fn nothing_is_said_of_a_certificate_that_is_not_good() {
    let wanted = r#""signals": true, "require": {"edge": {"client_certificate": true}}"#;
    assert!(next("public", wanted, HERE, &[]).is_ok());
    for (place, value) in [
        ("/tlsClientAuth/certPresented", json!("0")),
        ("/tlsClientAuth/certVerified", json!("FAILED:self signed certificate")),
        ("/tlsClientAuth/certVerified", json!("NONE")),
        ("/tlsClientAuth/certVerified", json!("success")),
        ("/tlsClientAuth/certRevoked", json!("1")),
        ("/tlsClientAuth", json!(null)),
    ] {
        let cf = changed(&[(place, value)]);
        let sent = next("public", r#""signals": true"#, &cf, &[]).unwrap();
        assert!(sent.keys().all(|name| !name.as_str().starts_with("x-client-cert")), "{cf}");
        let why = Why::Refused(Refused::Edge(Signal::CertVerified));
        assert_eq!(next("public", wanted, &cf, &[]), Err(Some(why)), "{cf}");
    }
}

#[test]
fn who_comes_from_elsewhere_gets_403_on_every_kind_of_route_and_is_told_which_signal_says_so() {
    for (edge, place, other, signal) in [
        (json!({"country": {"any": ["DE", "CH"]}}), "/country", json!("FR"), Signal::Country),
        (json!({"country": "CH"}), "/country", json!("ch"), Signal::Country),
        (json!({"continent": "EU"}), "/continent", json!("NA"), Signal::Continent),
        (json!({"region": "Z\u{fc}rich"}), "/region", json!("Zurich"), Signal::Region),
        (json!({"asn": {"any": [1, 13335]}}), "/asn", json!(133), Signal::Asn),
        (json!({"asn": 13335}), "/asn", json!(13_335.5), Signal::Asn),
        (json!({"bot_score_at_least": 30}), "/botManagement/score", json!(29), Signal::BotScore),
        (json!({"bot_score_at_least": 30}), "/botManagement/score", json!(-1), Signal::BotScore),
        (json!({"bot_score_at_least": 30}), "/botManagement/score", json!("x"), Signal::BotScore),
        (json!({"country": "CH", "asn": 13335}), "/asn", json!(1), Signal::Asn),
    ] {
        let more = format!(r#""require": {{"edge": {edge}}}"#);
        let why = Err(Some(Why::Refused(Refused::Edge(signal))));
        let lines = [("x-geo-country", "CH"), ("cf-ipcountry", "CH"), ("x-bot-score", "99")];
        for access in ACCESS {
            assert!(next(access, &more, HERE, &[]).is_ok(), "{access} {edge}");
            for value in [other.clone(), json!(null), json!(["CH", 13335, 30])] {
                let cf = changed(&[(place, value)]);
                assert_eq!(next(access, &more, &cf, &lines), why, "{access} {edge} {cf}");
            }
        }
    }
    for cf in ["", "{}", "null", "[]"] {
        let more = r#""require": {"edge": {"country": "CH"}}"#;
        let why = Why::Refused(Refused::Edge(Signal::Country));
        assert_eq!(next("public", more, cf, &[]), Err(Some(why)), "{cf}");
    }
}

#[test]
fn who_comes_from_elsewhere_and_is_not_signed_in_is_not_sent_to_sign_in() {
    let more = r#""require": {"edge": {"country": "DE"}, "scope": "admin"}"#;
    let config = with(&[("ROUTES", &route("signed-in", more))]).unwrap();
    let (method, edge) = (Method::GET, Edge::read(HERE));
    let navigate = ("sec-fetch-mode", "navigate");
    let headers = [navigate]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let headers: HeaderMap = headers.into_iter().collect();
    let incoming =
        Incoming { method: &method, url: "/", headers: &headers, client_ip: None, edge: &edge };
    let Arrival::Next(Next::Respond(response)) = arrive(&config, incoming) else { panic!() };
    assert_eq!(response.status(), 403);
    assert!(String::from_utf8_lossy(response.body()).contains("from here"));
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[test]
fn what_is_asked_of_the_edge_is_refused_by_its_member() {
    for (edge, named) in [
        ("{}", "edge"),
        (r#"{"country": "ch"}"#, "edge.country"),
        (r#"{"country": "CHE"}"#, "edge.country"),
        (r#"{"country": []}"#, "edge.country"),
        (r#"{"country": {"any": []}}"#, "edge.country"),
        (r#"{"country": {"all": ["CH"]}}"#, "edge.country"),
        (r#"{"country": {"any": ["CH", 1]}}"#, "edge.country"),
        (r#"{"continent": "Europe"}"#, "edge.continent"),
        (r#"{"region": ""}"#, "edge.region"),
        (r#"{"asn": "13335"}"#, "edge.asn"),
        (r#"{"asn": -1}"#, "edge.asn"),
        (r#"{"bot_score_at_least": 1}"#, "edge.bot_score_at_least"),
        (r#"{"bot_score_at_least": 100}"#, "edge.bot_score_at_least"),
        (r#"{"client_certificate": false}"#, "edge.client_certificate"),
    ] {
        for access in ACCESS {
            let more = format!(r#""require": {{"edge": {edge}}}"#);
            let found = mistakes(&[("ROUTES", &route(access, &more))]);
            assert_eq!(found, [format!("ROUTES[0].require.{named}")], "{edge}");
        }
    }
    for require in [r#"{"edge": {"city": "Bern"}}"#, r#"{"edge": {"bot_score_at_least": "30"}}"#] {
        let more = format!(r#""require": {require}"#);
        assert_eq!(mistakes(&[("ROUTES", &route("api", &more))]), ["ROUTES"], "{require}");
    }
    for require in [r"{}", r#"{"edge": {"country": "CH"}, "scope": "a"}"#] {
        let more = format!(r#""require": {require}"#);
        let found = mistakes(&[("ROUTES", &route("public", &more))]);
        assert_eq!(found, ["ROUTES[0].require"], "{require}");
    }
}
