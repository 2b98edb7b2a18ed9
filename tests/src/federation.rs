//! An issuer with an upstream of every preset, all of them stand-ins, in one process; and the way of
//! a person through one of them.

use crate::believe::id_token;
use crate::browser::{Browser, forms, gist};
use crate::client::{Ask, Tokens, json, userinfo};
use crate::upstream::onward;
use crate::world::{Issuer, settings};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, LOCATION};
use serde_json::{Map, Value, json};
use shared::fetch::{Fetch, LARGEST_ANSWER, PATIENCE_SECONDS, Request, Response, Unreachable};
use shared::time::UnixTime;
use stand_in::{API_KEY, Answer, Endpoint, GATELATCH, Home, Seen, StandIn};
use std::cell::RefCell;
use std::rc::Rc;

/// Where all stand-ins are.
pub const HOST: &str = "stand-in.test";
/// The cookie of somebody who is signed in.
pub const COOKIE: &str = "__Host-gatelatch-sign-in";

/// A preset of our configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preset {
    /// A tenant of Auth0.
    Auth0,
    /// The user management of `WorkOS`.
    AuthKit,
    /// The single sign-on API of `WorkOS`.
    WorkosSso,
    /// GitHub.
    GitHub,
    /// Google.
    Google,
    /// Several tenants of Entra.
    Entra,
    /// Any OpenID provider.
    OpenId,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Auth0,
        Self::AuthKit,
        Self::WorkosSso,
        Self::GitHub,
        Self::Google,
        Self::Entra,
        Self::OpenId,
    ];

    /// What our configuration calls the preset, and here the upstream too.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::AuthKit => "authkit",
            Self::WorkosSso => "workos-sso",
            Self::GitHub => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::OpenId => "openid",
        }
    }

    /// Who stands in for it.
    pub const fn stand_in(self) -> stand_in::Preset {
        match self {
            Self::Auth0 => stand_in::Preset::Auth0,
            Self::AuthKit | Self::WorkosSso => stand_in::Preset::WorkOs,
            Self::GitHub => stand_in::Preset::GitHub,
            Self::Google => stand_in::Preset::Google,
            Self::Entra => stand_in::Preset::Entra,
            Self::OpenId => stand_in::Preset::Generic,
        }
    }

    /// The place of an instance.
    pub fn place_of(self, instance: &str) -> String {
        format!("{}/{instance}", self.stand_in().word())
    }

    /// The place of the upstream that every net has.
    pub fn place(self) -> String {
        self.place_of(self.id())
    }

    /// The endpoints that we have to do with.
    pub const fn endpoints(self) -> &'static [Endpoint] {
        use Endpoint::{Authorize, Discovery, Emails, Jwks, Token, Userinfo};
        match self {
            Self::Auth0 | Self::Google | Self::OpenId => {
                &[Discovery, Jwks, Authorize, Token, Userinfo]
            }
            Self::Entra => &[Discovery, Jwks, Authorize, Token],
            Self::AuthKit => &[Jwks, Authorize, Token],
            Self::WorkosSso => &[Authorize, Token],
            Self::GitHub => &[Authorize, Token, Userinfo, Emails],
        }
    }

    /// Our secret there.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::AuthKit | Self::WorkosSso => API_KEY,
            _ => GATELATCH.secret,
        }
    }

    /// An entry of `UPSTREAMS` for an instance, as short as it can be.
    pub fn entry(self, id: &str, instance: &str) -> Value {
        let base = format!("https://{HOST}/{}", self.place_of(instance));
        let mut entry = json!({ "id": id, "provider": self.id(), "client_id": GATELATCH.id });
        entry[if self == Self::OpenId { "issuer" } else { "base" }] = base.into();
        match self {
            Self::WorkosSso => entry["organization"] = "org_alpha".into(),
            Self::Entra => entry["tenants"] = json!([Home::Alpha.tenant()]),
            Self::Auth0 | Self::AuthKit | Self::GitHub | Self::Google | Self::OpenId => {}
        }
        entry
    }
}

/// The stand-ins as the issuer reaches them: what arrives in time and whole, it gets. Clones are the
/// same.
#[derive(Clone, Debug)]
pub struct StandIns {
    stand_in: StandIn,
    sent: Rc<RefCell<Vec<Sent>>>,
}

