//! Tokens for origins that are bound to our key: what is asked, and what is taken (RFC 9449).

use super::exchange::Brought;
use super::parties::Parties;
use super::state::further::Way;
use super::state::{Failure, Live, Person};
use crate::config::Config;
use crate::fixture::{NOON, Peer, config_with, provider, sign};
use crate::own_keys::tests::KEYS;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pollster::block_on;
use serde_json::{Value, json};
use shared::fetch::{Request, Response};
use shared::jose::native::Native;
use shared::rp::wanted::{By, Wanted};
use shared::secret::{AccessToken, RefreshToken};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const ORDERS: &str = "https://orders.test";
const DISCOVERY: &str = "/.well-known/openid-configuration";

fn ours() -> Config {
    let secret = "a secret of sixteen letters";
    config_with(
        "durable",
        &[("SIGNING_KEYS", KEYS), ("CLIENT_AUTH", ""), ("CLIENT_SECRET", secret)],
    )
}

fn thumbprint() -> String {
    ours().own_keys.signing().unwrap().public().material.thumbprint()
}

fn wanted(by: By) -> Wanted {
    let (resource, bound) = (Some(ORDERS.to_owned()), Some(thumbprint()));
    Wanted { by, resource, audience: None, scope: None, opaque: false, bound }
}

fn way(wanted: Wanted) -> Way {
    match wanted.by {
        By::Refresh => Way::Refresh(RefreshToken::new("r0"), wanted),
        By::Exchange => Way::Exchange(AccessToken::new("a0"), wanted),
    }
}

fn person() -> Person {
    let live: Live = super::driver_tests::live();
    live.person().clone()
}

/// The claims of each proof that came along, and what the token endpoint says in turn, with a nonce.
#[derive(Clone, Default)]
struct Endpoint {
    proofs: Rc<RefCell<Vec<Option<Value>>>>,
    says: Rc<RefCell<VecDeque<Said>>>,
}

