//! Authorization requests, right and wrong.

use super::*;
use http::header::LOCATION;
use shared::fetch::Response;
use shared::secret::Code;
use shared::secret::Digest;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn config() -> Config {
    let clients = format!(
        r#"[{{"client_id":"app","redirect_uris":["https://app.test/cb"],"token_endpoint_auth_method":"none"}},
            {{"client_id":"old","redirect_uris":["https://old.test/cb?x=1"],"client_secret_sha256":"{}","require_pkce":false}}]"#,
        Digest::of("s").to_text(),
    );
    Config::read(|name| match name {
        "ISSUER" => Some("https://idp.test".into()),
        "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
        "CLIENTS" => Some(clients.clone()),
        _ => None,
    })
    .unwrap()
}

/// A valid request with some parameters changed, added, or (empty) taken away.
fn request(changes: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("client_id", "app"),
        ("redirect_uri", "https://app.test/cb"),
        ("response_type", "code"),
        ("scope", "openid profile"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    shared::form::encode(pairs)
}

fn read(encoded: &[u8], config: &Config) -> Result<AuthorizationRequest, Refused> {
    let form = decode(encoded)?;
    let client = form.get("client_id").and_then(|id| config.client(id)).cloned();
    super::read(&form, client, config)
}

fn error(changes: &[(&str, &str)]) -> Option<ErrorCode> {
    match read(request(changes).as_bytes(), &config()) {
        Err(Refused::Client(_, error)) => Some(error.error),
        Err(Refused::Page(words)) => panic!("{words}"),
        Ok(_) => None,
    }
}

#[test]
fn a_valid_request_is_read() {
    let config = config();
    let request =
        request(&[("nonce", "n"), ("max_age", "10"), ("extra", "foobar"), ("login_hint", "alice")]);
    let request = read(request.as_bytes(), &config).unwrap();
    assert_eq!(request.client.id, "app");
    assert_eq!((request.nonce.as_deref(), request.max_age), (Some("n"), Some(10)));
    assert_eq!(request.scope.to_string(), "openid profile");
    assert_eq!(request.login_hint.as_deref(), Some("alice"));
}

#[test]
fn ar_02_ar_03_az_01_before_the_redirect_uri_is_verified_nobody_is_redirected() {
    for changes in [
        vec![("client_id", "nope")],
        vec![("client_id", "")],
        vec![("redirect_uri", "https://evil.test/cb")],
        vec![("redirect_uri", "https://evil.test/cb"), ("response_type", "bogus")],
        vec![("redirect_uri", "https://evil.test/cb"), ("prompt", "none")],
        vec![("redirect_uri", "")],
        vec![("client_id", "old")],
    ] {
        let config = config();
        let refused = read(request(&changes).as_bytes(), &config);
        assert!(matches!(refused, Err(Refused::Page(_))), "{changes:?}");
    }
}

#[test]
fn ar_28_az_02_a_repeated_parameter_is_refused_on_our_own_page() {
    for name in ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce"] {
        let twice = format!("{}&{name}=x&{name}=x", request(&[]));
        assert!(matches!(read(twice.as_bytes(), &config()), Err(Refused::Page(_))), "{name}");
    }
}

#[test]
fn az_03_az_04_only_code_is_a_response_type() {
    assert_eq!(error(&[("response_type", "")]), Some(ErrorCode::InvalidRequest));
    for kind in ["token", "id_token", "id_token token", "none", "code code", "code id_token"] {
        let refused = error(&[("response_type", kind)]);
        assert_eq!(refused, Some(ErrorCode::UnsupportedResponseType), "{kind}");
    }
}

#[test]
fn az_05_a_code_travels_in_the_query_or_in_a_form() {
    assert_eq!(error(&[("response_mode", "query")]), None);
    assert_eq!(error(&[("response_mode", "form_post")]), None);
    for mode in ["form_post.jwt", "web_message", "fragment", "bogus"] {
        assert_eq!(error(&[("response_mode", mode)]), Some(ErrorCode::InvalidRequest), "{mode}");
    }
}

#[test]
fn az_10_az_12_az_13_pkce_is_s256_and_well_formed() {
    for changes in [
        vec![("code_challenge", "")],
        vec![("code_challenge", ""), ("code_challenge_method", "")],
        vec![("code_challenge_method", "")],
        vec![("code_challenge_method", "plain")],
        vec![("code_challenge_method", "s256")],
        vec![("code_challenge_method", "S512")],
        vec![("code_challenge", &CHALLENGE[1..])],
        vec![("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")],
    ] {
        assert_eq!(error(&changes), Some(ErrorCode::InvalidRequest), "{changes:?}");
    }
}

