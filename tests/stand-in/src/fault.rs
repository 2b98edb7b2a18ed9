//! What can be made to go wrong, where, and how often.

use crate::Preset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a fault happens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The provider's metadata.
    Discovery,
    /// Its keys.
    Jwks,
    /// Where browsers go, and the way back from there.
    Authorize,
    /// A code is redeemed.
    Token,
    /// The token endpoint again, with a refresh token.
    Refresh,
    /// Userinfo, GitHub's `/user`, the profile of WorkOS.
    Userinfo,
    /// GitHub's `/user/emails`.
    Emails,
    /// A token or a session is revoked.
    Revoke,
    /// Where browsers sign out.
    Logout,
}

/// One thing that goes wrong. Over HTTP they are written as JSON: `"empty200"`, `{"status":503}`,
/// `{"id_token":"alg_none"}`, `{"email_verified":{"is":"true"}}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    // Nothing happens behind these: what was asked is not done.
    /// The connection ends before a byte of the answer. A port that listens cannot refuse one by
    /// path; this is as near as it gets.
    RefuseConnection,
    /// What comes back is not HTTP but an alert of TLS.
    TlsAlert,
    /// No answer, for as long as somebody waits for it.
    Never,
    /// 200 and no body.
    Empty200,
    /// 200 and a page.
    Html200,
    /// 200 and JSON that breaks off.
    BadJson,
    /// 200 and 10 MB of zeros in a few kilobytes.
    GzipBomb,
    /// Somewhere else, with one of the redirecting statuses.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        to: String,
    },
    /// An error without more reason than its number; 429 and 503 say when to come again.
    Status(u16),
    /// An error that says 200.
    ErrorWith200,
    /// An OAuth error, with any status.
    Error {
        /// The status.
        status: u16,
        /// The word.
        error: String,
    },
    /// `WorkOS` wants one more step of the person: the code of the error.
    NextStep(String),

    // What was asked is done, and the answer suffers on its way.
    /// The answer comes after so many seconds.
    Slow(u64),
    /// The answer comes at one byte a second.
    Trickle,
    /// The connection is reset in the middle of the body.
    ResetMidBody,
    /// The connection ends orderly, and before the promised length.
    Truncated,
    /// The access token lives so many seconds, as the answer has it.
    ShortLived(u64),
    /// Each text stands there twice: first another one, then the right one.
    DuplicateKeys,
    /// Right but for its type, which is `text/plain`.
    WrongContentType,
    /// Right, and with another member of 1 MB.
    OneMegabyte,
    /// Right, and with another member of 10 MB.
    TenMegabytes,
    /// Right, and with another member of 100,000 arrays in each other.
    DeepJson,

    // What is answered is wrong.
    /// The ID token, at [`Endpoint::Token`] or [`Endpoint::Refresh`].
    IdToken(IdTokenFault),
    /// Userinfo is somebody else's.
    UserinfoOtherSubject,
    /// Discovery is another issuer's.
    OtherDiscoveryIssuer,
    /// Keys without TLS, from another host.
    HttpJwksUri,
    /// No place to sign out at: a tenant of Auth0 publishes none unless it is set to.
    NoEndSession,
    /// The browser comes back without `state`.
    CallbackWithoutState,
    /// The browser comes back with another `iss`.
    CallbackOtherIss,
    /// The browser comes back without `iss`, which was promised.
    CallbackNoIss,
    /// The browser comes back with two codes.
    CallbackDuplicateCode,
    /// What is said of the e-mail: in the token (or `WorkOS`' user) at `Token`, or at `Userinfo` or
    /// `Emails`.
    EmailVerified(Claim),
    /// The token is signed with a key that was published this moment; the old one is gone.
    KeysRotatedJustNow,

    // What is answered is right, and unusual.
    /// Tokens as the standard lets them be: `expires_in` in quotes, `exp` with a fraction,
    /// `token_type` in capitals, no `scope`; a refresh brings an access token alone, and the refresh
    /// token stays good.
    UnusualTokens,
    /// Userinfo is a signed JWT.
    UserinfoJwt,
}

/// A claim that is not what it should be.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// This.
    Is(Value),
    /// Not there.
    Absent,
}

