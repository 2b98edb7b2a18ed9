//! The key ring against the list of its keys' lives, and isolates and verifiers that cache.

use crate::lives::{Life, Lives};
use crate::run::{Checked, NOON, Tally, any_of, moved, run, weighted};
use idp::ring::{Fresh, JWKS_MAX_AGE, Orders, Rewrapped, Ring, Schedule};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shared::jose::Alg;
use shared::jose::jwk::{Jwk, JwkSet, Material};
use shared::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug)]
enum Command {
    /// The ring's object is asked: it makes what is wanted and takes a step.
    Load(Makes),
    /// A private key, counted from the oldest, is wrapped again; or no sealing key opens it.
    Wrap { key: usize, is_lost: bool },
    /// The issuer is deployed with another key of its operator's own for an algorithm, or none.
    Own { alg: Alg, key: Option<u8> },
    /// The issuer is deployed with the name of a key to drop, counted from the oldest that there
    /// ever was, and once more without it.
    Drop { key: usize },
    /// One of the isolates signs something.
    Sign { isolate: usize, alg: Alg },
    /// Somebody checks what was signed, counted back from the last; their keys come by an isolate.
    Verify { verifier: usize, isolate: usize, token: usize },
}

/// What there is for the ring to take in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Makes {
    /// What it wants.
    Wanted,
    /// Nothing: making it failed.
    Nothing,
    /// Twice what it wants: two loads at once.
    Twice,
    /// One of each, wanted or not: another load was quicker.
    Anyway,
}

/// When something happens: after a while, or so many seconds from when the ring is due.
#[derive(Clone, Copy, Debug)]
enum When {
    In(i64),
    Due(i64),
}

fn sequences() -> impl Strategy<Value = (Schedule, Vec<(When, Command)>)> {
    // The first is shorter than can be configured: there is no margin in it.
    let rotations = weighted(&[(2, 1_000), (1, 3_600), (1, 4_000), (1, 86_400), (1, 2_592_000)]);
    let schedules = (rotations, any_of(&[300, 60, 86_400]))
        .prop_map(|(rotation, longest_token)| Schedule { rotation, longest_token });
    let whens = prop_oneof![
        8 => any_of(&[0, 1, 59, 200, 299, 300, 301, 600]).prop_map(When::In),
        8 => any_of(&[0, 1]).prop_map(When::In),
        8 => weighted(&[(6, 0), (1, -1), (2, 1), (1, 300), (1, 700)]).prop_map(When::Due),
        1 => (0..100_000_i64).prop_map(When::In),
    ];
    let back = (-4_000..0_i64).prop_map(When::In);
    let makes =
        weighted(&[(6, Makes::Wanted), (1, Makes::Nothing), (1, Makes::Twice), (1, Makes::Anyway)]);
    let algs = || weighted(&[(4, Alg::Es256), (1, Alg::Rs256), (1, Alg::EdDsa)]);
    let two = || any_of(&[0, 1]);
    let commands = prop_oneof![
        6 => makes.prop_map(Command::Load),
        2 => (0..4_usize, any::<bool>())
            .prop_map(|(key, is_lost)| Command::Wrap { key, is_lost }),
        2 => (algs(), weighted(&[(1, None), (2, Some(1)), (2, Some(2))]))
            .prop_map(|(alg, key)| Command::Own { alg, key }),
        1 => (0..6_usize).prop_map(|key| Command::Drop { key }),
        10 => (two(), algs()).prop_map(|(isolate, alg)| Command::Sign { isolate, alg }),
        10 => (two(), two(), any_of(&[0, 0, 1, 2, 5])).prop_map(|(verifier, isolate, token)| {
            Command::Verify { verifier, isolate, token }
        }),
    ];
    let commands = (prop_oneof![60 => whens, 1 => back], commands);
    (schedules, prop::collection::vec(commands, 1..50))
}

/// Something that was signed.
#[derive(Clone, Debug)]
struct Token {
    kid: String,
    alg: Alg,
    ends_at: UnixTime,
}

