//! Our own relying party signs in at each of the `OpenID` stand-ins, and at none that goes wrong.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method};
use pollster::block_on;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use shared::fetch::{Fetch, Request, Unreachable};
use shared::jose::native::Native;
use shared::origin::Issuer;
use shared::rp::authorization::{Flow, Hints};
use shared::rp::client::{ClientAuth, Issuers, RelyingParty};
use shared::rp::discovery::Provider;
use shared::rp::sign_in::SignedIn;
use shared::scope::Scope;
use shared::secret::ClientSecret;
use shared::time::UnixTime;
use stand_in::{Endpoint, Fault, GATELATCH, Home, IdTokenFault, StandIn};

const NOON: UnixTime = UnixTime(1_800_000_000);

struct Net {
    stand_in: StandIn,
    place: &'static str,
    issuer: String,
    scope: &'static str,
}

impl Fetch for Net {
    async fn fetch(&self, request: Request) -> Result<http::Response<Vec<u8>>, Unreachable> {
        self.stand_in.answer(&request, NOON.0).into_response().ok_or(Unreachable)
    }
}

fn net(place: &'static str, issuer: &str) -> Net {
    let scope =
        if place.starts_with("google") { "openid email" } else { "openid email offline_access" };
    Net { stand_in: StandIn::new(3), place, issuer: format!("https://up.test/{issuer}"), scope }
}

/// The whole of a sign-in, or the words of what stands in the way.
fn sign_in(net: &Net, person: &str) -> Result<SignedIn, String> {
    let issuer = Issuer::parse(&net.issuer).expect("an issuer");
    let client = RelyingParty {
        issuer: issuer.clone(),
        issuers: Issuers::Exact,
        client_id: GATELATCH.id.to_owned(),
        auth: ClientAuth::Basic(ClientSecret::new(GATELATCH.secret)),
        redirect_uri: "https://app.test/callback".to_owned(),
        scope: Scope::parse(net.scope).expect("a scope"),
    };
    let provider = Provider::new(issuer);
    let metadata = block_on(provider.metadata(net, NOON)).map_err(|no| format!("{no:?}"))?;
    let flow = Flow::new(None, &mut ChaCha20Rng::seed_from_u64(1));
    let mut request = Request::new(format!("person={person}").into_bytes());
    *request.method_mut() = Method::POST;
    *request.uri_mut() =
        flow.authorization_url(&client, &metadata, Hints::default()).parse().unwrap();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    let page = block_on(net.fetch(request)).map_err(|no| format!("{no:?}"))?;
    let back = page.headers().get(LOCATION).expect("the way back").to_str().unwrap();
    let query = back.split_once('?').expect("a query").1;
    let code = flow.callback(query.as_bytes(), &metadata).map_err(|no| format!("{no:?}"))?;
    let done = client.sign_in(&code, &flow, &provider, &metadata, net, &Native, NOON);
    block_on(done).map_err(|no| format!("{no:?}"))
}

#[test]
fn it_signs_in_at_each_of_them() {
    let alpha = format!("entra/x1/{}/v2.0", Home::Alpha.tenant());
    for (place, issuer) in [
        ("auth0/x1", "auth0/x1/"),
        ("google/x1", "google/x1"),
        ("generic/x1", "generic/x1"),
        ("entra/x1", alpha.as_str()),
    ] {
        let net = net(place, issuer);
        let signed_in = sign_in(&net, "alice").unwrap_or_else(|no| panic!("{place}: {no}"));
        assert_eq!(signed_in.claims.other["email"], "alice@alpha.test");
        let asked = net.stand_in.seen_at(place, Endpoint::Authorize);
        assert!(asked.iter().all(|seen| seen.get("code_challenge_method") == Some("S256")));
        let redeemed = net.stand_in.seen_at(place, Endpoint::Token);
        assert!(redeemed.iter().all(|seen| seen.get("code_verifier").is_some()));
    }
}

