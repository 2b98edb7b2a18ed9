//! Signing in with an upstream, whose client we are: the way there and the way back. What differs
//! between upstreams is in [`shared::rp::dialect`] and in the presets of the configuration.

mod away;
mod claims;
mod logout_token;
mod recheck;
mod sign_out;

pub use logout_token::{note, signed_out_there};
pub use recheck::{rotate, seal};
pub use sign_out::{come_back as back_signed_out, leave as sign_out};

use crate::config::Upstream;
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::{Browser, Interaction, Lost};
use crate::linking::Unchanged;
use crate::page::{self, Problem, ProblemPage, Retry};
use crate::platform::{Objects, Platform};
use crate::proof::{How, Identity, Means, Proof};
use crate::sign_in::{Refused, complete, resume};
use crate::words::Endpoint;
use crate::{Idp, ledger};
use away::{Away, LIFE, PURPOSE};
use http::StatusCode;
use http::header::HeaderMap;
use rand_core::CryptoRng;
use shared::cause;
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::respond::see_other;
use shared::rp::authorization::{CallbackRefused, Flow, Hints};
use shared::rp::dialect::{Desk, Dialect, NotVouched, Vouched};
use shared::rp::discovery::Provider;
use shared::rp::id_token::IdTokenRefused;
use shared::time::UnixTime;

impl<P: Platform> Idp<'_, P> {
    /// The upstream called `id`, with what is remembered of it.
    fn upstream(&self, id: &str) -> Option<(&Upstream, &Provider)> {
        let mut pairs = self.config.upstreams.iter().zip(self.upstreams);
        pairs.find(|(upstream, _)| upstream.id == id)
    }
}

/// `POST /sign-in/upstream`: the person has chosen one, or told an e-mail address of its domain.
///
/// # Errors
/// See [`Refused`].
pub async fn leave<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let (form, interaction) = resume(idp, request, now)?;
    let errand = idp.errand(&interaction).await?;
    // A field that was left empty is one that was sent.
    let email = form.has("email").then(|| form.get("email").unwrap_or_default().trim());
    let chosen = match (form.get("upstream"), email) {
        (Some(id), _) => idp.config.upstream(id).ok_or(Refused::Off)?,
        (None, Some(email)) => {
            if let Some(chosen) = idp.config.upstream_of(email) {
                chosen
            } else {
                let sealed = form.get("interaction").unwrap_or_default();
                let problem =
                    if email.is_empty() { Problem::NoAddress } else { Problem::NoUpstream };
                let status = StatusCode::BAD_REQUEST;
                return Ok(errand.page(idp, sealed, email, status, Some(problem)));
            }
        }
        (None, None) => return Err(Refused::Off),
    };
    let email = email.filter(|email| !email.is_empty());
    go(idp, request.headers(), chosen, (&errand, interaction), email, rng).await
}

/// A page that takes the browser to an upstream.
///
/// # Errors
/// See [`Refused`].
pub async fn go<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    chosen: &Upstream,
    (errand, interaction): (&Errand, Interaction),
    email: Option<&str>,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let url = match send(idp, chosen, errand, email, rng).await {
        Ok(sent) => sent,
        Err(reason) => return Ok(trouble(idp, headers, &interaction, chosen, reason, rng)),
    };
    // The sign-in page's policy lets its forms lead only to us and to the client; a page of its own
    // takes the browser to the upstream, and on to wherever that leads.
    let mut response = page::respond(StatusCode::OK, page::onward(&url.0, &chosen.label), None);
    keep(idp, headers, chosen, url.1, interaction, &mut response, rng)?;
    Ok(response)
}

/// The client has chosen for the person, by `idp_hint` or by the domain of a `login_hint`: they go
/// straight on. None when it has not.
///
/// # Errors
/// See [`Refused`].
pub async fn straight_on<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    errand: &Errand,
    interaction: &Interaction,
    rng: &mut impl CryptoRng,
) -> Result<Option<Response>, Refused> {
    let Some(asked) = errand.asked() else { return Ok(None) };
    let hinted = asked.idp_hint.as_deref().and_then(|id| idp.config.upstream(id));
    let email = asked.login_hint.as_deref();
    let hinted = hinted.or_else(|| idp.config.upstream_of(email?));
    let Some(chosen) = hinted.filter(|_| errand.takes_upstreams()) else { return Ok(None) };
    let (url, flow) = match send(idp, chosen, errand, email, rng).await {
        Ok(sent) => sent,
        Err(reason) => return Ok(Some(trouble(idp, headers, interaction, chosen, reason, rng))),
    };
    let mut response = see_other(&url);
    keep(idp, headers, chosen, flow, interaction.clone(), &mut response, rng)?;
    Ok(Some(response))
}

