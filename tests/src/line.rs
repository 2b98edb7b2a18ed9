//! The gateway's way out to an issuer in this process: it counts, and it goes wrong when told to.

use crate::turns::turns;
use crate::world::Issuer;
use http::{HeaderValue, StatusCode};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::form::Form;
use stand_in::StandIn;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What is wrong with the way out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Nothing.
    #[default]
    Nothing,
    /// Nobody is reached.
    Down,
    /// So many token answers are lost on their way back, although the issuer obeyed.
    Lost(u32),
    /// The token endpoint answers with this status, and asks for patience.
    Status(u16),
    /// A token answer takes so many turns of everybody else to come back.
    Slow(usize),
    /// One call, whatever it is for, meets with trouble. Counted from the next, which is 0.
    Once(Trouble, u32),
}

/// What one call meets with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// It does not arrive.
    Unsent,
    /// It is obeyed, and the answer does not arrive.
    Unheard,
    /// It is obeyed, and half of the answer's body arrives.
    Cut,
    /// It is obeyed, and whoever is in between answers with this status instead.
    Replaced(u16),
    /// It is not obeyed, and whoever is in between answers with this status.
    Refused(u16),
}

/// The way out. Clones are the same.
#[derive(Clone, Debug)]
pub struct Line(Rc<State>);

#[derive(Debug)]
struct State {
    issuer: Rc<Issuer>,
    /// Who is there besides: Turnstile.
    others: StandIn,
    fault: Cell<Fault>,
    calls: RefCell<Vec<Call>>,
}

/// A call that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The path.
    pub path: String,
    /// The `token` or `refresh_token` that it was about.
    pub token: Option<String>,
    /// The refresh token in the answer, whether or not that arrived.
    pub given: Option<String>,
}

impl Line {
    /// A sound way out to `issuer`.
    pub fn new(issuer: Rc<Issuer>) -> Self {
        let (fault, calls) = (Cell::default(), RefCell::default());
        Self(Rc::new(State { issuer, others: StandIn::default(), fault, calls }))
    }

    /// The service that says what challenges are worth.
    pub fn turnstile(&self) -> &StandIn {
        &self.0.others
    }

    /// Whether this is the way to whom a request is for.
    pub fn leads_to(&self, request: &Request) -> bool {
        let url = request.uri().to_string();
        url.strip_prefix(self.0.issuer.url()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Breaks it, or mends it.
    pub fn set(&self, fault: Fault) {
        self.0.fault.set(fault);
    }

    /// Whether the trouble that was arranged for one call has not happened yet.
    pub fn is_failing(&self) -> bool {
        matches!(self.0.fault.get(), Fault::Once(..))
    }

    /// The calls to a path since the line was made.
    pub fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.0.calls.borrow();
        calls.iter().filter(|call| call.path == path).cloned().collect()
    }

    /// How many calls there were.
    pub fn len(&self) -> usize {
        self.0.calls.borrow().len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the calls after so many.
    pub fn forget_after(&self, count: usize) {
        self.0.calls.borrow_mut().truncate(count);
    }

    /// How many calls there were to the token endpoint.
    pub fn token_calls(&self) -> usize {
        self.calls("/token").len()
    }

    async fn issuer(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let form = Form::parse(request.body()).unwrap_or_default();
        let token = form.get("refresh_token").or(form.get("token")).map(str::to_owned);
        let answer = self.0.issuer.send(request).await;
        let body: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
        let given = body.and_then(|body| body["refresh_token"].as_str().map(str::to_owned));
        self.0.calls.borrow_mut().push(Call { path, token, given });
        answer
    }

    async fn meet(&self, trouble: Trouble, request: Request) -> Result<Response, Unreachable> {
        match trouble {
            Trouble::Unsent => Err(Unreachable),
            Trouble::Refused(status) => Ok(patience(status)),
            Trouble::Unheard => {
                self.issuer(request).await;
                Err(Unreachable)
            }
            Trouble::Cut => {
                let mut answer = self.issuer(request).await;
                let half = answer.body().len() / 2;
                answer.body_mut().truncate(half);
                Ok(answer)
            }
            Trouble::Replaced(status) => {
                self.issuer(request).await;
                Ok(patience(status))
            }
        }
    }
}

/// An answer of somebody who is not the issuer, and who asks for patience.
fn patience(status: u16) -> Response {
    let mut answer = Response::default();
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
    answer
}

impl Fetch for Line {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        if request.uri().host() == Some("challenges.cloudflare.com") {
            let answer = self.0.others.answer(&request, self.0.issuer.now().0);
            return answer.into_response().ok_or(Unreachable);
        }
        let redeems = request.uri().path() == "/token";
        match self.0.fault.get() {
            Fault::Down => {
                turns(3).await;
                Err(Unreachable)
            }
            Fault::Lost(more) if redeems && more > 0 => {
                self.0.fault.set(Fault::Lost(more - 1));
                self.issuer(request).await;
                Err(Unreachable)
            }
            Fault::Status(status) if redeems => {
                let path = request.uri().path().to_owned();
                self.0.calls.borrow_mut().push(Call { path, token: None, given: None });
                turns(3).await;
                Ok(patience(status))
            }
            Fault::Once(trouble, 0) => {
                self.0.fault.set(Fault::Nothing);
                turns(3).await;
                self.meet(trouble, request).await
            }
            Fault::Once(trouble, left) => {
                self.0.fault.set(Fault::Once(trouble, left - 1));
                Ok(self.issuer(request).await)
            }
            Fault::Slow(count) if redeems => {
                let answer = self.issuer(request).await;
                turns(count).await;
                Ok(answer)
            }
            _ => Ok(self.issuer(request).await),
        }
    }
}
