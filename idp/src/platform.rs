//! What an issuer stands on: objects that keep state, keys that sign, and a way out. Built in two
//! places: the Worker's `edge`, and the tests.

use crate::account::{
    Alike, Alive, EndUpstream, Ended, Introspect, Listing, Overview, Own, Proceed, Proceeded,
    Redeem, Revoke, Rotate, Rotated, SignIn, SignOut, SignedIn, Told,
};
use crate::brake::Attempt;
use crate::directory::{Held, Whose};
use crate::grant::Redeemed;
use crate::proof::Means;
use crate::registration::Registration;
use crate::rows::Unavailable;
use crate::{directory, ledger, registry};
use shared::fetch::Fetch;
use shared::jose::jwk::JwkSet;
use shared::jose::{self, Alg};
use shared::time::UnixTime;
use uuid::Uuid;

/// The four of them, so that code which needs an issuer names one type.
pub trait Platform {
    /// State.
    type Objects: Objects;
    /// Signatures to give.
    type Keys: Keys;
    /// Signatures to check; and to give, where the issuer is somebody's client.
    type Verifier: jose::Signer;
    /// Other parties.
    type Fetch: Fetch;
}

/// Durable state. Each function is one atomic command on one object, and an error means that
/// nothing was acknowledged.
#[expect(
    missing_docs,
    reason = "each is the function of the same name in account, directory, ledger or registry"
)]
pub trait Objects {
    async fn sign_in(
        &self,
        account: Uuid,
        command: SignIn,
        now: UnixTime,
    ) -> Result<SignedIn, Unavailable>;
    async fn proceed(
        &self,
        account: Uuid,
        command: Proceed,
        now: UnixTime,
    ) -> Result<Proceeded, Unavailable>;
    async fn redeem(
        &self,
        account: Uuid,
        command: Redeem,
        now: UnixTime,
    ) -> Result<Redeemed, Unavailable>;
    async fn rotate(
        &self,
        account: Uuid,
        command: Rotate,
        now: UnixTime,
    ) -> Result<Rotated, Unavailable>;
    async fn revoke(
        &self,
        account: Uuid,
        command: Revoke,
        now: UnixTime,
    ) -> Result<bool, Unavailable>;
    async fn introspect(
        &self,
        account: Uuid,
        command: Introspect,
        now: UnixTime,
    ) -> Result<Option<Alive>, Unavailable>;
    async fn userinfo(
        &self,
        account: Uuid,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<Told>, Unavailable>;
    async fn sign_out(
        &self,
        account: Uuid,
        command: SignOut,
        now: UnixTime,
    ) -> Result<Option<Means>, Unavailable>;
    async fn own(
        &self,
        account: Uuid,
        command: Own,
        now: UnixTime,
    ) -> Result<Option<Overview>, Unavailable>;
    async fn list(
        &self,
        account: Uuid,
        command: Listing,
        now: UnixTime,
    ) -> Result<bool, Unavailable>;
    async fn alike(
        &self,
        account: Uuid,
        command: Alike,
        now: UnixTime,
    ) -> Result<bool, Unavailable>;
    async fn claim(&self, entry: directory::Entry, fresh: Uuid) -> Result<Held, Unavailable>;
    async fn whose(&self, entry: directory::Entry) -> Result<Whose, Unavailable>;
    async fn release(&self, entry: directory::Entry, meant: Held) -> Result<(), Unavailable>;
    async fn seen(&self, entry: directory::Entry, account: Uuid) -> Result<(), Unavailable>;
    async fn end_upstream(
        &self,
        account: Uuid,
        command: EndUpstream,
        now: UnixTime,
    ) -> Result<Option<Ended>, Unavailable>;
    async fn find(&self, entry: directory::Entry) -> Result<Option<Uuid>, Unavailable>;
    async fn note(
        &self,
        entry: directory::Entry,
        account: Uuid,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), Unavailable>;
    async fn attempt(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable>;
    async fn succeeded(&self, entry: ledger::Entry, now: UnixTime) -> Result<(), Unavailable>;
    async fn spend(
        &self,
        entry: ledger::Entry,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Unavailable>;
    async fn draw(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable>;
    async fn register(&self, id: &registry::Id, row: registry::Row) -> Result<(), Unavailable>;
    /// What is answered may be as old as `at_most` seconds, so that it can be remembered.
    async fn registered(
        &self,
        id: &registry::Id,
        at_most: u64,
        now: UnixTime,
    ) -> Result<Option<registry::Row>, Unavailable>;
    async fn revise(
        &self,
        id: &registry::Id,
        registration: Registration,
        now: UnixTime,
    ) -> Result<bool, Unavailable>;
    async fn unregister(&self, id: &registry::Id, now: UnixTime) -> Result<bool, Unavailable>;
}

/// The issuer's signing keys.
pub trait Keys {
    /// A key that is ready.
    type Signer: Signer;

    /// The key that signs with `alg` now. Asked for before anything is consumed, so that a code is
    /// never spent on a token that could not be signed.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn signer(&self, alg: Alg, now: UnixTime) -> Result<Self::Signer, Unavailable>;

    /// Every key that verifies.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn published(&self, now: UnixTime) -> Result<JwkSet, Unavailable>;
}

/// One private key.
pub trait Signer {
    /// Its algorithm.
    fn alg(&self) -> Alg;
    /// Its name in the JWK Set.
    fn kid(&self) -> &str;
    /// Signs.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable>;
}
