//! Signing keys in this process: the issuer's own ring, with keys that are made natively.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp::config::Config;
use idp::event::{self, Event};
use idp::own_key::{Form, OwnKey};
use idp::platform;
use idp::ring::{Fresh, Orders, Ring, Schedule};
use idp::rows::Unavailable;
use serde_json::Value;
use shared::jose::Alg;
use shared::jose::jwk::JwkSet;
use shared::jose::native::SigningKey;
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Made with `openssl genpkey`, because making one here takes a second. Nothing else uses them.
const RSA: [&str; 3] =
    [include_str!("rsa-1.pem"), include_str!("rsa-2.pem"), include_str!("rsa-3.pem")];

/// The key ring. Clones are the same ring.
#[derive(Clone, Debug)]
pub struct Keys(Rc<State>);

#[derive(Debug)]
struct State {
    ring: RefCell<Ring>,
    private: RefCell<BTreeMap<String, SigningKey>>,
    made: Cell<u8>,
    schedule: Schedule,
    orders: RefCell<Orders>,
    is_stale: Cell<bool>,
    fault: Cell<Option<u32>>,
    events: RefCell<Vec<Event>>,
}

/// One private key.
#[derive(Debug)]
pub struct Signer {
    ring: Keys,
    key: SigningKey,
    kid: String,
}

impl Keys {
    /// A ring without keys; it makes them when it is first asked.
    pub fn new(schedule: Schedule) -> Self {
        Self(Rc::new(State {
            ring: RefCell::default(),
            private: RefCell::default(),
            made: Cell::new(0),
            schedule,
            orders: RefCell::default(),
            is_stale: Cell::default(),
            fault: Cell::default(),
            events: RefCell::default(),
        }))
    }

    /// Learns what a deployment says about its keys.
    pub fn deploy(&self, config: &Config) {
        let own = config.own_keys.iter().map(|key| self.keep(import(key)).public).collect();
        self.0.orders.replace(Orders { own, dropped: config.dropped_keys.clone() });
    }

    /// From now on it is an old copy of the ring, which nothing new reaches.
    pub fn go_stale(&self) {
        self.0.is_stale.set(true);
    }

    /// Makes the use of a key fail, once: fetching one, or signing. Counted from the next, which
    /// is 0.
    pub fn fail(&self, left: u32) {
        self.0.fault.set(Some(left));
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.0.fault.set(None);
    }

    /// Whether what was arranged has not happened yet.
    pub fn is_failing(&self) -> bool {
        self.0.fault.get().is_some()
    }

    /// What became of keys since it was asked last.
    pub fn events(&self) -> Vec<Event> {
        self.0.events.take()
    }

    fn used(&self) -> Result<(), Unavailable> {
        let Some(left) = self.0.fault.get() else { return Ok(()) };
        self.0.fault.set(left.checked_sub(1));
        if left == 0 { Err(Unavailable) } else { Ok(()) }
    }

    fn advance(&self, now: UnixTime) -> Ring {
        let State { ring, schedule, orders, is_stale, events, .. } = &*self.0;
        if is_stale.get() {
            return ring.borrow().clone();
        }
        let before = ring.borrow().clone();
        let ordered = before.clone().obey(&orders.borrow(), now);
        let wanted = ordered.wanted(now, *schedule).into_iter();
        let fresh = wanted.map(|alg| match ordered.own(alg).cloned() {
            Some(public) => Fresh { public, wrapped: String::new() },
            None => self.make(alg),
        });
        let fresh = fresh.collect();
        let after = ordered.step(fresh, now, *schedule);
        events.borrow_mut().extend(event::of_keys(&before, &after));
        ring.replace(after.clone());
        after
    }

    fn make(&self, alg: Alg) -> Fresh {
        let number = self.0.made.get();
        self.0.made.set(number + 1);
        let key = match alg {
            Alg::Es256 => SigningKey::es256([number + 1; 32]),
            Alg::EdDsa => Some(SigningKey::ed_dsa([number + 1; 32])),
            // One of each algorithm is made at a time.
            Alg::Rs256 => {
                let round = usize::from(number) / Alg::ALL.len();
                RSA.iter().cycle().nth(round).and_then(|pem| SigningKey::rs256(pem))
            }
        };
        self.keep(key.expect("the keys of the tests are keys"))
    }

    fn keep(&self, key: SigningKey) -> Fresh {
        let public = key.public();
        let kid = public.kid.clone().expect("our keys have names");
        self.0.private.borrow_mut().insert(kid, key);
        Fresh { public, wrapped: String::new() }
    }
}

/// As WebCrypto does it on the edge; private JWKs of RSA it alone imports.
fn import(key: &OwnKey) -> SigningKey {
    let key = match key.expose() {
        Form::Pkcs8(der) => SigningKey::pkcs8(key.alg(), der),
        Form::Jwk(jwk) => {
            let jwk: Value = serde_json::from_str(jwk).expect("a JWK is JSON");
            let secret = URL_SAFE_NO_PAD.decode(jwk["d"].as_str().expect("a private key"));
            let secret = secret.expect("base64url").try_into().expect("32 bytes");
            match key.alg() {
                Alg::Es256 => SigningKey::es256(secret),
                Alg::EdDsa => Some(SigningKey::ed_dsa(secret)),
                Alg::Rs256 => None,
            }
        }
    };
    key.expect("the keys of the tests can be imported")
}

impl platform::Keys for Keys {
    type Signer = Signer;

    async fn signer(&self, alg: Alg, now: UnixTime) -> Result<Signer, Unavailable> {
        self.used()?;
        let ring = self.advance(now);
        let kid = ring.active(alg).and_then(|key| key.public.kid.clone()).ok_or(Unavailable)?;
        let key = self.0.private.borrow().get(&kid).cloned().ok_or(Unavailable)?;
        Ok(Signer { ring: self.clone(), key, kid })
    }

    async fn published(&self, now: UnixTime) -> Result<JwkSet, Unavailable> {
        self.used()?;
        Ok(self.advance(now).published())
    }
}

impl platform::Signer for Signer {
    fn alg(&self) -> Alg {
        self.key.alg()
    }

    fn kid(&self) -> &str {
        &self.kid
    }

    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
        self.ring.used()?;
        self.key.sign(input).ok_or(Unavailable)
    }
}