/// The world around the ring: two isolates that copy it, and two verifiers that copy what an
/// isolate publishes. Each copy is used as long as it may be, with the time the ring was read.
struct World {
    ring: Ring,
    lives: Lives,
    made: usize,
    isolates: [Option<(Ring, UnixTime)>; 2],
    verifiers: [Option<(JwkSet, UnixTime, UnixTime)>; 2],
    tokens: Vec<Token>,
    /// The clock never went back: copies are as old as they seem.
    is_steady: bool,
}

impl World {
    fn make(&mut self, alg: Alg) -> Fresh {
        self.made += 1;
        Self::fresh(alg, format!("k{}", self.made))
    }

    /// What the ring is given when it wants a key: its operator's own, or a new one.
    fn supply(&mut self, alg: Alg) -> Fresh {
        match self.ring.own(alg).and_then(|own| own.kid.clone()) {
            Some(kid) => Self::fresh(alg, kid),
            None => self.make(alg),
        }
    }

    fn fresh(alg: Alg, kid: String) -> Fresh {
        let wrapped = format!("{kid} wrapped");
        let (crv, x, y) = (String::new(), String::new(), String::new());
        let material = match alg {
            Alg::Es256 => Material::Ec { crv, x, y },
            Alg::Rs256 => Material::Rsa { n: x, e: y },
            Alg::EdDsa => Material::Okp { crv, x },
        };
        Fresh { public: Jwk { material, kid: Some(kid), purpose: None, alg: None }, wrapped }
    }

    fn load(&mut self, makes: Makes, now: UnixTime, tally: &Tally) -> Checked {
        let schedule = self.lives.schedule;
        let wanted = self.ring.wanted(now, schedule);
        let expected = Alg::ALL.into_iter().filter(|alg| self.lives.wants(*alg, now));
        prop_assert_eq!(&wanted, &expected.collect::<Vec<_>>());
        let made = match makes {
            Makes::Wanted => wanted,
            Makes::Nothing => Vec::new(),
            Makes::Twice => wanted.repeat(2),
            Makes::Anyway => Alg::ALL.to_vec(),
        };
        let mut fresh: Vec<_> = made.into_iter().map(|alg| self.supply(alg)).collect();
        if makes == Makes::Anyway {
            // What was on its way when the settings changed: keys that were dropped meanwhile, and
            // new ones in the place of own ones.
            let owned = Alg::ALL.into_iter().filter(|alg| self.ring.own(*alg).is_some());
            let owned: Vec<_> = owned.collect();
            let late: Vec<_> = owned.into_iter().map(|alg| self.make(alg)).collect();
            let dropped = self.lives.keys.iter().filter(|key| key.dropped_at.is_some());
            let dropped = dropped.map(|key| Self::fresh(key.alg, key.kid.clone()));
            fresh = dropped.chain(late).chain(fresh).collect();
        }
        self.ring = self.ring.clone().step(fresh.clone(), now, schedule);
        let before = self.lives.keys.clone();
        self.lives.step(&fresh, now);
        self.count(&before, tally);
        self.agree()?;
        if makes == Makes::Nothing {
            return Ok(());
        }
        prop_assert_eq!(self.ring.wanted(now, schedule), [], "it has what it wants");
        prop_assert_eq!(&self.ring.clone().step(Vec::new(), now, schedule), &self.ring);
        self.due(now)
    }

    fn count(&self, before: &[Life], tally: &Tally) {
        for (index, key) in self.lives.keys.iter().enumerate() {
            let is_own = self.lives.own(key.alg) == Some(&key.kid);
            let before = before.get(index);
            let signed = before.is_some_and(|before| before.signs_from.is_some());
            if before.is_none() {
                let again = self.lives.keys.iter().filter(|other| other.kid == key.kid).count() > 1;
                tally.count(match (is_own, again) {
                    (true, true) => "an own key is taken in again",
                    (true, false) => "an own key is taken in",
                    (false, _) => "made",
                });
            }
            if before.is_some() && key.signs_from.is_some() && !signed && is_own {
                tally.count("an own key relieves another");
            }
            if key.signs_from.is_some() && !signed {
                tally.count(if key.is_sudden() { "signs at once" } else { "relieves another" });
            }
            if before.is_some_and(|before| !before.is_gone) && key.is_gone {
                tally.count("gone");
            }
        }
    }

