//! What goes wrong at every seam, at every place where it can, in every flow: storage that fails,
//! commands and answers that are lost, keys that cannot be used, objects that are put away, calls
//! that meet with trouble, clocks that jump.
//!
//! A flow is a row of a table and a fault is a row of another; each test is one of those against
//! the whole of the other. What has to hold afterwards is said once: in `issuer/person.rs` for the
//! issuer alone, in `pair/visitor.rs` for the two together.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]
#![expect(
    clippy::result_large_err,
    reason = "a refusal is an answer, and there is time to move it"
)]

mod issuer;
mod pair;
mod upstream;

use http::header::RETRY_AFTER;
use shared::cause::Cause;
use shared::fetch::Response;
use std::cell::Cell;
use tests::browser::text;

/// What has become of something that was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    /// It holds.
    Alive,
    /// It is about to be ended; whether it was, nobody has been told.
    Ending,
    /// It was ended, and whoever asked was told so.
    Over,
}

/// How far a clock jumps, in seconds; each of them forward and back.
const JUMPS: [i64; 5] = [1, 10, 60, 3_600, 86_400];

/// Something that happens between two steps of a flow: after so many pauses, and once.
#[derive(Debug, Default)]
struct Due(Cell<Option<u32>>);

impl Due {
    /// At this pause, of which the one before the first step is 0.
    fn at(pause: u32) -> Self {
        Self(Cell::new(Some(pause)))
    }

    /// A pause: whether it is this one.
    fn is_now(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    }

    /// Whether it has been, or was never to be.
    fn is_past(&self) -> bool {
        self.0.get().is_none()
    }
}

/// What holds for every answer, whatever went wrong: trouble on our side is a 503 that says when to
/// come back, or one of `also`; and what is refused tells neither the cause nor a token.
fn proper(answer: &Response, also: &[u16], what: &str) {
    let status = answer.status();
    if status.is_server_error() && !also.contains(&status.as_u16()) {
        assert_eq!(status, 503, "{what}: {}", text(answer));
        let wait = answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
        let wait = wait.and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
        assert!((1..=60).contains(&wait), "{what}: come back in {wait} s");
    }
    if status.is_client_error() || status.is_server_error() {
        let body = text(answer);
        for secret in ["eyJ", "Bearer ey", "panicked", "SELECT", "unwrap"] {
            assert!(!body.contains(secret), "{what}: {secret} in {body}");
        }
        if let Some(Cause(cause)) = answer.extensions().get() {
            assert!(!body.contains(cause), "{what}: {cause} in {body}");
        }
    }
}

/// Goes through the places of one kind of fault in one flow until there is no such place. `run` says
/// whether the fault happened.
fn at_every_place(at_least: u32, what: &str, mut run: impl FnMut(u32) -> bool) -> u32 {
    /// More than any flow has.
    const MOST: u32 = 200;
    let places = (0..MOST).find(|place| !run(*place)).unwrap_or_else(|| panic!("{what}: endless"));
    assert!(places >= at_least, "{what}: only {places} places, which should be {at_least}");
    places
}
