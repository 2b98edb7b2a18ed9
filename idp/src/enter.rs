//! Letting somebody in who has proved who they are: which account is theirs, whether it is the one that
//! will do, and the session.

use crate::account::{SignIn, SignOut, SignedIn};
use crate::consent;
use crate::errand::{Errand, Expected};
use crate::event::{self, Event};
use crate::identity::{self, Found};
use crate::interaction::Interaction;
use crate::platform::{Objects, Platform};
use crate::proof::Proof;
use crate::sign_in::{COOKIE, Refused, session};
use crate::{Idp, directory, upstream};
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde_json::{Map, Value};
use shared::agent;
use shared::cookie;
use shared::error::ErrorCode;
use shared::fetch::Response;
use shared::handle::{Handle, Kind};
use shared::rp::dialect::recheck::Kept;
use shared::secret::{Digest, random, random_uuid};
use shared::time::UnixTime;
use uuid::Uuid;

/// What somebody showed: their proof, what is known of them, and what their upstream is asked with later.
type Shown<'k> = (Proof, Map<String, Value>, Option<&'k Kept>);

/// Finds the account of somebody, opens a session in it, and sends the browser where it wanted to go.
/// None when the account that the directory names has taken the identity off, and the directory knows
/// it now.
///
/// # Errors
/// See [`Refused`]. What is added to an account for a sign-in that is then refused is told.
pub async fn enter<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    (errand, interaction): (&Errand, &Interaction),
    (proof, claims, kept): Shown<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Response>, Refused> {
    let expected = match errand.asked() {
        Some(asked) => Some(asked.expected(idp, now).await?),
        None => None,
    };
    let admits = |account| admits(idp, errand, expected.as_ref(), account);
    // Nobody gets an account by an e-mail address that will not do.
    let found = identity::account_of(idp, &proof.means, &claims, admits, rng).await?;
    let (account, by_email) = (found.held.account, found.by_email.clone());
    let opened = match admits(account) {
        Ok(()) => {
            let came_for = (errand, interaction);
            open(idp, headers, came_for, found, (proof, claims, kept), now, rng).await
        }
        Err(refused) => Err(refused),
    };
    match (opened, by_email) {
        (Err(told), Some(upstream)) => {
            Err(Refused::Linked { told: Box::new(told), account, upstream })
        }
        (opened, _) => opened,
    }
}

/// Whether an account is one that may be signed in to, here.
fn admits<P: Platform>(
    idp: &Idp<'_, P>,
    errand: &Errand,
    expected: Option<&Expected>,
    account: Uuid,
) -> Result<(), Refused> {
    if let (Some(asked), Some(expected)) = (errand.asked(), expected)
        && !expected.may_be(account, idp.config)
    {
        let told = asked.refuse(ErrorCode::LoginRequired, "somebody else signed in");
        return Err(Refused::sign_in(told, "another person than will do"));
    }
    if idp.config.disabled_accounts.contains(&account) {
        return Err(Refused::Disabled(account));
    }
    Ok(())
}

async fn open<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    (errand, interaction): (&Errand, &Interaction),
    found: Found,
    (proof, claims, kept): Shown<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Option<Response>, Refused> {
    let (entry, amr) = (directory::Entry::of(&proof.means.identity), proof.amr.clone());
    let account = found.held.account;
    if let Some(filed) = found.filed {
        idp.objects.seen(filed, account).await?;
    }
    upstream::note(idp, &proof.means, account, now).await?;
    let before = session(idp, headers);
    let fresh =
        Handle { object: account, item: random_uuid(rng), generation: 0, secret: random(rng) };
    let (grant, code) = errand.grant(fresh, idp, rng);
    let kept = kept.map(|kept| upstream::seal(idp.config, account, &proof.means, kept));
    let command = SignIn {
        proof: Proof { auth_time: proof.auth_time.min(now), ..proof },
        claims,
        round: found.held.round,
        cookie: Digest::of(fresh.secret),
        previous: before
            .filter(|before| before.object == account)
            .map(|before| (before.item, Digest::of(before.secret))),
        session: fresh.item,
        agent: agent::describe(headers),
        grant,
        kept,
    };
    let (session, asking) = match idp.objects.sign_in(account, command, now).await? {
        SignedIn::In { session, asking } => (session, asking),
        SignedIn::Unlinked => {
            idp.objects.release(entry, found.held).await?;
            return Ok(None);
        }
        SignedIn::Disabled => return Err(Refused::Disabled(account)),
    };
    let mut happened = Vec::new();
    if let Some(upstream) = found.by_email {
        happened.push(Event::IdentityLinkedByEmail { account, upstream });
    }
    // Somebody else was signed in here: the cookie is about to be overwritten, so nobody could sign
    // them out any more. That it fails is no reason to refuse the one who has signed in.
    if let Some(other) = before.filter(|before| before.object != account) {
        let command = SignOut { session: other.item, cookie: Digest::of(other.secret) };
        if let Ok(Some(_)) = idp.objects.sign_out(other.object, command, now).await {
            happened.push(Event::SignedOut { account: other.object, session: other.item });
        }
    }
    happened.push(Event::SignedIn { account, session, amr });
    let handle = Handle { item: session, ..fresh };
    let mut response = match (errand.asked(), asking) {
        (Some(asked), Some(asking)) => {
            let question = consent::Question { account, asking, interaction };
            consent::ask(idp, headers, asked, &question, now, rng)
        }
        _ => errand.done(code.as_ref(), idp),
    };
    let age = Some(idp.config.lifetimes.session_absolute);
    cookie::set(response.headers_mut(), COOKIE, &handle.seal(Kind::SignIn, &idp.config.keys), age);
    for event in happened {
        event::tell(&mut response, event);
    }
    Ok(Some(response))
}
