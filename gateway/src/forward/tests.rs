use super::*;
use proptest::prelude::*;
use serde_json::json;
use shared::rp::wanted::{By, Wanted};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn sent_with(token: Option<&str>, upgrade: bool, lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = headers(lines);
    let bearer = token.map(|token| Bearer::new(&AccessToken::new(token)).unwrap());
    let (app, ip) = (Origin::parse("https://app.test").unwrap(), "192.0.2.7".parse().unwrap());
    let fit = bearer.as_ref().map(|bearer| bearer.fit(&Token::Session).unwrap());
    edits(&headers, upgrade, &app, Some(ip), fit, &BTreeSet::new(), []).apply(&mut headers);
    headers
}

fn sent(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = sent_with(None, false, lines);
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
        headers.remove(name);
    }
    headers
}

#[test]
fn gp_01_gp_08_gp_32_nothing_an_origin_might_believe_passes_from_the_browser() {
    for name in [
        "Authorization",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Uri",
        "X-Forwarded",
        "Forwarded",
        "X-Identity-Assertion",
        "X_Identity.Assertion",
        "X-Auth-Request-User",
        "X-Authenticated-User",
        "X-User-Id",
        "X-User",
        "Remote-User",
        "X-Remote-User",
        "Cf-Access-Jwt-Assertion",
        "Cf-Access-Authenticated-User-Email",
        "CF-IPCountry",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Real-IP",
        "X-Original-URI",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Gatelatch-Identity",
        "X-Bot-Score",
        "X-Bot-Verified",
        "X-Geo-Country",
        "X-Edge-Asn",
        "X-Edge-Colo",
        "X-Client-Cert-Verified",
        "X-Client-Cert-Sha256",
        "X-Turnstile-Action",
        "Expect",
    ] {
        assert!(sent(&[(name, "forged")]).is_empty(), "{name}");
    }
}

#[test]
fn gp_03_underscore_dot_and_case_variants_of_our_headers_are_stripped() {
    for name in [
        "X_Forwarded_User",
        "x-forwarded_user",
        "X-FORWARDED-USER",
        "X.Forwarded.User",
        "X_Forwarded_For",
        "Remote_User",
        "CF_Connecting_IP",
        "X_Turnstile.Action",
        "x_gatelatch.identity",
        "Transfer_Encoding",
    ] {
        assert!(sent(&[(name, "forged")]).is_empty(), "{name}");
    }
}

#[test]
fn gp_02_gp_04_gp_07_gp_31_ours_are_there_exactly_once_and_nobody_elses() {
    let sent = sent_with(
        Some("at-1"),
        false,
        &[
            ("authorization", "Bearer forged"),
            ("authorization", "Basic forged"),
            ("x-forwarded-for", "203.0.113.1, 203.0.113.2"),
            ("x-forwarded-for", "203.0.113.3"),
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-proto", "http"),
        ],
    );
    let all: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(all.len(), 4);
    assert_eq!(sent["authorization"], "Bearer at-1");
    assert_eq!(sent["x-forwarded-for"], "192.0.2.7");
    assert_eq!(sent["x-forwarded-host"], "app.test");
    assert_eq!(sent["x-forwarded-proto"], "https");
}

#[test]
fn gp_05_no_injected_header_can_be_named_away() {
    let sent = sent_with(
        Some("at-1"),
        false,
        &[("connection", "close, Authorization, X-Forwarded-For, X-App"), ("x-app", "1")],
    );
    assert_eq!(sent["authorization"], "Bearer at-1");
    assert_eq!(sent["x-forwarded-for"], "192.0.2.7");
    assert!(!sent.contains_key("x-app"));
}

#[test]
fn gp_06_headers_of_one_hop_stay_on_it() {
    for name in [
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Connection",
    ] {
        assert!(sent(&[(name, "h2c")]).is_empty(), "{name}");
    }
}

#[test]
fn a_websocket_keeps_its_upgrade_and_its_keys() {
    let lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat"),
    ];
    let sent = sent_with(None, true, &lines);
    assert_eq!(sent["upgrade"], "websocket");
    assert!(sent.contains_key("sec-websocket-key"));
    assert!(sent.contains_key("sec-websocket-protocol"));
    assert!(!sent.contains_key("connection"));
}

