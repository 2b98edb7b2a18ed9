//! Clients that are registered at run time, with the initial access tokens whose digests are in
//! `configs/issuer.json`.

use crate::assertion::Key;
use crate::client::{Auth, Client, Draft, json};
use crate::world::Issuer;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json as value};
use shared::fetch::Response;

/// The initial access tokens. Over HTTP each has the allowance of one run.
pub const INITIAL: [&str; 4] = [
    "initial-token-of-attacks",
    "initial-token-of-conformance",
    "initial-token-of-faults",
    "b.c.d",
];

/// Metadata that is accepted as it is.
pub fn metadata() -> Value {
    value!({
        "client_name": "Made at run time",
        "redirect_uris": ["https://dyn.test/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

/// The same, with other members besides.
pub fn with(more: &Value) -> Value {
    let mut all = metadata();
    for (name, member) in more.as_object().expect("an object") {
        all[name] = member.clone();
    }
    all
}

/// The request that registers.
pub fn register(token: &str, metadata: &Value) -> Draft {
    let draft = Draft::new(Method::POST, "/register").header("content-type", "application/json");
    draft.bearer(token).body(metadata.to_string())
}

/// A client that was registered, and what it was told then.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The client information response.
    pub said: Map<String, Value>,
}

impl Registered {
    /// Registers; a refusal fails the test.
    pub fn new(issuer: &Issuer, token: &str, metadata: &Value) -> Self {
        Self::of(&register(token, metadata).send(issuer))
    }

    /// Reads a good answer; any other fails the test.
    pub fn of(answer: &Response) -> Self {
        let said = json(answer);
        assert_eq!(answer.status(), StatusCode::CREATED, "{said:?}");
        Self { said }
    }

    /// A member that is text.
    pub fn text(&self, member: &str) -> &str {
        self.said[member].as_str().unwrap_or_else(|| panic!("{member} is no text"))
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        self.text("client_id")
    }

    /// Its registration access token.
    pub fn token(&self) -> &str {
        self.text("registration_access_token")
    }

    /// The client, for the helpers of those in the file; they live as long as the tests.
    pub fn client(&self) -> Client {
        let keep = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let auth = match self.text("token_endpoint_auth_method") {
            "client_secret_basic" => Auth::Basic(keep(self.text("client_secret"))),
            "client_secret_post" => Auth::Post(keep(self.text("client_secret"))),
            // The key that the tests' clients sign with unless they say otherwise.
            "private_key_jwt" => Auth::PrivateKeyJwt(Key::Ec(0xc5)),
            _ => Auth::Public,
        };
        let redirect_uri = self.said["redirect_uris"][0].as_str().expect("a redirect URI");
        Client { id: keep(self.id()), auth, redirect_uri: keep(redirect_uri) }
    }

    /// A request to its own endpoint, with its own token.
    pub fn manage(&self, method: Method) -> Draft {
        let draft = Draft::new(method, &format!("/register/{}", self.id()));
        draft.bearer(self.token())
    }

    /// The request that replaces its metadata.
    pub fn put(&self, metadata: &Value) -> Draft {
        let mut all = metadata.clone();
        if all.get("client_id").is_none() {
            all["client_id"] = self.id().into();
        }
        let draft = self.manage(Method::PUT).header("content-type", "application/json");
        draft.body(all.to_string())
    }
}
