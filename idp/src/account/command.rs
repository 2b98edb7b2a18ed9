//! What an account is told to do, and what it answers: both travel as JSON between a Worker and the
//! object.

use crate::grant::{Redemption, Refresh, Rotation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::pkce::Challenge;
use shared::scope::Scope;
use shared::secret::{Bits, Digest};
use shared::time::UnixTime;
use uuid::Uuid;

/// Who somebody is to whoever signed them in: a local account's name, or an upstream and its
/// subject. Never an e-mail address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// [`LOCAL`], or the upstream's issuer.
    pub upstream: String,
    /// Its name for the person.
    pub subject: String,
}

/// The upstream of local accounts. No issuer URL looks like it.
pub const LOCAL: &str = "local";

/// The person, as last seen at sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Profile {
    /// Where they come from.
    pub identity: Identity,
    /// Of the password's hash, when it was by a password: another one ends what this one began.
    #[serde(default)]
    pub credential: Option<Digest>,
    /// Standard claims.
    pub claims: Map<String, Value>,
}

/// A grant to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NewGrant {
    /// Its name.
    pub id: Uuid,
    /// The account that gives it: an object does not know its own name.
    pub account: Uuid,
    /// Of the code's secret.
    pub code: Digest,
    /// Whose it is.
    pub client_id: String,
    /// The redirect URI that the code goes to.
    pub redirect_uri: String,
    /// The code challenge.
    pub challenge: Option<Challenge>,
    /// For the ID token.
    pub nonce: Option<String>,
    /// What was agreed to.
    pub scope: Scope,
    /// Whether refresh tokens come with it.
    pub refreshable: bool,
    /// Whether it outlives the session.
    pub offline: bool,
}

/// Somebody has proved who they are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignIn {
    /// Who.
    pub profile: Profile,
    /// When: earlier than now where an upstream remembered them.
    pub auth_time: UnixTime,
    /// How, RFC 8176.
    pub amr: Vec<String>,
    /// The new cookie's secret.
    pub cookie: Digest,
    /// The session that the browser had with this account, and its cookie's secret. It goes on
    /// under the new cookie.
    pub previous: Option<(Uuid, Digest)>,
    /// The name of the session, if it is a new one.
    pub session: Uuid,
    /// What a client sent them for, if one did.
    pub grant: Option<NewGrant>,
}

/// A browser that is signed in asks for a code.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Proceed {
    /// The session.
    pub session: Uuid,
    /// Its cookie's secret.
    pub cookie: Digest,
    /// The oldest proof of identity that will do, in seconds.
    pub max_age: Option<u64>,
    /// What it asks for.
    pub grant: NewGrant,
}

/// What became of [`Proceed`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Proceeded {
    /// The code is good.
    Issued,
    /// The person has to prove again who they are.
    TooLongAgo,
    /// Nobody is signed in.
    SignedOut,
}

/// A client redeems a code.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Redeem {
    /// The grant that the code names.
    pub grant: Uuid,
    /// What is presented.
    pub with: Redemption,
    /// The secret of the family to be.
    pub seed: Bits,
}

/// A client refreshes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Rotate {
    /// The grant that the token names.
    pub grant: Uuid,
    /// What is presented.
    pub with: Refresh,
}

/// What became of [`Rotate`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Rotated {
    /// The outcome.
    pub rotation: Rotation,
    /// The secret of the refresh token to hand out, when there is one.
    pub secret: Option<Bits>,
}

/// A client revokes a grant it holds a token of.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Revoke {
    /// The grant that the token names.
    pub grant: Uuid,
    /// Whose token it has to be.
    pub client_id: String,
    /// Generation and secret of a refresh token; absent for an access token, whose signature has
    /// been checked.
    pub refresh_token: Option<(u32, Bits)>,
}

/// Ends a sign-in session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignOut {
    /// Which.
    pub session: Uuid,
    /// Its cookie's secret.
    pub cookie: Digest,
}
