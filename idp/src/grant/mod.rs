//! A grant: one consent of one person to one client, from the authorization code to the last
//! refresh token descended from it (the family). RFC 6749 §4.1.2 and §6, RFC 9700 §4.14.2.
//!
//! A grant is one row of one object and every function here is one step of it, so redeeming a code
//! and rotating a refresh token are atomic by construction. The successor of a refresh token is
//! derived, not drawn, so that it can be given again without being stored.

mod exchange;

pub use exchange::*;

use crate::claims::Claims;
use crate::dpop::Thumbprint;
use crate::resource::{Resources, Target};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use shared::pkce::Challenge;
use shared::scope::Scope;
use shared::seal::mac;
use shared::secret::{Bits, Digest, Verifier};
use shared::time::UnixTime;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// The life of a grant. Each state is reached from the one before and never left for it again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A code was handed out.
    Issued(Issued),
    /// The code was redeemed; refresh tokens descend from it, when the client may have any.
    Live(Live),
    /// Ended by revocation or reuse. Final.
    Revoked,
}

/// What the person agreed to, and what tokens will say about it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// The client it was given to, and to nobody else.
    pub client_id: String,
    /// What was agreed to.
    pub scope: Scope,
    /// What else was asked for.
    #[serde(default)]
    pub particulars: Particulars,
    /// The sign-in session it came from.
    pub session: Uuid,
    /// When the person proved who they are.
    pub auth_time: UnixTime,
    /// How, RFC 8176.
    pub amr: Vec<String>,
    /// How, as an authentication context class.
    #[serde(default)]
    pub acr: Option<String>,
    /// Whether refresh tokens come with it.
    pub refreshable: bool,
    /// Whether it outlives the sign-in session (`offline_access`).
    pub offline: bool,
}

/// What a client asked for besides scope words; nothing of it, as a rule.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Particulars {
    /// Single claims.
    pub claims: Claims,
    /// Whom its access tokens are for.
    pub resources: Resources,
}

/// What a code is bound to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Binding {
    /// Of the code's secret.
    pub code: Digest,
    /// The redirect URI of the authorization request.
    pub redirect_uri: String,
    /// The code challenge; absent only where the client's registration waives it.
    pub challenge: Option<Challenge>,
    /// For the ID token.
    pub nonce: Option<String>,
    /// The key that has to be proved by whoever redeems it, where the request named one, RFC 9449 §10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Thumbprint>,
}

/// A code that nobody has redeemed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Issued {
    /// What it grants.
    pub facts: Facts,
    /// What it is bound to.
    pub binding: Binding,
    /// When it stops being good.
    pub expires_at: UnixTime,
}

/// A refresh token family; without refresh tokens when the client may have none.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Live {
    /// What it grants.
    pub facts: Facts,
    /// Of the code that made it, to recognise that code when it comes again.
    pub binding: Binding,
    /// The generation of the only refresh token that may still rotate.
    pub generation: u32,
    /// When that generation was made.
    pub rotated_at: UnixTime,
    /// How often the answer that made it was repeated.
    pub repeats: u8,
    /// The scope of the answer that made it.
    pub answered: Scope,
    /// Whom its access token was for.
    #[serde(default)]
    pub answered_for: Resources,
    /// The key that a public client proves with every refresh, if it did so when the family began,
    /// RFC 9449 §5. No step moves it: who steals a token cannot make it theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Thumbprint>,
    /// When silence ends the family.
    pub idle_until: UnixTime,
    /// When the family ends whatever happens. No step moves it.
    pub absolute_until: UnixTime,
}

/// The lifetimes that steps need, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Of an access token.
    pub access_token: u64,
    /// Of a family that nobody uses.
    pub idle: u64,
    /// Of a family at the most.
    pub absolute: u64,
}

/// How long the previous token gets the same answer again, rule (ii).
const REPEAT_SECONDS: u64 = 30;
/// The same for a public client, whose thief could shadow it: shorter, and counted.
const PUBLIC_REPEAT_SECONDS: u64 = 10;
/// How often, for a public client.
const PUBLIC_REPEATS: u8 = 2;

