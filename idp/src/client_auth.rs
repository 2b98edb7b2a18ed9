//! Client authentication, RFC 6749 §2.3: exactly the registered method, and never two.

use crate::Idp;
use crate::assertion::{self, Assertion};
use crate::client::{Authentication, Client};
use crate::platform::Platform;
use crate::rows::Unavailable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap};
use shared::error::{ErrorCode, OAuthError};
use shared::form::Form;
use shared::secret::ClientSecret;
use shared::time::UnixTime;
use std::rc::Rc;

/// Proof that a request came from this client, as far as its registered method proves it.
#[derive(Clone, Debug)]
pub struct Authenticated(Rc<Client>);

impl Authenticated {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }
}

/// Why a client was not authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Credentials in the header and in the body.
    TwoMethods,
    /// The body names another client than the header.
    TwoClients,
    /// More than one `Authorization` header, or not a Basic one that can be read.
    MalformedBasic,
    /// No credentials and no `client_id`.
    NoClient,
    /// Nobody of that name.
    UnknownClient,
    /// Another method than the registered one.
    WrongMethod {
        /// Whether it was Basic, which the answer has to challenge for.
        basic: bool,
    },
    /// Not the secret.
    WrongSecret {
        /// As above.
        basic: bool,
    },
    /// What is wrong with its assertion.
    Assertion(assertion::Refused),
    /// A public client, where whoever asks has to prove who it is.
    Public,
    /// Nobody could say whether there is such a client.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Refused {
    /// What the client is told, and whether to challenge it for Basic credentials.
    #[must_use]
    pub const fn public(self) -> (StatusCode, OAuthError, bool) {
        let (error, basic) = match self {
            Self::TwoMethods => {
                let error = OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "use one way to authenticate the client, not two",
                );
                return (StatusCode::BAD_REQUEST, error, false);
            }
            Self::TwoClients => {
                let error = OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "client_id is not that of the Authorization header",
                );
                return (StatusCode::BAD_REQUEST, error, false);
            }
            Self::Unavailable => return UNAVAILABLE,
            Self::Assertion(refused) if refused.is_circumstance() => return UNAVAILABLE,
            Self::NoClient | Self::UnknownClient | Self::Public | Self::Assertion(_) => {
                ("client authentication failed", false)
            }
            Self::MalformedBasic => ("the Authorization header cannot be read", true),
            Self::WrongMethod { basic } | Self::WrongSecret { basic } => {
                ("client authentication failed", basic)
            }
        };
        (StatusCode::UNAUTHORIZED, OAuthError::new(ErrorCode::InvalidClient, error), basic)
    }
}

/// Nothing is known about the client, for the moment.
const UNAVAILABLE: (StatusCode, OAuthError, bool) = (
    StatusCode::SERVICE_UNAVAILABLE,
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again"),
    false,
);

/// What a request shows for itself.
enum Credentials<'f> {
    Basic { id: String, secret: ClientSecret },
    Post { id: String, secret: ClientSecret },
    Assertion(Assertion<'f>),
    None { id: String },
}

impl Credentials<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Basic { id, .. } | Self::Post { id, .. } | Self::None { id } => id,
            Self::Assertion(assertion) => assertion.client_id(),
        }
    }
}

/// Authenticates the client of a request whose form has been read. An assertion is used up by that.
///
/// # Errors
/// See [`Refused`].
pub async fn authenticate<P: Platform>(
    idp: &Idp<'_, P>,
    headers: &HeaderMap,
    form: &Form,
    now: UnixTime,
) -> Result<Authenticated, Refused> {
    let credentials = present(headers, form)?;
    let client = check(idp.client(credentials.id()).await?, &credentials)?;
    if let Credentials::Assertion(assertion) = credentials {
        assertion.verify(idp, &client, now).await.map_err(Refused::Assertion)?;
    }
    Ok(Authenticated(client))
}

