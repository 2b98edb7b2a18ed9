//! `/auth/turnstile`: the page that asks a browser to show that it is no machine's, and where it brings what
//! shows it. The same page stands in front of a route that requires it.

use super::TURNSTILE;
use super::return_path::{ReturnPath, guard};
use crate::config::Config;
use crate::csrf;
use crate::negotiate::{DEPENDS, is_navigation, page_of};
use crate::path::Target;
use crate::refused::Why;
use crate::session::Sessions;
use crate::session::admission::Seams;
use crate::session::cookie::LogoutKey;
use crate::turnstile::clearance::Standing;
use crate::turnstile::{Action, Challenge, Refused, Token, Turnstile};
use http::header::{RETRY_AFTER, VARY};
use http::{HeaderMap, Method, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use shared::fetch::{Fetch, Request, Response};
use shared::form::{Form, append};
use shared::jose::Signer;
use shared::page::{escape, page, widget};
use shared::time::UnixTime;
use shared::{cause, posted, respond};
use std::net::IpAddr;

/// The field in which the widget puts its token.
const TOKEN: &str = "cf-turnstile-response";

/// What somebody without clearance is told: a person who navigates gets the page, a script where it is.
#[must_use]
pub fn required(
    config: &Config,
    action: &Action,
    (method, headers, upgrade): (&Method, &HeaderMap, bool),
    target: &Target,
    standing: Option<&Standing>,
) -> Response {
    let navigation = is_navigation(method, headers, upgrade);
    // A form is not sent again by going to where it was sent.
    let returns_here = navigation && *method != Method::POST;
    let wanted = if returns_here {
        target.path_and_query()
    } else {
        page_of(headers, config.public_url.as_str())
    };
    let return_to = guard(Some(&wanted), &config.public_url);
    let mut response = match (&config.turnstile, standing) {
        (Some(turnstile), Some(standing)) if navigation => {
            let page = Page { config, turnstile, action, return_to };
            page.show(StatusCode::FORBIDDEN, standing, None)
        }
        _ => {
            let query = [("action", action.as_str()), ("return_to", return_to.as_str())];
            let (error, url) = ("turnstile_required", append(TURNSTILE, query));
            respond::json(StatusCode::FORBIDDEN, &Required { error, url })
        }
    };
    respond::put(&mut response, VARY, DEPENDS);
    response.extensions_mut().insert(Why::Turnstile);
    cause::note(response, &Why::Turnstile)
}

#[derive(Serialize)]
struct Required {
    error: &'static str,
    url: String,
}

/// Shows the page, or hears what it sends. None where no route requires what it is about.
pub async fn turnstile<S: Sessions, F: Fetch, V: Signer>(
    seams: &Seams<'_, S, F, V>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Option<Response> {
    let turnstile = seams.config.turnstile.as_ref()?;
    let (config, headers) = (seams.config, request.headers());
    if request.method() == Method::POST {
        // Before anything else, as on every route that looks at cookies.
        if let Err(refused) = csrf::check(config, &Method::POST, headers, false) {
            return Some(refused.response(true));
        }
        let form = match posted::form(request) {
            Ok(form) => form,
            Err(refused) => {
                let response = respond::json(StatusCode::BAD_REQUEST, &refused.public());
                return Some(cause::note(response, &refused));
            }
        };
        let page = Page::asked(config, turnstile, &form)?;
        return Some(page.hear(seams, request, &form, now, rng).await);
    }
    let query = request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_default();
    let page = Page::asked(config, turnstile, &form)?;
    let standing = Standing::read(config, headers, None, rng);
    Some(page.show(StatusCode::OK, &standing, None))
}

/// The page of one challenge.
struct Page<'p> {
    config: &'p Config,
    turnstile: &'p Turnstile,
    action: &'p Action,
    return_to: ReturnPath,
}

impl<'p> Page<'p> {
    /// The page that is asked for; none when no route requires that action.
    fn asked(config: &'p Config, turnstile: &'p Turnstile, form: &Form) -> Option<Self> {
        let action = form.get("action")?;
        let mut required =
            config.routes.iter().filter_map(|route| route.requirement.turnstile.as_ref());
        let action = required.find(|required| required.as_str() == action)?;
        let return_to = guard(form.get("return_to"), &config.public_url);
        Some(Self { config, turnstile, action, return_to })
    }

