//! The rules of a grant, one by one. Any sequence of commands: `tests/models/grant.rs`.

use super::*;

const NOON: UnixTime = UnixTime(1_800_000_000);
const SEED: Seed = Seed(Bits::new([7; 32]));
const POLICY: Policy = Policy { access_token: 300, idle: 1_000, absolute: 5_000 };

fn facts() -> Facts {
    Facts {
        client_id: "app".into(),
        particulars: Particulars::default(),
        acr: None,
        scope: Scope::parse("openid profile").unwrap(),
        session: Uuid::nil(),
        auth_time: NOON,
        amr: vec!["pwd".into()],
        refreshable: true,
        offline: false,
    }
}

fn verifier() -> Verifier {
    Verifier::new("v".repeat(43))
}

fn issued() -> Grant {
    let binding = Binding {
        code: Digest::of("code"),
        redirect_uri: "https://app.test/cb".into(),
        challenge: Some(Challenge::of(&verifier())),
        nonce: Some("n".into()),
        key: None,
    };
    Grant::Issued(Issued { facts: facts(), binding, expires_at: NOON.plus(60) })
}

fn redemption() -> Redemption {
    Redemption {
        code: Digest::of("code"),
        client_id: "app".into(),
        redirect_uri: "https://app.test/cb".into(),
        verifier: Some(verifier()),
        target: Target::default(),
        is_public: false,
        key: None,
    }
}

fn live() -> Grant {
    let (live, redeemed) = issued().redeem(&redemption(), NOON, POLICY);
    assert!(matches!(redeemed, Redeemed::Redeemed(_)));
    live
}

fn token(generation: u32) -> Refresh {
    Refresh {
        generation,
        secret: SEED.secret(generation),
        client_id: "app".into(),
        is_public: false,
        scope: None,
        target: Target::default(),
        key: None,
    }
}

fn refresh(grant: Grant, with: &Refresh, seconds: u64) -> (Grant, Rotation) {
    grant.refresh(&SEED, with, NOON.plus(seconds), POLICY)
}

#[test]
fn tc_01_a_code_presented_again_revokes_what_it_produced() {
    let (grant, again) = live().redeem(&redemption(), NOON.plus(1), POLICY);
    assert_eq!((&grant, again), (&Grant::Revoked, Redeemed::Reused));
    assert_eq!(refresh(grant, &token(0), 2).1, Rotation::Revoked);
}

#[test]
fn tc_03_a_code_presented_again_long_after_its_end_still_revokes() {
    assert_eq!(live().redeem(&redemption(), NOON.plus(3_000), POLICY).1, Redeemed::Reused);
}

#[test]
fn tc_04_tc_07_tc_08_whatever_is_wrong_about_a_redemption_changes_nothing() {
    let wrong = [
        (Redemption { code: Digest::of("x"), ..redemption() }, Redeemed::Unknown),
        (Redemption { client_id: "evil".into(), ..redemption() }, Redeemed::WrongClient),
        (
            Redemption { redirect_uri: "https://app.test/cb/".into(), ..redemption() },
            Redeemed::WrongRedirect,
        ),
        (Redemption { verifier: None, ..redemption() }, Redeemed::WrongVerifier),
        (
            Redemption { verifier: Some(Verifier::new("w".repeat(43))), ..redemption() },
            Redeemed::WrongVerifier,
        ),
    ];
    for grant in [issued(), live()] {
        for (redemption, outcome) in &wrong {
            let (after, redeemed) = grant.clone().redeem(redemption, NOON, POLICY);
            assert_eq!((after, redeemed), (grant.clone(), outcome.clone()));
        }
    }
}

#[test]
fn tc_09_a_code_is_good_until_its_last_second() {
    assert!(matches!(
        issued().redeem(&redemption(), NOON.plus(59), POLICY).1,
        Redeemed::Redeemed(_)
    ));
    assert_eq!(
        issued().redeem(&redemption(), NOON.plus(60), POLICY),
        (issued(), Redeemed::Expired)
    );
}

