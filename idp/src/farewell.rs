//! What is left to do when a session has ended: its clients are told (Back-Channel Logout 1.0), each
//! until it has heard it, has refused to hear it, or was told often enough in vain.

use serde::{Deserialize, Serialize};
use shared::time::UnixTime;
use uuid::Uuid;

/// How many clients of one session are remembered. Of more, those that came first are not told.
const MOST_CLIENTS: usize = 64;

/// How long after each try that was in vain the next one is, in seconds: six tries in seven hours.
/// A token lives two minutes, so each try has its own.
const PAUSES: [u64; 5] = [10, 60, 300, 3_600, 6 * 3_600];

/// Who takes part in a session: those who are told when it ends.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Parties {
    account: Uuid,
    clients: Vec<String>,
}

/// What is still to be said of one session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Farewell {
    /// Whose it was.
    pub account: Uuid,
    /// Who has not heard of it.
    pub clients: Vec<String>,
    /// How often they were told.
    pub tries: usize,
    /// When they are told next.
    pub next: UnixTime,
}

/// What came of telling one client once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// It has heard.
    Heard,
    /// It answers that it will not have it: there is no sense in saying it again.
    Refused,
    /// There is no such client any more, or nowhere to tell it.
    Gone,
    /// It is to be told where we do not go, or not any more.
    Forbidden,
    /// It may not have heard; why, in a word.
    Lost(&'static str),
}

impl Parties {
    /// One more, who is there once however often it comes.
    #[must_use]
    pub fn joined_by(mut self, client: &str, account: Uuid) -> Self {
        self.account = account;
        if !self.clients.iter().any(|known| known == client) {
            if self.clients.len() == MOST_CLIENTS {
                self.clients.remove(0);
            }
            self.clients.push(client.to_owned());
        }
        self
    }
}

impl Farewell {
    /// The session ends now. None when `is_told` has nobody to be told.
    #[must_use]
    pub fn of(parties: Parties, is_told: impl Fn(&str) -> bool, now: UnixTime) -> Option<Self> {
        let Parties { account, mut clients } = parties;
        clients.retain(|client| is_told(client));
        (!clients.is_empty()).then_some(Self { account, clients, tries: 0, next: now })
    }

    /// Whether its time has come.
    #[must_use]
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.next <= now
    }

    /// Everybody was told once more. What is left, if anything is.
    #[must_use]
    pub fn step(self, reply: impl Fn(&str) -> Reply, now: UnixTime) -> Option<Self> {
        let Self { account, mut clients, tries, .. } = self;
        let pause = PAUSES.get(tries)?;
        clients.retain(|client| matches!(reply(client), Reply::Lost(_)));
        let (tries, next) = (tries + 1, now.plus(*pause));
        (!clients.is_empty()).then_some(Self { account, clients, tries, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_800_000_000);
    const ALICE: Uuid = Uuid::from_u128(1);

    fn parties(clients: &[&str]) -> Parties {
        let none = Parties::default();
        clients.iter().fold(none, |parties, client| parties.joined_by(client, ALICE))
    }

    fn farewell(clients: &[&str]) -> Farewell {
        Farewell::of(parties(clients), |_| true, NOON).unwrap()
    }

    #[test]
    fn a_client_is_told_once_however_often_it_came() {
        assert_eq!(farewell(&["a", "b", "a"]).clients, ["a", "b"]);
    }

    #[test]
    fn nothing_is_left_to_say_where_nobody_is_to_be_told() {
        assert_eq!(Farewell::of(Parties::default(), |_| true, NOON), None);
        assert_eq!(Farewell::of(parties(&["a"]), |_| false, NOON), None);
        let told = Farewell::of(parties(&["a", "b"]), |client| client == "b", NOON);
        assert_eq!(told.unwrap().clients, ["b"]);
    }

    #[test]
    fn a_session_remembers_a_bounded_number_of_clients() {
        let many: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let Parties { clients, .. } = parties(&many);
        assert_eq!(clients.len(), MOST_CLIENTS);
        assert_eq!(clients.last().map(String::as_str), Some("999"));
    }

    #[test]
    fn lo_08_only_who_may_not_have_heard_is_told_again() {
        let replies = |client: &str| match client {
            "heard" => Reply::Heard,
            "refused" => Reply::Refused,
            "gone" => Reply::Gone,
            "forbidden" => Reply::Forbidden,
            _ => Reply::Lost("unreachable"),
        };
        let all = ["heard", "lost", "refused", "gone", "forbidden"];
        let left = farewell(&all).step(replies, NOON).unwrap();
        assert_eq!((left.clients.as_slice(), left.tries), (&["lost".to_owned()][..], 1));
        assert!(!left.is_due(NOON) && left.is_due(NOON.plus(PAUSES[0])));
        assert_eq!(left.step(|_| Reply::Heard, NOON), None);
    }

    #[test]
    fn lo_08_who_never_hears_is_told_six_times_within_a_day_and_later_each_time() {
        let (mut left, mut times) = (Some(farewell(&["lost"])), Vec::new());
        while let Some(farewell) = left {
            times.push(farewell.next.since(NOON));
            let now = farewell.next;
            left = farewell.step(|_| Reply::Lost("unreachable"), now);
        }
        assert_eq!(times.len(), 6);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert!(*times.last().unwrap() < 86_400);
    }
}
