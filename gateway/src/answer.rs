//! What a browser is sent of an origin's answer, and what every answer has.

use crate::config::Config;
use crate::cors;
use crate::hop::{Edits, is_hop_by_hop, named_by_connection, words};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, EXPIRES, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, VARY,
};
use shared::jar;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// What to change about an answer's headers. `authenticated`: whether the request carried
/// somebody's token. A `101` goes by as it is: it has no body to keep, and its socket is lost to
/// whoever rebuilds it.
///
/// - Headers for one hop go no further (GP-30).
/// - Cookies in our name are dropped, and so is an order to clear all cookies: a session ends by
///   signing out (GP-21).
/// - What somebody signed in was sent is for nobody else (CC-01). An origin that says `private` or
///   `no-store` has thought about it and is left alone; everything else, silence too, becomes
///   `private, no-store`. `no-transform` is kept, `Vary: Cookie` is added, and headers that
///   overrule `Cache-Control` for shared caches (RFC 9213) are removed. Which origins' scripts may read
///   it is not the origin server's to say either ([`cors`]).
#[must_use]
pub fn edits(status: StatusCode, headers: &HeaderMap, authenticated: bool) -> Edits {
    let mut edits = Edits::default();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return edits;
    }
    let named: Vec<_> = named_by_connection(headers).collect();
    for name in headers.keys() {
        let ours = authenticated
            && (overrules_cache_control(name.as_str()) || cors::is_grant(name.as_str()));
        if is_hop_by_hop(name.as_str()) || named.contains(name) || ours {
            edits.remove.push(name.clone());
        }
    }
    if headers.get_all(SET_COOKIE).iter().any(sets_ours) && !named.contains(&SET_COOKIE) {
        edits.remove.push(SET_COOKIE);
        let others = headers.get_all(SET_COOKIE).iter().filter(|line| !sets_ours(line));
        edits.append.extend(others.map(|line| (SET_COOKIE, line.clone())));
    }
    if words(headers, &CLEAR_SITE_DATA).any(clears_cookies) {
        edits.remove.push(CLEAR_SITE_DATA);
        let others: Vec<_> =
            words(headers, &CLEAR_SITE_DATA).filter(|word| !clears_cookies(word)).collect();
        let value = HeaderValue::from_bytes(&others.join(&b", "[..]));
        edits.append.extend(
            value.ok().filter(|value| !value.is_empty()).map(|value| (CLEAR_SITE_DATA, value)),
        );
    }
    if authenticated {
        keep_to_one_person(headers, &named, &mut edits);
    }
    edits
}

/// The edits that put our own `Set-Cookie` lines on an answer; none when there are no lines. What
/// sets a cookie of ours is not kept, not even by the browser, or it could set it again (CC-02).
#[must_use]
pub fn with_cookies(headers: &HeaderMap, lines: &HeaderMap) -> Edits {
    let mut edits = Edits::default();
    let ours = lines.get_all(SET_COOKIE).into_iter();
    edits.append.extend(ours.map(|line| (SET_COOKIE, line.clone())));
    if !edits.append.is_empty() {
        edits.set.push((CACHE_CONTROL, no_store(headers)));
    }
    edits
}

/// What every answer to a browser has, ours or an origin's that does not say it itself. A `101` has no
/// use for it.
#[must_use]
pub fn always(config: &Config) -> Edits {
    let default = config.hsts().map(|value| (STRICT_TRANSPORT_SECURITY, value));
    Edits { default: default.into_iter().collect(), ..Edits::default() }
}

/// Kept by nobody, and transformed by nobody if the origin says so.
fn no_store(headers: &HeaderMap) -> HeaderValue {
    let fixed =
        words(headers, &CACHE_CONTROL).any(|word| word.eq_ignore_ascii_case(b"no-transform"));
    HeaderValue::from_static(if fixed {
        "private, no-store, no-transform"
    } else {
        "private, no-store"
    })
}

