//! Whether a token can be believed, found out twice: by `jsonwebtoken`, which is not ours, and by
//! the relying party that the gateway is built on.

use crate::client::{Ask, Client, Draft, Tokens, json};
use crate::world::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};
use shared::jose::native::Native;
use shared::origin::Issuer as IssuerUrl;
use shared::rp::client::{ClientAuth, Issuers, RelyingParty};
use shared::rp::discovery::Provider;
use shared::rp::id_token::{Before, IdTokenClaims, IdTokenRefused, Occasion};
use shared::scope::Scope;
use shared::secret::{self, AccessToken, ClientSecret, IdToken};
use shared::time::UnixTime;

/// The claims of a JWT, if `jsonwebtoken` finds it signed with `alg` by a key that the issuer
/// publishes now, of the type `typ`, issued by it for `audience`, and good at this moment.
///
/// # Errors
/// What is wrong with it.
pub fn claims(
    issuer: &Issuer,
    token: &str,
    alg: Algorithm,
    typ: &str,
    audience: &str,
) -> Result<Map<String, Value>, String> {
    let required = ["exp", "iss", "aud", "sub"];
    let claims = signed(issuer, token, alg, typ, audience, &required)?;
    let time = |name: &str| claims.get(name).and_then(Value::as_u64).map(UnixTime);
    let (made, ends) = (time("iat").ok_or("no iat")?, time("exp").ok_or("no exp")?);
    let now = issuer.now();
    if made > now.plus(1) || ends <= now || ends <= made {
        return Err(format!("from {made:?} to {ends:?}, and it is {now:?}"));
    }
    Ok(claims)
}

/// The same for a JWT that is no token, and has the claims that are `required` and perhaps no times.
///
/// # Errors
/// What is wrong with it.
pub fn signed(
    issuer: &Issuer,
    token: &str,
    alg: Algorithm,
    typ: &str,
    audience: &str,
    required: &[&str],
) -> Result<Map<String, Value>, String> {
    let keys = Value::Object(json(&Draft::new(Method::GET, "/jwks").send(issuer)));
    let keys: JwkSet = serde_json::from_value(keys).map_err(|error| error.to_string())?;
    let header = decode_header(token).map_err(|error| error.to_string())?;
    if header.typ.as_deref() != Some(typ) {
        return Err(format!("typ is {:?}", header.typ));
    }
    let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or("no such key")?;
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    let mut validation = Validation::new(alg);
    validation.set_required_spec_claims(required);
    validation.set_issuer(&[issuer.url()]);
    validation.set_audience(&[audience]);
    // The issuer's clock decides, which need not be this machine's.
    validation.validate_exp = false;
    let token = decode(token, &key, &validation).map_err(|error| error.to_string())?;
    Ok(token.claims)
}

/// The claims of an access token for `audience`.
///
/// # Errors
/// What is wrong with it.
pub fn access_token(
    issuer: &Issuer,
    token: &str,
    audience: &str,
) -> Result<Map<String, Value>, String> {
    claims(issuer, token, Algorithm::ES256, "at+jwt", audience)
}

/// The claims of the ID token of a sign-in, once both have believed it.
pub fn id_token(issuer: &Issuer, ask: &Ask, tokens: &Tokens) -> Map<String, Value> {
    let occasion = match (ask.get("nonce"), ask.get("max_age")) {
        (Some(nonce), max_age) => Some(Occasion::SignIn {
            nonce,
            max_age: max_age.map(|seconds| seconds.parse().expect("seconds")),
        }),
        // Our relying party always sends a nonce, and has no way to believe an answer to none.
        (None, _) => None,
    };
    let claims = by_another_implementation(issuer, ask.client, tokens);
    assert_eq!(claims.get("nonce").and_then(Value::as_str), ask.get("nonce"));
    if let Some(occasion) = occasion {
        by_our_own(issuer, ask.client, tokens, occasion).expect("an ID token to believe");
    }
    claims
}

/// The claims of the ID token that came with a refresh, once both have believed it.
pub fn refreshed_id_token(
    issuer: &Issuer,
    client: Client,
    tokens: &Tokens,
    before: &Map<String, Value>,
) -> Map<String, Value> {
    let claims = by_another_implementation(issuer, client, tokens);
    let before = Before {
        subject: before["sub"].as_str().expect("a subject"),
        auth_time: before["auth_time"].as_u64().map(UnixTime),
        nonce: before.get("nonce").and_then(Value::as_str).map(secret::Digest::of),
    };
    by_our_own(issuer, client, tokens, Occasion::Refresh(before)).expect("an ID token to believe");
    claims
}

fn by_another_implementation(
    issuer: &Issuer,
    client: Client,
    tokens: &Tokens,
) -> Map<String, Value> {
    let alg = match client.id {
        "rs256" => Algorithm::RS256,
        "eddsa" => Algorithm::EdDSA,
        _ => Algorithm::ES256,
    };
    let claims = claims(issuer, tokens.id(), alg, "JWT", client.id).expect("an ID token");
    assert_eq!(claims["aud"], client.id, "for this client and nobody else");
    let half = match alg {
        Algorithm::EdDSA => Sha512::digest(&tokens.access)[..32].to_vec(),
        _ => Sha256::digest(&tokens.access)[..16].to_vec(),
    };
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(half), "OpenID Connect Core §3.1.3.6");
    claims
}

/// Asks the relying party of `shared`.
///
/// # Errors
/// Why it does not believe it.
pub fn by_our_own(
    issuer: &Issuer,
    client: Client,
    tokens: &Tokens,
    occasion: Occasion<'_>,
) -> Result<IdTokenClaims, IdTokenRefused> {
    let (party, provider) = relying_party(issuer, client);
    let (id, access) = (IdToken::new(tokens.id()), AccessToken::new(&tokens.access));
    let jwks = issuer.at("/jwks");
    let now = issuer.now();
    pollster::block_on(party.verify(
        &id,
        &access,
        occasion,
        (&provider, &jwks),
        issuer,
        &Native,
        now,
    ))
}

/// `client` as the relying party of `shared`, and what that knows of the issuer: nothing yet.
pub fn relying_party(issuer: &Issuer, client: Client) -> (RelyingParty, Provider) {
    use crate::client::Auth;
    let url = IssuerUrl::parse(issuer.url()).expect("an issuer URL");
    let auth = match client.auth {
        Auth::Basic(secret) => ClientAuth::Basic(ClientSecret::new(secret)),
        Auth::Post(secret) => ClientAuth::Post(ClientSecret::new(secret)),
        // Ours signs no assertions, and here it only reads what the client was given.
        Auth::PrivateKeyJwt(_) | Auth::Public => ClientAuth::None,
    };
    let party = RelyingParty {
        issuer: url.clone(),
        issuers: Issuers::Exact,
        client_id: client.id.to_owned(),
        auth,
        redirect_uri: client.redirect_uri.to_owned(),
        scope: Scope::parse("openid profile email offline_access").expect("a scope"),
    };
    (party, Provider::new(url))
}
