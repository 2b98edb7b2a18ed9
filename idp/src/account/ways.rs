//! The identities of an account: by which its person signs in. The directory says whose an identity
//! is; the account keeps the list, and ends what began by one that is taken off it.

use super::upstream::Began;
use super::{Account, GrantRow, Identity, PROFILE, Profile};
use crate::config::Address;
use crate::directory::Entry;
use crate::grant::Grant;
use crate::proof::{How, Means};
use crate::rows::{Rows, Table, Unavailable};
use crate::session::Session;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::time::UnixTime;
use uuid::Uuid;

/// How long an identity that was taken off is remembered: longer than a sign-in by it can have been
/// under way.
const MEMORY_OF_GONE: u64 = 3_600;

/// One identity, under its entry of the directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Row {
    /// By what it was last shown.
    means: Means,
    /// What was known of the person then.
    claims: Map<String, Value>,
    used_at: UnixTime,
    standing: Standing,
    /// The directory's number for it: what is taken off is taken off with its number.
    #[serde(default)]
    round: u32,
}

/// How an identity stands to the account.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// Its person signs in by it.
    Here,
    /// It is being taken off: what began by it has ended, and the directory may not know.
    Leaving,
    /// It was taken off.
    Gone,
}

/// One way to sign in, as its owner sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Way {
    /// Its entry in the directory.
    pub entry: Entry,
    /// Which upstream, by our name for it; none for a password.
    pub upstream: Option<String>,
    /// What the person is called there, as far as it says.
    pub known_as: String,
    /// When somebody signed in by it last, or it was added.
    pub used_at: UnixTime,
    /// Whether it may be taken off: another way is left.
    pub can_leave: bool,
    /// Whether it is being taken off, and that was not finished.
    pub is_leaving: bool,
    /// The directory's number for it.
    #[serde(default)]
    pub round: u32,
}

/// An identity that is the account's by the directory, to be listed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listing {
    /// By what it was shown.
    pub means: Means,
    /// What is known of the person.
    pub claims: Map<String, Value>,
    /// The directory's number for it.
    #[serde(default)]
    pub round: u32,
}

/// Whether somebody new may be the person of the account, because of an e-mail address.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Alike {
    /// The address, which is certain.
    pub address: Address,
    /// The upstream that says so.
    pub upstream: String,
}

