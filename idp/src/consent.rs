//! Consent: a client asks for something, and the person says whether it may have it.
//!
//! The page is made for one browser, one account and one grant: all three are sealed into it, so a
//! page that somebody else saw, that is answered twice, or that was never shown allows nothing.

use crate::account::{Asking, Consent, Proceed, Proceeded};
use crate::authorize::AuthorizationRequest;
use crate::client::Standing;
use crate::config::MANAGE_CLIENTS;
use crate::errand::Errand;
use crate::event::{self, Event};
use crate::interaction::{Browser, Interaction, Lost};
use crate::platform::{Objects, Platform};
use crate::resource::Resources;
use crate::sign_in::{Refused, begin, session};
use crate::words::ScopeWord;
use crate::{Idp, ask, page};
use http::StatusCode;
use http::header::{HeaderMap, ORIGIN};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use shared::error::ErrorCode;
use shared::fetch::{Request, Response};
use shared::form::Malformed;
use shared::handle::Handle;
use shared::scope::Scope;
use shared::secret::{Bits, Digest, random, random_uuid};
use shared::time::UnixTime;
use url::Url;
use uuid::Uuid;

const PURPOSE: &str = "consent";

/// What a person has just done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum After {
    /// Nothing: the session alone would answer.
    Nothing,
    /// Signed in, on a page that names the client.
    SignIn,
}

/// Whom to ask, about what.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The account.
    pub account: Uuid,
    /// What it says of itself.
    pub asking: Asking,
    /// The request that waits.
    pub interaction: &'a Interaction,
}

/// A page that was shown, as it comes back.
#[derive(Debug, Deserialize, Serialize)]
struct Shown {
    interaction: Interaction,
    /// Who saw it.
    account: Uuid,
    /// What it said: nobody gets more by it.
    scope: Scope,
    resources: Resources,
    /// Since when the client was what it said.
    revised_at: Option<UnixTime>,
    at: UnixTime,
    /// The grant to be, and its code's secret: whoever answers twice has one code.
    grant: Uuid,
    secret: Bits,
}

impl AuthorizationRequest {
    /// What has to be known of the person's consent before there is a code.
    #[must_use]
    pub fn consent(&self, after: After) -> Consent {
        let may_be_anybodys = self.may_be_anybodys();
        match (self.client.standing, after) {
            _ if self.prompts.wants_consent() => Consent::Required,
            (Standing::FirstParty, After::Nothing) if may_be_anybodys => Consent::Required,
            (Standing::FirstParty, _) => Consent::NotNeeded,
            (Standing::ThirdParty | Standing::Registered, _) if may_be_anybodys => {
                Consent::Required
            }
            (Standing::ThirdParty | Standing::Registered, _) => Consent::Remembered,
        }
    }

    /// Whether whoever listens at the redirect URI may be another program than the client, RFC 8252
    /// §8.6: an application without a secret, and without a domain of its own to answer at. An
    /// operator knows that their own web application is in development when it is on this machine.
    #[must_use]
    pub fn may_be_anybodys(&self) -> bool {
        let https = self.reply.redirect().as_str().starts_with("https:");
        let is_web = !self.client.is_native && self.client.standing == Standing::FirstParty;
        self.client.is_public() && !https && !is_web
    }

    /// What a client is told that may show nothing, when a page would have to be shown.
    #[must_use]
    pub fn needs_consent(&self) -> Refused {
        if self.may_be_anybodys() {
            let words = "a native application cannot have a code without the person";
            return self.refuse(ErrorCode::InteractionRequired, words);
        }
        self.refuse(ErrorCode::ConsentRequired, "the person has not agreed to this")
    }
}

/// The consent page.
#[must_use]
pub fn ask<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    asked: &AuthorizationRequest,
    question: &Question<'_>,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    let Question { account, asking, interaction } = question;
    let browser = Browser::of(headers, rng);
    let shown = Shown {
        // Signing in may have taken a while: reading begins now.
        interaction: Interaction::begin(interaction.request.as_bytes(), now),
        account: *account,
        scope: asked.reveals(),
        resources: asked.resources.clone(),
        revised_at: asked.client.revised_at,
        at: now,
        grant: random_uuid(rng),
        secret: Bits::new(random(rng)),
    };
    let sealed = browser.seal(PURPOSE, &shown, idp.config, rng);
    let view = view(idp, asked, asking, &shown, &sealed);
    let picture = view.logo;
    let leads_to = Some(asked.reply.redirect().as_str());
    let html = page::consent(&view);
    let mut response = page::respond_with_picture(StatusCode::OK, html, leads_to, picture);
    browser.remember(&mut response);
    response
}

/// `POST /consent`: what the person decided.
///
/// # Errors
/// See [`Refused`].
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let headers = request.headers();
    if !ask::is_from_ourselves(headers, &idp.config.issuer) || !headers.contains_key(ORIGIN) {
        return Err(Refused::CrossSite);
    }
    let form = ask::form(request).map_err(Refused::Form)?;
    let sealed = form.get("interaction").unwrap_or_default();
    let shown = Shown::open(sealed, headers, idp, now).map_err(Refused::Interaction)?;
    let asked = idp.read(shown.interaction.request.as_bytes()).await?;
    match form.get("decision") {
        Some("allow") => allow(idp, headers, asked, shown, now, rng).await,
        Some("deny") => Err(asked.refuse(ErrorCode::AccessDenied, "the person did not agree")),
        Some("somebody-else") => {
            let errand = Errand::Client(Box::new(asked));
            Ok(begin(idp, headers, &errand, &shown.interaction, rng))
        }
        _ => Err(Refused::Form(ask::NoForm::Malformed(Malformed::NotText))),
    }
}

