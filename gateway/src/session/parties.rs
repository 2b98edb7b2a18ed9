//! Us towards each of our providers. A session is of one of them, and no other learns of it.

use super::exchange::{Brought, Party};
use super::state::further::Way;
use super::state::{Failure, Person};
use crate::config::Config;
use shared::fetch::Fetch;
use shared::jose::Signer;
use shared::rp::discovery::Provider;
use shared::rp::entry::Registered;
use shared::secret::RefreshToken;
use shared::time::UnixTime;
use std::rc::Rc;

/// One for each provider; there is one at least.
#[derive(Debug)]
pub struct Parties<F, V> {
    first: Party<F, V>,
    more: Vec<Party<F, V>>,
}

impl<F: Fetch, V: Signer> Parties<F, V> {
    /// The parties that a configuration describes. `ways` gives for a provider what is remembered of
    /// it, the way there, and what checks its signatures.
    pub fn new(config: &Config, mut ways: impl FnMut(&Registered) -> (Rc<Provider>, F, V)) -> Self {
        let mut party = |registered: &Registered| {
            let (provider, fetch, verifier) = ways(registered);
            Party::new(config, registered, provider, fetch, verifier)
        };
        let first = party(config.providers.first());
        let more = config.providers.iter().skip(1).map(party).collect();
        Self { first, more }
    }
}

impl<F, V> Parties<F, V> {
    /// All of them, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &Party<F, V>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The first, whose way out leads everywhere.
    #[must_use]
    pub const fn first(&self) -> &Party<F, V> {
        &self.first
    }

    /// The one that there is, when there are no others.
    #[must_use]
    pub fn only(&self) -> Option<&Party<F, V>> {
        self.more.is_empty().then_some(&self.first)
    }

    /// The one for the provider that we call `id`; see [`crate::providers::Providers::find`].
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Party<F, V>> {
        if id.is_empty() { Some(&self.first) } else { self.iter().find(|party| party.id == id) }
    }

    /// The one of whom somebody is; none when we are not its client any more.
    #[must_use]
    pub fn of(&self, person: &Person) -> Option<&Party<F, V>> {
        self.find(&person.provider)
    }

    /// Those whose token it may be that says it is from `issuer`.
    pub fn from<'p>(&'p self, issuer: &str) -> impl Iterator<Item = &'p Party<F, V>> {
        self.iter().filter(move |party| party.client.may_be(issuer))
    }
}

impl<F: Fetch, V: Signer> Parties<F, V> {
    /// Makes the one token call for the session of `person`, at their provider and no other.
    pub async fn call(&self, way: &Way, person: &Person, jitter: u8, now: UnixTime) -> Brought {
        match self.of(person) {
            Some(party) => party.call(way, person, jitter, now).await,
            None => Brought::Nothing(Failure::Definitive),
        }
    }

    /// Revokes a refresh token of `person`, as well as that goes.
    pub async fn revoke(&self, token: &RefreshToken, person: &Person, now: UnixTime) {
        if let Some(party) = self.of(person) {
            party.revoke(token, now).await;
        }
    }
}
