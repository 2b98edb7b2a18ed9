//! Modules in which something has to be refused.

use super::{Mode, wait};
use http::StatusCode;
use tests::believe;
use tests::browser::Browser;
use tests::client::{C1, C2, Client, KINDS, SignedIn, Tokens, WAIVED, json, userinfo};
use tests::expect::{invalid_grant, local};
use tests::world::{Issuer, issuer};

pub(crate) fn oidcc_response_type_missing(mode: Mode) {
    let issuer = issuer();
    let ask = mode.plain().without("response_type");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    mode.refused(&answer, &issuer, &ask, "invalid_request");
}

pub(crate) fn oidcc_ensure_registered_redirect_uri(mode: Mode) {
    let issuer = issuer();
    let ask = mode.plain().set("redirect_uri", "https://waived.test/cb/other");
    local(&Browser::new(&issuer).get(&ask.url(&issuer)), "an unregistered redirect URI");
}

pub(crate) fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    mode: Mode,
) {
    let issuer = issuer();
    let ask = mode.plain().set("request_uri", "https://waived.test/request.jwt");
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    mode.refused(&answer, &issuer, &ask, "request_uri_not_supported");
}

/// A request object that nobody signed.
const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.";

pub(crate) fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    mode: Mode,
) {
    let issuer = issuer();
    let ask = mode.plain().set("request", UNSIGNED);
    let answer = Browser::new(&issuer).get(&ask.url(&issuer));
    mode.refused(&answer, &issuer, &ask, "request_not_supported");
}

pub(crate) fn oidcc_ensure_request_object_with_redirect_uri(mode: Mode) {
    let issuer = issuer();
    let ask = mode.plain().set("request", UNSIGNED).set("redirect_uri", "https://other.test/cb");
    local(&Browser::new(&issuer).get(&ask.url(&issuer)), "a redirect URI beside a request object");
}

fn code_reuse(issuer: &Issuer, mode: Mode, pause: u64) {
    let signed_in = SignedIn::new(issuer, mode.plain());
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    wait(issuer, pause);
    invalid_grant(&signed_in.redeem().send(issuer), "the second time");
    let answer = userinfo(&tokens.access).send(issuer);
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "RFC 6749 §4.1.2");
    invalid_grant(&WAIVED.refresh(tokens.refresh()).send(issuer), "what the code gave is revoked");
}

pub(crate) fn oidcc_codereuse(mode: Mode) {
    code_reuse(&issuer(), mode, 0);
}

pub(crate) fn oidcc_codereuse_30seconds(mode: Mode) {
    code_reuse(&issuer(), mode, 30);
}

fn refreshes(issuer: &Issuer, mode: Mode, client: Client, other: Client) {
    let ask = if client == WAIVED { mode.plain() } else { mode.by(client) };
    let ask = ask.set("scope", "openid offline_access").set("prompt", "consent");
    let signed_in = SignedIn::new(issuer, ask);
    let first = Tokens::of(&signed_in.redeem().send(issuer));
    let before = believe::id_token(issuer, &signed_in.ask, &first);

    invalid_grant(&other.refresh(first.refresh()).send(issuer), "by another client");
    let second = Tokens::of(&client.refresh(first.refresh()).send(issuer));
    assert_ne!(second.access, first.access);
    assert_ne!(second.refresh, first.refresh, "rotated");
    let after = believe::refreshed_id_token(issuer, client, &second, &before);
    for name in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(after[name], before[name], "{name}, OpenID Connect Core §12.2");
    }
    assert!(!after.contains_key("nonce") || after["nonce"] == before["nonce"]);
    let told = json(&userinfo(&second.access).send(issuer));
    assert_eq!(told["sub"], before["sub"]);
}

pub(crate) fn oidcc_refresh_token(mode: Mode) {
    let issuer = issuer();
    for client in KINDS.into_iter().chain([WAIVED]) {
        let other = if client == C1 { C2 } else { C1 };
        refreshes(&issuer, mode, client, other);
    }
}
