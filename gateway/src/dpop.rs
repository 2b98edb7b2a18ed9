//! Access tokens that an origin takes from us alone: each request that carries one proves that the key
//! which it is bound to is ours (RFC 9449). What is stolen from an origin's log opens no other door.

use crate::config::Config;
use crate::forward::Bearer;
use crate::next::Next;
use crate::refused::Refused;
use crate::route::token::Token;
use http::Method;
use shared::jose::Signer;
use shared::rp::dpop::{HEADER, Use, ath, proof};
use shared::time::UnixTime;

/// Puts a proof on a request that goes to an origin with `bearer`, where the token of its route is bound
/// to a key of ours. Where that does not sign nothing goes there.
pub async fn prove(
    next: Next,
    (method, token, bearer): (&Method, &Token, Option<&Bearer>),
    config: &Config,
    signer: Option<&impl Signer>,
    now: UnixTime,
) -> Next {
    let bound = token.wanted().and_then(|wanted| wanted.bound.as_deref());
    match (next, bound) {
        (Next::Forward(mut forward), Some(thumbprint)) => {
            let value = async {
                let key = config.own_keys.with_thumbprint(thumbprint)?;
                let (ath, url) = (ath(bearer?.token()), forward.url.as_str());
                let of = Use { method: method.as_str(), url, ath: Some(&ath), nonce: None };
                proof(key, of, signer?, now).await
            };
            match value.await {
                Some(value) => {
                    forward.edits.set.push((HEADER, value));
                    Next::Forward(forward)
                }
                None => Next::Respond(Refused::Unsigned.response(forward.navigation)),
            }
        }
        (next, _) => next,
    }
}
