//! What a client says about itself at run time, RFC 7591 §2: read member by member, so that every
//! mistake is named at once, and with no say in what is the operator's.

use crate::ask::LARGEST_BODY;
use crate::config::Config;
use crate::outbound::may_be_fetched;
use crate::registration::{ApplicationType, Mistakes, Registration, usual_scope};
use crate::words::{AuthMethod, GrantType, ResponseType, ScopeWord};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use shared::fetch::Request;
use shared::jose::Alg;
use shared::jose::jwk::has_private_half;
use shared::json::strict;
use url::Url;

/// Members that a client may set. Any other is passed over, RFC 7591 §2.
const ITS_OWN: [&str; 26] = [
    "application_type",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "client_name",
    "client_uri",
    "contacts",
    "default_max_age",
    "dpop_bound_access_tokens",
    "grant_types",
    "id_token_signed_response_alg",
    "initiate_login_uri",
    "introspection_signed_response_alg",
    "jwks",
    "jwks_uri",
    "logo_uri",
    "policy_uri",
    "post_logout_redirect_uris",
    "redirect_uris",
    "require_auth_time",
    "response_types",
    "scope",
    "sector_identifier_uri",
    "subject_type",
    "token_endpoint_auth_method",
    "tos_uri",
    "userinfo_signed_response_alg",
];

/// Members of ours that would make it more than it may be (RG-06). Whoever sends one expects it to
/// be heeded, so it is refused rather than passed over.
const THE_OPERATORS: [&str; 7] = [
    "allowed_origins",
    "audience",
    "client_secret_sha256",
    "first_party",
    "require_pkce",
    "resource_server",
    "resources",
];

/// The most entries that a list may have.
const MOST_ENTRIES: usize = 16;
/// The most characters that a name may have.
const LONGEST_NAME: usize = 100;

/// The object in the body of a request; in words, why there is none.
///
/// # Errors
/// The words.
pub(super) fn object(request: &Request) -> Result<Map<String, Value>, &'static str> {
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let kind = types.next().filter(|_| types.next().is_none());
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err("the body must be application/json");
    }
    if request.body().len() > LARGEST_BODY {
        return Err("the body is too large");
    }
    let members: Option<Map<String, Value>> = strict(request.body());
    members.ok_or("the body must be a JSON object without repeated members")
}

/// Reads the metadata, and notes what this client may not say. What is absent gets the defaults of
/// OpenID Connect Registration 1.0 §2, and what is null is absent (RFC 7592 §2.2).
/// [`Registration::check`] finds what no client may say.
pub(super) fn registration(
    members: &Map<String, Value>,
    config: &Config,
    mistakes: &mut Mistakes,
) -> Registration {
    for member in THE_OPERATORS {
        if members.get(member).is_some_and(|value| !value.is_null()) {
            mistakes.push((member, "left to the operator of this issuer"));
        }
    }
    let mut understood = Map::new();
    for member in ITS_OWN {
        let Some(value) = members.get(member).filter(|value| !value.is_null()) else { continue };
        let alone = Map::from_iter([(member.to_owned(), value.clone())]);
        if serde_json::from_value::<Registration>(Value::Object(alone.clone())).is_ok() {
            understood.extend(alone);
        } else {
            mistakes.push((member, "of the right type, and a value that this issuer supports"));
        }
    }
    // Each member has been understood by itself.
    let read = serde_json::from_value(Value::Object(understood)).unwrap_or_default();
    let read = with_defaults(read);
    check(&read, config, mistakes);
    read
}

/// Written out, so that the answer says what holds, and goes on to hold when a default changes.
fn with_defaults(read: Registration) -> Registration {
    Registration {
        token_endpoint_auth_method: read
            .token_endpoint_auth_method
            .or(Some(AuthMethod::ClientSecretBasic)),
        grant_types: read.grant_types.or(Some(vec![GrantType::AuthorizationCode])),
        response_types: read.response_types.or(Some(vec![ResponseType::Code])),
        id_token_signed_response_alg: read.id_token_signed_response_alg.or(Some(Alg::Rs256)),
        scope: read.scope.or_else(|| Some(usual_scope())),
        ..read
    }
}

/// What is asked of a client that nobody vouches for, besides what is asked of every client.
fn check(read: &Registration, config: &Config, mistakes: &mut Mistakes) {
    let name = read.client_name.as_deref();
    let plain = |name: &str| {
        let length = name.chars().count();
        (1..=LONGEST_NAME).contains(&length) && !name.chars().any(char::is_control)
    };
    if name.is_some_and(|name| !plain(name)) {
        mistakes.push(("client_name", "1 to 100 characters, none of them a control character"));
    }
    let lists = [
        ("redirect_uris", &read.redirect_uris),
        ("post_logout_redirect_uris", &read.post_logout_redirect_uris),
        ("contacts", &read.contacts),
    ];
    for (member, list) in lists {
        if list.len() > MOST_ENTRIES {
            mistakes.push((member, "16 entries at the most"));
        }
    }
    if read.contacts.iter().any(|contact| contact.chars().count() > 2 * LONGEST_NAME) {
        mistakes.push(("contacts", "of 200 characters at the most, each"));
    }
    let grants = read.grant_types.as_deref().unwrap_or_default();
    let usual = |grant| matches!(grant, GrantType::AuthorizationCode | GrantType::RefreshToken);
    if !grants.contains(&GrantType::AuthorizationCode) || !grants.iter().copied().all(usual) {
        mistakes.push(("grant_types", "authorization_code, and perhaps refresh_token"));
    }
    let standard = |word: &str| ScopeWord::parse(word).is_some();
    if read.scope.as_ref().is_some_and(|scope| !scope.words().all(standard)) {
        mistakes.push(("scope", "words of openid profile email address phone offline_access"));
    }
    check_addresses(read, config.issuer.is_development(), mistakes);
    match (&read.jwks, &read.jwks_uri) {
        (Some(_), Some(_)) => mistakes.push(("jwks", "absent where jwks_uri is")),
        (Some(set), None) if !is_public_key_set(set) => {
            mistakes.push((
                "jwks",
                "a JWK Set of public keys alone, and of RSA keys with 2048 bits or more",
            ));
        }
        _ => {}
    }
}

