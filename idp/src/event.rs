//! What happened that somebody who watches over the issuer wants to know: one line in the log each,
//! under the correlation id that the person may have been shown. Only names of things stand in it,
//! never a token, a code, a secret or an e-mail address.

use crate::account::Wish;
use crate::ring::{Ring, Stage};
use serde::Serialize;
use shared::fetch::Response;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A security event.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody proved who they are.
    SignedIn {
        /// Who.
        account: Uuid,
        /// The sign-in session.
        session: Uuid,
        /// How, RFC 8176.
        amr: Vec<String>,
    },
    /// Somebody did not.
    SignInRefused {
        /// Why, in a word.
        reason: &'static str,
    },
    /// Somebody signed out, or was signed out.
    SignedOut {
        /// Who.
        account: Uuid,
        /// The sign-in session.
        session: Uuid,
    },
    /// An upstream has ended what had begun by its word.
    EndedByUpstream {
        /// Whose.
        account: Uuid,
        /// What we call the upstream.
        upstream: String,
        /// Why, in a word.
        reason: &'static str,
        /// The sign-in sessions that were open.
        sessions: Vec<Uuid>,
    },
    /// Somebody ended something on their own page.
    EndedByOwner {
        /// Who.
        account: Uuid,
        /// What.
        what: Wish,
    },
    /// Somebody added a way to sign in.
    IdentityLinked {
        /// Who.
        account: Uuid,
        /// The upstream that vouches for them.
        upstream: String,
    },
    /// Somebody took a way to sign in off.
    IdentityUnlinked {
        /// Who.
        account: Uuid,
        /// The upstream that vouched for them; none for a password.
        upstream: Option<String>,
    },
    /// An identity was added because of its e-mail address.
    IdentityLinkedByEmail {
        /// Who.
        account: Uuid,
        /// The upstream, whose word counts for the address.
        upstream: String,
    },
    /// Somebody of an account that is disabled proved who they are, and was not signed in.
    DisabledSignInRefused {
        /// Who.
        account: Uuid,
    },
    /// Somebody allowed a client what it asked for.
    ConsentGiven {
        /// Who.
        account: Uuid,
        /// The client.
        client: String,
    },
    /// A code came a second time; what it had produced is revoked.
    CodeReused {
        /// Who had given it.
        account: Uuid,
        /// The client that presented it.
        client: String,
    },
    /// A refresh token came again that had long been replaced; its family is revoked.
    FamilyReused {
        /// Whose it was.
        account: Uuid,
        /// The client that presented it.
        client: String,
    },
    /// A client gave up a grant.
    FamilyRevoked {
        /// Whose it was.
        account: Uuid,
        /// The client.
        client: String,
    },
    /// A client could not be told that somebody has signed out.
    ClientNotTold {
        /// Who.
        account: Uuid,
        /// The sign-in session that has ended.
        session: Uuid,
        /// The client.
        client: String,
        /// Why, in a word.
        reason: &'static str,
        /// When it is tried again, in seconds; absent when it was the last time.
        #[serde(skip_serializing_if = "Option::is_none")]
        again_in: Option<u64>,
    },
    /// A signing key moved on.
    KeyChanged {
        /// Which.
        kid: String,
        /// Where it is now.
        what: KeyChange,
    },
    /// A client was registered at run time, or its registration changed or taken back.
    ClientChanged {
        /// Which.
        client: String,
        /// What happened to it.
        what: ClientChange,
        /// The administrator who did it; none for the bearer of a token that is no person's.
        admin: Option<Uuid>,
    },
}

/// What happened to a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientChange {
    /// It is there.
    Registered,
    /// It says something else.
    Revised,
    /// It is gone.
    Removed,
}

/// Where a signing key is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// Published, does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Published, does not sign any more.
    Retiring,
    /// Not published any more, because its time was over.
    Gone,
    /// Not published any more, because the operator dropped it: what it signed is refused.
    Dropped,
}

/// What became of the signing keys in one step of their ring.
#[must_use]
pub fn of_keys(before: &Ring, after: &Ring) -> Vec<Event> {
    let stage = |ring: &Ring, kid: &str| {
        let key = ring.keys.iter().find(|key| key.public.kid.as_deref() == Some(kid))?;
        Some(match key.stage {
            Stage::Next => KeyChange::Next,
            Stage::Active => KeyChange::Active,
            Stage::Retiring => KeyChange::Retiring,
        })
    };
    let all = before.keys.iter().chain(&after.keys).filter_map(|key| key.public.kid.as_deref());
    let kids: BTreeSet<&str> = all.collect();
    let changed = kids.into_iter().filter_map(|kid| {
        let is_dropped = after.dropped.iter().any(|dropped| dropped == kid);
        let gone = if is_dropped { KeyChange::Dropped } else { KeyChange::Gone };
        let now = stage(after, kid).unwrap_or(gone);
        (stage(before, kid) != Some(now))
            .then(|| Event::KeyChanged { kid: kid.to_owned(), what: now })
    });
    changed.collect()
}

/// Everything that happened in one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Events(pub Vec<Event>);

/// Puts an event on a response, for the edge to write down.
#[must_use]
pub fn note(mut response: Response, event: Event) -> Response {
    tell(&mut response, event);
    response
}

/// The same, in place.
pub fn tell(response: &mut Response, event: Event) {
    response.extensions_mut().get_or_insert_default::<Events>().0.push(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::RingKey;
    use shared::jose::native::SigningKey;
    use shared::time::UnixTime;

    fn key(seed: u8, stage: Stage) -> RingKey {
        let public = SigningKey::es256([seed; 32]).unwrap().public();
        RingKey { public, wrapped: String::new(), stage, since: UnixTime(0) }
    }

    #[test]
    fn every_step_of_a_key_is_told_once() {
        let ring = |keys: Vec<RingKey>| Ring { keys, ..Ring::default() };
        let before = ring(vec![key(1, Stage::Active), key(2, Stage::Next)]);
        let after = ring(vec![key(1, Stage::Retiring), key(2, Stage::Active)]);
        let told = |before: &Ring, after: &Ring| {
            let events = of_keys(before, after).into_iter();
            let mut told: Vec<_> = events
                .map(|event| match event {
                    Event::KeyChanged { what, .. } => format!("{what:?}"),
                    other => format!("{other:?}"),
                })
                .collect();
            told.sort();
            told
        };
        assert_eq!(told(&Ring::default(), &before), ["Active", "Next"]);
        assert_eq!(told(&before, &after), ["Active", "Retiring"]);
        assert!(told(&after, &after).is_empty());
        assert_eq!(told(&after, &Ring::default()), ["Gone", "Gone"]);
        let kid = after.keys.first().and_then(|key| key.public.kid.clone()).unwrap();
        let dropped = Ring { dropped: vec![kid], ..ring(vec![key(2, Stage::Active)]) };
        assert_eq!(told(&after, &dropped), ["Dropped"]);
    }
}
