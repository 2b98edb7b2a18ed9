//! The issuer alone. Its objects keep nothing in memory from one command to the next, so that they
//! are put away in between changes nothing, and in the middle there is none: a command is one turn.

mod clock;
mod farewell;
mod flows;
mod person;

use person::Person;

use crate::at_every_place;
use flows::{FLOWS, Flow};
use shared::fetch::Response;
use tests::memory::Fault;
use tests::world::{Issuer, settings};

fn issuer() -> Issuer {
    Issuer::in_process(&settings())
}

/// A kind of fault: how it is arranged, and how many places for it a flow has at the least.
struct Kind {
    name: &'static str,
    arrange: fn(&Issuer, u32),
    places: fn(&Flow) -> u32,
    /// Whether something may have been done although the answer says that it was not.
    after: bool,
}

/// Runs a flow with something wrong, and says whether that happened.
fn run(flow: &Flow, kind: &Kind, before: &Person<'_>, place: u32) -> bool {
    let inside = before.issuer.inside();
    let mut person = before.copy();
    let moment = inside.memory.moment();
    let what = format!("{}, {} {place}", flow.name, kind.name);
    (kind.arrange)(before.issuer, place);
    let first = (flow.run)(&mut person);
    let happened = !inside.memory.is_failing() && !inside.keys.is_failing();
    inside.memory.mend();
    inside.keys.mend();
    match &first {
        Ok(()) => {}
        Err(answer) => {
            assert!(happened, "{what}: nothing was wrong and the answer is {}", answer.status());
            person.excuse(answer, &what);
        }
    }
    // The one thing that can't be had again by asking again.
    let may_be_spent = kind.after && first.is_err() && flow.afresh.is_some();
    if !may_be_spent {
        person.examine(&what);
    }
    if first.is_err() {
        again(flow, &mut person, may_be_spent, &what);
        person.examine(&format!("{what}, and again"));
    }
    inside.memory.undo(&moment);
    happened
}

/// Tries again, as a browser or a client does.
fn again(flow: &Flow, person: &mut Person<'_>, may_be_spent: bool, what: &str) {
    let again: Result<(), Response> = (flow.run)(person);
    match (again, flow.afresh) {
        (Ok(()), _) => {}
        (Err(spent), Some(afresh)) if may_be_spent => afresh(person, &spent),
        (Err(answer), _) => panic!("{what}: again, and still {}", answer.status()),
    }
}

fn whichever(kind: &Kind) {
    let issuer = issuer();
    let mut runs = 0;
    for flow in FLOWS {
        let moment = issuer.inside().memory.moment();
        let mut person = Person::new(&issuer);
        (flow.prepare)(&mut person);
        let what = format!("{}, {}", flow.name, kind.name);
        runs +=
            at_every_place((kind.places)(&flow), &what, |place| run(&flow, kind, &person, place));
        issuer.inside().memory.undo(&moment);
    }
    println!("{}: {} flows, {runs} places", kind.name, FLOWS.len());
}

#[test]
fn tc_08_rt_04_whichever_storage_operation_fails_nothing_that_was_told_is_untrue() {
    whichever(&Kind {
        name: "storage operation",
        arrange: |issuer, place| issuer.inside().memory.fail(Fault::Storage(place)),
        places: |flow| flow.storage,
        after: false,
    });
}

#[test]
fn whichever_object_is_not_reached_nothing_that_was_told_is_untrue() {
    whichever(&Kind {
        name: "command",
        arrange: |issuer, place| issuer.inside().memory.fail(Fault::Command(place)),
        places: |flow| flow.commands,
        after: false,
    });
}

#[test]
fn rt_04_whichever_answer_of_an_object_is_lost_nothing_that_was_told_is_untrue() {
    whichever(&Kind {
        name: "answer",
        arrange: |issuer, place| issuer.inside().memory.fail(Fault::Answer(place)),
        places: |flow| flow.commands,
        after: true,
    });
}

#[test]
fn whenever_a_key_cannot_be_used_nothing_that_was_told_is_untrue() {
    whichever(&Kind {
        name: "use of a key",
        arrange: |issuer, place| issuer.inside().keys.fail(place),
        places: |flow| flow.keys,
        after: true,
    });
}
