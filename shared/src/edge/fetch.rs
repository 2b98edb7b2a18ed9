//! The way out of a Worker.

use super::message::answer_in;
use crate::fetch::{
    Fetch, LARGEST_ANSWER, PATIENCE_SECONDS, Patience, Request, Response, Unreachable,
};
use crate::lines::to_lines;
use crate::origin::Issuer;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/src/edge/message.js")]
extern "C" {
    fn exchange(
        service: &JsValue,
        method: &str,
        url: &str,
        lines: &str,
        body: Vec<u8>,
        seconds: u32,
        most: usize,
    ) -> Promise;
}

/// Sends requests over the network, or to the issuer's Worker where it is bound to this one.
#[derive(Debug, Default)]
pub struct Outbound {
    service: Option<(String, JsValue)>,
}

impl Outbound {
    /// The network for everybody but `issuer`, which `service` is, when there is one: a fetch to
    /// another Worker of the same zone would not reach it.
    #[must_use]
    pub fn with_service(issuer: &Issuer, service: Option<JsValue>) -> Self {
        let prefix = format!("{}/", issuer.as_str().trim_end_matches('/'));
        Self { service: service.map(|service| (prefix, service)) }
    }

    async fn send(&self, request: Request) -> Option<Response> {
        let url = request.uri().to_string();
        let (parts, body) = request.into_parts();
        let service = match &self.service {
            Some((prefix, service)) if url.starts_with(prefix.as_str()) => service,
            _ => &JsValue::NULL,
        };
        let (method, lines) = (parts.method.as_str(), to_lines(&parts.headers));
        let patience = parts.extensions.get().map_or(PATIENCE_SECONDS, |Patience(own)| *own);
        let seconds = u32::try_from(patience.min(PATIENCE_SECONDS)).ok()?;
        let answer = exchange(service, method, &url, &lines, body, seconds, LARGEST_ANSWER);
        let answer: Array = JsFuture::from(answer).await.ok()?.dyn_into().ok()?;
        answer_in(&answer.get(0).as_string()?, &answer.get(1))
    }
}

impl Fetch for Outbound {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        self.send(request).await.ok_or(Unreachable)
    }
}