/// Addresses that we go to, and links that people follow (RG-04). Redirect URIs are gone to by
/// browsers, and may be on the person's machine where the client is.
fn check_addresses(read: &Registration, development: bool, mistakes: &mut Mistakes) {
    let addresses = [
        ("backchannel_logout_uri", &read.backchannel_logout_uri),
        ("client_uri", &read.client_uri),
        ("initiate_login_uri", &read.initiate_login_uri),
        ("jwks_uri", &read.jwks_uri),
        ("logo_uri", &read.logo_uri),
        ("policy_uri", &read.policy_uri),
        ("sector_identifier_uri", &read.sector_identifier_uri),
        ("tos_uri", &read.tos_uri),
    ];
    for (member, address) in addresses {
        let may =
            |address: &str| Url::parse(address).is_ok_and(|url| may_be_fetched(&url, development));
        if address.as_deref().is_some_and(|address| !may(address)) {
            mistakes.push((member, "an https URL of a host that everybody can reach"));
        }
    }
    // OpenID Connect Registration §2: plain http is for native applications.
    let is_web = read.application_type == ApplicationType::Web;
    let lists = [
        ("redirect_uris", &read.redirect_uris),
        ("post_logout_redirect_uris", &read.post_logout_redirect_uris),
    ];
    for (member, uris) in lists {
        if is_web && !development && uris.iter().any(|uri| uri.starts_with("http:")) {
            mistakes.push((member, "https for an application_type of web"));
        }
    }
}

/// RG-05: no half of a key that only its owner may have, and no RSA key that can be factored. Keys
/// of kinds that we do not know are somebody else's business.
fn is_public_key_set(set: &Value) -> bool {
    let bits = |key: &Value| {
        let modulus = key.get("n").and_then(Value::as_str).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
        8 * bytes.into_iter().skip_while(|byte| *byte == 0).count()
    };
    let sound = |key: &Value| match key.get("kty").and_then(Value::as_str) {
        None | Some("oct") => false,
        Some(kind) => !has_private_half(key) && (kind != "RSA" || bits(key) >= 2048),
    };
    let keys = set.get("keys").and_then(Value::as_array);
    keys.is_some_and(|keys| keys.len() <= MOST_ENTRIES && keys.iter().all(sound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn every_member_of_a_registration_is_the_clients_or_the_operators_or_given_out_by_us() {
        let said: Vec<_> = ITS_OWN.iter().chain(&THE_OPERATORS).chain(&["client_id"]).collect();
        let unique: BTreeSet<_> = said.iter().collect();
        assert_eq!(unique.len(), said.len());
        // The error of an unknown member lists the known ones.
        let unknown = serde_json::from_value::<Registration>(json!({ "x": 1 })).unwrap_err();
        let known = unknown.to_string();
        let known: BTreeSet<_> = known.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, said.into_iter().copied().collect());
    }

    #[test]
    fn rg_05_private_symmetric_and_weak_keys_are_no_public_key_set() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let n = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0x81; bytes]);
        let ec = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x });
        let with = |member: &str, value: &str| {
            let mut key = ec.clone();
            key[member] = value.into();
            key
        };
        let set = |key: &Value| json!({ "keys": [ec, key] });
        for good in [&ec, &json!({ "kty": "RSA", "n": n(256), "e": "AQAB" }), &with("use", "enc")] {
            assert!(is_public_key_set(&set(good)), "{good}");
        }
        for bad in [
            with("d", &x),
            with("k", "AA"),
            json!({ "kty": "oct", "k": "AA" }),
            json!({ "kty": "RSA", "n": n(64), "e": "AQAB" }),
            json!({ "kty": "RSA", "n": format!("AAAA{}", n(252)), "e": "AQAB" }),
            json!({ "kty": "RSA", "e": "AQAB" }),
            json!({ "kty": "RSA", "n": n(256), "e": "AQAB", "p": x }),
            json!({}),
            json!("key"),
        ] {
            assert!(!is_public_key_set(&set(&bad)), "{bad}");
        }
        for bad in [json!([]), json!({ "keys": {} }), json!("x"), json!({})] {
            assert!(!is_public_key_set(&bad), "{bad}");
        }
    }
}
