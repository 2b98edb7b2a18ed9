//! What is presented for a grant, and what comes of it.

use super::Facts;
use crate::account::Check;
use crate::dpop::Thumbprint;
use crate::resource::{Resources, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::scope::Scope;
use shared::secret::{Bits, Digest, Verifier};
use uuid::Uuid;

/// Somebody presents a code. The client has been authenticated as registered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Redemption {
    /// Of the secret presented.
    pub code: Digest,
    /// Who presents it.
    pub client_id: String,
    /// The redirect URI of the token request.
    pub redirect_uri: String,
    /// The code verifier, when there is one.
    pub verifier: Option<Verifier>,
    /// Whom the access token is to be for.
    pub target: Target,
    /// Whether the client proved who it is, or merely said so.
    #[serde(default)]
    pub is_public: bool,
    /// The key that was proved, if one was.
    #[serde(default)]
    pub key: Option<Thumbprint>,
}

/// What the first tokens of a grant are made of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Begun {
    /// What to say in them.
    pub facts: Facts,
    /// For the ID token.
    pub nonce: Option<String>,
    /// Whom the access token is for.
    pub resources: Resources,
    /// What else the ID token says: the account knows, this machine does not.
    pub claims: Map<String, Value>,
    /// And what the access token says about the person besides.
    #[serde(default)]
    pub own: Map<String, Value>,
}

/// What became of a code. Only the first two change anything.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Redeemed {
    /// Tokens may be issued.
    Redeemed(Box<Begun>),
    /// It had been redeemed before; what it produced is revoked now (RFC 6749 §4.1.2).
    Reused,
    /// The secret is not the code's.
    Unknown,
    /// Another client's code.
    WrongClient,
    /// Not the redirect URI of the authorization request.
    WrongRedirect,
    /// The verifier is missing, wrong, or was never asked for.
    WrongVerifier,
    /// Not the key that was named when the code was asked for.
    WrongKey,
    /// A resource that was not granted.
    WrongTarget,
    /// Too late.
    Expired,
    /// Revoked before.
    Revoked,
}

/// Somebody presents a refresh token. The client has been authenticated as registered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Refresh {
    /// The generation that the token says it is.
    pub generation: u32,
    /// The secret that proves it.
    pub secret: Bits,
    /// Who presents it.
    pub client_id: String,
    /// Whether the client proved who it is, or merely said so.
    pub is_public: bool,
    /// What is asked for; everything when absent.
    pub scope: Option<Scope>,
    /// Whom the access token is to be for.
    pub target: Target,
    /// The key that was proved, if one was.
    #[serde(default)]
    pub key: Option<Thumbprint>,
}

/// What became of a refresh token. Only the first three change anything.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Rotation {
    /// The successor is now current.
    Rotated(Answer),
    /// The previous token came again in time: the same answer.
    Repeated(Answer),
    /// An older token came back; the family is gone (RFC 9700 §4.14.2).
    Reused,
    /// A token that was never issued.
    Unknown,
    /// Another client's token.
    WrongClient,
    /// A public client's, which did not prove the key that its family began with, or proved one where
    /// it began without.
    WrongKey,
    /// More scope than was granted, or other than in the answer that would be repeated.
    WrongScope,
    /// A resource that was not granted, or others than in the answer that would be repeated.
    WrongTarget,
    /// Idle or absolute end.
    Expired,
    /// Revoked before.
    Revoked,
    /// The upstream that vouched for the person has to be asked first. This and the next two the
    /// account says; this machine does not know.
    CheckFirst(Box<Check>),
    /// It could not be asked for too long; the token is good all the same.
    Unchecked,
    /// It vouches for them no more, so everything has ended that began by its word.
    Ended {
        /// What we call it.
        upstream: String,
        /// The sign-in sessions that were open.
        sessions: Vec<Uuid>,
    },
}

/// What a token answer is made of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    /// What to say in the tokens.
    pub facts: Facts,
    /// The scope of this answer.
    pub scope: Scope,
    /// Whom the access token is for.
    pub resources: Resources,
    /// Which generation the new refresh token is.
    pub generation: u32,
}
