//! Proof Key for Code Exchange, RFC 7636. `S256` is the only method, so it is not a parameter.

use crate::secret::{Digest, Verifier, random_text};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// The SHA-256 that a client committed to in its authorization request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Challenge(Digest);

impl Challenge {
    /// Decodes a `code_challenge` parameter; none unless it is the base64url form of 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    /// What a client sends for `verifier`, RFC 7636 §4.2.
    #[must_use]
    pub fn of(verifier: &Verifier) -> Self {
        Self(Digest::of(verifier.expose()))
    }

    /// The `code_challenge` parameter.
    #[must_use]
    pub fn to_text(self) -> String {
        self.0.to_text()
    }

    /// Whether `verifier` is well formed and what was committed to, RFC 7636 §4.1 and §4.6.
    #[must_use]
    pub fn matches(self, verifier: &Verifier) -> bool {
        well_formed(verifier.expose()) && self == Self::of(verifier)
    }
}

/// A fresh verifier of 256 random bits.
#[must_use]
pub fn verifier(rng: &mut impl CryptoRng) -> Verifier {
    Verifier::new(random_text(rng))
}

/// RFC 7636 §4.1: 43 to 128 unreserved characters.
fn well_formed(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc7636_appendix_b_the_worked_example_matches() {
        let challenge = Challenge::parse(CHALLENGE).unwrap();
        assert!(challenge.matches(&Verifier::new(VERIFIER)));
        assert_eq!(Challenge::of(&Verifier::new(VERIFIER)).to_text(), CHALLENGE);
    }

    #[test]
    fn pk_04_pk_06_the_challenge_itself_and_malformed_verifiers_do_not_match() {
        let challenge = Challenge::parse(CHALLENGE).unwrap();
        assert!(!challenge.matches(&Verifier::new(CHALLENGE)));
        for length in [0, 42, 129] {
            let verifier = Verifier::new("a".repeat(length));
            assert!(!Challenge::of(&verifier).matches(&verifier), "{length}");
        }
    }

    #[test]
    fn az_13_only_43_characters_of_base64url_are_a_challenge() {
        for text in ["", &CHALLENGE[1..], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
