//! CA: client authentication, which is the same at `/token`, for both grants, and at `/revoke`.

use super::siblings::Siblings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::client::{
    Ask, Auth, C1, C1_BEFORE, C2, C3, C4, C5, Draft, ODD, SignedIn, Tokens, basic,
};
use tests::world::issuer;

#[test]
fn ca_01_ca_02_ca_09_one_client_authenticates_once() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C1);
    siblings.malformed("both", |draft| draft.set("client_secret", "c1-secret"));
    siblings.malformed("both, by name", |draft| {
        draft.set("client_id", "c1").set("client_secret", "c1-secret")
    });
    siblings.malformed("another's", |draft| {
        draft.set("client_id", "c2").set("client_secret", "c2-secret")
    });
    siblings.malformed("assertion", |draft| {
        draft
            .set("client_assertion", "x")
            .set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    });
    siblings.malformed("another name", |draft| draft.set("client_id", "c2"));
    siblings.still_work();

    let siblings = Siblings::of(&issuer, C5);
    siblings.malformed("a secret too", |draft| draft.set("client_secret", "x"));
    siblings.malformed("Basic too", |draft| draft.header("authorization", &basic("c5", "x")));
    siblings.malformed("two assertions", |draft| {
        draft.add("client_assertion", "x").add("client_assertion", "y")
    });
    siblings.still_work();
}

#[test]
fn ca_03_ca_04_ca_05_ca_11_nothing_but_the_registered_method_with_the_secret() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C1);
    for wrong in [
        "",
        "c1-secre",
        "c1-secrett",
        "C1-SECRET",
        "c1-secret ",
        "c2-secret",
        "FP2TJK80zYvxpa7ccczhshaUszB_qQ9AFT6lqamM0AA",
    ] {
        siblings.unauthenticated(wrong, true, |draft| draft.auth("c1", Auth::Basic(wrong)));
    }
    let long = "x".repeat(10_000);
    siblings.unauthenticated("long", true, |draft| {
        draft.by_client(C1).header("authorization", &basic("c1", &long))
    });
    siblings.unauthenticated("posted", false, |draft| draft.auth("c1", Auth::Post("c1-secret")));
    siblings.unauthenticated("empty", false, |draft| draft.auth("c1", Auth::Post("")));
    siblings.unauthenticated("none", false, |draft| draft.auth("c1", Auth::Public));
    siblings.unauthenticated("nobody", false, |draft| draft.auth("nobody", Auth::Public));
    siblings.unauthenticated("nobody", true, |draft| draft.auth("nobody", Auth::Basic("x")));
    siblings.unauthenticated("no name", false, |draft| {
        draft.without_header("authorization").without("client_id")
    });
    siblings.still_work();

    let siblings = Siblings::of(&issuer, C2);
    siblings.unauthenticated("basic", true, |draft| draft.auth("c2", Auth::Basic("c2-secret")));
    siblings.unauthenticated("wrong", false, |draft| draft.auth("c2", Auth::Post("c1-secret")));
    siblings.unauthenticated("none", false, |draft| draft.auth("c2", Auth::Public));
    siblings.still_work();

    let siblings = Siblings::of(&issuer, C5);
    siblings.unauthenticated("basic", true, |draft| draft.auth("c5", Auth::Basic("x")));
    siblings.unauthenticated("empty", true, |draft| draft.auth("c5", Auth::Basic("")));
    siblings.unauthenticated("posted", false, |draft| draft.auth("c5", Auth::Post("x")));
    siblings.unauthenticated("none", false, |draft| draft.auth("c5", Auth::Public));
    siblings.still_work();
}

#[test]
fn ca_06_a_public_client_has_no_secret_to_send() {
    let issuer = issuer();
    for client in [C3, C4] {
        let siblings = Siblings::of(&issuer, client);
        siblings.unauthenticated("posted", false, |draft| draft.auth(client.id, Auth::Post("x")));
        siblings.unauthenticated("basic", true, |draft| draft.auth(client.id, Auth::Basic("x")));
        siblings
            .unauthenticated("empty basic", true, |draft| draft.auth(client.id, Auth::Basic("")));
        siblings.still_work();
    }
}

#[test]
fn ca_07_a_header_that_cannot_be_read_is_challenged() {
    let issuer = issuer();
    let siblings = Siblings::of(&issuer, C1);
    let encoded = |pair: &[u8]| format!("Basic {}", STANDARD.encode(pair));
    for line in [
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic YzE",
        &encoded(b"nocolon"),
        &encoded(b"\xff\xfe:x"),
        &encoded(b"c1:%ff"),
        &encoded(b":"),
        "Bearer c1-secret",
        "Digest username=c1",
        &encoded(b"c1:c1-secret").replace("Basic ", "Basic"),
    ] {
        siblings.unauthenticated(line, true, |draft| draft.header("authorization", line));
    }
    siblings.unauthenticated("not ASCII", true, |draft| {
        draft.without_header("authorization").more_header("authorization", b"Basic \xe9")
    });
    let good = basic("c1", "c1-secret");
    siblings.unauthenticated("two headers", true, |draft| {
        draft.more_header("authorization", good.as_bytes())
    });
    siblings.still_work();
    let lower = good.replace("Basic", "basic");
    let draft = SignedIn::new(&issuer, Ask::of(C1)).redeem().header("authorization", &lower);
    Tokens::of(&draft.send(&issuer));
}

#[test]
fn ca_08_names_and_secrets_are_form_encoded_before_they_are_joined() {
    let issuer = issuer();
    Siblings::of(&issuer, ODD).still_work();
    let siblings = Siblings::of(&issuer, ODD);
    let raw = format!("Basic {}", STANDARD.encode("odd:id:t:w%o +&=\u{e9}"));
    siblings.unauthenticated("raw", true, |draft| draft.header("authorization", &raw));
}

#[test]
fn a_client_whose_secret_is_being_changed_has_two() {
    let issuer = issuer();
    let draft = SignedIn::new(&issuer, Ask::of(C1)).redeem().auth("c1", C1_BEFORE);
    Tokens::of(&draft.send(&issuer));
}

#[test]
fn an_unknown_client_reads_like_a_wrong_secret() {
    let issuer = issuer();
    let draft = Draft::post("/token", &[("grant_type", "authorization_code")]);
    let wrong = draft.clone().auth("c1", Auth::Basic("x")).send(&issuer);
    let unknown = draft.clone().auth("nobody", Auth::Basic("x")).send(&issuer);
    assert_eq!(wrong.body(), unknown.body());
    let wrong = draft.clone().auth("c2", Auth::Post("x")).send(&issuer);
    let unknown = draft.auth("nobody", Auth::Post("x")).send(&issuer);
    assert_eq!(wrong.body(), unknown.body());
}