/// Status, body and nonce.
type Said = (u16, Value, &'static str);

impl Endpoint {
    fn say(&self, status: u16, body: Value, nonce: &'static str) {
        self.says.borrow_mut().push_back((status, body, nonce));
    }

    fn proofs(&self) -> Vec<Option<Value>> {
        self.proofs.take()
    }

    /// What calls bring, one after the other, where the provider says that it knows these algorithms.
    fn calls(&self, config: &Config, algs: &[&str], ways: &[Way]) -> Vec<Brought> {
        let peer = Peer::new();
        let read =
            |response: Response| -> Value { serde_json::from_slice(response.body()).unwrap() };
        let mut request = Request::default();
        *request.uri_mut() = DISCOVERY.parse().unwrap();
        let mut metadata = read(peer.answer(request).unwrap());
        metadata["dpop_signing_alg_values_supported"] = json!(algs);
        peer.put(DISCOVERY, 200, &metadata.to_string());
        let endpoint = self.clone();
        let fetch = async move |request: Request| {
            if request.uri().path() != "/token" {
                return peer.answer(request);
            }
            let proof = request.headers().get("dpop").map(|proof| {
                let part = proof.to_str().unwrap().split('.').nth(1).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            });
            endpoint.proofs.borrow_mut().push(proof);
            let (status, body, nonce) = endpoint.says.borrow_mut().pop_front().unwrap();
            let mut response = Response::new(body.to_string().into_bytes());
            *response.status_mut() = status.try_into().unwrap();
            if !nonce.is_empty() {
                response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
            }
            Ok(response)
        };
        let parties = Parties::new(config, |_| (provider(), fetch.clone(), Native));
        let call = |way| block_on(parties.call(way, &person(), 0, NOON));
        ways.iter().map(call).collect()
    }

    fn call(&self, wanted: Wanted) -> Brought {
        self.calls(&ours(), &["ES256"], &[way(wanted)]).remove(0)
    }
}

fn token(confirmed: &Value) -> String {
    let mut claims = json!({ "iss": "https://idp.test", "aud": ORDERS });
    if !confirmed.is_null() {
        claims["cnf"] = confirmed.clone();
    }
    sign("at+jwt", &claims)
}

fn answer(kind: &str, token: &str) -> Value {
    json!({ "access_token": token, "token_type": kind, "expires_in": 300, "refresh_token": "r1" })
}

#[test]
fn rfc9449_5_a_call_proves_our_key_and_takes_what_is_bound_to_it_alone() {
    let right = json!({ "jkt": thumbprint() });
    for by in [By::Refresh, By::Exchange] {
        for (kind, confirmed, is_taken) in [
            ("DPoP", &right, true),
            ("dpop", &right, true),
            ("Bearer", &right, false),
            ("Bearer", &Value::Null, false),
            ("DPoP", &Value::Null, false),
            ("DPoP", &json!({ "jkt": "another" }), false),
            ("DPoP", &json!({ "x5t#S256": "x" }), false),
            ("DPoP", &json!("jkt"), false),
        ] {
            let endpoint = Endpoint::default();
            endpoint.say(200, answer(kind, &token(confirmed)), "");
            let brought = endpoint.call(wanted(by));
            let about = format!("{by:?} {kind} {confirmed}: {brought:?}");
            match &brought {
                Brought::Tokens(_) => assert!(is_taken, "{about}"),
                // What the refresh token became is the session's in any case.
                Brought::Elsewhere(next) => {
                    assert!(!is_taken && next.is_some() == (by == By::Refresh), "{about}");
                }
                Brought::Nothing(_) => panic!("{about}"),
            }
            let [Some(proof)] = &endpoint.proofs()[..] else { panic!("{about}") };
            assert_eq!(
                (&proof["htm"], &proof["htu"]),
                (&json!("POST"), &json!("https://idp.test/token"))
            );
            assert!(proof.get("ath").is_none() && proof.get("nonce").is_none());
        }
    }
}

#[test]
fn gp_24_a_token_that_nobody_asked_to_be_bound_is_not_sent_as_if_it_were_not() {
    let unbound = Wanted { bound: None, ..wanted(By::Refresh) };
    let right = json!({ "jkt": thumbprint() });
    let endpoint = Endpoint::default();
    endpoint.say(200, answer("Bearer", &token(&right)), "");
    assert!(matches!(endpoint.call(unbound.clone()), Brought::Elsewhere(Some(_))));
    assert_eq!(endpoint.proofs(), [None]);
    endpoint.say(200, answer("DPoP", &token(&right)), "");
    assert!(matches!(endpoint.call(unbound), Brought::Nothing(Failure::Refused)));
}

#[test]
fn a_token_that_cannot_be_looked_into_is_bound_by_its_type() {
    let opaque = Wanted { opaque: true, ..wanted(By::Refresh) };
    for (kind, is_taken) in [("DPoP", true), ("Bearer", false)] {
        let endpoint = Endpoint::default();
        endpoint.say(200, answer(kind, "opaque"), "");
        assert_eq!(matches!(endpoint.call(opaque.clone()), Brought::Tokens(_)), is_taken, "{kind}");
    }
}

#[test]
fn whoever_would_give_nothing_of_use_is_not_asked() {
    let without_key = config_with(
        "durable",
        &[("CLIENT_AUTH", ""), ("CLIENT_SECRET", "a secret of sixteen letters")],
    );
    for (config, algs) in [(ours(), &[][..]), (ours(), &["RS256"]), (without_key, &["ES256"])] {
        let endpoint = Endpoint::default();
        let brought = endpoint.calls(&config, algs, &[way(wanted(By::Refresh))]).remove(0);
        assert!(matches!(brought, Brought::Nothing(Failure::Refused)), "{algs:?}: {brought:?}");
        assert!(endpoint.proofs().is_empty(), "the refresh token was spent");
    }
}

#[test]
fn px_15_a_nonce_that_the_provider_wants_is_in_the_next_proof_and_in_those_after_it() {
    let right = token(&json!({ "jkt": thumbprint() }));
    let wants = json!({ "error": "use_dpop_nonce" });
    let endpoint = Endpoint::default();
    endpoint.say(400, wants.clone(), "n1");
    endpoint.say(200, answer("DPoP", &right), "n2");
    endpoint.say(200, answer("DPoP", &right), "");
    let ways = [way(wanted(By::Refresh)), way(wanted(By::Exchange))];
    let brought = endpoint.calls(&ours(), &["ES256"], &ways);
    assert!(brought.iter().all(|brought| matches!(brought, Brought::Tokens(_))), "{brought:?}");
    let proofs = endpoint.proofs();
    let nonces: Vec<_> = proofs.iter().map(|proof| &proof.as_ref().unwrap()["nonce"]).collect();
    assert_eq!(nonces, [&Value::Null, &json!("n1"), &json!("n2")]);
    let jtis: Vec<_> = proofs.iter().map(|proof| &proof.as_ref().unwrap()["jti"]).collect();
    assert!(jtis[0] != jtis[1] && jtis[1] != jtis[2]);

    // Who wants another one for ever is asked twice.
    for nonce in ["n3", "n4"] {
        endpoint.say(400, wants.clone(), nonce);
    }
    assert!(matches!(endpoint.call(wanted(By::Refresh)), Brought::Nothing(Failure::Refused)));
    assert_eq!(endpoint.proofs().len(), 2);
    // And who wants one and gives none, once.
    endpoint.say(400, wants, "");
    assert!(matches!(endpoint.call(wanted(By::Refresh)), Brought::Nothing(Failure::Refused)));
    assert_eq!(endpoint.proofs().len(), 1);
}
