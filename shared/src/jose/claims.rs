//! Claims that mean the same in every token, RFC 7519 §4.1.

use crate::time::UnixTime;
use serde_json::{Map, Value};

/// The last second of the year 9999. A date beyond it is a mistake or a game.
const LATEST: f64 = 253_402_300_799.0;

/// A claim that is there and is no date.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoDate;

/// A `NumericDate`: seconds, whole or not, RFC 7519 §2. None when absent.
///
/// # Errors
/// [`NoDate`].
pub fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, NoDate> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds =
        value.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds)).ok_or(NoDate)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the year 9999"
    )]
    let seconds = seconds as u64;
    Ok(Some(UnixTime(seconds)))
}