impl<R: Rows> Account<'_, R> {
    /// Lists an identity that the directory says is the account's: it was added, or somebody signs in by
    /// it. False when it is being taken off, or was since the directory said so: what is listed here is
    /// what another way may be taken off for, so the directory has it.
    ///
    /// # Errors
    /// [`Unavailable`]: it may not be listed, and will be when somebody signs in by it.
    pub fn list(&self, command: Listing, now: UnixTime) -> Result<bool, Unavailable> {
        let Listing { means, claims, round } = command;
        let entry = Entry::of(&means.identity);
        let before: Option<Row> = self.rows.load(Table::Way, entry.as_str())?;
        let is_newer = |row: &Row| match row.standing {
            Standing::Here => row.round <= round,
            Standing::Leaving | Standing::Gone => row.round < round,
        };
        if !before.as_ref().is_none_or(is_newer) {
            return Ok(before.is_some_and(|row| row.standing == Standing::Here));
        }
        let row = Row { means, claims, used_at: now, standing: Standing::Here, round };
        self.save_way(&entry, &row, now)?;
        Ok(true)
    }

    /// Whether the person of this account has the address, by the word of somebody else than the
    /// upstream that asks: one upstream gives an address to two people only when the second has taken
    /// it over from the first.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn alike(&self, command: &Alike) -> Result<bool, Unavailable> {
        let Alike { address, upstream } = command;
        let mut is_theirs = false;
        for (_, Row { means, claims, standing, .. }) in self.ways()? {
            if standing != Standing::Here {
                continue;
            }
            if matches!(&means.how, How::Upstream { id, .. } if id == upstream) {
                return Ok(false);
            }
            is_theirs |= self.config.address_of(&means, &claims).as_ref() == Some(address);
        }
        Ok(is_theirs)
    }

    /// Begins to take an identity off, if another way in is left: everything that began by it ends,
    /// but for the session that asks, which goes last.
    pub(super) fn take_off(
        &self,
        entry: &Entry,
        here: Uuid,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let ways = self.ways()?;
        let Some((_, row)) = ways.iter().find(|(other, _)| other == entry) else { return Ok(()) };
        if row.standing == Standing::Gone || !self.is_another_left(&ways, entry) {
            return Ok(());
        }
        let row = Row { standing: Standing::Leaving, ..row.clone() };
        self.save_way(entry, &row, now)?;
        self.end_begun_by(&row.means.identity, Some(here), now)
    }

    /// It is taken off: the directory has been told.
    pub(super) fn taken_off(&self, entry: &Entry, now: UnixTime) -> Result<(), Unavailable> {
        let mut ways = self.ways()?;
        ways.retain(|(other, row)| other != entry && row.standing == Standing::Here);
        ways.sort_by_key(|(_, row)| row.used_at);
        let row: Option<Row> = self.rows.load(Table::Way, entry.as_str())?;
        // What was added again meanwhile stays.
        let Some(row) = row.filter(|row| row.standing == Standing::Leaving) else { return Ok(()) };
        self.end_begun_by(&row.means.identity, None, now)?;
        if let How::Upstream { id, .. } = &row.means.how {
            let (upstream, identity) = (id.clone(), Some(row.means.identity.clone()));
            self.forget_all_kept(&Began { upstream, identity, sid: None })?;
        }
        // What it said of the person goes with it.
        let profile: Option<Profile> = self.rows.load(Table::Profile, PROFILE)?;
        if profile.is_some_and(|profile| profile.identity == row.means.identity)
            && let Some((_, Row { means, claims, .. })) = ways.pop()
        {
            let profile = Profile { identity: means.identity, claims };
            self.rows.save(Table::Profile, PROFILE, &profile, None)?;
        }
        self.save_way(entry, &Row { standing: Standing::Gone, ..row }, now)
    }

    /// The ways to sign in, as the page shows them: the last used first.
    pub(super) fn list_ways(&self) -> Result<Vec<Way>, Unavailable> {
        let rows = self.ways()?;
        let shown = rows.iter().filter(|(_, row)| row.standing != Standing::Gone);
        let mut ways: Vec<_> = shown
            .map(|(entry, row)| Way {
                entry: entry.clone(),
                upstream: match &row.means.how {
                    How::Password(_) => None,
                    How::Upstream { id, .. } => Some(id.clone()),
                },
                known_as: row.profile().known_as(),
                used_at: row.used_at,
                can_leave: self.is_another_left(&rows, entry),
                is_leaving: row.standing == Standing::Leaving,
                round: row.round,
            })
            .collect();
        ways.sort_by(|a, b| {
            b.used_at.cmp(&a.used_at).then_with(|| a.entry.as_str().cmp(b.entry.as_str()))
        });
        Ok(ways)
    }

    /// Whether somebody could still sign in without `entry`.
    fn is_another_left(&self, ways: &[(Entry, Row)], entry: &Entry) -> bool {
        ways.iter().any(|(other, row)| {
            other != entry && row.standing == Standing::Here && self.config.lets_in(&row.means)
        })
    }

    /// Ends every session and every grant that began by an identity.
    fn end_begun_by(
        &self,
        identity: &Identity,
        except: Option<Uuid>,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        for (key, row) in self.rows.all::<GrantRow>(Table::Grant)? {
            let meant = row.means.identity == *identity && row.grant != Grant::Revoked;
            if let (true, Ok(id)) = (meant, key.parse()) {
                self.save_grant(id, &GrantRow { grant: Grant::Revoked, ..row }, now)?;
            }
        }
        for (key, session) in self.rows.all::<Session>(Table::Session)? {
            let meant = session.means().is_some_and(|means| means.identity == *identity);
            let id = key.parse().ok().filter(|id| Some(*id) != except);
            if let (true, Some(id)) = (meant, id) {
                self.end(id, now)?;
            }
        }
        Ok(())
    }

    fn ways(&self) -> Result<Vec<(Entry, Row)>, Unavailable> {
        let rows = self.rows.all::<Row>(Table::Way)?.into_iter();
        Ok(rows.filter_map(|(key, row)| Some((Entry::parse(&key)?, row))).collect())
    }

    fn save_way(&self, entry: &Entry, row: &Row, now: UnixTime) -> Result<(), Unavailable> {
        let until = (row.standing == Standing::Gone).then(|| now.plus(MEMORY_OF_GONE));
        self.rows.save(Table::Way, entry.as_str(), row, until)
    }
}

impl Row {
    fn profile(&self) -> Profile {
        Profile { identity: self.means.identity.clone(), claims: self.claims.clone() }
    }
}
