//! What the log says, line by line: every line is one JSON object, under the correlation id that the
//! person may have been shown. `edge` prints them, and the tests read them.

use crate::event::{Event, Events};
use serde_json::json;
use shared::cause::Cause;
use shared::fetch::{Request, Response};

/// A security event, on a line of its own.
#[must_use]
pub fn of_event(correlation_id: &str, event: &Event) -> String {
    json!({ "correlation_id": correlation_id, "security": event }).to_string()
}

/// Everything that there is to say about one request: what happened, and why it was refused.
#[must_use]
pub fn of_answer(correlation_id: &str, request: &Request, response: &Response) -> Vec<String> {
    let events = response.extensions().get::<Events>().map(|Events(events)| events.as_slice());
    let events = events.unwrap_or_default().iter();
    let mut lines: Vec<_> = events.map(|event| of_event(correlation_id, event)).collect();
    if let Some(Cause(cause)) = response.extensions().get() {
        let line = json!({
            "correlation_id": correlation_id,
            "endpoint": request.uri().path(),
            "status": response.status().as_u16(),
            "cause": cause,
        });
        lines.push(line.to_string());
    }
    lines
}
