//! What a route asks of where a request comes from, whoever sent it.

use super::{Edge, Signal};
use crate::policy::Values;
use crate::told::scalar;
use serde::Deserialize;
use serde_json::Value;

/// More values than any route has use for.
const MOST: usize = 64;

/// Everything that a route asks for; all of it has to be there. A signal that is absent meets
/// nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WantedEdge {
    one_of: Vec<(Signal, Vec<String>)>,
    bot_score: Option<u64>,
    certificate: bool,
}

impl WantedEdge {
    /// Whether a request may come from here.
    ///
    /// # Errors
    /// The first signal that is not as it has to be.
    pub fn check(&self, edge: &Edge) -> Result<(), Signal> {
        let Self { one_of, bot_score, certificate } = self;
        for (signal, wanted) in one_of {
            let known = edge.known(*signal);
            if !known.is_some_and(|known| wanted.iter().any(|one| one == known)) {
                return Err(*signal);
            }
        }
        let score = || edge.known(Signal::BotScore)?.parse::<u64>().ok();
        if bot_score.is_some_and(|least| score().is_none_or(|score| score < least)) {
            return Err(Signal::BotScore);
        }
        if *certificate && edge.known(Signal::CertVerified).is_none() {
            return Err(Signal::CertVerified);
        }
        Ok(())
    }

    /// Whether it asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The same as it is written in the settings.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    country: Option<Values>,
    region: Option<Values>,
    continent: Option<Values>,
    asn: Option<Values>,
    bot_score_at_least: Option<u64>,
    client_certificate: Option<bool>,
}

impl Entry {
    /// What is asked for, with every mistake told by its member.
    pub(crate) fn read(self, refuse: &mut impl FnMut(&str, &str)) -> WantedEdge {
        let Self { country, region, continent, asn, bot_score_at_least, client_certificate } = self;
        let mut one_of = Vec::new();
        for (signal, member, values, sound, wanted) in [
            (Signal::Country, "edge.country", country, is_pair as fn(&Value) -> bool, PAIR),
            (Signal::Continent, "edge.continent", continent, is_pair, PAIR),
            (Signal::Region, "edge.region", region, is_text, "a text, or any with a list of them"),
            (Signal::Asn, "edge.asn", asn, Value::is_u64, "a number, or any with a list of them"),
        ] {
            let Some(values) = values else { continue };
            let values = values.any().unwrap_or_default();
            if values.is_empty() || values.len() > MOST || !values.iter().all(sound) {
                refuse(member, wanted);
            }
            one_of.push((signal, values.iter().filter_map(scalar).collect()));
        }
        if bot_score_at_least.is_some_and(|score| !(2..=99).contains(&score)) {
            refuse("edge.bot_score_at_least", "a number from 2 to 99");
        }
        if client_certificate == Some(false) {
            refuse("edge.client_certificate", "true, or absent");
        }
        let (bot_score, certificate) = (bot_score_at_least, client_certificate.is_some());
        let wanted = WantedEdge { one_of, bot_score, certificate };
        if wanted.is_empty() {
            refuse("edge", "something to ask for");
        }
        wanted
    }
}

const PAIR: &str = "two capital letters, or any with a list of such";

fn is_pair(value: &Value) -> bool {
    // Tor is T1.
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    value.as_str().is_some_and(|text| text.len() == 2 && text.bytes().all(capital))
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}
