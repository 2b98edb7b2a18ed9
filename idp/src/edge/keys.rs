//! The signing keys, on both sides: the `KeyRing` object makes and keeps them, and each isolate
//! borrows what it needs for minutes.
//!
//! A private key is wrapped by WebCrypto before it leaves the object and unwrapped by WebCrypto,
//! non-extractable, where it signs; its bytes are never in our memory, but for those of an operator's
//! own key, which came as a setting.

use super::own_key::import;
use super::rows::Sqlite;
use super::{deployment, write_down};
use crate::config::Config;
use crate::event;
use crate::own_key::OwnKey;
use crate::platform::{Keys, Signer};
use crate::ring::{Fresh, JWKS_MAX_AGE, Orders, Rewrapped, Ring, RingKey, Schedule};
use crate::rows::{Rows, Table, Unavailable};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Array, JSON, Object, Promise, Reflect, Uint8Array};
use shared::edge::crypto::{algorithm, object, sign, subtle};
use shared::edge::entry;
use shared::edge::message::bytes;
use shared::edge::now;
use shared::edge::object::{Failed, Step, answer, ask, asked, obey, step};
use shared::jose::Alg;
use shared::jose::jwk::{Jwk, JwkSet, Material};
use shared::seal::{Purpose, SealingKeys, mac};
use shared::time::UnixTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, CryptoKeyPair, Request};
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

/// The one key ring.
const RING: &str = "ring";
/// The key that wraps private keys.
const WRAPPING: Purpose<'static> = Purpose::new("key ring", "");
/// How long an isolate goes by its copy of the ring, in seconds. Well below what the ring allows
/// for between a key's publication and its first signature.
const COPY_SECONDS: u64 = JWKS_MAX_AGE / 5;

thread_local! {
    static COPY: RefCell<Option<(Rc<Ring>, UnixTime)>> = const { RefCell::new(None) };
    static PRIVATE: RefCell<HashMap<String, CryptoKey>> = RefCell::default();
}

/// The Worker's side.
#[derive(Debug)]
pub(super) struct RingKeys {
    env: Env,
    keys: SealingKeys,
    dropped: Vec<String>,
}

/// A key that signs.
#[derive(Debug)]
pub(super) struct RingSigner {
    key: CryptoKey,
    kid: String,
    alg: Alg,
}

impl RingKeys {
    /// The keys of a deployment.
    pub(super) fn of(env: &Env, config: &Config) -> Self {
        let (keys, dropped) = (config.keys.clone(), config.dropped_keys.clone());
        Self { env: env.clone(), keys, dropped }
    }

    async fn ring(&self, now: UnixTime) -> Result<Rc<Ring>, Unavailable> {
        let copy = COPY.with_borrow(Clone::clone);
        if let Some((ring, read_at)) = &copy
            && now.since(*read_at) < COPY_SECONDS
        {
            return Ok(Rc::clone(ring));
        }
        // The object may be of the deployment before this one, and learns here what to drop.
        let load = ask(&self.env, "KEY_RING", RING, "load", &self.dropped);
        let read: Result<Ring, Failed> = load.await;
        match (read, copy) {
            (Ok(ring), _) => {
                let ring = Rc::new(ring);
                COPY.with_borrow_mut(|copy| *copy = Some((Rc::clone(&ring), now)));
                Ok(ring)
            }
            // An older copy is as good until its keys go, which takes longer than an outage should.
            (Err(Failed(error)), Some((ring, _))) => {
                worker::console_error!("the key ring did not answer: {error}");
                Ok(ring)
            }
            (Err(Failed(error)), None) => {
                worker::console_error!("the key ring did not answer: {error}");
                Err(Unavailable)
            }
        }
    }

    async fn private(&self, key: &RingKey) -> Result<CryptoKey, Unavailable> {
        let kid = key.public.kid.clone().unwrap_or_default();
        if let Some(known) = PRIVATE.with_borrow(|known| known.get(&kid).cloned()) {
            return Ok(known);
        }
        for secret in self.keys.subkeys(WRAPPING) {
            if let Ok(unwrapped) = unwrap(&secret, &key.wrapped, key.public.alg(), false).await {
                PRIVATE.with_borrow_mut(|known| {
                    // One key a rotation and algorithm: a handful in the life of an isolate.
                    known.insert(kid, unwrapped.clone());
                });
                return Ok(unwrapped);
            }
        }
        worker::console_error!("no key of SEALING_KEYS opens the signing key {kid}");
        Err(Unavailable)
    }
}

impl Keys for RingKeys {
    type Signer = RingSigner;

    async fn signer(&self, alg: Alg, now: UnixTime) -> Result<RingSigner, Unavailable> {
        let ring = self.ring(now).await?;
        let active = ring.active(alg).ok_or(Unavailable)?;
        let key = self.private(active).await?;
        Ok(RingSigner { key, kid: active.public.kid.clone().unwrap_or_default(), alg })
    }

    async fn published(&self, now: UnixTime) -> Result<JwkSet, Unavailable> {
        Ok(self.ring(now).await?.published())
    }
}

