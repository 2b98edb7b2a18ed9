//! The way out of a Worker.

use super::message;
use crate::fetch::{Fetch, LARGEST_ANSWER, PATIENCE_SECONDS, Request, Response, Unreachable};
use crate::origin::Issuer;
use js_sys::Uint8Array;
use web_sys::{AbortSignal, RequestInit, RequestRedirect};

/// Sends requests over the network, or to the issuer's Worker where it is bound to this one.
#[derive(Debug, Default)]
pub struct Outbound {
    service: Option<(String, worker::Fetcher)>,
}

impl Outbound {
    /// The network for everybody but `issuer`, which `service` is, when there is one: a fetch to
    /// another Worker of the same zone would not reach it.
    #[must_use]
    pub fn with_service(issuer: &Issuer, service: Option<worker::Fetcher>) -> Self {
        let prefix = format!("{}/", issuer.as_str().trim_end_matches('/'));
        Self { service: service.map(|service| (prefix, service)) }
    }

    async fn send(&self, request: Request) -> Result<Response, worker::Error> {
        let url = request.uri().to_string();
        let (parts, body) = request.into_parts();
        let init = RequestInit::new();
        init.set_method(parts.method.as_str());
        init.set_redirect(RequestRedirect::Manual);
        init.set_headers(&message::headers_out(&parts.headers)?.into());
        init.set_signal(Some(&AbortSignal::timeout_with_u32(
            u32::try_from(PATIENCE_SECONDS * 1000).unwrap_or(u32::MAX),
        )));
        if !body.is_empty() {
            init.set_body(&Uint8Array::from(body.as_slice()));
        }
        let request = web_sys::Request::new_with_str_and_init(&url, &init)?;
        let request = worker::Request::from(request);
        let response = match &self.service {
            Some((prefix, service)) if url.starts_with(prefix.as_str()) => {
                service.fetch_request(request).await?
            }
            _ => worker::Fetch::Request(request).send().await?,
        };
        message::response_in(response, LARGEST_ANSWER).await
    }
}

impl Fetch for Outbound {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        self.send(request).await.map_err(|_| Unreachable)
    }
}
