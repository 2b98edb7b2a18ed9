//! A sign-in session at the issuer against the list of its uses.

use crate::run::{Checked, NOON, Tally, any_of, moved, run, waits, weighted};
use idp::proof::{How, Identity, LOCAL, Means, Proof};
use idp::session::{Begun, Policy, Session, Visit};
use proptest::prelude::*;
use shared::secret::Digest;
use shared::time::UnixTime;

const POLICY: Policy = Policy { idle: 100, absolute: 350 };

#[derive(Clone, Copy, Debug)]
enum Command {
    /// A browser shows the cookie of this sign-in; 0 is the last one.
    Visit {
        sign_ins_ago: usize,
        max_age: Option<u64>,
    },
    /// A client refreshes a grant of the session.
    Use,
    /// The person signs in again, or at an upstream that says when that was.
    SignIn {
        auth_time: i64,
    },
    SignOut,
}

/// A session as it is told: when somebody signed in last, and each time that it was used since.
struct Story {
    /// Each sign-in: when, and since when the person is proved.
    sign_ins: Vec<(UnixTime, UnixTime)>,
    /// Each use since the last of them, signing in included.
    uses: Vec<UnixTime>,
    signed_out: bool,
}

impl Story {
    fn is_on(&self, now: UnixTime) -> bool {
        let (signed_in_at, _) = self.sign_ins[self.sign_ins.len() - 1];
        let too_old = now >= signed_in_at.plus(POLICY.absolute);
        // Any use keeps it, also one by a clock that was ahead.
        let idle = self.uses.iter().all(|used_at| now >= used_at.plus(POLICY.idle));
        !self.signed_out && !too_old && !idle
    }

    fn visit(&mut self, sign_ins_ago: usize, max_age: Option<u64>, now: UnixTime) -> Visit {
        if sign_ins_ago > 0 || !self.is_on(now) {
            return Visit::Ended;
        }
        let (_, auth_time) = self.sign_ins[self.sign_ins.len() - 1];
        if max_age.is_some_and(|max_age| now > auth_time.plus(max_age)) {
            return Visit::TooLongAgo;
        }
        self.uses.push(now);
        Visit::SignedIn(proof(auth_time))
    }
}

fn begun(auth_time: UnixTime, now: UnixTime) -> Begun {
    let agent = "A browser".to_owned();
    Begun { proof: proof(auth_time), agent, opened_at: now }
}

fn proof(auth_time: UnixTime) -> Proof {
    let identity = Identity { upstream: LOCAL.into(), subject: "alice".into() };
    let means = Means { identity, how: How::Password(Digest::of("hash")) };
    Proof { means, auth_time, says_when: true, amr: vec!["pwd".into()] }
}

fn cookie(sign_in: usize) -> Digest {
    Digest::of(format!("cookie {sign_in}"))
}

fn sequences() -> impl Strategy<Value = Vec<(i64, Command)>> {
    let max_age =
        weighted(&[(4, None), (1, Some(0)), (1, Some(1)), (1, Some(100)), (1, Some(u64::MAX))]);
    let visit = (weighted(&[(6, 0), (1, 1), (1, 2)]), max_age)
        .prop_map(|(sign_ins_ago, max_age)| Command::Visit { sign_ins_ago, max_age });
    let sign_in = any_of(&[0, -1, -99, 50]).prop_map(|auth_time| Command::SignIn { auth_time });
    let command = prop_oneof![
        30 => visit,
        8 => Just(Command::Use),
        3 => sign_in,
        1 => Just(Command::SignOut),
    ];
    let waits = waits(&[0, 0, 0, 0, 1, 1, 1, 10, 49, 50, 51, 98, 99, 99, 100], 40);
    prop::collection::vec((waits, command), 1..40)
}

#[test]
fn rt_11_fd_33_a_sign_in_session_answers_any_sequence_of_visits_as_its_story_says() {
    let outcomes = ["signed in", "too long ago", "nobody's cookie", "over", "used", "not used"];
    run(&sequences(), &outcomes, sequence);
}

fn sequence(commands: Vec<(i64, Command)>, tally: &Tally) -> Checked {
    let mut now = NOON;
    let mut session = Session::open(cookie(0), begun(now, now), now, POLICY);
    let mut story = Story { sign_ins: vec![(now, now)], uses: vec![now], signed_out: false };
    for (wait, command) in commands {
        now = moved(now, wait);
        match command {
            Command::Visit { sign_ins_ago, max_age } => {
                // Before the first sign-in there was none: that cookie is a guess.
                let shown = story.sign_ins.len().checked_sub(1 + sign_ins_ago);
                let shown = shown.map_or(Digest::of("guess"), cookie);
                let before = session.clone();
                let (after, visit) = session.visit(shown, max_age, now, POLICY);
                prop_assert_eq!(&visit, &story.visit(sign_ins_ago, max_age, now));
                tally.count(match visit {
                    Visit::SignedIn { .. } => "signed in",
                    Visit::TooLongAgo => "too long ago",
                    Visit::Ended if sign_ins_ago > 0 => "nobody's cookie",
                    Visit::Ended => "over",
                });
                let passed = matches!(visit, Visit::SignedIn { .. });
                prop_assert!(passed || after == before, "a refusal changed something");
                session = after;
            }
            Command::Use => {
                let used = session.clone().used(now, POLICY);
                prop_assert_eq!(used.is_some(), story.is_on(now));
                tally.count(if used.is_some() { "used" } else { "not used" });
                if let Some(used) = used {
                    session = used;
                    story.uses.push(now);
                }
            }
            Command::SignIn { auth_time } => {
                let auth_time = moved(now, auth_time);
                let cookie = cookie(story.sign_ins.len());
                session = Session::open(cookie, begun(auth_time, now), now, POLICY);
                // Nobody proves who they are in the future.
                story.sign_ins.push((now, auth_time.min(now)));
                (story.uses, story.signed_out) = (vec![now], false);
            }
            Command::SignOut => (session, story.signed_out) = (Session::Ended, true),
        }
        let (signed_in_at, _) = story.sign_ins[story.sign_ins.len() - 1];
        let kept_until = (!story.signed_out).then(|| signed_in_at.plus(POLICY.absolute));
        prop_assert_eq!(session.ends_at(), kept_until);
    }
    Ok(())
}