/// A request of the issuer to whoever it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The URL.
    pub url: String,
    /// Its `Authorization` and its body.
    pub told: String,
}

impl StandIns {
    /// Whether a request is for them.
    pub fn are_at(request: &Request) -> bool {
        request.uri().host() == Some(HOST)
    }

    /// Answers a request of the issuer's.
    ///
    /// # Errors
    /// When no answer arrives that could be used.
    pub fn answer(&self, request: &Request, now: UnixTime) -> Result<Response, Unreachable> {
        let header = request.headers().get(AUTHORIZATION).map(|value| value.to_str());
        let header = header.and_then(Result::ok).unwrap_or_default();
        let told = format!("{header}\n{}", String::from_utf8_lossy(request.body()));
        self.sent.borrow_mut().push(Sent { url: request.uri().to_string(), told });
        let late = |seconds| seconds > PATIENCE_SECONDS;
        let answer = match self.stand_in.answer(request, now.0) {
            Answer::Response(answer) => answer,
            Answer::Late(wait, answer) if !late(wait.as_secs()) => answer,
            // A byte a second.
            Answer::Trickle(answer) if !late(answer.body().len() as u64) => answer,
            Answer::Late(..)
            | Answer::Trickle(_)
            | Answer::Cut
            | Answer::Never
            | Answer::Partial { .. }
            | Answer::NoHttp(_) => return Err(Unreachable),
        };
        // What is compressed here is a bomb: unpacked, it is too large as well.
        let is_bomb = answer.headers().contains_key(CONTENT_ENCODING);
        let fits = !is_bomb && answer.body().len() <= LARGEST_ANSWER;
        fits.then_some(answer).ok_or(Unreachable)
    }
}

/// An issuer, its upstreams, and the network between them and browsers.
#[derive(Debug)]
pub struct Net {
    /// The one that people sign in to.
    pub issuer: Issuer,
    /// Those who know them.
    pub stand_in: StandIn,
    way: StandIns,
}

/// What browsers reach. Where nothing arrives, a browser shows a page of its own: a 504 here.
impl Fetch for Net {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        if !StandIns::are_at(&request) {
            return Ok(self.issuer.send(request).await);
        }
        let answer = self.stand_in.answer(&request, self.issuer.now().0).into_response();
        Ok(answer.unwrap_or_else(|| {
            let mut nothing = Response::default();
            *nothing.status_mut() = StatusCode::GATEWAY_TIMEOUT;
            nothing
        }))
    }
}

/// An issuer with one upstream of every preset.
pub fn net() -> Net {
    net_with(&[])
}

/// The same with more entries of `UPSTREAMS`.
pub fn net_with(more: &[Value]) -> Net {
    let all = Preset::ALL.iter().map(|preset| preset.entry(preset.id(), preset.id()));
    net_of(&all.chain(more.iter().cloned()).collect::<Vec<_>>())
}

/// An issuer with these upstreams.
pub fn net_of(upstreams: &[Value]) -> Net {
    let mut settings = settings();
    configure(&mut settings, upstreams);
    let (issuer, stand_in) = (Issuer::in_process(&settings), StandIn::new(7));
    let way = StandIns { stand_in: stand_in.clone(), sent: Rc::default() };
    issuer.inside().federate(way.clone());
    Net { issuer, stand_in, way }
}

/// Settings with these upstreams and their secrets.
pub fn configure(settings: &mut Map<String, Value>, upstreams: &[Value]) {
    settings.insert("UPSTREAMS".to_owned(), upstreams.into());
    for entry in upstreams {
        let text = |name: &str| entry[name].as_str().expect("a text");
        let preset = Preset::ALL.into_iter().find(|preset| preset.id() == text("provider"));
        let secret = preset.expect("one of the presets").secret();
        let name = text("id").to_ascii_uppercase().replace('-', "_");
        settings.insert(format!("UPSTREAM_{name}_SECRET"), secret.into());
    }
}

/// Where an answer sends the browser.
pub fn location(answer: &Response) -> Option<&str> {
    answer.headers().get(LOCATION).map(|to| to.to_str().expect("locations are ASCII"))
}

impl Net {
    /// Forgets what the issuer knows of its upstreams, as another isolate would not know it.
    pub fn forget(&self) {
        self.issuer.inside().deploy_again(|_| ());
    }

