//! Signatures by WebCrypto: 10 to 50 times cheaper than in wasm, and where private keys live.

use crate::edge::rng;
use crate::jose::jwk::{Jwk, Material};
use crate::jose::private::PrivateKey;
use crate::jose::{Alg, Signer, Verifier};
use crate::secret::random_text;
use js_sys::{Array, JSON, Object, Uint8Array};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

/// Verifies with WebCrypto.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebCrypto;

/// More public keys than an isolate meets; beyond that it forgets them all and starts over.
const MOST_KEYS: usize = 64;
/// How many signatures of a key an isolate knows to be good, 16 KB; then likewise.
const MOST_SIGNED: usize = 512;

/// A public key as WebCrypto has it, and digests of what it was seen to have signed: a resource
/// brings the same access token again and again.
#[derive(Debug)]
struct Known {
    key: CryptoKey,
    signed: HashSet<[u8; 32]>,
}

thread_local! {
    /// Both are the same for every request, whoever sends it; whether a key is still to be trusted is
    /// asked before, each time.
    static KNOWN: RefCell<HashMap<Material, Known>> = RefCell::default();
    /// The operator's own keys, by their public halves; none of one that cannot be used, so that it
    /// is tried once. There are no more of them than there are settings.
    static OWN: RefCell<HashMap<Material, Option<CryptoKey>>> = RefCell::default();
}

impl Verifier for WebCrypto {
    async fn verify(&self, key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
        verify(key, message, signature).await.unwrap_or(false)
    }
}

impl Signer for WebCrypto {
    async fn sign(&self, key: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
        let imported = own(key).await?;
        sign(&imported, key.alg(), message).await.ok()
    }

    fn fresh(&self) -> Option<String> {
        rng().ok().map(|mut rng| random_text(&mut rng))
    }
}

/// A private key as WebCrypto has it, which gives it back to nobody.
async fn own(key: &PrivateKey) -> Option<CryptoKey> {
    let material = &key.public().material;
    if let Some(known) = OWN.with_borrow(|own| own.get(material).cloned()) {
        return known;
    }
    let imported = import_private(key).await.ok().flatten();
    if imported.is_none() {
        worker::console_error!("the private key {} cannot be used", key.kid());
    }
    OWN.with_borrow_mut(|own| own.insert(material.clone(), imported.clone()));
    imported
}

/// None when its halves do not belong together, which WebCrypto need not look at.
async fn import_private(key: &PrivateKey) -> Result<Option<CryptoKey>, JsValue> {
    let promise = subtle()?.import_key_with_object(
        "jwk",
        JSON::parse(key.expose())?.unchecked_ref(),
        &algorithm(key.alg()),
        false,
        &Array::of1(&"sign".into()),
    )?;
    let imported: CryptoKey = JsFuture::from(promise).await?.unchecked_into();
    let probe = b"whether both halves belong together";
    let signature = sign(&imported, key.alg(), probe).await?;
    Ok(WebCrypto.verify(key.public(), probe, &signature).await.then_some(imported))
}

async fn verify(key: &Jwk, message: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let both = digest(message, signature);
    let seen = KNOWN.with_borrow(|known| {
        known.get(&key.material).map(|known| (known.key.clone(), known.signed.contains(&both)))
    });
    let subtle = subtle()?;
    let imported = match seen {
        Some((_, true)) => return Ok(true),
        Some((key, false)) => key,
        None => import_public(&subtle, &key.material).await?,
    };
    let promise = subtle.verify_with_object_and_js_u8_array_and_js_u8_array(
        &algorithm(key.alg()),
        &imported,
        &Uint8Array::from(signature),
        &Uint8Array::from(message),
    )?;
    let good = JsFuture::from(promise).await?.is_truthy();
    if good {
        KNOWN.with_borrow_mut(|known| {
            if let Some(Known { signed, .. }) = known.get_mut(&key.material) {
                if signed.len() == MOST_SIGNED {
                    signed.clear();
                }
                signed.insert(both);
            }
        });
    }
    Ok(good)
}

/// Of a message and its signature, which cannot run into one another.
fn digest(message: &[u8], signature: &[u8]) -> [u8; 32] {
    let length = message.len().to_le_bytes();
    Sha256::new()
        .chain_update(length)
        .chain_update(message)
        .chain_update(signature)
        .finalize()
        .into()
}

async fn import_public(subtle: &SubtleCrypto, material: &Material) -> Result<CryptoKey, JsValue> {
    let alg = Jwk { material: material.clone(), kid: None, purpose: None, alg: None }.alg();
    let jwk = JSON::parse(&serde_json::to_string(material).unwrap_or_default())?;
    let promise = subtle.import_key_with_object(
        "jwk",
        jwk.unchecked_ref(),
        &algorithm(alg),
        false,
        &Array::of1(&"verify".into()),
    )?;
    let key: CryptoKey = JsFuture::from(promise).await?.unchecked_into();
    KNOWN.with_borrow_mut(|known| {
        if known.len() == MOST_KEYS {
            known.clear();
        }
        known.insert(material.clone(), Known { key: key.clone(), signed: HashSet::default() });
    });
    Ok(key)
}

/// Signs with a private key.
///
/// # Errors
/// When WebCrypto refuses.
pub async fn sign(key: &CryptoKey, alg: Alg, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let promise = subtle()?.sign_with_object_and_js_u8_array(
        &algorithm(alg),
        key,
        &Uint8Array::from(message),
    )?;
    Ok(Uint8Array::new(&JsFuture::from(promise).await?).to_vec())
}

/// The `crypto.subtle` of this isolate.
///
/// # Errors
/// When there is none, which no Worker has seen.
pub fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto = js_sys::Reflect::get(&js_sys::global(), &"crypto".into())?;
    Ok(crypto.unchecked_into::<web_sys::Crypto>().subtle())
}

thread_local! {
    static ES256: Object = object(r#"{"name":"ECDSA","namedCurve":"P-256","hash":"SHA-256"}"#);
    static ED_DSA: Object = object(r#"{"name":"Ed25519"}"#);
    static RS256: Object = object(r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}"#);
}

/// What WebCrypto calls an algorithm, with all the parameters that any of its functions wants.
#[must_use]
pub fn algorithm(alg: Alg) -> Object {
    match alg {
        Alg::Es256 => ES256.with(Clone::clone),
        Alg::Rs256 => RS256.with(Clone::clone),
        Alg::EdDsa => ED_DSA.with(Clone::clone),
    }
}

/// A JavaScript object, written as JSON.
#[must_use]
pub fn object(json: &'static str) -> Object {
    // The text is ours and is JSON; an empty object makes WebCrypto refuse, which is safe.
    JSON::parse(json).map_or_else(|_| Object::new(), JsCast::unchecked_into)
}
