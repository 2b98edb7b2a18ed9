//! The authorization server: everything it does, and nothing of where it runs.
//!
//! A request comes in through [`Idp::handle`], is read by the file named after its endpoint, becomes
//! one command to one object (`account`, `directory`, `ledger`), and leaves as a response. The
//! objects step the machines in `grant`, `session`, `brake` and `ring`.
#![expect(async_fn_in_trait, reason = "workers are single-threaded; no Send bound is wanted")]

pub mod account;
pub mod allowance;
pub mod ask;
pub mod assertion;
pub mod authorize;
pub mod back_channel;
pub mod brake;
pub mod budget;
pub mod claims;
pub mod client;
pub mod client_auth;
pub mod client_keys;
pub mod config;
pub mod consent;
pub mod directory;
pub mod discovery;
pub mod dpop;
pub mod end_session;
pub mod enter;
pub mod errand;
pub mod event;
pub mod farewell;
pub mod grant;
pub mod identity;
pub mod interaction;
pub mod introspect;
pub mod known;
pub mod ledger;
pub mod linking;
pub mod living;
pub mod log;
pub mod outbound;
pub mod own_key;
pub mod own_page;
pub mod page;
pub mod password;
pub mod platform;
pub mod prompt;
pub mod proof;
pub mod register;
pub mod registration;
pub mod registry;
pub mod reply;
pub mod resource;
pub mod revoke;
pub mod ring;
pub mod rows;
pub mod session;
pub mod sign_in;
pub mod signing;
pub mod subject;
pub mod token;
pub mod token_exchange;
pub mod tokens;
pub mod upstream;
pub mod userinfo;
pub mod words;

mod cors;
#[cfg(target_arch = "wasm32")]
pub mod edge;

use budget::Budget;
use client::Client;
use config::Config;
use http::header::{ALLOW, RETRY_AFTER, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Method, StatusCode};
use page::ProblemPage;
use password::Passwords;
use platform::{Objects, Platform};
use rand_core::CryptoRng;
use rows::Unavailable;
use shared::fetch::{Request, Response};
use shared::respond;
use shared::rp::discovery::Provider;
use shared::time::UnixTime;
use std::rc::Rc;
use words::Endpoint;

/// One deployment, as one request sees it. Built in two places: `edge`, and the tests.
#[derive(Debug)]
pub struct Idp<'a, P: Platform> {
    /// The settings.
    pub config: &'a Config,
    /// The local accounts' passwords.
    pub passwords: &'a Passwords,
    /// How much hashing may still be done.
    pub budget: &'a Budget,
    /// What is remembered of each upstream between requests, in the order of the settings.
    pub upstreams: &'a [Provider],
    /// And of the keys that clients publish.
    pub client_keys: &'a client_keys::Cache,
    /// State.
    pub objects: P::Objects,
    /// Keys to sign with.
    pub keys: P::Keys,
    /// Checks signatures.
    pub verifier: P::Verifier,
    /// The way out.
    pub fetch: P::Fetch,
    /// Names this request in the log and on problem pages.
    pub correlation_id: String,
    /// When this request came, for what is looked up on its way.
    pub now: UnixTime,
}

impl<P: Platform> Idp<'_, P> {
    /// The client that `id` names: of the configuration, or registered at run time.
    ///
    /// # Errors
    /// [`Unavailable`] when nobody could say.
    pub async fn client(&self, id: &str) -> Result<Option<Rc<Client>>, Unavailable> {
        if let Some(client) = self.config.client(id) {
            return Ok(Some(Rc::clone(client)));
        }
        let Some(id) = registry::Id::parse(id) else { return Ok(None) };
        let row = self.objects.registered(&id, registry::RECENT, self.now).await?;
        Ok(row.and_then(|row| row.client(self.config.house())).map(Rc::new))
    }

    /// Answers one request.
    pub async fn handle(
        &self,
        request: &Request,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Response {
        let endpoint = Endpoint::at(request.uri().path());
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.is_on(self.config)) else {
            let view = ProblemPage::not_found(&self.correlation_id);
            return page::respond(StatusCode::NOT_FOUND, page::problem(&view), None);
        };
        if request.method() == Method::OPTIONS && endpoint.has_cors() {
            return cors::preflight(endpoint, request, self.config);
        }
        if !endpoint.takes(request.method()) {
            let mut response = respond::empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.allow()));
            return response;
        }
        let mut response = self.ask(endpoint, request, now, rng).await;
        cors::allow(endpoint, request, self.config, &mut response);
        if !self.config.issuer.is_development() {
            respond::put(&mut response, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
        }
        if request.method() == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }

    async fn ask(
        &self,
        endpoint: Endpoint,
        request: &Request,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Response {
        let page = match endpoint {
            Endpoint::Discovery | Endpoint::Rfc8414 => {
                return discovery::respond(self.config, request.headers());
            }
            Endpoint::Jwks => {
                return match self.published(now).await {
                    Ok(keys) => discovery::jwks(&keys, request.headers()),
                    Err(_) => unavailable(),
                };
            }
            Endpoint::Token => return token::respond(self, request, now, rng).await,
            Endpoint::UserInfo => return userinfo::respond(self, request, now).await,
            Endpoint::Register => return register::respond(self, request, now, rng).await,
            Endpoint::Registration => return register::manage(self, request, now, rng).await,
            Endpoint::Revoke => return revoke::respond(self, request, now).await,
            Endpoint::Introspect => return introspect::respond(self, request, now).await,
            Endpoint::Home => {
                let home = page::home(self.config.issuer.as_str());
                return page::respond(StatusCode::OK, home, None);
            }
            Endpoint::Authorize => sign_in::authorize(self, request, now, rng).await,
            Endpoint::SignIn => sign_in::with_password(self, request, now, rng).await,
            Endpoint::Consent => consent::respond(self, request, now, rng).await,
            Endpoint::Upstream => upstream::leave(self, request, now, rng).await,
            Endpoint::UpstreamCallback => upstream::come_back(self, request, now, rng).await,
            Endpoint::UpstreamLogout => upstream::signed_out_there(self, request, now).await,
            Endpoint::UpstreamSignedOut => upstream::back_signed_out(self, request, now),
            Endpoint::OwnPage => own_page::respond(self, request, now, rng).await,
            Endpoint::EndSession => end_session::respond(self, request, now, rng).await,
        };
        page.unwrap_or_else(|refused| refused.respond(&self.correlation_id))
    }
}

fn unavailable() -> Response {
    let mut response = respond::empty(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
