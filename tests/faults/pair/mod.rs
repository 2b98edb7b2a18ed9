//! A gateway and its issuer, wherever sessions live.

mod clock;
mod flows;
mod visitor;

use crate::at_every_place;
use flows::{FLOWS, Flow, Places};
use tests::line::{Fault as LineFault, Trouble};
use tests::memory::Fault;
use tests::pair::Pair;
use visitor::{Moment, Visitor, excuse, gate, patience};

const MODES: [&str; 5] = ["hybrid", "durable", "sealed", "kv", "postgres"];

/// A kind of fault: how it is arranged, and how many places for it a flow has at the least.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    arrange: fn(&Pair, u32),
    places: fn(Places) -> u32,
}

fn is_failing(pair: &Pair) -> bool {
    let (gate, inside) = (gate(pair), pair.issuer.inside());
    inside.memory.is_failing()
        || inside.keys.is_failing()
        || gate.objects.faults.is_failing()
        || gate.objects.will_evict()
        || gate.line.is_failing()
}

fn mend(pair: &Pair) {
    let (gate, inside) = (gate(pair), pair.issuer.inside());
    inside.memory.mend();
    inside.keys.mend();
    gate.objects.faults.mend();
    gate.objects.spare();
    gate.line.set(LineFault::Nothing);
}

/// Runs a flow with something wrong, and says whether that happened.
fn run(flow: &Flow, kind: &Kind, before: &Visitor<'_>, place: u32) -> bool {
    let pair = before.guest.pair;
    let mut visitor = before.copy();
    let what = format!("{}: {}, {} {place}", pair.mode, flow.name, kind.name);
    (kind.arrange)(pair, place);
    let mut answer = (flow.run)(&mut visitor);
    let happened = !is_failing(pair);
    mend(pair);
    if let Err(answer) = &answer {
        assert!(happened, "{what}: nothing was wrong and the answer is {}", answer.status());
        excuse(answer, flow.also, &what);
        // Whoever was signed in still is, before they try again.
        let here = Moment::of(pair);
        visitor.copy().examine(&what);
        here.undo(pair);
    }
    for _ in 0..patience(pair) {
        let Err(refused) = &answer else { break };
        excuse(refused, flow.also, &what);
        visitor.wait(refused);
        answer = (flow.run)(&mut visitor);
    }
    if let Err(refused) = answer {
        panic!("{what}: again and again, and still {}", refused.status());
    }
    visitor.examine(&what);
    happened
}

/// Puts every flow to a kind of fault, in every mode.
fn whichever(kind: Kind) {
    let mut runs = 0;
    for mode in MODES {
        let pair = Pair::untold(mode);
        let base = Visitor::signed_in(&pair);
        for flow in FLOWS {
            let what = format!("{mode}: {}, {}", flow.name, kind.name);
            let least = (kind.places)((flow.places)(mode));
            if flow.is_first {
                runs += at_every_place(least, &what, |place| {
                    let pair = Pair::untold(mode);
                    run(&flow, &kind, &Visitor::first(&pair), place)
                });
                continue;
            }
            let start = Moment::of(&pair);
            let mut visitor = base.copy();
            (flow.prepare)(&mut visitor);
            let moment = Moment::of(&pair);
            runs += at_every_place(least, &what, |place| {
                let happened = run(&flow, &kind, &visitor, place);
                moment.undo(&pair);
                happened
            });
            start.undo(&pair);
        }
    }
    println!("{}: {} flows in {} modes, {runs} places", kind.name, FLOWS.len(), MODES.len());
}

#[test]
fn gr_08_whichever_storage_operation_of_a_session_fails_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "storage operation of a session",
        arrange: |pair, place| gate(pair).objects.faults.fail(Fault::Storage(place)),
        places: |places| places.rows,
    });
}

#[test]
fn gr_08_whichever_command_does_not_reach_its_session_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "command to a session",
        arrange: |pair, place| gate(pair).objects.faults.fail(Fault::Command(place)),
        places: |places| places.commands,
    });
}

#[test]
fn gr_08_whichever_answer_of_a_session_is_lost_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "answer of a session",
        arrange: |pair, place| gate(pair).objects.faults.fail(Fault::Answer(place)),
        places: |places| places.commands,
    });
}

#[test]
fn whichever_storage_operation_of_the_issuer_fails_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "storage operation of the issuer",
        arrange: |pair, place| pair.issuer.inside().memory.fail(Fault::Storage(place)),
        places: |places| places.storage,
    });
}

#[test]
fn whichever_object_of_the_issuer_is_not_reached_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "command at the issuer",
        arrange: |pair, place| pair.issuer.inside().memory.fail(Fault::Command(place)),
        places: |places| places.storage.min(1),
    });
}

#[test]
fn whichever_answer_of_an_object_of_the_issuer_is_lost_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "answer at the issuer",
        arrange: |pair, place| pair.issuer.inside().memory.fail(Fault::Answer(place)),
        places: |places| places.storage.min(1),
    });
}

#[test]
fn whenever_a_key_of_the_issuer_cannot_be_used_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "use of a key",
        arrange: |pair, place| pair.issuer.inside().keys.fail(place),
        places: |places| places.keys,
    });
}

/// Makes a test of each trouble that a call to the issuer may meet with.
macro_rules! gr_06_a_call {
    ($($name:ident $trouble:expr)+) => {
        mod gr_06_gr_07_a_call_to_the_issuer {
            use super::*;
            $(
                #[test]
                fn $name() {
                    whichever(Kind {
                        name: stringify!($name),
                        arrange: |pair, place| {
                            gate(pair).line.set(LineFault::Once($trouble, place));
                        },
                        places: |places| places.calls,
                    });
                }
            )+
        }
    };
}

gr_06_a_call! {
    that_does_not_arrive_costs_nobody_the_session Trouble::Unsent
    whose_answer_is_lost_costs_nobody_the_session Trouble::Unheard
    whose_answer_is_cut_costs_nobody_the_session Trouble::Cut
    that_is_obeyed_and_answered_502_costs_nobody_the_session Trouble::Replaced(502)
    that_is_answered_500_costs_nobody_the_session Trouble::Refused(500)
    that_is_answered_503_costs_nobody_the_session Trouble::Refused(503)
    that_is_answered_429_costs_nobody_the_session Trouble::Refused(429)
}

#[test]
fn gr_09_whenever_the_session_objects_are_put_away_no_acknowledged_session_is_gone() {
    whichever(Kind {
        name: "eviction after turn",
        arrange: |pair, turn| {
            gate(pair).objects.evict_after(usize::try_from(turn).unwrap());
        },
        places: |_| 1,
    });
}
