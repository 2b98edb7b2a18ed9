//! Cookies, RFC 6265bis: read without surprises, written with every attribute that protects them.

use crate::lines::parts;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// More cookies than a browser keeps for one host.
const MOST_COOKIES: usize = 200;

/// A cookie's name. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`, so that
/// no sibling host can plant one.
pub const PREFIX: &str = "__Host-";

/// The name and value pairs of every `Cookie` header, in order. A pair that is not text is passed
/// over, and only that pair: other cookies of the site are not ours to choose.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| parts(line.as_bytes(), b';'))
        .filter_map(|pair| {
            std::str::from_utf8(pair).ok()?.trim_matches([' ', '\t']).split_once('=')
        })
        .take(MOST_COOKIES)
}

/// The one value of `name`; none when it was sent twice, for nobody can tell which is ours (GS-09).
#[must_use]
pub fn get<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = all(headers).filter(|(found, _)| *found == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// Adds a `Set-Cookie` of a `__Host-` cookie: `Secure`, `HttpOnly`, `SameSite=Lax`, whole host.
/// Without `seconds` it lasts as long as the browser runs.
pub fn set(headers: &mut HeaderMap, name: &str, value: &str, seconds: Option<u64>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    // Names are ours and values base64url, so this is always a header value.
    if let Ok(line) = HeaderValue::from_str(&line) {
        headers.append(SET_COOKIE, line);
    }
}

/// Adds a `Set-Cookie` that deletes the cookie. The attributes are those it was set with, or
/// browsers would refuse the deletion of a prefixed cookie (LO-12).
pub fn delete(headers: &mut HeaderMap, name: &str) {
    set(headers, name, "", Some(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect()
    }

    #[test]
    fn gs_09_a_cookie_sent_twice_is_nobodys() {
        assert_eq!(get(&headers(&["a=1; b=2"]), "a"), Some("1"));
        assert_eq!(get(&headers(&["a=1; a=2"]), "a"), None);
        assert_eq!(get(&headers(&["a=1", "a=1"]), "a"), None);
        assert_eq!(get(&headers(&["A=1"]), "a"), None);
    }

    #[test]
    fn gs_10_odd_cookie_headers_are_harmless() {
        for line in ["", ";", "=", "a", ";;=;a"] {
            assert_eq!(get(&headers(&[line]), "a"), None, "{line}");
        }
        let latin1 = HeaderValue::from_bytes(b"lang=caf\xe9; a=1").unwrap();
        let latin1 = HeaderMap::from_iter([(COOKIE, latin1)]);
        assert_eq!(get(&latin1, "a"), Some("1"));
        assert_eq!(get(&headers(&["lang=caf\u{e9}; a=1"]), "a"), Some("1"));
        let flood = "x=1; ".repeat(10_000);
        assert_eq!(all(&headers(&[&flood])).count(), MOST_COOKIES);
    }

    #[test]
    fn gs_01_lo_12_a_cookie_is_set_and_deleted_with_the_same_attributes() {
        let mut headers = HeaderMap::new();
        set(&mut headers, "__Host-a", "v", Some(60));
        delete(&mut headers, "__Host-a");
        let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(lines[0], "__Host-a=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert_eq!(lines[1], "__Host-a=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