#[test]
fn pk_03_a_verifier_without_a_challenge_is_a_downgrade() {
    let Grant::Issued(mut plain) = issued() else { panic!("issued") };
    plain.binding.challenge = None;
    let grant = Grant::Issued(plain);
    assert_eq!(grant.clone().redeem(&redemption(), NOON, POLICY).1, Redeemed::WrongVerifier);
    let without = Redemption { verifier: None, ..redemption() };
    assert!(matches!(grant.redeem(&without, NOON, POLICY).1, Redeemed::Redeemed(_)));
}

#[test]
fn rt_04_rule_ii_the_previous_token_gets_the_same_answer_again() {
    let (grant, Rotation::Rotated(first)) = refresh(live(), &token(0), 10) else { panic!() };
    let (_, Rotation::Repeated(again)) = refresh(grant, &token(0), 40) else { panic!() };
    assert_eq!(first, again);
}

#[test]
fn rule_iii_a_confidential_client_may_ask_again_for_one_access_token_lifetime() {
    let (grant, _) = refresh(live(), &token(0), 10);
    assert!(matches!(refresh(grant.clone(), &token(0), 310).1, Rotation::Repeated(_)));
    assert_eq!(refresh(grant, &token(0), 311), (Grant::Revoked, Rotation::Reused));
}

#[test]
fn rule_iii_a_public_client_may_ask_again_twice_within_ten_seconds() {
    let public = Refresh { is_public: true, ..token(0) };
    let (grant, _) = refresh(live(), &public, 10);
    assert_eq!(refresh(grant.clone(), &public, 21).1, Rotation::Reused);
    let (grant, first) = refresh(grant, &public, 20);
    let (grant, second) = refresh(grant, &public, 20);
    assert!(matches!((first, second), (Rotation::Repeated(_), Rotation::Repeated(_))));
    assert_eq!(refresh(grant, &public, 20), (Grant::Revoked, Rotation::Reused));
}

#[test]
fn rt_01_rt_03_rt_06_rule_iv_an_older_token_ends_the_family_even_in_the_same_second() {
    let (grant, _) = refresh(live(), &token(0), 1);
    let (grant, _) = refresh(grant, &token(1), 1);
    let (grant, reused) = refresh(grant, &token(0), 1);
    assert_eq!((&grant, reused), (&Grant::Revoked, Rotation::Reused));
    assert_eq!(refresh(grant, &token(2), 1).1, Rotation::Revoked);
}

#[test]
fn rt_05_the_answer_is_not_repeated_for_another_scope() {
    let narrow = Refresh { scope: Scope::parse("openid"), ..token(0) };
    let (grant, _) = refresh(live(), &token(0), 1);
    assert_eq!(refresh(grant.clone(), &narrow, 2), (grant, Rotation::WrongScope));
}

#[test]
fn rt_07_rt_18_rt_19_rule_v_what_is_not_its_clients_token_changes_nothing() {
    let wrong = [
        (Refresh { secret: Bits::new([0; 32]), ..token(0) }, Rotation::Unknown),
        (Refresh { secret: SEED.secret(1), ..token(0) }, Rotation::Unknown),
        (token(9), Rotation::Unknown),
        (Refresh { client_id: "evil".into(), ..token(0) }, Rotation::WrongClient),
        (Refresh { scope: Scope::parse("openid email"), ..token(0) }, Rotation::WrongScope),
    ];
    for (with, outcome) in wrong {
        assert_eq!(refresh(live(), &with, 1), (live(), outcome));
    }
}

#[test]
fn rt_09_a_narrow_refresh_does_not_shrink_the_grant() {
    let narrow = Refresh { scope: Scope::parse("openid"), ..token(0) };
    let (grant, Rotation::Rotated(answer)) = refresh(live(), &narrow, 1) else { panic!() };
    assert_eq!(answer.scope.to_string(), "openid");
    let (_, Rotation::Rotated(answer)) = refresh(grant, &token(1), 2) else { panic!() };
    assert_eq!(answer.scope.to_string(), "openid profile");
}

