//! Which account somebody has who proved who they are.

use crate::Idp;
use crate::account::Alike;
use crate::config::Address;
use crate::directory::{Entry, Held, Whose};
use crate::platform::{Objects, Platform};
use crate::proof::{How, Means};
use crate::rows::Unavailable;
use crate::sign_in::Refused;
use rand_core::CryptoRng;
use serde_json::{Map, Value};
use shared::secret::random_uuid;
use uuid::Uuid;

/// The account of an identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Which, as the directory has it now.
    pub held: Held,
    /// The upstream, when the identity is new and got somebody's account by its e-mail address.
    pub by_email: Option<String>,
    /// Under what its e-mail address is filed, where that is certain.
    pub filed: Option<Entry>,
}

/// Finds the account of an identity, or makes one. An identity that is new has the account of who has
/// its e-mail address already, where both are certain of it; everybody else's address is no matter
/// (FD-13, FD-15, FD-16). Before it gets that, `admits` says whether it will do: what is refused adds
/// nothing to anybody's account.
///
/// # Errors
/// What `admits` says, or [`Refused::Unavailable`].
pub async fn account_of<P: Platform>(
    idp: &Idp<'_, P>,
    means: &Means,
    claims: &Map<String, Value>,
    admits: impl Fn(Uuid) -> Result<(), Refused>,
    rng: &mut impl CryptoRng,
) -> Result<Found, Refused> {
    let (entry, fresh) = (Entry::of(&means.identity), random_uuid(rng));
    let Some(address) = idp.config.address_of(means, claims) else {
        let held = idp.objects.claim(entry, fresh).await?;
        return Ok(Found { held, by_email: None, filed: None });
    };
    let filed = Entry::of_address(&address);
    let theirs = match &means.how {
        How::Upstream { id, .. } => somebody_alike(idp, &entry, &filed, address, id).await?,
        How::Password(_) => None,
    };
    let (chosen, upstream) = theirs.unzip();
    if let Some(account) = chosen {
        admits(account)?;
    }
    let held = idp.objects.claim(entry, chosen.unwrap_or(fresh)).await;
    // It may have been done.
    let held = held.map_err(|Unavailable| match (chosen, upstream.clone()) {
        (Some(account), Some(upstream)) => {
            Refused::Linked { told: Box::new(Refused::Unavailable), account, upstream }
        }
        _ => Refused::Unavailable,
    })?;
    let by_email = upstream.filter(|_| chosen == Some(held.account));
    Ok(Found { held, by_email, filed: Some(filed) })
}

/// The account of somebody else of the same address, for an identity that never had one: what was
/// taken off an account does not come back by its address (FD-18). A disabled account is found as
/// well, so that nobody is somebody else for being disabled (FD-25).
async fn somebody_alike<P: Platform>(
    idp: &Idp<'_, P>,
    entry: &Entry,
    filed: &Entry,
    address: Address,
    upstream: &str,
) -> Result<Option<(Uuid, String)>, Unavailable> {
    if idp.objects.whose(entry.clone()).await? != Whose::New {
        return Ok(None);
    }
    let Whose::Of(account) = idp.objects.whose(filed.clone()).await? else { return Ok(None) };
    let upstream = upstream.to_owned();
    let alike = Alike { address, upstream: upstream.clone() };
    let is_alike = idp.objects.alike(account, alike, idp.now).await?;
    Ok(is_alike.then_some((account, upstream)))
}
