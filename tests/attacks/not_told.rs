//! LO-08 and RG-04: a client that could not be told of the end of a session is an event, with a
//! reason, and nobody is told where this issuer does not go.

use super::events::{happened, only};
use http::StatusCode;
use serde_json::{Value, json};
use tests::client::{Ask, Client, SignedIn, TOLD, Tokens};
use tests::listener::{Answer, path, unverified};
use tests::memory::Fault;
use tests::registration::{INITIAL, Registered, with};
use tests::world::{Issuer, needs_clock, settings};

/// Where a client that was registered at run time wants to be told, at the tests' own listener.
const URI: &str = "http://127.0.0.1:8790/dyn";

/// The end of a session of Alice's at a client, which is still to be told of it: whose, and which.
struct Ended {
    account: Value,
    session: Value,
    client: &'static str,
}

impl Ended {
    fn at(issuer: &Issuer, client: Client) -> Self {
        let signed_in = SignedIn::new(issuer, Ask::of(client));
        let tokens = Tokens::of(&signed_in.redeem().send(issuer));
        let claims = unverified(tokens.id());
        let end = format!("{}?id_token_hint={}", issuer.at("/end_session"), tokens.id());
        assert_eq!(signed_in.browser.get(&end).status(), StatusCode::OK);
        happened(issuer);
        let (account, session) = (claims["sub"].clone(), claims["sid"].clone());
        Self { account, session, client: client.id }
    }

    /// The event, all of it. It is not tried again when `again_in` is none.
    fn not_told(&self, reason: &str, again_in: Option<u64>) -> Value {
        let Self { account, session, client } = self;
        let mut event = json!({
            "event": "client_not_told",
            "account": account, "session": session, "client": client, "reason": reason,
        });
        if let Some(seconds) = again_in {
            event["again_in"] = seconds.into();
        }
        event
    }
}

fn registered(issuer: &Issuer) -> Client {
    let metadata = with(&json!({ "backchannel_logout_uri": URI }));
    Registered::new(issuer, INITIAL[0], &metadata).client()
}

#[test]
fn lo_08_a_client_that_could_not_be_told_is_an_event_with_the_reason() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    for (answer, reason, again_in) in [
        (Answer::Unreached, "it did not answer", Some(10)),
        (Answer::Unheard, "it did not answer", Some(10)),
        (Answer::Status(500), "it answered with an error", Some(10)),
        (Answer::Status(307), "it answered with an error", Some(10)),
        (Answer::Status(400), "it refused", None),
    ] {
        inside.listener.answer(TOLD, answer);
        let ended = Ended::at(&issuer, TOLD);
        inside.ring_alarms();
        assert_eq!(only(&issuer), ended.not_told(reason, again_in), "{answer:?}");
        // Later each time, and the last time says that it was the last.
        inside.pass(86_400);
        let later = happened(&issuer);
        let times: Vec<_> = later.iter().map(|event| event["again_in"].as_u64()).collect();
        let wanted: &[_] = match again_in {
            Some(_) => &[Some(60), Some(300), Some(3_600), Some(21_600), None],
            None => &[],
        };
        assert_eq!(times, wanted, "{answer:?}");
    }
    inside.listener.answer(TOLD, Answer::Status(200));
    Ended::at(&issuer, TOLD);
    inside.pass(86_400);
    assert!(happened(&issuer).is_empty(), "who has heard is no event");
}

#[test]
fn lo_08_what_fails_on_our_side_is_an_event_too() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let ended = Ended::at(&issuer, TOLD);
    inside.keys.fail(0);
    inside.ring_alarms();
    assert_eq!(only(&issuer), ended.not_told("no key signed", Some(10)));
    inside.pass(86_400);
    assert!(happened(&issuer).is_empty());

    let client = registered(&issuer);
    let ended = Ended::at(&issuer, client);
    inside.memory.fail(Fault::Command(0));
    inside.pass(60);
    let wanted = ended.not_told("its registration could not be read", Some(10));
    assert_eq!(happened(&issuer), [wanted]);
    assert_eq!(issuer.posts("/dyn").len(), 1);
}

/// What a client registered while this issuer was in development, on the machine it is on, is asked
/// about again when the time has come: by then the issuer may be anywhere.
#[test]
fn rg_04_where_a_registered_client_is_told_is_asked_again_at_the_delivery() {
    for is_deployed in [false, true] {
        if needs_clock().is_none() {
            return;
        }
        // The keys of the documentation are good in development alone.
        let mut settings = settings();
        let keys = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";
        settings.insert("SEALING_KEYS".to_owned(), keys.into());
        settings.remove("PAIRWISE_SECRET");
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        clients.retain(|client| ["c1", "told"].contains(&client["client_id"].as_str().unwrap()));
        let issuer = Issuer::in_process(&settings);
        let inside = issuer.inside();
        let ended = Ended::at(&issuer, registered(&issuer));
        // The operator's own client may be told wherever the operator says.
        let configured = Ended::at(&issuer, TOLD);
        if is_deployed {
            inside.deploy_again(|settings| {
                settings.insert("ISSUER".to_owned(), "https://idp.test".into());
            });
        }
        inside.pass(0);
        let events = happened(&issuer);
        let wanted = ended.not_told("its address is nowhere that we go", None);
        assert_eq!(events, if is_deployed { vec![wanted] } else { Vec::new() });
        assert_eq!(issuer.posts("/dyn").len(), usize::from(!is_deployed));
        assert_eq!(issuer.posts(&path(TOLD)).len(), 1, "{}", configured.client);
        // It was the last word.
        inside.pass(86_400);
        assert!(happened(&issuer).is_empty());
        assert_eq!(inside.memory.first_alarm(), None);
        assert_eq!(issuer.posts("/dyn").len(), usize::from(!is_deployed));
    }
}
