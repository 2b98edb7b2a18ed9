//! What a `Registry` shard does: it keeps the clients that were registered at run time.

use crate::client::{Client, Standing};
use crate::registration::{House, Registration};
use crate::rows::{Rows, Table, Unavailable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::secret::{Digest, random_text};
use shared::time::UnixTime;

/// How many shards there are. Never changes: a client is in the shard its identifier names.
pub const SHARDS: u8 = 16;

/// How long a registration is kept that nobody asks for, in seconds (RG-11).
pub const UNUSED: u64 = 90 * DAY;

/// A look-up is written down at most this often, so that finding a client is a read.
const DAY: u64 = 86_400;

/// How old a copy of a registration may be where many requests need it, in seconds.
pub const RECENT: u64 = 10;

/// The identifier of a client that was registered at run time: of a shape that tells it from
/// everybody else's, which reach no object. A made-up one of this shape costs a read.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    const PREFIX: &str = "dcr-";
    /// Of the random part: 256 bits in base64url.
    const LENGTH: usize = 43;

    /// One that nobody has.
    #[must_use]
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        Self(format!("{}{}", Self::PREFIX, random_text(rng)))
    }

    /// Reads one; none when we never gave out anything like it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(Self::PREFIX)?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (random.len() == Self::LENGTH && random.bytes().all(base64url))
            .then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard it is in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        let digest = Digest::of(&self.0).to_text();
        digest.bytes().fold(0_u8, u8::wrapping_add) % SHARDS
    }
}

/// A client that was registered at run time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    /// What was accepted, with digests in place of secrets.
    pub registration: Registration,
    /// Of its registration access token, RFC 7592 §1.3.
    pub token: Digest,
    /// When it was registered.
    pub issued_at: UnixTime,
    /// When what people are told of it, or where it may send them, was changed last. Whatever
    /// somebody agreed to before that, they agreed to something else (RG-09).
    pub revised_at: UnixTime,
    /// When it goes, if nobody asks for it.
    pub until: UnixTime,
}

impl Row {
    /// The client; none when the settings have been changed so that it cannot be one any more.
    #[must_use]
    pub fn client(self, house: House<'_>) -> Option<Client> {
        let client = self.registration.check(house).ok()?;
        let revised_at = Some(self.revised_at);
        Some(Client { standing: Standing::Registered, requires_pkce: true, revised_at, ..client })
    }
}

/// What a person sees of a client when they agree, and where they are sent then.
fn agreed_to(registration: &Registration) -> impl PartialEq {
    let Registration { client_name, client_uri, logo_uri, policy_uri, tos_uri, .. } = registration;
    let Registration { redirect_uris, scope, sector_identifier_uri, .. } = registration;
    let shown = [client_name, client_uri, logo_uri, policy_uri, tos_uri, sector_identifier_uri];
    (shown.map(Clone::clone), redirect_uris.clone(), scope.clone())
}

/// Registers a client.
///
/// # Errors
/// [`Unavailable`]: it may not be registered.
pub fn register(rows: &impl Rows, id: &Id, row: &Row) -> Result<(), Unavailable> {
    save(rows, id, row)
}

/// Finds a client, and keeps it for longer.
///
/// # Errors
/// [`Unavailable`].
pub fn registered(rows: &impl Rows, id: &Id, now: UnixTime) -> Result<Option<Row>, Unavailable> {
    let Some(mut row) = alive(rows, id, now)? else { return Ok(None) };
    let until = now.plus(UNUSED);
    if until.since(row.until) >= DAY {
        row.until = until;
        save(rows, id, &row)?;
    }
    Ok(Some(row))
}

/// Registers a client anew, under the name that it has; false when there is none.
///
/// # Errors
/// [`Unavailable`]: it may be as it was.
pub fn revise(
    rows: &impl Rows,
    id: &Id,
    registration: Registration,
    now: UnixTime,
) -> Result<bool, Unavailable> {
    let Some(row) = alive(rows, id, now)? else { return Ok(false) };
    let same = agreed_to(&row.registration) == agreed_to(&registration);
    let revised_at = if same { row.revised_at } else { now };
    let row = Row { registration, revised_at, ..row };
    save(rows, id, &row)?;
    Ok(true)
}

/// Takes a registration back; false when there is none.
///
/// # Errors
/// [`Unavailable`]: it may still be there.
pub fn unregister(rows: &impl Rows, id: &Id, now: UnixTime) -> Result<bool, Unavailable> {
    let was = alive(rows, id, now)?.is_some();
    rows.remove(Table::Client, id.as_str())?;
    Ok(was)
}

fn save(rows: &impl Rows, id: &Id, row: &Row) -> Result<(), Unavailable> {
    rows.save(Table::Client, id.as_str(), row, Some(row.until))
}

fn alive(rows: &impl Rows, id: &Id, now: UnixTime) -> Result<Option<Row>, Unavailable> {
    let row: Option<Row> = rows.load(Table::Client, id.as_str())?;
    Ok(row.filter(|row| now < row.until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    #[test]
    fn an_identifier_is_told_by_its_shape_and_all_shards_are_used() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let mut used = [false; SHARDS as usize];
        for _ in 0..500 {
            let id = Id::draw(&mut rng);
            assert_eq!(Id::parse(id.as_str()), Some(id.clone()));
            used[usize::from(id.shard())] = true;
        }
        assert_eq!(used, [true; SHARDS as usize]);
        let drawn = Id::draw(&mut rng).0;
        for made_up in [
            "",
            "c1",
            "dcr-",
            "dcr-x",
            &format!("{drawn}A"),
            &drawn[..drawn.len() - 1],
            &drawn.replace("dcr", "DCR"),
            &format!("{}.", &drawn[..drawn.len() - 1]),
        ] {
            assert_eq!(Id::parse(made_up), None, "{made_up}");
        }
    }
}