fn keep_to_one_person(headers: &HeaderMap, named: &[HeaderName], edits: &mut Edits) {
    let says = |wanted: &[u8]| {
        words(headers, &CACHE_CONTROL).any(|word| word.eq_ignore_ascii_case(wanted))
    };
    // With a list of fields (`private="x"`) it is about those fields, RFC 9111 §5.2.2.7.
    let private = says(b"private") || says(b"no-store");
    let shared = words(headers, &CACHE_CONTROL).any(|word| {
        let directive = word.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        directive.eq_ignore_ascii_case(b"public") || directive.eq_ignore_ascii_case(b"s-maxage")
    });
    if !private || shared || named.contains(&CACHE_CONTROL) {
        edits.set.push((CACHE_CONTROL, no_store(headers)));
        if headers.contains_key(EXPIRES) {
            edits.remove.push(EXPIRES);
        }
    }
    let varies = |word: &[u8]| word == b"*" || word.eq_ignore_ascii_case(b"cookie");
    if !words(headers, &VARY).any(varies) || named.contains(&VARY) {
        edits.append.push((VARY, HeaderValue::from_static("Cookie")));
    }
}

fn overrules_cache_control(name: &str) -> bool {
    name == "surrogate-control" || name.ends_with("cdn-cache-control")
}

/// Whether a `Set-Cookie` is in our name. One without a name is read by its value, for that is how
/// it would come back.
fn sets_ours(line: &HeaderValue) -> bool {
    let bytes = line.as_bytes().trim_ascii_start();
    let rest = bytes.iter().position(|byte| !matches!(byte, b'=' | b' ' | b'\t'));
    jar::is_ours(rest.and_then(|start| bytes.get(start..)).unwrap_or_default())
}

