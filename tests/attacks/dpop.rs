//! PX: proofs of a key, RFC 9449. What one may look like in every detail is tested beside the code; here
//! it is what comes of them. What tokens are good for that are bound to a key is in `bound.rs`.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::fetch::Response;
use tests::assertion::Key;
use tests::client::{
    Ask, Auth, C1, C4, Client, Draft, KINDS, SignedIn, Tokens, bound_userinfo, json as object,
    userinfo,
};
use tests::dpop::{Proof, thumbprint};
use tests::expect::{error, header, invalid_client, invalid_grant};
use tests::listener::unverified;
use tests::memory::Fault;
use tests::world::{Issuer, issuer, needs_clock};

/// The client's.
pub(crate) const KEY: Key = Key::Ec(1);
/// Somebody else's.
pub(crate) const OTHER: Key = Key::Ec(2);

pub(crate) fn good() -> Proof {
    Proof::of(KEY)
}

pub(crate) fn invalid_proof(answer: &Response, what: &str) {
    error(answer, StatusCode::BAD_REQUEST, "invalid_dpop_proof", what);
}

/// Alice signed in, with everything; and the request for tokens of that key.
fn redeeming(issuer: &Issuer, client: Client) -> Draft {
    let ask = Ask::of(client).set("scope", "openid profile email offline_access");
    SignedIn::new(issuer, ask).redeem().proof(good())
}

pub(crate) fn bound(issuer: &Issuer, client: Client) -> Tokens {
    Tokens::bound(&redeeming(issuer, client).send(issuer))
}

/// The key that a token is bound to.
pub(crate) fn jkt(token: &str) -> Value {
    unverified(token).get("cnf").map_or(Value::Null, |cnf| cnf["jkt"].clone())
}

pub(crate) fn is_good(answer: &Response) -> bool {
    answer.status() == StatusCode::OK
}

#[test]
fn rfc9449_5_every_client_gets_tokens_of_its_key_and_uses_them_with_it() {
    let issuer = issuer();
    for client in KINDS {
        let first = bound(&issuer, client);
        let second = client.refresh(first.refresh()).proof(good());
        let second = Tokens::bound(&second.send(&issuer));
        for tokens in [&first, &second] {
            assert_eq!(jkt(&tokens.access), thumbprint(KEY), "{}", client.id);
            assert!(!unverified(tokens.id()).contains_key("cnf"), "it says who, to anybody");
            let draft = bound_userinfo(&tokens.access, Proof::with(KEY, &tokens.access));
            assert!(is_good(&draft.send(&issuer)), "{}", client.id);
        }
        if client.auth != Auth::Public {
            let said = object(&client.introspect(&second.access).send(&issuer));
            assert_eq!(said["token_type"], "DPoP");
            assert_eq!(said["cnf"], json!({ "jkt": thumbprint(KEY) }));
            let said = object(&client.introspect(second.refresh()).send(&issuer));
            assert_eq!(said["active"], true);
        }
        assert!(is_good(&client.revoke(&second.access).send(&issuer)));
        let draft = bound_userinfo(&second.access, Proof::with(KEY, &second.access));
        assert_eq!(draft.send(&issuer).status(), StatusCode::UNAUTHORIZED, "{}", client.id);
    }
}

#[test]
fn rfc9449_5_a_proof_may_be_of_any_algorithm_that_is_advertised() {
    let issuer = issuer();
    let document = Draft::new(Method::GET, "/.well-known/openid-configuration").send(&issuer);
    let algs = json!(["ES256", "RS256", "EdDSA"]);
    assert_eq!(object(&document)["dpop_signing_alg_values_supported"], algs);
    for key in [KEY, Key::Rsa, Key::Ed(1)] {
        let tokens = Tokens::bound(&redeeming(&issuer, C1).proof(Proof::of(key)).send(&issuer));
        assert_eq!(jkt(&tokens.access), thumbprint(key), "{key:?}");
    }
}

#[test]
fn px_11_a_bad_proof_is_refused_and_uses_nothing_up() {
    let issuer = issuer();
    let now = issuer.now().0;
    let public = |key: Key| serde_json::to_value(key.private().public().material).unwrap();
    let mut private = public(KEY);
    private["d"] = json!("AQ");
    let bad = [
        good().set("htm", "GET"),
        good().set("htm", Value::Null),
        good().set("htu", issuer.at("/userinfo")),
        good().set("htu", "https://evil.test/token"),
        good().set("htu", issuer.at("/token/")),
        good().set("iat", now - 300),
        good().set("iat", now + 300),
        good().set("iat", Value::Null),
        good().set("jti", ""),
        good().set("jti", "x".repeat(129)),
        good().set("jti", Value::Null),
        good().set("padding", "x".repeat(4096)),
        good().header("alg", "none"),
        good().header("alg", "HS256"),
        good().header("typ", Value::Null),
        good().header("typ", "JWT"),
        good().header("jwk", Value::Null),
        good().header("jwk", private),
        good().header("jwk", public(OTHER)),
        good().header("crit", json!(["exp"])),
    ];
    for client in [C1, C4] {
        let code = redeeming(&issuer, client);
        let family = bound(&issuer, client);
        let refresh = client.refresh(family.refresh());
        for proof in &bad {
            for draft in [&code, &refresh] {
                let answer = draft.clone().proof(proof.clone()).send(&issuer);
                invalid_proof(&answer, &format!("{} {proof:?}", client.id));
            }
        }
        for raw in ["", "x", "a.b.c", "a.b.c, a.b.c"] {
            let answer = client.refresh(family.refresh()).header("dpop", raw).send(&issuer);
            invalid_proof(&answer, raw);
        }
        Tokens::bound(&code.send(&issuer));
        let next = Tokens::bound(&refresh.proof(good()).send(&issuer));
        assert_ne!(next.refresh, family.refresh);
    }
}

