use super::clearance::{NAME, Standing};
use super::*;
use crate::config::Config;
use crate::config::tests::{mistakes, with};
use crate::session::cookie::Contents;
use http::HeaderMap;
use http::header::{COOKIE, SET_COOKIE};
use pollster::block_on;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use shared::fetch::Unreachable;
use std::cell::RefCell;

const NOON: UnixTime = UnixTime(1_800_000_000);
const KEYS: [(&str, &str); 2] =
    [("TURNSTILE_SITE_KEY", "0x4AAAAAAAour"), ("TURNSTILE_SECRET", "0x4AAAAAAAour-secret")];

fn route(access: &str, action: &str, more: &str) -> String {
    format!(
        r#"[{{"prefix": "/", "origin": "https://a.test", "access": "{access}",
              "require": {{"turnstile": "{action}"}} {more}}}]"#
    )
}

/// A configuration with these settings besides the keys.
fn registered(changes: &[(&str, &str)]) -> Config {
    with(&[changes, &KEYS].concat()).unwrap()
}

#[test]
fn keys_are_there_together_and_are_not_cloudflares_own_outside_of_development() {
    let both = |site_key: &str, secret: &str, url: &str| {
        mistakes(&[
            ("TURNSTILE_SITE_KEY", site_key),
            ("TURNSTILE_SECRET", secret),
            ("PUBLIC_URL", url),
        ])
    };
    let (site_key, secret) = (KEYS[0].1, KEYS[1].1);
    let (live, here) = ("https://app.test", "http://localhost:8788");
    assert!(both(site_key, secret, live).is_empty());
    assert!(both("", "", live).is_empty());
    assert_eq!(both(site_key, "", live), ["TURNSTILE_SECRET"]);
    assert_eq!(both("", secret, live), ["TURNSTILE_SITE_KEY"]);
    assert_eq!(both("a b", secret, live), ["TURNSTILE_SITE_KEY"]);
    assert_eq!(both(site_key, "a\"b", live), ["TURNSTILE_SECRET"]);
    for test in TEST_SITE_KEYS {
        assert_eq!(both(test, secret, live), ["TURNSTILE_SITE_KEY"], "{test}");
        let mixed = both(test, secret, "http://localhost:8788,https://app.test");
        assert_eq!(mixed, ["TURNSTILE_SITE_KEY"], "{test}");
        assert!(both(test, secret, here).is_empty(), "{test}");
    }
    for test in TEST_SECRETS {
        assert_eq!(both(site_key, test, live), ["TURNSTILE_SECRET"], "{test}");
        assert!(both(site_key, test, here).is_empty(), "{test}");
    }
}

#[test]
fn the_service_is_cloudflares_outside_of_development() {
    let named = |changes: &[(&str, &str)]| mistakes(&[changes, &KEYS].concat());
    let url = ("TURNSTILE_SITEVERIFY_URL", "https://verify.test/x");
    let here = ("PUBLIC_URL", "http://localhost:8788");
    assert_eq!(named(&[url]), ["TURNSTILE_SITEVERIFY_URL"]);
    assert!(named(&[url, here]).is_empty());
    for bad in ["http://verify.test/x", "verify", "ftp://localhost/"] {
        assert_eq!(named(&[("TURNSTILE_SITEVERIFY_URL", bad), here]), [url.0], "{bad}");
    }
    let turnstile = registered(&[]).turnstile.unwrap();
    assert_eq!(turnstile.siteverify, SITEVERIFY);
    assert_eq!(turnstile.clearance_seconds, 1800);
    assert!(!format!("{turnstile:?}").contains("our-secret"));
    for bad in ["59", "86401", "soon"] {
        let named = named(&[("TURNSTILE_CLEARANCE_SECONDS", bad)]);
        assert_eq!(named, ["TURNSTILE_CLEARANCE_SECONDS"], "{bad}");
    }
}

