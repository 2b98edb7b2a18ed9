//! What the `OpenID` providers share.

use crate::ask::Ask;
use crate::client::{self, Client, OTHER};
use crate::fault::{Claim, Endpoint, Fault, IdTokenFault};
use crate::instance::{Grant, Instance};
use crate::keys::{self, Signature, at_hash};
use crate::page;
use crate::person::Person;
use crate::reply::{self, Response};
use serde_json::{Map, Value, json};

/// RFC 8414 §3 and `OpenID` Connect Discovery §4.
pub(crate) fn discovery(instance: &mut Instance, mut document: Value) -> Response {
    if instance.faults.happens(Endpoint::Discovery, &Fault::OtherDiscoveryIssuer) {
        document["issuer"] = "https://another.test".into();
    }
    if instance.faults.happens(Endpoint::Discovery, &Fault::HttpJwksUri) {
        document["jwks_uri"] = "http://keys.another.test/jwks".into();
    }
    if instance.faults.happens(Endpoint::Discovery, &Fault::NoEndSession) {
        forget(&mut document, "end_session_endpoint");
    }
    reply::json(200, &document)
}

/// The claims every ID token has.
pub(crate) fn claims(issuer: &str, subject: &str, grant: &Grant, now: u64, lasts: u64) -> Value {
    let mut claims = json!({
        "iss": issuer, "sub": subject, "aud": grant.client, "iat": now, "exp": now + lasts,
    });
    if let Some(nonce) = grant.asked.get("nonce") {
        claims["nonce"] = nonce.into();
    }
    claims
}

/// Adds members to an object.
pub(crate) fn extend(claims: &mut Value, more: Map<String, Value>) {
    if let Value::Object(members) = claims {
        members.extend(more);
    }
}

/// What `profile` and `email` give.
pub(crate) fn profile(grant: &Grant) -> Map<String, Value> {
    let (person, has) = (grant.person, |wanted: &str| grant.scopes.iter().any(|s| s == wanted));
    let mut claims = Map::new();
    if has("profile") {
        claims.insert("name".to_owned(), person.full_name().into());
        claims.insert("given_name".to_owned(), person.name.0.into());
        claims.insert("family_name".to_owned(), person.name.1.into());
    }
    if let Some((email, is_verified)) = person.email().filter(|_| has("email")) {
        claims.insert("email".to_owned(), email.into());
        claims.insert("email_verified".to_owned(), is_verified.into());
    }
    claims
}

/// Takes a member away.
pub(crate) fn forget(claims: &mut Value, name: &str) {
    if let Value::Object(members) = claims {
        members.remove(name);
    }
}

/// Says of the e-mail what was arranged to be said.
pub(crate) fn spoil_email(instance: &mut Instance, endpoint: Endpoint, name: &str, of: &mut Value) {
    let arranged = |fault: &Fault| match fault {
        Fault::EmailVerified(claim) => Some(claim.clone()),
        _ => None,
    };
    let claim = instance.faults.take(endpoint, arranged);
    match (claim, of) {
        (Some(Claim::Is(value)), Value::Object(members)) => {
            members.insert(name.to_owned(), value);
        }
        (Some(Claim::Absent), Value::Object(members)) => {
            members.remove(name);
        }
        _ => {}
    }
}

/// An ID token, or what was arranged to come instead.
pub(crate) fn id_token(
    instance: &mut Instance,
    endpoint: Endpoint,
    grant: &Grant,
    access_token: &str,
    mut claims: Value,
) -> Option<String> {
    claims["at_hash"] = at_hash(access_token).into();
    spoil_email(instance, endpoint, "email_verified", &mut claims);
    signed(instance, endpoint, grant, claims)
}

/// A token about a person, or what was arranged to come instead.
pub(crate) fn signed(
    instance: &mut Instance,
    endpoint: Endpoint,
    grant: &Grant,
    mut claims: Value,
) -> Option<String> {
    // A new key is published, and the old one is gone.
    if instance.faults.happens(endpoint, &Fault::KeysRotatedJustNow) {
        instance.keys.rotate(true);
    }
    let arranged = |fault: &Fault| match fault {
        Fault::IdToken(fault) => Some(*fault),
        _ => None,
    };
    let fault = instance.faults.take(endpoint, arranged);
    let signature = fault.map_or(Some(Signature::Good), |fault| spoil(&mut claims, fault, grant));
    Some(instance.keys.sign("JWT", &claims, signature?))
}

