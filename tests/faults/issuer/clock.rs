//! The issuer's clock jumps, between every two steps of every flow.

use super::flows::{FLOWS, Flow};
use super::person::{BOUND, PUBLIC};
use super::{Person, issuer};
use crate::{Due, JUMPS, Life, at_every_place, proper};

/// Runs a flow whose clock jumps before step `step`, and says whether it has such a step.
fn run(flow: &Flow, before: &Person<'_>, jump: i64, step: u32) -> bool {
    let inside = before.issuer.inside();
    let mut person = before.copy();
    let (moment, now) = (inside.memory.moment(), before.issuer.now());
    let what = format!("{}, {jump} s before step {step}", flow.name);
    person.jump = (Due::at(step), jump);
    person.pause();
    let first = (flow.run)(&mut person);
    let happened = person.jump.0.is_past();
    // Forward, what has a life is over by then; back, nothing is.
    let in_time = flow.patience.contains(&jump);
    match &first {
        Ok(()) => {}
        Err(answer) => {
            proper(answer, &[], &what);
            assert!(!in_time, "{what}: {}", answer.status());
            assert!(!answer.status().is_server_error(), "{what}: {}", answer.status());
        }
    }
    // And it is set right again: it was never away, for all that anybody was told.
    let away = before.issuer.now();
    inside.jump(i64::try_from(now.0).unwrap() - i64::try_from(away.0).unwrap());
    let what = format!("{what}, and set right");
    if !in_time {
        // What was over by the clock may be alive again.
        let over = person.families.iter_mut().filter(|family| family.life == Life::Over);
        over.for_each(|family| family.life = Life::Ending);
    }
    if person.has_begun && jump < -8 * 3_600 {
        // What began so long ago is over: by the clock it idled.
        person.session = Life::Ending;
        for family in [BOUND, PUBLIC] {
            person.families[family].life = Life::Ending;
        }
    }
    // Codes and access tokens of another time are worth nothing now, but within the skew.
    if jump.abs() <= 1 {
        person.examine(&what);
    } else {
        person.examine_what_lasts(&what);
    }
    inside.memory.undo(&moment);
    happened
}

fn whenever_it_jumps(sign: i64) {
    let issuer = issuer();
    let mut runs = 0;
    for flow in FLOWS {
        let moment = issuer.inside().memory.moment();
        let mut person = Person::new(&issuer);
        (flow.prepare)(&mut person);
        let steps = at_every_place(1, flow.name, |step| run(&flow, &person, 0, step));
        for jump in JUMPS.map(|by| sign * by) {
            runs += (0..steps).filter(|step| run(&flow, &person, jump, *step)).count();
        }
        issuer.inside().memory.undo(&moment);
    }
    println!("clock: {} flows, {runs} places", FLOWS.len());
}

#[test]
fn pl_12_whenever_the_clock_jumps_forward_and_is_set_right_nothing_that_was_told_is_untrue() {
    whenever_it_jumps(1);
}

#[test]
fn pl_12_whenever_the_clock_jumps_back_and_is_set_right_nothing_that_was_told_is_untrue() {
    whenever_it_jumps(-1);
}
