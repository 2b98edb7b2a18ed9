//! The way into a Worker.

use std::task::{Context, Poll, Waker};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// Gives the runtime what `answer` comes to: at once when it waits for nothing, as most requests do
/// that are answered from memory, and else a promise of it. A promise of our own costs as much as
/// the rest of such a request.
///
/// # Errors
/// Those of `answer`, at once.
pub fn run(
    answer: impl Future<Output = Result<JsValue, JsValue>> + 'static,
) -> Result<JsValue, JsValue> {
    let mut answer = Box::pin(answer);
    // What this waker is told is not lost: a task polls its future anew when it takes it over, and
    // every future wakes whoever polled it last.
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Ok(future_to_promise(answer).into()),
    }
}
