//! What an origin is sent: the browser's headers without any that only we may set, and then ours
//! (M4).
//!
//! The same headers are removed on every route. A public route gets no token and causes no look-up
//! of a session, even when somebody is signed in: what an origin may not rely on, it is not given.
//! So an origin cannot see an `Authorization` of the browser's own anywhere, nor a header by which any
//! route tells its origin something.

use crate::caller::Accepts;
use crate::hop::{Edits, is_hop_by_hop, named_by_connection};
use crate::route::token::Token;
use crate::session::state::further::{Granted, Key};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use shared::jar;
use shared::lines::parts;
use shared::origin::Origin;
use shared::secret::AccessToken;
use std::collections::BTreeSet;
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that origins and frameworks believe about who somebody is, where a request came from or
/// what it really asks for. Written as [`plain`] writes them.
const BELIEVED: [&str; 19] = [
    "authorization",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-identity-assertion",
    "x-method-override",
    "x-originating-ip",
    "x-real-ip",
    "x-url-rewrite",
    "x-webauth-user",
];

/// The same, by how they begin.
const BELIEVED_PREFIXES: [&str; 24] = [
    "cf-",
    "oidc-",
    "remote-",
    "ssl-client-",
    "x-amzn-oidc-",
    "x-auth",
    "x-bot-",
    "x-client-cert",
    "x-consumer-",
    "x-edge-",
    "x-email",
    "x-envoy-",
    "x-forwarded",
    "x-gatelatch-",
    "x-geo-",
    "x-goog-",
    "x-groups",
    "x-ms-client-principal",
    "x-original-",
    "x-remote-",
    "x-rewrite-",
    "x-ssl-",
    "x-turnstile-",
    "x-user",
];

/// Headers that nobody may be told about with: we set them, or decide by them, or origins take them
/// for something else than who somebody is. Written as [`plain`] writes them.
const OTHERWISE: [&str; 23] = [
    "x-client-ip",
    "x-cluster-client-ip",
    "x-csrf",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-identity-assertion",
    "x-method-override",
    "x-originating-ip",
    "x-real-ip",
    "x-requested-with",
    "x-url-rewrite",
];

/// The same, by how they begin.
const OTHERWISE_PREFIXES: [&str; 12] = [
    "remote-addr",
    "remote-host",
    "remote-port",
    "x-bot-",
    "x-client-cert",
    "x-edge-",
    "x-gatelatch-",
    "x-geo-",
    "x-http-method",
    "x-original-",
    "x-rewrite-",
    "x-turnstile-",
];

/// A token that a header can hold, as one, and whom it is for.
#[derive(Clone, Debug)]
pub struct Bearer {
    value: HeaderValue,
    whom: Whom,
}

/// The origins that a token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whom {
    /// Those of routes without a token of their own.
    Session,
    /// Those of routes that ask for this one.
    Origin(Key),
    /// That of the one route that it came along to.
    Caller,
}

impl Bearer {
    /// A session's own token. None when it is not the `b64token` of RFC 6750 §2.1.
    #[must_use]
    pub fn new(token: &AccessToken) -> Option<Self> {
        Self::of(token, Whom::Session)
    }

    /// A token that was asked for some routes alone.
    #[must_use]
    pub fn for_origin(granted: &Granted) -> Option<Self> {
        Self::of(granted.access_token(), Whom::Origin(granted.key()))
    }

    /// A token that came along.
    #[must_use]
    pub fn of_caller(token: &AccessToken) -> Option<Self> {
        Self::of(token, Whom::Caller)
    }

    fn of(token: &AccessToken, whom: Whom) -> Option<Self> {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok();
        let mut value = value.filter(|_| token.is_sendable())?;
        value.set_sensitive(true);
        Some(Self { value, whom })
    }

