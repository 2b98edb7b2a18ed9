//! Further tokens of a session: one for the origin of each route that wants one of its own.
//!
//! They are asked for by the lease that the session's own token is asked for by, so there is one token
//! call at a time whatever it is for: one that names a resource rotates the refresh token, which is
//! everybody's (decision 19).

use super::{
    Lease, Live, Renewal, Renewed, Rest, SKEW, Session, Snapshot, UNTOLD_LIFE, Visit, life,
};
use serde::{Deserialize, Serialize};
use shared::rp::wanted::{By, Wanted};
use shared::secret::{AccessToken, Digest, RefreshToken};
use shared::time::UnixTime;

/// So many further tokens a session has. The settings have no more of them either; those of settings
/// that are gone make room.
pub const MOST: usize = 16;

/// Nobody is told to wait longer for what no waiting will bring.
const LONG: u64 = 60;

/// What tells one token that is asked for from every other: a digest of all that is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Key(Digest);

/// A token that is asked for, and what tells it from others.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Wanted", into = "Wanted")]
pub struct Aim {
    wanted: Wanted,
    key: Key,
}

impl From<Wanted> for Aim {
    fn from(wanted: Wanted) -> Self {
        // Every member counts, and each has one place in the JSON form, which there always is.
        let text = serde_json::to_vec(&wanted).unwrap_or_default();
        Self { wanted, key: Key(Digest::of(text)) }
    }
}

impl From<Aim> for Wanted {
    fn from(aim: Aim) -> Self {
        aim.wanted
    }
}

impl Aim {
    /// What is asked for.
    #[must_use]
    pub const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What tells it from others.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }
}

/// A token that came, and was found to be for whom it was asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Granted {
    key: Key,
    access_token: AccessToken,
    received_at: UnixTime,
    ends_at: UnixTime,
    refresh_at: UnixTime,
}

impl Granted {
    /// What it was asked for by.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The token itself.
    #[must_use]
    pub const fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// When it ends.
    #[must_use]
    pub const fn ends_at(&self) -> UnixTime {
        self.ends_at
    }

    /// When to ask for the next.
    #[must_use]
    pub const fn refresh_at(&self) -> UnixTime {
        self.refresh_at
    }

    fn is_fresh(&self, now: UnixTime) -> bool {
        self.received_at <= now.plus(SKEW) && now < self.refresh_at
    }
}

/// What is there for one origin, and what went wrong lately.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Entry {
    key: Key,
    granted: Option<Granted>,
    rest: Rest,
    /// Whether the last failure was a no, and not trouble.
    refused: bool,
}

/// What a refresh was for whose answer did not come. The provider may have obeyed, and a provider that
/// gives an answer again gives it to the same question alone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Owed {
    /// The session's own token.
    Own,
    /// An origin's.
    Origin(Aim),
}

/// All of them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Further {
    entries: Vec<Entry>,
    owed: Option<Owed>,
}

/// Somebody who is signed in, and the token for the origin that they ask.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Supplied {
    /// Who. The access token in it is for others.
    pub snapshot: Snapshot,
    /// What the origin is sent.
    pub granted: Granted,
}

/// Why there is no token for an origin.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lack {
    /// Whether the provider said no, or what it gave is for somebody else; else there is trouble.
    pub refused: bool,
    /// Seconds for which nobody asks again, at least 1.
    pub retry_after: u64,
}

/// One way to a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Way {
    /// Redeem this for the session's own.
    Renew(RefreshToken),
    /// Redeem this for an origin's.
    Refresh(RefreshToken, Wanted),
    /// Exchange this for an origin's.
    Exchange(AccessToken, Wanted),
}

/// What a visit on behalf of an origin finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Supply {
    /// Use this.
    Serve(Box<Supplied>),
    /// Make this token call, which may be another's first; the lease is already written. And what may
    /// serve meanwhile.
    Call(Lease, Way, Option<Box<Supplied>>),
    /// Somebody is making one; until when that is believed, and what may serve meanwhile.
    Wait(UnixTime, Option<Box<Supplied>>),
    /// There is none for this origin for now. The session goes on.
    Lacking(Lack),
    /// There is no such session, or no more.
    Gone,
}

