//! What becomes of a sign-in when something goes wrong: a cell for every preset, endpoint and fault.

use serde::Serialize;
use stand_in::{Claim, Endpoint, Fault, IdTokenFault};
use tests::federation::Preset;

/// What becomes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The person signs in, and the client is told everything.
    SignedIn,
    /// The person signs in; that the address is verified is not told.
    Unverified,
    /// Whoever the answer names signs in: nothing else says who it is.
    AsNamed,
    /// A page that says so, with a way to try again; nobody is signed in.
    Page,
    /// A page without one: what came back belongs to nothing that began here.
    Lost,
    /// The browser does not come back from there.
    Stuck,
}

/// Where a redirect leads that nobody may follow.
pub(crate) const ELSEWHERE: &str = "https://stand-in.test/generic/elsewhere/token";

/// Every fault, those that have variants in all of them.
pub(crate) fn faults() -> Vec<Fault> {
    let redirect = |status| Fault::Redirect { status, to: ELSEWHERE.to_owned() };
    let error = |status, error: &str| Fault::Error { status, error: error.to_owned() };
    let mut all = vec![
        Fault::RefuseConnection,
        Fault::TlsAlert,
        Fault::Never,
        Fault::Empty200,
        Fault::Html200,
        Fault::BadJson,
        Fault::GzipBomb,
        Fault::ErrorWith200,
        error(400, "invalid_grant"),
        error(401, "invalid_client"),
        error(200, "bad_verification_code"),
        error(200, "incorrect_client_credentials"),
        error(503, "temporarily_unavailable"),
        Fault::Slow(2),
        Fault::Slow(60),
        Fault::Trickle,
        Fault::ResetMidBody,
        Fault::Truncated,
        Fault::ShortLived(1),
        Fault::DuplicateKeys,
        Fault::WrongContentType,
        Fault::OneMegabyte,
        Fault::TenMegabytes,
        Fault::DeepJson,
        Fault::UserinfoOtherSubject,
        Fault::OtherDiscoveryIssuer,
        Fault::HttpJwksUri,
        Fault::NoEndSession,
        Fault::CallbackWithoutState,
        Fault::CallbackOtherIss,
        Fault::CallbackNoIss,
        Fault::CallbackDuplicateCode,
        Fault::EmailVerified(Claim::Absent),
        Fault::KeysRotatedJustNow,
        Fault::UnusualTokens,
        Fault::UserinfoJwt,
    ];
    all.extend([301, 302, 303, 307, 308].map(redirect));
    let statuses = [400, 401, 403, 404, 408, 429, 500, 502, 503];
    all.extend(statuses.map(Fault::Status));
    let steps =
        ["organization_selection_required", "email_verification_required", "mfa_enrollment"];
    all.extend(steps.map(|code| Fault::NextStep(code.to_owned())));
    all.extend([Fault::NextStep("sso_required".to_owned())]);
    let odd = ["\"false\"", "\"true\"", "1", "0", "null", "[]", "false"];
    let odd = odd.map(|text| serde_json::from_str(text).expect("JSON"));
    all.extend(odd.map(|value| Fault::EmailVerified(Claim::Is(value))));
    all.extend(ID_TOKENS.map(Fault::IdToken));
    all
}

const ID_TOKENS: [IdTokenFault; 17] = [
    IdTokenFault::Absent,
    IdTokenFault::AlgNone,
    IdTokenFault::WrongIssuer,
    IdTokenFault::IssuerWithoutScheme,
    IdTokenFault::WrongAudience,
    IdTokenFault::ExtraAudience,
    IdTokenFault::WrongAzp,
    IdTokenFault::Expired,
    IdTokenFault::FutureIat,
    IdTokenFault::NoSubject,
    IdTokenFault::EmptySubject,
    IdTokenFault::OtherSubject,
    IdTokenFault::NoNonce,
    IdTokenFault::WrongNonce,
    IdTokenFault::Hs256,
    IdTokenFault::UnknownKid,
    IdTokenFault::OtherKey,
];

/// What has to become of it; none where the fault cannot happen. No arm takes all that is left: who
/// adds a fault, an endpoint or a preset has to say here what becomes of it.
pub(crate) fn outcome(preset: Preset, endpoint: Endpoint, fault: &Fault) -> Option<Outcome> {
    match endpoint {
        Endpoint::Authorize => on_the_way(preset, fault),
        Endpoint::Discovery
        | Endpoint::Jwks
        | Endpoint::Token
        | Endpoint::Userinfo
        | Endpoint::Emails => answered(preset, endpoint, fault),
        // We keep no tokens of upstreams, and sign nobody out there.
        Endpoint::Refresh | Endpoint::Revoke | Endpoint::Logout => None,
    }
}

