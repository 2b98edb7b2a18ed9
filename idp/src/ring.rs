//! The signing keys: published before they sign, and published until nothing they signed is good
//! any more. `next -> active -> retiring -> gone`, per algorithm. A key is made here, or is its
//! operator's own; and an operator may drop one, which ends all it ever signed.

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
    /// The operator's own keys, at most one per algorithm. For that algorithm it is the one that
    /// signs, or will when it has been published; no other is made, and no time relieves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Jwk>,
    /// The names of keys that were dropped. They are remembered, so that none comes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

/// What a deployment says about its keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Orders {
    /// The operator's own keys.
    pub own: Vec<Jwk>,
    /// The names of keys that are not to be trusted any more.
    pub dropped: Vec<String>,
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
    /// Takes what the deployment says for granted. A key that was dropped is forgotten at once; one
    /// that was to be next and is not any more retires without having signed.
    #[must_use]
    pub fn obey(mut self, orders: &Orders, now: UnixTime) -> Self {
        for kid in &orders.dropped {
            if !self.dropped.contains(kid) {
                self.dropped.push(kid.clone());
            }
        }
        let Self { keys, own, dropped } = &mut self;
        let is_kept = |key: &Jwk| !key.kid.as_ref().is_some_and(|kid| dropped.contains(kid));
        keys.retain(|key| is_kept(&key.public));
        let before = std::mem::take(own);
        own.extend(orders.own.iter().filter(|key| is_kept(key)).cloned());
        for key in keys.iter_mut().filter(|key| key.stage == Stage::Next) {
            let is_next = match own.iter().find(|own| own.alg() == key.public.alg()) {
                Some(own) => own.kid == key.public.kid,
                None => !before.contains(&key.public),
            };
            if !is_next {
                (key.stage, key.since) = (Stage::Retiring, now);
            }
        }
        self
    }

    /// The operator's own key of an algorithm.
    #[must_use]
    pub fn own(&self, alg: Alg) -> Option<&Jwk> {
        self.own.iter().find(|key| key.alg() == alg)
    }

    /// The algorithms that a new key should be had for now: the operator's own, when there is one,
    /// and otherwise a new pair.
    #[must_use]
    pub fn wanted(&self, now: UnixTime, schedule: Schedule) -> Vec<Alg> {
        let wants = |alg: &Alg| match (self.own(*alg), self.find(*alg, Stage::Active)) {
            (Some(own), _) => !self.is_in_use(own),
            (None, None) => self.find(*alg, Stage::Next).is_none(),
            (None, Some(active)) => {
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
            let fits = self.own(alg).is_none_or(|own| own.kid == public.kid);
            let dropped = public.kid.as_ref().is_some_and(|kid| self.dropped.contains(kid));
            let wanted = wanted.contains(&alg) && self.find(alg, Stage::Next).is_none();
            if wanted && fits && !dropped {
                // One that had retired, and was put back.
                self.keys.retain(|key| key.public.kid != public.kid);
                self.keys.push(RingKey { public, wrapped, stage: Stage::Next, since: now });
            }
        }
        for alg in Alg::ALL {
            let active = self.find(alg, Stage::Active).map(|key| key.since.plus(schedule.rotation));
            let next = self.find(alg, Stage::Next).map(|key| key.since.plus(PUBLISH_BEFORE));
            let promote = match (active, next) {
                // The very first key signs at once: nobody holds a copy from before it.
                (None, Some(_)) => true,
                (Some(rotation), Some(published)) => {
                    published <= now && (rotation <= now || self.own(alg).is_some())
                }
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

    /// When the next step is due; never, when every key is the operator's own and signs.
    #[must_use]
    pub fn due(&self, schedule: Schedule) -> Option<UnixTime> {
        let due = |key: &RingKey| match (key.stage, self.own(key.public.alg())) {
            (Stage::Next, Some(_)) => Some(key.since.plus(PUBLISH_BEFORE)),
            (Stage::Next, None) => {
                let active = self.find(key.public.alg(), Stage::Active);
                let rotation =
                    active.map_or(key.since, |active| active.since.plus(schedule.rotation));
                Some(rotation.max(key.since.plus(PUBLISH_BEFORE)))
            }
            // It is relieved when its successor's time has come, which may be later than its own.
            (Stage::Active, _) if self.find(key.public.alg(), Stage::Next).is_some() => None,
            (Stage::Active, Some(own)) => (own.kid != key.public.kid).then_some(key.since),
            (Stage::Active, None) => {
                Some(key.since.plus(schedule.rotation.saturating_sub(schedule.lead())))
            }
            (Stage::Retiring, _) => Some(key.since.plus(schedule.retirement())),
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

    /// Whether it signs, or will.
    fn is_in_use(&self, own: &Jwk) -> bool {
        self.keys.iter().any(|key| key.public.kid == own.kid && key.stage != Stage::Retiring)
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

    fn own(seed: u8) -> Orders {
        let own = fresh(seed).into_iter().map(|fresh| fresh.public).collect();
        Orders { own, dropped: Vec::new() }
    }

    fn drop_of(ring: &Ring) -> Orders {
        Orders { own: Vec::new(), dropped: kid(ring).into_iter().collect() }
    }

    #[test]
    fn dj_10_an_operators_own_key_is_published_before_it_signs_and_no_time_relieves_it() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let made = kid(&ring);
        let ring = ring.obey(&own(2), NOON).step(fresh(2), NOON, SCHEDULE);
        let early = ring.clone().step(vec![], NOON.plus(PUBLISH_BEFORE - 1), SCHEDULE);
        assert_eq!((kid(&early), early.published().keys.len()), (made, 2));
        assert_eq!(ring.due(SCHEDULE), Some(NOON.plus(PUBLISH_BEFORE)));
        let ring = ring.step(vec![], NOON.plus(PUBLISH_BEFORE), SCHEDULE);
        assert_eq!(kid(&ring), own(2).own[0].kid);

        let later = NOON.plus(10 * SCHEDULE.rotation);
        assert!(!ring.wanted(later, SCHEDULE).contains(&Alg::Es256));
        let ring = ring.step(fresh(3), later, SCHEDULE);
        assert_eq!((kid(&ring), ring.due(SCHEDULE)), (own(2).own[0].kid.clone(), None));
        // Taken out of the settings it is relieved like any other.
        let ring = ring.obey(&Orders::default(), later).step(fresh(4), later, SCHEDULE);
        let ring = ring.step(vec![], later.plus(PUBLISH_BEFORE), SCHEDULE);
        assert_eq!(kid(&ring), own(4).own[0].kid);
    }

    #[test]
    fn an_own_key_signs_at_once_when_no_other_does() {
        let ring = Ring::default().obey(&own(1), NOON).step(fresh(1), NOON, SCHEDULE);
        assert_eq!(kid(&ring), own(1).own[0].kid);
        assert_eq!(Ring::default().obey(&own(1), NOON).step(fresh(2), NOON, SCHEDULE).keys, []);
    }

    #[test]
    fn an_own_key_that_is_taken_out_before_it_signed_never_signs() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let made = kid(&ring);
        let ring = ring.obey(&own(2), NOON).step(fresh(2), NOON, SCHEDULE);
        let ring = ring.obey(&Orders::default(), NOON);
        let later = NOON.plus(SCHEDULE.rotation);
        let ring = ring.step(fresh(3), later, SCHEDULE);
        assert_eq!(kid(&ring), made);
        let ring = ring.step(vec![], later.plus(PUBLISH_BEFORE), SCHEDULE);
        assert_eq!(kid(&ring), own(3).own[0].kid);
    }

    #[test]
    fn a_dropped_key_is_gone_at_once_and_its_successor_signs_if_there_is_one() {
        let ring = Ring::default().step(fresh(1), NOON, SCHEDULE);
        let soon = NOON.plus(SCHEDULE.rotation - 700);
        let two = ring.clone().step(fresh(2), soon, SCHEDULE);
        let orders = drop_of(&ring);
        let after = two.obey(&orders, soon).step(vec![], soon, SCHEDULE);
        assert_eq!(kid(&after), own(2).own[0].kid);
        assert_eq!(after.published().keys.len(), 1);

        let alone = ring.obey(&orders, NOON);
        assert_eq!((kid(&alone), alone.published().keys), (None, vec![]));
        assert_eq!(alone.wanted(NOON, SCHEDULE), Alg::ALL);
        assert_eq!(kid(&alone.step(fresh(3), NOON, SCHEDULE)), own(3).own[0].kid);
    }

    #[test]
    fn a_dropped_key_comes_back_by_no_order_and_not_as_an_own_key_either() {
        let ring = Ring::default().obey(&own(1), NOON).step(fresh(1), NOON, SCHEDULE);
        let ring = ring.clone().obey(&drop_of(&ring), NOON);
        let ring = ring.obey(&own(1), NOON);
        assert_eq!(ring.own, []);
        assert_eq!(ring.clone().step(fresh(1), NOON, SCHEDULE).keys, []);
        assert_eq!(kid(&ring.step(fresh(2), NOON, SCHEDULE)), own(2).own[0].kid);
    }

    #[test]
    fn an_own_key_that_retired_and_is_put_back_keeps_what_it_signed_good() {
        let ring = Ring::default().obey(&own(1), NOON).step(fresh(1), NOON, SCHEDULE);
        let ring = ring.obey(&own(2), NOON).step(fresh(2), NOON, SCHEDULE);
        let later = NOON.plus(PUBLISH_BEFORE);
        let ring = ring.step(vec![], later, SCHEDULE);
        let ring = ring.obey(&own(1), later).step(fresh(1), later, SCHEDULE);
        assert_eq!(ring.keys.len(), 2);
        // And taken out again at once.
        let ring = ring.obey(&own(2), later).step(vec![], later, SCHEDULE);
        assert_eq!(kid(&ring), own(2).own[0].kid);
        assert!(ring.published().find(own(1).own[0].kid.as_deref(), Alg::Es256).is_some());
    }
}
