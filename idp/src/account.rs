//! What the `Account` object does: each function is one command, one atomic load, step and save.
//!
//! One object per person holds the profile, the sign-in sessions and the grants (codes and refresh
//! token families), so none of these commands asks a second object.

use crate::config::{Config, LocalAccount};
use crate::grant;
use crate::grant::{
    Answer, Binding, Facts, Grant, Issued, Redeemed, Redemption, Refresh, Rotation, Seed,
};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::{self, Session, Visit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::pkce::Challenge;
use shared::scope::Scope;
use shared::seal::Purpose;
use shared::secret::{Bits, Digest};
use shared::time::UnixTime;
use uuid::Uuid;

/// The one row of [`Table::Profile`].
const PROFILE: &str = "profile";
/// How long a revoked grant is remembered as such: longer than any token of it is looked at.
const MEMORY_OF_REVOKED: u64 = 90 * 86_400;
/// How long an expired code is remembered, so that its replay is told from garbage in the log.
const MEMORY_OF_CODE: u64 = 600;

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
    /// What they came for.
    pub grant: NewGrant,
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

#[derive(Debug, Deserialize, Serialize)]
struct GrantRow {
    grant: Grant,
    /// Of the password's hash that it began with, when it was one.
    #[serde(default)]
    credential: Option<Digest>,
    /// The family's seed, sealed; empty until there is a family.
    seed: String,
}

/// One account, with what it needs to step.
#[derive(Debug)]
pub struct Account<'a, R> {
    /// Its storage.
    pub rows: &'a R,
    /// The deployment's settings.
    pub config: &'a Config,
}

