//! One request, read: where it goes, and what it says in its query and its body.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderMap, HeaderName, Method, Request};
use serde_json::Value;
use url::form_urlencoded;

/// Names and values of a query or a form, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a parameter; none when it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that is there more than once.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let names = self.0.iter().enumerate();
        let before = |end: usize, name: &String| self.0.iter().take(end).any(|(n, _)| n == name);
        names.into_iter().find(|(at, (name, _))| before(*at, name)).map(|(_, (name, _))| &**name)
    }

    /// The words of a parameter, which stand between spaces.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// A request to an instance.
#[derive(Debug)]
pub(crate) struct Ask<'r> {
    pub(crate) method: &'r Method,
    pub(crate) headers: &'r HeaderMap,
    /// Scheme, host, preset and instance, without a slash at the end.
    pub(crate) base: String,
    /// What follows the instance, with its slash.
    pub(crate) path: &'r str,
    pub(crate) query: Params,
    /// Of a body that says that it is a form.
    pub(crate) form: Option<Params>,
    /// Of a body that says that it is JSON.
    pub(crate) json: Option<Value>,
    pub(crate) now: u64,
}

impl<'r> Ask<'r> {
    /// `place` is `preset/instance`, `path` the rest of the request's path.
    pub(crate) fn read(
        request: &'r Request<Vec<u8>>,
        place: &str,
        path: &'r str,
        now: u64,
    ) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        let host = uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| header(headers, &HOST)).unwrap_or("localhost");
        let base = format!("{}://{host}/{place}", uri.scheme_str().unwrap_or("http"));
        let kind = header(headers, &CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_form = kind == "application/x-www-form-urlencoded";
        let is_json = kind == "application/json";
        Self {
            method: request.method(),
            headers,
            base,
            path,
            query: Params::parse(uri.query().unwrap_or_default().as_bytes()),
            form: is_form.then(|| Params::parse(request.body())),
            json: is_json.then(|| serde_json::from_slice(request.body()).ok()).flatten(),
            now,
        }
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&'r str> {
        header(self.headers, name)
    }

    /// Whether `Accept` names a type.
    pub(crate) fn accepts(&self, kind: &str) -> bool {
        self.header(&ACCEPT).is_some_and(|accept| accept.contains(kind))
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&'r str> {
        let (scheme, token) = self.header(&AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&'r str> {
        let lines = self.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs =
            lines.flat_map(|line| line.split(';')).filter_map(|p| p.trim().split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// A parameter of the body, be it a form or JSON.
    pub(crate) fn body(&self, name: &str) -> Option<&str> {
        let in_json = || self.json.as_ref()?.get(name)?.as_str();
        self.form.as_ref().and_then(|form| form.get(name)).or_else(in_json)
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
