//! Handles: bearer secrets that carry, sealed, the name of the object they belong to.
//!
//! A code, a refresh token and the issuer's session cookie are each a handle. Garbage is told from
//! a handle without asking any object, so it reaches none and creates none. To everybody but us a
//! handle says nothing but which of our sealing keys made it.

use crate::seal::{Purpose, SealingKeys};
use uuid::Uuid;

/// What a handle is for. A handle of one kind never opens as another (AZ-32).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An authorization code.
    Code,
    /// A refresh token.
    RefreshToken,
    /// A browser's session at the issuer.
    SignIn,
    /// A browser's session at the gateway.
    Session,
}

impl Kind {
    const fn purpose(self) -> Purpose<'static> {
        match self {
            Self::Code => Purpose::new("code", ""),
            Self::RefreshToken => Purpose::new("refresh token", ""),
            Self::SignIn => Purpose::new("sign-in", ""),
            Self::Session => Purpose::new("session", ""),
        }
    }
}

/// An object, something in it, and the secret that proves the right to it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Handle {
    /// The object's name.
    pub object: Uuid,
    /// Which thing in the object.
    pub item: Uuid,
    /// Which version of that thing; 0 where there is only one.
    pub generation: u32,
    /// Compared by the object, as a digest or in constant time.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({}..)", self.generation)
    }
}

impl Handle {
    /// The text to hand out. The same handle always gives the same text.
    #[must_use]
    pub fn seal(&self, kind: Kind, keys: &SealingKeys) -> String {
        let Self { object, item, generation, secret } = self;
        let plain = [&object.as_bytes()[..], item.as_bytes(), &generation.to_be_bytes(), secret];
        keys.seal_the_same(kind.purpose(), &plain.concat())
    }

    /// Opens a text that [`Self::seal`] made; none for anything else.
    #[must_use]
    pub fn open(kind: Kind, text: &str, keys: &SealingKeys) -> Option<Self> {
        /// No handle is longer; longer text is not worth decrypting.
        const LONGEST: usize = 200;
        let plain = keys.open(kind.purpose(), text.get(..LONGEST).map_or(text, |_| ""))?;
        let (object, rest) = plain.split_first_chunk()?;
        let (item, rest) = rest.split_first_chunk()?;
        let (generation, secret) = rest.split_first_chunk()?;
        Some(Self {
            object: Uuid::from_bytes(*object),
            item: Uuid::from_bytes(*item),
            generation: u32::from_be_bytes(*generation),
            secret: secret.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SealingKeys {
        SealingKeys::parse("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE").unwrap()
    }

    fn handle(byte: u8) -> Handle {
        let id = Uuid::from_bytes([byte; 16]);
        Handle { object: id, item: id, generation: 7, secret: [byte; 32] }
    }

    #[test]
    fn az_32_a_handle_opens_as_its_own_kind_only() {
        let text = handle(1).seal(Kind::Code, &keys());
        assert_eq!(Handle::open(Kind::Code, &text, &keys()), Some(handle(1)));
        for kind in [Kind::RefreshToken, Kind::SignIn, Kind::Session] {
            assert_eq!(Handle::open(kind, &text, &keys()), None);
        }
    }

    #[test]
    fn az_36_two_handles_of_one_account_share_no_visible_part() {
        let (one, two) = (handle(1), Handle { secret: [9; 32], ..handle(1) });
        let (one, two) = (one.seal(Kind::Code, &keys()), two.seal(Kind::Code, &keys()));
        assert_ne!(one[..8], two[..8]);
    }

    #[test]
    fn tc_10_rt_18_a_truncated_or_extended_handle_is_nothing() {
        let text = handle(1).seal(Kind::Code, &keys());
        for wrong in [&text[..text.len() - 1], &format!("{text}A"), &format!("{text} "), ""] {
            assert_eq!(Handle::open(Kind::Code, wrong, &keys()), None);
        }
    }
}
