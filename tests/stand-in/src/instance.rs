//! What one instance remembers, and what it does in one step: codes, tokens, sessions.

use crate::Preset;
use crate::ask::Params;
use crate::fault::Faults;
use crate::keys::{Keys, digest};
use crate::person::Person;
use crate::seen::Seen;
use std::collections::{BTreeMap, BTreeSet};

/// How long codes live: ten minutes, as GitHub and `WorkOS` say; the others say less or nothing.
const CODE_SECONDS: u64 = 600;

/// What a person agreed to.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client: &'static str,
    pub(crate) person: &'static Person,
    /// The authorization request.
    pub(crate) asked: Params,
    /// The scopes that were granted.
    pub(crate) scopes: Vec<String>,
    pub(crate) auth_time: u64,
    pub(crate) sid: String,
    /// Of what comes from one sign-in: it dies together.
    pub(crate) family: u64,
}

#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) path: String,
    pub(crate) expires_at: u64,
    pub(crate) is_used: bool,
}

#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) grant: Grant,
    pub(crate) expires_at: u64,
    /// In order of issue.
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) grant: Grant,
    pub(crate) is_used: bool,
}

/// A browser in which somebody is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) person: &'static Person,
    pub(crate) auth_time: u64,
    /// To whom this instance said so.
    pub(crate) clients: BTreeSet<&'static str>,
    /// The base under which they signed in.
    pub(crate) base: String,
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) preset: Preset,
    pub(crate) place: String,
    seed: u64,
    drawn: u64,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) access: BTreeMap<String, Access>,
    pub(crate) refresh: BTreeMap<String, Refresh>,
    /// By cookie.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Who agreed to whom before.
    pub(crate) agreed: BTreeSet<(&'static str, &'static str)>,
    pub(crate) faults: Faults,
    pub(crate) keys: Keys,
    pub(crate) seen: Vec<Seen>,
}

impl Instance {
    pub(crate) fn new(preset: Preset, place: &str, seed: u64) -> Self {
        Self {
            preset,
            place: place.to_owned(),
            seed,
            drawn: 0,
            codes: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            sessions: BTreeMap::new(),
            agreed: BTreeSet::new(),
            faults: Faults::default(),
            keys: Keys::default(),
            seen: Vec::new(),
        }
    }

    /// A text that was not there before.
    pub(crate) fn fresh(&mut self, prefix: &str) -> String {
        let number = self.number();
        format!("{prefix}{}", digest(&format!("{} {} {number}", self.seed, self.place)))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub(crate) fn cookie_name(&self) -> String {
        format!("__Host-stand-in-{}", self.place.replace('/', "-"))
    }

    pub(crate) fn give_code(&mut self, grant: Grant, path: &str, now: u64) -> String {
        let code = self.fresh("code-");
        let (path, expires_at) = (path.to_owned(), now + CODE_SECONDS);
        self.codes.insert(code.clone(), Code { grant, path, expires_at, is_used: false });
        code
    }

    pub(crate) fn give_access(&mut self, prefix: &str, grant: &Grant, expires_at: u64) -> String {
        let token = self.fresh(prefix);
        self.keep_access(&token, grant, expires_at);
        token
    }

    /// Keeps an access token that was made elsewhere.
    pub(crate) fn keep_access(&mut self, token: &str, grant: &Grant, expires_at: u64) {
        let number = self.number();
        let access = Access { grant: grant.clone(), expires_at, number };
        self.access.insert(token.to_owned(), access);
    }

    pub(crate) fn give_refresh(&mut self, prefix: &str, grant: &Grant) -> String {
        let token = self.fresh(prefix);
        self.refresh.insert(token.clone(), Refresh { grant: grant.clone(), is_used: false });
        token
    }

    /// What an access token is good for now.
    pub(crate) fn access(&self, token: Option<&str>, now: u64) -> Option<&Grant> {
        let access = self.access.get(token?)?;
        (access.expires_at > now).then_some(&access.grant)
    }

    /// Everything that came from one sign-in dies.
    pub(crate) fn end(&mut self, is_ended: impl Fn(&Grant) -> bool) {
        self.codes.retain(|_, code| !is_ended(&code.grant));
        self.access.retain(|_, access| !is_ended(&access.grant));
        self.refresh.retain(|_, refresh| !is_ended(&refresh.grant));
    }

    /// Ends the session with this identifier, and what came from it.
    pub(crate) fn end_session(&mut self, sid: &str) {
        self.sessions.retain(|_, session| session.sid != sid);
    }
}
