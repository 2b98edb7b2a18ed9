//! What is remembered of an upstream: the last good copy serves, a new key is had at once, and
//! nobody can make us hammer anybody.

use crate::{ask, refused};
use stand_in::{ALWAYS, Endpoint, Fault, IdTokenFault};
use tests::federation::{Net, Preset, Visit, net};

/// Those who publish their keys, and of those the ones who publish their metadata too.
const SIGNING: [Preset; 5] =
    [Preset::Auth0, Preset::Google, Preset::Entra, Preset::OpenId, Preset::AuthKit];
const PUBLISHING: [Preset; 4] = [Preset::Auth0, Preset::Google, Preset::Entra, Preset::OpenId];

const DAY: u64 = 86_400;

fn count(net: &Net, preset: Preset, endpoint: Endpoint) -> usize {
    net.stand_in.seen_at(&preset.place(), endpoint).len()
}

fn signs_in(net: &Net, preset: Preset) {
    Visit::new(net, ask()).sign_in(preset.id(), "alice");
}

#[test]
fn metadata_and_keys_are_asked_for_once_for_many_people() {
    let net = net();
    for preset in SIGNING {
        for _ in 0..5 {
            signs_in(&net, preset);
        }
        assert_eq!(count(&net, preset, Endpoint::Jwks), 1, "{preset:?}");
        let published = usize::from(PUBLISHING.contains(&preset));
        assert_eq!(count(&net, preset, Endpoint::Discovery), published, "{preset:?}");
    }
}

#[test]
fn pl_16_the_last_good_metadata_serves_for_a_day_while_there_is_none() {
    for fault in
        [Fault::RefuseConnection, Fault::Status(503), Fault::Html200, Fault::OtherDiscoveryIssuer]
    {
        let net = net();
        for preset in PUBLISHING {
            signs_in(&net, preset);
            net.stand_in.fault(&preset.place(), Endpoint::Discovery, fault.clone(), ALWAYS);
        }
        net.issuer.inside().pass(700);
        for preset in PUBLISHING {
            for _ in 0..5 {
                signs_in(&net, preset);
            }
            let asked = count(&net, preset, Endpoint::Discovery);
            assert!(asked <= 2, "{preset:?} {fault:?}: asked {asked} times");
        }
        net.issuer.inside().pass(DAY);
        for preset in PUBLISHING {
            let visit = Visit::new(&net, ask());
            let page = visit.leave(preset.id()).expect_err("nothing is known any more");
            refused(&visit, &page, &format!("{preset:?} {fault:?}"));
        }
    }
}

#[test]
fn pl_16_the_last_good_keys_serve_while_there_are_none() {
    let net = net();
    for preset in SIGNING {
        signs_in(&net, preset);
        net.stand_in.fault(&preset.place(), Endpoint::Jwks, Fault::Status(500), ALWAYS);
    }
    net.issuer.inside().pass(700);
    for preset in SIGNING {
        for _ in 0..5 {
            signs_in(&net, preset);
        }
        let asked = count(&net, preset, Endpoint::Jwks);
        assert!(asked <= 2, "{preset:?}: asked {asked} times");
    }
}

#[test]
fn jv_28_a_key_that_was_published_this_moment_signs_in_at_once() {
    let net = net();
    for preset in SIGNING {
        signs_in(&net, preset);
        net.stand_in.rotate(&preset.place());
        signs_in(&net, preset);
        assert_eq!(count(&net, preset, Endpoint::Jwks), 2, "{preset:?}");
    }
    net.issuer.inside().pass(60);
    for preset in SIGNING {
        let place = preset.place();
        net.stand_in.fault(&place, Endpoint::Token, Fault::KeysRotatedJustNow, 1);
        signs_in(&net, preset);
        assert_eq!(count(&net, preset, Endpoint::Jwks), 3, "{preset:?}");
    }
}

#[test]
fn jv_08_a_flood_of_unknown_keys_costs_one_question_and_holds_up_nobody() {
    let net = net();
    for preset in SIGNING {
        signs_in(&net, preset);
        let place = preset.place();
        let fault = Fault::IdToken(IdTokenFault::UnknownKid);
        net.stand_in.fault(&place, Endpoint::Token, fault, ALWAYS);
        for _ in 0..20 {
            let visit = Visit::new(&net, ask());
            refused(&visit, &visit.go(preset.id(), "alice").expect("an answer"), preset.id());
        }
        assert!(count(&net, preset, Endpoint::Jwks) <= 2, "{preset:?}");
        net.stand_in.clear_faults(&place);
        signs_in(&net, preset);
    }
}

#[test]
fn an_upstream_that_failed_before_it_was_known_is_asked_again_after_seconds() {
    let net = net();
    for preset in SIGNING {
        let place = preset.place();
        net.stand_in.fault(&place, Endpoint::Jwks, Fault::Status(503), ALWAYS);
        for _ in 0..5 {
            let visit = Visit::new(&net, ask());
            refused(&visit, &visit.go(preset.id(), "alice").expect("an answer"), preset.id());
        }
        assert_eq!(count(&net, preset, Endpoint::Jwks), 1, "{preset:?}");
        net.stand_in.clear_faults(&place);
        net.issuer.inside().pass(5);
        signs_in(&net, preset);
    }
}
