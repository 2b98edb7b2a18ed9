//! What an account is told to do, and what it answers: both travel as JSON between a Worker and the
//! object.

use super::Way;
use super::recheck::Checked;
use crate::directory::Entry;
use crate::dpop::Thumbprint;
use crate::grant::{Facts, Particulars, Redemption, Refresh, Rotation};
use crate::proof::Proof;
pub use crate::proof::{Identity, LOCAL};
use crate::resource::Resources;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::pkce::Challenge;
use shared::scope::Scope;
use shared::secret::{Bits, Digest};
use shared::time::UnixTime;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The person, as last seen at sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Profile {
    /// Where they come from.
    pub identity: Identity,
    /// Standard claims.
    pub claims: Map<String, Value>,
}

impl Profile {
    /// What tells the account from another of the same person: the name they sign in with, or what
    /// the upstream tells.
    #[must_use]
    pub fn known_as(&self) -> String {
        if self.identity.upstream == LOCAL {
            return self.identity.subject.clone();
        }
        let told = |name| self.claims.get(name).and_then(Value::as_str);
        let mut names = ["email", "preferred_username", "name"].into_iter().filter_map(told);
        names.next().unwrap_or_default().to_owned()
    }
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
    /// The key that whoever redeems the code has to prove, RFC 9449 §10.
    #[serde(default)]
    pub key: Option<Thumbprint>,
    /// What was agreed to.
    pub scope: Scope,
    /// What else was asked for.
    pub particulars: Particulars,
    /// Whether refresh tokens come with it.
    pub refreshable: bool,
    /// Whether it outlives the session.
    pub offline: bool,
    /// How the person's consent to it stands.
    pub consent: Consent,
    /// When its client last became another one, for those that can.
    pub revised_at: Option<UnixTime>,
}

/// How a person's consent to a grant stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Consent {
    /// Nobody is asked: the client is the operator's own.
    NotNeeded,
    /// They have to have agreed before, to everything that is asked for now.
    Remembered,
    /// They have to be asked, whatever they agreed to before.
    Required,
    /// They were asked, and agree. Once: the grant is named by the page that asked them.
    Given {
        /// Whether it counts the next time.
        remember: bool,
        /// When the page can no longer be answered.
        until: UnixTime,
    },
}

/// What has to be known to ask a person whether they agree.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asking {
    /// What they call themselves here; perhaps empty.
    pub name: String,
    /// What they have agreed to before.
    pub agreed: Option<(Scope, Resources)>,
}

/// What a person has agreed to for one client, and has not withdrawn.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Consented {
    /// To what.
    pub scope: Scope,
    /// And where, as far as the client named it.
    pub resources: Resources,
    /// When first.
    pub since: UnixTime,
    /// When the client last came by it.
    pub last: UnixTime,
}

impl NewGrant {
    /// What the person has to agree to: the scope, and the words that open the claims which are asked
    /// for singly.
    #[must_use]
    pub fn reveals(&self) -> Scope {
        self.scope.or(&self.particulars.claims.scope())
    }
}

/// Somebody has proved who they are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignIn {
    /// Who, how and when.
    pub proof: Proof,
    /// What is known of them: standard claims.
    pub claims: Map<String, Value>,
    /// The directory's number for their identity.
    #[serde(default)]
    pub round: u32,
    /// The new cookie's secret.
    pub cookie: Digest,
    /// The session that the browser had with this account, and its cookie's secret. It goes on
    /// under the new cookie.
    pub previous: Option<(Uuid, Digest)>,
    /// The name of the session, if it is a new one.
    pub session: Uuid,
    /// The browser, in fixed words.
    pub agent: String,
    /// What a client sent them for, if one did.
    pub grant: Option<NewGrant>,
    /// What their upstream is asked with later, sealed, where it is.
    pub kept: Option<String>,
}