    async fn hear<S: Sessions, F: Fetch, V: Signer>(
        &self,
        seams: &Seams<'_, S, F, V>,
        request: &Request,
        form: &Form,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Response {
        let Self { config, turnstile, action, return_to } = self;
        let headers = request.headers();
        let session = session(seams, headers, now);
        let from = request.extensions().get::<IpAddr>().copied();
        match self.verify(seams, (headers, session.as_ref()), form, from, now).await {
            Ok(standing) => {
                let ends_at = now.plus(turnstile.clearance_seconds);
                let mut response = respond::see_other(return_to.as_str());
                standing.passed(action, ends_at, now).write(config, response.headers_mut());
                response
            }
            Err(refused) => {
                let standing = Standing::read(config, headers, None, rng);
                let status = if refused.leaves_open() {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::FORBIDDEN
                };
                cause::note(self.show(status, &standing, Some(refused)), &refused)
            }
        }
    }

    /// The browser that a token was given to. What can be told without the service is told first: it takes
    /// a token once, whatever comes of it here.
    async fn verify<S: Sessions, F: Fetch, V: Signer>(
        &self,
        seams: &Seams<'_, S, F, V>,
        (headers, session): (&HeaderMap, Option<&LogoutKey>),
        form: &Form,
        from: Option<IpAddr>,
        now: UnixTime,
    ) -> Result<Standing, Refused> {
        let Self { config, turnstile, action, .. } = self;
        let token = Token::read(form.get(TOKEN)).ok_or(Refused::NoToken)?;
        let standing = Standing::known(config, headers, session).ok_or(Refused::NoChallenge)?;
        let data = standing.data(config);
        let challenge = Challenge { site: &config.public_url, action, data: &data };
        turnstile.verify(&token, &challenge, from, &seams.parties.first().fetch, now).await?;
        let first = turnstile.is_for_tests() || seams.used.claim_token(token.expose(), now);
        first.then_some(standing).ok_or(Refused::Used)
    }

    fn show(&self, status: StatusCode, standing: &Standing, problem: Option<Refused>) -> Response {
        let Self { config, turnstile, action, return_to } = self;
        let problem = problem.map(|refused| {
            if refused.leaves_open() {
                "The check can\u{2019}t be made just now. Wait a moment and try again."
            } else {
                "That did not work. Please try once more."
            }
        });
        let problem =
            problem.map(|words| format!("<p class=\"alert\" role=\"alert\">{words}</p>\n"));
        let problem = problem.unwrap_or_default();
        let body = format!(
            "<h1>One quick check</h1>\n{problem}\
             <p>What you want to see is for people and not for machines. Cloudflare checks which of \
             them you are; that mostly takes a moment.</p>\n\
             <form method=\"post\" action=\"{TURNSTILE}\">\n\
             <input type=\"hidden\" name=\"action\" value=\"{}\">\n\
             <input type=\"hidden\" name=\"return_to\" value=\"{}\">\n\
             <div class=\"cf-turnstile\" data-sitekey=\"{}\" data-action=\"{}\" data-cdata=\"{}\" \
             data-callback=\"{}\"></div>\n\
             <p class=\"note\">If no check appears here, your browser could not load it. Allow \
             scripts of this site and of challenges.cloudflare.com, and reload the page.</p>\n\
             <button class=\"primary\">Continue</button>\n\
             </form>\n{}",
            action.as_str(),
            escape(return_to.as_str()),
            escape(&turnstile.site_key),
            action.as_str(),
            standing.data(config),
            widget::PASSED,
            widget::scripts(),
        );
        // Where the person goes on to may send them to sign in.
        let leads_to = config.providers.iter().map(|one| one.client.issuer.as_str());
        let mut response = widget::respond(status, page("One quick check", "", &body), leads_to);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            respond::put(&mut response, RETRY_AFTER, "5");
        }
        standing.write(config, response.headers_mut());
        response
    }
}

/// The session that a browser says it is in. Whether that goes on, the route asks.
fn session<S, F, V>(
    seams: &Seams<'_, S, F, V>,
    headers: &HeaderMap,
    now: UnixTime,
) -> Option<LogoutKey> {
    let opened = seams.opened.read(seams.config, headers, now)?;
    Some(opened.contents.logout_key())
}
