//! Reading a deployment's settings so that one failed start names every mistake.

use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::RangeInclusive;

/// A setting that cannot be used, and what would be. Never holds the value: it may be a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The setting, with the place inside it where it has an inside.
    pub name: String,
    /// What it has to be.
    pub wanted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: must be {}", self.name, self.wanted)
    }
}

/// Reads settings one by one and collects what is wrong with them.
#[derive(Debug)]
pub struct Settings<V> {
    var: V,
    problems: Vec<Problem>,
}

impl<V: Fn(&str) -> Option<String>> Settings<V> {
    /// Settings that `var` looks up by name. An empty value counts as absent.
    pub fn new(var: V) -> Self {
        Self { var, problems: Vec::new() }
    }

    /// The text of `name`, when it is set.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.var)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Notes a problem.
    pub fn refuse(&mut self, name: impl Into<String>, wanted: impl Into<String>) {
        self.problems.push(Problem { name: name.into(), wanted: wanted.into() });
    }

    /// A setting that has to be there, as `read` understands it.
    pub fn required<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(name).and_then(|text| read(&text));
        if value.is_none() {
            self.refuse(name, wanted);
        }
        value
    }

    /// A setting that has a default.
    pub fn optional<T>(
        &mut self,
        name: &str,
        wanted: &str,
        default: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        match self.text(name).map(|text| read(&text)) {
            None => default,
            Some(Some(value)) => value,
            Some(None) => {
                self.refuse(name, wanted);
                default
            }
        }
    }

    /// A number of seconds inside `range`.
    pub fn seconds(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let wanted = format!("a number of seconds from {} to {}", range.start(), range.end());
        self.optional(name, &wanted, default, |text| {
            text.parse().ok().filter(|seconds| range.contains(seconds))
        })
    }

    /// JSON text; the words of the parser are kept, without the value.
    pub fn json<T: DeserializeOwned + Default>(&mut self, name: &str, wanted: &str) -> T {
        match self.text(name).map(|text| serde_json::from_str(&text)) {
            None => T::default(),
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                let (line, column) = (error.line(), error.column());
                self.refuse(name, format!("{wanted} (it stops making sense at {line}:{column})"));
                T::default()
            }
        }
    }

    /// What was read, unless something was wrong.
    ///
    /// # Errors
    /// All [`Problem`]s found.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Problem>> {
        match read {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }
}
