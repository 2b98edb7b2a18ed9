//! `private_key_jwt`, from the side of the client: RFC 7523 §2.2 and OpenID Connect Core §9.

use super::client::RelyingParty;
use crate::jose::Signer;
use crate::jose::jws::{Header, compact, signing_input};
use crate::jose::private::PrivateKey;
use crate::time::UnixTime;
use serde::Serialize;

/// The only `client_assertion_type` there is.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What an assertion says that it is, so that it is taken for nothing else (RFC 8725 §3.11).
const KIND: &str = "client-authentication+jwt";
/// How long one is good for, in seconds. It is used at once.
const LIFE: u64 = 60;

#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    jti: String,
}

impl RelyingParty {
    /// A fresh assertion that we are who we are, for one request to whatever endpoint of the provider.
    /// It is addressed to the provider's issuer identifier alone, as a text: an assertion that names an
    /// endpoint could be had by who makes us believe in theirs. None when the key does not sign.
    pub(super) async fn assertion(
        &self,
        key: &PrivateKey,
        signer: &impl Signer,
        now: UnixTime,
    ) -> Option<String> {
        let (iss, sub, aud) = (&*self.client_id, &*self.client_id, self.issuer.as_str());
        let (iat, exp, jti) = (now.0, now.plus(LIFE).0, signer.fresh()?);
        let header = Header::new(key.alg(), key.kid(), KIND);
        let input = signing_input(&header, &Claims { iss, sub, aud, iat, exp, jti });
        Some(compact(&input, &signer.sign(key, input.as_bytes()).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientAuth;
    use super::super::fixture::{NOON, Peer, client, metadata, private_key};
    use super::super::token::TokenError;
    use super::*;
    use crate::fetch::Request;
    use crate::form::Form;
    use crate::jose::jws::Unverified;
    use crate::jose::native::Native;
    use crate::secret::RefreshToken;
    use pollster::block_on;
    use serde_json::{Value, json};

    fn party(key: PrivateKey) -> RelyingParty {
        RelyingParty { auth: ClientAuth::PrivateKeyJwt(Box::new(key)), ..client() }
    }

    /// The form that a request sends.
    fn sent(party: &RelyingParty) -> Form {
        let form = vec![("a", "b")];
        let request = party.request("https://idp.test/token", form, &Native, NOON);
        let request: Request = block_on(request).unwrap();
        assert!(!request.headers().contains_key("authorization"));
        Form::parse(request.body()).unwrap()
    }

    fn claims(form: &Form) -> Value {
        let token = Unverified::parse(form.get("client_assertion").unwrap()).unwrap();
        assert_eq!(token.typ().as_deref(), Some("client-authentication+jwt"));
        assert_eq!(token.key_id(), Some(private_key().kid()));
        block_on(token.verify(private_key().public(), &Native)).unwrap()
    }

    #[test]
    fn oidc_core_9_rfc7523_3_an_assertion_is_from_us_for_the_issuer_alone_and_soon_over() {
        let form = sent(&party(private_key()));
        assert_eq!(form.get("a"), Some("b"));
        assert_eq!(form.get("client_assertion_type"), Some(TYPE));
        assert!(!form.has("client_id") && !form.has("client_secret"));
        let mut claims = claims(&form);
        let id = claims.as_object_mut().unwrap().remove("jti");
        assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| !id.is_empty())));
        let wanted = json!({
            "iss": "app", "sub": "app", "aud": "https://idp.test", "iat": NOON.0, "exp": NOON.0 + 60,
        });
        assert_eq!(claims, wanted);
    }

    #[test]
    fn pa_16_no_two_requests_bring_the_same_assertion() {
        let party = party(private_key());
        let ids: Vec<_> = (0..3).map(|_| claims(&sent(&party))["jti"].clone()).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    }

    #[test]
    fn with_a_key_that_does_not_sign_nothing_is_sent() {
        let mut jwk: Value = serde_json::from_str(private_key().expose()).unwrap();
        jwk["d"] = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s".into();
        let (peer, fetch) = Peer::with_fetch();
        let (party, token) = (party(PrivateKey::read(&jwk).unwrap()), RefreshToken::new("r"));
        let answer = block_on(party.refresh(&metadata(), &token, (&fetch, &Native), NOON));
        assert_eq!(answer, Err(TokenError::Misconfigured(None)));
        assert_eq!(peer.hits("/token"), 0);
    }
}
