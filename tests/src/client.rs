//! Clients of every kind that `configs/issuer.json` registers, and the requests they send. Each
//! request is a valid one that a test may change before it goes out.

use crate::assertion::{self, Assertion, Key};
use crate::browser::{Browser, Reply, is_consent, request};
use crate::dpop::Proof;
use crate::people::{ALICE, Person};
use crate::world::Issuer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use shared::fetch::{Request, Response};
use shared::form::encode;
use shared::secret::Digest;
use std::sync::atomic::{AtomicU64, Ordering};
use url::form_urlencoded::byte_serialize;

/// A registered client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Client {
    /// Its `client_id`.
    pub id: &'static str,
    /// How it authenticates; the secrets whose digests are in the file.
    pub auth: Auth,
    /// The first of its redirect URIs.
    pub redirect_uri: &'static str,
}

/// Client authentication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Auth {
    /// `client_secret_basic`.
    Basic(&'static str),
    /// `client_secret_post`.
    Post(&'static str),
    /// `private_key_jwt`.
    PrivateKeyJwt(Key),
    /// None: a public client.
    Public,
}

const fn client(id: &'static str, auth: Auth, redirect_uri: &'static str) -> Client {
    Client { id, auth, redirect_uri }
}

/// A web application; may have every scope.
pub const C1: Client = client("c1", Auth::Basic("c1-secret"), "https://app.test/cb");
/// The secret that [`C1`] had before, which still works.
pub const C1_BEFORE: Auth = Auth::Basic("c1-secret-before");
/// A web application that posts its secret.
pub const C2: Client = client("c2", Auth::Post("c2-secret"), "https://post.test/cb");
/// A native application.
pub const C3: Client = client("c3", Auth::Public, "http://127.0.0.1/cb");
/// An application in a browser, of the origin `https://spa.test`.
pub const C4: Client = client("c4", Auth::Public, "https://spa.test/cb");
/// Signs assertions; has registered the public halves of three keys.
pub const C5: Client = client("c5", Auth::PrivateKeyJwt(Key::Ec(0xc5)), "https://signs.test/cb");
/// The same with RSA.
pub const C5_RSA: Auth = Auth::PrivateKeyJwt(Key::Rsa);
/// The same with Ed25519.
pub const C5_ED: Auth = Auth::PrivateKeyJwt(Key::Ed(0xc5));
/// Signs assertions too, and has registered where its keys are: at [`assertion::AFAR`].
pub const AFAR: Client = client("afar", Auth::PrivateKeyJwt(Key::Ec(0xc5)), "https://afar.test/cb");
/// Somebody else's, whom people are asked about; may have `reports.read` and has every link.
pub const THIRD: Client = client("third", Auth::Basic("c5-secret"), "https://third.test/cb");
/// Somebody else's native application.
pub const THIRD_NATIVE: Client = client("third-native", Auth::Public, "http://127.0.0.1/third");
/// The attacker's own, in good standing.
pub const C6: Client = client("c6", Auth::Basic("c6-secret"), "https://evil.test/cb");
/// Has its ID tokens signed with RS256.
pub const RS256: Client = client("rs256", Auth::Basic("rs256-secret"), "https://rsa.test/cb");
/// Has its ID tokens signed with Ed25519.
pub const EDDSA: Client = client("eddsa", Auth::Basic("eddsa-secret"), "https://eddsa.test/cb");
/// The one client that need not send a code challenge; may have every scope.
pub const WAIVED: Client = client("waived", Auth::Basic("waived-secret"), "https://waived.test/cb");
/// Its access tokens are for `https://api.test`, or for `https://files.test/v1` and `urn:test:mail`
/// when it names them; it may have `reports.read`, a scope word of the operator's.
pub const API: Client = client("api", Auth::Basic("api-secret"), "https://caller.test/cb");
/// May not refresh.
pub const BRIEF: Client = client("brief", Auth::Basic("brief-secret"), "https://brief.test/cb");
/// Has two redirect URIs, the second with a query, and markup in its name.
pub const MANY: Client = client("many", Auth::Basic("many-secret"), "https://a.b.test/cb");
/// Has a colon in its name, and every letter that needs encoding in its secret.
pub const ODD: Client = client("odd:id", Auth::Basic("t:w%o +&=\u{e9}"), "https://odd.test/cb");
/// Pairwise, of the sector `pair-a.test`.
pub const PAIR_A: Client = client("pair-a", Auth::Basic("pair-a-secret"), "https://pair-a.test/cb");
/// Pairwise, of the same sector.
pub const PAIR_A2: Client =
    client("pair-a2", Auth::Basic("pair-a2-secret"), "https://pair-a2.test/cb");
/// Pairwise, of another sector; its access tokens are for `https://api.test`.
pub const PAIR_B: Client = client("pair-b", Auth::Basic("pair-b-secret"), "https://pair-b.test/cb");
/// Has its userinfo and introspection answers signed with RS256.
pub const SIGNED: Client = client("signed", Auth::Basic("signed-secret"), "https://signed.test/cb");
/// The resource `https://api.test`, which may exchange what it is shown for access tokens for
/// `https://files.test/v1`. Sends nobody to sign in.
pub const SERVER: Client = client("rs", Auth::Basic("rs-secret"), "");
/// The resource `https://files.test/v1`, which may do the same for `https://api.test` and
/// `urn:test:mail`. Pairwise, of a sector of its own.
pub const FILES_SERVER: Client = client("files", Auth::Basic("files-secret"), "");
/// Is told at `/told` of its own when somebody signs out.
pub const TOLD: Client = client("told", Auth::Basic("told-secret"), "https://told.test/cb");
/// The same at `/told-too`; its tokens are signed with RS256.
pub const TOLD_TOO: Client =
    client("told-too", Auth::Basic("told-too-secret"), "https://too.test/cb");

/// What an access token is called where tokens are exchanged, RFC 8693 §3.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// One of each kind, all of which may refresh.
pub const KINDS: [Client; 9] = [C1, C2, C3, C4, C5, AFAR, RS256, EDDSA, API];

/// An authorization request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whose.
    pub client: Client,
    /// In order; a name may stand twice.
    pub parameters: Vec<(String, String)>,
    /// What the code challenge was made of.
    pub verifier: String,
}