impl Signer for RingSigner {
    fn alg(&self) -> Alg {
        self.alg
    }

    fn kid(&self) -> &str {
        &self.kid
    }

    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
        sign(&self.key, self.alg, input).await.map_err(|_| Unavailable)
    }
}

/// The object's side.
#[wasm_bindgen]
#[derive(Debug)]
pub struct KeyRing {
    ring: Rc<Keeper>,
    step: Step,
}

#[wasm_bindgen]
impl KeyRing {
    /// An instance, as the runtime makes it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let storage = Sqlite::of(&state);
        let own = RefCell::default();
        let ring = Rc::new(Keeper { storage, state: State::from(state), env, own });
        let keeper = Rc::clone(&ring);
        let step = step(move |text| {
            let keeper = Rc::clone(&keeper);
            async move {
                let (_, dropped) = asked(&text);
                answer(&keeper.advance(serde_json::from_str(dropped)?, now()).await?)
            }
        });
        Self { ring, step }
    }

    /// Answers with the ring as it is now.
    pub fn fetch(&self, request: &Request) -> Promise {
        obey(request, &self.step)
    }

    /// Moves on what is due.
    ///
    /// # Errors
    /// When storage or WebCrypto failed; the runtime rings again.
    pub fn alarm(&self) -> Result<JsValue, JsValue> {
        let ring = Rc::clone(&self.ring);
        entry::run(async move {
            ring.advance(Vec::new(), now()).await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}

#[derive(Debug)]
struct Keeper {
    storage: Sqlite,
    state: State,
    env: Env,
    /// The public halves of the operator's own keys, once they were imported to see them.
    own: RefCell<Option<Vec<Jwk>>>,
}

impl Keeper {
    /// Makes what is wanted, moves on what is due, and sets the alarm for the next time. An alarm
    /// that never rings does no harm: every load advances the ring as well.
    async fn advance(&self, mut dropped: Vec<String>, now: UnixTime) -> worker::Result<Ring> {
        let rows = self.storage.at(now);
        let failed = |_| worker::Error::from("storage failed");
        let load = || rows.load::<Ring>(Table::Ring, RING).map(Option::unwrap_or_default);
        let deployment = deployment(&self.env).map_err(worker::Error::from)?;
        let Config { keys, own_keys, dropped_keys, .. } = &deployment.config;
        let schedule = schedule(&deployment.config);
        dropped.extend_from_slice(dropped_keys);
        let orders = Orders { own: self.own(own_keys).await?, dropped };

        let rewrapped = rewrap(&load().map_err(failed)?, keys).await?;
        let ring = load().map_err(failed)?.obey(&orders, now).wrapped_again(&rewrapped, now);
        let mut fresh = Vec::new();
        for alg in ring.wanted(now, schedule) {
            let own = own_keys.iter().find(|key| key.alg() == alg && ring.own(alg).is_some());
            fresh.push(match own {
                Some(own) => take(own, keys).await?,
                None => make(alg, keys).await?,
            });
        }
        // Making keys takes a while, and others may have been here: load again, and from here on
        // there is no await until the ring is saved.
        let before = load().map_err(failed)?;
        let after = before.clone().obey(&orders, now).wrapped_again(&rewrapped, now);
        let after = after.step(fresh, now, schedule);
        if after != before {
            rows.save(Table::Ring, RING, &after, None).map_err(failed)?;
        }
        for event in event::of_keys(&before, &after) {
            write_down("key ring", &event);
        }
        let alarm = self.state.storage().get_alarm().await?;
        if let Some(due) = after.due(schedule).filter(|_| after != before || alarm.is_none()) {
            let at = js_sys::Date::new(&JsValue::from_f64(milliseconds(due.max(now.plus(1)))));
            self.state.storage().set_alarm(worker::ScheduledTime::new(at)).await?;
        }
        Ok(after)
    }

    /// The public halves of the operator's own keys.
    async fn own(&self, keys: &[OwnKey]) -> worker::Result<Vec<Jwk>> {
        if let Some(own) = self.own.borrow().clone() {
            return Ok(own);
        }
        let mut own = Vec::new();
        for key in keys {
            own.push(import(key).await?.1);
        }
        self.own.replace(Some(own.clone()));
        Ok(own)
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium are below 2^53")]
fn milliseconds(time: UnixTime) -> f64 {
    time.0.saturating_mul(1000) as f64
}

fn schedule(config: &Config) -> Schedule {
    let lifetimes = &config.lifetimes;
    let longest_token = lifetimes.access_token.max(lifetimes.id_token);
    Schedule { rotation: lifetimes.key_rotation, longest_token }
}

/// Makes a key pair and wraps its private half.
async fn make(alg: Alg, keys: &SealingKeys) -> worker::Result<Fresh> {
    let subtle = subtle()?;
    let uses = Array::of2(&"sign".into(), &"verify".into());
    let parameters = match alg {
        Alg::Es256 | Alg::EdDsa => algorithm(alg),
        Alg::Rs256 => {
            let parameters =
                object(r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256","modulusLength":2048}"#);
            let exponent = Uint8Array::from(&[1_u8, 0, 1][..]);
            Reflect::set(&parameters, &"publicExponent".into(), &exponent)?;
            parameters
        }
    };
    let pair = JsFuture::from(subtle.generate_key_with_object(&parameters, true, &uses)?).await?;
    let pair: CryptoKeyPair = pair.unchecked_into();
    let exported = JsFuture::from(subtle.export_key("jwk", &pair.get_public_key())?).await?;
    let text = JSON::stringify(&exported)?.as_string().unwrap_or_default();
    let material: Material = serde_json::from_str(&text)?;

    let wrapped = wrap_newest(&pair.get_private_key(), keys).await?;
    Ok(Fresh { public: Jwk::ours(material), wrapped })
}

/// Takes in an operator's own key.
async fn take(own: &OwnKey, keys: &SealingKeys) -> worker::Result<Fresh> {
    let (private, public) = import(own).await?;
    Ok(Fresh { public, wrapped: wrap_newest(&private, keys).await? })
}

async fn wrap_newest(private: &CryptoKey, keys: &SealingKeys) -> worker::Result<String> {
    let secret = keys.subkeys(WRAPPING).next().ok_or("there is no sealing key")?;
    wrap(private, &secret).await
}

/// Wraps a private key: the bytes go from WebCrypto to WebCrypto.
async fn wrap(private: &CryptoKey, secret: &[u8; 32]) -> worker::Result<String> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(|_| "no randomness")?;
    let wrapping = wrapping_key(secret).await?;
    let promise = subtle()?.wrap_key_with_object("pkcs8", private, &wrapping, &aes_gcm(&nonce)?)?;
    let wrapped = bytes(&JsFuture::from(promise).await?);
    Ok(URL_SAFE_NO_PAD.encode([&tag(secret)[..], &nonce, &wrapped].concat()))
}

/// Tells which key wrapped a private key.
fn tag(secret: &[u8; 32]) -> [u8; 4] {
    let [a, b, c, d, ..] = mac(secret, &[b"tag"]);
    [a, b, c, d]
}

/// Wraps every private key under the newest sealing key that is under an older one, so that the
/// older one can be dropped. A private key that no sealing key opens any more is lost.
async fn rewrap(ring: &Ring, keys: &SealingKeys) -> worker::Result<Vec<Rewrapped>> {
    let secrets: Vec<_> = keys.subkeys(WRAPPING).collect();
    let Some(newest) = secrets.first() else { return Ok(Vec::new()) };
    let mut done = Vec::new();
    for key in &ring.keys {
        let decoded = URL_SAFE_NO_PAD.decode(&key.wrapped).unwrap_or_default();
        let under = decoded.first_chunk::<4>().copied();
        if under == Some(tag(newest)) {
            continue;
        }
        let secret = secrets.iter().find(|secret| under == Some(tag(secret)));
        let wrapped = match secret {
            None => None,
            Some(secret) => {
                let private = unwrap(secret, &key.wrapped, key.public.alg(), true).await?;
                Some(wrap(&private, newest).await?)
            }
        };
        done.push(Rewrapped { kid: key.public.kid.clone(), wrapped });
    }
    Ok(done)
}

/// A private key that signs; only one that is to be wrapped again can be taken out.
async fn unwrap(
    secret: &[u8; 32],
    wrapped: &str,
    alg: Alg,
    extractable: bool,
) -> Result<CryptoKey, JsValue> {
    let decoded = URL_SAFE_NO_PAD.decode(wrapped).map_err(|_| JsValue::NULL)?;
    let (_, rest) = decoded.split_at_checked(4).ok_or(JsValue::NULL)?;
    let (nonce, wrapped) = rest.split_at_checked(12).ok_or(JsValue::NULL)?;
    let wrapping = wrapping_key(secret).await?;
    let promise = subtle()?.unwrap_key_with_js_u8_array_and_object_and_object(
        "pkcs8",
        &Uint8Array::from(wrapped),
        &wrapping,
        &aes_gcm(nonce)?,
        &algorithm(alg),
        extractable,
        &Array::of1(&"sign".into()),
    )?;
    Ok(JsFuture::from(promise).await?.unchecked_into())
}

async fn wrapping_key(secret: &[u8; 32]) -> Result<CryptoKey, JsValue> {
    let promise = subtle()?.import_key_with_object(
        "raw",
        &Uint8Array::from(&secret[..]).buffer(),
        &object(r#"{"name":"AES-GCM"}"#),
        false,
        &Array::of2(&"wrapKey".into(), &"unwrapKey".into()),
    )?;
    Ok(JsFuture::from(promise).await?.unchecked_into())
}

fn aes_gcm(nonce: &[u8]) -> Result<Object, JsValue> {
    let parameters = object(r#"{"name":"AES-GCM"}"#);
    Reflect::set(&parameters, &"iv".into(), &Uint8Array::from(nonce))?;
    Ok(parameters)
}