    /// The same for the hop to the origin of a route that is sent this token; none when it is another's
    /// (GP-23, GP-24).
    #[must_use]
    pub fn fit(&self, token: &Token) -> Option<Fit<'_>> {
        let fits = match (self.whom, token) {
            (Whom::Session, Token::Session) => true,
            (Whom::Origin(key), Token::Aimed(aim)) => key == aim.key(),
            (Whom::Session | Whom::Origin(_) | Whom::Caller, _) => false,
        };
        fits.then_some(Fit(&self.value))
    }

    /// The same for the hop to the origin of a route that takes what callers bring.
    #[must_use]
    pub fn fit_caller(&self, _: &Accepts) -> Option<Fit<'_>> {
        (self.whom == Whom::Caller).then_some(Fit(&self.value))
    }
}

/// A token that is for the origin which it is about to be sent to. Only [`Bearer::fit`] and
/// [`Bearer::fit_caller`] make one, and nothing else is put on a request.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'b>(&'b HeaderValue);

/// What to change about a request's headers before an origin sees them. `upgrade`: whether it asks
/// for a WebSocket. `client_ip` is what the platform says, never what a header says. `reserved`:
/// the headers by which any route tells its origin something, as [`crate::route::Routes::names`] has
/// them; `ours` is what this one is told.
#[must_use]
pub fn edits(
    headers: &HeaderMap,
    upgrade: bool,
    public_url: &Origin,
    client_ip: Option<IpAddr>,
    bearer: Option<Fit<'_>>,
    reserved: &BTreeSet<String>,
    ours: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Edits {
    let mut edits = Edits::default();
    let named: Vec<_> = named_by_connection(headers).collect();
    for name in headers.keys() {
        let spoken = plain(name.as_str());
        let hop =
            (is_hop_by_hop(&spoken) || named.contains(name)) && !(upgrade && *name == UPGRADE);
        if hop || is_believed(&spoken) || reserved.contains(&spoken) {
            edits.remove.push(name.clone());
        }
    }
    // In the second place, so that a cookie that `Connection` named away stays away.
    match others_cookies(headers).filter(|_| !named.contains(&COOKIE)) {
        Some(rest) if rest.is_empty() => edits.remove.push(COOKIE),
        Some(rest) => edits.set.push((COOKIE, rest)),
        None => {}
    }
    if let Some(Fit(value)) = bearer {
        edits.set.push((AUTHORIZATION, value.clone()));
    }
    edits.set.extend(ours);
    let mut set = |name, value: &str| {
        // An address, a scheme and a host are always header values.
        edits.set.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    };
    if let Some(address) = client_ip {
        set(FORWARDED_FOR, &address.to_string());
    }
    if let Some((scheme, host)) = public_url.as_str().split_once("://") {
        set(FORWARDED_PROTO, scheme);
        set(FORWARDED_HOST, host);
    }
    edits
}

/// A header's name as CGI and its heirs see it: to them everything but letters and digits is one
/// (GP-03). `HeaderName` is in lower case already.
pub(crate) fn plain(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

fn is_believed(name: &str) -> bool {
    BELIEVED.contains(&name) || BELIEVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a header has another meaning than to tell who somebody is.
pub(crate) fn is_meant_for_others(name: &str) -> bool {
    OTHERWISE.contains(&name) || OTHERWISE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The cookies without ours, each byte as it came (GP-20); none when there is nothing to take out.
/// (Of bytes that are not UTF-8 the runtime shows us only that they are there; they survive when
/// there is nothing to take out.)
fn others_cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    // A proxy in front may have joined two headers with a comma, so a name can begin there too.
    let ours = |pair: &&[u8]| parts(pair, b',').any(jar::is_ours);
    let lines = || headers.get_all(COOKIE).into_iter();
    let pairs = || lines().flat_map(|line| parts(line.as_bytes(), b';'));
    pairs().find(ours)?;
    let kept: Vec<&[u8]> = pairs().filter(|pair| !ours(pair)).collect();
    let line = kept.join(&b';');
    // A part of a header value is a header value.
    Some(HeaderValue::from_bytes(line.trim_ascii()).unwrap_or(HeaderValue::from_static("")))
}

#[cfg(test)]
mod tests {
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
            sent(&[("cookie", "__Host-gatelatch=s"), ("cookie", " __host-gatelatch.1=s")])
                .is_empty()
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
            let wanted = Wanted { by, resource, audience: None, scope: None, opaque: false };
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
            (Bearer::for_origin(&granted), [false, false, true, false, false]),
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
}
