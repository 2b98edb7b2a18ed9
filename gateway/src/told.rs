//! What origins are told about the person, as headers that only we set: each is one claim of theirs,
//! in printable ASCII.

use crate::forward::{is_meant_for_others, plain};
use crate::session::state::Person;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The claim that every session has anyway.
const SUBJECT: &str = "sub";
/// What is kept of one claim, in characters of JSON: a session has to fit into cookies.
const SMALL: usize = 512;
/// The longest value of a header; several of them still fit into what servers take.
const LONGEST: usize = 1024;
/// More headers than any route has use for.
const MOST: usize = 32;

const NAME: &str = "a header of its own that begins with X-, Remote- or OIDC- and says nothing else to \
                    an origin; letters, digits and hyphens";
const CLAIM: &str = "the name of a claim, or {\"claim\": ..., \"join\": ...}, whose join is one to \
                     three of the characters , ; : | and space";

/// Which headers tell which claims.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told(Vec<Line>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Line {
    name: HeaderName,
    claim: String,
    /// What stands between the members of a list; without it a list is not told.
    join: Option<String>,
}

impl Told {
    /// The names of the headers.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|line| &line.name)
    }

    /// The claims that are told, but for the subject.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.claim.as_str()).filter(|claim| *claim != SUBJECT)
    }

    /// What an origin is told about `person`. A claim that they have not got, or that is no text,
    /// number or boolean, or is too long, gives no header (GP-19).
    pub fn lines(&self, person: &Person) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.0.iter().filter_map(|Line { name, claim, join }| {
            let value = if claim == SUBJECT {
                ascii(&person.subject, "")
            } else {
                written(person.told.get(claim)?, join.as_deref())
            };
            Some((name.clone(), header(&value?)?))
        })
    }

    /// The headers as they are written in the settings, with every mistake told by its member.
    pub(crate) fn read(
        entries: BTreeMap<String, Value>,
        refuse: &mut impl FnMut(&str, &str),
    ) -> Self {
        if entries.len() > MOST {
            refuse("headers", "32 headers at the most");
        }
        let mut lines: Vec<Line> = Vec::new();
        for (written, entry) in entries {
            let name = read_name(&written).filter(|name| lines.iter().all(|one| one.name != *name));
            if name.is_none() {
                refuse(&format!("headers.{written}"), NAME);
            }
            let entry = serde_json::from_value(entry).ok().and_then(read_entry);
            if entry.is_none() {
                refuse(&format!("headers.{written}"), CLAIM);
            }
            let line = name.zip(entry);
            lines.extend(line.map(|(name, (claim, join))| Line { name, claim, join }));
        }
        Self(lines)
    }
}

/// Of these claims, those that have these names. One that is too large becomes null, which is told to
/// nobody: it is news that the old value is over.
pub(crate) fn keep<'n>(
    names: impl Iterator<Item = &'n str>,
    claims: &Map<String, Value>,
    into: &mut Map<String, Value>,
) {
    for name in names {
        if let Some(value) = claims.get(name) {
            let small = value.to_string().len() <= SMALL;
            let value = if small { value.clone() } else { Value::Null };
            into.insert(name.to_owned(), value);
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Claim(String),
    Joined(Joined),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    claim: String,
    join: String,
}

fn read_entry(entry: Entry) -> Option<(String, Option<String>)> {
    let (claim, join) = match entry {
        Entry::Claim(claim) => (claim, None),
        Entry::Joined(Joined { claim, join }) => (claim, Some(join)),
    };
    let sound = |join: &String| {
        (1..=3).contains(&join.len()) && join.bytes().all(|byte| b",;:| ".contains(&byte))
    };
    (!claim.is_empty() && join.as_ref().is_none_or(sound)).then_some((claim, join))
}

/// A name whose header we may take for ourselves: no origin and no browser uses it for something
/// else.
fn read_name(written: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(written.as_bytes()).ok()?;
    let own = ["x-", "remote-", "oidc-"].iter().any(|prefix| name.as_str().starts_with(prefix));
    (own && plain(name.as_str()) == name.as_str() && !is_meant_for_others(name.as_str()))
        .then_some(name)
}

/// A claim as text; none when it is nothing that a header can say.
fn written(claim: &Value, join: Option<&str>) -> Option<String> {
    match (claim, join) {
        (Value::Array(members), Some(join)) => {
            let texts: Option<Vec<_>> = members.iter().map(scalar).collect();
            // Encoded in the members, what stands between them is never part of one.
            let texts = texts?.into_iter().filter_map(|text| ascii(&text, join));
            Some(texts.collect::<Vec<_>>().join(join)).filter(|text| !text.is_empty())
        }
        (claim, join) => ascii(&scalar(claim)?, join.unwrap_or_default()),
    }
}

/// A text, number or boolean as text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text in printable ASCII, from which it can be had back: everything else is percent-encoded, as
/// are the percent sign, the characters of `also`, and spaces at the ends, which headers lose. None
/// when it is empty.
pub(crate) fn ascii(text: &str, also: &str) -> Option<String> {
    let mut encoded = String::new();
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let end = byte == b' ' && (at == 0 || at == last);
        let as_it_is = matches!(byte, b' '..=b'~') && byte != b'%';
        if as_it_is && !end && !also.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    (!encoded.is_empty()).then_some(encoded)
}

/// A value as a header holds it; none when it is too long.
pub(crate) fn header(value: &str) -> Option<HeaderValue> {
    (value.len() <= LONGEST).then(|| HeaderValue::from_str(value).ok()).flatten()
}

#[cfg(test)]
mod tests;