/// 43 characters that were not there before.
pub fn fresh(what: &str) -> String {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let number = DRAWN.fetch_add(1, Ordering::Relaxed);
    Digest::of(format!("{what} {number} {}", std::process::id())).to_text()
}

/// The S256 code challenge of a verifier.
pub fn challenge(verifier: &str) -> String {
    Digest::of(verifier).to_text()
}

impl Ask {
    /// A valid request of `client`: everything that it may have, and nothing unusual.
    pub fn of(client: Client) -> Self {
        let verifier = fresh("verifier");
        let (state, nonce, challenge) = (fresh("state"), fresh("nonce"), challenge(&verifier));
        let parameters = [
            ("response_type", "code"),
            ("client_id", client.id),
            ("redirect_uri", client.redirect_uri),
            ("scope", "openid"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { client, parameters: parameters.into(), verifier }
    }

    /// As the official plans send it: without PKCE. Only [`WAIVED`] may.
    pub fn without_pkce(client: Client) -> Self {
        Self::of(client).without("code_challenge").without("code_challenge_method")
    }

    /// With another value, or with one more parameter.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.parameters.iter_mut().find(|(found, _)| found == name) {
            Some((_, found)) => value.clone_into(found),
            None => return self.add(name, value),
        }
        self
    }

    /// With one more, even if it is there already.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without it.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(found, _)| found != name);
        self
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Takes an answer apart that came in the response mode that was asked for.
    pub fn reply(&self, answer: &Response) -> Reply {
        let posts = self.get("response_mode") == Some("form_post");
        if posts { Reply::posted(answer) } else { Reply::of(answer) }
    }

    /// The URL to send a browser to.
    pub fn url(&self, issuer: &Issuer) -> String {
        format!("{}?{}", issuer.at("/authorize"), encode(self.pairs()))
    }
}

/// A request of a client to an endpoint that is not for browsers.
#[derive(Clone, Debug)]
pub struct Draft {
    method: Method,
    path: String,
    form: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    assertion: Option<Assertion>,
    proof: Option<Proof>,
    body: Option<Vec<u8>>,
}

impl Draft {
    /// A request without anything in it.
    pub fn new(method: Method, path: &str) -> Self {
        let (form, headers, path) = (Vec::new(), Vec::new(), path.to_owned());
        Self { method, path, form, headers, assertion: None, proof: None, body: None }
    }

