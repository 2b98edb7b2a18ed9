//! When and how somebody proved who they are: as their provider says, and no better.

use crate::ask;
use serde_json::json;
use stand_in::Endpoint;
use tests::browser::Reply;
use tests::client::Ask;
use tests::federation::{HOST, Net, Preset, Visit, net};

/// Those who say when somebody signed in there, to whoever asks how long ago it may be.
const SAYS_WHEN: [Preset; 2] = [Preset::Auth0, Preset::OpenId];

/// What each is asked when a client wants `login`, and when it wants `select_account`: words that it
/// documents. Google refuses others.
const fn words(preset: Preset) -> (Option<&'static str>, Option<&'static str>) {
    let (login, select) = (Some("login"), Some("select_account"));
    match preset {
        Preset::Auth0 => (login, login),
        Preset::GitHub | Preset::Google => (select, select),
        Preset::WorkosSso => (None, None),
        Preset::AuthKit | Preset::Entra | Preset::OpenId => (login, select),
    }
}

fn fresh(net: &Net, preset: Preset, name: &str, value: &str) -> Result<Ask, String> {
    let visit = Visit::new(net, ask().set(name, value));
    let answer = visit.go(preset.id(), "alice").expect("an answer");
    let error = Reply::of(&answer).get("error").map(str::to_owned);
    error.map_or(Ok(visit.ask), Err)
}

#[test]
fn az_18_who_does_not_say_when_somebody_proved_themselves_has_not_shown_that_they_did() {
    let net = net();
    for preset in Preset::ALL {
        for (name, value) in [("prompt", "login"), ("max_age", "0"), ("max_age", "3600")] {
            let became = fresh(&net, preset, name, value).map(|_| ());
            let wanted =
                if SAYS_WHEN.contains(&preset) { Ok(()) } else { Err("login_required".to_owned()) };
            assert_eq!(became, wanted, "{preset:?} {name}={value}");
        }
    }
}

#[test]
fn az_18_whoever_is_remembered_there_signed_in_when_they_did() {
    let net = net();
    for preset in Preset::ALL {
        let visit = Visit::new(&net, ask());
        visit.sign_in(preset.id(), "alice");
        let signed_in_at = net.issuer.now().0;
        net.issuer.inside().pass(100);
        // Another browser here, and the same one there.
        let again = Visit::new(&net, ask());
        let cookie = format!("__Host-stand-in-{}", preset.place().replace('/', "-"));
        let kept = visit.browser.cookie(HOST, &cookie).expect("a session there");
        again.browser.plant(HOST, &cookie, &kept);
        let arrived = again.sign_in(preset.id(), "nobody is asked");
        let wanted = if preset == Preset::OpenId { signed_in_at } else { net.issuer.now().0 };
        assert_eq!(arrived.said("auth_time"), json!(wanted), "{preset:?}");
    }
}

#[test]
fn core_2_acr_and_amr_are_the_providers_or_that_there_was_one() {
    let net = net();
    for preset in Preset::ALL {
        let arrived = Visit::new(&net, ask()).sign_in(preset.id(), "alice");
        let (acr, amr) = match preset {
            Preset::OpenId => ("urn:stand-in:click", "user"),
            Preset::AuthKit => ("urn:gatelatch:fed", "pwd"),
            Preset::Auth0 | Preset::WorkosSso | Preset::GitHub | Preset::Google | Preset::Entra => {
                ("urn:gatelatch:fed", "fed")
            }
        };
        assert_eq!(arrived.said("acr"), acr, "{preset:?}");
        assert_eq!(arrived.said("amr"), json!([amr]), "{preset:?}");
    }
}

#[test]
fn core_3_1_2_1_what_the_client_wants_of_the_person_is_asked_of_the_provider_in_turn() {
    let net = net();
    for preset in Preset::ALL {
        let asked = |name: &str, value: &str| {
            let visit = Visit::new(&net, ask().set(name, value));
            visit.prove(&visit.leave(preset.id()).expect("the way there"), "alice").expect("back");
            let seen = net.stand_in.seen_at(&preset.place(), Endpoint::Authorize);
            seen.into_iter().rev().find(|seen| seen.method == "GET").expect("a request")
        };
        let open_id =
            matches!(preset, Preset::Auth0 | Preset::Google | Preset::Entra | Preset::OpenId);
        let (login, select) = words(preset);
        let seen = asked("prompt", "login");
        assert_eq!(seen.get("prompt"), login, "{preset:?}");
        assert_eq!(seen.get("max_age"), Some("0").filter(|_| open_id), "{preset:?}");
        let seen = asked("prompt", "select_account");
        assert_eq!(seen.get("prompt"), select, "{preset:?}");
        assert_eq!(seen.get("max_age"), None, "{preset:?}");
        let seen = asked("prompt", "login select_account");
        let mut both: Vec<_> = [login, select].into_iter().flatten().collect();
        both.dedup();
        let both = Some(both.join(" ")).filter(|words| !words.is_empty());
        assert_eq!(seen.get("prompt"), both.as_deref(), "{preset:?}");
        let seen = asked("prompt", "consent");
        assert_eq!(seen.get("prompt"), None, "{preset:?}");
        let seen = asked("max_age", "77");
        assert_eq!(seen.get("max_age"), Some("77").filter(|_| open_id), "{preset:?}");
        let seen = asked("ui_locales", "de-CH en");
        assert_eq!(seen.get("ui_locales"), Some("de-CH en").filter(|_| open_id), "{preset:?}");
        let seen = asked("login_hint", "alice");
        let (login, hint) = (seen.get("login"), seen.get("login_hint"));
        let there = Some("alice");
        let wanted = if preset == Preset::GitHub { (there, None) } else { (None, there) };
        assert_eq!((login, hint), wanted, "{preset:?}");
    }
}
