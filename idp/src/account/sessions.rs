//! Sign-in sessions of an account: opened, used, and ended.

use super::{Account, PROFILE, Proceed, Proceeded, SignIn, SignOut};
use crate::farewell::Parties;
use crate::rows::{Rows, Table, Unavailable};
use crate::session::{Session, Visit};
use shared::time::UnixTime;
use uuid::Uuid;

impl<R: Rows> Account<'_, R> {
    /// Opens a session, or goes on with the browser's own, and issues a code. Returns the session.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn sign_in(&self, command: SignIn, now: UnixTime) -> Result<Uuid, Unavailable> {
        let SignIn { profile, auth_time, amr, cookie, previous, session, grant } = command;
        let (mut id, mut parties) = (session, Parties::default());
        if let Some((previous, cookie)) = previous
            && let Some(Session::Open(open)) = self.used_session(previous, now)?
            && open.cookie == cookie
        {
            (id, parties) = (previous, open.parties);
        }
        self.rows.save(Table::Profile, PROFILE, &profile, None)?;
        let (credential, policy) = (profile.credential, self.sessions());
        let session = Session::open(cookie, auth_time, amr.clone(), credential, now, policy);
        let mut session = session.after(parties);
        // The session last: its cookie changes with it, and when the code could not be written, the
        // browser would not be told. A code that nobody knows harms nobody.
        if let Some(grant) = grant {
            session = session.joined_by(&grant.client_id, grant.account);
            self.issue(grant, id, (auth_time, amr, credential), now)?;
        }
        self.save_session(id, &session, now)?;
        Ok(id)
    }

    /// Issues a code to a browser that is signed in.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing was acknowledged.
    pub fn proceed(&self, command: Proceed, now: UnixTime) -> Result<Proceeded, Unavailable> {
        let Proceed { session: id, cookie, max_age, grant } = command;
        let Some(session) = self.session(id)? else { return Ok(Proceeded::SignedOut) };
        let credential = session.credential();
        if self.is_disabled(credential)? {
            return Ok(Proceeded::SignedOut);
        }
        let (session, visit) = session.visit(cookie, max_age, now, self.sessions());
        match visit {
            Visit::Ended => Ok(Proceeded::SignedOut),
            Visit::TooLongAgo => Ok(Proceeded::TooLongAgo),
            Visit::SignedIn { auth_time, amr } => {
                let session = session.joined_by(&grant.client_id, grant.account);
                self.save_session(id, &session, now)?;
                self.issue(grant, id, (auth_time, amr, credential), now)?;
                Ok(Proceeded::Issued)
            }
        }
    }

    /// Ends a session; false when there was none to end.
    ///
    /// # Errors
    /// [`Unavailable`]: it may still be alive.
    pub fn sign_out(&self, command: &SignOut, now: UnixTime) -> Result<bool, Unavailable> {
        match self.session(command.session)? {
            Some(Session::Open(open)) if open.cookie == command.cookie => {
                self.end(command.session, now)
            }
            _ => Ok(false),
        }
    }

    /// Ends a session of this account: every session ends here. False when there was none to end.
    pub(super) fn end(&self, id: Uuid, now: UnixTime) -> Result<bool, Unavailable> {
        let Some(Session::Open(open)) = self.session(id)? else { return Ok(false) };
        // What is to be said, and then the end: of a session that did not end nothing is said (LO-09).
        self.take_leave(id, open.parties, now)?;
        self.save_session(id, &Session::Ended, now)?;
        Ok(true)
    }
}