#[test]
fn a_route_that_requires_a_challenge_needs_keys_and_an_action_and_takes_no_tokens() {
    let named = |routes: &str| mistakes(&[&KEYS[..], &[("ROUTES", routes)]].concat());
    for access in ["public", "signed-in", "api"] {
        let good = route(access, "a-z_0", "");
        assert!(named(&good).is_empty(), "{access}");
        for missing in [KEYS[0].0, KEYS[1].0] {
            let named = mistakes(&[&[("ROUTES", &*good), (missing, "")], &KEYS[..]].concat());
            assert!(named.contains(&"ROUTES[0].require.turnstile".to_owned()), "{named:?}");
        }
        for bad in ["", "Pay", "a b", "a.b", &"a".repeat(33)] {
            let named = named(&route(access, bad, ""));
            assert_eq!(named, ["ROUTES[0].require.turnstile"], "{access} {bad}");
        }
    }
    let bearer = route("api", "pay", r#", "bearer": {"audience": "https://api.test"}"#);
    assert_eq!(named(&bearer), ["ROUTES[0].require.turnstile"]);
    let with_claims =
        route("public", "pay", "").replace("\"turnstile\"", "\"acr\": [\"mfa\"], \"turnstile\"");
    assert_eq!(named(&with_claims), ["ROUTES[0].require"]);
    // Nobody may be told about by such a header.
    let told = route("api", "pay", r#", "headers": {"X-Turnstile-Action": "sub"}"#);
    assert_eq!(named(&told), ["ROUTES[0].headers.X-Turnstile-Action"]);
}

/// What comes of an answer of the service, and what it was asked.
fn verified(answer: &Result<(u16, String), Unreachable>) -> (Result<(), Refused>, String) {
    let config = registered(&[]);
    let asked = RefCell::new(String::new());
    let fetch = async |request: Request| {
        assert_eq!(
            (request.method(), request.uri()),
            (&Method::POST, &Uri::from_static(SITEVERIFY))
        );
        assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
        *asked.borrow_mut() = String::from_utf8(request.into_body()).unwrap();
        let (status, body) = answer.clone()?;
        let mut answer = Response::new(body.into_bytes());
        *answer.status_mut() = status.try_into().unwrap();
        Ok(answer)
    };
    let action = Action::parse("pay").unwrap();
    let challenge = Challenge { site: &config.public_url, action: &action, data: "who" };
    let token = Token::read(Some("a+b")).unwrap();
    let from = Some("192.0.2.7".parse().unwrap());
    let turnstile = config.turnstile.as_ref().unwrap();
    let result = block_on(turnstile.verify(&token, &challenge, from, &fetch, NOON));
    (result, asked.into_inner())
}

/// A good answer, with some members changed; null takes them out.
fn said(changes: &Value) -> String {
    let mut answer = json!({
        "success": true, "error-codes": [], "challenge_ts": "2027-01-15T07:59:30.274Z",
        "hostname": "app.test", "action": "pay", "cdata": "who", "metadata": {"interactive": false},
    });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer.to_string()
}

#[test]
fn the_service_is_asked_with_secret_token_and_address() {
    let (result, asked) = verified(&Ok((200, said(&json!({})))));
    assert_eq!(result, Ok(()));
    assert_eq!(asked, "secret=0x4AAAAAAAour-secret&response=a%2Bb&remoteip=192.0.2.7");
}

#[test]
fn a_token_counts_only_here_for_this_for_this_browser_and_lately() {
    for (changes, refused) in [
        (json!({"hostname": "evil.test"}), Refused::Hostname),
        (json!({"hostname": "app.test:443"}), Refused::Hostname),
        (json!({"hostname": "sub.app.test"}), Refused::Hostname),
        (json!({"hostname": ""}), Refused::Hostname),
        (json!({"hostname": null}), Refused::Hostname),
        (json!({"action": "login"}), Refused::Action),
        (json!({"action": "PAY"}), Refused::Action),
        (json!({"action": ""}), Refused::Action),
        (json!({"action": null}), Refused::Action),
        (json!({"cdata": "whom"}), Refused::Data),
        (json!({"cdata": ""}), Refused::Data),
        (json!({"cdata": null}), Refused::Data),
        (json!({"challenge_ts": null}), Refused::Age),
        (json!({"challenge_ts": "2027-01-15T07:54:59.999Z"}), Refused::Age),
        (json!({"challenge_ts": "2027-01-15T08:00:31Z"}), Refused::Age),
        (json!({"challenge_ts": "2027-01-15"}), Refused::Age),
        (json!({"challenge_ts": "yesterday"}), Refused::Age),
        (json!({"success": false, "error-codes": ["invalid-input-response"]}), Refused::Invalid),
        (json!({"success": false, "error-codes": ["missing-input-response"]}), Refused::Invalid),
        (json!({"success": false, "error-codes": ["timeout-or-duplicate"]}), Refused::Duplicate),
        (json!({"success": false, "error-codes": ["bad-request"]}), Refused::No),
        (json!({"success": false, "error-codes": []}), Refused::No),
    ] {
        let (result, _) = verified(&Ok((200, said(&changes))));
        assert_eq!(result, Err(refused), "{changes}");
        assert!(!refused.leaves_open());
    }
    for good in ["2027-01-15T07:55:00Z", "2027-01-15T08:00:30.9Z"] {
        assert_eq!(verified(&Ok((200, said(&json!({"challenge_ts": good}))))).0, Ok(()), "{good}");
    }
}

#[test]
fn what_is_no_answer_is_no_yes() {
    let good = said(&json!({}));
    for (answer, refused) in [
        (Err(Unreachable), Refused::Unreachable),
        (Ok((500, good.clone())), Refused::Status(500)),
        (Ok((503, String::new())), Refused::Status(503)),
        (Ok((429, good.clone())), Refused::Status(429)),
        (Ok((302, String::new())), Refused::Status(302)),
        (Ok((404, good.clone())), Refused::Status(404)),
        (Ok((400, good.clone())), Refused::Nonsense),
        (Ok((200, String::new())), Refused::Nonsense),
        (Ok((200, "<html>".to_owned())), Refused::Nonsense),
        (Ok((200, good[..good.len() / 2].to_owned())), Refused::Nonsense),
        (Ok((200, "[]".to_owned())), Refused::Nonsense),
        (Ok((200, "{}".to_owned())), Refused::Nonsense),
        (Ok((200, said(&json!({"success": "true"})))), Refused::Nonsense),
        (Ok((200, said(&json!({"success": 1})))), Refused::Nonsense),
        (Ok((200, said(&json!({"success": null})))), Refused::Nonsense),
        (Ok((200, said(&json!({"hostname": ["app.test"]})))), Refused::Nonsense),
        (Ok((200, said(&json!({"error-codes": ["internal-error"]})))), Refused::Nonsense),
        (
            Ok((200, said(&json!({"success": false, "error-codes": ["internal-error"]})))),
            Refused::Internal,
        ),
        (
            Ok((200, said(&json!({"success": false, "error-codes": ["invalid-input-secret"]})))),
            Refused::Secret,
        ),
        (
            Ok((400, said(&json!({"success": false, "error-codes": ["missing-input-secret"]})))),
            Refused::Secret,
        ),
    ] {
        assert_eq!(verified(&answer).0, Err(refused), "{answer:?}");
        assert!(refused.leaves_open(), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_a_token_is_none() {
    assert!(Token::read(Some(&"a".repeat(2048))).is_some());
    for bad in [None, Some(&*"a".repeat(2049)), Some("a b"), Some("a\n"), Some("\u{e9}")] {
        assert!(Token::read(bad).is_none(), "{bad:?}");
    }
    assert_eq!(format!("{:?}", Token::read(Some("secret")).unwrap()), "Token(..)");
}

#[test]
fn rfc3339_instants_are_read_to_the_second_and_what_is_none_is_refused() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T00:00:00.000Z", 951_782_400),
        ("2022-10-06T00:07:23.274Z", 1_665_014_843),
        ("2027-01-15T08:00:00Z", 1_800_000_000),
        ("2100-02-28T23:59:59.9Z", 4_107_542_399),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
    ] {
        assert_eq!(instant(text), Some(UnixTime(seconds)), "{text}");
    }
    for bad in [
        "",
        "Z",
        "2027-01-15T08:00:00",
        "2027-01-15T08:00:00+01:00",
        "2027-01-15 08:00:00Z",
        "2027-13-15T08:00:00Z",
        "2027-00-15T08:00:00Z",
        "2027-01-32T08:00:00Z",
        "2027-01-15T24:00:00Z",
        "2027-01-15T08:60:00Z",
        "2027-01-15T08:00Z",
        "27-01-15T08:00:00Z",
        "2027-01-15T08:00:00:00Z",
        "1969-12-31T23:59:59Z",
        "+027-01-15T08:00:00Z",
    ] {
        assert_eq!(instant(bad), None, "{bad}");
    }
}

/// What a browser sends whose cookie this is.
fn sent(cookies: &HeaderMap) -> HeaderMap {
    let line = cookies[SET_COOKIE].to_str().unwrap();
    let pair = line.split(';').next().unwrap();
    [(COOKIE, HeaderValue::from_str(pair).unwrap())].into_iter().collect()
}

#[test]
fn what_was_passed_counts_for_its_action_in_its_session_until_its_end() {
    let (config, mut rng) = (registered(&[]), ChaCha20Rng::seed_from_u64(1));
    let [pay, other] = ["pay", "other"].map(|text| Action::parse(text).unwrap());
    let key = |handle: &str| {
        Contents::Handle { handle: handle.to_owned(), ends_at: NOON, place: None }.logout_key()
    };
    let [one, two] = ["one", "two"].map(key);
    let passed_by = |who: Option<&_>, rng: &mut _| {
        let mut cookies = HeaderMap::new();
        let standing = Standing::read(&config, &HeaderMap::new(), who, rng);
        standing.passed(&pay, NOON.plus(60), NOON).write(&config, &mut cookies);
        sent(&cookies)
    };
    let counts = |headers: &HeaderMap, who: Option<&_>, action: &Action, now: UnixTime| {
        let standing = Standing::known(&config, headers, who);
        standing.is_some_and(|standing| standing.check(action, now).is_some())
    };
    let (signed_in, stranger) = (passed_by(Some(&one), &mut rng), passed_by(None, &mut rng));
    for (who, in_session, without) in
        [(Some(&one), true, false), (Some(&two), false, false), (None, true, true)]
    {
        assert_eq!(counts(&signed_in, who, &pay, NOON.plus(59)), in_session);
        assert_eq!(counts(&stranger, who, &pay, NOON.plus(59)), without);
        for headers in [&signed_in, &stranger] {
            assert!(!counts(headers, who, &pay, NOON.plus(60)), "it has ended");
            assert!(!counts(headers, who, &other, NOON), "it is for something else");
        }
    }
}

#[test]
fn gs_02_a_clearance_is_sealed_for_this_site_and_no_bit_of_it_may_flip() {
    let (config, mut rng) = (registered(&[]), ChaCha20Rng::seed_from_u64(1));
    let action = Action::parse("pay").unwrap();
    let mut cookies = HeaderMap::new();
    let standing = Standing::read(&config, &HeaderMap::new(), None, &mut rng);
    standing.passed(&action, NOON.plus(60), NOON).write(&config, &mut cookies);
    let line = cookies[SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with(&format!("{NAME}=")), "{line}");
    assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
    let headers = sent(&cookies);
    assert!(Standing::known(&config, &headers, None).is_some());
    let elsewhere = registered(&[("PUBLIC_URL", "https://other.test")]);
    assert!(Standing::known(&elsewhere, &headers, None).is_none());
    let bytes = headers[COOKIE].as_bytes();
    for at in NAME.len() + 1..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let value = HeaderValue::from_bytes(&changed).unwrap();
        let headers = [(COOKIE, value)].into_iter().collect();
        assert!(Standing::known(&config, &headers, None).is_none(), "{at}");
    }
}

#[test]
fn a_clearance_stays_small_and_what_counts_nowhere_any_more_goes() {
    let (config, mut rng) = (registered(&[]), ChaCha20Rng::seed_from_u64(1));
    let key = |handle: &str| {
        Contents::Handle { handle: handle.to_owned(), ends_at: NOON, place: None }.logout_key()
    };
    let mut headers = HeaderMap::new();
    for number in 0..100 {
        let session = key(&format!("{}", number / 50));
        let action = Action::parse(&format!("{number:0>32}")).unwrap();
        let standing = Standing::read(&config, &headers, Some(&session), &mut rng);
        let (mut cookies, now) = (HeaderMap::new(), NOON.plus(number));
        standing.passed(&action, now.plus(60), now).write(&config, &mut cookies);
        headers = sent(&cookies);
        assert!(headers[COOKIE].len() < 3500, "{}", headers[COOKIE].len());
        let standing = Standing::known(&config, &headers, Some(&session)).unwrap();
        assert!(standing.check(&action, now).is_some());
        // The browser stays who it is.
        let first = Standing::known(&config, &headers, None).unwrap().data(&config);
        assert_eq!(first, standing.data(&config));
    }
}
