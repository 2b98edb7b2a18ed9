//! The commands of the issuer's objects, each to the one it is for.

use crate::memory::{Object, Objects};
use idp::account::{
    Alike, Alive, EndUpstream, Ended, Introspect, Listing, Overview, Own, Proceed, Proceeded,
    Redeem, Revoke, Rotate, Rotated, SignIn, SignOut, SignedIn, Told,
};
use idp::brake::Attempt;
use idp::directory::{Held, Whose};
use idp::grant::Redeemed;
use idp::proof::Means;
use idp::registration::Registration;
use idp::rows::Unavailable;
use idp::{directory, ledger, platform, registry};
use shared::time::UnixTime;
use uuid::Uuid;

impl platform::Objects for Objects {
    async fn sign_in(
        &self,
        to: Uuid,
        command: SignIn,
        now: UnixTime,
    ) -> Result<SignedIn, Unavailable> {
        self.account(to, &command, now, |account, command| account.sign_in(command, now)).await
    }

    async fn proceed(
        &self,
        to: Uuid,
        command: Proceed,
        now: UnixTime,
    ) -> Result<Proceeded, Unavailable> {
        self.account(to, &command, now, |account, command| account.proceed(command, now)).await
    }

    async fn redeem(
        &self,
        to: Uuid,
        command: Redeem,
        now: UnixTime,
    ) -> Result<Redeemed, Unavailable> {
        self.account(to, &command, now, |account, command| account.redeem(&command, now)).await
    }

    async fn rotate(
        &self,
        to: Uuid,
        command: Rotate,
        now: UnixTime,
    ) -> Result<Rotated, Unavailable> {
        self.account(to, &command, now, |account, command| account.rotate(&command, now)).await
    }

    async fn revoke(&self, to: Uuid, command: Revoke, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, &command, now, |account, command| account.revoke(&command, now)).await
    }

    async fn introspect(
        &self,
        to: Uuid,
        command: Introspect,
        now: UnixTime,
    ) -> Result<Option<Alive>, Unavailable> {
        self.account(to, &command, now, |account, command| account.introspect(&command, now)).await
    }

    async fn userinfo(
        &self,
        to: Uuid,
        grant: Uuid,
        now: UnixTime,
    ) -> Result<Option<Told>, Unavailable> {
        self.account(to, &grant, now, |account, grant| account.userinfo(grant, now)).await
    }

    async fn sign_out(
        &self,
        to: Uuid,
        command: SignOut,
        now: UnixTime,
    ) -> Result<Option<Means>, Unavailable> {
        self.account(to, &command, now, |account, command| account.sign_out(&command, now)).await
    }

    async fn own(
        &self,
        to: Uuid,
        command: Own,
        now: UnixTime,
    ) -> Result<Option<Overview>, Unavailable> {
        self.account(to, &command, now, |account, command| account.own(&command, now)).await
    }

    async fn end_upstream(
        &self,
        to: Uuid,
        command: EndUpstream,
        now: UnixTime,
    ) -> Result<Option<Ended>, Unavailable> {
        self.account(to, &command, now, |account, command| account.end_upstream(&command, now))
            .await
    }

    async fn list(&self, to: Uuid, command: Listing, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, &command, now, |account, command| account.list(command, now)).await
    }

    async fn alike(&self, to: Uuid, command: Alike, now: UnixTime) -> Result<bool, Unavailable> {
        self.account(to, &command, now, |account, command| account.alike(&command)).await
    }

    async fn claim(&self, entry: directory::Entry, fresh: Uuid) -> Result<Held, Unavailable> {
        self.directory(&entry, fresh, |rows, entry, account| directory::claim(rows, entry, account))
            .await
    }

    async fn whose(&self, entry: directory::Entry) -> Result<Whose, Unavailable> {
        self.directory(&entry, (), |rows, entry, ()| directory::whose(rows, entry)).await
    }

    async fn release(&self, entry: directory::Entry, meant: Held) -> Result<(), Unavailable> {
        self.directory(&entry, meant, |rows, entry, meant| directory::release(rows, entry, meant))
            .await
    }

    async fn seen(&self, entry: directory::Entry, account: Uuid) -> Result<(), Unavailable> {
        self.directory(&entry, account, |rows, entry, account| {
            directory::seen(rows, entry, account)
        })
        .await
    }

    async fn find(&self, entry: directory::Entry) -> Result<Option<Uuid>, Unavailable> {
        self.directory(&entry, (), |rows, entry, ()| directory::find(rows, entry)).await
    }

    async fn note(
        &self,
        entry: directory::Entry,
        account: Uuid,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), Unavailable> {
        let shard = format!("directory {}", entry.shard());
        let step = |rows: &Object<'_>, (entry, account, until): (directory::Entry, _, _)| {
            directory::note(rows, &entry, account, until)
        };
        self.obey(shard, &(entry, account, until), now, step).await
    }

    async fn attempt(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
        let shard = format!("ledger {}", entry.shard());
        let step = |rows: &Object<'_>, entry| ledger::attempt(rows, &entry, now);
        self.obey(shard, &entry, now, step).await
    }

    async fn succeeded(&self, entry: ledger::Entry, now: UnixTime) -> Result<(), Unavailable> {
        let shard = format!("ledger {}", entry.shard());
        let step = |rows: &Object<'_>, entry| ledger::succeeded(rows, &entry, now);
        self.obey(shard, &entry, now, step).await
    }

    async fn spend(
        &self,
        entry: ledger::Entry,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Unavailable> {
        let shard = format!("ledger {}", entry.shard());
        let step = |rows: &Object<'_>, (entry, until)| ledger::spend(rows, &entry, until);
        self.obey(shard, &(entry, until), now, step).await
    }

    async fn draw(&self, entry: ledger::Entry, now: UnixTime) -> Result<Attempt, Unavailable> {
        let shard = format!("ledger {}", entry.shard());
        let step = |rows: &Object<'_>, entry| ledger::draw(rows, &entry, now);
        self.obey(shard, &entry, now, step).await
    }

    async fn register(&self, id: &registry::Id, row: registry::Row) -> Result<(), Unavailable> {
        let (shard, now) = (format!("registry {}", id.shard()), row.issued_at);
        let step = |rows: &Object<'_>, (id, row)| registry::register(rows, &id, &row);
        self.obey(shard, &(id.clone(), row), now, step).await
    }

    async fn registered(
        &self,
        id: &registry::Id,
        _: u64,
        now: UnixTime,
    ) -> Result<Option<registry::Row>, Unavailable> {
        let shard = format!("registry {}", id.shard());
        let step = |rows: &Object<'_>, id| registry::registered(rows, &id, now);
        self.obey(shard, id, now, step).await
    }

    async fn revise(
        &self,
        id: &registry::Id,
        registration: Registration,
        now: UnixTime,
    ) -> Result<bool, Unavailable> {
        let shard = format!("registry {}", id.shard());
        let step =
            |rows: &Object<'_>, (id, registration)| registry::revise(rows, &id, registration, now);
        self.obey(shard, &(id.clone(), registration), now, step).await
    }

    async fn unregister(&self, id: &registry::Id, now: UnixTime) -> Result<bool, Unavailable> {
        let shard = format!("registry {}", id.shard());
        let step = |rows: &Object<'_>, id| registry::unregister(rows, &id, now);
        self.obey(shard, id, now, step).await
    }
}
