//! What holds for one endpoint where clients authenticate holds for all of them (CA-21).

use http::StatusCode;
use tests::client::{Ask, Auth, C1, C5, Client, Draft, SignedIn, offline_tokens};
use tests::expect::{invalid_client, invalid_request};
use tests::world::Issuer;

/// How a good request is made.
type Make = fn(&Issuer, Client) -> Draft;

/// A good request of each kind. An endpoint that is new is one word more.
const REQUESTS: [Make; 3] = [redeeming, refreshing, revoking];
/// And of those that are not for public clients.
const CONFIDENTIAL: [Make; 1] = [introspecting];
/// Clients that may exchange tokens.
const EXCHANGE: [Client; 2] = [C1, C5];

fn redeeming(issuer: &Issuer, client: Client) -> Draft {
    SignedIn::new(issuer, Ask::of(client)).redeem()
}

fn refreshing(issuer: &Issuer, client: Client) -> Draft {
    client.refresh(offline_tokens(issuer, client).refresh())
}

fn revoking(issuer: &Issuer, client: Client) -> Draft {
    client.revoke(offline_tokens(issuer, client).refresh())
}

fn exchanging(issuer: &Issuer, client: Client) -> Draft {
    client.exchange(&offline_tokens(issuer, client).access)
}

fn introspecting(issuer: &Issuer, client: Client) -> Draft {
    client.introspect(offline_tokens(issuer, client).refresh())
}

/// The requests, and what shows that none of the bad ones had an effect: all of them still work.
pub(crate) struct Siblings<'i> {
    issuer: &'i Issuer,
    client: Client,
    pub(crate) drafts: Vec<Draft>,
}

impl<'i> Siblings<'i> {
    pub(crate) fn of(issuer: &'i Issuer, client: Client) -> Self {
        let more = CONFIDENTIAL.into_iter().filter(|_| client.auth != Auth::Public);
        let exchange = EXCHANGE.contains(&client).then_some(exchanging as Make);
        let all = REQUESTS.into_iter().chain(more).chain(exchange);
        let drafts = all.map(|make| make(issuer, client)).collect();
        Self { issuer, client, drafts }
    }

    /// Each is an invalid client when changed so.
    pub(crate) fn unauthenticated(
        &self,
        what: &str,
        tried_basic: bool,
        change: impl Fn(Draft) -> Draft,
    ) {
        for draft in &self.drafts {
            let answer = change(draft.clone()).send(self.issuer);
            invalid_client(&answer, tried_basic, &format!("{}: {what}", self.client.id));
        }
    }

    pub(crate) fn malformed(&self, what: &str, change: impl Fn(Draft) -> Draft) {
        for draft in &self.drafts {
            invalid_request(&change(draft.clone()).send(self.issuer), what);
        }
    }

    /// Each works when changed so. A code is redeemed by that, so it is for another three.
    pub(crate) fn authenticated(self, what: &str, change: impl Fn(Draft) -> Draft) {
        for draft in self.drafts {
            let answer = change(draft).send(self.issuer);
            assert_eq!(answer.status(), StatusCode::OK, "{}: {what}", self.client.id);
        }
    }

    pub(crate) fn still_work(self) {
        self.authenticated("as it was", |draft| draft);
    }
}