    /// The ring's rows are those of the lives.
    fn agree(&self) -> Checked {
        let keys = self.ring.keys.iter();
        let row = |kid: &Option<String>| kid.clone().expect("a name");
        let mut rows: Vec<_> = keys
            .map(|key| (row(&key.public.kid), key.stage, key.since, key.wrapped.clone()))
            .collect();
        let lives = self.lives.keys.iter().filter(|key| !key.is_gone);
        let mut expected: Vec<_> = lives.map(Life::row).collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(&rows, &expected);
        for alg in Alg::ALL {
            let signer = self.lives.find(alg, Life::signs);
            let signer = signer.map(|index| self.lives.keys[index].kid.as_str());
            let active = self.ring.active(alg).and_then(|key| key.public.kid.as_deref());
            prop_assert_eq!(active, signer);
        }
        prop_assert_eq!(self.ring.published().keys.len(), expected.len());
        Ok(())
    }

    /// The ring is due exactly when there is something to do next.
    fn due(&self, now: UnixTime) -> Checked {
        let schedule = self.lives.schedule;
        let all_own = Alg::ALL.into_iter().all(|alg| self.lives.own(alg).is_some());
        let Some(due) = self.ring.due(schedule) else {
            prop_assert!(all_own && self.lives.keys.iter().all(|key| key.is_gone || key.signs()));
            return Ok(());
        };
        let is_idle = |at: UnixTime| {
            let after = self.ring.clone().step(Vec::new(), at, schedule);
            after == self.ring && self.ring.wanted(at, schedule).is_empty()
        };
        prop_assert!(now < due, "due at once after a step");
        prop_assert!(is_idle(due.minus(1)), "late: something was to be done before {:?}", due);
        prop_assert!(!is_idle(due), "nothing is to be done at {:?}", due);
        Ok(())
    }

    /// The issuer is deployed with other settings: new isolates, and the ring obeys.
    fn deploy(&mut self, dropped: Option<String>, now: UnixTime) -> Checked {
        self.isolates = [None, None];
        let own = self.lives.own.clone();
        let own = own.into_iter().map(|(alg, kid)| Self::fresh(alg, kid).public).collect();
        let orders = Orders { own, dropped: dropped.into_iter().collect() };
        self.ring = self.ring.clone().obey(&orders, now);
        prop_assert_eq!(&self.ring.clone().obey(&orders, now), &self.ring, "once is enough");
        self.agree()
    }

    /// The ring as an isolate sees it, with the time it was read.
    fn copy(
        &mut self,
        isolate: usize,
        now: UnixTime,
        tally: &Tally,
    ) -> Result<(Ring, UnixTime), TestCaseError> {
        if let Some((ring, read_at)) = &self.isolates[isolate]
            && now < read_at.plus(JWKS_MAX_AGE)
        {
            return Ok((ring.clone(), *read_at));
        }
        self.load(Makes::Wanted, now, tally)?;
        self.isolates[isolate] = Some((self.ring.clone(), now));
        Ok((self.ring.clone(), now))
    }

    fn sign(&mut self, isolate: usize, alg: Alg, now: UnixTime, tally: &Tally) -> Checked {
        let (ring, read_at) = self.copy(isolate, now, tally)?;
        let Some(active) = ring.active(alg) else { return Ok(()) };
        let kid = active.public.kid.clone().expect("a name");
        let retired = self.lives.keys.iter().any(|key| key.kid == kid && !key.signs());
        let late = read_at < now && retired;
        tally.count(if late { "signed with a key that has retired" } else { "signed" });
        let ends_at = now.plus(self.lives.schedule.longest_token);
        self.tokens.push(Token { kid, alg, ends_at });
        Ok(())
    }

