//! `POST /introspect`, RFC 7662: whether a token is good at this moment, for its client and for the
//! resource it is meant for; signed, RFC 9701, for who wants to keep the answer as evidence.

use crate::account::Introspect;
use crate::client::Client;
use crate::client_auth::{self, authenticate};
use crate::dpop::Confirmation;
use crate::living::Living;
use crate::platform::{Objects, Platform};
use crate::resource::Target;
use crate::rows::Unavailable;
use crate::subject::Names;
use crate::tokens::{AccessClaims, sign};
use crate::{Idp, ask, token};
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use shared::fetch::{Request, Response};
use shared::handle::{Handle, Kind};
use shared::respond;
use shared::scope::Scope;
use shared::secret::Bits;
use shared::time::UnixTime;

/// The `typ` of a signed answer, RFC 9701 §5.
const TYP: &str = "token-introspection+jwt";
/// Its media type, and how it is asked for, RFC 9701 §4.
const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// Runs the endpoint and renders what it said. A token that is somebody else's, was never ours or is
/// not good any more is inactive, and nothing tells which (RFC 7662 §2.2, TI-09). A token that nobody
/// could ask about is a `503`: it is neither.
pub async fn respond<P: Platform>(idp: &Idp<'_, P>, request: &Request, now: UnixTime) -> Response {
    match introspect(idp, request, now).await {
        Ok(response) => response,
        Err(refused) => token::refuse(refused),
    }
}

/// What is said about a token, RFC 7662 §2.2; nothing more about one that is inactive. Never who the
/// person is beyond the `sub` that the token has anyway.
#[derive(Debug, Serialize)]
struct Answer {
    active: bool,
    #[serde(flatten)]
    about: Option<About>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum About {
    AccessToken {
        token_type: &'static str,
        #[serde(flatten)]
        claims: AccessClaims,
    },
    RefreshToken(RefreshClaims),
}

/// Of a refresh token, which has no claims of its own.
#[derive(Debug, Serialize)]
struct RefreshClaims {
    iss: String,
    sub: String,
    /// It is shown to us and to nobody else.
    aud: String,
    exp: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<UnixTime>,
    client_id: String,
    scope: Scope,
    sid: String,
    auth_time: UnixTime,
    amr: Vec<String>,
}

/// A signed answer, RFC 9701 §5. Without `sub` and `exp`, so that nobody takes it for a token.
#[derive(Debug, Serialize)]
struct Signed<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: UnixTime,
    token_introspection: Answer,
}

async fn introspect<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
) -> Result<Response, token::Refused> {
    let form = ask::form(request).map_err(token::Refused::Form)?;
    let asks = authenticate(idp, request.headers(), &form, now).await;
    let asks = asks.map_err(token::Refused::Client)?;
    let asks = asks.client();
    // RFC 7662 §2.1: whoever asks is authorized to. Anybody can say a public client's name.
    if asks.is_public() {
        return Err(token::Refused::Client(client_auth::Refused::Public));
    }
    let text = form.get("token").ok_or(token::Refused::Missing("token is required"))?;
    let alg = asks.introspection_alg;
    let alg = alg.or_else(|| wants_jwt(request.headers()).then(Default::default));

    // The kind is told by the token itself; `token_type_hint` is not needed (TI-18).
    let about = match Handle::open(Kind::RefreshToken, text, &idp.config.keys) {
        Some(handle) => refresh_token(idp, asks, handle, now).await?,
        None => access_token(idp, asks, text, now).await?,
    };
    let answer = Answer { active: about.is_some(), about };
    Ok(match alg {
        None => respond::json(StatusCode::OK, &answer),
        Some(alg) => {
            let signer = idp.signer(alg, now).await?;
            let iss = idp.config.issuer.as_str();
            let claims = Signed { iss, aud: &asks.id, iat: now, token_introspection: answer };
            let mut response = respond::empty(StatusCode::OK);
            *response.body_mut() = sign(TYP, &claims, &signer).await?.into_bytes();
            respond::put(&mut response, CONTENT_TYPE, MEDIA_TYPE);
            response
        }
    })
}

async fn access_token<P: Platform>(
    idp: &Idp<'_, P>,
    asks: &Client,
    text: &str,
    now: UnixTime,
) -> Result<Option<About>, Unavailable> {
    let found = Living::find(idp, asks, text, now).await?;
    Ok(found.map(|Living { claims, .. }| {
        let token_type = Confirmation::token_type(claims.cnf);
        About::AccessToken { token_type, claims }
    }))
}

/// Refresh tokens are for their client and for us: nobody else may ask about them.
async fn refresh_token<P: Platform>(
    idp: &Idp<'_, P>,
    asks: &Client,
    handle: Handle,
    now: UnixTime,
) -> Result<Option<About>, Unavailable> {
    let proof = Some((handle.generation, Bits::new(handle.secret)));
    let client_id = Some(asks.id.clone());
    let command = Introspect { grant: handle.item, client_id, refresh_token: proof };
    let found = idp.objects.introspect(handle.object, command, now).await?;
    // Using it would bring nothing when every resource of the grant was taken from the client.
    let target = Target::unnamed(asks);
    let found = found.filter(|alive| target.within(&alive.facts.particulars.resources).is_some());
    let names = Names::of(asks, idp.config);
    let issuer = || idp.config.issuer.to_string();
    Ok(found.map(|alive| {
        About::RefreshToken(RefreshClaims {
            iss: issuer(),
            sub: names.name(handle.object),
            aud: issuer(),
            exp: alive.until,
            iat: alive.since,
            client_id: asks.id.clone(),
            scope: alive.facts.scope.and(&asks.scope),
            sid: names.session(alive.facts.session),
            auth_time: alive.facts.auth_time,
            amr: alive.facts.amr,
        })
    }))
}

/// Whether an `Accept` header names the signed form. A wildcard asks for nothing in particular.
fn wants_jwt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        named && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn rfc9701_4_a_signed_answer_is_asked_for_by_its_name() {
        let wants = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (ACCEPT, HeaderValue::from_static(line)));
            wants_jwt(&lines.collect())
        };
        for lines in [
            &["application/token-introspection+jwt"][..],
            &["Application/Token-Introspection+JWT"],
            &["application/json, application/token-introspection+jwt"],
            &["application/json", "application/token-introspection+jwt;q=0.5"],
        ] {
            assert!(wants(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["application/*"],
            &["application/jwt"],
            &["application/token-introspection+jwt;q=0"],
            &["application/token-introspection+jwt; q=0.0"],
            &["application/token-introspection+jwts"],
        ] {
            assert!(!wants(lines), "{lines:?}");
        }
    }
}