impl Further {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.owed.is_none()
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn token(&self, key: Key) -> Option<&Granted> {
        self.entry(key)?.granted.as_ref()
    }

    fn lack(&self, key: Key, now: UnixTime) -> Option<Lack> {
        let Entry { rest, refused, .. } = self.entry(key)?;
        let retry_after = rest.left(now)?;
        Some(Lack { refused: *refused, retry_after })
    }

    /// A place for what came of asking for `key`; the one that ends soonest makes room.
    fn place(&mut self, key: Key) -> Option<&mut Entry> {
        if self.entry(key).is_none() {
            if self.entries.len() >= MOST {
                self.drop_one();
            }
            let (granted, rest) = (None, Rest::default());
            self.entries.push(Entry { key, granted, rest, refused: false });
        }
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Drops the one that ends soonest; false when there is none.
    pub(super) fn drop_one(&mut self) -> bool {
        let end = |entry: &Entry| entry.granted.as_ref().map(Granted::ends_at);
        let soonest = self.entries.iter().enumerate().min_by_key(|(_, entry)| end(entry));
        let Some((index, _)) = soonest else { return false };
        self.entries.remove(index);
        true
    }

    fn keep(&mut self, granted: Granted) {
        if let Some(entry) = self.place(granted.key) {
            *entry = Entry {
                key: granted.key,
                granted: Some(granted),
                rest: Rest::default(),
                refused: false,
            };
        }
    }

    pub(super) fn fail(&mut self, key: Key, refused: bool, asked: Option<u64>, now: UnixTime) {
        if let Some(entry) = self.place(key) {
            entry.rest = entry.rest.again(asked, now);
            entry.refused = refused;
        }
    }

    /// A refresh is about to be made for this purpose. What another may still be owed stays so.
    fn begin(&mut self, owed: Owed) {
        self.owed.get_or_insert(owed);
    }

    /// The refresh token is another: nobody is owed anything for the old one.
    pub(super) fn settle(&mut self) {
        self.owed = None;
    }

    /// What was asked for this purpose has been answered.
    pub(super) fn settle_for(&mut self, purpose: Option<Key>) {
        let owed = match &self.owed {
            None => return,
            Some(Owed::Own) => None,
            Some(Owed::Origin(aim)) => Some(aim.key),
        };
        if owed == purpose {
            self.owed = None;
        }
    }
}

impl Live {
    /// The next call that redeems the refresh token, when the session's own token is wanted.
    pub(super) fn lease_own(&mut self, token: RefreshToken, now: UnixTime) -> (Lease, Way) {
        if let Some(aim) = self.owed_origin(now) {
            return (self.lease(Some(aim.key), now), Way::Refresh(token, aim.wanted));
        }
        self.further.begin(Owed::Own);
        (self.lease(None, now), Way::Renew(token))
    }

    /// The origin whose refresh has to be repeated first. While that rests others go on: they are not
    /// to suffer from what fails for one origin.
    fn owed_origin(&self, now: UnixTime) -> Option<Aim> {
        match &self.further.owed {
            Some(Owed::Origin(aim)) if self.further.lack(aim.key, now).is_none() => {
                Some(aim.clone())
            }
            Some(Owed::Own | Owed::Origin(_)) | None => None,
        }
    }

    /// The same when an origin's is wanted.
    fn lease_for(&mut self, aim: &Aim, token: RefreshToken, now: UnixTime) -> (Lease, Way) {
        let own = self.further.owed == Some(Owed::Own) && self.rest.left(now).is_none();
        if own || self.owed_origin(now).is_some() {
            return self.lease_own(token, now);
        }
        self.further.begin(Owed::Origin(aim.clone()));
        (self.lease(Some(aim.key), now), Way::Refresh(token, aim.wanted.clone()))
    }

    fn supplied(&self, key: Key) -> Option<Box<Supplied>> {
        let granted = self.further.token(key)?.clone();
        Some(Box::new(Supplied { snapshot: self.snapshot(), granted }))
    }

