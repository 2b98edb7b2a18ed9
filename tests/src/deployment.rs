//! A deployment of an issuer in this process: its settings, and what it knows of others meanwhile.

use crate::world::text;
use idp::budget::Budget;
use idp::client_keys;
use idp::config::{Config, Upstream};
use idp::password::Passwords;
use serde_json::{Map, Value};
use shared::rp::discovery::Provider;
use std::rc::Rc;

/// One.
#[derive(Debug)]
pub struct Deployment {
    /// The settings.
    pub config: Rc<Config>,
    /// Those of the local accounts.
    pub passwords: Passwords,
    /// How much may be hashed.
    pub budget: Budget,
    /// What is known of each upstream.
    pub upstreams: Vec<Provider>,
    /// And of the keys of clients.
    pub client_keys: client_keys::Cache,
}

impl Deployment {
    /// With settings, in which a mistake fails the test.
    pub fn of(settings: &Map<String, Value>) -> Rc<Self> {
        let config = Config::read(|name| text(settings, name)).expect("settings without a mistake");
        let accounts = config.accounts.iter();
        let accounts =
            accounts.map(|known| (known.username.as_str(), Some(known.password.as_str())));
        let passwords = Passwords::new(accounts).expect("accounts without a mistake");
        let upstreams = config.upstreams.iter().map(Upstream::provider).collect();
        let (budget, client_keys) = (Budget::default(), client_keys::Cache::default());
        Rc::new(Self { config: Rc::new(config), passwords, budget, upstreams, client_keys })
    }
}
