//! The ways to sign in of one account: adding one while signed in, and taking one off.
//!
//! Who adds one proves both ends: that the account is theirs, in the session that began and not long
//! ago, and that the identity is theirs, to its upstream. What is added is what the upstream vouches
//! for in that very flow (FD-18), and never what a request says.

use crate::Idp;
use crate::account::{Listing, Overview, Way, Wish};
use crate::directory::{Entry, Held};
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::{Here, Interaction};
use crate::own_page::{after, own, to_own_page};
use crate::platform::{Objects, Platform};
use crate::proof::{How, Proof};
use crate::sign_in::{self, Refused, session};
use crate::upstream;
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::fetch::Response;
use shared::handle::Handle;
use shared::secret::Digest;
use shared::time::UnixTime;
use uuid::Uuid;

/// How old the proof may be by which the session stands that adds a way to sign in, in seconds.
const RECENT: u64 = 900;

/// Who adds a way to sign in: sealed into what the browser keeps while it is away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Linking {
    account: Uuid,
    session: Uuid,
    cookie: Digest,
}

/// Why a way to sign in was not added, or not taken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unchanged {
    /// The session that began is not the one that this browser is signed in by now.
    OtherSession,
    /// It is long ago that the person proved who they are.
    TooLongAgo,
    /// Nothing shows that it was lately.
    NoProof,
    /// The identity is another account's.
    Taken,
    /// It was taken off at the same time.
    BeingRemoved,
    /// Nobody could sign in any more.
    LastWay,
}

impl Linking {
    fn of(here: Handle) -> Self {
        let cookie = Digest::of(here.secret);
        Self { account: here.object, session: here.item, cookie }
    }
}

fn is_recent(overview: &Overview, now: UnixTime) -> bool {
    overview.proved_at.is_some_and(|proved_at| now.since(proved_at) <= RECENT)
}

/// Whether the person has a way to sign in by which they can prove now who they are: a password, or an
/// upstream that may say when they signed in there. Coming back from any other shows only that
/// somebody was signed in there in this browser.
fn can_prove<P: Platform>(overview: &Overview, idp: &Idp<'_, P>) -> bool {
    let proves = |way: &Way| match &way.upstream {
        None => !idp.config.accounts.is_empty(),
        Some(id) => idp.config.upstream(id).is_some_and(|upstream| upstream.way.says_when),
    };
    overview.ways.iter().any(|way| !way.is_leaving && proves(way))
}

/// Somebody on their own page wishes to sign in with an upstream too: they go there, or prove first
/// who they are.
///
/// # Errors
/// See [`Refused`].
pub async fn begin<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    upstream: &str,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let chosen = idp.config.upstream(upstream).ok_or(Refused::Off)?;
    let Some(here) = session(idp, headers) else { return Ok(to_own_page(idp)) };
    let Some(overview) = own(idp, here, Wish::Look, now).await? else {
        return Ok(to_own_page(idp));
    };
    if !is_recent(&overview, now) {
        if !can_prove(&overview, idp) {
            return Err(Refused::Unchanged(Unchanged::NoProof));
        }
        let interaction = Interaction::of_ours(Here::Again, now);
        return Ok(sign_in::begin(idp, headers, &Errand::Again, &interaction, rng));
    }
    let linking = Linking::of(here);
    let interaction = Interaction::of_ours(Here::Link(linking), now);
    upstream::go(idp, headers, chosen, (&Errand::Link(linking), interaction), None, rng).await
}

/// They are back, and the upstream vouches for somebody: who becomes a way to sign in to the account
/// that sent them, if the browser is still the one that it sent.
///
/// # Errors
/// See [`Refused`]; nothing was changed.
pub async fn finish<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    linking: Linking,
    (proof, claims): (Proof, Map<String, Value>),
    now: UnixTime,
) -> Result<Response, Refused> {
    let means = proof.means;
    let How::Upstream { id: upstream, .. } = &means.how else { return Err(Refused::Off) };
    let upstream = upstream.clone();
    let here = session(idp, headers).filter(|here| Linking::of(*here) == linking);
    let here = here.ok_or(Refused::Unchanged(Unchanged::OtherSession))?;
    let overview = own(idp, here, Wish::Look, now).await?;
    let overview = overview.ok_or(Refused::Unchanged(Unchanged::OtherSession))?;
    if !is_recent(&overview, now) {
        return Err(Refused::Unchanged(Unchanged::TooLongAgo));
    }
    let (account, entry) = (here.object, Entry::of(&means.identity));
    let is_new = !overview.ways.iter().any(|way| way.entry == entry && !way.is_leaving);
    let held = idp.objects.claim(entry, account).await?;
    if held.account != account {
        return Err(Refused::Unchanged(Unchanged::Taken));
    }
    // Should this fail, the directory has it, and whoever signs in by it has it listed.
    let listing = Listing { means, claims, round: held.round };
    if !idp.objects.list(account, listing, now).await? {
        return Err(Refused::Unchanged(Unchanged::BeingRemoved));
    }
    let mut response = to_own_page(idp);
    if is_new {
        event::tell(&mut response, Event::IdentityLinked { account, upstream });
    }
    Ok(response)
}

/// Takes a way to sign in off: what began by it ends, then the directory forgets whose it is, and then
/// it is gone. Whoever is told of a failure between sees it on their page, and can ask again.
///
/// # Errors
/// See [`Refused`].
pub async fn take_off<P: Platform>(
    idp: &Idp<'_, P>,
    here: Handle,
    entry: Entry,
    now: UnixTime,
) -> Result<Response, Refused> {
    let Some(overview) = own(idp, here, Wish::TakeOff(entry.clone()), now).await? else {
        return Ok(to_own_page(idp));
    };
    let Some(way) = overview.ways.into_iter().find(|way| way.entry == entry) else {
        return Ok(to_own_page(idp));
    };
    if !way.is_leaving {
        return Err(Refused::Unchanged(Unchanged::LastWay));
    }
    let held = Held { account: here.object, round: way.round };
    idp.objects.release(entry.clone(), held).await?;
    let overview = own(idp, here, Wish::TakenOff(entry), now).await?.unwrap_or_default();
    let mut response = after(idp, &overview);
    let (account, upstream) = (here.object, way.upstream);
    event::tell(&mut response, Event::IdentityUnlinked { account, upstream });
    Ok(response)
}
