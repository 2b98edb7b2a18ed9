//! Sign-in sessions of an account: opened, used, and ended.

use super::consents::Given;
use super::{Account, Listing, PROFILE, Proceed, Proceeded, Profile, SignIn, SignOut, SignedIn};
use crate::farewell::Parties;
use crate::proof::Means;
use crate::rows::{Rows, Table, Unavailable};
use crate::session::{Begun, Session, Visit};
use shared::time::UnixTime;
use uuid::Uuid;

impl<R: Rows> Account<'_, R> {
    /// Lists the identity, opens a session, or goes on with the browser's own, and issues a code, unless
    /// the person has to be asked first.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn sign_in(&self, command: SignIn, now: UnixTime) -> Result<SignedIn, Unavailable> {
        let SignIn { proof, claims, round, cookie, previous, session, agent, grant, kept } =
            command;
        if self.is_disabled() {
            return Ok(SignedIn::Disabled);
        }
        let listing = Listing { means: proof.means.clone(), claims: claims.clone(), round };
        if !self.list(listing, now)? {
            return Ok(SignedIn::Unlinked);
        }
        let (mut id, mut opened_at, mut parties) = (session, now, Parties::default());
        if let Some((previous, cookie)) = previous
            && let Some(Session::Open(open)) = self.used_session(previous, now)?
            && open.cookie == cookie
        {
            (id, opened_at, parties) = (previous, open.opened_at, open.parties);
        }
        let profile = Profile { identity: proof.means.identity.clone(), claims };
        self.rows.save(Table::Profile, PROFILE, &profile, None)?;
        if let Some(kept) = kept {
            self.keep(&proof.means, kept, now)?;
        }
        let begun = Begun { proof: proof.clone(), agent, opened_at };
        let mut session = Session::open(cookie, begun, now, self.sessions()).after(parties);
        // The session last: its cookie changes with it, and when the code could not be written, the
        // browser would not be told. A code that nobody knows harms nobody.
        let mut asking = None;
        if let Some(grant) = grant {
            let (client, account) = (grant.client_id.clone(), grant.account);
            asking = self.issue_if_agreed(grant, id, proof, now)?;
            if asking.is_none() {
                session = session.joined_by(&client, account);
            }
        }
        self.save_session(id, &session, now)?;
        Ok(SignedIn::In { session: id, asking })
    }

    /// Issues a code to a browser that is signed in, unless the person has to be asked first. A page
    /// that asked them is answered once: the same answer again, while nobody has used the code, is
    /// the same code.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn proceed(&self, command: Proceed, now: UnixTime) -> Result<Proceeded, Unavailable> {
        let Proceed { session: id, cookie, max_age, acr, grant } = command;
        let Some(session) = self.session(id)? else { return Ok(Proceeded::SignedOut) };
        if session.means().is_some_and(|means| !self.takes(means)) {
            return Ok(Proceeded::SignedOut);
        }
        let (session, visit) = session.visit(cookie, max_age, now, self.sessions());
        match visit {
            Visit::Ended => Ok(Proceeded::SignedOut),
            Visit::TooLongAgo => Ok(Proceeded::TooLongAgo),
            Visit::SignedIn(proof)
                if acr.is_some_and(|acr| acr.iter().all(|acr| acr != proof.means.acr())) =>
            {
                Ok(Proceeded::OtherWay)
            }
            Visit::SignedIn(proof) => {
                let joined = session.joined_by(&grant.client_id, grant.account);
                match self.given(&grant, now)? {
                    // The session once more: it may not have been written when the code was, and
                    // then its end would not be told to the client.
                    Given::Before { is_good: true } => {}
                    Given::Before { is_good: false } => return Ok(Proceeded::Finished),
                    Given::NotYet => {
                        if let Some(asking) = self.issue_if_agreed(grant, id, proof, now)? {
                            return Ok(Proceeded::ConsentNeeded(asking));
                        }
                    }
                }
                self.save_session(id, &joined, now)?;
                Ok(Proceeded::Issued)
            }
        }
    }

    /// Ends a session. By what it had begun; none when there was none to end.
    ///
    /// # Errors
    /// [`Unavailable`]: it may still be alive.
    pub fn sign_out(&self, command: &SignOut, now: UnixTime) -> Result<Option<Means>, Unavailable> {
        match self.session(command.session)? {
            Some(Session::Open(open)) if open.cookie == command.cookie => {
                Ok(self.end(command.session, now)?.then_some(open.proof.means))
            }
            _ => Ok(None),
        }
    }

    /// Ends a session of this account. False when there was none to end.
    pub(super) fn end(&self, id: Uuid, now: UnixTime) -> Result<bool, Unavailable> {
        let Some(means) = self.close(id, now)? else { return Ok(false) };
        // It has ended: what is left then ends by itself.
        let _ = self.forget_kept(&means);
        Ok(true)
    }

    /// Every session ends here. By what it had begun; none when there was none to end.
    pub(super) fn close(&self, id: Uuid, now: UnixTime) -> Result<Option<Means>, Unavailable> {
        let Some(Session::Open(open)) = self.session(id)? else { return Ok(None) };
        // What is to be said, and then the end: of a session that did not end nothing is said (LO-09).
        self.take_leave(id, open.parties, now)?;
        self.save_session(id, &Session::Ended, now)?;
        Ok(Some(open.proof.means))
    }
}
