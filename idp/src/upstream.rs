//! Signing in with the upstream: one generic OpenID provider, whose client we are.

use crate::account::{Identity, Profile};
use crate::config::Upstream;
use crate::event::{self, Event};
use crate::interaction::{Interaction, Lost};
use crate::platform::{Objects, Platform};
use crate::sign_in::{Proof, Refused, complete, resume};
use crate::words::ScopeWord;
use crate::{Idp, ledger};
use http::header::HeaderMap;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::error::{ErrorCode, OAuthError};
use shared::fetch::{Request, Response};
use shared::form::Form;
use shared::jar;
use shared::rp::authorization::{CallbackRefused, Flow, Hints};
use shared::rp::sign_in::SignedIn;
use shared::rp::userinfo::userinfo;
use shared::seal::Purpose;
use shared::secret::Digest;
use shared::time::UnixTime;

/// How long a browser may be away at the upstream, in seconds.
const LIFE: u64 = 600;
/// How many browsers' tabs may be away at once; a further one takes the place of the oldest.
const MOST_PENDING: usize = 4;
const PREFIX: &str = "__Host-gatelatch-upstream-";
const PURPOSE: &str = "upstream flow";

/// What a browser keeps while it is away.
#[derive(Debug, Deserialize, Serialize)]
struct Away {
    flow: Flow,
    interaction: Interaction,
    until: UnixTime,
}

/// `POST /sign-in/upstream`: sends the browser to the upstream.
///
/// # Errors
/// See [`Refused`].
pub async fn leave<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let (_, interaction) = resume(idp, request, now)?;
    let errand = idp.errand(&interaction).await?;
    let asked = errand.asked();
    let Upstream { client, .. } = idp.config.upstream.as_ref().ok_or(Refused::Off)?;
    let metadata = idp.upstream.metadata(&idp.fetch, now).await;
    let metadata = metadata.map_err(|_| Refused::Upstream("its metadata cannot be used"))?;

    // A fresh proof that the client asked for is asked of the upstream in turn.
    let again = asked.is_some_and(|asked| asked.prompts.wants_login());
    let max_age = asked.and_then(|asked| asked.max_age);
    let flow = Flow::new(if again { Some(0) } else { max_age }, rng);
    let prompt = asked.and_then(|asked| asked.prompts.passed_on(&metadata));
    let hints = Hints {
        login_hint: asked.and_then(|asked| asked.login_hint.as_deref()),
        prompt: prompt.as_deref(),
    };
    let url = flow.authorization_url(client, &metadata, hints);
    let name = cookie_name(&flow.state, now);
    let away = Away { flow, interaction, until: now.plus(LIFE) };
    let plain = serde_json::to_vec(&away).unwrap_or_default();
    let sealed = idp.config.keys.seal(Purpose::new(PURPOSE, &name), &plain, rng);

    // The sign-in page's policy lets its forms lead only to us and to the client; a page of its own
    // takes the browser to the upstream, and on to wherever that leads.
    let page = crate::page::onward(&url, &idp.config.upstream.as_ref().ok_or(Refused::Off)?.label);
    let mut response = crate::page::respond(http::StatusCode::OK, page, None);
    forget_oldest(request.headers(), response.headers_mut());
    jar::write(response.headers_mut(), request.headers(), &name, &sealed, Some(LIFE))
        .map_err(|_| Refused::Upstream("the request is too large to come back"))?;
    Ok(response)
}

