//! Clocks jump, the issuer's, the gateway's or both, between every two steps of every flow.

use super::MODES;
use super::flows::{FLOWS, Flow};
use super::visitor::{Moment, Visitor, gate};
use crate::{Due, JUMPS, Life, at_every_place, proper};
use tests::pair::Pair;

/// Whose clock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Whose {
    #[default]
    Issuers,
    Gateways,
    Both,
}

/// The gateway's session idles out after so many seconds.
const IDLE: i64 = 3_600;
/// How far apart clocks may be so that signing in works, in seconds: an ID token may be made a
/// minute ahead of us, and a code lives for one.
const APART: i64 = 10;

impl Whose {
    pub(crate) fn jump(self, pair: &Pair, by: i64) {
        let gate = gate(pair);
        match self {
            Self::Gateways => gate.set_ahead(by),
            Self::Both => pair.issuer.inside().jump(by),
            Self::Issuers => {
                pair.issuer.inside().jump(by);
                gate.set_ahead(-by);
            }
        }
    }

    /// Whether a flow has to succeed all the same.
    fn forgives(self, flow: &Flow, by: i64) -> bool {
        match self {
            Self::Both => by <= flow.patience,
            Self::Issuers | Self::Gateways => by.abs() <= flow.patience.min(APART),
        }
    }

    /// Whether the gateway's sessions are over by it: they idled, or began that long ago.
    fn outlives(self, flow: &Flow, by: i64) -> bool {
        let begins = !flow.also.is_empty();
        self != Self::Issuers && (by >= IDLE || begins && by <= -IDLE)
    }
}

/// Runs a flow in which a clock jumps before step `step`, and says whether it has such a step.
fn run(flow: &Flow, before: &Visitor<'_>, whose: Whose, by: i64, step: u32) -> bool {
    let pair = before.guest.pair;
    let mut visitor = before.copy();
    let what = format!("{}: {}, {whose:?} {by} s before step {step}", pair.mode, flow.name);
    let calls = gate(pair).line.len();
    visitor.jump = (Due::at(step), whose, by);
    visitor.pause();
    let mut answer = (flow.run)(&mut visitor);
    let happened = visitor.jump.0.is_past();
    // Who is told to wait, in the words of a clock, waits by that clock.
    if let Some(busy) = answer.as_ref().err().filter(|answer| answer.status() == 503) {
        proper(busy, &[], &what);
        visitor.wait(busy);
        answer = (flow.run)(&mut visitor);
    }
    if let Err(answer) = &answer {
        proper(answer, &[502], &what);
        let excused = happened && !whose.forgives(flow, by);
        assert!(excused, "{what}: {}", answer.status());
    }
    // It is set right again, and everybody goes on.
    if happened {
        whose.jump(pair, -by);
        gate(pair).set_ahead(0);
    }
    let what = format!("{what}, and set right");
    if let Err(answer) = answer {
        visitor.wait(&answer);
        if visitor.life == Life::Alive && !whose.outlives(flow, by) {
            visitor.examine_session(&what);
        }
        let again = (flow.run)(&mut visitor);
        let over = flow.also.is_empty() && whose.outlives(flow, by);
        assert!(again.is_ok() || over, "{what}: again");
    }
    if gate(pair).line.len() > calls {
        visitor.examine_families(&what);
    }
    if visitor.life == Life::Alive && !whose.outlives(flow, by) {
        visitor.examine_session(&what);
        // Whatever was made in another time has been renewed by then.
        gate(pair).pass(310);
        visitor.examine_session(&what);
        visitor.examine_token(&what);
    }
    happened
}

fn whenever_it_jumps(whose: Whose) {
    let mut runs = 0;
    for mode in MODES {
        let pair = Pair::untold(mode);
        let base = Visitor::signed_in(&pair);
        for flow in FLOWS.iter().filter(|flow| !flow.is_first) {
            let start = Moment::of(&pair);
            let mut visitor = base.copy();
            (flow.prepare)(&mut visitor);
            let moment = Moment::of(&pair);
            let leap = |by: i64, step: u32| {
                let happened = run(flow, &visitor, whose, by, step);
                moment.undo(&pair);
                happened
            };
            let steps = at_every_place(1, flow.name, |step| leap(0, step));
            for by in JUMPS.into_iter().flat_map(|by| [by, -by]) {
                runs += (0..steps).filter(|step| leap(by, *step)).count();
            }
            start.undo(&pair);
        }
    }
    println!("{whose:?}: {} flows in {} modes, {runs} places", FLOWS.len() - 1, MODES.len());
}

#[test]
fn pl_12_whenever_the_issuers_clock_jumps_and_is_set_right_no_session_is_gone() {
    whenever_it_jumps(Whose::Issuers);
}

#[test]
fn pl_12_whenever_the_gateways_clock_jumps_and_is_set_right_no_session_is_gone() {
    whenever_it_jumps(Whose::Gateways);
}

#[test]
fn pl_12_whenever_both_clocks_jump_and_are_set_right_no_session_is_gone() {
    whenever_it_jumps(Whose::Both);
}
