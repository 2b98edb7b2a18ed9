//! What an isolate remembers of the keys that clients publish at their `jwks_uri`.

use serde_json::{Map, Value};
use shared::fetch::Fetch;
use shared::jose::Verifier;
use shared::jose::jws::Unverified;
use shared::rp::keys::{NotVerified, Patience, Published};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A key that a client has taken out is good for five minutes more, an hour if nothing answers at
/// its `jwks_uri`; a key that we do not know costs one request a minute (CA-20).
const PATIENCE: Patience = Patience { fresh: 300, stale: 3600, cool_down: 60 };

/// How many clients' keys are remembered. A further one takes the place of the one that was not
/// heard of for longest.
const MOST_SETS: usize = 128;

/// The keys, by their `jwks_uri`. Public data, and no other.
#[derive(Debug, Default)]
pub struct Cache(RefCell<BTreeMap<String, (Rc<Published>, UnixTime)>>);

impl Cache {
    /// The claims of an assertion that one of the keys at `uri` has signed.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub async fn verified(
        &self,
        assertion: &Unverified<'_>,
        uri: &str,
        ways: (&impl Fetch, &impl Verifier),
        now: UnixTime,
    ) -> Result<Map<String, Value>, NotVerified> {
        let verified = self.at(uri, now).verified(assertion, uri, ways, now).await;
        verified.map(|(claims, _)| claims)
    }

    fn at(&self, uri: &str, now: UnixTime) -> Rc<Published> {
        let mut known = self.0.borrow_mut();
        if let Some((set, used_at)) = known.get_mut(uri) {
            *used_at = now;
            return Rc::clone(set);
        }
        if known.len() >= MOST_SETS {
            let oldest = known.iter().min_by_key(|(_, (_, used_at))| *used_at);
            let oldest = oldest.map(|(uri, _)| uri.clone()).unwrap_or_default();
            known.remove(&oldest);
        }
        let set = Rc::new(Published::new(PATIENCE));
        known.insert(uri.to_owned(), (Rc::clone(&set), now));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ca_15_no_more_sets_are_kept_than_there_is_room_for_and_the_oldest_goes() {
        let cache = Cache::default();
        let often = cache.at("https://often.test/jwks", UnixTime(0));
        for client in 0..1000 {
            cache.at(&format!("https://{client}.test/jwks"), UnixTime(client));
            let again = cache.at("https://often.test/jwks", UnixTime(client));
            assert!(Rc::ptr_eq(&often, &again), "{client}");
        }
        assert_eq!(cache.0.borrow().len(), MOST_SETS);
        assert!(cache.0.borrow().contains_key("https://999.test/jwks"));
        assert!(!cache.0.borrow().contains_key("https://1.test/jwks"));
    }
}