/// Where to send the browser, and what the answer has to fit.
async fn send<P: Platform>(
    idp: &Idp<'_, P>,
    chosen: &Upstream,
    errand: &Errand,
    email: Option<&str>,
    rng: &mut impl CryptoRng,
) -> Result<(String, Flow), &'static str> {
    let (_, provider) = idp.upstream(&chosen.id).ok_or("it is not there")?;
    let metadata = provider.metadata(&idp.fetch, idp.now).await;
    let metadata = metadata.map_err(|_| "its metadata cannot be used")?;
    let asked = errand.asked();
    // A fresh proof that somebody asks for is asked of the upstream in turn.
    let again = errand.prompts().wants_login();
    let max_age = asked.and_then(|asked| asked.max_age);
    let flow = Flow::new(if again { Some(0) } else { max_age }, rng);
    let mut more = chosen.way.parameters.clone();
    // Each parameter is there once: what the entry asks for stands beside what the client does.
    let own = more.extract_if(.., |(name, _)| name == "prompt").map(|(_, words)| words);
    let own: Vec<_> = own.collect();
    let passed_on = errand.prompts().passed_on(&metadata, chosen.way.prompts);
    let prompt: Vec<_> = own.into_iter().chain(passed_on).collect();
    let prompt = Some(prompt.join(" ")).filter(|prompt| !prompt.is_empty());
    if asked.is_some_and(|asked| asked.prompts.wants_account()) {
        more.extend(chosen.way.sign_up.clone());
    }
    let login_hint = email.or_else(|| asked?.login_hint.as_deref());
    // GitHub has another name for it.
    let renamed = matches!(chosen.dialect(), Dialect::GitHub(_));
    if let Some(hint) = login_hint.filter(|_| renamed) {
        more.push(("login".to_owned(), hint.to_owned()));
    }
    let hints = Hints {
        more: &more,
        ui_locales: asked.and_then(|asked| asked.ui_locales.as_deref()),
        login_hint: login_hint.filter(|_| !renamed),
        prompt: prompt.as_deref(),
    };
    Ok((flow.authorization_url(&chosen.client, &metadata, hints), flow))
}

/// Has the browser remember what it left for.
fn keep<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    chosen: &Upstream,
    flow: Flow,
    interaction: Interaction,
    response: &mut Response,
    rng: &mut impl CryptoRng,
) -> Result<(), Refused> {
    let at = chosen.id.clone();
    let away = Away { at, flow, interaction, until: idp.now.plus(LIFE) };
    let kept = away.keep(idp, headers, response.headers_mut(), rng);
    kept.then_some(()).ok_or(Refused::Upstream("the request is too large to come back"))
}

/// `GET /sign-in/callback/ID`: an upstream sends the browser back.
///
/// # Errors
/// See [`Refused`].
pub async fn come_back<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let headers = request.headers();
    let id = request.uri().path().strip_prefix(Endpoint::UpstreamCallback.path());
    let (chosen, provider) = id.and_then(|id| idp.upstream(id)).ok_or(Refused::Off)?;
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let found = Away::find(idp, headers, query).filter(|found| found.away.at == chosen.id);
    let found = found.ok_or_else(|| lost("no browser of ours left for it"))?;
    let Away { flow, interaction, until, .. } = &found.away;
    let errand = idp.errand(interaction).await?;
    let failed = |reason, rng: &mut _| {
        let mut response = trouble(idp, headers, interaction, chosen, reason, rng);
        found.forget(headers, response.headers_mut());
        Ok(response)
    };
    let Ok(metadata) = provider.metadata(&idp.fetch, now).await else {
        return failed("its metadata cannot be used", rng);
    };
    let code = match flow.callback(query, &metadata) {
        Ok(code) => code,
        Err(CallbackRefused::Provider(error)) => {
            let Some(mut response) = turned_away(idp, &errand, error) else {
                return failed("it answered with an error", rng);
            };
            found.forget(headers, response.headers_mut());
            return Ok(response);
        }
        Err(_) => return Err(lost("what came back is no answer of the upstream's")),
    };
    // The state is used up before the code is (FD-04, FD-05).
    let entry = ledger::Entry::single_use(PURPOSE, &flow.state);
    if !idp.objects.spend(entry, until.plus(LIFE), now).await? {
        return Err(lost("it came back before"));
    }
    let (fetch, verifier) = (&idp.fetch, &idp.verifier);
    let (party, metadata) = (&chosen.client, &*metadata);
    let desk = Desk { party, provider, metadata, fetch, verifier, now };
    let vouched = match chosen.dialect().vouch(&desk, &code, flow).await {
        Ok(vouched) => vouched,
        Err(NotVouched::IdToken(IdTokenRefused::NoAuthTime)) => {
            return too_long_ago(&errand, || failed("it does not say when", rng));
        }
        Err(not) => return failed(why(not), rng),
    };
    let Some(proof) = proof(&vouched, chosen, flow, now) else {
        return too_long_ago(&errand, || failed("it does not say when", rng));
    };
    let kept = chosen.recheck.and(chosen.dialect().keeps(&vouched.tokens));
    if chosen.recheck.is_some() && kept.is_none() {
        return failed("it gives nothing to ask with later", rng);
    }
    let claims = claims::ours(vouched.claims, chosen, idp.config);
    let came_for = (&errand, interaction);
    let mut response = complete(idp, headers, came_for, (proof, claims, kept), now, rng).await?;
    found.forget(headers, response.headers_mut());
    Ok(response)
}

