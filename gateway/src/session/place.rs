//! Where the object of a session is: near the request that opened it, and never anywhere else.

use crate::signals::{Edge, Signal};
use serde::{Deserialize, Serialize};
use shared::time::UnixTime;

/// So long nobody is sent to follow their session again, however it went: a provider that says no
/// says it again, and a person whose requests come out of two continents would go to and fro (GS-24).
const PAUSE_SECONDS: u64 = 3600;

/// Where a session was opened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    continent: String,
    /// When its person was last sent to have it opened elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tried_at: Option<UnixTime>,
}

impl Place {
    /// Where a request comes from, if the platform says so.
    #[must_use]
    pub fn of(edge: &Edge) -> Option<Self> {
        let continent = edge.known(Signal::Continent)?.to_owned();
        Some(Self { continent, tried_at: None })
    }

    /// The same, with a note that its person has just been sent.
    #[must_use]
    pub fn tried(self, now: UnixTime) -> Self {
        Self { tried_at: Some(now), ..self }
    }

    /// Whether a request from `edge` is far away, and its person may be sent.
    #[must_use]
    pub fn is_left_for(&self, edge: &Edge, now: UnixTime) -> bool {
        let far = edge.known(Signal::Continent).is_some_and(|here| here != self.continent);
        // In either direction, for clocks jump.
        far && self.tried_at.is_none_or(|tried_at| now.0.abs_diff(tried_at.0) >= PAUSE_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn on(continent: &str) -> Edge {
        Edge::read(&format!(r#"{{"continent":"{continent}"}}"#))
    }

    #[test]
    fn gs_24_a_session_is_left_for_another_continent_once_an_hour_and_for_nowhere_never() {
        let place = Place::of(&on("EU")).unwrap();
        assert!(place.is_left_for(&on("NA"), NOON) && !place.is_left_for(&on("EU"), NOON));
        assert!(!place.is_left_for(&Edge::default(), NOON));
        assert_eq!(Place::of(&Edge::default()), None);
        let tried = place.tried(NOON);
        for (later, may) in [(0, false), (3599, false), (3600, true)] {
            assert_eq!(tried.is_left_for(&on("NA"), NOON.plus(later)), may, "{later}");
        }
        assert!(tried.is_left_for(&on("NA"), NOON.minus(4000)), "the clock went back");
    }
}
