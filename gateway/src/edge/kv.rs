//! The copies in Workers KV.

use crate::config::COPIES;
use crate::session::cached::Copies;
use worker::Env;
use worker::kv::{KvError, KvStore};

/// How long a read may be answered from what was read before, in seconds: the platform's usual
/// least.
const CACHE: u64 = 60;

/// The namespace that is bound.
#[derive(Debug)]
pub struct Namespace(pub Env);

impl Namespace {
    fn store(&self) -> Result<KvStore, KvError> {
        KvStore::from_this(&self.0, COPIES)
    }
}

impl Copies for Namespace {
    async fn read(&self, name: &str) -> Option<String> {
        self.store().ok()?.get(name).cache_ttl(CACHE).text().await.ok()?
    }

    async fn write(&self, name: &str, copy: &str, seconds: u64) {
        if let Ok(put) = self.store().and_then(|store| store.put(name, copy)) {
            // It is the next one's to write, as when somebody else wrote within the same second.
            let _ = put.expiration_ttl(seconds).execute().await;
        }
    }

    async fn forget(&self, name: &str) {
        if let Ok(store) = self.store() {
            // Nobody believes it for long.
            let _ = store.delete(name).await;
        }
    }
}