#[test]
fn gp_20_our_cookies_never_reach_an_origin_and_others_do_byte_for_byte() {
    for (came, goes) in [
        ("a=1; __Host-gatelatch=s; b=2", "a=1; b=2"),
        ("__Host-gatelatch.0=s; a=1;b=\"x y\" ;c", "a=1;b=\"x y\" ;c"),
        ("a=1; __HOST-Gatelatch-login.x=s", "a=1"),
        ("a=caf\u{e9}; __Host-gatelatch=s", "a=caf\u{e9}"),
        ("a=1, __Host-gatelatch=s; b=2", "b=2"),
        ("a=1;  b==2 ;;", "a=1;  b==2 ;;"),
    ] {
        let sent = sent(&[("cookie", came)]);
        assert_eq!(sent["cookie"].as_bytes(), goes.as_bytes(), "{came}");
    }
    assert!(
        sent(&[("cookie", "__Host-gatelatch=s"), ("cookie", " __host-gatelatch.1=s")]).is_empty()
    );
    let named = [("connection", "cookie"), ("cookie", "a=1; __Host-gatelatch=s")];
    assert!(sent(&named).is_empty());
}

#[test]
fn everything_else_passes_untouched_with_all_its_values_and_bytes() {
    let lines = [
        ("accept", "a"),
        ("accept", "b"),
        ("x-name", "caf\u{e9}"),
        ("x-csrf", "1"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("origin", "https://app.test"),
        ("traceparent", "00-1"),
        ("host", "app.test"),
    ];
    assert_eq!(sent(&lines), headers(&lines));
}

#[test]
fn rfc6750_2_1_a_token_that_is_no_token_is_not_sent() {
    for token in ["", "a b", "a\r\nX-Admin: 1", "caf\u{e9}", "a,b"] {
        assert!(Bearer::new(&AccessToken::new(token)).is_none(), "{token}");
    }
    assert!(!format!("{:?}", Bearer::new(&AccessToken::new("s3cret"))).contains("s3cret"));
}

#[test]
fn gp_23_gp_24_a_token_is_put_on_no_hop_but_to_the_origins_that_it_is_for() {
    let aimed = |resource: &str| {
        let resource = Some(resource.to_owned());
        let by = By::Refresh;
        let wanted =
            Wanted { by, resource, audience: None, scope: None, opaque: false, bound: None };
        Token::Aimed(Box::new(wanted.into()))
    };
    let (orders, billing) = (aimed("urn:orders"), aimed("urn:billing"));
    let Token::Aimed(aim) = &orders else { panic!("it is") };
    let granted = json!({
        "key": aim.key(), "access_token": "x", "received_at": 0, "ends_at": 1, "refresh_at": 1,
    });
    let granted: Granted = serde_json::from_value(granted).unwrap();
    let accepts = Accepts { audience: "a".into(), opaque: false };
    let token = AccessToken::new("x");
    for (bearer, fits) in [
        (Bearer::new(&token), [true, false, false, false, false]),
        (Bearer::for_origin(&granted, aim), [false, false, true, false, false]),
        (Bearer::of_caller(&token), [false, false, false, false, true]),
    ] {
        let bearer = bearer.unwrap();
        let all = [&Token::Session, &Token::Nothing, &orders, &billing];
        let found = all.map(|token| bearer.fit(token).is_some());
        assert_eq!(found, fits[..4], "{bearer:?}");
        assert_eq!(bearer.fit_caller(&accepts).is_some(), fits[4], "{bearer:?}");
    }
}

proptest! {
    #[test]
    fn gp_20_whatever_the_cookies_are_ours_go_and_the_rest_stays(
        pairs in prop::collection::vec(
            prop_oneof![
                "[a-zA-Z_]{1,8}=[!-+\\--:<-~]{0,8}",
                "(__Host-|__host-)(gatelatch|GATELATCH)[a-z.0-9]{0,4}=[a-z]{0,8}",
            ],
            1..8,
        ),
    ) {
        let sent = sent(&[("cookie", &pairs.join("; "))]);
        let others: Vec<_> = pairs
            .iter()
            .filter(|pair| !pair.to_ascii_lowercase().starts_with("__host-gatelatch"))
            .cloned()
            .collect();
        let found = sent.get("cookie").map_or(String::new(), |line| line.to_str().unwrap().into());
        prop_assert_eq!(found, others.join("; "));
    }
}