/// The client, if its method is the one that was used and its secret the one that came. Of an
/// assertion nothing is checked here.
fn check(client: Option<Rc<Client>>, credentials: &Credentials<'_>) -> Result<Rc<Client>, Refused> {
    let (secret, basic) = match credentials {
        Credentials::Basic { secret, .. } => (Some(secret), true),
        Credentials::Post { secret, .. } => (Some(secret), false),
        Credentials::Assertion(_) | Credentials::None { .. } => (None, false),
    };
    let Some(client) = client else {
        return Err(if basic { Refused::WrongSecret { basic } } else { Refused::UnknownClient });
    };
    match (&client.authentication, credentials) {
        (Authentication::Basic(_), Credentials::Basic { .. })
        | (Authentication::Post(_), Credentials::Post { .. })
        | (Authentication::PrivateKeyJwt(_), Credentials::Assertion(_))
        | (Authentication::None, Credentials::None { .. }) => {}
        _ => return Err(Refused::WrongMethod { basic }),
    }
    if secret.is_some_and(|secret| !client.authentication.accepts(secret)) {
        return Err(Refused::WrongSecret { basic });
    }
    Ok(client)
}

/// Who a request says it is from, whether or not it proves it.
#[must_use]
pub fn claimed(headers: &HeaderMap, form: &Form) -> Option<String> {
    present(headers, form).ok().map(|credentials| credentials.id().to_owned())
}

fn present<'f>(headers: &HeaderMap, form: &'f Form) -> Result<Credentials<'f>, Refused> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (header, second) = (lines.next(), lines.next());
    let posted = form.get("client_secret");
    let asserted = form.has("client_assertion") || form.has("client_assertion_type");
    if second.is_some() {
        return Err(Refused::MalformedBasic);
    }
    if let Some(header) = header {
        if posted.is_some() || asserted {
            return Err(Refused::TwoMethods);
        }
        let (id, secret) = header.to_str().ok().and_then(basic).ok_or(Refused::MalformedBasic)?;
        if form.get("client_id").is_some_and(|posted| posted != id) {
            return Err(Refused::TwoClients);
        }
        return Ok(Credentials::Basic { id, secret });
    }
    if asserted {
        if posted.is_some() {
            return Err(Refused::TwoMethods);
        }
        return Assertion::read(form).map(Credentials::Assertion).map_err(Refused::Assertion);
    }
    let id = form.get("client_id").ok_or(Refused::NoClient)?.to_owned();
    Ok(match posted {
        Some(secret) => Credentials::Post { id, secret: ClientSecret::new(secret) },
        None => Credentials::None { id },
    })
}

/// RFC 7617, with both halves form-encoded first, RFC 6749 §2.3.1.
fn basic(header: &str) -> Option<(String, ClientSecret)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(credentials.trim_matches(' ')).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id)?, ClientSecret::new(decode(secret)?)))
}