    /// A form to be posted.
    pub fn post(path: &str, form: &[(&str, &str)]) -> Self {
        let start = Self::new(Method::POST, path);
        let start = start.header("content-type", "application/x-www-form-urlencoded");
        form.iter().fold(start, |draft, (name, value)| draft.set(name, value))
    }

    /// With a field of that value.
    #[must_use]
    pub fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    /// With one more field, even if it is there already.
    #[must_use]
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.form.retain(|(found, _)| found != name);
        self
    }

    /// With one header of that name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without_header(name);
        self.more_header(name, value.as_bytes())
    }

    /// With one more header, even if it is there already; any bytes.
    #[must_use]
    pub fn more_header(mut self, name: &str, value: &[u8]) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers.push((name, HeaderValue::from_bytes(value).expect("a header's value")));
        self
    }

    /// Without the header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found.as_str() != name);
        self
    }

    /// With these bytes in place of the form.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// To another path, or with a query.
    #[must_use]
    pub fn to(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With another method.
    #[must_use]
    pub fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With the credentials of a client and no others.
    #[must_use]
    pub fn auth(self, id: &str, auth: Auth) -> Self {
        let bare = self.without("client_id").without("client_secret");
        let mut bare = bare.without_header("authorization");
        bare.assertion = None;
        match auth {
            Auth::Basic(secret) => bare.header("authorization", &basic(id, secret)),
            Auth::Post(secret) => bare.set("client_id", id).set("client_secret", secret),
            Auth::PrivateKeyJwt(key) => bare.set("client_id", id).assertion(Assertion::of(id, key)),
            Auth::Public => bare.set("client_id", id),
        }
    }

    /// With this assertion, signed anew each time.
    #[must_use]
    pub fn assertion(mut self, assertion: Assertion) -> Self {
        self.assertion = Some(assertion);
        self
    }

    /// With this proof of a key, signed anew each time.
    #[must_use]
    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = Some(proof);
        self
    }

    /// With the credentials of `client`.
    #[must_use]
    pub fn by_client(self, client: Client) -> Self {
        self.auth(client.id, client.auth)
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// What goes out.
    pub fn request(&self, issuer: &Issuer) -> Request {
        let mut request = request(self.method.clone(), &issuer.at(&self.path));
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        if let Some(proof) = &self.proof {
            let text = proof.text(issuer, request.uri().path());
            let text = HeaderValue::from_str(&text).expect("a header's value");
            request.headers_mut().append("dpop", text);
        }
        let mut form = self.form.clone();
        if let Some(assertion) = &self.assertion {
            let signed = [
                ("client_assertion_type", assertion::TYPE.to_owned()),
                ("client_assertion", assertion.text(issuer)),
            ];
            // What a test has put there itself stays.
            let missing =
                signed.into_iter().filter(|(name, _)| !form.iter().any(|(n, _)| n == name));
            let missing: Vec<_> = missing.map(|(name, value)| (name.to_owned(), value)).collect();
            form.extend(missing);
        }
        let pairs = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let form = || encode(pairs).into_bytes();
        let form = if request.headers().contains_key(CONTENT_TYPE) { form() } else { Vec::new() };
        *request.body_mut() = self.body.clone().unwrap_or(form);
        request
    }

    /// Sends it.
    pub fn send(&self, issuer: &Issuer) -> Response {
        issuer.ask(self.request(issuer))
    }
}

/// The value of a Basic `Authorization` header, RFC 6749 §2.3.1.
pub fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

impl Client {
    /// Redeems a code that `ask` led to.
    pub fn redeem(self, code: &str, ask: &Ask) -> Draft {
        let draft = Draft::post("/token", &[("grant_type", "authorization_code"), ("code", code)]);
        let draft = draft.set("redirect_uri", ask.get("redirect_uri").unwrap_or(self.redirect_uri));
        let verifier = ask.get("code_challenge").map(|_| ask.verifier.as_str());
        let draft = verifier.map_or(draft.clone(), |text| draft.set("code_verifier", text));
        draft.by_client(self)
    }

    /// Refreshes.
    pub fn refresh(self, token: &str) -> Draft {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        Draft::post("/token", &form).by_client(self)
    }

    /// Revokes.
    pub fn revoke(self, token: &str) -> Draft {
        Draft::post("/revoke", &[("token", token)]).by_client(self)
    }

