//! Asking a Durable Object: one command, one answer, both JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use web_sys::RequestInit;
use worker::{ObjectNamespace, Request, Response, Result};

/// Sends `command` to the object called `object`, for the function called `function`.
///
/// # Errors
/// When the object does not answer, or answers that it failed.
pub async fn ask<A: DeserializeOwned>(
    namespace: &ObjectNamespace,
    object: &str,
    function: &str,
    command: &impl Serialize,
) -> Result<A> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&serde_json::to_string(command)?.into());
    let url = format!("https://object/{function}");
    let request = Request::from(web_sys::Request::new_with_str_and_init(&url, &init)?);
    let mut response = namespace.get_by_name(object)?.fetch_with_request(request).await?;
    let body = response.text().await?;
    if response.status_code() != 200 {
        return Err("the object failed".into());
    }
    Ok(serde_json::from_str(&body)?)
}

/// What an object was asked: the function and the text of the command.
///
/// # Errors
/// When the request cannot be read, which is a mistake of ours.
pub async fn asked(request: &mut Request) -> Result<(String, String)> {
    let function = request.path().trim_start_matches('/').to_owned();
    Ok((function, request.text().await?))
}

/// An object's answer.
///
/// # Errors
/// When it has no JSON form, which is a mistake of ours.
pub fn answer(answer: &impl Serialize) -> Result<Response> {
    Response::ok(serde_json::to_string(answer)?)
}

/// An object's failure; why, it logs itself.
///
/// # Errors
/// Never in practice.
pub fn failure() -> Result<Response> {
    Response::error("failed", 500)
}
