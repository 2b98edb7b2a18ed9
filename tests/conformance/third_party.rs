//! `oidcc-3rdparty-init-login-certification-test-plan`.

use crate::registration::{TOKEN, works};
use http::StatusCode;
use serde_json::json;
use tests::expect::error;
use tests::registration::{register, with};
use tests::world::issuer;

#[test]
fn oidcc_3rd_party_init_login() {
    works(&issuer(), &json!({ "initiate_login_uri": "https://dyn.test/start" }));
}

#[test]
fn oidcc_3rd_party_init_login_nohttps() {
    let issuer = issuer();
    let metadata = with(&json!({ "initiate_login_uri": "http://dyn.test/start" }));
    let answer = register(TOKEN, &metadata).send(&issuer);
    error(&answer, StatusCode::BAD_REQUEST, "invalid_client_metadata", "no https");
}
