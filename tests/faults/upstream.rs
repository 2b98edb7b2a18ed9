//! Signing in through an upstream, which is another issuer.

use crate::{at_every_place, proper};
use http::StatusCode;
use shared::fetch::Response;
use tests::browser::{Browser, Reply, is_sign_in};
use tests::client::{Ask, C1, Tokens, json, offline_tokens, userinfo};
use tests::line::{Fault as LineFault, Trouble};
use tests::memory::Fault;
use tests::people::ALICE;
use tests::upstream::{Net, net, onward, prove, to_upstream};

/// A kind of fault: when it is arranged, how, and how many places for it there are at the least.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// From the beginning, or from the moment when the browser comes back.
    from_the_start: bool,
    arrange: fn(&Net, u32),
    places: u32,
}

fn is_failing(net: &Net) -> bool {
    let broken = [net.issuer.inside(), net.upstream.inside()]
        .map(|inside| inside.memory.is_failing() || inside.keys.is_failing());
    broken.contains(&true) || net.line.is_failing()
}

fn mend(net: &Net) {
    for inside in [net.issuer.inside(), net.upstream.inside()] {
        inside.memory.mend();
        inside.keys.mend();
    }
    net.line.set(LineFault::Nothing);
}

/// Signs in, to the URL of the callback; the answer that stands in the way, if one does.
fn leave(browser: &Browser<'_, Net>, net: &Net, ask: &Ask) -> Result<String, Response> {
    let page = browser.get(&ask.url(&net.issuer));
    if !is_sign_in(&page) {
        return Err(page);
    }
    let page = browser.submit(net.issuer.url(), &to_upstream(&page), &[]);
    if page.status() != StatusCode::OK {
        return Err(page);
    }
    Ok(prove(browser, &onward(&page), ALICE))
}

fn come_back(browser: &Browser<'_, Net>, url: &str) -> Result<String, Response> {
    let answer = browser.get(url);
    if answer.status() != StatusCode::SEE_OTHER {
        return Err(answer);
    }
    Ok(Reply::of(&answer).code())
}

fn redeem(net: &Net, ask: &Ask, code: &str) -> Tokens {
    Tokens::of(&ask.client.redeem(code, ask).send(&net.issuer))
}

fn subject(net: &Net, tokens: &Tokens) -> String {
    json(&userinfo(&tokens.access).send(&net.issuer))["sub"].to_string()
}

/// What holds for an answer that says that something is broken.
fn excuse(browser: &Browser<'_, Net>, answer: &Response, back: Option<&str>, what: &str) {
    proper(answer, &[502], what);
    assert!(answer.status().is_server_error(), "{what}: {}", answer.status());
    let cookie = "__Host-gatelatch-sign-in";
    assert_eq!(browser.cookie("localhost", cookie), None, "{what}: nobody was signed in");
    // Whoever reloads goes on, or is told to begin anew, for a callback works once.
    if let Some(url) = back {
        let status = browser.copy().get(url).status();
        assert!(status == 303 || status == 400, "{what}: {status}");
    }
}

/// Signs in with something wrong, for the first time or not, and says whether that happened.
fn run(kind: Kind, is_first: bool, place: u32) -> bool {
    let net = net();
    let ask = || Ask::of(C1).set("prompt", "login");
    // Somebody of the same name, who is somebody else, and the same person elsewhere.
    let local = offline_tokens(&net.issuer, C1);
    let elsewhere = (!is_first).then(|| {
        let (browser, ask) = (Browser::new(&net), ask());
        let url = leave(&browser, &net, &ask).expect("away");
        redeem(&net, &ask, &come_back(&browser, &url).expect("a code"))
    });
    let what = format!("{} {place}", kind.name);
    let (browser, asked) = (Browser::new(&net), ask());
    if kind.from_the_start {
        (kind.arrange)(&net, place);
    }
    let mut back = None;
    let outcome = leave(&browser, &net, &asked).and_then(|url| {
        if !kind.from_the_start {
            (kind.arrange)(&net, place);
        }
        let outcome = come_back(&browser, &url);
        back = Some(url);
        outcome
    });
    let happened = !is_failing(&net);
    mend(&net);
    let tokens = match outcome {
        Ok(code) => redeem(&net, &asked, &code),
        Err(answer) => {
            assert!(happened, "{what}: nothing was wrong and the answer is {}", answer.status());
            excuse(&browser, &answer, back.as_deref(), &what);
            net.issuer.inside().pass(5);
            let asked = ask();
            let url = leave(&browser, &net, &asked).unwrap_or_else(|_| panic!("{what}: again"));
            let code = come_back(&browser, &url).unwrap_or_else(|_| panic!("{what}: again"));
            redeem(&net, &asked, &code)
        }
    };
    let me = subject(&net, &tokens);
    assert_ne!(me, subject(&net, &local), "{what}: somebody else");
    if let Some(other) = &elsewhere {
        assert_eq!(me, subject(&net, other), "{what}: the same person");
    }
    happened
}

fn whichever(kind: Kind) {
    let through =
        |is_first| at_every_place(kind.places, kind.name, |place| run(kind, is_first, place));
    println!("{}: {} places", kind.name, through(true) + through(false));
}

#[test]
fn whichever_storage_operation_fails_signing_in_through_an_upstream_can_be_done_again() {
    whichever(Kind {
        name: "storage operation",
        from_the_start: true,
        arrange: |net, place| net.issuer.inside().memory.fail(Fault::Storage(place)),
        places: 6,
    });
}

#[test]
fn whichever_object_is_not_reached_signing_in_through_an_upstream_can_be_done_again() {
    whichever(Kind {
        name: "command",
        from_the_start: true,
        arrange: |net, place| net.issuer.inside().memory.fail(Fault::Command(place)),
        places: 3,
    });
}

#[test]
fn whichever_answer_of_an_object_is_lost_signing_in_through_an_upstream_can_be_done_again() {
    whichever(Kind {
        name: "answer",
        from_the_start: true,
        arrange: |net, place| net.issuer.inside().memory.fail(Fault::Answer(place)),
        places: 3,
    });
}

#[test]
fn whatever_breaks_at_the_upstream_signing_in_through_it_can_be_done_again() {
    let storage = Kind {
        name: "storage operation above",
        from_the_start: false,
        arrange: |net, place| net.upstream.inside().memory.fail(Fault::Storage(place)),
        places: 6,
    };
    whichever(storage);
    whichever(Kind {
        name: "use of a key above",
        arrange: |net, place| net.upstream.inside().keys.fail(place),
        places: 5,
        ..storage
    });
}

#[test]
fn whatever_a_call_to_the_upstream_meets_with_signing_in_through_it_can_be_done_again() {
    for (name, arrange) in [
        (
            "call that does not arrive",
            (|net, place| once(net, Trouble::Unsent, place)) as fn(&_, _),
        ),
        ("call whose answer is lost", |net, place| once(net, Trouble::Unheard, place)),
        ("call whose answer is cut", |net, place| once(net, Trouble::Cut, place)),
        ("call that is answered 500", |net, place| once(net, Trouble::Refused(500), place)),
        ("call that is answered 503", |net, place| once(net, Trouble::Refused(503), place)),
        ("call that is answered 429", |net, place| once(net, Trouble::Refused(429), place)),
        ("call that is obeyed and answered 502", |net, place| {
            once(net, Trouble::Replaced(502), place);
        }),
    ] {
        whichever(Kind { name, from_the_start: true, arrange, places: 2 });
    }
}

fn once(net: &Net, trouble: Trouble, place: u32) {
    net.line.set(LineFault::Once(trouble, place));
}
