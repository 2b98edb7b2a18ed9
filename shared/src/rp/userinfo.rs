//! The userinfo endpoint, OpenID Connect Core §5.3.

use crate::fetch::{Fetch, Request};
use crate::json::Object;
use crate::secret::AccessToken;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

/// Why there are no claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoUserinfo {
    /// No answer, or one that is not 200.
    Unavailable,
    /// Not a JSON object. A signed answer (a JWT) is only given to who asked for it; we do not.
    Malformed,
    /// About somebody else: the answer must not be used, §5.3.2.
    OtherSubject,
}

/// What the provider tells about the person whom its ID token calls `subject`.
///
/// # Errors
/// [`NoUserinfo`].
pub async fn userinfo(
    endpoint: &str,
    access_token: &AccessToken,
    subject: &str,
    fetch: &impl Fetch,
) -> Result<Map<String, Value>, NoUserinfo> {
    let mut request = Request::default();
    *request.method_mut() = Method::GET;
    *request.uri_mut() = endpoint.parse().map_err(|_| NoUserinfo::Unavailable)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", access_token.expose()));
    let bearer = bearer.map_err(|_| NoUserinfo::Unavailable)?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = fetch.fetch(request).await.map_err(|_| NoUserinfo::Unavailable)?;
    if answer.status() != StatusCode::OK {
        return Err(NoUserinfo::Unavailable);
    }
    let Object(mut told) =
        serde_json::from_slice(answer.body()).map_err(|_| NoUserinfo::Malformed)?;
    if told.remove("sub").as_ref().and_then(Value::as_str) != Some(subject) {
        return Err(NoUserinfo::OtherSubject);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Peer;
    use super::*;
    use pollster::block_on;

    fn ask(status: u16, body: &str) -> Result<Map<String, Value>, NoUserinfo> {
        let peer = Peer::new();
        peer.put("/userinfo", status, body);
        let access = AccessToken::new("access");
        block_on(userinfo("https://idp.test/userinfo", &access, "alice", &peer.fetch()))
    }

    #[test]
    fn fd_12_oidc_core_5_3_2_an_answer_about_somebody_else_is_not_used() {
        assert_eq!(ask(200, r#"{"sub":"alice","name":"A"}"#).unwrap()["name"], "A");
        for other in [r#"{"sub":"bob"}"#, r#"{"sub":"Alice"}"#, r#"{"sub":7}"#, "{}"] {
            assert_eq!(ask(200, other), Err(NoUserinfo::OtherSubject), "{other}");
        }
    }

    #[test]
    fn a_failing_or_senseless_userinfo_endpoint_says_nothing() {
        assert_eq!(ask(401, r#"{"sub":"alice"}"#), Err(NoUserinfo::Unavailable));
        assert_eq!(ask(302, ""), Err(NoUserinfo::Unavailable));
        for body in ["<html>", "[]", r#"{"sub":"alice","sub":"alice"}"#] {
            assert_eq!(ask(200, body), Err(NoUserinfo::Malformed), "{body}");
        }
    }
}
