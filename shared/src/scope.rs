//! Scope: a set of words, RFC 6749 §3.3.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// More words than any honest request asks for.
const MOST_WORDS: usize = 64;

/// A set of scope words, written sorted and separated by single spaces.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope(BTreeSet<String>);

impl Scope {
    /// Reads a `scope` parameter; none when it has a character RFC 6749 §3.3 forbids, or a flood
    /// of words.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = BTreeSet::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if !word.bytes().all(allowed) || words.len() == MOST_WORDS {
                return None;
            }
            words.insert(word.to_owned());
        }
        Some(Self(words))
    }

    /// Whether `word` is in the set.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Whether every word of this set is in `other`.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The words that both sets have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The words that either set has.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The set without `word`.
    #[must_use]
    pub fn without(mut self, word: &str) -> Self {
        self.0.remove(word);
        self
    }

    /// Whether there is no word in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words, sorted.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, word) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a scope"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_order_and_repetition_do_not_matter() {
        let scope = Scope::parse("profile openid  openid").unwrap();
        assert_eq!(scope.to_string(), "openid profile");
        assert!(Scope::parse("openid").unwrap().within(&scope));
    }

    #[test]
    fn az_15_a_scope_bomb_and_forbidden_characters_are_refused() {
        let bomb: Vec<_> = (0..10_000).map(|n| format!("s{n}")).collect();
        assert_eq!(Scope::parse(&bomb.join(" ")), None);
        assert_eq!(Scope::parse("a\"b"), None);
        assert_eq!(Scope::parse("a\\b"), None);
    }
}
