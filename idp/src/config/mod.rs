//! What a deployment says about itself. Read once an isolate; wrong settings stop the Worker, and
//! every one of them is named.

mod accounts;
mod claims;
mod lifetimes;
mod trust;
mod upstream;

pub use accounts::LocalAccount;
pub use claims::{Kind, OwnClaims, Place, Rule};
pub use lifetimes::Lifetimes;
pub use trust::Address;
pub use upstream::{Recheck, Upstream, domain_of};

use crate::client::Client;
use crate::own_key::{self, OwnKey};
use crate::registration::{House, Registration};
use crate::words::ScopeWord;
use serde::Deserialize;
use serde_json::Value;
use shared::origin::Origin;
use shared::scope::Scope;
use shared::seal::SealingKeys;
use shared::secret::{Bits, Digest};
use shared::settings::{Problem, Settings};
use std::collections::BTreeMap;
use std::rc::Rc;
use uuid::Uuid;

/// An issuer's settings, every one of them checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ISSUER`: who we are, and the origin of every endpoint.
    pub issuer: Origin,
    /// `SEALING_KEYS`.
    pub keys: SealingKeys,
    /// `SIGNING_KEYS`.
    pub own_keys: Vec<OwnKey>,
    /// `DROPPED_KEYS`.
    pub dropped_keys: Vec<String>,
    /// `PAIRWISE_SECRET`: what pairwise subjects are made with. It never changes.
    pub pairwise: Option<Bits>,
    /// `SCOPES`: words of the operator's own.
    pub scopes: BTreeMap<String, OwnScope>,
    /// `CLAIMS`: claims of the operator's own.
    pub own_claims: OwnClaims,
    /// `CLIENTS`.
    pub clients: Vec<Rc<Client>>,
    /// `INITIAL_ACCESS_TOKENS`: of those whose bearers may register clients at run time.
    pub initial_access_tokens: Vec<Digest>,
    /// `ADMINS`: accounts that may register clients at run time, and change all of those.
    pub admins: Vec<Uuid>,
    /// Every scope word of this issuer.
    words: Scope,
    /// `ACCOUNTS`.
    pub accounts: Vec<LocalAccount>,
    /// `DISABLED_ACCOUNTS`: accounts that nothing is done for, however their people sign in.
    pub disabled_accounts: Vec<Uuid>,
    /// `UPSTREAMS`.
    pub upstreams: Vec<Upstream>,
    /// The `*_SECONDS`.
    pub lifetimes: Lifetimes,
}

/// The scope word that an administrator's access token needs to manage clients.
pub const MANAGE_CLIENTS: &str = "gatelatch:clients";

impl Config {
    /// Reads every setting, so that one failed start names every mistake.
    ///
    /// # Errors
    /// All [`Problem`]s found.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut settings = Settings::new(var);
        let issuer = settings.required(
            "ISSUER",
            "an https origin without a path or a trailing slash (http is for this machine only)",
            Origin::parse,
        );
        let keys = settings.required(
            "SEALING_KEYS",
            "one to eight keys, separated by commas, each 32 random bytes in base64url",
            SealingKeys::parse,
        );
        let deployed = issuer.as_ref().is_some_and(|issuer| !issuer.is_development());
        if deployed && keys.as_ref().is_some_and(SealingKeys::has_example) {
            settings.refuse("SEALING_KEYS", "your own: this key is in the documentation");
        }
        let own_keys = own_key::read(&mut settings);
        let dropped_keys = settings.optional(
            "DROPPED_KEYS",
            "kids as /jwks shows them, separated by commas",
            Vec::new(),
            |text| text.split(',').map(|kid| Some(Digest::parse(kid.trim())?.to_text())).collect(),
        );
        let wanted = "32 random bytes in base64url, which never change";
        let read = |text: &str| Bits::parse(text).map(Some);
        let pairwise = settings.optional("PAIRWISE_SECRET", wanted, None, read);
        if deployed && pairwise.is_some_and(|bits| bits.expose().starts_with(b"gatelatch-example"))
        {
            settings.refuse("PAIRWISE_SECRET", "your own: this one is in the documentation");
        }
        let scopes = scopes(&mut settings);
        let initial_access_tokens = initial_access_tokens(&mut settings);
        let admins: Vec<Uuid> =
            settings.json("ADMINS", "a JSON array of account ids: the sub of each in an ID token");
        let words = ScopeWord::ALL.iter().map(|word| word.as_str());
        let words = words.chain(scopes.keys().map(String::as_str));
        let words: Vec<_> = words.chain((!admins.is_empty()).then_some(MANAGE_CLIENTS)).collect();
        let words = Scope::parse(&words.join(" ")).unwrap_or_default();
        let name = issuer.as_ref().map_or("", Origin::as_str);
        let house = House {
            issuer: name,
            scopes: &words,
            has_pairwise_secret: settings.text("PAIRWISE_SECRET").is_some(),
        };
        let clients = clients(&mut settings, house);
        let own_claims = claims::own(&mut settings, &words);
        let accounts = accounts::accounts(&mut settings, &own_claims);
        let disabled_accounts: Vec<Uuid> = settings
            .json("DISABLED_ACCOUNTS", "a JSON array of account ids: the public sub of each");
        let upstreams = upstream::upstreams(&mut settings, issuer.as_ref(), &own_claims);
        let lifetimes = lifetimes::lifetimes(&mut settings);
        let config = issuer.zip(keys).map(|(issuer, keys)| Self {
            issuer,
            keys,
            own_keys,
            dropped_keys,
            pairwise,
            scopes,
            own_claims,
            clients,
            initial_access_tokens,
            admins,
            words,
            accounts,
            disabled_accounts,
            upstreams,
            lifetimes,
        });
        settings.finish(config)
    }

    /// What this deployment says about every client.
    #[must_use]
    pub fn house(&self) -> House<'_> {
        let (issuer, scopes) = (self.issuer.as_str(), &self.words);
        House { issuer, scopes, has_pairwise_secret: self.pairwise.is_some() }
    }

    /// The upstream called `id`.
    #[must_use]
    pub fn upstream(&self, id: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.id == id)
    }

    /// The upstream whose people have such an e-mail address.
    #[must_use]
    pub fn upstream_of(&self, address: &str) -> Option<&Upstream> {
        let domain = domain_of(address)?;
        self.upstreams.iter().find(|upstream| upstream.domains.contains(&domain))
    }

    /// Whether anybody may register clients at run time.
    #[must_use]
    pub const fn registers(&self) -> bool {
        !self.initial_access_tokens.is_empty() || !self.admins.is_empty()
    }

    /// The client that `id` names.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Rc<Client>> {
        self.clients.iter().find(|client| client.id == id)
    }
}

