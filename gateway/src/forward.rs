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
use crate::session::state::further::{Aim, Granted, Key};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use shared::jar;
use shared::lines::parts;
use shared::origin::Origin;
use shared::rp::dpop::SCHEME;
use shared::secret::AccessToken;
use std::collections::BTreeSet;
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that origins and frameworks believe about who somebody is, where a request came from or
/// what it really asks for. Written as [`plain`] writes them.
const BELIEVED: [&str; 20] = [
    "authorization",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "dpop",
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
const OTHERWISE: [&str; 24] = [
    "dpop",
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

    /// A token that was asked for some routes alone, in the way that `aim` says. One that is bound to
    /// a key of ours is good for nothing without a proof, which [`crate::dpop::prove`] puts beside it.
    #[must_use]
    pub fn for_origin(granted: &Granted, aim: &Aim) -> Option<Self> {
        let (token, whom) = (granted.access_token(), Whom::Origin(granted.key()));
        match &aim.wanted().bound {
            Some(_) => Self::with(SCHEME, token, whom),
            None => Self::of(token, whom),
        }
    }

    /// The token itself, as a proof speaks of it.
    pub(crate) fn token(&self) -> &[u8] {
        let value = self.value.as_bytes();
        value
            .iter()
            .position(|byte| *byte == b' ')
            .and_then(|at| value.get(at + 1..))
            .unwrap_or(value)
    }

    /// A token that came along.
    #[must_use]
    pub fn of_caller(token: &AccessToken) -> Option<Self> {
        Self::of(token, Whom::Caller)
    }

    fn of(token: &AccessToken, whom: Whom) -> Option<Self> {
        Self::with("Bearer", token, whom)
    }

    fn with(scheme: &str, token: &AccessToken, whom: Whom) -> Option<Self> {
        let value = HeaderValue::from_str(&format!("{scheme} {}", token.expose())).ok();
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
mod tests;