    fn verify(
        &mut self,
        verifier: usize,
        isolate: usize,
        token: usize,
        now: UnixTime,
        tally: &Tally,
    ) -> Checked {
        let copied = self.verifiers[verifier].as_ref();
        if copied.is_none_or(|(_, copied_at, _)| now >= copied_at.plus(JWKS_MAX_AGE)) {
            let (ring, read_at) = self.copy(isolate, now, tally)?;
            self.verifiers[verifier] = Some((ring.published(), now, read_at));
        }
        let token = self.tokens.len().checked_sub(1 + token).map(|index| &self.tokens[index]);
        let Some(token) = token.filter(|token| now < token.ends_at) else { return Ok(()) };
        let Some((keys, _, read_at)) = &self.verifiers[verifier] else { return Ok(()) };
        // The last life of that name.
        let named = |key: &&Life| key.kid == token.kid;
        let key = self.lives.keys.iter().rev().find(named).expect("a key signed it");
        if let Some(dropped_at) = key.dropped_at {
            // Who reads the keys afterwards knows no such key; whoever keeps a copy, may.
            let is_known = keys.find(Some(&token.kid), token.alg).is_some();
            tally.count(if is_known { "verified with a dropped key" } else { "dropped" });
            let may_be = *read_at <= dropped_at || !self.is_steady;
            prop_assert!(!is_known || may_be, "{} was dropped", token.kid);
            return Ok(());
        }
        if keys.find(Some(&token.kid), token.alg).is_some() {
            tally.count(if key.signs() { "verified" } else { "verified with a retired key" });
            return Ok(());
        }
        // The first key of all, and one that stands in for a key that was lost, signs before
        // copies from before it are forgotten; and nothing is promised when clocks go back.
        let excused = key.is_sudden() && *read_at <= key.published_at;
        tally.count(if excused { "too sudden to be known" } else { "with a clock that went back" });
        prop_assert!(excused || !self.is_steady, "{} is not known", token.kid);
        Ok(())
    }
}

#[test]
fn dj_10_pl_12_pl_15_the_key_ring_answers_any_sequence_as_the_lives_of_its_keys_say() {
    let outcomes = [
        "made",
        "signs at once",
        "relieves another",
        "gone",
        "lost",
        "wrapped again",
        "signed",
        "signed with a key that has retired",
        "verified",
        "verified with a retired key",
        "an own key is taken in",
        "an own key is taken in again",
        "an own key relieves another",
        "dropped",
    ];
    run(&sequences(), &outcomes, |(schedule, commands), tally| sequence(schedule, commands, tally));
}

fn sequence(schedule: Schedule, commands: Vec<(When, Command)>, tally: &Tally) -> Checked {
    let mut world = World {
        ring: Ring::default(),
        lives: Lives { keys: Vec::new(), schedule, own: BTreeMap::new(), dropped: BTreeSet::new() },
        made: 0,
        isolates: [None, None],
        verifiers: [None, None],
        tokens: Vec::new(),
        is_steady: true,
    };
    let mut now = NOON;
    for (when, command) in commands {
        let before = now;
        now = match when {
            When::In(seconds) => moved(now, seconds),
            When::Due(off) => world.ring.due(schedule).map_or(now, |due| moved(due, off).max(now)),
        };
        world.is_steady &= before <= now;
        match command {
            Command::Load(makes) => world.load(makes, now, tally)?,
            Command::Wrap { key, is_lost } => {
                let kid = world.ring.keys.get(key).and_then(|key| key.public.kid.clone());
                let wrapped = (!is_lost).then(|| "again".to_owned());
                let rewrapped = Rewrapped { kid, wrapped };
                let found = std::slice::from_ref(&rewrapped);
                world.ring = world.ring.clone().wrapped_again(found, now);
                world.lives.wrapped_again(&rewrapped, now);
                world.agree()?;
                if rewrapped.kid.is_some() {
                    tally.count(if is_lost { "lost" } else { "wrapped again" });
                }
            }
            Command::Own { alg, key } => {
                let kid = key.map(|key| format!("own {} {key}", alg.as_str()));
                world.lives.own_is(alg, kid.as_ref(), now);
                world.deploy(None, now)?;
            }
            Command::Drop { key } => {
                let kid = world.lives.keys.get(key).map(|key| key.kid.clone());
                if let Some(kid) = &kid {
                    world.lives.drop(kid, now);
                }
                world.deploy(kid, now)?;
                world.deploy(None, now)?;
            }
            Command::Sign { isolate, alg } => world.sign(isolate, alg, now, tally)?,
            Command::Verify { verifier, isolate, token } => {
                world.verify(verifier, isolate, token, now, tally)?;
            }
        }
    }
    Ok(())
}