type Var<V> = Settings<V>;

/// A scope word of the operator's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OwnScope {
    /// What people read before they agree: a few words, such as "Read your reports".
    pub description: String,
}

/// `SCOPES`: a word, and what it means.
fn scopes<V: Fn(&str) -> Option<String>>(settings: &mut Var<V>) -> BTreeMap<String, OwnScope> {
    let own: BTreeMap<String, OwnScope> =
        settings.json("SCOPES", "a JSON object of scope words, each with a description");
    for word in own.keys() {
        let one = Scope::parse(word).is_some_and(|scope| scope.words().eq([word.as_str()]));
        if !one || ScopeWord::parse(word).is_some() || word == MANAGE_CLIENTS {
            settings.refuse(format!("SCOPES[{word}]"), "one word of RFC 6749 that is not standard");
        }
    }
    own
}

fn initial_access_tokens<V: Fn(&str) -> Option<String>>(settings: &mut Var<V>) -> Vec<Digest> {
    const WANTED: &str = "a JSON array of SHA-256 digests in base64url, 16 at the most";
    let digests: Vec<Digest> = settings.json("INITIAL_ACCESS_TOKENS", WANTED);
    if digests.len() > 16 {
        settings.refuse("INITIAL_ACCESS_TOKENS", WANTED);
    }
    digests
}

/// How many clients may send no code challenge: as many as the official plans take.
const MOST_WAIVERS: usize = 3;

