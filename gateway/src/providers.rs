//! Whom people may sign in with: the one provider of `ISSUER`, or those of the setting `PROVIDERS`.

use crate::auth::CALLBACK;
use crate::own_keys::OwnKeys;
use serde::Deserialize;
use shared::origin::Origin;
use shared::rp::entry::{Entry, List, Registered};
use shared::settings::Settings;

const LIST: List<'_> = List { setting: "PROVIDERS", secret: "PROVIDER_", key: None };
const WANTED: &str = "a JSON array of providers, each with id, provider and client_id, and what its \
                      kind needs";

/// The short form, for one provider; of the other form these are no part.
const SHORT: [&str; 5] = ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_AUTH", "SCOPE"];

/// The providers; there is one at least. That of the short form has no name.
#[derive(Clone, Debug)]
pub struct Providers {
    first: Registered,
    more: Vec<Registered>,
}

/// An entry, which has no members of ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(flatten)]
    entry: Entry,
}

impl Providers {
    /// Reads `PROVIDERS`; none without it.
    pub(crate) fn named<V: Fn(&str) -> Option<String>>(
        settings: &mut Settings<V>,
        public_url: Option<&Origin>,
        own_keys: &OwnKeys,
    ) -> Option<Vec<Registered>> {
        let list = List { key: own_keys.signing(), ..LIST };
        settings.text(LIST.setting)?;
        for name in SHORT {
            if settings.text(name).is_some() {
                settings.refuse(name, "absent beside PROVIDERS");
            }
        }
        if settings.text(LIST.setting).as_deref() == Some("[]") {
            settings.refuse(LIST.setting, "at least one provider");
        }
        let listed: Vec<Named> = settings.json(LIST.setting, WANTED);
        let mut read: Vec<Registered> = Vec::new();
        for (position, Named { entry }) in listed.into_iter().enumerate() {
            let is_taken = |id: &str| read.iter().any(|known| known.id == id);
            let at = |id: &str| Some(public_url?.at(&callback(id)));
            let registered = list.read(settings, (position, entry), is_taken, at);
            // Without a refresh token a session is over with its first access token.
            read.extend(registered.map(|registered| {
                let asks = !registered.has_scope;
                let remembered = asks.then(|| registered.clone().remembered()).flatten();
                remembered.unwrap_or(registered)
            }));
        }
        Some(read)
    }

    /// These, if there are any.
    #[must_use]
    pub fn new(registered: Vec<Registered>) -> Option<Self> {
        let mut more = registered.into_iter();
        Some(Self { first: more.next()?, more: more.collect() })
    }

    /// All of them, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The first.
    #[must_use]
    pub const fn first(&self) -> &Registered {
        &self.first
    }

    /// The one that there is, when there are no others.
    #[must_use]
    pub fn only(&self) -> Option<&Registered> {
        self.more.is_empty().then_some(&self.first)
    }

    /// The one that we call `id`. What was begun when there was one alone, without a name, is the
    /// first's.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Registered> {
        if id.is_empty() { Some(&self.first) } else { self.iter().find(|known| known.id == id) }
    }

    /// The same for the site at `public_url`, to which browsers come back from them.
    #[must_use]
    pub fn at(&self, public_url: &Origin) -> Self {
        let mut providers = self.clone();
        for one in std::iter::once(&mut providers.first).chain(&mut providers.more) {
            one.client.redirect_uri = public_url.at(&callback(&one.id));
        }
        providers
    }
}

/// The path where browsers come back to from the provider that we call `id`. Each has one of its own,
/// so that the answer of one is not taken for another's (RFC 9700 §4.4.2).
#[must_use]
pub fn callback(id: &str) -> String {
    if id.is_empty() { CALLBACK.to_owned() } else { format!("{CALLBACK}/{id}") }
}

/// The setting with the secret that the provider gave us which we call `id`.
#[must_use]
pub fn secret(id: &str) -> String {
    LIST.secret_name(id)
}

/// The optional binding of the Worker that is the provider which we call `id`.
#[must_use]
pub fn binding(id: &str) -> String {
    if id.is_empty() {
        return "IDP".to_owned();
    }
    format!("{}{}", LIST.secret, id.to_ascii_uppercase().replace('-', "_"))
}