async fn allow<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    asked: AuthorizationRequest,
    shown: Shown,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let Shown { interaction, account, scope, resources, revised_at, at, grant, secret } = shown;
    // The operator has changed something: what was shown is not what would be granted. Or the client
    // has, and it is not what was shown (RG-09).
    let same = asked.resources == resources && asked.client.revised_at == revised_at;
    if !same || !asked.reveals().within(&scope) {
        return Err(Refused::Interaction(Lost::Expired));
    }
    let current = session(idp, headers);
    if current.is_some_and(|current| current.object != account) {
        return Err(Refused::SomebodyElse);
    }
    if let Some(session) = current {
        let until = interaction.until();
        let consent = Consent::Given { remember: !asked.may_be_anybodys(), until };
        let code = Handle { object: account, item: grant, generation: 0, secret: secret.expose() };
        let (grant, code) = asked.grant_as(code, consent, idp);
        let command = Proceed {
            session: session.item,
            cookie: Digest::of(session.secret),
            // How old the proof was when the page was shown: reading takes the time it takes.
            max_age: asked.max_age.map(|max_age| max_age.saturating_add(now.since(at))),
            acr: asked.claims.acr.clone(),
            grant,
        };
        match idp.objects.proceed(account, command, now).await? {
            Proceeded::Issued => {
                let client = asked.client.id.clone();
                let given = Event::ConsentGiven { account, client };
                return Ok(event::note(asked.reply.code(&code), given));
            }
            Proceeded::Finished => return Err(Refused::Interaction(Lost::Finished)),
            Proceeded::TooLongAgo
            | Proceeded::OtherWay
            | Proceeded::SignedOut
            | Proceeded::ConsentNeeded(_) => {}
        }
    }
    Ok(begin(idp, headers, &Errand::Client(Box::new(asked)), &interaction, rng))
}

impl Shown {
    fn open<P: Platform>(
        text: &str,
        headers: &HeaderMap,
        idp: &Idp<'_, P>,
        now: UnixTime,
    ) -> Result<Self, Lost> {
        let browser = Browser::known(headers).ok_or(Lost::NoCookie)?;
        let shown: Self = browser.open(PURPOSE, text, idp.config)?;
        if shown.interaction.until() <= now { Err(Lost::Expired) } else { Ok(shown) }
    }
}

fn view<'a, P: Platform>(
    idp: &'a Idp<'_, P>,
    asked: &'a AuthorizationRequest,
    asking: &'a Asking,
    shown: &'a Shown,
    interaction: &'a str,
) -> page::Consent<'a> {
    let client = &*asked.client;
    let agreed = asking.agreed.as_ref();
    // The standard words in the order of their table, the operator's own after them.
    let mut asked_for: Vec<_> = shown.scope.words().collect();
    let place = |word: &str| ScopeWord::ALL.iter().position(|known| known.as_str() == word);
    asked_for.sort_by_key(|word| place(word).unwrap_or(usize::MAX));
    let permissions = asked_for.into_iter().map(|word| page::Permission {
        words: words(word, idp).into(),
        is_new: agreed.is_some_and(|(scope, _)| !scope.has(word)),
    });
    let places = shown.resources.names().map(|resource| page::Permission {
        words: format!("Act for you at {resource}").into(),
        is_new: agreed.is_some_and(|(_, resources)| !resources.has(resource)),
    });
    let https = |link: &'a Option<String>| link.as_deref().filter(|uri| uri.starts_with("https:"));
    page::Consent {
        client_name: &client.name,
        client_host: asked.host(),
        is_on_this_device: asked.may_be_anybodys(),
        is_unchecked: client.standing == Standing::Registered,
        id_host: id_host(&client.id),
        account: &asking.name,
        interaction,
        permissions: if client.standing == Standing::FirstParty && !asked.prompts.wants_consent() {
            Vec::new()
        } else {
            permissions.chain(places).collect()
        },
        logo: https(&client.links.logo).filter(|logo| page::picture_origin(logo).is_some()),
        home: https(&client.links.client),
        policy: https(&client.links.policy),
        terms: https(&client.links.terms),
    }
}

/// The host of a `client_id` that is an address, which says whose the client is.
fn id_host(client_id: &str) -> Option<String> {
    let url = Url::parse(client_id).ok().filter(|url| url.scheme() == "https")?;
    url.host_str().map(str::to_owned)
}

/// What a scope word means to a person.
fn words<'a, P: Platform>(word: &'a str, idp: &'a Idp<'_, P>) -> &'a str {
    match ScopeWord::parse(word) {
        Some(ScopeWord::OpenId) => "Recognize you when you sign in",
        Some(ScopeWord::Profile) => "See your profile: name, picture and the like",
        Some(ScopeWord::Email) => "See your email address",
        Some(ScopeWord::Address) => "See your postal address",
        Some(ScopeWord::Phone) => "See your phone number",
        Some(ScopeWord::OfflineAccess) => "Keep this access when you\u{2019}re signed out",
        None if word == MANAGE_CLIENTS => "Register, change and remove applications here",
        None => idp.config.scopes.get(word).map_or(word, |own| own.description.as_str()),
    }
}
