//! The setting `ROUTES`.

use super::token::{self, Token};
use super::{Access, OURS, Route, Routes, begins};
use crate::assertion::{self, Asserts};
use crate::caller::Accepts;
use crate::forward::plain;
use crate::own_keys::OwnKeys;
use crate::path::Target;
use crate::policy;
use crate::session::state::further::MOST;
use crate::told::Told;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use shared::origin::Origin;
use shared::rp::client::ClientAuth;
use shared::rp::entry::Registered;
use shared::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "\"/\", or plain segments like \"/a/b\" without a slash at the end";
const METHODS: &str = "methods in capitals, like [\"GET\", \"POST\"]; GET has HEAD along";
const HOST: &str = "the host of one of PUBLIC_URL, with its port if it has one";
const UNREGISTERED: &str = "absent without TURNSTILE_SITE_KEY and TURNSTILE_SECRET";
const ORIGIN: &str = "an https origin (http on loopback) that is none of PUBLIC_URL";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    host: Option<String>,
    prefix: String,
    methods: Option<Vec<String>>,
    origin: String,
    access: String,
    require: Option<policy::Entry>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    assertion: Option<assertion::Entry>,
    #[serde(default)]
    signals: bool,
    provider: Option<String>,
    bearer: Option<Bearer>,
    token: Option<token::Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bearer {
    audience: String,
    #[serde(default)]
    opaque: bool,
}

impl Routes {
    /// Reads the setting, noting every mistake in it: the routes of each site of `public_urls`.
    pub(crate) fn read<V: Fn(&str) -> Option<String>>(
        settings: &mut Settings<V>,
        public_urls: &[Origin],
        providers: Option<&[Registered]>,
        own_keys: &OwnKeys,
    ) -> Vec<Self> {
        let entries: Vec<Entry> = settings.json("ROUTES", "a JSON array of prefix, origin, access");
        if matches!(settings.text("ROUTES").as_deref(), None | Some("[]")) {
            settings.refuse("ROUTES", "at least one route");
        }
        let public = settings.text("CLIENT_SECRET").is_none()
            && matches!(settings.text("CLIENT_AUTH").as_deref(), None | Some("none"));
        let keyless = own_keys.signing().is_none();
        let keys = ["TURNSTILE_SITE_KEY", "TURNSTILE_SECRET"];
        let registered = keys.iter().all(|name| settings.text(name).is_some());
        let mut read = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            let mut refuse = |member: &str, wanted: &str| {
                settings.refuse(format!("ROUTES[{position}].{member}"), wanted);
            };
            let host = entry.host.clone();
            let known = |host: &String| public_urls.iter().any(|url| url.host() == host);
            if host.as_ref().is_some_and(|host| !known(host)) {
                refuse("host", HOST);
            }
            let opaque = entry.bearer.as_ref().is_some_and(|bearer| bearer.opaque);
            match providers {
                None if public && opaque => refuse("bearer.opaque", NO_SECRET),
                None if entry.provider.is_some() => refuse("provider", "absent without PROVIDERS"),
                None => {}
                Some(providers) => of_providers(&entry, providers, &mut refuse),
            }
            let whose = |one: &&Registered| entry.provider.as_ref().is_none_or(|id| one.id == *id);
            let is_public = providers.map_or(public, |all| {
                all.iter().filter(whose).any(|one| one.client.auth == ClientAuth::None)
            });
            if is_public && entry.token.as_ref().is_some_and(token::Entry::is_refreshed_and_bound) {
                refuse("token.dpop", NO_SECRET_TO_REFRESH);
            }
            if keyless && entry.assertion.is_some() {
                refuse("assertion", "absent: without SIGNING_KEYS there is nothing to sign with");
            }
            let challenge = entry.require.as_ref().is_some_and(policy::Entry::has_challenge);
            if challenge && !registered {
                refuse("require.turnstile", UNREGISTERED);
            }
            if challenge && entry.bearer.is_some() {
                refuse("require.turnstile", "absent: who brings a token has no browser to show");
            }
            read.extend(
                one((position, entry), public_urls, own_keys, &mut refuse)
                    .map(|route| (host, route)),
            );
        }
        unreachable(settings, &read);
        tokens(settings, &read);
        let names = read.iter().flat_map(|(_, route)| route.told.names());
        let names: BTreeSet<_> = names.map(|name| plain(name.as_str())).collect();
        let of_site = |url: &Origin| {
            let mine = read.iter().filter(|(host, _)| covers(host.as_deref(), Some(url.host())));
            let list = mine.map(|(_, route)| route.clone()).collect();
            Self { list, names: names.clone() }
        };
        public_urls.iter().map(of_site).collect()
    }
}