/// What browsers meet with: nothing of it reaches us but the way back.
fn on_the_way(preset: Preset, fault: &Fault) -> Option<Outcome> {
    match fault {
        Fault::CallbackWithoutState | Fault::CallbackOtherIss | Fault::CallbackDuplicateCode => {
            Some(Outcome::Lost)
        }
        // Browsers are patient, and look at what a page is and not at what it is called.
        Fault::Slow(_) | Fault::WrongContentType | Fault::DuplicateKeys => Some(Outcome::SignedIn),
        // Nobody else promises to say it.
        Fault::CallbackNoIss => (preset == Preset::OpenId).then_some(Outcome::Lost),
        Fault::RefuseConnection
        | Fault::TlsAlert
        | Fault::Never
        | Fault::Empty200
        | Fault::Html200
        | Fault::BadJson
        | Fault::GzipBomb
        | Fault::Redirect { .. }
        | Fault::Status(_)
        | Fault::ErrorWith200
        | Fault::Error { .. }
        | Fault::Trickle
        | Fault::ResetMidBody
        | Fault::Truncated
        | Fault::OneMegabyte
        | Fault::TenMegabytes
        | Fault::DeepJson => Some(Outcome::Stuck),
        Fault::ShortLived(_)
        | Fault::NextStep(_)
        | Fault::IdToken(_)
        | Fault::UserinfoOtherSubject
        | Fault::OtherDiscoveryIssuer
        | Fault::HttpJwksUri
        | Fault::NoEndSession
        | Fault::EmailVerified(_)
        | Fault::KeysRotatedJustNow
        | Fault::UnusualTokens
        | Fault::UserinfoJwt => None,
    }
}

/// What we are answered.
fn answered(preset: Preset, endpoint: Endpoint, fault: &Fault) -> Option<Outcome> {
    let token = endpoint == Endpoint::Token;
    match fault {
        Fault::RefuseConnection
        | Fault::TlsAlert
        | Fault::Never
        | Fault::Empty200
        | Fault::Html200
        | Fault::BadJson
        | Fault::GzipBomb
        | Fault::Redirect { .. }
        | Fault::ErrorWith200
        | Fault::Error { .. }
        | Fault::Trickle
        | Fault::ResetMidBody
        | Fault::Truncated
        // Larger than what is read of anybody's answer.
        | Fault::OneMegabyte
        | Fault::TenMegabytes => Some(Outcome::Page),
        Fault::Status(status) => Some(refused(endpoint, *status)),
        Fault::Slow(seconds) if *seconds > 8 => Some(Outcome::Page),
        // What it is called does not make it anything else.
        Fault::Slow(_) | Fault::WrongContentType => Some(Outcome::SignedIn),
        // They are asked for nothing later.
        Fault::ShortLived(_) => token.then_some(Outcome::SignedIn),
        Fault::DuplicateKeys => Some(twice(endpoint)),
        Fault::DeepJson => Some(deep(endpoint)),
        Fault::NextStep(_) => {
            let is_workos = matches!(preset, Preset::AuthKit | Preset::WorkosSso);
            (token && is_workos).then_some(Outcome::Page)
        }
        Fault::IdToken(fault) => token.then(|| id_token(preset, *fault)).flatten(),
        Fault::UserinfoOtherSubject => (endpoint == Endpoint::Userinfo).then_some(
            // There it is what says who somebody is.
            if preset == Preset::GitHub { Outcome::AsNamed } else { Outcome::Page },
        ),
        Fault::OtherDiscoveryIssuer | Fault::HttpJwksUri => {
            (endpoint == Endpoint::Discovery).then_some(Outcome::Page)
        }
        // Who signs in need not sign out there.
        Fault::NoEndSession => (preset == Preset::Auth0 && endpoint == Endpoint::Discovery)
            .then_some(Outcome::SignedIn),
        Fault::EmailVerified(_) => email_verified(preset, endpoint),
        Fault::KeysRotatedJustNow => {
            (token && preset != Preset::GitHub).then_some(Outcome::SignedIn)
        }
        Fault::UnusualTokens => {
            (token && preset == Preset::OpenId).then_some(Outcome::SignedIn)
        }
        // Whoever registers no key and no algorithm for it is owed JSON.
        Fault::UserinfoJwt => (endpoint == Endpoint::Userinfo && preset == Preset::OpenId)
            .then_some(Outcome::Page),
        Fault::CallbackWithoutState
        | Fault::CallbackOtherIss
        | Fault::CallbackNoIss
        | Fault::CallbackDuplicateCode => None,
    }
}