    /// What the issuer sent to others since it was asked last.
    pub fn sent(&self) -> Vec<Sent> {
        self.way.sent.take()
    }

    /// What an endpoint of an upstream was asked last.
    pub fn asked(&self, place: &str, endpoint: Endpoint) -> Seen {
        let seen = self.stand_in.seen_at(place, endpoint).pop();
        seen.unwrap_or_else(|| panic!("nobody asked {endpoint:?} of {place}"))
    }
}

/// A browser on its way.
#[derive(Debug)]
pub struct Visit<'n> {
    /// Through this.
    pub net: &'n Net,
    /// Whose cookies stay.
    pub browser: Browser<'n, Net>,
    /// What the client asked.
    pub ask: Ask,
}

/// Who came through, as the client is told.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// In userinfo.
    pub claims: Map<String, Value>,
    /// In the ID token.
    pub id_token: Map<String, Value>,
}

impl Arrived {
    /// A claim that is text, or an empty one.
    pub fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of the ID token; `null` when it is not there.
    pub fn said(&self, name: &str) -> Value {
        self.id_token.get(name).cloned().unwrap_or_default()
    }
}

impl<'n> Visit<'n> {
    /// Of a browser that was never anywhere.
    pub fn new(net: &'n Net, ask: Ask) -> Self {
        Self { net, browser: Browser::new(net), ask }
    }

    /// The sign-in page, or what comes in its place.
    pub fn start(&self) -> Response {
        self.browser.get(&self.ask.url(&self.net.issuer))
    }

    /// Presses the button of an upstream on a page of ours.
    pub fn choose(&self, page: &Response, id: &str) -> Response {
        let button = ("upstream".to_owned(), id.to_owned());
        let form = forms(page).into_iter().find(|form| form.fields.contains(&button));
        let form = form.unwrap_or_else(|| panic!("no button of {id}: {}", gist(page)));
        self.browser.submit(self.net.issuer.url(), &form, &[("upstream", id)])
    }

    /// From our page to the URL of an upstream.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn leave(&self, id: &str) -> Result<String, Response> {
        let page = self.choose(&self.start(), id);
        if page.status() == StatusCode::OK { Ok(onward(&page)) } else { Err(page) }
    }

    /// Somebody signs in there: to the URL of our callback.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn prove(&self, url: &str, person: &str) -> Result<String, Response> {
        self.answer(url, ("person", person))
    }

    /// Says no there.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn deny(&self, url: &str) -> Result<String, Response> {
        self.answer(url, ("deny", "deny"))
    }

    fn answer(&self, url: &str, button: (&str, &str)) -> Result<String, Response> {
        let mut page = self.browser.get(url);
        // Whoever is signed in there is not asked.
        if page.status() == StatusCode::OK
            && let Some(mut form) = forms(&page).into_iter().next()
        {
            form.fields.clear();
            page = self.browser.submit(url, &form, &[button]);
        }
        let ours = self.net.issuer.url();
        match location(&page).filter(|to| to.starts_with(ours)) {
            Some(to) => Ok(to.to_owned()),
            None => Err(page),
        }
    }

    /// All the way to the answer for our callback.
    ///
    /// # Errors
    /// What stands in the way before that.
    pub fn go(&self, id: &str, person: &str) -> Result<Response, Response> {
        Ok(self.browser.get(&self.prove(&self.leave(id)?, person)?))
    }

    /// From the answer that has the code in it to who it is.
    pub fn arrive(&self, answer: &Response) -> Arrived {
        let code = self.ask.reply(answer).code();
        let issuer = &self.net.issuer;
        let tokens = Tokens::of(&self.ask.client.redeem(&code, &self.ask).send(issuer));
        Arrived {
            claims: json(&userinfo(&tokens.access).send(issuer)),
            id_token: id_token(issuer, &self.ask, &tokens),
        }
    }

    /// All of it.
    pub fn sign_in(&self, id: &str, person: &str) -> Arrived {
        match self.go(id, person) {
            Ok(answer) => self.arrive(&answer),
            Err(page) => panic!("{person} at {id}: {} {}", page.status(), gist(&page)),
        }
    }

    /// Whether somebody is signed in here.
    pub fn is_signed_in(&self) -> bool {
        self.browser.cookie("localhost", COOKIE).is_some()
    }
}