#[test]
fn px_17_two_headers_are_refused_even_where_both_are_good() {
    let issuer = issuer();
    let code = redeeming(&issuer, C1);
    let one = good().text(&issuer, "/token");
    let two = code.clone().more_header("dpop", one.as_bytes());
    invalid_proof(&two.send(&issuer), "two");
    Tokens::bound(&code.send(&issuer));
}

#[test]
fn px_18_the_address_is_that_of_the_endpoint_in_any_of_its_spellings() {
    let issuer = issuer();
    for htu in [issuer.at("/token?x=y#z"), issuer.at("/token").replace("http", "HTTP")] {
        Tokens::bound(&redeeming(&issuer, C1).proof(good().set("htu", htu)).send(&issuer));
    }
}

#[test]
fn px_12_a_proof_counts_once_also_at_the_same_time() {
    let issuer = issuer();
    let tokens = bound(&issuer, C1);
    let once = |draft: Draft| {
        let answers = issuer.ask_all((0..20).map(|_| draft.request(&issuer)).collect());
        let (good, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_good);
        assert_eq!(good.len(), 1);
        others
    };
    let proof = good().text(&issuer, "/token");
    for answer in once(C1.refresh(tokens.refresh()).header("dpop", &proof)) {
        invalid_proof(&answer, "used");
    }
    let proof = Proof::with(KEY, &tokens.access).text(&issuer, "/userinfo");
    let draft = userinfo(&tokens.access).header("dpop", &proof);
    let draft = draft.header("authorization", &format!("DPoP {}", tokens.access));
    for answer in once(draft) {
        error(&answer, StatusCode::UNAUTHORIZED, "invalid_dpop_proof", "used");
    }
    // The name is of one key alone.
    let named = |key: Key| {
        let proof = Proof::of(key).set("jti", "the same for all");
        redeeming(&issuer, C1).proof(proof).send(&issuer)
    };
    if issuer.is_inside() {
        Tokens::bound(&named(KEY));
        Tokens::bound(&named(OTHER));
        invalid_proof(&named(KEY), "again");
    }
}

#[test]
fn ds_07_a_proof_that_comes_with_nothing_of_ours_is_not_written_down() {
    let issuer = issuer();
    let family = bound(&issuer, C4);
    let proof = good().text(&issuer, "/token");
    for token in ["x", &family.refresh()[1..], &family.access] {
        let answer = C4.refresh(token).header("dpop", &proof).send(&issuer);
        invalid_grant(&answer, token);
    }
    let other = C1.refresh(family.refresh()).auth(C1.id, Auth::Basic("x")).header("dpop", &proof);
    invalid_client(&other.send(&issuer), true, "the client comes first");
    let answer = C4.refresh(family.refresh()).header("dpop", &proof).send(&issuer);
    Tokens::bound(&answer);
}

#[test]
fn px_12_when_nobody_can_say_whether_a_proof_was_used_nothing_is() {
    let Some(issuer) = needs_clock() else { return };
    for client in [C1, C4] {
        let (code, family) = (redeeming(&issuer, client), bound(&issuer, client));
        let refresh = client.refresh(family.refresh()).proof(good());
        for draft in [code, refresh] {
            issuer.inside().memory.fail(Fault::Storage(0));
            let answer = draft.send(&issuer);
            let status = StatusCode::SERVICE_UNAVAILABLE;
            error(&answer, status, "temporarily_unavailable", client.id);
            Tokens::bound(&draft.send(&issuer));
        }
    }
}

#[test]
fn rfc9449_7_1_whoever_brings_no_token_is_told_of_both_schemes() {
    let issuer = issuer();
    let challenge = |answer: &Response| header(answer, "www-authenticate").to_owned();
    let none = Draft::new(Method::GET, "/userinfo").send(&issuer);
    assert_eq!(challenge(&none), "Bearer, DPoP algs=\"ES256 RS256 EdDSA\"");
    let bad = userinfo("x").send(&issuer);
    let wanted = "Bearer error=\"invalid_token\", DPoP algs=\"ES256 RS256 EdDSA\"";
    assert_eq!(challenge(&bad), wanted);
    for path in ["/token", "/userinfo"] {
        let preflight = Draft::new(Method::OPTIONS, path).header("origin", "https://spa.test");
        let answer = preflight.send(&issuer);
        assert!(header(&answer, "access-control-allow-headers").contains("dpop"), "{path}");
    }
}