#[test]
fn rt_11_idle_slides_and_absolute_never_does() {
    assert_eq!(refresh(live(), &token(0), 1_000).1, Rotation::Expired);
    let mut grant = live();
    for (generation, seconds) in (0..).zip((900..5_000).step_by(900)) {
        let (next, rotation) = refresh(grant, &token(generation), seconds);
        assert!(matches!(rotation, Rotation::Rotated(_)), "{seconds}");
        grant = next;
    }
    assert_eq!(refresh(grant, &token(5), 5_000).1, Rotation::Expired);
}

#[test]
fn a_grant_without_refresh_tokens_refuses_them_all() {
    let Grant::Issued(mut plain) = issued() else { panic!("issued") };
    plain.facts.refreshable = false;
    let (grant, _) = Grant::Issued(plain).redeem(&redemption(), NOON, POLICY);
    assert_eq!(refresh(grant, &token(0), 1).1, Rotation::Unknown);
}

/// What a token request of a client names that may have `urn:a` and `urn:b`.
fn target(asked: &[&str]) -> Target {
    let target = serde_json::json!({
        "asked": asked, "allowed": ["urn:home", "urn:a", "urn:b"], "audience": "urn:home",
    });
    serde_json::from_value(target).unwrap()
}

#[test]
fn tc_22_rt_10_a_resource_that_was_not_granted_changes_nothing() {
    let Grant::Issued(mut issued) = issued() else { panic!("a code") };
    issued.facts.particulars.resources = target(&["urn:a"]).asked;
    let issued = Grant::Issued(issued);
    let with = |asked: &[&str]| Redemption { target: target(asked), ..redemption() };
    for wrong in [&["urn:b"][..], &["urn:home"], &["urn:a", "urn:b"]] {
        let (grant, refused) = issued.clone().redeem(&with(wrong), NOON, POLICY);
        assert_eq!((grant, refused), (issued.clone(), Redeemed::WrongTarget), "{wrong:?}");
    }
    let (live, redeemed) = issued.redeem(&with(&[]), NOON, POLICY);
    let Redeemed::Redeemed(begun) = redeemed else { panic!("{redeemed:?}") };
    assert_eq!(begun.resources, target(&["urn:a"]).asked);

    let with = |asked: &[&str]| Refresh { target: target(asked), ..token(0) };
    for wrong in [&["urn:b"][..], &["urn:home"]] {
        let (grant, refused) = refresh(live.clone(), &with(wrong), 1);
        assert_eq!((grant, refused), (live.clone(), Rotation::WrongTarget), "{wrong:?}");
    }
    assert!(matches!(refresh(live, &with(&["urn:a"]), 1).1, Rotation::Rotated(_)));
}

#[test]
fn rt_10_an_answer_is_repeated_for_the_same_resources_alone() {
    let Grant::Issued(mut issued) = issued() else { panic!("a code") };
    issued.facts.particulars.resources = target(&["urn:a", "urn:b"]).asked;
    let redemption = Redemption { target: target(&[]), ..redemption() };
    let (live, _) = Grant::Issued(issued).redeem(&redemption, NOON, POLICY);
    let with = |asked: &[&str]| Refresh { target: target(asked), ..token(0) };
    let (rotated, _) = refresh(live, &with(&["urn:b"]), 1);
    for other in [&[][..], &["urn:a"], &["urn:a", "urn:b"]] {
        let (grant, refused) = refresh(rotated.clone(), &with(other), 2);
        assert_eq!((grant, refused), (rotated.clone(), Rotation::WrongTarget), "{other:?}");
    }
    let (_, repeated) = refresh(rotated, &with(&["urn:b"]), 2);
    let Rotation::Repeated(answer) = repeated else { panic!("{repeated:?}") };
    assert_eq!((answer.resources, answer.generation), (target(&["urn:b"]).asked, 1));
}

