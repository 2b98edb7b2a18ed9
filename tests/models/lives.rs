//! What the key ring is put to: the list of its keys' lives, written down without stages.

use idp::ring::{Fresh, JWKS_MAX_AGE, Rewrapped, Schedule, Stage};
use shared::jose::Alg;
use shared::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet};

/// A new key is published for as long as the copy of an isolate and the copy that somebody made of
/// that one may live, one after the other.
const PUBLISHED_BEFORE: u64 = 2 * JWKS_MAX_AGE;

/// The life of one key.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) kid: String,
    pub(crate) alg: Alg,
    pub(crate) wrapped: String,
    pub(crate) published_at: UnixTime,
    pub(crate) signs_from: Option<UnixTime>,
    pub(crate) signs_to: Option<UnixTime>,
    pub(crate) is_gone: bool,
    /// When it was dropped.
    pub(crate) dropped_at: Option<UnixTime>,
}

impl Life {
    pub(crate) fn waits(&self) -> bool {
        !self.is_gone && self.signs_from.is_none() && self.signs_to.is_none()
    }

    pub(crate) fn signs(&self) -> bool {
        !self.is_gone && self.signs_from.is_some() && self.signs_to.is_none()
    }

    /// It signed before everybody could know it, because there was no other.
    pub(crate) fn is_sudden(&self) -> bool {
        self.signs_from.is_some_and(|from| from < self.published_at.plus(PUBLISHED_BEFORE))
    }

    /// As the ring keeps it.
    pub(crate) fn row(&self) -> (String, Stage, UnixTime, String) {
        let (stage, since) = match (self.signs_from, self.signs_to) {
            (_, Some(to)) => (Stage::Retiring, to),
            (Some(from), None) => (Stage::Active, from),
            (None, None) => (Stage::Next, self.published_at),
        };
        (self.kid.clone(), stage, since, self.wrapped.clone())
    }
}

/// The lives of all keys, those that are gone included.
pub(crate) struct Lives {
    pub(crate) keys: Vec<Life>,
    pub(crate) schedule: Schedule,
    /// The operator's own keys, as they stand in the settings.
    pub(crate) own: BTreeMap<Alg, String>,
    pub(crate) dropped: BTreeSet<String>,
}

impl Lives {
    pub(crate) fn find(&self, alg: Alg, is: impl Fn(&Life) -> bool) -> Option<usize> {
        self.keys.iter().position(|key| key.alg == alg && is(key))
    }

    /// The operator's own key that is to sign, unless it was dropped.
    pub(crate) fn own(&self, alg: Alg) -> Option<&String> {
        self.own.get(&alg).filter(|kid| !self.dropped.contains(*kid))
    }

    /// The settings name another own key. What waited to sign waits no more, unless it is still the
    /// one that is wanted; it stays known for as long as if it had signed.
    pub(crate) fn own_is(&mut self, alg: Alg, kid: Option<&String>, now: UnixTime) {
        let before = self.own(alg).cloned();
        match kid {
            Some(kid) => self.own.insert(alg, kid.clone()),
            None => self.own.remove(&alg),
        };
        self.withdraw(alg, before.as_ref(), now);
    }

    pub(crate) fn withdraw(&mut self, alg: Alg, before: Option<&String>, now: UnixTime) {
        let Some(waiting) = self.find(alg, Life::waits) else { return };
        let kid = Some(&self.keys[waiting].kid);
        let stays = if self.own(alg).is_some() { kid == self.own(alg) } else { kid != before };
        if !stays {
            self.keys[waiting].signs_to = Some(now);
        }
    }

    pub(crate) fn drop(&mut self, kid: &str, now: UnixTime) {
        let alg = self.keys.iter().find(|key| key.kid == kid).map(|key| key.alg);
        let before = alg.and_then(|alg| self.own(alg).cloned());
        self.dropped.insert(kid.to_owned());
        for key in self.keys.iter_mut().filter(|key| key.kid == kid) {
            key.is_gone = true;
            key.dropped_at = key.dropped_at.or(Some(now));
        }
        if let Some(alg) = alg {
            self.withdraw(alg, before.as_ref(), now);
        }
    }

    /// A key is made a quarter of a life before it is needed: a day at the most, and no later than
    /// it has to be published.
    pub(crate) fn wants(&self, alg: Alg, now: UnixTime) -> bool {
        if let Some(own) = self.own(alg) {
            return self.find(alg, |key| key.kid == *own && (key.waits() || key.signs())).is_none();
        }
        let Schedule { rotation, .. } = self.schedule;
        let early = (rotation / 4).clamp(PUBLISHED_BEFORE, 86_400);
        let near_its_end = |from: UnixTime| now.plus(early) >= from.plus(rotation);
        let signer = self.find(alg, Life::signs).and_then(|index| self.keys[index].signs_from);
        self.find(alg, Life::waits).is_none() && signer.is_none_or(near_its_end)
    }

    pub(crate) fn step(&mut self, fresh: &[Fresh], now: UnixTime) {
        let wanted = Alg::ALL.map(|alg| (alg, self.wants(alg, now)));
        for (alg, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
            let own = self.own(alg).cloned();
            let fits = |fresh: &&Fresh| {
                let kid = fresh.public.kid.as_ref().expect("a name");
                let is_own = own.as_ref().is_none_or(|own| own == kid);
                fresh.public.alg() == alg && is_own && !self.dropped.contains(kid)
            };
            if let Some(fresh) = fresh.iter().find(fits) {
                let kid = fresh.public.kid.clone().expect("a name");
                // An own key that comes back begins a new life.
                for key in self.keys.iter_mut().filter(|key| key.kid == kid) {
                    key.is_gone = true;
                }
                self.keys.push(Life {
                    kid,
                    alg,
                    wrapped: fresh.wrapped.clone(),
                    published_at: now,
                    signs_from: None,
                    signs_to: None,
                    is_gone: false,
                    dropped_at: None,
                });
            }
        }
        for alg in Alg::ALL {
            let Some(waiting) = self.find(alg, Life::waits) else { continue };
            let signer = self.find(alg, Life::signs);
            let relieved = signer.is_none_or(|signer| {
                let from = self.keys[signer].signs_from.expect("it signs");
                let known = now >= self.keys[waiting].published_at.plus(PUBLISHED_BEFORE);
                known && (now >= from.plus(self.schedule.rotation) || self.own(alg).is_some())
            });
            if relieved {
                self.keys[waiting].signs_from = Some(now);
                if let Some(signer) = signer {
                    self.keys[signer].signs_to = Some(now);
                }
            }
        }
        // The copy of an isolate signs on for a while; then a token lives; then a copy of the keys.
        let memory = self.schedule.longest_token + 2 * JWKS_MAX_AGE;
        for key in &mut self.keys {
            key.is_gone |= key.signs_to.is_some_and(|to| now >= to.plus(memory));
        }
    }

    pub(crate) fn wrapped_again(&mut self, rewrapped: &Rewrapped, now: UnixTime) {
        let of_that_name =
            |key: &&mut Life| !key.is_gone && Some(&key.kid) == rewrapped.kid.as_ref();
        let Some(key) = self.keys.iter_mut().find(of_that_name) else { return };
        match &rewrapped.wrapped {
            Some(wrapped) => key.wrapped.clone_from(wrapped),
            None => key.signs_to = key.signs_to.or(Some(now)),
        }
    }
}