impl<R: Rows> Account<'_, R> {
    /// Opens a session, or goes on with the browser's own, and issues a code. Returns the session.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn sign_in(&self, command: SignIn, now: UnixTime) -> Result<Uuid, Unavailable> {
        let SignIn { profile, auth_time, amr, cookie, previous, session, grant } = command;
        let mut id = session;
        if let Some((previous, cookie)) = previous
            && let Some(Session::Open(open)) = self.used_session(previous, now)?
            && open.cookie == cookie
        {
            id = previous;
        }
        self.rows.save(Table::Profile, PROFILE, &profile, None)?;
        let (credential, policy) = (profile.credential, self.sessions());
        let session = Session::open(cookie, auth_time, amr.clone(), credential, now, policy);
        // The session last: its cookie changes with it, and when the code could not be written, the
        // browser would not be told. A code that nobody knows harms nobody.
        self.issue(grant, id, (auth_time, amr, credential), now)?;
        self.save_session(id, &session, now)?;
        Ok(id)
    }

    /// Issues a code to a browser that is signed in.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn proceed(&self, command: Proceed, now: UnixTime) -> Result<Proceeded, Unavailable> {
        let Proceed { session: id, cookie, max_age, grant } = command;
        let Some(session) = self.session(id)? else { return Ok(Proceeded::SignedOut) };
        let credential = session.credential();
        if self.is_disabled(credential)? {
            return Ok(Proceeded::SignedOut);
        }
        let (session, visit) = session.visit(cookie, max_age, now, self.sessions());
        match visit {
            Visit::Ended => Ok(Proceeded::SignedOut),
            Visit::TooLongAgo => Ok(Proceeded::TooLongAgo),
            Visit::SignedIn { auth_time, amr } => {
                self.save_session(id, &session, now)?;
                self.issue(grant, id, (auth_time, amr, credential), now)?;
                Ok(Proceeded::Issued)
            }
        }
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn redeem(&self, command: &Redeem, now: UnixTime) -> Result<Redeemed, Unavailable> {
        let Some(row) = self.grant(command.grant)? else { return Ok(Redeemed::Unknown) };
        let (grant, redeemed) = row.grant.clone().redeem(&command.with, now, self.grants());
        // TC-11: whoever signed out, or is not wanted here any more, gets no tokens.
        if let Redeemed::Redeemed { facts, .. } = &redeemed
            && (!self.has_session(facts.session, now)? || self.is_disabled(row.credential)?)
        {
            return Ok(Redeemed::Revoked);
        }
        if grant != row.grant {
            let seed = match grant {
                Grant::Live(_) => self.seal_seed(command.grant, Seed(command.seed)),
                _ => row.seed,
            };
            let next = GrantRow { grant, seed, ..row };
            self.save_grant(command.grant, &next, now)?;
        }
        Ok(redeemed)
    }

    /// Rotates a refresh token.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged. A rotation that was committed all the same is
    /// repeated when the client asks again.
    pub fn rotate(&self, command: &Rotate, now: UnixTime) -> Result<Rotated, Unavailable> {
        let refused = |rotation| Ok(Rotated { rotation, secret: None });
        let Some(row) = self.grant(command.grant)? else { return refused(Rotation::Unknown) };
        if row.seed.is_empty() {
            return refused(Rotation::Unknown);
        }
        let seed = self.seed(command.grant, &row.seed)?;
        let (grant, rotation) = row.grant.clone().refresh(&seed, &command.with, now, self.grants());
        let session = match &rotation {
            Rotation::Rotated(Answer { facts, .. }) | Rotation::Repeated(Answer { facts, .. }) => {
                if self.is_disabled(row.credential)? {
                    return refused(Rotation::Revoked);
                }
                // RT-14: without `offline_access` the family ends with the session, and uses it.
                if facts.offline {
                    None
                } else if let Some(session) = self.used_session(facts.session, now)? {
                    Some((facts.session, session))
                } else {
                    return refused(Rotation::Revoked);
                }
            }
            _ => None,
        };
        if grant != row.grant {
            // Sealed anew, so that an old sealing key can be dropped once every family has rotated.
            let next = GrantRow { grant, seed: self.seal_seed(command.grant, seed), ..row };
            self.save_grant(command.grant, &next, now)?;
        }
        if let Some((id, session)) = session {
            self.save_session(id, &session, now)?;
        }
        let secret = match &rotation {
            Rotation::Rotated(answer) | Rotation::Repeated(answer) => {
                Some(seed.secret(answer.generation))
            }
            _ => None,
        };
        Ok(Rotated { rotation, secret })
    }

    /// Revokes a grant; false when the token is not the client's, which changes nothing.
    ///
    /// # Errors
    /// [`Unavailable`]: it may still be alive.
    pub fn revoke(&self, command: &Revoke, now: UnixTime) -> Result<bool, Unavailable> {
        let Some(row) = self.grant(command.grant)? else { return Ok(false) };
        let Grant::Live(live) = &row.grant else { return Ok(false) };
        let proved = match command.refresh_token {
            None => true,
            Some((generation, secret)) => {
                let seed = self.seed(command.grant, &row.seed)?;
                generation <= live.generation && seed.is_secret_of(generation, secret)
            }
        };
        if !proved || live.facts.client_id != command.client_id {
            return Ok(false);
        }
        self.save_grant(command.grant, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
        Ok(true)
    }

    /// The person's claims, while the grant that an access token names is alive.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn userinfo(
        &self,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<Map<String, Value>>, Unavailable> {
        let Some(GrantRow { grant: Grant::Live(live), credential, .. }) = self.grant(grant)? else {
            return Ok(None);
        };
        let signed_in = live.facts.offline || self.has_session(live.facts.session, now)?;
        if !signed_in || live.absolute_until <= now || self.is_disabled(credential)? {
            return Ok(None);
        }
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        Ok(profile.map(|profile| profile.claims))
    }

    /// Ends a session; false when there was none to end.
    ///
    /// # Errors
    /// [`Unavailable`]: it may still be alive.
    pub fn sign_out(&self, command: &SignOut, now: UnixTime) -> Result<bool, Unavailable> {
        match self.session(command.session)? {
            Some(Session::Open(open)) if open.cookie == command.cookie => {
                self.save_session(command.session, &Session::Ended, now)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn issue(
        &self,
        new: NewGrant,
        session: Uuid,
        (auth_time, amr, credential): (UnixTime, Vec<String>, Option<Digest>),
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let NewGrant { id, code, client_id, redirect_uri, challenge, nonce, scope, .. } = new;
        let (refreshable, offline) = (new.refreshable, new.offline);
        let facts = Facts { client_id, scope, session, auth_time, amr, refreshable, offline };
        let binding = Binding { code, redirect_uri, challenge, nonce };
        let expires_at = now.plus(self.config.lifetimes.code);
        let grant = Grant::Issued(Issued { facts, binding, expires_at });
        self.save_grant(id, &GrantRow { grant, credential, seed: String::new() }, now)
    }

    /// Somebody who may not sign in any more as they did (RT-13): the account or the upstream is
    /// gone from the configuration, or the password is another than `began_with`. That they have
    /// signed in with the new one since brings nothing back that began with the old one.
    fn is_disabled(&self, began_with: Option<Digest>) -> Result<bool, Unavailable> {
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        let Some(Profile { identity, credential, .. }) = profile else { return Ok(true) };
        if identity.upstream == LOCAL {
            let account = self.config.accounts.iter();
            let account = account.filter(|known| known.username == identity.subject);
            let wanted = began_with.or(credential);
            return Ok(account.map(LocalAccount::credential).all(|known| Some(known) != wanted));
        }
        let upstream = self.config.upstream.as_ref();
        Ok(upstream.is_none_or(|upstream| upstream.client.issuer.as_str() != identity.upstream))
    }

    /// A seed that no key opens is not the client's fault: nothing is known about its token.
    fn seed(&self, grant: Uuid, sealed: &str) -> Result<Seed, Unavailable> {
        let bytes = self.config.keys.open(Purpose::new("seed", &grant.to_string()), sealed);
        let bits = bytes.and_then(|bytes| bytes.try_into().ok());
        bits.map(|bits| Seed(Bits::new(bits))).ok_or(Unavailable)
    }

    fn seal_seed(&self, grant: Uuid, Seed(bits): Seed) -> String {
        let context = grant.to_string();
        self.config.keys.seal_the_same(Purpose::new("seed", &context), &bits.expose())
    }

    fn grant(&self, id: Uuid) -> Result<Option<GrantRow>, Unavailable> {
        self.rows.load(Table::Grant, &id.to_string())
    }

    fn save_grant(&self, id: Uuid, row: &GrantRow, now: UnixTime) -> Result<(), Unavailable> {
        let until = match &row.grant {
            Grant::Issued(issued) => issued.expires_at.plus(MEMORY_OF_CODE),
            Grant::Live(live) => live.absolute_until,
            Grant::Revoked => now.plus(MEMORY_OF_REVOKED),
        };
        self.rows.save(Table::Grant, &id.to_string(), row, Some(until))
    }

    fn session(&self, id: Uuid) -> Result<Option<Session>, Unavailable> {
        self.rows.load(Table::Session, &id.to_string())
    }

    fn used_session(&self, id: Uuid, now: UnixTime) -> Result<Option<Session>, Unavailable> {
        Ok(self.session(id)?.and_then(|session| session.used(now, self.sessions())))
    }

    fn has_session(&self, id: Uuid, now: UnixTime) -> Result<bool, Unavailable> {
        Ok(self.used_session(id, now)?.is_some())
    }

    fn save_session(&self, id: Uuid, session: &Session, now: UnixTime) -> Result<(), Unavailable> {
        let until = session.ends_at().unwrap_or(now.plus(MEMORY_OF_REVOKED));
        self.rows.save(Table::Session, &id.to_string(), session, Some(until))
    }

    fn grants(&self) -> grant::Policy {
        let lifetimes = &self.config.lifetimes;
        grant::Policy {
            access_token: lifetimes.access_token,
            idle: lifetimes.refresh_idle,
            absolute: lifetimes.refresh_absolute,
        }
    }

    fn sessions(&self) -> session::Policy {
        let lifetimes = &self.config.lifetimes;
        session::Policy { idle: lifetimes.session_idle, absolute: lifetimes.session_absolute }
    }
}