/// What is wrong with an ID token. Everything else about it is right.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdTokenFault {
    /// There is none.
    Absent,
    /// `alg` is `none`, and there is no signature.
    AlgNone,
    /// `iss` is another.
    WrongIssuer,
    /// `iss` has lost its `https://`, as Google's may.
    IssuerWithoutScheme,
    /// `aud` is another client.
    WrongAudience,
    /// `aud` has another client besides, and nobody is named as the authorized party.
    ExtraAudience,
    /// `azp` is the other client.
    WrongAzp,
    /// `exp` is an hour ago.
    Expired,
    /// `iat` is in an hour.
    FutureIat,
    /// No `sub`.
    NoSubject,
    /// `sub` is empty.
    EmptySubject,
    /// `sub` is somebody else.
    OtherSubject,
    /// No `nonce`.
    NoNonce,
    /// `nonce` is another.
    WrongNonce,
    /// Signed with the client's secret.
    Hs256,
    /// Signed with a key that is not published.
    UnknownKid,
    /// Signed with another key, under the name of the published one.
    OtherKey,
}

impl Fault {
    /// Whether it can happen there, at this provider.
    #[must_use]
    pub fn fits(&self, preset: Preset, endpoint: Endpoint) -> bool {
        let token = matches!(endpoint, Endpoint::Token | Endpoint::Refresh);
        preset.endpoints().contains(&endpoint)
            && match self {
                // GitHub signs nothing.
                Self::IdToken(_) | Self::KeysRotatedJustNow => token && preset != Preset::GitHub,
                Self::ShortLived(_) => token,
                Self::NextStep(_) => token && preset == Preset::WorkOs,
                Self::UserinfoOtherSubject => endpoint == Endpoint::Userinfo,
                Self::UnusualTokens => token && preset == Preset::Generic,
                Self::UserinfoJwt => endpoint == Endpoint::Userinfo && preset == Preset::Generic,
                Self::OtherDiscoveryIssuer | Self::HttpJwksUri => endpoint == Endpoint::Discovery,
                Self::NoEndSession => endpoint == Endpoint::Discovery && preset == Preset::Auth0,
                Self::CallbackWithoutState
                | Self::CallbackOtherIss
                | Self::CallbackDuplicateCode => endpoint == Endpoint::Authorize,
                // Nobody else says it.
                Self::CallbackNoIss => endpoint == Endpoint::Authorize && preset == Preset::Generic,
                Self::EmailVerified(_) => match preset {
                    Preset::GitHub => endpoint == Endpoint::Emails,
                    Preset::WorkOs => token,
                    _ => token || endpoint == Endpoint::Userinfo,
                },
                Self::Redirect { status, .. } => [301, 302, 303, 307, 308].contains(status),
                Self::Status(status) | Self::Error { status, .. } => (200..600).contains(status),
                _ => true,
            }
    }

    /// Whether it is in what is answered, and not on the way there.
    pub(crate) fn is_content(&self) -> bool {
        matches!(
            self,
            Self::IdToken(_)
                | Self::UserinfoOtherSubject
                | Self::OtherDiscoveryIssuer
                | Self::HttpJwksUri
                | Self::NoEndSession
                | Self::CallbackWithoutState
                | Self::CallbackOtherIss
                | Self::CallbackNoIss
                | Self::CallbackDuplicateCode
                | Self::EmailVerified(_)
                | Self::KeysRotatedJustNow
                | Self::UnusualTokens
                | Self::UserinfoJwt
        )
    }
}

/// What is arranged at an instance, in order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Arranged>);

/// A fault, where it happens, and how often still.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Arranged {
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub fault: Fault,
    /// How often. Without it, until faults are cleared.
    #[serde(default = "always")]
    pub times: u32,
}

fn always() -> u32 {
    u32::MAX
}

impl Faults {
    pub(crate) fn add(&mut self, arranged: Arranged) {
        self.0.push(arranged);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to the next request to an endpoint.
    pub(crate) fn on_the_way(&mut self, endpoint: Endpoint) -> Option<Fault> {
        self.take(endpoint, |fault| (!fault.is_content()).then(|| fault.clone()))
    }

    /// The first fault at an endpoint that `pick` wants. It has happened once more then.
    pub(crate) fn take<T>(
        &mut self,
        endpoint: Endpoint,
        pick: impl Fn(&Fault) -> Option<T>,
    ) -> Option<T> {
        for arranged in &mut self.0 {
            if arranged.endpoint != endpoint || arranged.times == 0 {
                continue;
            }
            if let Some(picked) = pick(&arranged.fault) {
                if arranged.times != always() {
                    arranged.times -= 1;
                }
                return Some(picked);
            }
        }
        None
    }

    /// Whether a fault is next, which happens then.
    pub(crate) fn happens(&mut self, endpoint: Endpoint, fault: &Fault) -> bool {
        self.take(endpoint, |other| (other == fault).then_some(())).is_some()
    }
}