/// Undoes form-encoding of a single value.
fn decode(text: &str) -> Option<String> {
    // `&` and `=` would end a value; encoded ones are `%26` and `%3D`, raw ones are taken as meant.
    let raw = text.replace('&', "%26").replace('=', "%3D");
    let pair = format!("={raw}");
    let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    let value = value.into_owned();
    (!value.contains('\u{fffd}')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use http::HeaderValue;
    use shared::secret::Digest;

    fn config() -> Config {
        let clients = format!(
            r#"[{{"client_id":"c1","redirect_uris":["https://a.test/"],"client_secret_sha256":["{}","{}"]}},
                {{"client_id":"c2","redirect_uris":["https://a.test/"],"client_secret_sha256":"{}","token_endpoint_auth_method":"client_secret_post"}},
                {{"client_id":"c3","redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"none"}}]"#,
            Digest::of("one").to_text(),
            Digest::of("t:w%o +&=é").to_text(),
            Digest::of("post").to_text(),
        );
        Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "CLIENTS" => Some(clients.clone()),
            _ => None,
        })
        .unwrap()
    }

    fn attempt(authorization: &[&str], body: &str) -> Result<String, Refused> {
        let headers = authorization
            .iter()
            .map(|line| (AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        let form = Form::parse(body.as_bytes()).unwrap();
        let credentials = present(&headers.collect(), &form)?;
        let client = config().client(credentials.id()).cloned();
        check(client, &credentials).map(|found| found.id.clone())
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn each_registered_method_works_and_both_secrets_of_a_rotation() {
        assert_eq!(attempt(&[&header("c1:one")], ""), Ok("c1".into()));
        assert_eq!(attempt(&[&header("c1:one")], "client_id=c1"), Ok("c1".into()));
        assert_eq!(attempt(&[], "client_id=c2&client_secret=post"), Ok("c2".into()));
        assert_eq!(attempt(&[], "client_id=c3"), Ok("c3".into()));
    }

    #[test]
    fn ca_08_basic_credentials_are_form_encoded_before_they_are_joined() {
        assert_eq!(attempt(&[&header("c1:t%3Aw%25o+%2B%26%3D%C3%A9")], ""), Ok("c1".into()));
    }

    #[test]
    fn ca_01_ca_02_ca_09_two_methods_or_two_clients_are_an_invalid_request() {
        let basic = header("c1:one");
        assert_eq!(attempt(&[&basic], "client_secret=one").err(), Some(Refused::TwoMethods));
        assert_eq!(attempt(&[&basic], "client_assertion=x").err(), Some(Refused::TwoMethods));
        let both = "client_id=c2&client_secret=post&client_assertion=x";
        assert_eq!(attempt(&[], both).err(), Some(Refused::TwoMethods));
        assert_eq!(attempt(&[&basic], "client_id=c2").err(), Some(Refused::TwoClients));
    }

    #[test]
    fn ca_03_ca_04_ca_05_ca_06_the_registered_method_is_the_only_one() {
        for (authorization, body) in [
            (vec![], "client_id=c1&client_secret=one"),
            (vec![], "client_id=c1"),
            (vec![], "client_id=c1&client_secret="),
            (vec![header("c2:post")], ""),
            (vec![header("c3:")], ""),
            (vec![], "client_id=c3&client_secret=any"),
        ] {
            let lines: Vec<_> = authorization.iter().map(String::as_str).collect();
            let refused = attempt(&lines, body).err();
            assert!(matches!(refused, Some(Refused::WrongMethod { .. })), "{body} {refused:?}");
        }
    }

    #[test]
    fn ca_18_an_assertion_that_is_none_is_refused_whoever_the_client_is() {
        for body in [
            "client_id=c2&client_assertion=x",
            "client_id=c3&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
            "client_assertion=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer",
        ] {
            let refused = attempt(&[], body).err();
            assert_eq!(refused, Some(Refused::Assertion(assertion::Refused::Type)), "{body}");
        }
    }

    #[test]
    fn ca_03_ca_11_a_wrong_empty_or_longer_secret_is_refused() {
        for secret in ["", "on", "one1", "ONE", "one "] {
            let refused = attempt(&[&header(&format!("c1:{secret}"))], "").err();
            assert_eq!(refused, Some(Refused::WrongSecret { basic: true }), "{secret}");
        }
    }

    #[test]
    fn ca_07_malformed_basic_credentials_are_challenged() {
        for line in [
            "Basic",
            "Basic %%%",
            &header("nocolon"),
            "Bearer x",
            "",
            "Basic \u{e9}",
            &header("c1:%ff"),
        ] {
            let refused = attempt(&[line], "").err();
            assert_eq!(refused, Some(Refused::MalformedBasic), "{line}");
            assert!(refused.unwrap().public().2);
        }
        let one = header("c1:one");
        assert_eq!(attempt(&[&one, &one], "").err(), Some(Refused::MalformedBasic));
    }

    #[test]
    fn an_unknown_client_is_told_nothing_else_than_a_wrong_secret() {
        let (unknown, wrong) =
            (attempt(&[&header("nobody:x")], ""), attempt(&[&header("c1:x")], ""));
        assert_eq!(unknown.err().map(Refused::public), wrong.err().map(Refused::public));
    }
}
