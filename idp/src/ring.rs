//! The signing keys: published before they sign, and published until nothing they signed is good
//! any more. `next -> active -> retiring -> gone`, per algorithm.

use serde::{Deserialize, Serialize};
use shared::jose::Alg;
use shared::jose::jwk::{Jwk, JwkSet};
use shared::time::UnixTime;

/// How long anybody may keep a copy of the published keys, in seconds: the `max-age` of `/jwks`.
pub const JWKS_MAX_AGE: u64 = 300;

/// How long a key is published before it signs: two lives of a cached copy.
const PUBLISH_BEFORE: u64 = 2 * JWKS_MAX_AGE;

/// All keys of the issuer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ring {
    /// In no particular order; at most one `next` and one `active` per algorithm.
    pub keys: Vec<RingKey>,
}

/// One key pair.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RingKey {
    /// What is published.
    pub public: Jwk,
    /// The private key, wrapped by whoever made it; this file never looks inside.
    pub wrapped: String,
    /// Where it is in its life.
    pub stage: Stage,
    /// Since when.
    pub since: UnixTime,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Stage {
    /// Published, does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Published, does not sign any more.
    Retiring,
}

/// When keys move on, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// How long a key signs.
    pub rotation: u64,
    /// The longest life of anything signed.
    pub longest_token: u64,
}

/// A key pair that was just made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fresh {
    /// What is to be published.
    pub public: Jwk,
    /// The private key, wrapped.
    pub wrapped: String,
}

/// A private key under the newest sealing key, or lost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrapped {
    /// Which.
    pub kid: Option<String>,
    /// None when no sealing key opens it any more.
    pub wrapped: Option<String>,
}

impl Schedule {
    /// How long before its predecessor's end a key is made.
    fn lead(self) -> u64 {
        (self.rotation / 4).clamp(PUBLISH_BEFORE, 86_400)
    }

    /// How long a key that signs no more stays published: what it signed last must have ended,
    /// signers that cache the ring must have noticed, and clocks may differ.
    fn retirement(self) -> u64 {
        self.longest_token.saturating_add(2 * JWKS_MAX_AGE)
    }
}

impl Ring {
    /// The algorithms that a new key pair should be made for now.
    #[must_use]
    pub fn wanted(&self, now: UnixTime, schedule: Schedule) -> Vec<Alg> {
        let wants = |alg: &Alg| match self.find(*alg, Stage::Active) {
            None => self.find(*alg, Stage::Next).is_none(),
            Some(active) => {
                let due = active.since.plus(schedule.rotation.saturating_sub(schedule.lead()));
                due <= now && self.find(*alg, Stage::Next).is_none()
            }
        };
        Alg::ALL.into_iter().filter(wants).collect()
    }

    /// Takes in private keys that were wrapped again. One that is lost signs no more; what it has
    /// signed stays good.
    #[must_use]
    pub fn wrapped_again(mut self, rewrapped: &[Rewrapped], now: UnixTime) -> Self {
        for key in &mut self.keys {
            let Some(found) = rewrapped.iter().find(|found| found.kid == key.public.kid) else {
                continue;
            };
            match &found.wrapped {
                Some(wrapped) => key.wrapped.clone_from(wrapped),
                None if key.stage == Stage::Retiring => {}
                None => (key.stage, key.since) = (Stage::Retiring, now),
            }
        }
        self
    }

    /// Takes in what was made, if it is still wanted, and moves on every key whose time has come.
    /// Doing it twice, late, or with an older clock does no harm.
    #[must_use]
    pub fn step(mut self, fresh: Vec<Fresh>, now: UnixTime, schedule: Schedule) -> Self {
        let wanted = self.wanted(now, schedule);
        for Fresh { public, wrapped } in fresh {
            let alg = public.alg();
            if wanted.contains(&alg) && self.find(alg, Stage::Next).is_none() {
                self.keys.push(RingKey { public, wrapped, stage: Stage::Next, since: now });
            }
        }
        for alg in Alg::ALL {
            let active = self.find(alg, Stage::Active).map(|key| key.since.plus(schedule.rotation));
            let next = self.find(alg, Stage::Next).map(|key| key.since.plus(PUBLISH_BEFORE));
            let promote = match (active, next) {
                // The very first key signs at once: nobody holds a copy from before it.
                (None, Some(_)) => true,
                (Some(rotation), Some(published)) => rotation <= now && published <= now,
                (_, None) => false,
            };
            if promote {
                self.advance(alg, now);
            }
        }
        self.keys.retain(|key| {
            key.stage != Stage::Retiring || now < key.since.plus(schedule.retirement())
        });
        self
    }

    /// When the next step is due.
    #[must_use]
    pub fn due(&self, schedule: Schedule) -> Option<UnixTime> {
        let due = |key: &RingKey| match key.stage {
            Stage::Next => {
                let active = self.find(key.public.alg(), Stage::Active);
                let rotation =
                    active.map_or(key.since, |active| active.since.plus(schedule.rotation));
                Some(rotation.max(key.since.plus(PUBLISH_BEFORE)))
            }
            // It is relieved when its successor's time has come, which may be later than its own.
            Stage::Active if self.find(key.public.alg(), Stage::Next).is_some() => None,
            Stage::Active => {
                Some(key.since.plus(schedule.rotation.saturating_sub(schedule.lead())))
            }
            Stage::Retiring => Some(key.since.plus(schedule.retirement())),
        };
        self.keys.iter().filter_map(due).min()
    }