#[test]
fn it_signs_nobody_in_with_a_token_that_is_wrong() {
    let all = [
        IdTokenFault::Absent,
        IdTokenFault::AlgNone,
        IdTokenFault::WrongIssuer,
        IdTokenFault::IssuerWithoutScheme,
        IdTokenFault::WrongAudience,
        IdTokenFault::ExtraAudience,
        IdTokenFault::WrongAzp,
        IdTokenFault::Expired,
        IdTokenFault::FutureIat,
        IdTokenFault::NoSubject,
        IdTokenFault::EmptySubject,
        IdTokenFault::NoNonce,
        IdTokenFault::WrongNonce,
        IdTokenFault::Hs256,
        IdTokenFault::UnknownKid,
        IdTokenFault::OtherKey,
    ];
    let net = net("generic/x1", "generic/x1");
    for fault in all {
        net.stand_in.fault(net.place, Endpoint::Token, Fault::IdToken(fault), 1);
        assert!(sign_in(&net, "alice").is_err(), "{fault:?}");
        assert!(sign_in(&net, "alice").is_ok(), "after {fault:?}");
    }
}

#[test]
fn it_signs_nobody_in_when_an_answer_is_wrong() {
    let net = net("generic/x1", "generic/x1");
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Token] {
        let faults = [
            Fault::RefuseConnection,
            Fault::Empty200,
            Fault::Html200,
            Fault::BadJson,
            Fault::GzipBomb,
            Fault::ErrorWith200,
            Fault::Redirect { status: 302, to: "http://127.0.0.1:9/".to_owned() },
            Fault::Status(400),
            Fault::Status(404),
            Fault::Status(503),
        ];
        for fault in faults {
            let name = format!("{fault:?} at {endpoint:?}");
            net.stand_in.fault(net.place, endpoint, fault, 1);
            assert!(sign_in(&net, "alice").is_err(), "{name}");
            assert!(sign_in(&net, "alice").is_ok(), "after {name}");
        }
    }
}

/// Whether it skips what it does not know, or refuses: it lives, and goes on.
#[test]
fn fd_31_it_outlives_deep_and_double_members() {
    let net = net("generic/x1", "generic/x1");
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Token] {
        for fault in [Fault::DeepJson, Fault::DuplicateKeys, Fault::OneMegabyte] {
            net.stand_in.fault(net.place, endpoint, fault.clone(), 1);
            let outcome = sign_in(&net, "alice").map(|signed_in| signed_in.claims.subject);
            assert!(outcome.is_err() || outcome == Ok("person-alice".to_owned()));
            assert!(sign_in(&net, "alice").is_ok(), "after {fault:?} at {endpoint:?}");
        }
    }
}

#[test]
fn it_signs_nobody_in_who_comes_back_wrong() {
    let net = net("generic/x1", "generic/x1");
    for fault in [
        Fault::CallbackWithoutState,
        Fault::CallbackOtherIss,
        Fault::CallbackNoIss,
        Fault::CallbackDuplicateCode,
    ] {
        net.stand_in.fault(net.place, Endpoint::Authorize, fault.clone(), 1);
        assert!(sign_in(&net, "alice").is_err(), "{fault:?}");
    }
    for fault in [Fault::OtherDiscoveryIssuer, Fault::HttpJwksUri] {
        net.stand_in.fault(net.place, Endpoint::Discovery, fault.clone(), 1);
        assert!(sign_in(&net, "alice").is_err(), "{fault:?}");
    }
}

#[test]
fn it_takes_what_is_unusual_and_right() {
    let net = net("generic/x1", "generic/x1");
    net.stand_in.fault(net.place, Endpoint::Token, Fault::UnusualTokens, 1);
    assert!(sign_in(&net, "alice").is_ok());
    net.stand_in.fault(net.place, Endpoint::Token, Fault::KeysRotatedJustNow, 1);
    assert!(sign_in(&net, "alice").is_ok());
}
