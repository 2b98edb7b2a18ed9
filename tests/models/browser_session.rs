//! A browser session at the gateway against its [`Book`].

use crate::book::{Book, Call, Seen, SeenFor, When, aim, person};
use crate::run::{Checked, NOON, Tally, any_of, run, weighted};
use gateway::session::state::further::{Supplied, Supply};
use gateway::session::state::{
    Failure, LEASE_SECONDS, Lease, Limits, Live, Renewal, Renewed, Session, Tokens, Visit,
};
use proptest::prelude::*;
use shared::secret::{AccessToken, Digest, IdToken, RefreshToken};
use shared::time::UnixTime;

#[derive(Clone, Copy, Debug)]
enum Command {
    /// A request, with the session's secret or a guess.
    Visit { is_right: bool },
    /// The same to a route whose origin has a token of its own.
    VisitFor { origin: usize, is_right: bool },
    /// Tokens in answer to one of the calls, counted back from the last.
    Renew { call: usize, brought: Brought },
    /// Tokens for somebody else in answer to one of the calls for an origin.
    Misfit { call: usize, brought: Brought },
    /// The other end of one of the calls.
    Fail { call: usize, failure: Failure },
    /// The instance that made calls is gone.
    Abandon,
    /// Signing out.
    Close { is_right: bool },
}

/// What an answer with tokens has in it.
#[derive(Clone, Copy, Debug)]
struct Brought {
    expires_in: Option<u64>,
    refresh_token: bool,
    id_token: bool,
    jitter: u8,
}