fn named(key: &str) -> Option<Thumbprint> {
    Thumbprint::parse(&Digest::of(key).to_text())
}

/// A family of a public client that proved a key when it began, or none.
fn begun_with(key: Option<Thumbprint>) -> Grant {
    let redemption = Redemption { is_public: true, key, ..redemption() };
    issued().redeem(&redemption, NOON, POLICY).0
}

fn public(generation: u32, key: Option<Thumbprint>) -> Refresh {
    Refresh { is_public: true, key, ..token(generation) }
}

#[test]
fn px_14_rfc9449_5_a_public_client_refreshes_with_the_key_it_began_with_and_without_it_changes_nothing()
 {
    for (ours, others) in [(named("a"), [None, named("b")]), (None, [named("a"), named("b")])] {
        let grant = begun_with(ours);
        let (rotated, answer) = refresh(grant.clone(), &public(0, ours), 1);
        assert!(matches!(answer, Rotation::Rotated(_)));
        for other in others {
            let answer = refresh(grant.clone(), &public(0, other), 1);
            assert_eq!(answer, (grant.clone(), Rotation::WrongKey));
            // RT-05, in the grace; and long after it, where the token itself would end the family.
            for seconds in [2, 200] {
                let answer = refresh(rotated.clone(), &public(0, other), seconds);
                assert_eq!(answer, (rotated.clone(), Rotation::WrongKey));
            }
        }
        assert!(matches!(refresh(rotated.clone(), &public(0, ours), 2).1, Rotation::Repeated(_)));
        assert_eq!(refresh(rotated, &public(0, ours), 200), (Grant::Revoked, Rotation::Reused));
    }
}

#[test]
fn rfc9449_5_a_client_that_authenticates_may_refresh_with_any_key() {
    let begun = |key| issued().redeem(&Redemption { key, ..redemption() }, NOON, POLICY).0;
    assert_eq!(begun(named("a")), begun(None), "nothing is kept of it");
    let (rotated, answer) = refresh(begun(named("a")), &token(0), 1);
    assert!(matches!(answer, Rotation::Rotated(_)));
    let other = Refresh { key: named("b"), ..token(0) };
    assert!(matches!(refresh(rotated, &other, 2).1, Rotation::Repeated(_)), "RT-05");
}

#[test]
fn px_16_rfc9449_10_a_code_is_redeemed_with_the_key_it_was_asked_for_with() {
    let Grant::Issued(issued) = issued() else { panic!() };
    let binding = Binding { key: named("a"), ..issued.binding.clone() };
    let grant = Grant::Issued(Issued { binding, ..issued });
    for key in [None, named("b")] {
        let (after, redeemed) =
            grant.clone().redeem(&Redemption { key, ..redemption() }, NOON, POLICY);
        assert_eq!((after, redeemed), (grant.clone(), Redeemed::WrongKey));
    }
    let with = Redemption { key: named("a"), ..redemption() };
    let (grant, redeemed) = grant.redeem(&with, NOON, POLICY);
    assert!(matches!(redeemed, Redeemed::Redeemed(_)));
    // Nor does it end anything in the wrong hands.
    let (after, again) = grant.clone().redeem(&redemption(), NOON, POLICY);
    assert_eq!((after, again), (grant, Redeemed::WrongKey));
}

#[test]
fn a_grant_without_a_key_is_written_as_before_there_were_any_and_read_again() {
    for grant in [issued(), live()] {
        let written = serde_json::to_string(&grant).unwrap();
        assert!(!written.contains("key") && !written.contains("bound_to"), "{written}");
        assert_eq!(serde_json::from_str::<Grant>(&written).unwrap(), grant);
    }
    let bound = begun_with(named("a"));
    let written = serde_json::to_string(&bound).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&written).unwrap(), bound);
}