    /// What a refresh brought besides an access token. With another refresh token the others that are
    /// under way are too late.
    fn rotate(&mut self, lease: Lease, next: Option<RefreshToken>) {
        if next.is_some() {
            self.tokens.refresh_token = next;
            self.generation = self.generation.saturating_add(1);
            self.refreshing = None;
            self.further.settle();
            return;
        }
        self.further.settle_for(lease.purpose);
        if self.refreshing == Some(lease) {
            self.refreshing = None;
        }
    }

    /// A token came for an origin.
    pub(super) fn grant(&mut self, lease: Lease, key: Key, renewal: Renewal, now: UnixTime) {
        let Renewal {
            access_token,
            expires_in,
            refresh_token,
            id_token,
            // What the session is good for is another matter.
            scope: _,
            weighed,
            told,
            jitter,
        } = renewal;
        self.rotate(lease, refresh_token);
        if id_token.is_some() {
            self.tokens.id_token = id_token;
        }
        self.person.weighed.extend(weighed);
        self.person.told.extend(told);
        let (ends_at, refresh_at) = life(expires_in.unwrap_or(UNTOLD_LIFE), jitter, now);
        self.further.keep(Granted { key, access_token, received_at: now, ends_at, refresh_at });
    }
}

impl Session {
    /// A request of the session's browser to a route whose origin has a token of its own.
    #[must_use]
    pub fn visit_for(self, secret: Digest, aim: &Aim, now: UnixTime) -> (Self, Supply) {
        let mut live = match self.enter(secret, now) {
            Ok(live) => live,
            Err(other) => return (other, Supply::Gone),
        };
        // As when its own token is wanted: nothing will ever come of this session any more.
        if live.tokens.refresh_token.is_none() && live.tokens.ends_at <= now {
            return (live.ended(), Supply::Gone);
        }
        let alive = live.supplied(aim.key);
        let alive = alive.filter(|supplied| now < supplied.granted.ends_at);
        if let Some(supplied) = alive.clone().filter(|supplied| supplied.granted.is_fresh(now)) {
            return (Self::Live(live), Supply::Serve(supplied));
        }
        let without = |live, refused, retry_after| {
            let lacking = Supply::Lacking(Lack { refused, retry_after });
            (Self::Live(live), alive.clone().map_or(lacking, Supply::Serve))
        };
        if let Some(Lack { refused, retry_after }) = live.further.lack(aim.key, now) {
            return without(live, refused, retry_after);
        }
        if let Some(lease) = live.refreshing.filter(|lease| now < lease.until) {
            return (Self::Live(live), Supply::Wait(lease.until, alive));
        }
        if aim.wanted.by == By::Refresh {
            let Some(token) = live.tokens.refresh_token.clone() else {
                return without(live, true, LONG);
            };
            let (lease, way) = live.lease_for(aim, token, now);
            return (Self::Live(live), Supply::Call(lease, way, alive));
        }
        // What is exchanged has to live, so the session's own comes first.
        match live.own(now) {
            (Self::Live(mut live), Visit::Serve(snapshot)) => {
                let way = Way::Exchange(snapshot.access_token, aim.wanted.clone());
                let lease = live.lease(Some(aim.key), now);
                (Self::Live(live), Supply::Call(lease, way, alive))
            }
            (session, Visit::Refresh(lease, way)) => (session, Supply::Call(lease, way, alive)),
            (session, Visit::Wait(until, _)) => (session, Supply::Wait(until, alive)),
            (Self::Live(live), Visit::Unavailable { retry_after }) => {
                without(live, false, retry_after)
            }
            (session, _) => (session, Supply::Gone),
        }
    }

    /// The token call that `lease` allowed gave a token for somebody else than was asked for. It is not
    /// used; the refresh token that came along is the session's.
    #[must_use]
    pub fn misfit(
        self,
        lease: Lease,
        next: Option<RefreshToken>,
        now: UnixTime,
    ) -> (Self, Renewed) {
        let mut live = match self.still(lease, next.as_ref(), now) {
            Ok(live) => live,
            Err(over) => return over,
        };
        live.rotate(lease, next);
        if let Some(key) = lease.purpose {
            live.further.fail(key, true, None, now);
        }
        (Self::Live(live), Renewed::Committed)
    }
}