/// `GET /sign-in/callback`: the upstream sends the browser back.
///
/// # Errors
/// See [`Refused`].
pub async fn come_back<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let Upstream { client, .. } = idp.config.upstream.as_ref().ok_or(Refused::Off)?;
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let (name, away) = find(idp, request.headers(), query, now)
        .ok_or_else(|| lost("no browser of ours left for it"))?;
    let metadata = idp.upstream.metadata(&idp.fetch, now).await;
    let metadata = metadata.map_err(|_| Refused::Upstream("its metadata cannot be used"))?;
    let errand = idp.errand(&away.interaction).await?;

    let code = match away.flow.callback(query, &metadata) {
        Ok(code) => code,
        Err(CallbackRefused::Provider(Some(ErrorCode::AccessDenied))) => {
            let error = OAuthError::new(ErrorCode::AccessDenied, "the person did not sign in");
            let mut response = match errand.asked() {
                Some(asked) => asked.reply.error(error),
                None => errand.done(None, idp),
            };
            jar::delete(response.headers_mut(), request.headers(), &name);
            event::tell(&mut response, Event::SignInRefused { reason: "denied at the upstream" });
            return Ok(response);
        }
        Err(CallbackRefused::Provider(_)) => {
            return Err(Refused::Upstream("it answered with an error"));
        }
        Err(_) => return Err(lost("what came back is no answer of the upstream's")),
    };
    // The state is used up before the code is (FD-04, FD-05).
    let entry = ledger::Entry::single_use(PURPOSE, &away.flow.state);
    if !idp.objects.spend(entry, away.until.plus(LIFE), now).await? {
        return Err(lost("it came back before"));
    }
    let signed_in = client
        .sign_in(&code, &away.flow, idp.upstream, &metadata, &idp.fetch, &idp.verifier, now)
        .await;
    let SignedIn { tokens, claims } =
        signed_in.map_err(|_| Refused::Upstream("no ID token that can be believed"))?;
    let mut told = claims.other.clone();
    if let Some(endpoint) = &metadata.userinfo_endpoint {
        let more = userinfo(endpoint, &tokens.access_token, &claims, &idp.fetch).await;
        told.extend(more.map_err(|_| Refused::Upstream("no userinfo that can be believed"))?);
    }
    // Truthfully: an upstream that remembers the person says since when. What it does not say is
    // not older than this, for all that we know.
    let (auth_time, amr) = (claims.auth_time.unwrap_or(now), amr(&told));
    let identity =
        Identity { upstream: client.issuer.to_string(), subject: claims.subject.clone() };
    let profile = Profile { identity, credential: None, claims: standard(told) };
    let proof = Proof { profile, auth_time, amr };
    let came_for = (&errand, &away.interaction);
    let mut response = complete(idp, request.headers(), came_for, proof, now, rng).await?;
    jar::delete(response.headers_mut(), request.headers(), &name);
    Ok(response)
}

/// The browser did not leave from here, was away too long, or was back before.
fn lost(reason: &'static str) -> Refused {
    Refused::sign_in(Refused::Interaction(Lost::Unreadable), reason)
}

/// What this browser keeps for the state that came back.
fn find<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    query: &[u8],
    now: UnixTime,
) -> Option<(String, Away)> {
    let form = Form::parse(query).ok()?;
    let suffix = suffix(form.get("state")?);
    let name = pending(headers).find(|name| name.ends_with(&suffix))?;
    let sealed = jar::read(headers, &name)?;
    let plain = idp.config.keys.open(Purpose::new(PURPOSE, &name), &sealed)?;
    let away: Away = serde_json::from_slice(&plain).ok()?;
    (now < away.until).then_some((name, away))
}

/// A cookie's name tells which flow it is and when it left.
fn cookie_name(state: &str, now: UnixTime) -> String {
    format!("{PREFIX}{:010x}{}", now.0, suffix(state))
}

fn suffix(state: &str) -> String {
    let mut digest = Digest::of(state).to_text();
    digest.truncate(12);
    format!("-{digest}")
}

/// The names of the flows that a browser is away on, without their chunks.
fn pending(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = shared::cookie::all(headers)
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, _)| jar::base(name).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names.into_iter()
}

fn forget_oldest(asked: &HeaderMap, answered: &mut HeaderMap) {
    let names: Vec<_> = pending(asked).collect();
    let surplus = (names.len() + 1).saturating_sub(MOST_PENDING);
    for name in names.iter().take(surplus) {
        jar::delete(answered, asked, name);
    }
}

/// How the upstream says the person proved who they are; that it was an upstream when it does not.
fn amr(told: &Map<String, Value>) -> Vec<String> {
    let listed = told.get("amr").and_then(Value::as_array).into_iter().flatten();
    let listed: Vec<_> = listed
        .filter_map(Value::as_str)
        .filter(|method| method.len() <= 64)
        .take(8)
        .map(str::to_owned)
        .collect();
    if listed.is_empty() { vec!["fed".to_owned()] } else { listed }
}

/// The standard claims, of the types they have to be. `email_verified` is true only when it is
/// `true` (FD-14).
fn standard(mut told: Map<String, Value>) -> Map<String, Value> {
    let known: Vec<_> = ScopeWord::ALL.iter().flat_map(|word| word.claims()).copied().collect();
    told.retain(|name, value| {
        known.contains(&name.as_str())
            && name != "sub"
            && match name.as_str() {
                "email_verified" | "phone_number_verified" => value.is_boolean(),
                "updated_at" => value.is_number(),
                "address" => value.is_object() && value.to_string().len() <= 2048,
                _ => value.as_str().is_some_and(|text| text.len() <= 2048),
            }
    });
    told
}
