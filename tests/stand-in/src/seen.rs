//! What an instance was asked.

use crate::ask::Ask;
use crate::fault::Endpoint;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN, USER_AGENT};
use http::{HeaderName, Request};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The headers that are recorded.
const OF_INTEREST: [HeaderName; 8] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    ORIGIN,
    USER_AGENT,
    HeaderName::from_static("x-github-api-version"),
];

/// One request, as it came, secrets and all: these are nobody's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Which endpoint it reached; none when there is none.
    pub endpoint: Option<Endpoint>,
    /// The method.
    pub method: String,
    /// The path behind the instance.
    pub path: String,
    /// The query, in order.
    pub query: Vec<(String, String)>,
    /// Headers of interest; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body when it says that it is a form, in order.
    pub form: Option<Vec<(String, String)>>,
    /// The body when it says that it is JSON, and is.
    pub json: Option<Value>,
    /// The body as it came.
    pub body: String,
    /// When.
    pub at: u64,
}

impl Seen {
    pub(crate) fn of(
        ask: &Ask<'_>,
        endpoint: Option<Endpoint>,
        request: &Request<Vec<u8>>,
    ) -> Self {
        let header = |name: &HeaderName| {
            let value = request.headers().get(name)?;
            Some((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        };
        Self {
            endpoint,
            method: ask.method.to_string(),
            path: ask.path.to_owned(),
            query: ask.query.0.clone(),
            headers: OF_INTEREST.iter().filter_map(header).collect(),
            form: ask.form.as_ref().map(|form| form.0.clone()),
            json: ask.json.clone(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
            at: ask.now,
        }
    }

    /// A parameter of the query, the form or the JSON.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let pairs = self.query.iter().chain(self.form.iter().flatten());
        let mut found = pairs.filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        found.next().or_else(|| self.json.as_ref()?.get(name)?.as_str())
    }
}
