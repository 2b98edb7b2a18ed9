//! Signing keys in this process: the issuer's own ring, with keys that are made natively.

use idp::platform;
use idp::ring::{Fresh, Ring, Schedule};
use idp::rows::Unavailable;
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
    fault: Cell<Option<u32>>,
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
        let (ring, private, made) = (RefCell::default(), RefCell::default(), Cell::new(0));
        Self(Rc::new(State { ring, private, made, schedule, fault: Cell::default() }))
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

    fn used(&self) -> Result<(), Unavailable> {
        let Some(left) = self.0.fault.get() else { return Ok(()) };
        self.0.fault.set(left.checked_sub(1));
        if left == 0 { Err(Unavailable) } else { Ok(()) }
    }

    fn advance(&self, now: UnixTime) -> Ring {
        let State { ring, schedule, .. } = &*self.0;
        let wanted = ring.borrow().wanted(now, *schedule);
        let fresh = wanted.into_iter().map(|alg| self.make(alg)).collect();
        let after = ring.take().step(fresh, now, *schedule);
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
        let key = key.expect("the keys of the tests are keys");
        let public = key.public();
        let kid = public.kid.clone().expect("our keys have names");
        self.0.private.borrow_mut().insert(kid, key);
        Fresh { public, wrapped: String::new() }
    }
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