// RFC 9449 §5: the refresh token would be bound along, and is the session's.
const NO_SECRET_TO_REFRESH: &str = "absent, or with \"by\": \"exchange\": without a secret of ours the refresh token would be bound too";
const NO_SECRET: &str = "absent: without a secret of ours no issuer tells us about tokens";

/// What a route says of one of several providers, and what it leaves open that has to be said.
fn of_providers(entry: &Entry, providers: &[Registered], refuse: &mut impl FnMut(&str, &str)) {
    let named = |id: &String| providers.iter().find(|one| one.id == *id);
    let whose = match (&entry.provider, providers) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(id), _) => {
            let whose = named(id);
            if whose.is_none() {
                refuse("provider", "the id of one of PROVIDERS");
            }
            if entry.access == "public" {
                refuse("provider", "absent: of a public route nobody's session is looked at");
            }
            whose
        }
    };
    let opaque = entry.bearer.as_ref().is_some_and(|bearer| bearer.opaque);
    match whose {
        Some(one) if opaque && one.client.auth == ClientAuth::None => {
            refuse("bearer.opaque", NO_SECRET);
        }
        Some(one) if entry.bearer.is_some() && !one.preset.is_openid() => {
            refuse("bearer", "absent: its provider says nothing about access tokens");
        }
        None if opaque && entry.provider.is_none() => {
            let wanted = "absent, or beside a provider: of several, none is shown another's tokens";
            refuse("bearer.opaque", wanted);
        }
        _ => {}
    }
    let aimed = matches!(entry.token, Some(token::Entry::Aimed(_)));
    if aimed && whose.is_some_and(|one| !one.preset.is_openid()) {
        refuse("token", "absent, or \"none\": its provider gives one token for everything");
    }
    let tells = |claim: &str| entry.headers.values().any(|value| value == claim);
    if whose.is_none() && tells("sub") && !tells("iss") {
        let wanted = "such that iss is told beside sub, or the route has a provider: at another \
                      provider the same sub is somebody else";
        refuse("headers", wanted);
    }
}

fn one(
    (position, entry): (usize, Entry),
    public_urls: &[Origin],
    own_keys: &OwnKeys,
    refuse: &mut impl FnMut(&str, &str),
) -> Option<Route> {
    let Entry {
        host: _,
        prefix,
        methods,
        origin,
        access,
        require,
        headers,
        assertion,
        signals,
        provider,
        bearer,
        token,
    } = entry;
    let sound = is_prefix(&prefix);
    if !sound {
        refuse("prefix", PREFIX);
    }
    if begins(prefix.as_bytes(), OURS, <[u8]>::eq_ignore_ascii_case) {
        refuse("prefix", "outside /auth, which is the gateway's own");
    }
    let methods = match methods {
        None => Vec::new(),
        Some(names) => read_methods(&names).unwrap_or_else(|| {
            refuse("methods", METHODS);
            Vec::new()
        }),
    };
    let origin = Origin::parse(&origin).filter(|origin| !public_urls.contains(origin));
    if origin.is_none() {
        refuse("origin", ORIGIN);
    }
    let access = match access.as_str() {
        "public" => Some(Access::Public),
        "signed-in" => Some(Access::SignedIn),
        "api" => Some(Access::Api),
        _ => None,
    };
    if access.is_none() {
        refuse("access", "public, signed-in or api");
    }
    let of_person = |entry: &policy::Entry| !entry.is_for_anybody();
    if access == Some(Access::Public) && require.as_ref().is_some_and(of_person) {
        refuse(
            "require",
            "edge and turnstile alone: of a public route nobody's session is looked at",
        );
    }
    if access == Some(Access::Public) && !headers.is_empty() {
        refuse("headers", "absent: of a public route nobody's session is looked at");
    }
    let told = Told::read(headers, refuse);
    if access == Some(Access::Public) && assertion.is_some() {
        refuse("assertion", "absent: of a public route nobody's session is looked at");
    }
    let assertion = assertion.map(|entry| Asserts::read(entry, refuse));
    let requirement = require.unwrap_or_default().read(&mut |member, wanted| {
        refuse(&format!("require.{member}"), wanted);
    });
    if access == Some(Access::Public) && bearer.is_some() {
        refuse("bearer", "absent: a public route gets nobody's token");
    }
    let bearer = bearer.map(|Bearer { audience, opaque }| Accepts { audience, opaque });
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if bearer.as_ref().is_some_and(|accepts| !is_name(&accepts.audience)) {
        refuse("bearer.audience", "whom the tokens are for, like https://api.example");
    }
    if access == Some(Access::Public) && token.is_some() {
        refuse("token", "absent: a public route gets nobody's token");
    }
    let token = Token::read(token, own_keys.signing(), refuse);
    let (origin, access) = (origin?, access?);
    sound.then_some(Route {
        position,
        prefix,
        methods,
        origin,
        access,
        requirement,
        told,
        assertion,
        signals,
        provider,
        bearer,
        token,
    })
}

