//! Which keys sign and verify here. The ring decides; what its operator dropped is out whatever copy
//! of the ring this is.

use crate::Idp;
use crate::platform::{Keys, Platform, Signer};
use crate::rows::Unavailable;
use shared::jose::Alg;
use shared::jose::jwk::JwkSet;
use shared::time::UnixTime;

impl<P: Platform> Idp<'_, P> {
    /// The key that signs with `alg` now.
    ///
    /// # Errors
    /// [`Unavailable`], also while the ring gives no other key than one that was dropped.
    pub async fn signer(
        &self,
        alg: Alg,
        now: UnixTime,
    ) -> Result<<P::Keys as Keys>::Signer, Unavailable> {
        let signer = self.keys.signer(alg, now).await?;
        if self.is_dropped(signer.kid()) { Err(Unavailable) } else { Ok(signer) }
    }

    /// Every key that verifies.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn published(&self, now: UnixTime) -> Result<JwkSet, Unavailable> {
        let mut set = self.keys.published(now).await?;
        set.keys.retain(|key| !key.kid.as_deref().is_some_and(|kid| self.is_dropped(kid)));
        Ok(set)
    }

    fn is_dropped(&self, kid: &str) -> bool {
        self.config.dropped_keys.iter().any(|dropped| dropped == kid)
    }
}