/// Makes one thing wrong with the claims, or says how to sign them.
fn spoil<'s>(claims: &mut Value, fault: IdTokenFault, grant: &Grant) -> Option<Signature<'s>> {
    let number = |name: &str, claims: &Value| claims[name].as_u64().unwrap_or_default();
    match fault {
        IdTokenFault::Absent => return None,
        IdTokenFault::AlgNone => return Some(Signature::None),
        IdTokenFault::Hs256 => {
            return client::find(grant.client).map(|client| Signature::Hs256(client.secret));
        }
        IdTokenFault::UnknownKid => return Some(Signature::UnknownKid),
        IdTokenFault::OtherKey => return Some(Signature::OtherKey),
        IdTokenFault::WrongIssuer => claims["iss"] = "https://another.test".into(),
        IdTokenFault::IssuerWithoutScheme => {
            let bare = claims["iss"].as_str().and_then(|iss| iss.split_once("://"));
            let bare = bare.map(|(_, bare)| bare.to_owned());
            claims["iss"] = bare.into();
        }
        IdTokenFault::WrongAudience => claims["aud"] = OTHER.id.into(),
        IdTokenFault::ExtraAudience => {
            claims["aud"] = json!([grant.client, OTHER.id]);
            forget(claims, "azp");
        }
        IdTokenFault::WrongAzp => claims["azp"] = OTHER.id.into(),
        IdTokenFault::Expired => {
            let earlier = number("iat", claims).saturating_sub(3600);
            claims["iat"] = earlier.saturating_sub(60).into();
            claims["exp"] = earlier.into();
        }
        IdTokenFault::FutureIat => {
            claims["iat"] = (number("iat", claims) + 3600).into();
            claims["exp"] = (number("exp", claims) + 3600).into();
        }
        IdTokenFault::NoSubject => forget(claims, "sub"),
        IdTokenFault::EmptySubject => claims["sub"] = "".into(),
        IdTokenFault::OtherSubject => claims["sub"] = "somebody-else".into(),
        IdTokenFault::NoNonce => forget(claims, "nonce"),
        IdTokenFault::WrongNonce => claims["nonce"] = "another-nonce".into(),
    }
    Some(Signature::Good)
}

/// Userinfo, with what was arranged to be wrong with it. `body` is none when the token is not good.
pub(crate) fn userinfo(instance: &mut Instance, body: Option<Value>, refusal: &Value) -> Response {
    let Some(mut body) = body else { return reply::unauthorized(refusal) };
    if instance.faults.happens(Endpoint::Userinfo, &Fault::UserinfoOtherSubject) {
        body["sub"] = "somebody-else".into();
    }
    spoil_email(instance, Endpoint::Userinfo, "email_verified", &mut body);
    reply::json(200, &body)
}

/// What an endpoint where browsers sign out reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit<'e> {
    /// The parameter that says where to go on.
    pub(crate) to: &'e str,
    /// One that names the session.
    pub(crate) sid: Option<&'e str>,
    /// Whether somebody has to be named to go on.
    pub(crate) is_strict: bool,
}

impl<'e> Exit<'e> {
    pub(crate) fn strict(to: &'e str) -> Self {
        Self { to, sid: None, is_strict: true }
    }

    pub(crate) fn lenient() -> Self {
        Self { is_strict: false, ..Self::strict("post_logout_redirect_uri") }
    }
}

/// Where browsers sign out, `OpenID` Connect RP-Initiated Logout.
pub(crate) fn end_session(instance: &mut Instance, ask: &Ask<'_>, exit: Exit<'_>) -> Response {
    let Exit { to, sid, is_strict } = exit;
    let asked = if ask.query.0.is_empty() { ask.form.clone() } else { Some(ask.query.clone()) };
    let asked = asked.unwrap_or_default();
    let hint = asked.get("id_token_hint").and_then(keys::claims);
    if asked.get("id_token_hint").is_some() && hint.is_none() {
        return page::problem(instance.preset, 400, "id_token_hint is no ID token of ours.");
    }
    let in_hint = |name: &str| hint.as_ref()?.get(name)?.as_str();
    let client = asked.get("client_id").or_else(|| in_hint("aud"));
    if client.is_some_and(|id| client::find(id).is_none()) {
        return page::problem(instance.preset, 400, "There is no application with this client_id.");
    }
    let here = ask.cookie(&instance.cookie_name()).and_then(|cookie| instance.sessions.get(cookie));
    let named = in_hint("sid").or_else(|| asked.get(sid?));
    let session = named.map(str::to_owned).or_else(|| here.map(|session| session.sid.clone()));
    let has_hint = hint.is_some() || named.is_some();
    if let Some(uri) = asked.get(to) {
        if is_strict && client.is_none() && named.is_none() {
            let text = "Without a hint or a client_id nobody may say where to go on.";
            return page::problem(instance.preset, 400, text);
        }
        if !client::is_redirect(uri) {
            return page::problem(instance.preset, 400, &format!("{to} is not registered."));
        }
    } else if is_strict && !has_hint && client.is_none() {
        return page::confirm_sign_out(instance.preset);
    }
    if let Some(sid) = session {
        instance.end_session(&sid);
    }
    match asked.get(to) {
        Some(uri) => {
            let state = asked.get("state").map(|state| ("state", state.to_owned()));
            reply::redirect(&reply::append(uri, state.as_slice()))
        }
        None => page::signed_out(instance.preset),
    }
}

/// What makes a logout token.
pub(crate) struct Farewell<'f> {
    pub(crate) typ: &'f str,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) sid: Option<String>,
    pub(crate) client: &'static Client,
    pub(crate) more: Map<String, Value>,
}

/// `OpenID` Connect Back-Channel Logout §2.4.
pub(crate) fn logout_token(instance: &mut Instance, farewell: Farewell<'_>, now: u64) -> String {
    let Farewell { typ, issuer, subject, sid, client, more } = farewell;
    let mut claims = json!({
        "iss": issuer, "sub": subject, "aud": client.id, "iat": now, "exp": now + 120,
        "jti": instance.fresh("logout-"),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    if let Some(sid) = sid {
        claims["sid"] = sid.into();
    }
    extend(&mut claims, more);
    instance.keys.sign(typ, &claims, Signature::Good)
}

/// Every way in which a person is known to a provider, for the end of everything that was theirs.
pub(crate) fn is_theirs(person: &'static Person) -> impl Fn(&Grant) -> bool {
    move |grant| grant.person == person
}
