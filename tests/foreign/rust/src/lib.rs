//! What the programs of this package have in common: a way out, a browser, and how they say what
//! worked.

mod browser;
mod wire;

pub use browser::Browser;
use std::process::ExitCode;
use url::Url;
pub use wire::Wire;

/// What went wrong, in words.
pub type Failed = Box<dyn std::error::Error>;

/// Runs a program: it says one line for each thing that worked, and ends with 1 at the first that
/// did not.
pub fn main(name: &str, run: impl FnOnce() -> Result<(), Failed>) -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("  FAILED  {name}: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// Says that something worked.
pub fn passed(sentence: &str) {
    println!("  ok  {sentence}");
}

/// Fails in these words unless it holds.
///
/// # Errors
/// If it does not hold.
pub fn require(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// The value of an environment variable.
///
/// # Errors
/// If it is not set.
pub fn variable(name: &str) -> Result<String, Failed> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

/// The value of a parameter of a URL.
#[must_use]
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
