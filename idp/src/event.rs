//! What happened that somebody who watches over the issuer wants to know: one line in the log each,
//! under the correlation id that the person may have been shown. Only names of things stand in it,
//! never a token, a code, a secret or an e-mail address.

use crate::account::Wish;
use serde::Serialize;
use shared::fetch::Response;
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
    /// Somebody ended something on their own page.
    EndedByOwner {
        /// Who.
        account: Uuid,
        /// What.
        what: Wish,
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