impl Grant {
    /// Exchanges a code for a family. Everything is checked before anything is consumed.
    #[must_use]
    pub fn redeem(self, with: &Redemption, now: UnixTime, policy: Policy) -> (Self, Redeemed) {
        let (facts, binding) = match &self {
            Self::Issued(Issued { facts, binding, .. })
            | Self::Live(Live { facts, binding, .. }) => (facts, binding),
            Self::Revoked => return (self, Redeemed::Revoked),
        };
        if binding.code != with.code {
            return (self, Redeemed::Unknown);
        }
        if facts.client_id != with.client_id {
            return (self, Redeemed::WrongClient);
        }
        if binding.redirect_uri != with.redirect_uri {
            return (self, Redeemed::WrongRedirect);
        }
        if !binding.is_proved_by(with.verifier.as_ref()) {
            return (self, Redeemed::WrongVerifier);
        }
        if binding.key.is_some() && binding.key != with.key {
            return (self, Redeemed::WrongKey);
        }
        let Some(resources) = with.target.within(&facts.particulars.resources) else {
            return (self, Redeemed::WrongTarget);
        };
        match self {
            Self::Issued(Issued { expires_at, .. }) if expires_at <= now => {
                (self, Redeemed::Expired)
            }
            Self::Issued(Issued { facts, binding, .. }) => {
                let nonce = binding.nonce.clone();
                let bound_to = with.key.filter(|_| with.is_public);
                let live = Live::begin(facts.clone(), binding, resources.clone(), now, policy);
                let live = Live { bound_to, ..live };
                let begun = Begun { facts, nonce, resources, claims: Map::new(), own: Map::new() };
                (Self::Live(live), Redeemed::Redeemed(Box::new(begun)))
            }
            Self::Live(_) | Self::Revoked => (Self::Revoked, Redeemed::Reused),
        }
    }

    /// Exchanges a refresh token for its successor: rules (i) to (v) of the design.
    #[must_use]
    pub fn refresh(
        self,
        seed: &Seed,
        with: &Refresh,
        now: UnixTime,
        policy: Policy,
    ) -> (Self, Rotation) {
        let Self::Live(live) = self else {
            let ended = self == Self::Revoked;
            return (self, if ended { Rotation::Revoked } else { Rotation::Unknown });
        };
        // (v) A token that we never issued changes nothing.
        let issued = live.facts.refreshable && with.generation <= live.generation;
        if !issued || !seed.is_secret_of(with.generation, with.secret) {
            return (Self::Live(live), Rotation::Unknown);
        }
        if live.facts.client_id != with.client_id {
            return (Self::Live(live), Rotation::WrongClient);
        }
        // Before anything that could end the family: who has not the key can do nothing to it.
        if with.is_public && live.bound_to != with.key {
            return (Self::Live(live), Rotation::WrongKey);
        }
        if !live.is_live(now) {
            return (Self::Live(live), Rotation::Expired);
        }
        let scope = with.scope.clone().unwrap_or_else(|| live.facts.scope.clone());
        if !scope.within(&live.facts.scope) {
            return (Self::Live(live), Rotation::WrongScope);
        }
        let Some(resources) = with.target.within(&live.facts.particulars.resources) else {
            return (Self::Live(live), Rotation::WrongTarget);
        };
        match live.generation.abs_diff(with.generation) {
            // (i)
            0 => {
                let live = live.rotate(scope, resources, now, policy);
                let answer = live.answer();
                (Self::Live(live), Rotation::Rotated(answer))
            }
            // (ii) and (iii): its successor is unused, or there would be a newer generation.
            1 if live.repeats_for(with.is_public, now, policy) => {
                if scope != live.answered {
                    return (Self::Live(live), Rotation::WrongScope);
                }
                if resources != live.answered_for {
                    return (Self::Live(live), Rotation::WrongTarget);
                }
                let live = Live { repeats: live.repeats.saturating_add(1), ..live };
                let answer = live.answer();
                (Self::Live(live), Rotation::Repeated(answer))
            }
            // (iv)
            _ => (Self::Revoked, Rotation::Reused),
        }
    }
}

impl Grant {
    /// What it grants, until it is revoked.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Issued(Issued { facts, .. }) | Self::Live(Live { facts, .. }) => Some(facts),
            Self::Revoked => None,
        }
    }
}