    /// Exchanges an access token for another.
    pub fn exchange(self, token: &str) -> Draft {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        Draft::post("/token", &form).by_client(self)
    }

    /// Asks about a token.
    pub fn introspect(self, token: &str) -> Draft {
        Draft::post("/introspect", &[("token", token)]).by_client(self)
    }
}

/// Asks for the person's claims.
pub fn userinfo(token: &str) -> Draft {
    Draft::new(Method::GET, "/userinfo").bearer(token)
}

/// The same with a token that is bound to a key, and the proof that it takes.
pub fn bound_userinfo(token: &str, proof: Proof) -> Draft {
    let draft = Draft::new(Method::GET, "/userinfo").proof(proof);
    draft.header("authorization", &format!("DPoP {token}"))
}

/// A token answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token, when there is one.
    pub refresh: Option<String>,
    /// The ID token, when there is one.
    pub id: Option<String>,
    /// Everything the answer said.
    pub said: Map<String, Value>,
}

impl Tokens {
    /// Reads a good answer; any other fails the test.
    pub fn of(answer: &Response) -> Self {
        Self::of_type(answer, "Bearer")
    }

    /// Reads a good answer whose access token is bound to a key; any other fails the test.
    pub fn bound(answer: &Response) -> Self {
        Self::of_type(answer, "DPoP")
    }

    fn of_type(answer: &Response, token_type: &str) -> Self {
        let said = json(answer);
        assert_eq!(answer.status(), StatusCode::OK, "{said:?}");
        assert_eq!(said["token_type"], token_type);
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            access: text("access_token").expect("an access token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            said,
        }
    }

    /// The refresh token; its absence fails the test.
    pub fn refresh(&self) -> &str {
        self.refresh.as_deref().expect("a refresh token")
    }

    /// The ID token; its absence fails the test.
    pub fn id(&self) -> &str {
        self.id.as_deref().expect("an ID token")
    }

    /// The words of the granted scope.
    pub fn scope(&self) -> Vec<&str> {
        self.said["scope"].as_str().expect("a scope").split(' ').collect()
    }
}

/// The object in a body.
pub fn json(answer: &Response) -> Map<String, Value> {
    serde_json::from_slice(answer.body())
        .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(answer.body())))
}

/// Somebody signed in, and the client has the code.
#[derive(Debug)]
pub struct SignedIn<'i> {
    /// The browser it happened in.
    pub browser: Browser<'i, Issuer>,
    /// What was asked.
    pub ask: Ask,
    /// What came back.
    pub reply: Reply,
}

impl<'i> SignedIn<'i> {
    /// Alice, in a new browser, for what `ask` asks.
    pub fn new(issuer: &'i Issuer, ask: Ask) -> Self {
        Self::by(issuer, ask, ALICE)
    }

    /// Somebody, in a new browser, who agrees if they are asked.
    pub fn by(issuer: &'i Issuer, ask: Ask, person: Person) -> Self {
        let browser = Browser::new(issuer);
        let page = browser.get(&ask.url(issuer));
        let answer = browser.sign_in(&page, person);
        let asks = is_consent(&answer);
        let answer = if asks { browser.decide(issuer.url(), &answer, "allow") } else { answer };
        let reply = ask.reply(&answer);
        assert_eq!(reply.get("error"), None);
        Self { browser, ask, reply }
    }

    /// The request that redeems the code.
    pub fn redeem(&self) -> Draft {
        self.ask.client.redeem(&self.reply.code(), &self.ask)
    }
}

/// Alice signs in to `client`, which redeems the code.
pub fn tokens(issuer: &Issuer, client: Client) -> Tokens {
    Tokens::of(&SignedIn::new(issuer, Ask::of(client)).redeem().send(issuer))
}

/// The same with `offline_access`.
pub fn offline_tokens(issuer: &Issuer, client: Client) -> Tokens {
    let ask = Ask::of(client).set("scope", "openid profile email offline_access");
    Tokens::of(&SignedIn::new(issuer, ask).redeem().send(issuer))
}

/// What the `Authorization` header of a draft says.
pub fn authorization(draft: &Draft) -> Option<&HeaderValue> {
    draft.headers.iter().find(|(name, _)| *name == AUTHORIZATION).map(|(_, value)| value)
}
