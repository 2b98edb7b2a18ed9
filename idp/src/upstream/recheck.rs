//! Asking an upstream, when a client refreshes, whether it still vouches for somebody.

use crate::Idp;
use crate::account::{Check, Checked, Rotate, Rotated, recheck_key};
use crate::config::Config;
use crate::grant::Rotation;
use crate::platform::{Objects, Platform};
use crate::proof::Means;
use crate::rows::Unavailable;
use shared::rp::dialect::Desk;
use shared::rp::dialect::recheck::{Kept, Rechecked, Verdict};
use shared::seal::Purpose;
use shared::time::UnixTime;
use uuid::Uuid;

/// What the tokens are sealed for that an upstream is asked with.
const PURPOSE: &str = "upstream token";

/// The account, the identity and the session at the upstream: what was kept for another opens nowhere.
fn context(account: Uuid, means: &Means) -> String {
    format!("{account} {}", recheck_key(means).unwrap_or_default())
}

/// What is kept, for the account's storage.
#[must_use]
pub fn seal(config: &Config, account: Uuid, means: &Means, kept: &Kept) -> String {
    let plain = serde_json::to_vec(kept).unwrap_or_default();
    config.keys.seal_the_same(Purpose::new(PURPOSE, &context(account, means)), &plain)
}

fn open(config: &Config, account: Uuid, check: &Check) -> Option<Kept> {
    let context = context(account, &check.means);
    let plain = config.keys.open(Purpose::new(PURPOSE, &context), &check.kept)?;
    serde_json::from_slice(&plain).ok()
}

/// Rotates a refresh token. When the account says that the upstream has to be asked first, that is
/// done, and then the account decides.
///
/// # Errors
/// [`Unavailable`].
pub async fn rotate<P: Platform>(
    idp: &Idp<'_, P>,
    account: Uuid,
    command: Rotate,
    now: UnixTime,
) -> Result<Rotated, Unavailable> {
    let rotated = idp.objects.rotate(account, command.clone(), now).await?;
    let Rotation::CheckFirst(check) = &rotated.rotation else { return Ok(rotated) };
    let checked = ask(idp, account, check, now).await;
    let brings = checked.next.is_some();
    let command = Rotate { checked: Some(checked), ..command };
    match idp.objects.rotate(account, command.clone(), now).await {
        // What the upstream gave once it does not give again. The same refresh twice is one.
        Err(Unavailable) if brings => idp.objects.rotate(account, command, now).await,
        answer => answer,
    }
}

async fn ask<P: Platform>(
    idp: &Idp<'_, P>,
    account: Uuid,
    check: &Check,
    now: UnixTime,
) -> Checked {
    let asked = asked(idp, account, check, now).await;
    let Rechecked { verdict, next } = asked.unwrap_or(Verdict::Unknown.into());
    let next = next.map(|kept| seal(idp.config, account, &check.means, &kept));
    Checked { lease: check.lease, verdict, next }
}

/// None where nobody could be asked.
async fn asked<P: Platform>(
    idp: &Idp<'_, P>,
    account: Uuid,
    check: &Check,
    now: UnixTime,
) -> Option<Rechecked> {
    let kept = open(idp.config, account, check)?;
    let (chosen, provider) = idp.upstream(check.means.upstream()?)?;
    let (fetch, verifier) = (&idp.fetch, &idp.verifier);
    let metadata = provider.metadata(fetch, now).await.ok()?;
    let (party, metadata) = (&chosen.client, &*metadata);
    let desk = Desk { party, provider, metadata, fetch, verifier, now };
    let identity = &check.means.identity;
    let person = (identity.upstream.as_str(), identity.subject.as_str());
    Some(chosen.dialect().recheck(&desk, &kept, person).await)
}
