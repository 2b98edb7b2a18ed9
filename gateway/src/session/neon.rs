//! Statements by HTTP, as Neon takes them: one request each, no connection to make first.

use super::sql::{Database, Trouble};
use crate::database::Http;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use shared::fetch::{Fetch, Patience, Request};

/// How many seconds a statement may take.
pub const STATEMENT_SECONDS: u32 = 5;

/// A database that is asked by HTTP.
#[derive(Debug)]
pub struct Neon<F> {
    way: Http,
    fetch: F,
}

#[derive(Deserialize)]
struct Answer {
    rows: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<String>,
}

impl<F: Fetch> Neon<F> {
    /// The database behind `way`.
    #[must_use]
    pub fn new(way: Http, fetch: F) -> Self {
        Self { way, fetch }
    }

    fn request(&self, statement: &str, parameters: &[&str]) -> Option<Request> {
        let body = json!({ "query": statement, "params": parameters });
        let mut connection = HeaderValue::from_str(self.way.connection.expose()).ok()?;
        connection.set_sensitive(true);
        let mut request = Request::new(body.to_string().into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.way.url.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert("neon-connection-string", connection);
        headers.insert("neon-raw-text-output", HeaderValue::from_static("true"));
        headers.insert("neon-array-mode", HeaderValue::from_static("true"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(Patience(STATEMENT_SECONDS.into()));
        Some(request)
    }
}

impl<F: Fetch> Database for Neon<F> {
    async fn run(&self, statement: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        let request = self.request(statement, parameters).ok_or(Trouble::Lost)?;
        let answer = self.fetch.fetch(request).await.map_err(|_| Trouble::Lost)?;
        if answer.status() == StatusCode::OK {
            let answer: Answer =
                serde_json::from_slice(answer.body()).map_err(|_| Trouble::Lost)?;
            return Ok(answer.rows);
        }
        let refusal: Option<Refusal> = serde_json::from_slice(answer.body()).ok();
        let state = refusal.and_then(|refusal| refusal.code);
        Err(state.map_or(Trouble::Lost, |state| Trouble::of(&state)))
    }
}
