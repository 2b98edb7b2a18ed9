//! A gateway with several providers, and a browser.

use super::world::*;
use crate::fixture::{NOON, Peer, config_with, sign_by};
use http::Method;
use serde_json::{Value, json};
use shared::fetch::{Fetch, Response};
use shared::secret::Digest;
use shared::time::UnixTime;
use std::collections::BTreeMap;
use url::Url;

pub(super) const ONE: &str = "https://idp.test";
pub(super) const TWO: &str = "https://two.test";
pub(super) const PROVIDERS: &str = r#"[
    {"id": "one", "provider": "openid", "issuer": "https://idp.test", "client_id": "app"},
    {"id": "two", "provider": "openid", "issuer": "https://two.test", "client_id": "app"},
    {"id": "hub", "provider": "github", "client_id": "app"},
    {"id": "kit", "provider": "authkit", "client_id": "app", "base": "https://kit.test"}
]"#;
pub(super) const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub(super) const FROM: [(&str, &str); 1] = [("origin", "https://app.test")];

pub(super) type Jar = BTreeMap<String, String>;

/// The gateway and its providers: the first is `World::peer`, and these are the others.
pub(super) struct Others {
    pub(super) two: Peer,
    pub(super) hub: Peer,
    pub(super) api: Peer,
    pub(super) kit: Peer,
}

pub(super) fn several(mode: &'static str) -> (World<impl Fetch>, Others) {
    several_with(mode, PROVIDERS)
}

pub(super) fn several_with(
    mode: &'static str,
    providers: &'static str,
) -> (World<impl Fetch>, Others) {
    several_of(mode, &[("PROVIDERS", providers)])
}

/// The same with these settings.
pub(super) fn several_of(
    mode: &'static str,
    changes: &[(&str, &'static str)],
) -> (World<impl Fetch + use<>>, Others) {
    let short = ["ISSUER", "CLIENT_ID", "CLIENT_AUTH"].map(|name| (name, ""));
    let secrets = ["ONE", "TWO", "HUB", "KIT"].map(|id| match id {
        "ONE" => ("PROVIDER_ONE_SECRET", "secret-one"),
        "TWO" => ("PROVIDER_TWO_SECRET", "secret-two"),
        "HUB" => ("PROVIDER_HUB_SECRET", "secret-hub"),
        _ => ("PROVIDER_KIT_SECRET", "secret-kit"),
    });
    let changes = changes.iter().copied().chain([("PROVIDERS", PROVIDERS)]);
    let digest: &'static str = Digest::of("explain-it").to_text().leak();
    let changes = changes.chain([("EXPLAIN_TOKEN_SHA256", digest)]);
    let all: Vec<_> = short.into_iter().chain(secrets).chain(changes).collect();
    let others = Others {
        two: Peer::of(TWO),
        hub: Peer::default(),
        api: Peer::default(),
        kit: Peer::of("https://kit.test"),
    };
    let hosts = vec![
        ("two.test", others.two.clone()),
        ("github.com", others.hub.clone()),
        ("api.github.com", others.api.clone()),
        ("kit.test", others.kit.clone()),
    ];
    (world_with(config_with(mode, &all), hosts), others)
}

/// Begins a sign-in; the query of the authorization request.
pub(super) fn begin<F: Fetch>(world: &mut World<F>, provider: &str) -> BTreeMap<String, String> {
    let answer = world.get(&format!("/auth/login?provider={provider}&return_to=/app"), NOON);
    assert_eq!(answer.status(), 303, "{provider}");
    Url::parse(&location(&answer)).unwrap().query_pairs().into_owned().collect()
}

pub(super) fn id_token(issuer: &str, subject: &str, nonce: Option<&str>, now: UnixTime) -> String {
    let mut claims = json!({
        "iss": issuer, "sub": subject, "aud": "app", "exp": now.0 + 300, "iat": now.0,
        "name": "Alice", "sid": "s1",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    sign_by(issuer, "JWT", &claims)
}

pub(super) fn tokens(peer: &Peer, number: u32, id_token: &str) {
    let answer = json!({
        "access_token": format!("a{number}"), "token_type": "Bearer", "expires_in": 300,
        "refresh_token": format!("r{number}"), "id_token": id_token,
    });
    peer.put("/token", 200, &answer.to_string());
}

pub(super) fn back(provider: &str, state: &str, issuer: &str) -> String {
    format!("/auth/callback/{provider}?code=c&state={state}&iss={issuer}")
}

/// Signs alice in with a browser of her own, which then keeps this.
pub(super) fn sign_in<F: Fetch>(
    world: &mut World<F>,
    peer: &Peer,
    provider: &str,
    issuer: &str,
) -> Jar {
    world.jar.clear();
    let asked = begin(world, provider);
    assert_eq!(asked["redirect_uri"], format!("https://app.test/auth/callback/{provider}"));
    tokens(peer, 0, &id_token(issuer, "alice", Some(&asked["nonce"]), NOON));
    let answer = world.get(&back(provider, &asked["state"], issuer), NOON);
    assert_eq!(answer.status(), 303, "{}", text(&answer));
    world.jar.clone()
}

pub(super) fn is_in<F: Fetch>(world: &mut World<F>, jar: &Jar, now: UnixTime) -> bool {
    world.jar.clone_from(jar);
    world.token(now).is_some()
}

pub(super) fn body(answer: &Response) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// The keys of `AuthKit` are where its client is.
pub(super) fn publish(kit: &Peer) {
    let keys = kit.answer(get("https://kit.test/jwks")).unwrap();
    kit.put("/sso/jwks/app", 200, &String::from_utf8(keys.into_body()).unwrap());
}

pub(super) fn get(url: &str) -> shared::fetch::Request {
    let mut request = shared::fetch::Request::default();
    *request.uri_mut() = url.parse().unwrap();
    request
}

/// What would become of a navigation.
pub(super) fn explained<F: Fetch>(world: &mut World<F>, path: &str, now: UnixTime) -> Value {
    let more = [
        ("authorization", "Bearer explain-it"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let answer = world.ask(&Method::GET, &format!("/auth/explain?url={path}"), &more, now);
    assert_eq!(answer.status(), 200);
    body(&answer)
}