#[test]
fn az_11_only_the_registered_waiver_lets_a_client_off() {
    let old =
        [("client_id", "old"), ("redirect_uri", "https://old.test/cb?x=1"), ("code_challenge", "")];
    assert_eq!(error(&[&old[..], &[("code_challenge_method", "")]].concat()), None);
    assert_eq!(error(&old), Some(ErrorCode::InvalidRequest), "a method without a challenge");
    let downgrade = [&old[..2], &[("code_challenge_method", "plain")]].concat();
    assert_eq!(error(&downgrade), Some(ErrorCode::InvalidRequest));
}

#[test]
fn az_14_scope_is_cut_down_to_what_the_client_may_have() {
    let config = config();
    let granted =
        read(request(&[("scope", "openid address admin offline_access")]).as_bytes(), &config);
    assert_eq!(granted.unwrap().scope.to_string(), "openid");
    assert_eq!(error(&[("scope", "admin")]), Some(ErrorCode::InvalidScope));
    assert_eq!(error(&[("scope", "")]), Some(ErrorCode::InvalidScope));
}

#[test]
fn az_17_az_19_prompt_and_max_age_are_checked() {
    assert_eq!(error(&[("prompt", "none login")]), Some(ErrorCode::InvalidRequest));
    assert_eq!(error(&[("prompt", "bogus")]), Some(ErrorCode::InvalidRequest));
    assert_eq!(error(&[("prompt", "login consent")]), None);
    for age in ["-1", "x", "+1", "1.5", "99999999999999999999"] {
        assert_eq!(error(&[("max_age", age)]), Some(ErrorCode::InvalidRequest), "{age}");
    }
}

#[test]
fn az_22_az_23_request_objects_are_refused() {
    let by_value = error(&[("request", "eyJhbGciOiJub25lIn0.e30.")]);
    assert_eq!(by_value, Some(ErrorCode::RequestNotSupported));
    let by_reference = error(&[("request_uri", "http://127.0.0.1:1/x")]);
    assert_eq!(by_reference, Some(ErrorCode::RequestUriNotSupported));
}

#[test]
fn az_07_az_08_az_09_state_comes_back_once_and_iss_always() {
    let state = "a b&code=x\r\nSet-Cookie: y\u{e9}".repeat(300);
    let config = config();
    let asked = request(&[("state", &state)]);
    let reply = read(asked.as_bytes(), &config).unwrap().reply;
    let location = |response: Response| response.headers()[LOCATION].to_str().unwrap().to_owned();
    for location in [location(reply.code(&Code::new("c"))), location(reply.error(invalid("x")))] {
        let query = location.strip_prefix("https://app.test/cb?").unwrap();
        let form = Form::parse(query.as_bytes()).unwrap();
        assert_eq!(form.get("state"), Some(state.as_str()));
        assert_eq!(form.get("iss"), Some("https://idp.test"));
    }
    let posted =
        read(request(&[("state", &state), ("response_mode", "form_post")]).as_bytes(), &config);
    let page = posted.unwrap().reply.code(&Code::new("c"));
    assert!(!page.headers().contains_key(LOCATION));
    assert!(String::from_utf8_lossy(page.body()).contains("&#13;&#10;Set-Cookie: y\u{e9}"));
    let reply = read(request(&[("state", "")]).as_bytes(), &config).unwrap().reply;
    assert!(!location(reply.code(&Code::new("c"))).contains("state"));
}

#[test]
fn az_19_without_max_age_the_clients_own_holds() {
    let config = config();
    let mut client = config.client("app").cloned().map(Rc::unwrap_or_clone).unwrap();
    client.default_max_age = Some(60);
    let client = Rc::new(client);
    let max_age = |changes: &[(&str, &str)]| {
        let form = decode(request(changes).as_bytes()).unwrap();
        super::read(&form, Some(Rc::clone(&client)), &config).unwrap().max_age
    };
    assert_eq!(max_age(&[]), Some(60));
    assert_eq!(max_age(&[("max_age", "0")]), Some(0));
    assert_eq!(max_age(&[("max_age", "90")]), Some(90));
}
