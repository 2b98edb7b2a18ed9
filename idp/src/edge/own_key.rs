//! An operator's own key on its way into the ring: WebCrypto reads it, and tells its public half.

use crate::own_key::{Form, OwnKey};
use js_sys::{Array, JSON, Object, Reflect, Uint8Array};
use shared::edge::crypto::{WebCrypto, algorithm, sign, subtle};
use shared::jose::Verifier;
use shared::jose::jwk::{Jwk, Material};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::CryptoKey;

/// What a public JWK of ours may have: nothing private is taken out of what WebCrypto exports.
const PUBLIC: [&str; 6] = ["kty", "crv", "x", "y", "n", "e"];

/// The private key, to be wrapped, and what is to be published of it.
///
/// # Errors
/// When it cannot be used. Its operator is told which, and no word of the key.
pub(super) async fn import(key: &OwnKey) -> worker::Result<(CryptoKey, Jwk)> {
    let alg = key.alg();
    let unusable = |why: &str| {
        let alg = alg.as_str();
        worker::Error::from(format!("the {alg} key of SIGNING_KEYS cannot be used: {why}"))
    };
    let imported = private(key).await.map_err(|_| unusable("WebCrypto does not take it"))?;
    let public = public(&imported).await.map_err(|_| unusable("it has no public half"))?;
    if !public.material.is_sound() || public.alg() != alg {
        return Err(unusable("it is too weak, or of another kind than it says"));
    }
    // What a JWK says of its public half WebCrypto need not look at.
    let said = match key.expose() {
        Form::Pkcs8(_) => None,
        Form::Jwk(text) => Some(serde_json::from_str::<Material>(text)?),
    };
    if said.is_some_and(|said| said != public.material) {
        return Err(unusable("its halves do not belong together"));
    }
    let probe = b"whether both halves belong together";
    let signature = sign(&imported, alg, probe).await.map_err(|_| unusable("it does not sign"))?;
    if !WebCrypto.verify(&public, probe, &signature).await {
        return Err(unusable("its halves do not belong together"));
    }
    Ok((imported, public))
}

async fn private(key: &OwnKey) -> Result<CryptoKey, JsValue> {
    let (format, data): (_, Object) = match key.expose() {
        Form::Pkcs8(der) => ("pkcs8", Uint8Array::from(&der[..]).unchecked_into()),
        Form::Jwk(text) => ("jwk", JSON::parse(text)?.unchecked_into()),
    };
    let promise = subtle()?.import_key_with_object(
        format,
        &data,
        &algorithm(key.alg()),
        true,
        &Array::of1(&"sign".into()),
    )?;
    Ok(JsFuture::from(promise).await?.unchecked_into())
}

async fn public(private: &CryptoKey) -> Result<Jwk, JsValue> {
    let exported = JsFuture::from(subtle()?.export_key("jwk", private)?).await?;
    let public = Object::new();
    for name in PUBLIC {
        let value = Reflect::get(&exported, &name.into())?;
        if !value.is_undefined() {
            Reflect::set(&public, &name.into(), &value)?;
        }
    }
    let text = JSON::stringify(&public)?.as_string().unwrap_or_default();
    let material: Material = serde_json::from_str(&text).map_err(|_| JsValue::NULL)?;
    Ok(Jwk::ours(material))
}