impl Binding {
    fn is_proved_by(&self, verifier: Option<&Verifier>) -> bool {
        match (self.challenge, verifier) {
            (Some(challenge), Some(verifier)) => challenge.matches(verifier),
            // PK-03: a verifier for a request that sent no challenge is a downgrade.
            (None, verifier) => verifier.is_none(),
            (Some(_), None) => false,
        }
    }
}

impl Live {
    fn begin(
        facts: Facts,
        binding: Binding,
        answered_for: Resources,
        now: UnixTime,
        policy: Policy,
    ) -> Self {
        // Without refresh tokens it is remembered as long as its access token lives, to be
        // revocable.
        let life = if facts.refreshable { policy.absolute } else { policy.access_token };
        let answered = facts.scope.clone();
        Self {
            facts,
            binding,
            generation: 0,
            rotated_at: now,
            repeats: 0,
            answered,
            answered_for,
            bound_to: None,
            idle_until: now.plus(policy.idle.min(life)),
            absolute_until: now.plus(life),
        }
    }

    /// Whether neither end has come.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        now < self.absolute_until && now < self.idle_until
    }

    fn rotate(
        self,
        answered: Scope,
        answered_for: Resources,
        now: UnixTime,
        policy: Policy,
    ) -> Self {
        // Never earlier than before: a clock that is wrong for a moment ends nothing (PL-12).
        let idle_until = now.plus(policy.idle).max(self.idle_until).min(self.absolute_until);
        // After 2^32 refreshes the generations would be used up; the family then stops rotating
        // forward and its last token repeats, which no clock lives to see.
        let generation = self.generation.saturating_add(1);
        let rotated_at = now;
        Self { generation, rotated_at, repeats: 0, answered, answered_for, idle_until, ..self }
    }

    /// Since when, if that is known, and until when a refresh token of a client that authenticates is
    /// good, if it is: whether [`Grant::refresh`] would answer it, without doing it.
    #[must_use]
    pub fn life_of(
        &self,
        generation: u32,
        secret: Bits,
        seed: &Seed,
        now: UnixTime,
        policy: Policy,
    ) -> Option<(Option<UnixTime>, UnixTime)> {
        let client_id = self.facts.client_id.clone();
        let scope = Some(self.answered.clone());
        let asked = self.answered_for.clone();
        let target = Target { allowed: asked.clone(), asked, audience: String::new() };
        // Whoever asks does not use it, so that no key is to be proved.
        let (is_public, key) = (false, None);
        let with = Refresh { generation, secret, client_id, is_public, scope, target, key };
        let ends = self.idle_until.min(self.absolute_until);
        match Grant::Live(self.clone()).refresh(seed, &with, now, policy).1 {
            Rotation::Rotated(_) => Some((Some(self.rotated_at), ends)),
            // The last second in which it is repeated is still one of its life.
            Rotation::Repeated(_) => {
                let repeats = REPEAT_SECONDS.max(policy.access_token).saturating_add(1);
                Some((None, self.rotated_at.plus(repeats).min(ends)))
            }
            _ => None,
        }
    }

    fn repeats_for(&self, is_public: bool, now: UnixTime, policy: Policy) -> bool {
        let age = now.since(self.rotated_at);
        if is_public {
            age <= PUBLIC_REPEAT_SECONDS && self.repeats < PUBLIC_REPEATS
        } else {
            age <= REPEAT_SECONDS.max(policy.access_token)
        }
    }

    fn answer(&self) -> Answer {
        Answer {
            facts: self.facts.clone(),
            scope: self.answered.clone(),
            resources: self.answered_for.clone(),
            generation: self.generation,
        }
    }
}

/// The secret of a family, from which its refresh tokens are derived. Stored sealed.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub Bits);

impl Seed {
    /// The secret of one generation's refresh token.
    #[must_use]
    pub fn secret(&self, generation: u32) -> Bits {
        Bits::new(mac(&self.0.expose(), &[b"refresh token", &generation.to_be_bytes()]))
    }

    /// Whether `presented` is the secret of that generation, in constant time.
    #[must_use]
    pub fn is_secret_of(&self, generation: u32, presented: Bits) -> bool {
        self.secret(generation).expose().ct_eq(&presented.expose()).into()
    }
}

#[cfg(test)]
mod tests;