fn clients<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    house: House<'_>,
) -> Vec<Rc<Client>> {
    // Element by element, so that one broken client does not hide the mistakes of the next.
    let raw: Vec<Value> = settings.json("CLIENTS", "a JSON array of clients");
    let mut ids: Vec<String> = Vec::new();
    let mut clients: Vec<Rc<Client>> = Vec::new();
    for (position, value) in raw.into_iter().enumerate() {
        let name = value.get("client_id").and_then(Value::as_str).map(str::to_owned);
        let name = format!("CLIENTS[{}]", name.unwrap_or_else(|| position.to_string()));
        let raw = match serde_json::from_value::<Registration>(value) {
            Ok(raw) => raw,
            Err(error) => {
                settings.refuse(name, format!("a client ({error})"));
                continue;
            }
        };
        if ids.contains(&raw.client_id) {
            settings.refuse(&name, "the only client with this client_id");
        }
        ids.push(raw.client_id.clone());
        match raw.check(house) {
            Ok(client) => clients.push(Rc::new(client)),
            Err(mistakes) => {
                for (member, wanted) in mistakes {
                    settings.refuse(format!("{name}.{member}"), wanted);
                }
            }
        }
    }
    if clients.iter().filter(|client| !client.requires_pkce).count() > MOST_WAIVERS {
        settings.refuse("CLIENTS", "such that require_pkce is false for three clients at the most");
    }
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";

    fn read(settings: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let found = |name: &str| {
            let found = settings.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::read(found)
            .map_err(|problems| problems.into_iter().map(|problem| problem.name).collect())
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let problems = read(&[
            ("ISSUER", "http://idp.test/"),
            ("SEALING_KEYS", "short"),
            ("SIGNING_KEYS", r#"{"kty":"oct","k":"AA"}"#),
            ("DROPPED_KEYS", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE, short"),
            (
                "CLIENTS",
                r#"[{"client_id":"a","redirect_uris":["https://*.test/"]},{"client_id":"b"},
               {"client_id":"c","redirect_uris":["https://c.test/"],"token_endpoint_auth_method":"none","require_pkce":false}]"#,
            ),
            ("ACCOUNTS", r#"[{"username":"","password":"plain","sub":"x"}]"#),
            ("CODE_SECONDS", "soon"),
        ]);
        assert_eq!(
            problems.unwrap_err(),
            [
                "ISSUER",
                "SEALING_KEYS",
                "SIGNING_KEYS[0]",
                "DROPPED_KEYS",
                "CLIENTS[a].redirect_uris",
                "CLIENTS[a].client_secret_sha256",
                "CLIENTS[b].redirect_uris",
                "CLIENTS[b].client_secret_sha256",
                "CLIENTS[c].require_pkce",
                "ACCOUNTS[0].username",
                "ACCOUNTS[0].password",
                "ACCOUNTS[0].sub",
                "CODE_SECONDS",
            ]
        );
    }

    #[test]
    fn pa_17_a_key_of_the_documentation_is_refused_outside_of_development() {
        // base64url of "gatelatch-example-key-for-tests!"
        let example = "Z2F0ZWxhdGNoLWV4YW1wbGUta2V5LWZvci10ZXN0cyE";
        assert!(read(&[("ISSUER", "http://localhost:8787"), ("SEALING_KEYS", example)]).is_ok());
        let deployed = read(&[("ISSUER", "https://idp.test"), ("SEALING_KEYS", example)]);
        assert_eq!(deployed.unwrap_err(), ["SEALING_KEYS"]);
    }

    #[test]
    fn pa_17_a_pairwise_secret_is_32_bytes_of_ones_own() {
        let with = |issuer: &str, secret: &str| {
            read(&[("ISSUER", issuer), ("SEALING_KEYS", KEY), ("PAIRWISE_SECRET", secret)])
        };
        let config = with("https://idp.test", KEY).unwrap();
        assert!(config.pairwise.is_some());
        assert!(format!("{config:?}").contains("Bits(..)"), "it does not print");
        let example = "Z2F0ZWxhdGNoLWV4YW1wbGUtcGFpcndpc2UtdGVzdDE";
        assert!(with("http://localhost:8787", example).is_ok());
        for secret in ["c2hvcnQ", "x y", &format!("{KEY},{KEY}"), example] {
            let refused = with("https://idp.test", secret);
            assert_eq!(refused.unwrap_err(), ["PAIRWISE_SECRET"], "{secret}");
        }
    }

    #[test]
    fn a_resource_server_is_confidential_and_not_the_issuer() {
        let digest = Digest::of("s").to_text();
        let with = |rest: &str| {
            let clients = format!(r#"[{{"client_id":"rs","grant_types":[],{rest}}}]"#);
            read(&[("ISSUER", "https://idp.test"), ("SEALING_KEYS", KEY), ("CLIENTS", &clients)])
        };
        let secret = format!(r#""client_secret_sha256":"{digest}""#);
        assert!(with(&format!(r#"{secret},"resource_server":["https://api.test"]"#)).is_ok());
        let none = r#""token_endpoint_auth_method":"none","resource_server":["https://api.test"]"#;
        for wrong in [
            none,
            &format!(r#"{secret},"resource_server":["https://api.test","https://idp.test"]"#),
            &format!(r#"{secret},"resource_server":[""]"#),
        ] {
            assert_eq!(with(wrong).unwrap_err(), ["CLIENTS[rs].resource_server"], "{wrong}");
        }
    }

    #[test]
    fn the_pkce_waiver_is_for_three_confidential_clients_at_the_most() {
        let digest = Digest::of("s").to_text();
        let client = |id: &str| {
            format!(
                r#"{{"client_id":"{id}","redirect_uris":["https://a.test/"],"client_secret_sha256":"{digest}","require_pkce":false}}"#
            )
        };
        let with = |clients: &str| {
            read(&[("ISSUER", "https://idp.test"), ("SEALING_KEYS", KEY), ("CLIENTS", clients)])
        };
        let many = |ids: &[&str]| {
            let clients: Vec<_> = ids.iter().map(|id| client(id)).collect();
            with(&format!("[{}]", clients.join(",")))
        };
        assert!(many(&["a", "b", "c"]).is_ok());
        assert_eq!(many(&["a", "b", "c", "d"]).unwrap_err(), ["CLIENTS"]);
    }
}