/// What somebody showed. Truthfully: an upstream that remembers the person says since when. What it
/// does not say is not older than this, for all that we know; where a client wants to know, that is
/// not enough, and there is no proof.
fn proof(vouched: &Vouched, chosen: &Upstream, flow: &Flow, now: UnixTime) -> Option<Proof> {
    let Vouched { authority, subject, auth_time, amr, acr, session_id, .. } = vouched;
    let says_when = auth_time.is_some() || flow.max_age.is_none();
    let how = How::Upstream {
        id: chosen.id.clone(),
        sid: session_id.clone(),
        acr: acr.clone().filter(|acr| !acr.starts_with("urn:gatelatch:")),
    };
    let identity = Identity { upstream: authority.clone(), subject: subject.clone() };
    let proof = Proof {
        means: Means { identity, how },
        auth_time: auth_time.unwrap_or(now),
        says_when: auth_time.is_some(),
        amr: if amr.is_empty() { vec!["fed".to_owned()] } else { amr.clone() },
    };
    says_when.then_some(proof)
}

/// OpenID Connect Core §3.1.2.1: who cannot be shown to have proved themselves again has not.
fn too_long_ago(
    errand: &Errand,
    failed: impl FnOnce() -> Result<Response, Refused>,
) -> Result<Response, Refused> {
    let words = "the upstream does not say when the person proved who they are";
    let refused = match errand {
        Errand::Client(asked) => asked.refuse(ErrorCode::LoginRequired, words),
        Errand::Again => Refused::Unchanged(Unchanged::NoProof),
        Errand::OwnPage | Errand::Link(_) => return failed(),
    };
    Err(Refused::sign_in(refused, "the upstream does not say when"))
}

/// The upstream said no: the client is told, in a word of OpenID Connect's. None where there is no
/// client to tell.
fn turned_away<P: Platform>(
    idp: &Idp<'_, P>,
    errand: &Errand,
    error: Option<ErrorCode>,
) -> Option<Response> {
    let denied = OAuthError::new(ErrorCode::AccessDenied, "the person did not sign in");
    let (error, reason) = match error {
        Some(ErrorCode::AccessDenied) => (denied, "denied at the upstream"),
        Some(
            code @ (ErrorCode::LoginRequired
            | ErrorCode::InteractionRequired
            | ErrorCode::TemporarilyUnavailable),
        ) => (OAuthError::new(code, "the upstream says so"), "the upstream wants something else"),
        // Whatever else it says is between it and us.
        _ => {
            let error = OAuthError::new(ErrorCode::ServerError, "the upstream refused us");
            (error, "the upstream refused us")
        }
    };
    let mut response = match errand.asked() {
        Some(asked) => asked.reply.error(error),
        None if reason == "denied at the upstream" => errand.done(None, idp),
        None => return None,
    };
    event::tell(&mut response, Event::SignInRefused { reason });
    Some(response)
}

/// The upstream is in trouble, or not to be believed: nobody is signed in, and the person may try
/// again, or another way.
fn trouble<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    interaction: &Interaction,
    chosen: &Upstream,
    reason: &'static str,
    rng: &mut impl CryptoRng,
) -> Response {
    let browser = Browser::of(headers, rng);
    let sealed = interaction.seal(&browser, idp.config, rng);
    let retry = Retry { interaction: &sealed, upstream: &chosen.id, label: &chosen.label };
    let view = ProblemPage { retry: Some(retry), ..ProblemPage::upstream(&idp.correlation_id) };
    let mut response = page::respond(StatusCode::BAD_GATEWAY, page::problem(&view), None);
    browser.remember(&mut response);
    event::tell(&mut response, Event::SignInRefused { reason });
    cause::note(response, &Refused::Upstream(reason))
}

/// The browser did not leave from here, was away too long, or was back before.
fn lost(reason: &'static str) -> Refused {
    Refused::sign_in(Refused::Interaction(Lost::Unreadable), reason)
}

/// For the log.
fn why(not: NotVouched) -> &'static str {
    match not {
        NotVouched::Token(_) => "its token endpoint gave no tokens",
        NotVouched::NoIdToken | NotVouched::IdToken(_) => "no ID token that can be believed",
        NotVouched::Userinfo(_) => "no userinfo that can be believed",
        NotVouched::Api => "its API did not answer as it should",
        NotVouched::NoSubject => "nobody it names can be told from others",
        NotVouched::Elsewhere => "somebody of another organization",
        NotVouched::Impersonated => "somebody who acts in another's name",
    }
}