fn clears_cookies(word: &[u8]) -> bool {
    [&b"\"cookies\""[..], b"\"*\""].iter().any(|all| word.eq_ignore_ascii_case(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    fn answered(authenticated: bool, lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        edits(StatusCode::OK, &headers, authenticated).apply(&mut headers);
        headers
    }

    fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
        headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    #[test]
    fn gp_30_headers_of_one_hop_stay_on_it() {
        let headers = answered(
            false,
            &[
                ("connection", "X-Foo, close"),
                ("x-foo", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-authenticate", "Basic"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("x-kept", "caf\u{e9}"),
            ],
        );
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn gp_21_an_origin_cannot_set_or_clear_our_cookies_and_can_its_own() {
        let headers = answered(
            false,
            &[
                ("set-cookie", "a=1; Path=/"),
                ("set-cookie", "__Host-gatelatch=evil; Path=/; Secure"),
                ("set-cookie", " __HOST-GATELATCH.0=evil"),
                ("set-cookie", "=__Host-gatelatch=evil"),
                ("set-cookie", "b=caf\u{e9}"),
                ("clear-site-data", "\"cache\", \"cookies\", \"storage\""),
            ],
        );
        assert_eq!(all(&headers, "set-cookie"), [&b"a=1; Path=/"[..], "b=caf\u{e9}".as_bytes()]);
        assert_eq!(headers["clear-site-data"], "\"cache\", \"storage\"");
        assert!(answered(true, &[("clear-site-data", "\"*\"")]).get("clear-site-data").is_none());
    }

    #[test]
    fn several_cookies_of_the_origin_need_no_edit_at_all() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        assert!(edits(StatusCode::OK, &headers, false).is_empty());
    }

    #[test]
    fn cc_01_what_somebody_signed_in_is_sent_is_kept_by_no_shared_cache() {
        for (came, goes) in [
            ("public, max-age=3600", "private, no-store"),
            ("PUBLIC", "private, no-store"),
            ("max-age=3600", "private, no-store"),
            ("s-maxage=60, private", "private, no-store"),
            ("private=\"set-cookie\", max-age=60", "private, no-store"),
            ("no-cache", "private, no-store"),
            ("public, no-transform", "private, no-store, no-transform"),
            ("private, max-age=60", "private, max-age=60"),
            ("Private", "Private"),
            ("no-store", "no-store"),
            ("caf\u{e9}", "private, no-store"),
        ] {
            let headers = answered(true, &[("cache-control", came)]);
            assert_eq!(headers["cache-control"], goes, "{came}");
            assert_eq!(headers["vary"], "Cookie");
        }
        let silent = answered(true, &[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")]);
        assert_eq!(silent["cache-control"], "private, no-store");
        assert!(!silent.contains_key("expires"));
    }

    #[test]
    fn cc_01_no_other_header_can_overrule_it() {
        let headers = answered(
            true,
            &[
                ("cdn-cache-control", "max-age=60"),
                ("cloudflare-cdn-cache-control", "max-age=60"),
                ("surrogate-control", "max-age=60"),
                ("connection", "cache-control, vary"),
                ("cache-control", "private"),
                ("vary", "cookie"),
            ],
        );
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["cache-control"], "private, no-store");
        assert_eq!(headers["vary"], "Cookie");
    }

    #[test]
    fn cc_02_an_answer_that_sets_our_cookie_is_not_kept() {
        let mut headers = answered(
            true,
            &[("cache-control", "private, max-age=60, no-transform"), ("set-cookie", "a=1")],
        );
        let mut lines = HeaderMap::new();
        assert!(with_cookies(&headers, &lines).is_empty());
        shared::cookie::set(&mut lines, "__Host-gatelatch", "v", None);
        with_cookies(&headers, &lines).apply(&mut headers);
        assert_eq!(headers["cache-control"], "private, no-store, no-transform");
        assert_eq!(all(&headers, "set-cookie").len(), 2);
    }

    #[test]
    fn vary_is_added_to_and_never_replaced() {
        assert_eq!(
            all(&answered(true, &[("vary", "Accept")]), "vary"),
            [&b"Accept"[..], b"Cookie"]
        );
        assert_eq!(
            all(&answered(true, &[("vary", "accept, cookie")]), "vary"),
            [b"accept, cookie"]
        );
        assert_eq!(all(&answered(true, &[("vary", "*")]), "vary"), [b"*"]);
    }

    #[test]
    fn cs_10_no_origin_server_says_who_may_read_what_somebody_signed_in_is_sent() {
        let lines = [
            ("access-control-allow-origin", "https://evil.test"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-max-age", "9"),
            ("access-control-expose-headers", "x-total"),
        ];
        let grants = |authenticated| {
            let headers = answered(authenticated, &lines);
            headers.keys().filter(|name| name.as_str().starts_with("access-control")).count()
        };
        assert_eq!((grants(true), grants(false)), (1, 5));
    }

    #[test]
    fn a_browser_is_told_to_come_by_https_where_it_can_and_an_origin_may_say_it_otherwise() {
        let told = |changes: &[(&str, &str)], said: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(said.map(|said| (STRICT_TRANSPORT_SECURITY, said.parse().unwrap())));
            always(&with(changes).unwrap()).apply(&mut headers);
            let value = headers.get(STRICT_TRANSPORT_SECURITY);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(told(&[], None).unwrap(), "max-age=31536000");
        assert_eq!(told(&[("HSTS_SECONDS", "60")], None).unwrap(), "max-age=60");
        let theirs = "max-age=1; includeSubDomains";
        assert_eq!(told(&[], Some(theirs)).unwrap(), theirs);
        assert_eq!(told(&[("HSTS_SECONDS", "0")], None), None);
        assert_eq!(told(&[("PUBLIC_URL", "http://localhost:8788")], None), None);
    }

    #[test]
    fn a_public_answer_keeps_its_caching_and_a_101_everything() {
        let lines = [("cache-control", "public, max-age=60"), ("vary", "Accept")];
        assert_eq!(answered(false, &lines)["cache-control"], "public, max-age=60");
        let mut headers = HeaderMap::new();
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        assert!(edits(StatusCode::SWITCHING_PROTOCOLS, &headers, true).is_empty());
    }
}
