//! The flows of an issuer that stands alone.

use super::person::{BOUND, Family, OFFLINE, PUBLIC, Person};
use crate::Life;
use http::{Method, StatusCode};
use serde_json::json;
use shared::fetch::Response;
use shared::form::append;
use std::ops::RangeInclusive;
use tests::browser::{Browser, is_consent, is_sign_in};
use tests::client::{
    Ask, C1, C4, C5, RS256, THIRD, Tokens, json as object, offline_tokens, tokens, userinfo,
};
use tests::expect::invalid_grant;
use tests::people::{ALICE, BOB};
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::Issuer;

/// A flow. Doing it again is how a browser or a client tries again.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// How many storage operations there are at the least, and how many commands.
    pub(crate) storage: u32,
    pub(crate) commands: u32,
    /// Keys are fetched or used so often at the least.
    pub(crate) keys: u32,
    /// Between which jumps of the clock it has to succeed, in seconds.
    pub(crate) patience: RangeInclusive<i64>,
    /// What happens before anything goes wrong.
    pub(crate) prepare: fn(&mut Person<'_>),
    /// The requests, with a pause between each two. The answer when it is a refusal.
    pub(crate) run: fn(&mut Person<'_>) -> Result<(), Response>,
    /// What else is good in the end, where the answer to something that was done is lost: none
    /// where it can be asked for again.
    pub(crate) afresh: Option<fn(&mut Person<'_>, spent: &Response)>,
}

/// However far back.
const EVER: i64 = i64::MIN;

const PLAIN: Flow = Flow {
    name: "",
    storage: 1,
    commands: 1,
    keys: 0,
    patience: EVER..=3_600,
    prepare: |_| (),
    run: |_| Ok(()),
    afresh: None,
};

/// All of them.
pub(crate) const FLOWS: [Flow; 30] = [
    Flow {
        name: "signing in, in a browser that was never here",
        storage: 8,
        commands: 4,
        patience: EVER..=600,
        prepare: |person| leave(person, Browser::new(person.issuer), Life::Ending),
        run: sign_in,
        ..PLAIN
    },
    Flow {
        name: "signing in again where somebody is signed in",
        storage: 10,
        commands: 4,
        patience: EVER..=600,
        run: sign_in_again,
        // The cookie has changed, and the browser does not know: it is signing in anyway.
        afresh: Some(|person, spent| {
            assert!(is_sign_in(spent), "{}", spent.status());
            person.session = Life::Ending;
            sign_in(person).expect("a sign-in");
        }),
        ..PLAIN
    },
    Flow {
        name: "signing in as somebody else",
        storage: 10,
        commands: 5,
        patience: EVER..=600,
        run: sign_in_as_bob,
        ..PLAIN
    },
    Flow {
        name: "a code for a browser that is signed in",
        storage: 3,
        run: |person| person.pass(Ask::of(C1)),
        ..PLAIN
    },
    Flow {
        name: "redeeming a code",
        prepare: |person| person.pass(Ask::of(C1)).unwrap(),
        ..REDEEM
    },
    Flow {
        name: "redeeming a code for what outlives the session",
        prepare: |person| {
            person.pass(Ask::of(C1).set("scope", "openid offline_access")).unwrap();
        },
        ..REDEEM
    },
    Flow {
        name: "redeeming a code, with RSA",
        prepare: |person| person.pass(Ask::of(RS256)).unwrap(),
        ..REDEEM
    },
    Flow {
        name: "redeeming a code, with an assertion",
        storage: 5,
        commands: 2,
        prepare: |person| person.pass(Ask::of(C5)).unwrap(),
        ..REDEEM
    },
    Flow {
        name: "refreshing, with an assertion",
        storage: 4,
        commands: 2,
        prepare: signing,
        run: |person| refresh(person, SIGNING),
        ..REFRESH
    },
    Flow {
        name: "revoking a refresh token, with an assertion",
        storage: 4,
        commands: 2,
        prepare: signing,
        run: |person| {
            let token = person.families[SIGNING].last().refresh().to_owned();
            revoke(person, SIGNING, &token)
        },
        ..PLAIN
    },
    Flow { name: "refreshing", run: |person| refresh(person, BOUND), ..REFRESH },
    Flow {
        name: "refreshing what outlives the session",
        storage: 2,
        run: |person| refresh(person, OFFLINE),
        ..REFRESH
    },
    Flow { name: "refreshing without a secret", run: |person| refresh(person, PUBLIC), ..REFRESH },
    Flow {
        name: "refreshing, with a proof of a key",
        commands: 2,
        prepare: proving,
        run: |person| refresh(person, PROVING),
        ..REFRESH
    },
    Flow {
        name: "refreshing three times",
        storage: 6,
        commands: 3,
        keys: 9,
        run: |person| {
            for _ in 0..2 {
                refresh(person, OFFLINE)?;
                person.pause();
            }
            refresh(person, OFFLINE)
        },
        ..PLAIN
    },
    Flow {
        name: "revoking a refresh token",
        storage: 2,
        run: |person| {
            let token = person.families[OFFLINE].last().refresh().to_owned();
            revoke(person, OFFLINE, &token)
        },
        ..PLAIN
    },
    Flow {
        name: "revoking an access token",
        storage: 2,
        keys: 1,
        patience: EVER..=60,
        run: |person| {
            let token = person.families[BOUND].last().access.clone();
            revoke(person, BOUND, &token)
        },
        ..PLAIN
    },
    Flow {
        name: "userinfo",
        storage: 3,
        keys: 1,
        // A token of the future is not good yet.
        patience: -1..=60,
        run: |person| {
            let answer = userinfo(&person.families[BOUND].last().access).send(person.issuer);
            if answer.status() == StatusCode::OK { Ok(()) } else { Err(answer) }
        },
        ..PLAIN
    },
    Flow {
        name: "userinfo, with a proof of a key",
        storage: 3,
        commands: 2,
        keys: 1,
        patience: -1..=60,
        prepare: proving,
        run: |person| {
            let answer = person.families[PROVING].userinfo().send(person.issuer);
            expected(answer, StatusCode::OK).map(drop)
        },
        ..PLAIN
    },
    Flow {
        name: "exchanging an access token",
        storage: 3,
        keys: 3,
        patience: -1..=60,
        run: |person| {
            let family = &person.families[BOUND];
            let answer = family.client.exchange(&family.last().access).send(person.issuer);
            let answer = expected(answer, StatusCode::OK)?;
            // What came of it is as good as it was.
            let told = userinfo(&Tokens::of(&answer).access).send(person.issuer);
            expected(told, StatusCode::OK).map(drop)
        },
        ..PLAIN
    },
    Flow {
        name: "allowing what somebody else's client asks for",
        storage: 10,
        commands: 2,
        patience: EVER..=600,
        run: |person| allow(person, 1),
        ..PLAIN
    },
    Flow {
        name: "allowing it, and pressing the button again when nothing comes",
        storage: 10,
        commands: 2,
        patience: EVER..=600,
        run: |person| allow(person, 2),
        ..PLAIN
    },
    Flow {
        name: "a code for what was allowed before",
        storage: 5,
        prepare: |person| allow(person, 1).unwrap(),
        run: |person| person.pass(Ask::of(THIRD)),
        ..PLAIN
    },
    Flow {
        name: "withdrawing what was allowed",
        storage: 4,
        prepare: |person| person.families.push(Family::new(THIRD, tokens(person.issuer, THIRD))),
        run: withdraw,
        ..PLAIN
    },
    Flow {
        name: "signing out, as the client asks",
        storage: 2,
        keys: 1,
        run: |person| {
            let hint = person.families[BOUND].last().id().to_owned();
            let there = append(&person.issuer.at("/end_session"), [("id_token_hint", &*hint)]);
            sign_out(person, |person| person.browser.get(&there))
        },
        ..PLAIN
    },
    Flow {
        name: "signing out, by the button of our own page",
        storage: 2,
        run: |person| {
            let there = person.issuer.at("/end_session");
            let page = person.browser.get(&there);
            person.pause();
            if page.status() != StatusCode::OK {
                return Err(page);
            }
            sign_out(person, |person| person.browser.post(&there, &[("confirm", "yes")]))
        },
        ..PLAIN
    },
    Flow {
        name: "registering a client",
        storage: 4,
        commands: 3,
        run: |person| {
            let answer = register(INITIAL[2], &metadata()).send(person.issuer);
            let answer = expected(answer, StatusCode::CREATED)?;
            person.pause();
            let read = Registered::of(&answer).manage(Method::GET).send(person.issuer);
            expected(read, StatusCode::OK).map(drop)
        },
        ..PLAIN
    },
    Flow {
        name: "a registered client gets a code and redeems it",
        storage: 6,
        commands: 4,
        keys: 4,
        patience: EVER..=10,
        prepare: |person| {
            make_client(person);
            // It was there before anybody agreed to it.
            person.issuer.inside().pass(1);
            let ask = Ask::of(person.registered.as_ref().expect("a client").client());
            let page = person.browser.get(&ask.url(person.issuer));
            assert!(is_consent(&page));
            person.browser.decide(person.issuer.url(), &page, "allow");
        },
        run: |person| {
            let client = person.registered.as_ref().expect("a client").client();
            person.pass(Ask::of(client))?;
            person.pause();
            let (ask, code) = person.codes.pop().expect("a code");
            let answer = client.redeem(&code, &ask).send(person.issuer);
            let answer = expected(answer, StatusCode::OK)?;
            person.families.push(Family::new(client, Tokens::of(&answer)));
            Ok(())
        },
        ..PLAIN
    },
    Flow {
        name: "a registered client changes",
        storage: 5,
        commands: 3,
        prepare: make_client,
        run: |person| {
            let registered = person.registered.as_ref().expect("a client");
            let renamed = with(&json!({ "client_name": "Renamed" }));
            let answer = registered.put(&renamed).send(person.issuer);
            expected(answer, StatusCode::OK)?;
            // Whoever was told so finds it so.
            let said = registered.manage(Method::GET).send(person.issuer);
            let said = expected(said, StatusCode::OK)?;
            assert_eq!(object(&said)["client_name"], "Renamed");
            Ok(())
        },
        ..PLAIN
    },
    Flow {
        name: "a registered client is removed",
        storage: 3,
        commands: 2,
        prepare: make_client,
        run: |person| {
            let registered = person.registered.as_ref().expect("a client");
            let answer = registered.manage(Method::DELETE).send(person.issuer);
            expected(answer, StatusCode::NO_CONTENT)?;
            let stored = person.issuer.inside().memory.dump();
            assert!(!stored.contains(registered.id()), "it is gone");
            Ok(())
        },
        afresh: Some(|_, spent| assert_eq!(spent.status(), StatusCode::UNAUTHORIZED)),
        ..PLAIN
    },
];

fn make_client(person: &mut Person<'_>) {
    person.registered = Some(Registered::new(person.issuer, INITIAL[2], &metadata()));
}

fn expected(answer: Response, status: StatusCode) -> Result<Response, Response> {
    if answer.status() == status { Ok(answer) } else { Err(answer) }
}

const REDEEM: Flow = Flow {
    storage: 3,
    keys: 4,
    patience: EVER..=10,
    run: |person| {
        let (ask, code) = person.codes.last().expect("a code").clone();
        let answer = ask.client.redeem(&code, &ask).send(person.issuer);
        if answer.status() != StatusCode::OK {
            return Err(answer);
        }
        person.codes.pop();
        person.families.push(Family::new(ask.client, Tokens::of(&answer)));
        Ok(())
    },
    // RFC 6749 §4.1.2: a code that comes again after it gave tokens gives none.
    afresh: Some(|person, spent| {
        invalid_grant(spent, "spent");
        let (ask, _) = person.codes.pop().expect("a code");
        person.pass(Ask::of(ask.client)).expect("another code");
    }),
    ..PLAIN
};

/// The family of a client that signs assertions, where there is one.
const SIGNING: usize = 4;

fn signing(person: &mut Person<'_>) {
    person.families.push(Family::new(C5, offline_tokens(person.issuer, C5)));
}

/// The family of a public client that proves a key, where there is one.
const PROVING: usize = 4;

fn proving(person: &mut Person<'_>) {
    person.families.push(Family::proving(person.issuer, C4));
}

const REFRESH: Flow = Flow { storage: 4, keys: 3, ..PLAIN };

/// Another browser, which becomes the one of the flow.
fn leave<'i>(person: &mut Person<'i>, browser: Browser<'i, Issuer>, session: Life) {
    person.browser = browser;
    person.session = session;
}

fn sign_in(person: &mut Person<'_>) -> Result<(), Response> {
    let ask = Ask::of(C1).set("prompt", "login");
    let page = person.browser.get(&ask.url(person.issuer));
    person.pause();
    if !is_sign_in(&page) {
        return Err(page);
    }
    let answer = person.browser.sign_in(&page, ALICE);
    person.receive(ask, answer)?;
    (person.session, person.has_begun) = (Life::Alive, true);
    Ok(())
}

fn sign_in_again(person: &mut Person<'_>) -> Result<(), Response> {
    // A browser that is not signed in any more is told so without a word about passwords.
    let silent = person.browser.get(&Ask::of(C1).url(person.issuer));
    person.pause();
    if silent.status() != StatusCode::SEE_OTHER {
        return Err(silent);
    }
    sign_in(person)
}

fn sign_in_as_bob(person: &mut Person<'_>) -> Result<(), Response> {
    let ask = Ask::of(C1).set("prompt", "login");
    let page = person.browser.get(&ask.url(person.issuer));
    person.pause();
    if !is_sign_in(&page) {
        return Err(page);
    }
    let answer = person.browser.sign_in(&page, BOB);
    person.receive(ask, answer)?;
    person.has_begun = true;
    // Alice's session in this browser ends, as well as that goes.
    for family in [BOUND, PUBLIC] {
        person.families[family].life = Life::Ending;
    }
    Ok(())
}

fn refresh(person: &mut Person<'_>, family: usize) -> Result<(), Response> {
    let answer = person.families[family].refresh().send(person.issuer);
    if answer.status() != StatusCode::OK {
        return Err(answer);
    }
    let tokens = person.families[family].read(&answer);
    person.families[family].told.push(tokens);
    Ok(())
}

fn revoke(person: &mut Person<'_>, family: usize, token: &str) -> Result<(), Response> {
    person.families[family].life = Life::Ending;
    let answer = person.families[family].client.revoke(token).send(person.issuer);
    if answer.status() != StatusCode::OK {
        return Err(answer);
    }
    person.families[family].life = Life::Over;
    Ok(())
}

/// The button is pressed as often as that, or until something comes of it.
fn allow(person: &mut Person<'_>, presses: usize) -> Result<(), Response> {
    let ask = Ask::of(THIRD).set("prompt", "consent");
    let page = person.browser.get(&ask.url(person.issuer));
    person.pause();
    if !is_consent(&page) {
        return Err(page);
    }
    let press = || person.browser.decide(person.issuer.url(), &page, "allow");
    let mut answers = (0..presses).map(|_| press());
    let broken = |answer: &Response| answer.status().is_server_error();
    let first = answers.next().expect("pressed once");
    let answer = if broken(&first) { answers.next().unwrap_or(first) } else { first };
    person.receive(ask, answer)
}

fn withdraw(person: &mut Person<'_>) -> Result<(), Response> {
    person.families.last_mut().expect("a family").life = Life::Ending;
    let there = person.issuer.at("/account");
    let answer = person.browser.post(&there, &[("app", THIRD.id)]);
    if answer.status() != StatusCode::SEE_OTHER {
        return Err(answer);
    }
    person.families.last_mut().expect("a family").life = Life::Over;
    Ok(())
}

fn sign_out<'i>(
    person: &mut Person<'i>,
    ask: impl FnOnce(&Person<'i>) -> Response,
) -> Result<(), Response> {
    for family in [BOUND, PUBLIC] {
        person.families[family].life = Life::Ending;
    }
    person.session = Life::Ending;
    let kept = person.browser.copy();
    let answer = ask(person);
    if answer.status() != StatusCode::OK {
        return Err(answer);
    }
    // Whoever has kept the cookie is not signed in either.
    leave(person, kept, Life::Over);
    for family in [BOUND, PUBLIC] {
        person.families[family].life = Life::Over;
    }
    Ok(())
}
