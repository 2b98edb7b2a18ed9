//! What an issuer in this process stands on, and its way out: to what others serve, to its clients,
//! and to its upstreams, when it has any.

use crate::elsewhere::Elsewhere;
use crate::federation::StandIns;
use crate::keys::Keys;
use crate::line::Line;
use crate::listener::Listener;
use crate::memory::Objects;
use crate::secrets::Secrets;
use crate::turns::turns;
use idp::platform::Platform;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::jose::native::Native;
use shared::time::UnixTime;
use std::rc::Rc;

/// This process.
#[derive(Debug)]
pub struct InProcess;

impl Platform for InProcess {
    type Objects = Objects;
    type Keys = Keys;
    type Verifier = Native;
    type Fetch = Out;
}

/// The way out.
#[derive(Debug)]
pub struct Out {
    /// What others serve.
    pub elsewhere: Elsewhere,
    /// Where people sign in instead.
    pub upstreams: Vec<Line>,
    /// And what stands in for the providers that many have.
    pub stand_ins: Option<StandIns>,
    /// Their clock is the issuer's.
    pub now: UnixTime,
    /// The clients.
    pub listener: Listener,
    /// What passes is secret.
    pub secrets: Rc<Secrets>,
}

impl Fetch for Out {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        self.secrets.sent(&request);
        let answer = self.answer(request).await?;
        self.secrets.answered(&answer);
        Ok(answer)
    }
}

impl Out {
    async fn answer(&self, request: Request) -> Result<Response, Unreachable> {
        if let Some(answer) = self.elsewhere.answer(&request) {
            // Everybody else gets a turn meanwhile.
            turns(1).await;
            return answer;
        }
        if let Some(stand_ins) = self.stand_ins.as_ref().filter(|_| StandIns::are_at(&request)) {
            turns(1).await;
            return stand_ins.answer(&request, self.now);
        }
        if Listener::is_at(&request) {
            return self.listener.fetch(request).await;
        }
        if request.uri().host() == Some("127.0.0.1") {
            return crate::wire::try_exchange(&request).ok_or(Unreachable);
        }
        let upstream = self.upstreams.iter().find(|line| line.leads_to(&request));
        let upstream = upstream.ok_or(Unreachable)?;
        // An issuer may be an upstream's upstream, so the future has no size of its own.
        Box::pin(upstream.fetch(request)).await
    }
}
