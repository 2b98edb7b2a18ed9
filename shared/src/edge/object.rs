//! Asking a Durable Object: one command, one answer, both JSON.

use super::entry;
use js_sys::Promise;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use worker::Env;

#[wasm_bindgen(module = "/src/edge/object.js")]
extern "C" {
    #[wasm_bindgen(js_name = ask)]
    fn send(env: &Env, binding: &str, name: &str, command: &str) -> Promise;

    #[wasm_bindgen(js_name = pause)]
    fn pause_for(seconds: f64) -> Promise;

    /// Has an object answer what it is asked.
    pub fn obey(request: &web_sys::Request, step: &Step) -> Promise;
}

/// What an object makes of what it is asked: the text of an answer, or a promise of it; undefined is
/// a failure, and why, it logs itself.
pub type Step = Closure<dyn Fn(String) -> Result<JsValue, JsValue>>;

/// The object did not answer, or answers that it failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failed(pub String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Sends `command` to the object called `object`, for the function called `function`.
///
/// # Errors
/// [`Failed`].
pub async fn ask<A: DeserializeOwned>(
    env: &Env,
    binding: &str,
    object: &str,
    function: &str,
    command: &impl Serialize,
) -> Result<A, Failed> {
    let command = format!("{function} {}", serde_json::to_string(command)?);
    let answer = JsFuture::from(send(env, binding, object, &command)).await;
    let answer = answer.map_err(|error| Failed(format!("{error:?}")))?;
    let text = answer.as_string().ok_or_else(|| Failed("the object failed".to_owned()))?;
    Ok(serde_json::from_str(&text)?)
}

/// What an object was asked: the function and the text of the command.
#[must_use]
pub fn asked(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or_default()
}

/// An object's answer.
///
/// # Errors
/// [`Failed`] when it has no JSON form, which is a mistake of ours.
pub fn answer(answer: &impl Serialize) -> Result<String, Failed> {
    Ok(serde_json::to_string(answer)?)
}

/// An object that answers by `step`.
#[must_use]
pub fn step<F>(step: impl Fn(String) -> F + 'static) -> Step
where
    F: Future<Output = Result<String, Failed>> + 'static,
{
    Closure::new(move |text| {
        let answer = step(text);
        entry::run(async move {
            Ok(match answer.await {
                Ok(text) => text.into(),
                Err(Failed(error)) => {
                    worker::console_error!("an object failed: {error}");
                    JsValue::UNDEFINED
                }
            })
        })
    })
}

/// Is over after so many seconds, counted from when somebody begins to wait. (`worker::Delay` wakes
/// whoever asked first, and not whoever asked last.)
pub async fn pause(seconds: u32) {
    pause_milliseconds(1000 * seconds).await;
}

/// The same, for shorter times.
pub async fn pause_milliseconds(milliseconds: u32) {
    // A timer does not fail.
    let _ = JsFuture::from(pause_for(f64::from(milliseconds) / 1000.0)).await;
}