/// What became of [`SignIn`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum SignedIn {
    /// They are.
    In {
        /// The session.
        session: Uuid,
        /// The person has to be asked first: no grant was made.
        asking: Option<Asking>,
    },
    /// The identity was taken off this account, and nothing was done.
    Unlinked,
    /// The account is disabled, and nothing was done.
    Disabled,
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
    /// The ways to have proved it that will do; all when absent.
    pub acr: Option<Vec<String>>,
    /// What it asks for.
    pub grant: NewGrant,
}

/// What became of [`Proceed`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Proceeded {
    /// The code is good.
    Issued,
    /// The person has to be asked first.
    ConsentNeeded(Asking),
    /// The page has been answered before, and the code that came of it is used up.
    Finished,
    /// The person has to prove again who they are.
    TooLongAgo,
    /// The person has to prove it in another way.
    OtherWay,
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
    /// What came of asking the upstream, where the answer to this command was to do that first.
    pub checked: Option<Checked>,
}

/// What became of [`Rotate`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Rotated {
    /// The outcome.
    pub rotation: Rotation,
    /// The secret of the refresh token to hand out, when there is one.
    pub secret: Option<Bits>,
    /// What the access token says about the person besides.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
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

/// What the userinfo endpoint may tell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Told {
    /// Whose the grant is.
    pub client_id: String,
    /// Everything that is known.
    pub claims: Map<String, Value>,
    /// The names that the client asked for singly.
    pub asked: BTreeSet<String>,
}

/// Somebody who may asks whether a token is good.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Introspect {
    /// The grant that the token names.
    pub grant: Uuid,
    /// Whose grant it has to be; anybody's for an exchanged token, which does not say whose.
    pub client_id: Option<String>,
    /// As in [`Revoke`].
    pub refresh_token: Option<(u32, Bits)>,
}

/// What [`Introspect`] found, when the token is good.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Alive {
    /// What the person agreed to.
    pub facts: Facts,
    /// When a refresh token was made; nobody remembers that of the one before the current.
    pub since: Option<UnixTime>,
    /// When it stops being good unless it is used.
    pub until: UnixTime,
}

/// Ends a sign-in session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignOut {
    /// Which.
    pub session: Uuid,
    /// Its cookie's secret.
    pub cookie: Digest,
}

/// Somebody on their own page wishes something.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Own {
    /// The session of the browser.
    pub session: Uuid,
    /// Its cookie's secret.
    pub cookie: Digest,
    /// What.
    pub wish: Wish,
}

/// What somebody wishes on their own page. What is not theirs is not touched by any of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Wish {
    /// To see how things stand.
    Look,
    /// To end a sign-in session, this or another.
    EndSession(Uuid),
    /// To end every sign-in session but this one.
    EndOthers,
    /// To have a client act for them no more.
    Remove(String),
    /// To end every session, this one too, and every grant.
    EndEverything,
    /// To sign in by an identity no more. Nothing happens when no other way in is left.
    TakeOff(Entry),
    /// The same, when the directory has heard of it.
    TakenOff(Entry),
}

/// How things stand.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Overview {
    /// What the person is called, as far as anything is known.
    pub name: String,
    /// When the person of this browser last proved who they are; none when nobody says.
    pub proved_at: Option<UnixTime>,
    /// By what they sign in: the last used first.
    pub ways: Vec<Way>,
    /// Where they are signed in: this browser first, then by last use.
    pub sessions: Vec<Seen>,
    /// Which clients may act for them or come back for it, by name.
    pub apps: Vec<App>,
}

/// One sign-in session, as its owner sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// Its name.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// The browser, in fixed words.
    pub agent: String,
    /// When it began.
    pub opened_at: UnixTime,
    /// When it was used last.
    pub used_at: UnixTime,
}

/// One client that may act for somebody.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct App {
    /// Which.
    pub client_id: String,
    /// When it last got tokens.
    pub used_at: UnixTime,
    /// Whether it goes on after the person has signed out.
    pub offline: bool,
    /// What it may come back for without the person being asked.
    pub consent: Option<Consented>,
}