    /// The key that signs with `alg`.
    #[must_use]
    pub fn active(&self, alg: Alg) -> Option<&RingKey> {
        self.find(alg, Stage::Active)
    }

    /// What is published, RFC 7517 §5.
    #[must_use]
    pub fn published(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }

    fn find(&self, alg: Alg, stage: Stage) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.stage == stage && key.public.alg() == alg)
    }

    fn advance(&mut self, alg: Alg, now: UnixTime) {
        for key in self.keys.iter_mut().filter(|key| key.public.alg() == alg) {
            let stage = match key.stage {
                Stage::Next => Stage::Active,
                Stage::Active | Stage::Retiring => Stage::Retiring,
            };
            if stage != key.stage {
                (key.stage, key.since) = (stage, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::jose::native::SigningKey;

    const NOON: UnixTime = UnixTime(1_800_000_000);
    const SCHEDULE: Schedule = Schedule { rotation: 86_400, longest_token: 300 };

    fn fresh(seed: u8) -> Vec<Fresh> {
        let public = SigningKey::es256([seed; 32]).unwrap().public();
        vec![Fresh { public, wrapped: String::new() }]
    }

    fn kid(ring: &Ring) -> Option<String> {
        ring.active(Alg::Es256).and_then(|key| key.public.kid.clone())
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(Ring::default().wanted(NOON, SCHEDULE), Alg::ALL);
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        assert!(kid(&ring).is_some());
        assert_eq!(ring.wanted(NOON, SCHEDULE), [Alg::Rs256, Alg::EdDsa]);
    }

    #[test]
    fn two_objects_starting_at_once_agree_on_the_first_key_stored() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        assert_eq!(ring.clone().step(fresh(2), NOON, SCHEDULE), ring);
    }

    #[test]
    fn dj_10_a_verifier_that_caches_as_long_as_it_may_never_meets_an_unknown_key() {
        let mut ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let (mut cache, mut cached_at) = (ring.published(), NOON);
        let (mut signers, mut made) = (vec![kid(&ring)], 1);
        for seconds in (0..4 * 86_400).step_by(100) {
            let now = NOON.plus(seconds);
            let wants = ring.wanted(now, SCHEDULE).contains(&Alg::Es256);
            made += u8::from(wants);
            ring = ring.step(if wants { fresh(made) } else { vec![] }, now, SCHEDULE);
            if now.since(cached_at) >= JWKS_MAX_AGE {
                (cache, cached_at) = (ring.published(), now);
            }
            let signer = kid(&ring);
            assert!(cache.find(signer.as_deref(), Alg::Es256).is_some(), "{seconds}");
            // What the last signer signed a moment ago still verifies.
            assert!(
                ring.published().find(signers.last().unwrap().as_deref(), Alg::Es256).is_some()
            );
            if signers.last() != Some(&signer) {
                signers.push(signer);
            }
        }
        assert!(signers.len() > 3, "{} rotations", signers.len());
        assert!(ring.keys.len() <= 3, "retired keys go: {}", ring.keys.len());
    }

    #[test]
    fn pl_15_a_private_key_that_is_lost_signs_no_more_and_makes_room_for_another() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let lost = [Rewrapped { kid: kid(&ring), wrapped: None }];
        let ring = ring.wrapped_again(&lost, NOON);
        assert_eq!(kid(&ring), None);
        assert_eq!(ring.wanted(NOON, SCHEDULE), Alg::ALL);
        let after = ring.clone().step(fresh(2), NOON, SCHEDULE);
        assert!(kid(&after).is_some());
        // What it signed still verifies.
        assert_eq!(after.published().keys.len(), 2);
    }

    #[test]
    fn pl_12_pl_18_an_older_clock_and_a_late_alarm_do_no_harm() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        assert_eq!(ring.clone().step(vec![], NOON.minus(3_600), SCHEDULE), ring);
        let late = ring.clone().step(fresh(2), NOON.plus(10 * 86_400), SCHEDULE);
        assert_eq!(kid(&late), kid(&ring), "a key is published before it signs, however late");
        assert_eq!(late.keys.len(), 2);
        assert!(ring.due(SCHEDULE) > Some(NOON));
    }

    #[test]
    fn pl_18_a_key_that_is_made_late_is_due_once_when_it_has_been_published() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let now = NOON.plus(10 * 86_400);
        let late = ring.step(fresh(2), now, SCHEDULE);
        assert_eq!(late.due(SCHEDULE), Some(now.plus(PUBLISH_BEFORE)));
        let relieved = late.clone().step(vec![], now.plus(PUBLISH_BEFORE), SCHEDULE);
        assert_ne!(kid(&relieved), kid(&late));
    }
}