fn brought() -> impl Strategy<Value = Brought> {
    let lives = weighted(&[
        (10, Some(100)),
        (5, Some(10)),
        (1, Some(0)),
        (1, Some(1)),
        (1, Some(605)),
        (1, Some(1 << 40)),
        (1, None),
    ]);
    let mostly = || weighted(&[(12, true), (1, false)]);
    (lives, mostly(), mostly(), any_of(&[0, 99, 255])).prop_map(
        |(expires_in, refresh_token, id_token, jitter)| Brought {
            expires_in,
            refresh_token,
            id_token,
            jitter,
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    let which = || weighted(&[(8, 0), (2, 1), (1, 2)]);
    let is_right = || weighted(&[(12, true), (1, false)]);
    let transient = |retry_after| Failure::Transient { retry_after };
    let failures = weighted(&[
        (10, transient(None)),
        (1, transient(Some(0))),
        (1, transient(Some(3))),
        (2, transient(Some(90))),
        (1, Failure::Definitive),
        (4, Failure::Refused),
    ]);
    prop_oneof![
        40 => is_right().prop_map(|is_right| Command::Visit { is_right }),
        40 => (0..2_usize, is_right())
            .prop_map(|(origin, is_right)| Command::VisitFor { origin, is_right }),
        4 => (which(), brought()).prop_map(|(call, brought)| Command::Misfit { call, brought }),
        24 => (which(), brought()).prop_map(|(call, brought)| Command::Renew { call, brought }),
        14 => (which(), failures).prop_map(|(call, failure)| Command::Fail { call, failure }),
        4 => Just(Command::Abandon),
        1 => is_right().prop_map(|is_right| Command::Close { is_right }),
    ]
}

fn whens() -> impl Strategy<Value = When> {
    let off = || any_of(&[0, -1, 1]);
    // As far as clocks may be apart, and further.
    let back = || any_of(&[-5, -6, -40]);
    prop_oneof![
        24 => any_of(&[0, 0, 0, 0, 1, 1, 2, 3, 9, 29, 30, 60]).prop_map(When::In),
        1 => back().prop_map(When::Received),
        16 => off().prop_map(When::Refresh),
        6 => off().prop_map(When::AccessEnd),
        4 => off().prop_map(When::LeaseEnd),
        1 => back().prop_map(When::RestBegin),
        4 => off().prop_map(When::RestEnd),
        1 => off().prop_map(When::IdleEnd),
        6 => (0..2_usize, off()).prop_map(|(origin, off)| When::OriginRefresh(origin, off)),
        3 => (0..2_usize, off()).prop_map(|(origin, off)| When::OriginEnd(origin, off)),
        4 => (0..2_usize, off()).prop_map(|(origin, off)| When::OriginRestEnd(origin, off)),
        2 => (-300..300_i64).prop_map(When::In),
        1 => weighted(&[(3, -60), (1, -1), (1, 0)]).prop_map(When::End),
    ]
}

/// A provider that is away: a call that fails, and another one whenever it may be asked again.
fn outage(calls: usize) -> Vec<(When, Command)> {
    let failure = Failure::Transient { retry_after: None };
    let fails = (When::In(0), Command::Fail { call: 0, failure });
    let visit = |when| [(when, Command::Visit { is_right: true }), fails];
    let again = std::iter::repeat_n(visit(When::RestEnd(0)), calls).flatten();
    visit(When::Refresh(0)).into_iter().chain(again).collect()
}

fn sequences() -> impl Strategy<Value = (Limits, Brought, Vec<(When, Command)>)> {
    let limits = weighted(&[
        (6, Limits { idle: 3_600, absolute: 36_000 }),
        (2, Limits { idle: 250, absolute: 36_000 }),
        (2, Limits { idle: 3_600, absolute: 1_000 }),
        (1, Limits { idle: 5, absolute: 1_000 }),
    ]);
    let commands = prop_oneof![
        40 => (whens(), commands()).prop_map(|command| vec![command]),
        1 => (1..8_usize).prop_map(outage),
    ];
    let commands = prop::collection::vec(commands, 1..40).prop_map(|parts| parts.concat());
    (limits, brought(), commands)
}

fn secret(is_right: bool) -> Digest {
    Digest::of(if is_right { "secret" } else { "guess" })
}

/// An answer; no two have a token in common.
fn renewal(brought: Brought, number: usize) -> Renewal {
    let Brought { expires_in, refresh_token, id_token, jitter } = brought;
    Renewal {
        access_token: AccessToken::new(format!("a{number}")),
        expires_in,
        refresh_token: refresh_token.then(|| RefreshToken::new(format!("r{number}"))),
        id_token: id_token.then(|| IdToken::new(format!("i{number}"))),
        scope: None,
        weighed: serde_json::Map::new(),
        told: serde_json::Map::new(),
        jitter,
    }
}

/// The machine, its model, and the leases that were given.
struct Pair {
    session: Session,
    book: Book,
    leases: Vec<Lease>,
    /// The calls that have not been answered and have not had their time.
    under_way: Vec<Call>,
    /// The last one of them, as long as its instance stands and the clock goes forward.
    last_call: Option<Call>,
}

impl Pair {
    fn visit(&mut self, is_right: bool, now: UnixTime, tally: &Tally) -> Checked {
        let (idle, end) = (now >= self.book.idle_ends_at(), now >= self.book.ends_at());
        let (was_over, was_calling) = (self.book.is_over, self.book.is_calling);
        let is_ahead = self.book.is_ahead(now);
        let is_young = now < self.book.set().refresh_at();
        let is_rest_ahead = self.book.is_rest_ahead(now);
        let (session, visit) = self.session.clone().visit(secret(is_right), now);
        let expected = self.book.visit(is_right, now);
        let seen = match visit {
            Visit::Serve(snapshot) => Seen::Serve(*snapshot),
            Visit::Refresh(lease, way) => {
                self.leases.push(lease);
                Seen::Call(way)
            }
            Visit::Wait(until, meanwhile) => Seen::Wait(until, meanwhile.map(|it| *it)),
            Visit::Unavailable { retry_after } => Seen::Unavailable(retry_after),
            Visit::Gone => Seen::Gone,
        };
        prop_assert_eq!(&seen, &expected);
        prop_assert!(is_right || session == self.session, "a guess changed something");
        self.session = session;
        if let Seen::Call(_) = &seen {
            self.begun(now)?;
        }
        tally.count(match seen {
            Seen::Serve(_) if is_young && !is_ahead => "served",
            Seen::Serve(_) if self.book.set().refresh_token.is_none() => "served to the last",
            Seen::Serve(_) => "served while the provider is left alone",
            Seen::Call(_) if was_calling => "leased again",
            Seen::Call(_) if is_rest_ahead => "leased, for the failure is of another clock",
            Seen::Call(_) if is_young => "leased, for the tokens are of another clock",
            Seen::Call(_) => "leased",
            Seen::Wait(_, Some(_)) => "waits with a token",
            Seen::Wait(_, None) => "waits without",
            Seen::Unavailable(_) => "unavailable",
            Seen::Gone if !is_right => "guessed",
            Seen::Gone if was_over => "gone",
            Seen::Gone if end => "at the absolute end",
            Seen::Gone if idle => "at the idle end",
            Seen::Gone => "ended with its token",
        });
        Ok(())
    }

    /// A call was just allowed.
    fn begun(&mut self, now: UnixTime) -> Checked {
        let call = self.book.calls[self.book.calls.len() - 1];
        let other = self.under_way.iter().find(|other| other.about == call.about);
        prop_assert_eq!(other, None, "two calls at once");
        let last = self.last_call.replace(call);
        let another = last.filter(|last| last.begun_at == now && last.purpose == call.purpose);
        prop_assert!(another.is_none(), "two calls for the same in one second");
        self.under_way.push(call);
        Ok(())
    }

    fn visit_for(
        &mut self,
        origin: usize,
        is_right: bool,
        now: UnixTime,
        tally: &Tally,
    ) -> Checked {
        let owed = self.book.owed;
        let (session, supply) = self.session.clone().visit_for(secret(is_right), &aim(origin), now);
        let expected = self.book.visit_for(origin, is_right, now);
        let token = |supplied: Box<Supplied>| supplied.granted.access_token().clone();
        let seen = match supply {
            Supply::Serve(supplied) => SeenFor::Serve(token(supplied)),
            Supply::Call(lease, way, meanwhile) => {
                self.leases.push(lease);
                SeenFor::Call(way, meanwhile.map(token))
            }
            Supply::Wait(until, meanwhile) => SeenFor::Wait(until, meanwhile.map(token)),
            Supply::Lacking(lack) => SeenFor::Lacking(lack),
            Supply::Gone => SeenFor::Gone,
        };
        prop_assert_eq!(&seen, &expected);
        prop_assert!(is_right || session == self.session, "a guess changed something");
        self.session = session;
        if let SeenFor::Call(..) = &seen {
            self.begun(now)?;
        }
        let purpose = self.book.calls.last().and_then(|call| call.purpose);
        tally.count(match seen {
            SeenFor::Serve(_) => "an origin is served",
            SeenFor::Call(..) if purpose == Some(origin) => "leased for an origin",
            SeenFor::Call(..) if owed.is_some() => "leased for whom an answer is owed",
            SeenFor::Call(..) => "leased for what is to be exchanged",
            SeenFor::Wait(_, Some(_)) => "an origin waits with a token",
            SeenFor::Wait(_, None) => "an origin waits without",
            SeenFor::Lacking(lack) if lack.refused => "an origin is refused",
            SeenFor::Lacking(_) => "an origin lacks a token",
            SeenFor::Gone => "gone for an origin",
        });
        Ok(())
    }

    fn misfit(&mut self, back: usize, renewal: &Renewal, now: UnixTime, tally: &Tally) -> Checked {
        let Some((lease, call)) = self.call(back) else { return Ok(()) };
        // The session's own token is for whomever the provider says.
        if call.purpose.is_none() {
            return Ok(());
        }
        self.under_way.retain(|other| *other != call);
        let next = renewal.refresh_token.clone();
        let (session, renewed) = self.session.clone().misfit(lease, next.clone(), now);
        prop_assert_eq!(&renewed, &self.book.misfit(call, next.clone(), now));
        self.session = session;
        self.overtaken(call, next.is_some(), &renewed);
        tally.count(match renewed {
            Renewed::Committed => "thrown away",
            Renewed::Orphaned(_) | Renewed::Late => "thrown away too late",
        });
        Ok(())
    }

    /// The call counted back from the last, if there were so many.
    fn call(&self, back: usize) -> Option<(Lease, Call)> {
        let index = self.book.calls.len().checked_sub(1 + back)?;
        Some((self.leases[index], self.book.calls[index]))
    }

    /// A call that had outlived its lease brought a new set or refresh token. What the last call brings is
    /// too late now, and whoever wants it asks anew, be it in the same second.
    fn overtaken(&mut self, call: Call, brought: bool, renewed: &Renewed) {
        // The session's own renewal counts, whatever it brought.
        let counts = brought || call.purpose.is_none();
        let rotated = counts && *renewed == Renewed::Committed;
        if rotated && self.last_call != Some(call) {
            self.last_call = None;
        }
    }

    fn renew(&mut self, back: usize, renewal: &Renewal, now: UnixTime, tally: &Tally) -> Checked {
        let Some((lease, call)) = self.call(back) else { return Ok(()) };
        self.under_way.retain(|other| *other != call);
        let (session, renewed) = self.session.clone().renew(lease, renewal.clone(), now);
        prop_assert_eq!(&renewed, &self.book.renew(call, renewal.clone(), now));
        self.session = session;
        self.overtaken(call, renewal.refresh_token.is_some(), &renewed);
        tally.count(match renewed {
            Renewed::Committed if call.purpose.is_some() => "granted",
            Renewed::Committed if self.book.calls.last() != Some(&call) => "renewed by an old call",
            Renewed::Committed => "renewed",
            Renewed::Orphaned(_) => "orphaned",
            Renewed::Late => "late",
        });
        Ok(())
    }

    fn fail(&mut self, back: usize, failure: Failure, now: UnixTime, tally: &Tally) -> Checked {
        let Some((lease, call)) = self.call(back) else { return Ok(()) };
        self.under_way.retain(|other| *other != call);
        let after = self.session.clone().fail(lease, failure, now);
        let matters = self.book.fail(call, failure, now);
        prop_assert_eq!(after != self.session, matters);
        self.session = after;
        tally.count(match failure {
            _ if !matters => "failure of no consequence",
            Failure::Definitive => "failed for good",
            Failure::Refused => "refused",
            Failure::Transient { .. } if self.book.failures() > 5 => "failed again and again",
            Failure::Transient { .. } => "failed for now",
        });
        Ok(())
    }

    fn close(&mut self, is_right: bool, tally: &Tally) -> Checked {
        let (session, farewell) = self.session.clone().close(secret(is_right));
        prop_assert_eq!(&farewell, &self.book.close(is_right));
        self.session = session;
        tally.count(if farewell.is_some() { "closed" } else { "not closed" });
        Ok(())
    }

    fn abandon(&mut self) {
        self.session = self.session.clone().abandoned();
        self.book.abandon();
        self.under_way.clear();
        self.last_call = None;
    }
}

#[test]
fn gr_12_gs_14_a_browser_session_answers_any_sequence_of_events_as_its_book_says() {
    let outcomes = [
        "served",
        "served to the last",
        "served while the provider is left alone",
        "leased",
        "leased again",
        "leased, for the failure is of another clock",
        "leased, for the tokens are of another clock",
        "waits with a token",
        "waits without",
        "unavailable",
        "guessed",
        "gone",
        "at the absolute end",
        "at the idle end",
        "ended with its token",
        "renewed",
        "renewed by an old call",
        "orphaned",
        "late",
        "failure of no consequence",
        "failed for good",
        "failed for now",
        "failed again and again",
        "closed",
        "not closed",
        "refused",
        "granted",
        "thrown away",
        "thrown away too late",
        "an origin is served",
        "leased for an origin",
        "leased for whom an answer is owed",
        "leased for what is to be exchanged",
        "an origin waits with a token",
        "an origin waits without",
        "an origin is refused",
        "an origin lacks a token",
        "gone for an origin",
    ];
    run(&sequences(), &outcomes, |(limits, first, commands), tally| {
        sequence(limits, first, commands, tally)
    });
}

fn sequence(
    limits: Limits,
    first: Brought,
    commands: Vec<(When, Command)>,
    tally: &Tally,
) -> Checked {
    let book = Book::open(limits, renewal(first, 0));
    let tokens = Tokens::received(renewal(first, 0), limits.absolute, NOON);
    let live = Live::open(secret(true), person(), tokens, limits, NOON);
    let session = Session::Live(Box::new(live));
    let mut pair =
        Pair { session, book, leases: Vec::new(), under_way: Vec::new(), last_call: None };
    let mut now = NOON;
    for (number, (when, command)) in (1..).zip(commands) {
        let before = now;
        now = pair.book.when(when, now);
        pair.last_call = pair.last_call.filter(|_| before <= now);
        pair.under_way.retain(|call| now < call.begun_at.plus(LEASE_SECONDS));
        let was_over = matches!(pair.session, Session::Ended { .. });
        match command {
            Command::Visit { is_right } => pair.visit(is_right, now, tally)?,
            Command::VisitFor { origin, is_right } => {
                pair.visit_for(origin, is_right, now, tally)?;
            }
            Command::Misfit { call, brought } => {
                pair.misfit(call, &renewal(brought, number), now, tally)?;
            }
            Command::Renew { call, brought } => {
                pair.renew(call, &renewal(brought, number), now, tally)?;
            }
            Command::Fail { call, failure } => pair.fail(call, failure, now, tally)?,
            Command::Abandon => pair.abandon(),
            Command::Close { is_right } => pair.close(is_right, tally)?,
        }
        let until = pair.book.ends_at();
        let ended = pair.session == Session::Ended { until };
        prop_assert_eq!(ended, pair.book.is_over);
        prop_assert!(ended || !was_over, "nothing brings it back");
    }
    let written = serde_json::to_string(&pair.session).expect("a session has a JSON form");
    prop_assert_eq!(serde_json::from_str::<Session>(&written).ok(), Some(pair.session));
    Ok(())
}