/// A route for a host, or for all of them.
type Hosted = (Option<String>, Route);

/// Notes routes that no request reaches, and those that differ so little that a reader would mix
/// them up.
fn unreachable<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>, routes: &[Hosted]) {
    for (index, (host, route)) in routes.iter().enumerate() {
        let earlier = || routes.iter().take(index);
        let alike = earlier().find(|(other, before)| {
            let differs = before.prefix != route.prefix;
            let meet = covers(other.as_deref(), host.as_deref())
                || covers(host.as_deref(), other.as_deref());
            meet && differs && before.prefix.eq_ignore_ascii_case(&route.prefix)
        });
        if let Some((_, before)) = alike {
            let wanted = format!("different from ROUTES[{}] by more than case", before.position);
            settings.refuse(format!("ROUTES[{}].prefix", route.position), wanted);
        }
        let hides = |(other, before): &&Hosted| {
            covers(other.as_deref(), host.as_deref()) && before.hides(route)
        };
        if let Some((_, before)) = earlier().find(hides) {
            let wanted = format!("before ROUTES[{}], which has all its requests", before.position);
            settings.refuse(format!("ROUTES[{}]", route.position), wanted);
        }
    }
}

/// Notes routes that want too many tokens, or whose tokens would be good for others as well.
fn tokens<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>, routes: &[Hosted]) {
    let all = || routes.iter().map(|(_, route)| &route.token);
    if !token::are_few(all()) {
        settings.refuse("ROUTES", format!("at most {MOST} different tokens of routes"));
    }
    // A sign-in that names resources gives a token that is for all of them, where nobody says which
    // of them the session's own is for; and that is what these routes would be sent (GP-24).
    let shares = |route: &Route| route.access != Access::Public && route.token == Token::Session;
    let first = routes.iter().find(|(_, route)| shares(route));
    let named = !token::resources(all()).is_empty() && settings.text("RESOURCE").is_none();
    if let Some((_, route)) = first.filter(|_| named) {
        let wanted = format!(
            "whom the session's own access token is for: ROUTES[{}] is sent it, and others have \
             resources of their own",
            route.position
        );
        settings.refuse("RESOURCE", wanted);
    }
}

fn read_methods(names: &[String]) -> Option<Vec<Method>> {
    let mut methods = Vec::new();
    for name in names {
        let method = Method::from_bytes(name.as_bytes()).ok()?;
        let plain = name.bytes().all(|byte| byte.is_ascii_uppercase());
        if !plain || methods.contains(&method) {
            return None;
        }
        methods.push(method);
    }
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    (!methods.is_empty()).then_some(methods)
}

impl Route {
    /// Whether every request of `other` is one of this route.
    fn hides(&self, other: &Self) -> bool {
        let all = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|method| self.has(method)));
        all && begins(other.prefix.as_bytes(), &self.prefix, <[u8]>::eq)
    }
}

/// Whether what is for `one` host, or for all, is for the other as well.
fn covers(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_none() || one == other
}

/// Canonical, and without anything that has a second reading.
fn is_prefix(prefix: &str) -> bool {
    let canonical = Target::read(prefix).is_ok_and(|target| target.path_and_query() == prefix);
    let plain = !prefix.contains(['%', ';', '?']) && !prefix.contains("//");
    canonical && plain && prefix.starts_with('/') && (prefix == "/" || !prefix.ends_with('/'))
}
