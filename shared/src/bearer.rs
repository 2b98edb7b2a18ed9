//! The access token in a request, RFC 6750 §2.1, RFC 9449 §7.1.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What stands in the `Authorization` header of a request to a protected resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bearer<'h> {
    /// No such header.
    Absent,
    /// A token, RFC 6750 §2.1.
    Token(&'h str),
    /// Another scheme, several headers, or no text.
    Malformed,
}

/// The bearer token in the header.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    token_after("bearer", headers)
}

/// The token that belongs to a key, which a proof has to be sent with (RFC 9449 §7.1).
#[must_use]
pub fn bound(headers: &HeaderMap) -> Bearer<'_> {
    token_after("dpop", headers)
}

fn token_after<'h>(wanted: &str, headers: &'h HeaderMap) -> Bearer<'h> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Bearer::Absent };
    if lines.next().is_some() {
        return Bearer::Malformed;
    }
    let parts = line.to_str().ok().and_then(|line| line.split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(wanted) => {
            let token = token.trim_matches(' ');
            let b64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            if !token.is_empty() && token.bytes().all(b64) {
                Bearer::Token(token)
            } else {
                Bearer::Malformed
            }
        }
        _ => Bearer::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn jv_34_an_odd_authorization_header_is_malformed_and_no_panic() {
        let read = |line: &[u8]| {
            let headers =
                HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap())]);
            match bearer(&headers) {
                Bearer::Token(token) => Some(token.to_owned()),
                _ => None,
            }
        };
        assert_eq!(read(b"Bearer a.b-c").as_deref(), Some("a.b-c"));
        assert_eq!(read(b"bearer x").as_deref(), Some("x"));
        for line in [&b"Bearer"[..], b"Bearer ", b"Basic x", b"Bearer \xc3\xa9", b"Bearer a b", b""]
        {
            assert_eq!(read(line), None);
        }
        assert_eq!(bearer(&HeaderMap::new()), Bearer::Absent);
    }

    #[test]
    fn rfc9449_7_1_a_token_is_told_by_its_scheme_and_is_no_token_of_the_other() {
        let line = |line| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(line))]);
        for headers in [line("DPoP x"), line("dpop x")] {
            assert_eq!(bound(&headers), Bearer::Token("x"));
            assert_eq!(bearer(&headers), Bearer::Malformed);
        }
        assert_eq!(bound(&line("Bearer x")), Bearer::Malformed);
        assert_eq!(bound(&line("DPoP")), Bearer::Malformed);
        assert_eq!(bound(&HeaderMap::new()), Bearer::Absent);
    }
}
