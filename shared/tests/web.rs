//! What only wasm can show: WebCrypto and pure Rust agree, and headers of any bytes pass between
//! JavaScript and Rust unharmed.
#![cfg(target_arch = "wasm32")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderValue, SET_COOKIE};
use js_sys::{Array, JSON};
use shared::edge::crypto::{WebCrypto, algorithm, sign, subtle};
use shared::edge::message::response_out;
use shared::edge::rng;
use shared::fetch::Response;
use shared::jose::jwk::{Jwk, JwkSet, Material};
use shared::jose::jws::{Header, Unverified, compact, signing_input};
use shared::jose::{Alg, Verifier};
use shared::lines::from_lines;
use shared::secret::random;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{CryptoKey, CryptoKeyPair};

/// RFC 7515 appendix A.3: a key, what it signed, and the signature.
const RFC7515_A_3: (&str, &str) = (
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
);

/// RFC 7515 appendix A.2.
const RFC7515_A_2: (&str, &str) = (
    r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#,
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);

/// RFC 8037 appendix A.4.
const RFC8037_A_4: (&str, &str) = (
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
);

#[wasm_bindgen_test]
async fn rfc7515_appendix_a_the_worked_examples_verify_and_their_changed_copies_do_not() {
    for (keys, token) in [RFC7515_A_2, RFC7515_A_3, RFC8037_A_4] {
        let keys = JwkSet::parse(keys.as_bytes()).unwrap();
        let check = async |token: &str| {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            WebCrypto.verify(&keys.keys[0], signed.as_bytes(), &signature).await
        };
        assert!(check(token).await);
        assert!(!check(&token.replacen("eyJ", "eyI", 1)).await);
        assert!(!check(&format!("{}A.AAAA", &token[..40])).await);
    }
}

#[wasm_bindgen_test]
async fn what_webcrypto_signs_verifies_and_only_with_its_own_key() {
    for alg in [Alg::Es256, Alg::EdDsa] {
        let (key, public) = generate(alg).await.unwrap();
        let (_, other) = generate(alg).await.unwrap();
        let header = Header::new(alg, "k", "at+jwt");
        let input = signing_input(&header, &serde_json::json!({ "sub": "s" }));
        let token = compact(&input, &sign(&key, alg, input.as_bytes()).await.unwrap());
        let verify = async |key: &Jwk| {
            let token = Unverified::parse(&token).unwrap();
            token.verify::<serde_json::Value>(key, &WebCrypto).await.is_ok()
        };
        assert!(verify(&public).await);
        assert!(!verify(&other).await);
    }
}

#[wasm_bindgen_test]
async fn jv_22_jv_24_a_signature_or_point_that_is_none_is_refused_and_no_exception() {
    for alg in [Alg::Es256, Alg::EdDsa] {
        let (_, public) = generate(alg).await.unwrap();
        for signature in [&[0_u8; 64][..], &[0; 63], &[0; 65], &[], &[0xff; 64]] {
            assert!(!WebCrypto.verify(&public, b"message", signature).await);
        }
    }
    let off_the_curve = Jwk::ours(Material::Ec {
        crv: "P-256".to_owned(),
        x: URL_SAFE_NO_PAD.encode([1; 32]),
        y: URL_SAFE_NO_PAD.encode([1; 32]),
    });
    assert!(!WebCrypto.verify(&off_the_curve, b"message", &[1; 64]).await);
}

#[wasm_bindgen_test]
fn t14_headers_of_any_bytes_pass_and_several_set_cookie_stay_several() {
    let mut response = Response::default();
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
    headers.append(SET_COOKIE, HeaderValue::from_static("b=2, c"));
    headers.append("x-name", HeaderValue::from_bytes("caf\u{e9}".as_bytes()).unwrap());
    // JavaScript takes code points up to 255 as bytes of a header.
    let out = response_out(response).unwrap();
    let lines = String::from(Array::from(&out.headers()).join("\n"));
    assert_eq!(lines, "set-cookie,a=1\nset-cookie,b=2, c\nx-name,caf\u{e9}");
    assert!(from_lines(lines.as_bytes()).is_some());
}

#[wasm_bindgen_test]
fn pl_20_two_generators_never_agree() {
    let one: [u8; 32] = random(&mut rng().unwrap());
    let two: [u8; 32] = random(&mut rng().unwrap());
    assert_ne!(one, two);
    assert_ne!(one, [0; 32]);
}

async fn generate(alg: Alg) -> Result<(CryptoKey, Jwk), JsValue> {
    let subtle = subtle()?;
    let uses = Array::of2(&"sign".into(), &"verify".into());
    let pair = subtle.generate_key_with_object(&algorithm(alg), true, &uses)?;
    let pair: CryptoKeyPair = JsFuture::from(pair).await?.unchecked_into();
    let exported = JsFuture::from(subtle.export_key("jwk", &pair.get_public_key())?).await?;
    let text = JSON::stringify(&exported)?.as_string().unwrap_or_default();
    let material = serde_json::from_str(&text).map_err(|_| JsValue::NULL)?;
    Ok((pair.get_private_key(), Jwk::ours(material)))
}
