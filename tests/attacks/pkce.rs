//! PK: proof key for code exchange.

use tests::browser::Reply;
use tests::client::{Ask, C1, C3, C4, SignedIn, Tokens, WAIVED, challenge, fresh};
use tests::expect::invalid_grant;
use tests::world::issuer;

#[test]
fn pk_01_pk_02_pk_04_pk_05_pk_06_only_the_verifier_proves_it() {
    let issuer = issuer();
    for client in [C1, C3, C4, WAIVED] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let verifier = signed_in.ask.verifier.clone();
        invalid_grant(&signed_in.redeem().without("code_verifier").send(&issuer), "none");
        for wrong in [
            "",
            &challenge(&verifier),
            &fresh("another"),
            &verifier[..42],
            &format!("{verifier}="),
            &format!("{verifier}A"),
            &format!(" {verifier}"),
            &verifier.to_lowercase(),
            &"A".repeat(129),
            "\u{e9}",
        ] {
            let draft = signed_in.redeem().set("code_verifier", wrong);
            invalid_grant(&draft.send(&issuer), wrong);
        }
        Tokens::of(&signed_in.redeem().send(&issuer));
    }
}

#[test]
fn pk_03_a_verifier_without_a_challenge_is_a_downgrade() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::without_pkce(WAIVED));
    let draft = signed_in.redeem().set("code_verifier", &fresh("verifier"));
    invalid_grant(&draft.send(&issuer), "never asked for");
    Tokens::of(&signed_in.redeem().send(&issuer));
}

#[test]
fn pk_06_a_verifier_of_the_wrong_length_or_letters_matches_nothing() {
    let issuer = issuer();
    // The challenge is right for each of them; RFC 7636 §4.1 forbids them all the same.
    for verifier in
        ["A".repeat(42), "A".repeat(129), format!("{}+", "A".repeat(43)), "\u{e9}".repeat(30)]
    {
        let ask = Ask::of(C1).set("code_challenge", &challenge(&verifier));
        let signed_in = SignedIn::new(&issuer, ask);
        let draft = signed_in.redeem().set("code_verifier", &verifier);
        invalid_grant(&draft.send(&issuer), &verifier);
    }
}

#[test]
fn pk_07_a_method_in_the_token_request_changes_nothing() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let plain = signed_in.redeem().set("code_challenge_method", "plain");
    let as_plain = plain.clone().set("code_verifier", &challenge(&signed_in.ask.verifier));
    invalid_grant(&as_plain.send(&issuer), "plain");
    Tokens::of(&plain.send(&issuer));
}

#[test]
fn pk_08_another_flows_verifier_does_not_redeem_an_injected_code() {
    let issuer = issuer();
    let (victim, attacker) =
        (SignedIn::new(&issuer, Ask::of(C4)), SignedIn::new(&issuer, Ask::of(C4)));
    let injected = attacker.redeem().set("code", &victim.reply.code());
    invalid_grant(&injected.send(&issuer), "injected");
    Tokens::of(&victim.redeem().send(&issuer));
    Tokens::of(&attacker.redeem().send(&issuer));
}

#[test]
fn pk_09_two_requests_with_one_challenge_are_two_codes() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(C4));
    let second = Reply::of(&signed_in.browser.get(&signed_in.ask.url(&issuer))).code();
    assert_ne!(second, signed_in.reply.code());
    Tokens::of(&signed_in.redeem().send(&issuer));
    Tokens::of(&signed_in.redeem().set("code", &second).send(&issuer));
}
