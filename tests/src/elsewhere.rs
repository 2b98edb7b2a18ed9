//! What other parties serve that an issuer in this process may ask for by itself.

use http::StatusCode;
use shared::fetch::{Request, Response, Unreachable};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Documents by their URL. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere(Rc<RefCell<BTreeMap<String, Document>>>);

#[derive(Clone, Debug)]
struct Document {
    /// None while nobody answers.
    answer: Option<(StatusCode, String)>,
    hits: usize,
}

impl Elsewhere {
    /// Serves a document.
    pub fn put(&self, url: &str, status: StatusCode, body: &str) {
        self.change(url, Some((status, body.to_owned())));
    }

    /// Nobody answers there.
    pub fn cut(&self, url: &str) {
        self.change(url, None);
    }

    /// How often somebody asked.
    pub fn hits(&self, url: &str) -> usize {
        self.0.borrow().get(url).map_or(0, |document| document.hits)
    }

    fn change(&self, url: &str, answer: Option<(StatusCode, String)>) {
        let mut documents = self.0.borrow_mut();
        let document = documents.entry(url.to_owned());
        document.or_insert(Document { answer: None, hits: 0 }).answer = answer;
    }

    /// The answer, if this is about one of the documents.
    pub fn answer(&self, request: &Request) -> Option<Result<Response, Unreachable>> {
        let mut documents = self.0.borrow_mut();
        let document = documents.get_mut(&request.uri().to_string())?;
        document.hits += 1;
        let Some((status, body)) = document.answer.clone() else { return Some(Err(Unreachable)) };
        let mut answer = Response::new(body.into_bytes());
        *answer.status_mut() = status;
        Some(Ok(answer))
    }
}
