//! What an origin is told about somebody in one signed text: the header `X-Identity-Assertion`, a JWT
//! for that origin alone, by our own key. An origin that checks it need not believe the network, and
//! sees no access token in it.

use crate::config::Config;
use crate::next::Next;
use crate::refused::Refused;
use crate::session::exchange::Party;
use crate::session::state::Person;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::jose::jws::{Header, compact, signing_input};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// The header. No browser's ever reaches an origin: it is among those of `forward.rs`.
pub const HEADER: HeaderName = HeaderName::from_static("x-identity-assertion");
/// What the token says that it is, so that it is taken for nothing else (RFC 8725 §3.11).
const TYPE: &str = "identity-assertion+jwt";
/// How long an assertion is good for, in seconds, unless the session ends before.
const LIFE: u64 = 60;
/// How long an isolate sends the same one. Well below [`LIFE`], which has to be enough for clocks that
/// are apart and for requests that are long under way.
const SAME: u64 = 20;
/// How many an isolate keeps; beyond that it forgets them all.
const MOST: usize = 512;
/// More claims, and longer names of audiences, than headers have room for.
const MOST_CLAIMS: usize = 32;
const LONGEST_AUDIENCE: usize = 256;

/// Claims that are ours to say.
const OURS: [&str; 10] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "acr", "idp"];

/// What a route has signed for its origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asserts {
    audience: String,
    claims: Vec<String>,
}

/// The same as it is written in the settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    audience: String,
    #[serde(default)]
    claims: Vec<String>,
}

impl Asserts {
    /// The claims of the person that it tells.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(String::as_str)
    }

    /// Reads the member of a route, with every mistake told by its place.
    pub(crate) fn read(
        Entry { audience, claims }: Entry,
        refuse: &mut impl FnMut(&str, &str),
    ) -> Self {
        let is_name = !audience.is_empty() && audience.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || audience.len() > LONGEST_AUDIENCE {
            refuse("assertion.audience", "who it is for, like https://app.internal.example");
        }
        let mut seen: Vec<&String> = Vec::new();
        for (position, name) in claims.iter().enumerate() {
            let ours = OURS.contains(&name.as_str());
            if name.is_empty() || ours || seen.contains(&name) || position == MOST_CLAIMS {
                let wanted = "a claim of the person, each once, 32 at the most; sub, auth_time and \
                              acr are told anyway";
                refuse(&format!("assertion.claims[{position}]"), wanted);
            }
            seen.push(name);
        }
        Self { audience, claims }
    }
}

/// What stays the same from one assertion to the next.
#[derive(Serialize)]
struct Lasting<'p> {
    iss: &'p str,
    aud: &'p str,
    sub: &'p str,
    idp: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'p str>,
    #[serde(flatten)]
    told: BTreeMap<&'p str, &'p Value>,
}

#[derive(Serialize)]
struct Claims<'p> {
    #[serde(flatten)]
    lasting: &'p Lasting<'p>,
    iat: u64,
    exp: u64,
    jti: String,
}

/// The assertions that an isolate has signed lately. Each is found by all that it says and by whose it
/// is, so that no two sessions, and no two states of one, share any (GP-33).
#[derive(Debug, Default)]
pub struct Asserted(RefCell<HashMap<String, Signed>>);

#[derive(Clone, Debug)]
struct Signed {
    value: HeaderValue,
    since: UnixTime,
    ends_at: UnixTime,
}

impl Asserted {
    fn find(&self, mark: &str, now: UnixTime) -> Option<HeaderValue> {
        let signed = self.0.borrow().get(mark).cloned()?;
        // In either direction, for clocks jump.
        let same = now.0.abs_diff(signed.since.0) < SAME && now < signed.ends_at;
        same.then_some(signed.value)
    }

    fn keep(&self, mark: String, signed: Signed) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MOST && !kept.contains_key(&mark) {
            kept.clear();
        }
        kept.insert(mark, signed);
    }
}

/// Whose identity is asserted.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'p> {
    /// Who it is.
    pub person: &'p Person,
    /// What tells their session, or the token that they brought, from every other.
    pub session: &'p str,
    /// When that ends at the latest: no assertion outlives it.
    pub ends_at: Option<UnixTime>,
}

/// Puts the assertion that `asks` is about on a request that goes to an origin. `party` is of the
/// provider that vouches for the person. Where it cannot be signed nothing goes there.
pub async fn attach<F: Fetch, V: Signer>(
    next: Next,
    asks: Option<&Asserts>,
    whose: Whose<'_>,
    config: &Config,
    party: Option<&Party<F, V>>,
    now: UnixTime,
) -> Next {
    match (next, asks) {
        (Next::Forward(mut forward), Some(asks)) => {
            match assert(asks, whose, config, party, now).await {
                Some(value) => {
                    forward.edits.set.push((HEADER, value));
                    Next::Forward(forward)
                }
                None => Next::Respond(Refused::Unsigned.response(forward.navigation)),
            }
        }
        (next, _) => next,
    }
}

async fn assert<F: Fetch, V: Signer>(
    asks: &Asserts,
    Whose { person, session, ends_at }: Whose<'_>,
    config: &Config,
    party: Option<&Party<F, V>>,
    now: UnixTime,
) -> Option<HeaderValue> {
    let (key, party) = (config.own_keys.signing()?, party?);
    let told = asks.claims().filter_map(|name| Some((name, person.told.get(name)?)));
    let lasting = Lasting {
        iss: config.public_url.as_str(),
        aud: &asks.audience,
        sub: &person.subject,
        idp: party.client.issuer.as_str(),
        auth_time: person.auth_time,
        acr: person.acr.as_deref(),
        told: told.filter(|(_, value)| !value.is_null()).collect(),
    };
    // Neither a session nor a key has a line break in its name.
    let said = serde_json::to_string(&lasting).ok()?;
    let mark = format!("{session}\n{}\n{said}", key.kid());
    if let Some(value) = party.asserted.find(&mark, now) {
        return Some(value);
    }
    let ends_at = ends_at.map_or(now.plus(LIFE), |ends_at| ends_at.min(now.plus(LIFE)));
    let verifier = &party.verifier;
    let (iat, exp, jti) = (now.0, ends_at.0, verifier.fresh()?);
    let header = Header::new(key.alg(), key.kid(), TYPE);
    let input = signing_input(&header, &Claims { lasting: &lasting, iat, exp, jti });
    let token = compact(&input, &verifier.sign(key, input.as_bytes()).await?);
    let mut value = HeaderValue::from_str(&token).ok()?;
    value.set_sensitive(true);
    let signed = Signed { value: value.clone(), since: now, ends_at };
    party.asserted.keep(mark, signed);
    Some(value)
}

#[cfg(test)]
mod tests;