/// Who may not read somebody's addresses at GitHub is told none; anything else is trouble.
fn refused(endpoint: Endpoint, status: u16) -> Outcome {
    match (endpoint, status) {
        (Endpoint::Emails, 403 | 404) => Outcome::Unverified,
        _ => Outcome::Page,
    }
}

/// A member that is there twice. Whoever reads the last of them reads what is meant; nobody reads
/// the first.
fn twice(endpoint: Endpoint) -> Outcome {
    match endpoint {
        Endpoint::Emails | Endpoint::Jwks => Outcome::SignedIn,
        _ => Outcome::Page,
    }
}

/// Depth where nobody looks is passed over, or refused.
fn deep(endpoint: Endpoint) -> Outcome {
    match endpoint {
        Endpoint::Discovery | Endpoint::Jwks => Outcome::SignedIn,
        _ => Outcome::Page,
    }
}

fn id_token(preset: Preset, fault: IdTokenFault) -> Option<Outcome> {
    let outcome = match preset {
        Preset::GitHub => return None,
        // It gives none, and nothing else that is signed: it says who somebody is over TLS.
        Preset::WorkosSso => Outcome::SignedIn,
        Preset::AuthKit => access_jwt(fault),
        Preset::Auth0 | Preset::Google | Preset::Entra | Preset::OpenId => match fault {
            // It has this one of old.
            IdTokenFault::IssuerWithoutScheme if preset == Preset::Google => Outcome::SignedIn,
            // There `oid` names the person, and `sub` is different for each client.
            IdTokenFault::OtherSubject if preset == Preset::Entra => Outcome::SignedIn,
            IdTokenFault::Absent
            | IdTokenFault::AlgNone
            | IdTokenFault::WrongIssuer
            | IdTokenFault::IssuerWithoutScheme
            | IdTokenFault::WrongAudience
            | IdTokenFault::ExtraAudience
            | IdTokenFault::WrongAzp
            | IdTokenFault::Expired
            | IdTokenFault::FutureIat
            | IdTokenFault::NoSubject
            | IdTokenFault::EmptySubject
            | IdTokenFault::OtherSubject
            | IdTokenFault::NoNonce
            | IdTokenFault::WrongNonce
            | IdTokenFault::Hs256
            | IdTokenFault::UnknownKid
            | IdTokenFault::OtherKey => Outcome::Page,
        },
    };
    Some(outcome)
}

/// The access token of `AuthKit`, which stands in for an ID token. Its keys are this client's alone,
/// and it has no audience and no nonce unless somebody writes a template: who is named there has to be
/// us, and may be others besides.
fn access_jwt(fault: IdTokenFault) -> Outcome {
    match fault {
        IdTokenFault::Absent
        | IdTokenFault::AlgNone
        | IdTokenFault::WrongIssuer
        | IdTokenFault::IssuerWithoutScheme
        | IdTokenFault::Expired
        | IdTokenFault::NoSubject
        | IdTokenFault::EmptySubject
        | IdTokenFault::OtherSubject
        | IdTokenFault::Hs256
        | IdTokenFault::UnknownKid
        | IdTokenFault::OtherKey
        | IdTokenFault::WrongAudience
        | IdTokenFault::WrongAzp
        | IdTokenFault::FutureIat => Outcome::Page,
        IdTokenFault::ExtraAudience | IdTokenFault::NoNonce | IdTokenFault::WrongNonce => {
            Outcome::SignedIn
        }
    }
}

/// FD-14: whatever is not `true` is not verified. Where userinfo tells the address again, it says so
/// itself; Entra has a claim of its own for it, and the single sign-on API says nothing ever.
fn email_verified(preset: Preset, endpoint: Endpoint) -> Option<Outcome> {
    match (preset, endpoint) {
        (
            Preset::Auth0 | Preset::Google | Preset::OpenId | Preset::Entra | Preset::WorkosSso,
            Endpoint::Token,
        ) => Some(Outcome::SignedIn),
        (Preset::Auth0 | Preset::Google | Preset::OpenId, Endpoint::Userinfo)
        | (Preset::AuthKit, Endpoint::Token)
        | (Preset::GitHub, Endpoint::Emails) => Some(Outcome::Unverified),
        (
            _,
            Endpoint::Discovery
            | Endpoint::Jwks
            | Endpoint::Token
            | Endpoint::Userinfo
            | Endpoint::Emails
            | Endpoint::Authorize
            | Endpoint::Refresh
            | Endpoint::Revoke
            | Endpoint::Logout,
        ) => None,
    }
}
