//! What the operator reads about a request that was refused. It rides in the response, beside what
//! the client reads, until the edge writes it to the log.

use crate::fetch::Response;
use std::fmt::Debug;

/// Why a response is not what was asked for, in the operator's words. Made from `Debug` of an error
/// enum, whose secrets do not print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cause(pub String);

/// Puts a cause on a response.
#[must_use]
pub fn note(mut response: Response, cause: &impl Debug) -> Response {
    response.extensions_mut().insert(Cause(format!("{cause:?}")));
    response
}
